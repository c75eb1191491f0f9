//! An invariant that does not hold, and the test for one.

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) invariant: &'static str,
    /// Where it failed: replica, key, expected and found.
    pub(crate) detail: String,
}

impl Violation {
    /// A fault of the simulator itself, which no replica can cause.
    pub(crate) fn of_simulator(detail: String) -> Self {
        Self {
            invariant: "simulator",
            detail,
        }
    }
}

pub(crate) type Check<T = ()> = Result<T, Violation>;

/// Fails with a violation of `invariant` unless `condition` holds.
pub(crate) fn ensure(
    condition: bool,
    invariant: &'static str,
    detail: impl FnOnce() -> String,
) -> Check {
    if condition {
        Ok(())
    } else {
        Err(Violation {
            invariant,
            detail: detail(),
        })
    }
}
