//! A slice of the reference side, in words that xor.

use super::compare::equal_bits;
use super::slice_memory::memory;
use crate::circuit::Circuit;
use crate::config::Config;
use crate::expr::{Expr, gate, gate_not, select};

/// The memories are read at the edge after stage `r` and written one edge later.
pub(super) fn circuit(config: &Config) -> Circuit {
    let w = config.slice_width();
    let (z, end) = (config.total_stage(), config.delta_stage());
    let r = config.reference_write_stage() - 1;
    let s = |name: &str, stage: u32| format!("{name}_s{stage}");
    let mut m = Circuit::new(
        format!("{}_reference_slice", config.name()),
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

/// The inputs of a slice of `w` bits, without carries.
pub(super) struct Ports {
    pub addr_before: Expr,
    pub zero_before: Expr,
    pub equal: Expr,
    pub load: Expr,
    pub freeze: Expr,
    pub value: Expr,
    pub total: Expr,
    pub state_op: Expr,
}

/// Declares the inputs, and the outputs `delta` and `chosen`.
pub(super) fn ports(m: &mut Circuit, config: &Config, w: u32) -> Ports {
    let a = config.address_bits();
    let (z, end) = (config.total_stage(), config.delta_stage());
    let s = |name: &str, stage: u32| format!("{name}_s{stage}");
    let total = if config.adds() {
        "sum of all lanes' words"
    } else {
        "xor of all lanes' words"
    };
    let ports = Ports {
        addr_before: m.input(&s("addr", z - 1), a, "lane 0's address"),
        zero_before: m.input(&s("zero", z - 1), 1, "a clear: write zeros"),
        equal: m.input(
            &s("equal", z),
            equal_bits(config),
            "address as that of the command before, by groups of bits",
        ),
        load: m.input(&s("load", z), 1, "LOAD: set the reference to the value"),
        freeze: m.input(&s("freeze", z), 1, "LOAD, SWAP, DRAIN: clear the delta"),
        value: m.input(&s("value", z), w, "LOAD's value"),
        total: m.input(&s("total", z), w, total),
        state_op: m.input(
            &s("state_op", end - 1),
            1,
            "respond with the state, not the delta",
        ),
    };
    m.output(&s("delta", end), w, "delta before the command");
    m.output(
        &s("chosen", end + 1),
        w,
        "state or delta before the command",
    );
    ports
}
