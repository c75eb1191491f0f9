//! Lane 0's op, decoded into control bits.

use super::ports::Ports;
use crate::circuit::Circuit;
use crate::expr::Expr;
use atomik_algebra::Op;

/// Lane 0's op, as one bit per effect.
pub(super) struct Control {
    /// LOAD: set the reference to the value. Stage 2.
    pub load: Expr,
    /// LOAD, SWAP, DRAIN: set the delta to zero. Stage 2.
    pub freeze: Expr,
    /// A clear: set everything to zero. Stage 1.
    pub zero: Expr,
    /// READ, SWAP: respond with the state, not with the delta. Stage 1.
    pub state: Expr,
    /// READ, SWAP, DELTA, DRAIN: respond. Stage 1.
    pub respond: Expr,
}

/// Decodes lane 0's op.
pub(super) fn decode(m: &mut Circuit, ports: &Ports, ready: &Expr, clearing: &Expr) -> Control {
    m.section("Stage 1: lane 0's op, one bit per effect.");
    let offered = ports.valid.bit(0);
    let [load, read, swap, delta, drain] = [Op::Load, Op::Read, Op::Swap, Op::Delta, Op::Drain]
        .map(|op| m.wire(&format!("is_{}", op.name()), is(op, &ports.op)));
    let load_s1 = m.register("load_s1", &offered & &load);
    let freeze_s1 = m.register("freeze_s1", &offered & (&load | &swap | &drain));
    let live_s1 = m.register("live_s1", ready);
    let zero = m.register("zero_s1", clearing);
    let state = m.register("state_s1", &read | &swap);
    let responds = &read | &swap | delta | drain;
    let respond = m.register("respond_s1", ready & &offered & responds);
    m.section("Stage 2: only what was accepted. A clear loads zeros.");
    Control {
        load: m.register("load_s2", &zero | (load_s1 & &live_s1)),
        freeze: m.register("freeze_s2", &zero | (freeze_s1 & &live_s1)),
        zero,
        state,
        respond,
    }
}

/// One bit: whether `code` is that of `op`.
fn is(op: Op, code: &Expr) -> Expr {
    code.equals(&Expr::constant(op.code().into(), 3))
}

/// One bit: whether `code` is that of ACCUM.
pub(super) fn is_accum(code: &Expr) -> Expr {
    is(Op::Accum, code)
}
