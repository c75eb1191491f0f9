//! What replicas exist to avoid: raw deltas on the wire.

use std::collections::BTreeMap;

use atomik_replica::Op;

use crate::network::Network;
use crate::report::{Failure, Report};
use crate::schedule::Schedule;
use crate::setup::HORIZON;
use crate::step::{Operation, Step};

/// A replica that sends every delta once and applies every delta that arrives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct NaiveReplica {
    states: BTreeMap<usize, u64>,
}

impl NaiveReplica {
    fn accumulate(&mut self, key: usize, delta: u64) {
        *self.states.entry(key).or_default() ^= delta;
    }
}

/// Plays the `ACCUM` operations of a schedule, with the first word of each delta, on replicas that
/// send raw deltas over the same network. Nothing crashes, and there is no trace.
///
/// # Errors
///
/// [`Failure`] if a state is not the xor of all deltas after the last message has arrived.
pub fn run_naive(schedule: &Schedule) -> Result<Report, Failure> {
    let setup = &schedule.setup;
    let mut network = Network::new(setup.seed, setup.replicas, setup.links);
    let mut replicas = vec![NaiveReplica::default(); setup.replicas];
    let mut expected = NaiveReplica::default();
    let mut report = Report {
        schedules: 1,
        ..Report::default()
    };
    for (now, step) in &schedule.steps {
        match step {
            Step::Link(from, to, works) => network.set_link(*from, *to, *works),
            Step::Operate(n, ops) => {
                for (key, op) in ops {
                    let Operation::Op(Op::Accum, [delta, ..]) = op else {
                        continue;
                    };
                    report.operations += 1;
                    expected.accumulate(*key, *delta);
                    replicas[*n].accumulate(*key, *delta);
                    for to in (0..setup.replicas).filter(|to| to != n) {
                        let copies = network.send(*now, *n, to).count();
                        report.messages += 1;
                        report.lost += u64::from(copies == 0);
                        report.duplicated += u64::from(copies == 2);
                        // Deltas commute and no state is read before the end, so a delta can be
                        // applied when it is sent.
                        (0..copies).for_each(|_| replicas[to].accumulate(*key, *delta));
                    }
                }
            }
            _ => {}
        }
    }
    expected.states.retain(|_, state| *state != 0);
    for (n, replica) in replicas.iter_mut().enumerate() {
        replica.states.retain(|_, state| *state != 0);
        if *replica != expected {
            return Err(Failure {
                time: HORIZON,
                invariant: "every delta is applied everywhere, exactly once",
                detail: format!(
                    "r{n} has {:x?}, should have {:x?}",
                    replica.states, expected.states
                ),
                trace: Vec::new(),
            });
        }
    }
    Ok(report)
}
