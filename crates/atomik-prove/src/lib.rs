//! Proves register files: that the Verilog does what the specification says, for every sequence of
//! inputs of any length, by k-induction with Yosys and an SMT solver, or by PDR with ABC.
//!
//! | module | contents |
//! |---|---|
//! | [`design`] | what is proved: a generated design, or files in its place |
//! | [`prove`] | the proof of one design, check by check |
//! | [`report`] | its result |
//! | [`junit`] | the result as JUnit XML |
//! | [`counterexample`] | a failure as commands, as a waveform, and as a case for `atomik sim replay` |
//! | [`plan`] | lists of configurations |
//! | [`mutants`] | bugs planted at random: found by simulation, by a proof, or none |
//! | [`solver`] | Yices, Z3 and ABC |
//! | [`bits`] | that all bits of a word are treated alike |
//! | [`model`] | what Yosys writes |
//!
//! What is proved is in [`atomik_hdl::formal`]. A check is *proved* if it holds in the first
//! cycles after any reset from any state (the *base*), and in every cycle that follows a window of
//! cycles in which the invariants hold (the *step*), provided that the invariants are proved in the
//! same way. ABC needs no invariants: it searches for its own.

pub mod bits;
pub mod counterexample;
pub mod design;
mod equivalence;
mod error;
pub mod junit;
pub mod model;
pub mod mutants;
mod pdr;
pub mod plan;
pub mod prove;
pub mod report;
pub mod solver;
mod unroll;

pub use design::Design;
pub use error::ProveError;
pub use prove::{Options, Prover};
pub use report::{Outcome, Report};
pub use solver::Solver;
