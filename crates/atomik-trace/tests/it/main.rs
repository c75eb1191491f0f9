//! Tests of the trace format and of runs on the model.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod diff;
mod format;
mod run;
mod transcript;
