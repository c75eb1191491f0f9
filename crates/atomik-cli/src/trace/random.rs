//! `atomik trace random`.

use atomik_terminal::{OutputError, Status, stdout};
use atomik_trace::{CommandWriter, Random};

use crate::error::CommandError;
use crate::geometry::GeometryArgs;

const EXAMPLES: &str = "\
Half of lane 0's commands are accum, the rest a mix of all other ops; the other lanes accumulate in
every second cycle. Addresses repeat soon, deltas cancel, and some cycles stay idle. The same
options give the same trace on every machine.

Examples:
  atomik trace random --seed 7 --count 20
  atomik trace random --layout add:16 --count 20
  atomik trace random --lanes 4 --count 1000000 | atomik model run --lanes 4 -";

/// Print a random trace
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    geometry: GeometryArgs,
    /// Seed of the trace
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    seed: u64,
    /// Number of commands to print
    #[arg(long, value_name = "COMMANDS", default_value_t = 1000)]
    count: u64,
}

pub fn run(args: &Args) -> Result<Status, CommandError> {
    let geometry = args.geometry.geometry()?;
    let mut writer = CommandWriter::new(stdout(), geometry.width());
    let mut commands = Random::new(geometry, args.seed);
    for _ in 0..args.count {
        let Some(command) = commands.next() else {
            break;
        };
        writer.write(&command).map_err(OutputError::Write)?;
    }
    writer.flush().map_err(OutputError::Write)?;
    Ok(Status::Done)
}
