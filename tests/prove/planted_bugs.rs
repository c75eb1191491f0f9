//! Bugs planted in the Verilog, each of which must fail a named check.

use super::small::prove;
use crate::bugs::{ADDRESSED, Bug, all};
use crate::tools::builder;
use atomik_hdl::Config;
use atomik_hdl::files::TextFile;
use atomik_prove::{Design, Report, Solver};

fn with_bug(config: Config, bug: &Bug) -> (Design, Report) {
    let right = atomik_hdl::generate(&config).verilog;
    let file = TextFile {
        name: "planted.v".into(),
        text: bug.plant(&right),
    };
    let design = Design::given(config, vec![file]);
    let report = prove(&design, Solver::Yices);
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
        let (design, report) = with_bug(config, bug);
        assert!(report.is_refuted(), "{what}");
        let mut counterexample = report.counterexample.unwrap_or_else(|| panic!("{what}"));
        counterexample.simulate(&design, &builder()).unwrap();
        assert!(counterexample.case.is_some(), "{what}: {counterexample}");
    }
}

/// Prints a table of every bug with the checks that it fails. It takes minutes; `make prove-bugs`
/// runs it.
#[test]
#[ignore = "takes minutes: run with make prove-bugs"]
fn every_planted_bug_fails_a_named_check() {
    let mut missed = vec![];
    println!("| configuration | bug | from a reset | fails |");
    println!("|---|---|---|---|");
    for (config, bugs) in all() {
        for bug in bugs {
            let (_, report) = with_bug(config, bug);
            let reset = match &report.counterexample {
                Some(it) => format!("{} in cycle {}", it.failing.join(", "), it.cycle),
                None => "-".into(),
            };
            let failing = report.failing().join(", ");
            println!("| {} | {} | {reset} | {failing} |", config.text(), bug.what);
            if !report.is_refuted() {
                missed.push(bug.what);
            }
        }
    }
    assert!(missed.is_empty(), "not refuted: {missed:?}");
}
