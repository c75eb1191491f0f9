//! Traces from seeds. The same settings give the same lines, on every machine.

mod counter;
mod draw;
mod text;
mod zipf;

pub use counter::{Counter, CounterLines};
pub use text::{Text, TextLines};
pub use zipf::{Mix, OpKind, Zipf, ZipfLines};

/// The seed that is used where none is given.
pub const SEED: u64 = 1;

/// Settings that make no sense together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SettingsError(String);

/// Refuses what is not within limits.
fn within(
    name: &str,
    value: f64,
    limits: std::ops::RangeInclusive<f64>,
) -> Result<(), SettingsError> {
    if limits.contains(&value) {
        Ok(())
    } else {
        Err(SettingsError(format!(
            "{name} is {value}; it must be from {} to {}",
            limits.start(),
            limits.end()
        )))
    }
}

/// Operations a second, at most: more come into one millisecond than a trace can tell apart.
const MAX_RATE: f64 = 1e9;
/// Slower than this, `t` leaves its range within a long trace.
const MIN_RATE: f64 = 1e-3;
