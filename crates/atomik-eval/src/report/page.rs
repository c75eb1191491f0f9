//! The page: one HTML file that contains its style and charts, loads nothing and runs no script.

use std::collections::BTreeMap;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use atomik_arena::figures::{Review, Run, Scaling, SystemFigures};
use atomik_workload::fit::{FieldFit, Fit, Verdict};

use super::chart::{self, Bar, Curve};
use super::format::ReportError;
use super::metrics::{self, GROWTH, Measured, Metric, caveats, left_out};
use atomik_terminal::{Unit, bytes, count, counted};

/// The page loads nothing; its style is inline.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// How many rows of a long table are shown at once. The others are shown on demand.
const FIELDS_AT_ONCE: usize = 12;

/// The bar charts of a run: the figure, the figure at which its whisker ends, title and subtitle.
const BARS: &[(&Metric, Option<&Metric>, &str, &str)] = &[
    (
        &metrics::LATENCY_MEDIAN,
        Some(&metrics::LATENCY_P99),
        "Write latency",
        "virtual time to acknowledgement; median, line to p99",
    ),
    (
        &metrics::CPU,
        None,
        "CPU per write",
        "all nodes, over the whole run",
    ),
    (
        &metrics::WIRE,
        None,
        "Sync bandwidth",
        "bytes on all links per write, framing included",
    ),
    (
        &metrics::REBUILD_CPU,
        None,
        "State reconstruction",
        "CPU of a node after a restart",
    ),
    (
        &metrics::MEMORY,
        None,
        "Memory beyond the values",
        "median node, at the end",
    ),
    (
        &metrics::DISK,
        None,
        "Disk beyond the values",
        "median node, at the end",
    ),
    (
        &metrics::RECOVERY_TIME,
        None,
        "Partition recovery",
        "virtual time until all nodes are identical",
    ),
    (
        &metrics::RECOVERY_BYTES,
        None,
        "Bytes of partition recovery",
        "on all links, framing included",
    ),
];

/// The page.
///
/// # Errors
///
/// When a chart cannot be drawn.
pub fn page(review: &Review) -> Result<String, ReportError> {
    let fit = &review.fit;
    let runs = review
        .runs
        .iter()
        .enumerate()
        .map(|(place, figures)| run(place, figures))
        .collect::<Result<Vec<_>, _>>()?;
    let series = review
        .scaling
        .iter()
        .enumerate()
        .map(|(place, figures)| scaling(place, figures))
        .collect::<Result<Vec<_>, _>>()?;
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                title { (fit.trace) ": " (fit.verdict) " – do XOR deltas fit?" }
                style { (PreEscaped(include_str!("page.css"))) }
            }
            body {
                (top(review))
                main {
                    (why(fit))
                    @if !runs.is_empty() {
                        h2 id="measured" { "Measured against other systems" }
                        p { "Every system ran the same operations on the same simulated network \
                            and disks. Virtual times are those of the simulation. CPU times were \
                            measured on the machine named below." }
                        @for run in &runs { (run) }
                    }
                    @if !series.is_empty() {
                        h2 id="growth" { "How cost grows" }
                        p { "Both axes are logarithmic: equal distances are equal factors, and a \
                            flat line is a constant cost." }
                        @for series in &series { (series) }
                    }
                    (method(review))
                    (origin(review))
                }
                footer {
                    "Made by atomik-eval " (review.program) " on " (review.date) ". This page \
                        loads nothing."
                }
            }
        }
    };
    Ok(page.into_string())
}

fn top(review: &Review) -> Markup {
    let fit = &review.fit;
    html! {
        header {
            h1 {
                "Do deltas fit “" (fit.trace) "”?"
                strong class=(class(fit.verdict)) { (fit.verdict) }
            }
            ul.facts {
                li { (number(fit.operations, "operation")) }
                li { (number(fit.keys, "key")) }
                li { (number(fit.nodes, "node")) }
                li { (number(fit.fields.len() as u64, "field")) }
                li { "over " b { (Unit::Micros.show(fit.recorded_ms as f64 * 1e3)) } }
            }
            @if !fit.reasons.is_empty() {
                ul.reasons {
                    @for reason in &fit.reasons { li { (reason) } }
                }
            }
            nav aria-label="Sections" {
                ul {
                    li { a href="#why" { "Field by field" } }
                    @if !review.runs.is_empty() { li { a href="#measured" { "Measured" } } }
                    @if !review.scaling.is_empty() { li { a href="#growth" { "Growth" } } }
                    li { a href="#method" { "Method" } }
                    li { a href="#origin" { "Machine and commands" } }
                }
            }
        }
    }
}

fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Fits => "fits",
        Verdict::FitsWithConditions => "fits-with-conditions",
        Verdict::DoesNotFit => "does-not-fit",
    }
}

/// An emphasised number and its noun.
fn number(value: u64, noun: &str) -> Markup {
    let text = counted(value, noun);
    let (digits, noun) = text.split_once(' ').unwrap_or((&text, ""));
    html! { b { (digits) } " " (noun) }
}

/// The name of a field, which may be empty.
fn field_name(name: &str) -> Markup {
    html! { @if name.is_empty() { span.muted { "(no name)" } } @else { (name) } }
}

/// A table that scrolls if it is wider than the page.
fn scrolled(label: &str, table: &Markup) -> Markup {
    html! { div.scroll role="region" aria-label=(label) tabindex="0" { (table) } }
}

fn why(fit: &Fit) -> Markup {
    // Fields that do not fit come first.
    let mut fields: Vec<&FieldFit> = fit.fields.iter().collect();
    fields.sort_by_key(|field| std::cmp::Reverse(field.verdict));
    let (first, rest) = fields.split_at(fields.len().min(FIELDS_AT_ONCE));
    let limits = &fit.thresholds;
    let examples = fit.fields.iter().any(|field| !field.wrong.is_empty());
    html! {
        h2 id="why" { "Field by field" }
        @if fit.fields.is_empty() {
            p { "The trace has no field." }
        } @else {
            (scrolled("Fields", &field_table(first)))
            @if !rest.is_empty() {
                details {
                    summary { (counted(rest.len() as u64, "more field")) }
                    (scrolled("More fields", &field_table(rest)))
                }
            }
            ul.cards { @for field in first { (field_card(field)) } }
        }
        h3 { "What goes wrong" }
        @if examples {
            @for field in &fields { @if !field.wrong.is_empty() {
                h4 {
                    (field_name(&field.name)) ": " (counted(field.wrong_operations, "operation"))
                    @if (field.wrong.len() as u64) < field.wrong_operations { ", for example" }
                }
                ul.cards {
                    @for wrong in &field.wrong {
                        li {
                            b { (wrong.key) }
                            span.muted { ", " (lines(&wrong.lines)) }
                            p { (wrong.why) }
                            dl.pairs {
                                dt { "intended" } dd { (wrong.meant) }
                                dt { "replicas get" } dd { (wrong.got) }
                            }
                        }
                    }
                }
            } }
        } @else {
            p { "Nothing in this trace." }
        }
        h3 { "Concurrency" }
        p { "An operation is concurrent if another node wrote the same key less than a window \
            before it. It overlaps if another node changed the same bits, which is reported to a \
            writer. It is wrong if the state after it is not what the trace means, and unnoticed \
            if no overlap was reported since. If a node sends a \
            field of a key once per window in which it changed it, one entry stands for several \
            operations." }
        @if !fit.windows.is_empty() {
            (scrolled("Concurrency", &window_table(fit, first)))
        }
        details {
            summary { "Limits of the verdict" }
            dl.pairs {
                dt { "windows" }
                dd { (joined(limits.windows_ms.iter().map(|&ms| window(ms)))) "; each is \
                    measured, and the widest up to " (window(limits.connected_ms)) " decides; \
                    wider ones stand for partitions" }
                dt { "overlap that fits" } dd { "up to " (Unit::Share.show(limits.overlap_fits)) "\
                     of the operations" }
                dt { "overlap that does not fit" }
                dd { "beyond " (Unit::Share.show(limits.overlap_fails)) "\
                     of the operations" }
                dt { "wrong operations" }
                dd { "do not fit beyond " (Unit::Share.show(limits.wrong_fails)) "\
                     of all" }
                dt { "wrong states of which nobody is told" }
                dd { "do not fit beyond " (Unit::Share.show(limits.unnoticed_fails)) "\
                     of all" }
                dt { "longest value" } dd { (bytes(limits.value_bytes)) "; a set has at most as \
                    many elements as a value has bits" }
                dt { "the whole value" }
                dd { "counts as replaced from " (Unit::Share.show(limits.whole_value)) "\
                     of its words" }
                dt { "coalescing" }
                dd { "counts as a saving from " (Unit::Number.show(limits.coalescing_saves)) "\
                     operations per entry" }
            }
        }
        pre { code { (fit.command) } }
    }
}

fn field_table(fields: &[&FieldFit]) -> Markup {
    html! {
        table {
            thead { tr {
                th scope="col" { "Field" }
                @for heading in ["Verdict", "Class", "Operations"] {
                    th.left scope="col" { (heading) }
                }
                @for heading in ["Keys", "Keys with one writer", "Words changed", "Width of \
                    values", "Wrong"] {
                    th scope="col" { (heading) }
                }
            } }
            tbody {
                @for field in fields {
                    tr {
                        th scope="row" { (field_name(&field.name)) }
                        td class=(format!("left {}", class(field.verdict))) { (field.verdict) }
                        td.left { (field.class) }
                        td.left { (joined(field.operations.iter().map(|(name, n)| format!("{} \
                            {name}", count(*n))))) }
                        td { (count(field.keys)) }
                        td { (Unit::Share.show(field.single_writer_share)) }
                        td {
                            (Unit::Share.show(field.changed_word_ratio)) " of "
                            (count(field.words))
                        }
                        td {
                            @if field.width.least == field.width.most { (bytes(field.width.most)) }
                            @else { (bytes(field.width.least)) " to " (bytes(field.width.most)) }
                            @if field.width.fixed { ", fixed" } @else { ", not fixed" }
                        }
                        td { (count(field.wrong_operations)) }
                    }
                }
            }
        }
    }
}

fn window_table(fit: &Fit, fields: &[&FieldFit]) -> Markup {
    let mut rows = Vec::new();
    if fit.fields.len() != 1 {
        rows.push((html! { "all fields" }, &fit.windows));
    }
    rows.extend(
        fields
            .iter()
            .map(|field| (field_name(&field.name), &field.windows)),
    );
    html! {
        table {
            thead { tr {
                @for heading in ["Field", "Window", "Concurrent", "Overlapping", "Wrong", "\
                    Unnoticed", "Operations per entry"] {
                    th scope="col" { (heading) }
                }
            } }
            tbody {
                @for (name, windows) in &rows {
                    @for measured in *windows {
                        tr {
                            th scope="row" { (name) }
                            td { (window(measured.ms)) }
                            td { (Unit::Share.show(measured.concurrent)) }
                            td { (Unit::Share.show(measured.overlapping)) }
                            td { (count(measured.wrong)) }
                            td { (count(measured.unnoticed)) }
                            td { (Unit::Number.show(measured.coalescing)) }
                        }
                    }
                }
            }
        }
    }
}

/// The reasons of a field's verdict, and the figures that the table leaves out.
fn field_card(field: &FieldFit) -> Markup {
    let numbers = [
        (
            "too wide for a value",
            (field.inexpressible > 0).then_some(field.inexpressible),
        ),
        (
            "toggles that did not see another node's",
            (field.blind_toggles > 0).then_some(field.blind_toggles),
        ),
        ("flags on at the end", field.left_on),
        ("flags toggled an odd number of times", field.odd),
        ("elements", field.elements),
    ];
    html! {
        li {
            b { (field_name(&field.name)) } ": "
            span class=(class(field.verdict)) { (field.verdict) }
            @for reason in &field.reasons { p { (reason) } }
            @if numbers.iter().any(|(_, number)| number.is_some()) {
                dl.pairs {
                    @for (name, number) in numbers { @if let Some(number) = number {
                        dt { (name) } dd { (count(number)) }
                    } }
                }
            }
        }
    }
}

fn window(ms: u64) -> String {
    Unit::Micros.mark(ms as f64 * 1e3)
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

fn lines(lines: &[u64]) -> String {
    let noun = if lines.len() == 1 { "line" } else { "lines" };
    format!("{noun} {}", joined(lines.iter().map(|&line| count(line))))
}

fn run(place: usize, run: &Run) -> Result<Markup, ReportError> {
    let charts = if run.systems.is_empty() {
        Vec::new()
    } else {
        bar_charts(place, run)?
    };
    let hollow = run.systems.iter().any(|system| !caveats(system).is_empty());
    let least = metrics::ALL
        .iter()
        .any(|metric| metric.least(&run.systems).contains(&true));
    Ok(html! {
        h3 id=(format!("run-{place}")) { "Faults: " (run.world.faults) }
        ul.facts {
            li { (run.trace.name) }
            li { (number(run.trace.operations, "operation")) }
            li { (number(run.trace.keys, "key")) }
            li { (number(run.world.nodes, "node")) }
            li { "seed " b { (run.world.seed) } }
            @if let Some(pace) = metrics::pace(run) { li { (pace) } }
        }
        @if run.systems.is_empty() {
            p { "No system ran." }
        } @else {
            (scrolled(&format!("Figures, faults: {}", run.world.faults), &comparison(place, run)))
            p.note {
                @if least { "“least” marks the lowest figure among systems without caveats: they \
                    left nothing out, acknowledged every operation, and ended with identical \
                    nodes and no wrong value. Their guarantees differ (last rows), so a lower \
                    figure may buy less. " }
                @if hollow { "Hollow bars belong to systems with caveats, which the table lists \
                    below their names." }
            }
        }
        @if !run.absent.is_empty() {
            p.note { "Not run: " (joined(run.absent.iter().map(|(name, why)| format!("{name} \
                ({why})")))) "\
                ." }
        }
        @if !charts.is_empty() {
            div.charts { @for chart in &charts { (chart) } }
        }
        @if run.systems.iter().any(|system| !system.conflicts.examples.is_empty()) {
            h4 { "Fields that ended wrong" }
            ul {
                @for system in &run.systems {
                    @for example in &system.conflicts.examples {
                        li { b { (system.name) } ": " (example) }
                    }
                }
            }
        }
        @if !run.systems.is_empty() {
            h4 { "How each system was run" }
            ul.cards {
                @for (number, system) in run.systems.iter().enumerate() {
                    (card(place, number, system))
                }
            }
        }
    })
}

fn card(run: usize, number: usize, system: &SystemFigures) -> Markup {
    html! {
        li id=(format!("run-{run}-system-{number}")) {
            b { (system.name) } span.muted { ", " (system.library) ", seed " (system.seed) }
            p { small { (system.usage) } }
            @if !system.inexpressible.is_empty() {
                p { small { "Left out because the system cannot express it:" } }
                dl.pairs {
                    @for field in &system.inexpressible {
                        dt { (field_name(&field.field)) }
                        dd { (counted(field.operations, "operation")) ": " (field.reason) }
                    }
                }
            }
            pre { code { (system.command) } }
        }
    }
}

fn comparison(place: usize, run: &Run) -> Markup {
    let mut groups: Vec<(&str, Vec<&Metric>)> = Vec::new();
    for metric in metrics::ALL {
        match groups.last_mut() {
            Some((group, rows)) if *group == metric.group => rows.push(metric),
            _ => groups.push((metric.group, vec![metric])),
        }
    }
    html! {
        table.systems {
            thead { tr {
                th scope="col" { "Figure" }
                @for (number, system) in run.systems.iter().enumerate() {
                    th scope="col" {
                        (system.name)
                        small { (system.library) }
                        @for caveat in caveats(system) { small.caveat { (caveat) } }
                        small { a href=(format!("#run-{place}-system-{number}"))
                            aria-label=(format!("\
                            command of {}", system.name)) { "\
                            command" } }
                    }
                }
            } }
            @for (group, rows) in &groups {
                tbody {
                    tr { th scope="rowgroup" colspan=(run.systems.len() + 1) { span { (group) } } }
                    @for metric in rows { (row(metric, &run.systems)) }
                }
            }
        }
    }
}

fn row(metric: &Metric, systems: &[SystemFigures]) -> Markup {
    let least = metric.least(systems);
    let cells: Vec<Measured> = systems
        .iter()
        .map(|system| metric.measure(system))
        .collect();
    // A reason that applies to every system is shown once.
    if let Some(Measured::Missing(why)) = cells.first()
        && cells.iter().all(|cell| *cell == Measured::Missing(why))
    {
        return html! {
            tr { th scope="row" { (metric.name) } td.missing colspan=(cells.len()) { (why) } }
        };
    }
    html! {
        tr {
            th scope="row" { (metric.name) }
            @for (cell, least) in cells.into_iter().zip(least) {
                @match cell {
                    Measured::Missing(why) => { td.missing { (why) } },
                    Measured::Words(words) if words.len() > 40 => { td.words { (words) } },
                    measured if least => { td.least { small { "least" } (measured.text()) } },
                    measured => { td { (measured.text()) } },
                }
            }
        }
    }
}

fn bar_charts(place: usize, run: &Run) -> Result<Vec<Markup>, ReportError> {
    let mut charts = Vec::new();
    for (number, (metric, whisker, title, what)) in BARS.iter().enumerate() {
        let bars: Vec<Bar> = run
            .systems
            .iter()
            .map(|system| bar(metric, *whisker, system))
            .collect();
        if bars.iter().all(|bar| bar.value.is_none()) {
            continue;
        }
        let id = format!("run-{place}-chart-{number}");
        let title = *title;
        let drawn = chart::bars(&id, title, &bars, unit(metric, run.systems.iter()))?;
        charts.push(html! {
            figure { figcaption { (title) small { (what) } } (drawn) }
        });
    }
    Ok(charts)
}

fn bar(metric: &Metric, whisker: Option<&Metric>, system: &SystemFigures) -> Bar {
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
        value: measured.number(),
        whisker: whisker_to,
        text,
        hollow: !caveats(system).is_empty(),
    }
}

fn unit<'a>(metric: &Metric, systems: impl Iterator<Item = &'a SystemFigures>) -> Unit {
    systems
        .map(|system| (metric.of)(system))
        .find_map(|measured| match measured {
            Measured::Number(_, unit) => Some(unit),
            _ => None,
        })
        .unwrap_or(Unit::Number)
}

fn scaling(place: usize, scaling: &Scaling) -> Result<Markup, ReportError> {
    // In order of first appearance, as in the tables.
    let mut names: Vec<&str> = Vec::new();
    for point in &scaling.points {
        if !names.contains(&point.system.name.as_str()) {
            names.push(&point.system.name);
        }
    }
    let mut charts = Vec::new();
    for (number, (metric, title, _)) in GROWTH.iter().enumerate() {
        let mut left_out = 0;
        let curves: Vec<Curve> = names
            .iter()
            .enumerate()
            .map(|(style, name)| {
                let mut points = Vec::new();
                for point in scaling.points.iter().filter(|p| p.system.name == *name) {
                    match metric.measure(&point.system).number() {
                        Some(value) if value > 0.0 && point.x > 0 => {
                            points.push((point.x as f64, value));
                        }
                        _ => left_out += 1,
                    }
                }
                Curve {
                    name: (*name).to_owned(),
                    style,
                    points,
                }
            })
            .collect();
        let unit = unit(metric, scaling.points.iter().map(|p| &p.system));
        let id = format!("scaling-{place}-chart-{number}");
        if let Some(drawn) = chart::curves(&id, title, &curves, &scaling.axis, unit)? {
            charts.push(html! {
                figure {
                    figcaption { (title) }
                    (drawn)
                    @if left_out > 0 {
                        p.note { (counted(left_out, "point")) " not drawn: not above zero, or \
                            not measured (see the figures)." }
                    }
                }
            });
        }
    }
    Ok(html! {
        h3 id=(format!("scaling-{place}")) { "With " (scaling.axis) }
        @if scaling.points.is_empty() { p { "Nothing was measured." } }
        @for point in &scaling.left_out {
            p.note { "Not measured: " (left_out(point, &scaling.axis)) }
        }
        @for failed in &scaling.failed { p { "Not measured: " (failed) } }
        @if !charts.is_empty() { div.charts { @for chart in &charts { (chart) } } }
        @if !scaling.points.is_empty() {
            details {
                summary { "Figures, commands and seeds of the points" }
                (scrolled(&format!("Figures with {}", scaling.axis), &point_table(scaling)))
            }
        }
        pre { code { (scaling.command) } }
    })
}

fn point_table(scaling: &Scaling) -> Markup {
    html! {
        table {
            thead { tr {
                th scope="col" { (scaling.axis) }
                th scope="col" { "System" }
                @for (_, title, _) in GROWTH { th scope="col" { (title) } }
                th scope="col" { "Command and seed" }
            } }
            tbody {
                @for point in &scaling.points {
                    tr {
                        th scope="row" { (count(point.x)) }
                        td.left {
                            (point.system.name)
                            @for caveat in caveats(&point.system) { " " small { "(" (caveat) ")" } }
                        }
                        @for (metric, ..) in GROWTH {
                            @match metric.measure(&point.system) {
                                Measured::Missing(why) => { td.missing { (why) } },
                                measured => { td { (measured.text()) } },
                            }
                        }
                        td.left {
                            code { (point.system.command) } " "
                            small { "seed " (point.system.seed) }
                        }
                    }
                }
            }
        }
    }
}

fn method(review: &Review) -> Markup {
    html! {
        h2 id="method" { "Method" }
        h3 { "What each row means" }
        dl.pairs {
            @for metric in metrics::ALL {
                dt { (metric.group) ": " (metric.name) }
                dd { (metric.what) }
            }
        }
        @if !review.runs.is_empty() {
            h3 { "The simulated world" }
            @for run in &review.runs {
                h4 { "Faults: " (run.world.faults) }
                ul {
                    li { (counted(run.world.nodes, "node")) ", seed " (run.world.seed) }
                    @for setting in &run.world.settings { li { (setting) } }
                }
            }
        }
    }
}

fn origin(review: &Review) -> Markup {
    // Each name and version once.
    let mut versions: BTreeMap<(&str, &str), ()> = BTreeMap::new();
    let systems = review.runs.iter().flat_map(|run| &run.systems);
    let points = review
        .scaling
        .iter()
        .flat_map(|s| &s.points)
        .map(|p| &p.system);
    for system in systems.chain(points) {
        versions.insert((&system.name, &system.library), ());
    }
    html! {
        h2 id="origin" { "Machine and commands" }
        dl.pairs {
            dt { "machine" } dd { (review.machine) }
            dt { "made on" } dd { (review.date) }
            dt { "atomik-eval" } dd { (review.program) ", format " (review.format) }
            @for (name, library) in versions.keys() { dt { (name) } dd { (library) } }
        }
        @if !review.commands.is_empty() {
            h3 { "Commands" }
            ol.commands { @for command in &review.commands { li { code { (command) } } } }
        }
    }
}
