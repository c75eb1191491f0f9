//! Tests of the engines.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod channel;
mod conformance;
#[cfg(feature = "nats")]
mod nats;
#[cfg(feature = "zenoh")]
mod zenoh;
