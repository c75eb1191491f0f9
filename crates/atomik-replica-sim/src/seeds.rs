//! Runs of one seed, and of many on all cores.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use crate::report::{Failure, Report};
use crate::schedule::Schedule;
use crate::simulation::run;

/// Seeds that a thread takes at once.
const CHUNK: u64 = 16;

/// The outcome of many seeds.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The sum over those that passed.
    pub report: Report,
    /// Those that failed, sorted by seed. After a failure the remaining seeds are not run.
    pub failures: Vec<(u64, Failure)>,
    /// Whether `stop` was set before the last seed was run.
    pub stopped: bool,
}

/// Runs the schedule of a seed.
///
/// # Errors
///
/// [`Failure`] with the invariant that does not hold.
pub fn simulate(seed: u64) -> Result<Report, Failure> {
    run(&Schedule::generate(seed), false)
}

/// Runs `count` seeds, from `first` on, on all cores, until one fails or `stop` is set. Calls
/// `advanced` with the number of seeds run since the last call.
pub fn simulate_many(
    first: u64,
    count: u64,
    stop: &AtomicBool,
    advanced: impl Fn(u64) + Sync,
) -> Outcome {
    let queue = SeedQueue {
        first,
        count,
        next: AtomicU64::new(0),
        stop,
        failures: Mutex::new(Vec::new()),
        failed: AtomicBool::new(false),
    };
    let report = (0..rayon::current_num_threads())
        .into_par_iter()
        .map(|_| queue.work(&advanced))
        .reduce(Report::default, Report::merge);
    let mut failures = queue
        .failures
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    failures.sort_by_key(|(seed, _)| *seed);
    Outcome {
        report,
        failures,
        stopped: stop.load(Ordering::Relaxed),
    }
}

/// Hands seeds to threads in order, so that the first failure found is one of the first.
struct SeedQueue<'a> {
    first: u64,
    count: u64,
    next: AtomicU64,
    stop: &'a AtomicBool,
    failures: Mutex<Vec<(u64, Failure)>>,
    failed: AtomicBool,
}

impl SeedQueue<'_> {
    /// Runs seeds until there are none left, or all threads must stop.
    fn work(&self, advanced: &impl Fn(u64)) -> Report {
        let mut sum = Report::default();
        loop {
            let from = self.next.fetch_add(CHUNK, Ordering::Relaxed);
            if from >= self.count {
                return sum;
            }
            for offset in from..(from + CHUNK).min(self.count) {
                if self.failed.load(Ordering::Relaxed) || self.stop.load(Ordering::Relaxed) {
                    return sum;
                }
                let seed = self.first.wrapping_add(offset);
                match simulate(seed) {
                    Ok(report) => sum = sum.merge(report),
                    Err(failure) => self.fail(seed, failure),
                }
                advanced(1);
            }
        }
    }

    fn fail(&self, seed: u64, failure: Failure) {
        self.failed.store(true, Ordering::Relaxed);
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.push((seed, failure));
    }
}
