//! Tests of the simulation crate. Those in `rtl` and `verilate` run Verilator.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails, and so do its helper functions"
)]

mod rtl;
mod stimulus;
mod verilate;
