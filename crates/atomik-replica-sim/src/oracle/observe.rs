//! Reads what a replica holds, and puts it into words.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use atomik_replica::{OriginId, Replica};

use super::contents::{Contents, Entry, KeyContents};
use super::history::History;
use crate::violation::{Check, Violation};

/// What a replica holds now, except how its states are explained.
pub(crate) fn observe(history: &History, replica: &Replica) -> Check<Contents> {
    let mut contents = Contents {
        keys: Vec::with_capacity(history.keys.len()),
        folded: BTreeSet::new(),
        certificate: replica.certificate(),
        lies: Vec::new(),
    };
    for key in &history.keys {
        let (mut entries, mut foreign) = (Vec::new(), Vec::new());
        for (id, entry) in visible(replica, key) {
            match history.origin(id) {
                Some(origin) => entries.push(entry.of(origin)),
                None if history.is_foreign(id) => foreign.push(entry),
                None => {
                    return Err(Violation {
                        invariant: "every entry has a known origin",
                        detail: id.to_string(),
                    });
                }
            }
        }
        entries.sort_unstable_by_key(|entry| entry.origin);
        contents.keys.push(KeyContents {
            state: replica.state(key),
            entries,
            foreign,
            fields: Rc::clone(&history.fields),
        });
    }
    for (number, origin) in history.origins.iter().enumerate() {
        let author = origin.author.as_ref();
        // Of one that is not listed yet, nobody can have folded anything.
        let list = replica.roster().number();
        let listed = author.filter(|author| history.members.has_begun(author, list));
        if listed.is_some_and(|author| replica.has_folded(author)) {
            contents.folded.insert(number);
        }
    }
    Ok(contents)
}

/// The entries of a key, and the changes that are visible in place of one.
fn visible(replica: &Replica, key: &[u8]) -> BTreeMap<OriginId, Entry<OriginId>> {
    let mut entries = BTreeMap::new();
    for (origin, version, accumulator) in replica.writers(key) {
        let entry = Entry {
            origin,
            version,
            accumulator,
            beneath: None,
        };
        entries.insert(origin, entry);
    }
    for (origin, version, accumulator) in replica.previewed(key) {
        let signed = entries.remove(&origin);
        let zero = accumulator.xor(&accumulator);
        let beneath = signed.map_or((0, zero), |it| (it.version, it.accumulator));
        let entry = Entry {
            origin,
            version,
            accumulator,
            beneath: Some(beneath),
        };
        entries.insert(origin, entry);
    }
    entries
}

/// State and entries of a key in words.
pub(crate) fn describe(history: &History, key: &KeyContents) -> String {
    let entry = |entry: &Entry| {
        let name = history.name(entry.origin);
        format!("{name} version {} {}", entry.version, entry.accumulator)
    };
    let entries: Vec<String> = key.entries.iter().map(entry).collect();
    format!("{} ({})", key.state, entries.join(", "))
}

/// The first key that differs, in words.
pub(crate) fn difference(history: &History, expected: &Contents, found: &Contents) -> String {
    let mut keys = expected.keys.iter().zip(&found.keys).enumerate();
    match keys.find(|(_, (expected, found))| expected != found) {
        Some((key, (expected, found))) => format!(
            "k{key}: expected {}, found {}",
            describe(history, expected),
            describe(history, found)
        ),
        None => {
            let names = |contents: &Contents| {
                let folded = contents.folded.iter();
                folded.map(|it| history.name(*it)).collect::<Vec<_>>()
            };
            let (expected, found) = (names(expected), names(found));
            format!("expected folded {expected:?}, found {found:?}")
        }
    }
}
