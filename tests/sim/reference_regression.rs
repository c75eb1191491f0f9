//! The reference regression: RTL and golden model agree on every configuration in
//! `sim/reference.toml`, every target in `sim/targets.toml` and the words that add in
//! `sim/layouts.toml`, and no coverage bin is empty.

use crate::tools::builder;
use atomik_hdl::Target;
use atomik_sim::plan::{Overrides, Plan, parse_config};
use atomik_sim::regress::{Observer, regress};
use std::path::Path;
use std::sync::atomic::AtomicBool;

struct Quiet;
impl Observer for Quiet {}

fn read(plan: &str) -> Plan {
    Plan::read(
        &Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../sim")
            .join(plan),
    )
    .unwrap()
}

fn plan() -> Plan {
    read("reference.toml")
}

#[test]
fn the_reference_regression_passes_and_leaves_no_coverage_bin_empty() {
    passes_and_leaves_no_coverage_bin_empty(&plan());
}

#[test]
fn the_regression_of_every_target_passes_and_leaves_no_coverage_bin_empty() {
    let plan = read("targets.toml");
    for target in Target::ALL.into_iter().skip(1) {
        let named = |config: &String| config.ends_with(target.name());
        assert!(plan.run[0].configs.iter().any(named), "{target}");
    }
    passes_and_leaves_no_coverage_bin_empty(&plan);
}

#[test]
fn the_regression_of_words_that_add_passes_and_leaves_no_coverage_bin_empty() {
    let plan = read("layouts.toml");
    for config in &plan.run[0].configs {
        assert!(!parse_config(config).unwrap().layout().is_xor(), "{config}");
    }
    passes_and_leaves_no_coverage_bin_empty(&plan);
}

fn passes_and_leaves_no_coverage_bin_empty(plan: &Plan) {
    assert!(plan.gate_coverage);
    let report = regress(
        &builder(),
        plan,
        &Overrides::default(),
        &Quiet,
        &AtomicBool::new(false),
    )
    .unwrap();
    for job in &report.jobs {
        assert!(
            job.passed(),
            "{}: {:?} {:?} {:?}",
            job.name,
            job.error,
            job.mismatch,
            job.case
        );
        assert!(job.responses > 0, "{} compared no response", job.name);
    }
    for config in &report.configs {
        assert_eq!(config.holes, Vec::<String>::new(), "{}", config.config);
    }
    assert!(report.passed());
}

#[test]
fn every_reference_configuration_is_in_the_plan() {
    let named: Vec<String> = plan()
        .run
        .iter()
        .flat_map(|run| run.configs.clone())
        .collect();
    for (width, depth, lanes) in atomik_hdl::REFERENCE {
        let config = format!("w{width} d{depth} l{lanes}");
        assert!(named.contains(&config), "{config}");
    }
}

#[test]
fn a_gated_regression_with_an_empty_bin_does_not_pass() {
    let mut plan = plan();
    plan.run.truncate(1);
    plan.run[0].configs = vec!["w8 d16 l2".into()];
    // This profile has no reset after the first, so no bin around a reset is hit.
    plan.run[0].profiles = vec!["accumulate".into()];
    plan.run[0].cycles = 5000;
    let report = regress(
        &builder(),
        &plan,
        &Overrides::default(),
        &Quiet,
        &AtomicBool::new(false),
    )
    .unwrap();
    assert_eq!(report.mismatches(), 0);
    assert!(!report.configs[0].holes.is_empty() && !report.passed());
}
