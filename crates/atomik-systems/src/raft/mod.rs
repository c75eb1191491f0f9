//! Raft, as implemented by raft-rs: one replicated log, ordered by a leader, with every
//! acknowledged operation on a majority of the nodes.
//!
//! Clients hand their operations to a node. The node proposes all operations that arrived together
//! as one log entry, which raft-rs forwards to the leader, and acknowledges them when it has
//! applied them itself. Until then it repeats the proposal from time to time; the state machine
//! applies each operation only once.
//!
//! The advice followed here comes from the documentation of the crate `raft` 0.7 ("Processing the
//! Ready State", `Config`), etcd's tuning guide (etcd.io/docs/v3.5/tuning), etcd's
//! server/etcdserver/server.go, TiKV's configuration, and Diego Ongaro's dissertation "Consensus:
//! Bridging Theory and Practice" (2014).

mod log;
mod machine;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::FixedState;
use protobuf::Message as _;
use raft::eraftpb::{ConfState, Message, MessageType};
use raft::{Config, RawNode, SnapshotStatus, StateRole};

use atomik_arena::system::{
    Description, Micros, Node, NodeId, OpId, Out, Setup, Storage, Submitted, System, SystemError,
    of_field,
};
use atomik_workload::content::Content;
use atomik_workload::workload::{Action, Field};

use super::linger::Linger;
use log::{Compaction, Log};
use machine::{Batch, Operation};

/// `raft-max-size-per-msg` of TiKV.
const MAX_MESSAGE: u64 = 1 << 20;
/// `raft-max-inflight-msgs` of TiKV, which is also the default of raft-rs.
const MAX_INFLIGHT: usize = 256;
/// Ticks between heartbeats: the default of raft-rs.
const HEARTBEAT_TICKS: usize = 2;
/// Ticks without a leader before an election: "We suggest election_tick = 10 * HeartbeatTick"
/// (raft-rs, `Config`); at least ten round trips (etcd's tuning guide).
const ELECTION_TICKS: usize = 10 * HEARTBEAT_TICKS;
/// Limit of how often the time before a repeated proposal doubles.
const MAX_DOUBLINGS: u32 = 6;

/// The systems of this module.
pub(crate) fn systems() -> Vec<Box<dyn System>> {
    vec![Box::new(Raft::default())]
}

#[derive(Debug, Default)]
struct Raft {
    compaction: Compaction,
}

impl System for Raft {
    fn describe(&self) -> Description {
        Description {
            name: "Raft",
            library: "raft 0.7.0".into(),
            semantics: "\
                Linearizable writes, each applied once, in one order on all nodes that preserves \
                the order of each node's writes. No writes without a majority of connected nodes. \
                Reads return the node's own state and may be stale; linearizable reads (ReadIndex) \
                are not measured.",
            usage: "\
                Asynchronous Ready, so that disk and network work in parallel (raft 0.7 docs, \
                \"Processing the Ready State\"); pre-vote, check-quorum, batch-append; operations \
                submitted together share an entry; the heartbeat interval is about one round trip, \
                the election timeout ten to twenty of them (etcd tuning guide, \"Time \
                parameters\"; raft-rs `Config::election_tick`); messages of at most 1 MiB, 256 in \
                flight (TiKV `raft-max-size-per-msg`, `raft-max-inflight-msgs`); a snapshot every \
                10,000 entries with 5,000 kept before it (etcd `DefaultSnapshotCount`, \
                `DefaultSnapshotCatchUpEntries`), but not before the log has outgrown the last \
                snapshot (Ongaro's dissertation, section 5.1.2); a session table recognises \
                repeated proposals (same, section 6.3) and keeps each node's operations in order. \
                With a linger, the leader collects proposals for so long, and appends and sends \
                them together; acknowledgements need the followers, so they wait as well.",
            proofs: "\
                Of the algorithm: a TLA+ specification with a hand-written proof (Ongaro's \
                dissertation, appendix B); safety and linearizability in Coq for another \
                implementation (Verdi; Woos et al., CPP 2016). Of raft-rs: none known.",
        }
    }

    fn open(
        &self,
        setup: &Setup,
        node: NodeId,
        storage: &Storage,
    ) -> Result<Box<dyn Node>, SystemError> {
        Ok(Box::new(Member::open(
            setup,
            node,
            storage,
            self.compaction,
        )?))
    }
}

/// An operation that has not been applied yet.
#[derive(Debug)]
struct Pending {
    id: OpId,
    key: Box<str>,
    field: u16,
    action: Action,
    /// When to propose it again, unless it is in the log by then.
    due: Micros,
    /// The time of the latest proposal, and the number of proposals.
    proposed: Micros,
    times: u32,
}

/// Messages that wait for the disk.
struct Unsent {
    /// The number of the `Ready` that contained them.
    ready: u64,
    /// What must be durable before they are sent, beyond the entries before them in the queue.
    ticket: Option<u64>,
    messages: Vec<Message>,
}

/// When a snapshot in flight counts as lost.
struct Sending {
    until: Micros,
    wait: Micros,
}

struct Member {
    raft: RawNode<Log>,
    me: NodeId,
    seed: u64,
    fields: Arc<[Field]>,
    tick: Micros,
    next_tick: Option<Micros>,
    /// Number of elections that this node has called, so that each has a different timeout.
    elections: u64,
    /// Term and leader, as far as known; 0 stands for no leader.
    leader: (u64, u64),
    ticket: u64,
    unsent: VecDeque<Unsent>,
    /// When to write a state that need not be synced.
    write_by: Option<Micros>,
    /// By request number.
    pending: BTreeMap<u64, Pending>,
    /// The latest request number. A new incarnation continues above the numbers of the earlier ones
    /// without storing them: numbers start from the clock, and no node accepts one operation per
    /// microsecond.
    number: u64,
    /// Pending operations from this number on have not been proposed yet.
    fresh: u64,
    /// A lower bound of all [`Pending::due`] of proposed operations.
    due: Micros,
    retry: Micros,
    snapshots: BTreeMap<u64, Sending>,
    /// Proposals that wait for more while this node leads.
    held: Vec<Message>,
    linger: Linger,
    bytes_read: u64,
}

impl Member {
    fn open(
        setup: &Setup,
        node: NodeId,
        storage: &Storage,
        compaction: Compaction,
    ) -> Result<Self, SystemError> {
        let mut members = ConfState::default();
        members.set_voters((1..=setup.nodes as u64).collect());
        let (log, bytes_read) = Log::open(members, &setup.fields, compaction, &storage.records)?;
        let config = Config {
            id: node as u64 + 1,
            heartbeat_tick: HEARTBEAT_TICKS,
            election_tick: ELECTION_TICKS,
            applied: log.applied(),
            max_size_per_msg: MAX_MESSAGE,
            max_inflight_msgs: MAX_INFLIGHT,
            check_quorum: true,
            pre_vote: true,
            batch_append: true,
            ..Config::default()
        };
        let logger = slog::Logger::root(slog::Discard, slog::o!());
        let raft = RawNode::new(&config, log, &logger)
            .map_err(|error| SystemError::failed("starting raft", error))?;
        // A round trip includes an fsync, because followers answer from disk: "each request and
        // response may be impacted by slow disks" (etcd's tuning guide).
        let round_trip = 2 * setup.latency + setup.fsync;
        Ok(Self {
            raft,
            me: node,
            seed: setup.seed,
            fields: Arc::clone(&setup.fields),
            tick: (round_trip / HEARTBEAT_TICKS as Micros).max(1),
            next_tick: None,
            elections: 0,
            leader: (0, 0),
            ticket: 0,
            unsent: VecDeque::new(),
            write_by: None,
            pending: BTreeMap::new(),
            number: 0,
            fresh: 0,
            due: Micros::MAX,
            // To the leader, to the followers, and back both ways: two round trips, doubled as a
            // margin.
            retry: 4 * round_trip + setup.linger,
            snapshots: BTreeMap::new(),
            held: Vec::new(),
            linger: Linger::new(setup),
            bytes_read,
        })
    }

    /// Does everything that raft requests and proposes what is due, until nothing is left.
    fn work(&mut self, now: Micros, out: &mut Out) -> Result<(), SystemError> {
        loop {
            while self.raft.has_ready() {
                self.handle_ready(now, out)?;
            }
            let leader = (self.raft.raft.term, self.raft.raft.leader_id);
            if leader != self.leader {
                self.leader = leader;
                // Messages to the previous leader may have been lost with it.
                for pending in self.pending.values_mut() {
                    pending.due = now;
                }
                self.due = now;
            }
            if self.leads() && self.has_fresh(now) && !self.linger.begin(now, out) {
                return Ok(());
            }
            if !self.propose(now)? {
                return Ok(());
            }
        }
    }

    fn leads(&self) -> bool {
        self.raft.raft.state == StateRole::Leader
    }

    /// Whether there is an operation to propose.
    fn has_fresh(&self, now: Micros) -> bool {
        let from = if now >= self.due { 0 } else { self.fresh };
        self.pending.range(from..).next().is_some()
    }

    /// Proposes what has waited for more.
    fn release(&mut self, now: Micros, out: &mut Out) -> Result<(), SystemError> {
        self.linger.end();
        for message in std::mem::take(&mut self.held) {
            self.take(message)?;
        }
        self.propose(now)?;
        self.work(now, out)
    }

    /// Hands a message to raft. A proposal that reaches a node without a leader counts as lost; its
    /// node repeats it.
    fn take(&mut self, message: Message) -> Result<(), SystemError> {
        match self.raft.step(message) {
            Ok(()) | Err(raft::Error::ProposalDropped) => Ok(()),
            Err(error) => Err(SystemError::failed("handing a message to raft", error)),
        }
    }

    /// Processes one `Ready`, in the order given by the documentation of raft-rs.
    fn handle_ready(&mut self, now: Micros, out: &mut Out) -> Result<(), SystemError> {
        let mut ready = self.raft.ready();
        let messages = ready.take_messages();
        self.send(now, messages, out)?;
        if !ready.snapshot().is_empty() {
            self.raft.mut_store().install(ready.snapshot())?;
            self.acknowledge(out);
        }
        let committed = ready.take_committed_entries();
        for entry in &committed {
            let node = self.raft.mut_store().apply(&self.fields, entry)?;
            if node == Some(self.me as u32) {
                self.acknowledge(out);
                self.miss(now);
            }
        }
        self.raft.mut_store().append(ready.entries())?;
        if let Some(hard) = ready.hs() {
            self.raft.mut_store().set_hard_state(hard.clone())?;
        }
        self.raft.mut_store().compact()?;
        let messages = ready.take_persisted_messages();
        let number = ready.number();
        let must_sync = ready.must_sync();
        self.raft.advance_append_async(ready);
        if !committed.is_empty() {
            self.raft.advance_apply();
        }
        if must_sync {
            let ticket = self.write(out);
            self.unsent.push_back(Unsent {
                ready: number,
                ticket: Some(ticket),
                messages,
            });
        } else if self.unsent.is_empty() {
            self.raft.on_persist_ready(number);
            self.send(now, messages, out)?;
        } else {
            self.unsent.push_back(Unsent {
                ready: number,
                ticket: None,
                messages,
            });
        }
        // A commit index alone "is permissible" to be written later (`Ready::must_sync`): with the
        // next entries, or after the heartbeat time.
        if self.raft.store().is_dirty() && self.write_by.is_none() {
            self.write_by = Some(now + self.tick * HEARTBEAT_TICKS as Micros);
        }
        Ok(())
    }

    fn write(&mut self, out: &mut Out) -> u64 {
        self.ticket += 1;
        self.write_by = None;
        let records = self.raft.mut_store().take_records();
        out.persist(self.ticket, records);
        self.ticket
    }

    fn send(
        &mut self,
        now: Micros,
        messages: Vec<Message>,
        out: &mut Out,
    ) -> Result<(), SystemError> {
        for message in messages {
            if message.get_msg_type() == MessageType::MsgSnapshot {
                let first = self.tick * ELECTION_TICKS as Micros;
                let sending = self.snapshots.entry(message.to).or_insert(Sending {
                    until: 0,
                    wait: first,
                });
                sending.until = now + sending.wait;
            }
            let bytes = message
                .write_to_bytes()
                .map_err(|error| SystemError::failed("writing a raft message", error))?;
            out.send(message.to as NodeId - 1, bytes);
        }
        Ok(())
    }

    /// Acknowledges operations applied from entries or a snapshot.
    fn acknowledge(&mut self, out: &mut Out) {
        let through = self.raft.store().machine().through(self.me as u32);
        while let Some(first) = self.pending.first_entry()
            && *first.key() <= through
        {
            out.ack(first.remove().id);
        }
    }

    /// Finds proposals that were overtaken by later ones and are therefore lost. As in TCP (RFC
    /// 8985), they are repeated without waiting for their timeout.
    fn miss(&mut self, now: Micros) {
        let me = self.me as u32;
        let machine = self.raft.store().machine();
        let Some(latest) = machine.latest_early(me) else {
            return;
        };
        let Some(proposed) = self.pending.get(&latest).map(|pending| pending.proposed) else {
            return;
        };
        for (&number, pending) in self.pending.range_mut(..latest) {
            if pending.proposed < proposed && !machine.has_come(me, number) {
                pending.due = now;
                self.due = now;
            }
        }
    }

    /// Proposes operations that are due, as one entry if they fit. Returns whether there were any,
    /// and a leader to take them.
    fn propose(&mut self, now: Micros) -> Result<bool, SystemError> {
        let Some((&floor, _)) = self.pending.first_key_value() else {
            return Ok(false);
        };
        let all = now >= self.due;
        let from = if all { floor } else { self.fresh };
        if self.raft.raft.leader_id == 0 || self.pending.range(from..).next().is_none() {
            return Ok(false);
        }
        let mut proposals = Vec::new();
        let mut batch = Vec::new();
        let mut size = 0;
        let mut before = floor;
        if all {
            self.due = Micros::MAX;
        }
        self.fresh = self.number + 1;
        let machine = self.raft.store().machine();
        for (&number, pending) in self.pending.range_mut(from..) {
            let is_due = pending.due <= now;
            if is_due {
                // The time doubles, because the proposal may be delayed rather than lost.
                pending.due = now + (self.retry << pending.times.min(MAX_DOUBLINGS));
                pending.times += 1;
            }
            self.due = self.due.min(pending.due);
            if !is_due || machine.has_come(self.me as u32, number) {
                continue;
            }
            pending.proposed = now;
            size += pending.key.len() + pending.action.bytes() + 8;
            batch.push(Operation {
                gap: number - before,
                key: Cow::Borrowed(&*pending.key),
                field: pending.field,
                action: Cow::Borrowed(&pending.action),
            });
            before = number;
            if size as u64 >= MAX_MESSAGE / 2 {
                proposals.push(encoded(self.me, floor, std::mem::take(&mut batch))?);
                size = 0;
                before = floor;
            }
        }
        if !batch.is_empty() {
            proposals.push(encoded(self.me, floor, batch)?);
        }
        for data in proposals {
            match self.raft.propose(Vec::new(), data) {
                Ok(()) | Err(raft::Error::ProposalDropped) => {}
                Err(error) => return Err(SystemError::failed("proposing", error)),
            }
        }
        Ok(true)
    }

    fn tick(&mut self, now: Micros, out: &mut Out) -> Result<(), SystemError> {
        // When raft-rs resets its timer, it draws from the thread's generator. This draws from the
        // seed instead, once per term and election.
        let range = ELECTION_TICKS as u64;
        let draw = FixedState::with_seed(self.seed).hash_one((
            self.me as u64,
            self.raft.raft.term,
            self.elections,
        )) % range;
        self.raft
            .raft
            .set_randomized_election_timeout(ELECTION_TICKS + draw as usize);
        let leads = self.leads();
        if self.raft.tick() && !leads {
            self.elections += 1;
        }
        self.check_snapshots(now);
        self.work(now, out)?;
        if self.write_by.is_some_and(|by| by <= now) {
            self.write(out);
        }
        Ok(())
    }

    /// Reports snapshots that have not arrived in time ("the application MUST report back",
    /// `Ready::messages`). The timeout doubles with each loss, so that a slow snapshot arrives
    /// eventually.
    fn check_snapshots(&mut self, now: Micros) {
        let raft = &mut self.raft;
        let leads = raft.raft.state == StateRole::Leader;
        let mut late = Vec::new();
        self.snapshots.retain(|&peer, sending| {
            let waits = raft
                .raft
                .prs()
                .get(peer)
                .is_some_and(|progress| progress.state == raft::ProgressState::Snapshot);
            if leads && waits && sending.until <= now {
                sending.wait = sending.wait.saturating_mul(2);
                sending.until = Micros::MAX;
                late.push(peer);
            }
            // A peer that is probed again after a loss still needs a report.
            leads && (waits || sending.until == Micros::MAX)
        });
        for peer in late {
            raft.report_snapshot(peer, SnapshotStatus::Failure);
        }
    }
}

fn encoded(me: NodeId, floor: u64, ops: Vec<Operation<'_>>) -> Result<Vec<u8>, SystemError> {
    let batch = Batch {
        node: me as u32,
        floor,
        ops,
    };
    postcard::to_allocvec(&batch).map_err(|error| SystemError::failed("writing a log entry", error))
}

impl Node for Member {
    fn submit(
        &mut self,
        now: Micros,
        ops: &[Submitted<'_>],
        out: &mut Out,
    ) -> Result<(), SystemError> {
        for op in ops {
            self.number += 1;
            self.pending.insert(
                self.number,
                Pending {
                    id: op.id,
                    key: op.key.into(),
                    field: op.field,
                    action: op.action.clone(),
                    due: now,
                    proposed: now,
                    times: 0,
                },
            );
        }
        self.work(now, out)
    }

    fn receive(
        &mut self,
        now: Micros,
        from: NodeId,
        bytes: &[u8],
        out: &mut Out,
    ) -> Result<(), SystemError> {
        let message = Message::parse_from_bytes(bytes)
            .map_err(|error| SystemError::failed("reading a raft message", error))?;
        if message.from != from as u64 + 1 && message.get_msg_type() != MessageType::MsgPropose {
            return Err(SystemError::invariant(format!(
                "node {from} sent a message of raft node {}",
                message.from
            )));
        }
        let is_proposal = message.get_msg_type() == MessageType::MsgPropose;
        if is_proposal && self.leads() && !self.linger.begin(now, out) {
            self.held.push(message);
        } else {
            self.take(message)?;
        }
        self.work(now, out)
    }

    fn wake(&mut self, now: Micros, out: &mut Out) -> Result<(), SystemError> {
        let mut next = match self.next_tick {
            Some(next) => next,
            None => {
                self.number = self.number.max(now);
                now + self.tick
            }
        };
        while next <= now {
            self.tick(now, out)?;
            next += self.tick;
        }
        self.next_tick = Some(next);
        out.wake(next);
        if self.linger.is_due(now, out) {
            self.release(now, out)?;
        }
        Ok(())
    }

    fn stored(&mut self, now: Micros, ticket: u64, out: &mut Out) -> Result<(), SystemError> {
        let mut durable = None;
        let mut messages = Vec::new();
        while let Some(unsent) = self
            .unsent
            .pop_front_if(|unsent| unsent.ticket.is_none_or(|waits| waits <= ticket))
        {
            durable = Some(unsent.ready);
            messages.extend(unsent.messages);
        }
        self.send(now, messages, out)?;
        if let Some(ready) = durable {
            self.raft.on_persist_ready(ready);
            // A snapshot counts as applied only now: raft-rs refuses to go beyond what is
            // persisted.
            let applied = self.raft.store().applied();
            let raft_log = &self.raft.raft.raft_log;
            if applied > raft_log.applied() && applied <= raft_log.persisted {
                self.raft.advance_apply_to(applied);
            }
        }
        self.work(now, out)
    }

    fn link(
        &mut self,
        now: Micros,
        peer: NodeId,
        up: bool,
        out: &mut Out,
    ) -> Result<(), SystemError> {
        if !up {
            let id = peer as u64 + 1;
            self.raft.report_unreachable(id);
            self.raft.report_snapshot(id, SnapshotStatus::Failure);
        }
        self.release(now, out)
    }

    fn progress(&self) -> Vec<u8> {
        let mut bytes = self.raft.store().machine().version().to_be_bytes().to_vec();
        // What only this node knows.
        if let Some((first, _)) = self.pending.first_key_value() {
            bytes.extend_from_slice(&(self.me as u64).to_be_bytes());
            bytes.extend_from_slice(&first.to_be_bytes());
            bytes.extend_from_slice(&(self.pending.len() as u64).to_be_bytes());
        }
        bytes
    }

    fn read(&self, key: &str, field: u16) -> Result<Content, SystemError> {
        if let Some(content) = self.raft.store().machine().get(key, field) {
            return Ok(content.clone());
        }
        Ok(Content::empty(of_field(&self.fields, field)?.class))
    }

    fn bytes_read(&self) -> u64 {
        self.bytes_read
    }
}
