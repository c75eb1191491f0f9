//! The inputs and outputs of a replica.

use atomik_algebra::Response;
use smallvec::SmallVec;

use crate::notice::Notice;
use crate::operation::LocalOp;
use crate::origin::{OriginId, PublicKey};
use crate::peers::PeerId;
use crate::value::Value;

/// A stored record: its key, and its value or `None` to delete it.
pub type Record = (Vec<u8>, Option<Vec<u8>>);

/// An input of a replica.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// One operation, as a batch of its own.
    Op(&'a LocalOp<'a>),
    /// Operations in order: all of them or, if any is refused, none. They are persisted together.
    /// Peers may see some keys of a batch before others.
    Batch(&'a [LocalOp<'a>]),
    /// Undoes an earlier batch of this replica by applying the inverse of each of its deltas. An
    /// undo is itself a batch, so undoing it redoes the original.
    Undo(u64),
    /// Records the state of every key under a new checkpoint number, with this name.
    Checkpoint(&'a str),
    /// Deletes a checkpoint.
    DropCheckpoint(u32),
    /// Leaves the keyspace for good: no more operations are accepted. Once every member has
    /// stated that it knows all changes of this origin, they fold it into the base.
    Retire,
    /// An operator hands in a signed [`Roster`](crate::Roster), as encoded. A roster without this
    /// replica's own key removes it: it accepts no more operations and sends no more changes.
    Roster(&'a [u8]),
    /// Hands changes to storage, unless the previous batch of records is still being written.
    Flush,
    /// Storage has made the batch with this ticket durable, according to its policy.
    Persisted(u64),
    /// Sends the stored changes that [wait for more](crate::Config::linger). They are sent earlier
    /// if a peer comes up or goes, or with their signature.
    Publish,
    /// Some time has passed.
    Tick,
    /// A message from a peer has arrived.
    Message {
        /// The sender according to the engine. A message of a peer whose key was given must be
        /// authentic, others need not be.
        from: PeerId,
        /// The message.
        bytes: &'a [u8],
    },
    /// A peer is reachable.
    PeerUp {
        /// The peer.
        peer: PeerId,
        /// The key of the member, if whoever carries messages authenticates each one's sender. If
        /// that is known of all reachable peers, changes are sent before they are signed.
        key: Option<PublicKey>,
    },
    /// Signs the changes that were sent unsigned, with the next flush; to be handed in before
    /// peers are left.
    Seal,
    /// Nothing more arrives from a peer: what it sent unsigned is taken back, and its signature for
    /// that is ignored from now on.
    PeerDown(PeerId),
}

/// An output of a replica, to be carried out by its caller.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Send a message to one peer. It may be lost.
    Send {
        /// The recipient.
        to: PeerId,
        /// The message.
        bytes: Vec<u8>,
    },
    /// Send a message to every peer. It may be lost.
    Broadcast {
        /// A unique name for engines that drop duplicates: origin and frame number.
        id: (OriginId, u64),
        /// The message.
        bytes: Vec<u8>,
    },
    /// Store these records atomically, then report [`Event::Persisted`].
    Persist {
        /// The number of this batch of records.
        ticket: u64,
        /// The records.
        records: Vec<Record>,
    },
    /// Report this to the application.
    Notify(Notice),
}

/// The result of an accepted event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The operation is acknowledged once this ticket is persisted; 0 if there was nothing to
    /// persist.
    pub ticket: u64,
    /// The batch's number for [`Event::Undo`]; `None` if the batch changed nothing or undo is
    /// disabled. For a new checkpoint, its number.
    pub number: Option<u64>,
    /// One response per operation, as defined in `docs/spec.md`, section 1.
    pub responses: SmallVec<[Option<Response<Value>>; 1]>,
}
