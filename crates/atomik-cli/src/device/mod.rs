//! `atomik device`: a board, real or simulated, over its serial line.

mod connection;
mod info;
mod reset;
mod run;
mod simulate;

use atomik_terminal::Status;

use crate::error::CommandError;
use connection::ConnectionArgs;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Run(run::Args),
    Info(info::Args),
    Reset(reset::Args),
    Simulate(simulate::Args),
}

impl Args {
    pub fn run(&self) -> Result<Status, CommandError> {
        match &self.command {
            Command::Run(args) => run::run(&self.connection, args),
            Command::Info(args) => info::run(&self.connection, args),
            Command::Reset(args) => reset::run(&self.connection, args),
            Command::Simulate(args) => simulate::run(args),
        }
    }
}
