use std::io;
use std::path::PathBuf;

use atomik_sim::trace;
use thiserror::Error;

/// Why a command ended early.
#[derive(Debug, Error)]
pub enum Failure {
    #[error(transparent)]
    Trace(#[from] trace::Error),
    #[error(transparent)]
    Diff(#[from] trace::diff::Error),
    #[error(transparent)]
    Geometry(#[from] trace::GeometryError),
    #[error(transparent)]
    Model(#[from] atomik_algebra::Error),
    #[error("<stdin>:{line}: {reason}")]
    Script { line: u64, reason: String },
    #[error("<stdin>: {0}")]
    Input(#[source] io::Error),
    #[error("cannot edit lines on this terminal: {0}; give the commands on the standard input")]
    Terminal(#[from] rustyline::error::ReadlineError),
    #[error("cannot write to the standard output: {0}")]
    Output(#[source] io::Error),
    #[error("{}: {source}; name a folder that can be written to", .path.display())]
    Folder { path: PathBuf, source: io::Error },
}

impl Failure {
    /// The exit status, as `atomik --help` documents it.
    pub fn status(&self) -> u8 {
        match self {
            Self::Trace(trace::Error::Spool { .. } | trace::Error::Write(_))
            | Self::Diff(trace::diff::Error::Spool { .. } | trace::diff::Error::Write(_))
            | Self::Terminal(_)
            | Self::Output(_)
            | Self::Folder { .. } => 3,
            Self::Trace(_)
            | Self::Diff(_)
            | Self::Geometry(_)
            | Self::Model(_)
            | Self::Script { .. }
            | Self::Input(_) => 2,
        }
    }

    /// Whether the reader of the standard output went away, as `head` does.
    pub fn is_closed_output(&self) -> bool {
        match self {
            Self::Trace(trace::Error::Write(source))
            | Self::Diff(trace::diff::Error::Write(source))
            | Self::Output(source) => source.kind() == io::ErrorKind::BrokenPipe,
            _ => false,
        }
    }
}
