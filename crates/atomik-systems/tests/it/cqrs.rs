//! Event sourcing by `cqrs-es` through the simulated world.

use atomik_arena::figures::Column;
use atomik_arena::run::column;
use atomik_arena::world::{Faults, Settings};
use atomik_workload::workload::{Action, Line, Scalar, Workload};

fn workload(operations: u64) -> Workload {
    let line = |t: u64| {
        let (field, action) = match t % 4 {
            0 => ("members", Action::Insert(Scalar::Int(t as i64 % 9))),
            1 => ("sum", Action::Add(1)),
            2 => ("on", Action::Toggle),
            _ => ("last", Action::Set(Scalar::Text(format!("\"{t}\"")))),
        };
        Line {
            t,
            node: (t * 7 % 3) as u32,
            key: format!("key {}", t % 3),
            field: field.into(),
            action,
        }
    };
    let lines = (0..operations).map(|t| Ok(line(t)));
    Workload::collect("commands", lines, usize::MAX).expect("a good trace")
}

fn measured(workload: &Workload, settings: &Settings) -> Column {
    let kind = atomik_systems::all()
        .into_iter()
        .find(|kind| kind.describe().name == "cqrs-es")
        .expect("the column");
    column(workload, settings, kind.as_ref(), String::new()).expect("a run")
}

#[test]
fn every_acknowledged_command_counts_once_whatever_fails() {
    for seed in 0..6 {
        let faults = Faults {
            loss: seed % 2 == 1,
            partition: seed / 2 % 2 == 1,
            crash: seed >= 2,
        };
        let settings = Settings {
            faults,
            seed,
            outage: 100_000,
            ..Settings::default()
        };
        let column = measured(&workload(400), &settings);
        let what = format!("seed {seed}, {faults:?}: {column:?}");
        assert!(column.converged, "{what}");
        assert_eq!(column.conflicts.wrong, 0, "{what}");
        assert!(column.conflicts.compared > 0, "{what}");
        assert_eq!(column.acknowledged + column.uncertain, 400, "{what}");
    }
}

#[test]
fn cpu_time_of_the_databases_thread_is_counted() {
    let column = measured(&workload(200), &Settings::default());
    // A command is five statements of SQLite and some JSON: never less than this on any machine.
    assert!(
        column.latency.total_cpu_ns > 20_000.0,
        "{:?}",
        column.latency
    );
}
