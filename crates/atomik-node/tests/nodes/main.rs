//! Tests of nodes: real processes, and nodes inside the test's process.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod alone;
mod in_process;
#[cfg(any(feature = "zenoh", feature = "nats"))]
mod links;
mod members;
mod process;
mod verify;
