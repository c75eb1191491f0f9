//! `atomik fpga sweep`.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use atomik_fpga::report::Spread;
use atomik_fpga::sweep::{Sweep, csv};
use atomik_fpga::{Outcome, Report, plot};
use atomik_terminal::{OutputError, Status, number_table, print, rate};
use clap::ValueHint;

use super::flow::{ThreadsArgs, flow, place};
use super::outcome::{Measured, explain, marks, notes, status, versions};
use crate::error::CommandError;
use crate::program::ATOMIK;

const EXAMPLES: &str = "\
The file lists devices, widths, depths and lanes, and every combination is placed:
  devices = [\"ecp5-25k\"]
  widths = [64]
  depths = [1, 512]
  lanes = [1, 2, 4]
  seeds = 1                # the default
  freq = 300               # MHz to ask for; by default, depends on the device
  targets = [\"generic\"]    # families to generate memories for; by default, the device's

Writes sweep.csv, sweep.json and sweep.svg.

Examples:
  atomik fpga sweep hdl/fpga/sweep.toml -o target/sweep";

/// Place many register files, and write CSV, JSON and a plot
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The sweep
    #[arg(value_name = "SWEEP.toml", value_hint = ValueHint::FilePath)]
    plan: PathBuf,
    /// Folder to write to, created if missing
    #[arg(short, long, value_name = "DIR", default_value = ".", value_hint = ValueHint::DirPath)]
    out: PathBuf,
    #[command(flatten)]
    threads: ThreadsArgs,
}

pub fn run(args: &Args) -> Result<Status, CommandError> {
    let jobs = Sweep::read(&args.plan)?;
    let flow = flow(jobs.iter().map(|job| job.device.family))?;
    let reports = place(&flow, &jobs, &args.threads)?;
    for report in &reports {
        explain(report);
    }
    let mut files = vec![("sweep.csv", csv(&reports))];
    let json = serde_json::to_string_pretty(&Measured::new(&flow, &reports));
    files.push(("sweep.json", json.map_err(OutputError::Json)? + "\n"));
    match plot::svg(&reports) {
        Ok(svg) => files.push(("sweep.svg", svg)),
        Err(error) => ATOMIK.message(error),
    }
    fs::create_dir_all(&args.out).map_err(|source| CommandError::folder(&args.out, source))?;
    let mut text = describe(&reports) + &versions(&flow);
    for (name, contents) in files {
        let path = args.out.join(name);
        fs::write(&path, contents).map_err(|source| CommandError::folder(&path, source))?;
        // Writing to a string cannot fail.
        let _ = writeln!(text, "wrote {}", path.display());
    }
    print(text)?;
    // A sweep is run to find out which designs fit, so those that do not are no failure.
    Ok(match status(&reports) {
        Status::CheckFailed => Status::Done,
        status => status,
    })
}

fn describe(reports: &[Report]) -> String {
    let headings = [
        "device",
        "design",
        "Fmax, MHz",
        "min",
        "max",
        "computed accumulates/s",
        "LUTs",
        "FFs",
        "block memories",
        "LUT memories",
    ];
    let mut rows = number_table(&headings, 2);
    for report in reports {
        rows.add_row(row(report));
    }
    format!(
        "{rows}\n{}Fmax: median of the seeds. LUTs to LUT memories: of the design without the \
         harness.\n",
        notes(reports)
    )
}

fn row(report: &Report) -> Vec<String> {
    let mut row = vec![report.device.clone(), report.design.clone()];
    match (&report.outcome, report.fmax_mhz()) {
        (_, Some(Spread { min, median, max })) => {
            row.push(format!("{median:.1}{}", marks(report)));
            row.extend([min, max].map(|mhz| format!("{mhz:.1}")));
        }
        (Outcome::TooBig { .. }, None) => row.extend(["too big", "-", "-"].map(str::to_owned)),
        (_, None) => row.extend(["failed", "-", "-"].map(str::to_owned)),
    }
    row.push(report.accumulates_per_second().map_or("-".to_owned(), rate));
    match report.area {
        Some(area) => {
            let counts = [area.luts, area.ffs, area.block_memories, area.lut_memories];
            row.extend(counts.map(|count| count.to_string()));
        }
        None => row.extend(["-"; 4].map(str::to_owned)),
    }
    row
}
