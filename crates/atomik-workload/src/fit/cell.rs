//! One field of one key, under xor and as it was meant.
//!
//! The model: a node sees its own changes at once and another node's changes once they are a window
//! old. An operation is carried out on what its writer sees, and the xor of what it saw and what it
//! made of it is what travels; the state that all come to hold is the xor of all of these. Beside
//! it stands what the operations mean one after the other, in the order of the trace. All windows
//! are followed at once.

use super::bits::Bits;
use super::encoding::{Effect, characters};
use super::unseen::{Moment, Unseen};

/// A field of a key.
#[derive(Debug, Default)]
pub(super) struct Cell {
    /// What it holds, as it was meant.
    meant: Bits,
    /// By window, what xor gives instead, as a difference; `None` if it is right in all windows.
    deviations: Option<Box<[Bits]>>,
    unseen: Option<Box<Unseen>>,
    pub(super) writers: Writers,
    /// Whether it was turned over an odd number of times.
    pub(super) odd: bool,
    /// Characters of a text that has become longer than there are bits. Nothing more is simulated.
    overflow: Option<u64>,
}

/// What came of an operation.
#[derive(Debug, Default)]
pub(super) struct Step {
    /// Words that change, as it was meant.
    pub(super) changed_words: u64,
    /// If it changes bits that another node changed within the widest window: the last changes of
    /// all other nodes therein.
    pub(super) blind_to: Vec<Moment>,
    /// How the state went wrong by it in the widest window, if it did.
    pub(super) incident: Option<Incident>,
}

/// How a state that was right went wrong.
#[derive(Debug)]
pub(super) struct Incident {
    /// The last changes of other nodes that the writer had not seen.
    pub(super) unseen: Vec<Moment>,
    /// The state before, as all of it was meant.
    pub(super) before: Bits,
    /// What the writer saw of it.
    pub(super) seen: Bits,
    /// What the writer made of what it saw.
    pub(super) made: Bits,
    /// What should be there.
    pub(super) meant: Bits,
    /// What is there.
    pub(super) got: Bits,
}

/// Operations by window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) concurrent: u64,
    pub(super) overlapping: u64,
    pub(super) wrong: u64,
    pub(super) entries: u64,
}

impl Cell {
    /// What it holds, as it was meant.
    pub(super) fn meant(&self) -> &Bits {
        &self.meant
    }

    /// Carries an operation out. `None`, and nothing changes, if there are no bits for what was
    /// meant.
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

    /// Bytes of a text or list after `effect`, which was applied; if it is longer than there are
    /// bits, characters. `None` for what has no length of its own.
    pub(super) fn length(&self, effect: &Effect<'_>) -> Option<u64> {
        effect.is_edit().then(|| {
            self.overflow
                .unwrap_or_else(|| self.meant.to_bytes().len() as u64)
        })
    }

    /// Gives memory back that only serves what everybody has seen by now.
    pub(super) fn sweep(&mut self, now: u64, windows_ms: &[u64]) {
        if let Some(unseen) = &mut self.unseen {
            unseen.forget(now, windows_ms);
            if unseen.is_empty() {
                self.unseen = None;
            }
        }
    }
}

/// Which nodes have written, each with the moment when it did last.
#[derive(Debug, Default)]
pub(super) struct Writers {
    first: Option<(u32, u64)>,
    /// In order.
    others: Vec<(u32, u64)>,
}

impl Writers {
    /// Takes a write, and gives the moment of the node's last one before.
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

    /// Whether only one node has written.
    pub(super) fn is_one(&self) -> bool {
        self.others.is_empty()
    }
}
