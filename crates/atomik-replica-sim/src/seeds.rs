//! Many seeds, on all cores.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use crate::report::{Failure, Report};
use crate::schedule::Schedule;
use crate::simulation::run;

/// Seeds that a core takes at once.
const CHUNK: u64 = 16;

/// What came of many seeds.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Those that passed, together.
    pub report: Report,
    /// Those that failed, by seed; further ones may not have been run.
    pub failures: Vec<(u64, Failure)>,
    /// `stop` was set before the last was run.
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

/// Runs `count` seeds from `first` on, in order, on all cores, until one has failed or `stop` is
/// set; tells `advanced` of every one.
pub fn simulate_many(
    first: u64,
    count: u64,
    stop: &AtomicBool,
    advanced: impl Fn(u64) + Sync,
) -> Outcome {
    let failures = Mutex::new(Vec::new());
    let enough = AtomicBool::new(false);
    // Taken in order, so that of the seeds that fail one of the first is found.
    let next = AtomicU64::new(0);
    let work = |_| {
        let mut sum = Report::default();
        loop {
            let from = next.fetch_add(CHUNK, Ordering::Relaxed);
            if from >= count {
                return sum;
            }
            for offset in from..(from + CHUNK).min(count) {
                if enough.load(Ordering::Relaxed) || stop.load(Ordering::Relaxed) {
                    return sum;
                }
                let seed = first.wrapping_add(offset);
                match simulate(seed) {
                    Ok(report) => sum = sum.and(report),
                    Err(failure) => {
                        enough.store(true, Ordering::Relaxed);
                        let mut failures = failures.lock().unwrap_or_else(PoisonError::into_inner);
                        failures.push((seed, failure));
                    }
                }
                advanced(1);
            }
        }
    };
    let report = (0..rayon::current_num_threads())
        .into_par_iter()
        .map(work)
        .reduce(Report::default, Report::and);
    let mut failures = failures
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    failures.sort_by_key(|(seed, _)| *seed);
    Outcome {
        report,
        failures,
        stopped: stop.load(Ordering::Relaxed),
    }
}
