//! The commands: each parses its arguments, calls the library, and prints.

pub mod fit;
pub mod generate;
pub mod import;
pub mod output;
pub mod report;
pub mod review;
pub mod run;
pub mod scale;

use std::io;
use std::path::{Path, PathBuf};

use atomik_arena::system::SystemError;
use atomik_workload::workload::TraceError;

/// How a command ended that did what it was asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It did.
    Fine,
    /// What was checked does not hold: a workload that does not fit where `--strict` asks for one,
    /// a column that did not converge.
    CheckFailed,
}

/// Why a command could not do what it was asked to do. The text says what to do next.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// What the user asked for is not there, or makes no sense.
    #[error("{0}")]
    Input(String),
    #[error("{}: {source}", .file.display())]
    File { file: PathBuf, source: io::Error },
    #[error("standard output: {0}")]
    Output(#[from] io::Error),
    #[error(
        "{0}; this is a bug, of the column or its adapter: run it again with the same seed, it will show again"
    )]
    System(#[from] SystemError),
}

impl Failure {
    /// A failed operation on a file.
    pub fn file(file: &Path) -> impl FnOnce(io::Error) -> Self {
        let file = file.to_owned();
        move |source| Self::File { file, source }
    }

    /// The exit status.
    pub fn status(&self) -> u8 {
        match self {
            Self::Trace(_) | Self::Input(_) | Self::File { .. } => 2,
            Self::Output(_) | Self::System(_) => 3,
        }
    }
}
