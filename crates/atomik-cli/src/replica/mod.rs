//! `atomik replica`: replicas in simulation.

mod simulate;

use atomik_terminal::Status;

use crate::error::CommandError;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    Simulate(simulate::Args),
}

impl Command {
    pub fn run(&self) -> Result<Status, CommandError> {
        match self {
            Self::Simulate(args) => simulate::run(args),
        }
    }
}
