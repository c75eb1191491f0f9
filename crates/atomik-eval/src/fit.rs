//! Whether a workload fits xor deltas, measured on its trace.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::workload::Class;

/// What is recommended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Xor deltas say what the operations mean.
    Fits,
    /// They do, as long as the conditions in the reasons hold.
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

/// The limits that a verdict goes by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Thresholds {
    /// Two operations of different nodes are concurrent if they are at most so many milliseconds apart; each is measured, the last one decides.
    pub windows_ms: Vec<u64>,
    /// Overlapping operations, as a share of all, up to which a field fits without conditions.
    pub overlap_fits: f64,
    /// The same, beyond which it does not fit.
    pub overlap_fails: f64,
    /// The most bytes of a value of fixed width.
    pub value_bytes: u64,
}

/// The verdict on a trace, with all that it rests on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fit {
    /// The trace.
    pub trace: String,
    /// Operations read.
    pub operations: u64,
    /// Keys.
    pub keys: u64,
    /// Nodes.
    pub nodes: u64,
    /// Milliseconds from the first operation to the last.
    pub recorded_ms: u64,
    /// The limits used.
    pub thresholds: Thresholds,
    /// Each field.
    pub fields: Vec<FieldFit>,
    /// Overall.
    pub verdict: Verdict,
    /// Why, a sentence each.
    pub reasons: Vec<String>,
    /// The command that prints this.
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
    /// Keys that have it.
    pub keys: u64,
    /// Keys that only one node ever writes, as a share of `keys`.
    pub single_writer_share: f64,
    /// Concurrency, for each window.
    pub windows: Vec<Window>,
    /// Words of 64 bits that an operation changes, as a share of the words of the key's value.
    pub changed_word_ratio: f64,
    /// Widths of values.
    pub width: Width,
    /// What xor would have got wrong, some of it.
    pub wrong: Vec<Wrong>,
    /// How many operations xor would have got wrong, over the widest window.
    pub wrong_operations: u64,
    /// The verdict.
    pub verdict: Verdict,
    /// Why, a sentence each.
    pub reasons: Vec<String>,
}

/// What is concurrent within a window.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Window {
    /// Its width in milliseconds.
    pub ms: u64,
    /// Operations for which another node wrote the same key within the window, as a share.
    pub concurrent: f64,
    /// Operations for which another node changed the same bits within the window, as a share.
    pub overlapping: f64,
    /// Operations by entry sent, if each node sends a key once in each window in which it changed it.
    pub coalescing: f64,
}

/// Widths of the values of a field.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Width {
    /// Bytes of the shortest.
    pub least: u64,
    /// Bytes of the longest.
    pub most: u64,
    /// Whether all have one width, or fit into a fixed number of bits by what they are.
    pub fixed: bool,
}

/// An example of what xor gets wrong.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Wrong {
    /// The lines of the trace that bring it about.
    pub lines: Vec<u64>,
    /// The key.
    pub key: String,
    /// What was meant.
    pub meant: String,
    /// What xor gives.
    pub got: String,
    /// How it comes about.
    pub why: String,
}
