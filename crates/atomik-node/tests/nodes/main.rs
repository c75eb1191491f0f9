//! Tests of nodes: real processes, and nodes inside the test's process.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod alone;
#[cfg(any(feature = "zenoh", feature = "nats"))]
mod cluster;
mod in_process;
#[cfg(any(feature = "zenoh", feature = "nats"))]
mod links;
mod members;
#[cfg(feature = "nats")]
mod nats_server;
#[cfg(any(feature = "zenoh", feature = "nats"))]
mod operations;
mod process;
mod verify;
