//! Programs of their own beside this one: what takes minutes to compile, and nothing else here
//! needs.

use std::env;
use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use crate::Outcome;
use crate::failure::Failure;

/// A program that a subcommand of this one runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Companion {
    /// Replicas on engines.
    Node,
    /// The evaluator and the systems that it compares.
    Eval,
}

impl Companion {
    /// All of them.
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

    /// The subcommand that runs it.
    pub fn subcommand(self) -> &'static str {
        match self {
            Self::Node => "atomik node",
            Self::Eval => "atomik eval",
        }
    }

    /// Becomes the program with these arguments; returns only if it cannot.
    pub fn run(self, args: &[OsString]) -> Result<Outcome, Failure> {
        let path = self.find().ok_or(Failure::NoCompanion(self))?;
        let source = Command::new(&path).args(args).exec();
        Err(Failure::Companion {
            path,
            source,
            companion: self,
        })
    }

    /// Where the program is: beside this one, or on `PATH`.
    pub fn find(self) -> Option<PathBuf> {
        // Without knowing where this one is, PATH is all there is.
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
