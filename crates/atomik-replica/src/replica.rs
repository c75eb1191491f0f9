//! The state machine: local operations, storage, and who does what with an event.

use core::hash::{Hash, Hasher};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use atomik_algebra::{Op, Response};
use smallvec::SmallVec;

use crate::entry::MAX_SEEN;
use crate::entry::{Change, MAX_KEY, Seen, SeenList, Tag};
use crate::fold::Retiring;
use crate::frame::{Evidence, FRAME_OVERHEAD, MAX_LEAVES, Secrets, encode_excerpt};
use crate::interface::{
    Action, Config, Counters, Effect, Event, LocalOp, Notice, OpError, OpenError, Outcome, PeerId,
    Record, View,
};
use crate::message::Kind;
use crate::origin::{Author, OriginId};
use crate::sketch::Sketch;
use crate::sync::Exchange;
use crate::table::{Entry, OURS, Published, Table, UNPUBLISHED};
use crate::value::{MAX_WORDS, Value};

/// An origin that has been heard of.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Origin {
    pub(crate) id: OriginId,
    pub(crate) author: Author,
    /// It signed two contents as one version.
    pub(crate) quarantined: bool,
    /// The highest number of a frame of its that came.
    pub(crate) frame: u64,
    /// It is part of the base.
    pub(crate) folded: bool,
    pub(crate) retiring: Retiring,
}

/// One of this replica's own batches.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Batch {
    pub(crate) number: u64,
    /// The batch that this one took back.
    pub(crate) undoes: Option<u64>,
    pub(crate) deltas: SmallVec<[(u32, Value); 1]>,
}

/// What was handed to storage and not confirmed yet.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Flight {
    pub(crate) ticket: u64,
    /// Slots whose own entry is published with it, as what, and the change as published before.
    pub(crate) own: Vec<(u32, Published, Option<Change>)>,
    pub(crate) frames: Vec<(u64, Vec<u8>)>,
}

/// Encoded changes one after the other, with their tags.
#[derive(Clone, Debug, Default)]
pub(crate) struct Leaves {
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
    tags: Vec<Tag>,
}

impl Leaves {
    /// Appends what `encode` writes; its tag has to follow.
    fn add(&mut self, encode: impl FnOnce(&mut Vec<u8>)) -> &[u8] {
        let start = self.bytes.len();
        encode(&mut self.bytes);
        self.ends.push(self.bytes.len());
        &self.bytes[start..]
    }

    pub(crate) fn push(&mut self, tag: Tag, encode: impl FnOnce(&mut Vec<u8>)) {
        self.add(encode);
        self.tags.push(tag);
    }
}

/// A replica of one keyspace.
///
/// It does nothing by itself: it has no clock, no randomness, no files and no sockets. Whoever runs
/// it gives it [`Event`]s and does what the [`Effect`]s say. Given the same events it does the
/// same.
#[derive(Clone, Debug)]
pub struct Replica {
    pub(crate) config: Config,
    pub(crate) secrets: Secrets,
    pub(crate) table: Table,
    pub(crate) origins: Vec<Origin>,
    pub(crate) origin_places: HashMap<OriginId, u32>,
    /// This replica's own place in `origins`.
    pub(crate) own: u32,
    pub(crate) retired: bool,
    /// Origins whose record is to be stored.
    pub(crate) unstored_origins: BTreeSet<u32>,
    /// Slots with an own entry to be published, with the change as published before.
    pub(crate) unpublished: Vec<(u32, Option<Change>)>,
    pub(crate) flight: Option<Flight>,
    pub(crate) tickets: u64,
    /// The last ticket that storage has confirmed.
    pub(crate) durable: u64,
    pub(crate) frames: u64,
    pub(crate) batches: VecDeque<Batch>,
    pub(crate) next_batch: u64,
    /// Batches of number `.0` and later are not stored yet; stored records by their first batch and
    /// number of batches.
    pub(crate) stored_batches: (u64, VecDeque<(u64, u64)>),
    pub(crate) forgotten_records: Vec<u64>,
    pub(crate) undone: BTreeSet<u64>,
    pub(crate) checkpoints: Vec<(u32, String)>,
    pub(crate) next_checkpoint: u32,
    /// Meta data have changed without any slot.
    pub(crate) unstored_meta: bool,
    /// Grows with everything local that has to be stored.
    activity: u64,
    subscriptions: Vec<(u32, Box<[u8]>)>,
    next_subscription: u32,
    pub(crate) peers: Vec<PeerId>,
    pub(crate) next_peer: usize,
    pub(crate) ticks: u32,
    pub(crate) exchange: Option<Exchange>,
    /// Up peers that were found to differ while another exchange was under way, with the sums of
    /// their entries.
    pub(crate) put_off: BTreeMap<PeerId, u128>,
    pub(crate) base_sum: u128,
    /// A sum over the ledger.
    pub(crate) ledger_sum: u128,
    pub(crate) counters: Counters,
}

impl Replica {
    /// A replica with the memory that `records` holds: all that was ever persisted, in any order;
    /// none for a new one.
    ///
    /// Opened with [`Config::kept_memory`] false, it is a new origin that the records do not know
    /// before the first batch is stored: see there.
    ///
    /// # Errors
    ///
    /// [`OpenError`], which says what to do.
    pub fn open(
        config: Config,
        records: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>,
    ) -> Result<Self, OpenError> {
        check(&config)?;
        let secrets = Secrets::new(&config.secret, &config.keyspace, config.words);
        let table = Table::new(config.words, config.digest_cells);
        let author = Author {
            key: config.trust.key(),
            incarnation: config.incarnation,
        };
        let mut replica = Self {
            config,
            secrets,
            table,
            origins: Vec::new(),
            origin_places: HashMap::new(),
            own: 0,
            retired: false,
            unstored_origins: BTreeSet::new(),
            unpublished: Vec::new(),
            flight: None,
            tickets: 0,
            durable: 0,
            frames: 0,
            batches: VecDeque::new(),
            next_batch: 1,
            stored_batches: (1, VecDeque::new()),
            forgotten_records: Vec::new(),
            undone: BTreeSet::new(),
            checkpoints: Vec::new(),
            next_checkpoint: 1,
            unstored_meta: true,
            activity: 0,
            subscriptions: Vec::new(),
            next_subscription: 0,
            peers: Vec::new(),
            next_peer: 0,
            ticks: 0,
            exchange: None,
            put_off: BTreeMap::new(),
            base_sum: 0,
            ledger_sum: 0,
            counters: Counters::default(),
        };
        // What was written under another key cannot be gone on with: nobody would believe the
        // signatures.
        let kept = replica
            .load(records)?
            .filter(|&own| replica.origins[own as usize].author.key == replica.config.trust.key());
        replica.durable = replica.tickets;
        replica.own = match kept {
            Some(own) if replica.config.kept_memory && !replica.retired => own,
            former => {
                // It may have been stopped between leaving and saying so.
                if let Some(former) =
                    former.filter(|_| replica.config.kept_memory && replica.retired)
                    && !replica.origins[former as usize].retiring.is_known()
                {
                    replica.announce_retirement(former);
                }
                replica.retired = false;
                replica.unstored_meta = true;
                replica.place_of(author)
            }
        };
        Ok(replica)
    }

    /// Takes an event, appends what has to be done to `effects`, and returns what local operations
    /// answered.
    ///
    /// # Errors
    ///
    /// [`OpError`] if a local event was refused; then nothing has changed and there are no effects.
    /// What peers send wrongly is no error here but a [`Notice::Refused`].
    pub fn step(
        &mut self,
        event: Event<'_>,
        effects: &mut Vec<Effect>,
    ) -> Result<Outcome, OpError> {
        match event {
            Event::Op(op) => return self.batch(core::slice::from_ref(op), effects),
            Event::Batch(ops) => return self.batch(ops, effects),
            Event::Undo(number) => return self.undo(number, effects),
            Event::Checkpoint(name) => return Ok(self.checkpoint(name)),
            Event::DropCheckpoint(number) => return self.drop_checkpoint(number),
            Event::Retire => {
                self.retired = true;
                self.unstored_meta = true;
                let ticket = self.next_durable();
                self.origins[self.own as usize].retiring.complete = Some(ticket);
                return Ok(self.pending(None));
            }
            Event::Flush => self.flush(effects),
            Event::Persisted(ticket) => self.persisted(ticket, effects),
            Event::Tick => self.tick(effects),
            Event::Message { from, bytes } => self.receive(from, bytes, effects),
            Event::PeerUp(peer) => {
                if !self.peers.contains(&peer) {
                    self.peers.push(peer);
                }
                self.summarise(peer, effects);
            }
            Event::PeerDown(peer) => {
                self.peers.retain(|known| *known != peer);
                self.exchange.take_if(|exchange| exchange.peer == peer);
                self.put_off.remove(&peer);
            }
        }
        self.go_on(effects);
        Ok(Outcome::default())
    }

    /// The state of a key: base xor all accumulators; 0 for a key that nobody has changed.
    pub fn state(&self, key: &[u8]) -> Value {
        self.table
            .slots
            .get(key)
            .map_or_else(|| Value::zero(self.config.words), |slot| slot.state.clone())
    }

    /// All keys that were ever changed, with their states, in the order in which this replica met
    /// them.
    pub fn states(&self) -> impl ExactSizeIterator<Item = (&[u8], &Value)> {
        self.table
            .slots
            .iter()
            .map(|(key, slot)| (&**key, &slot.state))
    }

    /// Who changed a key, how often, and to what effect: origin, version, accumulator. Folded
    /// origins are not listed.
    pub fn writers(&self, key: &[u8]) -> Vec<(OriginId, u64, Value)> {
        let entries = self
            .table
            .slots
            .get(key)
            .map_or(&[][..], |slot| &slot.entries);
        entries
            .iter()
            .map(|entry| {
                (
                    self.origins[entry.origin as usize].id,
                    entry.change.version,
                    entry.change.accumulator.clone(),
                )
            })
            .collect()
    }

    /// The origin of this replica's changes. It changes if the replica loses its memory.
    pub fn origin(&self) -> OriginId {
        self.origins[self.own as usize].id
    }

    /// All origins that this replica knows, with their state.
    pub fn origins(&self) -> impl Iterator<Item = OriginStatus> + '_ {
        self.origins
            .iter()
            .zip(0..)
            .map(|(origin, place)| OriginStatus {
                origin: origin.id,
                author: origin.author,
                frame: if place == self.own {
                    self.frames
                } else {
                    origin.frame
                },
                quarantined: origin.quarantined,
                retiring: origin.retiring.is_known(),
                folded: origin.folded,
            })
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What has been counted since the replica was opened.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// How many published entries this replica holds, and a digest of them. Equal digests mean
    /// equal entries, unless a member who knows the secret forged them.
    pub fn digest(&self) -> (u64, u128) {
        (self.table.digest.count, self.table.digest.sum)
    }

    /// Whether something is not durable yet: to be flushed, or on its way to storage.
    pub fn is_dirty(&self) -> bool {
        self.flight.is_some() || self.is_unflushed()
    }

    /// Keys that wait for the next flush.
    pub fn unflushed(&self) -> usize {
        self.table.unstored.len()
    }

    /// Has [`Notice::Changed`] told for every change of a key with this prefix. Subscriptions are
    /// not stored.
    pub fn subscribe(&mut self, prefix: &[u8]) -> u32 {
        let number = self.next_subscription;
        self.next_subscription += 1;
        self.subscriptions.push((number, prefix.into()));
        number
    }

    /// Ends a subscription.
    pub fn unsubscribe(&mut self, subscription: u32) {
        self.subscriptions
            .retain(|(number, _)| *number != subscription);
    }

    /// The checkpoints, oldest first: number and name.
    pub fn checkpoints(&self) -> &[(u32, String)] {
        &self.checkpoints
    }

    /// The state that a key had here when the checkpoint was made. It takes one search among the
    /// checkpoints before which the key changed, however often that was.
    ///
    /// # Errors
    ///
    /// [`OpError::NoCheckpoint`].
    pub fn state_at(&self, key: &[u8], checkpoint: u32) -> Result<Value, OpError> {
        self.has_checkpoint(checkpoint)?;
        Ok(self.table.slots.get(key).map_or_else(
            || Value::zero(self.config.words),
            |slot| slot.at(checkpoint).clone(),
        ))
    }

    /// What changed in a key between two checkpoints: the xor of both states, whatever lies
    /// between.
    ///
    /// # Errors
    ///
    /// [`OpError::NoCheckpoint`].
    pub fn delta_between(&self, key: &[u8], first: u32, second: u32) -> Result<Value, OpError> {
        Ok(self.state_at(key, first)?.xor(&self.state_at(key, second)?))
    }

    /// The keys whose state is not what it was at a checkpoint, with the xor of both.
    ///
    /// # Errors
    ///
    /// [`OpError::NoCheckpoint`].
    pub fn delta_since(
        &self,
        checkpoint: u32,
    ) -> Result<impl Iterator<Item = (&[u8], Value)>, OpError> {
        self.has_checkpoint(checkpoint)?;
        Ok(self.table.slots.iter().filter_map(move |(key, slot)| {
            let delta = slot.at(checkpoint).xor(&slot.state);
            (!delta.is_zero()).then_some((&**key, delta))
        }))
    }

    fn has_checkpoint(&self, number: u32) -> Result<(), OpError> {
        let known = self.checkpoints.iter().any(|(known, _)| *known == number);
        known.then_some(()).ok_or(OpError::NoCheckpoint(number))
    }

    fn checkpoint(&mut self, name: &str) -> Outcome {
        let number = self.next_checkpoint;
        self.next_checkpoint += 1;
        self.checkpoints.push((number, name.to_owned()));
        self.unstored_meta = true;
        self.pending(Some(u64::from(number)))
    }

    fn drop_checkpoint(&mut self, number: u32) -> Result<Outcome, OpError> {
        self.has_checkpoint(number)?;
        self.checkpoints.retain(|(known, _)| *known != number);
        self.unstored_meta = true;
        let mut changed = Vec::new();
        for (slot, at) in self.table.slots.values_mut().zip(0..) {
            let Some(rare) = &mut slot.rare else { continue };
            let (mut from, before) = (0, rare.history.len());
            // An entry stays while there is a checkpoint that it holds for.
            rare.history.retain(|&(upto, _)| {
                let needed = self
                    .checkpoints
                    .iter()
                    .any(|(known, _)| (from..=upto).contains(known));
                from = upto + 1;
                needed
            });
            if rare.history.len() < before {
                changed.push(at);
            }
        }
        changed.into_iter().for_each(|at| self.table.touch(at));
        Ok(self.pending(None))
    }

    /// What is not durable yet will be with this ticket.
    fn pending(&self, number: Option<u64>) -> Outcome {
        Outcome {
            ticket: self.tickets + 1,
            number,
            responses: SmallVec::new(),
        }
    }

    fn validate(&self, op: &LocalOp<'_>) -> Result<(), OpError> {
        if op.key.is_empty() || op.key.len() > MAX_KEY {
            return Err(OpError::Key {
                length: op.key.len(),
            });
        }
        let view = self.config.view;
        let allowed = match &op.action {
            Action::Op(op, _) => view == View::Raw || !matches!(op, Op::Load | Op::Accum),
            Action::Toggle(_) | Action::SetFlag(..) => view != View::Cell,
            Action::Put(_) => view != View::Flags,
        };
        if !allowed {
            return Err(OpError::View { view });
        }
        match &op.action {
            Action::Op(Op::Load | Op::Accum, value) | Action::Put(value)
                if value.words().len() != self.config.words =>
            {
                Err(OpError::Words {
                    found: value.words().len(),
                    wanted: self.config.words,
                })
            }
            Action::Toggle(flag) | Action::SetFlag(flag, _) if *flag >= 64 * self.config.words => {
                Err(OpError::Flag {
                    flag: *flag,
                    last: 64 * self.config.words - 1,
                })
            }
            _ => Ok(()),
        }
    }

    fn batch(
        &mut self,
        ops: &[LocalOp<'_>],
        effects: &mut Vec<Effect>,
    ) -> Result<Outcome, OpError> {
        if self.retired {
            return Err(OpError::Retired);
        }
        ops.iter().try_for_each(|op| self.validate(op))?;
        let before = self.activity;
        let mut deltas = SmallVec::new();
        let mut relied = 0;
        let responses = ops
            .iter()
            .map(|op| self.operate(op, &mut deltas, &mut relied, effects))
            .collect();
        let number = self.record_batch(deltas, None);
        let ticket = if self.activity > before {
            self.tickets + 1
        } else {
            relied
        };
        Ok(Outcome {
            ticket,
            number,
            responses,
        })
    }

    /// Carries an operation out. `relied` becomes the ticket, if it is later, with which what was
    /// found already as wanted is durable.
    fn operate(
        &mut self,
        op: &LocalOp<'_>,
        deltas: &mut SmallVec<[(u32, Value); 1]>,
        relied: &mut u64,
        effects: &mut Vec<Effect>,
    ) -> Option<Response<Value>> {
        let words = self.config.words;
        // The one that has to be fast needs nothing of what the others look at.
        if let Action::Op(Op::Accum, delta) = &op.action {
            if !delta.is_zero() {
                let at = self.table.slot_of(op.key);
                self.change_own(at, delta, effects);
                if self.config.undo_batches > 0 {
                    deltas.push((at, delta.clone()));
                }
            }
            return None;
        }
        let zero = || Value::zero(words);
        let slot = self.table.slots.get(op.key);
        let state = slot.map_or_else(zero, |slot| slot.state.clone());
        let mark = slot
            .and_then(|slot| slot.rare.as_ref())
            .map_or_else(zero, |rare| rare.mark.clone());
        let (delta, new_mark, response) = match &op.action {
            Action::Op(Op::Nop | Op::Accum, _) => return None,
            Action::Op(Op::Load, value) => (state.xor(value), Some(value.clone()), None),
            Action::Op(op @ (Op::Read | Op::Swap | Op::Delta | Op::Drain), _) => {
                let since = state.xor(&mark);
                let clean = since.is_zero();
                let frozen = matches!(op, Op::Swap | Op::Drain).then(|| state.clone());
                let data = if matches!(op, Op::Read | Op::Swap) {
                    state
                } else {
                    since
                };
                (zero(), frozen, Some(Response { data, clean }))
            }
            Action::SetFlag(flag, on) if state.has(*flag) == *on => (zero(), None, None),
            Action::Toggle(flag) | Action::SetFlag(flag, _) => {
                (Value::bit(words, *flag), None, None)
            }
            Action::Put(value) => (state.xor(value), None, None),
        };
        let new_mark = new_mark.filter(|new_mark| *new_mark != mark);
        // What changes nothing makes no key.
        if delta.is_zero() && new_mark.is_none() {
            if !matches!(op.action, Action::Op(Op::Read | Op::Delta, _)) {
                *relied = (*relied).max(self.stored_with(op.key));
            }
            return response;
        }
        let at = self.table.slot_of(op.key);
        if let Some(new_mark) = new_mark {
            self.table.slot(at).rare().mark = new_mark;
            self.table.touch(at);
            self.activity += 1;
        }
        if !delta.is_zero() {
            self.change_own(at, &delta, effects);
            if self.config.undo_batches > 0 {
                deltas.push((at, delta));
            }
        }
        response
    }

    /// The ticket with which everything known of a key is durable; 0 if it is. Tickets never go
    /// down from one call to the next, so this may be later than it has to be.
    fn stored_with(&self, key: &[u8]) -> u64 {
        let slot = self.table.slots.get(key);
        // What was handed to storage and is not confirmed may hold the key, even if nobody waits
        // for it any more (`lose_memory`).
        if slot.is_some_and(|slot| slot.unstored || self.durable < self.tickets) {
            self.next_durable()
        } else {
            0
        }
    }

    /// Applies an own delta, which is not 0, to a slot.
    pub(crate) fn change_own(&mut self, at: u32, delta: &Value, effects: &mut Vec<Effect>) {
        self.counters.changes += 1;
        self.activity += 1;
        self.remember(at);
        self.table.slot(at).state.accumulate(delta);
        self.enter(at, delta);
        let (own, slot) = (self.own, self.table.slot(at));
        if slot.entries.len() == 2
            && slot
                .entries
                .iter()
                .any(|entry| entry.origin == own && entry.change.version == 1)
        {
            self.tell_second_writer(at, effects);
        }
        self.tell_change(at, delta, Some(self.origin()), effects);
    }

    /// Makes a delta part of the own entry of a slot, whose state has it already.
    fn enter(&mut self, at: u32, delta: &Value) {
        let own = self.own;
        let slot = self.table.slot(at);
        let position = slot.position(own).unwrap_or_else(|| {
            let change = Change {
                version: 0,
                accumulator: Value::zero(delta.words().len()),
                seen: SeenList::default(),
            };
            slot.entries.push(Entry {
                origin: own,
                evidence: OURS,
                leaf: 0,
                published: UNPUBLISHED,
                change,
            });
            slot.entries.len() - 1
        });
        if !slot.unpublished {
            slot.unpublished = true;
            let before = &slot.entries[position].change;
            self.unpublished
                .push((at, (before.version > 0).then(|| before.clone())));
        }
        if slot.entries.len() > 1 {
            let seen = slot
                .entries
                .iter()
                .filter(|entry| entry.origin != own)
                .take(MAX_SEEN)
                .map(|entry| Seen {
                    origin: self.origins[entry.origin as usize].id,
                    version: entry.change.version,
                    accumulator: entry.change.accumulator.clone(),
                });
            slot.entries[position].change.seen = seen.collect();
        }
        let change = &mut slot.entries[position].change;
        change.version += 1;
        change.accumulator.accumulate(delta);
        self.table.touch(at);
    }

    /// Keeps the state that the last checkpoint has, before it changes.
    pub(crate) fn remember(&mut self, at: u32) {
        let Some(&(last, _)) = self.checkpoints.last() else {
            return;
        };
        let slot = self.table.slot(at);
        if slot
            .rare
            .as_ref()
            .and_then(|rare| rare.history.last())
            .is_none_or(|&(upto, _)| upto < last)
        {
            let state = slot.state.clone();
            slot.rare().history.push((last, state));
        }
    }

    pub(crate) fn tell_change(
        &self,
        at: u32,
        delta: &Value,
        origin: Option<OriginId>,
        effects: &mut Vec<Effect>,
    ) {
        if self.subscriptions.is_empty() || delta.is_zero() {
            return;
        }
        let Some((key, slot)) = self.table.slots.get_index(at as usize) else {
            return;
        };
        let subscriptions: SmallVec<_> = self
            .subscriptions
            .iter()
            .filter(|(_, prefix)| key.starts_with(prefix))
            .map(|(number, _)| *number)
            .collect();
        if !subscriptions.is_empty() {
            effects.push(Effect::Notify(Notice::Changed {
                key: key[..].into(),
                state: slot.state.clone(),
                delta: delta.clone(),
                origin,
                subscriptions,
            }));
        }
    }

    /// To be called when a slot has just got its second entry.
    pub(crate) fn tell_second_writer(&self, at: u32, effects: &mut Vec<Effect>) {
        if self.config.view != View::Cell {
            return;
        }
        if let Some((key, slot)) = self.table.slots.get_index(at as usize)
            && let [first, second, ..] = &slot.entries[..]
        {
            let origins = [first, second].map(|entry| self.origins[entry.origin as usize].id);
            effects.push(Effect::Notify(Notice::SecondWriter {
                key: key[..].into(),
                origins,
            }));
        }
    }

    fn record_batch(
        &mut self,
        deltas: SmallVec<[(u32, Value); 1]>,
        undoes: Option<u64>,
    ) -> Option<u64> {
        if deltas.is_empty() {
            return None;
        }
        let number = self.next_batch;
        self.next_batch += 1;
        self.batches.push_back(Batch {
            number,
            undoes,
            deltas,
        });
        self.forget_batches();
        Some(number)
    }

    /// Forgets the oldest batches beyond those that can be undone.
    pub(crate) fn forget_batches(&mut self) {
        while self.batches.len() > self.config.undo_batches {
            let Some(forgotten) = self.batches.pop_front() else {
                return;
            };
            self.undone.remove(&forgotten.number);
            let records = &mut self.stored_batches.1;
            if let Some(&(first, count)) = records.front()
                && forgotten.number + 1 == first + count
            {
                records.pop_front();
                self.forgotten_records.push(first);
            }
        }
    }

    fn undo(&mut self, number: u64, effects: &mut Vec<Effect>) -> Result<Outcome, OpError> {
        if self.retired {
            return Err(OpError::Retired);
        }
        let missing = OpError::NoBatch(number, self.config.undo_batches);
        let first = self.batches.front().map_or(u64::MAX, |batch| batch.number);
        let place = number
            .checked_sub(first)
            .and_then(|place| usize::try_from(place).ok());
        let Some(batch) = place.and_then(|place| self.batches.get(place)) else {
            return Err(missing);
        };
        if self.undone.contains(&number) {
            return Err(OpError::Undone(number));
        }
        let Batch { undoes, deltas, .. } = batch.clone();
        for (at, delta) in &deltas {
            self.change_own(*at, delta, effects);
        }
        self.undone.insert(number);
        if let Some(redone) = undoes {
            self.undone.remove(&redone);
        }
        let undo = self.record_batch(deltas, Some(number));
        Ok(self.pending(undo))
    }

    pub(crate) fn is_unflushed(&self) -> bool {
        !self.table.unstored.is_empty() || self.unstored_meta || !self.unstored_origins.is_empty()
    }

    fn flush(&mut self, effects: &mut Vec<Effect>) {
        if self.flight.is_some() || !self.is_unflushed() {
            return;
        }
        let own = self.own;
        let origin = self.origin();
        let mut published = Vec::with_capacity(self.unpublished.len());
        let mut leaves = Leaves::default();
        for (at, before) in core::mem::take(&mut self.unpublished) {
            let Some((key, slot)) = self.table.slots.get_index_mut(at as usize) else {
                continue;
            };
            slot.unpublished = false;
            let Some(position) = slot.position(own) else {
                continue;
            };
            let change = &slot.entries[position].change;
            let encoded = leaves.add(|bytes| change.encode(key, bytes));
            let tag = self.secrets.leaf(origin, encoded);
            leaves.tags.push(tag);
            let new = Published::new(&self.secrets, origin, key, change.version, tag);
            published.push((at, new, before));
        }
        self.counters.published += published.len() as u64;
        let frames = self.sign(self.own, &leaves, true);
        let frames = frames
            .into_iter()
            .map(|(number, excerpt)| (number, self.seal(Kind::Changes, &excerpt)))
            .collect();
        self.tickets += 1;
        let ticket = self.tickets;
        let records = self.store();
        self.flight = Some(Flight {
            ticket,
            own: published,
            frames,
        });
        effects.push(Effect::Persist { ticket, records });
    }

    /// Signs changes of an origin with our key, in as many frames as it takes; their numbers and
    /// excerpts. Numbers are new for what is `new`.
    pub(crate) fn sign(&mut self, origin: u32, leaves: &Leaves, new: bool) -> Vec<(u64, Vec<u8>)> {
        let room = self.config.message_bytes - FRAME_OVERHEAD - crate::message::OVERHEAD;
        let author = self.origins[origin as usize].author;
        let mut signed = Vec::new();
        let (mut first, mut start) = (0, 0);
        while first < leaves.tags.len() {
            let ends = &leaves.ends[first..];
            let count = ends
                .partition_point(|end| end - start <= room)
                .clamp(1, MAX_LEAVES);
            let end = ends[count - 1];
            if new {
                self.frames += 1;
                self.counters.frames += 1;
            }
            let tags = &leaves.tags[first..first + count];
            let evidence =
                Evidence::sign(&self.secrets, &self.config.trust, author, self.frames, tags);
            let mut excerpt = Vec::with_capacity(end - start + FRAME_OVERHEAD);
            encode_excerpt(
                &evidence,
                core::iter::once(&leaves.bytes[start..end]),
                &mut excerpt,
            );
            signed.push((self.frames, excerpt));
            (first, start) = (first + count, end);
        }
        signed
    }

    fn persisted(&mut self, ticket: u64, effects: &mut Vec<Effect>) {
        let Some(flight) = self.flight.take_if(|flight| flight.ticket == ticket) else {
            return;
        };
        self.durable = ticket;
        for (at, published, _) in flight.own {
            if let Some(position) = self.table.slot(at).position(self.own) {
                self.table.publish(at, position, published);
            }
        }
        for (number, bytes) in flight.frames {
            self.broadcast(number, bytes, effects);
        }
        self.attend_retirements(effects);
    }

    /// The place of an origin, made if it is new.
    pub(crate) fn place_of(&mut self, author: Author) -> u32 {
        let id = author.origin();
        if let Some(&place) = self.origin_places.get(&id) {
            return place;
        }
        let place = self.origins.len() as u32;
        self.origins.push(Origin {
            id,
            author,
            quarantined: false,
            frame: 0,
            folded: false,
            retiring: Retiring::default(),
        });
        self.origin_places.insert(id, place);
        self.unstored_origins.insert(place);
        place
    }

    /// Whether we can sign for an origin: it has our key, perhaps in an earlier life.
    pub(crate) fn is_ours(&self, origin: u32) -> bool {
        self.origins[origin as usize].author.key == self.origins[self.own as usize].author.key
    }

    /// Goes on as a new origin. What is published stays with the old one; what is not moves to the
    /// new one.
    pub(crate) fn lose_memory(&mut self, effects: &mut Vec<Effect>) {
        let old = self.origin();
        let author = Author {
            key: self.config.trust.key(),
            incarnation: self.config.incarnation,
        };
        if author.origin() == old {
            // The spare incarnation is in use already: only a new start brings another. Nothing
            // more is written under this one.
            self.retired = true;
            effects.push(Effect::Notify(Notice::Stopped { origin: old }));
            return;
        }
        // In the order of the slots: the same events lead to the same.
        let mut moved = BTreeMap::new();
        for (at, before) in core::mem::take(&mut self.unpublished) {
            moved.insert(at, before);
        }
        // What is on its way to storage has not been sent: it must not be, under the old name. It
        // was before what is unpublished.
        for (at, _, before) in self
            .flight
            .take()
            .map(|flight| flight.own)
            .unwrap_or_default()
        {
            moved.insert(at, before);
        }
        let own = self.own;
        let mut deltas: Vec<(u32, Value)> = Vec::new();
        for (at, before) in moved {
            // Storage may have what is taken back here.
            self.table.touch(at);
            let slot = self.table.slot(at);
            slot.unpublished = false;
            let Some(position) = slot.position(own) else {
                continue;
            };
            let entry = &mut slot.entries[position];
            let delta = match before {
                Some(before) => {
                    let delta = entry.change.accumulator.xor(&before.accumulator);
                    entry.change = before;
                    delta
                }
                None => slot.entries.remove(position).change.accumulator,
            };
            if !delta.is_zero() {
                deltas.push((at, delta));
            }
        }
        self.own = self.place_of(author);
        self.unstored_meta = true;
        let new = self.origin();
        for (at, delta) in deltas {
            self.enter(at, &delta);
        }
        effects.push(Effect::Notify(Notice::MemoryLost { old, new }));
    }
}

/// Everything that what a replica does later can depend on, without what it only counts. For model
/// checkers, which have to know a state again; the configuration is taken to be the same.
impl Hash for Replica {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.table.hash(state);
        self.origins.hash(state);
        (
            self.own,
            self.retired,
            &self.unstored_origins,
            &self.unpublished,
            &self.flight,
        )
            .hash(state);
        (
            self.tickets,
            self.durable,
            self.frames,
            &self.batches,
            self.next_batch,
        )
            .hash(state);
        (&self.stored_batches, &self.forgotten_records, &self.undone).hash(state);
        (
            &self.checkpoints,
            self.next_checkpoint,
            self.unstored_meta,
            &self.subscriptions,
        )
            .hash(state);
        (&self.peers, self.next_peer).hash(state);
        (&self.exchange, &self.put_off).hash(state);
    }
}

/// One origin as [`Replica::origins`] lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OriginStatus {
    /// The origin.
    pub origin: OriginId,
    /// Key and incarnation.
    pub author: Author,
    /// The highest number of its frames that has come here; of this replica itself, how many it has
    /// made.
    pub frame: u64,
    /// It equivocated, and is not heard.
    pub quarantined: bool,
    /// It has said that it leaves.
    pub retiring: bool,
    /// It is part of the base.
    pub folded: bool,
}

fn check(config: &Config) -> Result<(), OpenError> {
    let wrong = |text: String| Err(OpenError::Config(text));
    if !(1..=MAX_WORDS).contains(&config.words) {
        return wrong(format!(
            "a value has {} words; it must have 1 to {MAX_WORDS}",
            config.words
        ));
    }
    if config.keyspace.is_empty() {
        return wrong("the keyspace has no name".to_owned());
    }
    if config.message_bytes < 16_384 {
        return wrong(format!(
            "messages of {} bytes are too small for the largest entry: allow 16384 at least",
            config.message_bytes
        ));
    }
    if !Sketch::is_size(config.digest_cells) {
        return wrong(format!(
            "{} digest cells: take {}, or a divisor of it that is 8 at least",
            config.digest_cells,
            Config::DIGEST_CELLS
        ));
    }
    if config.sync_ticks == 0 {
        return wrong("sync_ticks is 0; a comparison every tick is 1".to_owned());
    }
    if !config.trust.allowed().contains(&config.trust.key()) {
        return wrong("this replica's own public key is not on the keyspace's list: add it there, on every member".to_owned());
    }
    Ok(())
}

/// What a record of a slot or a message cannot do without: how records and messages are told apart
/// is in `record` and `message`.
pub(crate) fn record(key: Vec<u8>, value: Vec<u8>) -> Record {
    (key, Some(value))
}
