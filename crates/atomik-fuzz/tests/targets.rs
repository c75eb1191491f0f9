//! Every target on its seeds and on mutations of them.
#![allow(missing_docs, clippy::unwrap_used)]

use atomik_fuzz::{TARGETS, mutate, target};

/// Mutations of each target's seeds; `PROPTEST_CASES` replaces the number.
const CASES: u64 = 2000;

#[test]
fn no_target_panics_on_mutations_of_its_seeds() {
    let cases = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(CASES);
    for target in TARGETS {
        let seeds = (target.seeds)();
        assert!(!seeds.is_empty(), "{} has no seeds", target.name);
        for seed in &seeds {
            (target.run)(seed);
        }
        for case in 0..cases {
            let seed = &seeds[case as usize % seeds.len()];
            (target.run)(&mutate(seed, &seeds, case));
        }
        println!("{}: {} seeds, {cases} mutations", target.name, seeds.len());
    }
}

/// Inputs that once made a target fail, in folders named after the targets.
#[test]
fn no_target_fails_again_on_an_input_that_was_fixed() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/regressions");
    let mut inputs = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        let target = target(name.to_str().unwrap()).unwrap();
        for input in std::fs::read_dir(entry.path()).unwrap() {
            (target.run)(&std::fs::read(input.unwrap().path()).unwrap());
            inputs += 1;
        }
    }
    assert!(inputs > 0);
}

#[test]
fn names_are_unique() {
    let mut names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), TARGETS.len());
}
