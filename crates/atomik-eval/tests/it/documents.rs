//! What the documentation says of the compared systems by figures of the example report is what the
//! report has.

use std::collections::BTreeSet;

use atomik_arena::figures::{Review, SystemFigures};
use atomik_eval::report::metrics::{self, Metric};

use crate::report_page::png::Image;

const EVALUATION: &str = include_str!("../../../../docs/evaluation.md");
const README: &str = include_str!("../../../../README.md");

const HISTORY: &str = "operations in the history";

/// What has figures that are not measured.
const ELSEWHERE: &[&str] = &["3 nodes, 5 ms between them"];

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
    let ends = |metric, x, name| number(metric, example.grown(HISTORY, x, name));
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
    let wire = |name| text(&metrics::WIRE, example.run("none", name));
    said.push((
        README,
        format!(
            "It sends {} on all links together; the CRDT sends {}.",
            wire("ATOMiK"),
            wire("CRDT")
        ),
        true,
    ));
    let rivals = ["Raft", "CRDT"];
    let rows = [&metrics::MEMORY, &metrics::DISK, &metrics::REBUILD_CPU];
    let dearer = |metric| {
        let ours = many(metric, "ATOMiK");
        rivals.iter().all(|name| many(metric, name) < ours)
    };
    let growing = |x| number(&metrics::WIRE, nodes(x, "ATOMiK"));
    let steeper = growing(63) / growing(3) > 63.0 / 3.0;
    said.push((
        README,
        "With a million keys it takes more disk than Raft and a CRDT, and bytes per write grow \
         faster than the number of nodes."
            .into(),
        dearer(&metrics::DISK) && steeper,
    ));

    // The page on the evaluation.
    let times = |name| {
        let ratio =
            plain(&metrics::LATENCY_MEDIAN, name) / plain(&metrics::LATENCY_MEDIAN, "ATOMiK");
        ratio.round()
    };
    said.push((
        EVALUATION,
        "**Writes are as fast as those of the CRDTs**, and take an eighth of Raft's time and \
         less than a quarter of the event log's (row \"write latency\", median)"
            .into(),
        times("Raft") == 8.0
            && times("Event log") > 4.0
            && [median("CRDT"), median("Yrs")]
                .iter()
                .all(|m| *m == median("ATOMiK")),
    ));
    let p99 = |name| shown(&metrics::LATENCY_P99, name);
    said.push((
        EVALUATION,
        "That holds while a node is cut off, too (p99 under \"partition\").".into(),
        [p99("CRDT"), p99("Yrs")]
            .iter()
            .all(|time| *time == p99("ATOMiK")),
    ));
    let cheaper = |metric| plain(metric, "CRDT") < plain(metric, "ATOMiK");
    said.push((
        EVALUATION,
        "**A CRDT of counters does the same for less CPU time, memory and disk.**".into(),
        [&metrics::CPU, &metrics::MEMORY, &metrics::DISK]
            .into_iter()
            .all(cheaper),
    ));
    said.push((
        EVALUATION,
        format!(
            "It also sends fewer bytes, {} a write against {}. Where writes follow each other \
             faster, ATOMiK sends fewer, since more of them share a signature: {} against {} in \
             the rows of growth with 10,000 operations. With many keys it sends more again: {} \
             against {} in the rows of 1,000,000 keys.",
            wire("CRDT"),
            wire("ATOMiK"),
            grown(&metrics::WIRE, 10_000, "ATOMiK"),
            grown(&metrics::WIRE, 10_000, "CRDT"),
            text(&metrics::WIRE, example.grown("keys", 1_000_000, "ATOMiK")),
            text(&metrics::WIRE, example.grown("keys", 1_000_000, "CRDT")),
        ),
        cheaper(&metrics::WIRE)
            && ends(&metrics::WIRE, 10_000, "ATOMiK") < ends(&metrics::WIRE, 10_000, "CRDT")
            && many(&metrics::WIRE, "ATOMiK") > many(&metrics::WIRE, "CRDT"),
    ));
    let lossy = |metric, name| text(metric, example.run("loss", name));
    let others = [
        "Raft",
        "CRDT",
        "Yrs",
        "Event log",
        "Event log with snapshots",
        "cqrs-es",
    ];
    let [late, sent] = [&metrics::VISIBLE_P99, &metrics::WIRE]
        .map(|metric| move |name| number(metric, example.run("loss", name)));
    said.push((
        EVALUATION,
        format!(
            "**Lost messages cost it more bytes than all but Raft** (faults \"loss\"). Then a \
             write costs {} against the CRDT's {}, and one change in a hundred takes {} or more \
             until every node shows it, against {}; only Yrs is slower, with {}.",
            lossy(&metrics::WIRE, "ATOMiK"),
            lossy(&metrics::WIRE, "CRDT"),
            lossy(&metrics::VISIBLE_P99, "ATOMiK"),
            lossy(&metrics::VISIBLE_P99, "CRDT"),
            lossy(&metrics::VISIBLE_P99, "Yrs"),
        ),
        others
            .iter()
            .all(|name| (late(name) > late("ATOMiK")) == (*name == "Yrs"))
            && others
                .iter()
                .all(|name| (sent(name) > sent("ATOMiK")) == (*name == "Raft")),
    ));
    let time = |name| parted(&metrics::RECOVERY_TIME, name);
    let sorted = |metric, names: &[&'static str]| {
        let mut names = names.to_vec();
        names.sort_by(|a, b| parted(metric, a).total_cmp(&parted(metric, b)));
        names
    };
    let by_time = sorted(&metrics::RECOVERY_TIME, &others);
    said.push((
        EVALUATION,
        "**After a partition it takes longer to converge than the others**".into(),
        by_time.iter().all(|name| time(name) < time("ATOMiK")),
    ));
    let stores = sorted(&metrics::RECOVERY_BYTES, &others[3..]);
    let bytes = |name| shown(&metrics::RECOVERY_BYTES, name);
    said.push((
        EVALUATION,
        format!(
            "It takes {}, the others {} to {}, and it sends {}, against {} for the CRDT, {} for \
             Yrs, {} for Raft and {} for the event stores.",
            shown(&metrics::RECOVERY_TIME, "ATOMiK"),
            shown(&metrics::RECOVERY_TIME, by_time[0]),
            shown(&metrics::RECOVERY_TIME, by_time[5]),
            bytes("ATOMiK"),
            bytes("CRDT"),
            bytes("Yrs"),
            bytes("Raft"),
            bytes(stores[0]),
        ),
        bytes(stores[0]) == bytes(stores[2]),
    ));
    let growth = |metric, name| ends(metric, 10_000_000, name) / ends(metric, 10_000, name);
    let most = |name| {
        rows.into_iter()
            .map(|m| growth(m, name))
            .fold(0.0, f64::max)
    };
    said.push((
        EVALUATION,
        format!(
            "**A long history costs it little.** From 10,000 to 10,000,000 operations on the same \
             keys, its restart goes {}, its memory {} and its disk {}.",
            span(&metrics::REBUILD_CPU, "ATOMiK"),
            span(&metrics::MEMORY, "ATOMiK"),
            span(&metrics::DISK, "ATOMiK"),
        ),
        most("ATOMiK") < 2.0,
    ));
    said.push((
        EVALUATION,
        format!(
            "Raft and the CRDT stay small, too: Raft's memory goes {} and its disk {}, the CRDT's \
             disk {} and its restart {}.",
            span(&metrics::MEMORY, "Raft"),
            span(&metrics::DISK, "Raft"),
            span(&metrics::DISK, "CRDT"),
            span(&metrics::REBUILD_CPU, "CRDT"),
        ),
        rivals.iter().all(|name| most(name) < 12.0),
    ));
    let unmeasured = example.0.scaling.iter().any(|series| {
        let mut points = series.points.iter();
        series.axis == HISTORY
            && points.all(|point| point.x < 10_000_000 || point.system.name != "Event log")
    });
    said.push((
        EVALUATION,
        format!(
            "Yrs ends with {} to restart and {} of memory; the event log takes {} to restart after \
             1,000,000 operations, and longer histories took longer than a measurement may \
             (growth with the history).",
            grown(&metrics::REBUILD_CPU, 10_000_000, "Yrs"),
            grown(&metrics::MEMORY, 10_000_000, "Yrs"),
            grown(&metrics::REBUILD_CPU, 1_000_000, "Event log"),
        ),
        unmeasured,
    ));
    let keys = |metric, name| text(metric, example.grown("keys", 1_000_000, name));
    let beside = |metric| {
        let [ours, raft, crdt] = ["ATOMiK", "Raft", "CRDT"].map(|name| keys(metric, name));
        [ours, format!("against {raft} and {crdt}")]
    };
    let [disk, memory, restart] =
        [&metrics::DISK, &metrics::MEMORY, &metrics::REBUILD_CPU].map(beside);
    said.push((
        EVALUATION,
        format!(
            "**Many keys cost it more disk than Raft and the CRDT, and less memory.** With \
             1,000,000 keys the disk holds {} beyond names and values {}; memory holds {} {}; a \
             restart takes {} {} (growth with keys).",
            disk[0], disk[1], memory[0], memory[1], restart[0], restart[1],
        ),
        dearer(&metrics::DISK)
            && rivals
                .iter()
                .all(|name| many(&metrics::MEMORY, name) > many(&metrics::MEMORY, "ATOMiK")),
    ));
    let beside = |metric: &Metric| {
        ["ATOMiK", "CRDT", "Yrs", "Raft", "Event log"].map(|name| text(metric, nodes(63, name)))
    };
    let [cpu, memory] = [&metrics::CPU, &metrics::MEMORY].map(beside);
    let cpu_of = |name| number(&metrics::CPU, nodes(63, name));
    said.push((
        EVALUATION,
        format!(
            "**All-to-all costs grow faster than the number of nodes.** At 63 nodes a write costs \
             ATOMiK {} on all links together, the CRDT {} and the event log {} (growth with \
             nodes). It takes {} of CPU, the CRDT {}, Yrs {}, Raft {} and the event log {}; its \
             memory holds {} beyond the values, theirs {}, {}, {} and {}.",
            text(&metrics::WIRE, nodes(63, "ATOMiK")),
            text(&metrics::WIRE, nodes(63, "CRDT")),
            text(&metrics::WIRE, nodes(63, "Event log")),
            cpu[0],
            cpu[1],
            cpu[2],
            cpu[3],
            cpu[4],
            memory[0],
            memory[1],
            memory[2],
            memory[3],
            memory[4],
        ),
        steeper
            && ["CRDT", "Yrs", "Raft", "Event log"]
                .iter()
                .all(|name| cpu_of("ATOMiK") > cpu_of(name)),
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
        ("Raft takes 24.3 ms", "Raft takes 42.3 ms"),
        ("the CRDT sends 161 B", "the CRDT sends 116 B"),
        ("an eighth of Raft's time", "a ninth of Raft's time"),
        ("24.0 ms to 42.0 ms", "24.0 ms to 40.2 ms"),
        ("or more until every node", "at most until every node"),
        ("1.41 MB", "2.41 MB"),
        ("7.82 kB on all links", "4.56 kB on all links"),
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
