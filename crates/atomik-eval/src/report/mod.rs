//! How figures are shown: as tables in a terminal, as Markdown, and as one self-contained HTML
//! page.
//!
//! | module | contents |
//! |---|---|
//! | [`metrics`] | the rows of a comparison: what each means, and which value is the lowest |
//! | [`terminal`](mod@terminal) | tables for a terminal |
//! | [`markdown`] | compact tables in Markdown |
//! | [`chart`] | bars and curves as SVG |
//! | [`sentences`](mod@sentences) | five sentences that answer the question of a review |
//! | [`sheet`] | all runs side by side |
//! | [`linger`] | what it saves and costs to let changes wait for others |
//! | [`page`](mod@page) | the HTML page |
//! | [`format`](mod@format) | the version of the figures that are shown, and errors |
//!
//! All three show the same cells.

pub mod chart;
pub mod format;
pub mod linger;
pub mod markdown;
pub mod metrics;
pub mod page;
pub mod sentences;
pub mod sheet;
pub mod terminal;

pub use format::{FORMAT, ReportError};
pub use markdown::overview;
pub use page::page;
pub use sentences::sentences;
pub use terminal::terminal;
