//! The slots of a table, by key and by place.
//!
//! A local operation spends almost all of its time waiting for memory, so the layout minimises
//! cache misses. A cell of the index holds half of a key's hash and the place of its slot, and a
//! look-up usually touches one cache line of the index. Key and slot lie side by side in one more,
//! as long as the slot has a compact form; if not, that line says where both are. Slots are never
//! removed and never move, so the index needs no tombstones.

use core::hash::{BuildHasher, Hash, Hasher};
use core::hint::black_box;
use std::borrow::Cow;

use foldhash::fast::RandomState;

use crate::entry::Change;
use crate::single::Single;
use crate::slot::{Entry, Key, Published, Slot};

/// A key with its slot.
#[derive(Clone, Debug)]
enum Keyed {
    Short {
        length: u8,
        key: [u8; SHORT],
        single: Single,
    },
    Long {
        key: Box<[u8]>,
        single: Single,
    },
    /// A slot that has no compact form.
    General(Box<(Key, Slot)>),
}

/// The longest key that is stored beside a compact slot, in bytes.
const SHORT: usize = 15;

// With one more byte every slot would take another cache line.
const _: () = assert!(size_of::<Keyed>() == 64);

impl Keyed {
    /// A new slot with the given number of words, queued to be stored.
    fn new(key: &[u8], words: usize) -> Self {
        if words == 1 {
            Self::compact(key, Single::NEW)
        } else {
            Self::General(Box::new((key.into(), Slot::new(words))))
        }
    }

    fn compact(key: &[u8], single: Single) -> Self {
        let mut short = [0; SHORT];
        match short.get_mut(..key.len()) {
            Some(start) => {
                start.copy_from_slice(key);
                let length = key.len() as u8;
                Self::Short {
                    length,
                    key: short,
                    single,
                }
            }
            None => Self::Long {
                key: key.into(),
                single,
            },
        }
    }

    fn key(&self) -> &[u8] {
        match self {
            Self::Short { length, key, .. } => &key[..usize::from(*length)],
            Self::Long { key, .. } => key,
            Self::General(general) => &general.0,
        }
    }

    fn single(&self) -> Result<&Single, &Slot> {
        match self {
            Self::Short { single, .. } | Self::Long { single, .. } => Ok(single),
            Self::General(general) => Err(&general.1),
        }
    }

    fn single_mut(&mut self) -> Result<&mut Single, &mut Slot> {
        match self {
            Self::Short { single, .. } | Self::Long { single, .. } => Ok(single),
            Self::General(general) => Err(&mut general.1),
        }
    }

    fn slot(&self) -> Cow<'_, Slot> {
        match self.single() {
            Ok(single) => Cow::Owned(single.slot()),
            Err(slot) => Cow::Borrowed(slot),
        }
    }

    /// The slot in its general form.
    fn general(&mut self) -> &mut Slot {
        if let Ok(single) = self.single() {
            *self = Self::General(Box::new((self.key().into(), single.slot())));
        }
        match self {
            Self::General(general) => &mut general.1,
            Self::Short { .. } | Self::Long { .. } => unreachable!("made general just now"),
        }
    }
}

/// Aligned to a cache line.
#[derive(Clone, Debug)]
#[repr(align(64))]
struct Aligned(Keyed);

/// A map from keys to slots, in order of insertion.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slots {
    /// Each cell is 0 or has the low half of a key's hash in its high half and the place of the
    /// slot plus one in its low half. Probing is linear and starts at the hash's high bits. The
    /// length is a power of two.
    index: Vec<u64>,
    slots: Vec<Aligned>,
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
                black_box(keyed.0.key().len());
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
                if self.slots[at].0.key() == key {
                    return Ok(at);
                }
            }
            cell = (cell + 1) & mask;
        }
    }

    /// The place of a key's slot, and whether it had to be created, with this number of words.
    pub(crate) fn place_or_insert(&mut self, key: &[u8], words: usize) -> (usize, bool) {
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
        self.slots.push(Aligned(Keyed::new(key, words)));
        (at, true)
    }

    /// Places stay below 2^32 - 1, because that many slots would take 256 GiB.
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
            let hash = self.hasher.hash_one(self.slots[at].0.key());
            let cell = self.free_cell(hash);
            self.index[cell] = Self::content(hash, at);
        }
    }

    pub(crate) fn get(&self, key: &[u8]) -> Option<Cow<'_, Slot>> {
        self.get_index_of(key).map(|at| self.slots[at].0.slot())
    }

    pub(crate) fn get_index(&self, at: usize) -> Option<(&[u8], Cow<'_, Slot>)> {
        let Aligned(keyed) = self.slots.get(at)?;
        Some((keyed.key(), keyed.slot()))
    }

    /// The key of a slot.
    pub(crate) fn key(&self, at: u32) -> &[u8] {
        self.slots[at as usize].0.key()
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], Cow<'_, Slot>)> {
        let slots = self.slots.iter();
        slots.map(|Aligned(keyed)| (keyed.key(), keyed.slot()))
    }

    pub(crate) fn values(&self) -> impl ExactSizeIterator<Item = Cow<'_, Slot>> {
        self.slots.iter().map(|Aligned(keyed)| keyed.slot())
    }

    /// The slots that have no compact form, with their places.
    pub(crate) fn generals_mut(&mut self) -> impl Iterator<Item = (u32, &mut Slot)> {
        let slots = (0..).zip(&mut self.slots);
        slots.filter_map(|(at, keyed)| Some((at, keyed.0.single_mut().err()?)))
    }

    /// What is published of every entry of a slot.
    pub(crate) fn published_of(&self, at: usize) -> impl Iterator<Item = &Published> {
        let single = self.slots[at].0.single();
        let entries = single.err().map_or(&[][..], |slot| &slot.entries[..]);
        let single = single.ok().filter(|single| single.origin().is_some());
        let published = entries.iter().map(|entry| &entry.published);
        single
            .map(|single| &single.published)
            .into_iter()
            .chain(published)
    }

    /// What is published of one entry of a slot.
    pub(crate) fn published_mut(&mut self, at: u32, position: usize) -> &mut Published {
        match self.slots[at as usize].0.single_mut() {
            Ok(single) => &mut single.published,
            Err(slot) => &mut slot.entries[position].published,
        }
    }

    /// The entry of an origin.
    pub(crate) fn entry_of(&self, at: usize, origin: u32) -> Option<Cow<'_, Entry>> {
        match self.slots[at].0.single() {
            Ok(single) if single.origin() == Some(origin) => single.entry().map(Cow::Owned),
            Ok(_) => None,
            Err(slot) => Some(Cow::Borrowed(&slot.entries[slot.position(origin)?])),
        }
    }

    /// The position of an origin's entry.
    pub(crate) fn position(&self, at: usize, origin: u32) -> Option<usize> {
        match self.slots[at].0.single() {
            Ok(single) => (single.origin() == Some(origin)).then_some(0),
            Err(slot) => slot.position(origin),
        }
    }

    /// An origin's change.
    pub(crate) fn change_of(&self, at: usize, origin: u32) -> Option<Cow<'_, Change>> {
        Some(match self.entry_of(at, origin)? {
            Cow::Owned(entry) => Cow::Owned(entry.change),
            Cow::Borrowed(entry) => Cow::Borrowed(&entry.change),
        })
    }

    /// The number of entries of a slot.
    pub(crate) fn writers(&self, at: u32) -> usize {
        match self.slots[at as usize].0.single() {
            Ok(single) => usize::from(single.origin().is_some()),
            Err(slot) => slot.entries.len(),
        }
    }

    /// A slot in its compact form, if it is in that.
    pub(crate) fn single(&mut self, at: u32) -> Option<&mut Single> {
        self.slots[at as usize].0.single_mut().ok()
    }

    /// A slot in its general form.
    pub(crate) fn slot(&mut self, at: u32) -> &mut Slot {
        self.slots[at as usize].0.general()
    }

    /// Makes a slot compact, if it has a compact form.
    pub(crate) fn compact(&mut self, at: u32) {
        let Aligned(keyed) = &mut self.slots[at as usize];
        if let Keyed::General(general) = keyed
            && let Some(single) = Single::of(&general.1)
        {
            *keyed = Keyed::compact(&general.0, single);
        }
    }

    /// Sets whether a slot is queued to be stored; returns whether it was.
    pub(crate) fn set_unstored(&mut self, at: u32, unstored: bool) -> bool {
        match self.slots[at as usize].0.single_mut() {
            Ok(single) => {
                let before = single.is_unstored();
                single.set_unstored(unstored);
                before
            }
            Err(slot) => core::mem::replace(&mut slot.unstored, unstored),
        }
    }

    /// Takes the own entry of a slot off the queue to be published.
    pub(crate) fn set_published(&mut self, at: u32) {
        match self.slots[at as usize].0.single_mut() {
            Ok(single) => single.set_unpublished(false),
            Err(slot) => slot.unpublished = false,
        }
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
                prop_assert_eq!(slots.place_or_insert(key, 1), (expected, expected == next));
            }
            prop_assert_eq!(slots.len(), model.len());
            for (key, at) in &model {
                prop_assert_eq!(slots.get_index_of(key), Some(*at));
                prop_assert_eq!(slots.get_index(*at).unwrap().0, &key[..]);
            }
        }
    }

    /// The index compares only half of the hash.
    #[test]
    fn keys_with_equal_index_cells_are_distinguished() {
        let mut slots = Slots::default();
        slots.place_or_insert(b"a", 1);
        let hash = slots.hasher.hash_one(&b"b"[..]);
        // Make the cell of the other key look as if it held this one.
        let cell = slots.first_cell(hash);
        slots.index.fill(0);
        slots.index[cell] = Slots::content(hash, 0);
        assert_eq!(slots.get_index_of(b"b"), None);
        assert_eq!(slots.place_or_insert(b"b", 1), (1, true));
        assert_eq!(slots.get_index_of(b"b"), Some(1));
    }
}
