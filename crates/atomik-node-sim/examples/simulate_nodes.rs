//! Runs schedules of whole nodes: `simulate_nodes COUNT [FIRST SEED]`.
//!
//! With a COUNT of 0, prints every event of the schedule of the seed. Exit status 1 if a schedule
//! fails, which is the last then.

use std::process::ExitCode;
use std::time::Instant;

use atomik_node_sim::{Report, Schedule, run, simulate};

fn main() -> ExitCode {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<u64>());
    let (count, first) = match (numbers.next(), numbers.next()) {
        (Some(Ok(count)), None) => (count, 1),
        (Some(Ok(count)), Some(Ok(first))) => (count, first),
        _ => {
            eprintln!("usage: simulate_nodes COUNT [FIRST SEED]");
            return ExitCode::from(2);
        }
    };
    if count == 0 {
        return replay(first);
    }
    let start = Instant::now();
    let mut sum = Report::default();
    let mut failed = None;
    for seed in first..first + count {
        match simulate(seed) {
            Ok(report) => sum.add(&report),
            Err(failure) => {
                failed = Some((seed, failure));
                break;
            }
        }
    }
    let rate = sum.schedules as f64 / start.elapsed().as_secs_f64();
    println!("{sum} ({rate:.1} schedules/s)");
    let Some((seed, failure)) = failed else {
        return ExitCode::SUCCESS;
    };
    println!("seed {seed} fails {failure}");
    ExitCode::FAILURE
}

/// Prints a run.
fn replay(seed: u64) -> ExitCode {
    match run(&Schedule::generate(seed), true) {
        Ok(report) => {
            println!("{report}\nhash {}", report.hash);
            ExitCode::SUCCESS
        }
        Err(failure) => {
            failure.log.iter().for_each(|line| println!("{line}"));
            println!("seed {seed} fails {failure}");
            ExitCode::FAILURE
        }
    }
}
