//! Reliable causal broadcast: every batch of operations reaches every node exactly once, after all
//! batches that its origin had seen when it made it. Operation-based CRDTs require this of their
//! transport.
//!
//! Each origin numbers its batches from 1. The batches that a node has form a version vector. A
//! batch lists the entries of its origin's vector that have changed since that origin's previous
//! batch (Singhal and Kshemkalyani's technique for short vector timestamps). A batch is stored
//! before it is sent, and batches delivered from others are stored before anything that came after
//! them. A node that receives a batch may therefore conclude that its origin durably holds
//! everything that the batch depends on: dependencies also serve as acknowledgements.
//!
//! Losses are found by gaps in the numbers, and by comparing version vectors: with one peer in turn
//! at every interval, and with a peer whose link comes back. Missing batches are requested by
//! number. A batch is forgotten when every node is known to hold it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::anti_entropy::{Rounds, gaps, grown};
use super::linger::Linger;
use atomik_arena::system::{Micros, NodeId, Out, Record, Setup, SystemError};

/// Bytes of batches in the answer to one request; the rest is requested when they have arrived.
const ANSWER_BYTES: usize = if cfg!(test) { 200 } else { 256 << 10 };

/// Limit of batches that wait for their predecessors. More are dropped, and requested again later.
const MOST_WAITING: usize = 1 << 16;

/// A payload that is delivered, as it was passed to [`Log::append`].
pub(crate) type Payload = Arc<[u8]>;

/// First byte of the keys of stored batches.
const BATCH: u8 = b'b';

/// A batch, as it is sent and stored.
#[derive(Serialize, Deserialize)]
struct Batch<'a> {
    origin: u32,
    /// From 1, without gaps.
    number: u64,
    /// Entries of the origin's version vector that grew since its previous batch.
    after: Vec<(u32, u64)>,
    #[serde(borrow)]
    payload: &'a [u8],
}

#[derive(Serialize, Deserialize)]
enum Message {
    /// Encoded batches follow up to the end of the message.
    Batches {
        /// They answer a request; batches that are still missing may be requested immediately.
        answer: bool,
    },
    /// The version vector that the sender holds durably.
    Have {
        /// It answers another one.
        answer: bool,
        /// The link has just come up: nothing is in flight, and missing batches may be requested
        /// immediately.
        fresh: bool,
        vector: Vec<u64>,
    },
    /// The sender lacks these: origin, first, last.
    Ask(Vec<(u32, u64, u64)>),
}

/// The batches of one origin, as far as this node keeps them.
#[derive(Debug, Default)]
struct Line {
    /// All batches up to this number have been delivered here.
    delivered: u64,
    /// All batches up to this number are durable here.
    stored: u64,
    /// Encoded batches, the last being number `delivered`: own batches, and those that some node
    /// may still lack.
    kept: VecDeque<Arc<[u8]>>,
    /// Encoded batches that arrived too early, by number.
    waiting: BTreeMap<u64, Arc<[u8]>>,
    /// The highest known number, and a node known to hold it.
    known: (u64, NodeId),
}

/// One node's end of the broadcast.
#[derive(Debug)]
pub(crate) struct Log {
    node: NodeId,
    latency: Micros,
    interval: Micros,
    lines: Vec<Line>,
    /// The version vector that each node is known to hold durably.
    holds: Vec<Vec<u64>>,
    up: Vec<bool>,
    /// The version vector at this node's last batch.
    told: Vec<u64>,
    /// Records for the next flush.
    records: Vec<Record>,
    rounds: Rounds,
    next_ask: Option<Micros>,
    /// Own batches up to this number have been sent, or were stored in an earlier life.
    sent: u64,
    linger: Linger,
}

impl Log {
    /// An empty log.
    pub(crate) fn new(setup: &Setup, node: NodeId) -> Self {
        let nodes = setup.nodes;
        Self {
            node,
            latency: setup.latency.max(1),
            interval: setup.sync_interval.max(1),
            lines: (0..nodes).map(|_| Line::default()).collect(),
            holds: vec![vec![0; nodes]; nodes],
            up: vec![true; nodes],
            told: vec![0; nodes],
            records: Vec::new(),
            rounds: Rounds::new(node, setup.sync_interval.max(1)),
            next_ask: None,
            sent: 0,
            linger: Linger::new(setup),
        }
    }

    /// Opens a log whose batches up to `covered` are part of a stored state. `records` holds the
    /// later ones, stored by an earlier incarnation. Also returns the batches that are not covered,
    /// in causal order.
    ///
    /// # Errors
    ///
    /// If the records cannot be read, or batches are missing.
    pub(crate) fn open<'a>(
        setup: &Setup,
        node: NodeId,
        covered: &[u64],
        records: impl Iterator<Item = (&'a Vec<u8>, &'a Vec<u8>)>,
    ) -> Result<(Self, Vec<Payload>), SystemError> {
        let mut log = Self::new(setup, node);
        for (line, &covered) in log.lines.iter_mut().zip(covered) {
            line.delivered = covered;
        }
        for (_, bytes) in records {
            let batch = decode(bytes)?;
            let line = log.line(batch.origin)?;
            let bytes: Arc<[u8]> = bytes.as_slice().into();
            if batch.number <= line.delivered {
                line.kept.push_back(bytes);
            } else {
                line.waiting.insert(batch.number, bytes);
            }
        }
        let delivered = log.deliver()?;
        // They are stored already.
        log.records.clear();
        for line in &mut log.lines {
            if !line.waiting.is_empty() {
                return Err(SystemError::invariant(
                    "a stored batch depends on one that is not stored",
                ));
            }
            line.stored = line.delivered;
        }
        log.holds[node] = log.vector();
        log.sent = log.lines[node].stored;
        Ok((log, delivered))
    }

    /// Whether the key of a record is that of a batch.
    pub(crate) fn is_batch(key: &[u8]) -> bool {
        key.first() == Some(&BATCH)
    }

    /// The number of the last delivered batch of each origin.
    pub(crate) fn vector(&self) -> Vec<u64> {
        self.lines.iter().map(|line| line.delivered).collect()
    }

    /// Numbers a payload of this node as the successor of everything delivered. It is sent once
    /// stored.
    ///
    /// # Errors
    ///
    /// If it cannot be encoded.
    pub(crate) fn append(&mut self, payload: &[u8]) -> Result<(), SystemError> {
        let vector = self.vector();
        let after = grown(self.node, &vector, &self.told);
        self.told = vector;
        let line = &mut self.lines[self.node];
        line.delivered += 1;
        let batch = Batch {
            origin: self.node as u32,
            number: line.delivered,
            after,
            payload,
        };
        let bytes = postcard::to_allocvec(&batch)
            .map_err(|error| SystemError::failed("encoding a batch", error))?;
        self.records
            .push((key(self.node, line.delivered), Some(bytes.clone())));
        line.kept.push_back(bytes.into());
        Ok(())
    }

    /// The records to be stored now, together. Call [`Log::stored`] when they are durable, and
    /// before the next flush.
    pub(crate) fn flush(&mut self) -> Vec<Record> {
        std::mem::take(&mut self.records)
    }

    /// Whether there is something to flush.
    pub(crate) fn is_dirty(&self) -> bool {
        !self.records.is_empty()
    }

    /// Records that a flush is durable: sends own batches to all reachable peers, or lets them wait
    /// for more. `flushed` is [`Log::vector`] at the time of the flush.
    pub(crate) fn stored(
        &mut self,
        now: Micros,
        flushed: &[u64],
        out: &mut Out,
    ) -> Result<(), SystemError> {
        for (line, &flushed) in self.lines.iter_mut().zip(flushed) {
            line.stored = flushed;
        }
        self.holds[self.node] = flushed.to_vec();
        if self.lines[self.node].stored > self.sent && self.linger.begin(now, out) {
            self.send_own(out)?;
        }
        self.forget();
        Ok(())
    }

    /// Sends the own batches that wait, in one message.
    fn send_own(&mut self, out: &mut Out) -> Result<(), SystemError> {
        self.linger.end();
        let own = &self.lines[self.node];
        let new = (own.stored - self.sent) as usize;
        if new == 0 {
            return Ok(());
        }
        let first = own.kept.len() - (own.delivered - self.sent) as usize;
        let batches = own.kept.iter().skip(first).take(new);
        let message: Arc<[u8]> = encode(&Message::Batches { answer: false }, batches)?.into();
        self.sent = own.stored;
        for peer in 0..self.lines.len() {
            if peer != self.node && self.up[peer] {
                out.send(peer, message.clone());
            }
        }
        Ok(())
    }

    /// The numbers up to which every node durably holds the batches of each origin, so that their
    /// records can be deleted.
    pub(crate) fn held_by_all(&self) -> Vec<u64> {
        (0..self.lines.len())
            .map(|origin| {
                self.holds
                    .iter()
                    .map(|holds| holds[origin])
                    .min()
                    .unwrap_or(0)
            })
            .collect()
    }

    /// The key under which a batch is stored.
    pub(crate) fn key(origin: NodeId, number: u64) -> Vec<u8> {
        key(origin, number)
    }

    /// The number of the batch that is stored under a key, if it is one of `origin`.
    pub(crate) fn number(stored: &[u8], origin: NodeId) -> Option<u64> {
        let number = stored.strip_prefix(&key(origin, 0)[..5])?;
        Some(u64::from_be_bytes(number.try_into().ok()?))
    }

    /// Receives a message. Returns the batches that can now be delivered, in order.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub(crate) fn receive(
        &mut self,
        now: Micros,
        from: NodeId,
        bytes: &[u8],
        out: &mut Out,
    ) -> Result<Vec<Payload>, SystemError> {
        let (message, mut rest) = postcard::take_from_bytes::<Message>(bytes)
            .map_err(|error| SystemError::failed("reading a message", error))?;
        match message {
            Message::Batches { answer } => {
                while !rest.is_empty() {
                    let (batch, after) = postcard::take_from_bytes::<Batch<'_>>(rest)
                        .map_err(|error| SystemError::failed("reading a batch", error))?;
                    let encoded = &rest[..rest.len() - after.len()];
                    rest = after;
                    self.take(&batch, encoded, from)?;
                }
                let delivered = self.deliver()?;
                if self.lacks() {
                    if answer {
                        self.next_ask = None;
                        self.ask(now, out)?;
                    } else {
                        // What is missing may be late rather than lost.
                        self.ask_at(now + 2 * self.latency, out);
                    }
                }
                return Ok(delivered);
            }
            Message::Have {
                answer,
                fresh,
                vector,
            } => self.compare(now, from, &vector, answer, fresh, out)?,
            Message::Ask(ranges) => self.retransmit(from, ranges, out)?,
        }
        Ok(Vec::new())
    }

    /// Compares the version vector that the sender holds durably with that of this node.
    fn compare(
        &mut self,
        now: Micros,
        from: NodeId,
        vector: &[u64],
        answer: bool,
        fresh: bool,
        out: &mut Out,
    ) -> Result<(), SystemError> {
        if vector.len() != self.lines.len() {
            return Err(SystemError::invariant(
                "a version vector of another cluster",
            ));
        }
        let mut behind = false;
        for (origin, &number) in vector.iter().enumerate() {
            let line = &mut self.lines[origin];
            if number > line.known.0 {
                line.known = (number, from);
            }
            behind |= number < line.stored;
            let holds = &mut self.holds[from][origin];
            *holds = number.max(*holds);
        }
        self.forget();
        if behind && !answer {
            self.say(from, true, fresh, out)?;
        }
        if self.lacks() {
            let patience = if fresh { 0 } else { 2 * self.latency };
            self.ask_at(now + patience, out);
        }
        Ok(())
    }

    /// Sends the requested batches, as far as they fit into one answer.
    fn retransmit(
        &mut self,
        to: NodeId,
        ranges: Vec<(u32, u64, u64)>,
        out: &mut Out,
    ) -> Result<(), SystemError> {
        let mut found = Vec::new();
        let mut size = 0;
        'all: for (origin, first, last) in ranges {
            let line = self.line(origin)?;
            let gone = line.delivered - line.kept.len() as u64;
            // Only durable batches are sent: no other node may see an own batch before.
            for number in first.max(gone + 1)..=last.min(line.stored) {
                let bytes = line.kept[(number - gone - 1) as usize].clone();
                size += bytes.len();
                found.push(bytes);
                if size >= ANSWER_BYTES {
                    break 'all;
                }
            }
        }
        if !found.is_empty() {
            let batches = encode(&Message::Batches { answer: true }, found.iter())?;
            out.send(to, batches);
        }
        Ok(())
    }

    /// Runs at the requested time, and at the start.
    ///
    /// # Errors
    ///
    /// If a message cannot be encoded.
    pub(crate) fn wake(&mut self, now: Micros, out: &mut Out) -> Result<(), SystemError> {
        if let Some(peer) = self.rounds.due(now, &self.up) {
            self.say(peer, false, false, out)?;
        }
        if self.linger.is_due(now, out) {
            self.send_own(out)?;
        }
        if self.next_ask.is_some_and(|at| now >= at) {
            self.next_ask = None;
            self.ask(now, out)?;
        }
        out.wake(self.rounds.next());
        if let Some(at) = self.next_ask {
            out.wake(at);
        }
        Ok(())
    }

    /// Records that a link went up or down.
    ///
    /// # Errors
    ///
    /// If a message cannot be encoded.
    pub(crate) fn link(
        &mut self,
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

    fn line(&mut self, origin: u32) -> Result<&mut Line, SystemError> {
        self.lines.get_mut(origin as usize).ok_or_else(|| {
            SystemError::invariant(format!("a batch of node {origin}, which does not exist"))
        })
    }

    fn take(&mut self, batch: &Batch<'_>, encoded: &[u8], from: NodeId) -> Result<(), SystemError> {
        let origin = batch.origin as usize;
        self.line(batch.origin)?;
        for &(other, number) in &batch.after {
            let line = self.line(other)?;
            if number > line.known.0 {
                line.known = (number, from);
            }
            // Its origin stored these before the batch.
            let holds = &mut self.holds[origin][other as usize];
            *holds = number.max(*holds);
        }
        let holds = &mut self.holds[origin][origin];
        *holds = batch.number.max(*holds);
        let line = &mut self.lines[origin];
        if batch.number > line.known.0 {
            line.known = (batch.number, from);
        }
        if batch.number > line.delivered && line.waiting.len() < MOST_WAITING {
            line.waiting
                .entry(batch.number)
                .or_insert_with(|| encoded.into());
        }
        Ok(())
    }

    /// Delivers the waiting batches whose predecessors have all been delivered.
    fn deliver(&mut self) -> Result<Vec<Payload>, SystemError> {
        let mut delivered = Vec::new();
        loop {
            let before = delivered.len();
            for origin in 0..self.lines.len() {
                while let Some(bytes) = self.lines[origin]
                    .waiting
                    .get(&(self.lines[origin].delivered + 1))
                    .cloned()
                {
                    let batch = decode(&bytes)?;
                    let ready = batch.after.iter().all(|&(other, number)| {
                        self.lines
                            .get(other as usize)
                            .is_some_and(|line| line.delivered >= number)
                    });
                    if !ready {
                        break;
                    }
                    let line = &mut self.lines[origin];
                    line.waiting.remove(&batch.number);
                    line.delivered = batch.number;
                    self.records
                        .push((key(origin, batch.number), Some(bytes.to_vec())));
                    delivered.push(batch.payload.into());
                    line.kept.push_back(bytes);
                }
            }
            if delivered.len() == before {
                return Ok(delivered);
            }
        }
    }

    fn lacks(&self) -> bool {
        self.lines.iter().any(|line| line.known.0 > line.delivered)
    }

    fn ask_at(&mut self, at: Micros, out: &mut Out) {
        let at = self.next_ask.map_or(at, |before| before.min(at));
        self.next_ask = Some(at);
        out.wake(at);
    }

    /// Requests missing batches from a node that holds them, and repeats the request in case it is
    /// lost.
    fn ask(&mut self, now: Micros, out: &mut Out) -> Result<(), SystemError> {
        let mut asked: BTreeMap<NodeId, Vec<(u32, u64, u64)>> = BTreeMap::new();
        for origin in 0..self.lines.len() {
            let line = &self.lines[origin];
            let (last, holder) = line.known;
            let holder = if self.up[holder] {
                Some(holder)
            } else {
                (0..self.lines.len())
                    .find(|&peer| self.up[peer] && self.holds[peer][origin] > line.delivered)
            };
            let Some(holder) = holder.filter(|&holder| holder != self.node) else {
                continue;
            };
            let ranges = gaps(line.delivered, line.waiting.keys().copied(), last)
                .into_iter()
                .map(|(first, last)| (origin as u32, first, last));
            asked.entry(holder).or_default().extend(ranges);
        }
        asked.retain(|_, ranges| !ranges.is_empty());
        for (holder, ranges) in asked {
            out.send(holder, encode(&Message::Ask(ranges), [].iter())?);
        }
        if self.lacks() {
            self.ask_at(now + 4 * self.latency + self.interval, out);
        }
        Ok(())
    }

    fn say(
        &mut self,
        peer: NodeId,
        answer: bool,
        fresh: bool,
        out: &mut Out,
    ) -> Result<(), SystemError> {
        // Nobody is to ask for what waits.
        self.send_own(out)?;
        let vector = self.lines.iter().map(|line| line.stored).collect();
        let message = Message::Have {
            answer,
            fresh,
            vector,
        };
        out.send(peer, encode(&message, [].iter())?);
        Ok(())
    }

    /// Drops batches from memory that every node holds.
    fn forget(&mut self) {
        let held = self.held_by_all();
        for (line, held) in self.lines.iter_mut().zip(held) {
            let gone = line.delivered - line.kept.len() as u64;
            let more = held.saturating_sub(gone) as usize;
            line.kept.drain(..more.min(line.kept.len()));
        }
    }
}

fn key(origin: NodeId, number: u64) -> Vec<u8> {
    let mut key = vec![BATCH];
    key.extend_from_slice(&(origin as u32).to_be_bytes());
    key.extend_from_slice(&number.to_be_bytes());
    key
}

fn decode(bytes: &[u8]) -> Result<Batch<'_>, SystemError> {
    postcard::from_bytes(bytes).map_err(|error| SystemError::failed("reading a batch", error))
}

fn encode<'a>(
    message: &Message,
    batches: impl Iterator<Item = &'a Arc<[u8]>>,
) -> Result<Vec<u8>, SystemError> {
    let mut bytes = postcard::to_allocvec(message)
        .map_err(|error| SystemError::failed("encoding a message", error))?;
    for batch in batches {
        bytes.extend_from_slice(batch);
    }
    Ok(bytes)
}
