//! Tests of the C library: its header, its functions, and the golden model in SystemVerilog.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails, and so do its helper functions"
)]

mod header;
mod model;
mod register_file;
mod system_verilog;
