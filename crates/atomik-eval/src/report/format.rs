//! The version of the figures that are shown, and errors.

/// The version of [`atomik_arena::figures::Review`] that this crate shows.
pub const FORMAT: u32 = 1;

/// A report that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A chart cannot be drawn.
    #[error("the chart \"{chart}\" cannot be drawn: {reason}; `--format table` shows its figures")]
    Chart {
        /// Its title.
        chart: String,
        /// The error of the drawing library.
        reason: String,
    },
}
