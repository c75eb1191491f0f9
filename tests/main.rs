//! Tests that cross crates: one test binary with a module per subject.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails, and so do its helper functions"
)]

/// The board: its Verilog, its serial protocol, and traces on the simulated board.
mod board {
    mod files;
    mod protocol;
    mod simulated;
    mod trace;
}

/// The FPGA flow: with scripts in place of the tools, and with the real ones.
mod fpga {
    mod flow;
    mod placement;
}

/// The generated Verilog: lint, equivalence with rust-hdl's own, behaviour cycle by cycle.
mod verilog {
    mod equivalence;
    mod execution;
    mod expressions;
    mod lint;
}

/// The cross-check: the reference plans, recorded cases, and bugs planted to test the checker.
mod sim {
    mod mutation;
    mod planted_bugs;
    mod power_up;
    mod recorded_cases;
    mod reference_regression;
    mod structure;
    mod target_cells;
}

/// Proofs of the generated Verilog, and of what is planted in it.
mod prove {
    mod planted_bugs;
    pub(crate) mod small;
}

mod bugs;
mod plan;
mod tools;
