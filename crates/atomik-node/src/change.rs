use atomik_replica::{Action, OpError, OriginId, Response, Value};
use thiserror::Error;

/// An operation on a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyOp {
    /// The key.
    pub key: Vec<u8>,
    /// The operation.
    pub action: Action,
}

/// A local change to a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Operations applied in order, all or none.
    Batch(Vec<KeyOp>),
    /// Undo the batch with this number.
    Undo(u64),
    /// Create a checkpoint with this name.
    Checkpoint(String),
    /// Delete the checkpoint with this number.
    DropCheckpoint(u32),
    /// Retire the node for good.
    Retire,
    /// Use this list of members, encoded and signed by the administrator.
    Roster(Vec<u8>),
}

/// The result of a [`Change`]. How durable it is depends on the fsync policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// The number of the batch or checkpoint.
    pub number: Option<u64>,
    /// One response per operation.
    pub responses: Vec<Option<Response<Value>>>,
}

/// Why a node refused a change or a query.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refused {
    /// The replica refused it. Nothing has changed.
    #[error(transparent)]
    Op(#[from] OpError),
    /// Peers know more of the node's origin than the node does, for the second time in this run. It
    /// accepts no more changes. Nothing has changed.
    #[error(
        "this node accepts no more changes: peers have changes of its origin {origin} that it \
         lacks, so a copy of it is running, or its data folder was restored from an older copy; \
         make sure that no copy is running, then restart it with --new-identity"
    )]
    Stopped {
        /// The origin.
        origin: OriginId,
    },
    /// The list of members has another key for this member. Nothing has changed.
    #[error(
        "this node accepts no more changes: the list of members (roster {roster}) has another key \
         for {name}, {key}; stop the node, move its key file to former.key in the data folder \
         (former-2.key and so on if there is one: it may still be needed), put the new key in its \
         place, and start it again; `atomik node members` at another member shows whether that is \
         still the newest key"
    )]
    Rotated {
        /// The number of the list.
        roster: u64,
        /// The name of the member.
        name: String,
        /// Its new key, in hex digits.
        key: String,
    },
    /// The offered list of members is not newer than the node's. Nothing has changed.
    #[error(
        "another change of the members came first: this node already has list {roster}; look with \
         `atomik node members`, and make the change again if it is still needed"
    )]
    OtherOrder {
        /// The number of the node's list.
        roster: u64,
    },
    /// Neither the node's list of members nor the offered one has the node's key. Nothing has
    /// changed.
    #[error(
        "this node is not on the list of members (roster {roster}), so members may never \
         receive a change of the list made here: make it at a member"
    )]
    NotAMember {
        /// The number of the node's list.
        roster: u64,
    },
    /// There is proof of misconduct of this node's key. Nothing has changed.
    #[error(
        "this node accepts no more changes: there is proof that its key signed two contents of one \
         version, so that members take none of its changes; stop all copies of the node, have the \
         administrator give it another key (atomik node rotate), and restart it with that key"
    )]
    Convicted,
    /// The node is stopping, or has stopped. The change may or may not be durable.
    #[error("the node is stopping: ask again when it is back")]
    Stopping,
    /// Storage has failed. The change may or may not be durable.
    #[error("not acknowledged, storage has failed: {reason}")]
    Storage {
        /// The storage error, with its next step.
        reason: String,
    },
}

impl Refused {
    /// Whether a node that refuses changes for this reason cannot retire either.
    pub(crate) fn concerns_retirement(&self) -> bool {
        !matches!(self, Self::Op(OpError::Retired | OpError::TooManyLives))
    }
}
