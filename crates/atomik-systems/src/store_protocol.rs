//! The protocol that the event-sourcing systems share: node 0 is the primary, which orders and
//! stores events; the other nodes are its clients and subscribers.
//!
//! Clients append through a pipeline: many operations are in flight, in order, and are
//! retransmitted until they are acknowledged. Each batch names the operation before its first, so
//! that the primary appends in the client's order whatever the network does, and recognises by each
//! client's last appended operation what it already has. The primary commits one transaction at a
//! time; operations that arrive meanwhile go into the next. Once an fsync has made a transaction
//! durable, and not earlier, its events are pushed to every subscriber and its clients receive
//! their acknowledgements. With a linger, the push to those that have nothing to be acknowledged
//! waits for the events of later transactions.
//!
//! Subscriptions are catch-up subscriptions: all state is the subscriber's. It knows the position
//! up to which it has everything, reads what it lacks in bounded batches, keeps a bounded number of
//! pushed events that arrived too early, and polls for more from time to time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use foldhash::fast::FixedState;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::linger::Linger;
use atomik_arena::system::{
    Micros, Node, NodeId, OpId, Out, Setup, Submitted, SystemError, of_field,
};
use atomik_workload::content::Content;
use atomik_workload::workload::{Action, Class, Field};

/// The node that hosts the store.
pub(super) const PRIMARY: NodeId = 0;
/// Events or operations per message: the default read batch of EventStoreDB's catch-up
/// subscriptions.
const BATCH: usize = 500;
/// A message takes no more keys and actions beyond this many bytes.
const BATCH_BYTES: usize = 60_000;
/// Events or operations in flight to one node: the largest read of EventStoreDB's clients.
const WINDOW: usize = 4096;
/// Pushed events that a subscriber keeps while it waits for their predecessors, as many as
/// EventStoreDB's clients keep.
const LIVE_QUEUE: usize = 10_000;
/// Batches of one client that the primary keeps while it waits for their predecessor.
const EARLY: usize = 64;

/// An operation to be appended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Operation {
    pub(super) op: OpId,
    pub(super) key: String,
    pub(super) field: u16,
    pub(super) action: Action,
}

/// An event: a client's operation, identified by client and operation number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Event {
    pub(super) client: u32,
    pub(super) operation: Operation,
}

impl Event {
    /// A lower estimate of its encoded size, which needs no encoding, to bound messages.
    fn weight(&self) -> usize {
        self.operation.weight()
    }
}

impl Operation {
    fn weight(&self) -> usize {
        8 + self.key.len() + self.action.bytes()
    }
}

/// An event with its position in the log and in its stream.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// Its position in the log, from 1.
    pub(super) position: u64,
    /// The stream's number, in order of first appearance, from 0.
    pub(super) stream: u64,
    /// Its position in its stream, from 1.
    pub(super) version: u64,
    pub(super) event: Event,
}

/// The state of a stream at one of its versions.
pub(super) struct Snapshot {
    pub(super) stream: u64,
    pub(super) version: u64,
    pub(super) fields: Vec<(u16, Content)>,
}

/// The contents of one transaction.
pub(super) struct Transaction<'a> {
    pub(super) rows: &'a [Row],
    pub(super) snapshots: &'a [Snapshot],
    /// The last operation of each client that occurs among the rows.
    pub(super) marks: &'a BTreeMap<u32, OpId>,
}

/// An event store on a node's own disk.
pub(super) trait EventStore {
    /// Commits a transaction and returns the bytes that this wrote.
    ///
    /// # Errors
    ///
    /// Errors of the database.
    fn commit(&mut self, transaction: &Transaction<'_>) -> Result<u64, SystemError>;

    /// Reads events of the log, from the one after `after` to `through`.
    ///
    /// # Errors
    ///
    /// Errors of the database, and missing events.
    fn read(&mut self, after: u64, through: u64) -> Result<Vec<Event>, SystemError>;

    /// Events of a stream between two snapshots, if the node makes them.
    fn snapshot_interval(&self) -> Option<u64>;

    /// Bytes read when it was opened.
    fn bytes_read(&self) -> u64;

    /// Bytes of its files.
    fn disk(&self) -> u64;

    /// Bytes of memory outside Rust's allocator.
    fn memory(&self) -> u64;
}

/// The contents of a store when it is opened.
#[derive(Default)]
pub(super) struct Recovered {
    pub(super) projection: Projection,
    /// The last operation of each client in the log.
    pub(super) marks: BTreeMap<u32, OpId>,
}

#[derive(Debug, Default)]
struct Stream {
    /// Events with a version.
    admitted: u64,
    /// Events included in `fields`.
    version: u64,
    /// Sorted by field.
    fields: Vec<(u16, Content)>,
}

/// The read model: the contents of all fields of all keys, up to a position of the log.
#[derive(Debug, Default)]
pub(super) struct Projection {
    streams: IndexMap<String, Stream, FixedState>,
    position: u64,
    /// Streams that are due for a snapshot.
    due: BTreeSet<u64>,
}

impl Projection {
    /// The position of the last applied event.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Records that all events up to this one are applied.
    pub(super) fn set_position(&mut self, position: u64) {
        self.position = position;
    }

    /// The number of a stream, assigned if it is new.
    pub(super) fn stream(&mut self, key: &str) -> u64 {
        if let Some(index) = self.streams.get_index_of(key) {
            return index as u64;
        }
        self.streams
            .insert_full(key.to_owned(), Stream::default())
            .0 as u64
    }

    fn entry(&mut self, stream: u64) -> Result<&mut Stream, SystemError> {
        usize::try_from(stream)
            .ok()
            .and_then(|index| self.streams.get_index_mut(index))
            .map(|(_, entry)| entry)
            .ok_or_else(|| {
                SystemError::invariant(format!("stream {stream} in the log has no name"))
            })
    }

    /// Assigns an event its position.
    fn admit(&mut self, position: u64, event: Event) -> Result<Row, SystemError> {
        let stream = self.stream(&event.operation.key);
        let entry = self.entry(stream)?;
        entry.admitted += 1;
        Ok(Row {
            position,
            stream,
            version: entry.admitted,
            event,
        })
    }

    /// Applies the next event of a stream.
    ///
    /// # Errors
    ///
    /// If it is not the next.
    pub(super) fn apply(
        &mut self,
        stream: u64,
        version: u64,
        field: u16,
        action: &Action,
        fields: &[Field],
        interval: Option<u64>,
    ) -> Result<(), SystemError> {
        let entry = self.entry(stream)?;
        if version != entry.version + 1 {
            return Err(SystemError::invariant(format!(
                "stream {stream} is at version {}, but its next event has version {version}",
                entry.version
            )));
        }
        entry.version = version;
        entry.admitted = entry.admitted.max(version);
        change(&mut entry.fields, field, action, fields)?;
        if interval.is_some_and(|interval| version.is_multiple_of(interval)) {
            self.due.insert(stream);
        }
        Ok(())
    }

    /// Adopts the state of a stream.
    ///
    /// # Errors
    ///
    /// If the stream has no name.
    pub(super) fn restore(
        &mut self,
        stream: u64,
        version: u64,
        fields: Vec<(u16, Content)>,
    ) -> Result<(), SystemError> {
        let entry = self.entry(stream)?;
        entry.admitted = version;
        entry.version = version;
        entry.fields = fields;
        Ok(())
    }

    fn snapshots(&mut self) -> Vec<Snapshot> {
        std::mem::take(&mut self.due)
            .into_iter()
            .filter_map(|stream| {
                let (_, entry) = self.streams.get_index(usize::try_from(stream).ok()?)?;
                Some(Snapshot {
                    stream,
                    version: entry.version,
                    fields: entry.fields.clone(),
                })
            })
            .collect()
    }

    fn read(&self, key: &str, field: u16, fields: &[Field]) -> Result<Content, SystemError> {
        let content = self.streams.get(key).and_then(|entry| {
            let place = entry.fields.binary_search_by_key(&field, |entry| entry.0);
            Some(entry.fields[place.ok()?].1.clone())
        });
        match content {
            Some(content) => Ok(content),
            None => Ok(Content::empty(class(fields, field)?)),
        }
    }
}

fn class(fields: &[Field], field: u16) -> Result<Class, SystemError> {
    of_field(fields, field).map(|field| field.class)
}

/// Applies an action to one of the fields of a stream, which are sorted by field.
fn change(
    entries: &mut Vec<(u16, Content)>,
    field: u16,
    action: &Action,
    fields: &[Field],
) -> Result<(), SystemError> {
    let place = match entries.binary_search_by_key(&field, |entry| entry.0) {
        Ok(place) => place,
        Err(place) => {
            entries.insert(place, (field, Content::empty(class(fields, field)?)));
            place
        }
    };
    entries[place].1.apply(action);
    Ok(())
}

#[derive(Debug, Serialize, Deserialize)]
enum Message {
    /// To the primary: append the operations that follow, after `previous`, the client's preceding
    /// operation in this incarnation.
    Append { previous: Option<OpId> },
    /// To the primary: send the events after `after` up to `through`, as far as they exist.
    Read { after: u64, through: u64 },
    /// From the primary: events from position `first` follow; the log ends at `head`; it contains
    /// the receiver's operations up to `appended`.
    Delivery {
        appended: Option<OpId>,
        head: u64,
        first: u64,
    },
}

fn encode(message: &Message, body: &[u8]) -> Result<Arc<[u8]>, SystemError> {
    let mut bytes = postcard::to_stdvec(message)
        .map_err(|error| SystemError::failed("encoding a message", error))?;
    bytes.extend_from_slice(body);
    Ok(bytes.into())
}

fn encode_body<T: Serialize>(items: &[T]) -> Result<Vec<u8>, SystemError> {
    postcard::to_stdvec(items).map_err(|error| SystemError::failed("encoding a message", error))
}

fn decode(bytes: &[u8]) -> Result<(Message, &[u8]), SystemError> {
    postcard::take_from_bytes(bytes)
        .map_err(|error| SystemError::failed("reading a message", error))
}

fn decode_body<T: for<'a> Deserialize<'a>>(bytes: &[u8]) -> Result<Vec<T>, SystemError> {
    postcard::from_bytes(bytes).map_err(|error| SystemError::failed("reading a message", error))
}

/// The number of items that fit into one message: at least one.
fn fitting(weights: impl Iterator<Item = usize>) -> usize {
    let mut bytes = 0;
    let mut count = 0;
    for weight in weights.take(BATCH) {
        bytes += weight;
        if count > 0 && bytes > BATCH_BYTES {
            break;
        }
        count += 1;
    }
    count
}

fn operation(submitted: &Submitted<'_>) -> Operation {
    Operation {
        op: submitted.id,
        key: submitted.key.to_owned(),
        field: submitted.field,
        action: submitted.action.clone(),
    }
}

fn client(node: NodeId) -> Result<u32, SystemError> {
    u32::try_from(node).map_err(|error| SystemError::failed("numbering the clients", error))
}

/// Node 0.
pub(super) struct Primary<S> {
    store: S,
    fields: Arc<[Field]>,
    projection: Projection,
    /// The last accepted operation of each client.
    accepted: BTreeMap<u32, OpId>,
    /// The last durable operation of each client.
    durable: BTreeMap<u32, OpId>,
    /// Batches whose predecessor has not arrived, by client and predecessor.
    early: BTreeMap<(u32, OpId), Vec<Operation>>,
    /// Events for the next transaction.
    waiting: Vec<Event>,
    /// The transaction that the disk is writing.
    writing: Option<Vec<Row>>,
    ticket: u64,
    up: Vec<bool>,
    /// Durable events that some subscriber has not been pushed, the last being the log's.
    unpushed: VecDeque<Event>,
    /// The position up to which each node was pushed events, or has to read them.
    pushed: Vec<u64>,
    linger: Linger,
    started: bool,
}

impl<S: EventStore> Primary<S> {
    pub(super) fn new(setup: &Setup, store: S, recovered: Recovered) -> Self {
        let position = recovered.projection.position();
        Self {
            store,
            fields: setup.fields.clone(),
            projection: recovered.projection,
            accepted: recovered.marks.clone(),
            durable: recovered.marks,
            early: BTreeMap::new(),
            waiting: Vec::new(),
            writing: None,
            ticket: 0,
            up: vec![true; setup.nodes],
            unpushed: VecDeque::new(),
            pushed: vec![position; setup.nodes],
            linger: Linger::new(setup),
            started: false,
        }
    }

    /// Accepts a batch of a client if all its predecessors have been accepted.
    fn accept(
        &mut self,
        client: u32,
        previous: Option<OpId>,
        operations: Vec<Operation>,
    ) -> Result<(), SystemError> {
        let last = self.accepted.get(&client).copied();
        if let Some(previous) = previous.filter(|&previous| last.is_none_or(|last| previous > last))
        {
            let held = self.early.range((client, 0)..=(client, OpId::MAX)).count();
            if held < EARLY {
                self.early.insert((client, previous), operations);
            }
            return Ok(());
        }
        self.take_on(client, operations);
        // Batches that waited for one of these come next.
        while let Some((&at, _)) = self.early.range((client, 0)..=(client, OpId::MAX)).next() {
            if self.accepted.get(&client).is_none_or(|&last| at.1 > last) {
                break;
            }
            if let Some(operations) = self.early.remove(&at) {
                self.take_on(client, operations);
            }
        }
        Ok(())
    }

    fn take_on(&mut self, client: u32, operations: Vec<Operation>) {
        for operation in operations {
            let last = self.accepted.get(&client);
            if last.is_none_or(|&last| operation.op > last) {
                self.accepted.insert(client, operation.op);
                self.waiting.push(Event { client, operation });
            }
        }
    }

    /// Starts a transaction, if none is in progress and there is something to write.
    fn write(&mut self, out: &mut Out) -> Result<(), SystemError> {
        if self.writing.is_some() {
            return Ok(());
        }
        let snapshots = self.projection.snapshots();
        if self.waiting.is_empty() && snapshots.is_empty() {
            return Ok(());
        }
        let mut rows = Vec::with_capacity(self.waiting.len());
        let mut marks = BTreeMap::new();
        let first = self.projection.position() + 1;
        for (position, event) in (first..).zip(std::mem::take(&mut self.waiting)) {
            marks.insert(event.client, event.operation.op);
            rows.push(self.projection.admit(position, event)?);
        }
        let bytes = self.store.commit(&Transaction {
            rows: &rows,
            snapshots: &snapshots,
            marks: &marks,
        })?;
        self.writing = Some(rows);
        self.ticket += 1;
        out.persist_files(self.ticket, bytes);
        Ok(())
    }

    /// Pushes to some subscribers the events that they have not been pushed, with the operations of
    /// theirs that are durable if they are among the writers of these.
    fn push(
        &mut self,
        to: impl Fn(NodeId) -> bool,
        writers: &BTreeSet<u32>,
        out: &mut Out,
    ) -> Result<(), SystemError> {
        let head = self.projection.position();
        let first = head + 1 - self.unpushed.len() as u64;
        let mut groups: BTreeMap<u64, Vec<(NodeId, Option<OpId>)>> = BTreeMap::new();
        for node in (0..self.up.len()).filter(|&node| node != PRIMARY) {
            if !to(node) || !self.up[node] {
                continue;
            }
            let pushed = std::mem::replace(&mut self.pushed[node], head);
            if pushed < head {
                let number = client(node)?;
                let durable = self.durable.get(&number).copied();
                let appended = durable.filter(|_| writers.contains(&number));
                groups.entry(pushed).or_default().push((node, appended));
            }
        }
        let mut unpushed = std::mem::take(&mut self.unpushed);
        let events = unpushed.make_contiguous();
        for (pushed, to) in groups {
            let from = (pushed + 1 - first) as usize;
            self.deliver(&to, pushed + 1, &events[from..], out)?;
        }
        // Who is not reachable reads what it lacks.
        let up = self.up.iter().zip(&self.pushed);
        let waiting = up.filter(|(up, _)| **up).map(|(_, &pushed)| pushed);
        let least = waiting.min().unwrap_or(head);
        unpushed.drain(..(least + 1 - first) as usize);
        self.unpushed = unpushed;
        if self.unpushed.is_empty() {
            self.linger.end();
        }
        Ok(())
    }

    /// Sends events to a subscriber in bounded messages.
    fn deliver(
        &self,
        to: &[(NodeId, Option<OpId>)],
        first: u64,
        events: &[Event],
        out: &mut Out,
    ) -> Result<(), SystemError> {
        let mut first = first;
        let mut rest = events;
        loop {
            let (batch, behind) =
                rest.split_at(fitting(rest.iter().map(Event::weight)).min(rest.len()));
            let body = encode_body(batch)?;
            let message = |appended| {
                let head = self.projection.position();
                let message = Message::Delivery {
                    appended,
                    head,
                    first,
                };
                encode(&message, &body)
            };
            // Most subscribers get only the events, and thus the same bytes.
            let same = message(None)?;
            for &(node, appended) in to {
                let appended = appended.filter(|_| behind.is_empty());
                out.send(
                    node,
                    match appended {
                        None => same.clone(),
                        Some(_) => message(appended)?,
                    },
                );
            }
            first += batch.len() as u64;
            rest = behind;
            if rest.is_empty() {
                return Ok(());
            }
        }
    }
}

impl<S: EventStore> Node for Primary<S> {
    fn submit(
        &mut self,
        _: Micros,
        ops: &[Submitted<'_>],
        out: &mut Out,
    ) -> Result<(), SystemError> {
        self.take_on(client(PRIMARY)?, ops.iter().map(operation).collect());
        self.write(out)
    }

    fn receive(
        &mut self,
        _: Micros,
        from: NodeId,
        bytes: &[u8],
        out: &mut Out,
    ) -> Result<(), SystemError> {
        match decode(bytes)? {
            (Message::Append { previous }, body) => {
                let operations: Vec<Operation> = decode_body(body)?;
                let client = client(from)?;
                let durable = self.durable.get(&client).copied();
                if operations.last().map(|last| last.op) <= durable {
                    // An acknowledgement was lost.
                    self.push(|node| node == from, &BTreeSet::new(), out)?;
                    let head = self.projection.position();
                    self.deliver(&[(from, durable)], head + 1, &[], out)?;
                }
                self.accept(client, previous, operations)?;
                self.write(out)
            }
            (Message::Read { after, through }, _) => {
                let through = through
                    .min(after.saturating_add(WINDOW as u64))
                    .min(self.projection.position());
                if after >= through {
                    return Ok(());
                }
                let events = self.store.read(after, through)?;
                self.deliver(&[(from, None)], after + 1, &events, out)
            }
            (Message::Delivery { .. }, _) => Err(SystemError::invariant(format!(
                "node {from} sent events to the primary"
            ))),
        }
    }

    fn wake(&mut self, now: Micros, out: &mut Out) -> Result<(), SystemError> {
        if self.linger.is_due(now, out) {
            self.push(|_| true, &BTreeSet::new(), out)?;
        }
        if std::mem::replace(&mut self.started, true) {
            return Ok(());
        }
        // Tells subscribers that the primary is back, and where the log ends. A subscriber that
        // misses this polls on its own.
        let position = self.projection.position();
        if position == 0 {
            return Ok(());
        }
        let mut to = Vec::with_capacity(self.up.len());
        for node in (0..self.up.len()).filter(|&node| node != PRIMARY) {
            to.push((node, self.durable.get(&client(node)?).copied()));
        }
        self.deliver(&to, position + 1, &[], out)
    }

    fn stored(&mut self, now: Micros, ticket: u64, out: &mut Out) -> Result<(), SystemError> {
        if ticket != self.ticket {
            return Err(SystemError::invariant(format!(
                "the disk completed {ticket} instead of {}",
                self.ticket
            )));
        }
        let rows = self.writing.take().unwrap_or_default();
        let interval = self.store.snapshot_interval();
        let mut writers = BTreeSet::new();
        for row in rows {
            let Operation {
                op, field, action, ..
            } = &row.event.operation;
            self.projection.apply(
                row.stream,
                row.version,
                *field,
                action,
                &self.fields,
                interval,
            )?;
            self.durable.insert(row.event.client, *op);
            writers.insert(row.event.client);
            if row.event.client == client(PRIMARY)? {
                out.ack(*op);
            }
            self.projection.set_position(row.position);
            self.unpushed.push_back(row.event);
        }
        // So that its own progress waits for nobody.
        self.pushed[PRIMARY] = self.projection.position();
        let at_once = !self.unpushed.is_empty() && self.linger.begin(now, out);
        let is_writer = |node| client(node).is_ok_and(|number| writers.contains(&number));
        self.push(|node| at_once || is_writer(node), &writers, out)?;
        self.write(out)
    }

    fn link(
        &mut self,
        _: Micros,
        peer: NodeId,
        up: bool,
        out: &mut Out,
    ) -> Result<(), SystemError> {
        self.push(|_| true, &BTreeSet::new(), out)?;
        self.up[peer] = up;
        self.pushed[peer] = self.projection.position();
        Ok(())
    }

    fn progress(&self) -> Vec<u8> {
        self.projection.position().to_be_bytes().to_vec()
    }

    fn read(&self, key: &str, field: u16) -> Result<Content, SystemError> {
        self.projection.read(key, field, &self.fields)
    }

    fn bytes_read(&self) -> u64 {
        self.store.bytes_read()
    }

    fn foreign_memory(&self) -> u64 {
        self.store.memory()
    }

    fn foreign_disk(&self) -> u64 {
        self.store.disk()
    }
}

/// Any other node: a client of the primary, and a subscriber with a read model and a copy of the
/// log on its own disk, from which it restarts.
pub(super) struct Subscriber<S> {
    copy: S,
    fields: Arc<[Field]>,
    projection: Projection,
    latency: Micros,
    sync_interval: Micros,
    up: bool,
    appends: Appends,
    /// The last known position of the primary's log.
    head: u64,
    /// Events that arrived before their predecessors, by position.
    ahead: BTreeMap<u64, Event>,
    /// The end of the reads in progress; the own position if there are none.
    asked: u64,
    /// When to request missing events, or to poll.
    ask_at: Micros,
    /// How long to wait for the answer to a read.
    patience: Micros,
    /// Events for the next transaction of the copy.
    waiting: Vec<Row>,
    writing: bool,
    ticket: u64,
}

/// The pipeline of operations to the primary.
struct Appends {
    /// Unacknowledged operations, in order.
    pending: VecDeque<Operation>,
    /// How many of them, from the first, are in flight.
    sent: usize,
    /// The last operation acknowledged in this incarnation.
    acknowledged: Option<OpId>,
    /// Limit of operations in flight.
    window: usize,
    /// When to retransmit the first.
    resend_at: Option<Micros>,
    /// How long to wait for an acknowledgement: initially, and now.
    timeout: Micros,
    backoff: Micros,
}

impl Appends {
    /// Sends as much as the window allows.
    fn pump(&mut self, now: Micros, out: &mut Out) -> Result<(), SystemError> {
        while self.sent < self.pending.len().min(self.window) {
            let previous = match self.sent.checked_sub(1) {
                Some(before) => self.pending.get(before).map(|before| before.op),
                None => self.acknowledged,
            };
            let room = self.window - self.sent;
            let unsent = self.pending.range(self.sent..).take(room);
            let count = fitting(unsent.map(Operation::weight));
            let batch: Vec<&Operation> = self.pending.range(self.sent..self.sent + count).collect();
            let body = encode_body(&batch)?;
            out.send(PRIMARY, encode(&Message::Append { previous }, &body)?);
            self.sent += count;
            self.resend_at.get_or_insert(now + self.backoff);
        }
        Ok(())
    }

    /// Records that everything up to `through` is durable.
    fn acknowledge(
        &mut self,
        now: Micros,
        through: OpId,
        out: &mut Out,
    ) -> Result<(), SystemError> {
        let before = self.pending.len();
        while let Some(first) = self.pending.front().filter(|first| first.op <= through) {
            out.ack(first.op);
            self.acknowledged = Some(first.op);
            self.pending.pop_front();
        }
        let gone = before - self.pending.len();
        if gone == 0 {
            return Ok(());
        }
        self.sent = self.sent.saturating_sub(gone);
        self.window = (self.window * 2).min(WINDOW);
        self.backoff = self.timeout;
        self.resend_at = (self.sent > 0).then_some(now + self.backoff);
        self.pump(now, out)
    }

    /// Retransmits from the first unacknowledged operation: `window` at once, more when
    /// acknowledgements arrive.
    fn restart(&mut self, now: Micros, window: usize, out: &mut Out) -> Result<(), SystemError> {
        self.sent = 0;
        self.window = window;
        self.resend_at = None;
        self.pump(now, out)
    }
}

impl<S: EventStore> Subscriber<S> {
    pub(super) fn new(setup: &Setup, copy: S, recovered: Recovered) -> Self {
        // A round trip with jitter, and two fsyncs: the one in progress and its own.
        let timeout = 4 * setup.latency + 4 * setup.fsync;
        let position = recovered.projection.position();
        Self {
            copy,
            fields: setup.fields.clone(),
            projection: recovered.projection,
            latency: setup.latency,
            sync_interval: setup.sync_interval.max(timeout),
            up: true,
            appends: Appends {
                pending: VecDeque::new(),
                sent: 0,
                acknowledged: None,
                window: WINDOW,
                resend_at: None,
                timeout,
                backoff: timeout,
            },
            head: position,
            ahead: BTreeMap::new(),
            asked: position,
            ask_at: 0,
            patience: timeout,
            waiting: Vec::new(),
            writing: false,
            ticket: 0,
        }
    }

    fn arrange(&self, out: &mut Out) {
        let resend = self.appends.resend_at.filter(|_| self.up);
        out.wake(resend.map_or(self.ask_at, |at| at.min(self.ask_at)));
    }

    /// Requests events after `after`, at most a window, excluding those already here.
    fn ask(&mut self, after: u64, out: &mut Out) -> Result<(), SystemError> {
        let through = match self.ahead.first_key_value() {
            Some((&first, _)) => first - 1,
            None => u64::MAX,
        };
        let through = through.min(self.projection.position() + WINDOW as u64);
        if after < through {
            self.asked = through;
            out.send(PRIMARY, encode(&Message::Read { after, through }, &[])?);
        }
        Ok(())
    }

    fn apply(&mut self, event: Event) -> Result<(), SystemError> {
        let position = self.projection.position() + 1;
        let row = self.projection.admit(position, event)?;
        let Operation { field, action, .. } = &row.event.operation;
        let interval = self.copy.snapshot_interval();
        self.projection.apply(
            row.stream,
            row.version,
            *field,
            action,
            &self.fields,
            interval,
        )?;
        self.projection.set_position(position);
        self.waiting.push(row);
        Ok(())
    }

    fn take_delivery(
        &mut self,
        now: Micros,
        head: u64,
        first: u64,
        events: Vec<Event>,
        out: &mut Out,
    ) -> Result<(), SystemError> {
        self.head = self.head.max(head);
        let before = self.projection.position();
        for (position, event) in (first..).zip(events) {
            let next = self.projection.position() + 1;
            if position == next {
                self.apply(event)?;
            } else if position > next && self.ahead.len() < LIVE_QUEUE {
                self.ahead.insert(position, event);
            }
        }
        loop {
            let next = self.projection.position() + 1;
            match self.ahead.first_key_value() {
                Some((&first, _)) if first <= next => {
                    if let Some((_, event)) = self.ahead.pop_first()
                        && first == next
                    {
                        self.apply(event)?;
                    }
                }
                _ => break,
            }
        }
        let position = self.projection.position();
        let progress = position > before;
        if progress {
            self.patience = self.appends.timeout;
        }
        if position >= self.head {
            self.asked = position;
            self.ask_at = now + self.sync_interval;
        } else if self.asked > position {
            if progress {
                self.ask_at = now + self.patience;
            }
            // The next read is sent while half of the last is still to arrive.
            if self.asked < self.head && self.asked - position <= WINDOW as u64 / 2 {
                self.ask(self.asked, out)?;
            }
        } else {
            // What is missing may only be late.
            let soon = now + 2 * self.latency;
            self.ask_at = if progress {
                soon
            } else {
                self.ask_at.min(soon)
            };
        }
        self.write(out)
    }

    /// Writes pending events to the copy, if the disk is free.
    fn write(&mut self, out: &mut Out) -> Result<(), SystemError> {
        if self.writing {
            return Ok(());
        }
        let rows = std::mem::take(&mut self.waiting);
        let snapshots = self.projection.snapshots();
        if rows.is_empty() && snapshots.is_empty() {
            return Ok(());
        }
        let bytes = self.copy.commit(&Transaction {
            rows: &rows,
            snapshots: &snapshots,
            marks: &BTreeMap::new(),
        })?;
        self.writing = true;
        self.ticket += 1;
        out.persist_files(self.ticket, bytes);
        Ok(())
    }
}

impl<S: EventStore> Node for Subscriber<S> {
    fn submit(
        &mut self,
        now: Micros,
        ops: &[Submitted<'_>],
        out: &mut Out,
    ) -> Result<(), SystemError> {
        self.appends.pending.extend(ops.iter().map(operation));
        if self.up {
            self.appends.pump(now, out)?;
        }
        self.arrange(out);
        Ok(())
    }

    fn receive(
        &mut self,
        now: Micros,
        from: NodeId,
        bytes: &[u8],
        out: &mut Out,
    ) -> Result<(), SystemError> {
        let (message, body) = decode(bytes)?;
        let Message::Delivery {
            appended,
            head,
            first,
        } = message
        else {
            return Err(SystemError::invariant(format!(
                "node {from} sent a request for the primary to this node"
            )));
        };
        if let Some(through) = appended {
            self.appends.acknowledge(now, through, out)?;
        }
        self.take_delivery(now, head, first, decode_body(body)?, out)?;
        self.arrange(out);
        Ok(())
    }

    fn wake(&mut self, now: Micros, out: &mut Out) -> Result<(), SystemError> {
        if self.up && self.appends.resend_at.is_some_and(|at| at <= now) {
            self.appends.backoff = (self.appends.backoff * 2).min(self.sync_interval);
            self.appends.restart(now, BATCH, out)?;
        }
        if self.ask_at <= now {
            if self.up {
                self.ask(self.projection.position(), out)?;
            }
            if self.projection.position() < self.head {
                self.ask_at = now + self.patience;
                self.patience = (self.patience * 2).min(self.sync_interval);
            } else {
                self.ask_at = now + self.sync_interval;
            }
        }
        self.arrange(out);
        Ok(())
    }

    fn stored(&mut self, _: Micros, _: u64, out: &mut Out) -> Result<(), SystemError> {
        self.writing = false;
        self.write(out)
    }

    fn link(
        &mut self,
        now: Micros,
        peer: NodeId,
        up: bool,
        out: &mut Out,
    ) -> Result<(), SystemError> {
        if peer == PRIMARY {
            self.up = up;
            if up {
                self.appends.backoff = self.appends.timeout;
                self.appends.restart(now, WINDOW, out)?;
                self.patience = self.appends.timeout;
                self.ask(self.projection.position(), out)?;
                self.ask_at = now + self.patience;
            }
            self.arrange(out);
        }
        Ok(())
    }

    fn progress(&self) -> Vec<u8> {
        self.projection.position().to_be_bytes().to_vec()
    }

    fn read(&self, key: &str, field: u16) -> Result<Content, SystemError> {
        self.projection.read(key, field, &self.fields)
    }

    fn bytes_read(&self) -> u64 {
        self.copy.bytes_read()
    }

    fn foreign_memory(&self) -> u64 {
        self.copy.memory()
    }

    fn foreign_disk(&self) -> u64 {
        self.copy.disk()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adversary::setup;

    #[test]
    fn an_event_that_is_not_the_next_of_its_stream_is_refused() {
        let fields = setup(&[Class::Counter], 1, 0).fields;
        let mut projection = Projection::default();
        let stream = projection.stream("k");
        let mut apply =
            |version| projection.apply(stream, version, 0, &Action::Add(1), &fields, None);
        apply(1).unwrap();
        for version in [0, 1, 3] {
            assert!(apply(version).is_err(), "{version}");
        }
        apply(2).unwrap();
        let read = projection.read("k", 0, &fields).unwrap();
        assert_eq!(read, Content::Counter(2));
    }
}
