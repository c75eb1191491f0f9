//! The base: the accumulators of lives that are over, folded into one value per key.

use std::collections::BTreeMap;

use crate::codec::Encode;
use crate::context::Context;
use crate::entry::{Change, Tag};
use crate::keyspace::Keyspace;
use crate::notice::{Missing, Notice};
use crate::origin::truncated;
use crate::secrets::Secrets;
use crate::shape::Shape;
use crate::slot::OURS;
use crate::statement::{BaseHash, EntriesHash, Holding};
use crate::table::Table;
use crate::value::Value;

/// Bases of keys, as they travel.
pub(crate) type Bases = Vec<(Box<[u8]>, Value)>;

/// A sum over the base. The values themselves are in the slots.
#[derive(Clone, Debug, Default)]
pub(crate) struct Base {
    /// A sum of keyed hashes over all keys with a base.
    sum: u128,
}

/// The hash over bases. Unlike a sum it cannot be forged by solving linear equations, not even by a
/// member.
pub(crate) fn hash<'a>(bases: impl Iterator<Item = (&'a [u8], &'a Value)>) -> BaseHash {
    let mut bases: Vec<_> = bases.filter(|(_, base)| !base.is_zero()).collect();
    bases.sort_unstable_by_key(|(key, _)| *key);
    let mut hasher = blake3::Hasher::new_derive_key("atomik 1 base hash");
    let mut encoded = Vec::new();
    for (key, base) in bases {
        encoded.clear();
        encoded.blob(key);
        encoded.value(base);
        hasher.update(&encoded);
    }
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
std::thread_local! {
    /// How often this thread has computed [`hash_after`], which takes a pass over the table.
    static PASSES: core::cell::Cell<u32> = const { core::cell::Cell::new(0) };
}

#[cfg(test)]
pub(crate) fn passes() -> u32 {
    PASSES.get()
}

/// What a table holds of the origins in these places, and the hash of the base that it will have
/// once they are folded.
pub(crate) fn hash_after(table: &Table, places: &[bool]) -> Holding {
    #[cfg(test)]
    PASSES.set(PASSES.get() + 1);
    let mut entries = Vec::new();
    let bases: Vec<(&[u8], Value)> = table
        .slots
        .iter()
        .map(|(key, slot)| {
            let mut base = slot
                .rare
                .as_ref()
                .map_or_else(|| table.shape.zero(), |rare| rare.base.clone());
            for entry in &slot.entries {
                if places[entry.origin as usize] {
                    table.shape.accumulate(&mut base, &entry.change.accumulator);
                    entries.push(entry.published.tag);
                }
            }
            (key, base)
        })
        .collect();
    Holding {
        base: hash(bases.iter().map(|(key, base)| (*key, base))),
        entries: Some(hash_of_entries(entries)),
    }
}

/// The hash over the tags of entries. Each tag stands for origin, key and content.
fn hash_of_entries(mut tags: Vec<Tag>) -> EntriesHash {
    tags.sort_unstable();
    let mut hasher = blake3::Hasher::new_derive_key("atomik 1 entries hash");
    for tag in tags {
        hasher.update(&tag);
    }
    truncated(hasher.finalize())
}

impl Base {
    /// Recomputes the sum over all bases.
    pub(crate) fn refresh(&mut self, table: &Table, secrets: &Secrets) {
        let mut sum = 0_u128;
        for (key, slot) in table.slots.generals() {
            if let Some(rare) = &slot.rare
                && !rare.base.is_zero()
            {
                let mut encoded = Vec::new();
                encoded.blob(key);
                encoded.value(&rare.base);
                sum = sum.wrapping_add(secrets.summand(&encoded));
            }
        }
        self.sum = sum;
    }

    /// The sum over all bases. Replicas that folded the same have the same sum.
    pub(crate) fn sum(&self) -> u128 {
        self.sum
    }

    /// Folds the origins in these places: moves their accumulators into the base and drops their
    /// entries. States do not change.
    pub(crate) fn fold(&mut self, places: &[bool], table: &mut Table, secrets: &Secrets) {
        for at in 0..table.slots.len() as u32 {
            while let Some(position) = position(table, at, places) {
                let entry = table.remove(secrets, at, position);
                let base = &mut table.slots.slot(at).rare().base;
                table.shape.accumulate(base, &entry.change.accumulator);
                table.touch(at);
            }
        }
        self.refresh(table, secrets);
    }

    /// Replaces the base by a certified one, in which the origins in these places are folded.
    pub(crate) fn adopt(
        &mut self,
        mut bases: BTreeMap<Box<[u8]>, Value>,
        places: &[bool],
        keyspace: &mut Keyspace,
        cx: &mut Context<'_>,
    ) {
        for key in bases.keys() {
            keyspace.table.slot_of(key);
        }
        let mut missing = Vec::new();
        for at in 0..keyspace.table.slots.len() as u32 {
            let mut own = None;
            while let Some(position) = position(&keyspace.table, at, places) {
                let entry = keyspace.table.remove(cx.secrets, at, position);
                if entry.evidence == OURS {
                    add(&mut own, &entry.change, &cx.config.shape);
                }
                keyspace.table.touch(at);
            }
            let added = replace(at, &mut bases, keyspace, cx);
            if let Some((changes, own)) = own
                && let Some((key, slot)) = keyspace.table.slots.get_index(at as usize)
                && !added.is_zero()
            {
                missing.push(Missing {
                    key: key.into(),
                    changes,
                    own,
                    delta: cx.config.shape.inverse(&added),
                    state: slot.state.clone(),
                });
            }
        }
        self.refresh(&keyspace.table, cx.secrets);
        if !missing.is_empty() {
            cx.notify(Notice::Missing(missing));
        }
    }
}

/// The position of an entry of one of the origins in these places.
fn position(table: &Table, at: u32, places: &[bool]) -> Option<usize> {
    let (_, slot) = table.slots.get_index(at as usize)?;
    let mut entries = slot.entries.iter();
    entries.position(|entry| places[entry.origin as usize])
}

/// Adds a change to the number of changes and their sum.
fn add(sum: &mut Option<(u64, Value)>, change: &Change, shape: &Shape) {
    let (changes, sum) = sum.get_or_insert_with(|| (0, shape.zero()));
    *changes = changes.saturating_add(change.version);
    shape.accumulate(sum, &change.accumulator);
}

/// Replaces the base of a slot, and makes its state that of base, entries and previewed changes.
/// Returns by how much the state has changed.
fn replace(
    at: u32,
    bases: &mut BTreeMap<Box<[u8]>, Value>,
    keyspace: &mut Keyspace,
    cx: &mut Context<'_>,
) -> Value {
    let Some((key, slot)) = keyspace.table.slots.get_index(at as usize) else {
        return cx.config.shape.zero();
    };
    let shape = &cx.config.shape;
    let zero = || shape.zero();
    let base = bases.remove(key).unwrap_or_else(zero);
    let old = slot
        .rare
        .as_ref()
        .map_or_else(zero, |rare| rare.base.clone());
    if base != old {
        keyspace.table.slot(at).rare().base = base;
        keyspace.table.touch(at);
    }
    let slot = keyspace.table.slots.get_index(at as usize);
    let mut delta = slot.map_or_else(zero, |(_, slot)| {
        shape.difference(&slot.sum(shape), &slot.state)
    });
    shape.accumulate(&mut delta, &keyspace.overlay.delta(at, shape));
    if !delta.is_zero() {
        keyspace.accumulate(at, &delta);
        keyspace.notify_change(at, &delta, None, cx);
    }
    delta
}
