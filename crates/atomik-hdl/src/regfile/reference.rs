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

use super::adder::carry_stage;
use super::adding_reference_slice;
use super::compare::{equal_bits, equal_groups};
use super::slice_memory::memory;
use crate::circuit::Circuit;
use crate::config::Config;
use crate::expr::{Expr, gate, gate_not, select};

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
        if segment.takes_carry() {
            for (port, stage) in adding_reference_slice::sums(config) {
                let carry = m.output_of(&below, &format!("{port}_carry_s{}", carry_stage(stage)));
                inputs.push((format!("{port}_carry_s{}", stage - 1), carry));
            }
        }
        let inputs: Vec<(&str, &Expr)> = inputs.iter().map(|(n, e)| (n.as_str(), e)).collect();
        let slice = if config.adds() {
            adding_reference_slice::circuit(config, segment)
        } else {
            slice(config)
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

/// A slice of the reference side. Its memories are read at the edge after stage `r` and written one
/// edge later.
fn slice(config: &Config) -> Circuit {
    let (w, a) = (config.slice_width(), config.address_bits());
    let (z, end) = (config.total_stage(), config.delta_stage());
    let r = z + config.word_registers();
    let s = |name: &str, stage: u32| format!("{name}_s{stage}");
    let mut m = Circuit::new(
        format!("{}_reference_slice", config.name()),
        &[&format!(
            "{w} bits of the reference side, with registers of its own for what steers them."
        )],
    );
    m.keep_hierarchy();
    let addr_before = m.input(&s("addr", z - 1), a, "lane 0's address");
    let zero_before = m.input(&s("zero", z - 1), 1, "a clear: write zeros");
    let equal = m.input(
        &s("equal", z),
        equal_bits(config),
        "address as that of the command before, by groups of bits",
    );
    let load = m.input(&s("load", z), 1, "LOAD: set the reference to the value");
    let freeze = m.input(&s("freeze", z), 1, "LOAD, SWAP, DRAIN: clear the delta");
    let value = m.input(&s("value", z), w, "LOAD's value");
    let total = m.input(&s("total", z), w, "xor of all lanes' words");
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
        "Stage {}: what the memories are written with.",
        z + 1
    ));
    let addr = m.register(&s("addr", z), &addr_before);
    let addr = m.delay("addr", &addr, z, r + 1);
    let zero = m.register(&s("zero", z), &zero_before);
    let freeze = m.register(&s("freeze", z + 1), &freeze);
    let load = m.register(&s("load", z + 1), &load);
    let base = m.register(&s("base", z + 1), gate_not(&zero, &total));
    let offset = m.register(
        &s("offset", z + 1),
        select(&zero, Expr::zero(w), &total ^ value),
    );
    let same = equal.all();
    let base_hit = m.register(&s("base_hit", z + 1), &same & &freeze);
    let offset_hit = m.register(&s("offset_hit", z + 1), &same & &load);

    m.section(
        "The command one cycle before writes at the edge at which this one reads: its words\n\
         replace those read.",
    );
    let base_en = m.delay("freeze", &freeze, z + 1, r + 1);
    let offset_en = m.delay("load", &load, z + 1, r + 1);
    let base = m.delay("base", &base, z + 1, r + 2);
    let offset = m.delay("offset", &offset, z + 1, r + 2);
    let base_hit = m.delay("base_hit", &base_hit, z + 1, end - 1);
    let offset_hit = m.delay("offset_hit", &offset_hit, z + 1, end - 1);

    m.section(&format!(
        "Stage {}: total (which base_s{} still is) with the words that replace those read.",
        r + 2,
        r + 1
    ));
    let new_base = m.wire(
        &s("new_base", r + 1),
        gate(base_hit.at(r + 1), base.at(r + 2)),
    );
    let new_offset = m.wire(
        &s("new_offset", r + 1),
        gate(offset_hit.at(r + 1), offset.at(r + 2)),
    );
    let delta_part = m.register(&s("delta_part", r + 2), base.at(r + 1) ^ new_base);
    let state_part = m.register(&s("state_part", r + 2), base.at(r + 1) ^ new_offset);
    let delta_part = m.delay("delta_part", &delta_part, r + 2, end - 1);
    let state_part = m.delay("state_part", &state_part, r + 2, end - 1);

    m.section("The memories.");
    let memory = memory(config);
    let mut base_word = m.memory(
        "base_memory",
        &memory,
        [
            base_en.at(r + 1),
            addr.at(r + 1),
            base.at(r + 1),
            addr.at(r),
        ],
    );
    let mut offset_word = m.memory(
        "offset_memory",
        &memory,
        [
            offset_en.at(r + 1),
            addr.at(r + 1),
            offset.at(r + 1),
            addr.at(r),
        ],
    );
    if config.word_registers() > 0 {
        base_word = m.register(&s("base_word", end - 1), &base_word);
        offset_word = m.register(&s("offset_word", end - 1), &offset_word);
    }

    m.section(&format!(
        "Stage {end}: delta and state before the command. Stage {}: the one that is asked for.",
        end + 1
    ));
    let old_base = m.wire(
        &s("old_base", end - 1),
        gate_not(base_hit.at(end - 1), &base_word),
    );
    let old_offset = m.wire(
        &s("old_offset", end - 1),
        gate_not(offset_hit.at(end - 1), &offset_word),
    );
    let delta = m.register("delta_q", old_base ^ delta_part.at(end - 1));
    let state = m.register("state_q", old_offset ^ state_part.at(end - 1));
    let state_op = m.register(&s("state_op", end), &state_op);
    let chosen = m.register("chosen_q", select(&state_op, &state, &delta));
    m.assign(&s("delta", end), &delta);
    m.assign(&s("chosen", end + 1), &chosen);
    m
}
