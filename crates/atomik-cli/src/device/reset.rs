//! `atomik device reset`.

use atomik_terminal::Status;

use super::connection::ConnectionArgs;
use crate::error::CommandError;

const EXAMPLES: &str = "\
Examples:
  atomik device reset --port /dev/ttyUSB1";

/// Clear the board's register file
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {}

pub fn run(connection: &ConnectionArgs, Args {}: &Args) -> Result<Status, CommandError> {
    connection.connect()?.reset()?;
    Ok(Status::Done)
}
