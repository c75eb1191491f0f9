//! The reference side: a base and an offset per address, which turn the total of the lanes into the
//! delta and the state.
//!
//! - total: the sum of every delta since the last reset
//! - base: the total at the last LOAD, SWAP or DRAIN
//! - offset: reference - base
//!
//! Then delta = total - base, and state = total + offset; for words that xor, + and - are xor. SWAP
//! and DRAIN change neither the total nor the state, so they leave the offset alone. Both memories
//! are only written with functions of the total and of LOAD's value, never of their own words, so
//! there is no loop here.

use super::adder::connect;
use super::compare::equal_groups;
use super::{adding_reference_slice, reference_slice};
use crate::circuit::Circuit;
use crate::config::Config;
use crate::expr::Expr;

/// The reference side, made of slices. `z` is the stage of the total, `end` that of delta and
/// state.
pub(super) fn circuit(config: &Config) -> Circuit {
    let (w, a) = (config.width(), config.address_bits());
    let (z, end) = (config.total_stage(), config.delta_stage());
    let s = |name: &str, stage: u32| format!("{name}_s{stage}");
    let mut m = Circuit::new(
        format!("{}_reference", config.name()),
        &if config.adds() {
            [
                "Reference side: base (the total at the last LOAD, SWAP or DRAIN) and offset \
                 (reference",
                "- base) of every address. Delta = total - base, state = total + offset; SWAP and \
                 DRAIN",
                "change neither total nor state, so only LOAD writes the offset.",
            ]
        } else {
            [
                "Reference side: base (the total at the last LOAD, SWAP or DRAIN) and offset \
                 (reference",
                "xor base) of every address. Delta = base ^ total, state = offset ^ total; SWAP \
                 and DRAIN",
                "change neither total nor state, so only LOAD writes the offset.",
            ]
        },
    );
    m.keep_hierarchy();
    let addr_before = m.input(&s("addr", z - 1), a, "lane 0's address");
    let zero = m.input(&s("zero", z - 1), 1, "a clear: write zeros");
    let load = m.input(&s("load", z), 1, "LOAD: set the reference to the value");
    let freeze = m.input(&s("freeze", z), 1, "LOAD, SWAP, DRAIN: clear the delta");
    let value = m.input(&s("value", z), w, "LOAD's value");
    let total = m.input(
        &s("total", z),
        w,
        if config.adds() {
            "sum of all lanes' words before the command"
        } else {
            "xor of all lanes' words before the command"
        },
    );
    let state_op = m.input(
        &s("state_op", end - 1),
        1,
        "respond with the state, not the delta",
    );
    m.output(&s("delta", end), w, "delta before the command");
    m.output(
        &s("chosen", end + 1),
        w,
        "state or delta before the command",
    );

    m.section(&format!(
        "Stage {z}: same address as the command before? First step, by groups of bits."
    ));
    let addr = m.register(&s("addr", z), &addr_before);
    let equal = equal_groups(&mut m, &s("equal", z), &addr_before, &addr);
    let skew = config.skew();
    // The slices' address register is the one above, in the segments that are not late.
    let late = |m: &mut Circuit, name: &str, value: &Expr, stage| {
        m.delay(&format!("{name}_late"), value, stage, stage + skew)
    };
    let addr_before = late(&mut m, "addr", &addr_before, z - 1);
    let zero = late(&mut m, "zero", &zero, z - 1);
    let equal = late(&mut m, "equal", &equal, z);
    let load = late(&mut m, "load", &load, z);
    let freeze = late(&mut m, "freeze", &freeze, z);
    let state_op = late(&mut m, "state_op", &state_op, end - 1);

    m.section("The data.");
    let mut deltas = vec![];
    let mut chosen = vec![];
    let mut below = String::new();
    for (i, segment) in config.segments().iter().enumerate() {
        let name = format!("slice{i}");
        let k = segment.skew;
        let part = |word: &Expr| word.slice(segment.low, segment.bits);
        let mut inputs = vec![
            (s("addr", z - 1), addr_before.at(z - 1 + k).clone()),
            (s("zero", z - 1), zero.at(z - 1 + k).clone()),
            (s("equal", z), equal.at(z + k).clone()),
            (s("load", z), load.at(z + k).clone()),
            (s("freeze", z), freeze.at(z + k).clone()),
            (s("value", z), part(&value)),
            (s("total", z), part(&total)),
            (s("state_op", end - 1), state_op.at(end - 1 + k).clone()),
        ];
        if config.adds() {
            let adders = adding_reference_slice::adders(config);
            connect(&mut m, segment, &below, &adders, &mut inputs);
        }
        let inputs: Vec<(&str, &Expr)> = inputs.iter().map(|(n, e)| (n.as_str(), e)).collect();
        let slice = if config.adds() {
            adding_reference_slice::circuit(config, segment)
        } else {
            reference_slice::circuit(config)
        };
        m.instance(&name, &slice, &inputs);
        deltas.push(m.output_of(&name, &s("delta", end)));
        chosen.push(m.output_of(&name, &s("chosen", end + 1)));
        below = name;
    }
    let delta = m.concat("delta", &deltas);
    m.assign(&s("delta", end), &delta);
    let chosen = m.concat("chosen", &chosen);
    m.assign(&s("chosen", end + 1), &chosen);
    m
}
