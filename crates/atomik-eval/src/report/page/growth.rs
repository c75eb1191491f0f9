//! How cost grows: charts, and the figures behind them.

use atomik_arena::figures::{Review, Scaling};
use maud::{Markup, html};

use super::parts::{joined, scrolled, unit};
use crate::report::chart::{self, Curve};
use crate::report::format::ReportError;
use crate::report::metrics::{GROWTH, Measured, caveats, left_out};
use crate::report::sheet::{OURS, distinct};
use atomik_terminal::{count, counted};

/// The section.
///
/// # Errors
///
/// When a chart cannot be drawn.
pub fn growth(review: &Review, names: &[&str]) -> Result<Markup, ReportError> {
    let series = review
        .scaling
        .iter()
        .enumerate()
        .map(|(place, figures)| scaling(place, figures, names))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(html! {
        @if !series.is_empty() {
            h2 id="growth" { "How cost grows" }
            p { "Both axes are logarithmic: equal distances are equal factors, and a flat line is \
                a constant cost." }
            @for series in &series { (series) }
        }
    })
}

fn scaling(place: usize, scaling: &Scaling, everyone: &[&str]) -> Result<Markup, ReportError> {
    // In order of first appearance, as in the tables.
    let names = distinct(
        scaling
            .points
            .iter()
            .map(|point| point.system.name.as_str()),
    );
    let mut charts = Vec::new();
    for (number, (metric, title, _)) in GROWTH.iter().enumerate() {
        let mut left_out = 0;
        let curves: Vec<Curve> = names
            .iter()
            .map(|name| {
                let style = everyone.iter().position(|other| other == name);
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
                    style: style.unwrap_or_default(),
                    ours: *name == OURS,
                    points,
                }
            })
            .collect();
        let unit = unit(metric, scaling.points.iter().map(|p| &p.system));
        let id = format!("scaling-{place}-chart-{number}");
        let steepest = curves.iter().filter_map(grown).fold(0.0, f64::max);
        if let Some(drawn) = chart::curves(&id, title, &curves, &scaling.axis, unit)? {
            let figure = html! {
                figure {
                    figcaption { (title) }
                    (drawn.svg)
                    @if !drawn.equal.is_empty() {
                        @let groups = drawn.equal.iter().cloned().map(joined);
                        @let groups: Vec<String> = groups.collect();
                        p.note { "Equal, drawn side by side: " (groups.join("; ")) "." }
                    }
                    @if left_out > 0 {
                        p.note { (counted(left_out, "point")) " not drawn: not above zero, or \
                            not measured (see the figures)." }
                    }
                }
            };
            charts.push((steepest, figure));
        }
    }
    let (first, rest) = split(charts);
    Ok(html! {
        h3 id=(format!("scaling-{place}")) { "With " (scaling.axis) }
        @if scaling.points.is_empty() { p { "Nothing was measured." } }
        @for (number, point) in scaling.left_out.iter().enumerate() {
            p.note id=(format!("left-out-{place}-{number}")) {
                "Not measured: " (left_out(point, &scaling.axis))
            }
        }
        @if !scaling.failed.is_empty() {
            ul id=(format!("failed-{place}")) {
                @for failed in &scaling.failed { li { "Not measured: " (failed) } }
            }
        }
        @if !first.is_empty() { div.charts { @for chart in &first { (chart) } } }
        @if !rest.is_empty() {
            details {
                summary { (counted(rest.len() as u64, "more chart")) ", of what grows less" }
                div.charts { @for chart in &rest { (chart) } }
            }
        }
        @if !scaling.points.is_empty() {
            details {
                summary { "Figures, commands and seeds of the points" }
                @let label = format!("Figures with {}", scaling.axis);
                (scrolled(&label, 8, &point_table(scaling)))
                pre { code { (scaling.command) } }
            }
        } @else {
            pre { code { (scaling.command) } }
        }
    })
}

/// How many charts of a series are shown at once.
const CHARTS_AT_ONCE: usize = 3;

/// By what factor a curve rises from its first point to its last.
fn grown(curve: &Curve) -> Option<f64> {
    let by_place = |a: &&(f64, f64), b: &&(f64, f64)| a.0.total_cmp(&b.0);
    let (first, last) = (
        curve.points.iter().min_by(by_place)?,
        curve.points.iter().max_by(by_place)?,
    );
    Some(last.1 / first.1)
}

/// The charts in which a system grows most, and the others, both in their order.
fn split(charts: Vec<(f64, Markup)>) -> (Vec<Markup>, Vec<Markup>) {
    let mut order: Vec<f64> = charts.iter().map(|(steepest, _)| *steepest).collect();
    order.sort_by(|a, b| b.total_cmp(a));
    let limit = order.get(CHARTS_AT_ONCE - 1).copied().unwrap_or(0.0);
    let (mut first, mut rest) = (Vec::new(), Vec::new());
    for (steepest, chart) in charts {
        if steepest >= limit && first.len() < CHARTS_AT_ONCE {
            first.push(chart);
        } else {
            rest.push(chart);
        }
    }
    (first, rest)
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
