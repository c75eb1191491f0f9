//! The signed evidence that entries rest on.

use std::collections::HashMap;

use smallvec::SmallVec;

use crate::entry::Tag;
use crate::frame::Evidence;
use crate::secrets::Secrets;

/// Stored evidence is moved together if more than this many times as many places would be empty.
const SPARSE: usize = 64;

/// Evidence, and which of its leaves entries refer to.
#[derive(Clone, Debug, Hash)]
struct Held {
    evidence: Evidence,
    /// One bit per leaf of the whole frame. Most frames have few leaves.
    live: SmallVec<[u64; 1]>,
    count: usize,
    /// While it is restored, the number of leaves whose tags are still to come from entries.
    untagged: u16,
}

impl Held {
    /// Evidence to which no entry refers yet.
    fn new(evidence: Evidence, untagged: u16) -> Self {
        let words = usize::from(evidence.header.leaves).div_ceil(64);
        Self {
            evidence,
            live: SmallVec::from_elem(0, words),
            count: 0,
            untagged,
        }
    }

    fn refer(&mut self, leaf: u16) {
        let word = &mut self.live[usize::from(leaf / 64)];
        self.count += usize::from(*word >> (leaf % 64) & 1 == 0);
        *word |= 1 << (leaf % 64);
    }

    fn release(&mut self, leaf: u16) {
        let word = &mut self.live[usize::from(leaf / 64)];
        self.count -= usize::from(*word >> (leaf % 64) & 1 == 1);
        *word &= !(1 << (leaf % 64));
    }

    fn is_live(&self, leaf: u16) -> bool {
        self.live[usize::from(leaf / 64)] >> (leaf % 64) & 1 == 1
    }

    /// The leaves that entries refer to, or the others.
    fn leaves(&self, live: bool) -> Vec<u16> {
        let leaves = self.evidence.tags().map(|(leaf, _)| leaf);
        leaves.filter(|leaf| self.is_live(*leaf) == live).collect()
    }
}

/// The evidence of all entries. Each piece is kept as long as an entry refers to one of its leaves.
#[derive(Clone, Debug, Hash, Default)]
pub(crate) struct Archive {
    held: Vec<Option<Held>>,
    free: Vec<u32>,
    /// Places to be stored, or deleted if they are empty. May contain duplicates.
    unstored: Vec<u32>,
    /// During a restoration, the leaves with stored tags, to which no entry may refer.
    superseded: Vec<(u32, Vec<u16>)>,
}

impl Archive {
    /// Adds evidence as if entries referred to all of its leaves. Release those to which none will
    /// refer.
    pub(crate) fn hold(&mut self, evidence: Evidence) -> u32 {
        let at = self.free.pop().unwrap_or_else(|| {
            self.held.push(None);
            (self.held.len() - 1) as u32
        });
        let mut held = Held::new(evidence, 0);
        for word in &mut held.live {
            *word = u64::MAX;
        }
        held.count = held.evidence.len();
        self.held[at as usize] = Some(held);
        self.unstored.push(at);
        at
    }

    /// All evidence.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Evidence> {
        self.held.iter().flatten().map(|held| &held.evidence)
    }

    /// The place of the evidence that `rank` ranks highest, among that which it ranks at all.
    pub(crate) fn best<T: Ord>(&self, rank: impl Fn(&Evidence) -> Option<T>) -> Option<u32> {
        let held = (0..).zip(&self.held);
        let ranked = held.filter_map(|(at, held)| Some((rank(&held.as_ref()?.evidence)?, at)));
        ranked.max().map(|(_, at)| at)
    }

    /// Puts stored evidence back in its places, each with the leaves whose tags it has; no entry
    /// refers to it yet. If most places up to the last would be empty, the evidence moves to the
    /// first places, so that memory is bounded by the records and not by a number in them. Returns
    /// where it was and where it is now, or nothing if nothing moved.
    pub(crate) fn restore(
        &mut self,
        mut stored: Vec<(u32, (Evidence, Vec<u16>))>,
    ) -> HashMap<u32, u32> {
        stored.sort_unstable_by_key(|(at, _)| *at);
        let length = stored.last().map_or(0, |(at, _)| *at as usize + 1);
        let mut moved = HashMap::new();
        if length > SPARSE * stored.len() + SPARSE {
            for ((at, _), place) in stored.iter_mut().zip(0..) {
                self.unstored.extend([*at, place]);
                moved.insert(*at, place);
                *at = place;
            }
        }
        for (at, (evidence, superseded)) in stored {
            let first = self.held.len() as u32;
            if first <= at {
                self.free.extend(first..at);
                self.held.resize_with(at as usize + 1, || None);
            }
            let untagged = evidence.len().saturating_sub(superseded.len()) as u16;
            self.held[at as usize] = Some(Held::new(evidence, untagged));
            if !superseded.is_empty() {
                self.superseded.push((at, superseded));
            }
        }
        moved
    }

    pub(crate) fn get(&self, at: u32) -> Option<&Evidence> {
        Some(&self.held.get(at as usize)?.as_ref()?.evidence)
    }

    /// The evidence in a place, and the leaves whose tags have to be stored: those of leaves that
    /// entries refer to follow from the entries.
    pub(crate) fn to_store(&self, at: u32) -> Option<(&Evidence, Vec<u16>)> {
        let held = self.held.get(at as usize)?.as_ref()?;
        Some((&held.evidence, held.leaves(false)))
    }

    /// Records that an entry with this tag refers to a leaf; returns whether there is such a leaf.
    pub(crate) fn refer(&mut self, at: u32, leaf: u16, tag: Tag) -> bool {
        let Some(Some(held)) = self.held.get_mut(at as usize) else {
            return false;
        };
        held.evidence.has(leaf) && {
            held.refer(leaf);
            if held.untagged > 0 {
                held.evidence.set_tag_of(leaf, tag);
            }
            true
        }
    }

    /// Completes a restoration. Fails with the place of some evidence to which no entry refers, or
    /// of which entries refer to other leaves than those without a stored tag.
    pub(crate) fn finish(&mut self) -> Result<(), u32> {
        for (at, superseded) in core::mem::take(&mut self.superseded) {
            let held = self.held.get(at as usize).and_then(Option::as_ref);
            if held.is_some_and(|held| superseded.iter().any(|leaf| held.is_live(*leaf))) {
                return Err(at);
            }
        }
        for (held, at) in self.held.iter_mut().zip(0..) {
            let Some(held) = held else { continue };
            if held.count == 0 || held.count != usize::from(held.untagged) {
                return Err(at);
            }
            held.untagged = 0;
        }
        Ok(())
    }

    /// Records that an entry no longer refers to a leaf. Evidence without references is deleted.
    /// Once at most a quarter of its leaves are referred to, the others are dropped, so an entry
    /// never costs more than four tags and its path in the tree.
    pub(crate) fn release(&mut self, secrets: &Secrets, at: u32, leaf: u16) {
        let Some(place) = self.held.get_mut(at as usize) else {
            return;
        };
        let Some(held) = place else { return };
        held.release(leaf);
        if held.count == 0 {
            *place = None;
            self.free.push(at);
            self.unstored.push(at);
            return;
        }
        if held.count * 4 <= held.evidence.len() {
            held.evidence = held.evidence.restrict(secrets, &held.leaves(true));
        }
        // Its record gets the tag, which no longer follows from an entry.
        self.unstored.push(at);
    }

    /// Takes the places that have changed since the last call, in ascending order.
    pub(crate) fn take_unstored(&mut self) -> Vec<u32> {
        let mut unstored = core::mem::take(&mut self.unstored);
        unstored.sort_unstable();
        unstored.dedup();
        unstored
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::origin::{Author, Trust};

    const TRUST: Trust = Trust::Unsigned {
        key: [1; 32],
        allowed: Vec::new(),
    };

    fn secrets() -> Secrets {
        Secrets::new(&[1; 32], "test", 1)
    }

    fn evidence(leaves: u8) -> Evidence {
        let author = Author {
            key: [1; 32],
            incarnation: [2; 16],
        };
        let tags: Vec<_> = (0..leaves).map(|leaf| [leaf; 16]).collect();
        Evidence::sign(
            &secrets(),
            &TRUST,
            author,
            crate::head::Head::default(),
            false,
            &tags,
        )
    }

    #[test]
    fn evidence_shrinks_with_its_references_stays_valid_and_goes_with_the_last() {
        let (secrets, mut archive) = (secrets(), Archive::default());
        let at = archive.hold(evidence(100));
        assert_eq!(archive.take_unstored(), [at]);
        for leaf in 0..75 {
            assert_eq!(archive.get(at).map(Evidence::len), Some(100));
            archive.release(&secrets, at, leaf);
        }
        assert_eq!(archive.get(at).map(Evidence::len), Some(25));
        for leaf in 75..99 {
            archive.release(&secrets, at, leaf);
            assert!(
                archive
                    .get(at)
                    .is_some_and(|part| part.holds(&secrets, &TRUST))
            );
        }
        assert!(archive.get(at).is_some_and(|part| part.has(99)));
        archive.release(&secrets, at, 99);
        assert!(archive.get(at).is_none());
        assert_eq!(archive.take_unstored(), [at]);
        assert_eq!(archive.hold(evidence(1)), at, "a free place is used again");
    }

    #[test]
    fn tags_are_stored_of_superseded_leaves_only() {
        let (secrets, mut archive) = (secrets(), Archive::default());
        let at = archive.hold(evidence(8));
        let stored = |archive: &mut Archive| {
            assert_eq!(archive.take_unstored(), [at]);
            let mut out = Vec::new();
            if let Some((evidence, superseded)) = archive.to_store(at) {
                evidence.store(3, &superseded, &mut out);
            }
            out
        };
        let whole = stored(&mut archive);
        archive.release(&secrets, at, 2);
        assert_eq!(stored(&mut archive).len(), whole.len() + 1 + 17);
        archive.release(&secrets, at, 7);
        let part = stored(&mut archive);
        assert_eq!(part.len(), whole.len() + 1 + 2 * 17);

        let load = |bytes: &[u8]| {
            let author = evidence(1).header.author;
            let reader = &mut crate::codec::Reader::new(bytes);
            Evidence::load(reader, |place| (place == 3).then_some(author))
        };
        let reopen = |bytes: &[u8], leaves: &[u8]| {
            let mut archive = Archive::default();
            archive.restore(vec![(at, load(bytes).map_err(|_| at)?)]);
            for &leaf in leaves {
                assert!(archive.refer(at, leaf.into(), [leaf; 16]));
            }
            archive.finish().map(|()| archive)
        };
        for (bytes, all) in [
            (&whole, &[0, 1, 2, 3, 4, 5, 6, 7][..]),
            (&part, &[0, 1, 3, 4, 5, 6]),
        ] {
            let archive = reopen(bytes, all).ok();
            assert_eq!(archive.and_then(|a| a.get(at).cloned()), Some(evidence(8)));
            let (_, fewer) = all.split_at(1);
            assert_eq!(reopen(bytes, fewer).err(), Some(at), "a tag is missing");
        }
        let wrong = reopen(&part, &[0, 1, 2, 4, 5, 6]).err();
        assert_eq!(wrong, Some(at), "an entry refers to a superseded leaf");
        for cut in 0..part.len() {
            assert!(load(&part[..cut]).is_err());
        }
    }

    #[test]
    fn restored_evidence_is_idle_until_an_entry_refers_to_it() {
        let mut archive = Archive::default();
        assert!(
            archive
                .restore(vec![(2, (evidence(3), vec![1, 2]))])
                .is_empty()
        );
        assert_eq!(archive.finish(), Err(2));
        let mut refer = |at, leaf| archive.refer(at, leaf, [leaf as u8; 16]);
        assert!(!refer(2, 3) && !refer(1, 0) && !refer(9, 0));
        assert!(refer(2, 0));
        assert_eq!(archive.finish(), Ok(()));
        assert!(archive.take_unstored().is_empty());
        assert_eq!([1, 0, 3], [(); 3].map(|()| archive.hold(evidence(1))));
    }

    #[test]
    fn a_place_far_beyond_the_number_of_records_takes_no_memory() {
        let mut archive = Archive::default();
        let stored = [(u32::MAX - 1, 2), (5, 3)];
        let moved = archive.restore(stored.map(|(at, n)| (at, (evidence(n), Vec::new()))).into());
        assert_eq!(moved, HashMap::from([(5, 0), (u32::MAX - 1, 1)]));
        assert_eq!(archive.held.len(), 2);
        assert!(archive.refer(0, 2, [2; 16]) && archive.refer(1, 1, [1; 16]));
        assert_eq!(archive.take_unstored(), [0, 1, 5, u32::MAX - 1]);
        assert!(archive.get(5).is_none());
    }
}
