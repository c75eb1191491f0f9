//! The smallest runner: `simulate COUNT [FIRST SEED]`. Status 1 if a schedule fails. With a COUNT
//! of 0, prints the smallest schedule that fails as that of the seed does.

use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

fn main() -> ExitCode {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<u64>());
    let (Some(Ok(count)), first) = (numbers.next(), numbers.next()) else {
        eprintln!("usage: simulate COUNT [FIRST SEED]");
        return ExitCode::from(2);
    };
    let first = first.and_then(Result::ok).unwrap_or(1);
    if count == 0 {
        std::panic::set_hook(Box::new(|_| {}));
        let schedule = atomik_replica_sim::Schedule::generate(first);
        if let Some((schedule, failure, runs)) = atomik_replica_sim::minimise(&schedule) {
            println!("{:#?}", schedule.setup);
            failure.trace.iter().for_each(|line| println!("{line}"));
            println!("{failure}\n{} steps, {runs} runs", schedule.steps.len());
        }
        return ExitCode::SUCCESS;
    }
    let start = std::time::Instant::now();
    let outcome = atomik_replica_sim::simulate_many(first, count, &AtomicBool::new(false), |_| {});
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{} ({:.0} schedules/s)",
        outcome.report,
        count as f64 / seconds
    );
    for (seed, failure) in &outcome.failures {
        println!("seed {seed} fails {failure}");
    }
    ExitCode::from(u8::from(!outcome.failures.is_empty()))
}
