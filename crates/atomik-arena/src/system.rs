//! What a replicated system looks like to the simulator: a state machine with a disk, a network and
//! a clock that are not its own.
//!
//! All columns of the comparison are [`Node`]s under one simulated network and one simulated
//! disk, so messages, bytes, fsyncs and virtual time are counted by one piece of code and in the
//! same way for all. A system does no input or output, reads no clock and draws nothing at random
//! but from [`Setup::seed`]; what it wants done it says to [`Out`].

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use atomik_workload::content::Content;
use atomik_workload::workload::{Action, Class, Field};

/// Virtual time, in microseconds since the start of a run.
pub type Micros = u64;

/// A node of the cluster, from 0.
pub type NodeId = usize;

/// A client's operation: its place among all that were handed over in the run, so unique in it.
pub type OpId = u64;

/// What every node of a run knows from the start.
#[derive(Clone, Debug)]
pub struct Setup {
    /// How many nodes there are.
    pub nodes: usize,
    /// Where all randomness comes from. Systems mix it with their node's number.
    pub seed: u64,
    /// The fields of the workload: their classes, widths and universes, as a schema would have
    /// them.
    pub fields: Arc<[Field]>,
    /// How long a message takes from node to node, about: half a round trip. Timeouts are set in
    /// multiples of it, as each system's authors advise.
    pub latency: Micros,
    /// How long an fsync takes, about.
    pub fsync: Micros,
    /// How often a system may expect to be asked to compare itself with its peers where it does
    /// that periodically.
    pub sync_interval: Micros,
}

/// An operation that a client hands to its node.
#[derive(Clone, Copy, Debug)]
pub struct Submitted<'a> {
    /// Unique in the run; in increasing order at each node.
    pub id: OpId,
    /// The key.
    pub key: &'a str,
    /// The field's place in [`Setup::fields`].
    pub field: u16,
    /// What to do.
    pub action: &'a Action,
}

/// A stored record: key, and value or, to delete it, `None`.
pub type Record = (Vec<u8>, Option<Vec<u8>>);

/// What outlives a crash of a node.
#[derive(Debug, Default)]
pub struct Storage {
    /// Records, in order of their keys.
    pub records: BTreeMap<Vec<u8>, Vec<u8>>,
    /// A folder of the node's own, for systems that keep files; the same one over all its lives.
    pub folder: PathBuf,
}

impl Storage {
    /// Writes and deletes records, in their order.
    pub fn store(&mut self, records: impl IntoIterator<Item = Record>) {
        for (key, value) in records {
            match value {
                Some(value) => self.records.insert(key, value),
                None => self.records.remove(&key),
            };
        }
    }
}

/// How a system describes itself in the report.
#[derive(Clone, Debug, Serialize)]
pub struct Description {
    /// The column's name, such as `Raft`.
    pub name: &'static str,
    /// What runs, with version: `raft 0.7.0`.
    pub library: String,
    /// What it promises, in a sentence or two: consistency, availability, order.
    pub semantics: &'static str,
    /// How it is used here, and where its authors advise that, with the source's name.
    pub usage: &'static str,
    /// What of it is machine-checked, by whom, with the source's name; "none known" where none was
    /// found.
    pub proofs: &'static str,
}

/// A column: makes the nodes of a run.
pub trait System {
    /// How it describes itself.
    fn describe(&self) -> Description;

    /// Whether a field of this kind can be expressed. Every one, if a column does not say
    /// otherwise.
    ///
    /// # Errors
    ///
    /// Why not, in a few words. Operations on such fields are left out of this column, and it says
    /// so.
    fn expresses(&self, _field: &Field) -> Result<(), String> {
        Ok(())
    }

    /// Starts node `node`, with what its earlier lives left in `storage`. Called before the run,
    /// after a crash, and at the end to measure how long it takes to have the state back; it must
    /// have it all back when it returns, as far as the node's own disk goes.
    ///
    /// # Errors
    ///
    /// When the stored bytes cannot be read.
    fn open(
        &self,
        setup: &Setup,
        node: NodeId,
        storage: &Storage,
    ) -> Result<Box<dyn Node>, SystemError>;
}

/// A bug of a system or of its adapter. It ends the run.
#[derive(Debug, thiserror::Error)]
pub enum SystemError {
    /// A library, a codec or the file system refused an operation.
    #[error("{doing}: {source}")]
    Failed {
        /// What was attempted.
        doing: &'static str,
        /// Why it failed.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An operation names a field that the schema does not have.
    #[error("field {field} is not in the schema")]
    UnknownField {
        /// The field's index.
        field: u16,
    },
    /// An operation does not apply to the class of its field.
    #[error("{op} does not apply to a {class}")]
    Inapplicable {
        /// The operation's name.
        op: &'static str,
        /// The field's class.
        class: Class,
    },
    /// A node acknowledged an operation that is not pending on it.
    #[error("node {node} acknowledges operation {op}, which is not pending on it")]
    UnexpectedAck {
        /// The node.
        node: NodeId,
        /// The operation.
        op: OpId,
    },
    /// A node sent a message to itself or to a node that does not exist.
    #[error("node {from} sends a message to node {to}")]
    BadDestination {
        /// The sender.
        from: NodeId,
        /// The destination.
        to: NodeId,
    },
    /// Two nodes report the same progress but hold different values.
    #[error(
        "nodes 0 and {node} report the same progress but differ in {place}: {first} and {other}"
    )]
    Diverged {
        /// The node that differs from node 0.
        node: NodeId,
        /// The key and the field.
        place: String,
        /// The value on node 0.
        first: String,
        /// The value on the other node.
        other: String,
    },
    /// A node that was reopened from its storage does not hold what it held before.
    #[error("node {node}, reopened from its storage, has {after} in {place} instead of {before}")]
    NotDurable {
        /// The node.
        node: NodeId,
        /// The key and the field.
        place: String,
        /// The value before.
        before: String,
        /// The value after reopening.
        after: String,
    },
    /// The stored data, a message or the state contradicts the system's own protocol.
    #[error("{what}")]
    Invariant {
        /// The contradiction.
        what: String,
    },
    /// A run of a named system failed.
    #[error("{name}, seed {seed}: {source}")]
    Run {
        /// The system.
        name: &'static str,
        /// The seed of the run.
        seed: u64,
        /// What failed.
        source: Box<SystemError>,
    },
}

impl SystemError {
    /// Wraps any error, with what was attempted.
    pub fn failed(
        doing: &'static str,
        error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Failed {
            doing,
            source: error.into(),
        }
    }

    /// A contradiction to the system's protocol.
    pub fn invariant(what: impl Into<String>) -> Self {
        Self::Invariant { what: what.into() }
    }

    /// An operation that does not apply to the class of its field.
    pub fn inapplicable(action: &Action, class: Class) -> Self {
        Self::Inapplicable {
            op: action.name(),
            class,
        }
    }
}

/// The entry of a schema-ordered list that belongs to a field.
///
/// # Errors
///
/// [`SystemError::UnknownField`].
pub fn of_field<T>(all: &[T], field: u16) -> Result<&T, SystemError> {
    all.get(usize::from(field))
        .ok_or(SystemError::UnknownField { field })
}

/// A node. After every call the simulator does what [`Out`] was told.
pub trait Node {
    /// Clients of this node submit operations, all at the same moment. Each must be acknowledged
    /// ([`Out::ack`]) exactly once, when it is durable as far as this system promises; until then
    /// the system tries again by itself, for as long as the node lives.
    ///
    /// # Errors
    ///
    /// [`SystemError`].
    fn submit(
        &mut self,
        now: Micros,
        ops: &[Submitted<'_>],
        out: &mut Out,
    ) -> Result<(), SystemError>;

    /// A message has come. It may be late, out of order, the second of its kind, or the first after
    /// a lost one.
    ///
    /// # Errors
    ///
    /// [`SystemError`].
    fn receive(
        &mut self,
        now: Micros,
        from: NodeId,
        bytes: &[u8],
        out: &mut Out,
    ) -> Result<(), SystemError>;

    /// A moment that [`Out::wake`] asked for has come. The first call comes at the start, without
    /// having been asked for.
    ///
    /// # Errors
    ///
    /// [`SystemError`].
    fn wake(&mut self, now: Micros, out: &mut Out) -> Result<(), SystemError>;

    /// What [`Out::persist`] was given under this ticket is durable. Tickets come back in order.
    ///
    /// # Errors
    ///
    /// [`SystemError`].
    fn stored(&mut self, now: Micros, ticket: u64, out: &mut Out) -> Result<(), SystemError>;

    /// The transport has noticed that a peer can be reached again, or not any more. Single lost
    /// messages are not noticed. All peers are up at the start.
    ///
    /// # Errors
    ///
    /// [`SystemError`].
    fn link(
        &mut self,
        now: Micros,
        peer: NodeId,
        up: bool,
        out: &mut Out,
    ) -> Result<(), SystemError> {
        let _ = (now, peer, up, out);
        Ok(())
    }

    /// What this node knows of the changes of all nodes, in any form: two nodes of one run that
    /// know the same have equal bytes, and two that do not have different ones. Cheap, because it
    /// is asked for often.
    fn progress(&self) -> Vec<u8>;

    /// What a client that reads here sees in a field of a key; as [`Content::empty`] if nothing was
    /// ever written.
    ///
    /// # Errors
    ///
    /// [`SystemError`].
    fn read(&self, key: &str, field: u16) -> Result<Content, SystemError>;

    /// Bytes that [`System::open`] read from storage to have the state back.
    fn bytes_read(&self) -> u64;

    /// Bytes of its memory that Rust's allocator does not know of, such as those of a C library.
    fn foreign_memory(&self) -> u64 {
        0
    }

    /// Bytes on disk that are not in [`Storage::records`].
    fn foreign_disk(&self) -> u64 {
        0
    }
}

/// What a node wants done.
#[derive(Debug, Default)]
pub struct Out {
    /// Messages to send, with their destinations.
    pub sent: Vec<(NodeId, Arc<[u8]>)>,
    /// Writes to make durable.
    pub persisted: Vec<Persist>,
    /// Operations to acknowledge to their clients.
    pub acknowledged: Vec<OpId>,
    /// Conflicts to report to the user.
    pub conflicts: Vec<Conflict>,
    /// The earliest requested wake-up.
    pub wake: Option<Micros>,
}

/// A write that a node wants to be durable.
#[derive(Debug)]
pub struct Persist {
    /// The node's name for the write.
    pub ticket: u64,
    /// Records to store, all or none.
    pub records: Vec<Record>,
    /// Bytes written.
    pub bytes: u64,
}

/// A conflict that a system noticed by itself and would tell its user.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Conflict {
    /// The key.
    pub key: String,
    /// The field, if it is known.
    pub field: Option<u16>,
}

impl Out {
    /// Sends a message to a peer. It may be lost.
    pub fn send(&mut self, to: NodeId, bytes: impl Into<Arc<[u8]>>) {
        self.sent.push((to, bytes.into()));
    }

    /// Stores records, all or none; [`Node::stored`] says when they are durable. The disk works
    /// at one fsync at a time and takes all that has come meanwhile into the next (group commit).
    ///
    /// Tickets are the system's own, in increasing order.
    pub fn persist(&mut self, ticket: u64, records: Vec<Record>) {
        let bytes = records
            .iter()
            .map(|(key, value)| key.len() + value.as_ref().map_or(0, Vec::len))
            .sum::<usize>() as u64;
        self.persisted.push(Persist {
            ticket,
            records,
            bytes,
        });
    }

    /// As [`Out::persist`] for a system that has written its own files, `bytes` of them, and waits
    /// for them to be durable.
    pub fn persist_files(&mut self, ticket: u64, bytes: u64) {
        self.persisted.push(Persist {
            ticket,
            records: Vec::new(),
            bytes,
        });
    }

    /// Tells the client that its operation is done.
    pub fn ack(&mut self, id: OpId) {
        self.acknowledged.push(id);
    }

    /// Reports a conflict to the user.
    pub fn report(&mut self, conflict: Conflict) {
        self.conflicts.push(conflict);
    }

    /// Asks for [`Node::wake`] at that moment, or at an earlier one that was asked for before;
    /// once.
    pub fn wake(&mut self, at: Micros) {
        self.wake = Some(self.wake.map_or(at, |before| before.min(at)));
    }
}

/// The classes that a column cannot express at all, for tests and tables.
pub fn inexpressible(system: &dyn System) -> Vec<(Class, String)> {
    let field = |class| Field {
        name: String::new(),
        class,
        longest: 0,
        universe: None,
    };
    Class::ALL
        .iter()
        .filter_map(|&class| Some((class, system.expresses(&field(class)).err()?)))
        .collect()
}
