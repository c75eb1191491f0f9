//! A hostile network and disks, for short runs of one system: messages are lost, repeated and
//! reordered, links fail, and nodes crash between any two steps, keeping what their disk had made
//! durable. In the end all faults cease for long enough, and the system must keep its guarantees.

// For tests only; clippy recognises that only of modules with `#[cfg(test)]`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Arc;

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

use atomik_arena::disk::Files;
use atomik_arena::system::{Micros, Node, NodeId, OpId, Out, Setup, Storage, Submitted, System};
use atomik_workload::content::Content;
use atomik_workload::workload::{Action, Class, Field, Scalar};

pub(super) const LATENCY: Micros = 1000;

/// The intensity of faults: probabilities per mille at every step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Faults {
    pub(super) lose: u64,
    pub(super) repeat: u64,
    pub(super) crash: u64,
    pub(super) cut: u64,
}

pub(super) const ALL: Faults = Faults {
    lose: 150,
    repeat: 150,
    crash: 10,
    cut: 10,
};

struct Host {
    node: Option<Box<dyn Node>>,
    disk: Storage,
    /// The files at the time of the last durable write.
    durable: Files,
    /// Writes in progress, in order, with the files at that time.
    writing: Vec<(atomik_arena::system::Persist, Arc<Files>)>,
    wake: Option<Micros>,
    /// Submitted here and not acknowledged.
    open: BTreeSet<OpId>,
}

/// Seeded randomness.
pub(super) struct Draws {
    pub(super) random: Xoshiro256PlusPlus,
    /// Number of operations drawn.
    drawn: i64,
}

impl Draws {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            random: Xoshiro256PlusPlus::seed_from_u64(seed),
            drawn: 0,
        }
    }

    pub(super) fn chance(&mut self, of_1000: u64) -> bool {
        self.random.next_u64() % 1000 < of_1000
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.random.next_u64() % bound as u64) as usize
    }

    pub(super) fn operation(
        &mut self,
        setup: &Setup,
        node: NodeId,
        sets: bool,
    ) -> (String, u16, Action) {
        let key = format!("k{}", self.below(3));
        let field = self.below(setup.fields.len());
        self.drawn += 1;
        let number = self.drawn;
        let some = Scalar::Int(self.below(4) as i64);
        let class = setup.fields[field].class;
        let unset = sets && setup.fields[field].unset && self.chance(200);
        let action = match class {
            _ if unset => Action::Unset,
            Class::Flag if sets && self.chance(200) => Action::Set(Scalar::Bool(self.chance(500))),
            Class::Flag => Action::Toggle,
            Class::Register => Action::Set(Scalar::Text(format!("{node} {number}"))),
            Class::Counter if sets && self.chance(200) => Action::Set(Scalar::Int(number)),
            Class::Counter => Action::Add(self.below(2000) as i64 - 1000),
            Class::Set if self.chance(600) => Action::Insert(some),
            Class::Set => Action::Remove(some),
            Class::List => Action::Append(Scalar::Text(format!("{node} {number}"))),
            Class::Text if self.chance(700) => Action::InsertText {
                at: self.below(12),
                text: ["a", "ß", "語b", "\u{1f600}c"][self.below(4)].into(),
            },
            Class::Text => Action::RemoveText {
                at: self.below(12),
                count: 1 + self.below(3),
            },
        };
        (key, field as u16, action)
    }
}

pub(super) fn setup(classes: &[Class], nodes: usize, seed: u64) -> Setup {
    let fields: Vec<Field> = classes
        .iter()
        .map(|&class| Field {
            name: class.to_string(),
            class,
            longest: 0,
            unset: true,
            universe: None,
        })
        .collect();
    Setup {
        nodes,
        seed,
        fields: fields.into(),
        latency: LATENCY,
        fsync: 500,
        sync_interval: 20_000,
        // Half of all runs.
        linger: seed % 2 * 3 * LATENCY,
    }
}

/// Unsets only fields that the system can unset.
fn expressible(mut setup: Setup, system: &dyn System) -> Setup {
    let fields = setup.fields.iter().map(|field| Field {
        unset: system.expresses(field).is_ok(),
        ..field.clone()
    });
    setup.fields = fields.collect();
    setup
}

pub(super) struct Run<'a> {
    system: &'a dyn System,
    pub(super) setup: Setup,
    _folder: tempfile::TempDir,
    pub(super) draws: Draws,
    nodes: Vec<Host>,
    now: Micros,
    flying: Vec<(NodeId, NodeId, Arc<[u8]>)>,
    cut: BTreeSet<(NodeId, NodeId)>,
    /// Every operation: node, key, field, action.
    pub(super) history: Vec<(NodeId, String, u16, Action)>,
    /// The acknowledged operations.
    pub(super) acknowledged: BTreeSet<OpId>,
    /// Operations whose node crashed before the acknowledgement.
    pub(super) uncertain: BTreeSet<OpId>,
}

impl<'a> Run<'a> {
    pub(super) fn new(system: &'a dyn System, classes: &[Class], nodes: usize, seed: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let disks: Vec<_> = (0..nodes)
            .map(|node| folder.path().join(node.to_string()))
            .collect();
        let mut run = Self {
            system,
            setup: expressible(setup(classes, nodes, seed), system),
            _folder: folder,
            draws: Draws::new(seed),
            nodes: Vec::new(),
            now: 0,
            flying: Vec::new(),
            cut: BTreeSet::new(),
            history: Vec::new(),
            acknowledged: BTreeSet::new(),
            uncertain: BTreeSet::new(),
        };
        for (node, folder) in disks.into_iter().enumerate() {
            fs::create_dir(&folder).unwrap();
            let disk = Storage {
                folder,
                ..Storage::default()
            };
            let opened = run.system.open(&run.setup, node, &disk).unwrap();
            run.nodes.push(Host {
                node: Some(opened),
                durable: Files::read(&disk.folder).unwrap(),
                disk,
                writing: Vec::new(),
                wake: None,
                open: BTreeSet::new(),
            });
        }
        for node in 0..nodes {
            run.step(node, |node, now, out| node.wake(now, out).unwrap());
        }
        run
    }

    fn step(&mut self, node: NodeId, call: impl FnOnce(&mut dyn Node, Micros, &mut Out)) {
        let mut out = Out::default();
        let place = &mut self.nodes[node];
        call(place.node.as_deref_mut().unwrap(), self.now, &mut out);
        for (to, bytes) in out.sent {
            assert_ne!(to, node, "a message to itself");
            if !self.cut.contains(&(node, to)) {
                self.flying.push((node, to, bytes));
            }
        }
        if !out.persisted.is_empty() {
            let files = Arc::new(Files::read(&place.disk.folder).unwrap());
            let writes = out.persisted.into_iter();
            place
                .writing
                .extend(writes.map(|write| (write, files.clone())));
        }
        for id in out.acknowledged {
            assert!(
                place.open.remove(&id),
                "{id} acknowledged twice or for another"
            );
            self.acknowledged.insert(id);
        }
        if let Some(at) = out.wake {
            place.wake = Some(place.wake.map_or(at, |before| before.min(at)));
        }
    }

    pub(super) fn submit(&mut self, node: NodeId, actions: Vec<(String, u16, Action)>) {
        let first = self.history.len() as OpId;
        for (key, field, action) in actions {
            self.nodes[node].open.insert(self.history.len() as OpId);
            self.history.push((node, key, field, action));
        }
        let history = self.history[first as usize..].to_vec();
        self.step(node, |node, now, out| {
            let ops: Vec<_> = history
                .iter()
                .enumerate()
                .map(|(place, (_, key, field, action))| Submitted {
                    id: first + place as OpId,
                    key,
                    field: *field,
                    action,
                })
                .collect();
            node.submit(now, &ops, out).unwrap();
        });
    }

    /// Performs one random step.
    pub(super) fn happen(&mut self, faults: Faults) {
        self.now += self.draws.below(LATENCY as usize) as Micros;
        let nodes = self.nodes.len();
        if self.draws.chance(faults.crash) {
            let node = self.draws.below(nodes);
            self.crash(node);
            return;
        }
        if self.draws.chance(faults.cut) {
            let (a, b) = (self.draws.below(nodes), self.draws.below(nodes));
            if a != b {
                self.link(a, b, self.cut.contains(&(a, b)));
            }
            return;
        }
        match self.draws.below(3) {
            0 if !self.flying.is_empty() => {
                let place = self.draws.below(self.flying.len());
                let (from, to, bytes) = match self.draws.chance(faults.repeat) {
                    true => self.flying[place].clone(),
                    false => self.flying.swap_remove(place),
                };
                if !self.draws.chance(faults.lose) {
                    self.step(to, |node, now, out| {
                        node.receive(now, from, &bytes, out).unwrap();
                    });
                }
            }
            1 => {
                let node = self.draws.below(nodes);
                let most = self.nodes[node].writing.len();
                let count = self.draws.below(most + 1);
                self.sync(node, count);
            }
            _ => {
                let node = self.draws.below(nodes);
                if self.nodes[node].wake.is_some_and(|at| at <= self.now) {
                    self.nodes[node].wake = None;
                    self.step(node, |node, now, out| node.wake(now, out).unwrap());
                }
            }
        }
    }

    /// Makes the first writes durable immediately.
    fn sync(&mut self, node: NodeId, count: usize) {
        let place = &mut self.nodes[node];
        let mut tickets = Vec::new();
        for (write, files) in place.writing.drain(..count) {
            tickets.push(write.ticket);
            place.durable = Arc::unwrap_or_clone(files);
            place.disk.store(write.records);
        }
        for ticket in tickets {
            self.step(node, |node, now, out| {
                node.stored(now, ticket, out).unwrap();
            });
        }
    }

    fn crash(&mut self, node: NodeId) {
        let place = &mut self.nodes[node];
        place.writing.clear();
        place.wake = None;
        self.uncertain.extend(std::mem::take(&mut place.open));
        // A system that keeps files has closed them before they are restored.
        place.node = None;
        place.durable.restore(&place.disk.folder).unwrap();
        let opened = self.system.open(&self.setup, node, &place.disk).unwrap();
        place.node = Some(opened);
        self.step(node, |node, now, out| node.wake(now, out).unwrap());
        for peer in 0..self.nodes.len() {
            if peer == node {
                continue;
            }
            if self.cut.contains(&(node, peer)) {
                self.step(node, |node, now, out| {
                    node.link(now, peer, false, out).unwrap();
                });
            } else {
                self.link(node, peer, false);
                self.link(node, peer, true);
            }
        }
    }

    fn link(&mut self, a: NodeId, b: NodeId, up: bool) {
        for (from, to) in [(a, b), (b, a)] {
            match up {
                true => self.cut.remove(&(from, to)),
                false => self.cut.insert((from, to)),
            };
        }
        if !up {
            self.flying
                .retain(|&(from, to, _)| (from, to) != (a, b) && (from, to) != (b, a));
        }
        for (from, to) in [(a, b), (b, a)] {
            self.step(from, |node, now, out| {
                node.link(now, to, up, out).unwrap();
            });
        }
    }

    /// Runs without faults until all nodes agree, and a while longer.
    pub(super) fn heal(&mut self) {
        for (a, b) in std::mem::take(&mut self.cut) {
            if a < b {
                self.link(a, b, true);
            }
        }
        let deadline = self.now + 100 * self.setup.sync_interval * self.nodes.len() as u64;
        let mut quiet = 0;
        while quiet < 3 {
            assert!(
                self.now < deadline,
                "not the same, or not all acknowledged, after a long time"
            );
            while !self.flying.is_empty() || self.nodes.iter().any(|node| !node.writing.is_empty())
            {
                for (from, to, bytes) in std::mem::take(&mut self.flying) {
                    self.step(to, |node, now, out| {
                        node.receive(now, from, &bytes, out).unwrap();
                    });
                }
                for node in 0..self.nodes.len() {
                    let count = self.nodes[node].writing.len();
                    self.sync(node, count);
                }
            }
            let same = (1..self.nodes.len()).all(|node| self.progress(node) == self.progress(0))
                && self.nodes.iter().all(|node| node.open.is_empty());
            quiet = if same { quiet + 1 } else { 0 };
            let next = self.nodes.iter().filter_map(|node| node.wake).min();
            self.now = self.now.max(next.expect("nobody wants to be woken"));
            for node in 0..self.nodes.len() {
                if self.nodes[node].wake.is_some_and(|at| at <= self.now) {
                    self.nodes[node].wake = None;
                    self.step(node, |node, now, out| node.wake(now, out).unwrap());
                }
            }
        }
    }

    #[cfg(feature = "sqlite")]
    pub(super) fn disk(&self, node: NodeId) -> &Storage {
        &self.nodes[node].disk
    }

    fn node(&self, node: NodeId) -> &dyn Node {
        self.nodes[node].node.as_deref().unwrap()
    }

    fn progress(&self, node: NodeId) -> Vec<u8> {
        self.node(node).progress()
    }

    pub(super) fn read(&self, node: NodeId, key: &str, field: u16) -> Content {
        self.node(node).read(key, field).unwrap()
    }

    /// The contents of every node, which must be equal, and what its disk alone restores.
    pub(super) fn contents(&mut self) -> BTreeMap<(String, u16), Content> {
        let places: BTreeSet<(String, u16)> = self
            .history
            .iter()
            .map(|(_, key, field, _)| (key.clone(), *field))
            .collect();
        let mut contents = BTreeMap::new();
        for (key, field) in places {
            let content = self.read(0, &key, field);
            for node in 1..self.nodes.len() {
                assert_eq!(
                    content,
                    self.read(node, &key, field),
                    "seed {}: nodes 0 and {node} at {key}/{field}",
                    self.setup.seed
                );
            }
            contents.insert((key, field), content);
        }
        for (node, place) in self.nodes.iter().enumerate() {
            let again = self.system.open(&self.setup, node, &place.disk).unwrap();
            for ((key, field), content) in &contents {
                assert_eq!(
                    content,
                    &again.read(key, *field).unwrap(),
                    "node {node} from its disk"
                );
            }
            assert_eq!(
                again.progress(),
                self.progress(node),
                "node {node} from its disk"
            );
            assert!(again.bytes_read() > 0 || self.history.is_empty());
        }
        contents
    }

    /// Random operations with random faults; the faults continue for a while after the last
    /// operation, which could otherwise repair a loss; then a run without faults.
    pub(super) fn chaos(&mut self, operations: usize, faults: Faults, sets: bool) {
        while self.history.len() < operations {
            if self.draws.chance(300) {
                let node = self.draws.below(self.nodes.len());
                let count = 1 + self.draws.below(3);
                let actions = (0..count)
                    .map(|_| self.draws.operation(&self.setup, node, sets))
                    .collect();
                self.submit(node, actions);
            }
            self.happen(faults);
        }
        for _ in 0..200 {
            self.happen(faults);
        }
        self.heal();
    }

    /// Operations on a field in order of submission, with their ids.
    pub(super) fn on<'b>(
        &'b self,
        key: &'b str,
        field: u16,
    ) -> impl DoubleEndedIterator<Item = (OpId, NodeId, &'b Action)> {
        self.history
            .iter()
            .enumerate()
            .filter(move |(_, (_, of, in_field, _))| of == key && *in_field == field)
            .map(|(id, (node, _, _, action))| (id as OpId, *node, action))
    }

    /// Whether it is known of every operation of a field if it counts.
    pub(super) fn is_certain(&self, key: &str, field: u16) -> bool {
        self.on(key, field)
            .all(|(id, ..)| !self.uncertain.contains(&id))
    }
}

/// Toggles, additions and appended elements: every acknowledged one counts exactly once, and
/// nothing else except uncertain ones.
pub(super) fn all_counts(
    system: &dyn System,
    classes: &[Class],
    seeds: std::ops::Range<u64>,
    faults: Faults,
) {
    let mut judged = 0;
    for seed in seeds {
        let mut run = Run::new(system, classes, 3, seed);
        run.chaos(120, faults, false);
        for ((key, field), content) in run.contents() {
            let certain = run.is_certain(&key, field);
            judged += usize::from(certain);
            match content {
                Content::Flag(flag) if certain => {
                    let toggles = run.on(&key, field).count();
                    assert_eq!(flag, toggles % 2 == 1, "seed {seed}: {key}/{field}");
                }
                Content::Counter(sum) if certain => {
                    let all: i64 = run
                        .on(&key, field)
                        .map(|(_, _, action)| match action {
                            Action::Add(value) => *value,
                            _ => 0,
                        })
                        .sum();
                    assert_eq!(sum, all, "seed {seed}: {key}/{field}");
                }
                Content::List(elements) => {
                    let appended: Vec<(OpId, NodeId, Scalar)> = run
                        .on(&key, field)
                        .map(|(id, node, action)| match action {
                            Action::Append(value) => (id, node, value.clone()),
                            other => panic!("{other:?}"),
                        })
                        .collect();
                    let place = |value: &Scalar| elements.iter().position(|there| there == value);
                    for (id, _, value) in &appended {
                        let times = elements.iter().filter(|there| *there == value).count();
                        let least = usize::from(run.acknowledged.contains(id));
                        assert!(
                            (least..=1).contains(&times),
                            "seed {seed}: {value} {times} times"
                        );
                    }
                    assert!(
                        elements
                            .iter()
                            .all(|there| appended.iter().any(|(.., value)| value == there))
                    );
                    for node in 0..3 {
                        let own: Vec<_> = appended
                            .iter()
                            .filter(|(_, by, _)| *by == node)
                            .filter_map(|(.., value)| place(value))
                            .collect();
                        assert!(
                            own.is_sorted(),
                            "seed {seed}: {key}/{field} out of node {node}'s order"
                        );
                    }
                }
                Content::Register(value) if certain => {
                    let last = value.expect("somebody set it");
                    assert!(
                        run.on(&key, field)
                            .any(|(_, _, action)| *action == Action::Set(last.clone())),
                        "seed {seed}: {last} was never set"
                    );
                }
                _ => {}
            }
        }
    }
    assert!(judged > 0, "nothing was certain: fewer faults");
}

/// Whatever the operations, the nodes converge, and their disks restore the result (which
/// [`Run::contents`] checks).
pub(super) fn converges(system: &dyn System, classes: &[Class], seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let mut run = Run::new(system, classes, 3, seed);
        run.chaos(120, ALL, true);
        run.contents();
    }
}

/// One operation after the other, each after all nodes have applied the previous: the result is
/// that of [`Content::apply`].
pub(super) fn sequential(system: &dyn System, classes: &[Class], seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let mut run = Run::new(system, classes, 3, seed);
        let mut expected: BTreeMap<(String, u16), Content> = BTreeMap::new();
        for _ in 0..60 {
            let node = run.draws.below(3);
            let (key, field, action) = run.draws.operation(&run.setup, node, true);
            let class = run.setup.fields[usize::from(field)].class;
            expected
                .entry((key.clone(), field))
                .or_insert_with(|| Content::empty(class))
                .apply(&action);
            run.submit(node, vec![(key, field, action)]);
            run.heal();
        }
        assert_eq!(run.contents(), expected, "seed {seed}");
    }
}
