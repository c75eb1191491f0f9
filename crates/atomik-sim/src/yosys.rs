//! Running Yosys.

use std::fs;
use std::path::Path;

use atomik_tools::{Search, Tool, ToolError, ToolKind};

/// The log of a run, in its folder.
const LOG: &str = "yosys.log";
/// Lines of the log that an error shows.
const LAST_LINES: usize = 12;

/// Why a run of Yosys failed.
#[derive(Debug, thiserror::Error)]
pub enum YosysError {
    /// There is no usable Yosys.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// It does not start.
    #[error("Yosys does not start: {0}; run `atomik doctor`")]
    Start(std::io::Error),
    /// It ends with an error.
    #[error("Yosys refuses the design; correct the Verilog:\n{0}")]
    Refused(String),
}

/// A Yosys that is new enough for synthesis.
#[derive(Clone, Debug)]
pub(crate) struct Yosys(Tool);

impl Yosys {
    /// The Yosys that [`Search::from_env`] finds.
    pub(crate) fn from_env() -> Result<Yosys, YosysError> {
        Ok(Yosys(Search::from_env().find(ToolKind::Synthesis)?))
    }

    /// Its version, on one line.
    pub(crate) fn version(&self) -> &str {
        &self.0.version_text
    }

    /// Runs `script` in `folder`, which must hold every file that it names: a WebAssembly build of
    /// Yosys sees no other.
    pub(crate) fn run(&self, folder: &Path, script: &str) -> Result<(), YosysError> {
        let mut command = self.0.command();
        command
            .current_dir(folder)
            .args(["-q", "-l", LOG, "-p", script]);
        let output = command.output().map_err(YosysError::Start)?;
        if output.status.success() {
            return Ok(());
        }
        // A tool that crashes says so on stderr alone.
        let log = fs::read(folder.join(LOG)).unwrap_or_default();
        let text = [log, output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().filter(|l| !l.trim().is_empty()).collect();
        let last = &lines[lines.len().saturating_sub(LAST_LINES)..];
        Err(YosysError::Refused(last.join("\n")))
    }
}
