//! Hosts, network and oracle. Feeds events to replicas, has the oracle check every one, and does
//! what they ask for.

use std::collections::BTreeMap;
use std::rc::Rc;

use atomik_replica::{
    Effect, Event as Input, Notice, OpError, OriginId, Outcome, PeerId, Record, Replica,
};

use super::host::Host;
use super::liar_state::Liar;
use super::members::{Administrator, lists};
use super::narration;
use super::queue::{Event, Queue};
use super::wire::Wire;
use crate::draw::{Fingerprint, fate};
use crate::network::Network;
use crate::oracle::{Observed, Oracle, Snapshot, Turn};
use crate::report::Report;
use crate::schedule::Schedule;
use crate::setup::{HORIZON, Setup};
use crate::step::Step;
use crate::violation::{Check, Violation, ensure};

/// The largest message: the smallest limit that a replica takes.
pub(crate) const MESSAGE_BYTES: usize = 16_384;

/// Kinds of messages, as their second byte has them.
const SUMMARY: usize = 1;
const PULL: usize = 5;
const HEAD: usize = 9;

pub(crate) struct World<'a> {
    pub(crate) setup: &'a Setup,
    pub(crate) steps: &'a [(u64, Step)],
    pub(crate) keys: Rc<[Vec<u8>]>,
    pub(crate) hosts: Vec<Host>,
    pub(crate) network: Network,
    /// What sessions have sent.
    pub(crate) wire: Wire,
    /// The dishonest member, from its start on.
    pub(crate) liar: Option<Liar>,
    pub(crate) administrator: Administrator,
    /// Whether replicas take messages also from those that are not on their lists.
    pub(crate) open: bool,
    pub(crate) oracle: Oracle,
    pub(crate) queue: Queue,
    pub(crate) now: u64,
    pub(crate) fingerprint: Fingerprint,
    /// A hash of the bytes of every broadcast, by origin and frame number.
    pub(crate) broadcasts: BTreeMap<(OriginId, u64), u64>,
    /// Messages of each kind since the last round of healing.
    pub(crate) sent: [u64; 16],
    pub(crate) report: Report,
    pub(crate) trace: Option<Vec<String>>,
}

/// What came of an event at a replica.
pub(crate) struct Reaction {
    effects: Vec<Effect>,
    /// No entry, no digest and no certificate has changed.
    unchanged: bool,
}

/// What the engine calls a replica. The first byte of a name is always the replica's number.
pub(crate) fn peer(n: usize) -> PeerId {
    [n as u8; 16]
}

impl<'a> World<'a> {
    pub(crate) fn new(schedule: &'a Schedule, traced: bool) -> Check<Self> {
        let Schedule { setup, steps } = schedule;
        let oracle = Oracle::new(setup, lists(setup)?);
        let mut queue = Queue::default();
        for (place, (time, _)) in steps.iter().enumerate() {
            queue.push(*time, Event::Step(place));
        }
        if setup.sessions {
            queue.push(0, Event::SessionTick);
        }
        Ok(Self {
            setup,
            steps,
            keys: oracle.keys()[..setup.keys].into(),
            hosts: (0..setup.replicas).map(|_| Host::default()).collect(),
            network: Network::new(setup.seed, setup.replicas, setup.links),
            wire: Wire::default(),
            liar: None,
            administrator: Administrator::new(setup)?,
            open: false,
            oracle,
            queue,
            now: 0,
            fingerprint: Fingerprint(setup.seed),
            broadcasts: BTreeMap::new(),
            sent: [0; 16],
            report: Report::default(),
            trace: traced.then(Vec::new),
        })
    }

    /// Adds a line to the trace, if there is one.
    pub(crate) fn narrate(&mut self, text: impl FnOnce(&Self) -> String) {
        if self.trace.is_some() {
            let line = format!("{:>6}  {}", self.now, text(self));
            if let Some(trace) = &mut self.trace {
                trace.push(line);
            }
        }
    }

    /// The numbers of all replicas but a dishonest one.
    pub(crate) fn honest(&self) -> core::ops::Range<usize> {
        0..self.setup.liar().unwrap_or(self.hosts.len())
    }

    pub(crate) fn is_up(&self, n: usize) -> bool {
        self.hosts[n].replica.is_some()
    }

    /// The replicas that are up.
    pub(crate) fn replicas(&self) -> impl Iterator<Item = &Replica> {
        self.hosts.iter().filter_map(|host| host.replica.as_ref())
    }

    /// Gives an event to a replica, checks it, and does what it asks for.
    pub(crate) fn handle(&mut self, n: usize, event: Input<'_>) -> Check {
        if self.setup.liar() == Some(n) {
            return self.hear(event);
        }
        let Host { up, drawn, .. } = &mut self.hosts[n];
        match event {
            Input::Tick => drawn.clear(),
            Input::PeerUp { peer, .. } => drop(up.insert(peer)),
            Input::PeerDown(peer) => drop(up.remove(&peer)),
            _ => {}
        }
        let (_, reaction) = self.feed(n, event)?;
        self.settle(n, reaction, false)
    }

    /// Gives an event to a replica. The caller compares the result and passes the reaction to
    /// [`World::settle`].
    pub(crate) fn feed(
        &mut self,
        n: usize,
        event: Input<'_>,
    ) -> Check<(Result<Outcome, OpError>, Reaction)> {
        let Some(replica) = &mut self.hosts[n].replica else {
            return Err(Violation::of_simulator(format!("r{n} is down")));
        };
        let holds = |replica: &Replica| {
            let counters = replica.counters();
            let own = replica.origin();
            let mut origins = replica.origins();
            let is_over = origins.any(|status| status.origin == own && status.retiring);
            let life = (own, replica.is_vouched_for(), is_over);
            let made = (counters.merged, counters.changes);
            (made, replica.digest(), replica.certificate(), life)
        };
        let before = holds(replica);
        let mut effects = Vec::new();
        let result = replica.step(event, &mut effects);
        let unchanged = before == holds(replica);
        if result.is_err() {
            ensure(effects.is_empty(), "a refused event has no effects", || {
                format!("r{n}: {effects:?}")
            })?;
        }
        Ok((result, Reaction { effects, unchanged }))
    }

    /// Checks a replica after an event, then does what it asks for. An event that has changed
    /// nothing and is not `local` needs no check.
    pub(crate) fn settle(&mut self, n: usize, reaction: Reaction, local: bool) -> Check {
        let mut notices = Vec::new();
        let mut effects = Vec::new();
        for effect in reaction.effects {
            match effect {
                Effect::Notify(notice) => notices.push(notice),
                other => effects.push(other),
            }
        }
        for notice in &notices {
            self.narrate(|world| {
                format!("r{n} reports: {}", narration::notice(&world.oracle, notice))
            });
        }
        let only_in_sync = notices
            .iter()
            .all(|notice| matches!(notice, Notice::InSync { .. }));
        if local || !reaction.unchanged || !only_in_sync {
            self.check(n, &notices)?;
        }
        for effect in effects {
            match effect {
                Effect::Send { to, bytes } => self.send(n, to, bytes.into())?,
                Effect::Broadcast { id, bytes } => self.broadcast(n, id, bytes.into())?,
                Effect::Persist { ticket, records } => self.persist(n, ticket, records)?,
                Effect::Notify(_) => {}
            }
        }
        if self.setup.orders {
            self.relink(n)?;
        }
        Ok(())
    }

    /// Has the oracle check a replica and its notices.
    pub(crate) fn check(&mut self, n: usize, notices: &[Notice]) -> Check {
        let disks = self.disks();
        let Some(replica) = &self.hosts[n].replica else {
            return Ok(());
        };
        let own = replica.origin();
        let Observed {
            overlaps,
            second_writers,
            folded,
            adopted,
            memory_lost,
            turn,
            merged,
        } = self.oracle.check(n, replica, notices, &disks)?;
        self.report.checks += 1;
        self.report.overlaps += overlaps;
        self.report.second_writers += second_writers;
        self.report.folds += folded;
        self.report.adoptions += adopted;
        self.report.merged += merged;
        self.report.memory_lost += u64::from(memory_lost);
        match turn {
            Turn::None => {}
            Turn::New => self.abandon_batch(n),
            // Broadcasts of what nobody holds any more count no longer.
            Turn::Continued => self.broadcasts.retain(|(id, _), _| *id != own),
        }
        Ok(())
    }

    /// What storage has confirmed to each replica.
    pub(crate) fn disks(&self) -> Vec<Option<Rc<Snapshot>>> {
        let disks = self.hosts.iter().map(|host| &host.disk);
        disks.map(|disk| disk.last_confirmed()).collect()
    }

    pub(crate) fn check_checkpoints(&self, n: usize) -> Check {
        match &self.hosts[n].replica {
            Some(replica) => self.oracle.check_checkpoints(n, replica),
            None => Ok(()),
        }
    }

    /// The batch in flight carries an origin that the replica has just given up: it is abandoned,
    /// even if storage confirms it.
    fn abandon_batch(&mut self, n: usize) {
        let host = &mut self.hosts[n];
        host.disk.abandon();
        if let Some(ticket) = host.in_flight.take() {
            self.confirm_later(n, ticket);
        }
    }

    fn persist(&mut self, n: usize, ticket: u64, records: Vec<Record>) -> Check {
        for (key, value) in &records {
            self.fingerprint.bytes(key);
            self.fingerprint.bytes(value.as_deref().unwrap_or_default());
        }
        let snapshot = self.oracle.flushed(n, ticket)?;
        self.narrate(|_| {
            let count = records.len();
            format!("r{n} hands batch {ticket} ({count} records) to storage")
        });
        let busy = self.hosts[n].in_flight.replace(ticket);
        ensure(busy.is_none(), "one batch at a time is in flight", || {
            format!("r{n}: {busy:?} and {ticket}")
        })?;
        self.hosts[n].disk.write(ticket, records, snapshot);
        self.confirm_later(n, ticket);
        Ok(())
    }

    /// Has storage confirm a batch after a delay that follows from the seed; at once when healing.
    pub(crate) fn confirm_later(&mut self, n: usize, ticket: u64) {
        let life = self.hosts[n].life;
        let delay = if self.now >= HORIZON {
            0
        } else {
            fate(self.setup.seed, &[5, self.now, n as u64]) % (self.setup.storage_delay + 1)
        };
        let (errors, stored) = &mut self.hosts[n].errors;
        let event = if *errors > 0 {
            *errors -= 1;
            let stored = *stored;
            Event::StorageFails { n, life, stored }
        } else {
            Event::Persisted { n, life, ticket }
        };
        self.queue.push(self.now + delay, event);
    }

    /// Storage confirms a batch.
    pub(crate) fn confirm(&mut self, n: usize, life: u64, ticket: u64) -> Check {
        let host = &mut self.hosts[n];
        if host.replica.is_none() || host.life != life {
            return Ok(());
        }
        let snapshot = if host.in_flight == Some(ticket) {
            host.in_flight = None;
            host.last_confirmed = Some(ticket);
            host.lost = false;
            host.disk.confirm(ticket)
        } else {
            None
        };
        self.narrate(|_| format!("storage of r{n} confirms batch {ticket}"));
        if let Some(snapshot) = &snapshot {
            self.oracle.confirmed(n, snapshot);
        }
        self.handle(n, Input::Persisted(ticket))
    }

    /// A message arrives.
    pub(crate) fn deliver(&mut self, from: PeerId, to: usize, bytes: &[u8]) -> Check {
        let (kind, length, sender) = (narration::kind(bytes), bytes.len(), from[0]);
        let listens = self.setup.liar() == Some(to) && self.liar.is_some();
        if !self.is_up(to) && !listens {
            self.narrate(|_| format!("r{to} is down and misses {kind} from r{sender}"));
            return Ok(());
        }
        self.narrate(|_| format!("r{to} receives {kind} from r{sender} ({length} bytes)"));
        self.report.delivered += 1;
        self.handle(to, Input::Message { from, bytes })
    }

    pub(crate) fn send(&mut self, from: usize, peer: PeerId, bytes: Rc<[u8]>) -> Check {
        let to = usize::from(peer[0]);
        let liar = self.setup.liar();
        self.fingerprint.bytes(&bytes);
        self.report.messages += 1;
        self.report.bytes += bytes.len() as u64;
        let kind = narration::number(&bytes);
        if liar != Some(from)
            && liar != Some(to)
            && let Some(count) = self.sent.get_mut(kind)
        {
            *count += 1;
        }
        if liar == Some(to) {
            self.check_drawn(from, peer)?;
        }
        if liar == Some(from) {
            self.note_preview(&bytes);
        }
        self.report.pulls += u64::from(kind == PULL);
        ensure(
            bytes.len() <= MESSAGE_BYTES,
            "no message exceeds the configured size",
            || format!("r{from} sends {} bytes", bytes.len()),
        )?;
        ensure(
            to < self.hosts.len() && to != from,
            "messages go to other replicas",
            || format!("r{from} sends to r{to}"),
        )?;
        if self.setup.sessions {
            return self.send_in_session(from, peer, &bytes);
        }
        if !self.are_linked(from, to) {
            return Ok(());
        }
        let (mut copies, former) = (0, self.hosts[from].former);
        for time in self.network.send(self.now, from, to) {
            copies += 1;
            let bytes = Rc::clone(&bytes);
            self.queue.push(
                time,
                Event::Deliver {
                    from,
                    former,
                    to,
                    bytes,
                },
            );
        }
        self.report.lost += u64::from(copies == 0);
        self.report.duplicated += u64::from(copies == 2);
        self.narrate(|_| {
            let fate = ["lost", "sent", "sent, and duplicated"][copies];
            let (kind, length) = (narration::kind(&bytes), bytes.len());
            format!("r{from} to r{to}: {kind} ({length} bytes) {fate}")
        });
        Ok(())
    }

    fn broadcast(&mut self, n: usize, id: (OriginId, u64), bytes: Rc<[u8]>) -> Check {
        let mut hash = Fingerprint(0);
        hash.bytes(&bytes);
        let before = self.broadcasts.insert(id, hash.0);
        ensure(
            before.is_none_or(|before| before == hash.0),
            "the id of a broadcast is unique",
            || format!("r{n}: frame {} of {}", id.1, self.oracle.name_of(id.0)),
        )?;
        let peers: Vec<PeerId> = match &self.hosts[n].sessions {
            Some(sessions) => sessions.up().collect(),
            None => (0..self.hosts.len())
                .filter(|&to| to != n)
                .map(peer)
                .collect(),
        };
        peers
            .into_iter()
            .try_for_each(|to| self.send(n, to, Rc::clone(&bytes)))
    }

    /// Whether summaries were the only messages since the last round of healing, except what
    /// replicas and a dishonest one tell each other about heads.
    pub(crate) fn sent_summaries_alone(&self) -> bool {
        let heads = if self.setup.liar { self.sent[HEAD] } else { 0 };
        self.sent.iter().sum::<u64>() == self.sent[SUMMARY] + heads
    }
}
