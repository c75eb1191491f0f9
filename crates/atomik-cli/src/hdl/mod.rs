//! `atomik hdl`: generated Verilog, and proofs of it.

mod files;
mod generate;
mod list;
mod prove;
mod waves;

use atomik_terminal::Status;

use crate::error::CommandError;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    Generate(generate::Args),
    Waves(waves::Args),
    List(list::Args),
    Prove(prove::Args),
}

impl Command {
    pub fn run(&self) -> Result<Status, CommandError> {
        match self {
            Self::Generate(args) => generate::run(args),
            Self::Waves(args) => waves::run(args),
            Self::List(args) => list::run(args),
            Self::Prove(args) => prove::run(args),
        }
    }
}
