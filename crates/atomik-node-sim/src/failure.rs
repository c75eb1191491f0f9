//! What does not hold.

use std::time::Duration;

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at {at:?}: {invariant}: {detail}")]
pub struct Failure {
    /// The virtual time since the start.
    pub at: Duration,
    /// The invariant.
    pub invariant: &'static str,
    /// Where it failed.
    pub detail: String,
    /// One line per event up to the failure.
    pub log: Vec<String>,
}

/// The outcome of a check: the invariant that does not hold, and where.
pub(crate) type Check<T = ()> = Result<T, Violation>;

/// An invariant that does not hold, and where.
pub(crate) struct Violation {
    pub(crate) invariant: &'static str,
    pub(crate) detail: String,
}

impl Violation {
    pub(crate) fn new(invariant: &'static str, detail: impl ToString) -> Self {
        let detail = detail.to_string();
        Self { invariant, detail }
    }
}

pub(crate) fn ensure(
    invariant: &'static str,
    holds: bool,
    detail: impl FnOnce() -> String,
) -> Check {
    if holds {
        return Ok(());
    }
    Err(Violation::new(invariant, detail()))
}
