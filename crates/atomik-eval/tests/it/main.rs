//! The tests of the crate, in one program.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod documents;
mod journal;
mod linger;
mod report;
mod report_page;
mod sentences;
