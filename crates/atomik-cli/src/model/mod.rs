//! `atomik model`: the software model.

mod repl;
mod run;

use atomik_terminal::Status;

use crate::error::CommandError;
use crate::trace_file::TraceArgs;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Run a trace and print the responses
    #[command(after_help = run::EXAMPLES)]
    Run(TraceArgs),
    Repl(repl::Args),
}

impl Command {
    pub fn run(&self) -> Result<Status, CommandError> {
        match self {
            Self::Run(args) => run::run(args),
            Self::Repl(args) => repl::run(args),
        }
    }
}
