//! The tests of the crate, in one program.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
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
#[cfg(feature = "raft")]
mod raft;
mod scaling;
mod world;
