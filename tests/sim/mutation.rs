//! A sample of the mutation score, and the table of the whole; `make mutate` measures all of
//! `sim/mutants.toml`.

use crate::tools::builder;
use atomik_hdl::Config;
use atomik_prove::mutants::{Counts, Fate, Measurement, MutationPlan};
use atomik_prove::{Options, Prover};
use atomik_sim::mutated::Mutated;
use atomik_sim::plan::{Overrides, Plan};
use atomik_sim::regress::{Observer, regress};
use atomik_sim::supplied::{Subject, Supplied};
use atomik_sim::yosys::Yosys;
use atomik_tools::Search;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../sim")
        .join(name)
}

fn plan() -> MutationPlan {
    MutationPlan::read(&file("mutants.toml")).unwrap()
}

/// A stimulus so short that it reaches little.
fn weak(stimulus: &Plan) -> Plan {
    let mut weak = stimulus.clone();
    for run in &mut weak.run {
        run.profiles = vec!["sparse".into()];
        run.cycles = 30;
    }
    weak
}

/// This many mutants of words of 8 bits in two lanes.
fn sample(depth: usize, count: usize) -> Mutated {
    let config = Config::new(8, depth, 2).unwrap();
    let mutated = Mutated::build(&builder(), config, count, plan().seed).unwrap();
    assert_eq!(mutated.mutants().len(), count);
    mutated
}

/// The fates of mutants, with `limit` for each question to the solver.
fn fates(mutated: &Mutated, stimulus: &Plan, limit: Duration) -> (Counts, Vec<(String, Fate)>) {
    let options = Options {
        limit,
        ..Options::default()
    };
    let folder = tempfile::tempdir().unwrap();
    let measurement = Measurement {
        prover: &Prover::new(&Search::from_env(), options).unwrap(),
        builder: &builder(),
        plan: &plan(),
        stimulus,
        folder: folder.path(),
    };
    let score = measurement.score(mutated, &AtomicBool::new(false), &|_| {});
    let score = score.unwrap();
    let mut counts = Counts::default();
    counts.add(&score);
    (counts, score.mutants)
}

/// Whether this Yosys draws the mutants of the table, for which the plan has arguments.
fn draws_those_of_the_table() -> bool {
    let yosys = Yosys::from_env().unwrap();
    let version = yosys.version().split(" (").next().unwrap();
    table().lines().next().unwrap().contains(version)
}

fn table() -> String {
    std::fs::read_to_string(file("mutants.txt")).unwrap()
}

#[test]
fn a_sample_of_random_mutants_is_killed_or_explained() {
    let stimulus = Plan::read(&plan().stimulus).unwrap();
    let (counts, fates) = fates(&sample(16, 60), &stimulus, Duration::from_secs(60));
    assert!(counts.kills() > 50, "{fates:#?}");
    if draws_those_of_the_table() {
        assert_eq!(counts.survived, 0, "{fates:#?}");
        assert!(counts.score() >= 98.0, "{fates:#?}");
    }
}

/// What the stimulus misses, a proof finds. Without time for the proof, it has survived.
#[test]
fn bugs_that_a_weak_stimulus_misses_are_killed_by_proof_or_survive() {
    let full = Plan::read(&plan().stimulus).unwrap();
    let weak = weak(&full);
    let mutated = sample(1, 6);
    let (by_all, _) = fates(&mutated, &full, Duration::ZERO);
    let (undecided, list) = fates(&mutated, &weak, Duration::ZERO);
    assert!(undecided.survived > by_all.survived, "{list:#?}");
    assert!(undecided.score() < by_all.score(), "{list:#?}");
    let (proved, list) = fates(&mutated, &weak, Duration::from_secs(60));
    assert!(proved.refuted > 0, "{list:#?}");
    if draws_those_of_the_table() {
        assert_eq!(proved.survived, 0, "{list:#?}");
        assert_eq!(proved.refuted, undecided.survived, "{list:#?}");
    }
}

/// The table is that of the plan, and explains every mutant.
#[test]
fn the_table_has_every_mutant_of_the_plan_and_no_survivor() {
    let plan = plan();
    let table = table();
    let seed = format!("seed {}, {} mutants", plan.seed, plan.mutants);
    assert!(table.lines().next().unwrap().contains(&seed));
    for config in &plan.configs {
        let start = format!("{config}: ");
        let rows: Vec<&str> = table.lines().filter(|it| it.starts_with(&start)).collect();
        assert_eq!(rows.len(), plan.mutants, "{config}");
        let count = |what: &str| rows.iter().filter(|row| row.contains(what)).count();
        assert_eq!(count(": SURVIVED"), 0, "{config}");
        let killed = count(": killed by ") - count(": killed by proof");
        let equal = count(": equivalent, ") + count(": right, ");
        assert!(killed * 100 >= (plan.mutants - equal) * 98, "{config}");
    }
}

/// Whether the design of `config` passes the whole stimulus with `wrong` in place of `right`.
fn passes(config: Config, right: &str, wrong: &str) -> bool {
    let text = atomik_hdl::generate(&config).verilog;
    assert_eq!(text.matches(right).count(), 1, "{right}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("edited.v");
    std::fs::write(&file, text.replace(right, wrong)).unwrap();
    let overrides = Overrides {
        config: Some(config),
        subject: Subject {
            supplied: Some(Supplied {
                files: vec![file],
                top: Some(config.name()),
                latency: config.latency(),
                clear_cycles: config.clear_cycles(),
            }),
            netlist: None,
        },
        ..Overrides::default()
    };
    let stimulus = Plan::read(&plan().stimulus).unwrap();
    let stop = AtomicBool::new(false);
    let report = regress(&builder(), &stimulus, &overrides, &Silent, &stop).unwrap();
    assert!(report.jobs.iter().all(|job| job.error.is_none()));
    report.passed()
}

/// An observer that shows nothing.
struct Silent;

impl Observer for Silent {}

/// Two bugs that are none in some sizes: two lanes cancel what a clear writes into both, and a
/// clear of 16 addresses passes each of them twice.
#[test]
fn bugs_that_change_nothing_at_one_size_are_found_at_others() {
    let config = |depth, lanes| Config::new(8, depth, lanes).unwrap();
    let (zero, one) = ("data_s2 <= 8'd0;", "data_s2 <= 8'd1;");
    assert!(passes(config(16, 2), zero, one));
    assert!(!passes(config(16, 1), zero, one));
    let masks = "if (zero_s2) begin\n            hit1_s3";
    let masks_nothing = "if (1'd0) begin\n            hit1_s3";
    assert!(passes(config(16, 2), masks, masks_nothing));
    assert!(!passes(config(64, 2), masks, masks_nothing));
}
