//! `atomik trace`: traces from files and from seeds, and as theorems.

mod diff;
mod random;
mod transcript;

use atomik_terminal::Status;

use crate::error::CommandError;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    Transcript(transcript::Args),
    Diff(diff::Args),
    Random(random::Args),
}

impl Command {
    pub fn run(&self) -> Result<Status, CommandError> {
        match self {
            Self::Transcript(args) => transcript::run(args),
            Self::Diff(args) => diff::run(args),
            Self::Random(args) => random::run(args),
        }
    }
}
