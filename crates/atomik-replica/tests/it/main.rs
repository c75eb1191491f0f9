//! Tests of replicas: by example, by property, and by model checking.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on panics"
)]

mod closing_model;
mod closings;
mod layouts;
mod linger;
mod lives;
mod membership;
mod model_checking;
mod previews;
mod records;
mod replication;
mod statements;
mod upgrade;
