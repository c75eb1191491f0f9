//! The slots of a table, by key and by place.
//!
//! A local operation spends almost all of its time waiting for memory, so the layout minimises
//! cache misses. A cell of the index holds a byte of a key's hash and the place of its slot, and a
//! look-up usually touches one cache line of the index. Key and slot lie side by side in one more,
//! as long as the slot has a compact form; if not, that line says where both are. Slots are never
//! removed and never move, so the index needs no tombstones.

use core::hash::{BuildHasher, Hash, Hasher};
use core::hint::black_box;
use std::borrow::Cow;
use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::entry::Change;
use crate::single::Single;
use crate::slot::{Entry, Key, Published, Slot};

/// A key with its slot.
#[derive(Clone, Debug)]
enum Keyed {
    Short {
        key: Short,
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

/// A short key: its bytes, zeros, and in the last byte its length. Two are compared at once,
/// without a loop over their bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Short([u8; SHORT + 1]);

impl Short {
    fn new(key: &[u8]) -> Option<Self> {
        let length = key.len();
        let (low, high) = if let (Some(first), Some(last)) = (key.first_chunk(), key.last_chunk()) {
            // The last bytes overlap the first ones, which are the same there.
            let last = u64::from_le_bytes(*last);
            let shift = 8 * (length.checked_sub(8).filter(|_| length <= SHORT)?);
            let high = u128::from(last) << shift >> 64;
            (u64::from_le_bytes(*first), high as u64)
        } else {
            let bytes = key.iter().rev();
            (bytes.fold(0, |low, &byte| low << 8 | u64::from(byte)), 0)
        };
        let key = u128::from(low) | u128::from(high) << 64 | (length as u128) << (8 * SHORT);
        Some(Self(key.to_le_bytes()))
    }

    fn bytes(&self) -> &[u8] {
        let length = usize::from(self.0[SHORT]);
        &self.0[..length.min(SHORT)]
    }
}

/// A key to look up.
pub(crate) struct Sought<'a> {
    key: &'a [u8],
    short: Option<Short>,
    hash: u64,
}

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
        match Short::new(key) {
            Some(key) => Self::Short { key, single },
            None => Self::Long {
                key: key.into(),
                single,
            },
        }
    }

    fn key(&self) -> &[u8] {
        match self {
            Self::Short { key, .. } => key.bytes(),
            Self::Long { key, .. } => key,
            Self::General(general) => &general.0,
        }
    }

    fn has(&self, sought: &Sought<'_>) -> bool {
        match self {
            Self::Short { key, .. } => sought.short == Some(*key),
            Self::Long { key, .. } => sought.key == &key[..],
            Self::General(general) => sought.key == &general.0[..],
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

/// The cells of the index that share a cache line. All are compared at once: to stop at the first
/// match would mean a branch that depends on memory not there yet and that no processor predicts.
#[derive(Clone, Debug)]
#[repr(align(64))]
struct Line {
    places: [u32; CELLS],
    /// The low byte of each key's hash.
    tags: [u8; CELLS],
    /// The number of cells in use, from the first on.
    used: u32,
}

const CELLS: usize = 12;

const _: () = assert!(size_of::<Line>() == 64);

impl Line {
    const EMPTY: Self = Self {
        places: [0; CELLS],
        tags: [0; CELLS],
        used: 0,
    };

    fn is_full(&self) -> bool {
        self.used as usize == CELLS
    }

    /// The high bit of byte `i` is set if the tag of cell `i` equals `tag`, and in rare cases if
    /// it does not, or if the cell is not in use.
    fn matches(&self, tag: u8) -> u128 {
        const LOW: u128 = 0x0101_0101_0101_0101_0101_0101;
        let mut tags = [0; 16];
        tags[..CELLS].copy_from_slice(&self.tags);
        let differences = u128::from_le_bytes(tags) ^ (LOW * u128::from(tag));
        // A byte that is 0 borrows from its high bit.
        differences.wrapping_sub(LOW) & !differences & (LOW << 7)
    }

    /// The places of slots with this tag, and a few others.
    fn candidates(&self, tag: u8) -> impl Iterator<Item = usize> {
        let mut matches = self.matches(tag);
        core::iter::from_fn(move || {
            let cell = matches.trailing_zeros() / 8;
            matches &= matches.wrapping_sub(1);
            self.places.get(cell as usize).map(|&place| place as usize)
        })
    }
}

/// A map from keys to slots, in order of insertion.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slots {
    /// Probing goes from line to line and starts at the hash's high bits. The number of lines is a
    /// power of two.
    index: Vec<Line>,
    slots: Vec<Aligned>,
    /// Seeded at random, so that chosen keys cannot be made to collide.
    hasher: RandomState,
}

impl Slots {
    /// In lines.
    const SMALLEST: usize = 2;

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    fn first_line(&self, hash: u64) -> usize {
        // An empty index would mean a shift by 64 bits, but it is never probed.
        (hash >> (64 - self.index.len().trailing_zeros())) as usize
    }

    pub(crate) fn get_index_of(&self, key: &[u8]) -> Option<usize> {
        self.find(&self.sought(key)).ok()
    }

    fn sought<'a>(&self, key: &'a [u8]) -> Sought<'a> {
        let short = Short::new(key);
        let hash = match &short {
            Some(short) => self.hasher.hash_one(u128::from_le_bytes(short.0)),
            None => self.hasher.hash_one(key),
        };
        Sought { key, short, hash }
    }

    /// The places of the slots of many keys.
    pub(crate) fn find_all<T>(&self, items: &[T], key: impl Fn(&T) -> &[u8]) -> Vec<Option<u32>> {
        let sought = self.fetch(items.iter().map(key));
        let places = sought.iter().map(|sought| self.find(sought).ok());
        places.map(|at| at.map(|at| at as u32)).collect()
    }

    /// Has the processor fetch the slots of many keys. The loads within each pass are independent,
    /// so their cache misses overlap: first those of the index cells, then those of the slots.
    pub(crate) fn fetch<'a>(&self, keys: impl Iterator<Item = &'a [u8]>) -> Vec<Sought<'a>> {
        let sought: Vec<Sought<'_>> = keys.map(|key| self.sought(key)).collect();
        if self.index.is_empty() {
            return sought;
        }
        let likely: Vec<Option<usize>> = sought
            .iter()
            .map(|sought| {
                let line = &self.index[self.first_line(sought.hash)];
                line.candidates(sought.hash as u8).next()
            })
            .collect();
        for place in likely.into_iter().flatten() {
            if let Some(keyed) = self.slots.get(place) {
                black_box(keyed.0.key().len());
            }
        }
        sought
    }

    /// The place of a key's slot, or the line where it would go.
    #[inline]
    fn find(&self, sought: &Sought<'_>) -> Result<usize, usize> {
        if self.index.is_empty() {
            return Err(0);
        }
        let mask = self.index.len() - 1;
        let mut at = self.first_line(sought.hash);
        loop {
            let line = &self.index[at];
            for place in line.candidates(sought.hash as u8) {
                let slot = self.slots.get(place);
                if slot.is_some_and(|slot| slot.0.has(sought)) {
                    return Ok(place);
                }
            }
            if !line.is_full() {
                return Err(at);
            }
            at = (at + 1) & mask;
        }
    }

    /// The place of a key's slot, and whether it had to be created, with this number of words.
    pub(crate) fn place_or_insert(&mut self, key: &[u8], words: usize) -> (usize, bool) {
        let sought = self.sought(key);
        let hash = sought.hash;
        let mut line = match self.find(&sought) {
            Ok(at) => return (at, false),
            Err(line) => line,
        };
        if self.is_full(self.slots.len() + 1) {
            self.grow();
            line = self.first_line(hash);
        }
        let at = self.slots.len();
        self.enter(line, hash, at);
        self.slots.push(Aligned(Keyed::new(key, words)));
        (at, true)
    }

    /// Enters a slot in the first free cell from a line on. Places stay below 2^32, because that
    /// many slots would take 256 GiB.
    fn enter(&mut self, mut line: usize, hash: u64, at: usize) {
        let mask = self.index.len() - 1;
        while self.index[line].is_full() {
            line = (line + 1) & mask;
        }
        let line = &mut self.index[line];
        let free = line.used as usize;
        line.places[free] = at as u32;
        line.tags[free] = hash as u8;
        line.used += 1;
    }

    /// Whether the index is too small for this number of slots.
    fn is_full(&self, slots: usize) -> bool {
        slots * 4 > self.index.len() * CELLS * 3
    }

    /// Makes room for this number of slots at once.
    pub(crate) fn reserve(&mut self, slots: usize) {
        self.slots.reserve(slots);
        if self.is_full(self.slots.len() + slots) {
            let lines = ((self.slots.len() + slots) * 4).div_ceil(CELLS * 3);
            self.rebuild(lines.next_power_of_two().max(Self::SMALLEST));
        }
    }

    fn grow(&mut self) {
        self.rebuild((2 * self.index.len()).max(Self::SMALLEST));
    }

    /// Makes an index with this number of lines.
    fn rebuild(&mut self, lines: usize) {
        self.index = vec![Line::EMPTY; lines];
        for at in 0..self.slots.len() {
            let hash = self.sought(self.slots[at].0.key()).hash;
            self.enter(self.first_line(hash), hash, at);
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

    /// The slots that have no compact form, with their keys.
    pub(crate) fn generals(&self) -> impl Iterator<Item = (&[u8], &Slot)> {
        let slots = self.slots.iter();
        slots.filter_map(|Aligned(keyed)| Some((keyed.key(), keyed.single().err()?)))
    }

    /// The slots that have no compact form, with their places.
    pub(crate) fn generals_mut(&mut self) -> impl Iterator<Item = (u32, &mut Slot)> {
        let slots = (0..).zip(&mut self.slots);
        slots.filter_map(|(at, keyed)| Some((at, keyed.0.single_mut().err()?)))
    }

    /// What is published of every entry of a slot.
    pub(crate) fn published_of(&self, at: usize) -> impl Iterator<Item = &Published> + Clone {
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

    /// An origin's change without those of its owner that are `unsent`, as
    /// [`Publication::unsent`](crate::publication::Publication::unsent) gives them.
    pub(crate) fn sent_change_of<'a>(
        &'a self,
        at: u32,
        origin: u32,
        unsent: &'a HashMap<u32, Option<Cow<'_, Change>>>,
    ) -> Option<Cow<'a, Change>> {
        match unsent.get(&at) {
            Some(before) => before.as_deref().map(Cow::Borrowed),
            None => self.change_of(at as usize, origin),
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

    /// Replaces a slot.
    pub(crate) fn set(&mut self, at: u32, slot: Slot) {
        let Aligned(keyed) = &mut self.slots[at as usize];
        *keyed = match Single::of(&slot) {
            Some(single) => Keyed::compact(keyed.key(), single),
            None => Keyed::General(Box::new((keyed.key().into(), slot))),
        };
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

    proptest! {
        #[test]
        fn a_short_key_comes_back_and_is_equal_to_no_other(
            a in prop::collection::vec(0..2_u8, 0..20), b in prop::collection::vec(0..2_u8, 0..20)
        ) {
            let [short, other] = [&a, &b].map(|key| Short::new(key));
            prop_assert_eq!(short.is_some(), a.len() <= SHORT);
            if let (Some(short), Some(other)) = (short, other) {
                prop_assert_eq!(short.bytes(), &a[..]);
                prop_assert_eq!(short == other, a == b);
            }
        }
    }

    proptest! {
        #[test]
        fn every_cell_with_a_tag_is_a_candidate_and_hardly_any_other(
            tags in prop::collection::vec(0..4_u8, CELLS), tag in 0..4_u8
        ) {
            let mut line = Line::EMPTY;
            for (i, &own) in tags.iter().enumerate() {
                (line.tags[i], line.places[i]) = (own, i as u32);
            }
            let found: Vec<_> = line.candidates(tag).collect();
            for (i, &own) in tags.iter().enumerate() {
                prop_assert!(own != tag || found.contains(&i));
            }
            // Wrong is at most what follows a right one.
            let wrong = |&&i: &&usize| tags[i] != tag;
            prop_assert!(found.iter().filter(wrong).all(|&i| i > found[0]));
        }
    }

    /// The index compares only a byte of the hash.
    #[test]
    fn keys_with_equal_tags_are_distinguished() {
        let mut slots = Slots::default();
        slots.place_or_insert(b"a", 1);
        let hash = slots.sought(b"b").hash;
        // Make the cell of the other key look as if it held this one.
        let line = slots.first_line(hash);
        slots.index.fill(Line::EMPTY);
        slots.enter(line, hash, 0);
        assert_eq!(slots.get_index_of(b"b"), None);
        assert_eq!(slots.place_or_insert(b"b", 1), (1, true));
        assert_eq!(slots.get_index_of(b"b"), Some(1));
    }
}
