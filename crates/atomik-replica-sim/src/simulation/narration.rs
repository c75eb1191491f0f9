//! The lines of a trace: messages and notices in words.

use atomik_replica::Notice;

use crate::oracle::Oracle;

/// Kind, sender and length of a message.
pub(crate) fn message(from: usize, bytes: &[u8]) -> String {
    let names = [
        "changes",
        "a summary",
        "cells",
        "a request for cells",
        "a request for entries",
        "a request for everything",
        "the end of a chunk",
        "the ledger",
        "repaired changes",
    ];
    let kind = bytes
        .get(1)
        .and_then(|&kind| names.get(usize::from(kind)))
        .unwrap_or(&"a message");
    format!("{kind} of r{from} ({} bytes)", bytes.len())
}

/// What a replica reports.
pub(crate) fn notice(oracle: &Oracle, notice: &Notice) -> String {
    let name = |id| oracle.name_of(id);
    match notice {
        Notice::Overlap(overlap) => {
            let [(a, a_version), (b, b_version)] = overlap.origins;
            format!(
                "overlap in {}, bits {}: {} version {a_version}, {} version {b_version}",
                key(&overlap.key),
                overlap.bits,
                name(a),
                name(b)
            )
        }
        Notice::Changed { key: k, state, .. } => format!("{} is {state}", key(k)),
        Notice::SecondWriter { key: k, .. } => format!("{} has a second writer", key(k)),
        Notice::Refused { from, reason } => format!("refused of r{}: {reason}", from[0]),
        Notice::MemoryLost { old, new } => {
            format!("memory lost: {} is now {new}", name(*old))
        }
        Notice::Folded(origin) => format!("{} is folded", name(*origin)),
        Notice::BaseAdopted { from, .. } => format!("takes the base of r{}", from[0]),
        Notice::BaseDiverged { from } => format!("another base than r{}", from[0]),
        Notice::InSync { from } => format!("in sync with r{}", from[0]),
        other => format!("{other:?}"),
    }
}

/// A key without the padding of long ones.
fn key(key: &[u8]) -> String {
    key.iter().take(4).map(|&byte| char::from(byte)).collect()
}
