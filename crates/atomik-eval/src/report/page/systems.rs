//! What each system promises, what is proved of it, and how it was run: once for all runs.

use std::collections::BTreeSet;

use atomik_arena::figures::{Review, SystemFigures};
use maud::{Markup, html};

use super::parts::field_name;
use crate::report::metrics::{self, Metric};
use crate::report::sheet::Sheet;
use atomik_terminal::counted;

/// The section.
pub fn systems(review: &Review, sheet: &Sheet) -> Markup {
    html! {
        h2 id="systems" { "What the systems promise" }
        ul.cards {
            @for (column, name) in sheet.names.iter().enumerate() {
                (card(column, name, sheet))
            }
        }
        (others(review, sheet))
    }
}

/// What the runs say of a system, each text once.
fn told<'a>(sheet: &Sheet<'a>, column: usize, of: impl Fn(&'a SystemFigures) -> String) -> Told {
    let mut texts: Vec<(String, Vec<usize>)> = Vec::new();
    for (run, system) in sheet.everywhere(column) {
        let text = of(system);
        match texts.iter_mut().find(|(other, _)| *other == text) {
            Some((_, runs)) => runs.push(run),
            None => texts.push((text, vec![run])),
        }
    }
    Told(texts)
}

/// Texts, and the runs that have them.
struct Told(Vec<(String, Vec<usize>)>);

fn card(column: usize, name: &str, sheet: &Sheet) -> Markup {
    let words = |metric: &'static Metric| told(sheet, column, |c| metric.measure(c).text());
    let left_out = sheet.everywhere(column).flat_map(|(_, system)| {
        let fields = system.inexpressible.iter();
        fields.map(|field| (&field.field, field.operations, &field.reason))
    });
    let left_out: BTreeSet<_> = left_out.collect();
    html! {
        li id=(format!("system-{column}")) {
            b { (name) }
            @for (library, _) in told(sheet, column, |c| c.library.clone()).0 {
                span.muted { ", " span { (library) } }
            }
            @for (text, _) in words(&metrics::PROMISES).0 { p { (text) } }
            @if !left_out.is_empty() {
                p { small { "Left out because the system cannot express it:" } }
                dl.pairs {
                    @for (field, operations, reason) in &left_out {
                        dt { (field_name(field)) }
                        dd { (counted(*operations, "operation")) ": " (reason) }
                    }
                }
            }
            details {
                summary { "Proofs, configuration and commands" }
                dl.pairs {
                    @for (text, _) in words(&metrics::PROOFS).0 {
                        dt { "machine-checked" } dd { (text) }
                    }
                    @for (text, _) in told(sheet, column, |c| c.usage.clone()).0 {
                        dt { "configuration" } dd { (text) }
                    }
                    @for (text, _) in told(sheet, column, |c| c.seed.to_string()).0 {
                        dt { "seed" } dd { (text) }
                    }
                }
                @for (command, _) in told(sheet, column, |c| c.command.clone()).0 {
                    pre { code { (command) } }
                }
            }
        }
    }
}

/// Libraries of the series that no run has.
fn others(review: &Review, sheet: &Sheet) -> Markup {
    let of = |system: &SystemFigures| (system.name.clone(), system.library.clone());
    let known: BTreeSet<_> = sheet
        .runs
        .iter()
        .flat_map(|run| &run.systems)
        .map(of)
        .collect();
    let points = review.scaling.iter().flat_map(|series| &series.points);
    let found: BTreeSet<_> = points.map(|point| of(&point.system)).collect();
    let others: Vec<_> = found.difference(&known).collect();
    html! {
        @if !others.is_empty() {
            details {
                summary { "Libraries of growth alone" }
                dl.pairs { @for (name, library) in others { dt { (name) } dd { (library) } } }
            }
        }
    }
}
