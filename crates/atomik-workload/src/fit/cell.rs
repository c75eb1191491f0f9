//! One field of one key, under XOR and as intended.
//!
//! The model: a node sees its own changes at once and those of other nodes a window later. An
//! operation is applied to what its writer sees; its delta is the XOR of the value before and
//! after. All nodes come to hold the XOR of all deltas. The intended value is that of the
//! operations in the order of the trace. All windows are modelled at once.

use super::bits::Bits;
use super::encoding::{Effect, characters};
use super::unseen::{Moment, Unseen};

/// A field of a key.
#[derive(Debug, Default)]
pub(super) struct Cell {
    /// The intended value.
    meant: Bits,
    /// By window, the XOR of the intended value and the value under XOR. `None` if all are zero.
    deviations: Option<Box<[Bits]>>,
    unseen: Option<Box<Unseen>>,
    pub(super) writers: Writers,
    /// Whether it was toggled an odd number of times.
    pub(super) odd: bool,
    /// The characters of a text that has outgrown a value. It is not simulated any further.
    overflow: Option<u64>,
}

/// The result of an operation.
#[derive(Debug, Default)]
pub(super) struct Step {
    /// Words of the intended value that change.
    pub(super) changed_words: u64,
    /// The last changes of other nodes within the widest window, if it changes bits that one of
    /// them changed.
    pub(super) blind_to: Vec<Moment>,
    /// How it made the state wrong in the widest window, if it did.
    pub(super) incident: Option<Incident>,
}

/// How a right state became wrong.
#[derive(Debug)]
pub(super) struct Incident {
    /// The last changes of other nodes that the writer had not seen.
    pub(super) unseen: Vec<Moment>,
    /// The value before.
    pub(super) before: Bits,
    /// What the writer saw of it.
    pub(super) seen: Bits,
    /// What the writer made of it.
    pub(super) made: Bits,
    /// The intended value.
    pub(super) meant: Bits,
    /// The value under XOR.
    pub(super) got: Bits,
}

/// Counts of operations in a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) concurrent: u64,
    pub(super) overlapping: u64,
    pub(super) wrong: u64,
    pub(super) entries: u64,
}

impl Cell {
    /// The intended value.
    pub(super) fn meant(&self) -> &Bits {
        &self.meant
    }

    /// Applies an operation. Returns `None` and changes nothing if the intended value does not fit.
    pub(super) fn step(
        &mut self,
        moment: Moment,
        effect: &Effect<'_>,
        windows_ms: &[u64],
        counts: &mut [Counts],
    ) -> Option<Step> {
        if let Some(characters) = &mut self.overflow {
            *characters = effect.characters_after(*characters);
            return None;
        }
        let Some(meant) = effect.apply(&self.meant) else {
            let characters = characters(&self.meant.to_bytes());
            self.overflow = Some(effect.characters_after(characters));
            self.unseen = None;
            return None;
        };
        let mut step = Step::default();
        let delta = &self.meant ^ &meant;
        step.changed_words = delta.changed_words();
        let unseen = self.unseen.get_or_insert_default();
        unseen.forget(moment.t, windows_ms);
        if self.deviations.is_none() && unseen.hides_nothing_from(moment.node) {
            unseen.note(moment, &[delta], windows_ms);
            self.meant = meant;
            return Some(step);
        }

        let hidden = unseen.hidden_from(moment.node, moment.t, windows_ms);
        let mut deviations = self
            .deviations
            .take()
            .unwrap_or_else(|| vec![Bits::ZERO; windows_ms.len()].into());
        let mut deltas = Vec::with_capacity(windows_ms.len());
        let widest = windows_ms.len() - 1;
        for (place, hidden) in hidden.iter().enumerate() {
            let merged = &self.meant ^ &deviations[place];
            let seen = &merged ^ &hidden.sum;
            let made = effect.apply_and_cut(&seen);
            let delta = &seen ^ &made;
            let got = &merged ^ &delta;
            let overlaps = delta.intersects(&hidden.mask);
            let wrong = got != meant;
            counts[place].overlapping += u64::from(overlaps);
            counts[place].wrong += u64::from(wrong);
            if place == widest {
                if overlaps {
                    step.blind_to = unseen.others(moment.node).collect();
                }
                if wrong && deviations[place].is_zero() {
                    step.incident = Some(Incident {
                        unseen: unseen.others(moment.node).collect(),
                        before: merged,
                        seen,
                        made,
                        meant: meant.clone(),
                        got: got.clone(),
                    });
                }
            }
            deviations[place] = &got ^ &meant;
            deltas.push(delta);
        }
        unseen.note(moment, &deltas, windows_ms);
        self.meant = meant;
        if deviations.iter().any(|deviation| !deviation.is_zero()) {
            self.deviations = Some(deviations);
        }
        Some(step)
    }

    /// The bytes of a text or list after `effect` was applied, or its characters if it has outgrown
    /// a value. `None` for other classes.
    pub(super) fn length(&self, effect: &Effect<'_>) -> Option<u64> {
        effect.is_edit().then(|| {
            self.overflow
                .unwrap_or_else(|| self.meant.to_bytes().len() as u64)
        })
    }

    /// Frees the memory of changes that every node has seen.
    pub(super) fn sweep(&mut self, now: u64, windows_ms: &[u64]) {
        if let Some(unseen) = &mut self.unseen {
            unseen.forget(now, windows_ms);
            if unseen.is_empty() {
                self.unseen = None;
            }
        }
    }
}

/// The nodes that have written, with the time of the last write of each.
#[derive(Debug, Default)]
pub(super) struct Writers {
    first: Option<(u32, u64)>,
    /// By node.
    others: Vec<(u32, u64)>,
}

impl Writers {
    /// Records a write and returns the time of the node's last one before.
    pub(super) fn note(&mut self, node: u32, t: u64) -> Option<u64> {
        let last = match &mut self.first {
            None => {
                self.first = Some((node, t));
                return None;
            }
            Some((first, last)) if *first == node => last,
            Some(_) => match self.others.binary_search_by_key(&node, |(node, _)| *node) {
                Ok(place) => &mut self.others[place].1,
                Err(place) => {
                    self.others.insert(place, (node, t));
                    return None;
                }
            },
        };
        Some(std::mem::replace(last, t))
    }

    /// Whether a single node has written.
    pub(super) fn is_one(&self) -> bool {
        self.others.is_empty()
    }
}
