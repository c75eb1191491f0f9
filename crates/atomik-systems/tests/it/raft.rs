//! Raft in the simulated world.

use atomik_arena::figures::SystemFigures;
use atomik_arena::run::measure;
use atomik_arena::settings::{Faults, Settings};
use atomik_workload::workload::{Action, Line, Scalar, Workload};

/// Each operation adds one to a counter or appends its own number to a list, so that a lost or
/// repeated one changes the result.
fn workload(operations: u64, nodes: u64) -> Workload {
    let line = |t: u64| {
        let (field, action) = match t % 3 {
            0 => ("list", Action::Append(Scalar::Int(t as i64))),
            1 => ("sum", Action::Add(1)),
            _ => ("last", Action::Set(Scalar::Int(t as i64))),
        };
        Line {
            t,
            node: (t * 7 % nodes) as u32,
            key: format!("key {}", t % 5),
            field: field.into(),
            action,
        }
    };
    let lines = (0..operations).map(|t| Ok(line(t)));
    Workload::collect("raft", lines, usize::MAX).expect("a good trace")
}

fn run(workload: &Workload, settings: &Settings) -> SystemFigures {
    let system = atomik_systems::all()
        .into_iter()
        .find(|system| system.describe().name == "Raft")
        .expect("the Raft column");
    measure(workload, settings, system.as_ref(), String::new()).expect("a run")
}

#[test]
fn every_acknowledged_operation_counts_once_whatever_fails() {
    for seed in 0..8 {
        let faults = Faults {
            loss: seed % 2 == 1,
            partition: seed / 2 % 2 == 1,
            crash: seed / 4 % 2 == 1,
        };
        let settings = Settings {
            faults,
            seed,
            outage: 3_000_000,
            ..Settings::default()
        };
        let figures = run(&workload(4_000, 3), &settings);
        let what = format!("seed {seed}, {faults:?}: {figures:?}");
        assert!(figures.converged, "{what}");
        assert_eq!(figures.conflicts.wrong, 0, "{what}");
        assert!(figures.conflicts.compared > 0, "{what}");
        assert_eq!(figures.acknowledged + figures.uncertain, 4_000, "{what}");
        assert!(figures.uncertain <= 40, "{what}");
    }
}

#[test]
fn a_write_without_faults_takes_its_round_trips_and_fsyncs_and_no_more() {
    let figures = run(&workload(2_000, 3), &Settings::default());
    let waits = figures.latency.virtual_us;
    // At the leader: a round trip and a follower's fsync. Elsewhere: also a round trip to the
    // leader. The clients' batch is added to both.
    assert!((11_000.0..30_000.0).contains(&waits.median), "{waits:?}");
    assert!(waits.most < 60_000.0, "{waits:?}");
}

#[test]
fn many_nodes_agree() {
    let settings = Settings {
        nodes: 31,
        ..Settings::default()
    };
    let figures = run(&workload(600, 31), &settings);
    assert!(figures.converged);
    assert_eq!((figures.acknowledged, figures.conflicts.wrong), (600, 0));
}

#[test]
fn a_long_history_is_restored_from_a_snapshot_and_a_bounded_log() {
    let settings = Settings {
        batch: 1,
        ..Settings::default()
    };
    let sets = |operations: u64| {
        let lines = (0..operations).map(|t| {
            Ok(Line {
                t,
                node: (t % 3) as u32,
                key: format!("{}", t % 10),
                field: String::new(),
                action: Action::Set(Scalar::Int(t as i64)),
            })
        });
        Workload::collect("sets", lines, usize::MAX).expect("a good trace")
    };
    let short = run(&sets(9_000), &settings).rebuild.bytes_read;
    let long = run(&sets(45_000), &settings).rebuild.bytes_read;
    // At most 10,000 entries since the snapshot, and 5,000 kept before it.
    assert!(long < short * 15 / 9, "{short} and {long}");
}
