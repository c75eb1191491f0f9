//! A slice of the reference side, in words with fields that add: one segment.
//!
//! A difference is a sum with a complement and one: a - b = a + ~b + 1. So the base is kept as its
//! complement, which is ready for the adder.

use super::adder::{Sum, carry_stage, low_of_difference, low_of_sum, registered_sum};
use super::compare::equal_bits;
use super::slice_memory::segment_memory;
use crate::circuit::Circuit;
use crate::config::{Config, Segment};
use crate::expr::{Expr, select};
use atomik_algebra::FieldKind;

/// The adders of a slice, each with the stage of its sum. The carry leaves a stage later.
pub(super) fn sums(config: &Config) -> [(&'static str, u32); 3] {
    let (z, end) = (config.total_stage(), config.delta_stage());
    [("offset", z + 3), ("delta", end), ("state", end)]
}

/// The complement in a field that adds; in an xor field, the word itself.
pub(super) fn complement(segment: &Segment, word: &Expr) -> Expr {
    match segment.kind {
        FieldKind::Xor => word.clone(),
        FieldKind::Add => !word,
    }
}

/// The complement of zero.
pub(super) fn complement_of_zero(segment: &Segment) -> Expr {
    match segment.kind {
        FieldKind::Xor => Expr::zero(segment.bits),
        FieldKind::Add => Expr::constant((1 << segment.bits) - 1, segment.bits),
    }
}

/// The memories are read at the edge after stage `r` and written one edge later.
pub(super) fn circuit(config: &Config, segment: &Segment) -> Circuit {
    let (w, a) = (segment.bits, config.address_bits());
    let (z, end) = (config.total_stage(), config.delta_stage());
    let r = z + 2;
    let extra = config.word_registers();
    let s = |name: &str, stage: u32| format!("{name}_s{stage}");
    let mut m = Circuit::new(
        format!("{}_reference_slice_{}", config.name(), segment.label()),
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
        "same address as the command before, by groups of bits",
    );
    let load = m.input(&s("load", z), 1, "LOAD: set the reference to the value");
    let freeze = m.input(&s("freeze", z), 1, "LOAD, SWAP, DRAIN: clear the delta");
    let value = m.input(&s("value", z), w, "LOAD's value");
    let total = m.input(&s("total", z), w, "sum of all lanes' words");
    let state_op = m.input(
        &s("state_op", end - 1),
        1,
        "respond with the state, not the delta",
    );
    let carried = sums(config).map(|(port, stage)| {
        let name = format!("{port}_carry_s{}", stage - 1);
        let text = "carry of the segment below";
        segment.takes_carry().then(|| m.input(&name, 1, text))
    });
    let [offset_carry, delta_carry, state_carry] = carried.each_ref().map(Option::as_ref);
    m.output(&s("delta", end), w, "delta before the command");
    m.output(
        &s("chosen", end + 1),
        w,
        "state or delta before the command",
    );
    for (port, stage) in sums(config).iter().filter(|_| segment.gives_carry()) {
        m.output(
            &format!("{port}_carry_s{}", carry_stage(*stage)),
            1,
            "carry for the segment above",
        );
    }

    m.section(&format!(
        "Stage {}: the complement of the base. Stage {}: the offset, value - total.",
        z + 1,
        z + 3
    ));
    let addr = m.register(&s("addr", z), &addr_before);
    let addr = m.delay("addr", &addr, z, r + 1);
    let zero = m.register(&s("zero", z), &zero_before);
    let freeze = m.register(&s("freeze", z + 1), &freeze);
    let load = m.register(&s("load", z + 1), &load);
    let value = m.delay("value", &value, z, z + 2);
    let base = m.register(
        &s("not_base", z + 1),
        select(
            &zero,
            complement_of_zero(segment),
            complement(segment, &total),
        ),
    );
    let base = m.delay("not_base", &base, z + 1, r + 3 + extra);
    let offset = registered_sum(
        &mut m,
        segment,
        &s("offset", z + 3),
        [value.at(z + 2), base.at(z + 2)],
        low_of_difference(segment, offset_carry),
    );
    let total = m.delay("total", &total, z, end - 1);

    m.section(
        "The command one cycle before writes at the edge at which this one reads: its words\n\
         replace those read.",
    );
    let same = equal.all();
    let base_hit = m.register(&s("base_hit", z + 1), &same & &freeze);
    let offset_hit = m.register(&s("offset_hit", z + 1), &same & &load);
    let base_en = m.delay("freeze", &freeze, z + 1, r + 1);
    let offset_en = m.delay("load", &load, z + 1, r + 1);
    let offset_word = m.delay("offset", &offset.word(), z + 3, r + 3 + extra);
    let base_hit = m.delay("base_hit", &base_hit, z + 1, r + 2 + extra);
    let offset_hit = m.delay("offset_hit", &offset_hit, z + 1, r + 2 + extra);

    m.section("The memories.");
    let memory = segment_memory(config, segment);
    let mut old_base = m.memory(
        "base_memory",
        &memory,
        [
            base_en.at(r + 1),
            addr.at(r + 1),
            base.at(r + 1),
            addr.at(r),
        ],
    );
    let mut old_offset = m.memory(
        "offset_memory",
        &memory,
        [
            offset_en.at(r + 1),
            addr.at(r + 1),
            offset_word.at(r + 1),
            addr.at(r),
        ],
    );

    if extra > 0 {
        old_base = m.register(&s("base_word", end - 2), &old_base);
        old_offset = m.register(&s("offset_word", end - 2), &old_offset);
    }

    m.section(&format!(
        "Stage {}: base and offset as the command finds them.",
        end - 1
    ));
    let base = m.register(
        &s("kept_base", end - 1),
        select(base_hit.at(end - 2), base.at(end - 1), &old_base),
    );
    let offset_kept = m.register(
        &s("kept_offset", end - 1),
        select(offset_hit.at(end - 2), offset_word.at(end - 1), &old_offset),
    );

    m.section(&format!(
        "Stage {end}: delta and state before the command. Stage {}: the one that is asked for.",
        end + 1
    ));
    let total = total.at(end - 1);
    let delta = registered_sum(
        &mut m,
        segment,
        "delta_q",
        [total, &base],
        low_of_difference(segment, delta_carry),
    );
    let state = registered_sum(
        &mut m,
        segment,
        "state_q",
        [total, &offset_kept],
        low_of_sum(state_carry),
    );
    let state_op = m.register(&s("state_op", end), &state_op);
    let chosen = m.register("chosen_q", select(&state_op, state.word(), delta.word()));
    m.assign(&s("delta", end), &delta.word());
    m.assign(&s("chosen", end + 1), &chosen);
    if segment.gives_carry() {
        let give = |m: &mut Circuit, (port, stage): (&str, u32), sum: &Sum| {
            let carry = sum.carry(m, &format!("{port}_carry_q"), stage);
            m.assign(&format!("{port}_carry_s{}", carry_stage(stage)), &carry);
        };
        let [offset_port, delta_port, state_port] = sums(config);
        give(&mut m, offset_port, &offset);
        give(&mut m, delta_port, &delta);
        give(&mut m, state_port, &state);
    }
    m
}
