//! The mutants apply to the code as it is.

#[path = "../../examples/mutants/list.rs"]
mod list;

#[test]
fn every_mutant_changes_text_that_occurs_exactly_once() {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../atomik-replica/src");
    for mutant in list::MUTANTS {
        for (file, from, _) in mutant.edits {
            let text = std::fs::read_to_string(format!("{source}/{file}")).unwrap();
            assert_eq!(
                text.matches(from).count(),
                1,
                "{}: `{from}` in {file}",
                mutant.name
            );
        }
    }
    assert!(
        list::MUTANTS
            .iter()
            .filter(|mutant| mutant.equivalent.is_none())
            .count()
            > 20
    );
}
