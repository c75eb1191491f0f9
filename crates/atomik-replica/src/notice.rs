//! What a replica reports: changes, conflicts, refusals, and events in the life of origins.

use smallvec::SmallVec;

use crate::origin::{OriginId, PublicKey, hex};
use crate::peers::PeerId;
use crate::proof::Proof;
use crate::roster::RosterError;
use crate::value::Value;

/// Two origins changed the same bits of xor fields concurrently, or replaced the value of the same
/// field that adds. The changes were combined, which may not be what either writer intended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Overlap {
    /// The key.
    pub key: Box<[u8]>,
    /// The bits of xor fields that both changed, and all bits of each field that adds and that both
    /// put another value into.
    pub bits: Value,
    /// The resulting state.
    pub state: Value,
    /// The other origin and this replica's own, each with the version up to which its changes are
    /// included.
    pub origins: [(OriginId, u64); 2],
}

impl Overlap {
    /// In a [`View::Flags`](crate::View::Flags) keyspace: flags that both switched on and that are
    /// off as a result, unless a third writer changed them.
    pub fn both_on(&self) -> Value {
        self.bits.and_not(&self.state)
    }

    /// In a [`View::Flags`](crate::View::Flags) keyspace: flags that both switched off and that are
    /// on as a result, unless a third writer changed them.
    pub fn both_off(&self) -> Value {
        self.bits.and(&self.state)
    }
}

/// A report from a replica.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Notice {
    /// A subscribed key has a new state.
    Changed {
        /// The key.
        key: Box<[u8]>,
        /// Its new state.
        state: Value,
        /// The change: the delta that made the state before into this one.
        delta: Value,
        /// The origin of the change; `None` if the change came with an adopted base.
        origin: Option<OriginId>,
        /// The subscriptions whose prefix matches.
        subscriptions: SmallVec<[u32; 2]>,
    },
    /// This replica and another changed the same bits concurrently. Of every such pair at least one
    /// writer is notified; third parties are not.
    Overlap(Overlap),
    /// A key of a [`View::Cell`](crate::View::Cell) keyspace has a second writer.
    SecondWriter {
        /// The key.
        key: Box<[u8]>,
        /// Both writers.
        origins: [OriginId; 2],
    },
    /// A message, or part of one, was refused and has changed nothing.
    Refused {
        /// The peer that delivered it. Another peer may be to blame.
        from: PeerId,
        /// The reason.
        reason: Refusal,
    },
    /// A peer knows changes of this origin that the replica itself does not: it was restored from a
    /// backup or a snapshot, or a copy of it runs elsewhere. The replica takes a new life and
    /// fetches these changes like those of others. If a copy is running, stop it.
    MemoryLost {
        /// The origin until now.
        old: OriginId,
        /// The origin from now on.
        new: OriginId,
    },
    /// The replica found a second time since it was opened that a peer knows more of its origin
    /// than it does itself. It accepts no more operations: make sure that no copy of it is running,
    /// then reopen it with a new incarnation (`--new-identity`).
    Stopped {
        /// The origin of which peers know more than this replica does.
        origin: OriginId,
    },
    /// Another replica uses this replica's key: a copy of it is running, or its disk was lost and
    /// this is what its former life has left. If a copy is running, stop it, and restart this
    /// replica as a new origin (`--new-identity`).
    KeyInUse {
        /// The origin of the other.
        origin: OriginId,
    },
    /// A newer list of members is in force.
    Roster {
        /// Its number.
        number: u64,
        /// The keys that were not on the list before.
        added: Vec<PublicKey>,
        /// The keys that are no longer on it.
        removed: Vec<PublicKey>,
    },
    /// The administrator signed two rosters with one number: from copies of an older roster, or its
    /// key is in somebody else's hands. All members use the same one of the two. Reported once.
    TwoRosters {
        /// The number.
        number: u64,
        /// Both, encoded.
        rosters: Box<[Vec<u8>; 2]>,
    },
    /// There is proof that the holder of a key signed what no honest member signs. Its changes are
    /// taken no longer; what members hold of it is folded. Remove it from the roster.
    Misconduct {
        /// The key.
        key: PublicKey,
    },
    /// The holder of a key signed two bases in one round of statements: it is dishonest, or its
    /// folder was restored from a backup. All members use the same one of the two. If foldings do
    /// not go on, remove the member.
    TwoStatements {
        /// The key.
        key: PublicKey,
    },
    /// An origin has been folded into the base.
    Folded(OriginId),
    /// This replica came too late to fold these origins itself and adopted a peer's base.
    BaseAdopted {
        /// The peer.
        from: PeerId,
        /// The newly folded origins.
        origins: Vec<OriginId>,
    },
    /// This replica made changes that are not in the base that it has just adopted, or only some of
    /// them: they had reached no member when its key was removed. They are gone from its states.
    Missing(Vec<Missing>),
    /// A peer folded the same origins into a different base, so one of the two replicas is broken.
    /// Compare both with a third.
    BaseDiverged {
        /// The peer.
        from: PeerId,
    },
    /// A peer has the same changes, base and ledger as this replica, and no changes of its own that
    /// it has yet to sign.
    InSync {
        /// The peer.
        from: PeerId,
    },
}

/// A key of which an adopted base lacks changes that this replica had made.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Missing {
    /// The key.
    pub key: Box<[u8]>,
    /// How many changes of the key this replica had made in the lives that the base has folded.
    pub changes: u64,
    /// The sum of these changes.
    pub own: Value,
    /// By how much the state was greater before: what is missing. If it is `own`, no member had any
    /// of these changes. If not, some had arrived, or changes of others that this replica lacked
    /// are in the base as well.
    pub delta: Value,
    /// The state since.
    pub state: Value,
}

/// Why something from a peer was refused.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The message has another version of the wire format.
    #[error("wire format {found}, but this replica uses {wanted}: update the older side")]
    Format {
        /// The message's version.
        found: u8,
        /// This replica's version.
        wanted: u8,
    },
    /// The peer was given another layout for the keyspace's values.
    #[error(
        "this member's values have the layout {ours}, but those of the peer {}: configure the \
         layout that the keyspace was founded with on every member; a keyspace of another layout \
         needs a name of its own",
        match .theirs {
            Some(theirs) => format!("have the layout {theirs}"),
            None => "have the default layout, in which all bits of all words xor".to_owned(),
        }
    )]
    Layout {
        /// The layout of this replica.
        ours: String,
        /// That of the peer; `None` if it is the default, of any number of words.
        theirs: Option<String>,
    },
    /// The message is malformed.
    #[error(
        "a malformed message from a member: its program is faulty or of another version; update \
         the older side"
    )]
    Malformed,
    /// Signed with a key that is not on the member list.
    #[error(
        "origin {origin}: key {} is not on the keyspace's member list: add it there if it belongs \
         to a member",
        hex(.key)
    )]
    UnknownKey {
        /// The origin.
        origin: OriginId,
        /// Its key.
        key: PublicKey,
    },
    /// A list of members is not accepted.
    #[error(transparent)]
    Roster(#[from] RosterError),
    /// The signature does not match.
    #[error("origin {origin}: the signature does not match, so the changes were forged or damaged")]
    Forged {
        /// The origin that the changes claim to come from.
        origin: OriginId,
    },
    /// An origin signed two contents for one version of a key.
    #[error(
        "origin {origin} signed two contents as version {version} of one key: it is faulty or \
         dishonest, and its changes are no longer accepted"
    )]
    Equivocation {
        /// The origin.
        origin: OriginId,
        /// The key.
        key: Box<[u8]>,
        /// The version.
        version: u64,
        /// Both signed contents, for anybody to check; `None` in a keyspace without signatures.
        proof: Option<Box<Proof>>,
    },
    /// An origin signed two different frames with one number, as two running copies of a replica
    /// do.
    #[error(
        "origin {origin} signed two different frames with one number: copies of this member are \
         running, or it runs on after a snapshot was restored. Stop the copies, and restart it \
         with --new-identity"
    )]
    Forked {
        /// The origin.
        origin: OriginId,
    },
    /// A record of the ledger does not hold.
    #[error(
        "about key {}: {fault}; the peer's program is faulty or dishonest: update it or remove the \
         member",
        hex(.key)
    )]
    Ledger {
        /// The key that the record is about.
        key: PublicKey,
        /// What is wrong.
        fault: &'static str,
    },
    /// A base that a peer sent is not the certified one.
    #[error(
        "the base of this peer is not the one that all members have signed: it is faulty or \
         dishonest, and another peer is asked"
    )]
    Base,
    /// The origin equivocated earlier.
    #[error("origin {origin} has equivocated, and its changes are no longer accepted")]
    Quarantined {
        /// The origin.
        origin: OriginId,
    },
    /// More lives of one key than a replica keeps.
    #[error(
        "origin {origin}: there are too many lives of its key {} that are not folded; bring back \
         the members that have not signed (see the closings in the status), or remove them or this \
         one",
        hex(.key)
    )]
    TooManyOrigins {
        /// The origin.
        origin: OriginId,
        /// Its key.
        key: PublicKey,
    },
}
