//! The tests of the crate, in one program.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod changes;
mod controls;
mod fit;
mod generate;
mod import;
mod layout;
mod table;
mod trace_format;
