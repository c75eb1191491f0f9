//! Where `import` and `generate` write traces to: a file, whole or not at all, or standard output.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use foldhash::fast::FixedState;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use tempfile::NamedTempFile;

use atomik_workload::workload::Line;

use super::Failure;

/// Lines between two updates of the progress bar.
const STEP: u64 = 8192;

enum Target {
    /// A file next to the one that is meant, which it replaces when all is written.
    File(BufWriter<NamedTempFile>, PathBuf),
    /// A pipe or a device that is named as a file: written as it is, since replacing it would
    /// destroy it.
    Device(BufWriter<File>, PathBuf),
    Stdout(BufWriter<io::StdoutLock<'static>>),
}

/// A trace that is being written.
pub struct Output {
    target: Target,
    bar: ProgressBar,
    operations: u64,
    keys: HashSet<String, FixedState>,
    nodes: u32,
}

impl Output {
    /// To `file`, or to standard output. `total` is how many operations will come, if that is
    /// known.
    pub fn open(file: Option<&Path>, total: Option<u64>) -> Result<Self, Failure> {
        let target = match file {
            None => Target::Stdout(BufWriter::new(io::stdout().lock())),
            Some(file) => Self::file(file).map_err(Failure::file(file))?,
        };
        // Lines on a terminal say themselves how far it is. indicatif hides the bar by itself where
        // standard error is none.
        let quiet = file.is_none() && io::stdout().is_terminal();
        let bar = match total {
            _ if quiet => ProgressBar::hidden(),
            Some(total) => ProgressBar::new(total),
            None => ProgressBar::new_spinner(),
        };
        let template = match total {
            Some(_) => "{bar:30} {human_pos} of {human_len} operations, {eta} left",
            None => "{spinner} {human_pos} operations",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        if !bar.is_hidden() {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        Ok(Self {
            target,
            bar,
            operations: 0,
            keys: HashSet::default(),
            nodes: 0,
        })
    }

    fn file(file: &Path) -> io::Result<Target> {
        // Through a link, to what it points at.
        let file = std::fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
        if std::fs::metadata(&file).is_ok_and(|data| !data.is_file() && !data.is_dir()) {
            let device = File::options().write(true).open(&file)?;
            return Ok(Target::Device(BufWriter::new(device), file));
        }
        if file.is_dir() {
            return Err(io::Error::new(
                io::ErrorKind::IsADirectory,
                "is a folder; give the name of a file",
            ));
        }
        let folder = match file.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let mut builder = tempfile::Builder::new();
        builder.prefix(".trace-").suffix(".tmp");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // As any new file, less what the umask takes away; a temporary one would be its owner's
            // alone.
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let temporary = builder.tempfile_in(folder)?;
        Ok(Target::File(
            BufWriter::with_capacity(1 << 16, temporary),
            file,
        ))
    }

    /// Writes a line.
    pub fn write(&mut self, line: &Line) -> io::Result<()> {
        match &mut self.target {
            Target::File(writer, _) => line.write(writer)?,
            Target::Device(writer, _) => line.write(writer)?,
            Target::Stdout(writer) => line.write(writer)?,
        }
        self.operations += 1;
        self.nodes = self.nodes.max(line.node + 1);
        if !self.keys.contains(line.key.as_str()) {
            self.keys.insert(line.key.clone());
        }
        if self.operations.is_multiple_of(STEP) {
            self.bar.set_position(self.operations);
        }
        Ok(())
    }

    /// What a failed write is called.
    pub fn failure(&self, error: io::Error) -> Failure {
        match &self.target {
            Target::File(_, file) | Target::Device(_, file) => Failure::file(file)(error),
            Target::Stdout(_) => Failure::Output(error),
        }
    }

    /// Puts the trace in its place, and says in a few words what it holds.
    pub fn finish(self) -> Result<String, Failure> {
        self.bar.finish_and_clear();
        let keys = self.keys.len() as u64;
        let words = format!(
            "{} operations, {} keys, {} nodes",
            HumanCount(self.operations),
            HumanCount(keys),
            self.nodes
        );
        match self.target {
            Target::File(writer, file) => {
                let failed = Failure::file(&file);
                let persisted = writer
                    .into_inner()
                    .map_err(io::IntoInnerError::into_error)
                    .and_then(|temporary| Ok(temporary.persist(&file)?));
                persisted.map_err(failed)?;
            }
            Target::Device(mut writer, file) => writer.flush().map_err(Failure::file(&file))?,
            Target::Stdout(mut writer) => writer.flush()?,
        }
        Ok(words)
    }
}
