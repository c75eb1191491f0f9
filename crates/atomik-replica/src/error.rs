//! Errors of opening a replica and of local operations.

use crate::operation::View;
use crate::origin::hex;
use crate::roster::RosterError;

/// Why a local event was refused. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpError {
    /// The key is empty or too long.
    #[error("the key has {length} bytes: use a key of 1 to 1024 bytes")]
    Key {
        /// Its length in bytes.
        length: usize,
    },
    /// The value has the wrong number of words.
    #[error(
        "the value has {found} words of 64 bits, but the values of this keyspace have {wanted}"
    )]
    Words {
        /// Words of the value.
        found: usize,
        /// Words of the keyspace's values.
        wanted: usize,
    },
    /// The value has a bit above the width of the keyspace's layout.
    #[error("the value has more than the {width} bits of this keyspace's values: use fewer")]
    Wide {
        /// The width in bits.
        width: usize,
    },
    /// The flag is a bit of a field that adds.
    #[error(
        "bit {flag} is no flag: it is part of a field that adds (the layout is {layout}); add to \
         that field instead, or use a bit of an xor field"
    )]
    NoFlag {
        /// The requested flag.
        flag: usize,
        /// The keyspace's layout.
        layout: String,
    },
    /// The flag lies beyond the words of a value.
    #[error("there is no flag {flag}: the keyspace has flags 0 to {last}")]
    Flag {
        /// The requested flag.
        flag: usize,
        /// The last flag.
        last: usize,
    },
    /// The keyspace's view does not allow this operation.
    #[error(
        "a keyspace with view {view:?} does not accept this operation: see the documentation of \
         the view for those it accepts"
    )]
    View {
        /// The keyspace's view.
        view: View,
    },
    /// The batch does not exist or is no longer kept.
    #[error("batch {0} cannot be undone: only the last {1} batches of this replica are kept")]
    NoBatch(u64, usize),
    /// The batch has already been undone.
    #[error("batch {0} has already been undone: undo the undo to reapply it")]
    Undone(u64),
    /// There is no such checkpoint.
    #[error("there is no checkpoint {0}: list the checkpoints to see their numbers")]
    NoCheckpoint(u32),
    /// The replica's key is not, or no longer, on the roster.
    #[error(
        "this replica's key is not on the list of members (roster {roster}): if the list has \
         another key for this member, restart it with that key; if not, ask the administrator to \
         add it, or use another member"
    )]
    Removed {
        /// The number of the newest roster known here.
        roster: u64,
    },
    /// The roster is not accepted.
    #[error(transparent)]
    Roster(#[from] RosterError),
    /// The replica was stopped ([`Notice::Stopped`](crate::Notice::Stopped)).
    #[error(
        "this replica was stopped because a copy of it is running: make sure that no copy is \
         running, then restart it with --new-identity"
    )]
    Stopped,
    /// The replica's key has retired ([`Event::Retire`](crate::Event::Retire)), in this process or
    /// before its disk was lost.
    #[error(
        "this replica's key has retired for good: use another member, or ask the administrator to \
         remove the key from the list of members and to add it again"
    )]
    Retired,
    /// The replica was restarted so often without reaching all members that they would not take
    /// another of its lives.
    #[error(
        "this replica was restarted too often without reaching all members, and has too many lives \
         that are not folded: ask the administrator to remove its key and to add it again"
    )]
    TooManyLives,
}

/// Why a configuration is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The values of [`Config::shape`](crate::Config::shape) have too many words, or none.
    #[error(
        "a value cannot have {found} words: use 1 to {}",
        crate::value::MAX_WORDS
    )]
    Words {
        /// The configured number.
        found: usize,
    },
    /// [`Config::keyspace`](crate::Config::keyspace) is empty.
    #[error("the keyspace has no name: give it one")]
    Keyspace,
    /// [`Config::message_bytes`](crate::Config::message_bytes) is too small.
    #[error(
        "messages of {found} bytes are too small for the largest entry: allow at least {}",
        Self::LEAST_MESSAGE_BYTES
    )]
    MessageBytes {
        /// The configured number.
        found: usize,
    },
    /// [`Config::sync_ticks`](crate::Config::sync_ticks) is 0.
    #[error("sync_ticks is 0: use 1 to compare on every tick")]
    SyncTicks,
    /// The member list lacks this replica's own key.
    #[error(
        "this replica's public key is not on the keyspace's member list: add it there, on every \
         member"
    )]
    NotAMember,
}

impl ConfigError {
    /// The smallest valid [`Config::message_bytes`](crate::Config::message_bytes).
    pub(crate) const LEAST_MESSAGE_BYTES: usize = 16_384;
}

/// Why a replica could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The configuration is invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The records belong to another keyspace.
    #[error(
        "the data folder holds keyspace `{found}`, not `{wanted}`: use the folder of this \
         keyspace or an empty one"
    )]
    Keyspace {
        /// The stored keyspace: name, shape and view.
        found: String,
        /// The configured keyspace.
        wanted: String,
    },
    /// The records are of this keyspace, but their values have another layout.
    #[error(
        "the data folder has values of the layout {found}, not {wanted}: set `layout` to {found}, \
         as all members do, or give the keyspace of the new layout a name and a data folder of its \
         own; values cannot be converted"
    )]
    Layout {
        /// The stored layout.
        found: String,
        /// The configured layout.
        wanted: String,
    },
    /// The stored roster is not signed with the key of the configured administrator.
    #[error(
        "the data folder has roster {roster}, which the configured administrator has not signed: \
         set `administrator` to the key that signed it"
    )]
    Administrator {
        /// The stored roster's number.
        roster: u64,
    },
    /// The records were written by another version of this program.
    #[error(
        "the store has format {found}, but this program reads format {wanted}: use the program \
         that wrote it, or move the store away, but not the keys, and start with an empty one; the \
         peers will send back everything that was ever published"
    )]
    Format {
        /// The stored format.
        found: u8,
        /// This program's format.
        wanted: u8,
    },
    /// A record is damaged.
    #[error(
        "record {record} of the store is damaged: restore it from a backup and start with a new \
         identity (`--new-identity`), or move the store away, but not the keys, and start with an \
         empty one; the peers will send back everything that was ever published"
    )]
    Damaged {
        /// The record's key in hexadecimal.
        record: String,
    },
}

/// The error for a damaged record with this key.
pub(crate) fn damaged(record: &[u8]) -> OpenError {
    OpenError::Damaged {
        record: hex(record),
    }
}
