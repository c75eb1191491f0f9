mod answers;
mod ask;
mod commands;
mod failure;
mod members;
mod members_error;
mod run;

use atomik_terminal::Status;
use clap::Parser;

use commands::Command;
use failure::NodeFailure;
use run::RunArgs;

/// Run a replica of a keyspace, or talk to a running one
#[derive(Debug, Parser)]
#[command(
    name = "atomik-node",
    version,
    args_conflicts_with_subcommands = true,
    after_help = include_str!("help.txt"),
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: RunArgs,
}

impl Cli {
    pub(crate) fn run(self) -> Result<Status, NodeFailure> {
        match self.command {
            None => self.run.run(),
            Some(command) => command.run(),
        }
    }
}
