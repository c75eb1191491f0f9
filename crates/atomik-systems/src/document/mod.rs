//! Replication of a document, as the authors of Yjs do it and those of Loro and Automerge advise or
//! allow: a node broadcasts changes as it makes them, and a node that reconnects sends what it has
//! (a state vector) and receives everything it lacks in one difference.
//!
//! Providers of these libraries run over streams, which retransmit single lost packets. There is no
//! stream here, so updates have numbers, an origin keeps its latest ones as a stream's send buffer
//! would, and a gap is requested by number. Only updates that are no longer kept, or that were
//! missed while a link was down, need the exchange of state vectors. The number of updates that a
//! node has of each origin, its *tallies*, describes the contents of its document. Tallies are
//! compared with one peer in turn at every interval, which costs a few bytes, while a difference by
//! state vector always carries all deletions of a Yjs document.
//!
//! Operations of clients wait until the disk is free. They then change the document together and
//! are stored as one update, which is sent once it is durable. At that moment the whole document is
//! durable, and requests are answered.

#[cfg(test)]
pub(super) mod laws;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::anti_entropy::{Rounds, gaps, grown};
use super::linger::Linger;
use atomik_arena::system::{
    Description, Micros, Node, NodeId, OpId, Out, Record, Setup, Storage, Submitted, System,
    SystemError,
};
use atomik_workload::content::Content;
use atomik_workload::workload::{Action, Scalar};

/// Bytes of its own latest updates that an origin keeps for retransmission: the size of a stream's
/// send buffer.
const SEND_BUFFER: usize = if cfg!(test) { 1 << 10 } else { 256 << 10 };

/// The document is stored as a whole when the updates since then have as many bytes as it had, and
/// at least this many.
const LEAST_TAIL: usize = if cfg!(test) { 2 << 10 } else { 64 << 10 };

/// Limit of updates of one origin that wait for their predecessors. More are dropped, and requested
/// again later.
const MOST_WAITING: usize = 1 << 12;

/// Keys of records: the whole document, one update, the number of the incarnation.
const WHOLE: u8 = b's';
const UPDATE: u8 = b'u';
const LIFE: u8 = b'l';

/// The operations of a library that a replica needs.
pub(crate) trait Document {
    /// Applies local operations (key, field, action) and returns the update for other replicas.
    fn edit(&mut self, operations: &[(&str, u16, &Action)]) -> Result<Vec<u8>, SystemError>;

    /// Merges successive updates of this document into one.
    fn merge(&self, updates: &[&[u8]]) -> Result<Vec<u8>, SystemError>;

    /// Applies updates or differences in this order, after all that they build on.
    fn apply(&mut self, updates: &[&[u8]]) -> Result<(), SystemError>;

    /// The version vector of the changes in the document, encoded by the library.
    fn vector(&self) -> Result<Vec<u8>, SystemError>;

    /// The difference between this document and `vector`, which comes from another one.
    fn difference(&self, vector: &[u8]) -> Result<Vec<u8>, SystemError>;

    /// Encodes the whole document.
    fn whole(&self) -> Result<Vec<u8>, SystemError>;

    /// Restores an empty document from the output of [`Document::whole`].
    fn restore(&mut self, whole: &[u8]) -> Result<(), SystemError> {
        self.apply(&[whole])
    }

    /// The content of a field of a key.
    fn read(&self, key: &str, field: u16) -> Result<Content, SystemError>;
}

/// The system of a library: every node has a document.
pub(crate) struct Documents<D> {
    pub(crate) describe: fn() -> Description,
    /// Creates a node's empty document, with the id of the incarnation.
    pub(crate) empty: fn(&Setup, NodeId, u64) -> Result<D, SystemError>,
}

impl<D: Document + 'static> System for Documents<D> {
    fn describe(&self) -> Description {
        (self.describe)()
    }

    fn open(
        &self,
        setup: &Setup,
        node: NodeId,
        storage: &Storage,
    ) -> Result<Box<dyn Node>, SystemError> {
        let replica = Replica::open(setup, node, storage, |life| {
            (self.empty)(setup, node, client_id(setup, node, life))
        })?;
        Ok(Box::new(replica))
    }
}

/// The id of one incarnation of a node, at random from the seed: libraries require that an id is
/// not reused after a restart.
fn client_id(setup: &Setup, node: NodeId, life: u64) -> u64 {
    let mut hasher = blake3::Hasher::new();
    for part in [setup.seed, node as u64, life] {
        hasher.update(&part.to_le_bytes());
    }
    let mut bytes = [0; 8];
    hasher.finalize_xof().fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

/// The name of an element of a set in a map.
pub(crate) fn element_name(element: &Scalar) -> String {
    match element {
        Scalar::Bool(value) => format!("b{value}"),
        Scalar::Int(value) => format!("i{value}"),
        Scalar::Text(value) => format!("t{value}"),
    }
}

/// The element with this name.
pub(crate) fn element(name: &str) -> Option<Scalar> {
    let (kind, value) = name.split_at_checked(1)?;
    Some(match kind {
        "b" => Scalar::Bool(value == "true"),
        "i" => Scalar::Int(value.parse().ok()?),
        _ => Scalar::Text(value.to_owned()),
    })
}

/// An update that waits: it contains all of its origin from `first` on.
#[derive(Debug)]
struct Waiting {
    first: u64,
    /// What the document must contain before it.
    after: Vec<(u32, u64)>,
    update: Vec<u8>,
}

/// The updates of one origin at this node. They are applied in order, as a stream would deliver
/// them.
#[derive(Debug, Default)]
struct Line {
    /// All updates up to this number are in the document.
    upto: u64,
    /// Updates that arrived too early, by the last number that they contain.
    waiting: BTreeMap<u64, Waiting>,
}

impl Line {
    /// The gaps up to `last`.
    fn gaps(&self, last: u64) -> Vec<(u64, u64)> {
        let waiting = self.waiting.iter();
        let waiting = waiting.flat_map(|(&last, it)| it.first.max(self.upto + 1)..=last);
        gaps(self.upto, waiting, last)
    }

    /// Takes the next update, if it has come, and all that it depends on is among `upto`. Returns
    /// the last number that it contains.
    fn take(&mut self, upto: &[u64]) -> Option<(u64, Vec<u8>)> {
        let first = self.waiting.first_entry()?;
        let it = first.get();
        let has = |origin: u32| upto.get(origin as usize).copied();
        let ready = it.first <= self.upto + 1
            && it
                .after
                .iter()
                .all(|&(origin, number)| has(origin) >= Some(number));
        ready.then(|| {
            let (number, it) = first.remove_entry();
            self.upto = number;
            (number, it.update)
        })
    }

    /// Records that all updates up to `number` are in the document.
    fn raise(&mut self, number: u64) {
        self.upto = self.upto.max(number);
        self.waiting = self.waiting.split_off(&(self.upto + 1));
    }
}

/// Records that the document contains a stored update.
fn raise(lines: &mut [Line], stored: Stored) {
    match stored {
        Stored::One { origin, number } => {
            if let Some(line) = lines.get_mut(origin as usize) {
                line.raise(number);
            }
        }
        Stored::Upto(upto) => {
            for (line, upto) in lines.iter_mut().zip(upto) {
                line.raise(upto);
            }
        }
    }
}

/// The header of a stored update; its bytes follow.
#[derive(Serialize, Deserialize)]
enum Stored {
    /// An update of an origin.
    One { origin: u32, number: u64 },
    /// A difference that contained all updates up to these numbers.
    Upto(Vec<u64>),
}

#[derive(Serialize, Deserialize)]
enum Message {
    /// An update of the sender follows. It depends on `after`: the updates of other origins that
    /// the sender applied since its previous update.
    Update { number: u64, after: Vec<(u32, u64)> },
    /// The sender lacks these of the receiver's updates.
    Missing(Vec<(u64, u64)>),
    /// The sender's tallies.
    Have {
        answer: bool,
        fresh: bool,
        upto: Vec<u64>,
    },
    /// The sender lacks something; its state vector follows.
    Step1 { upto: Vec<u64> },
    /// The difference between the sender's document and the state vector follows: a node that still
    /// has all up to `base`, which it sent with the vector, has all up to `upto` with it.
    Step2 { base: Vec<u64>, upto: Vec<u64> },
    /// As `Update`, for all of the sender's updates from `first` on, merged.
    Merged {
        first: u64,
        number: u64,
        after: Vec<(u32, u64)>,
    },
}

/// A request that waits for the disk.
struct Question {
    from: NodeId,
    upto: Vec<u64>,
    vector: Vec<u8>,
}

/// The write in progress.
struct Writing {
    ticket: u64,
    own: Option<Own>,
    done: Vec<OpId>,
}

/// An update of this node that has not been sent.
struct Own {
    update: Vec<u8>,
    /// The tallies with it.
    upto: Vec<u64>,
}

/// A message with own updates, from one number to another.
struct Sent {
    first: u64,
    last: u64,
    message: Arc<[u8]>,
}

/// A node with a document.
pub(crate) struct Replica<D> {
    document: D,
    node: NodeId,
    latency: Micros,
    interval: Micros,
    life: u64,
    life_stored: bool,
    lines: Vec<Line>,
    /// The highest known number of each origin, and a node that has all up to it.
    known: Vec<(u64, NodeId)>,
    up: Vec<bool>,
    /// Operations of clients that wait for the disk.
    queue: Vec<(OpId, String, u16, Action)>,
    /// Updates of others that are not stored yet.
    records: Vec<Record>,
    questions: Vec<Question>,
    writing: Option<Writing>,
    /// Stored own updates that wait for more.
    unsent: Vec<Own>,
    linger: Linger,
    /// The tallies at the last own update that was sent.
    told: Vec<u64>,
    /// Own updates up to this number were sent, or stored in an earlier life.
    sent_upto: u64,
    /// Messages with own updates, the latest one last.
    sent: VecDeque<Sent>,
    sent_bytes: usize,
    ticket: u64,
    next_record: u64,
    /// Records of stored updates.
    updates: BTreeSet<u64>,
    tail: usize,
    whole: usize,
    rounds: Rounds,
    next_ask: Option<Micros>,
    /// An answer is expected until then.
    patient_until: Micros,
    /// Number of requests since nothing was missing.
    requests: u64,
    bytes_read: u64,
}

impl<D: Document> Replica<D> {
    /// Opens a node from the records of its earlier incarnations. `empty` creates an empty
    /// document.
    ///
    /// # Errors
    ///
    /// If stored bytes cannot be read.
    pub(crate) fn open(
        setup: &Setup,
        node: NodeId,
        storage: &Storage,
        empty: impl FnOnce(u64) -> Result<D, SystemError>,
    ) -> Result<Self, SystemError> {
        let broken = |error| SystemError::failed("reading a stored document", error);
        let mut life = 0;
        if let Some(bytes) = storage.records.get(&[LIFE][..]) {
            life = postcard::from_bytes::<u64>(bytes).map_err(broken)? + 1;
        }
        let mut lines: Vec<Line> = (0..setup.nodes).map(|_| Line::default()).collect();
        let mut document = empty(life)?;
        let mut bytes_read = 0;
        let mut whole = 0;
        if let Some(bytes) = storage.records.get(&[WHOLE][..]) {
            let (stored, rest) = postcard::take_from_bytes::<Vec<u64>>(bytes).map_err(broken)?;
            for (line, upto) in lines.iter_mut().zip(stored) {
                line.upto = upto;
            }
            document.restore(rest)?;
            whole = bytes.len();
        }
        let mut tail = 0;
        let mut updates = BTreeSet::new();
        let mut later = Vec::new();
        for (key, value) in &storage.records {
            bytes_read += (key.len() + value.len()) as u64;
            let Some(number) = key.strip_prefix(&[UPDATE]) else {
                continue;
            };
            let number = number
                .try_into()
                .map_err(|error| SystemError::failed("reading the key of an update", error))?;
            updates.insert(u64::from_be_bytes(number));
            tail += key.len() + value.len();
            let (stored, rest) = postcard::take_from_bytes(value).map_err(broken)?;
            raise(&mut lines, stored);
            later.push(rest);
        }
        document.apply(&later)?;
        let sent_upto = lines.get(node).map_or(0, |line| line.upto);
        Ok(Self {
            document,
            node,
            latency: setup.latency.max(1),
            interval: setup.sync_interval.max(1),
            life,
            life_stored: false,
            known: lines.iter().map(|line| (line.upto, node)).collect(),
            lines,
            up: vec![true; setup.nodes],
            queue: Vec::new(),
            records: Vec::new(),
            questions: Vec::new(),
            writing: None,
            unsent: Vec::new(),
            linger: Linger::new(setup),
            told: vec![0; setup.nodes],
            sent_upto,
            sent: VecDeque::new(),
            sent_bytes: 0,
            ticket: 0,
            next_record: updates.last().map_or(0, |last| last + 1),
            updates,
            tail,
            whole,
            rounds: Rounds::new(node, setup.sync_interval.max(1)),
            next_ask: None,
            patient_until: 0,
            requests: 0,
            bytes_read,
        })
    }

    fn upto(&self) -> Vec<u64> {
        self.lines.iter().map(|line| line.upto).collect()
    }

    fn lacks(&self) -> bool {
        self.lines
            .iter()
            .zip(&self.known)
            .any(|(line, known)| line.upto < known.0)
    }

    fn note(&mut self, origin: NodeId, number: u64, holder: NodeId) {
        if let Some(known) = self.known.get_mut(origin)
            && number > known.0
        {
            *known = (number, holder);
        }
    }

    /// Records that `holder` has all updates up to these numbers.
    fn note_all(&mut self, upto: &[u64], holder: NodeId) {
        for (origin, &number) in upto.iter().enumerate() {
            self.note(origin, number, holder);
        }
    }

    /// Whether one of these numbers is above that of the document.
    fn exceeds(&self, upto: &[u64]) -> bool {
        let here = self.lines.iter().map(|line| line.upto);
        here.zip(upto).any(|(here, &there)| there > here)
    }

    /// Requests missing updates in two latencies: they may be late rather than lost.
    fn ask_if_lacking(&mut self, now: Micros, out: &mut Out) {
        if self.lacks() {
            self.ask_at(now + 2 * self.latency, out);
        }
    }

    fn receive_update(
        &mut self,
        from: NodeId,
        (first, number): (u64, u64),
        after: Vec<(u32, u64)>,
        update: &[u8],
    ) -> Result<(), SystemError> {
        self.note(from, number, from);
        for &(origin, number) in &after {
            self.note(origin as usize, number, from);
        }
        let line = &mut self.lines[from];
        if number > line.upto && line.waiting.len() < MOST_WAITING {
            let update = update.to_vec();
            let waiting = Waiting {
                first,
                after,
                update,
            };
            line.waiting.insert(number, waiting);
        }
        self.take_over()?;
        self.satisfied();
        Ok(())
    }

    /// Sends the requested updates again, or a comparison if some are no longer kept.
    fn retransmit(
        &mut self,
        to: NodeId,
        gaps: Vec<(u64, u64)>,
        out: &mut Out,
    ) -> Result<(), SystemError> {
        let first = self.sent.front();
        let first = first.map_or(self.sent_upto + 1, |sent| sent.first);
        let gone = gaps.iter().any(|&(from, to)| from < first && from <= to);
        let overlaps = |sent: &&Sent| {
            let mut gaps = gaps.iter();
            gaps.any(|&(from, to)| from <= sent.last && sent.first <= to)
        };
        for sent in self.sent.iter().filter(overlaps) {
            out.send(to, sent.message.clone());
        }
        // It may know of what waits.
        self.send_own(out)?;
        if gone {
            self.say(to, true, true, out)?;
        }
        Ok(())
    }

    /// Compares the sender's tallies with those of this node.
    fn compare(
        &mut self,
        now: Micros,
        from: NodeId,
        upto: &[u64],
        answer: bool,
        fresh: bool,
        out: &mut Out,
    ) -> Result<(), SystemError> {
        let mut here = self.lines.iter().map(|line| line.upto).zip(upto);
        let behind = here.any(|(here, &there)| there < here);
        self.note_all(upto, from);
        if behind && !answer {
            self.say(from, true, fresh, out)?;
        }
        if self.lacks() && fresh {
            // Too many or too old to be requested one by one.
            self.requests = self.requests.max(1);
            self.ask_at(now, out);
        } else {
            self.ask_if_lacking(now, out);
        }
        Ok(())
    }

    /// Applies a difference that extends `base` to `upto`.
    fn receive_difference(
        &mut self,
        from: NodeId,
        base: &[u64],
        upto: Vec<u64>,
        difference: &[u8],
    ) -> Result<(), SystemError> {
        // Otherwise it answers an earlier incarnation, which had more than its disk.
        let builds_on_this = !self.exceeds(base);
        if builds_on_this && self.exceeds(&upto) {
            self.document.apply(&[difference])?;
            for (line, &upto) in self.lines.iter_mut().zip(&upto) {
                line.raise(upto);
            }
            self.note_all(&upto, from);
            self.keep(&Stored::Upto(upto), difference)?;
            self.take_over()?;
        }
        self.patient_until = 0;
        self.satisfied();
        Ok(())
    }

    /// Keeps updates from elsewhere for the next flush.
    fn keep(&mut self, stored: &Stored, update: &[u8]) -> Result<(), SystemError> {
        let mut value = postcard::to_allocvec(stored)
            .map_err(|error| SystemError::failed("encoding an update", error))?;
        value.extend_from_slice(update);
        let mut key = vec![UPDATE];
        key.extend_from_slice(&self.next_record.to_be_bytes());
        self.updates.insert(self.next_record);
        self.next_record += 1;
        self.tail += key.len() + value.len();
        self.records.push((key, Some(value)));
        Ok(())
    }

    /// Applies the waiting updates whose predecessors have all been applied. Libraries can hold
    /// back early updates themselves; but Yrs 0.28.1 does not always get this right, and a document
    /// that is written out lacks the updates held back.
    fn take_over(&mut self) -> Result<(), SystemError> {
        let mut ready = Vec::new();
        let mut upto = self.upto();
        while let Some((origin, (number, update))) = (0..)
            .zip(&mut self.lines)
            .find_map(|(origin, line)| Some((origin, line.take(&upto)?)))
        {
            upto[origin as usize] = number;
            ready.push((Stored::One { origin, number }, update));
        }
        if !ready.is_empty() {
            let updates: Vec<_> = ready.iter().map(|(_, update)| &update[..]).collect();
            self.document.apply(&updates)?;
        }
        for (stored, update) in ready {
            self.keep(&stored, &update)?;
        }
        Ok(())
    }

    /// Answers requests and stores everything pending, if the disk is free.
    fn flush(&mut self, out: &mut Out) -> Result<(), SystemError> {
        if self.writing.is_some() {
            return Ok(());
        }
        for question in std::mem::take(&mut self.questions) {
            let upto = self.upto();
            if upto
                .iter()
                .zip(&question.upto)
                .any(|(here, there)| here > there)
            {
                let difference = self.document.difference(&question.vector)?;
                let base = question.upto;
                let message = encode(&Message::Step2 { base, upto }, &difference)?;
                out.send(question.from, message);
            }
        }
        let queue = std::mem::take(&mut self.queue);
        let mut own = None;
        if !queue.is_empty() {
            let operations: Vec<_> = queue
                .iter()
                .map(|(_, key, field, action)| (key.as_str(), *field, action))
                .collect();
            let update = self.document.edit(&operations)?;
            let line = &mut self.lines[self.node];
            let number = line.upto + 1;
            line.raise(number);
            self.note(self.node, number, self.node);
            let origin = self.node as u32;
            self.keep(&Stored::One { origin, number }, &update)?;
            let upto = self.upto();
            own = Some(Own { update, upto });
        }
        if self.records.is_empty() {
            return Ok(());
        }
        if !self.life_stored {
            self.life_stored = true;
            let life = postcard::to_allocvec(&self.life)
                .map_err(|error| SystemError::failed("encoding a number", error))?;
            self.records.push((vec![LIFE], Some(life)));
        }
        if self.tail >= LEAST_TAIL.max(self.whole) {
            self.compact()?;
        }
        self.ticket += 1;
        out.persist(self.ticket, std::mem::take(&mut self.records));
        let done = queue.into_iter().map(|(id, ..)| id).collect();
        self.writing = Some(Writing {
            ticket: self.ticket,
            own,
            done,
        });
        Ok(())
    }

    /// Stores the whole document in place of its updates.
    fn compact(&mut self) -> Result<(), SystemError> {
        let mut value = postcard::to_allocvec(&self.upto())
            .map_err(|error| SystemError::failed("encoding tallies", error))?;
        value.extend_from_slice(&self.document.whole()?);
        self.whole = value.len();
        self.tail = 0;
        self.records.retain(|(key, _)| key.first() != Some(&UPDATE));
        self.records.push((vec![WHOLE], Some(value)));
        for number in std::mem::take(&mut self.updates) {
            let mut key = vec![UPDATE];
            key.extend_from_slice(&number.to_be_bytes());
            self.records.push((key, None));
        }
        Ok(())
    }

    /// Sends the own updates that wait, as one.
    fn send_own(&mut self, out: &mut Out) -> Result<(), SystemError> {
        self.linger.end();
        let all = std::mem::take(&mut self.unsent);
        let Some(Own { upto, .. }) = all.last() else {
            return Ok(());
        };
        let (first, number) = (self.sent_upto + 1, self.sent_upto + all.len() as u64);
        let after = grown(self.node, upto, &self.told);
        self.told.clone_from(upto);
        let message: Arc<[u8]> = match &all[..] {
            [one] => encode(&Message::Update { number, after }, &one.update)?,
            _ => {
                let updates: Vec<_> = all.iter().map(|own| &own.update[..]).collect();
                let merged = self.document.merge(&updates)?;
                let header = Message::Merged {
                    first,
                    number,
                    after,
                };
                encode(&header, &merged)?
            }
        }
        .into();
        for peer in 0..self.lines.len() {
            if peer != self.node && self.up[peer] {
                out.send(peer, message.clone());
            }
        }
        self.sent_upto = number;
        self.sent_bytes += message.len();
        self.sent.push_back(Sent {
            first,
            last: number,
            message,
        });
        while self.sent_bytes > SEND_BUFFER
            && let Some(oldest) = self.sent.pop_front()
        {
            self.sent_bytes -= oldest.message.len();
        }
        Ok(())
    }

    fn say(
        &mut self,
        to: NodeId,
        answer: bool,
        fresh: bool,
        out: &mut Out,
    ) -> Result<(), SystemError> {
        // Nobody is to ask for what waits.
        self.send_own(out)?;
        let message = Message::Have {
            answer,
            fresh,
            upto: self.upto(),
        };
        out.send(to, encode(&message, &[])?);
        Ok(())
    }

    fn ask_at(&mut self, at: Micros, out: &mut Out) {
        let at = at.max(self.patient_until);
        let at = self.next_ask.map_or(at, |before| before.min(at));
        self.next_ask = Some(at);
        out.wake(at);
    }

    /// Requests what is missing: single updates from their origins first, then everything from one
    /// node.
    fn ask(&mut self, now: Micros, out: &mut Out) -> Result<(), SystemError> {
        self.next_ask = None;
        if !self.lacks() {
            self.requests = 0;
            return Ok(());
        }
        let mut missing = BTreeMap::new();
        let mut holders = Vec::new();
        for (origin, (line, &(last, holder))) in self.lines.iter().zip(&self.known).enumerate() {
            if line.upto < last {
                missing.insert(origin, line.gaps(last));
                holders.extend([holder, origin]);
            }
        }
        holders.retain(|&holder| holder != self.node && self.up[holder]);
        let origins_up = missing.keys().all(|&origin| self.up[origin]);
        if self.requests == 0 && origins_up {
            for (origin, gaps) in missing {
                out.send(origin, encode(&Message::Missing(gaps), &[])?);
            }
        } else if !holders.is_empty() {
            let holder = holders[self.requests as usize % holders.len()];
            let vector = self.document.vector()?;
            let message = Message::Step1 { upto: self.upto() };
            out.send(holder, encode(&message, &vector)?);
        }
        self.requests += 1;
        self.patient_until = now + 4 * self.latency + self.interval;
        self.ask_at(self.patient_until, out);
        Ok(())
    }

    fn satisfied(&mut self) {
        if !self.lacks() {
            self.requests = 0;
            self.patient_until = 0;
            self.next_ask = None;
        }
    }
}

impl<D: Document> Node for Replica<D> {
    fn submit(
        &mut self,
        _: Micros,
        ops: &[Submitted<'_>],
        out: &mut Out,
    ) -> Result<(), SystemError> {
        for op in ops {
            let action = op.action.clone();
            self.queue
                .push((op.id, op.key.to_owned(), op.field, action));
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
        let (message, rest) = postcard::take_from_bytes::<Message>(bytes)
            .map_err(|error| SystemError::failed("reading a message", error))?;
        match message {
            Message::Update { number, after } => {
                self.receive_update(from, (number, number), after, rest)?;
                self.ask_if_lacking(now, out);
            }
            Message::Merged {
                first,
                number,
                after,
            } => {
                self.receive_update(from, (first, number), after, rest)?;
                self.ask_if_lacking(now, out);
            }
            Message::Missing(gaps) => self.retransmit(from, gaps, out)?,
            Message::Have {
                answer,
                fresh,
                upto,
            } => self.compare(now, from, &upto, answer, fresh, out)?,
            Message::Step1 { upto } => {
                self.note_all(&upto, from);
                self.questions.push(Question {
                    from,
                    upto,
                    vector: rest.to_vec(),
                });
                self.ask_if_lacking(now, out);
            }
            Message::Step2 { base, upto } => {
                self.receive_difference(from, &base, upto, rest)?;
                self.ask_if_lacking(now, out);
            }
        }
        self.flush(out)
    }

    fn wake(&mut self, now: Micros, out: &mut Out) -> Result<(), SystemError> {
        if let Some(peer) = self.rounds.due(now, &self.up) {
            self.say(peer, false, false, out)?;
        }
        if self.linger.is_due(now, out) {
            self.send_own(out)?;
        }
        if self.next_ask.is_some_and(|at| now >= at) {
            self.ask(now, out)?;
        }
        out.wake(self.rounds.next());
        if let Some(at) = self.next_ask {
            out.wake(at);
        }
        Ok(())
    }

    fn stored(&mut self, now: Micros, ticket: u64, out: &mut Out) -> Result<(), SystemError> {
        if let Some(writing) = self.writing.take_if(|writing| writing.ticket == ticket) {
            if let Some(own) = writing.own {
                self.unsent.push(own);
                if self.linger.begin(now, out) {
                    self.send_own(out)?;
                }
            }
            for id in writing.done {
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
        self.send_own(out)?;
        self.up[peer] = up;
        if up {
            self.say(peer, false, true, out)?;
        }
        Ok(())
    }

    fn progress(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.upto().into_iter().flat_map(u64::to_le_bytes).collect();
        // What waits for the disk exists on this node only.
        if let Some((id, ..)) = self.queue.last() {
            bytes.extend_from_slice(&id.to_le_bytes());
        }
        bytes
    }

    fn read(&self, key: &str, field: u16) -> Result<Content, SystemError> {
        self.document.read(key, field)
    }

    fn bytes_read(&self) -> u64 {
        self.bytes_read
    }
}

fn encode(message: &Message, rest: &[u8]) -> Result<Vec<u8>, SystemError> {
    let mut bytes = postcard::to_allocvec(message)
        .map_err(|error| SystemError::failed("encoding a message", error))?;
    bytes.extend_from_slice(rest);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use atomik_workload::workload::Class;

    /// A document that consists of the updates applied to it.
    #[derive(Default)]
    struct Updates(Vec<Vec<u8>>);

    impl Document for Updates {
        fn edit(&mut self, operations: &[(&str, u16, &Action)]) -> Result<Vec<u8>, SystemError> {
            Ok(operations[0].0.as_bytes().to_vec())
        }

        fn merge(&self, updates: &[&[u8]]) -> Result<Vec<u8>, SystemError> {
            Ok(updates.concat())
        }

        fn apply(&mut self, updates: &[&[u8]]) -> Result<(), SystemError> {
            self.0.extend(updates.iter().map(|update| update.to_vec()));
            Ok(())
        }

        fn vector(&self) -> Result<Vec<u8>, SystemError> {
            Ok(Vec::new())
        }

        fn difference(&self, _: &[u8]) -> Result<Vec<u8>, SystemError> {
            Ok(Vec::new())
        }

        fn whole(&self) -> Result<Vec<u8>, SystemError> {
            Ok(Vec::new())
        }

        fn read(&self, _: &str, _: u16) -> Result<Content, SystemError> {
            Ok(Content::empty(Class::Flag))
        }
    }

    const LATENCY: Micros = 1000;

    fn open(node: NodeId, storage: &Storage) -> (Replica<Updates>, u64) {
        let setup = Setup {
            nodes: 3,
            seed: 1,
            fields: Arc::new([]),
            latency: LATENCY,
            fsync: 500,
            sync_interval: 1_000_000,
            linger: 0,
        };
        let mut life = 0;
        let replica = Replica::open(&setup, node, storage, |of| {
            life = of;
            Ok(Updates::default())
        });
        (replica.unwrap(), life)
    }

    fn submit(replica: &mut Replica<Updates>, id: OpId, key: &str) -> Out {
        let mut out = Out::default();
        let op = Submitted {
            id,
            key,
            field: 0,
            action: &Action::Toggle,
        };
        replica.submit(0, &[op], &mut out).unwrap();
        out
    }

    /// Completes the pending disk writes and returns the resulting messages.
    fn sync(replica: &mut Replica<Updates>, out: Out, storage: &mut Storage) -> Out {
        let mut then = Out::default();
        for write in out.persisted {
            storage.store(write.records);
            replica.stored(0, write.ticket, &mut then).unwrap();
        }
        then
    }

    fn update(number: u64, after: &[(u32, u64)], bytes: &[u8]) -> Vec<u8> {
        let after = after.to_vec();
        encode(&Message::Update { number, after }, bytes).unwrap()
    }

    #[test]
    fn nothing_leaves_a_node_before_its_disk_has_it() {
        let (mut replica, _) = open(0, &Storage::default());
        let first = submit(&mut replica, 1, "a");
        let second = submit(&mut replica, 2, "b");
        for out in [&first, &second] {
            assert!(out.sent.is_empty() && out.acknowledged.is_empty());
        }
        // Nor for a node that asks.
        let mut out = Out::default();
        for message in [
            encode(&Message::Missing(vec![(1, 2)]), &[]).unwrap(),
            encode(&Message::Step1 { upto: vec![0; 3] }, &[]).unwrap(),
        ] {
            replica.receive(0, 1, &message, &mut out).unwrap();
        }
        assert!(out.sent.is_empty() && out.acknowledged.is_empty());
        let mut storage = Storage::default();
        let out = sync(&mut replica, first, &mut storage);
        assert_eq!(out.acknowledged, [1]);
        let to: Vec<_> = out.sent.iter().map(|(to, _)| *to).collect();
        assert_eq!(
            to,
            [1, 2, 1],
            "the update to all, the difference to who asked"
        );
    }

    #[test]
    fn a_life_that_stored_something_is_not_lived_again() {
        let mut storage = Storage::default();
        for life in [0, 1, 2] {
            // Nobody knows an incarnation that stored nothing.
            assert_eq!(open(0, &storage).1, life);
            let (mut replica, of) = open(0, &storage);
            assert_eq!(of, life);
            let out = submit(&mut replica, life, "a");
            sync(&mut replica, out, &mut storage);
        }
    }

    #[test]
    fn updates_are_taken_over_once_and_after_all_that_they_came_after() {
        let (mut replica, _) = open(0, &Storage::default());
        let mut out = Out::default();
        for (from, message, there) in [
            (1, update(2, &[], b"1.2"), 0),
            (2, update(1, &[(1, 2)], b"2.1"), 0),
            (1, update(1, &[], b"1.1"), 3),
            (1, update(1, &[], b"1.1"), 3),
            (2, update(1, &[(1, 2)], b"2.1"), 3),
        ] {
            replica.receive(0, from, &message, &mut out).unwrap();
            assert_eq!(replica.document.0.len(), there);
        }
        assert_eq!(replica.document.0, [b"1.1", b"1.2", b"2.1"]);
    }

    #[test]
    fn what_is_missing_is_asked_for_until_it_comes() {
        let (mut replica, _) = open(0, &Storage::default());
        let mut out = Out::default();
        let late = update(3, &[(2, 1)], b"1.3");
        replica.receive(0, 1, &late, &mut out).unwrap();
        assert!(out.sent.is_empty(), "it may only be late");
        // What it requests the next time.
        let asked = |replica: &mut Replica<Updates>, mut out: Out| {
            loop {
                let now = out.wake.unwrap();
                out = Out::default();
                replica.wake(now, &mut out).unwrap();
                let decode = |(to, bytes): &(NodeId, Arc<[u8]>)| {
                    let message = postcard::take_from_bytes::<Message>(bytes).unwrap().0;
                    match message {
                        Message::Missing(gaps) => Some((*to, gaps)),
                        Message::Step1 { .. } => Some((*to, Vec::new())),
                        _ => None,
                    }
                };
                let asked: Vec<_> = out.sent.iter().filter_map(decode).collect();
                if !asked.is_empty() || now > 10_000_000 {
                    return (asked, out);
                }
            }
        };
        let (first, out) = asked(&mut replica, out);
        assert_eq!(first, [(1, vec![(1, 2)]), (2, vec![(1, 1)])]);
        let (second, mut out) = asked(&mut replica, out);
        assert_eq!(second, [(1, vec![])], "all of it, from whoever has it");
        for message in [update(1, &[], b"1.1"), update(2, &[], b"1.2")] {
            replica.receive(0, 1, &message, &mut out).unwrap();
        }
        let there = update(1, &[], b"2.1");
        replica.receive(0, 2, &there, &mut out).unwrap();
        assert!(!replica.lacks());
        assert_eq!(replica.document.0.len(), 4);
    }
}
