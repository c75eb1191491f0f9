//! The mutants apply to the code as it is.

#[path = "../../examples/mutants/list.rs"]
mod list;
#[path = "../../examples/mutants/nodes.rs"]
mod nodes;

#[test]
fn every_mutant_changes_text_that_occurs_exactly_once() {
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
        }
        let faults = mutants.iter().filter(|mutant| mutant.equivalent.is_none());
        assert!(faults.count() > least);
    }
}
