//! One field of one key, as replicated and as intended.
//!
//! The model: a node sees its own changes at once and those of other nodes a window later. An
//! operation is applied to what its writer sees; its delta leads from the value before to the one
//! after: their XOR, or their difference in a field that adds. All nodes come to hold all deltas
//! combined. The intended value is that of the operations in the order of the trace. All windows
//! are modelled at once.
//!
//! Changes of the same bits overlap if they XOR. If they add, only two sets overlap: an addition
//! gives the same sum whatever it has seen. An overlap is reported to a writer, which can set the
//! value again; a state is wrong *unnoticed* if no overlap was reported since it became wrong. A
//! report is about the whole value, but of a set only about the elements that both writers changed.
//!
//! Sums are modelled modulo 2^64. Modulo a smaller power of two they are what a field of as many
//! bits holds, so the width can be chosen afterwards.

use atomik_algebra::FieldKind;

use super::bits::Bits;
use super::encoding::{Effect, characters};
use super::unseen::{Moment, Unseen};

/// A field of a key.
#[derive(Debug, Default)]
pub(super) struct Cell {
    /// The intended value.
    meant: Bits,
    /// By window. `None` if all are zero.
    deviations: Option<Box<[Deviation]>>,
    unseen: Option<Box<Unseen>>,
    /// The characters of a text that has outgrown a value. It is not simulated any further.
    overflow: Option<u64>,
}

/// What leads from the intended value to the replicated one.
#[derive(Clone, Debug, Default)]
struct Deviation {
    delta: Bits,
    /// The part of it that is due to reported overlaps.
    reported: Bits,
}

impl Deviation {
    /// Takes in an operation that leaves `delta`. `overlap` are the bits that it and others
    /// changed, if that is reported.
    fn renew(&mut self, delta: Bits, effect: &Effect<'_>, overlap: Option<&Bits>) {
        match (effect, overlap) {
            (Effect::Element { .. } | Effect::Clear, overlap) => {
                self.reported.or(overlap.unwrap_or(&Bits::ZERO));
                self.reported.and(&delta);
            }
            (_, Some(_)) => self.reported = delta.clone(),
            (_, None) if delta == self.delta => {}
            (_, None) => self.reported = Bits::ZERO,
        }
        self.delta = delta;
    }

    /// Whether a part of it is due to no reported overlap.
    fn is_unnoticed(&self) -> bool {
        self.delta != self.reported
    }
}

/// The result of an operation.
#[derive(Debug, Default)]
pub(super) struct Step {
    /// Words of the intended value that change.
    pub(super) changed_words: u64,
    /// The last changes of other nodes within the window that decides, if it changes bits that one
    /// of them changed.
    pub(super) blind_to: Vec<Moment>,
    /// How it made the state wrong in the window that decides, if it did.
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
    /// The replicated value.
    pub(super) got: Bits,
}

/// Counts of operations in a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) concurrent: u64,
    pub(super) overlapping: u64,
    /// Toggles among `overlapping`.
    pub(super) blind_toggles: u64,
    pub(super) wrong: u64,
    pub(super) unnoticed: u64,
    pub(super) entries: u64,
}

impl Cell {
    /// The intended value.
    pub(super) fn meant(&self) -> &Bits {
        &self.meant
    }

    /// Applies an operation. `decisive` is the place of the window that decides. Returns `None` and
    /// changes nothing if the intended value does not fit.
    pub(super) fn step(
        &mut self,
        kind: FieldKind,
        moment: Moment,
        effect: &Effect<'_>,
        windows_ms: &[u64],
        decisive: usize,
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
        let delta = meant.since(&self.meant, kind);
        step.changed_words = delta.changed_words();
        let may_overlap = kind == FieldKind::Xor || matches!(effect, Effect::Put(_));
        let unseen = self
            .unseen
            .get_or_insert_with(|| Box::new(Unseen::new(kind)));
        unseen.forget(moment.t, windows_ms);
        if self.deviations.is_none() && unseen.hides_nothing_from(moment.node) {
            unseen.note(moment, &[delta], may_overlap, windows_ms);
            self.meant = meant;
            return Some(step);
        }

        let hidden = unseen.hidden_from(moment.node, moment.t, windows_ms);
        let mut deviations = self
            .deviations
            .take()
            .unwrap_or_else(|| vec![Deviation::default(); windows_ms.len()].into());
        let mut deltas = Vec::with_capacity(windows_ms.len());
        let others = || {
            unseen
                .others(moment.node, moment.t, windows_ms[decisive])
                .collect()
        };
        for (place, hidden) in hidden.iter().enumerate() {
            let deviation = &mut deviations[place];
            let mut merged = self.meant.clone();
            merged.accumulate(&deviation.delta, kind);
            let seen = merged.since(&hidden.sum, kind);
            let made = effect.apply_and_cut(&seen);
            let delta = made.since(&seen, kind);
            let mut got = merged.clone();
            got.accumulate(&delta, kind);
            let overlaps = may_overlap && overlap(&delta, &hidden.mask, kind);
            let wrong = got != meant;
            let was_right = deviation.delta.is_zero();
            let left = got.since(&meant, kind);
            let mut both = delta.clone();
            both.and(&hidden.mask);
            deviation.renew(left, effect, overlaps.then_some(&both));
            let count = &mut counts[place];
            count.overlapping += u64::from(overlaps);
            count.blind_toggles += u64::from(overlaps && matches!(effect, Effect::Toggle));
            count.wrong += u64::from(wrong);
            count.unnoticed += u64::from(deviation.is_unnoticed());
            if place == decisive {
                if overlaps {
                    step.blind_to = others();
                }
                if wrong && was_right {
                    step.incident = Some(Incident {
                        unseen: others(),
                        before: merged,
                        seen,
                        made,
                        meant: meant.clone(),
                        got: got.clone(),
                    });
                }
            }
            deltas.push(delta);
        }
        unseen.note(moment, &deltas, may_overlap, windows_ms);
        self.meant = meant;
        if deviations.iter().any(|left| !left.delta.is_zero()) {
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

/// Whether a change overlaps with others that touched the bits of `mask`. A field that adds does so
/// as a whole.
fn overlap(delta: &Bits, mask: &Bits, kind: FieldKind) -> bool {
    match kind {
        FieldKind::Xor => delta.intersects(mask),
        FieldKind::Add => !delta.is_zero() && !mask.is_zero(),
    }
}

/// Who wrote a field of a key, and how.
#[derive(Debug, Default)]
pub(super) struct History {
    pub(super) writers: Writers,
    /// Whether it was toggled an odd number of times.
    pub(super) odd: bool,
    /// Whether it was set.
    pub(super) is_set: bool,
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WINDOWS_MS: [u64; 3] = [0, 10, 100];

    /// The sum that replicas come to hold in each window.
    fn simulated(kind: FieldKind, additions: &[(u64, u32, i64)]) -> Vec<i64> {
        let mut cell = Cell::default();
        let mut counts = [Counts::default(); WINDOWS_MS.len()];
        let mut t = 0;
        for (line, (later, node, value)) in (1..).zip(additions) {
            t += later;
            let node = *node;
            let effect = Effect::Add(*value);
            cell.step(
                kind,
                Moment { t, node, line },
                &effect,
                &WINDOWS_MS,
                WINDOWS_MS.len() - 1,
                &mut counts,
            );
        }
        (0..WINDOWS_MS.len())
            .map(|place| {
                let mut held = cell.meant.clone();
                if let Some(deviations) = &cell.deviations {
                    held.accumulate(&deviations[place].delta, kind);
                }
                held.low().cast_signed()
            })
            .collect()
    }

    proptest! {
        #[test]
        fn what_adds_holds_the_plain_sum_in_every_window(
            additions in prop::collection::vec((0_u64..20, 0_u32..4, any::<i64>()), 0..60),
        ) {
            let sum = additions.iter().fold(0_i64, |sum, (.., value)| sum.wrapping_add(*value));
            prop_assert_eq!(simulated(FieldKind::Add, &additions), [sum; WINDOWS_MS.len()]);
        }
    }

    #[test]
    fn a_counter_simulated_with_xor_would_be_found() {
        let additions = [(0, 0, 5), (1, 1, 3)];
        assert_eq!(simulated(FieldKind::Add, &additions), [8, 8, 8]);
        assert_eq!(simulated(FieldKind::Xor, &additions), [8, 6, 6]);
    }
}
