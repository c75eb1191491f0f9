//! What several sections of the page are made of.

use atomik_arena::figures::SystemFigures;
use atomik_workload::fit::Verdict;
use maud::{Markup, html};

use crate::report::metrics::{Measured, Metric};
use atomik_terminal::{Unit, counted};

/// The class of a verdict in the style.
pub fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Fits => "fits",
        Verdict::FitsWithConditions => "fits-with-conditions",
        Verdict::DoesNotFit => "does-not-fit",
    }
}

/// An emphasised number and its noun.
pub fn number(value: u64, noun: &str) -> Markup {
    let text = counted(value, noun);
    let (digits, noun) = text.split_once(' ').unwrap_or((&text, ""));
    html! { b { (digits) } " " (noun) }
}

/// The name of a field, which may be empty.
pub fn field_name(name: &str) -> Markup {
    html! { @if name.is_empty() { span.muted { "(no name)" } } @else { (name) } }
}

/// A table of this many columns besides the first that scrolls if it is wider than the page, and
/// says so above. `page.css` has the widths.
pub fn scrolled(label: &str, columns: usize, table: &Markup) -> Markup {
    let columns = columns.min(WIDEST);
    html! {
        div class=(format!("wide wide-{columns}")) {
            p.cue { "The table is wider than the page: it scrolls sideways. →" }
            div.scroll role="region" aria-label=(label) tabindex="0" { (table) }
        }
    }
}

/// The number of columns beyond which tables say that they scroll at any width.
pub const WIDEST: usize = 24;

/// The width in rem of a table with this many columns besides the first; `page.css` has the widest
/// cells.
fn width(columns: usize) -> f64 {
    8.0 + 6.8 * columns as f64
}

/// The rules that show the cue of tables which are wider than the page, and only of those.
pub fn cues() -> String {
    (1..=WIDEST)
        .map(|columns| {
            let width = width(columns);
            let rules = format!(".wide-{columns} table {{ min-width: {width}rem; }}\n");
            // The border of the box takes two pixels.
            let cue = if columns < WIDEST {
                format!(
                    "@container (max-width: calc({width}rem + 1.5px)) {{ .wide-{columns} .cue {{ \
                     display: block; }} }}\n"
                )
            } else {
                format!(".wide-{columns} .cue {{ display: block; }}\n")
            };
            rules + &cue
        })
        .collect()
}

/// The parts, with commas between them.
pub fn joined(parts: impl IntoIterator<Item = String>) -> String {
    parts.into_iter().collect::<Vec<_>>().join(", ")
}

/// The unit of a figure.
pub fn unit<'a>(metric: &Metric, systems: impl IntoIterator<Item = &'a SystemFigures>) -> Unit {
    systems
        .into_iter()
        .map(|system| (metric.of)(system))
        .find_map(|measured| match measured {
            Measured::Number(_, unit) => Some(unit),
            _ => None,
        })
        .unwrap_or(Unit::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The page has 80 rem, of which its margins take 3, and the border of a table two pixels.
    #[test]
    fn ten_systems_fit_beside_each_other() {
        let room = 80.0 - 3.0 - 2.0 / 16.0;
        assert!(width(10) <= room && width(11) > room);
    }

    #[test]
    fn the_style_has_the_widths_of_the_cells() {
        let style = include_str!("../page.css");
        for width in [width(0), width(1) - width(0)] {
            assert!(style.contains(&format!("max-width: {width:.1}rem").replace(".0rem", "rem")));
        }
        assert!(style.contains("max-width: 80rem") && style.contains("padding: 0 1.5rem"));
    }
}
