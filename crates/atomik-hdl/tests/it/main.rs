//! Tests of the crate's public interface, in one program.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod checked_in;
mod description;
mod layouts;
mod text;
mod waves;
