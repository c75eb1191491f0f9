//! The lines of a trace: messages and notices in words.

use atomik_replica::Notice;

use crate::oracle::Oracle;

/// The number of the kind of a message.
pub(crate) fn number(bytes: &[u8]) -> usize {
    match bytes {
        [1 | 2, kind, ..] => usize::from(*kind),
        [short, ..] => usize::from(11 + (short >> 6 & 1)),
        [] => usize::MAX,
    }
}

/// The kind of a message.
pub(crate) fn kind(bytes: &[u8]) -> &'static str {
    let names = [
        "changes",
        "a summary",
        "a sketch",
        "a request for a sketch",
        "a request for entries",
        "a request for the whole table",
        "a chunk",
        "the ledger",
        "a repair",
        "a head",
        "a request for previews",
        "previews",
        "a seal",
    ];
    let kind = number(bytes);
    names.get(kind).copied().unwrap_or("a message")
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
        Notice::Refused { from, reason } => format!("refused from r{}: {reason}", from[0]),
        Notice::MemoryLost { old, new } => {
            format!("memory lost: {} is now {new}", name(*old))
        }
        Notice::Folded(origin) => format!("{} folded", name(*origin)),
        Notice::BaseAdopted { from, .. } => format!("base taken over from r{}", from[0]),
        Notice::BaseDiverged { from } => format!("base differs from that of r{}", from[0]),
        Notice::InSync { from } => format!("in sync with r{}", from[0]),
        other => format!("{other:?}"),
    }
}

/// A key without the padding of long ones.
fn key(key: &[u8]) -> String {
    key.iter().take(4).map(|&byte| char::from(byte)).collect()
}
