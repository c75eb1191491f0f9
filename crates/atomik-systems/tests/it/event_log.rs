//! The event log, without and with snapshots, in the simulated world.

use atomik_arena::figures::SystemFigures;
use atomik_arena::pace::Pace;
use atomik_arena::run::measure;
use atomik_arena::settings::{Faults, Settings};
use atomik_workload::workload::{Action, Line, Scalar, Workload};

/// Each operation adds one to a counter, or appends or sets its own number, so that a lost,
/// repeated or misplaced one changes the result.
fn workload(operations: u64) -> Workload {
    let line = |t: u64| {
        let (field, action) = match t % 3 {
            0 => ("list", Action::Append(Scalar::Int(t as i64))),
            1 => ("sum", Action::Add(1)),
            _ => ("last", Action::Set(Scalar::Int(t as i64))),
        };
        Line {
            t,
            node: (t * 7 % 3) as u32,
            key: format!("key {}", t % 5),
            field: field.into(),
            action,
        }
    };
    let lines = (0..operations).map(|t| Ok(line(t)));
    Workload::collect("events", lines, usize::MAX).expect("a good trace")
}

fn measured(name: &str, workload: &Workload, settings: &Settings) -> SystemFigures {
    let system = atomik_systems::all()
        .into_iter()
        .find(|system| system.describe().name == name)
        .expect("the column");
    measure(workload, settings, system.as_ref(), String::new()).expect("a run")
}

const NAMES: [&str; 2] = ["Event log", "Event log with snapshots"];

#[test]
fn every_acknowledged_operation_counts_once_whatever_fails() {
    for name in NAMES {
        // The seed decides which node is cut off and which is killed, so both faults hit the
        // primary in some runs.
        for seed in 0..12 {
            let faults = Faults {
                loss: seed % 2 == 1,
                partition: seed / 2 % 2 == 1,
                crash: seed / 4 % 2 == 1,
            };
            let settings = Settings {
                faults,
                seed,
                outage: 1_000_000,
                ..Settings::default()
            };
            let figures = measured(name, &workload(2_000), &settings);
            let what = format!("{name}, seed {seed}, {faults:?}: {figures:?}");
            assert!(figures.converged, "{what}");
            assert_eq!(figures.conflicts.wrong, 0, "{what}");
            assert!(figures.conflicts.compared > 0, "{what}");
            assert_eq!(figures.acknowledged + figures.uncertain, 2_000, "{what}");
        }
    }
}

#[test]
fn a_node_cut_off_for_more_than_a_window_catches_up_soon() {
    for seed in [1, 2] {
        let settings = Settings {
            faults: Faults {
                partition: true,
                ..Faults::default()
            },
            seed,
            pace: Pace::PerSecond(20_000.0),
            ..Settings::default()
        };
        let figures = measured(NAMES[0], &workload(60_000), &settings);
        assert!(figures.converged);
        assert_eq!(figures.conflicts.wrong, 0, "{:?}", figures.conflicts);
        // Some 20,000 operations were missed, and 7,000 wait to be appended: a few round trips of
        // 10 ms, but no timeouts of a second.
        let recovery = figures.recovery.expect("the partition ends");
        assert!(recovery.virtual_us < 500_000, "{recovery:?}");
        // Little is retransmitted: the operations and events of the cut-off node once, and a few
        // more.
        assert!(recovery.wire_bytes < 3_000_000, "{recovery:?}");
    }
}

#[test]
fn a_run_without_faults_costs_a_message_per_batch_and_push_and_repeats_none() {
    let settings = Settings::default();
    let figures = measured(NAMES[0], &workload(3_000), &settings);
    // Two of three nodes send their batches, each transaction is pushed to two nodes, and polls are
    // rare.
    assert!(
        figures.bandwidth.messages_per_op < 3.0,
        "{:?}",
        figures.bandwidth
    );
    let latency = figures.latency.virtual_us;
    // 2 ms of the clients, the fsyncs of two transactions, a round trip of 10 ms.
    assert!(latency.median < 16_000.0, "{latency:?}");
}

#[test]
fn snapshots_bound_what_a_restart_reads() {
    let settings = Settings {
        pace: Pace::PerSecond(20_000.0),
        ..Settings::default()
    };
    let line = |t: u64| Line {
        t,
        node: (t % 3) as u32,
        key: format!("key {}", t % 5),
        field: String::new(),
        action: Action::Add(1),
    };
    let counters = |operations: u64| {
        let lines = (0..operations).map(|t| Ok(line(t)));
        Workload::collect("counters", lines, usize::MAX).expect("a good trace")
    };
    let read = |name, operations| {
        let figures = measured(name, &counters(operations), &settings);
        assert!(figures.converged);
        figures.rebuild.bytes_read
    };
    assert!(read(NAMES[0], 20_000) > 9 * read(NAMES[0], 2_000));
    // At most the snapshots and about a hundred events of each of the five keys, however long the
    // history.
    assert!(read(NAMES[1], 20_000) < 5 * 300 * 10);
}
