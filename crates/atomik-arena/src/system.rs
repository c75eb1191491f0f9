//! The traits of a replicated system: a [`System`] opens [`Node`]s, which are state machines
//! without a disk, a network or a clock of their own.
//!
//! All compared systems run on one simulated network and disk, so one piece of code counts the
//! messages, bytes, fsyncs and virtual time of all of them. A node does no input or output, reads
//! no clock, and takes all randomness from [`Setup::seed`]. It asks for effects through [`Out`].

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use atomik_workload::content::Content;
use atomik_workload::workload::{Action, Class, Field};

/// Virtual time, in microseconds since the start of a run.
pub type Micros = u64;

/// The index of a node in the cluster.
pub type NodeId = usize;

/// The number of a submitted operation, which is unique in a run.
pub type OpId = u64;

/// What every node of a run knows from the start.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The number of nodes.
    pub nodes: usize,
    /// The seed of all randomness. Nodes mix it with their index.
    pub seed: u64,
    /// The schema of the workload: the classes, widths and universes of its fields.
    pub fields: Arc<[Field]>,
    /// The approximate one-way latency. Systems set their timeouts to multiples of it, as their
    /// authors advise.
    pub latency: Micros,
    /// The approximate duration of an fsync.
    pub fsync: Micros,
    /// The interval of anti-entropy, in systems that compare their nodes periodically.
    pub sync_interval: Micros,
    /// How long a change that could be sent may wait for others, to travel in one message with
    /// them. What a node can acknowledge on its own does not wait.
    pub linger: Micros,
}

/// An operation that a client submits to its node.
#[derive(Clone, Copy, Debug)]
pub struct Submitted<'a> {
    /// Unique in the run, and increasing on each node.
    pub id: OpId,
    /// The key.
    pub key: &'a str,
    /// The index of the field in [`Setup::fields`].
    pub field: u16,
    /// What it does.
    pub action: &'a Action,
}

/// A record to store: its key and its value, or `None` to delete it.
pub type Record = (Vec<u8>, Option<Vec<u8>>);

/// The disk of a node, which outlives crashes.
#[derive(Debug, Default)]
pub struct Storage {
    /// Records by key.
    pub records: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The folder of the node, for systems that keep files.
    pub folder: PathBuf,
}

impl Storage {
    /// Writes and deletes records, in order.
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
    /// Its name, such as `Raft`.
    pub name: &'static str,
    /// The library and its version: `raft 0.7.0`.
    pub library: String,
    /// Its guarantees in a sentence or two: consistency, availability, order.
    pub semantics: &'static str,
    /// How it is configured here, and the source of that advice.
    pub usage: &'static str,
    /// Its machine-checked proofs with their sources, or "none known".
    pub proofs: &'static str,
}

/// A system to compare. It opens the nodes of a run.
pub trait System {
    /// Its description for the report.
    fn describe(&self) -> Description;

    /// Whether the system can express a field. By default it can express every field.
    ///
    /// # Errors
    ///
    /// The reason, in a few words. A run leaves out the operations on such fields and reports them.
    fn expresses(&self, _field: &Field) -> Result<(), String> {
        Ok(())
    }

    /// Opens a node on what its earlier lives left in `storage`. It is called before the run, after
    /// a crash, and at the end to measure how long the node takes to rebuild its state. When it
    /// returns, the node must hold everything that its disk holds.
    ///
    /// # Errors
    ///
    /// Stored bytes that cannot be read.
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

/// A node. After every call the simulator carries out what the node asked for through [`Out`].
pub trait Node {
    /// Clients of this node submit operations at the same moment. The node must acknowledge each
    /// ([`Out::ack`]) exactly once, when it is as durable as the system guarantees. Until then the
    /// node retries by itself for as long as it lives.
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

    /// A message has arrived. It may be late, reordered or a duplicate, and messages before it may
    /// be lost.
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

    /// A wake-up that [`Out::wake`] asked for. The first one, at the start, comes unasked.
    ///
    /// # Errors
    ///
    /// [`SystemError`].
    fn wake(&mut self, now: Micros, out: &mut Out) -> Result<(), SystemError>;

    /// The write with this ticket is durable ([`Out::persist`]). Tickets return in order.
    ///
    /// # Errors
    ///
    /// [`SystemError`].
    fn stored(&mut self, now: Micros, ticket: u64, out: &mut Out) -> Result<(), SystemError>;

    /// The transport has noticed that a peer is reachable again, or no longer. It does not notice
    /// single lost messages. All peers are up at the start.
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

    /// The changes that this node knows, in any encoding: equal bytes on two nodes of a run mean
    /// equal knowledge, and different bytes different knowledge. The simulator asks often, so it
    /// must be cheap.
    fn progress(&self) -> Vec<u8>;

    /// The value that a client reads here, or [`Content::empty`] if nothing was ever written.
    ///
    /// # Errors
    ///
    /// [`SystemError`].
    fn read(&self, key: &str, field: u16) -> Result<Content, SystemError>;

    /// The run is about to end. A node that has kept something back for later sends it now.
    ///
    /// # Errors
    ///
    /// [`SystemError`].
    fn finish(&mut self, _now: Micros, _out: &mut Out) -> Result<(), SystemError> {
        Ok(())
    }

    /// Whether its disk holds, or is about to hold, everything that it knows. The run goes on for a
    /// while until that is so.
    fn is_at_rest(&self) -> bool {
        true
    }

    /// Bytes that [`System::open`] read from storage to rebuild the state.
    fn bytes_read(&self) -> u64;

    /// Bytes of memory outside Rust's allocator, such as those of a C library.
    fn foreign_memory(&self) -> u64 {
        0
    }

    /// Bytes on disk outside [`Storage::records`].
    fn foreign_disk(&self) -> u64 {
        0
    }
}

/// The effects that a node asks for.
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

/// A conflict that a system detects and reports to its user.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Conflict {
    /// The key.
    pub key: String,
    /// The field, if the system knows it.
    pub field: Option<u16>,
}

impl Out {
    /// Sends a message to a peer. It may be lost.
    pub fn send(&mut self, to: NodeId, bytes: impl Into<Arc<[u8]>>) {
        self.sent.push((to, bytes.into()));
    }

    /// Stores records, all or none. [`Node::stored`] reports when they are durable. The disk runs
    /// one fsync at a time, and the next one covers every write that has arrived meanwhile (group
    /// commit).
    ///
    /// The node chooses the tickets, in increasing order.
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

    /// As [`Out::persist`], for a node that has written `bytes` to its own files and waits until
    /// they are durable.
    pub fn persist_files(&mut self, ticket: u64, bytes: u64) {
        self.persisted.push(Persist {
            ticket,
            records: Vec::new(),
            bytes,
        });
    }

    /// Acknowledges an operation to its client.
    pub fn ack(&mut self, id: OpId) {
        self.acknowledged.push(id);
    }

    /// Reports a conflict to the user.
    pub fn report(&mut self, conflict: Conflict) {
        self.conflicts.push(conflict);
    }

    /// Asks for one [`Node::wake`] at that moment, or earlier if an earlier one is due.
    pub fn wake(&mut self, at: Micros) {
        self.wake = Some(self.wake.map_or(at, |before| before.min(at)));
    }
}

/// The classes that a system cannot express, with the reasons.
pub fn inexpressible(system: &dyn System) -> Vec<(Class, String)> {
    let field = |class| Field {
        name: String::new(),
        class,
        longest: 0,
        unset: false,
        universe: None,
    };
    Class::ALL
        .iter()
        .filter_map(|&class| Some((class, system.expresses(&field(class)).err()?)))
        .collect()
}
