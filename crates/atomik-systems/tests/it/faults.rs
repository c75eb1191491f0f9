//! A power cut, for every system.

use atomik_arena::pace::Pace;
use atomik_arena::run::measure;
use atomik_arena::settings::{Faults, Settings};
use atomik_workload::workload::{Action, Line, Scalar, Workload};

/// Operations a millisecond apart, each on a key of its own, so that each is judged separately.
fn apart(operations: u64, action: impl Fn(u64) -> Action) -> Workload {
    let line = |t| Line {
        t,
        node: (t % 3) as u32,
        key: t.to_string(),
        field: "field".into(),
        action: action(t),
    };
    let lines = (0..operations).map(|t| Ok(line(t)));
    Workload::collect("apart", lines, usize::MAX).expect("a good trace")
}

/// Power fails at a different moment with each seed, and a disk is busy most of the time.
fn busy(seed: u64) -> Settings {
    Settings {
        faults: Faults {
            crash: true,
            ..Faults::default()
        },
        seed,
        pace: Pace::PerSecond(3_000.0),
        outage: 100_000 + 370 * seed,
        ..Settings::default()
    }
}

#[test]
fn acknowledged_operations_survive_a_power_cut() {
    for system in atomik_systems::all() {
        let actions: [fn(u64) -> Action; 2] = [
            |t| Action::Add(t as i64 + 1),
            |t| Action::Set(Scalar::Int(t as i64 + 1)),
        ];
        let mut uncertain = 0;
        for seed in 0..8 {
            let workload = apart(900, actions[seed as usize % 2]);
            let figures = measure(&workload, &busy(seed), system.as_ref(), String::new())
                .unwrap_or_else(|error| panic!("{}, seed {seed}: {error}", system.describe().name));
            let what = format!("{}, seed {seed}: {:?}", figures.name, figures.conflicts);
            assert!(figures.converged, "{what}");
            assert_eq!(figures.conflicts.wrong, 0, "{what}");
            assert_eq!(figures.conflicts.compared, figures.acknowledged, "{what}");
            assert_eq!(figures.acknowledged + figures.uncertain, 900, "{what}");
            uncertain += figures.uncertain;
        }
        assert!(
            uncertain > 0,
            "{}: nothing was in progress",
            system.describe().name
        );
    }
}
