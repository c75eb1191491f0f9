//! Why nothing was proved or refuted.

use crate::model::ModelError;
use crate::solver::SolverError;
use atomik_hdl::files;
use atomik_sim::case::CaseError;
use atomik_sim::mutated::MutantError;
use atomik_sim::yosys::YosysError;
use atomik_tools::ToolError;
use atomik_tools::cache::CacheError;
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
    /// Mutants cannot be made or run.
    #[error(transparent)]
    Mutants(#[from] MutantError),
    /// A mutant cannot be compared with the design.
    #[error(transparent)]
    Equivalence(#[from] YosysError),
    /// A file of a comparison cannot be read or written.
    #[error(transparent)]
    Scratch(#[from] CacheError),
    /// A mutant that an argument calls equivalent is none.
    #[error("argument {name} is wrong: {profile} kills {mutant}; correct its list of mutants")]
    Argument {
        /// The name of the argument.
        name: String,
        /// Configuration and description of the mutant.
        mutant: String,
        /// The profile of the stimulus that finds it.
        profile: String,
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
