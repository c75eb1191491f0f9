//! `atomik fpga build`.

use std::path::{Path, PathBuf};

use atomik_fpga::bitstream::{Bitstream, Packed};
use atomik_fpga::device::Cells;
use atomik_fpga::image::Image;
use atomik_fpga::{Device, Job, board};
use atomik_terminal::{Status, print, print_json};
use atomik_tools::project_root;
use clap::ValueHint;

use super::design::{DesignArgs, device, device_name};
use super::flow::{flow, pack};
use super::outcome::{MEMORY_MARK, MEMORY_NOTE, explain_packed, uses};
use crate::error::CommandError;
use crate::program::ATOMIK;

const EXAMPLES: &str = "\
A board is a folder with a board.toml, or the name of one in the project's hdl/boards. Without a
board, the register file is packed in its harness, to show the size of the bitstream.

Status 1: the design does not fit, or is slower than the board's clock.

Examples:
  atomik fpga build --board tangnano9k -o target/tangnano9k
  atomik fpga build --device ice40-hx8k --width 8 --depth 16 --lanes 2 -o target/bitstream";

/// Make a bitstream
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The board
    #[arg(long, value_name = "BOARD", required_unless_present = "device")]
    #[arg(conflicts_with_all = ["device", "width", "depth", "lanes", "target", "freq"])]
    board: Option<String>,
    /// The device
    #[arg(long, value_name = "DEVICE", value_parser = device_name())]
    device: Option<String>,
    #[command(flatten)]
    design: DesignArgs,
    /// Target frequency in MHz [default: depends on the device]
    #[arg(long, value_name = "MHZ", value_parser = clap::value_parser!(u32).range(1..))]
    freq: Option<u32>,
    /// Seed of the placer
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u32,
    /// Folder to write to, created if missing
    #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    out: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<Status, CommandError> {
    let (image, whole_board) = match (&args.board, &args.device) {
        (Some(name), _) => (board::read(&board_folder(name)?)?, true),
        (None, Some(name)) => (harness(args, device(name)?)?, false),
        (None, None) => return Err(CommandError::NoDevice),
    };
    let flow = flow([image.device.family])?;
    let packed = pack(&flow, &image, args.seed, &args.out)?;
    if args.json {
        print_json(&packed)?;
    }
    explain_packed(&image.name, image.device, &packed);
    let bitstream = match packed {
        Packed::Bitstream(bitstream) => bitstream,
        Packed::TooBig(_) => return Ok(Status::CheckFailed),
        Packed::Failed(_) => return Ok(Status::Broken),
    };
    if !args.json {
        print(describe(&image, &bitstream))?;
    }
    let fmax_mhz = bitstream.placement.fmax_mhz;
    if whole_board && fmax_mhz < image.freq_mhz {
        ATOMIK.message(format_args!(
            "{} runs at {} MHz, but its design reaches only {fmax_mhz:.1} MHz; try another --seed",
            image.name, image.freq_mhz
        ));
        return Ok(Status::CheckFailed);
    }
    Ok(Status::Done)
}

/// A generated register file in its harness.
fn harness(args: &Args, device: &'static Device) -> Result<Image, CommandError> {
    let job = Job {
        design: args.design.design(device)?,
        device,
        seeds: vec![args.seed],
        freq_mhz: args.freq.unwrap_or(device.freq_mhz),
        cells: Cells::Timed,
    };
    // The ports of a generated design are known.
    Image::of(&job).ok_or(CommandError::NoDevice)
}

fn describe(image: &Image, bitstream: &Bitstream) -> String {
    let placement = &bitstream.placement;
    let coverage = &placement.coverage;
    let (mark, note) = if coverage.covers_memories() {
        (String::new(), "")
    } else {
        (MEMORY_MARK.to_string(), MEMORY_NOTE)
    };
    format!(
        "wrote {}, {} bytes\n{}: {}\nFmax {:.1}{mark} MHz, {:.1} asked for; critical path: {}\n\
         {} of {} register inputs timed\n{note}",
        bitstream.file.display(),
        bitstream.bytes,
        image.device,
        uses(placement.uses.iter().filter(|used| used.used > 0)),
        placement.fmax_mhz,
        placement.asked_mhz,
        placement.critical_path,
        coverage.covered,
        coverage.endpoints,
    )
}

/// The folder of a board: a path, or a name in `hdl/boards` of the project.
fn board_folder(name: &str) -> Result<PathBuf, CommandError> {
    let path = Path::new(name);
    if path.components().count() > 1 || path.is_dir() {
        return Ok(path.to_path_buf());
    }
    let root = project_root().ok_or(CommandError::NoProject)?;
    Ok(root.join("hdl/boards").join(name))
}
