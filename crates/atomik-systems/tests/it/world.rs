//! All systems of this build in the simulated world, and systems with planted bugs that the world
//! must find.

use std::collections::BTreeMap;

use atomik_arena::figures::SystemFigures;
use atomik_arena::pace::Pace;
use atomik_arena::run::measure;
use atomik_arena::settings::{Faults, Settings};
use atomik_arena::system::{
    Description, Micros, Node, NodeId, OpId, Out, Setup, Storage, Submitted, System, SystemError,
};
use atomik_workload::content::Content;
use atomik_workload::generate::Counter;
use atomik_workload::workload::{Action, Line, Scalar, Workload};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

fn workload(name: &str, lines: impl Iterator<Item = Line>) -> Workload {
    Workload::collect(name, lines.map(Ok), usize::MAX).expect("a good trace")
}

/// Operations of every class on a few keys from three nodes, a millisecond apart.
fn mixed(operations: u64, seed: u64) -> Workload {
    let mut draws = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut below = move |bound: u64| draws.next_u64() % bound;
    let line = |t| {
        let element = Scalar::Int(below(8) as i64);
        let (field, action) = match below(8) {
            0 => ("on", Action::Toggle),
            1 => ("on", Action::Set(Scalar::Bool(below(2) == 1))),
            2 => ("name", Action::Set(Scalar::Int(t as i64))),
            3 => ("sum", Action::Add(below(100) as i64 - 30)),
            4 => ("members", Action::Insert(element)),
            5 => ("members", Action::Remove(element)),
            6 => ("log", Action::Append(Scalar::Int(t as i64))),
            _ => {
                let at = below(20) as usize;
                let text = "añ".into();
                ("text", Action::InsertText { at, text })
            }
        };
        Line {
            t,
            node: below(3) as u32,
            key: format!("key {}", below(6)),
            field: field.into(),
            action,
        }
    };
    workload("mixed", (0..operations).map(line))
}

/// Flags of a few keys, toggled from three nodes.
fn toggles(operations: u64) -> Workload {
    let line = |t| Line {
        t,
        node: (t * 7 % 3) as u32,
        key: format!("{}", t * t % 11),
        field: String::new(),
        action: Action::Toggle,
    };
    workload("toggles", (0..operations).map(line))
}

const NONE: Faults = Faults {
    loss: false,
    partition: false,
    crash: false,
};
const LOSS: Faults = Faults { loss: true, ..NONE };
const PARTITION: Faults = Faults {
    partition: true,
    ..NONE
};
const CRASH: Faults = Faults {
    crash: true,
    ..NONE
};
const ALL: Faults = Faults {
    loss: true,
    partition: true,
    crash: true,
};

fn settings(faults: Faults, seed: u64) -> Settings {
    Settings {
        faults,
        seed,
        outage: 2_000_000,
        pace: Pace::PerSecond(200.0),
        patience: 120_000_000,
        ..Settings::default()
    }
}

fn measured(workload: &Workload, settings: &Settings, system: &dyn System) -> SystemFigures {
    measure(workload, settings, system, String::new()).unwrap_or_else(|error| {
        let name = system.describe().name;
        let faults = settings.faults.to_string();
        panic!("{name}, seed {}, faults {faults}: {error}", settings.seed)
    })
}

#[test]
fn every_system_acknowledges_and_converges_under_every_fault() {
    let workload = mixed(600, 3);
    for system in atomik_systems::all() {
        for (seed, faults) in (1..).zip([NONE, LOSS, PARTITION, CRASH, ALL]) {
            let figures = measured(&workload, &settings(faults, seed), system.as_ref());
            let what = format!("{}, {}", figures.name, faults);
            assert!(figures.converged, "{what}: nodes differ");
            let answered = figures.acknowledged + figures.uncertain;
            assert_eq!(answered, figures.submitted, "{what}");
            assert!(figures.uncertain == 0 || faults.crash, "{what}");
            let left_out: u64 = figures.inexpressible.iter().map(|f| f.operations).sum();
            assert_eq!(figures.submitted + left_out, 600, "{what}");
            assert!(figures.conflicts.compared > 0, "{what}");
        }
    }
}

#[test]
fn a_seed_reproduces_all_figures_except_cpu_time_and_memory() {
    let workload = mixed(300, 5);
    for system in atomik_systems::all() {
        let [one, two] = [(), ()].map(|()| {
            let mut figures = measured(&workload, &settings(ALL, 9), system.as_ref());
            figures.latency.submit_cpu_ns = Default::default();
            figures.latency.total_cpu_ns = 0.0;
            figures.rebuild.cpu_us = 0.0;
            figures.overhead.memory_bytes = None;
            serde_json::to_string_pretty(&figures).expect("JSON")
        });
        assert_eq!(one, two, "{}", system.describe().name);
    }
}

#[test]
fn systems_with_a_total_order_of_writes_end_only_with_explainable_results() {
    let mut checked = 0;
    for system in atomik_systems::all() {
        let name = system.describe().name;
        let ordered = ["Raft", "Event log", "cqrs-es"];
        if !ordered.iter().any(|start| name.starts_with(start)) {
            continue;
        }
        checked += 1;
        for (seed, faults) in (20..).zip([NONE, LOSS, PARTITION, CRASH, ALL]) {
            let figures = measured(&mixed(600, seed), &settings(faults, seed), system.as_ref());
            let what = format!("{name}, {}", faults);
            assert_eq!(
                figures.conflicts.wrong, 0,
                "{what}: {:?}",
                figures.conflicts
            );
        }
    }
    let expected = usize::from(cfg!(feature = "raft")) + 2 * usize::from(cfg!(feature = "sqlite"));
    assert!(checked >= expected, "{checked} of {expected} systems");
}

#[test]
fn toggles_are_exact_in_xor_under_every_fault() {
    for (seed, faults) in (40..).zip([NONE, LOSS, PARTITION, CRASH, ALL]) {
        let figures = measured(&toggles(900), &settings(faults, seed), atomik().as_ref());
        assert_eq!(figures.conflicts.wrong, 0, "{:?}", figures.conflicts);
        assert!(figures.conflicts.compared > 0);
    }
}

#[test]
fn additions_are_exact_under_every_fault() {
    let counters = Counter {
        operations: 900,
        keys: 20,
        ..Counter::default()
    };
    let lines = counters.lines().expect("good settings");
    // A flag lies next to each counter, where a carry would change it.
    let toggle = |line: Line| Line {
        field: "flag".into(),
        action: Action::Toggle,
        ..line
    };
    let lines = (0..).zip(lines).map(|(place, line)| match place % 3 {
        2 => toggle(line),
        _ => line,
    });
    let additions = workload("additions", lines);
    for (seed, faults) in (60..).zip([NONE, LOSS, PARTITION, CRASH, ALL]) {
        let figures = measured(&additions, &settings(faults, seed), atomik().as_ref());
        assert_eq!(figures.conflicts.wrong, 0, "{:?}", figures.conflicts);
        assert!(figures.conflicts.compared > 0);
    }
}

#[test]
fn sets_of_one_counter_at_once_are_reported_and_additions_are_not() {
    let line = |t: u64, action| Line {
        t: t / 2,
        node: (t % 2) as u32,
        key: format!("{}", t / 4 % 20),
        field: String::new(),
        action,
    };
    let as_recorded = Settings {
        pace: Pace::Recorded,
        ..settings(NONE, 1)
    };
    let reported = |action: fn(u64) -> Action| {
        let last = line(400, Action::Add(1));
        let lines = (0..400).map(|t| line(t, action(t))).chain([last]);
        let figures = measured(
            &workload("counters", lines),
            &as_recorded,
            atomik().as_ref(),
        );
        figures.conflicts.reported
    };
    assert!(reported(|t| Action::Set(Scalar::Int(t as i64))) > 10);
    assert_eq!(reported(|t| Action::Add(t as i64)), 0);
}

#[test]
fn concurrent_sets_conflict_in_xor_and_are_reported() {
    let line = |t: u64| Line {
        t: t / 2,
        node: (t % 2) as u32,
        key: format!("{}", t / 4 % 20),
        field: String::new(),
        action: Action::Set(Scalar::Int(t as i64)),
    };
    let as_recorded = Settings {
        pace: Pace::Recorded,
        ..settings(NONE, 1)
    };
    let sets = workload("sets", (0..400).map(line));
    let figures = measured(&sets, &as_recorded, atomik().as_ref());
    let conflicts = &figures.conflicts;
    assert!(conflicts.wrong > 10, "{conflicts:?}");
    assert_eq!(conflicts.wrong_reported, conflicts.wrong, "{conflicts:?}");
}

#[test]
fn each_fault_affects_its_figures() {
    let system = atomik();
    let calm = measured(&toggles(900), &settings(NONE, 1), system.as_ref());
    assert!(calm.recovery.is_none());
    assert!(calm.settle_us.is_some());
    let cut = measured(&toggles(900), &settings(PARTITION, 1), system.as_ref());
    let recovery = cut.recovery.expect("the partition ends");
    assert!(recovery.virtual_us >= 10_000, "a round trip at least");
    assert!(recovery.wire_bytes > 0);
    // A local write waits for its clients' batch and one or two fsyncs, regardless of the network.
    assert!(cut.latency.virtual_us.most <= 6_000.0, "{:?}", cut.latency);
}

fn atomik() -> Box<dyn System> {
    let mut all = atomik_systems::all().into_iter();
    all.find(|system| system.describe().name == "ATOMiK")
        .expect("our column")
}

/// Counters as raw deltas, each sent once, with optional bugs.
#[derive(Clone, Copy, Default)]
struct Raw {
    /// Acknowledges twice.
    twice: bool,
    /// Claims to have applied what the others have.
    liar: bool,
    /// Stores nothing on disk.
    forgetful: bool,
}

struct RawNode {
    bugs: Raw,
    node: NodeId,
    nodes: usize,
    sums: BTreeMap<String, i64>,
    seen: u64,
    tickets: u64,
    waiting: Vec<(u64, OpId)>,
}

impl System for Raw {
    fn describe(&self) -> Description {
        Description {
            name: "raw deltas",
            library: String::new(),
            semantics: "",
            usage: "",
            proofs: "",
        }
    }

    fn open(
        &self,
        setup: &Setup,
        node: NodeId,
        storage: &Storage,
    ) -> Result<Box<dyn Node>, SystemError> {
        let sum = |(key, value): (&Vec<u8>, &Vec<u8>)| {
            let value = i64::from_le_bytes(*value.first_chunk().expect("a sum"));
            (String::from_utf8_lossy(key).into_owned(), value)
        };
        Ok(Box::new(RawNode {
            bugs: *self,
            node,
            nodes: setup.nodes,
            sums: storage.records.iter().map(sum).collect(),
            seen: 0,
            tickets: 0,
            waiting: Vec::new(),
        }))
    }
}

impl RawNode {
    fn add(&mut self, key: &str, value: i64, out: &mut Out) {
        let sum = self.sums.entry(key.to_owned()).or_default();
        *sum += value;
        self.seen += 1;
        self.tickets += 1;
        let record = (key.into(), Some(sum.to_le_bytes().to_vec()));
        let kept = usize::from(!self.bugs.forgetful);
        out.persist(self.tickets, vec![record; kept]);
    }
}

impl Node for RawNode {
    fn submit(
        &mut self,
        _now: Micros,
        ops: &[Submitted<'_>],
        out: &mut Out,
    ) -> Result<(), SystemError> {
        for op in ops {
            let Action::Add(value) = op.action else {
                return Err(SystemError::invariant("counters only"));
            };
            self.add(op.key, *value, out);
            self.waiting.push((self.tickets, op.id));
            let bytes = [&value.to_le_bytes(), op.key.as_bytes()].concat();
            for peer in (0..self.nodes).filter(|&peer| peer != self.node) {
                out.send(peer, bytes.clone());
            }
        }
        Ok(())
    }

    fn receive(
        &mut self,
        _now: Micros,
        _from: NodeId,
        bytes: &[u8],
        out: &mut Out,
    ) -> Result<(), SystemError> {
        let (value, key) = bytes.split_first_chunk().expect("a value");
        let key = String::from_utf8_lossy(key).into_owned();
        self.add(&key, i64::from_le_bytes(*value), out);
        Ok(())
    }

    fn wake(&mut self, _now: Micros, _out: &mut Out) -> Result<(), SystemError> {
        Ok(())
    }

    fn stored(&mut self, _now: Micros, ticket: u64, out: &mut Out) -> Result<(), SystemError> {
        for (_, id) in self.waiting.extract_if(.., |(waits, _)| *waits <= ticket) {
            out.ack(id);
            if self.bugs.twice {
                out.ack(id);
            }
        }
        Ok(())
    }

    fn progress(&self) -> Vec<u8> {
        if self.bugs.liar {
            return Vec::new();
        }
        self.seen.to_le_bytes().to_vec()
    }

    fn read(&self, key: &str, _field: u16) -> Result<Content, SystemError> {
        Ok(Content::Counter(self.sums.get(key).copied().unwrap_or(0)))
    }

    fn bytes_read(&self) -> u64 {
        0
    }
}

fn adds() -> Workload {
    let line = |t| Line {
        t,
        node: (t % 3) as u32,
        key: format!("{}", t % 5),
        field: "sum".into(),
        action: Action::Add(1),
    };
    workload("adds", (0..500).map(line))
}

fn refused(system: Raw, faults: Faults) -> String {
    let result = measure(&adds(), &settings(faults, 1), &system, String::new());
    result.expect_err("a planted bug").to_string()
}

#[test]
fn raw_deltas_are_right_without_losses_and_do_not_converge_with_losses() {
    let calm = measured(&adds(), &settings(NONE, 1), &Raw::default());
    assert!(calm.converged);
    assert_eq!((calm.conflicts.compared, calm.conflicts.wrong), (5, 0));
    let short = Settings {
        patience: 5_000_000,
        ..settings(LOSS, 1)
    };
    assert!(!measured(&adds(), &short, &Raw::default()).converged);
}

#[test]
fn a_system_that_claims_unapplied_updates_is_caught() {
    let liar = Raw {
        liar: true,
        ..Raw::default()
    };
    let error = refused(liar, LOSS);
    assert!(
        error.contains("report the same progress but differ"),
        "{error}"
    );
}

#[test]
fn a_system_that_restarts_with_less_is_caught() {
    let forgetful = Raw {
        forgetful: true,
        ..Raw::default()
    };
    let error = refused(forgetful, NONE);
    assert!(error.contains("reopened from its storage"), "{error}");
}

#[test]
fn a_system_that_acknowledges_twice_is_caught() {
    let twice = Raw {
        twice: true,
        ..Raw::default()
    };
    let error = refused(twice, NONE);
    assert!(error.contains("which is not pending on it"), "{error}");
}
