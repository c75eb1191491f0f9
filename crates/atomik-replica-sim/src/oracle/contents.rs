//! What a replica holds, as anyone can read it: its states, its entries and what it has folded.

use std::collections::BTreeSet;
use std::rc::Rc;

use atomik_replica::{OriginId, Value};

use super::fields::Fields;

/// The version of an origin that has been folded: all its changes are known.
pub(crate) const ALL: u64 = u64::MAX;

/// An entry of one key: an origin's accumulator, and how many changes are in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry<Origin = usize> {
    pub(crate) origin: Origin,
    pub(crate) version: u64,
    pub(crate) accumulator: Value,
    /// If the origin has not signed this version: what the replica holds beneath it, with version 0
    /// for nothing.
    pub(crate) beneath: Option<(u64, Value)>,
}

impl<Origin> Entry<Origin> {
    /// The same entry, with another name for its origin.
    pub(crate) fn of<Other>(self, origin: Other) -> Entry<Other> {
        let Self {
            version,
            accumulator,
            beneath,
            ..
        } = self;
        Entry {
            origin,
            version,
            accumulator,
            beneath,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyContents {
    pub(crate) state: Value,
    /// Sorted by origin.
    pub(crate) entries: Vec<Entry>,
    /// Entries of a dishonest member, sorted by origin.
    pub(crate) foreign: Vec<Entry<OriginId>>,
    /// How all this adds up.
    pub(crate) fields: Rc<Fields>,
}

impl KeyContents {
    /// The version held of an origin; 0 without an entry.
    pub(crate) fn version(&self, origin: usize) -> u64 {
        self.entries
            .iter()
            .find(|entry| entry.origin == origin)
            .map_or(0, |entry| entry.version)
    }

    /// What is left without the versions that their origins have not signed.
    pub(crate) fn signed(&self) -> Self {
        let mut signed = self.clone();
        take_back(&mut signed.entries, &mut signed.state, &self.fields);
        take_back(&mut signed.foreign, &mut signed.state, &self.fields);
        signed
    }
}

/// Takes the versions that their origins have not signed back, also from the state.
fn take_back<Origin>(entries: &mut Vec<Entry<Origin>>, state: &mut Value, fields: &Fields) {
    for entry in entries.iter_mut() {
        if let Some((version, accumulator)) = entry.beneath.take() {
            fields.take_from(state, &entry.accumulator);
            fields.add_to(state, &accumulator);
            (entry.version, entry.accumulator) = (version, accumulator);
        }
    }
    entries.retain(|entry| entry.version > 0);
}

/// All that a replica holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Contents {
    pub(crate) keys: Vec<KeyContents>,
    pub(crate) folded: BTreeSet<usize>,
    /// A number that stands for the certificate of its base.
    pub(crate) certificate: u128,
    /// What is folded of a dishonest member, by key: the part of each state that nothing else
    /// explains.
    pub(crate) lies: Vec<Value>,
}

impl Contents {
    pub(crate) fn empty(keys: usize, fields: &Rc<Fields>) -> Self {
        let key = KeyContents {
            state: fields.zero(),
            entries: Vec::new(),
            foreign: Vec::new(),
            fields: Rc::clone(fields),
        };
        Self {
            keys: vec![key; keys],
            folded: BTreeSet::new(),
            certificate: 0,
            lies: vec![fields.zero(); keys],
        }
    }

    /// The version known of an origin: [`ALL`] once it is folded.
    pub(crate) fn knows(&self, key: usize, origin: usize) -> u64 {
        if self.folded.contains(&origin) {
            ALL
        } else {
            self.keys[key].version(origin)
        }
    }

    /// What is left without the versions that their origins have not signed.
    pub(crate) fn signed(&self) -> Self {
        Self {
            keys: self.keys.iter().map(KeyContents::signed).collect(),
            folded: self.folded.clone(),
            certificate: self.certificate,
            lies: self.lies.clone(),
        }
    }

    /// The versions held of an origin, by key.
    pub(crate) fn versions(&self, origin: usize) -> Vec<u64> {
        self.keys.iter().map(|key| key.version(origin)).collect()
    }
}
