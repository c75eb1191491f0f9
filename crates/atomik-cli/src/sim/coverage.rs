//! `atomik sim coverage`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use atomik_sim::plan::{Plan, parse_config};
use atomik_sim::structure;
use atomik_sim::verilate::Builder;
use atomik_terminal::{Status, number_table, print, spinner};
use clap::ValueHint;

use crate::error::CommandError;
use crate::plan_file::plan_file;

const EXAMPLES: &str = "\
Verilator counts how often each line and branch of the generated Verilog runs, and how often each
bit of its signals rises and falls, under the stimulus of a plan. Words in memories are not counted.
Points that are never reached are printed.

Status 1: a point is never reached.

Examples:
  atomik sim coverage
  atomik sim coverage --config \"w8 d16 l2\"";

/// Print which lines and signals of the generated Verilog the regression does not reach
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The plan [default: the project's sim/reference.toml]
    #[arg(value_name = "PLAN.toml", value_hint = ValueHint::FilePath)]
    plan: Option<PathBuf>,
    /// Configurations such as "w64 d512 l1", instead of the plan's
    #[arg(long, value_name = "CONFIG")]
    config: Vec<String>,
}

pub fn run(args: &Args) -> Result<Status, CommandError> {
    let plan = Plan::read(&plan_file(&args.plan, "sim/reference.toml")?)?;
    let configs = match args.config.is_empty() {
        true => plan.configs()?,
        false => {
            let configs = args.config.iter().map(|text| parse_config(text));
            configs.collect::<Result<_, _>>()?
        }
    };
    let builder = Builder::from_env()?;
    let mut table = number_table(&["configuration", "kind", "points", "reached"], 2);
    let mut missed = String::new();
    for config in configs {
        let progress = spinner(format!("{}: counting", config.text()));
        let counts = structure::count(&builder, config, &plan)?;
        progress.finish_and_clear();
        let verilog = atomik_hdl::generate(&config).verilog;
        let lines: Vec<&str> = verilog.lines().collect();
        // How many points there are of each kind, and how many are reached.
        let mut kinds = BTreeMap::new();
        for (point, count) in &counts {
            let (points, reached) = kinds.entry(&point.kind).or_insert((0, 0));
            *points += 1;
            if *count > 0 {
                *reached += 1;
            } else {
                // Writing to a `String` cannot fail.
                let text = point.text(&lines);
                let _ = writeln!(missed, "{}: {text}: never reached", config.text());
            }
        }
        for (kind, (points, reached)) in kinds {
            table.add_row([
                config.text(),
                kind.clone(),
                points.to_string(),
                reached.to_string(),
            ]);
        }
    }
    print(format_args!("{table}\n{missed}"))?;
    Ok(match missed.is_empty() {
        true => Status::Done,
        false => Status::CheckFailed,
    })
}
