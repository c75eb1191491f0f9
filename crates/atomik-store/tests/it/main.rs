//! Tests of the stores.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on panics"
)]

mod crash;
mod disk;
mod folder;
#[cfg(unix)]
mod kill;
mod promises;
