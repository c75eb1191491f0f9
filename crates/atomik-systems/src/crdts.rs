//! The CRDTs of the crate `crdts`: one per field of each key, replicated by their operations.
//!
//! | class | CRDT | |
//! |---|---|---|
//! | flag | [`GCounter`] of toggles | the flag is on if their number is odd; toggles commute, so none is lost |
//! | register | [`LWWReg`] | marked by (time, node), with a Lamport clock per register |
//! | counter | [`PNCounter`] | |
//! | set | [`Orswot`] | of an addition and a concurrent removal, the addition wins |
//! | list | [`GList`] | elements carry their author and position, so that equal elements at one place stay distinct |
//! | text | none | |
//!
//! A `set` of a flag or a counter starts an *era*: an [`LWWReg`] holds the value at its start, and
//! toggles and additions count within the era in which they were made. When an era ends, they are
//! overwritten with it. The outcome is therefore always one that some order of the operations
//! explains. To `unset` a field is to set it to false, none or 0, or to remove all elements that
//! are seen; a [`GList`] cannot be unset.

use std::collections::BTreeSet;

use ::crdts::{CmRDT, Dot, GCounter, GList, LWWReg, Orswot, PNCounter, glist, orswot, pncounter};
use foldhash::HashMap;
use foldhash::fast::FixedState;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::causal::Log;
use atomik_arena::system::{
    Description, Micros, Node, NodeId, OpId, Out, Record, Setup, Storage, Submitted, System,
    SystemError, of_field,
};
use atomik_workload::content::Content;
use atomik_workload::workload::{Action, Class, Field, Scalar};

/// The systems of this module.
pub(crate) fn systems() -> Vec<Box<dyn System>> {
    vec![Box::new(Crdts)]
}

/// After this many bytes of stored batches, the changed fields are stored, so that a restart need
/// not apply the batches again.
const CHECKPOINT_BYTES: usize = if cfg!(test) { 500 } else { 128 << 10 };

/// First bytes of the keys of records other than batches.
const VALUE: u8 = b'k';
const COVERED: u8 = b'v';

/// The author of an operation: a node. When its 64-bit counter is full, a node takes the next free
/// number: its own plus a multiple of the cluster size.
type Actor = u32;

/// A Lamport clock, with the node as a tie-breaker.
type Marker = (u64, Actor);

/// An element of a list, with the length of the list and the author when it was appended.
type Element = (u64, Actor, Scalar);

/// The state of one field of one key. Large variants are boxed to keep flags small.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Value {
    Flag {
        start: Option<Box<LWWReg<bool, Marker>>>,
        toggles: GCounter<Actor>,
    },
    Register(LWWReg<Option<Scalar>, Marker>),
    Counter {
        start: Option<Box<LWWReg<i64, Marker>>>,
        sum: PNCounter<Actor>,
    },
    Set(Box<Orswot<Scalar, Actor>>),
    List(GList<Element>),
}

/// An operation in a message.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Change {
    /// A toggle in the era before any `set`.
    Toggle(Dot<Actor>),
    /// A toggle in a later era.
    ToggleSince(Marker, Dot<Actor>),
    /// An addition in the era before any `set`.
    Add(pncounter::Op<Actor>),
    /// An addition in a later era.
    AddSince(Marker, pncounter::Op<Actor>),
    SetFlag(LWWReg<bool, Marker>),
    SetCounter(LWWReg<i64, Marker>),
    SetRegister(LWWReg<Option<Scalar>, Marker>),
    Member(orswot::Op<Scalar, Actor>),
    Append(glist::Op<Element>),
}

impl Change {
    /// Whether `self` makes `earlier` redundant, the preceding change of the same field by the same
    /// node.
    fn covers(&self, earlier: &Self) -> bool {
        match (self, earlier) {
            // A dot counts all of an actor's steps, so the later dot includes the earlier one.
            (Self::Toggle(a), Self::Toggle(b)) => a.actor == b.actor,
            (Self::ToggleSince(s, a), Self::ToggleSince(t, b)) => s == t && a.actor == b.actor,
            (Self::Add(a), Self::Add(b)) => same_count(a, b),
            (Self::AddSince(s, a), Self::AddSince(t, b)) => s == t && same_count(a, b),
            (Self::SetFlag(_), Self::SetFlag(_))
            | (Self::SetCounter(_), Self::SetCounter(_))
            | (Self::SetRegister(_), Self::SetRegister(_)) => true,
            _ => false,
        }
    }
}

fn same_count(a: &pncounter::Op<Actor>, b: &pncounter::Op<Actor>) -> bool {
    a.dot.actor == b.dot.actor
        && matches!(a.dir, pncounter::Dir::Pos) == matches!(b.dir, pncounter::Dir::Pos)
}

fn era<V>(start: Option<&LWWReg<V, Marker>>) -> Marker {
    start.map_or_else(Marker::default, |start| start.marker)
}

/// A marker above all that this node has seen. It is unique, because a node never forgets a marker
/// that it has sent.
fn above(seen: Marker, actor: Actor) -> Marker {
    (seen.0 + 1, actor)
}

impl Value {
    fn new(class: Class) -> Option<Self> {
        Some(match class {
            Class::Flag => Self::Flag {
                start: None,
                toggles: GCounter::new(),
            },
            Class::Register => Self::Register(LWWReg::default()),
            Class::Counter => Self::Counter {
                start: None,
                sum: PNCounter::new(),
            },
            Class::Set => Self::Set(Box::default()),
            Class::List => Self::List(GList::new()),
            Class::Text => return None,
        })
    }

    /// The change that an action makes in this state.
    fn change(&self, action: &Action, node: Actor, nodes: u32) -> Option<Change> {
        Some(match (self, action) {
            (Self::Flag { start, toggles }, Action::Toggle) => {
                let dot = toggles.inc(node);
                match start {
                    None => Change::Toggle(dot),
                    Some(start) => Change::ToggleSince(start.marker, dot),
                }
            }
            (Self::Flag { start, .. }, Action::Set(Scalar::Bool(val))) => Change::SetFlag(LWWReg {
                val: *val,
                marker: above(era(start.as_deref()), node),
            }),
            (Self::Flag { start, .. }, Action::Unset) => Change::SetFlag(LWWReg {
                val: false,
                marker: above(era(start.as_deref()), node),
            }),
            (Self::Counter { start, .. }, Action::Unset) => Change::SetCounter(LWWReg {
                val: 0,
                marker: above(era(start.as_deref()), node),
            }),
            (Self::Register(register), Action::Unset) => Change::SetRegister(LWWReg {
                val: None,
                marker: above(register.marker, node),
            }),
            (Self::Set(set), Action::Unset) => {
                let (elements, seen) = set.read().split();
                Change::Member(set.rm_all(elements, seen.derive_rm_ctx()))
            }
            (Self::Register(register), Action::Set(value)) => Change::SetRegister(LWWReg {
                val: Some(value.clone()),
                marker: above(register.marker, node),
            }),
            (Self::Register(register), Action::Toggle) => Change::SetRegister(LWWReg {
                val: Some(Scalar::Bool(register.val != Some(Scalar::Bool(true)))),
                marker: above(register.marker, node),
            }),
            (Self::Counter { start, sum }, Action::Add(value)) => {
                let steps = value.unsigned_abs();
                let step = |actor, steps| match value {
                    0.. => sum.inc_many(actor, steps),
                    _ => sum.dec_many(actor, steps),
                };
                let mut actor = node;
                // Zero steps return the current count.
                while step(actor, 0).dot.counter.checked_add(steps).is_none() {
                    actor += nodes;
                }
                let op = step(actor, steps);
                match start {
                    None => Change::Add(op),
                    Some(start) => Change::AddSince(start.marker, op),
                }
            }
            (Self::Counter { start, .. }, Action::Set(Scalar::Int(val))) => {
                Change::SetCounter(LWWReg {
                    val: *val,
                    marker: above(era(start.as_deref()), node),
                })
            }
            (Self::Set(set), Action::Insert(value)) => {
                Change::Member(set.add(value.clone(), set.read_ctx().derive_add_ctx(node)))
            }
            (Self::Set(set), Action::Remove(value)) => {
                Change::Member(set.rm(value.clone(), set.contains(value).derive_rm_ctx()))
            }
            (Self::List(list), Action::Append(value)) => {
                let element = (list.len() as u64, node, value.clone());
                Change::Append(list.insert_after(list.last(), element))
            }
            _ => return None,
        })
    }

    /// Delivery is causal: a change's era has begun here, and may be over.
    fn apply(&mut self, change: Change) {
        match (self, change) {
            (Self::Flag { start, toggles }, Change::Toggle(dot)) if start.is_none() => {
                toggles.apply(dot);
            }
            (Self::Flag { start, toggles }, Change::ToggleSince(since, dot))
                if era(start.as_deref()) == since =>
            {
                toggles.apply(dot);
            }
            (Self::Flag { start, toggles }, Change::SetFlag(set)) => {
                if set.marker > era(start.as_deref()) {
                    *toggles = GCounter::new();
                }
                start.get_or_insert_default().apply(set);
            }
            (Self::Counter { start, sum }, Change::Add(op)) if start.is_none() => sum.apply(op),
            (Self::Counter { start, sum }, Change::AddSince(since, op))
                if era(start.as_deref()) == since =>
            {
                sum.apply(op);
            }
            (Self::Counter { start, sum }, Change::SetCounter(set)) => {
                if set.marker > era(start.as_deref()) {
                    *sum = PNCounter::new();
                }
                start.get_or_insert_default().apply(set);
            }
            (Self::Register(register), Change::SetRegister(set)) => register.apply(set),
            (Self::Set(set), Change::Member(op)) => set.apply(op),
            (Self::List(list), Change::Append(op)) => list.apply(op),
            // Changes of an era that is over. All nodes share the schema, so classes never differ.
            _ => {}
        }
    }

    fn content(&self) -> Content {
        match self {
            Self::Flag { start, toggles } => {
                Content::Flag(start.as_ref().is_some_and(|start| start.val) ^ toggles.read().bit(0))
            }
            Self::Register(register) => Content::Register(register.val.clone()),
            Self::Counter { start, sum } => {
                let sum = sum.read();
                let size = sum.iter_u64_digits().next().unwrap_or(0) as i64;
                let sum = if sum < 0.into() {
                    size.wrapping_neg()
                } else {
                    size
                };
                Content::Counter(
                    start
                        .as_ref()
                        .map_or(0, |start| start.val)
                        .wrapping_add(sum),
                )
            }
            Self::Set(set) => Content::Set(set.read().val.into_iter().collect()),
            Self::List(list) => Content::List(
                list.iter()
                    .map(|element| element.value().2.clone())
                    .collect(),
            ),
        }
    }
}

struct Crdts;

impl System for Crdts {
    fn describe(&self) -> Description {
        Description {
            name: "CRDT",
            library: "crdts 7.3.2".into(),
            semantics: "\
                Strong eventual consistency: a node acknowledges on its own, and nodes that have \
                applied the same updates have the same state. Concurrent toggles, additions and \
                insertions all count; of an insertion and a concurrent removal, the insertion \
                wins; of two writes of one register, the later by Lamport clock wins, and the \
                other is lost without notice.",
            usage: "\
                Flags are GCounters of toggles (parity), registers LWWReg, counters PNCounter, \
                sets Orswot with contexts derived from the read (crate README, `Good way to \
                interact with CRDT's`), lists GList. Op-based: the operations of a node are \
                delivered in its order (docs of `CmRDT::Op`) and causally (docs of module `list`: \
                `use a causality barrier`), by a log with version vectors, retransmission and \
                truncation. Operations that a later one of the same batch makes redundant are not \
                sent; with a linger, a message carries all batches that were stored meanwhile. \
                LWWReg markers are (Lamport time, node), because `M` must grow and be unique \
                and wall-clock time diverges (docs of `LWWReg`). Batches are stored before they \
                are sent; after every 128 KiB of batches the changed fields are stored.",
            proofs: "\
                Of such types: strong eventual consistency in Isabelle (Gomes et al., OOPSLA \
                2017); other implementations in F* (Peepul; Soundarapandian et al., PLDI 2022). \
                Of this crate: none known. The crate has quickcheck properties \
                (test/{orswot,map,mvreg,list,glist}.rs, \
                src/{lwwreg,pncounter,identifier,vclock}.rs): merges and operations commute, \
                associate and are idempotent.",
        }
    }

    fn expresses(&self, field: &Field) -> Result<(), String> {
        match Value::new(field.class) {
            Some(Value::List(_)) if field.unset => {
                Err("a GList only grows, and the list is unset".into())
            }
            Some(_) => Ok(()),
            None => Err("\
                 crdts has no text type: its List walks from the front to find a position, and \
                 gives every character an identifier that grows with each insertion at one place"
                .into()),
        }
    }

    fn open(
        &self,
        setup: &Setup,
        node: NodeId,
        storage: &Storage,
    ) -> Result<Box<dyn Node>, SystemError> {
        let mut covered = vec![0; setup.nodes];
        let mut values = Values::default();
        let mut bytes_read = 0;
        for (key, value) in &storage.records {
            bytes_read += (key.len() + value.len()) as u64;
            let broken = |error| SystemError::failed("reading a stored field", error);
            match key.split_first() {
                Some((&COVERED, _)) => covered = postcard::from_bytes(value).map_err(broken)?,
                Some((&VALUE, [high, low, name @ ..])) => {
                    let name = std::str::from_utf8(name)
                        .map_err(|error| SystemError::failed("reading a stored key", error))?;
                    let field = u16::from_be_bytes([*high, *low]);
                    let value = postcard::from_bytes(value).map_err(broken)?;
                    values.put(name, field, value);
                }
                _ => {}
            }
        }
        let batches = storage.records.iter().filter(|(key, _)| Log::is_batch(key));
        let tail = batches
            .clone()
            .map(|(key, value)| key.len() + value.len())
            .sum();
        let (log, delivered) = Log::open(setup, node, &covered, batches)?;
        let mut replica = Replica {
            setup: setup.clone(),
            node: node as Actor,
            log,
            values,
            deleted: covered.clone(),
            dirty: BTreeSet::new(),
            tail,
            pending: Vec::new(),
            last: HashMap::default(),
            submitted: Vec::new(),
            writing: None,
            ticket: 0,
            bytes_read,
        };
        // Deletion of batches resumes at the first existing one.
        for (origin, deleted) in replica.deleted.iter_mut().enumerate() {
            let first = storage.records.range(Log::key(origin, 0)..).next();
            if let Some((key, _)) = first
                && let Some(number) = Log::number(key, origin)
            {
                *deleted = number - 1;
            }
        }
        for batch in delivered {
            replica.take(&batch)?;
        }
        Ok(Box::new(replica))
    }
}

/// The values of all fields of all keys, in the order in which keys first appeared.
#[derive(Debug, Default)]
struct Values(IndexMap<Box<str>, Vec<(u16, Value)>, FixedState>);

impl Values {
    fn get(&self, key: &str, field: u16) -> Option<&Value> {
        let fields = self.0.get(key)?;
        let place = fields.binary_search_by_key(&field, |(field, _)| *field);
        place.ok().map(|place| &fields[place].1)
    }

    /// The value, created if it does not exist, and the index of its key.
    fn entry(&mut self, key: &str, field: u16, class: Class) -> Option<(usize, &mut Value)> {
        let index = match self.0.get_index_of(key) {
            Some(index) => index,
            None => self.0.insert_full(key.into(), Vec::with_capacity(1)).0,
        };
        let fields = &mut self.0[index];
        let place = match fields.binary_search_by_key(&field, |(field, _)| *field) {
            Ok(place) => place,
            Err(place) => {
                fields.insert(place, (field, Value::new(class)?));
                place
            }
        };
        Some((index, &mut fields[place].1))
    }

    fn put(&mut self, key: &str, field: u16, value: Value) {
        let fields = self.0.entry(key.into()).or_default();
        match fields.binary_search_by_key(&field, |(field, _)| *field) {
            Ok(place) => fields[place].1 = value,
            Err(place) => fields.insert(place, (field, value)),
        }
    }
}

/// The flush in progress.
struct Writing {
    ticket: u64,
    /// The version vector delivered at that time.
    vector: Vec<u64>,
    acknowledged: Vec<OpId>,
}

struct Replica {
    setup: Setup,
    node: Actor,
    log: Log,
    values: Values,
    /// Batches up to these numbers have no record any more.
    deleted: Vec<u64>,
    /// Fields changed since they were last stored: index of the key, field.
    dirty: BTreeSet<(usize, u16)>,
    /// Bytes of batches since fields were last stored.
    tail: usize,
    /// Local changes not yet in a batch: key, field, change.
    pending: Vec<(usize, u16, Change)>,
    /// The index of the latest of these for each field.
    last: HashMap<(usize, u16), usize>,
    /// The operations that made them.
    submitted: Vec<OpId>,
    writing: Option<Writing>,
    ticket: u64,
    bytes_read: u64,
}

impl Replica {
    /// Applies another node's batch.
    fn take(&mut self, payload: &[u8]) -> Result<(), SystemError> {
        let changes: Vec<(&str, u16, Change)> = postcard::from_bytes(payload)
            .map_err(|error| SystemError::failed("reading operations", error))?;
        for (key, field, change) in changes {
            let class = self.class(field)?;
            if let Some((index, value)) = self.values.entry(key, field, class) {
                value.apply(change);
                self.dirty.insert((index, field));
            }
        }
        Ok(())
    }

    fn class(&self, field: u16) -> Result<Class, SystemError> {
        of_field(&self.setup.fields, field).map(|field| field.class)
    }

    /// Stores everything pending, unless the disk is busy: one batch per fsync.
    fn flush(&mut self, out: &mut Out) -> Result<(), SystemError> {
        if self.writing.is_some() {
            return Ok(());
        }
        if !self.pending.is_empty() {
            let changes: Vec<(&str, u16, &Change)> = self
                .pending
                .iter()
                .filter_map(|(index, field, change)| {
                    let (key, _) = self.values.0.get_index(*index)?;
                    Some((&**key, *field, change))
                })
                .collect();
            let payload = postcard::to_allocvec(&changes)
                .map_err(|error| SystemError::failed("encoding operations", error))?;
            self.log.append(&payload)?;
            self.pending.clear();
            self.last.clear();
        }
        if !self.log.is_dirty() {
            return Ok(());
        }
        let mut records = self.log.flush();
        let vector = self.log.vector();
        self.tail += records
            .iter()
            .map(|(key, value)| key.len() + value.as_ref().map_or(0, Vec::len))
            .sum::<usize>();
        if self.tail >= CHECKPOINT_BYTES {
            self.checkpoint(&vector, &mut records)?;
        }
        self.ticket += 1;
        out.persist(self.ticket, records);
        self.writing = Some(Writing {
            ticket: self.ticket,
            vector,
            acknowledged: std::mem::take(&mut self.submitted),
        });
        Ok(())
    }

    /// Adds records of the changed fields, and removes batches that no node needs any more.
    fn checkpoint(&mut self, vector: &[u64], records: &mut Vec<Record>) -> Result<(), SystemError> {
        for (index, field) in std::mem::take(&mut self.dirty) {
            let Some((key, value)) = self
                .values
                .0
                .get_index(index)
                .and_then(|(key, _)| Some((key, self.values.get(key, field)?)))
            else {
                continue;
            };
            let mut name = vec![VALUE];
            name.extend_from_slice(&field.to_be_bytes());
            name.extend_from_slice(key.as_bytes());
            let value = postcard::to_allocvec(value)
                .map_err(|error| SystemError::failed("encoding a field", error))?;
            records.push((name, Some(value)));
        }
        let covered = postcard::to_allocvec(vector)
            .map_err(|error| SystemError::failed("encoding a version vector", error))?;
        records.push((vec![COVERED], Some(covered)));
        for (origin, held) in self.log.held_by_all().into_iter().enumerate() {
            for number in self.deleted[origin] + 1..=held {
                records.push((Log::key(origin, number), None));
            }
            self.deleted[origin] = held.max(self.deleted[origin]);
        }
        self.tail = 0;
        Ok(())
    }
}

impl Node for Replica {
    fn submit(
        &mut self,
        _: Micros,
        ops: &[Submitted<'_>],
        out: &mut Out,
    ) -> Result<(), SystemError> {
        for op in ops {
            let class = self.class(op.field)?;
            let nodes = self.setup.nodes as u32;
            let Some((index, value)) = self.values.entry(op.key, op.field, class) else {
                return Err(SystemError::invariant(format!(
                    "field {} is not expressible",
                    op.field
                )));
            };
            let Some(change) = value.change(op.action, self.node, nodes) else {
                return Err(SystemError::inapplicable(op.action, class));
            };
            value.apply(change.clone());
            self.dirty.insert((index, op.field));
            let next = self.pending.len();
            let last = self.last.entry((index, op.field)).or_insert(next);
            match self.pending.get_mut(*last) {
                Some((_, _, earlier)) if change.covers(earlier) => *earlier = change,
                _ => {
                    *last = next;
                    self.pending.push((index, op.field, change));
                }
            }
            self.submitted.push(op.id);
        }
        self.flush(out)
    }

    fn receive(
        &mut self,
        now: Micros,
        from: NodeId,
        bytes: &[u8],
        out: &mut Out,
    ) -> Result<(), SystemError> {
        for batch in self.log.receive(now, from, bytes, out)? {
            self.take(&batch)?;
        }
        self.flush(out)
    }

    fn wake(&mut self, now: Micros, out: &mut Out) -> Result<(), SystemError> {
        self.log.wake(now, out)
    }

    fn stored(&mut self, now: Micros, ticket: u64, out: &mut Out) -> Result<(), SystemError> {
        if let Some(writing) = self.writing.take_if(|writing| writing.ticket == ticket) {
            self.log.stored(now, &writing.vector, out)?;
            for id in writing.acknowledged {
                out.ack(id);
            }
        }
        self.flush(out)
    }

    fn link(
        &mut self,
        _: Micros,
        peer: NodeId,
        up: bool,
        out: &mut Out,
    ) -> Result<(), SystemError> {
        self.log.link(peer, up, out)
    }

    fn progress(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = self
            .log
            .vector()
            .into_iter()
            .flat_map(u64::to_le_bytes)
            .collect();
        // Changes not in a batch yet exist on this node only.
        if !self.pending.is_empty() {
            bytes.extend_from_slice(&self.node.to_le_bytes());
            bytes.extend_from_slice(&(self.pending.len() as u64).to_le_bytes());
        }
        bytes
    }

    fn read(&self, key: &str, field: u16) -> Result<Content, SystemError> {
        let class = self.class(field)?;
        Ok(self
            .values
            .get(key, field)
            .map_or_else(|| Content::empty(class), Value::content))
    }

    fn bytes_read(&self) -> u64 {
        self.bytes_read
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::adversary::{
        ALL, Draws, Faults, LATENCY, Run, all_counts, converges, sequential, setup,
    };

    const CLASSES: [Class; 5] = [
        Class::Flag,
        Class::Register,
        Class::Counter,
        Class::Set,
        Class::List,
    ];

    #[test]
    fn acknowledged_operations_count_once() {
        all_counts(&Crdts, &CLASSES, 0..40, ALL);
        let no_crash = Faults { crash: 0, ..ALL };
        all_counts(&Crdts, &CLASSES, 40..80, no_crash);
    }

    #[test]
    fn nodes_become_the_same() {
        converges(&Crdts, &CLASSES, 100..160);
    }

    #[test]
    fn in_sequence_operations_mean_what_traces_mean() {
        sequential(&Crdts, &CLASSES, 200..210);
    }

    #[test]
    fn the_last_insertion_of_an_element_stays() {
        let mut judged = 0;
        for seed in 300..340 {
            let mut run = Run::new(&Crdts, &[Class::Set], 3, seed);
            run.chaos(60, ALL, false);
            for ((key, field), content) in run.contents() {
                let Content::Set(elements) = content else {
                    panic!("{content:?}");
                };
                for element in (0..4).map(Scalar::Int) {
                    let last = run.on(&key, field).rfind(|(_, _, action)| {
                        let (Action::Insert(of) | Action::Remove(of)) = action else {
                            return false;
                        };
                        *of == element
                    });
                    // No removal can have seen it.
                    if let Some((id, _, Action::Insert(_))) = last
                        && run.acknowledged.contains(&id)
                    {
                        assert!(
                            elements.contains(&element),
                            "seed {seed}: {element} of {key}"
                        );
                        judged += 1;
                    }
                }
            }
        }
        assert!(judged > 0);
    }

    /// What [`Log`] delivered to one node, according to the payloads: the number of batches of each
    /// origin.
    struct Reader {
        log: Log,
        delivered: Vec<u64>,
    }

    impl Reader {
        fn new(setup: &Setup, node: NodeId) -> Self {
            Self {
                log: Log::new(setup, node),
                delivered: vec![0; setup.nodes],
            }
        }

        /// The payload states what its origin had delivered, including itself.
        fn append(&mut self, node: NodeId) {
            self.delivered[node] += 1;
            let payload = postcard::to_allocvec(&(node, &self.delivered)).unwrap();
            self.log.append(&payload).unwrap();
        }

        fn receive(&mut self, now: Micros, from: NodeId, bytes: &[u8], out: &mut Out) {
            for payload in self.log.receive(now, from, bytes, out).unwrap() {
                let (origin, had): (NodeId, Vec<u64>) = postcard::from_bytes(&payload).unwrap();
                self.delivered[origin] += 1;
                assert_eq!(
                    self.delivered[origin], had[origin],
                    "the next of its origin"
                );
                for (mine, theirs) in self.delivered.iter().zip(had) {
                    assert!(*mine >= theirs, "after what its origin had");
                }
            }
        }

        /// Stores everything pending immediately.
        fn sync(&mut self, now: Micros, out: &mut Out) {
            let vector = self.log.vector();
            self.log.flush();
            self.log.stored(now, &vector, out).unwrap();
            assert_eq!(vector, self.delivered);
        }
    }

    #[test]
    fn batches_are_delivered_once_and_after_what_their_origin_had() {
        for seed in 0..40 {
            let setup = setup(&[], 4, seed);
            let mut draws = Draws::new(seed);
            let mut nodes: Vec<_> = (0..4).map(|node| Reader::new(&setup, node)).collect();
            let mut flying: Vec<(NodeId, NodeId, Arc<[u8]>)> = Vec::new();
            let mut now = 0;
            for step in 0.. {
                let calm = step > 400;
                let node = draws.below(4);
                let mut out = Out::default();
                now += draws.below(200) as Micros;
                match draws.below(4) {
                    0 if !calm => nodes[node].append(node),
                    1 => nodes[node].log.wake(now, &mut out).unwrap(),
                    _ if flying.is_empty() => {}
                    _ => {
                        let place = draws.below(flying.len());
                        let (from, to, bytes) = flying[place].clone();
                        if calm || !draws.chance(200) {
                            flying.swap_remove(place);
                        }
                        if calm || !draws.chance(200) {
                            nodes[to].receive(now, from, &bytes, &mut out);
                            nodes[to].sync(now, &mut out);
                        }
                        flying.extend(out.sent.drain(..).map(|(peer, bytes)| (to, peer, bytes)));
                    }
                }
                nodes[node].sync(now, &mut out);
                flying.extend(out.sent.drain(..).map(|(to, bytes)| (node, to, bytes)));
                if calm
                    && nodes
                        .iter()
                        .all(|other| other.delivered == nodes[0].delivered)
                {
                    break;
                }
                assert!(step < 100_000, "seed {seed}: no end");
            }
            assert!(nodes[0].delivered.iter().sum::<u64>() > 50);
        }
    }

    #[test]
    fn what_is_missing_is_asked_for_when_it_can_be_late_no_longer() {
        // Without a linger, as with every even seed.
        let setup = setup(&[], 2, 2);
        let [mut zero, mut one] = [0, 1].map(|node| Reader::new(&setup, node));
        let mut out = Out::default();
        for _ in 0..2 {
            zero.append(0);
            zero.sync(0, &mut out);
        }
        let (_, second) = out.sent.pop().unwrap();
        let mut out = Out::default();
        let now = LATENCY;
        one.receive(now, 0, &second, &mut out);
        assert_eq!(one.delivered, [0, 0]);
        assert!(out.sent.is_empty(), "it may be on its way");
        let at = out.wake.unwrap();
        assert_eq!(at, now + 2 * LATENCY);
        one.log.wake(at, &mut out).unwrap();
        let mut answer = Out::default();
        for (to, bytes) in out.sent {
            assert_eq!(to, 0);
            zero.receive(at + LATENCY, 1, &bytes, &mut answer);
        }
        for (_, bytes) in answer.sent {
            one.receive(at + 2 * LATENCY, 0, &bytes, &mut Out::default());
        }
        assert_eq!(one.delivered, [2, 0]);
    }
}
