//! The systems whose nodes acknowledge on their own and converge, in the simulated world: the same
//! tests for each system of this build.

use atomik_arena::figures::SystemFigures;
use atomik_arena::pace::Pace;
use atomik_arena::run::measure;
use atomik_arena::settings::{Faults, Settings};
use atomik_arena::system::{System, inexpressible};
use atomik_workload::workload::{Action, Class, Line, Scalar, Workload};

/// The tests of a system, in a module with its name, and the classes that it cannot express.
macro_rules! tests {
    ($feature:literal, $module:ident, $name:literal, $inexpressible:expr) => {
        #[cfg(feature = $feature)]
        mod $module {
            #[test]
            fn every_acknowledged_operation_counts_once_whatever_fails() {
                super::every_acknowledged_operation_counts_once($name);
            }

            #[test]
            fn one_writer_per_key_gives_the_results_of_the_trace_whatever_fails() {
                super::one_writer_per_key_gives_the_results_of_the_trace($name);
            }

            #[test]
            fn it_expresses_all_but_what_it_says() {
                super::expresses_all_but($name, &$inexpressible);
            }
        }
    };
}

tests!("crdts", crdt, "CRDT", [super::Class::Text]);
tests!("yrs", yrs, "Yrs", []);
tests!("loro", loro, "Loro", []);
tests!("automerge", automerge, "Automerge", []);

fn system(name: &str) -> Box<dyn System> {
    atomik_systems::all()
        .into_iter()
        .find(|system| system.describe().name == name)
        .unwrap_or_else(|| panic!("no column {name}"))
}

fn workload(lines: impl Iterator<Item = Line>) -> Workload {
    Workload::collect("test", lines.map(Ok), usize::MAX).expect("a good trace")
}

/// Commuting operations on a few keys from all nodes: a lost or repeated one changes the result.
fn counting(operations: u64) -> Workload {
    workload((0..operations).map(|t| {
        let (field, action) = match t % 3 {
            0 => ("on", Action::Toggle),
            1 => ("sum", Action::Add(t as i64 - 700)),
            _ => ("list", Action::Append(Scalar::Int(t as i64))),
        };
        Line {
            t,
            node: (t * 7 % 5 % 3) as u32,
            key: format!("key {}", t * t % 7),
            field: field.into(),
            action,
        }
    }))
}

/// Operations of one writer per key, including sets.
fn one_writer_per_key(operations: u64) -> Workload {
    workload((0..operations).map(|t| {
        let element = Scalar::Int((t / 9 % 4) as i64);
        let (field, action) = match t % 9 {
            0 => ("on", Action::Toggle),
            1 if t % 4 == 0 => ("on", Action::Set(Scalar::Bool(t % 8 == 0))),
            2 => ("sum", Action::Add(5)),
            3 if t % 7 == 0 => ("sum", Action::Set(Scalar::Int(t as i64))),
            4 | 5 => ("members", Action::Insert(element)),
            6 => ("members", Action::Remove(element)),
            7 => ("log", Action::Append(element)),
            _ => ("name", Action::Set(Scalar::Text(format!("{t}")))),
        };
        let node = (t * 5 % 13 % 3) as u32;
        Line {
            t,
            node,
            key: format!("{node}/{}", t % 4),
            field: field.into(),
            action,
        }
    }))
}

fn measured(name: &str, workload: &Workload, faults: Faults, seed: u64) -> SystemFigures {
    let settings = Settings {
        faults,
        seed,
        outage: 1_000_000,
        ..Settings::default()
    };
    measure(workload, &settings, system(name).as_ref(), String::new())
        .unwrap_or_else(|error| panic!("{name}, seed {seed}, {faults:?}: {error}"))
}

/// The seed decides which node is cut off and which is killed, so each has its turn.
fn all_faults() -> impl Iterator<Item = (u64, Faults)> {
    (0..12).map(|seed| {
        let faults = Faults {
            loss: seed % 2 == 1,
            partition: seed / 2 % 2 == 1,
            crash: seed / 4 % 2 == 1,
        };
        (seed, faults)
    })
}

fn every_acknowledged_operation_counts_once(name: &str) {
    for (seed, faults) in all_faults() {
        let figures = measured(name, &counting(1_500), faults, seed);
        let what = format!("{name}, seed {seed}, {faults:?}: {figures:?}");
        assert!(figures.converged, "{what}");
        assert_eq!(figures.conflicts.wrong, 0, "{what}");
        assert!(figures.conflicts.compared > 0, "{what}");
    }
}

fn one_writer_per_key_gives_the_results_of_the_trace(name: &str) {
    for (seed, faults) in all_faults().filter(|(_, faults)| !faults.crash) {
        let figures = measured(name, &one_writer_per_key(1_500), faults, seed);
        let what = format!("{name}, seed {seed}, {faults:?}: {figures:?}");
        assert!(figures.converged, "{what}");
        assert_eq!(figures.conflicts.wrong, 0, "{what}");
        assert!(figures.conflicts.compared > 40, "{what}");
    }
}

fn expresses_all_but(name: &str, expected: &[Class]) {
    let classes: Vec<Class> = inexpressible(system(name).as_ref())
        .into_iter()
        .map(|(class, _)| class)
        .collect();
    assert_eq!(classes, expected, "{name}");
}

#[cfg(feature = "crdts")]
#[test]
fn crdt_restarts_from_state_and_a_bounded_tail_however_long_the_history() {
    let toggles = |operations| {
        workload((0..operations).map(|t| Line {
            t: t / 10,
            node: (t % 3) as u32,
            key: format!("{}", t % 50),
            field: String::new(),
            action: Action::Toggle,
        }))
    };
    let settings = Settings {
        pace: Pace::Recorded,
        ..Settings::default()
    };
    let [short, long] = [40_000, 160_000].map(|operations| {
        measure(
            &toggles(operations),
            &settings,
            system("CRDT").as_ref(),
            String::new(),
        )
        .expect("a run")
        .rebuild
        .bytes_read
    });
    assert!(long < 2 * short.max(200_000), "{short} and {long} bytes");
}
