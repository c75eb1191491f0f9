//! Writing a trace, with progress on stderr.

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use atomik_terminal::{OverwriteError, bar, spare};
use atomik_workload::trace_writer::{Size, TraceWriter, WriteError};
use atomik_workload::workload::Line;
use clap::ValueHint;
use indicatif::ProgressBar;

/// Lines between two updates of the progress bar.
const STEP: u64 = 8192;

#[derive(Debug, clap::Args)]
pub struct OutputArgs {
    /// Write the trace to this file instead of stdout, one operation per line; the file appears
    /// when it is complete
    #[arg(short = 'o', long = "output", value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: Option<PathBuf>,
}

/// A trace that is being written.
pub struct TraceOutput {
    writer: TraceWriter,
    bar: ProgressBar,
}

impl OutputArgs {
    /// Refuses an output that is one of these inputs.
    pub fn spare<P: AsRef<Path>>(
        &self,
        inputs: impl IntoIterator<Item = P>,
    ) -> Result<(), OverwriteError> {
        spare(&self.file, inputs)
    }

    /// Starts the trace; `total` is the number of operations to come, if known.
    pub fn create(&self, total: Option<u64>) -> Result<TraceOutput, WriteError> {
        let file = self.file.as_deref();
        Ok(TraceOutput {
            writer: TraceWriter::create(file)?,
            bar: progress(file, total),
        })
    }
}

/// A progress bar. Lines printed to a terminal show the progress by themselves, so none is shown.
fn progress(file: Option<&Path>, total: Option<u64>) -> ProgressBar {
    if file.is_none() && io::stdout().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = match total {
        Some(total) => bar(
            total,
            "{bar:30} {human_pos} of {human_len} operations, {eta} left",
        ),
        None => bar(0, "{spinner} {human_pos} operations"),
    };
    if !bar.is_hidden() {
        bar.enable_steady_tick(Duration::from_millis(200));
    }
    bar
}

impl TraceOutput {
    /// Writes a line.
    pub fn write(&mut self, line: &Line) -> io::Result<()> {
        self.writer.write(line)?;
        if self.writer.operations().is_multiple_of(STEP) {
            self.bar.set_position(self.writer.operations());
        }
        Ok(())
    }

    /// The number of lines written.
    pub fn operations(&self) -> u64 {
        self.writer.operations()
    }

    /// A failed [`TraceOutput::write`], with the name of the file.
    pub fn error(&self, source: io::Error) -> WriteError {
        self.writer.error(source)
    }

    /// Completes the trace.
    pub fn finish(self) -> Result<Size, WriteError> {
        self.bar.finish_and_clear();
        self.writer.finish()
    }
}
