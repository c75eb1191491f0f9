//! `atomik sim`: the generated Verilog in simulation.

mod bench;
mod coverage;
mod mutate;
mod regress;
mod replay;
mod run;

use atomik_terminal::Status;

use crate::error::CommandError;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    Run(run::Args),
    Regress(regress::Args),
    Replay(replay::Args),
    Bench(bench::Args),
    Mutate(mutate::Args),
    Coverage(coverage::Args),
}

impl Command {
    pub fn run(&self) -> Result<Status, CommandError> {
        match self {
            Self::Run(args) => run::run(args),
            Self::Regress(args) => regress::run(args),
            Self::Replay(args) => replay::run(args),
            Self::Bench(args) => bench::run(args),
            Self::Mutate(args) => mutate::run(args),
            Self::Coverage(args) => coverage::run(args),
        }
    }
}
