//! `atomik trace`: traces from files and from seeds.

mod diff;
mod random;

use atomik_terminal::Status;

use crate::error::CommandError;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    Diff(diff::Args),
    Random(random::Args),
}

impl Command {
    pub fn run(&self) -> Result<Status, CommandError> {
        match self {
            Self::Diff(args) => diff::run(args),
            Self::Random(args) => random::run(args),
        }
    }
}
