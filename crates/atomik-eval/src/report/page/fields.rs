//! The verdict field by field: figures, reasons, examples and limits.

use atomik_workload::fit::{FieldFit, Fit};
use maud::{Markup, html};

use super::parts::{class, field_name, joined, scrolled};
use atomik_terminal::{Unit, bytes, count, counted};

/// How many rows of a long table are shown at once. The others are shown on demand.
const FIELDS_AT_ONCE: usize = 12;

/// How many fields have their reasons shown at once.
const REASONS_AT_ONCE: usize = 2;

/// How many reasons are shown at once.
const LISTED: usize = 3;

/// The section.
pub fn why(fit: &Fit) -> Markup {
    // Fields that do not fit come first.
    let mut fields: Vec<&FieldFit> = fit.fields.iter().collect();
    fields.sort_by_key(|field| std::cmp::Reverse(field.verdict));
    let (first, rest) = fields.split_at(fields.len().min(FIELDS_AT_ONCE));
    // The reasons of a field that is alone stand above already.
    let at_once = if first.len() > 1 { REASONS_AT_ONCE } else { 0 };
    let (told, untold) = first.split_at(first.len().min(at_once));
    html! {
        h2 id="why" { "Why: field by field" }
        (reasons(fit))
        @if fit.fields.is_empty() {
            p { "The trace has no field." }
        } @else {
            (scrolled("Fields", 8, &field_table(first)))
            @if !rest.is_empty() {
                details {
                    summary { (counted(rest.len() as u64, "more field")) }
                    (scrolled("More fields", 8, &field_table(rest)))
                }
            }
            @if !told.is_empty() { ul.cards { @for field in told { (field_card(field)) } } }
            @if !untold.is_empty() {
                details {
                    @let what = if told.is_empty() { "field" } else { "more field" };
                    summary { "Reasons of " (counted(untold.len() as u64, what)) }
                    ul.cards { @for field in untold { (field_card(field)) } }
                }
            }
        }
        (examples(&fields))
        (concurrency(fit, first))
        (limits(fit))
        pre { code { (fit.command) } }
    }
}

/// All reasons, and what to use instead.
fn reasons(fit: &Fit) -> Markup {
    let (first, rest) = fit.reasons.split_at(fit.reasons.len().min(LISTED));
    let item = |(place, reason): (usize, &String)| {
        html! { li id=(format!("reason-{place}")) { (reason) } }
    };
    html! {
        @if !first.is_empty() {
            ul.reasons { @for reason in first.iter().enumerate() { (item(reason)) } }
        }
        @if !rest.is_empty() {
            details {
                summary { (counted(rest.len() as u64, "more reason")) }
                ul.reasons {
                    @for (place, reason) in rest.iter().enumerate() {
                        (item((place + first.len(), reason)))
                    }
                }
            }
        }
        @if let Some(instead) = &fit.instead {
            p { b { "What to use instead: " } span #instead { (instead) } "." }
        }
    }
}

fn examples(fields: &[&FieldFit]) -> Markup {
    let wrong: Vec<_> = fields
        .iter()
        .filter(|field| !field.wrong.is_empty())
        .collect();
    if wrong.is_empty() {
        return html! { p { "No operation of this trace goes wrong." } };
    }
    let shown = wrong.iter().map(|field| field.wrong.len() as u64).sum();
    html! {
        details {
            summary { "What goes wrong: " (counted(shown, "example")) }
            @for field in wrong {
                h3 {
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
            }
        }
    }
}

fn concurrency(fit: &Fit, fields: &[&FieldFit]) -> Markup {
    html! {
        details {
            summary { "Concurrency by window" }
            p { "An operation is concurrent if another node wrote the same key less than a window \
                before it. It overlaps if another node changed the same bits, which is reported to \
                a writer. It is wrong if the state after it is not what the trace means, and \
                unnoticed if no overlap was reported since. If a node sends a field of a key once \
                per window in which it changed it, one entry stands for several operations." }
            @if !fit.windows.is_empty() {
                (scrolled("Concurrency", 6, &window_table(fit, fields)))
            }
        }
    }
}

fn limits(fit: &Fit) -> Markup {
    let limits = &fit.thresholds;
    html! {
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

fn lines(lines: &[u64]) -> String {
    let noun = if lines.len() == 1 { "line" } else { "lines" };
    format!("{noun} {}", joined(lines.iter().map(|&line| count(line))))
}
