//! What each system promises, what is proved of it, and how it was run: once for all runs.

use std::collections::BTreeSet;

use atomik_arena::figures::{Review, SystemFigures};
use maud::{Markup, html};

use super::parts::field_name;
use crate::report::metrics::{self, Metric};
use crate::report::sheet::{Sheet, distinct};
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
fn told(sheet: &Sheet, column: usize, of: impl Fn(&SystemFigures) -> String) -> Vec<String> {
    distinct(sheet.everywhere(column).map(of))
}

fn card(column: usize, name: &str, sheet: &Sheet) -> Markup {
    let words = |metric: &'static Metric| told(sheet, column, |c| metric.measure(c).text());
    let left_out = sheet.everywhere(column).flat_map(|system| {
        let fields = system.inexpressible.iter();
        fields.map(|field| (&field.field, field.operations, &field.reason))
    });
    let left_out: BTreeSet<_> = left_out.collect();
    html! {
        li id=(format!("system-{column}")) {
            b { (name) }
            @for library in told(sheet, column, |c| c.library.clone()) {
                span.muted { ", " span { (library) } }
            }
            @for text in words(&metrics::PROMISES) { p { (text) } }
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
                    @for text in words(&metrics::PROOFS) {
                        dt { "machine-checked" } dd { (text) }
                    }
                    @for text in told(sheet, column, |c| c.usage.clone()) {
                        dt { "configuration" } dd { (text) }
                    }
                    @for text in told(sheet, column, |c| c.seed.to_string()) {
                        dt { "seed" } dd { (text) }
                    }
                }
                @for command in told(sheet, column, |c| c.command.clone()) {
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
