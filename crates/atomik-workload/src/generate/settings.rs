//! Limits of the settings, and their errors.

use std::ops::RangeInclusive;

/// The default seed.
pub const SEED: u64 = 1;

/// The highest rate, in operations per second: a trace cannot tell more of them apart.
pub(super) const MAX_RATE: f64 = 1e9;
/// The lowest rate: below it, `t` leaves its range within a long trace.
pub(super) const MIN_RATE: f64 = 1e-3;

/// Settings that are out of range or contradict each other.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SettingsError {
    /// A setting is out of range.
    #[error("{name} is {value}; it must be from {least} to {most}")]
    OutOfRange {
        /// The setting.
        name: &'static str,
        /// Its value.
        value: f64,
        /// The least allowed value.
        least: f64,
        /// The greatest allowed value.
        most: f64,
    },
    /// A mix names an operation twice.
    #[error("{op} has two weights; give it one")]
    TwoWeights {
        /// The operation.
        op: &'static str,
    },
    /// A mix has no operation with a positive weight.
    #[error("all weights are 0; give one operation a greater weight")]
    NoWeight,
    /// A mix names an operation that does not exist.
    #[error("unknown operation {name:?}; choose from {known}")]
    UnknownOperation {
        /// The name.
        name: String,
        /// The operations that exist.
        known: String,
    },
    /// A weight is not a whole number.
    #[error("the weight {weight:?} of {op} is not a whole number")]
    BadWeight {
        /// The operation.
        op: String,
        /// The weight.
        weight: String,
    },
    /// A single node is to overlap.
    #[error("operations of a single node cannot overlap; use two nodes or an overlap of 0")]
    OverlapOfOneNode,
    /// Operations are to overlap, but no key has several writers.
    #[error(
        "a share of {share} of {keys} keys leaves no key with several writers, and only operations \
         on such keys overlap; raise the share or the number of keys, or use an overlap of 0"
    )]
    OverlapWithoutWriters {
        /// The number of keys.
        keys: u32,
        /// The share of keys with several writers.
        share: f64,
    },
}

/// Refuses a value out of range.
pub(super) fn within(
    name: &'static str,
    value: f64,
    range: RangeInclusive<f64>,
) -> Result<(), SettingsError> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(SettingsError::OutOfRange {
        name,
        value,
        least: *range.start(),
        most: *range.end(),
    })
}
