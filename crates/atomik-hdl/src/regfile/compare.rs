//! Comparing two addresses in two registered steps.

use crate::circuit::Circuit;
use crate::config::Config;
use crate::expr::Expr;

/// The largest number of address bits compared in one step (two of them make a 6-input function).
const COMPARE_BITS: u32 = 3;

/// Compares two addresses in two steps: registers one bit per slice that is equal at `stage`, and
/// returns them; their `and` is the caller's second step.
pub(super) fn equal_slices(m: &mut Circuit, name: &str, a: &Expr, b: &Expr) -> Expr {
    let slices: Vec<Expr> = (0..a.width())
        .step_by(COMPARE_BITS as usize)
        .map(|low| {
            let bits = COMPARE_BITS.min(a.width() - low);
            a.slice(low, bits).equals(&b.slice(low, bits))
        })
        .collect();
    let next = m.concat(&format!("{name}_next"), &slices);
    m.register(name, &next)
}

/// Bits of a comparison's first step.
pub(super) fn equal_bits(config: &Config) -> u32 {
    config.address_bits().div_ceil(COMPARE_BITS)
}
