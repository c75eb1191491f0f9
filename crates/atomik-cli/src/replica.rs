//! `atomik replica simulate`: replicas under faults, by schedules that follow from seeds.

use std::fmt;
use std::time::{Duration, Instant};

use atomik_replica_sim::{Failure as Broken, Report, Schedule, minimise, run, simulate_many};
use indicatif::{HumanCount, ProgressBar, ProgressStyle};

use crate::args::{ReplicaCommand, ReplicaSimulateArgs};
use crate::failure::Failure;
use crate::regress::stop_at_ctrl_c;
use crate::table::rate;
use crate::{Outcome, print, say};

pub fn run_command(command: &ReplicaCommand) -> Result<Outcome, Failure> {
    match command {
        ReplicaCommand::Simulate(args) => match args.replay {
            Some(seed) => replay(seed, args.minimise),
            None => simulate(args),
        },
    }
}

fn simulate(args: &ReplicaSimulateArgs) -> Result<Outcome, Failure> {
    let stop = stop_at_ctrl_c()?;
    let bar = ProgressBar::new(args.schedules);
    let style = "{spinner} {human_pos}/{human_len} schedules  [{wide_bar}]  {per_sec}  {elapsed}";
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style.progress_chars("=> "));
    }
    let start = Instant::now();
    let outcome = simulate_many(args.seed, args.schedules, stop, |count| bar.inc(count));
    let elapsed = start.elapsed();
    bar.finish_and_clear();
    let first = outcome.failures.first();
    for (seed, broken) in &outcome.failures {
        tell(*seed, broken);
    }
    if let (Some((seed, _)), true) = (first, args.minimise) {
        replay(*seed, true)?;
    }
    let verdict = match (first, outcome.stopped) {
        (Some(_), _) => Outcome::CheckFailed,
        (None, true) => Outcome::Stopped,
        (None, false) => Outcome::Fine,
    };
    print(Summary {
        report: &outcome.report,
        elapsed,
        verdict,
    })?;
    Ok(verdict)
}

fn tell(seed: u64, broken: &Broken) {
    say(format_args!("seed {seed}, {broken}"));
    say(format_args!(
        "to see what happens: atomik replica simulate --replay {seed} --minimise"
    ));
}

/// Prints what happens in one schedule, or in the smallest that fails in the same way.
fn replay(seed: u64, smallest: bool) -> Result<Outcome, Failure> {
    let schedule = Schedule::generate(seed);
    // A panic of a replica is a finding like others, and has its place in the trace; here it may
    // come hundreds of times.
    std::panic::set_hook(Box::new(|_| {}));
    let found = if smallest {
        minimise(&schedule)
    } else {
        match run(&schedule, true) {
            Err(broken) => Some((schedule.clone(), broken, 1)),
            Ok(report) => {
                print(Story(&schedule, &report.trace))?;
                None
            }
        }
    };
    let _ = std::panic::take_hook();
    let Some((smallest, broken, runs)) = found else {
        say(format_args!("seed {seed} does not fail"));
        return Ok(Outcome::Fine);
    };
    print(Story(&smallest, &broken.trace))?;
    say(&broken);
    say(format_args!(
        "{} steps of {}, after {runs} runs",
        smallest.steps.len(),
        schedule.steps.len()
    ));
    Ok(Outcome::CheckFailed)
}

/// What stays the same in a run, and what happens, line by line.
struct Story<'a>(&'a Schedule, &'a [String]);

impl fmt::Display for Story<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:#?}", self.0.setup)?;
        self.1.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

struct Summary<'a> {
    report: &'a Report,
    elapsed: Duration,
    verdict: Outcome,
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = self.report;
        for (name, count) in report.counts().into_iter().skip(1) {
            writeln!(
                f,
                "{:>18}  {}",
                HumanCount(count).to_string(),
                name.replace('_', " ")
            )?;
        }
        writeln!(
            f,
            "{:>18}  rounds of ticks to converge, at most",
            report.rounds
        )?;
        let seconds = self.elapsed.as_secs_f64().max(1e-9);
        let verdict = match self.verdict {
            Outcome::Fine => "PASSED",
            Outcome::Stopped => "STOPPED",
            Outcome::CheckFailed | Outcome::ToolFailed => "FAILED",
        };
        writeln!(
            f,
            "{} schedules passed in {seconds:.1} s on {} cores, {} schedules/s: {verdict}",
            HumanCount(report.schedules),
            std::thread::available_parallelism().map_or(1, usize::from),
            rate(report.schedules as f64 / seconds),
        )
    }
}
