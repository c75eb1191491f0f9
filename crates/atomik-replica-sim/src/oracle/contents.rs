//! What a replica holds, as anyone can read it: its states, its entries and what it has folded.

use std::collections::BTreeSet;

use atomik_replica::{OriginId, Value};

/// The version of an origin that has been folded: all its changes are known.
pub(crate) const ALL: u64 = u64::MAX;

/// An entry of one key: an origin's accumulator, and how many changes are in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) origin: usize,
    pub(crate) version: u64,
    pub(crate) accumulator: Value,
    /// If the origin has not signed this version: what the replica holds beneath it, with version 0
    /// for nothing.
    pub(crate) beneath: Option<(u64, Value)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyContents {
    pub(crate) state: Value,
    /// Sorted by origin.
    pub(crate) entries: Vec<Entry>,
    /// Entries of a dishonest member: origin, version and accumulator; sorted by origin.
    pub(crate) foreign: Vec<(OriginId, u64, Value)>,
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
        for entry in &mut signed.entries {
            if let Some((version, accumulator)) = entry.beneath.take() {
                signed.state.accumulate(&entry.accumulator);
                signed.state.accumulate(&accumulator);
                (entry.version, entry.accumulator) = (version, accumulator);
            }
        }
        signed.entries.retain(|entry| entry.version > 0);
        signed
    }
}

/// All that a replica holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Contents {
    pub(crate) keys: Vec<KeyContents>,
    pub(crate) folded: BTreeSet<usize>,
}

impl Contents {
    pub(crate) fn empty(keys: usize, words: usize) -> Self {
        let key = KeyContents {
            state: Value::zero(words),
            entries: Vec::new(),
            foreign: Vec::new(),
        };
        Self {
            keys: vec![key; keys],
            folded: BTreeSet::new(),
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
        }
    }

    /// The versions held of an origin, by key.
    pub(crate) fn versions(&self, origin: usize) -> Vec<u64> {
        self.keys.iter().map(|key| key.version(origin)).collect()
    }
}
