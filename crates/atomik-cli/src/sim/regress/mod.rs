//! `atomik sim regress`.

mod failures;
mod progress;
mod summary;

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use atomik_hdl::Config;
use atomik_sim::junit;
use atomik_sim::plan::{Overrides, Plan};
use atomik_sim::regress::regress;
use atomik_sim::report::Report;
use atomik_sim::supplied::Subject;
use atomik_sim::verilate::Builder;
use atomik_terminal::{Status, print, print_json, spare};
use atomik_tools::project_root;
use clap::ValueHint;

use crate::design::{Chosen, DesignArgs};
use crate::dut;
use crate::error::CommandError;
use crate::geometry::GeometryArgs;
use crate::interrupt::stop_flag;
use crate::plan_file::plan_file;
use failures::{Failures, report_errors};
use progress::Progress;
use summary::Summary;

const EXAMPLES: &str = "\
A job is a configuration with a stimulus profile and a seed, named like w64_d512_l1/mixed/1. Every
output port is compared with the software model in every cycle. Mismatches are shrunk to a short
case and recorded with a waveform; `atomik sim replay` runs the case again. With --filter or
--cycles, empty coverage bins do not fail the run.

With --verilog, the stimulus of every run of the plan is applied to the design in these files; with
--width, --layout, --depth, --lanes or --target, to that generated design. With --netlist, synthesis
for the target comes first, and what would be placed is checked.

Status 1: a mismatch, or an empty coverage bin where the plan allows none. Status 3: a model could
not be built. Ctrl-C stops with a summary of what ran, and status 130; press it again to stop at
once.

Examples:
  atomik sim regress
  atomik sim regress sim/campaign.toml --junit regress.xml
  atomik sim regress --filter l4/mixed --seed 7 --cycles 1000000
  atomik sim regress --manifest build/NAME.json --verilog build/NAME.v
  atomik sim regress --width 8 --depth 64 --target ecp5 --netlist";

/// Check the generated Verilog against the software model, cycle for cycle
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The plan [default: the project's sim/reference.toml]
    #[arg(value_name = "PLAN.toml", value_hint = ValueHint::FilePath)]
    plan: Option<PathBuf>,
    #[command(flatten)]
    geometry: GeometryArgs,
    #[command(flatten)]
    design: DesignArgs,
    /// Seed to use instead of the plan's
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// Cycles to run per job, instead of the plan's
    #[arg(long, value_name = "CYCLES", value_parser = clap::value_parser!(u64).range(1..))]
    cycles: Option<u64>,
    /// Run only the jobs whose name contains this text
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Also write the result as JUnit XML to this file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    junit: Option<PathBuf>,
    /// Print the result as JSON instead of a summary
    #[arg(long)]
    json: bool,
    /// Folder for recorded cases, created if missing [default: the project's
    /// target/atomik-failures]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    failures: Option<PathBuf>,
}

impl Args {
    /// The command that runs the job `name` again, as it was run.
    fn command(&self, name: &str) -> String {
        let mut text = "atomik sim regress".to_owned();
        if let Some(plan) = &self.plan {
            text += &format!(" {}", plan.display());
        }
        if let Some(seed) = self.seed {
            text += &format!(" --seed {seed}");
        }
        if let Some(cycles) = self.cycles {
            text += &format!(" --cycles {cycles}");
        }
        text + &self.geometry.given() + &self.design.text() + " --filter " + name
    }

    /// The only configuration to run, if there is one, and what takes the place of the generated
    /// Verilog. A design in files is built, so that its errors come before the first job.
    fn chosen(&self, builder: &Builder) -> Result<(Option<Config>, Subject), CommandError> {
        if !self.design.names_a_config(&self.geometry) {
            let subject = Subject {
                supplied: None,
                netlist: self.design.netlist(),
            };
            return Ok((None, subject));
        }
        let Chosen { config, subject } = self.design.choose(&self.geometry)?;
        if subject.supplied.is_some() {
            dut::build_subject(builder, config, &subject)?;
        }
        Ok((Some(config), subject))
    }
}

pub fn run(args: &Args) -> Result<Status, CommandError> {
    let plan_path = plan_file(&args.plan, "sim/reference.toml")?;
    spare(&args.junit, [&plan_path])?;
    let plan = Plan::read(&plan_path)?;
    let builder = Builder::from_env()?;
    let (config, subject) = args.chosen(&builder)?;
    let overrides = Overrides {
        seed: args.seed,
        cycles: args.cycles,
        config,
        subject,
        filter: args.filter.clone(),
    };
    let stop = stop_flag()?;
    let start = Instant::now();
    let progress = Progress::new();
    let result = regress(&builder, &plan, &overrides, &progress, stop);
    progress.clear();
    let report = result?;
    let elapsed = start.elapsed();

    let failures = Failures {
        builder: &builder,
        folder: args.failures.clone().unwrap_or_else(|| {
            let target = project_root().unwrap_or_default().join("target");
            target.join("atomik-failures")
        }),
    };
    for job in &report.jobs {
        failures.report(job, || args.command(&job.name))?;
    }
    report_errors(&report);
    if let Some(path) = &args.junit {
        fs::write(path, junit::to_xml(&report)?)
            .map_err(|source| CommandError::file(path, source))?;
    }
    let status = status(&report);
    if args.json {
        print_json(&report)?;
    } else {
        print(Summary {
            report: &report,
            status,
            elapsed,
            verilator: &builder.verilator().version_text,
        })?;
    }
    Ok(status)
}

fn status(report: &Report) -> Status {
    if report.stopped {
        Status::Stopped
    } else if report.passed() {
        Status::Done
    } else if report.mismatches() == 0 && report.jobs.iter().any(|job| job.error.is_some()) {
        Status::Broken
    } else {
        Status::CheckFailed
    }
}
