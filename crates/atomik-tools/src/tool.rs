//! A tool that was found, or the reason why there is none.

use std::{
    ffi::OsString,
    fmt,
    path::PathBuf,
    process::{Command, Stdio},
};

use thiserror::Error;

use crate::kind::ToolKind;
use crate::version::Version;

/// How a tool was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Named by this environment variable.
    Variable(&'static str),
    /// On `PATH`.
    Path,
    /// Installed by `make setup`.
    Installed,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "${name}"),
            Self::Path => f.write_str("PATH"),
            Self::Installed => f.write_str("make setup"),
        }
    }
}

/// A tool that runs and is new enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool {
    /// The kind of tool.
    pub kind: ToolKind,
    /// The program to start.
    pub path: PathBuf,
    /// Arguments that precede all others: the rest of `CXX` after the program.
    pub args: Vec<OsString>,
    /// The version as numbers, to compare.
    pub version: Version,
    /// The version as the tool prints it, on one line. Different builds of a tool have different
    /// texts.
    pub version_text: String,
    /// Where it was found.
    pub origin: Origin,
    /// Environment variables that it needs.
    pub env: Vec<(&'static str, PathBuf)>,
    /// For Verilator, the folder with the sources of its run-time library; otherwise `None`.
    pub include: Option<PathBuf>,
}

impl Tool {
    /// A command that starts the tool, with stdin closed.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command
            .args(&self.args)
            .envs(self.env.iter().map(|(k, v)| (k, v)))
            .stdin(Stdio::null());
        command
    }
}

/// Why a tool cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ToolError {
    /// The tool is not installed.
    #[error("no {kind} was found, which {} needs: {}", kind.purpose(), kind.remedy())]
    Missing {
        /// The tool.
        kind: ToolKind,
    },
    /// The tool is too old.
    #[error(
        "{} is {kind} {version}, but {minimum} is the oldest that works: {}",
        path.display(),
        kind.remedy()
    )]
    TooOld {
        /// The tool.
        kind: ToolKind,
        /// The program.
        path: PathBuf,
        /// Its version.
        version: Version,
        /// The oldest usable version.
        minimum: Version,
    },
    /// The program does not run, or is not the tool it should be.
    #[error("{} is not a usable {kind} ({reason}): {}", path.display(), kind.remedy())]
    Broken {
        /// The tool.
        kind: ToolKind,
        /// The program.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl ToolError {
    /// The tool that cannot be used.
    #[must_use]
    pub fn kind(&self) -> ToolKind {
        match self {
            Self::Missing { kind } | Self::TooOld { kind, .. } | Self::Broken { kind, .. } => *kind,
        }
    }
}
