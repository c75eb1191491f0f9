//! What a replicated system looks like to the simulator: a state machine with a disk, a network and
//! a clock that are not its own.
//!
//! All columns of the comparison are [`System`]s under one simulated network and one simulated
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
pub trait Kind {
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
    ) -> Result<Box<dyn System>, Broken>;
}

/// Something that can only be a bug, of the system or its adapter. Ends the run with a message.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Broken(pub String);

impl Broken {
    /// From any error, with what was tried.
    pub fn new(doing: &str, error: impl std::fmt::Display) -> Self {
        Self(format!("{doing}: {error}"))
    }
}

/// What there is for each field of the schema, for one of them.
pub fn of_field<T>(all: &[T], field: u16) -> Result<&T, Broken> {
    all.get(usize::from(field))
        .ok_or_else(|| Broken(format!("field {field} is not in the schema")))
}

/// A node. After every call the simulator does what [`Out`] was told.
pub trait System {
    /// Clients of this node submit operations, all at the same moment. Each must be acknowledged
    /// ([`Out::ack`]) exactly once, when it is durable as far as this system promises; until then
    /// the system tries again by itself, for as long as the node lives.
    ///
    /// # Errors
    ///
    /// [`Broken`].
    fn submit(&mut self, now: Micros, ops: &[Submitted<'_>], out: &mut Out) -> Result<(), Broken>;

    /// A message has come. It may be late, out of order, the second of its kind, or the first after
    /// a lost one.
    ///
    /// # Errors
    ///
    /// [`Broken`].
    fn receive(
        &mut self,
        now: Micros,
        from: NodeId,
        bytes: &[u8],
        out: &mut Out,
    ) -> Result<(), Broken>;

    /// A moment that [`Out::wake`] asked for has come. The first call comes at the start, without
    /// having been asked for.
    ///
    /// # Errors
    ///
    /// [`Broken`].
    fn wake(&mut self, now: Micros, out: &mut Out) -> Result<(), Broken>;

    /// What [`Out::persist`] was given under this ticket is durable. Tickets come back in order.
    ///
    /// # Errors
    ///
    /// [`Broken`].
    fn stored(&mut self, now: Micros, ticket: u64, out: &mut Out) -> Result<(), Broken>;

    /// The transport has noticed that a peer can be reached again, or not any more. Single lost
    /// messages are not noticed. All peers are up at the start.
    ///
    /// # Errors
    ///
    /// [`Broken`].
    fn link(&mut self, now: Micros, peer: NodeId, up: bool, out: &mut Out) -> Result<(), Broken> {
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
    /// [`Broken`].
    fn read(&self, key: &str, field: u16) -> Result<Content, Broken>;

    /// Bytes that [`Kind::open`] read from storage to have the state back.
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

    /// Stores records, all or none; [`System::stored`] says when they are durable. The disk works
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

    /// Asks for [`System::wake`] at that moment, or at an earlier one that was asked for before;
    /// once.
    pub fn wake(&mut self, at: Micros) {
        self.wake = Some(self.wake.map_or(at, |before| before.min(at)));
    }
}

/// The classes that a column cannot express at all, for tests and tables.
pub fn inexpressible(kind: &dyn Kind) -> Vec<(Class, String)> {
    let field = |class| Field {
        name: String::new(),
        class,
        longest: 0,
        universe: None,
    };
    Class::ALL
        .iter()
        .filter_map(|&class| Some((class, kind.expresses(&field(class)).err()?)))
        .collect()
}
