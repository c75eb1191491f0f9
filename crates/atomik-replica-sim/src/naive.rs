//! What replicas are there to avoid: raw deltas on the wire.

use std::collections::BTreeMap;

use atomik_replica::Op;

use crate::network::Network;
use crate::report::{Failure, Report};
use crate::schedule::Schedule;
use crate::setup::HORIZON;
use crate::step::{Operation, Step};

/// Sends every delta once and adds whatever arrives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct NaiveReplica {
    states: BTreeMap<usize, u64>,
}

impl NaiveReplica {
    fn accumulate(&mut self, key: usize, delta: u64) {
        *self.states.entry(key).or_default() ^= delta;
    }
}

/// Plays the accumulations of a schedule (of their values, the first words) with replicas that send
/// raw deltas, over the same network; nothing crashes. The trace is not written.
///
/// # Errors
///
/// [`Failure`] if the replicas differ from each other, or from what was done, once every message
/// has arrived.
pub fn run_naive(schedule: &Schedule) -> Result<Report, Failure> {
    let setup = &schedule.setup;
    let mut network = Network::new(setup.seed, setup.replicas, setup.links);
    let mut replicas = vec![NaiveReplica::default(); setup.replicas];
    let mut expected = NaiveReplica::default();
    // Deltas commute, so that they can be added when they are sent: nobody looks before the end.
    let mut report = Report {
        schedules: 1,
        ..Report::default()
    };
    for (now, step) in &schedule.steps {
        match step {
            Step::Link(from, to, works) => network.set_link(*from, *to, *works),
            Step::Work(n, ops) => {
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
                        report.doubled += u64::from(copies == 2);
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
                invariant: "what anybody did is everywhere, once",
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
