//! Small clusters under the model checker `stateright`, which tries every order of events. The
//! naive scheme, which sends raw deltas, fails in both expected ways. Ours is explored completely
//! without a failure.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash, Hasher};

use atomik_replica::{
    Config, Effect, Event, Layout, LocalOp, Notice, OriginId, Record, Replica, Trust, Value,
};
use stateright::{Checker, Model, Property};

const KEY: &[u8] = b"k";

/// The `i`th delta of replica `n`: no two sets of them have the same xor or the same sum.
fn delta(n: usize, i: usize) -> u64 {
    1 << (8 * n + i)
}

// -------------------------------------------------------------------------------------------------
// The naive scheme
// -------------------------------------------------------------------------------------------------

/// Raw deltas on the wire, each applied as it comes.
struct Naive {
    replicas: usize,
    ops: usize,
    duplicating: bool,
    lossy: bool,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq)]
struct NaiveState {
    values: Vec<u64>,
    done: Vec<usize>,
    /// Under way: to whom, what, and how often it has come.
    wire: BTreeMap<(usize, u64), u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum NaiveAction {
    Op(usize),
    Deliver(usize, u64),
    Repeat(usize, u64),
    Lose(usize, u64),
}

impl Model for Naive {
    type State = NaiveState;
    type Action = NaiveAction;

    fn init_states(&self) -> Vec<NaiveState> {
        vec![NaiveState {
            values: vec![0; self.replicas],
            done: vec![0; self.replicas],
            wire: BTreeMap::new(),
        }]
    }

    fn actions(&self, state: &NaiveState, actions: &mut Vec<NaiveAction>) {
        actions.extend(
            (0..self.replicas)
                .filter(|&n| state.done[n] < self.ops)
                .map(NaiveAction::Op),
        );
        for (&(to, delta), &times) in &state.wire {
            actions.push(NaiveAction::Deliver(to, delta));
            if self.duplicating && times == 0 {
                actions.push(NaiveAction::Repeat(to, delta));
            }
            if self.lossy {
                actions.push(NaiveAction::Lose(to, delta));
            }
        }
    }

    fn next_state(&self, last: &NaiveState, action: NaiveAction) -> Option<NaiveState> {
        let mut state = last.clone();
        match action {
            NaiveAction::Op(n) => {
                let delta = delta(n, state.done[n]);
                state.done[n] += 1;
                state.values[n] ^= delta;
                state.wire.extend(
                    (0..self.replicas)
                        .filter(|&to| to != n)
                        .map(|to| ((to, delta), 0)),
                );
            }
            NaiveAction::Deliver(to, delta) => {
                state.wire.remove(&(to, delta));
                state.values[to] ^= delta;
            }
            NaiveAction::Repeat(to, delta) => {
                *state.wire.get_mut(&(to, delta))? += 1;
                state.values[to] ^= delta;
            }
            NaiveAction::Lose(to, delta) => {
                state.wire.remove(&(to, delta));
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always(
            "replicas agree once nothing is under way",
            |_, state: &NaiveState| {
                !state.wire.is_empty() || state.values.iter().all(|value| *value == state.values[0])
            },
        )]
    }
}

fn naive(duplicating: bool, lossy: bool) -> impl Checker<Naive> {
    Naive {
        replicas: 2,
        ops: 1,
        duplicating,
        lossy,
    }
    .checker()
    .spawn_bfs()
    .join()
}

#[test]
fn the_naive_scheme_works_only_where_nothing_is_lost_or_repeated() {
    naive(false, false).assert_properties();
}

#[test]
fn the_naive_scheme_cancels_a_delta_that_comes_twice() {
    let path = naive(true, false).assert_any_discovery("replicas agree once nothing is under way");
    let actions = path.into_actions();
    assert!(
        actions
            .iter()
            .any(|action| matches!(action, NaiveAction::Repeat(..))),
        "{actions:?}"
    );
}

#[test]
fn the_naive_scheme_never_repairs_a_delta_that_is_lost() {
    let path = naive(false, true).assert_any_discovery("replicas agree once nothing is under way");
    let actions = path.into_actions();
    assert!(
        actions
            .iter()
            .any(|action| matches!(action, NaiveAction::Lose(..))),
        "{actions:?}"
    );
}

// -------------------------------------------------------------------------------------------------
// Ours
// -------------------------------------------------------------------------------------------------

/// Replicas whose messages stay on the wire for ever: each may come at any time, any number of
/// times, in any order, or never.
struct Cluster {
    replicas: usize,
    ops: usize,
    crashes: usize,
    layout: Layout,
}

/// Of every replica the first delta xors and the second one adds. If that came twice, it would
/// set a bit that no delta has.
const MIXED: &str = "xor:1,add:7,xor:1,add:7,xor:1,add:47";

#[derive(Clone, Debug, Hash)]
struct Node {
    replica: Replica,
    store: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Handed to storage, not confirmed.
    storing: Option<(u64, Vec<Record>)>,
    done: usize,
    /// Its deltas that are certainly durable.
    durable: u64,
    /// What each version of its origins must contain; forgotten versions are replaced by those that
    /// come after a crash.
    versions: BTreeMap<OriginId, Vec<u64>>,
}

#[derive(Clone, Debug)]
struct State {
    nodes: Vec<Node>,
    /// From whom, to whom, what.
    wire: BTreeSet<(usize, usize, Vec<u8>)>,
    crashes: usize,
    /// A notice that no run may have.
    alarm: Option<String>,
}

impl Hash for State {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.nodes, &self.wire, self.crashes, &self.alarm).hash(state);
    }
}

/// As the checker itself knows states again: by their hash.
impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        let hash = |state: &Self| BuildHasherDefault::<DefaultHasher>::default().hash_one(state);
        hash(self) == hash(other)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Action {
    Op(usize),
    Flush(usize),
    Stored(usize),
    Deliver(usize, usize, Vec<u8>),
    /// The batch that storage had been handed may have arrived, or not.
    Crash(usize, bool),
}

impl Cluster {
    fn config(&self, n: usize) -> Config {
        let key = |n: usize| [n as u8 + 1; 32];
        let trust = Trust::Unsigned {
            key: key(n),
            allowed: (0..self.replicas).map(key).collect(),
        };
        let mut config = Config::new("model", 1, [3; 32], trust, [n as u8; 16]);
        config.undo_batches = 0;
        config.shape = self.layout.into();
        config
    }

    fn open(&self, n: usize, store: &BTreeMap<Vec<u8>, Vec<u8>>) -> Replica {
        Replica::open(self.config(n), store.clone()).expect("what was stored can be read")
    }

    fn step(&self, state: &mut State, n: usize, event: Event<'_>) {
        let mut effects = Vec::new();
        state.nodes[n]
            .replica
            .step(event, &mut effects)
            .expect("a good operation");
        for effect in effects {
            match effect {
                Effect::Broadcast { bytes, .. } => {
                    state.wire.extend(
                        (0..self.replicas)
                            .filter(|&to| to != n)
                            .map(|to| (n, to, bytes.clone())),
                    );
                }
                Effect::Send { to, bytes } => state.wire.extend([(n, usize::from(to[0]), bytes)]),
                Effect::Persist { ticket, records } => {
                    state.nodes[n].storing = Some((ticket, records))
                }
                Effect::Notify(notice) => {
                    let expected = matches!(
                        notice,
                        Notice::InSync { .. }
                            | Notice::Overlap(_)
                            | Notice::Folded(_)
                            | Notice::BaseAdopted { .. }
                    );
                    if !expected {
                        state.alarm = Some(format!("{n}: {notice:?}"));
                    }
                }
            }
        }
    }

    fn stored(&self, state: &mut State, n: usize, confirm: bool) {
        let node = &mut state.nodes[n];
        let Some((ticket, records)) = node.storing.take() else {
            return;
        };
        for (key, value) in records {
            match value {
                Some(value) => node.store.insert(key, value),
                None => node.store.remove(&key),
            };
        }
        if confirm {
            self.step(state, n, Event::Persisted(ticket));
        }
    }

    fn version(replica: &Replica, origin: OriginId) -> (usize, u64) {
        let writers = replica.writers(KEY);
        let entry = writers.iter().find(|(writer, ..)| *writer == origin);
        entry.map_or((0, 0), |(_, version, accumulator)| {
            (*version as usize, accumulator.words()[0])
        })
    }

    /// Records what the latest versions of a node's origins contain. What was not published when it
    /// took a new life is no longer a version of the old one.
    fn note_versions(node: &mut Node) {
        for (origin, version, accumulator) in node.replica.writers(KEY) {
            let own = origin == node.replica.origin();
            if own || node.versions.contains_key(&origin) {
                let versions = node.versions.entry(origin).or_insert_with(|| vec![0]);
                versions.truncate(if own {
                    version as usize
                } else {
                    version as usize + 1
                });
                if own {
                    versions.push(accumulator.words()[0]);
                }
            }
        }
    }

    /// What happens when at last everything works; the number of rounds that it takes is bounded
    /// here.
    fn healed(&self, state: &State) -> State {
        let mut state = state.clone();
        for n in 0..self.replicas {
            for peer in (0..self.replicas).filter(|&peer| peer != n) {
                self.step(
                    &mut state,
                    n,
                    Event::PeerUp {
                        peer: [peer as u8; 16],
                        key: None,
                    },
                );
            }
        }
        // Until what is closed is folded as well.
        for _ in 0..4 * self.replicas {
            for n in 0..self.replicas {
                self.stored(&mut state, n, true);
                self.step(&mut state, n, Event::Flush);
                self.stored(&mut state, n, true);
                // What was under way before is lost: the worst case.
                state.wire.clear();
                self.step(&mut state, n, Event::Tick);
                while let Some((from, to, bytes)) = state.wire.pop_first() {
                    self.step(
                        &mut state,
                        to,
                        Event::Message {
                            from: [from as u8; 16],
                            bytes: &bytes,
                        },
                    );
                }
            }
        }
        state
    }
}

impl Model for Cluster {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let node = |n| Node {
            replica: self.open(n, &BTreeMap::new()),
            store: BTreeMap::new(),
            storing: None,
            done: 0,
            durable: 0,
            versions: BTreeMap::new(),
        };
        vec![State {
            nodes: (0..self.replicas).map(node).collect(),
            wire: BTreeSet::new(),
            crashes: 0,
            alarm: None,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (n, node) in state.nodes.iter().enumerate() {
            if node.done < self.ops {
                actions.push(Action::Op(n));
            }
            if node.storing.is_some() {
                actions.push(Action::Stored(n));
            } else if node.replica.is_dirty() {
                actions.push(Action::Flush(n));
            }
            if state.crashes < self.crashes {
                actions.push(Action::Crash(n, false));
                if node.storing.is_some() {
                    actions.push(Action::Crash(n, true));
                }
            }
        }
        actions.extend(
            state
                .wire
                .iter()
                .map(|(from, to, bytes)| Action::Deliver(*from, *to, bytes.clone())),
        );
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Op(n) => {
                let delta = delta(n, state.nodes[n].done);
                state.nodes[n].done += 1;
                self.step(
                    &mut state,
                    n,
                    Event::Op(&LocalOp::accum(KEY, Value::from(delta))),
                );
                Self::note_versions(&mut state.nodes[n]);
            }
            Action::Flush(n) => {
                self.step(&mut state, n, Event::Flush);
                Self::note_versions(&mut state.nodes[n]);
            }
            Action::Stored(n) => {
                // Counted before the confirmation: what is handed over is what storage has.
                self.stored(&mut state, n, true);
                let stored = self.open(n, &state.nodes[n].store);
                state.nodes[n].durable |= stored.state(KEY).words()[0] & 0xff << (8 * n);
            }
            Action::Deliver(from, to, bytes) => self.step(
                &mut state,
                to,
                Event::Message {
                    from: [from as u8; 16],
                    bytes: &bytes,
                },
            ),
            Action::Crash(n, arrived) => {
                state.crashes += 1;
                if arrived {
                    self.stored(&mut state, n, false);
                }
                let node = &mut state.nodes[n];
                node.storing = None;
                node.replica = self.open(n, &node.store);
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(
                "nothing is refused and no memory is lost",
                |_, state: &State| state.alarm.is_none(),
            ),
            Property::always(
                "a version has one content, everywhere",
                |_, state: &State| {
                    let origins = state.nodes.iter().flat_map(|writer| &writer.versions);
                    origins.into_iter().all(|(origin, versions)| {
                        state.nodes.iter().all(|reader| {
                            let (version, accumulator) = Self::version(&reader.replica, *origin);
                            versions.get(version) == Some(&accumulator)
                        })
                    })
                },
            ),
            Property::always(
                "nobody knows more of a replica than its store does",
                |cluster: &Self, state: &State| {
                    state.nodes.iter().enumerate().all(|(n, writer)| {
                        let stored = cluster.open(n, &writer.store);
                        let durable = Self::version(&stored, stored.origin()).0;
                        let others = state
                            .nodes
                            .iter()
                            .enumerate()
                            .filter(|(reader, _)| *reader != n);
                        others
                            .map(|(_, reader)| Self::version(&reader.replica, stored.origin()).0)
                            .all(|version| version <= durable)
                    })
                },
            ),
            Property::always(
                "healed replicas agree, and have what was durable",
                |cluster: &Self, state: &State| {
                    let healed = cluster.healed(state);
                    let expected = healed.nodes[0].replica.state(KEY);
                    let durable = state.nodes.iter().fold(0, |all, node| all | node.durable);
                    let made = (0..cluster.replicas)
                        .flat_map(|n| (0..cluster.ops).map(move |i| delta(n, i)))
                        .fold(0, |all, delta| all | delta);
                    healed.alarm.is_none()
                        && expected.words()[0] & durable == durable
                        && expected.words()[0] & !made == 0
                        && healed
                            .nodes
                            .iter()
                            .all(|node| node.replica.state(KEY) == expected)
                },
            ),
        ]
    }
}

fn exhaust(replicas: usize, ops: usize, crashes: usize, layout: &str) {
    let checker = Cluster {
        replicas,
        ops,
        crashes,
        layout: layout.parse().unwrap(),
    }
    .checker()
    .threads(2)
    .spawn_dfs()
    .join();
    checker.assert_properties();
    println!(
        "{replicas} replicas, {ops} operations each, {crashes} crashes, {layout}: {} states",
        checker.unique_state_count()
    );
    assert!(checker.is_done());
}

#[test]
fn two_replicas_two_operations_each_and_a_crash_are_exhausted() {
    exhaust(2, 2, 1, "xor:64");
}

#[test]
fn three_replicas_one_operation_each_are_exhausted() {
    exhaust(3, 1, 0, "xor:64");
}

#[test]
fn fields_that_add_beside_fields_that_xor_are_exhausted() {
    exhaust(2, 2, 0, MIXED);
}
