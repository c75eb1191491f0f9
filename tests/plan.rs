//! The plan of verification in `docs/verification.md`: every sentence of the specification about
//! the hardware is held by something that exists.

use crate::bugs;
use atomik_hdl::Config;
use atomik_hdl::formal::Formal;
use atomik_prove::bits::ALIKE;
use atomik_sim::coverage::Coverage;
use atomik_sim::record::Layout;
use atomik_sim::timing::timing;
use std::collections::BTreeSet;
use std::path::Path;

/// What stands in the cells of a sentence that promises nothing.
const FREEDOM: &str = "freedom";

/// The text of a file of the project.
fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    std::fs::read_to_string(path).unwrap()
}

/// The lines of `text` from `heading` up to the next heading.
fn section<'a>(text: &'a str, heading: &str) -> Vec<&'a str> {
    let lines = text.lines().skip_while(|line| *line != heading).skip(1);
    lines.take_while(|line| !line.starts_with('#')).collect()
}

/// The cells of the rows of a table, without heading and rule.
fn rows<'a>(lines: &[&'a str]) -> Vec<Vec<&'a str>> {
    let rows = lines.iter().filter_map(|line| line.strip_prefix("| "));
    rows.map(|row| {
        let cells = row.trim_end_matches(" |").split(" | ");
        cells.map(str::trim).collect()
    })
    .skip(1)
    .collect()
}

/// What the specification promises of the hardware: its ops, and its sentences about `clean` and
/// the register file.
fn promised() -> Vec<String> {
    let spec = read("docs/spec.md");
    let algebra = section(&spec, "## 1. Algebra");
    let mut promised: Vec<String> = rows(&algebra).iter().map(|row| row[0].to_owned()).collect();
    let all = algebra.join(" ");
    let (_, clean) = all.split_once("Every response also").unwrap();
    let (clean, _) = clean.split_once(". ").unwrap();
    promised.push(format!("Every response also{clean}."));
    let file = section(&spec, "## 2. Register file");
    let prose = file
        .iter()
        .take_while(|line| !line.starts_with("Native ports"));
    let after = file
        .iter()
        .skip_while(|line| !line.starts_with("- **Idle outputs"))
        .take_while(|line| !line.starts_with("Next to each"));
    let text: Vec<&str> = prose
        .chain(after)
        .map(|line| line.trim_start_matches("- ").trim())
        .collect();
    let text = text.join(" ").replace("  ", " ");
    // A sentence ends with a full stop before a capital letter, markup or the end.
    let mut start = 0;
    for (at, _) in text.match_indices(". ") {
        let next = text[at + 2..].chars().next();
        if next.is_some_and(|c| c.is_uppercase() || c == '`' || c == '*') {
            promised.push(text[start..=at].trim().to_owned());
            start = at + 2;
        }
    }
    promised.push(text[start..].trim().to_owned());
    promised
}

/// The bins, checks and bugs that exist, and the table of mutants.
struct Existing {
    bins: BTreeSet<String>,
    checks: BTreeSet<String>,
    bugs: BTreeSet<&'static str>,
    mutants: String,
}

impl Existing {
    fn new() -> Self {
        let mut existing = Existing {
            bins: BTreeSet::new(),
            checks: BTreeSet::from([ALIKE.to_owned()]),
            bugs: BTreeSet::new(),
            mutants: read("sim/mutants.txt"),
        };
        for (config, bugs) in bugs::all() {
            existing.bugs.extend(bugs.iter().map(|bug| bug.what));
            let layout = Layout::new(config.width(), config.depth(), config.lanes()).unwrap();
            let coverage = Coverage::new(layout, config.layout(), timing(&config)).unwrap();
            let groups = coverage.groups().into_iter();
            existing.bins.extend(groups.map(|group| group.name));
            existing.checks.extend(checks(&config));
        }
        existing
    }

    /// Whether a mutant whose description starts like this is killed.
    fn kills(&self, mutant: &str) -> bool {
        let mut lines = self.mutants.lines();
        lines.any(|line| line.starts_with(mutant) && line.contains(": killed by "))
    }
}

/// The names of the checks in the properties of `config`.
fn checks(config: &Config) -> BTreeSet<String> {
    let text = Formal::new(config).properties.text;
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let names = words.filter_map(|word| word.strip_prefix("check_"));
    names.map(str::to_owned).collect()
}

#[test]
fn every_sentence_of_the_specification_has_a_row_and_everything_in_it_exists() {
    let plan = read("docs/verification.md");
    let plan = rows(&section(&plan, "## The plan"));
    let existing = Existing::new();
    let missing: Vec<String> = promised()
        .into_iter()
        .filter(|sentence| {
            let held = |row: &Vec<&str>| !row[0].is_empty() && sentence.ends_with(row[0]);
            !plan.iter().any(held)
        })
        .collect();
    assert_eq!(missing, Vec::<String>::new(), "sentences without a row");
    for row in &plan {
        let [sentence, bins, checks, planted, mutant] = row[..] else {
            panic!("not five cells: {row:?}");
        };
        if bins == FREEDOM {
            assert_eq!((checks, mutant), (FREEDOM, FREEDOM), "{sentence}");
            assert!(planted.starts_with("freedom: "), "{sentence}");
            continue;
        }
        for bin in bins.split(", ") {
            assert!(existing.bins.contains(bin), "{sentence}: bin {bin}");
        }
        for check in checks.split(", ").map(|check| check.trim_matches('`')) {
            assert!(existing.checks.contains(check), "{sentence}: check {check}");
        }
        for bug in planted.split("; ") {
            assert!(existing.bugs.contains(bug), "{sentence}: bug {bug}");
        }
        // A description with the line of the design stands in double backticks.
        let mutant = mutant.trim_matches(['`', ' ']);
        assert!(existing.kills(mutant), "{sentence}: mutant {mutant}");
    }
}
