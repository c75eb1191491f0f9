//! Compact tables in Markdown.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use atomik_arena::figures::{Point, Review, Run, Scaling, SystemFigures};

use super::linger::{self, Pair};
use super::metrics::{self, GROWTH, Measured, Metric, caveats, left_out};
use super::sentences::sentences;
use atomik_terminal::{count, counted};
use atomik_workload::workload;

/// Rows with several figures each, to keep the table small.
const COMPACT: &[(&str, &[&Metric])] = &[
    (
        "Write latency, median / p99",
        &[&metrics::LATENCY_MEDIAN, &metrics::LATENCY_P99],
    ),
    (
        "Until visible everywhere, median / p99",
        &[&metrics::VISIBLE_MEDIAN, &metrics::VISIBLE_P99],
    ),
    (
        "CPU per write, writer's median / all nodes",
        &[&metrics::SUBMIT_MEDIAN, &metrics::CPU],
    ),
    (
        "Sync bandwidth per write, bytes / messages",
        &[&metrics::WIRE, &metrics::MESSAGES],
    ),
    (
        "Fields wrong / wrong and reported / not judged",
        &[
            &metrics::WRONG,
            &metrics::WRONG_REPORTED,
            &metrics::NOT_JUDGED,
        ],
    ),
    (
        "State reconstruction, CPU / bytes read",
        &[&metrics::REBUILD_CPU, &metrics::REBUILD_BYTES],
    ),
    (
        "Bytes beyond the values, memory / disk / wire",
        &[&metrics::MEMORY, &metrics::DISK, &metrics::ON_WIRE],
    ),
    (
        "Partition recovery, time / bytes",
        &[&metrics::RECOVERY_TIME, &metrics::RECOVERY_BYTES],
    ),
];

/// The verdict, five sentences, a compact table and its commands for every run, tables of growth,
/// and the guarantees of each system.
pub fn overview(review: &Review) -> String {
    let mut text = format!(
        "**{}: {}**\n\n",
        plain(workload::title(&review.fit.trace)),
        review.fit.verdict
    );
    for reason in &review.fit.reasons {
        let _ = writeln!(text, "- {}", plain(reason));
    }
    text.push('\n');
    for sentence in sentences(review) {
        let _ = writeln!(
            text,
            "- **{}**: {}",
            sentence.about,
            plain(&sentence.text())
        );
    }
    if let Some(unaware) = metrics::disagreement(review) {
        let _ = write!(text, "\n{}\n", plain(&unaware));
    }
    for run in &review.runs {
        let _ = write!(
            text,
            "\n{}, {}, {}, faults: {}, seed {}{}:\n\n",
            plain(workload::title(&run.trace.name)),
            counted(run.trace.operations, "operation"),
            counted(run.world.nodes, "node"),
            plain(&run.world.faults),
            run.world.seed,
            metrics::pace(run).map_or(String::new(), |pace| format!(", {pace}"))
        );
        table(&mut text, run);
        if let Some(pair) = Pair::of(run) {
            lingering(&mut text, &pair);
        }
    }
    for scaling in &review.scaling {
        growth(&mut text, scaling);
    }
    let mut told = BTreeSet::new();
    text.push('\n');
    for system in review.runs.iter().flat_map(|run| &run.systems) {
        if told.insert(system.name.as_str()) {
            let _ = writeln!(
                text,
                "- **{}** ({}): {} Machine-checked: {}",
                plain(&system.name),
                plain(&system.library),
                sentence(&metrics::PROMISES.measure(system).text()),
                sentence(&metrics::PROOFS.measure(system).text()),
            );
        }
    }
    let _ = write!(
        text,
        "\natomik-eval {}, {}, {}.\n",
        plain(&review.program),
        plain(&review.date),
        plain(&review.machine)
    );
    text
}

fn table(text: &mut String, run: &Run) {
    if run.systems.is_empty() {
        text.push_str("No system ran.\n");
    } else {
        let names: Vec<String> = run.systems.iter().map(heading).collect();
        let _ = writeln!(text, "| | {} |", names.join(" | "));
        let _ = writeln!(text, "|---|{}", "---:|".repeat(names.len()));
        for (name, metrics) in COMPACT {
            let cells: Vec<String> = run
                .systems
                .iter()
                .map(|system| cell(system, metrics))
                .collect();
            let _ = writeln!(text, "| {name} | {} |", cells.join(" | "));
        }
        text.push('\n');
    }
    for system in &run.systems {
        let _ = writeln!(text, "- {}: {}", plain(&system.name), code(&system.command));
    }
    for (name, why) in &run.absent {
        let _ = writeln!(text, "- {} was not run: {}", plain(name), plain(why));
    }
}

/// A run with and without a linger.
fn lingering(text: &mut String, pair: &Pair) {
    let sentence = pair.sentence().unwrap_or_default();
    let _ = write!(text, "\n{} {}\n\n", linger::WHAT, plain(&sentence));
    let names: Vec<String> = pair.later.systems.iter().map(heading).collect();
    let _ = writeln!(text, "| | linger | {} |", names.join(" | "));
    let _ = writeln!(text, "|---|---:|{}", "---:|".repeat(names.len()));
    for metric in linger::ROWS {
        for run in pair.runs() {
            let systems = run.systems.iter();
            let cells: Vec<String> = systems.map(|system| cell(system, &[metric])).collect();
            let (name, ms) = (metric.name, &run.world.faults);
            let _ = writeln!(text, "| {name} | {ms} | {} |", cells.join(" | "));
        }
    }
    text.push('\n');
    for system in &pair.later.systems {
        let _ = writeln!(text, "- {}: {}", plain(&system.name), code(&system.command));
    }
}

fn growth(text: &mut String, scaling: &Scaling) {
    let axis = plain(&scaling.axis);
    let _ = write!(text, "\nGrowth with {axis}:\n\n");
    if !scaling.points.is_empty() {
        let titles: Vec<&str> = GROWTH.iter().map(|(_, title, _)| *title).collect();
        let _ = writeln!(text, "| {axis} | | {} |", titles.join(" | "));
        let _ = writeln!(text, "|---:|---|{}", "---:|".repeat(titles.len()));
        for Point { x, system } in &scaling.points {
            let cells: Vec<String> = GROWTH
                .iter()
                .map(|(metric, ..)| cell(system, &[metric]))
                .collect();
            let _ = writeln!(
                text,
                "| {} | {} | {} |",
                count(*x),
                heading(system),
                cells.join(" | ")
            );
        }
        text.push('\n');
    }
    for point in &scaling.left_out {
        let why = left_out(point, &scaling.axis);
        let _ = writeln!(text, "- not measured: {}", plain(&why));
    }
    for failed in &scaling.failed {
        let _ = writeln!(text, "- not measured: {}", plain(failed));
    }
    let _ = writeln!(text, "- {}", code(&scaling.command));
}

fn heading(system: &SystemFigures) -> String {
    let mut heading = plain(&system.name);
    for caveat in caveats(system) {
        let _ = write!(heading, "<br>({caveat})");
    }
    heading
}

/// Several figures in one cell. Figures missing for the same reason are merged.
fn cell(system: &SystemFigures, metrics: &[&Metric]) -> String {
    let mut measured: Vec<Measured> = metrics.iter().map(|m| m.measure(system)).collect();
    measured.dedup_by(|a, b| a == b && matches!(a, Measured::Missing(_)));
    let texts: Vec<String> = measured.iter().map(|m| plain(&m.text())).collect();
    texts.join(" / ")
}

fn sentence(text: &str) -> String {
    let text = plain(text.trim());
    if text.ends_with('.') {
        text
    } else {
        format!("{text}.")
    }
}

/// Text on one line, with Markdown's special characters escaped.
fn plain(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#' | '~' | '&' => {
                escaped.push('\\');
                escaped.push(c);
            }
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Code between more backticks than any run of them in the text.
fn code(text: &str) -> String {
    let text: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let longest = text
        .split(|c| c != '`')
        .map(str::len)
        .max()
        .unwrap_or_default();
    let fence = "`".repeat(longest + 1);
    let space = if text.starts_with('`') || text.ends_with('`') {
        " "
    } else {
        ""
    };
    format!("{fence}{space}{text}{space}{fence}")
}
