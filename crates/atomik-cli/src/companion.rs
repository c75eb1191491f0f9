//! Programs that subcommands of this one run. They take minutes to compile, so they are separate
//! binaries.

use std::convert::Infallible;
use std::env;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use thiserror::Error;

pub const NODE_NOTE: &str = "\
These commands are in atomik-node, which is searched for beside this program, then on PATH;
`make node` builds it. `atomik-node --help` shows a config file.

Examples:
  atomik node --config node.toml
  atomik node put greeting 0x68656c6c6f --data DIR
  atomik node status --data DIR";

/// A program that a subcommand of this one runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Companion {
    /// Replicas as processes, on network engines.
    Node,
    /// The evaluator and the systems that it compares.
    Eval,
}

/// A companion could not be run.
#[derive(Debug, Error)]
pub enum CompanionError {
    #[error(
        "{} was not found beside this program or on PATH; `{}` builds it beside the release build \
         of this one (minutes the first time)",
        .0.program(), .0.target()
    )]
    NotFound(Companion),
    #[error("{}: {source}; build it again with `{}`", .path.display(), .companion.target())]
    Exec {
        companion: Companion,
        path: PathBuf,
        source: io::Error,
    },
}

impl Companion {
    /// All companions.
    pub const ALL: [Self; 2] = [Self::Node, Self::Eval];

    /// The program's name.
    pub fn program(self) -> &'static str {
        match self {
            Self::Node => "atomik-node",
            Self::Eval => "atomik-eval",
        }
    }

    /// The make target that builds it.
    pub fn target(self) -> &'static str {
        match self {
            Self::Node => "make node",
            Self::Eval => "make atomik-eval",
        }
    }

    /// The subcommands that run it.
    pub fn subcommand(self) -> &'static str {
        match self {
            Self::Node => "atomik node",
            Self::Eval => "atomik eval run, scale, report and review",
        }
    }

    /// Replaces this process by the program. Returns only if that fails.
    pub fn exec(
        self,
        args: impl IntoIterator<Item = OsString>,
    ) -> Result<Infallible, CompanionError> {
        let path = self.find().ok_or(CompanionError::NotFound(self))?;
        let mut command = Command::new(&path);
        let source = command.args(args).exec();
        Err(CompanionError::Exec {
            companion: self,
            path,
            source,
        })
    }

    /// Where the program is: beside this one, or on `PATH`.
    pub fn find(self) -> Option<PathBuf> {
        // If this program's own path is unknown, only PATH is left.
        let beside = env::current_exe()
            .ok()
            .and_then(|this| Some(this.parent()?.to_owned()));
        let path = env::var_os("PATH").unwrap_or_default();
        let folders = beside.into_iter().chain(env::split_paths(&path));
        folders
            .map(|folder| folder.join(self.program()))
            .find(|file| file.is_file())
    }
}
