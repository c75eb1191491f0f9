//! The board in simulation: its whole top module under Verilator, driven through its pins.

pub mod board;
mod model;
pub mod pty;
pub mod wire;

pub use model::ModelError;
