//! The page: one HTML file that contains its style and charts, loads nothing and runs no script.
//!
//! | module | section |
//! |---|---|
//! | `answer` | five sentences that answer the question |
//! | `fields` | the verdict field by field |
//! | `compare` | the systems side by side under all faults |
//! | `systems` | what the systems promise, and how they were run |
//! | `growth` | how cost grows |
//! | `origin` | method, machine and commands |
//! | `parts` | what several sections are made of |

mod answer;
mod compare;
mod fields;
mod growth;
mod origin;
mod parts;
mod systems;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use atomik_arena::figures::Review;

use self::parts::{class, cues, number};
use super::format::ReportError;
use super::sheet::{Sheet, everyone};
use atomik_terminal::Unit;
use atomik_workload::workload;

/// The page loads nothing; its style is inline.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// The page.
///
/// # Errors
///
/// When a chart cannot be drawn.
pub fn page(review: &Review) -> Result<String, ReportError> {
    let fit = &review.fit;
    let sheet = Sheet::new(review);
    let names = everyone(review);
    let trace = workload::title(&fit.trace);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                title { (trace) ": " (fit.verdict) " – do XOR deltas fit?" }
                style { (PreEscaped(include_str!("page.css"))) (PreEscaped(cues())) }
            }
            body {
                (top(review))
                main {
                    @if !review.runs.is_empty() {
                        (compare::compare(review, &sheet, &names)?)
                        (systems::systems(review, &sheet))
                    }
                    (growth::growth(review, &names)?)
                    (fields::why(fit))
                    (origin::method(review))
                    (origin::origin(review))
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
                "Do deltas fit “" (workload::title(&fit.trace)) "”?"
                strong #verdict class=(class(fit.verdict)) { (fit.verdict) }
            }
            ul.facts #trace {
                li { (number(fit.operations, "operation")) }
                li { (number(fit.keys, "key")) }
                li { (number(fit.nodes, "node")) }
                li { (number(fit.fields.len() as u64, "field")) }
                li { "over " b { (Unit::Micros.show(fit.recorded_ms as f64 * 1e3)) } }
            }
            (answer::answer(review))
            nav aria-label="Sections" {
                ul {
                    @if !review.runs.is_empty() {
                        li { a href="#measured" { "Measured" } }
                        li { a href="#systems" { "Promises" } }
                    }
                    @if !review.scaling.is_empty() { li { a href="#growth" { "Growth" } } }
                    li { a href="#why" { "Field by field" } }
                    li { a href="#method" { "Method" } }
                    li { a href="#origin" { "Machine and commands" } }
                }
            }
        }
    }
}
