//! The one task that owns the replica: it feeds it events and does what it asks for.
//!
//! Changes are applied as they come and handed to storage together, whenever storage is idle: while
//! one batch is being written the next gathers. A change is acknowledged when its batch is
//! committed. Whoever asks comes through one of two bounded queues: changes, which are left waiting
//! while too much waits for storage, and looks, which are not.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use atomik_net::{MessageId, PeerId, Received};
use atomik_replica::{
    Action, Effect, Event, LocalOp, Notice, OpError, Outcome, PublicKey, Replica, Response, Value,
};
use atomik_store::StoreError;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use serde_json::{Value as Json, json};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{MissedTickBehavior, interval};

use crate::events::{Events, now};
use crate::link::{Link, name};
use crate::options::Limits;
use crate::storage::{Committed, Storage, StorageGone};
use crate::text::key_text;

/// Changes that are taken between two looks at everything else.
const MOST_AT_ONCE: usize = 1000;

/// Requests that may wait in a queue.
const QUEUE: usize = 256;

/// Lines that may wait for a watcher; those beyond are counted, not kept.
const WATCHER_LINES: usize = 1024;

/// Peers of which the engine has not said that they are up, but that spoke.
const MOST_UNANNOUNCED: usize = 256;

/// After so long a silence these are taken to be gone.
const SILENCE: Duration = Duration::from_secs(30);

/// An operation on a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyOp {
    /// The key.
    pub key: Vec<u8>,
    /// What to do.
    pub action: Action,
}

/// Something that a local writer wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Operations in order, all or none.
    Batch(Vec<KeyOp>),
    /// The taking back of a batch.
    Undo(u64),
    /// A new checkpoint.
    Checkpoint(String),
    /// The end of a checkpoint.
    DropCheckpoint(u32),
    /// Leaving for good.
    Retire,
}

/// What came of a [`Change`], which is durable as the policy has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// The batch's number, or the checkpoint's.
    pub number: Option<u64>,
    /// One response for each operation.
    pub responses: Vec<Option<Response<Value>>>,
}

/// Why a node did not do what it was asked to do.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refused {
    /// The replica refused it. Nothing has changed.
    #[error(transparent)]
    Op(#[from] OpError),
    /// The node is stopping, or has stopped. Whether the change is durable is not known.
    #[error("the node is stopping: ask again when it is back")]
    Stopping,
    /// Storage has failed. Whether the change is durable is not known.
    #[error("not acknowledged, storage has failed: {0}")]
    Storage(String),
}

/// Why a node ended by itself.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NodeError {
    /// A commit or the close failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The thread ended.
    #[error(transparent)]
    Gone(#[from] StorageGone),
    /// The actor panicked.
    #[error("the node's task has ended: start the node again, and report the panic in its log")]
    Panic,
    /// It did not come to its end.
    #[error(
        "the node did not stop within {0} s: storage may be stuck; what was not acknowledged may be lost"
    )]
    Stuck(u64),
}

type Answer = oneshot::Sender<Result<Done, Refused>>;

struct Request {
    change: Change,
    answer: Answer,
}

type Look = Box<dyn FnOnce(&mut Inside) + Send>;

/// Waits for the word to stop, or until there is nobody left to give it.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Asks a running node.
#[derive(Clone)]
pub struct Handle {
    requests: mpsc::Sender<Request>,
    looks: mpsc::Sender<Look>,
}

/// The answer to a change that was handed in.
pub struct Pending(oneshot::Receiver<Result<Done, Refused>>);

impl Pending {
    /// Waits for the acknowledgement.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn done(self) -> Result<Done, Refused> {
        self.0.await.unwrap_or(Err(Refused::Stopping))
    }
}

impl Handle {
    /// Hands a change in; waits while the node takes none. Changes take effect in the order in
    /// which they were handed in.
    ///
    /// # Errors
    /// [`Refused::Stopping`].
    pub async fn submit(&self, change: Change) -> Result<Pending, Refused> {
        let (answer, pending) = oneshot::channel();
        let request = Request { change, answer };
        self.requests
            .send(request)
            .await
            .map_err(|_| Refused::Stopping)?;
        Ok(Pending(pending))
    }

    /// Hands a change in and waits for its acknowledgement.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn change(&self, change: Change) -> Result<Done, Refused> {
        self.submit(change).await?.done().await
    }

    /// The state of a key, with all that was applied, durable or not.
    ///
    /// # Errors
    /// [`Refused::Stopping`].
    pub async fn state(&self, key: &[u8]) -> Result<Value, Refused> {
        let key = key.to_vec();
        self.look(move |inside| inside.replica.state(&key)).await
    }

    /// What a request for the status is answered with, the hash over all states included.
    ///
    /// # Errors
    /// [`Refused::Stopping`].
    pub async fn status(&self) -> Result<Json, Refused> {
        self.look(|inside| inside.status(true)).await
    }

    pub(crate) async fn look<R: Send + 'static>(
        &self,
        look: impl FnOnce(&mut Inside) -> R + Send + 'static,
    ) -> Result<R, Refused> {
        let (answer, seen) = oneshot::channel();
        // Who asked may have gone.
        let look: Look = Box::new(move |inside| drop(answer.send(look(inside))));
        self.looks.send(look).await.map_err(|_| Refused::Stopping)?;
        seen.await.map_err(|_| Refused::Stopping)
    }
}

/// A peer, as this node sees it.
pub(crate) struct Peer {
    since: Instant,
    /// By the engine; others only spoke.
    announced: bool,
    heard: Instant,
    in_sync: Option<Instant>,
}

struct Watcher {
    subscription: u32,
    prefix: Vec<u8>,
    lines: mpsc::Sender<Json>,
    missed: u64,
}

/// What the actor counts besides what the replica and the engine count.
pub(crate) struct Tally {
    pub(crate) commits: u64,
    pub(crate) records: u64,
    pub(crate) commit_seconds: Histogram,
    pub(crate) changes_done: u64,
    pub(crate) changes_refused: u64,
}

/// All that can be looked at.
pub(crate) struct Inside {
    pub(crate) replica: Replica,
    pub(crate) link: Link,
    pub(crate) events: Events,
    pub(crate) peers: BTreeMap<PeerId, Peer>,
    pub(crate) tally: Tally,
    /// The highest number of a frame that this node has sent under its present origin; 0 before the
    /// first of this run.
    pub(crate) own_frame: u64,
    /// Changes that wait for their acknowledgement.
    pub(crate) waiting: usize,
    /// A peer that agreed this recently is in sync.
    fresh: Duration,
    /// What the members are called, by their public keys.
    names: BTreeMap<PublicKey, String>,
    watchers: Vec<Watcher>,
    started: Instant,
}

impl Inside {
    /// A report for people and tests. `hash` goes over all states, which takes time in proportion
    /// to the number of keys.
    pub(crate) fn status(&self, hash: bool) -> Json {
        let config = self.replica.config();
        let counters = self.replica.counters();
        let (entries, digest) = self.replica.digest();
        let mut status = json!({
            "origin": self.replica.origin().to_string(),
            "keyspace": config.keyspace,
            "words": config.words,
            "view": format!("{:?}", config.view).to_lowercase(),
            "uptime_s": self.started.elapsed().as_secs(),
            "engine_open": self.link.is_open(),
            "keys": self.replica.states().len(),
            "entries": entries,
            "digest": format!("{digest:032x}"),
            "unflushed": self.replica.unflushed(),
            "dirty": self.replica.is_dirty(),
            "waiting": self.waiting,
            "peers": self.peers.len(),
            "peers_in_sync": self.peers_in_sync(),
            "commits": self.tally.commits,
            "changes": counters.changes,
            "published": counters.published,
            "merged": counters.merged,
            "stale": counters.stale,
            "refused": counters.refused,
            "overlaps": counters.overlaps,
            "repaired": counters.repaired,
            "messages_in": counters.messages_in,
            "bytes_in": counters.bytes_in,
            "messages_out": counters.messages_out,
            "bytes_out": counters.bytes_out,
            "dropped": self.link.counters().dropped(),
            "origins": self.replica.origins().map(|origin| json!({
                "origin": origin.origin.to_string(),
                "member": self.names.get(&origin.author.key),
                "frame": if origin.origin == self.replica.origin() { self.own_frame } else { origin.frame },
                "quarantined": origin.quarantined,
                "retiring": origin.retiring,
                "folded": origin.folded,
            })).collect::<Vec<_>>(),
            "events": self.events.latest(),
        });
        if hash {
            status["states"] = self.states_hash().into();
        }
        status
    }

    /// Equal for equal states, in whatever order the keys came. Keys whose state is 0 count as
    /// absent.
    fn states_hash(&self) -> String {
        let mut sum = [0_u64; 4];
        for (key, state) in self.replica.states().filter(|(_, state)| !state.is_zero()) {
            let mut hasher = blake3::Hasher::new();
            hasher.update(&(key.len() as u64).to_le_bytes()).update(key);
            for word in state.words() {
                hasher.update(&word.to_le_bytes());
            }
            let hash = hasher.finalize();
            for (sum, bytes) in sum.iter_mut().zip(hash.as_bytes().chunks_exact(8)) {
                let word = bytes
                    .iter()
                    .rev()
                    .fold(0_u64, |word, byte| word << 8 | u64::from(*byte));
                *sum = sum.wrapping_add(word);
            }
        }
        sum.iter().map(|word| format!("{word:016x}")).collect()
    }

    pub(crate) fn peers_in_sync(&self) -> usize {
        let agreed = |peer: &&Peer| peer.in_sync.is_some_and(|at| at.elapsed() <= self.fresh);
        self.peers.values().filter(agreed).count()
    }

    /// Every peer, with the seconds since it last agreed, or since it came up.
    pub(crate) fn peer_ages(&self) -> impl Iterator<Item = (String, f64)> + '_ {
        let age = |peer: &Peer| peer.in_sync.unwrap_or(peer.since).elapsed().as_secs_f64();
        self.peers
            .iter()
            .map(move |(peer, state)| (name(peer), age(state)))
    }

    /// What a peer's member is called, once a change of its origin has come.
    fn member(&self, peer: &PeerId) -> Option<&String> {
        let mut origins = self.replica.origins();
        let known = origins.find(|origin| origin.origin.0 == *peer)?;
        self.names.get(&known.author.key)
    }

    pub(crate) fn peers_report(&self) -> Vec<Json> {
        let seconds = |at: Instant| (at.elapsed().as_secs_f64() * 1000.0).round() / 1000.0;
        let report = |(peer, state): (&PeerId, &Peer)| {
            json!({
                "peer": name(peer),
                "member": self.member(peer),
                "up_s": seconds(state.since),
                "heard_s": seconds(state.heard),
                "in_sync_s": state.in_sync.map(seconds),
                "in_sync": state.in_sync.is_some_and(|at| at.elapsed() <= self.fresh),
            })
        };
        self.peers.iter().map(report).collect()
    }

    /// From now on the lines of what happens to keys with this prefix.
    pub(crate) fn watch(&mut self, prefix: Vec<u8>) -> mpsc::Receiver<Json> {
        let (lines, watching) = mpsc::channel(WATCHER_LINES);
        self.watchers.push(Watcher {
            subscription: self.replica.subscribe(&prefix),
            prefix,
            lines,
            missed: 0,
        });
        watching
    }

    fn tell(&mut self, fits: impl Fn(&Watcher) -> bool, line: &Json) {
        for watcher in self.watchers.iter_mut().filter(|watcher| fits(watcher)) {
            if watcher.missed > 0 {
                let missed = json!({"event": "missed", "count": watcher.missed, "time": now()});
                if watcher.lines.try_send(missed).is_ok() {
                    watcher.missed = 0;
                }
            }
            if watcher.missed > 0 || watcher.lines.try_send(line.clone()).is_err() {
                watcher.missed += 1;
            }
        }
    }

    fn forget_watchers(&mut self) {
        let replica = &mut self.replica;
        self.watchers.retain(|watcher| {
            let there = !watcher.lines.is_closed();
            if !there {
                replica.unsubscribe(watcher.subscription);
            }
            there
        });
    }

    fn notice(&mut self, notice: Notice) {
        match &notice {
            Notice::Changed {
                key,
                state,
                delta,
                origin,
                subscriptions,
            } => {
                let line = json!({
                    "event": "changed", "key": key_text(key), "value": state.to_string(), "delta": delta.to_string(),
                    "origin": origin.map(|origin| origin.to_string()), "time": now(),
                });
                self.tell(
                    |watcher| subscriptions.contains(&watcher.subscription),
                    &line,
                );
            }
            Notice::InSync { from } => {
                if let Some(peer) = self.peers.get_mut(from) {
                    peer.in_sync = Some(Instant::now());
                }
            }
            _ => {
                let view = self.replica.config().view;
                let Some(line) = self.events.take(&notice, view) else {
                    return;
                };
                let key = match notice {
                    Notice::Overlap(overlap) => Some(overlap.key),
                    Notice::SecondWriter { key, .. } => Some(key),
                    _ => None,
                };
                // What is about no key is for all.
                self.tell(
                    |watcher| {
                        key.as_ref()
                            .is_none_or(|key| key.starts_with(&watcher.prefix))
                    },
                    &line,
                );
            }
        }
    }
}

/// The actor, to be run as a task.
pub(crate) struct Actor {
    inside: Inside,
    storage: Storage,
    requests: mpsc::Receiver<Request>,
    looks: mpsc::Receiver<Look>,
    stop: watch::Receiver<bool>,
    limits: Limits,
    sync_interval: Duration,
    /// Storage has a batch.
    committing: bool,
    /// Applied and not acknowledged, with the tickets that acknowledge them, which never go down.
    waiting: VecDeque<(u64, Answer, Done)>,
    effects: Vec<Effect>,
}

impl Actor {
    pub(crate) fn new(
        replica: Replica,
        link: Link,
        storage: Storage,
        limits: Limits,
        sync_interval: Duration,
        names: BTreeMap<PublicKey, String>,
        stop: watch::Receiver<bool>,
    ) -> (Self, Handle) {
        let (requests, request_queue) = mpsc::channel(QUEUE);
        let (looks, look_queue) = mpsc::channel(QUEUE);
        let tally = Tally {
            commits: 0,
            records: 0,
            // 0.1 ms to 6.5 s.
            commit_seconds: Histogram::new(exponential_buckets(1e-4, 2.0, 17)),
            changes_done: 0,
            changes_refused: 0,
        };
        let inside = Inside {
            replica,
            link,
            events: Events::default(),
            peers: BTreeMap::new(),
            tally,
            own_frame: 0,
            waiting: 0,
            fresh: sync_interval.max(Duration::from_secs(1)),
            names,
            watchers: Vec::new(),
            started: Instant::now(),
        };
        let actor = Self {
            inside,
            storage,
            requests: request_queue,
            looks: look_queue,
            stop,
            limits,
            sync_interval,
            committing: false,
            waiting: VecDeque::new(),
            effects: Vec::new(),
        };
        (actor, Handle { requests, looks })
    }

    /// Runs until it is told to stop, or until storage fails.
    pub(crate) async fn run(mut self) -> Result<(), NodeError> {
        let result = self.serve().await;
        let result = match result {
            Ok(()) => self.finish().await,
            failed => failed,
        };
        if let Err(error) = &result {
            let refused = Refused::Storage(error.to_string());
            for (_, answer, _) in self.waiting.drain(..) {
                drop(answer.send(Err(refused.clone())));
            }
        }
        let counters = self.inside.link.close().await;
        if counters.failed_out > 0 {
            tracing::warn!(
                messages = counters.failed_out,
                "messages were not sent any more; the next comparison with a peer repairs it"
            );
        }
        match result {
            Ok(()) => Ok(self.storage.close().await??),
            failed => {
                self.storage.abandon().await;
                failed
            }
        }
    }

    async fn serve(&mut self) -> Result<(), NodeError> {
        let mut tick = interval(self.sync_interval);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.flush_if_idle()?;
            let room = self.inside.replica.unflushed() < self.limits.unflushed_keys;
            let room_for_changes = room && self.waiting.len() < self.limits.waiting_changes;
            tokio::select! {
                // Whoever could tell has gone: that is a stop, too.
                () = stopped(&mut self.stop) => return Ok(()),
                committed = self.storage.committed() => self.committed(committed?)?,
                Some(look) = self.looks.recv() => {
                    look(&mut self.inside);
                    // It may have been what others have to be told.
                    self.act()?;
                }
                _ = tick.tick() => self.tick()?,
                received = self.inside.link.receive(), if room => self.receive(received)?,
                Some(request) = self.requests.recv(), if room_for_changes => {
                    self.take(request)?;
                    let most = MOST_AT_ONCE.min(self.limits.waiting_changes.saturating_sub(self.waiting.len()));
                    for _ in 0..most {
                        let Ok(request) = self.requests.try_recv() else { break };
                        self.take(request)?;
                    }
                }
            }
        }
    }

    /// Takes what was handed in, makes everything durable and sends it.
    async fn finish(&mut self) -> Result<(), NodeError> {
        self.requests.close();
        while let Some(request) = self.requests.recv().await {
            self.take(request)?;
        }
        while self.committing || self.inside.replica.is_dirty() {
            self.flush_if_idle()?;
            let committed = self.storage.committed().await?;
            self.committed(committed)?;
        }
        Ok(())
    }

    fn flush_if_idle(&mut self) -> Result<(), NodeError> {
        if !self.committing && self.inside.replica.is_dirty() {
            self.step(Event::Flush)?;
        }
        Ok(())
    }

    /// An event that is not refused.
    fn step(&mut self, event: Event<'_>) -> Result<(), NodeError> {
        // Only local operations are.
        let _ = self.inside.replica.step(event, &mut self.effects);
        self.act()
    }

    /// Does what the replica asks for.
    fn act(&mut self) -> Result<(), NodeError> {
        for effect in std::mem::take(&mut self.effects) {
            match effect {
                Effect::Send { to, bytes } => self.inside.link.send(to, bytes),
                Effect::Broadcast {
                    id: (origin, number),
                    bytes,
                } => {
                    if origin == self.inside.replica.origin() {
                        self.inside.own_frame = number;
                    }
                    let id = MessageId {
                        origin: origin.0,
                        number,
                    };
                    self.inside.link.broadcast(bytes, id);
                }
                Effect::Persist { ticket, records } => {
                    self.storage.commit(ticket, records)?;
                    self.committing = true;
                }
                Effect::Notify(notice) => self.inside.notice(notice),
            }
        }
        Ok(())
    }

    fn committed(&mut self, committed: Committed) -> Result<(), NodeError> {
        self.committing = false;
        committed.result?;
        let tally = &mut self.inside.tally;
        tally.commits += 1;
        tally.records += committed.records as u64;
        tally.commit_seconds.observe(committed.time.as_secs_f64());
        self.step(Event::Persisted(committed.ticket))?;
        while self
            .waiting
            .front()
            .is_some_and(|(ticket, ..)| *ticket <= committed.ticket)
        {
            if let Some((_, answer, done)) = self.waiting.pop_front() {
                drop(answer.send(Ok(done)));
            }
        }
        self.inside.waiting = self.waiting.len();
        Ok(())
    }

    fn take(&mut self, Request { change, answer }: Request) -> Result<(), NodeError> {
        let replica = &mut self.inside.replica;
        let effects = &mut self.effects;
        let outcome = match &change {
            Change::Batch(ops) => {
                let ops: Vec<LocalOp<'_>> = ops
                    .iter()
                    .map(|op| LocalOp {
                        key: &op.key,
                        action: op.action.clone(),
                    })
                    .collect();
                replica.step(Event::Batch(&ops), effects)
            }
            Change::Undo(number) => replica.step(Event::Undo(*number), effects),
            Change::Checkpoint(name) => replica.step(Event::Checkpoint(name), effects),
            Change::DropCheckpoint(number) => replica.step(Event::DropCheckpoint(*number), effects),
            Change::Retire => replica.step(Event::Retire, effects),
        };
        match outcome {
            Ok(Outcome {
                ticket,
                number,
                responses,
            }) => {
                self.inside.tally.changes_done += 1;
                let done = Done {
                    number,
                    responses: responses.into_vec(),
                };
                if ticket == 0 {
                    drop(answer.send(Ok(done)));
                } else {
                    self.waiting.push_back((ticket, answer, done));
                    self.inside.waiting = self.waiting.len();
                }
            }
            Err(error) => {
                self.inside.tally.changes_refused += 1;
                drop(answer.send(Err(error.into())));
            }
        }
        self.act()
    }

    fn receive(&mut self, received: Received) -> Result<(), NodeError> {
        match received {
            Received::PeerUp(peer) => {
                tracing::info!(
                    peer = name(&peer),
                    member = self.inside.member(&peer),
                    "peer up"
                );
                self.meet(peer, true)
            }
            Received::PeerDown(peer) => {
                tracing::info!(
                    peer = name(&peer),
                    member = self.inside.member(&peer),
                    "peer down"
                );
                self.inside.peers.remove(&peer);
                self.step(Event::PeerDown(peer))
            }
            Received::Message { from, bytes } => {
                let refused = self.inside.replica.counters().refused;
                self.step(Event::Message {
                    from,
                    bytes: &bytes,
                })?;
                let genuine = self.inside.replica.counters().refused == refused;
                if let Some(peer) = self.inside.peers.get_mut(&from) {
                    peer.heard = Instant::now();
                    return Ok(());
                }
                // An engine may be late to say that a peer is up, and may take one for down that
                // was only silent.
                let unannounced = self
                    .inside
                    .peers
                    .values()
                    .filter(|peer| !peer.announced)
                    .count();
                if genuine && unannounced < MOST_UNANNOUNCED {
                    self.meet(from, false)?;
                }
                Ok(())
            }
        }
    }

    fn meet(&mut self, peer: PeerId, announced: bool) -> Result<(), NodeError> {
        let now = Instant::now();
        let known = self.inside.peers.entry(peer).or_insert(Peer {
            since: now,
            announced,
            heard: now,
            in_sync: None,
        });
        known.announced |= announced;
        self.step(Event::PeerUp(peer))
    }

    fn tick(&mut self) -> Result<(), NodeError> {
        self.inside.forget_watchers();
        // Everybody is asked in turn.
        let peers = self.inside.peers.len().max(1) as u32;
        self.inside.fresh = self
            .sync_interval
            .saturating_mul(2 * peers + 2)
            .max(Duration::from_secs(1));
        let silent = |peer: &Peer| !peer.announced && peer.heard.elapsed() > SILENCE;
        let gone: Vec<PeerId> = self
            .inside
            .peers
            .extract_if(.., |_, peer| silent(peer))
            .map(|(peer, _)| peer)
            .collect();
        for peer in gone {
            self.step(Event::PeerDown(peer))?;
        }
        self.step(Event::Tick)
    }
}
