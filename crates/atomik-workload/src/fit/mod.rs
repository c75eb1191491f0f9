//! Whether deltas that XOR or add fit a workload, measured on its trace.
//!
//! # Measurements
//!
//! A window estimates how long a change takes to reach the other nodes. An operation is
//! *concurrent* if another node wrote the same key less than a window before. It is *overlapping*
//! if another node changed the same bits of the same field less than a window before, so that its
//! writer cannot have seen that change. For each window, the trace runs through a model of
//! replication in which a node sees its own changes at once and those of other nodes a window
//! later. Counters are in fields that add, everything else in fields that XOR. An operation is
//! *wrong* if all changes combined after it are not what the trace means when applied in order
//! ([`content`](crate::content)). A wrong state stays wrong until something sets it, and every
//! operation until then counts.
//!
//! Additions to a counter commute, so they are never wrong and never overlap. What limits a counter
//! is its width: [`Sums`] are the lowest and highest sums that any reader may meet, with any part
//! of the changes and in any order. The narrowest field that holds them goes into the
//! [layout](Fit::layout).
//!
//! A wrong operation is *unnoticed* if no overlap was reported since the state became wrong: two
//! writers changed different bits of a value, or one saw nothing to change. Of a set, an overlap is
//! reported for the elements that both changed, otherwise for the whole value.
//!
//! Two concurrent writes to a register may leave the value that the opposite order would give. That
//! counts as wrong, because the trace has an order.
//!
//! # Verdict
//!
//! | finding | verdict |
//! |---|---|
//! | a list or a text | does not fit |
//! | a counter with sums of more than 64 bits | does not fit |
//! | a set with more elements than a value has bits, or a longer value | does not fit |
//! | a counter that is set and has several writers | condition: sets keep apart from additions |
//! | overlapping operations other than toggles beyond [`Thresholds::overlap_fails`] | does not fit |
//! | wrong operations beyond [`Thresholds::wrong_fails`] | does not fit |
//! | unnoticed operations beyond [`Thresholds::unnoticed_fails`] | does not fit |
//! | the same limits in a window wider than [`Thresholds::connected_ms`] | condition: no partition lasts as long |
//! | fewer unnoticed operations | condition: the state may be wrong |
//! | several writers of set values; overlap beyond [`Thresholds::overlap_fits`] | condition: writers resolve reported overlaps |
//! | toggles that did not see each other, flags toggled an odd number of times | condition: XOR gives the parity, which may not be the intent |
//! | values of several widths or kinds; a universe of elements | condition: they stay within what the trace has |
//! | wide values that are replaced whole, one operation per entry | condition: XOR saves nothing |
//! | a single node | condition |
//! | anything else | fits |
//!
//! The widest window up to [`Thresholds::connected_ms`] decides, or the narrowest if all are wider,
//! and the worst field of a trace. Reasons are ordered by what they cost: wrong states, work for
//! writers, assumptions, bytes; those of one cost, by how many operations they concern, and wrong
//! states count whether they were noticed or not. Each says what to do instead. Fields of one
//! verdict are ordered by their worst reasons.
//!
//! | file | contents |
//! |---|---|
//! | `verdict`, `overall` | the rules above: which code decides `FITS`, for a field and a trace |
//! | `reason`, `values` | what a reason costs; what set values suggest to write instead |
//! | `study` | one pass over a trace, and the measurements |
//! | `cell`, `unseen` | one value as replicated and as intended; recent changes that a node has not seen |
//! | `sums`, `layout` | the range of a counter; the layout of a word |
//! | `encoding`, `bits` | values as bits |
//! | `findings`, `thresholds`, `ratio` | the result; its limits; shares and percentages |

mod bits;
mod cell;
mod encoding;
mod findings;
mod layout;
mod overall;
mod ratio;
mod reason;
mod study;
mod sums;
mod thresholds;
mod unseen;
mod values;
mod verdict;

pub use findings::{FieldFit, Fit, Sums, Verdict, Width, Window, Wrong};
pub use ratio::percent;
pub use study::{Study, fit};
pub use thresholds::Thresholds;
