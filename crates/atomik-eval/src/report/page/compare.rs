//! The systems side by side under all sets of faults: tables and bars.

use atomik_arena::figures::{Review, Run, SystemFigures};
use maud::{Markup, html};

use super::parts::{joined, number, scrolled, unit};
use crate::report::chart::{self, Bar};
use crate::report::format::ReportError;
use crate::report::linger::{self, Pair};
use crate::report::metrics::{self, Measured, Metric, caveats};
use crate::report::sheet::{Line, OURS, Sheet, cut_off, grouped};
use atomik_terminal::counted;
use atomik_workload::workload;

/// The figures of the first table. The others are shown on demand.
const FIRST: &[&Metric] = &[
    &metrics::LATENCY_MEDIAN,
    &metrics::LATENCY_P99,
    &metrics::CPU,
    &metrics::WIRE,
    &metrics::WRONG,
    &metrics::REBUILD_CPU,
    &metrics::MEMORY,
    &metrics::DISK,
    &metrics::RECOVERY_TIME,
    &metrics::RECOVERY_BYTES,
];

/// Figures in words, which are beside the systems.
const WORDS: &[&Metric] = &[&metrics::PROMISES, &metrics::PROOFS];

/// A bar chart: the figure, the figure at which its whisker ends, title and subtitle.
struct Chart(
    &'static Metric,
    Option<&'static Metric>,
    &'static str,
    &'static str,
);

/// The charts of a run.
const CHARTS: &[Chart] = &[
    Chart(
        &metrics::LATENCY_MEDIAN,
        Some(&metrics::LATENCY_P99),
        "Write latency",
        "virtual time to acknowledgement; median, line to p99",
    ),
    Chart(
        &metrics::CPU,
        None,
        "CPU per write",
        "all nodes, over the whole run",
    ),
    Chart(
        &metrics::WIRE,
        None,
        "Sync bandwidth",
        "bytes on all links per write, framing included",
    ),
    Chart(
        &metrics::REBUILD_CPU,
        None,
        "State reconstruction",
        "CPU of a node after a restart",
    ),
    Chart(
        &metrics::MEMORY,
        None,
        "Memory beyond the values",
        "median node, at the end",
    ),
    Chart(
        &metrics::DISK,
        None,
        "Disk beyond the values",
        "median node, at the end",
    ),
    Chart(
        &metrics::RECOVERY_TIME,
        None,
        "Recovery",
        "virtual time until all nodes are identical",
    ),
    Chart(
        &metrics::RECOVERY_BYTES,
        None,
        "Bytes of recovery",
        "on all links, framing included",
    ),
];

/// The section.
///
/// # Errors
///
/// When a chart cannot be drawn.
pub fn compare(review: &Review, sheet: &Sheet, names: &[&str]) -> Result<Markup, ReportError> {
    let least = metrics::ALL.iter().any(|metric| {
        let lines = sheet.lines(metric);
        lines.iter().flat_map(|line| &line.cells).any(|c| c.least)
    });
    let caveat = sheet.runs.iter().flat_map(|run| &run.systems);
    let caveat = caveat.map(caveats).any(|found| !found.is_empty());
    let all = |first: bool| -> Vec<&Metric> {
        let shown = |metric: &&&Metric| {
            let among = |some: &[&Metric]| some.iter().any(|other| other.same(metric));
            among(FIRST) == first && !among(WORDS)
        };
        metrics::ALL.iter().filter(shown).copied().collect()
    };
    let first = table(sheet, names, "Faults", &all(true), caveat);
    let others = table(sheet, names, "Faults", &all(false), false);
    Ok(html! {
        h2 id="measured" { "Measured against other systems" }
        (facts(review))
        p { "Every system ran the same operations on the same simulated network and disks. \
            Virtual times are those of the simulation. CPU times were measured on the machine \
            named below. " @if let Some(unaware) = metrics::disagreement(review) {
                span #unaware { (unaware) }
            }
        }
        @let columns = sheet.names.len();
        @if columns > 0 {
            (scrolled("Figures under all faults", columns, &first))
            details {
                summary { "All other figures" }
                (scrolled("All other figures", columns, &others))
            }
        }
        p.note {
            @if least { "“least” marks the lowest figure among systems without caveats: they left \
                nothing out, acknowledged every operation, and ended with identical nodes and no \
                wrong value. Their guarantees differ (" a href="#systems" { "below" } "), so a \
                lower figure may buy less. " }
            @if caveat { "Grey figures and hollow bars belong to systems with caveats." }
        }
        @for run in &review.runs {
            @if run.systems.is_empty() { p { (run.world.faults) ": no system ran." } }
        }
        (absent(review))
        (lingering(review, names))
        (charts(sheet, names)?)
        (wrong(sheet))
    })
}

/// What a linger saves and costs, and all systems with and without one on demand.
fn lingering(review: &Review, names: &[&str]) -> Markup {
    let pairs = Pair::all(review);
    let shown = |(place, pair): (usize, &Pair)| {
        let sheet = Sheet::of(&format!("linger-{place}"), pair.runs());
        let label = format!("With and without a linger, faults {}", pair.faults);
        let table = table(&sheet, names, "Linger", linger::ROWS, false);
        scrolled(&label, sheet.names.len(), &table)
    };
    let summary = |pair: &Pair| {
        let plain = || "With and without a linger, which is a wait for other changes".to_owned();
        pair.sentence().unwrap_or_else(plain)
    };
    html! {
        @if let Some(first) = pairs.first() {
            details #linger {
                summary { (summary(first)) }
                p { (linger::WHAT) }
                @for (place, pair) in pairs.iter().enumerate() {
                    h3 { "Faults: " (pair.faults) }
                    @if let Some(sentence) = pair.sentence().filter(|_| place > 0) {
                        p { (sentence) }
                    }
                    (shown((place, pair)))
                }
            }
        }
    }
}

/// What was played, once for all runs that have it in common.
fn facts(review: &Review) -> Markup {
    let of = |run: &Run| {
        (
            run.trace.name.clone(),
            (run.trace.operations, run.trace.keys),
            (run.world.nodes, run.world.seed),
            metrics::pace(run),
        )
    };
    let groups = grouped(review.runs.iter().map(|run| (of(run), run)));
    html! {
        @for (place, (facts, runs)) in groups.iter().enumerate() {
            @let (name, (operations, keys), (nodes, seed), pace) = facts;
            ul.facts id=(format!("played-{place}")) {
                @if groups.len() > 1 {
                    li { "faults " (joined(runs.iter().map(|run| run.world.faults.clone()))) ":" }
                }
                li { (workload::title(name)) }
                li { (number(*operations, "operation")) }
                li { (number(*keys, "key")) }
                li { (number(*nodes, "node")) }
                li { "seed " b { (seed) } }
                @if let Some(pace) = pace { li { (pace) } }
            }
        }
    }
}

/// The systems that were not run, each reason once.
fn absent(review: &Review) -> Markup {
    let reasons = grouped(review.runs.iter().flat_map(|run| {
        let absent = run.absent.iter();
        absent.map(|absent| (absent, run.world.faults.as_str()))
    }));
    html! {
        @if !reasons.is_empty() {
            p.note #absent {
                "Not run: "
                (joined(reasons.iter().map(|((name, why), faults)| {
                    let under = if faults.len() == review.runs.len() { String::new() } else {
                        format!(", faults {}", faults.join(", "))
                    };
                    format!("{name} ({why}{under})")
                })))
                "."
            }
        }
    }
}

fn table(sheet: &Sheet, names: &[&str], heading: &str, rows: &[&Metric], caveat: bool) -> Markup {
    let columns = sheet.names.len();
    html! {
        table.systems {
            thead { tr {
                th scope="col" { (heading) }
                @for (column, name) in sheet.names.iter().enumerate() {
                    th scope="col" {
                        span class=(format!("swatch s{}", chart::style(style(names, name)))) {}
                        (name)
                        small { a href=(format!("#system-{column}")) aria-label=(format!("about \
                            {name}")) { "about" } }
                    }
                }
            } }
            @if caveat { (caveat_rows(sheet)) }
            @for metric in rows {
                tbody {
                    tr { th scope="rowgroup" colspan=(columns + 1) {
                        span { (metric.group) ": " b { (metric.name) } }
                    } }
                    @for line in sheet.lines(metric) { (row(sheet, metric, &line)) }
                }
            }
        }
    }
}

/// The sets of faults of a line.
fn label(sheet: &Sheet, runs: &[usize]) -> String {
    if runs.len() == sheet.runs.len() && runs.len() > 1 {
        "all".into()
    } else {
        joined(runs.iter().map(|&run| sheet.faults(run).to_owned()))
    }
}

fn row(sheet: &Sheet, metric: &Metric, line: &Line) -> Markup {
    let first = line.runs.first().copied().unwrap_or_default();
    html! {
        tr {
            th scope="row" { (label(sheet, &line.runs)) }
            @if let Some(why) = line.missing() {
                td.missing id=(sheet.cell_id(metric, first, 0)) colspan=(line.cells.len()) { (why) }
            } @else {
                @for (column, cell) in line.cells.iter().enumerate() {
                    @let text = cell.measured.text();
                    @let class = match cell.measured {
                        Measured::Missing(_) => "missing",
                        _ if cell.caveat => "with-caveat",
                        _ if cell.least => "least",
                        _ => "figure",
                    };
                    td id=(sheet.cell_id(metric, first, column)) class=(class) {
                        @if cell.least { small { "least" } " " }
                        span { (text) }
                    }
                }
            }
        }
    }
}

/// Why figures do not compare, for every run in which a system has caveats.
fn caveat_rows(sheet: &Sheet) -> Markup {
    html! {
        tbody {
            tr { th scope="rowgroup" colspan=(sheet.names.len() + 1) { span { b { "Caveats" } } } }
            @for run in 0..sheet.runs.len() {
                @let all: Vec<Vec<String>> = (0..sheet.names.len())
                    .map(|column| sheet.system(run, column).map(caveats).unwrap_or_default())
                    .collect();
                @if all.iter().any(|caveats| !caveats.is_empty()) {
                    tr {
                        th scope="row" { (sheet.faults(run)) }
                        @for (column, caveats) in all.iter().enumerate() {
                            td.caveats id=(format!("caveats-run-{run}-system-{column}")) {
                                @for caveat in caveats { span { (caveat) } " " }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The style of a system.
fn style(names: &[&str], name: &str) -> usize {
    let place = names.iter().position(|other| *other == name);
    place.unwrap_or_default()
}

/// The charts of the first run, those of what a partition changes, and the others on demand.
fn charts(sheet: &Sheet, names: &[&str]) -> Result<Markup, ReportError> {
    let mut shown = Vec::new();
    let mut more = Vec::new();
    for (place, run) in sheet.runs.iter().enumerate() {
        let mut rest = Vec::new();
        for (number, chart) in CHARTS.iter().enumerate() {
            let Some(figure) = bars((place, number), run, chart, names)? else {
                continue;
            };
            let parted = cut_off(&run.world.faults)
                && [0, CHARTS.len() - 2, CHARTS.len() - 1].contains(&number);
            if place == 0 || parted {
                shown.push(figure);
            } else {
                rest.push(figure);
            }
        }
        if !rest.is_empty() {
            more.push((sheet.faults(place), rest));
        }
    }
    Ok(html! {
        @if !shown.is_empty() { div.charts { @for figure in &shown { (figure) } } }
        @for (faults, figures) in &more {
            details {
                summary { (counted(figures.len() as u64, "chart")) ", faults: " (faults) }
                div.charts { @for figure in figures { (figure) } }
            }
        }
    })
}

fn bars(
    (place, number): (usize, usize),
    run: &Run,
    Chart(metric, whisker, title, what): &Chart,
    names: &[&str],
) -> Result<Option<Markup>, ReportError> {
    let bars: Vec<Bar> = run
        .systems
        .iter()
        .map(|system| bar(metric, *whisker, system, names))
        .collect();
    if bars.iter().all(|bar| bar.value.is_none()) {
        return Ok(None);
    }
    let id = format!("run-{place}-chart-{number}");
    let drawn = chart::bars(&id, title, &bars, unit(metric, &run.systems))?;
    Ok(Some(html! {
        figure {
            figcaption {
                (title) ", faults: " (run.world.faults)
                small {
                    (what)
                    @if chart::span_decades(&bars) { "; logarithmic axis" }
                }
            }
            (drawn)
        }
    }))
}

fn bar(metric: &Metric, whisker: Option<&Metric>, system: &SystemFigures, names: &[&str]) -> Bar {
    let measured = metric.measure(system);
    let whisker = whisker.map(|metric| metric.measure(system));
    let whisker_to = whisker.as_ref().and_then(Measured::number);
    let text = match &whisker {
        Some(measured_too) if whisker_to.is_some() => {
            format!("{} · {}", measured.text(), measured_too.text())
        }
        _ => measured.text(),
    };
    Bar {
        name: system.name.clone(),
        style: style(names, &system.name),
        ours: system.name == OURS,
        value: measured.number(),
        whisker: whisker_to,
        text,
        hollow: !caveats(system).is_empty(),
    }
}

fn wrong(sheet: &Sheet) -> Markup {
    let examples: Vec<(&str, &str, &str)> = sheet
        .runs
        .iter()
        .flat_map(|&run| run.systems.iter().map(move |system| (run, system)))
        .flat_map(|(run, system)| {
            let of = |example| (system.name.as_str(), run.world.faults.as_str(), example);
            let examples = system.conflicts.examples.iter();
            examples.map(move |example| of(example.as_str()))
        })
        .collect();
    html! {
        @if !examples.is_empty() {
            details {
                summary { (counted(examples.len() as u64, "field")) " that ended wrong" }
                ul {
                    @for (name, faults, example) in &examples {
                        li { b { (name) } ", faults: " (faults) ": " span { (example) } }
                    }
                }
            }
        }
    }
}
