//! Why a command fails, with which message and exit status.

use std::io;
use std::path::{Path, PathBuf};

use atomik_arena::scaling::ScalingError;
use atomik_arena::system::SystemError;
use atomik_eval::report::{FORMAT, ReportError};
use atomik_terminal::{Failure, OutputError, OverwriteError, Status};
use atomik_workload::import::ImportError;
use atomik_workload::trace_writer::WriteError;
use atomik_workload::workload::TraceError;

/// Nodes that are simulated: each has a link to every other one.
pub const MOST_NODES: usize = 1_000;

/// Why a command ended early.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error(transparent)]
    Trace(#[from] TraceError),
    #[error(
        "{}: no operations: create a trace with `atomik eval import` or `atomik eval generate`; \
         --ops must be 1 or more",
        .0.display()
    )]
    NoOperations(PathBuf),
    #[error(transparent)]
    Import(#[from] ImportError),
    #[error(transparent)]
    WriteTrace(#[from] WriteError),
    #[error("give -o FILE.html: the imported trace is written beside it")]
    NoPlaceForTrace,
    #[error("{}: a review reads its trace several times: write it to a file first", .0.display())]
    Stream(PathBuf),
    #[error("{}: is a folder; give the name of a file", .0.display())]
    Folder(PathBuf),
    #[error(
        "there are {0} nodes, and at most {MOST_NODES} are simulated: number the nodes of the \
         trace from 0, or give a lower --nodes"
    )]
    TooManyNodes(usize),
    #[error("--faults none excludes all other faults: leave it out")]
    NoneAndFaults,
    #[error(
        "--linger {ms} is too long: changes may wait for at most {most_ms} ms here, half of the \
         longest time without operations; give at most that, or a higher --latency-ms"
    )]
    LongLinger { ms: f64, most_ms: f64 },
    #[error(
        "partitions and crashes need at least 3 nodes, so that a majority remains, but there \
         are {0}: give --nodes 3"
    )]
    TooFewNodes(usize),
    #[error(
        "this build has no system {name:?}; choose from {}{}",
        .known.join(", "),
        .left_out.as_ref().map_or(String::new(), |(system, feature)| {
            format!("; {system} needs a build with --features {feature}")
        })
    )]
    UnknownSystem {
        name: String,
        known: Vec<&'static str>,
        /// A system of that name which the build leaves out, and the feature that it needs.
        left_out: Option<(&'static str, &'static str)>,
    },
    #[error(transparent)]
    Scaling(#[from] ScalingError),
    #[error(
        "{}: not a review: {source}; recreate it with `atomik eval review TRACE --json FILE`",
        .file.display()
    )]
    NotAReview {
        file: PathBuf,
        source: serde_json::Error,
    },
    #[error(
        "{}: format {format}, but this program shows format {FORMAT}; recreate it with `atomik \
         eval review TRACE --json FILE`",
        .file.display()
    )]
    Format { file: PathBuf, format: u32 },
    #[error(transparent)]
    Report(#[from] ReportError),
    #[error("{}: {source}", .file.display())]
    File { file: PathBuf, source: io::Error },
    #[error(
        "{}: {why}; its measurements cannot be used here: delete it, or move it away",
        .file.display()
    )]
    Journal { file: PathBuf, why: String },
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error(transparent)]
    Overwrite(#[from] OverwriteError),
    #[error(
        "{0}; this is a bug in the system or its adapter: the same command and seed reproduce it"
    )]
    System(#[from] SystemError),
}

impl CommandError {
    /// The file cannot be read or written.
    pub fn file(file: &Path) -> impl FnOnce(io::Error) -> Self {
        let file = file.to_owned();
        move |source| Self::File { file, source }
    }
}

impl Failure for CommandError {
    fn status(&self) -> Status {
        match self {
            Self::Output(_) | Self::System(_) => Status::Broken,
            Self::WriteTrace(error) => error.status(),
            _ => Status::BadInput,
        }
    }

    fn is_closed_output(&self) -> bool {
        matches!(self, Self::Output(error) if error.is_closed_output())
    }
}
