//! Random sequences for proptest, and how a failing one is made small.
//!
//! [`Sequences`] is a proptest strategy; its [`SequenceTree`] proposes ever simpler sequences as
//! long as they still fail. A sequence that failed elsewhere, in a regression, is shrunk by the
//! same tree.

use crate::golden::Timing;
use crate::record::Layout;
use crate::stimulus::{Cycle, Offer, Profile, Random, Stimulus};
use proptest::strategy::{NewTree, Strategy, ValueTree};
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};
use std::collections::BTreeSet;

/// Sequences of up to `max_cycles` cycles that follow `profile`, starting at the first cycle with
/// `ready` high.
#[derive(Clone, Debug)]
pub struct Sequences {
    /// The shape of the register file.
    pub layout: Layout,
    /// Its timing.
    pub timing: Timing,
    /// What the sequences are made of.
    pub profile: Profile,
    /// The longest sequence.
    pub max_cycles: usize,
}

impl Strategy for Sequences {
    type Tree = SequenceTree;
    type Value = Vec<Cycle>;

    fn new_tree(&self, runner: &mut TestRunner) -> NewTree<Self> {
        let seed = proptest::prelude::any::<u64>().new_tree(runner)?.current();
        let mut stimulus = Random::new(self.layout, self.timing, self.profile.clone(), seed);
        let mut record = vec![0; self.layout.cmd_words()];
        // The stimulus opens with a reset, which every playback makes for itself.
        let lead = u64::from(self.timing.clear_cycles);
        let cycles = (1..=self.max_cycles.max(1) as u64)
            .new_tree(runner)?
            .current();
        let cycles = (0..lead + cycles).map(|_| {
            stimulus.drive(&mut self.layout.command_mut(&mut record, 0));
            from_record(&self.layout, &record)
        });
        Ok(SequenceTree::new(
            &cycles.skip(lead as usize).collect::<Vec<_>>(),
        ))
    }
}

/// The inputs that a command record holds.
pub fn from_record(layout: &Layout, record: &[u64]) -> Cycle {
    let cmd = layout.command(record, 0);
    let offers = (0..layout.lanes())
        .filter(|&lane| cmd.valid(lane))
        .map(|lane| {
            let mut data = vec![0; layout.limbs()];
            cmd.data(lane, &mut data);
            Offer {
                lane,
                op: if lane == 0 { cmd.op() } else { 2 },
                addr: cmd.addr(lane),
                data,
            }
        })
        .collect();
    Cycle {
        reset: cmd.reset(),
        offers,
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Input {
    Reset,
    Offer(Offer),
}

/// An input, and how many cycles it comes after the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Timed {
    gap: u64,
    input: Input,
}

/// The ways to make a sequence simpler, in the order in which they are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Leave out `size` inputs from `from` on.
    Remove { size: usize, from: usize },
    /// Bring input `index` closer to the one before: at once, halfway, or by one cycle.
    Close { index: usize, how: u8 },
    /// Send everything that goes to the `index`-th address elsewhere: to address `to`.
    Rename { index: usize, to: usize },
    /// Give input `index` the value 0, or 1.
    Value { index: usize, value: u64 },
}

/// proptest's view of a sequence that can be made simpler.
#[derive(Clone, Debug)]
pub struct SequenceTree {
    /// The simplest sequence known to fail (or the first).
    best: Vec<Timed>,
    /// The proposal under test.
    candidate: Option<Vec<Timed>>,
    step: Step,
    /// Whether any proposal since the last `Remove` pass began was taken.
    progress: bool,
}

impl SequenceTree {
    /// A tree whose first value is `cycles`.
    pub fn new(cycles: &[Cycle]) -> SequenceTree {
        let mut best = vec![];
        let mut last = 0;
        for (at, cycle) in (0..).zip(cycles) {
            let resets = cycle.reset.then_some(Input::Reset);
            for input in resets
                .into_iter()
                .chain(cycle.offers.iter().cloned().map(Input::Offer))
            {
                best.push(Timed {
                    gap: at - last,
                    input,
                });
                last = at;
            }
        }
        let step = Step::Remove {
            size: best.len().div_ceil(2).max(1),
            from: 0,
        };
        SequenceTree {
            best,
            candidate: None,
            step,
            progress: false,
        }
    }

    /// The step to try after `step`; none when a whole pass brought nothing.
    fn next_step(&mut self, step: Step) -> Option<Step> {
        let n = self.best.len();
        let start = |progress: &mut bool| {
            *progress = false;
            Step::Remove {
                size: n.div_ceil(2).max(1),
                from: 0,
            }
        };
        Some(match step {
            Step::Remove { size, from } if from + size < n => Step::Remove {
                size,
                from: from + size,
            },
            Step::Remove { size, .. } if size > 1 => Step::Remove {
                size: size / 2,
                from: 0,
            },
            Step::Remove { .. } => Step::Close { index: 0, how: 0 },
            Step::Close { index, how } if how < 2 => Step::Close {
                index,
                how: how + 1,
            },
            Step::Close { index, .. } if index + 1 < n => Step::Close {
                index: index + 1,
                how: 0,
            },
            Step::Close { .. } => Step::Rename { index: 0, to: 0 },
            Step::Rename { index, .. } if index + 1 < self.addresses().len() => Step::Rename {
                index: index + 1,
                to: index + 1,
            },
            Step::Rename { .. } => Step::Value { index: 0, value: 0 },
            Step::Value { index, value: 0 } => Step::Value { index, value: 1 },
            Step::Value { index, .. } if index + 1 < n => Step::Value {
                index: index + 1,
                value: 0,
            },
            Step::Value { .. } if self.progress => start(&mut self.progress),
            Step::Value { .. } => return None,
        })
    }

    fn addresses(&self) -> Vec<usize> {
        let all: BTreeSet<usize> = self
            .best
            .iter()
            .filter_map(|t| match &t.input {
                Input::Offer(o) => Some(o.addr),
                Input::Reset => None,
            })
            .collect();
        all.into_iter().collect()
    }

    /// The best sequence with `step` applied; none when that changes nothing or cannot be driven.
    fn apply(&self, step: Step) -> Option<Vec<Timed>> {
        let mut sequence = self.best.clone();
        match step {
            Step::Remove { size, from } => {
                if from >= sequence.len() {
                    return None;
                }
                let to = (from + size).min(sequence.len());
                let lost: u64 = sequence.drain(from..to).map(|t| t.gap).sum();
                if let Some(next) = sequence.get_mut(from) {
                    next.gap += lost;
                }
            }
            Step::Close { index, how } => {
                let gap = &mut sequence.get_mut(index)?.gap;
                *gap = match how {
                    0 => 0,
                    1 => *gap / 2,
                    _ => gap.saturating_sub(1),
                };
            }
            Step::Rename { index, to } => {
                let from = *self.addresses().get(index)?;
                for timed in &mut sequence {
                    if let Input::Offer(o) = &mut timed.input
                        && o.addr == from
                    {
                        o.addr = to.min(from);
                    }
                }
            }
            Step::Value { index, value } => match &mut sequence.get_mut(index)?.input {
                // A one is simpler than anything but a zero.
                Input::Offer(o) if value == 0 || limbs_above_one(&o.data) => {
                    o.data.fill(0);
                    o.data[0] = value;
                }
                _ => return None,
            },
        }
        (sequence != self.best && can_be_driven(&sequence)).then_some(sequence)
    }

    /// Finds the next proposal after the present step.
    fn propose(&mut self) -> bool {
        loop {
            self.candidate = self.apply(self.step);
            if self.candidate.is_some() {
                return true;
            }
            match self.next_step(self.step) {
                Some(step) => self.step = step,
                None => return false,
            }
        }
    }
}

fn limbs_above_one(data: &[u64]) -> bool {
    data[0] > 1 || data[1..].iter().any(|&limb| limb != 0)
}

/// No lane offers two commands in one cycle, and `rst` is driven once.
fn can_be_driven(sequence: &[Timed]) -> bool {
    let mut seen = BTreeSet::new();
    sequence.iter().all(|timed| {
        if timed.gap > 0 {
            seen.clear();
        }
        seen.insert(match &timed.input {
            Input::Reset => None,
            Input::Offer(o) => Some(o.lane),
        })
    })
}

impl ValueTree for SequenceTree {
    type Value = Vec<Cycle>;

    fn current(&self) -> Vec<Cycle> {
        let mut cycles: Vec<Cycle> = vec![];
        let mut at = 0;
        for timed in self.candidate.as_ref().unwrap_or(&self.best) {
            at += timed.gap as usize;
            cycles.resize_with(at + 1, Cycle::default);
            match &timed.input {
                Input::Reset => cycles[at].reset = true,
                Input::Offer(o) => cycles[at].offers.push(o.clone()),
            }
        }
        cycles
    }

    /// The present value fails: it is the best, and a simpler one is proposed.
    fn simplify(&mut self) -> bool {
        if let Some(better) = self.candidate.take() {
            self.best = better;
            self.progress = true;
        }
        self.propose()
    }

    /// The present value passes: back to the best, and another way is proposed.
    fn complicate(&mut self) -> bool {
        self.candidate = None;
        match self.next_step(self.step) {
            Some(step) => {
                self.step = step;
                self.propose()
            }
            None => false,
        }
    }
}

/// Proposals that are tried before a failure is taken for small enough.
const MAX_PROPOSALS: u32 = 20_000;

fn runner(cases: u32, seed: u64) -> TestRunner {
    let config = Config {
        cases,
        max_shrink_iters: MAX_PROPOSALS,
        failure_persistence: None,
        ..Config::default()
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    TestRunner::new_with_rng(
        config,
        proptest::test_runner::TestRng::from_seed(
            proptest::test_runner::RngAlgorithm::ChaCha,
            &bytes,
        ),
    )
}

/// The smallest sequence found, starting from `cycles`, for which `fails` still says true; none
/// when it says false for `cycles` itself.
pub fn shrink(cycles: &[Cycle], fails: impl Fn(&[Cycle]) -> bool) -> Option<Vec<Cycle>> {
    let test = |cycles: Vec<Cycle>| {
        if fails(&cycles) {
            Err(TestCaseError::fail("differs"))
        } else {
            Ok(())
        }
    };
    match runner(1, 0).run_one(SequenceTree::new(cycles), test) {
        Err(TestError::Fail(_, small)) => Some(small),
        _ => None,
    }
}

/// Tries `cases` sequences; the first that `fails`, shrunk.
pub fn search(
    sequences: &Sequences,
    cases: u32,
    seed: u64,
    fails: impl Fn(&[Cycle]) -> bool,
) -> Option<Vec<Cycle>> {
    let test = |cycles: Vec<Cycle>| {
        if fails(&cycles) {
            Err(TestCaseError::fail("differs"))
        } else {
            Ok(())
        }
    };
    match runner(cases, seed).run(sequences, test) {
        Err(TestError::Fail(_, small)) => Some(small),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(lane: u32, op: u8, addr: usize, data: u64) -> Offer {
        Offer {
            lane,
            op,
            addr,
            data: vec![data],
        }
    }

    #[test]
    fn a_failure_that_needs_two_commands_two_cycles_apart_shrinks_to_them() {
        let layout = Layout::new(8, 16, 2).unwrap();
        let timing = Timing {
            latency: 4,
            clear_cycles: 33,
        };
        let sequences = Sequences {
            layout,
            timing,
            profile: Profile::named("hazard").unwrap(),
            max_cycles: 400,
        };
        let fails = |cycles: &[Cycle]| {
            cycles.windows(3).any(|w| {
                w[0].offers.iter().any(|a| {
                    a.lane == 1
                        && w[2]
                            .offers
                            .iter()
                            .any(|b| b.lane == 0 && b.op == 4 && b.addr == a.addr)
                })
            })
        };
        let small = search(&sequences, 50, 1, fails).unwrap();
        assert_eq!(
            small,
            [
                Cycle {
                    reset: false,
                    offers: vec![offer(1, 2, 0, 0)]
                },
                Cycle::default(),
                Cycle {
                    reset: false,
                    offers: vec![offer(0, 4, 0, 0)]
                },
            ]
        );
    }

    #[test]
    fn what_passes_is_not_shrunk() {
        assert_eq!(shrink(&[Cycle::default()], |_| false), None);
    }
}
