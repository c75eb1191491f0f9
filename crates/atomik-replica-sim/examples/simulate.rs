//! Runs schedules from the command line, without a progress bar: `simulate COUNT [FIRST SEED]`.
//!
//! With a COUNT of 0, shrinks the failing schedule of the seed and prints the result. Exit status 1
//! if a schedule fails.

use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use atomik_replica_sim::{Schedule, minimise, simulate_many};

fn main() -> ExitCode {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<u64>());
    let (count, first) = match (numbers.next(), numbers.next()) {
        (Some(Ok(count)), None) => (count, 1),
        (Some(Ok(count)), Some(Ok(first))) => (count, first),
        _ => {
            eprintln!("usage: simulate COUNT [FIRST SEED]");
            return ExitCode::from(2);
        }
    };
    if count == 0 {
        shrink(first);
        return ExitCode::SUCCESS;
    }
    let start = Instant::now();
    let outcome = simulate_many(first, count, &AtomicBool::new(false), |_| {});
    let rate = count as f64 / start.elapsed().as_secs_f64();
    println!("{} ({rate:.0} schedules/s)", outcome.report);
    for (seed, failure) in &outcome.failures {
        println!("seed {seed} fails {failure}");
    }
    ExitCode::from(u8::from(!outcome.failures.is_empty()))
}

/// Prints the smallest schedule found that fails as that of the seed does.
fn shrink(seed: u64) {
    // A panic of a replica is a finding like others; here it may come hundreds of times.
    std::panic::set_hook(Box::new(|_| {}));
    match minimise(&Schedule::generate(seed)) {
        Some((schedule, failure, runs)) => {
            println!("{:#?}", schedule.setup);
            failure.trace.iter().for_each(|line| println!("{line}"));
            println!("{failure}\n{} steps, {runs} runs", schedule.steps.len());
        }
        None => println!("seed {seed} passes"),
    }
}
