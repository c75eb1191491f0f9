//! The register file of the specification, section 2, as a circuit.
//!
//! A signal's name ends in its stage: `x_s3` belongs to the command that was accepted three cycles
//! before. So `x_s3` and `y_s3` belong to the same command, while `x_s3` and `y_s5`, read in the
//! same cycle, belong to commands that are two cycles apart. Every hazard is written this way.
//!
//! In words with fields that add, a segment of a field works two cycles after the one below it,
//! with the carry of that one (`adder`). All segments have the same stages, counted from the cycle
//! in which the segment takes the command; only the response waits for the last one (`align`).

mod adder;
mod adding_flat_slice;
mod adding_lane_slice;
mod adding_reference_slice;
mod addressed;
mod align;
pub(crate) mod clear;
mod compare;
mod control;
mod flat;
mod flat_slice;
pub(crate) mod holdings;
mod lane;
mod lane_slice;
mod merge;
mod ports;
mod reference;
mod reference_slice;
mod relay;
mod respond;
pub(crate) mod slice_memory;

use crate::circuit::Circuit;
use crate::config::Config;

/// The register file for `config`: a rust-hdl block with the native ports of the specification.
pub fn circuit(config: &Config) -> Circuit {
    if config.address_bits() == 0 {
        flat::circuit(config)
    } else {
        addressed::circuit(config)
    }
}
