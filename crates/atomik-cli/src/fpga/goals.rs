//! `atomik fpga goals`.

use std::fmt::{self, Display};
use std::path::PathBuf;

use atomik_fpga::bitstream::{Bitstream, Packed};
use atomik_fpga::device::Cells;
use atomik_fpga::goals::{Goal, Verdict};
use atomik_fpga::image::Image;
use atomik_fpga::report::Spread;
use atomik_fpga::{Job, Report};
use atomik_terminal::{Status, Table, number_table, print, print_json, rate};
use atomik_tools::project_root;
use clap::ValueHint;
use serde::Serialize;

use super::flow::{ThreadsArgs, flow, pack, place};
use super::outcome::{explain, explain_packed, marks, notes, status, versions};
use crate::error::CommandError;
use crate::plan_file::plan_file;

const EXAMPLES: &str = "\
Examples:
  atomik fpga goals
  atomik fpga goals hdl/fpga/goals.toml --strict";

/// Place the designs in a file of goals, and show which goals are reached
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The goals [default: the project's hdl/fpga/goals.toml]
    #[arg(value_name = "GOALS.toml", value_hint = ValueHint::FilePath)]
    plan: Option<PathBuf>,
    /// Folder for bitstreams, created if missing [default: the project's target/atomik-fpga]
    #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    out: Option<PathBuf>,
    /// Exit with status 1 if a goal is missed
    #[arg(long)]
    strict: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    threads: ThreadsArgs,
}

/// A goal and its result.
struct Attempt {
    goal: Goal,
    report: Report,
    packed: Option<Packed>,
    verdict: Verdict,
}

/// An [`Attempt`] for JSON.
#[derive(Serialize)]
struct Reached<'a> {
    goal: &'a str,
    goal_mhz: Option<f64>,
    verdict: Verdict,
    report: &'a Report,
    bitstream: Option<&'a Packed>,
}

pub fn run(args: &Args) -> Result<Status, CommandError> {
    let goals = Goal::read(&plan_file(&args.plan, "hdl/fpga/goals.toml")?)?;
    let jobs: Vec<Job> = goals.iter().map(|goal| goal.job.clone()).collect();
    let flow = flow(jobs.iter().map(|job| job.device.family))?;
    let reports = place(&flow, &jobs, &args.threads)?;
    let out = args.out.clone().unwrap_or_else(|| {
        project_root()
            .unwrap_or_default()
            .join("target/atomik-fpga")
    });
    let mut packed = Vec::new();
    for (goal, report) in goals.iter().zip(&reports) {
        let fits = report.fmax_mhz().is_some();
        packed.push(match Image::of(&goal.job) {
            Some(image) if goal.bitstream && fits => Some(pack(&flow, &image, 1, &out)?),
            _ => None,
        });
    }
    let placed = status(&reports);
    let notes = notes(&reports);
    let attempts: Vec<Attempt> = goals
        .into_iter()
        .zip(reports)
        .zip(packed)
        .map(|((goal, report), packed)| Attempt::new(goal, report, packed))
        .collect();
    if args.json {
        let all: Vec<Reached<'_>> = attempts.iter().map(Reached::of).collect();
        print_json(&all)?;
    } else {
        print(Summary {
            attempts: &attempts,
            notes,
            versions: versions(&flow),
        })?;
    }
    for attempt in &attempts {
        explain(&attempt.report);
    }
    for Attempt { goal, packed, .. } in &attempts {
        if let Some(packed) = packed {
            explain_packed(&goal.text, goal.job.device, packed);
        }
    }
    let failed = |attempt: &Attempt| matches!(attempt.packed, Some(Packed::Failed(_)));
    let missed =
        |attempt: &Attempt| matches!(attempt.verdict, Verdict::Missed | Verdict::NotPlaced);
    Ok(match placed {
        Status::Broken => Status::Broken,
        _ if attempts.iter().any(failed) => Status::Broken,
        _ if args.strict && attempts.iter().any(missed) => Status::CheckFailed,
        _ => Status::Done,
    })
}

impl Attempt {
    fn new(goal: Goal, report: Report, packed: Option<Packed>) -> Self {
        let verdict = match packed {
            Some(Packed::TooBig(_) | Packed::Failed(_)) => Verdict::NotPlaced,
            _ => goal.verdict(&report),
        };
        Self {
            goal,
            report,
            packed,
            verdict,
        }
    }
}

impl<'a> Reached<'a> {
    fn of(attempt: &'a Attempt) -> Self {
        Self {
            goal: &attempt.goal.text,
            goal_mhz: attempt.goal.mhz,
            verdict: attempt.verdict,
            report: &attempt.report,
            bitstream: attempt.packed.as_ref(),
        }
    }
}

/// All attempts, as a table with the critical paths and sizes below it.
struct Summary<'a> {
    attempts: &'a [Attempt],
    notes: String,
    versions: String,
}

impl Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", self.table())?;
        writeln!(
            f,
            "Critical path of the median seed, and size of the register file alone:"
        )?;
        for attempt in self.attempts {
            describe(f, attempt)?;
        }
        writeln!(f)?;
        write!(f, "{}", self.notes)?;
        let plain = |attempt: &Attempt| attempt.goal.job.cells == Cells::Plain;
        if self.attempts.iter().any(plain) {
            writeln!(
                f,
                "as synthesised: the netlist as Yosys made it, of which nextpnr times only a part; \
                 for comparison only"
            )?;
        }
        writeln!(
            f,
            "accumulates/s = lanes x median Fmax of the placed design; `atomik sim regress` counts \
             one command per lane and cycle"
        )?;
        write!(f, "{}", self.versions)
    }
}

impl Summary<'_> {
    fn table(&self) -> Table {
        let headings = [
            "goal",
            "device",
            "MHz",
            "median",
            "min-max",
            "computed accumulates/s",
            "reached",
        ];
        let mut rows = number_table(&headings, 2);
        for Attempt {
            goal,
            report,
            verdict,
            ..
        } in self.attempts
        {
            let (median, range) = match report.fmax_mhz() {
                Some(Spread { min, median, max }) => (
                    format!("{median:.1}{}", marks(report)),
                    format!("{min:.0}-{max:.0}"),
                ),
                None => ("-".to_owned(), "-".to_owned()),
            };
            let wanted = goal
                .mhz
                .map_or("placed".to_owned(), |mhz| format!("{mhz:.0}"));
            rows.add_row([
                goal.text.clone(),
                report.device.clone(),
                wanted,
                median,
                range,
                report.accumulates_per_second().map_or("-".to_owned(), rate),
                verdict.text().to_owned(),
            ]);
        }
        rows
    }
}

/// The critical path, the size and the bitstream of a design.
fn describe(f: &mut fmt::Formatter<'_>, attempt: &Attempt) -> fmt::Result {
    let Attempt {
        goal,
        report,
        packed,
        ..
    } = attempt;
    if let Some(placement) = report.median() {
        let (text, device) = (&goal.text, &report.device);
        writeln!(f, "  {text}, {device}: {}", placement.critical_path)?;
    }
    if let (Some(area), Some(shape)) = (report.area, &report.shape) {
        writeln!(
            f,
            "    {} LUTs ({} a lane), {} flip-flops ({} a lane), {} block memories, {} LUT \
             memories",
            area.luts,
            area.luts / shape.lanes,
            area.ffs,
            area.ffs / shape.lanes,
            area.block_memories,
            area.lut_memories
        )?;
    }
    if let Some(Packed::Bitstream(bitstream)) = packed {
        let Bitstream { file, bytes, .. } = &**bitstream;
        writeln!(f, "    bitstream {}, {bytes} bytes", file.display())?;
    }
    Ok(())
}
