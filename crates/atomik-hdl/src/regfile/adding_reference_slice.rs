//! A slice of the reference side, in words with fields that add: one segment.
//!
//! A difference is a sum with a complement and one: a - b = a + ~b + 1. So the base is kept as its
//! complement, which is ready for the adder.

use super::adder::{Adders, Carries, registered_sum};
use super::reference_slice::{Ports, ports};
use super::slice_memory::segment_memory;
use crate::circuit::Circuit;
use crate::config::{Config, Segment};
use crate::expr::{Expr, select};
use atomik_algebra::FieldKind;

/// The adders of a slice.
pub(super) fn adders(config: &Config) -> Vec<Adders> {
    let (z, end) = (config.total_stage(), config.delta_stage());
    let adders = [("offset", z + 3), ("delta", end), ("state", end)];
    let adders = adders.into_iter();
    adders.map(|(name, at)| Adders::one(name, at)).collect()
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
    let w = segment.bits;
    let (z, end) = (config.total_stage(), config.delta_stage());
    let r = config.reference_write_stage() - 1;
    let extra = config.word_registers();
    let s = |name: &str, stage: u32| format!("{name}_s{stage}");
    let mut m = Circuit::new(
        format!("{}_reference_slice_{}", config.name(), segment.label()),
        &[&format!(
            "{w} bits of the reference side, with registers of its own for what steers them."
        )],
    );
    m.keep_hierarchy();
    let Ports {
        addr_before,
        zero_before,
        equal,
        load,
        freeze,
        value,
        total,
        state_op,
    } = ports(&mut m, config, w);
    let carries = Carries::ports(&mut m, segment, adders(config));

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
        carries.low_of_difference("offset"),
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
        carries.low_of_difference("delta"),
    );
    let state = registered_sum(
        &mut m,
        segment,
        "state_q",
        [total, &offset_kept],
        carries.low_of_sum("state", 0),
    );
    let state_op = m.register(&s("state_op", end), &state_op);
    let chosen = m.register("chosen_q", select(&state_op, state.word(), delta.word()));
    m.assign(&s("delta", end), &delta.word());
    m.assign(&s("chosen", end + 1), &chosen);
    carries.give(&mut m, "offset", &[&offset]);
    carries.give(&mut m, "delta", &[&delta]);
    carries.give(&mut m, "state", &[&state]);
    m
}
