//! Why nothing was proved or refuted.

use crate::model::ModelError;
use crate::solver::SolverError;
use atomik_hdl::files;
use atomik_sim::case::CaseError;
use atomik_tools::ToolError;
use std::io;
use std::path::PathBuf;

/// Why nothing was proved or refuted.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// A tool is missing.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// Yosys does not read the design with its properties.
    #[error(
        "Yosys does not read the {part} of {config} with its properties; the design must have the \
         modules and signals of the generated one.\n{log}"
    )]
    Yosys {
        /// The configuration.
        config: String,
        /// The part.
        part: String,
        /// The end of its log.
        log: String,
    },
    /// What Yosys wrote is not understood.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A solver failed.
    #[error(transparent)]
    Solver(#[from] SolverError),
    /// The files cannot be written.
    #[error(transparent)]
    Files(#[from] files::Error),
    /// Yosys's netlist is not understood.
    #[error("Yosys's netlist has an unexpected form: {0}; this is a bug, please report it")]
    Netlist(#[source] serde_json::Error),
    /// A file cannot be read or written.
    #[error("{}: {source}; name a folder that can be written to", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A counterexample cannot be simulated.
    #[error(transparent)]
    Case(Box<CaseError>),
}

impl From<CaseError> for ProveError {
    fn from(error: CaseError) -> ProveError {
        ProveError::Case(error.into())
    }
}
