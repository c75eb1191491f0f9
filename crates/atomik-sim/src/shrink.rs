//! Random sequences for proptest, and the shrinking of those that fail.
//!
//! [`Sequences`] is a proptest strategy. Its [`SequenceTree`] proposes ever simpler sequences that
//! still fail. It also shrinks sequences that failed in a regression.

use crate::golden::Timing;
use crate::random::{Profile, Random};
use crate::record::Layout;
use crate::stimulus::{Cycle, Offer, Stimulus};
use proptest::strategy::{NewTree, Strategy, ValueTree};
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};
use std::collections::BTreeSet;

/// Sequences of up to `max_cycles` cycles that follow `profile`, starting at the first cycle with
/// `ready` high.
#[derive(Clone, Debug)]
pub struct Sequences {
    /// The layout of the records.
    pub layout: Layout,
    /// The latency and the clear time.
    pub timing: Timing,
    /// The mix of the commands.
    pub profile: Profile,
    /// The greatest length, in cycles.
    pub max_cycles: usize,
}

impl Strategy for Sequences {
    type Tree = SequenceTree;
    type Value = Vec<Cycle>;

    fn new_tree(&self, runner: &mut TestRunner) -> NewTree<Self> {
        let seed = proptest::prelude::any::<u64>().new_tree(runner)?.current();
        let mut stimulus = Random::new(self.layout, self.timing, self.profile.clone(), seed);
        let mut record = vec![0; self.layout.cmd_words()];
        // Skip the reset at the start of the stimulus: every playback has its own.
        let lead = u64::from(self.timing.clear_cycles);
        let cycles = (1..=self.max_cycles.max(1) as u64)
            .new_tree(runner)?
            .current();
        let cycles = (0..lead + cycles).map(|_| {
            stimulus.drive(&mut self.layout.command_mut(&mut record, 0));
            Cycle::from_record(&self.layout, &record)
        });
        Ok(SequenceTree::new(
            &cycles.skip(lead as usize).collect::<Vec<_>>(),
        ))
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Input {
    Reset,
    Offer(Offer),
}

/// An input, and the number of cycles since the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Timed {
    gap: u64,
    input: Input,
}

/// A way to simplify a sequence. The variants are tried in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Remove `size` inputs from `from` on.
    Remove { size: usize, from: usize },
    /// Reduce the gap before input `index`: to 0, by half, or by one cycle.
    Close { index: usize, how: u8 },
    /// Replace the `index`-th address in use by `to`.
    Rename { index: usize, to: usize },
    /// Set the data of input `index` to 0 or 1.
    Value { index: usize, value: u64 },
}

/// A sequence that proptest can shrink.
#[derive(Clone, Debug)]
pub struct SequenceTree {
    /// The simplest sequence known to fail, or the original one.
    best: Vec<Timed>,
    /// The candidate under test.
    candidate: Option<Vec<Timed>>,
    step: Step,
    /// Whether a candidate was accepted since the current pass began.
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

    /// The step after `step`; `None` if a whole pass made no progress.
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

    /// The best sequence with `step` applied; `None` if that changes nothing or is not valid.
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
                // Only 0 is simpler than 1.
                Input::Offer(o) if value == 0 || limbs_above_one(&o.data) => {
                    o.data.fill(0);
                    o.data[0] = value;
                }
                _ => return None,
            },
        }
        (sequence != self.best && is_valid(&sequence)).then_some(sequence)
    }

    /// Finds the next candidate, from the current step on.
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

/// Whether the sequence is valid: in no cycle does a lane have two commands, or `rst` two events.
fn is_valid(sequence: &[Timed]) -> bool {
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

    /// The current value fails: it becomes the best, and a simpler one is proposed.
    fn simplify(&mut self) -> bool {
        if let Some(better) = self.candidate.take() {
            self.best = better;
            self.progress = true;
        }
        self.propose()
    }

    /// The current value passes: it is dropped, and another one is proposed.
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

/// The greatest number of candidates that are tried for one failure.
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

/// Shrinks `cycles` to the simplest sequence found for which `fails` is true; `None` if it is false
/// for `cycles` themselves.
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

/// Tries `cases` sequences. Returns the first that fails, shrunk.
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
    fn a_sequence_that_passes_is_not_shrunk() {
        assert_eq!(shrink(&[Cycle::default()], |_| false), None);
    }
}
