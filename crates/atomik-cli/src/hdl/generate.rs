//! `atomik hdl generate`.

use std::path::PathBuf;

use atomik_hdl::Target;
use atomik_hdl::design::reference_configs;
use atomik_hdl::files::files;
use atomik_hdl::options::{Arrangement, Options};
use atomik_hdl::timescale::Timescale;
use atomik_terminal::Status;
use clap::ValueHint;

use super::files::write;
use crate::error::CommandError;
use crate::geometry::{GeometryArgs, target};

const EXAMPLES: &str = "\
Writes NAME.v; NAME.json with its latency, ports, memories and digest; NAME.core for FuseSoC; a
simulation model sim/CELL.v for each device cell that it instantiates; and lists of its files,
NAME.f without the models and NAME.sim.f with them. The same options give the same bytes.
`atomik hdl list` shows what can be generated.

Examples:
  atomik hdl generate --width 64 --depth 512 --lanes 4 -o build
  atomik hdl generate --width 8 --depth 16 --split -o build
  atomik hdl generate --layout xor:48,add:16 --depth 512 -o build
  atomik hdl generate --reference -o hdl";

/// Write the Verilog of a register file and its manifest
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    geometry: GeometryArgs,
    /// Device family to generate memories for
    #[arg(long, value_name = "TARGET", default_value = "generic", value_parser = target())]
    target: Target,
    /// Write each module to its own file
    #[arg(long)]
    split: bool,
    /// Time unit and precision that the files declare, or none
    #[arg(long, value_name = "UNIT/PRECISION", default_value_t)]
    timescale: Timescale,
    /// Write a self-checking testbench, NAME_tb.v, for Icarus, Verilator and other simulators
    #[arg(long)]
    testbench: bool,
    /// Write a test for cocotb, NAME_cocotb.py, and what runs it
    #[arg(long)]
    cocotb: bool,
    /// Write all reference configurations
    #[arg(long, conflicts_with_all = ["width", "layout", "depth", "lanes"])]
    reference: bool,
    /// Folder to write to, created if missing
    #[arg(short, long, value_name = "DIR", default_value = ".", value_hint = ValueHint::DirPath)]
    out: PathBuf,
}

pub fn run(args: &Args) -> Result<Status, CommandError> {
    let configs = if args.reference {
        reference_configs()?
    } else {
        vec![args.geometry.config(args.target)?]
    };
    let arrangement = if args.split {
        Arrangement::Split
    } else {
        Arrangement::Together
    };
    let options = Options {
        arrangement,
        timescale: args.timescale,
        testbench: args.testbench,
        cocotb: args.cocotb,
    };
    for config in &configs {
        write(&files(config, options)?, &args.out)?;
    }
    Ok(Status::Done)
}
