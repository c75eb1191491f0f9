//! Whether a workload fits xor deltas, measured on its trace.
//!
//! # What is measured
//!
//! A window is a guess at how long a change takes to reach the other nodes. An operation is
//! *concurrent* if another node wrote the same key less than a window before, and *overlapping* if
//! another node changed the same bits of the same field less than a window before: its writer
//! cannot have known. For each window the trace is run through a model of xor replication in which
//! every node sees its own changes at once and another node's when they are a window old. An
//! operation is *wrong* if after it the xor of all changes is not what the trace means in its order
//! ([`content`](crate::content)). A state that went wrong stays so until something sets it right,
//! and all operations until then count.
//!
//! Two changes at once of one register may come out as what another order of both would have given.
//! That counts as wrong, too: the trace has an order.
//!
//! # How it is judged
//!
//! | finding | verdict |
//! |---|---|
//! | a list or a text | does not fit |
//! | a counter with several writers of one key, overlap or not | does not fit: a sum that went wrong stays wrong |
//! | a set of more elements than a value has bits; a value longer than that | does not fit |
//! | overlapping operations that are no toggles beyond [`Thresholds::overlap_fails`], wrong ones beyond [`Thresholds::wrong_fails`] | does not fit |
//! | several writers of what is set; overlap beyond [`Thresholds::overlap_fits`] | condition: who is told of an overlap repairs it |
//! | toggles that did not know of each other, flags toggled an odd number of times | condition: xor gives the parity, which may not be what was meant |
//! | values of several widths, or kinds; a universe of elements | condition: they stay within what was seen |
//! | wide values that are replaced whole and alone | condition: xor saves nothing |
//! | all of it by one node | condition |
//! | anything else | fits |
//!
//! The widest window decides, and of a trace the worst field.

mod bits;
mod cell;
mod encoding;
mod study;
mod unseen;
mod verdict;

use std::collections::BTreeMap;
use std::fmt;
use std::io::BufRead;

use serde::{Deserialize, Serialize};

use crate::workload::{Class, Reader, TraceError};

pub use study::Study;
pub use verdict::percent;

/// Measures what `reader` gives, to its end, and judges it. Up to `examples` of what xor gets wrong
/// are kept a field; `trace` and `command` are only passed on.
///
/// # Errors
///
/// The first that the reader brings.
pub fn fit<R: BufRead>(
    mut reader: Reader<R>,
    thresholds: Thresholds,
    examples: usize,
    trace: &str,
    command: &str,
) -> Result<Fit, TraceError> {
    let mut study = Study::new(thresholds, examples);
    while let Some(line) = reader.next() {
        study.see(reader.line(), line?);
    }
    Ok(study.judge(trace, command))
}

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
    /// Two operations of different nodes are concurrent if they are less than so many milliseconds
    /// apart; each is measured, the widest decides. In increasing order.
    pub windows_ms: Vec<u64>,
    /// Overlapping operations, as a share of all, up to which a field fits without conditions.
    pub overlap_fits: f64,
    /// The same, beyond which it does not fit.
    pub overlap_fails: f64,
    /// Wrong operations, as a share of all, beyond which it does not fit.
    pub wrong_fails: f64,
    /// The most bytes of a value, of which a string needs three to say that it is one and how long;
    /// its bits are the most elements of a set.
    pub value_bytes: u64,
    /// Changed words, as a share of a value's, from which operations count as replacing all of it.
    pub whole_value: f64,
    /// Operations by entry from which coalescing counts as saving something.
    pub coalescing_saves: f64,
}

impl Thresholds {
    /// Nodes of one data centre, nodes of several continents, a periodic comparison (a second), a
    /// connection that was lost and made anew. The last is on the safe side: who knows that changes
    /// arrive faster asks for narrower windows.
    pub const WINDOWS_MS: [u64; 4] = [10, 100, 1_000, 10_000];
    /// None: where two nodes changed the same bits, somebody has to look, and that is a condition.
    pub const OVERLAP_FITS: f64 = 0.0;
    /// One in a hundred. Each overlap is told to a writer, which has to decide and write again. As
    /// an exception that is code that is hardly ever run; as one in a hundred it is a part of how
    /// the service works, and a system whose merge says what is meant is the better place for it.
    pub const OVERLAP_FAILS: f64 = 0.01;
    /// One in a hundred, too: where values are set, most overlaps leave a wrong state. It is judged
    /// apart because one kind of them is told to nobody (where one of two writers saw nothing to
    /// change, no bits overlap), and because a state stays wrong until somebody sets it: each
    /// operation that leaves it so counts.
    pub const WRONG_FAILS: f64 = 0.01;
    /// What a replicated value holds: 16 words of 64 bits (`atomik_replica::MAX_WORDS`). There is
    /// no more to be had, only less.
    pub const VALUE_BYTES: u64 = bits::CAPACITY as u64;
    /// Nine words of ten: a tenth is about what a list of the changed words would take by itself.
    pub const WHOLE_VALUE: f64 = 0.9;
    /// Less than one operation in ten saved is less than what one entry's size varies.
    pub const COALESCING_SAVES: f64 = 1.1;
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            windows_ms: Self::WINDOWS_MS.to_vec(),
            overlap_fits: Self::OVERLAP_FITS,
            overlap_fails: Self::OVERLAP_FAILS,
            wrong_fails: Self::WRONG_FAILS,
            value_bytes: Self::VALUE_BYTES,
            whole_value: Self::WHOLE_VALUE,
            coalescing_saves: Self::COALESCING_SAVES,
        }
    }
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
    /// Keys that only one node ever writes, in any field, as a share of `keys`.
    pub single_writer_share: f64,
    /// Concurrency of all fields together, for each window.
    pub windows: Vec<Window>,
    /// How many operations xor would have got wrong, over the widest window.
    pub wrong_operations: u64,
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
    /// Words of 64 bits that the longest value takes without its kind and length, or that the set's
    /// elements take as flags.
    pub words: u64,
    /// Words that an operation changes, as a share of `words`, on average.
    pub changed_word_ratio: f64,
    /// Widths of values.
    pub width: Width,
    /// What xor would have got wrong, some of it.
    pub wrong: Vec<Wrong>,
    /// How many operations xor would have got wrong, over the widest window.
    pub wrong_operations: u64,
    /// Operations on what does not fit into 1024 bits. They count in all else, but not as wrong:
    /// they cannot be said at all.
    pub inexpressible: u64,
    /// Toggles that another node's change of the same flag is hidden from, over the widest window.
    /// Xor gives their parity.
    pub blind_toggles: u64,
    /// Flags that are on at the end; of flags only.
    pub left_on: Option<u64>,
    /// Flags that were toggled an odd number of times; of flags only.
    pub odd: Option<u64>,
    /// Elements that come up; one more than a value has flags if there are more than that. Of sets
    /// only.
    pub elements: Option<u64>,
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
    /// Operations for which another node wrote the same key, in whatever field, less than `ms`
    /// before, as a share.
    pub concurrent: f64,
    /// Operations for which another node changed the same bits less than `ms` before, as a share.
    pub overlapping: f64,
    /// Operations by entry sent, if each node sends a key (of a field: that field of it) once in
    /// each window in which it changed it. Windows are cut at multiples of `ms` here; of 0, every
    /// operation is sent.
    pub coalescing: f64,
    /// How many operations xor would have got wrong.
    pub wrong: u64,
}

/// Widths of the values of a field.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Width {
    /// Bytes of the shortest.
    pub least: u64,
    /// Bytes of the longest. A text or list of more than 128 bytes is measured in characters from
    /// there on, so this is the least that it may be.
    pub most: u64,
    /// Bytes on average, over all operations that give a value.
    pub mean: f64,
    /// Whether all have one width, or fit into a fixed number of bits by what they are.
    pub fixed: bool,
}

impl Width {
    /// All values have so many bytes.
    fn fixed(bytes: u64) -> Self {
        Self {
            least: bytes,
            most: bytes,
            mean: bytes as f64,
            fixed: true,
        }
    }
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
