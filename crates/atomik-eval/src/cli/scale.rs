//! `atomik eval scale`: how cost grows with history, nodes and keys.

use std::path::PathBuf;
use std::time::Duration;

use atomik_arena::figures::Scaling;
use atomik_arena::run::{Job, Measured};
use atomik_arena::scaling::{self, Axis};
use atomik_eval::report;
use atomik_terminal::{Status, print, print_json};
use atomik_workload::workload::Workload;

use super::error::CommandError;
use super::journal::{Journal, Subject};
use super::program::ATOMIK_EVAL;
use super::run::{Choice, World, positive, quoted};

const EXAMPLES: &str = "\
The workload is generated: all nodes toggle flags of 1000 keys. For --axis nodes it has 2000
operations; for --axis keys, one operation per key on average.

Examples:
  atomik eval scale
  atomik eval scale --axis history --values 1000,10000
  atomik eval scale --axis history --systems ATOMiK,CRDT --patience-min 60
  atomik eval scale --axis nodes --values 1000 --systems ATOMiK";

#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Dimension that grows [default: each in turn]
    #[arg(long)]
    axis: Option<Along>,
    /// Sizes at which to measure [default: depends on the axis]
    #[arg(long, value_delimiter = ',', value_name = "N", requires = "axis",
          value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    values: Vec<u64>,
    /// Systems to run, by name or prefix [default: all in this build]
    #[arg(long, alias = "peers", value_delimiter = ',', value_name = "NAME")]
    systems: Vec<String>,
    #[command(flatten)]
    patience: Patience,
    #[command(flatten)]
    world: World,
    /// Print figures as JSON instead of tables
    #[arg(long)]
    json: bool,
    /// Write down in this file what is measured, and use what is in it: after an interruption, the
    /// same command goes on from there
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
}

#[derive(clap::Args, Clone, Copy, Debug)]
pub struct Patience {
    /// Time limit in minutes for one measurement of growth of one system; a measurement that would
    /// take longer, judging by smaller ones, is skipped
    #[arg(long, default_value_t = 5.0, value_name = "MIN", value_parser = positive)]
    patience_min: f64,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug)]
enum Along {
    History,
    Nodes,
    Keys,
}

pub fn run(args: &Args) -> Result<Status, CommandError> {
    let axes: &[Axis] = match args.axis {
        None => &Axis::ALL,
        Some(Along::History) => &[Axis::History],
        Some(Along::Nodes) => &[Axis::Nodes],
        Some(Along::Keys) => &[Axis::Keys],
    };
    let choice = Choice {
        systems: args.systems.clone(),
        ops: None,
    };
    let mut journal = match &args.journal {
        Some(file) => Journal::open(file, &Subject::here("generated".to_owned()))?,
        None => Journal::none(),
    };
    let mut all = Vec::new();
    for &axis in axes {
        let values = if args.values.is_empty() {
            axis.values()
        } else {
            &args.values
        };
        all.push(series(
            (axis, values),
            args.patience,
            &choice,
            &args.world,
            |job| {
                let (x, name) = (job.size, job.name());
                ATOMIK_EVAL.message(format_args!("{x} {}: {name}", axis.label()));
                journal.measure(job)
            },
        )?);
    }
    if args.json {
        print_json(&all)?;
    } else {
        for scaling in &all {
            print(report::terminal::scaling(scaling))?;
        }
    }
    Ok(if all.iter().all(Scaling::is_fine) {
        Status::Done
    } else {
        Status::CheckFailed
    })
}

/// Measures growth along one axis.
pub fn series(
    (axis, values): (Axis, &[u64]),
    Patience { patience_min }: Patience,
    choice: &Choice,
    world: &World,
    measure: impl FnMut(Job<'_>) -> Measured,
) -> Result<Scaling, CommandError> {
    let settings = world.settings(&Workload::default(), &[])?;
    let command = |point: Option<(u64, &str)>| {
        let mut words = vec![format!("atomik eval scale --axis {}", axis.name())];
        words.extend(world.options());
        let values: Vec<_> = match point {
            Some((x, _)) => vec![x.to_string()],
            None => values.iter().map(u64::to_string).collect(),
        };
        words.push(format!("--values {}", values.join(",")));
        match point {
            Some((_, name)) => words.push(format!("--systems {}", quoted(name))),
            None => {
                if !choice.systems.is_empty() {
                    words.push(format!("--systems {}", quoted(&choice.systems.join(","))));
                }
                words.push(format!("--patience-min {patience_min}"));
            }
        }
        words.join(" ")
    };
    let patience = Duration::try_from_secs_f64(patience_min * 60.0).unwrap_or(Duration::MAX);
    let systems = choice.systems()?;
    Ok(scaling::series(
        (axis, values),
        patience,
        &settings,
        &systems,
        command,
        measure,
    )?)
}
