//! Structural coverage of a small configuration; `make coverage-hdl` measures those of the
//! reference plan.

use crate::tools::builder;
use atomik_hdl::Config;
use atomik_sim::plan::Plan;
use atomik_sim::structure::count;
use std::path::Path;

/// The points of w1 d2 l1 that `plan` reaches, and how many there are.
fn reached(plan: &Plan) -> (usize, usize) {
    let counts = count(&builder(), Config::new(1, 2, 1).unwrap(), plan).unwrap();
    let reached = counts.values().filter(|count| **count > 0).count();
    (reached, counts.len())
}

#[test]
fn the_reference_stimulus_reaches_every_line_and_signal_and_a_short_one_does_not() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sim/reference.toml");
    let mut plan = Plan::read(&path).unwrap();
    let (all, points) = reached(&plan);
    assert_eq!(all, points);
    // Lines and the bits of signals: the design has hundreds.
    assert!(points > 300, "{points}");
    for run in &mut plan.run {
        run.profiles = vec!["sparse".into()];
        run.cycles = 60;
    }
    let (few, points) = reached(&plan);
    assert!(few < points, "{few} of {points}");
}
