//! Tests of the engines. With the feature `zenoh`, run them with `--test-threads=1`: zenoh peers on
//! one machine find each other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod channel;
mod conformance;
#[cfg(feature = "nats")]
mod nats;
#[cfg(feature = "zenoh")]
mod zenoh;
