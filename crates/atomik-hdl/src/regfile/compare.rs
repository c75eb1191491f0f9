//! Comparing two addresses in two registered steps.

use crate::circuit::Circuit;
use crate::config::Config;
use crate::expr::Expr;

/// The maximum number of address bits per group: comparing 3 bits with 3 is a 6-input function.
const COMPARE_BITS: u32 = 3;

/// The first step of comparing two addresses: one registered bit per group of address bits, set if
/// the groups are equal. The second step, left to the caller, is the `and` of these bits.
pub(super) fn equal_groups(m: &mut Circuit, name: &str, a: &Expr, b: &Expr) -> Expr {
    let groups: Vec<Expr> = (0..a.width())
        .step_by(COMPARE_BITS as usize)
        .map(|low| {
            let bits = COMPARE_BITS.min(a.width() - low);
            a.slice(low, bits).equals(&b.slice(low, bits))
        })
        .collect();
    let next = m.concat(&format!("{name}_next"), &groups);
    m.register(name, &next)
}

/// The number of bits that the first step registers.
pub(super) fn equal_bits(config: &Config) -> u32 {
    config.address_bits().div_ceil(COMPARE_BITS)
}
