//! Keys, their entries, and what is derived from all of them: digest and evidence.

use core::hash::{Hash, Hasher};

use smallvec::SmallVec;

use crate::entry::{Change, Tag};
use crate::frame::{Evidence, Secrets};
use crate::origin::OriginId;
use crate::sketch::{Sketch, TAG_BITS, tag_bits};
use crate::slots::Slots;
use crate::value::Value;

/// Short keys are stored in place: one cache line less to wait for.
pub(crate) type Key = SmallVec<[u8; 16]>;

/// How digests know an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Published {
    pub(crate) tag: Tag,
    /// The id without its last 12 bits, which are the tag's first: two bytes less, for the sake of
    /// which an entry is a cache line.
    id: [u8; 6],
}

impl Published {
    pub(crate) fn new(
        secrets: &Secrets,
        origin: OriginId,
        key: &[u8],
        version: u64,
        tag: Tag,
    ) -> Self {
        Self::with_id(secrets.id(origin, key, version, &tag), tag)
    }

    /// The same entry in a later version: what stands for key and origin in the id stays.
    pub(crate) fn next(&self, version: u64, tag: Tag) -> Self {
        Self::with_id(
            crate::sketch::id((self.id() >> 24) as u32, version, &tag),
            tag,
        )
    }

    fn with_id(id: u64, tag: Tag) -> Self {
        let [id @ .., _, _] = (id >> TAG_BITS).to_le_bytes();
        Self { tag, id }
    }

    pub(crate) fn id(&self) -> u64 {
        let [a, b, c, d, e, f] = self.id;
        u64::from_le_bytes([a, b, c, d, e, f, 0, 0]) << TAG_BITS | tag_bits(&self.tag)
    }
}

/// Of an entry that digests do not know yet.
pub(crate) const UNPUBLISHED: Published = Published {
    tag: [0; 16],
    id: [0; 6],
};

/// No evidence is held: the entry's origin has our own key, so that we can sign it anew.
pub(crate) const OURS: u32 = u32::MAX;

/// One origin's changes to one key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Entry {
    /// Index into the replica's origins.
    pub(crate) origin: u32,
    /// Index into the evidence, or [`OURS`].
    pub(crate) evidence: u32,
    /// Which leaf of the evidence's frame.
    pub(crate) leaf: u16,
    /// What digests have: of the published version, which for an own entry may be an earlier one.
    pub(crate) published: Published,
    pub(crate) change: Change,
}

/// What most keys do not have.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub(crate) struct Rare {
    /// The xor of the accumulators of folded origins.
    pub(crate) base: Value,
    /// The state at the last LOAD, SWAP or DRAIN here: the machine's reference.
    pub(crate) mark: Value,
    /// States at checkpoints, oldest first: each holds for the checkpoints after the one before it,
    /// up to its own number.
    pub(crate) history: Vec<(u32, Value)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Slot {
    /// Base xor all accumulators.
    pub(crate) state: Value,
    pub(crate) entries: SmallVec<[Entry; 1]>,
    pub(crate) rare: Option<Box<Rare>>,
    /// On the list of slots to be stored.
    pub(crate) unstored: bool,
    /// On the list of own entries to be published.
    pub(crate) unpublished: bool,
}

impl Slot {
    pub(crate) fn rare(&mut self) -> &mut Rare {
        let words = self.state.words().len();
        self.rare.get_or_insert_with(|| {
            Box::new(Rare {
                base: Value::zero(words),
                mark: Value::zero(words),
                history: Vec::new(),
            })
        })
    }

    pub(crate) fn position(&self, origin: u32) -> Option<usize> {
        self.entries.iter().position(|entry| entry.origin == origin)
    }

    pub(crate) fn change_of(&self, origin: u32) -> Option<&Change> {
        self.entries
            .iter()
            .find(|entry| entry.origin == origin)
            .map(|entry| &entry.change)
    }

    /// The state at checkpoint `number`.
    pub(crate) fn at(&self, number: u32) -> &Value {
        let history = self.rare.as_ref().map_or(&[][..], |rare| &rare.history);
        history
            .get(history.partition_point(|&(upto, _)| upto < number))
            .map_or(&self.state, |(_, state)| state)
    }

    /// The xor of the base and all accumulators, computed anew.
    pub(crate) fn sum(&self) -> Value {
        let mut sum = self.rare.as_ref().map_or_else(
            || Value::zero(self.state.words().len()),
            |rare| rare.base.clone(),
        );
        for entry in &self.entries {
            sum.accumulate(&entry.change.accumulator);
        }
        sum
    }
}

/// A set of entries: how many, the sum of their tags, and a table of their ids that tells
/// differences.
#[derive(Clone, Debug)]
pub(crate) struct Digest {
    pub(crate) count: u64,
    pub(crate) sum: u128,
    sketch: Sketch,
    /// Ids that the sketch lacks (`true`) or still has. Its cells are far apart in memory: changes
    /// in a row wait for them together.
    waiting: Vec<(u64, bool)>,
}

impl Digest {
    const MOST_WAITING: usize = 1024;

    fn insert(&mut self, entry: &Published) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(u128::from_le_bytes(entry.tag));
        self.wait(entry.id(), true);
    }

    fn remove(&mut self, entry: &Published) {
        self.count -= 1;
        self.sum = self.sum.wrapping_sub(u128::from_le_bytes(entry.tag));
        self.wait(entry.id(), false);
    }

    fn wait(&mut self, id: u64, inserted: bool) {
        self.waiting.push((id, inserted));
        if self.waiting.len() >= Self::MOST_WAITING {
            self.settle();
        }
    }

    fn settle(&mut self) {
        for (id, inserted) in self.waiting.drain(..) {
            if inserted {
                self.sketch.insert(id);
            } else {
                self.sketch.remove(id);
            }
        }
    }

    /// The table of ids, brought up to date.
    pub(crate) fn sketch(&mut self) -> &Sketch {
        self.settle();
        &self.sketch
    }

    /// Cells of a subtable of the table of ids.
    pub(crate) fn size(&self) -> usize {
        self.sketch.size()
    }
}

/// Evidence that entries refer to, with which of its leaves still are.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Held {
    pub(crate) evidence: Evidence,
    /// One bit a leaf of the whole frame.
    live: Vec<u64>,
    count: usize,
}

impl Held {
    /// None of the leaves is referred to yet.
    pub(crate) fn new(evidence: Evidence) -> Self {
        let live = vec![0; usize::from(evidence.header.leaves).div_ceil(64)];
        Self {
            evidence,
            live,
            count: 0,
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

    fn live(&self) -> Vec<u16> {
        self.evidence
            .tags()
            .map(|(index, _)| index)
            .filter(|index| self.live[usize::from(index / 64)] >> (index % 64) & 1 == 1)
            .collect()
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) words: usize,
    pub(crate) slots: Slots,
    pub(crate) digest: Digest,
    evidence: Vec<Option<Held>>,
    free: Vec<u32>,
    /// Slots to be stored.
    pub(crate) unstored: Vec<u32>,
    /// Evidence to be stored, or deleted if it is gone; may name one several times.
    pub(crate) unstored_evidence: Vec<u32>,
}

impl Hash for Table {
    /// Without the digest, which follows from the entries.
    fn hash<H: Hasher>(&self, state: &mut H) {
        (
            &self.slots,
            &self.evidence,
            &self.free,
            &self.unstored,
            &self.unstored_evidence,
        )
            .hash(state);
    }
}

impl Table {
    pub(crate) fn new(words: usize, digest_cells: usize) -> Self {
        Self {
            words,
            slots: Slots::default(),
            digest: Digest {
                count: 0,
                sum: 0,
                sketch: Sketch::new(digest_cells),
                waiting: Vec::new(),
            },
            evidence: Vec::new(),
            free: Vec::new(),
            unstored: Vec::new(),
            unstored_evidence: Vec::new(),
        }
    }

    /// The slot of a key, made if it is not there. A new one is to be stored at once: places have
    /// no holes.
    pub(crate) fn slot_of(&mut self, key: &[u8]) -> u32 {
        let words = self.words;
        let (at, new) = self.slots.place_or_insert(key, || Slot {
            state: Value::zero(words),
            entries: SmallVec::new(),
            rare: None,
            unstored: true,
            unpublished: false,
        });
        let at = at as u32;
        if new {
            self.unstored.push(at);
        }
        at
    }

    pub(crate) fn slot(&mut self, at: u32) -> &mut Slot {
        &mut self.slots[at as usize]
    }

    /// Puts the slot on the list of those to be stored.
    pub(crate) fn touch(&mut self, at: u32) {
        let slot = &mut self.slots[at as usize];
        if !slot.unstored {
            slot.unstored = true;
            self.unstored.push(at);
        }
    }

    /// Has digests know an entry as this, in the place of what they knew before.
    pub(crate) fn publish(&mut self, at: u32, position: usize, published: Published) {
        let entry = &mut self.slots[at as usize].entries[position];
        let old = core::mem::replace(&mut entry.published, published);
        if old != UNPUBLISHED {
            self.digest.remove(&old);
        }
        if published != UNPUBLISHED {
            self.digest.insert(&published);
        }
    }

    /// Removes an entry, from digest and evidence, too. The state is left alone.
    pub(crate) fn remove(&mut self, secrets: &Secrets, at: u32, position: usize) -> Entry {
        self.publish(at, position, UNPUBLISHED);
        let entry = self.slots[at as usize].entries.remove(position);
        self.release(secrets, entry.evidence, entry.leaf);
        entry
    }

    /// Keeps evidence, all of whose leaves are about to be referred to; those that are not have to
    /// be released.
    pub(crate) fn hold(&mut self, evidence: Evidence) -> u32 {
        let at = self.free.pop().unwrap_or_else(|| {
            self.evidence.push(None);
            (self.evidence.len() - 1) as u32
        });
        let mut held = Held::new(evidence);
        for word in &mut held.live {
            *word = u64::MAX;
        }
        held.count = held.evidence.len();
        self.restore(at, held);
        self.unstored_evidence.push(at);
        at
    }

    /// Puts evidence at a place that is free.
    pub(crate) fn restore(&mut self, at: u32, held: Held) {
        let place = at as usize;
        if self.evidence.len() <= place {
            let first = self.evidence.len() as u32;
            self.free.extend(first..at);
            self.evidence.resize_with(place + 1, || None);
        }
        self.evidence[place] = Some(held);
    }

    pub(crate) fn held(&self, at: u32) -> Option<&Held> {
        self.evidence.get(at as usize)?.as_ref()
    }

    /// An entry refers to this leaf; whether there is such evidence with such a leaf.
    pub(crate) fn refer(&mut self, at: u32, leaf: u16) -> bool {
        let Some(Some(held)) = self.evidence.get_mut(at as usize) else {
            return false;
        };
        held.evidence.has(leaf) && {
            held.refer(leaf);
            true
        }
    }

    /// Evidence that no entry refers to.
    pub(crate) fn idle_evidence(&self) -> Option<u32> {
        let mut all = self.evidence.iter().zip(0..);
        all.find_map(|(held, at)| {
            held.as_ref()
                .is_some_and(|held| held.count == 0)
                .then_some(at)
        })
    }

    /// An entry does not refer to this leaf any more. Evidence that nothing refers to goes; of what
    /// has three of four leaves or more that nothing refers to, these are dropped: so an entry
    /// never keeps more than its path in the tree and four tags.
    pub(crate) fn release(&mut self, secrets: &Secrets, at: u32, leaf: u16) {
        let Some(place) = self.evidence.get_mut(at as usize) else {
            return;
        };
        let Some(held) = place else { return };
        held.release(leaf);
        if held.count == 0 {
            *place = None;
            self.free.push(at);
            self.unstored_evidence.push(at);
        } else if held.count * 4 <= held.evidence.len() {
            held.evidence = held.evidence.restrict(secrets, &held.live());
            self.unstored_evidence.push(at);
        }
    }

    /// Where the entries with these ids (ascending) are.
    pub(crate) fn find(&self, ids: &[u64]) -> Vec<(u32, usize)> {
        let mut found = Vec::new();
        if ids.is_empty() {
            return found;
        }
        for (slot, at) in self.slots.values().zip(0..) {
            for (position, entry) in slot.entries.iter().enumerate() {
                if entry.published != UNPUBLISHED
                    && ids.binary_search(&entry.published.id()).is_ok()
                {
                    found.push((at, position));
                }
            }
        }
        found
    }
}
