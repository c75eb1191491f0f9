//! All keys with their entries, and what is derived from the entries: digest and evidence.

use core::hash::{Hash, Hasher};

use smallvec::SmallVec;

use crate::archive::Archive;
use crate::digest::Digest;
use crate::secrets::Secrets;
use crate::shape::Shape;
use crate::slot::{Entry, Published, Rare, Slot, UNPUBLISHED};
use crate::slots::Slots;
use crate::value::Value;
use crate::waiting::push_if;

#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) shape: Shape,
    pub(crate) slots: Slots,
    pub(crate) digest: Digest,
    pub(crate) archive: Archive,
    /// Slots to be stored.
    unstored: Vec<u32>,
}

impl Hash for Table {
    /// Omits the digest, which follows from the entries, and the shape, which never changes.
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.slots, &self.archive, &self.unstored).hash(state);
    }
}

impl Table {
    pub(crate) fn new(shape: Shape) -> Self {
        Self {
            shape,
            slots: Slots::default(),
            digest: Digest::default(),
            archive: Archive::default(),
            unstored: Vec::new(),
        }
    }

    /// The slot of a key, created if necessary. A new slot is queued to be stored even if it stays
    /// empty, because stored slots are numbered without gaps.
    pub(crate) fn slot_of(&mut self, key: &[u8]) -> u32 {
        let (at, new) = self.slots.place_or_insert(key, self.shape.words());
        let at = at as u32;
        if new {
            self.unstored.push(at);
        }
        at
    }

    pub(crate) fn slot(&mut self, at: u32) -> &mut Slot {
        self.slots.slot(at)
    }

    /// Queues a slot to be stored.
    pub(crate) fn touch(&mut self, at: u32) {
        if !self.slots.set_unstored(at, true) {
            self.unstored.push(at);
        }
    }

    /// Queues a slot to be stored, if `new`, which has been marked so already.
    pub(crate) fn queue_if(&mut self, new: bool, at: u32) {
        push_if(&mut self.unstored, new, at);
    }

    /// The number of slots to be stored.
    pub(crate) fn unstored(&self) -> usize {
        self.unstored.len()
    }

    /// Takes the slots to be stored off the queue, and makes them compact where they can be.
    pub(crate) fn take_unstored(&mut self) -> Vec<u32> {
        let unstored = core::mem::take(&mut self.unstored);
        for &at in &unstored {
            self.slots.set_unstored(at, false);
            self.slots.compact(at);
        }
        unstored
    }

    /// Replaces an entry's published version in the digest.
    pub(crate) fn publish(&mut self, at: u32, position: usize, published: Published) {
        let old = core::mem::replace(self.slots.published_mut(at, position), published);
        self.count(&old, &published);
    }

    /// Replaces a version of an entry in the digest. The slots already have the new one.
    fn count(&mut self, old: &Published, new: &Published) {
        if old != new {
            self.digest.replace(old, new);
            if self.digest.is_cramped() {
                let places = 0..self.slots.len();
                let published = places.flat_map(|at| self.slots.published_of(at));
                self.digest
                    .grow(published.filter(|published| **published != UNPUBLISHED));
            }
        }
    }

    /// Fills a slot that was just created with what is stored of it. The digest does not have its
    /// entries until [`recount`](Self::recount).
    pub(crate) fn restore(
        &mut self,
        at: u32,
        entries: SmallVec<[Entry; 1]>,
        rare: Option<Box<Rare>>,
    ) {
        if let ([entry], None) = (&entries[..], &rare)
            && let Some(single) = self.slots.single(at)
            && single.put(entry).is_some()
        {
            single.published = entry.published;
            single.set_unstored(false);
            return;
        }
        let mut slot = Slot::new(self.shape.words());
        slot.unstored = false;
        (slot.entries, slot.rare) = (entries, rare);
        slot.state = slot.sum(&self.shape);
        self.slots.set(at, slot);
    }

    /// Computes the digest anew.
    pub(crate) fn recount(&mut self) {
        let slots = &self.slots;
        let places = 0..slots.len();
        let published = places.flat_map(|at| slots.published_of(at));
        self.digest = Digest::of(published.filter(|published| **published != UNPUBLISHED));
    }

    /// Removes an entry from its slot, the digest and the archive. Leaves the state unchanged.
    pub(crate) fn remove(&mut self, secrets: &Secrets, at: u32, position: usize) -> Entry {
        self.publish(at, position, UNPUBLISHED);
        let entry = self.slots.slot(at).entries.remove(position);
        self.archive.release(secrets, entry.evidence, entry.leaf);
        entry
    }

    /// The state of a key; 0 if there is no such key.
    pub(crate) fn state(&self, key: &[u8]) -> Value {
        self.slots
            .get(key)
            .map_or_else(|| self.shape.zero(), |slot| slot.into_owned().state)
    }

    /// Slots and positions of the published entries with these places in the digest, which are in
    /// ascending order.
    pub(crate) fn find(&self, places: &[u32]) -> Vec<(u32, usize)> {
        let mut found = Vec::new();
        if places.is_empty() {
            return found;
        }
        // One bit for every 16th of a place tells almost always that an entry is not wanted.
        let bits = (16 * places.len()).next_power_of_two().max(64);
        let bit = |place: u32| (place as usize & (bits - 1)) / 64;
        let mut wanted = vec![0_u64; bits / 64];
        for &place in places {
            wanted[bit(place)] |= 1 << (place % 64);
        }
        for at in 0..self.slots.len() {
            for (position, published) in self.slots.published_of(at).enumerate() {
                let place = published.place();
                if wanted[bit(place)] >> (place % 64) & 1 == 1
                    && *published != UNPUBLISHED
                    && places.binary_search(&place).is_ok()
                {
                    found.push((at as u32, position));
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{Change, SeenList};
    use crate::origin::OriginId;
    use crate::slot::OURS;

    fn add(table: &mut Table, secrets: &Secrets, key: &[u8], version: u64) -> u32 {
        let at = table.slot_of(key);
        let change = Change {
            version,
            accumulator: version.into(),
            seen: SeenList::default(),
            put: 0,
        };
        let published = Published::new(
            secrets,
            OriginId([1; 16]),
            key,
            version,
            [version as u8; 16],
        );
        table.slot(at).entries.push(Entry {
            origin: 0,
            evidence: OURS,
            leaf: 0,
            published: UNPUBLISHED,
            change,
        });
        table.publish(at, 0, published);
        at
    }

    #[test]
    fn the_digest_follows_published_entries() {
        let secrets = Secrets::new(&[1; 32], "test", &Shape::xor(1));
        let mut table = Table::new(Shape::xor(1));
        let empty = (table.digest.count, table.digest.sum);
        let at = add(&mut table, &secrets, b"a", 1);
        let one = (table.digest.count, table.digest.sum);
        let next = table.slot(at).entries[0].published.next(2, [2; 16]);
        table.publish(at, 0, next);
        assert_eq!(table.digest.count, 1);
        assert_ne!((table.digest.count, table.digest.sum), one);
        assert_eq!(table.find(&[next.place()]), [(at, 0)]);
        assert_eq!(table.remove(&secrets, at, 0).change.version, 1);
        assert_eq!((table.digest.count, table.digest.sum), empty);
        assert!(table.find(&[next.place()]).is_empty());
    }

    #[test]
    fn a_slot_is_queued_once_until_it_is_taken() {
        let mut table = Table::new(Shape::xor(1));
        let at = table.slot_of(b"a");
        table.touch(at);
        assert_eq!((table.slot_of(b"a"), table.unstored()), (at, 1));
        assert_eq!(table.take_unstored(), [at]);
        assert_eq!(table.unstored(), 0);
        table.touch(at);
        assert_eq!(table.take_unstored(), [at]);
    }
}
