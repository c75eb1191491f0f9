//! `atomik fpga`: designs on devices.

mod build;
mod design;
mod flow;
mod goals;
mod outcome;
mod report;
mod sweep;

use atomik_fpga::FlowError;
use atomik_terminal::Status;

use crate::error::CommandError;
use crate::program::ATOMIK;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    Report(report::Args),
    Sweep(sweep::Args),
    Goals(goals::Args),
    Build(build::Args),
}

impl Command {
    pub fn run(&self) -> Result<Status, CommandError> {
        let result = match self {
            Self::Report(args) => report::run(args),
            Self::Sweep(args) => sweep::run(args),
            Self::Goals(args) => goals::run(args),
            Self::Build(args) => build::run(args),
        };
        match result {
            Err(CommandError::Fpga(FlowError::Stopped)) => {
                ATOMIK.message(FlowError::Stopped);
                Ok(Status::Stopped)
            }
            result => result,
        }
    }
}
