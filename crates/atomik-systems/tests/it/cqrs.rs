//! Event sourcing with `cqrs-es` in the simulated world.

use atomik_arena::figures::SystemFigures;
use atomik_arena::run::measure;
use atomik_arena::settings::{Faults, Settings};
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

fn measured(workload: &Workload, settings: &Settings) -> SystemFigures {
    let system = atomik_systems::all()
        .into_iter()
        .find(|system| system.describe().name == "cqrs-es")
        .expect("the column");
    measure(workload, settings, system.as_ref(), String::new()).expect("a run")
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
        let figures = measured(&workload(400), &settings);
        let what = format!("seed {seed}, {faults:?}: {figures:?}");
        assert!(figures.converged, "{what}");
        assert_eq!(figures.conflicts.wrong, 0, "{what}");
        assert!(figures.conflicts.compared > 0, "{what}");
        assert_eq!(figures.acknowledged + figures.uncertain, 400, "{what}");
    }
}

#[test]
fn cpu_time_of_the_databases_thread_is_counted() {
    let figures = measured(&workload(200), &Settings::default());
    // A command is five SQLite statements and some JSON, which takes longer on any machine.
    assert!(
        figures.latency.total_cpu_ns > 20_000.0,
        "{:?}",
        figures.latency
    );
}
