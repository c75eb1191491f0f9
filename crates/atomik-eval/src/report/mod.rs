//! How figures are shown.

use crate::figures::Run;

/// A table for the terminal.
pub fn table(run: &Run) -> String {
    format!("{run:#?}\n")
}
