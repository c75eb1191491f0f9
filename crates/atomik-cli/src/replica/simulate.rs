//! `atomik replica simulate`.

use std::fmt;
use std::time::{Duration, Instant};

use atomik_replica_sim::{Failure, Report, Schedule, minimise, run as play, simulate_many};
use atomik_terminal::{Status, bar, count, print, rate};

use crate::error::CommandError;
use crate::interrupt::stop_flag;
use crate::program::ATOMIK;

const EXAMPLES: &str = "\
A seed determines a schedule: replicas, keys, operations, flushes and ticks; messages that are lost,
duplicated or late; links that are cut in one or both directions; crashes, lost and restored disks;
members that leave and return. At the end all faults heal, and all replicas must be equal, bit by
bit. The same seed gives the same run on every machine.

Status 1: a schedule fails; the command that replays it is printed.

Examples:
  atomik replica simulate
  atomik replica simulate --schedules 1000000 --seed 7 --minimise
  atomik replica simulate --replay 4711";

/// Run schedules of operations and faults, with an oracle that checks every step
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Number of schedules to run
    #[arg(long, value_name = "COUNT", default_value_t = 10_000)]
    schedules: u64,
    /// Seed of the first schedule; the others use the seeds after it
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    seed: u64,
    /// Run only the schedule of this seed, and print every step
    #[arg(long, value_name = "SEED", conflicts_with_all = ["schedules", "seed"])]
    replay: Option<u64>,
    /// Shrink the first failing schedule to the smallest that fails in the same way, and print it
    #[arg(long)]
    minimise: bool,
}

pub fn run(args: &Args) -> Result<Status, CommandError> {
    match args.replay {
        Some(seed) => replay(seed, args.minimise),
        None => simulate(args),
    }
}

fn simulate(args: &Args) -> Result<Status, CommandError> {
    let stop = stop_flag()?;
    let bar = bar(
        args.schedules,
        "{spinner} {human_pos}/{human_len} schedules  [{wide_bar}]  {per_sec}  {elapsed}",
    );
    let start = Instant::now();
    let outcome = simulate_many(args.seed, args.schedules, stop, |count| bar.inc(count));
    let elapsed = start.elapsed();
    bar.finish_and_clear();
    for (seed, failure) in &outcome.failures {
        ATOMIK.message(format_args!("seed {seed}, {failure}"));
        ATOMIK.message(format_args!(
            "to replay it: atomik replica simulate --replay {seed} --minimise"
        ));
    }
    let first = outcome.failures.first();
    if let (Some((seed, _)), true) = (first, args.minimise) {
        replay(*seed, true)?;
    }
    let status = match (first, outcome.stopped) {
        (Some(_), _) => Status::CheckFailed,
        (None, true) => Status::Stopped,
        (None, false) => Status::Done,
    };
    print(Summary {
        report: &outcome.report,
        elapsed,
        status,
    })?;
    Ok(status)
}

/// Prints the steps of one schedule, or of the smallest that fails in the same way.
fn replay(seed: u64, smallest: bool) -> Result<Status, CommandError> {
    let schedule = Schedule::generate(seed);
    // A panic in a replica is a finding, and part of the printed steps. Shrinking may raise
    // hundreds, so the default hook must not print them.
    std::panic::set_hook(Box::new(|_| {}));
    let found = if smallest {
        minimise(&schedule)
    } else {
        match play(&schedule, true) {
            Err(failure) => Some((schedule.clone(), failure, 1)),
            Ok(report) => {
                print(Steps(&schedule, &report.trace))?;
                None
            }
        }
    };
    let _ = std::panic::take_hook();
    let Some((smallest, failure, runs)): Option<(Schedule, Failure, _)> = found else {
        ATOMIK.message(format_args!("seed {seed} does not fail"));
        return Ok(Status::Done);
    };
    print(Steps(&smallest, &failure.trace))?;
    ATOMIK.message(&failure);
    ATOMIK.message(format_args!(
        "{} of {} steps are left after {runs} runs",
        smallest.steps.len(),
        schedule.steps.len()
    ));
    Ok(Status::CheckFailed)
}

/// The setup of a run and its steps, one per line.
struct Steps<'a>(&'a Schedule, &'a [String]);

impl fmt::Display for Steps<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:#?}", self.0.setup)?;
        self.1.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

struct Summary<'a> {
    report: &'a Report,
    elapsed: Duration,
    status: Status,
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = self.report;
        for (name, events) in report.counts().into_iter().skip(1) {
            writeln!(f, "{:>18}  {}", count(events), name.replace('_', " "))?;
        }
        writeln!(
            f,
            "{:>18}  rounds of ticks to converge, at most",
            report.rounds
        )?;
        let seconds = self.elapsed.as_secs_f64().max(1e-9);
        writeln!(
            f,
            "{} schedules passed in {seconds:.1} s on {} cores, {} schedules/s: {}",
            count(report.schedules),
            std::thread::available_parallelism().map_or(1, usize::from),
            rate(report.schedules as f64 / seconds),
            self.status.verdict(),
        )
    }
}
