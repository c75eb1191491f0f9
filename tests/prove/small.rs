//! Small configurations, proved for inputs of any length.

use atomik_hdl::Config;
use atomik_prove::report::{Kind, Outcome};
use atomik_prove::{Design, Options, Prover, Report, Solver};
use atomik_sim::plan::parse_config;
use atomik_tools::Search;
use tempfile::TempDir;

/// The proof of `design` by `solver`. If a tool is missing the test fails and says how to install
/// it.
pub fn prove(design: &Design, solver: Solver) -> Report {
    let options = Options {
        solver,
        ..Options::default()
    };
    let prover = Prover::new(&Search::from_env(), options);
    let prover = prover.unwrap_or_else(|error| panic!("this test needs it: {error}"));
    let folder = TempDir::new().unwrap();
    prover.prove(design, folder.path(), &|_| {}).unwrap()
}

fn proved(text: &str, solver: Solver) -> Report {
    let config: Config = parse_config(text).unwrap();
    let report = prove(&Design::generated(config), solver);
    assert!(report.is_proved(), "{text}: {:#?}", report.checks);
    report
}

/// The checks of the ports, in the order of the properties.
const PORTS: [&str; 10] = [
    "ready_exact",
    "no_response_lost",
    "no_response_invented",
    "read_exact",
    "swap_exact",
    "delta_exact",
    "drain_exact",
    "clean_exact",
    "zero_after_reset",
    "refused_and_idle_change_nothing",
];

fn names(report: &Report, kind: Kind) -> Vec<&str> {
    let checks = report.checks.iter().filter(|it| it.kind == kind);
    checks.map(|it| it.name.as_str()).collect()
}

#[test]
fn w8_d16_l2_is_proved_check_by_check_and_every_cover_is_reached() {
    let report = proved("w8 d16 l2", Solver::Yices);
    let checks = names(&report, Kind::Check);
    for name in PORTS.iter().chain(&["bits_alike"]) {
        assert!(checks.contains(name), "{name}");
    }
    assert!(names(&report, Kind::Invariant).contains(&"lane1_holds_its_sum"));
    let covers = report.checks.iter().filter(|it| it.kind == Kind::Cover);
    assert!(covers.into_iter().all(|it| it.outcome == Outcome::Reached));
}

/// Covers that are reached show that the circuit which ABC reads is not cut off.
#[test]
fn abc_proves_every_check_of_the_ports_without_an_invariant_and_reaches_every_cover() {
    let report = proved("w1 d1 l1", Solver::Abc);
    assert_eq!(names(&report, Kind::Check), PORTS);
    assert_eq!(names(&report, Kind::Cover).len(), 10);
    assert_eq!(report.checks.len(), PORTS.len() + 10);
}

#[test]
fn memories_of_cells_keep_the_promise_that_the_register_file_relies_on() {
    // The second one is made of two blocks.
    for (config, memory) in [
        ("w8 d64 l1 ecp5", "memory of 64 x 8 bits"),
        ("w32 d1024 l1 ecp5", "memory of 1024 x 32 bits"),
    ] {
        let report = proved(config, Solver::Yices);
        let mut checks = report.checks.iter();
        assert!(checks.any(|it| it.part == memory && it.name == "read_exact"));
    }
}

#[test]
fn both_solvers_agree() {
    proved("w1 d2 l1", Solver::Yices);
    proved("w1 d2 l1", Solver::Z3);
}

#[test]
fn one_address_is_proved_too() {
    proved("w8 d1 l2", Solver::Yices);
}
