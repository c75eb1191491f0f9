//! The golden model and its records, against what their documentation says.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails, and so do its helper functions"
)]

mod golden;
mod record;
