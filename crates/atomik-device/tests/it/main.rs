//! Tests of the host side's public interface, in one program.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod codec;
mod link;
mod session;
