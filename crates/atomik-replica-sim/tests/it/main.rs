//! Tests of the simulator.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod mutants;
mod recorded;
mod schedules;
