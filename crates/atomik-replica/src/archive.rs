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
    /// While it is restored, the number of leaves whose tags are still to come.
    untagged: usize,
    /// Whether storage has it, perhaps with more leaves.
    stored: bool,
}

impl Held {
    /// New evidence as if entries referred to all of its leaves.
    fn new(evidence: Evidence) -> Self {
        let words = usize::from(evidence.header.leaves).div_ceil(64);
        Self {
            live: SmallVec::from_elem(u64::MAX, words),
            count: evidence.len(),
            untagged: 0,
            stored: false,
            evidence,
        }
    }

    /// Evidence from storage, to which no entry refers yet.
    fn restored(evidence: Evidence) -> Self {
        let mut held = Self::new(evidence);
        held.live.fill(0);
        (held.count, held.untagged, held.stored) = (0, held.evidence.len(), true);
        held
    }

    fn refer(&mut self, leaf: u16, tag: Tag) {
        if self.is_live(leaf) {
            return;
        }
        self.evidence.set_tag_of(leaf, tag);
        self.untagged = self.untagged.saturating_sub(1);
        let word = &mut self.live[usize::from(leaf / 64)];
        *word |= 1 << (leaf % 64);
        self.count += 1;
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
    /// Places and leaves whose tags are to be stored, or deleted unless they are superseded leaves.
    /// May contain duplicates.
    unstored_tags: Vec<(u32, u16)>,
}

impl Archive {
    /// Adds evidence as if entries referred to all of its leaves. Release those to which none will
    /// refer.
    pub(crate) fn hold(&mut self, evidence: Evidence) -> u32 {
        let at = self.free.pop().unwrap_or_else(|| {
            self.held.push(None);
            (self.held.len() - 1) as u32
        });
        self.held[at as usize] = Some(Held::new(evidence));
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

    /// Puts stored evidence back in its places; no entry refers to it yet. If most places up to the
    /// last would be empty, the evidence moves to the first places, so that memory is bounded by
    /// the records and not by a number in them. Returns where it was and where it is now, or
    /// nothing if nothing moved.
    pub(crate) fn restore(&mut self, mut stored: Vec<(u32, Evidence)>) -> HashMap<u32, u32> {
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
        for (at, evidence) in stored {
            let first = self.held.len() as u32;
            if first <= at {
                self.free.extend(first..at);
                self.held.resize_with(at as usize + 1, || None);
            }
            self.held[at as usize] = Some(Held::restored(evidence));
        }
        moved
    }

    pub(crate) fn get(&self, at: u32) -> Option<&Evidence> {
        Some(&self.held.get(at as usize)?.as_ref()?.evidence)
    }

    /// The tag of a superseded leaf, which has to be stored: the others follow from the entries.
    pub(crate) fn superseded(&self, at: u32, leaf: u16) -> Option<Tag> {
        let held = self.held.get(at as usize)?.as_ref()?;
        held.evidence.tag_of(leaf).filter(|_| !held.is_live(leaf))
    }

    /// During a restoration, records that an entry with this tag refers to a leaf; returns whether
    /// there is such a leaf.
    pub(crate) fn refer(&mut self, at: u32, leaf: u16, tag: Tag) -> bool {
        let Some(Some(held)) = self.held.get_mut(at as usize) else {
            return false;
        };
        let has = held.evidence.has(leaf);
        if has {
            held.refer(leaf, tag);
        }
        has
    }

    /// During a restoration, after all entries, sets the stored tag of a leaf of evidence that was
    /// in one place and is in another now; returns whether no entry refers to this leaf.
    pub(crate) fn supersede(&mut self, (was, at): (u32, u32), leaf: u16, tag: Tag) -> bool {
        if was != at {
            self.unstored_tags.extend([(was, leaf), (at, leaf)]);
        }
        let Some(Some(held)) = self.held.get_mut(at as usize) else {
            return false;
        };
        held.evidence.has(leaf) && !held.is_live(leaf) && held.untagged > 0 && {
            held.evidence.set_tag_of(leaf, tag);
            held.untagged -= 1;
            true
        }
    }

    /// Completes a restoration. Fails with the place of some evidence to which no entry refers, or
    /// of which a leaf has neither an entry nor a stored tag.
    pub(crate) fn finish(&self) -> Result<(), u32> {
        let incomplete = |held: &Held| held.count == 0 || held.untagged > 0;
        match (0..)
            .zip(&self.held)
            .find(|(_, held)| held.as_ref().is_some_and(incomplete))
        {
            Some((at, _)) => Err(at),
            None => Ok(()),
        }
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
        if held.count * 4 > held.evidence.len() {
            if held.stored {
                self.unstored_tags.push((at, leaf));
            }
            return;
        }
        self.unstored.push(at);
        if held.stored {
            let dropped = held.leaves(false).into_iter();
            let dropped = dropped.filter(|&other| other != leaf);
            self.unstored_tags.extend(dropped.map(|leaf| (at, leaf)));
        }
        if held.count == 0 {
            *place = None;
            self.free.push(at);
        } else {
            held.evidence = held.evidence.restrict(secrets, &held.leaves(true));
        }
    }

    /// Takes the places that have changed since the last call, in ascending order. Call
    /// [`take_unstored_tags`](Self::take_unstored_tags) next.
    pub(crate) fn take_unstored(&mut self) -> Vec<u32> {
        let unstored = in_order(core::mem::take(&mut self.unstored));
        for &at in &unstored {
            if let Some(Some(held)) = self.held.get_mut(at as usize)
                && !core::mem::replace(&mut held.stored, true)
            {
                let superseded = held.leaves(false).into_iter();
                self.unstored_tags.extend(superseded.map(|leaf| (at, leaf)));
            }
        }
        unstored
    }

    /// Takes the places and leaves whose tags are to be stored or deleted, in ascending order.
    pub(crate) fn take_unstored_tags(&mut self) -> Vec<(u32, u16)> {
        in_order(core::mem::take(&mut self.unstored_tags))
    }
}

fn in_order<T: Ord>(mut items: Vec<T>) -> Vec<T> {
    items.sort_unstable();
    items.dedup();
    items
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
        Secrets::new(&[1; 32], "test", &crate::shape::Shape::xor(1))
    }

    fn evidence(leaves: u8) -> Evidence {
        let author = Author {
            key: [1; 32],
            incarnation: [2; 16],
        };
        let tags: Vec<_> = (0..leaves).map(|leaf| [leaf; 16]).collect();
        Evidence::sign(
            &secrets(),
            TRUST.signer(),
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
    fn evidence_needs_the_tags_of_exactly_its_superseded_leaves() {
        let (secrets, mut archive) = (secrets(), Archive::default());
        let at = archive.hold(evidence(8));
        assert_eq!(archive.take_unstored(), [at]);
        assert!(archive.take_unstored_tags().is_empty());
        for leaf in [7, 2] {
            archive.release(&secrets, at, leaf);
        }
        assert!(archive.take_unstored().is_empty(), "its record is the same");
        assert_eq!(archive.take_unstored_tags(), [(at, 2), (at, 7)]);
        let tags = [2, 3, 7, 8].map(|leaf| archive.superseded(at, leaf));
        assert_eq!(tags, [Some([2; 16]), None, Some([7; 16]), None]);

        let mut bytes = Vec::new();
        evidence(8).store(3, &mut bytes);
        let load = |bytes: &[u8]| {
            let author = evidence(1).header.author;
            let reader = &mut crate::codec::Reader::new(bytes);
            Evidence::load(reader, |place| (place == 3).then_some(author))
        };
        let reopen = |leaves: &[u16], superseded: &[u16]| {
            let mut archive = Archive::default();
            archive.restore(vec![(at, load(&bytes).map_err(|_| false)?)]);
            for &leaf in leaves {
                assert!(archive.refer(at, leaf, [leaf as u8; 16]));
            }
            for &leaf in superseded {
                if !archive.supersede((at, at), leaf, [leaf as u8; 16]) {
                    return Err(true);
                }
            }
            archive.finish().map_err(|_| false)?;
            Ok(archive.get(at).cloned())
        };
        let live = [0, 1, 3, 4, 5, 6];
        assert_eq!(reopen(&live, &[2, 7]), Ok(Some(evidence(8))));
        assert_eq!(reopen(&live, &[2]), Err(false), "a tag is missing");
        assert_eq!(reopen(&live[1..], &[2, 7]), Err(false), "an entry is");
        for superfluous in [&[2, 6][..], &[2, 7, 2], &[2, 7, 8]] {
            assert_eq!(reopen(&live, superfluous), Err(true));
        }
        for cut in 0..bytes.len() {
            assert!(load(&bytes[..cut]).is_err());
        }
    }

    #[test]
    fn stored_tags_are_deleted_once_their_leaves_are_dropped() {
        let (secrets, mut archive) = (secrets(), Archive::default());
        let at = archive.hold(evidence(8));
        archive.release(&secrets, at, 0);
        archive.take_unstored();
        assert_eq!(archive.take_unstored_tags(), [(at, 0)], "with its evidence");
        (1..5).for_each(|leaf| archive.release(&secrets, at, leaf));
        archive.take_unstored_tags();
        archive.release(&secrets, at, 5);
        let dropped = [0, 1, 2, 3, 4].map(|leaf| (at, leaf));
        assert_eq!(archive.take_unstored_tags(), dropped);
        assert!(
            dropped
                .iter()
                .all(|&(at, leaf)| archive.superseded(at, leaf).is_none())
        );
        assert_eq!(archive.take_unstored(), [at]);

        archive.release(&secrets, at, 6);
        archive.release(&secrets, at, 7);
        assert_eq!(archive.hold(evidence(8)), at);
        archive.release(&secrets, at, 6);
        assert_eq!(archive.take_unstored(), [at]);
        assert_eq!(archive.take_unstored_tags(), [(at, 6)]);
        assert_eq!(
            archive.superseded(at, 6),
            Some([6; 16]),
            "of the new evidence"
        );
    }

    #[test]
    fn restored_evidence_is_idle_until_an_entry_refers_to_it() {
        let mut archive = Archive::default();
        assert!(archive.restore(vec![(2, evidence(3))]).is_empty());
        assert_eq!(archive.finish(), Err(2));
        let mut refer = |at, leaf| archive.refer(at, leaf, [leaf as u8; 16]);
        assert!(!refer(2, 3) && !refer(1, 0) && !refer(9, 0));
        assert!(refer(2, 0) && refer(2, 1));
        assert_eq!(archive.finish(), Err(2));
        assert!(archive.supersede((2, 2), 2, [2; 16]));
        assert_eq!(archive.finish(), Ok(()));
        assert!(archive.take_unstored().is_empty());
        assert_eq!([1, 0, 3], [(); 3].map(|()| archive.hold(evidence(1))));
    }

    #[test]
    fn a_place_far_beyond_the_number_of_records_takes_no_memory() {
        let mut archive = Archive::default();
        let stored = [(u32::MAX - 1, 2), (5, 3)];
        let moved = archive.restore(stored.map(|(at, n)| (at, evidence(n))).into());
        assert_eq!(moved, HashMap::from([(5, 0), (u32::MAX - 1, 1)]));
        assert_eq!(archive.held.len(), 2);
        assert!(archive.refer(0, 2, [2; 16]) && archive.refer(1, 1, [1; 16]));
        assert!(archive.supersede((5, 0), 0, [0; 16]));
        assert_eq!(archive.take_unstored(), [0, 1, 5, u32::MAX - 1]);
        assert_eq!(archive.take_unstored_tags(), [(0, 0), (5, 0)]);
        assert_eq!(archive.superseded(0, 0), Some([0; 16]));
        assert_eq!(archive.superseded(5, 0), None);
        assert!(archive.get(5).is_none());
    }
}
