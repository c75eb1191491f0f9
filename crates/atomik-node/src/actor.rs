//! The one task that owns the replica: it passes events to the replica and carries out the effects.
//!
//! Changes are applied as they arrive and committed in batches: while storage writes one batch, the
//! next gathers. A change is acknowledged once its batch is committed. Callers use one of two
//! bounded queues: changes, which the actor leaves alone while too much waits for storage, and
//! queries, which it always serves.

mod traffic;

use std::collections::VecDeque;
use std::future::pending;
use std::pin::pin;
use std::time::Duration;

use atomik_net::Received;
use atomik_replica::{Effect, Event, LocalOp, Notice, Outcome};
use atomik_session::{Address, Output};
use atomik_store::StoreError;
use thiserror::Error;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};

use crate::change::{Change, Done, Refused};
use crate::handle::{Answer, Handle, Query, Queues, Request};
use crate::sessions;
use crate::settings::Limits;
use crate::state::NodeState;
use crate::stop::StopSignal;
use crate::storage::{Committed, Storage, StorageGone};
use crate::turns::Turns;

/// Changes taken in a row before the actor looks at anything else.
const MAX_IN_A_ROW: usize = 1000;

/// How long the first changes after a start wait for other members to vouch for the node's origin.
/// After that the node continues as a new one.
const VOUCHING: Duration = Duration::from_secs(1);

/// Why a node ended on its own.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NodeError {
    /// A commit or closing the store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The storage thread ended.
    #[error(transparent)]
    Gone(#[from] StorageGone),
    /// The actor panicked.
    #[error("the node's task has ended: start the node again, and report the panic in its log")]
    Panic,
    /// The node did not stop in time.
    #[error(
        "the node did not stop within {seconds} s: storage may be stuck; \
         unacknowledged changes may be lost"
    )]
    Stuck {
        /// The timeout.
        seconds: u64,
    },
}

/// What the actor has to do next.
enum Next {
    Stop,
    Committed(Result<Committed, NodeError>),
    Query(Query),
    /// Storage need not wait any longer for members to vouch for the node's origin.
    Flush,
    /// What lingers has waited for long enough.
    Publish,
    Tick,
    TickSessions,
    Receive(Received),
    Apply(Request),
}

/// The clocks of replica and sessions.
struct Clocks {
    replica: Interval,
    sessions: Interval,
}

/// The actor, to be run as a task.
pub(crate) struct Actor {
    state: NodeState,
    storage: Storage,
    queues: Queues,
    turns: Turns,
    stop: StopSignal,
    limits: Limits,
    sync_interval: Duration,
    /// Until then, storage waits for other members to vouch for the node's origin.
    vouching_ends: Instant,
    /// When stored changes that wait for others are to be sent.
    publish_at: Option<Instant>,
    /// Storage is writing a batch.
    committing: bool,
    /// Applied changes that wait for the commit of their ticket; tickets never decrease.
    waiting: VecDeque<(u64, Answer, Done)>,
    effects: Vec<Effect>,
    /// What the sessions want done.
    outputs: Vec<Output>,
    /// The time of the sessions, in ticks.
    ticks: u64,
    /// Whether a roster has taken effect that the sessions do not follow yet. Its number would not
    /// tell: of two with one number, the second may win.
    new_roster: bool,
}

impl Actor {
    pub(crate) fn new(
        state: NodeState,
        storage: Storage,
        limits: Limits,
        sync_interval: Duration,
        stop: StopSignal,
    ) -> (Self, Handle) {
        let (handle, queues) = Handle::new();
        let actor = Self {
            state,
            storage,
            queues,
            turns: Turns::default(),
            stop,
            limits,
            sync_interval,
            vouching_ends: Instant::now() + VOUCHING,
            publish_at: None,
            committing: false,
            waiting: VecDeque::new(),
            effects: Vec::new(),
            outputs: Vec::new(),
            ticks: 0,
            new_roster: false,
        };
        (actor, handle)
    }

    /// Runs until it receives the stop signal, or until storage fails.
    pub(crate) async fn run(mut self) -> Result<(), NodeError> {
        if let Some(refused) = self.state.refusal() {
            tracing::error!("{refused}");
        }
        let result = self.serve().await;
        let result = match result {
            Ok(()) => self.finish().await,
            failed => failed,
        };
        if let Err(error) = &result {
            let reason = error.to_string();
            for (_, answer, _) in self.waiting.drain(..) {
                let reason = reason.clone();
                drop(answer.send(Err(Refused::Storage { reason })));
            }
        }
        self.state.sessions.close(&mut self.outputs);
        self.send_packets();
        let counters = self.state.link.close().await;
        if counters.failed_out > 0 {
            tracing::warn!(
                messages = counters.failed_out,
                "messages were not sent before the stop; the next comparison with a peer repairs it"
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
        let clock = |period| {
            let mut clock = interval(period);
            clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
            clock
        };
        let mut clocks = Clocks {
            replica: clock(self.sync_interval),
            sessions: clock(sessions::TICK),
        };
        loop {
            self.flush_if_idle()?;
            self.follow_roster()?;
            match self.next(&mut clocks).await {
                Next::Stop => return Ok(()),
                Next::Committed(committed) => self.committed(committed?)?,
                Next::Query(query) => {
                    query(&mut self.state);
                    // A query may have produced effects.
                    self.carry_out()?;
                }
                Next::Flush => {}
                Next::Publish => self.step(Event::Publish)?,
                Next::Tick => self.tick()?,
                Next::TickSessions => self.tick_sessions()?,
                Next::Receive(received) => self.receive(received)?,
                Next::Apply(request) => self.apply_all(request)?,
            }
        }
    }

    /// Waits until there is something to do. While too much waits for storage, changes and messages
    /// are left where they are.
    async fn next(&mut self, clocks: &mut Clocks) -> Next {
        let room = self.state.replica.unflushed() < self.limits.unflushed_keys;
        let room_for_changes = room && self.waiting.len() < self.limits.waiting_changes;
        let (awaits_vouching, vouching_ends) = (self.awaits_vouching(), self.vouching_ends);
        let publish_at = self.publish_at;
        let (stop, storage) = (&mut self.stop, &mut self.storage);
        let (queues, link) = (&mut self.queues, &mut self.state.link);
        let (queries, requests) = (&mut queues.queries, &mut queues.requests);
        self.turns
            .next([
                pin!(async {
                    stop.wait().await;
                    Next::Stop
                }),
                pin!(async {
                    let outcome = storage.committed().await;
                    Next::Committed(match outcome {
                        Ok(outcome) => outcome.map_err(NodeError::from),
                        Err(gone) => Err(gone.into()),
                    })
                }),
                pin!(async {
                    match queries.recv().await {
                        Some(query) => Next::Query(query),
                        None => pending().await,
                    }
                }),
                pin!(async {
                    until(awaits_vouching.then_some(vouching_ends)).await;
                    Next::Flush
                }),
                pin!(async {
                    until(publish_at).await;
                    Next::Publish
                }),
                pin!(async {
                    clocks.replica.tick().await;
                    Next::Tick
                }),
                pin!(async {
                    // Who does not listen cannot say that others are silent.
                    only_if(room).await;
                    clocks.sessions.tick().await;
                    Next::TickSessions
                }),
                pin!(async {
                    only_if(room).await;
                    Next::Receive(link.receive().await)
                }),
                pin!(async {
                    only_if(room_for_changes).await;
                    match requests.recv().await {
                        Some(request) => Next::Apply(request),
                        None => pending().await,
                    }
                }),
            ])
            .await
    }

    /// Applies all submitted changes, commits them and sends them.
    async fn finish(&mut self) -> Result<(), NodeError> {
        self.queues.requests.close();
        self.vouching_ends = Instant::now();
        while let Some(request) = self.queues.requests.recv().await {
            self.apply(request)?;
        }
        self.commit_all().await?;
        // Peers are to keep what they were sent.
        self.step(Event::Seal)?;
        self.commit_all().await
    }

    /// Commits everything, and sends what it announces.
    async fn commit_all(&mut self) -> Result<(), NodeError> {
        while self.committing || self.state.replica.is_dirty() {
            self.flush_if_idle()?;
            let committed = self.storage.committed().await??;
            self.committed(committed)?;
        }
        Ok(())
    }

    /// Whether it is too early to take a new life.
    fn awaits_vouching(&self) -> bool {
        !self.state.replica.is_vouched_for() && Instant::now() < self.vouching_ends
    }

    fn flush_if_idle(&mut self) -> Result<(), NodeError> {
        if !self.committing && !self.awaits_vouching() && self.state.replica.is_dirty() {
            self.step(Event::Flush)?;
        }
        Ok(())
    }

    /// Passes an event to the replica that it cannot refuse.
    fn step(&mut self, event: Event<'_>) -> Result<(), NodeError> {
        // Only local operations can be refused.
        let _ = self.state.replica.step(event, &mut self.effects);
        self.carry_out()
    }

    /// Carries out the replica's effects.
    fn carry_out(&mut self) -> Result<(), NodeError> {
        for effect in std::mem::take(&mut self.effects) {
            match effect {
                Effect::Send { to, bytes } => self.send(&to, &bytes),
                Effect::Broadcast { bytes, .. } => {
                    let peers: Vec<Address> = self.state.sessions.up().collect();
                    peers.iter().for_each(|peer| self.send(peer, &bytes));
                }
                Effect::Persist { ticket, records } => {
                    self.storage.commit(ticket, records)?;
                    self.committing = true;
                }
                Effect::Notify(notice) => {
                    self.new_roster |= matches!(notice, Notice::Roster { .. });
                    self.state.notice(notice);
                }
            }
        }
        let replica = &self.state.replica;
        self.publish_at = match replica.lingers() {
            true => self
                .publish_at
                .or_else(|| Some(Instant::now() + replica.config().linger)),
            false => None,
        };
        Ok(())
    }

    /// Acknowledges the changes of a committed batch.
    fn committed(&mut self, committed: Committed) -> Result<(), NodeError> {
        self.committing = false;
        let counters = &mut self.state.counters;
        counters.commits += 1;
        counters.records += committed.records as u64;
        counters
            .commit_seconds
            .observe(committed.time.as_secs_f64());
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
        self.state.waiting = self.waiting.len();
        Ok(())
    }

    /// Applies a change, and those queued behind it as far as the limits allow.
    fn apply_all(&mut self, request: Request) -> Result<(), NodeError> {
        self.apply(request)?;
        let room = self
            .limits
            .waiting_changes
            .saturating_sub(self.waiting.len());
        for _ in 0..MAX_IN_A_ROW.min(room) {
            let Ok(request) = self.queues.requests.try_recv() else {
                break;
            };
            self.apply(request)?;
        }
        Ok(())
    }

    fn apply(&mut self, Request { change, answer }: Request) -> Result<(), NodeError> {
        let refused = match &change {
            Change::Batch(_) | Change::Undo(_) => self.state.refusal(),
            Change::Retire => self.state.refusal().filter(Refused::concerns_retirement),
            Change::Roster(bytes) => self.state.refuse_order(bytes),
            Change::Checkpoint(_) | Change::DropCheckpoint(_) => None,
        };
        if let Some(refused) = refused {
            self.state.counters.changes_refused += 1;
            drop(answer.send(Err(refused)));
            return Ok(());
        }
        let replica = &mut self.state.replica;
        let effects = &mut self.effects;
        let outcome = match &change {
            Change::Batch(ops) => {
                let local = ops.iter().map(|op| LocalOp {
                    key: &op.key,
                    action: op.action.clone(),
                });
                let local: Vec<LocalOp<'_>> = local.collect();
                replica.step(Event::Batch(&local), effects)
            }
            Change::Undo(number) => replica.step(Event::Undo(*number), effects),
            Change::Checkpoint(name) => replica.step(Event::Checkpoint(name), effects),
            Change::DropCheckpoint(number) => replica.step(Event::DropCheckpoint(*number), effects),
            Change::Retire => replica.step(Event::Retire, effects),
            Change::Roster(roster) => replica.step(Event::Roster(roster), effects),
        };
        match outcome {
            Ok(Outcome {
                ticket,
                number,
                responses,
            }) => {
                self.state.counters.changes_done += 1;
                let done = Done {
                    number,
                    responses: responses.into_vec(),
                };
                if ticket == 0 {
                    drop(answer.send(Ok(done)));
                } else {
                    self.waiting.push_back((ticket, answer, done));
                    self.state.waiting = self.waiting.len();
                }
            }
            Err(error) => {
                self.state.counters.changes_refused += 1;
                drop(answer.send(Err(error.into())));
            }
        }
        self.carry_out()
    }

    fn tick(&mut self) -> Result<(), NodeError> {
        self.state.forget_closed_watchers();
        self.state.peers.refresh();
        self.state.look_around(self.ticks);
        self.step(Event::Tick)
    }
}

/// Ready if this is so, otherwise never.
async fn only_if(holds: bool) {
    if !holds {
        pending().await
    }
}

/// Waits until then; without a time, for ever.
async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => pending().await,
    }
}
