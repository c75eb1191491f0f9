//! The simulator over many seeds, and on raw deltas, which it must catch.

use std::sync::atomic::AtomicBool;

use atomik_replica_sim::{
    LinkConditions, Schedule, Step, minimise_with, run, run_naive, simulate_many,
};

/// Schedules of every test run; `make soak` runs a million.
const SCHEDULES: u64 = 10_000;

#[test]
fn ten_thousand_schedules_hold_every_invariant_and_reach_every_counted_event() {
    let outcome = simulate_many(1, SCHEDULES, &AtomicBool::new(false), |_| {});
    if let Some((seed, failure)) = outcome.failures.first() {
        panic!("{failure}\nto replay it: atomik replica simulate --replay {seed} --minimise");
    }
    let report = outcome.report;
    println!("{report}");
    assert_eq!(report.schedules, SCHEDULES);
    for (name, count) in report.counts() {
        assert!(count > SCHEDULES / 100, "{name}: only {count}");
    }
}

#[test]
fn one_seed_gives_one_run() {
    let mut prints = std::collections::BTreeSet::new();
    for seed in 0..400 {
        let schedule = Schedule::generate(seed);
        assert_eq!(schedule, Schedule::generate(seed));
        let first = run(&schedule, false).unwrap();
        assert_eq!(first, run(&schedule, false).unwrap(), "seed {seed}");
        assert!(prints.insert(first.fingerprint), "seed {seed}");
    }
}

#[test]
fn tracing_changes_nothing() {
    for seed in 0..20 {
        let schedule = Schedule::generate(seed);
        let (plain, traced) = (
            run(&schedule, false).unwrap(),
            run(&schedule, true).unwrap(),
        );
        assert_eq!(traced.fingerprint, plain.fingerprint);
        assert!(plain.trace.is_empty());
        assert!(traced.trace.len() as u64 > plain.delivered);
    }
}

/// The operations of the schedule of a seed, under these link conditions.
fn naive(seed: u64, links: LinkConditions) -> Schedule {
    let mut schedule = Schedule::generate(seed);
    schedule.setup.links = links;
    schedule
        .steps
        .retain(|(_, step)| matches!(step, Step::Operate(..)));
    schedule
}

fn fails_within(seeds: std::ops::Range<u64>, links: LinkConditions) -> bool {
    seeds
        .into_iter()
        .any(|seed| run_naive(&naive(seed, links)).is_err())
}

#[test]
fn raw_deltas_do_not_survive_a_lost_message() {
    assert!(fails_within(
        1..6,
        LinkConditions {
            loss: 50,
            delay: 20,
            ..LinkConditions::default()
        }
    ));
}

#[test]
fn raw_deltas_do_not_survive_a_duplicated_message() {
    assert!(fails_within(
        1..6,
        LinkConditions {
            duplicates: 50,
            delay: 20,
            ..LinkConditions::default()
        }
    ));
}

#[test]
fn raw_deltas_survive_delay_and_reordering_so_the_comparison_is_fair() {
    assert!(!fails_within(
        1..200,
        LinkConditions {
            delay: 60,
            stragglers: 300,
            ..LinkConditions::default()
        }
    ));
}

#[test]
fn a_failing_schedule_shrinks_to_its_cause() {
    let links = LinkConditions {
        duplicates: 300,
        delay: 20,
        ..LinkConditions::default()
    };
    let seed = (1..)
        .find(|&seed| run_naive(&naive(seed, links)).is_err())
        .unwrap();
    let schedule = naive(seed, links);
    let (small, failure, runs) = minimise_with(&schedule, run_naive).unwrap();
    assert_eq!(run_naive(&small).unwrap_err(), failure);
    assert_eq!(
        small.steps.len(),
        1,
        "one delta that arrives twice: {small:?}"
    );
    assert!(schedule.steps.len() > 1 && runs > 1);
    assert_eq!((small.setup.keys, small.setup.words), (1, 1));
}
