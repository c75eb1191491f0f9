//! `atomik hdl waves`.

use std::path::PathBuf;

use atomik_hdl::{Target, waves};
use atomik_terminal::Status;
use clap::ValueHint;

use super::files::write;
use crate::error::CommandError;
use crate::geometry::{GeometryArgs, target};

const EXAMPLES: &str = "\
Writes NAME_OP.json for each op, and NAME_reset.json, from simulation, as WaveJSON for WaveDrom.

Examples:
  atomik hdl waves --width 8 --depth 16 --lanes 2 -o hdl/waves";

/// Write timing diagrams of a register file
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    geometry: GeometryArgs,
    /// Device family to generate memories for
    #[arg(long, value_name = "TARGET", default_value = "generic", value_parser = target())]
    target: Target,
    /// Folder to write to, created if missing
    #[arg(short, long, value_name = "DIR", default_value = ".", value_hint = ValueHint::DirPath)]
    out: PathBuf,
}

pub fn run(args: &Args) -> Result<Status, CommandError> {
    let config = args.geometry.config(args.target)?;
    write(&waves::files(&config)?, &args.out)?;
    Ok(Status::Done)
}
