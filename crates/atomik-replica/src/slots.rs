//! The slots of a table, by key and by place.
//!
//! A local operation spends almost all of its time waiting for memory, so the layout minimises
//! cache misses. A cell of the index holds half of a key's hash and the place of its slot, and a
//! look-up usually touches one cache line of the index. Key and slot lie side by side in two more.
//! Slots are never removed and never move, so the index needs no tombstones.

use core::hash::{BuildHasher, Hash, Hasher};
use core::hint::black_box;

use foldhash::fast::RandomState;

use crate::slot::{Key, Slot};

/// Aligned to the pairs of cache lines that processors fetch together.
#[derive(Clone, Debug)]
#[repr(align(128))]
struct Keyed {
    key: Key,
    slot: Slot,
}

// With one more byte every slot would take another pair of cache lines.
const _: () = assert!(size_of::<Keyed>() == 128);

/// A map from keys to slots, in order of insertion.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slots {
    /// Each cell is 0 or has the low half of a key's hash in its high half and the place of the
    /// slot plus one in its low half. Probing is linear and starts at the hash's high bits. The
    /// length is a power of two.
    index: Vec<u64>,
    slots: Vec<Keyed>,
    /// Seeded at random, so that chosen keys cannot be made to collide.
    hasher: RandomState,
}

impl Slots {
    const SMALLEST: usize = 16;

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    fn first_cell(&self, hash: u64) -> usize {
        // An empty index would mean a shift by 64 bits, but it is never probed.
        (hash >> (64 - self.index.len().trailing_zeros())) as usize
    }

    pub(crate) fn get_index_of(&self, key: &[u8]) -> Option<usize> {
        self.find(key, self.hasher.hash_one(key)).ok()
    }

    /// The places of the slots of many keys. The loads within each pass are independent, so their
    /// cache misses overlap: first those of the index cells, then those of the slots.
    pub(crate) fn find_all<T>(&self, items: &[T], key: impl Fn(&T) -> &[u8]) -> Vec<Option<u32>> {
        if self.index.is_empty() {
            return vec![None; items.len()];
        }
        let hashes: Vec<u64> = items
            .iter()
            .map(|item| self.hasher.hash_one(key(item)))
            .collect();
        let likely: Vec<u64> = hashes
            .iter()
            .map(|&hash| self.index[self.first_cell(hash)])
            .collect();
        for content in likely {
            if let Some(keyed) = self.slots.get((content as u32).wrapping_sub(1) as usize) {
                black_box((keyed.slot.unstored, keyed.key.len()));
            }
        }
        items
            .iter()
            .zip(hashes)
            .map(|(item, hash)| self.find(key(item), hash).ok().map(|at| at as u32))
            .collect()
    }

    /// The place of a key's slot, or the cell where it would go.
    fn find(&self, key: &[u8], hash: u64) -> Result<usize, usize> {
        if self.index.is_empty() {
            return Err(0);
        }
        let mask = self.index.len() - 1;
        let mut cell = self.first_cell(hash);
        loop {
            let content = self.index[cell];
            if content == 0 {
                return Err(cell);
            }
            if content >> 32 == hash & 0xffff_ffff {
                let at = (content as u32 - 1) as usize;
                if self.slots[at].key[..] == *key {
                    return Ok(at);
                }
            }
            cell = (cell + 1) & mask;
        }
    }

    /// The place of a key's slot, and whether `make` had to create it.
    pub(crate) fn place_or_insert(
        &mut self,
        key: &[u8],
        make: impl FnOnce() -> Slot,
    ) -> (usize, bool) {
        let hash = self.hasher.hash_one(key);
        let mut cell = match self.find(key, hash) {
            Ok(at) => return (at, false),
            Err(cell) => cell,
        };
        if (self.slots.len() + 1) * 4 > self.index.len() * 3 {
            self.grow();
            cell = self.free_cell(hash);
        }
        let at = self.slots.len();
        self.index[cell] = Self::content(hash, at);
        self.slots.push(Keyed {
            key: key.into(),
            slot: make(),
        });
        (at, true)
    }

    /// Places stay below 2^32 - 1, because that many slots would take 512 GiB.
    fn content(hash: u64, at: usize) -> u64 {
        hash << 32 | (at as u64 + 1)
    }

    fn free_cell(&self, hash: u64) -> usize {
        let mask = self.index.len() - 1;
        let mut cell = self.first_cell(hash);
        while self.index[cell] != 0 {
            cell = (cell + 1) & mask;
        }
        cell
    }

    fn grow(&mut self) {
        self.index = vec![0; (2 * self.index.len()).max(Self::SMALLEST)];
        for at in 0..self.slots.len() {
            let hash = self.hasher.hash_one(&self.slots[at].key[..]);
            let cell = self.free_cell(hash);
            self.index[cell] = Self::content(hash, at);
        }
    }

    pub(crate) fn get(&self, key: &[u8]) -> Option<&Slot> {
        self.get_index_of(key).map(|at| &self.slots[at].slot)
    }

    pub(crate) fn get_index(&self, at: usize) -> Option<(&Key, &Slot)> {
        self.slots.get(at).map(|keyed| (&keyed.key, &keyed.slot))
    }

    pub(crate) fn get_index_mut(&mut self, at: usize) -> Option<(&Key, &mut Slot)> {
        self.slots
            .get_mut(at)
            .map(|keyed| (&keyed.key, &mut keyed.slot))
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = (&Key, &Slot)> {
        self.slots.iter().map(|keyed| (&keyed.key, &keyed.slot))
    }

    pub(crate) fn values(&self) -> impl ExactSizeIterator<Item = &Slot> {
        self.slots.iter().map(|keyed| &keyed.slot)
    }

    pub(crate) fn values_mut(&mut self) -> impl ExactSizeIterator<Item = &mut Slot> {
        self.slots.iter_mut().map(|keyed| &mut keyed.slot)
    }
}

impl core::ops::Index<usize> for Slots {
    type Output = Slot;

    fn index(&self, at: usize) -> &Slot {
        &self.slots[at].slot
    }
}

impl core::ops::IndexMut<usize> for Slots {
    fn index_mut(&mut self, at: usize) -> &mut Slot {
        &mut self.slots[at].slot
    }
}

impl Hash for Slots {
    /// Omits the index, which follows from the keys and the seed.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.iter().for_each(|entry| entry.hash(state));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn slot() -> Slot {
        Slot::new(1)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn places_are_given_in_order_and_found_again(
            keys in prop::collection::vec(prop::collection::vec(0..3_u8, 0..20), 0..500)
        ) {
            let (mut slots, mut model) = (Slots::default(), HashMap::new());
            for key in &keys {
                prop_assert_eq!(slots.get_index_of(key), model.get(key).copied());
                let next = model.len();
                let expected = *model.entry(key).or_insert(next);
                prop_assert_eq!(slots.place_or_insert(key, slot), (expected, expected == next));
            }
            prop_assert_eq!(slots.len(), model.len());
            for (key, at) in &model {
                prop_assert_eq!(slots.get_index_of(key), Some(*at));
                prop_assert_eq!(&slots.get_index(*at).unwrap().0[..], &key[..]);
            }
        }
    }

    /// The index compares only half of the hash.
    #[test]
    fn keys_with_equal_index_cells_are_distinguished() {
        let mut slots = Slots::default();
        slots.place_or_insert(b"a", slot);
        let hash = slots.hasher.hash_one(&b"b"[..]);
        // Make the cell of the other key look as if it held this one.
        let cell = slots.first_cell(hash);
        slots.index.fill(0);
        slots.index[cell] = Slots::content(hash, 0);
        assert_eq!(slots.get_index_of(b"b"), None);
        assert_eq!(slots.place_or_insert(b"b", slot), (1, true));
        assert_eq!(slots.get_index_of(b"b"), Some(1));
    }
}
