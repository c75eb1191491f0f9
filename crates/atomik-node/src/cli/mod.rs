mod answers;
mod ask;
mod commands;
mod failure;
mod members;
mod members_error;
mod run;

use atomik_node_options::Arguments;
use atomik_terminal::Status;
use clap::Parser;

use failure::NodeFailure;

/// Run a replica of a keyspace, or talk to a running one
#[derive(Debug, Parser)]
#[command(
    name = "atomik-node",
    version,
    args_conflicts_with_subcommands = true,
    after_help = include_str!("help.txt"),
)]
pub(crate) struct Cli {
    #[command(flatten)]
    arguments: Arguments,
}

impl Cli {
    pub(crate) fn run(self) -> Result<Status, NodeFailure> {
        match self.arguments.command {
            None => run::run(self.arguments.run),
            Some(command) => commands::run(command),
        }
    }
}
