//! Shrinks a failing schedule: delta debugging over its steps, then over its setup and operations.
//!
//! Zeller, Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", IEEE TSE 2002. The fate
//! of a message depends on when it is sent, not on what came before it, so removing one step leaves
//! the others as they are.

use crate::report::{Failure, Report};
use crate::schedule::Schedule;
use crate::setup::Setup;
use crate::simulation::run;
use crate::step::{Operation, Step};

/// The search ends after this many runs.
const MOST_RUNS: usize = 20_000;

/// Returns the smallest schedule found in which the same invariant fails, its failure with a trace,
/// and the number of runs. `None` if the schedule does not fail.
pub fn minimise(schedule: &Schedule) -> Option<(Schedule, Failure, usize)> {
    let (best, _, runs) = minimise_with(schedule, |schedule| run(schedule, false))?;
    let failure = run(&best, true).err()?;
    Some((best, failure, runs))
}

/// As [`minimise`], with another function that runs a schedule, and without a trace.
pub fn minimise_with(
    schedule: &Schedule,
    run: impl Fn(&Schedule) -> Result<Report, Failure>,
) -> Option<(Schedule, Failure, usize)> {
    let failure = run(schedule).err()?;
    let mut search = Search {
        run,
        best: schedule.clone(),
        failure,
        runs: 1,
    };
    loop {
        let before = search.best.clone();
        search.remove_steps();
        search.simplify_setup();
        search.remove_replicas();
        search.merge_keys();
        search.simplify_operations();
        if search.best == before || search.runs >= MOST_RUNS {
            break;
        }
    }
    Some((search.best, search.failure, search.runs))
}

struct Search<R> {
    run: R,
    best: Schedule,
    failure: Failure,
    runs: usize,
}

impl<R: Fn(&Schedule) -> Result<Report, Failure>> Search<R> {
    /// Takes a candidate if the same invariant fails; returns whether it does.
    fn take(&mut self, candidate: Schedule) -> bool {
        if self.runs >= MOST_RUNS || candidate == self.best {
            return false;
        }
        self.runs += 1;
        match (self.run)(&candidate) {
            Err(failure) if failure.invariant == self.failure.invariant => {
                (self.best, self.failure) = (candidate, failure);
                true
            }
            _ => false,
        }
    }

    /// Removes steps: half of them at a time first, then ever smaller parts.
    fn remove_steps(&mut self) {
        let mut size = self.best.steps.len().div_ceil(2).max(1);
        loop {
            let mut from = 0;
            while from < self.best.steps.len() {
                let to = (from + size).min(self.best.steps.len());
                let mut candidate = self.best.clone();
                candidate.steps.drain(from..to);
                if !self.take(candidate) {
                    from = to;
                }
            }
            if size == 1 {
                break;
            }
            size = size.div_ceil(2);
        }
    }

    fn simplify_setup(&mut self) {
        let simpler: [fn(&mut Setup); 14] = [
            |setup| setup.sessions = false,
            |setup| setup.links.tricks = 0,
            |setup| setup.signed = setup.liar,
            |setup| setup.links.stragglers = 0,
            |setup| setup.links.duplicates = 0,
            |setup| setup.links.loss = 0,
            |setup| setup.links.delay = 1,
            |setup| setup.storage_delay = 0,
            |setup| setup.long_keys = false,
            |setup| setup.layout = None,
            |setup| {
                if setup.layout.is_none() {
                    setup.words = 1;
                }
            },
            |setup| setup.sync_ticks = 1,
            |setup| setup.undo_batches = 0,
            |setup| setup.undo_batches = 40,
        ];
        for simplify in simpler {
            let mut candidate = self.best.clone();
            simplify(&mut candidate.setup);
            self.take(candidate);
        }
    }

    fn remove_replicas(&mut self) {
        for replica in (0..self.best.setup.replicas).rev() {
            let mut candidate = self.best.clone();
            candidate.setup.replicas -= 1;
            let steps = core::mem::take(&mut candidate.steps).into_iter();
            candidate.steps = steps
                .filter_map(|(time, step)| Some((time, step.without(replica)?)))
                .collect();
            if candidate.setup.replicas >= 2 {
                self.take(candidate);
            }
        }
    }

    /// Moves the operations on a key to the first one, then drops keys that are not used.
    fn merge_keys(&mut self) {
        for key in (1..self.best.setup.keys).rev() {
            let mut candidate = self.best.clone();
            for (_, step) in &mut candidate.steps {
                if let Step::Operate(_, ops) = step {
                    ops.iter_mut()
                        .filter(|(k, _)| *k == key)
                        .for_each(|(k, _)| *k = 0);
                }
            }
            self.take(candidate);
        }
        let used = self.best.steps.iter().filter_map(|(_, step)| match step {
            Step::Operate(_, ops) => ops.iter().map(|(key, _)| *key).max(),
            _ => None,
        });
        let mut candidate = self.best.clone();
        candidate.setup.keys = used.max().unwrap_or(0) + 1;
        self.take(candidate);
    }

    /// Removes operations from batches, and makes values small.
    fn simplify_operations(&mut self) {
        for place in 0..self.best.steps.len() {
            let ops = match &self.best.steps[place].1 {
                Step::Operate(_, ops) => ops.len(),
                _ => 0,
            };
            for op in (0..ops).rev() {
                if ops > 1 {
                    self.change(place, |ops| {
                        if ops.len() > 1 && op < ops.len() {
                            ops.remove(op);
                        }
                    });
                }
                for value in [[1, 0, 0], [2, 0, 0], [3, 0, 0]] {
                    let changed = self.change(place, |ops| {
                        if let Some((_, Operation::Op(_, old) | Operation::Put(old))) =
                            ops.get_mut(op)
                            && *old > value
                        {
                            *old = value;
                        }
                    });
                    if changed {
                        break;
                    }
                }
            }
        }
    }

    /// Tries a change of the operations of a step.
    fn change(&mut self, place: usize, change: impl Fn(&mut Vec<(usize, Operation)>)) -> bool {
        let mut candidate = self.best.clone();
        if let Step::Operate(_, ops) = &mut candidate.steps[place].1 {
            change(ops);
        }
        self.take(candidate)
    }
}
