//! The tests of the systems in the simulated world.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot continue fails"
)]

#[cfg(any(
    feature = "crdts",
    feature = "yrs",
    feature = "loro",
    feature = "automerge"
))]
mod convergent;
#[cfg(feature = "cqrs")]
mod cqrs;
#[cfg(feature = "sqlite")]
mod event_log;
mod faults;
mod linger;
#[cfg(feature = "raft")]
mod raft;
mod scaling;
mod world;
