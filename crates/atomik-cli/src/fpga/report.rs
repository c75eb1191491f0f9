//! `atomik fpga report`.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use atomik_fpga::device::Cells;
use atomik_fpga::plan::seeds;
use atomik_fpga::report::Spread;
use atomik_fpga::{Design, Device, Job, Report};
use atomik_terminal::{Status, Table, counted, print, print_json, rate, text_table};
use clap::ValueHint;

use super::design::{DesignArgs, device, device_name};
use super::flow::{ThreadsArgs, flow, place};
use super::outcome::{Measured, explain, marks, notes, status, uses, versions};
use crate::error::CommandError;

const EXAMPLES: &str = "\
The design is placed in a harness that registers every input and output, so that no path to a pin
counts. Results of the tools are cached. A frequency is marked with * where nextpnr times no path
out of a memory, and with + where it leaves out other paths.

Status 1: the design does not fit the device. Status 3: a tool is missing or failed.

Examples:
  atomik fpga report --device ecp5-25k --width 64 --depth 512 --lanes 4
  atomik fpga report --device gw1nr-9 --width 8 --depth 16 --lanes 2 --seeds 1 --json
  atomik fpga report --device ecp5-25k --verilog other.v --top other";

/// Place a register file, and show its clock, size and critical path
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The device
    #[arg(long, value_name = "DEVICE", value_parser = device_name())]
    device: String,
    #[command(flatten)]
    design: DesignArgs,
    /// Number of seeds to place with, starting at 1
    #[arg(long, value_name = "COUNT", default_value_t = 3)]
    seeds: u32,
    /// Target frequency in MHz [default: depends on the device]
    #[arg(long, value_name = "MHZ", value_parser = clap::value_parser!(u32).range(1..))]
    freq: Option<u32>,
    /// Netlist to time: with `timed`, nextpnr times every cell; with `plain`, Gowin netlists stay
    /// as Yosys made them, and nextpnr times only a part
    #[arg(long, value_name = "WHAT", default_value = "timed")]
    cells: Cells,
    #[command(flatten)]
    threads: ThreadsArgs,
    /// Verilog file with a module to place instead of a generated register file; its clock must be
    /// named clk
    #[arg(long, value_name = "FILE.v", value_hint = ValueHint::FilePath, requires = "top")]
    #[arg(conflicts_with_all = ["width", "depth", "lanes", "target"])]
    verilog: Option<PathBuf>,
    /// Name of the module
    #[arg(long, value_name = "MODULE", requires = "verilog")]
    top: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<Status, CommandError> {
    let device = device(&args.device)?;
    let design = match (&args.verilog, &args.top) {
        (Some(path), Some(top)) => {
            let verilog = fs::read_to_string(path).map_err(|source| CommandError::Verilog {
                path: path.clone(),
                source,
            })?;
            Design::foreign(top, verilog)
        }
        _ => args.design.design(device)?,
    };
    let job = Job {
        design,
        device,
        seeds: seeds(args.seeds)?,
        freq_mhz: args.freq.unwrap_or(device.freq_mhz),
        cells: args.cells,
    };
    let flow = flow([device.family])?;
    let reports = place(&flow, std::slice::from_ref(&job), &args.threads)?;
    if args.json {
        print_json(&Measured::new(&flow, &reports))?;
    } else {
        for report in reports.iter().filter(|report| report.area.is_some()) {
            print(describe(report, device))?;
            print(versions(&flow))?;
        }
    }
    for report in &reports {
        explain(report);
    }
    Ok(status(&reports))
}

fn describe(report: &Report, device: &Device) -> String {
    let mut rows = text_table(&["measure", "value"]);
    add_clock(&mut rows, report);
    add_area(&mut rows, report);
    add_placement(&mut rows, report);
    let Report {
        design, asked_mhz, ..
    } = report;
    format!(
        "{design} on {device}: {}, {asked_mhz} MHz asked for\n\n{rows}\n{}",
        device.part,
        notes(std::slice::from_ref(report))
    )
}

fn add_clock(rows: &mut Table, report: &Report) {
    let Some(Spread { min, median, max }) = report.fmax_mhz() else {
        return;
    };
    let marks = marks(report);
    rows.add_row([
        format!(
            "Fmax, {}",
            counted(report.placements().len() as u64, "seed")
        ),
        format!("{median:.1}{marks} MHz median, {min:.1} min, {max:.1} max"),
    ]);
    if let (Some(per_second), Some(shape)) = (report.accumulates_per_second(), &report.shape) {
        let text = format!(
            "{}/s, computed: {} x {median:.1} MHz, one command per lane and cycle as in simulation",
            rate(per_second),
            counted(shape.lanes.into(), "lane"),
        );
        rows.add_row(["accumulates".to_owned(), text]);
    }
}

fn add_area(rows: &mut Table, report: &Report) {
    let Some(area) = report.area else {
        return;
    };
    let mut text = format!(
        "{} LUTs, {} flip-flops, {} block memories, {} LUT memories (synthesised without the \
         harness)",
        area.luts, area.ffs, area.block_memories, area.lut_memories
    );
    if let Some(shape) = &report.shape {
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "; a lane: {} LUTs, {} flip-flops",
            area.luts / shape.lanes,
            area.ffs / shape.lanes
        );
    }
    rows.add_row(["design alone".to_owned(), text]);
}

fn add_placement(rows: &mut Table, report: &Report) {
    let Some(placement) = report.median() else {
        return;
    };
    let headline = placement.uses.iter().filter(|used| used.is_headline());
    rows.add_row(["device, with the harness".to_owned(), uses(headline)]);
    rows.add_row([
        "critical path, median seed".to_owned(),
        placement.critical_path.to_string(),
    ]);
    let coverage = &placement.coverage;
    if coverage.memories > 0 {
        let text = match coverage.memory_path_ns {
            Some(ns) => format!("{ns:.2} ns, {:.1} MHz", 1000.0 / ns),
            None => "none is timed".to_owned(),
        };
        rows.add_row(["slowest path from a memory".to_owned(), text]);
    }
    let ns = coverage.other_path_ns;
    rows.add_row([
        "slowest other path".to_owned(),
        format!("{ns:.2} ns, {:.1} MHz", 1000.0 / ns),
    ]);
    rows.add_row([
        "register inputs timed".to_owned(),
        format!("{} of {}", coverage.covered, coverage.endpoints),
    ]);
}
