//! How figures are shown: in a terminal, in Markdown, and as one page of HTML that asks nobody for
//! anything.
//!
//! | module | what it holds |
//! |---|---|
//! | [`metrics`] | the rows of a comparison, each with what it means and when a cell of it may be called the least |
//! | [`terminal`](mod@terminal) | tables of text |
//! | [`markdown`] | the tables of the README |
//! | [`chart`] | bars and curves, as SVG |
//! | [`page`](mod@page) | the page |
//!
//! All three show the same cells: what one of them says, the others say, too.

pub mod chart;
pub mod markdown;
pub mod metrics;
pub mod page;
pub mod terminal;

pub use markdown::overview;
pub use page::page;
pub use terminal::terminal;

use atomik_arena::figures::LeftOut;
use atomik_terminal::{Unit, count};

/// The version of [`atomik_arena::figures::Review`] that is shown here.
pub const FORMAT: u32 = 1;

/// What was left out, and why.
fn left_out(point: &LeftOut, axis: &str) -> String {
    let time = |seconds: u64| Unit::Nanos.show(seconds as f64 * 1e9);
    format!(
        "{}, {} {axis}: would have taken about {}, more than the {} that it might",
        point.name,
        count(point.x),
        time(point.expected_s),
        time(point.patience_s)
    )
}

/// A report could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A chart could not be drawn.
    #[error("the chart \"{chart}\" cannot be drawn: {reason}; `--format table` shows its figures")]
    Chart {
        /// What it shows.
        chart: String,
        /// What the drawing library says.
        reason: String,
    },
}
