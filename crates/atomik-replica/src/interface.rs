//! What goes into a replica and what comes out of it.

use atomik_algebra::{Op, Response};
use smallvec::SmallVec;

use crate::origin::{Incarnation, OriginId, PublicKey, Trust};
use crate::value::Value;

/// What an engine calls a peer: opaque here, compared only.
pub type PeerId = [u8; 16];

/// What the words of a keyspace mean, and so which operations it takes and which conflicts it
/// reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum View {
    /// Words under the operations of the machine; all [`Action`]s.
    #[default]
    Raw,
    /// Independent bits: [`Action::Toggle`] and [`Action::SetFlag`] beside the operations that
    /// read.
    ///
    /// Two origins that set one flag concurrently both toggle it, so that it ends where it began:
    /// the overlap report names the flags that were put on twice and are off, and the other way
    /// round.
    Flags,
    /// One writer a key: [`Action::Put`] beside the operations that read. A second writer is
    /// reported, once a key.
    Cell,
}

/// What a replica is.
#[derive(Clone, Debug)]
pub struct Config {
    /// The keyspace's name. Replicas of one keyspace agree on name, words, view and secret.
    pub keyspace: String,
    /// 64-bit words of a value, 1 to [`MAX_WORDS`](crate::MAX_WORDS).
    pub words: usize,
    /// What they mean.
    pub view: View,
    /// 256 bits that only members know: authenticates messages and keys digests. Whoever has it and
    /// no key on the list can read, and can waste bandwidth; it can change nothing.
    pub secret: [u8; 32],
    /// Who signs, and who is heard.
    pub trust: Trust,
    /// 128 random bits, drawn anew at every start. Used where the replica has no memory, or lost
    /// it.
    pub incarnation: Incarnation,
    /// Whether the records given to [`Replica::open`](crate::Replica::open) are provably all that
    /// were ever acknowledged as persisted. If not, the replica goes on as a new origin.
    ///
    /// Nothing but the first stored batch says that it did: a replica that ends before that, and is
    /// opened again, has the same records as before and must be opened with `false` again, or it
    /// goes on as the origin whose memory was lost. So whoever finds a loss keeps saying so until
    /// then (`atomik-store` does), or has the first [`Event::Flush`], which always has something to
    /// store, persisted before anything else. Records of another key than the configuration's are
    /// never gone on with, whatever is said here.
    pub kept_memory: bool,
    /// How many of its own batches the replica remembers for [`Event::Undo`].
    pub undo_batches: usize,
    /// The largest message, in bytes; 16,384 at least, so that every entry fits.
    pub message_bytes: usize,
    /// Every how many [`Event::Tick`]s a peer is asked whether it agrees.
    pub sync_ticks: u32,
    /// Cells of a subtable of the digest: [`Config::DIGEST_CELLS`], or a divisor of it that is 8 at
    /// least, the same for all members. It takes 48 bytes of memory a cell, and tells up to two
    /// differences a cell apart in one exchange; more are settled by a pass over everything.
    pub digest_cells: usize,
}

impl Config {
    /// The default of [`digest_cells`](Self::digest_cells).
    pub const DIGEST_CELLS: usize = crate::sketch::Sketch::FULL;

    /// A keyspace of raw words with the default limits: 4096 batches of undo, messages of 60,000
    /// bytes, a comparison with every tick.
    pub fn new(
        keyspace: &str,
        words: usize,
        secret: [u8; 32],
        trust: Trust,
        incarnation: Incarnation,
    ) -> Self {
        Self {
            keyspace: keyspace.to_owned(),
            words,
            view: View::Raw,
            secret,
            trust,
            incarnation,
            kept_memory: true,
            undo_batches: 4096,
            message_bytes: 60_000,
            sync_ticks: 1,
            digest_cells: Self::DIGEST_CELLS,
        }
    }
}

/// A stored record: key, and value or, to delete it, `None`.
pub type Record = (Vec<u8>, Option<Vec<u8>>);

/// What an operation does to its key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// An operation of the machine; see `docs/spec.md`, section 1. The reference is this replica's
    /// own mark of the key, which does not travel; what `LOAD` and `ACCUM` change in the state
    /// does.
    Op(Op, Value),
    /// Turns a flag over.
    Toggle(usize),
    /// Turns a flag over if it is not as wanted.
    SetFlag(usize, bool),
    /// Replaces the value: the delta is old xor new.
    Put(Value),
}

/// An operation on one key of this replica.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LocalOp<'a> {
    /// The key, 1 to [`MAX_KEY`](crate::MAX_KEY) bytes.
    pub key: &'a [u8],
    /// What to do.
    pub action: Action,
}

impl<'a> LocalOp<'a> {
    /// Adds a delta.
    pub fn accum(key: &'a [u8], delta: Value) -> Self {
        Self {
            key,
            action: Action::Op(Op::Accum, delta),
        }
    }
}

/// Something that happens to a replica.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// One operation; a batch of its own.
    Op(&'a LocalOp<'a>),
    /// Operations in order, all or, if any is refused, none. They are persisted together. Peers may
    /// see some keys of a batch before others.
    Batch(&'a [LocalOp<'a>]),
    /// Applies the deltas of an earlier batch of this replica again, which takes them back. An undo
    /// is a batch, too: undoing it is redo.
    Undo(u64),
    /// Remembers the state of every key under a new number.
    Checkpoint(&'a str),
    /// Forgets a checkpoint.
    DropCheckpoint(u32),
    /// Leaves for good: no more operations. Once all members have attested that they know
    /// everything of this origin, they fold it into the base.
    Retire,
    /// Hands what changed to storage, unless that is still busy with the last such batch.
    Flush,
    /// Storage has made the batch of this ticket durable, as the policy has it.
    Persisted(u64),
    /// Some time has passed.
    Tick,
    /// A peer's message has come.
    Message {
        /// From whom, as the engine says; only used to answer.
        from: PeerId,
        /// Its bytes.
        bytes: &'a [u8],
    },
    /// A peer can be reached.
    PeerUp(PeerId),
    /// A peer is gone.
    PeerDown(PeerId),
}

/// Something that the surroundings of a replica have to do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Send a message to one peer. It may be lost.
    Send {
        /// To whom.
        to: PeerId,
        /// The message.
        bytes: Vec<u8>,
    },
    /// Send a message to every peer. It may be lost.
    Broadcast {
        /// Names the message uniquely, for engines that drop duplicates: origin and frame number.
        id: (OriginId, u64),
        /// The message.
        bytes: Vec<u8>,
    },
    /// Store these records, all or none, then say [`Event::Persisted`].
    Persist {
        /// The batch's number.
        ticket: u64,
        /// The records.
        records: Vec<Record>,
    },
    /// Tell whoever is interested.
    Notify(Notice),
}

/// What an accepted event led to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The operation is acknowledged once this ticket has been persisted. 0: there was nothing to
    /// persist.
    pub ticket: u64,
    /// The number of the batch, for [`Event::Undo`]; `None` if it changed nothing or undo is off.
    /// For a new checkpoint, its number.
    pub number: Option<u64>,
    /// One response for each operation, as `docs/spec.md`, section 1, has them.
    pub responses: SmallVec<[Option<Response<Value>>; 1]>,
}

/// Why a local event was refused; nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpError {
    /// A key of no bytes, or too many.
    #[error("a key has {length} bytes; it must have 1 to 1024")]
    Key {
        /// Its length.
        length: usize,
    },
    /// A value of another number of words than the keyspace has.
    #[error("a value has {found} words of 64 bits, this keyspace has {wanted}")]
    Words {
        /// The value's.
        found: usize,
        /// The keyspace's.
        wanted: usize,
    },
    /// A flag beyond the words.
    #[error("there is no flag {flag}: the keyspace has flags 0 to {last}")]
    Flag {
        /// The one asked for.
        flag: usize,
        /// The last that there is.
        last: usize,
    },
    /// The view does not have this operation.
    #[error(
        "a keyspace of {view:?} does not take this operation; see the view's documentation for those it takes"
    )]
    View {
        /// The keyspace's view.
        view: View,
    },
    /// No such batch is remembered.
    #[error(
        "batch {0} is not known (any more): the last {1} batches of this replica can be undone"
    )]
    NoBatch(u64, usize),
    /// It has been taken back already.
    #[error("batch {0} has been undone already; undo the undo to have it again")]
    Undone(u64),
    /// No such checkpoint.
    #[error("there is no checkpoint {0}")]
    NoCheckpoint(u32),
    /// After [`Event::Retire`].
    #[error("this replica has retired: start it again, and it goes on as a new origin")]
    Retired,
}

/// Concurrent changes of the same bits: xor has combined them, which may be what nobody meant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Overlap {
    /// The key.
    pub key: Box<[u8]>,
    /// The bits that both changed.
    pub bits: Value,
    /// The state that came of it.
    pub state: Value,
    /// The other origin and this replica's, with the version up to which their changes are meant.
    pub origins: [(OriginId, u64); 2],
}

impl Overlap {
    /// Of [`View::Flags`]: flags that both put on, and that are off because of it (unless a third
    /// writer touched them).
    pub fn both_on(&self) -> Value {
        self.bits.and_not(&self.state)
    }

    /// Flags that both put off, and that are on because of it (unless a third writer touched them).
    pub fn both_off(&self) -> Value {
        self.bits.and(&self.state)
    }
}

/// What a replica tells.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Notice {
    /// A subscribed key has a new state.
    Changed {
        /// The key.
        key: Box<[u8]>,
        /// Its state.
        state: Value,
        /// What changed: old xor new.
        delta: Value,
        /// Who made the change; `None` where a base was taken over.
        origin: Option<OriginId>,
        /// The subscriptions whose prefix fits.
        subscriptions: SmallVec<[u32; 2]>,
    },
    /// This replica and another changed the same bits concurrently. Of every such pair at least one
    /// of both writers hears; third parties do not.
    Overlap(Overlap),
    /// A key of [`View::Cell`] has a second writer.
    SecondWriter {
        /// The key.
        key: Box<[u8]>,
        /// Both writers.
        origins: [OriginId; 2],
    },
    /// A message or a part of it was refused and has changed nothing.
    Refused {
        /// The peer that brought it; the culprit may be another.
        from: PeerId,
        /// Why.
        reason: Refusal,
    },
    /// Others know changes of this origin that the replica itself does not: its memory was lost, or
    /// its key is in use elsewhere. It goes on as a new origin.
    MemoryLost {
        /// The origin up to now.
        old: OriginId,
        /// The origin from now on.
        new: OriginId,
    },
    /// As [`MemoryLost`](Self::MemoryLost), for the second time since it was opened, or its key is
    /// in use elsewhere under the very same incarnation. It takes no more operations: open it again
    /// with another incarnation, and see to it that no copy of it runs.
    Stopped {
        /// The origin that is known better elsewhere.
        origin: OriginId,
    },
    /// An origin has been folded into the base.
    Folded(OriginId),
    /// This replica came too late to fold these origins itself and has taken a peer's base.
    BaseAdopted {
        /// The peer.
        from: PeerId,
        /// The origins in it that were not folded here before.
        origins: Vec<OriginId>,
    },
    /// A peer has folded the same origins to another base: one of both is broken. Compare with a
    /// third.
    BaseDiverged {
        /// The peer.
        from: PeerId,
    },
    /// A peer has the same changes, base and ledger as this replica.
    InSync {
        /// The peer.
        from: PeerId,
    },
}

/// Why something from a peer was refused.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The code at its end is wrong: from another keyspace, with another secret, or damaged.
    #[error("not a message of this keyspace: another name, secret or number of words, or damaged")]
    NotAMember,
    /// Another version of the format.
    #[error("wire format {found}, this replica speaks {wanted}: update the older side")]
    Format {
        /// The message's.
        found: u8,
        /// Ours.
        wanted: u8,
    },
    /// Authentic, but not as the format has it.
    #[error("a malformed message from a member: its program is broken, or another version")]
    Malformed,
    /// Signed with a key that is not on the list.
    #[error("origin {origin}: key {} is not on the keyspace's list", hex(.key))]
    UnknownKey {
        /// The origin.
        origin: OriginId,
        /// Its key.
        key: PublicKey,
    },
    /// The signature does not fit.
    #[error("origin {origin}: forged or changed on the way")]
    Forged {
        /// Who it claims to be from.
        origin: OriginId,
    },
    /// One version of an origin's changes to a key, signed with two contents.
    #[error(
        "origin {origin} signed two contents as version {version} of one key: it is broken or dishonest, and is not heard any more"
    )]
    Equivocation {
        /// The origin.
        origin: OriginId,
        /// The key.
        key: Box<[u8]>,
        /// The version.
        version: u64,
        /// Both signed excerpts, the one held first. The first is empty if it was made by this
        /// replica itself.
        evidence: [Vec<u8>; 2],
    },
    /// It equivocated before.
    #[error("origin {origin} has equivocated before and is not heard")]
    Quarantined {
        /// The origin.
        origin: OriginId,
    },
    /// More incarnations than a member should ever need.
    #[error("origin {origin}: there are too many origins; fold retired ones")]
    TooManyOrigins {
        /// The origin.
        origin: OriginId,
    },
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a replica has counted since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Counters {
    /// Local operations that changed a state.
    pub changes: u64,
    /// Entries published for them: one a dirty key and flush. `changes / published` is the
    /// coalescing factor.
    pub published: u64,
    /// Frames they were published in.
    pub frames: u64,
    /// Entries of others taken over.
    pub merged: u64,
    /// Entries of others that were older than what is known, or the same.
    pub stale: u64,
    /// Messages or excerpts refused.
    pub refused: u64,
    /// Overlaps reported.
    pub overlaps: u64,
    /// Bytes handed out to be sent; a broadcast counts once.
    pub bytes_out: u64,
    /// Messages handed out.
    pub messages_out: u64,
    /// Bytes received.
    pub bytes_in: u64,
    /// Messages received.
    pub messages_in: u64,
    /// Comparisons with a peer that found the same.
    pub agreements: u64,
    /// Differences found by comparison with peers, both directions.
    pub repaired: u64,
}

/// Why a replica could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The configuration is impossible.
    #[error("{0}")]
    Config(String),
    /// The records are of another keyspace.
    #[error(
        "the data folder holds keyspace `{found}`, not `{wanted}`: give the right folder, or an empty one"
    )]
    Keyspace {
        /// As stored, with words and view.
        found: String,
        /// As configured.
        wanted: String,
    },
    /// The records are of a newer program.
    #[error(
        "the data folder has format {found}, this program writes {wanted}: use the newer program"
    )]
    Format {
        /// As stored.
        found: u8,
        /// Ours.
        wanted: u8,
    },
    /// A record is damaged.
    #[error(
        "record {record} of the data folder is damaged: move the folder away and start with an empty one; the peers bring everything back that was ever sent"
    )]
    Damaged {
        /// Its key, in hexadecimal.
        record: String,
    },
}

pub(crate) fn damaged(record: &[u8]) -> OpenError {
    OpenError::Damaged {
        record: hex(record),
    }
}
