//! A network and disks that do their worst, by seed; histories are checked against what Raft
//! promises.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};

use raft::Storage as _;
use raft::eraftpb::{Entry, HardState};

use atomik_workload::workload::{Class, Scalar};

use super::*;

/// What befalls a run.
#[derive(Clone, Copy, Default)]
struct Faults {
    /// Lost messages, of 1000.
    lost: u64,
    /// Repeated messages, of 1000.
    repeated: u64,
    /// How many latencies a message may be late.
    late: u64,
    /// Crashes of one node, cuts of one node, and crashes of all at once, every so often.
    crash: bool,
    cut: bool,
    blackout: bool,
}

enum Event {
    Arrive {
        to: usize,
        from: usize,
        bytes: Arc<[u8]>,
    },
    Stored {
        node: usize,
        life: u32,
        ticket: u64,
        records: Vec<atomik_arena::system::Record>,
    },
    Wake {
        node: usize,
        life: u32,
    },
    Restart(usize),
}

#[derive(Default)]
struct Operated {
    node: usize,
    submitted: Micros,
    acknowledged: Option<Micros>,
}

struct Cluster {
    system: Raft,
    setup: Setup,
    faults: Faults,
    now: Micros,
    drawn: u64,
    count: u64,
    queue: BTreeMap<(Micros, u64), Event>,
    nodes: Vec<Option<Box<dyn Node>>>,
    lives: Vec<u32>,
    disks: Vec<Storage>,
    disk_free: Vec<Micros>,
    cut: BTreeSet<usize>,
    ops: BTreeMap<OpId, Operated>,
    snapshots_sent: u64,
    /// The most between two submissions.
    pause: Micros,
}

const LATENCY: Micros = 500;
const FSYNC: Micros = 300;
const LIST: u16 = 0;
const SUM: u16 = 1;

impl Cluster {
    fn new(nodes: usize, seed: u64, faults: Faults) -> Self {
        let field = |name: &str, class| Field {
            name: name.into(),
            class,
            longest: 0,
            unset: false,
            universe: None,
        };
        let mut cluster = Self {
            system: Raft {
                compaction: Compaction {
                    snapshot_entries: 25,
                    catch_up_entries: 8,
                },
            },
            setup: Setup {
                nodes,
                seed,
                fields: vec![field("list", Class::List), field("sum", Class::Counter)].into(),
                latency: LATENCY,
                fsync: FSYNC,
                sync_interval: 10_000,
                linger: seed / 2 % 2 * 3 * LATENCY,
            },
            faults,
            now: 0,
            drawn: 0,
            count: 0,
            queue: BTreeMap::new(),
            nodes: (0..nodes).map(|_| None).collect(),
            lives: vec![0; nodes],
            disks: (0..nodes).map(|_| Storage::default()).collect(),
            disk_free: vec![0; nodes],
            cut: BTreeSet::new(),
            ops: BTreeMap::new(),
            snapshots_sent: 0,
            pause: 4 * LATENCY,
        };
        for node in 0..nodes {
            cluster.start(node);
        }
        cluster
    }

    fn draw(&mut self, below: u64) -> u64 {
        self.drawn += 1;
        FixedState::with_seed(self.setup.seed ^ 0x5eed).hash_one(self.drawn) % below
    }

    fn push(&mut self, at: Micros, event: Event) {
        self.count += 1;
        self.queue.insert((at, self.count), event);
    }

    fn start(&mut self, node: usize) {
        let opened = self
            .system
            .open(&self.setup, node, &self.disks[node])
            .unwrap();
        self.nodes[node] = Some(opened);
        let life = self.lives[node];
        self.push(self.now, Event::Wake { node, life });
    }

    fn crash(&mut self, node: usize, until: Micros) {
        if self.nodes[node].take().is_some() {
            self.lives[node] += 1;
            self.disk_free[node] = 0;
            self.push(until, Event::Restart(node));
        }
    }

    fn call(
        &mut self,
        node: usize,
        call: impl FnOnce(&mut dyn Node, Micros, &mut Out) -> Result<(), SystemError>,
    ) {
        let mut out = Out::default();
        let now = self.now;
        let Some(called) = &mut self.nodes[node] else {
            return;
        };
        call(called.as_mut(), now, &mut out).unwrap();
        for (to, bytes) in out.sent {
            let message = Message::parse_from_bytes(&bytes).unwrap();
            if message.get_msg_type() == MessageType::MsgSnapshot {
                self.snapshots_sent += 1;
            }
            if self.cut.contains(&node) != self.cut.contains(&to)
                || self.draw(1000) < self.faults.lost
            {
                continue;
            }
            let times = 1 + u64::from(self.draw(1000) < self.faults.repeated);
            for _ in 0..times {
                let late = self.draw(LATENCY * self.faults.late + 1);
                let bytes = Arc::clone(&bytes);
                let from = node;
                self.push(now + LATENCY + late, Event::Arrive { to, from, bytes });
            }
        }
        for persist in out.persisted {
            let at = self.disk_free[node].max(now) + FSYNC;
            self.disk_free[node] = at;
            let life = self.lives[node];
            let event = Event::Stored {
                node,
                life,
                ticket: persist.ticket,
                records: persist.records,
            };
            self.push(at, event);
        }
        for id in out.acknowledged {
            let op = self.ops.get_mut(&id).unwrap();
            assert_eq!(op.acknowledged, None, "{id} is acknowledged twice");
            op.acknowledged = Some(now);
        }
        if let Some(at) = out.wake {
            let life = self.lives[node];
            self.push(at, Event::Wake { node, life });
        }
    }

    fn run(&mut self, until: Micros) {
        while let Some(entry) = self.queue.first_entry()
            && entry.key().0 <= until
        {
            let ((at, _), event) = entry.remove_entry();
            self.now = at;
            match event {
                Event::Arrive { to, from, bytes } => {
                    self.call(to, |node, now, out| node.receive(now, from, &bytes, out));
                }
                Event::Stored {
                    node,
                    life,
                    ticket,
                    records,
                } if life == self.lives[node] => {
                    self.disks[node].store(records);
                    self.call(node, |node, now, out| node.stored(now, ticket, out));
                }
                Event::Wake { node, life } if life == self.lives[node] => {
                    self.call(node, |node, now, out| node.wake(now, out));
                }
                Event::Restart(node) => self.start(node),
                Event::Stored { .. } | Event::Wake { .. } => {}
            }
        }
        self.now = until;
    }

    /// Clients of one node add an element to the list and one to the sum, `count` times at once.
    fn submit(&mut self, node: usize, count: u64) {
        if self.nodes[node].is_none() {
            return;
        }
        let first = self.ops.len() as u64;
        let actions: Vec<(OpId, u16, Action)> = (first..first + count)
            .map(|id| match id % 2 {
                0 => (id, LIST, Action::Append(Scalar::Int(id as i64))),
                _ => (id, SUM, Action::Add(1)),
            })
            .collect();
        for &(id, ..) in &actions {
            let submitted = self.now;
            self.ops.insert(
                id,
                Operated {
                    node,
                    submitted,
                    acknowledged: None,
                },
            );
        }
        let ops: Vec<Submitted<'_>> = actions
            .iter()
            .map(|(id, field, action)| Submitted {
                id: *id,
                key: "key",
                field: *field,
                action,
            })
            .collect();
        self.call(node, |node, now, out| node.submit(now, &ops, out));
    }

    /// Lets clients and faults have their way for a while, then heals everything and waits until
    /// all nodes are the same.
    fn live(&mut self, rounds: u64) {
        let election = 40 * (2 * LATENCY + FSYNC);
        for _ in 0..rounds {
            let node = self.draw(self.setup.nodes as u64) as usize;
            let count = 1 + self.draw(4);
            self.submit(node, count);
            let pause = self.draw(self.pause);
            self.run(self.now + pause);
            let victim = self.draw(self.setup.nodes as u64) as usize;
            let back = self.now + self.draw(2 * election);
            match self.draw(60) {
                0 | 1 if self.faults.crash => self.crash(victim, back),
                2 | 3 if self.faults.cut => {
                    self.cut = [victim].into();
                    for node in 0..self.setup.nodes {
                        self.link(node, victim, false);
                    }
                }
                4..7 => self.heal(),
                7 if self.faults.blackout => {
                    for node in 0..self.setup.nodes {
                        self.crash(node, back);
                    }
                }
                _ => {}
            }
        }
        self.heal();
        self.run(self.now + 2 * election);
        self.settle();
    }

    fn link(&mut self, a: usize, b: usize, up: bool) {
        if a != b {
            self.call(a, |node, now, out| node.link(now, b, up, out));
            self.call(b, |node, now, out| node.link(now, a, up, out));
        }
    }

    fn heal(&mut self) {
        for victim in std::mem::take(&mut self.cut) {
            for node in 0..self.setup.nodes {
                self.link(node, victim, true);
            }
        }
    }

    fn settle(&mut self) {
        let given_up = self.now + 20_000_000;
        loop {
            self.run(self.now + 10 * LATENCY);
            let progress: BTreeSet<Option<Vec<u8>>> = self
                .nodes
                .iter()
                .map(|node| node.as_ref().map(|node| node.progress()))
                .collect();
            if progress.len() == 1 && !progress.contains(&None) {
                return;
            }
            assert!(self.now < given_up, "no agreement: {progress:?}");
        }
    }

    fn list(&self, node: usize) -> Vec<OpId> {
        let Content::List(list) = self.nodes[node]
            .as_ref()
            .unwrap()
            .read("key", LIST)
            .unwrap()
        else {
            panic!("not a list");
        };
        list.iter()
            .map(|value| match value {
                Scalar::Int(id) => *id as OpId,
                other => panic!("{other}"),
            })
            .collect()
    }

    fn sum(&self, node: usize) -> u64 {
        match self.nodes[node].as_ref().unwrap().read("key", SUM).unwrap() {
            Content::Counter(sum) => sum as u64,
            other => panic!("{other:?}"),
        }
    }

    /// All nodes hold one sequence, with every acknowledged operation in it once and in an order
    /// that the clients' moments allow.
    fn check(&self) {
        let list = self.list(0);
        for node in 1..self.setup.nodes {
            assert_eq!(self.list(node), list, "node {node}");
            assert_eq!(self.sum(node), self.sum(0), "node {node}");
        }
        let held: BTreeSet<OpId> = list.iter().copied().collect();
        assert_eq!(held.len(), list.len(), "an operation is applied twice");
        let acknowledged = |odd: u64| {
            self.ops
                .iter()
                .filter(move |(id, op)| *id % 2 == odd && op.acknowledged.is_some())
        };
        for (id, _) in acknowledged(0) {
            assert!(held.contains(id), "{id} is acknowledged and lost");
        }
        let least = acknowledged(1).count() as u64;
        let most = self.ops.keys().filter(|id| *id % 2 == 1).count() as u64;
        assert!((least..=most).contains(&self.sum(0)), "{least}..={most}");
        // Every operation was submitted before any later one in the list was acknowledged.
        let mut earliest = Micros::MAX;
        for id in list.iter().rev() {
            let op = &self.ops[id];
            assert!(op.submitted <= earliest, "{id} is out of order");
            earliest = earliest.min(op.acknowledged.unwrap_or(Micros::MAX));
        }
        // And after all that its node had been given before.
        let mut latest = vec![None; self.setup.nodes];
        for &id in &list {
            let before = latest[self.ops[&id].node].replace(id);
            assert!(before < Some(id), "{id} comes after {before:?}");
        }
    }

    fn acknowledged(&self) -> usize {
        let done = |op: &&Operated| op.acknowledged.is_some();
        self.ops.values().filter(done).count()
    }
}

#[test]
fn without_crashes_every_operation_is_acknowledged_and_applied_exactly_once() {
    for seed in 0..12 {
        let faults = Faults {
            lost: 30 * (seed % 4),
            repeated: 100,
            late: seed % 3 * 4,
            cut: seed % 2 == 1,
            ..Faults::default()
        };
        let mut cluster = Cluster::new([3, 5][seed as usize % 2], seed, faults);
        cluster.live(150);
        cluster.check();
        assert_eq!(cluster.acknowledged(), cluster.ops.len(), "seed {seed}");
        let adds = cluster.ops.keys().filter(|id| *id % 2 == 1).count() as u64;
        assert_eq!(cluster.sum(0), adds, "seed {seed}");
    }
}

#[test]
fn crashes_of_any_nodes_lose_nothing_that_was_acknowledged() {
    for seed in 0..40 {
        let faults = Faults {
            lost: 20,
            repeated: 50,
            late: 4,
            crash: true,
            cut: true,
            blackout: seed % 2 == 1,
        };
        let mut cluster = Cluster::new(3, 100 + seed, faults);
        cluster.pause = 24 * LATENCY;
        cluster.live(250);
        cluster.check();
        assert!(
            cluster.acknowledged() * 4 > cluster.ops.len(),
            "seed {seed}: {} of {}",
            cluster.acknowledged(),
            cluster.ops.len()
        );
    }
}

#[test]
fn a_node_that_was_away_gets_a_snapshot_and_keeps_it() {
    let mut cluster = Cluster::new(3, 7, Faults::default());
    cluster.run(100_000);
    cluster.crash(2, 1_000_000);
    for round in 0..100 {
        cluster.submit(round % 2, 2);
        cluster.run(cluster.now + 4 * LATENCY);
    }
    assert_eq!(cluster.snapshots_sent, 0);
    cluster.run(1_100_000);
    cluster.settle();
    cluster.check();
    assert!(cluster.snapshots_sent > 0);
    assert_eq!(cluster.acknowledged(), cluster.ops.len());
    assert_eq!(cluster.list(2).len(), 100);
}

#[test]
fn the_disk_alone_brings_the_state_back() {
    for operations in [10, 100, 400] {
        let mut cluster = Cluster::new(3, operations, Faults::default());
        cluster.run(100_000);
        for _ in 0..operations {
            cluster.submit(0, 1);
            cluster.run(cluster.now + 2 * LATENCY);
        }
        cluster.run(cluster.now + 200_000);
        cluster.settle();
        for node in 0..3 {
            let list = cluster.list(node);
            let opened = cluster
                .system
                .open(&cluster.setup, node, &cluster.disks[node])
                .unwrap();
            let stored: usize = cluster.disks[node]
                .records
                .iter()
                .map(|(key, value)| key.len() + value.len())
                .sum();
            assert_eq!(opened.bytes_read(), stored as u64);
            let Content::List(again) = opened.read("key", LIST).unwrap() else {
                panic!("not a list");
            };
            assert_eq!(again.len(), list.len(), "{operations} on node {node}");
            assert_eq!(
                opened.progress(),
                cluster.nodes[node].as_ref().unwrap().progress()
            );
        }
        // Compaction keeps the log short: entries since the last snapshot, and those kept behind
        // it.
        let entries = cluster.disks[0]
            .records
            .keys()
            .filter(|key| key[0] == b'l')
            .count();
        assert!(operations < 400 || entries < 300, "{entries}");
    }
}

#[test]
fn one_seed_gives_one_run() {
    let run = || {
        let faults = Faults {
            lost: 50,
            repeated: 50,
            late: 4,
            crash: true,
            cut: true,
            blackout: true,
        };
        let mut cluster = Cluster::new(5, 3, faults);
        cluster.live(80);
        let moments: Vec<_> = cluster.ops.values().map(|op| op.acknowledged).collect();
        (cluster.now, cluster.count, moments, cluster.list(0))
    };
    assert_eq!(run(), run());
}

#[test]
fn sixty_three_nodes_elect_a_leader_and_agree() {
    let mut cluster = Cluster::new(63, 1, Faults::default());
    cluster.live(30);
    cluster.check();
    assert_eq!(cluster.acknowledged(), cluster.ops.len());
}

#[test]
fn a_session_applies_requests_once_and_in_order_and_then_forgets_them() {
    let fields = list_field();
    let batch = |floor: u64, numbers: &[u64]| {
        let mut before = floor;
        let ops = numbers
            .iter()
            .map(|&number| Operation {
                gap: number - std::mem::replace(&mut before, number),
                key: "k".into(),
                field: 0,
                action: Cow::Owned(Action::Append(Scalar::Int(number as i64))),
            })
            .collect();
        encoded(4, floor, ops).unwrap()
    };
    let mut machine = machine::Machine::default();
    let mut apply = |floor, numbers: &[u64], through, list: &[i64]| {
        machine.apply(&fields, &batch(floor, numbers)).unwrap();
        let values = list.iter().map(|value| Scalar::Int(*value)).collect();
        assert_eq!(machine.get("k", 0), Some(&Content::List(values)));
        assert_eq!(machine.through(4), through);
        let bytes = machine.encode().unwrap();
        machine = machine::Machine::decode(&bytes).unwrap();
        assert_eq!(machine.encode().unwrap(), bytes);
        bytes.len()
    };
    let small = apply(3, &[3], 3, &[3]);
    apply(3, &[3, 5, 6], 3, &[3]);
    apply(3, &[5], 3, &[3]);
    let large = apply(4, &[4], 6, &[3, 4, 5, 6]);
    assert!(large <= small + 6, "{small} and {large} bytes");
    apply(4, &[4, 5], 6, &[3, 4, 5, 6]);
    apply(4, &[8], 6, &[3, 4, 5, 6]);
    // A new life of the node, which knows nothing of 7 and 8.
    apply(20, &[20], 20, &[3, 4, 5, 6, 20]);
    apply(4, &[7, 8], 20, &[3, 4, 5, 6, 20]);
}

fn list_field() -> [Field; 1] {
    [Field {
        name: String::new(),
        class: Class::List,
        longest: 0,
        unset: false,
        universe: None,
    }]
}

fn members() -> ConfState {
    ConfState {
        voters: vec![1, 2, 3],
        ..ConfState::default()
    }
}

/// An entry that appends to a list what no other does.
fn entry(index: u64, term: u64, unique: u64) -> Entry {
    let operation = Operation {
        gap: 0,
        key: "k".into(),
        field: 0,
        action: Cow::Owned(Action::Append(Scalar::Int(unique as i64))),
    };
    Entry {
        index,
        term,
        data: encoded(0, index, vec![operation]).unwrap().into(),
        ..Entry::default()
    }
}

/// All that raft can ask of a log, and the state.
fn all_of(log: &Log) -> impl PartialEq + std::fmt::Debug {
    let (first, last) = (log.first_index().unwrap(), log.last_index().unwrap());
    let context = raft::GetEntriesContext::empty(false);
    let entries = log.entries(first, last + 1, None, context).unwrap();
    let terms: Vec<u64> = (first - 1..=last)
        .map(|index| log.term(index).unwrap())
        .collect();
    let hard = log.initial_state().unwrap().hard_state;
    let state = log.machine().encode().unwrap();
    (hard, first, terms, entries, log.applied(), state)
}

#[test]
fn a_disk_gives_back_the_log_that_was_written_to_it() {
    let fields = list_field();
    let compaction = Compaction {
        snapshot_entries: 5,
        catch_up_entries: 2,
    };
    for seed in 0..100 {
        let mut drawn = 0;
        let mut draw = |below: u64| {
            drawn += 1;
            FixedState::with_seed(seed).hash_one(drawn) % below
        };
        let mut disk = Storage::default();
        let (mut log, _) = Log::open(members(), &fields, compaction, &disk.records).unwrap();
        let mut hard = HardState {
            term: 1,
            ..HardState::default()
        };
        for unique in 0..60 {
            let last = log.last_index().unwrap();
            match draw(6) {
                0 | 1 => {
                    // A new leader's entries replace those that are not committed, as many as they
                    // are.
                    let first = hard.commit + 1 + draw(last - hard.commit + 1);
                    hard.term += u64::from(first <= last);
                    let entries: Vec<Entry> = (first..=first + draw(3))
                        .map(|index| entry(index, hard.term, 100 * unique + index))
                        .collect();
                    log.append(&entries).unwrap();
                    log.set_hard_state(hard.clone()).unwrap();
                }
                2 if hard.commit < last => {
                    let first = hard.commit + 1;
                    hard.commit += 1 + draw(last - hard.commit);
                    let context = raft::GetEntriesContext::empty(false);
                    let committed = log.entries(first, hard.commit + 1, None, context).unwrap();
                    for entry in &committed {
                        log.apply(&fields, entry).unwrap();
                    }
                    log.set_hard_state(hard.clone()).unwrap();
                }
                3 => {
                    hard.term += 1;
                    hard.vote = 1 + draw(3);
                    log.set_hard_state(hard.clone()).unwrap();
                }
                4 if draw(5) == 0 => {
                    let mut snapshot = log.snapshot(0, 0).unwrap();
                    hard.commit = last + 1 + draw(3);
                    let metadata = snapshot.mut_metadata();
                    metadata.index = hard.commit;
                    metadata.term = hard.term;
                    log.install(&snapshot).unwrap();
                    log.set_hard_state(hard.clone()).unwrap();
                }
                _ => log.compact().unwrap(),
            }
            disk.store(log.take_records());
            let (again, _) = Log::open(members(), &fields, compaction, &disk.records).unwrap();
            assert_eq!(all_of(&again), all_of(&log), "seed {seed}, step {unique}");
        }
    }
}

#[test]
fn a_snapshot_leaves_the_entries_that_a_follower_a_little_behind_needs() {
    let fields = list_field();
    let compaction = Compaction {
        snapshot_entries: 25,
        catch_up_entries: 8,
    };
    let (mut log, _) = Log::open(members(), &fields, compaction, &BTreeMap::new()).unwrap();
    let entries: Vec<Entry> = (1..=30).map(|index| entry(index, 1, index)).collect();
    log.append(&entries).unwrap();
    for entry in &entries {
        log.apply(&fields, entry).unwrap();
    }
    log.compact().unwrap();
    assert_eq!(log.first_index().unwrap(), 30 - 8 + 1);
}
