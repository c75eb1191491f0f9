//! The keys of stored records.
//!
//! | key | value |
//! |---|---|
//! | `m` | format, keyspace, shape, view; own origin; counters; checkpoints; undone batches |
//! | `r` | the roster, and two rosters of one number if there are |
//! | `o` place | an origin: author, frame number, quarantine |
//! | `l` | what is closed: ended lives, proofs of misconduct; the own statement |
//! | `c` | the certificate of the base |
//! | `k` key | everything about a key: base, mark, states at checkpoints, entries |
//! | `e` place | evidence of entries, without tags |
//! | `t` place, leaf | the tag of a leaf of the evidence in this place, which no entry has |
//! | `b` number | own batches, from this number on |
//! | `u` ticket | own changes that were previewed with this ticket and are in no frame yet |

use crate::codec::Malformed;

/// The key of the record with everything that exists once.
pub(crate) const META: &[u8] = b"m";

/// The key of the record with the roster.
pub(crate) const ROSTER: &[u8] = b"r";

/// The key of the record with closings and the own statement.
pub(crate) const LEDGER: &[u8] = b"l";

/// The key of the record with the certificate of the base.
pub(crate) const CERTIFICATE: &[u8] = b"c";

/// The key of a numbered record; big-endian numbers keep the records in order.
pub(crate) fn numbered(kind: u8, number: &[u8]) -> Vec<u8> {
    [&[kind], number].concat()
}

/// The key of the record in a place.
pub(crate) fn placed(kind: u8, place: u32) -> Vec<u8> {
    numbered(kind, &place.to_be_bytes())
}

/// The key of the record of the tag of a leaf of the evidence in a place.
pub(crate) fn tagged(place: u32, leaf: u16) -> Vec<u8> {
    numbered(
        b't',
        &[&place.to_be_bytes()[..], &leaf.to_be_bytes()].concat(),
    )
}

/// Place and leaf in such a key, without its kind.
pub(crate) fn leaf_in(key: &[u8]) -> Result<(u32, u16), Malformed> {
    let (place, leaf) = key.split_last_chunk().ok_or(Malformed)?;
    Ok((place_in(place)?, u16::from_be_bytes(*leaf)))
}

/// The number in a record's key, without its kind.
pub(crate) fn number_in(key: &[u8]) -> Result<u64, Malformed> {
    key.try_into()
        .map(u64::from_be_bytes)
        .map_err(|_| Malformed)
}

/// The place in a record's key, without its kind.
pub(crate) fn place_in(key: &[u8]) -> Result<u32, Malformed> {
    key.try_into()
        .map(u32::from_be_bytes)
        .map_err(|_| Malformed)
}
