//! Bugs planted in the Verilog, each of which must fail a named check.

use super::small::prove;
use crate::bugs::{ADDRESSED, Bug, all};
use crate::tools::builder;
use atomik_hdl::Config;
use atomik_hdl::files::TextFile;
use atomik_prove::{Design, Outcome, Report, Solver};
use std::env;

fn with_bug(config: Config, bug: &Bug, solver: Solver) -> (Design, Report) {
    let right = atomik_hdl::generate(&config).verilog;
    let file = TextFile {
        name: "planted.v".into(),
        text: bug.plant(&right),
    };
    let design = Design::given(config, vec![file]);
    let report = prove(&design, solver);
    (design, report)
}

#[test]
fn a_planted_bug_fails_a_check_and_its_counterexample_fails_in_simulation() {
    let config = Config::new(8, 16, 2).unwrap();
    for what in [
        "no forwarding from one cycle back",
        "DELTA does not respond",
    ] {
        let bug = ADDRESSED.iter().find(|bug| bug.what == what).unwrap();
        fails_in_simulation(config, bug, Solver::Yices);
    }
}

/// The second bug shows only if there was something before the reset.
#[test]
fn abc_finds_planted_bugs_without_invariants() {
    let config = Config::new(1, 1, 1).unwrap();
    for bug in [
        Bug {
            what: "LOAD leaves earlier deltas in the state",
            right: "offset <= total ^ value_s3;",
            wrong: "offset <= value_s3;",
        },
        Bug {
            what: "a reset does not clear the base",
            right: "total <= 1'd0;
            base <= 1'd0;",
            wrong: "total <= 1'd0;",
        },
    ] {
        fails_in_simulation(config, &bug, Solver::Abc);
    }
}

/// Checks that the bug is refuted, and that the counterexample shows it on the ports.
fn fails_in_simulation(config: Config, bug: &Bug, solver: Solver) {
    let (design, report) = with_bug(config, bug, solver);
    assert!(report.is_refuted(), "{}", bug.what);
    let counterexample = report.counterexample;
    let mut counterexample = counterexample.unwrap_or_else(|| panic!("{}", bug.what));
    counterexample.simulate(&design, &builder()).unwrap();
    assert!(
        counterexample.case.is_some(),
        "{}: {counterexample}",
        bug.what
    );
}

/// Prints a table of every bug with the checks that it fails: those that fail from a reset, and
/// those that are not proved although all invariants that they need are. It takes more than an
/// hour; `make prove-bugs` runs it, and `make prove-bugs PASS_OVER=53` without the first 53 bugs.
#[test]
#[ignore = "takes more than an hour: run with make prove-bugs"]
fn every_planted_bug_fails_a_named_check() {
    let mut missed = vec![];
    let pass_over = env::var("PASS_OVER").map_or(0, |text| text.parse().unwrap());
    println!("| configuration | bug | from a reset | fails |");
    println!("|---|---|---|---|");
    let each = |(config, bugs): (Config, &'static [Bug])| bugs.iter().map(move |bug| (config, bug));
    for (config, bug) in all().into_iter().flat_map(each).skip(pass_over) {
        let (_, report) = with_bug(config, bug, Solver::Yices);
        let reset = match &report.counterexample {
            Some(it) => format!("{} in cycle {}", it.failing.join(", "), it.cycle),
            None => "-".into(),
        };
        let own = report.checks.iter().filter(|it| !it.outcome.is_good());
        let own = own.filter(|it| it.outcome != Outcome::Conditional);
        let failing = own
            .map(|it| it.name.as_str())
            .collect::<Vec<_>>()
            .join(", ");
        println!("| {} | {} | {reset} | {failing} |", config.text(), bug.what);
        if !report.is_refuted() {
            missed.push(bug.what);
        }
    }
    assert!(missed.is_empty(), "not refuted: {missed:?}");
}
