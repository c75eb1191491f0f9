//! The clear sequencer: counts through the addresses after a reset.

use crate::circuit::Circuit;
use crate::config::Config;
use crate::expr::{Drive, Expr, select};

pub(super) fn circuit(config: &Config) -> Circuit {
    let bits = config.clear_counter_bits();
    let mut m = Circuit::new(
        format!("{}_clear", config.name()),
        &[
            "Clear sequencer. While active is high, every write port writes zeros to addr.",
            &format!(
                "It runs for {} cycles after a reset: all addresses, and long enough for whatever",
                1u32 << bits
            ),
            "was in flight to leave the pipeline without effect.",
        ],
    );
    let rst = m.input("rst", 1, "synchronous reset, active high");
    m.output("ready", 1, "the clear has finished");
    m.output("active", 1, "write zeros");
    if config.address_bits() > 0 {
        m.output("addr", config.address_bits(), "where to write them");
    }
    m.section("Position in the clear; last is high in its last cycle.");
    let count = m.declare_register("count", bits);
    let last = m.declare_register("last", 1);
    let active = m.declare_register("active_q", 1);
    let ready = m.declare_register("ready_q", 1);
    let next = m.wire("count_next", count.plus(&Expr::constant(1, bits)));
    let zero = || Drive::from(Expr::zero(1));
    let one = || Drive::from(Expr::constant(1, 1));
    m.set_next("count", select(&rst, Expr::zero(bits), &next));
    m.set_next("last", select(&rst, zero(), next.all()));
    m.set_next(
        "active_q",
        select(&rst, one(), select(&last, zero(), Drive::Hold)),
    );
    m.set_next(
        "ready_q",
        select(&rst, zero(), select(&last, one(), Drive::Hold)),
    );
    m.assign("ready", &ready);
    m.assign("active", &active);
    if config.address_bits() > 0 {
        m.assign("addr", &count.slice(0, config.address_bits()));
    }
    m
}
