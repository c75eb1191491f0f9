//! The verdict on a trace with its measurements, as reports and JSON show it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::thresholds::Thresholds;
use crate::workload::Class;

/// The recommendation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Deltas that XOR, or add where a counter is, preserve the meaning of the operations.
    Fits,
    /// They do as long as the conditions in the reasons hold.
    FitsWithConditions,
    /// They do not.
    DoesNotFit,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Fits => "FITS",
            Self::FitsWithConditions => "FITS WITH CONDITIONS",
            Self::DoesNotFit => "DOES NOT FIT",
        })
    }
}

/// The verdict on a trace, and the measurements behind it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fit {
    /// The name of the trace.
    pub trace: String,
    /// Operations.
    pub operations: u64,
    /// Keys.
    pub keys: u64,
    /// Nodes.
    pub nodes: u64,
    /// Milliseconds from the first operation to the last.
    pub recorded_ms: u64,
    /// The share of keys that only one node ever writes, in any field.
    pub single_writer_share: f64,
    /// Concurrency over all fields, by window.
    pub windows: Vec<Window>,
    /// Operations that leave a wrong state in the window that decides.
    pub wrong_operations: u64,
    /// The layout of a word that holds all fields in the order of their first use, the first in the
    /// lowest bits. `None` if a field has no fixed width, or they take more bits than a layout has.
    pub layout: Option<String>,
    /// The limits.
    pub thresholds: Thresholds,
    /// The verdict on each field.
    pub fields: Vec<FieldFit>,
    /// The verdict on the whole trace.
    pub verdict: Verdict,
    /// The reasons, some sentences each, in the order of what they cost.
    pub reasons: Vec<String>,
    /// What to use instead where the first of the reasons rules deltas out.
    #[serde(default)]
    pub instead: Option<String>,
    /// The command that prints it.
    pub command: String,
}

/// The verdict on one field.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FieldFit {
    /// Its name.
    pub name: String,
    /// Its class.
    pub class: Class,
    /// Operations by name.
    pub operations: BTreeMap<String, u64>,
    /// Keys with this field.
    pub keys: u64,
    /// The share of keys whose field only one node ever writes.
    pub single_writer_share: f64,
    /// Concurrency, by window.
    pub windows: Vec<Window>,
    /// 64-bit words of the longest value, without its kind and length, or of a set's elements as
    /// flags.
    pub words: u64,
    /// The average share of `words` that an operation changes.
    pub changed_word_ratio: f64,
    /// The widths of the values.
    pub width: Width,
    /// Examples of what goes wrong.
    pub wrong: Vec<Wrong>,
    /// Operations that leave a wrong state in the window that decides.
    pub wrong_operations: u64,
    /// Operations whose value does not fit into 1024 bits. They cannot be expressed, so they count
    /// in every other figure but not as wrong.
    pub inexpressible: u64,
    /// Toggles whose writer had not seen another node's change of the same flag, in the window that
    /// decides. XOR gives their parity.
    pub blind_toggles: u64,
    /// Flags that are on at the end. Only for flags.
    pub left_on: Option<u64>,
    /// Flags that were toggled an odd number of times. Only for flags.
    pub odd: Option<u64>,
    /// Distinct elements, counted up to one more than a value has flags. Only for sets.
    pub elements: Option<u64>,
    /// The sums that a reader may meet. Only for counters.
    pub sums: Option<Sums>,
    /// The field of a layout for these values, such as `add:16`. `None` if they have no fixed
    /// width.
    pub layout: Option<String>,
    /// The verdict.
    pub verdict: Verdict,
    /// The reasons, some sentences each, in the order of what they cost.
    pub reasons: Vec<String>,
}

/// Concurrency within a window.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Window {
    /// Its width in milliseconds.
    pub ms: u64,
    /// The share of operations for which another node wrote the same key, in any field, less than
    /// `ms` before.
    pub concurrent: f64,
    /// The share of operations for which another node changed the same bits less than `ms` before.
    /// Of the operations on a counter, only sets that follow another set count.
    pub overlapping: f64,
    /// Operations per sent entry, if each node sends a key, or a field of a key, once per window in
    /// which it changed it. These windows start at multiples of `ms`; with a window of 0, every
    /// operation is sent.
    pub coalescing: f64,
    /// Operations that leave a wrong state.
    pub wrong: u64,
    /// Those of them since which no overlap was reported, so that nobody can know.
    #[serde(default)]
    pub unnoticed: u64,
}

/// The widths of the values of a field.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Width {
    /// Bytes of the shortest value.
    pub least: u64,
    /// Bytes of the longest value. Beyond 128 bytes, a text or list is measured in characters, so
    /// this is a lower bound.
    pub most: u64,
    /// Average bytes over all operations with a value.
    pub mean: f64,
    /// Whether all values have one width, or their kind has a fixed number of bits.
    pub fixed: bool,
}

impl Width {
    /// The width of values that all have so many bytes.
    pub(super) fn fixed(bytes: u64) -> Self {
        Self {
            least: bytes,
            most: bytes,
            mean: bytes as f64,
            fixed: true,
        }
    }
}

/// The sums that readers of the counters of a field may meet, and the width that holds them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sums {
    /// The lowest over all counters: the sum of all changes that lower a counter, which is what a
    /// reader has that got all of those and none of the others.
    pub lowest: i64,
    /// The highest: the sum of all changes that raise a counter.
    pub highest: i64,
    /// The narrowest of 8, 16, 32 and 64 bits that hold both in two's complement. `None` if 64 do
    /// not.
    pub bits: Option<u32>,
    /// The share of the range of that width beyond the sums, at the end where less is left.
    pub headroom: f64,
    /// The first line with which 64 bits no longer hold both; `lowest` and `highest` leave out the
    /// changes that they do not hold.
    pub overflow: Option<u64>,
}

/// An example of what goes wrong.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Wrong {
    /// The lines of the trace that cause it.
    pub lines: Vec<u64>,
    /// The key.
    pub key: String,
    /// The intended value.
    pub meant: String,
    /// The value that replicas come to hold.
    pub got: String,
    /// The explanation.
    pub why: String,
}
