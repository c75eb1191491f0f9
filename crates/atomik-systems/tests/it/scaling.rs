//! Growth, with one system that fails, and with one that takes too long.

use std::time::Duration;

use atomik_arena::scaling::{self, Axis};
use atomik_arena::settings::Settings;
use atomik_arena::system::{Description, Node, NodeId, Setup, Storage, System, SystemError};

/// A system that does not start.
struct Breaks;

impl System for Breaks {
    fn describe(&self) -> Description {
        Description {
            name: "breaks",
            library: String::new(),
            semantics: "",
            usage: "",
            proofs: "",
        }
    }

    fn open(&self, _: &Setup, _: NodeId, _: &Storage) -> Result<Box<dyn Node>, SystemError> {
        Err(SystemError::invariant("it cannot start"))
    }
}

#[test]
fn earlier_figures_survive_a_system_that_fails() {
    let mut systems: Vec<Box<dyn System>> = vec![Box::new(Breaks)];
    systems.extend(atomik_systems::all().into_iter().take(1));
    let series = scaling::series(
        (Axis::History, &[100, 200]),
        Duration::MAX,
        &Settings::default(),
        &systems,
        |_| String::new(),
        |job| job.measure(),
    )
    .expect("valid settings of the generator");
    let measured: Vec<u64> = series.points.iter().map(|point| point.x).collect();
    assert_eq!(measured, [100, 200]);
    assert_eq!(series.failed.len(), 2);
    assert!(
        series.failed[0].contains("breaks, 100") && series.failed[0].contains("it cannot start")
    );
}

#[test]
fn points_that_would_take_too_long_are_left_out() {
    // Without features there is just one.
    let one = || atomik_systems::all().into_iter().take(1);
    let systems: Vec<Box<dyn System>> = one().chain(one()).collect();
    let mut measured = Vec::new();
    let series = scaling::series(
        (Axis::History, &[100, 200]),
        Duration::ZERO,
        &Settings::default(),
        &systems,
        |_| String::new(),
        |job| {
            measured.push(job.size);
            job.measure()
        },
    )
    .expect("valid settings of the generator");
    assert_eq!(measured, [100, 100]);
    assert_eq!(series.points.len(), 2);
    let left_out: Vec<_> = series.left_out.iter().map(|point| point.x).collect();
    assert_eq!(left_out, [200, 200]);
    assert!(series.is_fine());
}
