//! `atomik device simulate`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use atomik_device::simulated::board::{CompiledBoard, Settings, regfile, verilog};
use atomik_device::simulated::pty::PtyBoard;
use atomik_device::simulated::wire::FaultRates;
use atomik_hdl::Config;
use atomik_sim::verilate::Builder;
use atomik_terminal::{Status, print, spinner};
use atomik_trace::Layout;

use crate::error::CommandError;
use crate::program::ATOMIK;

const EXAMPLES: &str = "\
Prints the port of the simulated board, for --port of the other commands, and runs until Ctrl-C.
The whole Verilog of the Tang Nano 9K is simulated, including every bit on the serial line; expect
a few hundred commands per second.

Examples:
  atomik device simulate
  atomik device simulate --faults 0.001 --seed 7
  atomik device simulate --layout xor:48,add:16";

/// Simulate a board behind a pseudo-terminal
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Probability of each fault, for each byte in each direction: a flipped bit, loss, garbage
    /// before it
    #[arg(long, value_name = "RATE", default_value_t = 0.0, value_parser = probability)]
    faults: f64,
    /// Seed of the faults and of the memory contents at power-up
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    seed: u64,
    /// Fields of the board's words, lowest bits first [default: xor:64]
    #[arg(long, value_name = "FIELDS")]
    layout: Option<Layout>,
}

fn probability(text: &str) -> Result<f64, String> {
    let rate = text.parse().map_err(|error| format!("{error}"))?;
    match (0.0..=1.0).contains(&rate) {
        true => Ok(rate),
        false => Err("not a probability; choose 0 to 1".to_owned()),
    }
}

pub fn run(args: &Args) -> Result<Status, CommandError> {
    let mut config = regfile()?;
    if let Some(layout) = args.layout {
        let (depth, lanes, target) = (config.depth(), config.lanes(), config.target());
        config = Config::with_layout(layout, depth, lanes)?.with_target(target);
    }
    let verilog = verilog(Settings::REAL, &config)?;
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stop);
    ctrlc::set_handler(move || asked.store(true, Ordering::Relaxed))?;
    let progress = spinner("compiling the board");
    let compiled = CompiledBoard::build_from(&Builder::from_env()?, Settings::REAL, verilog);
    progress.finish_and_clear();
    let mut board = compiled?.start(args.seed)?;
    let rates = FaultRates::all(args.faults);
    board.set_faults(rates, rates, args.seed);
    let pty = PtyBoard::start(board)?;
    print(format_args!("{}\n", pty.path().display()))?;
    ATOMIK.message("the board is simulated at that port until Ctrl-C");
    while pty.is_running() && !stop.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(50));
    }
    pty.stop()?;
    Ok(Status::Stopped)
}
