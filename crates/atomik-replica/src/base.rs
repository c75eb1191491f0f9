//! The base: the accumulators of origins that have left, folded into one value per key.

use std::collections::{BTreeMap, BTreeSet};

use crate::codec::Encode;
use crate::context::Context;
use crate::keyspace::Keyspace;
use crate::origin::OriginId;
use crate::origins::Origins;
use crate::secrets::Secrets;
use crate::table::Table;
use crate::value::Value;

/// Bases of keys, as they travel.
pub(crate) type Bases = Vec<(Box<[u8]>, Value)>;

/// Which origins are folded. The values themselves are in the slots.
#[derive(Clone, Debug, Default)]
pub(crate) struct Base {
    folded: BTreeSet<u32>,
    /// A sum of keyed hashes over all keys with a base.
    sum: u128,
}

impl core::hash::Hash for Base {
    /// Omits the sum, which follows from the table.
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        self.folded.hash(state);
    }
}

/// The short name of a folded origin, as it travels.
fn name(origin: OriginId, secrets: &Secrets) -> u64 {
    secrets.summand(&origin.0) as u64
}

impl Base {
    pub(crate) fn has(&self, place: u32) -> bool {
        self.folded.contains(&place)
    }

    /// Restores a stored origin as folded. [`refresh`](Self::refresh) has to follow.
    pub(crate) fn restore(&mut self, place: u32) {
        self.folded.insert(place);
    }

    /// Recomputes the sum over all bases.
    pub(crate) fn refresh(&mut self, table: &Table, secrets: &Secrets) {
        let mut sum = 0_u128;
        for (key, slot) in table.slots.iter() {
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

    /// The sum over all bases. Replicas that folded the same origins have the same sum.
    pub(crate) fn sum(&self) -> u128 {
        self.sum
    }

    /// A sum over the folded origins.
    pub(crate) fn folded_sum(&self, origins: &Origins, secrets: &Secrets) -> u128 {
        self.folded.iter().fold(0, |sum, &place| {
            sum.wrapping_add(secrets.summand(&origins.id(place).0))
        })
    }

    /// The short names of the folded origins.
    pub(crate) fn names(&self, origins: &Origins, secrets: &Secrets) -> BTreeSet<u64> {
        self.folded
            .iter()
            .map(|&place| name(origins.id(place), secrets))
            .collect()
    }

    /// Folds an origin: moves its accumulators into the base and drops its entries. States do not
    /// change.
    pub(crate) fn fold(
        &mut self,
        place: u32,
        table: &mut Table,
        origins: &mut Origins,
        secrets: &Secrets,
    ) {
        for at in 0..table.slots.len() as u32 {
            if let Some(position) = table.slots.position(at as usize, place) {
                let entry = table.remove(secrets, at, position);
                table
                    .slot(at)
                    .rare()
                    .base
                    .accumulate(&entry.change.accumulator);
                table.touch(at);
            }
        }
        self.folded.insert(place);
        origins.touch(place);
        self.refresh(table, secrets);
    }

    /// Replaces this base by a peer's, in which the origins called `names` are folded. `late` are
    /// the places of the origins that may be folded though some of their entries are missing here.
    /// The peer's base is adopted only if it holds what this base holds and one or more late
    /// origins, and no others. Returns those late origins, or `None` if it is not adopted.
    pub(crate) fn adopt(
        &mut self,
        names: &BTreeSet<u64>,
        bases: Bases,
        mut late: Vec<u32>,
        keyspace: &mut Keyspace,
        origins: &mut Origins,
        cx: &mut Context<'_>,
    ) -> Option<Vec<OriginId>> {
        late.retain(|&place| names.contains(&name(origins.id(place), cx.secrets)));
        let mut covered = self.names(origins, cx.secrets);
        covered.extend(
            late.iter()
                .map(|&place| name(origins.id(place), cx.secrets)),
        );
        // If the peer has folded less than this replica, it will catch up.
        if late.is_empty() || covered != *names {
            return None;
        }
        let mut bases: BTreeMap<Box<[u8]>, Value> = bases.into_iter().collect();
        for key in bases.keys() {
            keyspace.table.slot_of(key);
        }
        for at in 0..keyspace.table.slots.len() as u32 {
            for &place in &late {
                if let Some(position) = keyspace.table.slots.position(at as usize, place) {
                    keyspace.table.remove(cx.secrets, at, position);
                    keyspace.table.touch(at);
                }
            }
            replace(at, &mut bases, keyspace, cx);
        }
        for &place in &late {
            self.folded.insert(place);
            origins.touch(place);
        }
        self.refresh(&keyspace.table, cx.secrets);
        Some(late.iter().map(|&place| origins.id(place)).collect())
    }
}

/// Replaces the base of a slot, and makes its state that of base and entries.
fn replace(
    at: u32,
    bases: &mut BTreeMap<Box<[u8]>, Value>,
    keyspace: &mut Keyspace,
    cx: &mut Context<'_>,
) {
    let Some((key, slot)) = keyspace.table.slots.get_index(at as usize) else {
        return;
    };
    let zero = || Value::zero(cx.config.words);
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
    let delta = slot.map_or_else(zero, |(_, slot)| slot.sum().xor(&slot.state));
    if !delta.is_zero() {
        keyspace.accumulate(at, &delta);
        keyspace.notify_change(at, &delta, None, cx);
    }
}
