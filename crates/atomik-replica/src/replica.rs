//! The replica: which part handles an event, and in what order.

use core::hash::{Hash, Hasher};
use std::collections::BTreeMap;

use atomik_algebra::Response;
use smallvec::SmallVec;

use crate::batches::Deltas;
use crate::certificate::Certified;
use crate::chunk::Chunk;
use crate::closing;
use crate::codec::{Encode, Malformed, Reader};
use crate::config::Config;
use crate::context::Context;
use crate::counters::Counters;
use crate::digest::Digest;
use crate::entry::Tag;
use crate::error::{OpError, OpenError};
use crate::event::{Effect, Event, Outcome};
use crate::excerpts::{Leaves, join, pack};
use crate::exchange::{Exchange, Outgoing, RowRange, Surroundings, opening_of};
use crate::frame::{Evidence, FRAME_OVERHEAD, KeyedChanges, decode_excerpt};
use crate::gaps::Again;
use crate::head::Head;
use crate::inbox::{Inboxes, Next, Room, frame_bits, keyed};
use crate::keyspace::Keyspace;
use crate::ledger::{Closing, Phase};
use crate::membership::{Membership, REFUSED_RECORD, ROSTER_RECORD};
use crate::memory::{Loading, Memory};
use crate::merge::Merger;
use crate::message::{MessageKind, open, seal};
use crate::notice::{Notice, Refusal};
use crate::operation::LocalOp;
use crate::origin::{Author, OriginId, PublicKey, incarnation};
use crate::parts::{Arrivals, PART, split};
use crate::peers::{PeerId, Peers};
use crate::preview::{ENOUGH_LEAVES, LARGE_BATCH, MOST_LEAVES, Start};
use crate::proof::Proof;
use crate::publication::Previews;
use crate::roster::{Roster, RosterError, RosterRefusal};
use crate::secrets::Secrets;
use crate::sketch;
use crate::slot::{OURS, Published, UNPUBLISHED};
use crate::summary::Summary;
use crate::value::Value;
use crate::vouching::{Introduction, Standing, Vouch};
use crate::writer::validate;

/// A replica of one keyspace.
///
/// It is a pure state machine without clock, randomness, files or sockets. Its caller feeds it
/// [`Event`]s and carries out the [`Effect`]s. The same events always have the same effects.
#[derive(Clone, Debug)]
pub struct Replica {
    config: Config,
    secrets: Secrets,
    counters: Counters,
    membership: Membership,
    memory: Memory,
    peers: Peers,
    exchange: Exchange,
    inboxes: Inboxes,
    arrivals: Arrivals,
    /// Whether the current life may continue.
    standing: Standing,
    /// Whether a peer knew more of this replica than it did itself since it was opened.
    fell_behind: bool,
    /// Whether that happened twice, so that no more operations are accepted.
    stopped: bool,
    /// A life that was left because not all members vouched for it, until a peer shows that it
    /// knows more of it.
    left: Option<OriginId>,
    /// Whether another user of the key was reported since the replica was opened.
    reported_user: bool,
    /// How often the current life was found to be over since the replica was opened.
    outlived: u8,
    /// Whether the ledger has news that peers have not been told.
    untold: bool,
    /// How often they have been told some since the last tick.
    told: u32,
}

/// How often, at least, the current life may be found to be over. Honest members know of a few ends
/// at most; a running copy of this replica signs one after another.
const MOST_OUTLIVED: u8 = 8;

/// A known origin as listed by [`Replica::origins`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OriginStatus {
    /// The origin.
    pub origin: OriginId,
    /// Its key and incarnation.
    pub author: Author,
    /// The highest number among its frames known here; for this replica's own origin, the number of
    /// frames it has sent.
    pub frame: u64,
    /// Whether it equivocated, so that its changes are no longer accepted.
    pub quarantined: bool,
    /// Whether its life is over.
    pub retiring: bool,
    /// Whether it is folded into the base.
    pub folded: bool,
}

/// What an answer costs at least, in entries: with a limit of the same unit, a peer can only make
/// this replica do so much between two ticks.
const ANSWER: u64 = 64;

/// Opens a replica from records that are handed in one by one, as a store reads them.
///
/// [`Replica::open`] does the same with records of one's own.
#[derive(Debug)]
pub struct Loader {
    config: Config,
    secrets: Secrets,
    loading: Loading,
}

impl Loader {
    /// Begins without any record.
    ///
    /// # Errors
    ///
    /// [`OpenError`] if the configuration is invalid.
    pub fn new(config: Config) -> Result<Self, OpenError> {
        config.check()?;
        Ok(Self {
            secrets: Secrets::new(&config.secret, &config.keyspace, &config.shape),
            loading: Loading::new(&config),
            config,
        })
    }

    /// Takes a record. They may come in any order, each once.
    ///
    /// # Errors
    ///
    /// [`OpenError`] if the records are of another keyspace or format.
    pub fn record(&mut self, key: &[u8], value: &[u8]) -> Result<(), OpenError> {
        self.loading.record(&self.config, key, value)
    }

    /// Opens the replica after all records, as [`Replica::open`] does.
    ///
    /// # Errors
    ///
    /// [`OpenError`] if the records are damaged.
    pub fn open(self) -> Result<Replica, OpenError> {
        let loaded = self.loading.finish(&self.config, &self.secrets)?;
        Ok(Replica::of_memory(self.config, self.secrets, loaded))
    }
}

/// The number of operations of a batch whose slots are fetched together. They fit in any
/// processor's first cache.
const AHEAD: usize = 64;

/// How often news of the ledger is told to all peers between two ticks; what comes after that is
/// told with the tick. A member can sign as many statements as it likes.
const MOST_TOLD: u32 = 16;

/// A peer's newest known frame of an origin.
const CLAIM: u8 = 0;
/// The owner's frame of that number, asking for proof of another or a newer one.
const ASK: u8 = 1;
/// A [`Vouch`].
const VOUCH: u8 = 2;

/// The context of the current event. A macro, because it borrows some of the fields only.
macro_rules! context {
    ($replica:expr, $effects:expr) => {
        Context {
            config: &$replica.config,
            secrets: &$replica.secrets,
            roster: $replica.membership.roster(),
            counters: &mut $replica.counters,
            effects: $effects,
        }
    };
}

impl Replica {
    /// Opens a replica with the memory in `records`: all records that were ever persisted and not
    /// deleted, in any order, or none for a new replica.
    ///
    /// A replica with records continues its life only if every other member vouches that it knows
    /// no more of it, since the records may come from a backup or a copy. If it has changes to
    /// publish before that, or if [`Config::kept_memory`] is false, it takes a new life: an origin
    /// with the same key that nobody knows.
    ///
    /// # Errors
    ///
    /// [`OpenError`] if the configuration is invalid, or if the records are damaged, of another
    /// keyspace, or of a newer format.
    pub fn open(
        config: Config,
        records: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>,
    ) -> Result<Self, OpenError> {
        let mut loader = Loader::new(config)?;
        for (key, value) in records {
            loader.record(&key, &value)?;
        }
        loader.open()
    }

    /// Opens a replica with its memory.
    fn of_memory(
        config: Config,
        secrets: Secrets,
        (mut memory, membership, own): (Memory, Membership, Option<u32>),
    ) -> Self {
        // An origin of another key cannot continue, since its changes can no longer be signed.
        let kept = own.filter(|&own| memory.origins.get(own).author.key == config.trust.key());
        let fresh = own.is_none() || !config.kept_memory;
        if memory.retired || !membership.roster().contains(&config.trust.key()) {
            memory.publication.unsealed.release(|_| true);
        }
        if fresh {
            memory.ledger.begin_memory(config.incarnation);
        }
        memory.origins.set_own(own.unwrap_or_default());
        let Memory {
            keyspace,
            ledger,
            origins,
            ..
        } = &mut memory;
        ledger.refresh(&keyspace.table, origins, membership.roster(), &secrets);
        let mut replica = Self {
            membership,
            config,
            secrets,
            counters: Counters::default(),
            memory,
            peers: Peers::default(),
            exchange: Exchange::default(),
            inboxes: Inboxes::default(),
            arrivals: Arrivals::default(),
            standing: Standing::Sure,
            fell_behind: false,
            stopped: false,
            left: None,
            reported_user: false,
            outlived: 0,
            untold: false,
            told: 0,
        };
        let Memory {
            origins,
            ledger,
            retired,
            ..
        } = &mut replica.memory;
        match kept {
            Some(own) if replica.config.kept_memory || *retired => {
                let author = origins.get(own).author;
                let roster = replica.membership.roster();
                if *retired && !ledger.has_retired(&author.key, roster) {
                    // It was stopped before it could tell anybody.
                    ledger.retire(0);
                }
                replica.standing = if *retired {
                    Standing::Sure
                } else if author.life() < replica.first_life() {
                    Standing::DOUBTFUL
                } else {
                    Standing::resumed(&author.key, replica.roster())
                };
                replica.take_over_while_removed(own);
            }
            _ => {
                replica.start_new_life();
                replica.take_over_former_key(own);
            }
        }
        replica
    }

    /// A life that a replica began when it was removed has published nothing, and what it holds
    /// waits on: as changes of another one.
    fn take_over_while_removed(&mut self, own: u32) {
        let (table, chain) = (
            &self.memory.keyspace.table,
            &self.memory.origins.get(own).chain,
        );
        let waits = self.is_removed()
            && chain.head().number == 0
            && table
                .slots
                .values()
                .any(|slot| slot.position(own).is_some());
        if waits {
            let retired = self.memory.retired;
            self.start_new_life();
            self.memory.retired = retired;
            self.standing = Standing::Sure;
            self.memory.writer().take_over(own, &self.secrets);
        }
    }

    /// What a replica had not published when it was removed goes on under its new key: nobody could
    /// sign it with the old one.
    fn take_over_former_key(&mut self, former: Option<u32>) {
        let origins = &self.memory.origins;
        let former = former.filter(|&former| {
            let former = origins.get(former);
            let new_key = former.author.key != self.config.trust.key();
            self.config.kept_memory && new_key && former.chain.head().number == 0
        });
        if let Some(former) = former {
            self.memory.writer().take_over(former, &self.secrets);
        }
    }

    /// Enters a new origin for this replica.
    fn start_new_life(&mut self) {
        let author = self.author();
        self.memory.stay();
        self.memory.publication.start_chain();
        self.memory.origins.begin(author);
    }

    /// The author of a new life of this replica.
    fn author(&self) -> Author {
        let key = self.config.trust.key();
        let lowest = self
            .memory
            .ledger
            .lowest_life(&key, self.membership.roster());
        let life = self.memory.origins.next_life(&key).max(lowest);
        Author {
            key,
            incarnation: incarnation(
                life,
                &self.config.incarnation,
                self.memory.publication.head(),
            ),
        }
    }

    /// The first life that this replica may have since it was last added to the roster.
    fn first_life(&self) -> u64 {
        let listed = self.roster().get(&self.config.trust.key());
        listed.map_or(0, |listed| closing::first_life(listed.since))
    }

    /// Takes a new life before changes are published in one of which others may know more: in one
    /// that not all members vouch for, or in a first one of a replica that has found former ones.
    fn begin_life(&mut self) {
        let origins = &self.memory.origins;
        let has_begun = origins.get(origins.own()).chain.head().number > 0
            || !self.memory.publication.open.own.is_empty();
        if self.memory.publication.is_waiting()
            && (self.standing != Standing::Sure || !has_begun && origins.is_surpassed())
        {
            self.left = (self.standing != Standing::Sure).then_some(origins.own_id());
            self.leave_life();
        }
    }

    /// Takes a new life if no member will vouch for this one: a later one is known, or what a
    /// member knows more of this one does not come, since nobody has it any more.
    fn leave_disowned_life(&mut self) {
        let origins = &self.memory.origins;
        let own = origins.get(origins.own()).author;
        let is_open = matches!(self.standing, Standing::Open(_));
        if is_open && origins.has_later_life(&own) || self.standing.tick() {
            self.left = Some(self.memory.origins.own_id());
            self.take_new_life();
        }
    }

    /// Decides what becomes of changes that are held back.
    fn judge_held(&mut self, late: bool) {
        if self.memory.publication.unsealed.is_empty() {
            return;
        }
        self.memory.forget_superseded(&self.secrets);
        let origins = &self.memory.origins;
        let own = origins.own();
        let told = origins.get(own).chain.head().number > 0;
        let doubtful = matches!(self.standing, Standing::Doubtful(_));
        let unsealed = &mut self.memory.publication.unsealed;
        unsealed.release(|life| late || if life == own { doubtful } else { told });
        if self.standing == Standing::Sure {
            self.memory.seal_held();
        }
    }

    /// Whether the key of this replica has retired.
    fn has_retired(&self) -> bool {
        let key = self.config.trust.key();
        self.memory.ledger.has_retired(&key, self.roster())
    }

    /// Takes a new life where the current one is over, or members know more of it. Unsent changes
    /// move to it.
    fn take_new_life(&mut self) {
        self.memory.publication.unsealed.release(|_| true);
        self.leave_life();
    }

    /// The same where members may not know that the current life was left.
    fn leave_life(&mut self) {
        if self.has_retired() {
            // It makes no more changes.
            return;
        }
        let author = self.author();
        self.memory.writer().continue_as(author);
        self.memory.ledger.note_growth();
        self.standing = Standing::Sure;
    }

    /// Does what the ledger says of this replica itself: that it has retired, or that its current
    /// life is over.
    fn heed_ledger(&mut self, effects: &mut Vec<Effect>) {
        if self.has_retired() {
            if !core::mem::replace(&mut self.memory.retired, true) {
                self.memory.publication.touch_meta();
            }
            return;
        }
        let Memory {
            origins, ledger, ..
        } = &self.memory;
        let own = origins.get(origins.own()).author;
        if ledger.is_outlived(&own, self.roster()) {
            let old = origins.own_id();
            let readded = own.life() < self.first_life();
            let is_new = origins.get(origins.own()).begun;
            let goes_on = !readded && !is_new && !self.memory.retired;
            let news = goes_on && self.standing == Standing::Sure;
            if readded {
                self.memory.stay();
            }
            self.take_new_life();
            self.outlived = self.outlived.saturating_add(1);
            // Two copies are not to stop at the same time.
            let patience = MOST_OUTLIVED + self.config.incarnation[8] % MOST_OUTLIVED;
            if self.outlived > patience {
                self.stopped = true;
                effects.push(Effect::Notify(Notice::Stopped { origin: old }));
            } else if news && !core::mem::replace(&mut self.fell_behind, true) {
                let new = self.memory.origins.own_id();
                effects.push(Effect::Notify(Notice::MemoryLost { old, new }));
            }
        }
    }

    /// Handles an event, appends the resulting effects to `effects`, and returns the responses to
    /// local operations.
    ///
    /// # Errors
    ///
    /// [`OpError`] if a local event was refused. Then nothing has changed and there are no effects.
    /// Faulty input from peers is not an error but a [`Notice::Refused`].
    pub fn step(
        &mut self,
        event: Event<'_>,
        effects: &mut Vec<Effect>,
    ) -> Result<Outcome, OpError> {
        match event {
            Event::Op(op) => return self.operate(core::slice::from_ref(op), effects),
            Event::Batch(ops) => return self.operate(ops, effects),
            Event::Undo(number) => return self.undo(number, effects),
            Event::Checkpoint(name) => return Ok(self.checkpoint(name)),
            Event::DropCheckpoint(number) => return self.drop_checkpoint(number),
            Event::Retire => return Ok(self.retire()),
            Event::Roster(bytes) => return self.take_roster(bytes, effects),
            Event::Flush => self.flush(effects),
            Event::Persisted(ticket) => self.persisted(ticket, effects),
            Event::Tick => self.tick(effects),
            Event::Message { from, bytes } => self.receive(from, bytes, effects),
            Event::Publish => self.publish(effects),
            Event::PeerUp { peer, key } => {
                self.publish(effects);
                self.peers.add(peer, key);
                self.memory.publication.tell(peer);
                self.exchange(effects, |exchange, around| exchange.meet(peer, around));
            }
            Event::Seal => self.memory.publication.open.end(),
            Event::PeerDown(peer) => {
                self.publish(effects);
                self.peers.remove(peer);
                let cx = &mut context!(self, effects);
                self.inboxes.forget(peer, &mut self.memory.keyspace, cx);
                self.exchange.forget(peer);
                self.arrivals.forget(peer);
            }
        }
        self.exchange(effects, |exchange, around| {
            exchange.resume(around.peers.ticks(), around.out);
        });
        Ok(Outcome::default())
    }

    // Local events.

    fn operate(
        &mut self,
        ops: &[LocalOp<'_>],
        effects: &mut Vec<Effect>,
    ) -> Result<Outcome, OpError> {
        self.check_active()?;
        let (view, shape) = (self.config.view, &self.config.shape);
        ops.iter().try_for_each(|op| validate(op, view, shape))?;
        let cx = &mut context!(self, effects);
        let mut writer = self.memory.writer();
        if let [op] = ops {
            // Most batches are of one operation, which needs no lists to be built up.
            let done = writer.operate(op, cx);
            let deltas = done
                .delta
                .map_or_else(SmallVec::new, |delta| [delta].into());
            let responses = [done.response].into();
            return Ok(self.outcome(responses, deltas, done.changed, done.relied));
        }
        let (mut responses, mut deltas) = (SmallVec::new(), SmallVec::new());
        let (mut changed, mut relied) = (false, 0);
        for ops in ops.chunks(AHEAD) {
            writer.fetch(ops);
            for op in ops {
                let done = writer.operate(op, cx);
                responses.push(done.response);
                deltas.extend(done.delta);
                changed |= done.changed;
                relied = relied.max(done.relied);
            }
        }
        Ok(self.outcome(responses, deltas, changed, relied))
    }

    /// The outcome of a batch of operations, which is added to those that can be undone. `relied`
    /// is the ticket that makes durable what they found already in the desired state.
    #[inline]
    fn outcome(
        &mut self,
        responses: SmallVec<[Option<Response<Value>>; 1]>,
        deltas: Deltas,
        changed: bool,
        relied: u64,
    ) -> Outcome {
        let number = if self.config.undo_batches > 0 {
            self.memory.batches.add(deltas)
        } else {
            None
        };
        let ticket = if changed {
            self.memory.publication.next_ticket()
        } else {
            relied
        };
        Outcome {
            ticket,
            number,
            responses,
        }
    }

    /// Fails if this replica accepts no operations.
    ///
    /// # Errors
    ///
    /// The [`OpError`] with which it refuses them.
    pub fn check_active(&self) -> Result<(), OpError> {
        if self.is_removed() {
            return Err(OpError::Removed {
                roster: self.roster().number(),
            });
        }
        if self.stopped {
            return Err(OpError::Stopped);
        }
        if self.memory.retired {
            return Err(OpError::Retired);
        }
        if self.standing != Standing::Sure && self.has_too_many_lives() {
            return Err(OpError::TooManyLives);
        }
        Ok(())
    }

    /// Whether peers would not take changes of another life.
    fn has_too_many_lives(&self) -> bool {
        let Memory {
            origins, ledger, ..
        } = &self.memory;
        let roster = self.roster();
        let unfolded = |author: &Author| ledger.standing(author, roster) != Phase::Folded;
        origins.is_full(&self.config.trust.key(), unfolded)
    }

    /// Whether this replica is not, or no longer, on the roster.
    fn is_removed(&self) -> bool {
        !self.membership.is_listed()
    }

    fn undo(&mut self, number: u64, effects: &mut Vec<Effect>) -> Result<Outcome, OpError> {
        self.check_active()?;
        let mut batch = self.memory.batches.undoable(number)?.clone();
        let cx = &mut context!(self, effects);
        let mut writer = self.memory.writer();
        for (at, delta) in &mut batch.deltas {
            *delta = cx.config.shape.inverse(delta);
            writer.change(*at, delta, false, cx);
        }
        let undo = self.memory.batches.add_undo(batch);
        Ok(self.pending(undo))
    }

    /// Takes a roster from an operator.
    fn take_roster(&mut self, bytes: &[u8], effects: &mut Vec<Effect>) -> Result<Outcome, OpError> {
        self.offer_roster(Roster::decode(bytes)?, effects)?;
        // Also if the roster was known: the answer waits for what is stored next.
        self.memory.publication.touch_meta();
        Ok(self.pending(None))
    }

    /// Accepts a newer roster, and sends it to all peers.
    fn offer_roster(
        &mut self,
        roster: Roster,
        effects: &mut Vec<Effect>,
    ) -> Result<(), RosterError> {
        let was_member = !self.is_removed();
        let notices = self.membership.offer(roster, &self.config)?;
        if notices.is_empty() {
            return Ok(());
        }
        self.memory.publication.touch_meta();
        let origins = &self.memory.origins;
        if origins.get(origins.own()).author.life() < self.first_life() {
            // This replica was added again. Its former lives are over.
            self.memory.stay();
            self.take_new_life();
        } else if was_member
            && self.is_removed()
            && (!self.memory.retired || self.memory.publication.is_waiting())
        {
            // What is not signed yet is not taken any more. It waits, as does its life.
            self.take_new_life();
        }
        let own = self.config.trust.key();
        self.standing.heed(&own, self.membership.roster());
        effects.extend(notices.into_iter().map(Effect::Notify));
        self.tell_all(self.membership.records(), effects);
        self.attend_ledger(effects);
        Ok(())
    }

    /// Takes a record with a roster.
    fn take_roster_record(
        &mut self,
        from: PeerId,
        reader: &mut Reader<'_>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Malformed> {
        reader.u8()?;
        let mut hash = None;
        let offered = Roster::decode(reader.blob(usize::MAX)?).and_then(|roster| {
            self.peers.note_roster(from, *hash.insert(roster.hash()));
            self.offer_roster(roster, effects)
        });
        match offered {
            // The peer learns of the newer one.
            Ok(()) | Err(RosterError::Stale { .. }) => {}
            Err(error) => {
                if let Some(hash) = hash.filter(|_| self.may_draw(from)) {
                    self.peers.charge(from, ANSWER);
                    let record = Membership::refusal(&hash, &error);
                    context!(self, effects).send(from, MessageKind::Ledger, &record);
                }
                context!(self, effects).refuse(from, error.into());
            }
        }
        Ok(())
    }

    fn checkpoint(&mut self, name: &str) -> Outcome {
        let number = self.memory.keyspace.make_checkpoint(name);
        self.memory.publication.touch_meta();
        self.pending(Some(u64::from(number)))
    }

    fn drop_checkpoint(&mut self, number: u32) -> Result<Outcome, OpError> {
        let keyspace = &mut self.memory.keyspace;
        keyspace.checkpoints.delete(number, &mut keyspace.table)?;
        self.memory.publication.touch_meta();
        Ok(self.pending(None))
    }

    fn retire(&mut self) -> Outcome {
        self.begin_life();
        let memory = &mut self.memory;
        if self.standing != Standing::Sure {
            memory.publication.unsealed.release(|_| true);
        }
        memory.retired = true;
        memory.publication.open.end();
        memory.publication.touch_meta();
        let ticket = memory
            .publication
            .next_durable(&memory.keyspace.table, &memory.origins);
        memory.ledger.retire(ticket);
        self.pending(None)
    }

    /// The outcome of an event that becomes durable with the next ticket.
    fn pending(&self, number: Option<u64>) -> Outcome {
        Outcome {
            ticket: self.memory.publication.next_ticket(),
            number,
            responses: SmallVec::new(),
        }
    }

    // Storage.

    /// Hands everything unstored to storage, along with the frames to send once it is durable.
    fn flush(&mut self, effects: &mut Vec<Effect>) {
        if !self.memory.publication.is_in_flight() {
            self.begin_life();
            self.judge_held(false);
        }
        let Memory {
            keyspace,
            origins,
            publication,
            ..
        } = &mut self.memory;
        let table = &mut keyspace.table;
        if publication.is_in_flight() || !publication.is_unflushed(table, origins) {
            return;
        }
        let (own, origin) = (origins.own(), origins.own_id());
        let mut head = publication.head();
        // One that was removed publishes nothing.
        let waiting = if self.membership.roster().contains(&self.config.trust.key()) {
            publication.take_waiting()
        } else {
            Vec::new()
        };
        let mut published = Vec::with_capacity(waiting.len());
        let mut leaves = Leaves::default();
        for (at, before) in waiting {
            table.slots.set_published(at);
            let Some(change) = table.slots.change_of(at as usize, own) else {
                continue;
            };
            let key = table.slots.key(at);
            let tag = leaves.add(
                |bytes| change.encode(key, bytes),
                |encoded| self.secrets.leaf(origin, encoded),
            );
            let new = Published::new(&self.secrets, origin, key, change.version, tag);
            published.push((at, new, before));
        }
        let author = origins.get(own).author;
        let cx = context!(self, effects);
        cx.counters.published += published.len() as u64;
        let open = &mut publication.open;
        let room = cx.room() - FRAME_OVERHEAD;
        let previews = self.peers.are_authentic()
            && leaves.len() < LARGE_BATCH
            && open.leaves.len() + leaves.len() <= MOST_LEAVES
            && open.leaves.size() + leaves.size() <= room / 2;
        let mut send = Previews::default();
        let mut body = vec![frame_bits(&author, head), open.leaves.len() as u8];
        if previews && leaves.len() > 0 {
            if open.leaves.len() == 0 {
                let start = Start {
                    incarnation: author.incarnation,
                    before: head,
                };
                open.stream.begin_frame(start, &mut body);
            }
            for (at, _, before) in &published {
                if let Some(change) = table.slots.change_of(*at as usize, own) {
                    let (key, before) = (table.slots.key(*at), before.as_ref());
                    let shape = &table.shape;
                    open.stream
                        .encode(*at, key, before, &change, shape, &mut body);
                }
            }
            open.leaves.append(&leaves);
            let previewed = published.iter();
            let previewed = previewed.map(|(at, _, before)| (*at, before.as_ref()));
            publication.unsealed.preview(own, previewed);
            open.own.append(&mut published);
            leaves = Leaves::default();
            send.message = Some((MessageKind::Preview, body.clone()));
        }
        let ends = open.due || !previews || open.leaves.len() >= ENOUGH_LEAVES;
        let mut all = Vec::new();
        if ends && open.leaves.len() > 0 {
            let evidence = open.leaves.seal(author, head, &cx);
            body.extend_from_slice(&evidence.seal());
            send.message = Some((MessageKind::Seal, body));
            send.askers = core::mem::take(&mut open.askers);
            head = evidence.head(cx.secrets).unwrap_or(head);
            send.sealed = Some((head, open.leaves.excerpt(&evidence)));
            open.leaves = Leaves::default();
            publication.unsealed.clear(own);
            (open.due, open.aged) = (false, false);
            all.append(&mut open.own);
            cx.counters.frames += 1;
        }
        all.append(&mut published);
        let frames = leaves.sign(author, head, false, cx.config.trust.signer(), &cx);
        if !frames.is_empty() {
            // These frames are not part of the stream.
            open.stream.restart();
        }
        cx.counters.frames += frames.len() as u64;
        let frames = frames
            .into_iter()
            .map(|(frame, excerpt)| {
                let message = seal(&self.config.shape, MessageKind::Changes, &excerpt);
                (frame, message)
            })
            .collect();
        let ticket = publication.launch(all, send, frames);
        let mut records = self.memory.store(&self.config);
        records.extend(self.membership.take_unstored());
        effects.push(Effect::Persist { ticket, records });
    }

    /// Publishes what has become durable.
    fn persisted(&mut self, ticket: u64, effects: &mut Vec<Effect>) {
        let Some(flight) = self.memory.publication.confirm(ticket) else {
            return;
        };
        let own = self.memory.origins.own();
        let table = &mut self.memory.keyspace.table;
        for (at, published, _) in flight.own {
            if let Some(position) = table.slots.position(at as usize, own) {
                table.publish(at, position, published);
            }
        }
        let origin = self.memory.origins.own_id();
        let mut cx = context!(self, effects);
        let removed = !cx.roster.contains(&cx.config.trust.key());
        let Previews {
            sealed,
            askers,
            message,
        } = flight.previews;
        if let Some((frame, excerpt)) = sealed {
            self.memory.origins.note_frame(own, frame);
            for peer in askers.into_iter().filter(|_| !removed) {
                cx.send(peer, MessageKind::Changes, &excerpt);
            }
            let recent = &mut self.memory.publication.open.recent;
            recent.keep(frame.number, excerpt);
        }
        let publication = &mut self.memory.publication;
        match message.filter(|_| !removed) {
            Some((MessageKind::Preview, body)) if !cx.config.linger.is_zero() => {
                publication.linger(body);
            }
            Some((kind, body)) => {
                let body = publication.join(body);
                for &peer in self.peers.up() {
                    cx.send(peer, kind, &body);
                }
            }
            None => {}
        }
        for (frame, bytes) in flight.frames {
            self.memory.origins.note_frame(own, frame);
            if !removed {
                cx.broadcast(origin, frame.number, bytes);
            }
        }
        self.memory.show_released(&self.secrets);
        self.attend_ledger(effects);
    }

    /// Sends the previews that linger.
    fn publish(&mut self, effects: &mut Vec<Effect>) {
        let Some(body) = self.memory.publication.take_lingering() else {
            return;
        };
        let mut cx = context!(self, effects);
        if cx.roster.contains(&cx.config.trust.key()) {
            for &peer in self.peers.up() {
                cx.send(peer, MessageKind::Preview, &body);
            }
        }
    }

    // Peers.

    fn tick(&mut self, effects: &mut Vec<Effect>) {
        let turn = self.peers.tick(self.config.sync_ticks);
        self.memory.publication.open.tick();
        self.leave_disowned_life();
        let reachable = !self.peers.up().is_empty();
        let late = reachable && self.memory.publication.unsealed.is_late();
        self.judge_held(late);
        self.told = 0;
        self.memory.ledger.tick();
        for (peer, again) in self.inboxes.overdue() {
            context!(self, effects).send(peer, MessageKind::Again, &again.encode());
        }
        self.attend(true, effects);
        self.exchange(effects, |exchange, around| exchange.tick(turn, around));
    }

    fn receive(&mut self, from: PeerId, message: &[u8], effects: &mut Vec<Effect>) {
        self.counters.messages_in += 1;
        self.counters.bytes_in += message.len() as u64;
        let read = open(&self.config.shape, message).and_then(|opened| {
            let Some((kind, body)) = opened else {
                return Ok(());
            };
            let reader = &mut Reader::new(body);
            self.dispatch(from, kind, reader, effects)
                .and_then(|()| reader.end())
                .map_err(|Malformed| Refusal::Malformed)
        });
        match read {
            Ok(()) => {}
            Err(Refusal::Layout { .. }) if !self.peers.note_layout(from) => {
                self.counters.refused += 1;
            }
            Err(reason) => context!(self, effects).refuse(from, reason),
        }
    }

    fn dispatch(
        &mut self,
        from: PeerId,
        kind: MessageKind,
        reader: &mut Reader<'_>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Malformed> {
        if self.is_removed() && kind != MessageKind::Ledger {
            return self.answer_as_removed(from, kind, reader, effects);
        }
        match kind {
            MessageKind::Changes => self.take_changes(from, reader, false, effects),
            MessageKind::Repair => self.take_changes(from, reader, true, effects),
            MessageKind::Summary => self.take_summary(from, reader, effects),
            MessageKind::Sketch => self.exchange(effects, |exchange, around| {
                exchange.take_sketch(from, reader, around)
            }),
            MessageKind::SketchRequest => {
                let range = RowRange::decode(reader)?;
                let room = context!(self, effects).room();
                self.send_sketch(from, |digest| range.rows_of(digest, room), effects);
                Ok(())
            }
            MessageKind::Fetch => {
                let places = sketch::decode_places(reader)?;
                self.exchange(effects, |exchange, around| {
                    exchange.note_fetch(from, &places, around.out);
                });
                if self.may_draw(from) {
                    let places = self.memory.keyspace.table.find(&places);
                    self.charge_scan(from);
                    // As a repair: the peer may have a newer version, which weights do not tell.
                    self.answer_entries(from, MessageKind::Repair, &places, effects);
                }
                Ok(())
            }
            MessageKind::Pull => {
                let first = reader.varint()?;
                self.send_chunk(from, first, effects);
                Ok(())
            }
            MessageKind::Chunk => self.take_chunk(from, reader, effects),
            MessageKind::Ledger => self.take_ledger(from, reader, effects),
            MessageKind::Head => self.take_head(from, reader, effects),
            MessageKind::Preview => self.take_preview(from, reader, false, effects),
            MessageKind::Seal => self.take_preview(from, reader, true, effects),
            MessageKind::Again => {
                let again = Again::decode(reader)?;
                self.send_again(from, again, effects);
                Ok(())
            }
        }
    }

    /// Sends a peer what it lacks of what was previewed.
    fn send_again(&mut self, to: PeerId, again: Again, effects: &mut Vec<Effect>) {
        if !self.peers.is_up(to) || !self.may_draw(to) {
            return;
        }
        self.peers.charge(to, ANSWER);
        let Memory {
            origins,
            publication,
            ..
        } = &mut self.memory;
        let newest = origins.get(origins.own()).chain.head().number;
        if let Some(upto) = again.upto {
            let mut next = upto.saturating_add(1);
            for (number, excerpt) in publication.open.recent.after(upto) {
                let cost = ANSWER + excerpt.len() as u64 / 16;
                self.peers.charge(to, cost);
                context!(self, effects).send(to, MessageKind::Changes, excerpt);
                // Some frames were not previewed.
                next = if number == next { number + 1 } else { next };
            }
            if next <= newest {
                self.exchange(effects, |exchange, around| {
                    exchange.compare(to, around.peers.ticks(), around.out);
                });
            }
        }
        if again.open {
            self.memory.publication.tell(to);
        }
    }

    /// Handles a message while this replica is not on the roster. It takes part in nothing but the
    /// exchange of the ledger; from its own summaries peers see that it lacks a newer roster.
    fn answer_as_removed(
        &mut self,
        from: PeerId,
        kind: MessageKind,
        reader: &mut Reader<'_>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Malformed> {
        if kind == MessageKind::Summary {
            let theirs = Summary::decode(reader)?;
            if theirs.ledger.ledger != self.summary().ledger.ledger {
                self.send(Outgoing::Ledger(from), effects);
            }
        }
        reader.bytes(reader.rest().len()).map(drop)
    }

    /// Merges excerpts. If `answer`, sends back entries that are newer here.
    fn take_changes(
        &mut self,
        from: PeerId,
        reader: &mut Reader<'_>,
        answer: bool,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Malformed> {
        let mut newer = Vec::new();
        let mut excerpts = Vec::new();
        while !reader.is_empty() {
            excerpts.push(decode_excerpt(reader, &self.secrets, &self.config.shape)?);
        }
        // An excerpt of the own origin may reveal a loss of memory. The new life is to have a
        // higher number than all others in the message, so these come first.
        let own = self.memory.origins.own_id();
        excerpts.sort_by_key(|(evidence, _)| evidence.origin() == own);
        for (evidence, changes) in excerpts {
            self.exchange
                .note_arrival(from, changes.len(), self.peers.ticks());
            if answer && let Some(place) = self.memory.origins.place(evidence.origin()) {
                let slots = &self.memory.keyspace.table.slots;
                newer.extend(changes.iter().filter_map(|(key, change)| {
                    let at = slots.get_index_of(key)?;
                    let known = slots.change_of(at, place)?;
                    let is_newer = known.version > change.version || known.contradicts(change);
                    is_newer.then_some((at, place))
                }));
            }
            match self.take_excerpt(from, &evidence, changes, effects) {
                Ok(()) if evidence.is_whole() => {
                    let header = &evidence.header;
                    self.inboxes.note_frame(from, &header.author, header.number);
                }
                Ok(()) => {}
                Err(reason) => context!(self, effects).refuse(from, reason),
            }
        }
        // Positions are looked up only now, because an excerpt that reveals a loss of memory moves
        // entries.
        let slots = &self.memory.keyspace.table.slots;
        let newer: Vec<_> = newer
            .into_iter()
            .filter_map(|(at, place)| Some((at as u32, slots.position(at, place)?)))
            .collect();
        if self.may_draw(from) {
            self.answer_entries(from, MessageKind::Changes, &newer, effects);
        }
        Ok(())
    }

    /// Shows previewed changes of a peer, and merges them if they are complete and signed.
    fn take_preview(
        &mut self,
        from: PeerId,
        reader: &mut Reader<'_>,
        sealed: bool,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Malformed> {
        let Some(key) = self.peers.key(from) else {
            // Nobody has authenticated the sender.
            return reader.bytes(reader.rest().len()).map(drop);
        };
        let cx = &mut context!(self, effects);
        let room = &mut Room {
            keyspace: &mut self.memory.keyspace,
            origins: &self.memory.origins,
            ledger: &self.memory.ledger,
            writes: !self.memory.retired,
        };
        let next = self.inboxes.take((from, key), sealed, reader, room, cx)?;
        if self.may_draw(from)
            && let Some(again) = self.inboxes.due(from)
        {
            self.peers.charge(from, ANSWER);
            context!(self, effects).send(from, MessageKind::Again, &again.encode());
        }
        match next {
            Next::Nothing => {}
            Next::Compare if !self.may_draw(from) => {}
            Next::Compare => {
                self.peers.charge(from, ANSWER);
                self.exchange(effects, |exchange, around| {
                    exchange.compare(from, around.peers.ticks(), around.out);
                });
            }
            Next::Merge(evidence, changes) => {
                let merged = self.take_excerpt(from, &evidence, keyed(&changes), effects);
                let cx = &mut context!(self, effects);
                if let Err(reason) = merged {
                    cx.refuse(from, reason);
                    self.inboxes.forget(from, &mut self.memory.keyspace, cx);
                }
            }
        }
        Ok(())
    }

    fn take_excerpt(
        &mut self,
        from: PeerId,
        evidence: &Evidence,
        changes: KeyedChanges<'_>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let Memory {
            keyspace,
            origins,
            ledger,
            publication,
            ..
        } = &mut self.memory;
        let cx = &mut context!(self, effects);
        let mut merger = Merger { keyspace, origins };
        let known = merger.origins.len();
        let from = self.peers.key(from);
        let signs = from.is_none_or(|key| ledger.requires(&key, cx.roster));
        let Some(news) = merger.examine((evidence, signs), &changes, ledger, publication, cx)?
        else {
            return Ok(());
        };
        if self.memory.origins.len() > known && self.memory.origins.is_ours(news.place) {
            self.report_user(news.place, effects);
        }
        if news.place == self.memory.origins.own() {
            // A peer knows more of our own origin than we do: we have forgotten something, or
            // somebody else uses our key. After the change of origin it is an origin like others.
            self.lose_memory(effects);
        } else if self.left == Some(evidence.origin()) {
            self.left = None;
            let (old, new) = (evidence.origin(), self.memory.origins.own_id());
            effects.push(Effect::Notify(Notice::MemoryLost { old, new }));
        }
        let writes = !self.memory.retired;
        let cx = &mut context!(self, effects);
        if !self.inboxes.is_empty() {
            let (author, keyspace) = (evidence.header.author, &mut self.memory.keyspace);
            let is_former = |of: &Author| of.key == author.key && of.life() < author.life();
            self.inboxes.end(is_former, keyspace, cx);
        }
        let mut merger = Merger {
            keyspace: &mut self.memory.keyspace,
            origins: &mut self.memory.origins,
        };
        let closed = news.closed;
        let merged = merger.merge_all(news, evidence, changes, writes, cx);
        if closed {
            self.memory.ledger.note_growth();
        }
        if let Err(Refusal::Equivocation {
            proof: Some(proof), ..
        }) = &merged
        {
            let (key, proof) = (evidence.header.author.key, Proof::clone(proof));
            self.memory.ledger.take_proof(key, proof, cx.roster, cx)?;
        }
        merged
    }

    /// Takes a new life, because peers know more of the current one than this replica. The second
    /// time, a copy of it must be running, and it stops.
    fn lose_memory(&mut self, effects: &mut Vec<Effect>) {
        let old = self.memory.origins.own_id();
        self.take_new_life();
        let notice = if core::mem::replace(&mut self.fell_behind, true) {
            self.stopped = true;
            Notice::Stopped { origin: old }
        } else {
            let new = self.memory.origins.own_id();
            Notice::MemoryLost { old, new }
        };
        effects.push(Effect::Notify(notice));
    }

    /// Reports another user of this replica's key, unless it is a former life.
    fn report_user(&mut self, place: u32, effects: &mut Vec<Effect>) {
        let origins = &self.memory.origins;
        let (own, other) = (origins.get(origins.own()), origins.get(place));
        let is_former = other.author.life() < own.author.life() || own.chain.head().number == 0;
        if !is_former && !core::mem::replace(&mut self.reported_user, true) {
            let origin = other.id;
            effects.push(Effect::Notify(Notice::KeyInUse { origin }));
        }
    }

    /// This replica's introduction to a peer.
    fn introduction(&self) -> Introduction {
        let Memory {
            origins,
            ledger,
            retired,
            publication,
            ..
        } = &self.memory;
        let signs = !retired && ledger.requires(&self.config.trust.key(), self.roster());
        Introduction {
            origin: origins.own_id(),
            head: origins.get(origins.own()).chain.head(),
            signs: signs && !self.is_dirty(),
            unsent: !publication.is_complete(),
            asks: matches!(self.standing, Standing::Open(_)).then_some(self.config.incarnation),
        }
    }

    /// Answers the introduction of a peer. It is vouched for only if it `knows` all records of the
    /// ledger: its life may be over.
    fn meet(&mut self, from: PeerId, peer: &Introduction, knows: bool, effects: &mut Vec<Effect>) {
        let origins = &self.memory.origins;
        if peer.origin == origins.own_id() {
            // Two processes with one key are in one life. Only one that has not begun may change
            // that on somebody's unsigned word.
            if self.standing != Standing::Sure {
                self.standing = Standing::DOUBTFUL;
            }
            if !core::mem::replace(&mut self.reported_user, true) {
                let origin = peer.origin;
                effects.push(Effect::Notify(Notice::KeyInUse { origin }));
            }
            return;
        }
        let place = origins.place(peer.origin);
        // A life that is over must not continue.
        let ledger = &self.memory.ledger;
        let is_over = place.is_some_and(|place| {
            let origin = origins.get(place);
            origin.quarantined
                || !ledger.is_living(&origin.author, self.roster())
                || origins.has_later_life(&origin.author)
        });
        if let Some(start) = peer.asks
            && knows
            && !is_over
            && self.may_draw(from)
        {
            self.peers.charge(from, ANSWER);
            let head = place.map_or_else(Head::default, |place| origins.get(place).chain.head());
            let trust = &self.config.trust;
            let vouch = Vouch::sign(peer.origin, head, start, trust, &self.secrets);
            let mut body = vec![VOUCH];
            vouch.encode(&mut body);
            context!(self, effects).send(from, MessageKind::Head, &body);
        }
        if peer.asks.is_some() && !self.inboxes.is_empty() {
            // It has just been opened, perhaps without what it previewed to another address.
            let key = self.peers.key(from);
            let is_same = |of: &Author| of.origin() == peer.origin && Some(of.key) == key;
            let cx = &mut context!(self, effects);
            self.inboxes.end(is_same, &mut self.memory.keyspace, cx);
        }
        self.compare_heads(from, peer.origin, peer.head, effects);
    }

    /// Whether a peer, in this life, has to sign what is to be folded. An old message may say so of
    /// one that has retired since.
    fn has_to_sign(&self, peer: PeerId, origin: OriginId) -> bool {
        let origins = &self.memory.origins;
        let author = origins.place(origin).map(|place| origins.get(place).author);
        let key = author.map(|author| author.key).or(self.peers.key(peer));
        key.is_none_or(|key| self.memory.ledger.requires(&key, self.roster()))
    }

    /// Compares what a peer says about a frame of its own origin with what is known here: proves
    /// that there is more or another, or says that there is less.
    fn compare_heads(
        &mut self,
        from: PeerId,
        origin: OriginId,
        theirs: Head,
        effects: &mut Vec<Effect>,
    ) {
        let origins = &self.memory.origins;
        let known = origins.place(origin);
        let unfolded = known.filter(|&place| !self.has_folded(&origins.get(place).author));
        let Some(place) = unfolded else {
            return;
        };
        let chain = &origins.get(place).chain;
        let ours = chain.head();
        if ours.number > theirs.number || chain.contradicts(theirs) {
            self.prove(from, place, theirs, effects);
        } else if ours.number < theirs.number && ours.number > 0 {
            self.send_head(from, CLAIM, origin, ours, effects);
        }
    }

    /// Sends an entry of an origin from a frame that its owner, whose newest frame is `theirs`,
    /// lacks.
    fn prove(&mut self, to: PeerId, place: u32, theirs: Head, effects: &mut Vec<Effect>) {
        if !self.may_draw(to) {
            return;
        }
        self.charge_scan(to);
        let (table, secrets) = (&self.memory.keyspace.table, &self.secrets);
        let origin = self.memory.origins.id(place);
        let best = table.archive.best(|evidence| {
            let frame = evidence.head(secrets)?;
            let lacks = frame.number > theirs.number
                || frame.number == theirs.number && frame.link != theirs.link;
            (evidence.origin() == origin && lacks).then_some(frame.number)
        });
        let found = best.and_then(|best| {
            table.slots.values().zip(0..).find_map(|(slot, at)| {
                let mut entries = slot.entries.iter();
                Some((at, entries.position(|entry| entry.evidence == best)?))
            })
        });
        if let Some(found) = found {
            self.send_entries(to, MessageKind::Changes, &[found], effects);
        }
    }

    fn send_head(
        &mut self,
        to: PeerId,
        what: u8,
        origin: OriginId,
        head: Head,
        effects: &mut Vec<Effect>,
    ) {
        if !self.may_draw(to) {
            return;
        }
        self.peers.charge(to, ANSWER);
        let mut body = vec![what];
        body.extend_from_slice(&origin.0);
        head.encode(&mut body);
        context!(self, effects).send(to, MessageKind::Head, &body);
    }

    fn take_head(
        &mut self,
        from: PeerId,
        reader: &mut Reader<'_>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Malformed> {
        let what = reader.u8()?;
        if what == VOUCH {
            let vouch = Vouch::decode(reader)?;
            let origins = &self.memory.origins;
            if vouch.origin == origins.own_id() {
                let chain = &origins.get(origins.own()).chain;
                let start = &self.config.incarnation;
                let members = (&self.config.trust, self.membership.roster());
                self.standing
                    .take(&vouch, chain, start, members, &self.secrets);
            }
            return Ok(());
        }
        let (origin, head) = (OriginId(reader.array()?), Head::decode(reader)?);
        let own = self.memory.origins.own();
        match what {
            CLAIM if origin == self.memory.origins.id(own) => {
                // The peer knows an older frame, which may be of another branch: let it prove that.
                let chain = &self.memory.origins.get(own).chain;
                if chain.contradicts(head)
                    && let Some(link) = chain.link(head.number)
                {
                    let number = head.number;
                    self.send_head(from, ASK, origin, Head { number, link }, effects);
                }
            }
            CLAIM => {}
            ASK => self.compare_heads(from, origin, head, effects),
            _ => return Err(Malformed),
        }
        Ok(())
    }

    fn take_summary(
        &mut self,
        from: PeerId,
        reader: &mut Reader<'_>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Malformed> {
        let (theirs, ours) = (Summary::decode(reader)?, self.summary());
        let peer = Introduction::decode(reader)?;
        let knows = theirs.ledger.ledger == ours.ledger.ledger;
        if knows {
            self.peers.note_roster(from, self.roster().hash());
        }
        self.meet(from, &peer, knows, effects);
        let agrees = (theirs.count, theirs.sum) == (ours.count, ours.sum);
        self.inboxes.note_summary(from, agrees && !peer.unsent);
        if agrees {
            let signs = peer.signs && self.has_to_sign(from, peer.origin);
            let equal = theirs.ledger == ours.ledger;
            self.memory.ledger.note_agreement(equal, signs);
            self.attend_ledger(effects);
        }
        let late = self
            .memory
            .ledger
            .lacks(theirs.ledger.folded, &self.secrets);
        if theirs.ledger.folded == ours.ledger.folded {
            self.memory.ledger.note_summary();
        }
        self.exchange(effects, |exchange, around| {
            exchange.take_summary(from, (&theirs, peer.unsent), &ours, late, around);
        });
        Ok(())
    }

    fn take_chunk(
        &mut self,
        from: PeerId,
        reader: &mut Reader<'_>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Malformed> {
        let chunk = Chunk::decode(reader, self.config.shape.words())?;
        let wanted = self.memory.ledger.lacks(chunk.folded, &self.secrets);
        let pass = self.exchange(effects, |exchange, around| {
            exchange.take_chunk(from, chunk, wanted, around)
        });
        let Some(pass) = pass else { return Ok(()) };
        let cx = &mut context!(self, effects);
        let (ledger, mut around) = self.memory.ledger(cx.roster);
        match ledger.adopt(pass.folded, pass.bases, &mut around, cx) {
            Ok(None) => {}
            Ok(Some(origins)) => cx.notify(Notice::BaseAdopted { from, origins }),
            Err(reason) => {
                cx.refuse(from, reason);
                self.exchange.shun(from, self.peers.ticks());
            }
        }
        // A pass does not show what the peer lacks. Now that we have more entries, the peer leads.
        // If the pass brought nothing, another would not either.
        if self.memory.keyspace.table.digest.sum != pass.began {
            self.exchange(effects, |exchange, around| {
                exchange.compare(from, around.peers.ticks(), around.out);
            });
        }
        Ok(())
    }

    fn take_ledger(
        &mut self,
        from: PeerId,
        reader: &mut Reader<'_>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Malformed> {
        while !reader.is_empty() {
            if reader.rest().first() != Some(&PART) {
                self.take_record(from, reader, effects)?;
                continue;
            }
            let up = self.peers.is_up(from);
            if let Some(record) = self.arrivals.take(from, up, reader)? {
                let reader = &mut Reader::new(&record);
                self.take_record(from, reader, effects)?;
                reader.end()?;
            }
        }
        self.heed_ledger(effects);
        self.attend_ledger(effects);
        Ok(())
    }

    /// Takes a roster or a record of the ledger.
    fn take_record(
        &mut self,
        from: PeerId,
        reader: &mut Reader<'_>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Malformed> {
        if reader.rest().first() == Some(&ROSTER_RECORD) {
            return self.take_roster_record(from, reader, effects);
        }
        if reader.rest().first() == Some(&REFUSED_RECORD) {
            let (hash, reason) = Membership::read_refusal(reader)?;
            self.peers.note_refusal(from, hash, reason);
            return Ok(());
        }
        let cx = &mut context!(self, effects);
        if let Err(reason) = self.memory.ledger.take_record(reader, cx.roster, cx)? {
            cx.refuse(from, reason);
        }
        Ok(())
    }

    /// Lets the ledger take the steps that have become possible, and tells peers about them.
    fn attend_ledger(&mut self, effects: &mut Vec<Effect>) {
        self.attend(false, effects);
    }

    /// The same, in a `tick` or not.
    fn attend(&mut self, tick: bool, effects: &mut Vec<Effect>) {
        let cx = &mut context!(self, effects);
        let (ledger, mut around) = self.memory.ledger(cx.roster);
        let news = ledger.attend(tick, &mut around, cx);
        if !self.inboxes.is_empty() {
            let Memory {
                ledger, keyspace, ..
            } = &mut self.memory;
            let is_over = |author: &Author| !ledger.is_living(author, self.membership.roster());
            self.inboxes.end(is_over, keyspace, cx);
        }
        self.untold |= news;
        if self.untold && (tick || self.told < MOST_TOLD) {
            self.untold = false;
            self.told += 1;
            let records = self.memory.ledger.records();
            self.tell_all(records, effects);
        }
    }

    /// Sends records of the ledger or of the roster to all peers.
    fn tell_all(&mut self, records: Vec<Vec<u8>>, effects: &mut Vec<Effect>) {
        let mut cx = context!(self, effects);
        let bodies = join(split(records), cx.room());
        for &peer in self.peers.up() {
            for body in &bodies {
                cx.send(peer, MessageKind::Ledger, body);
            }
        }
    }

    /// Lets the exchange act, and sends what it asks for.
    fn exchange<T>(
        &mut self,
        effects: &mut Vec<Effect>,
        act: impl FnOnce(&mut Exchange, &mut Surroundings<'_>) -> T,
    ) -> T {
        let mut out = Vec::new();
        let mut around = Surroundings {
            digest: &mut self.memory.keyspace.table.digest,
            peers: &self.peers,
            counters: &mut self.counters,
            out: &mut out,
        };
        let result = act(&mut self.exchange, &mut around);
        for outgoing in out {
            self.send(outgoing, effects);
        }
        result
    }

    fn send(&mut self, outgoing: Outgoing, effects: &mut Vec<Effect>) {
        let (to, kind, bodies) = match outgoing {
            Outgoing::Summary(to) => {
                if !self.may_draw(to) {
                    return;
                }
                self.peers.charge(to, ANSWER);
                let mut body = self.summary().encode();
                self.introduction().encode(&mut body);
                (to, MessageKind::Summary, vec![body])
            }
            Outgoing::Ledger(to) => {
                if !self.may_draw(to) {
                    return;
                }
                let mut records = self.membership.records();
                records.extend(self.memory.ledger.records());
                self.peers.charge(to, ANSWER + records.len() as u64);
                let room = context!(self, effects).room();
                (to, MessageKind::Ledger, join(split(records), room))
            }
            Outgoing::Opening(to) => return self.send_sketch(to, opening_of, effects),
            Outgoing::Cells(to, range) => {
                let room = context!(self, effects).room();
                return self.send_sketch(to, |digest| range.rows_of(digest, room), effects);
            }
            Outgoing::SketchRequest(to, range) => {
                (to, MessageKind::SketchRequest, vec![range.encode()])
            }
            Outgoing::Repair(to, places) => {
                if self.may_draw(to) {
                    let places = self.memory.keyspace.table.find(&places);
                    self.charge_scan(to);
                    self.answer_entries(to, MessageKind::Repair, &places, effects);
                }
                return;
            }
            Outgoing::Fetch(to, places) => {
                let room = context!(self, effects).room();
                (to, MessageKind::Fetch, sketch::encode_places(&places, room))
            }
            Outgoing::Pull(to, first) => {
                let mut body = Vec::new();
                body.varint(first);
                (to, MessageKind::Pull, vec![body])
            }
            Outgoing::Notify(notice) => return effects.push(Effect::Notify(notice)),
        };
        let mut cx = context!(self, effects);
        for body in bodies {
            cx.send(to, kind, &body);
        }
    }

    /// Whether a peer may draw another answer before the next tick: it may read the entire table
    /// twice, and a small one some more. No honest exchange needs as much.
    fn may_draw(&self, from: PeerId) -> bool {
        let slots = self.memory.keyspace.table.slots.len() as u64;
        self.peers.may_draw(from, 2 * slots + 16_384)
    }

    /// Charges a peer for an answer that takes a pass over the entries or the cells.
    fn charge_scan(&mut self, from: PeerId) {
        let slots = self.memory.keyspace.table.slots.len() as u64;
        self.peers.charge(from, ANSWER + slots / 32);
    }

    /// Sends entries that a peer asked for.
    fn answer_entries(
        &mut self,
        to: PeerId,
        kind: MessageKind,
        places: &[(u32, usize)],
        effects: &mut Vec<Effect>,
    ) {
        self.peers.charge(to, places.len() as u64);
        self.send_entries(to, kind, places, effects);
    }

    fn send_sketch(
        &mut self,
        to: PeerId,
        body: impl FnOnce(&mut Digest) -> Vec<u8>,
        effects: &mut Vec<Effect>,
    ) {
        if !self.may_draw(to) {
            return;
        }
        self.charge_scan(to);
        let body = body(&mut self.memory.keyspace.table.digest);
        context!(self, effects).send(to, MessageKind::Sketch, &body);
    }

    fn send_entries(
        &mut self,
        to: PeerId,
        kind: MessageKind,
        places: &[(u32, usize)],
        effects: &mut Vec<Effect>,
    ) {
        let mut cx = context!(self, effects);
        let Memory {
            keyspace, origins, ..
        } = &self.memory;
        for body in pack(places, &keyspace.table, origins, &cx) {
            cx.send(to, kind, &body);
        }
    }

    fn send_chunk(&mut self, to: PeerId, first: u64, effects: &mut Vec<Effect>) {
        if !self.may_draw(to) {
            return;
        }
        self.peers.charge(to, ANSWER);
        let Memory {
            keyspace, ledger, ..
        } = &self.memory;
        let room = context!(self, effects).room();
        let folded = ledger.folded_sum(&self.secrets);
        let (chunk, places) = Chunk::gather(first, &keyspace.table, room, folded);
        self.answer_entries(to, MessageKind::Changes, &places, effects);
        context!(self, effects).send(to, MessageKind::Chunk, &chunk.encode());
    }

    fn summary(&self) -> Summary {
        let Memory {
            keyspace, ledger, ..
        } = &self.memory;
        let mut sums = ledger.sums(&self.secrets);
        sums.ledger = sums.ledger.wrapping_add(self.membership.sum(&self.secrets));
        Summary::new(&keyspace.table.digest, sums)
    }

    // Queries.

    /// The state of a key: the sum of its base and all accumulators. 0 for a key that was never
    /// changed.
    pub fn state(&self, key: &[u8]) -> Value {
        self.memory.keyspace.table.state(key)
    }

    /// All keys that were ever changed and their states, in the order in which this replica first
    /// saw the keys.
    pub fn states(&self) -> impl ExactSizeIterator<Item = (&[u8], Value)> {
        let slots = &self.memory.keyspace.table.slots;
        slots
            .iter()
            .map(|(key, slot)| (key, slot.into_owned().state))
    }

    /// The writers of a key: each one's origin, number of changes, and the sum of these changes.
    /// Folded origins are not included, and [previewed](Self::previewed) changes neither.
    pub fn writers(&self, key: &[u8]) -> Vec<(OriginId, u64, Value)> {
        let Some(slot) = self.memory.keyspace.table.slots.get(key) else {
            return Vec::new();
        };
        let writers = slot.entries.iter().map(|entry| {
            let origin = self.memory.origins.id(entry.origin);
            let change = &entry.change;
            (origin, change.version, change.accumulator.clone())
        });
        writers.collect()
    }

    /// The writers of a key of which a version is visible that they have not signed yet, as
    /// [`writers`](Self::writers) has them. If the session with such a writer ends, its signed
    /// version becomes visible again.
    pub fn previewed(&self, key: &[u8]) -> Vec<(OriginId, u64, Value)> {
        let Keyspace { table, overlay, .. } = &self.memory.keyspace;
        let Some(at) = table.slots.get_index_of(key) else {
            return Vec::new();
        };
        let shown = overlay.of(at as u32).iter().map(|shown| {
            let change = &shown.change;
            (shown.origin, change.version, change.accumulator.clone())
        });
        shown.collect()
    }

    /// Whether changes of a reachable peer are visible that it has not signed yet. Nobody can pass
    /// them on, and no comparison covers them.
    pub fn shows_unsigned(&self, peer: PeerId) -> bool {
        self.inboxes.shows(peer, &self.memory.keyspace)
    }

    /// Whether the next changes are made under the current origin: it is new in this run, or every
    /// other member vouches that it knows no more of it. If not, the next flush of own changes
    /// takes a new life.
    pub fn is_vouched_for(&self) -> bool {
        self.standing == Standing::Sure
    }

    /// This replica's own origin. It changes if the replica takes a new life.
    pub fn origin(&self) -> OriginId {
        self.memory.origins.own_id()
    }

    /// All known origins and their status.
    pub fn origins(&self) -> impl Iterator<Item = OriginStatus> + '_ {
        let Memory {
            origins, ledger, ..
        } = &self.memory;
        origins.iter().map(move |(_, origin)| OriginStatus {
            origin: origin.id,
            author: origin.author,
            frame: origin.chain.head().number,
            quarantined: origin.quarantined,
            retiring: !ledger.is_living(&origin.author, self.roster()),
            folded: self.has_folded(&origin.author),
        })
    }

    /// Whether a reachable peer has said to have the newest roster that this replica has.
    pub fn shares_roster(&self, peer: PeerId) -> bool {
        self.peers.has_roster(peer, self.roster().hash())
    }

    /// Why a reachable peer does not accept the newest roster that this replica has, if so.
    pub fn roster_refusal(&self, peer: PeerId) -> Option<RosterRefusal> {
        self.peers.refusal(peer, self.roster().hash())
    }

    /// The newest known list of members. Names are empty on roster 0, which is made from the
    /// configuration.
    pub fn roster(&self) -> &Roster {
        self.membership.roster()
    }

    /// The closings under way, and what each waits for.
    pub fn closings(&self) -> Vec<Closing> {
        let Memory {
            origins, ledger, ..
        } = &self.memory;
        ledger.closings(self.roster(), origins)
    }

    /// A number that stands for the certificate of the base; 0 without one.
    pub fn certificate(&self) -> u128 {
        self.memory.ledger.folded_sum(&self.secrets)
    }

    /// What the certificate of the base says; `None` while nothing is folded.
    pub fn certified(&self) -> Option<Certified> {
        self.memory.ledger.certified()
    }

    /// Whether there is proof of misconduct of the holder of this replica's key: others take no
    /// changes of it.
    pub fn is_convicted(&self) -> bool {
        self.memory.ledger.convicts(&self.config.trust.key())
    }

    /// Whether this replica is about to retire: no member holds everything yet that it holds.
    pub fn is_leaving(&self) -> bool {
        self.memory.retired && !self.has_retired()
    }

    /// Whether the changes of an author are in the base.
    pub fn has_folded(&self, author: &Author) -> bool {
        let ledger = &self.memory.ledger;
        ledger.standing(author, self.roster()) == Phase::Folded
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The counters since the replica was opened.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// The number of published and previewed entries and their digest. Equal digests mean equal
    /// entries, unless a member deliberately made them collide.
    pub fn digest(&self) -> (u64, u128) {
        let Memory {
            keyspace,
            origins,
            publication,
            ..
        } = &self.memory;
        let table = &keyspace.table;
        let (mut count, mut sum) = (table.digest.count, table.digest.sum);
        let mut add = |at: u32, place: Option<u32>, tag: Tag| {
            sum = sum.wrapping_add(u128::from_le_bytes(tag));
            let entry = place.and_then(|place| table.slots.entry_of(at as usize, place));
            match entry.map(|entry| entry.published) {
                Some(published) if published != UNPUBLISHED => {
                    sum = sum.wrapping_sub(u128::from_le_bytes(published.tag));
                }
                _ => count += 1,
            }
        };
        for (at, shown) in keyspace.overlay.iter() {
            add(at, origins.place(shown.origin), shown.tag);
        }
        let newest: BTreeMap<_, _> = publication
            .open
            .own
            .iter()
            .map(|(at, published, _)| (*at, published.tag))
            .collect();
        for (at, tag) in newest {
            add(at, Some(origins.own()), tag);
        }
        (count, sum)
    }

    /// Whether anything is not durable yet: unflushed, or on its way to storage.
    pub fn is_dirty(&self) -> bool {
        let Memory {
            keyspace,
            origins,
            publication,
            ..
        } = &self.memory;
        publication.is_in_flight() || publication.is_unflushed(&keyspace.table, origins)
    }

    /// Whether stored changes wait for more, until [`Event::Publish`].
    pub fn lingers(&self) -> bool {
        self.memory.publication.lingers()
    }

    /// Whether all own changes that were sent are signed, and all changes of others that are
    /// visible.
    pub fn is_sealed(&self) -> bool {
        let Memory {
            keyspace,
            publication,
            ..
        } = &self.memory;
        publication.is_sealed() && keyspace.overlay.is_empty()
    }

    /// A former key of this replica that is not one of [`Config::former_keys`], if there are
    /// changes under it that are not part of the base: peers that lack some cannot get them from
    /// here. Takes a pass over the table.
    pub fn missing_key(&self) -> Option<PublicKey> {
        let Memory {
            keyspace, origins, ..
        } = &self.memory;
        keyspace.table.slots.values().find_map(|slot| {
            let mut own = slot.entries.iter().filter(|it| it.evidence == OURS);
            own.find_map(|entry| {
                let key = origins.get(entry.origin).author.key;
                self.config.signer(&key).is_none().then_some(key)
            })
        })
    }

    /// How many keys have changes of this replica that are not part of its base, if it is not on
    /// the roster: of these, peers take none that had reached no member. Takes a pass over the
    /// table.
    pub fn stranded(&self) -> usize {
        if !self.is_removed() {
            return 0;
        }
        let slots = self.memory.keyspace.table.slots.values();
        slots
            .filter(|slot| slot.entries.iter().any(|entry| entry.evidence == OURS))
            .count()
    }

    /// The number of keys that wait for the next flush.
    pub fn unflushed(&self) -> usize {
        self.memory.keyspace.table.unstored()
    }

    /// Subscribes to the keys with a prefix: every change of one causes a [`Notice::Changed`].
    /// Subscriptions are not stored.
    pub fn subscribe(&mut self, prefix: &[u8]) -> u32 {
        self.memory.keyspace.subscriptions.add(prefix)
    }

    /// Ends a subscription.
    pub fn unsubscribe(&mut self, subscription: u32) {
        self.memory.keyspace.subscriptions.remove(subscription);
    }

    /// The number and name of every checkpoint, oldest first.
    pub fn checkpoints(&self) -> &[(u32, String)] {
        self.memory.keyspace.checkpoints.list()
    }

    /// The state that a key had on this replica when the checkpoint was made. Takes one binary
    /// search, however often the key has changed.
    ///
    /// # Errors
    ///
    /// [`OpError::NoCheckpoint`].
    pub fn state_at(&self, key: &[u8], checkpoint: u32) -> Result<Value, OpError> {
        let keyspace = &self.memory.keyspace;
        keyspace.checkpoints.check(checkpoint)?;
        Ok(keyspace.table.slots.get(key).map_or_else(
            || self.config.shape.zero(),
            |slot| slot.at(checkpoint).clone(),
        ))
    }

    /// The change of a key between two checkpoints: the second state minus the first.
    ///
    /// # Errors
    ///
    /// [`OpError::NoCheckpoint`].
    pub fn delta_between(&self, key: &[u8], first: u32, second: u32) -> Result<Value, OpError> {
        let (first, second) = (self.state_at(key, first)?, self.state_at(key, second)?);
        Ok(self.config.shape.difference(&second, &first))
    }

    /// The keys whose state differs from that at a checkpoint, each with the change since then.
    ///
    /// # Errors
    ///
    /// [`OpError::NoCheckpoint`].
    pub fn delta_since(
        &self,
        checkpoint: u32,
    ) -> Result<impl Iterator<Item = (&[u8], Value)>, OpError> {
        let (keyspace, shape) = (&self.memory.keyspace, &self.config.shape);
        keyspace.checkpoints.check(checkpoint)?;
        Ok(keyspace.table.slots.iter().filter_map(move |(key, slot)| {
            let delta = shape.difference(&slot.state, slot.at(checkpoint));
            (!delta.is_zero()).then_some((key, delta))
        }))
    }
}

/// Covers everything that later behaviour can depend on, but neither counters nor the
/// configuration. For model checkers, which must recognise a state that they have seen before.
impl Hash for Replica {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.membership, &self.memory, &self.peers, &self.exchange).hash(state);
        (
            &self.inboxes,
            &self.arrivals,
            &self.standing,
            self.fell_behind,
        )
            .hash(state);
        (self.stopped, self.left, self.reported_user, self.outlived).hash(state);
        self.untold.hash(state);
    }
}
