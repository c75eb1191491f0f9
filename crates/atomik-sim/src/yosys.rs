//! Running Yosys.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use atomik_tools::process::{self, RunError};
use atomik_tools::{Search, Tool, ToolError, ToolKind};

/// The log of a run, in its folder.
const LOG: &str = "yosys.log";

/// Why a run of Yosys failed.
#[derive(Debug, thiserror::Error)]
pub enum YosysError {
    /// There is no usable Yosys.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// It ends with an error.
    #[error("Yosys refuses the design; correct the Verilog:\n{0}")]
    Refused(RunError),
    /// It does not run.
    #[error("{0}; run `atomik doctor`")]
    Run(RunError),
}

/// A Yosys that is new enough for synthesis.
#[derive(Clone, Debug)]
pub struct Yosys(Tool);

impl Yosys {
    /// The Yosys that [`Search::from_env`] finds.
    ///
    /// # Errors
    /// When there is none.
    pub fn from_env() -> Result<Yosys, YosysError> {
        Ok(Yosys(Search::from_env().find(ToolKind::Synthesis)?))
    }

    /// Its version, on one line.
    pub fn version(&self) -> &str {
        &self.0.version_text
    }

    /// Runs `script` in `folder`, which must hold every file that it names: a WebAssembly build of
    /// Yosys sees no other.
    ///
    /// # Errors
    /// When it does not start, or refuses the script.
    pub fn run(&self, folder: &Path, script: &str) -> Result<(), YosysError> {
        let args = ["-q", "-l", LOG, "-p", script].map(str::to_owned);
        let done = process::run(&self.0, folder, &args, LOG, &AtomicBool::new(false));
        done.map_err(|error| match error {
            RunError::Exit { .. } => YosysError::Refused(error),
            _ => YosysError::Run(error),
        })
    }
}
