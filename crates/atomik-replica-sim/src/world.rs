//! Replicas with their hosts: disks, network, virtual time. Runs a schedule, then lets everything
//! heal.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use atomik_replica::{
    Action, Config, Effect, Event, LocalOp, Notice, Op, OpError, OriginId, Outcome, PeerId,
    Replica, Trust, Value,
};
use ed25519_dalek::SigningKey;

use crate::disk::Disk;
use crate::draw::{Print, fate};
use crate::network::Network;
use crate::oracle::{Check, Opening, Oracle, Seen, Violation, hold};
use crate::report::{Failure, Report};
use crate::schedule::{HORIZON, Memory, Schedule, Setup, Step};

/// Events in a run beyond which messages are said to have no end.
const MOST_EVENTS: u64 = 100_000;

/// Why a run ends early in a way that is the simulator's own: an invariant that no replica can
/// break.
const BROKEN: &str = "simulator";

enum Happening {
    Step(usize),
    Deliver {
        from: usize,
        to: usize,
        bytes: Rc<[u8]>,
    },
    Persisted {
        n: usize,
        life: u64,
        ticket: u64,
    },
}

#[derive(Default)]
struct Node {
    replica: Option<Replica>,
    disk: Disk,
    /// How often it was started.
    life: u64,
    /// The batch that storage is busy with.
    flight: Option<u64>,
    /// Storage does not confirm: an old copy was put back, and what the replica does with it must
    /// not become known.
    withheld: bool,
    /// The last ticket that storage confirmed in this life.
    last: Option<u64>,
    /// The origin that was put back.
    put_back: Option<usize>,
}

struct World<'a> {
    setup: &'a Setup,
    steps: &'a [(u64, Step)],
    keys: Rc<[Vec<u8>]>,
    members: Vec<[u8; 32]>,
    nodes: Vec<Node>,
    network: Network,
    oracle: Oracle,
    queue: BTreeMap<(u64, u64), Happening>,
    sequence: u64,
    now: u64,
    events: u64,
    print: Print,
    /// Broadcasts by origin and frame number, with a hash of their bytes.
    broadcasts: BTreeMap<(OriginId, u64), u64>,
    /// Origins of which confirmed changes may have been lost.
    lost: BTreeSet<usize>,
    /// Messages of each kind since the last look.
    kinds: [u64; 16],
    report: Report,
    trace: Option<Vec<String>>,
}

/// Runs a schedule.
///
/// # Errors
///
/// [`Failure`] with the invariant that does not hold.
pub fn run(schedule: &Schedule, traced: bool) -> Result<Report, Failure> {
    let mut world = World::new(schedule, traced);
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        world.run()?;
        world.heal()
    }));
    let violation = match ended {
        Ok(Ok(())) => {
            world.report.print = world.print.0;
            world.report.trace = world.trace.unwrap_or_default();
            return Ok(world.report);
        }
        Ok(Err(violation)) => violation,
        Err(panic) => Violation {
            invariant: "nothing panics",
            text: panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("a panic")
                .to_owned(),
        },
    };
    Err(Failure {
        time: world.now,
        invariant: violation.invariant,
        text: violation.text,
        trace: world.trace.unwrap_or_default(),
    })
}

fn peer(n: usize) -> PeerId {
    [n as u8; 16]
}

fn signing_key(setup: &Setup, n: usize) -> SigningKey {
    let words = [0, 1, 2, 3].map(|word| fate(setup.seed, &[4, n as u64, word]).to_le_bytes());
    let mut bytes = [0; 32];
    for (chunk, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(words) {
        *chunk = word;
    }
    SigningKey::from_bytes(&bytes)
}

impl<'a> World<'a> {
    fn new(schedule: &'a Schedule, traced: bool) -> Self {
        let setup = &schedule.setup;
        let oracle = Oracle::new(setup);
        let members = (0..setup.replicas).map(|n| {
            if setup.signed {
                signing_key(setup, n).verifying_key().to_bytes()
            } else {
                [n as u8 + 1; 32]
            }
        });
        let mut world = Self {
            setup,
            steps: &schedule.steps,
            keys: oracle.keys.clone().into(),
            members: members.collect(),
            nodes: (0..setup.replicas).map(|_| Node::default()).collect(),
            network: Network::new(setup.seed, setup.replicas, setup.weather),
            oracle,
            queue: BTreeMap::new(),
            sequence: 0,
            now: 0,
            events: 0,
            print: Print(setup.seed),
            broadcasts: BTreeMap::new(),
            lost: BTreeSet::new(),
            kinds: [0; 16],
            report: Report::default(),
            trace: traced.then(Vec::new),
        };
        for (place, (time, _)) in schedule.steps.iter().enumerate() {
            world.enqueue(*time, Happening::Step(place));
        }
        world
    }

    fn enqueue(&mut self, time: u64, happening: Happening) {
        self.sequence += 1;
        self.queue.insert((time, self.sequence), happening);
    }

    fn say(&mut self, text: impl FnOnce(&Self) -> String) {
        if self.trace.is_some() {
            let line = format!("{:>6}  {}", self.now, text(self));
            if let Some(trace) = &mut self.trace {
                trace.push(line);
            }
        }
    }

    fn run(&mut self) -> Check {
        self.drain(HORIZON)?;
        self.now = HORIZON;
        Ok(())
    }

    /// Lets everything happen that is due before `end`.
    fn drain(&mut self, end: u64) -> Check {
        while let Some(entry) = self.queue.first_entry() {
            let &(time, _) = entry.key();
            if time >= end {
                break;
            }
            let happening = entry.remove();
            self.now = time;
            self.events += 1;
            hold(self.events < MOST_EVENTS, "messages come to an end", || {
                format!("{MOST_EVENTS} events, and more to come")
            })?;
            self.print.word(time);
            self.happen(happening)?;
        }
        Ok(())
    }

    fn happen(&mut self, happening: Happening) -> Check {
        match happening {
            Happening::Step(place) => {
                let steps = self.steps;
                self.print.word(place as u64);
                self.step(&steps[place].1)
            }
            Happening::Deliver { from, to, bytes } => {
                if self.nodes[to].replica.is_none() {
                    self.say(|_| format!("r{to} is down: {} is lost", describe(from, &bytes)));
                    return Ok(());
                }
                self.say(|_| format!("r{to} gets {}", describe(from, &bytes)));
                self.report.delivered += 1;
                let event = Event::Message {
                    from: peer(from),
                    bytes: &bytes,
                };
                let (_, effects) = self.feed(to, event)?;
                self.settle(to, effects, false)
            }
            Happening::Persisted { n, life, ticket } => self.persisted(n, life, ticket),
        }
    }

    fn persisted(&mut self, n: usize, life: u64, ticket: u64) -> Check {
        let node = &mut self.nodes[n];
        if node.replica.is_none() || node.life != life {
            return Ok(());
        }
        let snapshot = if node.flight == Some(ticket) {
            node.flight = None;
            node.last = Some(ticket);
            node.disk.confirm(ticket)
        } else {
            None
        };
        self.say(|_| format!("r{n}: storage has batch {ticket}"));
        if let Some(snapshot) = &snapshot {
            self.oracle.confirmed(n, snapshot);
        }
        let (_, effects) = self.feed(n, Event::Persisted(ticket))?;
        self.settle(n, effects, false)
    }

    /// Gives an event to a replica.
    fn feed(&mut self, n: usize, event: Event<'_>) -> Check<(Result<Outcome, OpError>, Fed)> {
        let Some(replica) = &mut self.nodes[n].replica else {
            return Err(Violation {
                invariant: BROKEN,
                text: format!("r{n} is down"),
            });
        };
        let before = (replica.counters(), replica.digest());
        let mut effects = Vec::new();
        let result = replica.step(event, &mut effects);
        let after = (replica.counters(), replica.digest());
        let unchanged = (before.0.merged, before.0.changes, before.1)
            == (after.0.merged, after.0.changes, after.1);
        let fed = Fed { effects, unchanged };
        if result.is_err() {
            hold(
                fed.effects.is_empty(),
                "what is refused has no effects",
                || format!("r{n}: {:?}", fed.effects),
            )?;
        }
        Ok((result, fed))
    }

    /// Checks a replica after an event, then does what it asks for.
    fn settle(&mut self, n: usize, fed: Fed, always: bool) -> Check {
        let mut notices = Vec::new();
        let mut effects = Vec::new();
        for effect in fed.effects {
            match effect {
                Effect::Notify(notice) => notices.push(notice),
                other => effects.push(other),
            }
        }
        for notice in &notices {
            self.tell(n, notice);
        }
        let silent = notices
            .iter()
            .all(|notice| matches!(notice, Notice::InSync { .. }));
        if always || !fed.unchanged || !silent {
            self.check(n, &notices)?;
        }
        for effect in effects {
            match effect {
                Effect::Send { to, bytes } => self.send(n, usize::from(to[0]), bytes.into())?,
                Effect::Broadcast { id, bytes } => self.broadcast(n, id, bytes.into())?,
                Effect::Persist { ticket, records } => {
                    for (key, value) in &records {
                        self.print.bytes(key);
                        self.print.bytes(value.as_deref().unwrap_or_default());
                    }
                    let snapshot = self.oracle.flushed(n, ticket)?;
                    self.say(|_| {
                        format!(
                            "r{n} hands batch {ticket}, {} records, to storage",
                            records.len()
                        )
                    });
                    let busy = self.nodes[n].flight.replace(ticket);
                    hold(
                        busy.is_none(),
                        "one batch at a time goes to storage",
                        || format!("r{n}: {busy:?} and {ticket}"),
                    )?;
                    self.nodes[n].disk.write(ticket, records, snapshot);
                    if self.oracle.is_branched(n) {
                        self.nodes[n].withheld = true;
                    } else {
                        self.confirm_later(n, ticket);
                    }
                }
                Effect::Notify(_) => {}
            }
        }
        Ok(())
    }

    fn confirm_later(&mut self, n: usize, ticket: u64) {
        let life = self.nodes[n].life;
        let delay = if self.now >= HORIZON {
            0
        } else {
            fate(self.setup.seed, &[5, self.now, n as u64]) % (self.setup.storage_delay + 1)
        };
        self.enqueue(self.now + delay, Happening::Persisted { n, life, ticket });
    }

    fn check(&mut self, n: usize, notices: &[Notice]) -> Check {
        let Some(replica) = &self.nodes[n].replica else {
            return Ok(());
        };
        let Seen {
            overlaps,
            second_writers,
            folded,
            adopted,
            memory_lost,
            merged,
        } = self.oracle.check(n, replica, notices)?;
        self.report.checks += 1;
        self.report.overlaps += overlaps;
        self.report.second_writers += second_writers;
        self.report.folds += folded;
        self.report.adoptions += adopted;
        self.report.merged += merged;
        if memory_lost {
            self.report.memory_lost += 1;
            let node = &mut self.nodes[n];
            node.withheld = false;
            // What storage is busy with carries the old name: it is abandoned, whatever storage
            // says of it.
            node.disk.abandon();
            if let Some(ticket) = node.flight.take() {
                self.confirm_later(n, ticket);
            }
        }
        Ok(())
    }

    fn tell(&mut self, n: usize, notice: &Notice) {
        self.say(|world| {
            let name = |id: &OriginId| world.oracle.name_of(*id);
            let key = |key: &[u8]| {
                let text: String = key.iter().take(4).map(|&byte| char::from(byte)).collect();
                text
            };
            let text = match notice {
                Notice::Overlap(overlap) => {
                    let [(a, a_version), (b, b_version)] = &overlap.origins;
                    format!(
                        "overlap in {}, bits {}: {} version {a_version}, {} version {b_version}",
                        key(&overlap.key),
                        overlap.bits,
                        name(a),
                        name(b)
                    )
                }
                Notice::Changed { key: k, state, .. } => format!("{} is {state}", key(k)),
                Notice::SecondWriter { key: k, .. } => format!("{} has a second writer", key(k)),
                Notice::Refused { from, reason } => format!("refused of r{}: {reason}", from[0]),
                Notice::MemoryLost { old, new } => {
                    format!("memory lost: {} is now {new}", name(old))
                }
                Notice::Folded(origin) => format!("{} is folded", name(origin)),
                Notice::BaseAdopted { from, .. } => format!("takes the base of r{}", from[0]),
                Notice::BaseDiverged { from } => format!("another base than r{}", from[0]),
                Notice::InSync { from } => format!("in sync with r{}", from[0]),
                other => format!("{other:?}"),
            };
            format!("r{n} tells: {text}")
        });
    }

    fn send(&mut self, from: usize, to: usize, bytes: Rc<[u8]>) -> Check {
        self.print.bytes(&bytes);
        self.report.messages += 1;
        self.report.bytes += bytes.len() as u64;
        if let Some(kind) = bytes
            .get(1)
            .and_then(|&kind| self.kinds.get_mut(usize::from(kind)))
        {
            *kind += 1;
        }
        self.report.pulls += u64::from(bytes.get(1) == Some(&PULL));
        hold(
            bytes.len() <= MESSAGE_BYTES,
            "a message is as short as configured",
            || format!("r{from} sends {} bytes", bytes.len()),
        )?;
        hold(
            to < self.nodes.len() && to != from,
            "messages go to peers",
            || format!("r{from} sends to r{to}"),
        )?;
        let mut copies = 0;
        for time in self.network.send(self.now, from, to).collect::<Vec<_>>() {
            copies += 1;
            let bytes = Rc::clone(&bytes);
            self.enqueue(time, Happening::Deliver { from, to, bytes });
        }
        self.report.lost += u64::from(copies == 0);
        self.report.doubled += u64::from(copies == 2);
        self.say(|_| {
            let fate = ["lost", "sent", "sent, will come twice"][copies];
            format!("r{to} is to get {}: {fate}", describe(from, &bytes))
        });
        Ok(())
    }

    fn broadcast(&mut self, n: usize, id: (OriginId, u64), bytes: Rc<[u8]>) -> Check {
        let mut print = Print(0);
        print.bytes(&bytes);
        let before = self.broadcasts.insert(id, print.0);
        hold(
            before.is_none_or(|before| before == print.0),
            "a broadcast's id names one message",
            || format!("r{n}: frame {} of {}", id.1, self.oracle.name_of(id.0)),
        )?;
        (0..self.nodes.len())
            .filter(|&to| to != n)
            .try_for_each(|to| self.send(n, to, Rc::clone(&bytes)))
    }

    fn is_up(&self, n: usize) -> bool {
        self.nodes[n].replica.is_some()
    }

    fn step(&mut self, step: &Step) -> Check {
        let n = match *step {
            Step::Link(from, to, works) => {
                self.say(|_| step.to_string());
                self.network.set_link(from, to, works);
                return Ok(());
            }
            Step::Start(n, memory) => return self.start(n, memory),
            Step::Work(n, _)
            | Step::Undo(n, _)
            | Step::Checkpoint(n)
            | Step::DropCheckpoint(n, _)
            | Step::Subscribe(n, _)
            | Step::Retire(n)
            | Step::Flush(n)
            | Step::Tick(n)
            | Step::ConfirmAgain(n)
            | Step::Peer(n, ..)
            | Step::Crash(n, _) => n,
        };
        if !self.is_up(n) {
            return Ok(());
        }
        self.say(|_| step.to_string());
        match *step {
            Step::Work(_, ref work) => {
                let keys = Rc::clone(&self.keys);
                let ops: Vec<_> = work
                    .iter()
                    .map(|(key, op)| LocalOp {
                        key: &keys[*key],
                        action: op.action(self.setup.words),
                    })
                    .collect();
                let plan = self.oracle.plan_work(n, work)?;
                let event = match &ops[..] {
                    [op] => Event::Op(op),
                    ops => Event::Batch(ops),
                };
                let (result, fed) = self.feed(n, event)?;
                self.report.operations += ops.len() as u64;
                self.report.refused += u64::from(result.is_err());
                let stored = self.nodes[n].disk.last_confirmed();
                self.oracle.worked(n, plan, result, stored.as_deref())?;
                self.settle(n, fed, true)
            }
            Step::Undo(_, back) => {
                let number = self.oracle.batch_number(n, back)?;
                let plan = self.oracle.plan_undo(n, number)?;
                let (result, fed) = self.feed(n, Event::Undo(number))?;
                self.report.undone += u64::from(result.is_ok());
                let stored = self.nodes[n].disk.last_confirmed();
                self.oracle.worked(n, plan, result, stored.as_deref())?;
                self.settle(n, fed, true)
            }
            Step::Checkpoint(_) => {
                let (result, fed) = self.feed(n, Event::Checkpoint("here"))?;
                self.oracle.made_checkpoint(n, result)?;
                self.settle(n, fed, true)
            }
            Step::DropCheckpoint(_, place) => {
                let number = self.oracle.checkpoint(n, place)?;
                let (result, fed) = self.feed(n, Event::DropCheckpoint(number))?;
                self.oracle.dropped_checkpoint(n, number, result)?;
                self.settle(n, fed, true)?;
                self.check_checkpoints(n)
            }
            Step::Subscribe(_, on) => {
                let Some(replica) = &mut self.nodes[n].replica else {
                    return Ok(());
                };
                if on {
                    let number = replica.subscribe(b"k");
                    return self.oracle.subscribed(n, number);
                }
                for number in self.oracle.unsubscribed(n)? {
                    replica.unsubscribe(number);
                }
                Ok(())
            }
            Step::Retire(_) => {
                // Who has to find out first that it is an old copy cannot leave.
                if self.oracle.is_branched(n) || self.oracle.has_retired(n) {
                    return Ok(());
                }
                self.report.retired += 1;
                let (result, fed) = self.feed(n, Event::Retire)?;
                self.oracle.retired(n, result)?;
                self.settle(n, fed, true)
            }
            Step::Flush(_) => self.flush(n),
            Step::Tick(_) => self.plain(n, Event::Tick),
            Step::ConfirmAgain(_) => match self.nodes[n].last {
                Some(ticket) => self.plain(n, Event::Persisted(ticket)),
                None => Ok(()),
            },
            Step::Peer(_, other, true) => self.plain(n, Event::PeerUp(peer(other))),
            Step::Peer(_, other, false) => self.plain(n, Event::PeerDown(peer(other))),
            Step::Crash(_, stored) => self.crash(n, stored),
            Step::Link(..) | Step::Start(..) => Ok(()),
        }
    }

    fn plain(&mut self, n: usize, event: Event<'_>) -> Check {
        let (_, fed) = self.feed(n, event)?;
        self.settle(n, fed, false)
    }

    fn check_checkpoints(&self, n: usize) -> Check {
        match &self.nodes[n].replica {
            Some(replica) => self.oracle.check_checkpoints(n, replica),
            None => Ok(()),
        }
    }

    fn flush(&mut self, n: usize) -> Check {
        let dirty = self.nodes[n]
            .replica
            .as_ref()
            .is_some_and(Replica::is_dirty);
        let before = self.nodes[n].flight;
        self.plain(n, Event::Flush)?;
        hold(
            !dirty || self.nodes[n].flight.is_some(),
            "a flush hands over what waits",
            || format!("r{n}"),
        )?;
        hold(
            before.is_none() || self.nodes[n].flight == before,
            "one batch at a time goes to storage",
            || format!("r{n}"),
        )
    }

    fn crash(&mut self, n: usize, stored: bool) -> Check {
        let branched = self.oracle.is_branched(n);
        self.check_checkpoints(n)?;
        let node = &mut self.nodes[n];
        node.replica = None;
        node.flight = None;
        node.withheld = false;
        let confirmed = node.disk.last_confirmed();
        node.disk.crash(stored && !branched);
        let survivor = node.disk.last();
        self.oracle.note_complete(n, confirmed.as_deref());
        self.oracle.crashed(n, survivor.as_deref());
        self.report.crashes += 1;
        Ok(())
    }

    fn start(&mut self, n: usize, memory: Memory) -> Check {
        if self.is_up(n) {
            return Ok(());
        }
        self.say(|_| Step::Start(n, memory).to_string());
        let node = &mut self.nodes[n];
        // Whatever it does not have any more, it may have said that it has.
        let confirmed = node.disk.last_confirmed();
        self.oracle.note_complete(n, confirmed.as_deref());
        let lost = match memory {
            Memory::Kept => 0,
            Memory::Lost => {
                node.disk.clear();
                1
            }
            Memory::Without(batches) | Memory::PutBack(batches) => node.disk.lose(batches),
        };
        let mut kept_memory = lost == 0;
        if lost > 0 {
            self.lost.extend(self.oracle.origins_of(n));
            self.report.disks_lost += 1;
        }
        let snapshot = node.disk.last();
        if matches!(memory, Memory::PutBack(_))
            && lost > 0
            && let Some(snapshot) = &snapshot
        {
            self.report.put_back += 1;
            kept_memory = true;
            node.put_back = Some(snapshot.origin());
        }
        let put_back = snapshot
            .as_ref()
            .is_some_and(|snapshot| node.put_back == Some(snapshot.origin()));
        // Until a batch of the new origin is there, it is still not all that was ever acknowledged.
        if !put_back
            && snapshot
                .as_ref()
                .is_some_and(|snapshot| self.lost.contains(&snapshot.origin()))
        {
            kept_memory = false;
        }
        node.life += 1;
        node.last = None;
        let trust = if self.setup.signed {
            Trust::Signed {
                key: Box::new(signing_key(self.setup, n)),
                allowed: self.members.clone(),
            }
        } else {
            Trust::Unsigned {
                key: self.members[n],
                allowed: self.members.clone(),
            }
        };
        let mut incarnation = [0; 16];
        let word = fate(self.setup.seed, &[6, n as u64, node.life]);
        incarnation[..8].copy_from_slice(&word.to_le_bytes());
        let config = Config {
            view: self.setup.view,
            kept_memory,
            undo_batches: self.setup.undo_batches,
            message_bytes: MESSAGE_BYTES,
            sync_ticks: self.setup.sync_ticks,
            digest_cells: self.setup.digest_cells,
            ..Config::new("simulated", self.setup.words, [7; 32], trust, incarnation)
        };
        let replica = Replica::open(config, node.disk.records()).map_err(|error| Violation {
            invariant: "what was stored can be read",
            text: format!("r{n}: {error}"),
        })?;
        let opening = Opening {
            snapshot: snapshot.as_deref(),
            kept_memory,
            put_back,
        };
        self.oracle.opened(n, &replica, &opening)?;
        self.report.starts += 1;
        self.nodes[n].replica = Some(replica);
        Ok(())
    }

    /// Everything is started, the network becomes perfect, and time goes on until all are equal.
    fn heal(&mut self) -> Check {
        self.say(|_| "all is well from here on".to_owned());
        self.network.heal();
        let replicas = self.nodes.len();
        (0..replicas).try_for_each(|n| self.start(n, Memory::Kept))?;
        for n in 0..replicas {
            for other in (0..replicas).filter(|&other| other != n) {
                self.plain(n, Event::PeerUp(peer(other)))?;
            }
        }
        let mut wanted = None;
        let most = self.setup.most_rounds();
        let mut quiet = 0;
        for round in 0.. {
            self.drain(u64::MAX)?;
            let announced = self.announced();
            for n in 0..replicas {
                if self.oracle.is_branched(n) && self.oracle.release(n, &announced) {
                    let origin = self.nodes[n].replica.as_ref().map(Replica::origin);
                    self.broadcasts.retain(|(id, _), _| Some(*id) != origin);
                    self.nodes[n].put_back = None;
                    if core::mem::take(&mut self.nodes[n].withheld)
                        && let Some(ticket) = self.nodes[n].flight
                    {
                        self.confirm_later(n, ticket);
                    }
                }
            }
            if wanted.is_none() && !(0..replicas).any(|n| self.oracle.is_branched(n)) {
                let highest = self.oracle.highest();
                self.oracle.check_acknowledged(&highest, &self.lost)?;
                wanted = Some(highest);
            }
            if round > 0 && wanted.is_some() && self.is_converged() {
                if self.report.rounds == 0 {
                    self.report.rounds = round;
                }
                quiet = if self.is_settled() { quiet + 1 } else { 0 };
                if quiet == 2 {
                    break;
                }
                hold(
                    round < 2 * most,
                    "replicas that agree exchange summaries alone",
                    || format!("after {round} rounds: {}", self.what_differs()),
                )?;
            } else {
                hold(
                    self.report.rounds == 0,
                    "what has converged stays so",
                    || format!("after {round} rounds: {}", self.what_differs()),
                )?;
                hold(round < most, "replicas converge when all is well", || {
                    format!("not after {round} rounds: {}", self.what_differs())
                })?;
            }
            self.kinds = [0; 16];
            self.now += 50;
            self.say(|_| format!("round {round}"));
            for n in 0..replicas {
                self.flush(n)?;
            }
            self.drain(u64::MAX)?;
            for n in 0..replicas {
                self.plain(n, Event::Tick)?;
            }
        }
        self.end(&wanted.unwrap_or_default())
    }

    fn announced(&self) -> BTreeSet<OriginId> {
        let replicas = self.nodes.iter().filter_map(|node| node.replica.as_ref());
        replicas
            .flat_map(Replica::origins)
            .filter(|status| status.retiring)
            .map(|status| status.origin)
            .collect()
    }

    fn is_converged(&self) -> bool {
        let to_fold = self.oracle.to_fold(&self.announced());
        self.oracle.agree() && self.oracle.has_folded(&to_fold)
    }

    /// Whether nothing waits for anything, and nothing but summaries was said in the last round.
    fn is_settled(&self) -> bool {
        let mut replicas = self.nodes.iter().filter_map(|node| node.replica.as_ref());
        self.queue.is_empty()
            && !replicas.any(Replica::is_dirty)
            && self.kinds.iter().sum::<u64>() == self.kinds[1]
    }

    fn what_differs(&self) -> String {
        let replicas = || self.nodes.iter().filter_map(|node| node.replica.as_ref());
        let to_fold = self.oracle.to_fold(&self.announced());
        format!(
            "same entries: {}, folded {:?}: {}, messages by kind {:?}, waiting for storage: {}",
            self.oracle.agree(),
            to_fold
                .iter()
                .map(|origin| self.oracle.name(*origin))
                .collect::<Vec<_>>(),
            self.oracle.has_folded(&to_fold),
            self.kinds,
            replicas().filter(|replica| replica.is_dirty()).count(),
        )
    }

    fn end(&mut self, wanted: &[Vec<u64>]) -> Check {
        let replicas = self.nodes.len();
        for n in 0..replicas {
            self.check(n, &[])?;
            self.check_checkpoints(n)?;
        }
        self.oracle.check_converged(wanted)?;
        let digests: BTreeSet<_> = (0..replicas)
            .filter_map(|n| self.nodes[n].replica.as_ref().map(Replica::digest))
            .collect();
        hold(
            digests.len() <= 1,
            "equal entries have equal digests",
            || format!("{digests:?}"),
        )?;
        let keys = Rc::clone(&self.keys);
        for n in (0..replicas).filter(|&n| !self.oracle.has_retired(n)) {
            for (place, key) in keys.iter().enumerate() {
                let op = LocalOp {
                    key,
                    action: Action::Op(Op::Delta, Value::default()),
                };
                let Some(replica) = &mut self.nodes[n].replica else {
                    continue;
                };
                let found = replica.step(Event::Op(&op), &mut Vec::new());
                let expected = self.oracle.since_mark(n, place)?;
                let fits = found.as_ref().is_ok_and(|outcome| {
                    matches!(&outcome.responses[..], [Some(response)] if response.data == expected)
                });
                hold(fits, "responses are those of the machine", || {
                    format!("r{n}: k{place}: expected {expected}, found {found:?}")
                })?;
            }
        }
        self.report.schedules = 1;
        self.report.events = self.events;
        self.report.members = replicas as u64;
        Ok(())
    }
}

/// The kind of message that asks for a whole table.
const PULL: u8 = 5;

/// The largest message: the smallest that a replica allows.
const MESSAGE_BYTES: usize = 16_384;

/// What came of an event.
struct Fed {
    effects: Vec<Effect>,
    /// No entry and no digest has changed.
    unchanged: bool,
}

fn describe(from: usize, bytes: &[u8]) -> String {
    let names = [
        "changes",
        "a summary",
        "cells",
        "a request for cells",
        "a request for entries",
        "a request for everything",
        "the end of a chunk",
        "the ledger",
        "repaired changes",
    ];
    let kind = bytes
        .get(1)
        .and_then(|&kind| names.get(usize::from(kind)))
        .unwrap_or(&"a message");
    format!("{kind} of r{from} ({} bytes)", bytes.len())
}
