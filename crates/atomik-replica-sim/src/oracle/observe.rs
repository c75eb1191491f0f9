//! Reads what a replica holds, and puts it into words.

use std::collections::BTreeSet;

use atomik_replica::{OriginId, Replica};

use super::contents::{Contents, Entry, KeyContents};
use super::history::History;
use crate::violation::{Check, Violation};

/// What a replica holds now.
pub(crate) fn observe(history: &History, replica: &Replica) -> Check<Contents> {
    let number = |id: OriginId| {
        history.origin(id).ok_or_else(|| Violation {
            invariant: "every entry has a known origin",
            detail: id.to_string(),
        })
    };
    let is_foreign = |id: OriginId| {
        let liar = history.liar.as_ref();
        liar.is_some_and(|liar| liar.has_been(id))
    };
    let mut contents = Contents {
        keys: Vec::with_capacity(history.keys.len()),
        folded: BTreeSet::new(),
    };
    for key in &history.keys {
        let mut entries = Vec::new();
        let mut foreign = Vec::new();
        for (id, version, accumulator) in replica.writers(key) {
            if history.origin(id).is_none() && is_foreign(id) {
                foreign.push((id, version, accumulator));
                continue;
            }
            entries.push(Entry {
                origin: number(id)?,
                version,
                accumulator,
                beneath: None,
            });
        }
        for (id, version, accumulator) in replica.previewed(key) {
            let origin = number(id)?;
            let signed = entries.iter().position(|entry| entry.origin == origin);
            let signed = signed.map(|at| entries.swap_remove(at));
            let zero = accumulator.xor(&accumulator);
            entries.push(Entry {
                origin,
                version,
                accumulator,
                beneath: Some(signed.map_or((0, zero), |it| (it.version, it.accumulator))),
            });
        }
        entries.sort_unstable_by_key(|entry| entry.origin);
        foreign.sort_unstable_by_key(|(id, ..)| *id);
        contents.keys.push(KeyContents {
            state: replica.state(key),
            entries,
            foreign,
        });
    }
    for (number, origin) in history.origins.iter().enumerate() {
        let author = origin.author.as_ref();
        // Of one that is not listed yet, nobody can have folded anything.
        let listed = author.filter(|author| replica.roster().contains(&author.key));
        if listed.is_some_and(|author| replica.has_folded(author)) {
            contents.folded.insert(number);
        }
    }
    Ok(contents)
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
