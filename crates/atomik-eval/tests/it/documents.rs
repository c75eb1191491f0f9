//! What the documentation says of the compared systems by figures of the example report is what the
//! report has.

use std::collections::BTreeSet;

use atomik_arena::figures::{Review, SystemFigures};
use atomik_eval::report::metrics::{self, Metric};

use crate::report_page::png::Image;

const EVALUATION: &str = include_str!("../../../../docs/evaluation.md");
const README: &str = include_str!("../../../../README.md");

const HISTORY: &str = "operations in the history";

/// What has figures of other measurements, each with its command beside it.
const ELSEWHERE: &[&str] = &[
    "since then it is 36.0 ms, against 33.5 and 34.0 ms for Yrs and the CRDT and 40 to 43 ms for \
     Raft and the event logs (`atomik eval run flights.jsonl --ops 20000 --faults partition`).",
    "With 1,000,000 writes to 1,000,000 keys a write took 12.6 µs of CPU time against 14.1 and \
     8.6 µs, a restart 1.33 s against 0.42 and 0.41 s, and the disk held 13.4 MB beyond names and \
     values against 6.35 and 1.30 MB (`atomik eval scale --axis keys --values 1000000 --systems \
     ATOMiK,Raft,CRDT`, two busy cores). With records of format 4 the disk holds 8.41 MB, and the \
     three disks together were written 192 MB, 208 MB before; Raft's were written 157 MB, the \
     CRDT's 167 MB. That run was ATOMiK's alone, on a machine with more other work: a write took \
     14.2 µs and a restart 0.49 s.",
    "1000 nodes still converge, at 300 kB per write (`atomik eval scale --axis nodes --values 1000 \
     --systems ATOMiK`).",
    // What was set for the run.
    "3 nodes, 5 ms between them",
];

struct Example(Review);

impl Example {
    fn new() -> Self {
        let text = include_str!("../../../../docs/eval/flights.json");
        Self(serde_json::from_str(text).unwrap())
    }

    fn run(&self, faults: &str, name: &str) -> &SystemFigures {
        let run = self.0.runs.iter().find(|run| run.world.faults == faults);
        let systems = &run.unwrap().systems;
        systems.iter().find(|system| system.name == name).unwrap()
    }

    fn grown(&self, axis: &str, x: u64, name: &str) -> &SystemFigures {
        let series = self.0.scaling.iter().find(|series| series.axis == axis);
        let mut points = series.unwrap().points.iter();
        let found = points.find(|point| point.x == x && point.system.name == name);
        &found.unwrap().system
    }
}

fn text(metric: &Metric, system: &SystemFigures) -> String {
    metric.measure(system).text()
}

fn number(metric: &Metric, system: &SystemFigures) -> f64 {
    metric.measure(system).number().unwrap()
}

/// A sentence as it must stand in a document, and whether what it says without a figure is true.
type Said = (&'static str, String, bool);

/// Every sentence that compares systems by figures of the example.
fn said(example: &Example) -> Vec<Said> {
    let mut said = Vec::new();
    let median = |name| text(&metrics::LATENCY_MEDIAN, example.run("none", name));
    let plain = |metric, name| number(metric, example.run("none", name));
    let parted = |metric, name| number(metric, example.run("partition", name));
    let shown = |metric, name| text(metric, example.run("partition", name));
    let grown = |metric: &Metric, x: u64, name: &str| text(metric, example.grown(HISTORY, x, name));
    let span = |metric: &Metric, name: &str| {
        let [from, to] = [10_000, 10_000_000].map(|x| grown(metric, x, name));
        format!("from {from} to {to}")
    };
    let many = |metric, name| number(metric, example.grown("keys", 1_000_000, name));
    let nodes = |x, name| example.grown("nodes", x, name);

    // The README.
    said.push((
        README,
        format!(
            "the median write takes {} of simulated time; Raft takes {}, an event log {}, a CRDT \
             {}.",
            median("ATOMiK"),
            median("Raft"),
            median("Event log"),
            median("CRDT")
        ),
        true,
    ));
    said.push((
        README,
        "The CRDT sends less than half the bytes.".into(),
        plain(&metrics::WIRE, "CRDT") < plain(&metrics::WIRE, "ATOMiK") / 2.0,
    ));
    let rivals = ["Raft", "CRDT"];
    let rows = [&metrics::MEMORY, &metrics::DISK, &metrics::REBUILD_CPU];
    let dearer = |metric| {
        let ours = many(metric, "ATOMiK");
        rivals.iter().all(|name| many(metric, name) < ours)
    };
    let wire = |x| number(&metrics::WIRE, nodes(x, "ATOMiK"));
    let steeper = wire(63) / wire(3) > 63.0 / 3.0;
    said.push((
        README,
        "With a million keys it takes more memory, disk and restart time than Raft and a CRDT, and \
         bytes per write grow faster than the number of nodes."
            .into(),
        rows.into_iter().all(dearer) && steeper,
    ));

    // The page on the evaluation.
    let times = |name| {
        let ratio =
            plain(&metrics::LATENCY_MEDIAN, name) / plain(&metrics::LATENCY_MEDIAN, "ATOMiK");
        ratio.round()
    };
    said.push((
        EVALUATION,
        "**Writes are as fast as those of the CRDTs**, and take an eighth of Raft's time and a \
         quarter of the event log's (row \"write latency\", median)"
            .into(),
        times("Raft") == 8.0
            && times("Event log") == 4.0
            && [median("CRDT"), median("Yrs")]
                .iter()
                .all(|m| *m == median("ATOMiK")),
    ));
    let p99 = |name| parted(&metrics::LATENCY_P99, name);
    said.push((
        EVALUATION,
        "While a node is cut off, that is milliseconds against seconds (p99 under \"partition\")."
            .into(),
        p99("ATOMiK") < 1e4 && p99("Raft").min(p99("Event log")) > 1e6,
    ));
    let cheaper = |metric| plain(metric, "CRDT") < plain(metric, "ATOMiK");
    said.push((
        EVALUATION,
        "**A CRDT of counters does the same for less CPU time, memory and disk.**".into(),
        [&metrics::CPU, &metrics::MEMORY, &metrics::DISK]
            .into_iter()
            .all(cheaper),
    ));
    let time = |name| parted(&metrics::RECOVERY_TIME, name);
    said.push((
        EVALUATION,
        "**After a partition it takes longer to converge than the CRDTs**".into(),
        time("ATOMiK") > time("CRDT").max(time("Yrs")),
    ));
    let bytes = |name| parted(&metrics::RECOVERY_BYTES, name);
    let mut frugal = ["Yrs", "Event log", "Event log with snapshots", "cqrs-es"];
    frugal.sort_by(|a, b| bytes(a).total_cmp(&bytes(b)));
    said.push((
        EVALUATION,
        format!(
            "It sends fewer bytes than the CRDT or Raft, {} against {} and {}, but Yrs and all \
             event stores need fewer still: {} to {}.",
            shown(&metrics::RECOVERY_BYTES, "ATOMiK"),
            shown(&metrics::RECOVERY_BYTES, "CRDT"),
            shown(&metrics::RECOVERY_BYTES, "Raft"),
            shown(&metrics::RECOVERY_BYTES, frugal[0]),
            shown(&metrics::RECOVERY_BYTES, frugal[3]),
        ),
        bytes("ATOMiK") < bytes("CRDT").min(bytes("Raft")) && bytes("ATOMiK") > bytes(frugal[3]),
    ));
    let names = [
        "Raft", "CRDT", "Yrs", frugal[0], frugal[1], frugal[2], frugal[3],
    ];
    let slower: BTreeSet<&str> = names
        .into_iter()
        .filter(|n| time(n) > time("ATOMiK"))
        .collect();
    said.push((
        EVALUATION,
        format!(
            "The example report has {}, the longest but one;",
            shown(&metrics::RECOVERY_TIME, "ATOMiK")
        ),
        slower.len() == 1,
    ));
    let ends = |metric, x, name| number(metric, example.grown(HISTORY, x, name));
    let growth = |metric, name| ends(metric, 10_000_000, name) / ends(metric, 10_000, name);
    let most = |name| {
        rows.into_iter()
            .map(|m| growth(m, name))
            .fold(0.0, f64::max)
    };
    said.push((
        EVALUATION,
        format!(
            "**A long history costs it next to nothing.** From 10,000 to 10,000,000 operations on \
             the same keys, its restart goes {}, its memory {} and its disk {}.",
            span(&metrics::REBUILD_CPU, "ATOMiK"),
            span(&metrics::MEMORY, "ATOMiK"),
            span(&metrics::DISK, "ATOMiK"),
        ),
        most("ATOMiK") < 1.25,
    ));
    said.push((
        EVALUATION,
        format!(
            "Raft and the CRDT grow more, but stay small: Raft's memory goes {} and its disk {}, \
             the CRDT's disk {} and its restart {}.",
            span(&metrics::MEMORY, "Raft"),
            span(&metrics::DISK, "Raft"),
            span(&metrics::DISK, "CRDT"),
            span(&metrics::REBUILD_CPU, "CRDT"),
        ),
        rivals
            .iter()
            .all(|name| most(name) > most("ATOMiK") && most(name) < 10.0),
    ));
    said.push((
        EVALUATION,
        format!(
            "Yrs ends with {} to restart and {} of memory, the event log with {} to restart \
             (growth with the history).",
            grown(&metrics::REBUILD_CPU, 10_000_000, "Yrs"),
            grown(&metrics::MEMORY, 10_000_000, "Yrs"),
            grown(&metrics::REBUILD_CPU, 10_000_000, "Event log"),
        ),
        true,
    ));
    said.push((
        EVALUATION,
        "**Many keys cost it more disk and restart time than Raft and the CRDT.**".into(),
        rows.into_iter().skip(1).all(dearer),
    ));
    said.push((
        EVALUATION,
        format!(
            "**All-to-all costs grow faster than the number of nodes.** At 63 nodes a write costs \
             ATOMiK {} on all links together and the event log {} (growth with nodes).",
            text(&metrics::WIRE, nodes(63, "ATOMiK")),
            text(&metrics::WIRE, nodes(63, "Event log")),
        ),
        steeper,
    ));
    said
}

/// The text on one line.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What is wrong in the documents, and figures that nothing checks.
fn faults(evaluation: &str, readme: &str, example: &Example) -> Vec<String> {
    let mut faults = Vec::new();
    let mut rest = [
        part(
            evaluation,
            "## The example: flights from New York",
            "## Counters",
        ),
        part(readme, "- In the example", "More:"),
    ];
    let whole = flat(readme);
    for (document, sentence, holds) in said(example) {
        let place = usize::from(document == README);
        let there = rest[place].contains(&sentence) || place == 1 && whole.contains(&sentence);
        if !there {
            faults.push(format!("does not say: {sentence}"));
        } else if !holds {
            faults.push(format!("is not so: {sentence}"));
        }
        rest[place] = rest[place].replace(&sentence, "");
    }
    for text in &mut rest {
        for sentence in ELSEWHERE {
            *text = text.replace(&flat(sentence), "");
        }
        let words: Vec<&str> = text.split(' ').collect();
        for two in words.windows(2) {
            let unit = two[1].trim_end_matches(['.', ',', ';', ':', ')']);
            let units = ["ns", "µs", "ms", "s", "min", "B", "kB", "MB", "GB"];
            if two[0].ends_with(|c: char| c.is_ascii_digit()) && units.contains(&unit) {
                faults.push(format!("nothing checks {} {unit}", two[0]));
            }
        }
    }
    faults
}

/// From one text to another, on one line.
fn part(document: &str, from: &str, to: &str) -> String {
    let (_, after) = document.split_once(from).expect(from);
    let (section, _) = after.split_once(to).expect(to);
    flat(section)
}

#[test]
fn what_the_documents_say_of_the_systems_is_in_the_example() {
    assert_eq!(faults(EVALUATION, README, &Example::new()), [""; 0]);
}

/// `make eval-report` makes it.
#[test]
fn the_picture_is_a_first_screen_that_loads_fast() {
    let picture = include_bytes!("../../../../docs/eval/flights.png");
    let shown = Image::decode(picture);
    assert_eq!((shown.width, shown.height), (1280, 800));
    assert!(picture.len() < 200_000, "{}", picture.len());
    let colours: BTreeSet<[u8; 3]> = (0..1280).map(|x| shown.at(x, 90)).collect();
    assert!(
        colours.len() > 2,
        "there is something in the line of the verdict"
    );
}

/// Each of these bugs is planted and must be found.
#[test]
fn a_document_that_says_otherwise_is_found() {
    let example = Example::new();
    for (right, wrong) in [
        ("Raft takes 25.1 ms", "Raft takes 52.1 ms"),
        ("less than half the bytes", "less than a third of the bytes"),
        ("an eighth of Raft's time", "a ninth of Raft's time"),
        ("156 kB to 199 kB", "156 kB to 169 kB"),
        ("the longest but one", "the longest"),
        ("1.41 MB", "2.41 MB"),
        ("13.5 kB on all links", "4.55 kB on all links"),
        ("**All-to-all costs", "Raft takes 12 ms. **All-to-all costs"),
    ] {
        let plant = |text: &str| flat_lines(text).replace(right, wrong);
        let (evaluation, readme) = (plant(EVALUATION), plant(README));
        assert_ne!(faults(&evaluation, &readme, &example), [""; 0], "{wrong}");
    }
    // Figures that no longer bear out what is said.
    let mut other = Example::new();
    let run = other
        .0
        .runs
        .iter_mut()
        .find(|run| run.world.faults == "partition");
    for system in &mut run.unwrap().systems {
        if let Some(recovery) = &mut system.recovery {
            recovery.wire_bytes = 226_000;
        }
    }
    assert_ne!(faults(EVALUATION, README, &other), [""; 0]);
}

/// The text with its paragraphs on one line each, so that a line's end hides nothing.
fn flat_lines(text: &str) -> String {
    let mut lines = String::new();
    for line in text.lines() {
        let starts = ["#", "- ", "|", "More:", "```"];
        let begins = line.is_empty() || starts.iter().any(|start| line.starts_with(start));
        lines.push(if begins { '\n' } else { ' ' });
        lines += line.trim_start();
    }
    lines
}
