//! The mutants apply to the code as it is, and the tests that they name are there.

#[path = "../../examples/mutants/list.rs"]
mod list;
#[path = "../../examples/mutants/nodes.rs"]
mod nodes;

#[test]
fn every_mutant_changes_text_that_occurs_exactly_once_and_names_a_test_that_exists() {
    for (folder, mutants, least) in [
        ("atomik-replica", list::MUTANTS, 20),
        ("atomik-node", nodes::MUTANTS, 6),
    ] {
        let source = format!("{}/../{folder}/src", env!("CARGO_MANIFEST_DIR"));
        for mutant in mutants {
            for (file, from, _) in mutant.edits {
                let text = std::fs::read_to_string(format!("{source}/{file}")).unwrap();
                let count = text.matches(from).count();
                assert_eq!(count, 1, "{}: `{from}` in {file}", mutant.name);
            }
            if let Some((module, test)) = mutant.test().and_then(|test| test.split_once("::")) {
                let files = [
                    format!("{source}/{module}.rs"),
                    format!("{source}/../tests/it/{module}.rs"),
                ];
                let texts = files
                    .iter()
                    .filter_map(|file| std::fs::read_to_string(file).ok());
                let is_there = texts
                    .into_iter()
                    .any(|text| text.contains(&format!("fn {test}()")));
                assert!(
                    is_there,
                    "{}: there is no test {module}::{test}",
                    mutant.name
                );
            }
        }
        let faults = mutants
            .iter()
            .filter(|it| !matches!(it.finder, list::Finder::Nothing(_)));
        assert!(faults.count() > least);
    }
}
