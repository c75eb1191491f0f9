//! `atomik eval scale`: how cost grows with history, nodes and keys.

use std::time::Duration;

use atomik_arena::figures::Scaling;
use atomik_arena::run::{Job, Measured};
use atomik_arena::scaling::{self, Axis};
use atomik_eval::report;
use atomik_eval_options::run::{Choice, World};
use atomik_eval_options::scale::{Along, Args, Patience};
use atomik_terminal::{Status, print, print_json};
use atomik_workload::workload::Workload;

use super::error::CommandError;
use super::journal::{Journal, Subject};
use super::program::ATOMIK_EVAL;
use super::run::{self, quoted};

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
        Some(file) => Journal::open(file, &Subject::here(None)?)?,
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
    let settings = run::settings(world, &Workload::default(), &[])?;
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
    let systems = run::systems(choice)?;
    Ok(scaling::series(
        (axis, values),
        patience,
        &settings,
        &systems,
        command,
        measure,
    )?)
}
