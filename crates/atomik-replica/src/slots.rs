//! The slots of a table, by key and by place.
//!
//! Almost all of a local operation's time is spent waiting for memory, so this is made for few
//! cache lines: a cell of the index holds half of a key's hash and the place of its slot, and is
//! found in one line; key and slot lie side by side in two. A slot is never removed, and its place
//! never changes: the index needs no marks of what was deleted.

use core::hash::{BuildHasher, Hash, Hasher};
use core::hint::black_box;

use foldhash::fast::RandomState;

use crate::table::{Key, Slot};

/// As aligned as the pairs of cache lines that processors fetch together.
#[derive(Clone, Debug)]
#[repr(align(128))]
struct Keyed {
    key: Key,
    slot: Slot,
}

// One byte more, and every slot would take another pair of cache lines.
const _: () = assert!(size_of::<Keyed>() == 128);

/// A map from keys to slots, in the order in which they were made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slots {
    /// 0, or the low half of a key's hash above the place of its slot plus one. Probed linearly
    /// from the hash's high bits on; a power of two in length.
    index: Vec<u64>,
    slots: Vec<Keyed>,
    /// Seeded at random: who chooses keys does not choose cells.
    hasher: RandomState,
}

impl Slots {
    const SMALLEST: usize = 16;

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    fn first_cell(&self, hash: u64) -> usize {
        // Zero cells have no bits; 1 << 64 does not exist, but nothing is looked up in an empty
        // index.
        (hash >> (64 - self.index.len().trailing_zeros())) as usize
    }

    pub(crate) fn get_index_of(&self, key: &[u8]) -> Option<usize> {
        self.find(key, self.hasher.hash_one(key)).ok()
    }

    /// The places of the slots of many keys. In each pass the loads do not depend on each other, so
    /// that they wait for memory together: first for the cells, then for what these name.
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

    /// The place of a key's slot, or else the cell that would hold it.
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

    /// The place of a key's slot, which `make` makes if it is not there, and whether it did.
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

    /// Places are below 2^32 - 1: so many slots would take 512 GiB.
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
    /// Without the index, which follows from the keys and from a seed.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.iter().for_each(|entry| entry.hash(state));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::HashMap;

    use proptest::prelude::*;
    use smallvec::SmallVec;

    use super::*;
    use crate::value::Value;

    fn slot() -> Slot {
        Slot {
            state: Value::zero(1),
            entries: SmallVec::new(),
            rare: None,
            unstored: false,
            unpublished: false,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn places_are_given_in_order_and_found_again(keys in prop::collection::vec(prop::collection::vec(0..3_u8, 0..20), 0..500)) {
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

    /// Keys of which only half of the hash is compared in the index are told apart all the same.
    #[test]
    fn keys_whose_cells_look_alike_are_told_apart() {
        let mut slots = Slots::default();
        slots.place_or_insert(b"a", slot);
        let hash = slots.hasher.hash_one(&b"b"[..]);
        // As if the other key were found where this one belongs.
        let cell = slots.first_cell(hash);
        slots.index.fill(0);
        slots.index[cell] = Slots::content(hash, 0);
        assert_eq!(slots.get_index_of(b"b"), None);
        assert_eq!(slots.place_or_insert(b"b", slot), (1, true));
        assert_eq!(slots.get_index_of(b"b"), Some(1));
    }
}
