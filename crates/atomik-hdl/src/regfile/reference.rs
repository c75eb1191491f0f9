//! The reference side: per address a base and an offset, which turn the lanes' total into the
//! delta and the state.
//!
//! total: xor of every delta an address ever took (never cleared between resets).
//! base: the total at the last LOAD, SWAP or DRAIN. offset: reference xor base.
//! Then delta = base ^ total and state = offset ^ total. SWAP and DRAIN change neither the total nor
//! the state, so they leave the offset alone; both memories are only ever written with functions
//! of the total and of LOAD's value, never of themselves: there is no loop here.

use super::lane::{equal_slices, memory};
use super::{gate, gate_not};
use crate::circuit::Circuit;
use crate::config::Config;
use crate::expr::{Expr, select};

/// `z` is the stage at which the total is registered.
pub(super) fn circuit(config: &Config) -> Circuit {
    let (w, a) = (config.width(), config.address_bits());
    let z = config.total_stage();
    let s = |name: &str, stage: u32| format!("{name}_s{stage}");
    let mut m = Circuit::new(
        format!("{}_reference", config.name()),
        &[
            "Reference side: base (the total at the last LOAD, SWAP or DRAIN) and offset (reference",
            "xor base) of every address. Delta = base ^ total, state = offset ^ total; SWAP and DRAIN",
            "change neither total nor state, so only LOAD writes the offset.",
        ],
    );
    let clearing = m.input("clearing", 1, "write zeros to clear_addr instead");
    let clear_addr = m.input("clear_addr", a, "address to clear");
    let addr_before = m.input(&s("addr", z - 1), a, "lane 0's address");
    let addr = m.input(&s("addr", z), a, "the same, a cycle later");
    let load = m.input(&s("load", z), 1, "LOAD: set the reference to the value");
    let freeze = m.input(&s("freeze", z), 1, "LOAD, SWAP, DRAIN: clear the delta");
    let value = m.input(&s("value", z), w, "LOAD's value");
    let total = m.input(
        &s("total", z),
        w,
        "xor of all lanes' words before the command",
    );
    m.output(&s("delta", z + 3), w, "delta before the command");
    m.output(&s("state", z + 3), w, "state before the command");

    m.section("Local copies of the clear.");
    let clear = m.register("clear_q", &clearing);
    let clear_addr = m.register("clear_addr_q", &clear_addr);

    m.section(&format!("Stage {}: write ports.", z + 1));
    let one = Expr::constant(1, 1);
    let zero = || Expr::zero(w);
    let write_addr = m.register(&s("write_addr", z + 1), select(&clear, &clear_addr, &addr));
    let base_en = m.register(&s("base_en", z + 1), select(&clear, &one, &freeze));
    let offset_en = m.register(&s("offset_en", z + 1), select(&clear, &one, &load));
    let base = m.register(&s("base", z + 1), select(&clear, zero(), &total));
    let offset = m.register(&s("offset", z + 1), select(&clear, zero(), &total ^ value));

    m.section(
        "The command one cycle before writes at the edge at which this one reads: its words\n\
         replace those read.",
    );
    let base_before = m.register(&s("base", z + 2), &base);
    let offset_before = m.register(&s("offset", z + 2), &offset);
    let equal = equal_slices(&mut m, &s("equal", z), &addr_before, &addr);
    let base_hit = m.register(&s("base_hit", z + 1), equal.all() & &base_en);
    let offset_hit = m.register(&s("offset_hit", z + 1), equal.all() & &offset_en);
    let base_replace = m.register(&s("base_hit", z + 2), &base_hit);
    let offset_replace = m.register(&s("offset_hit", z + 2), &offset_hit);

    m.section(&format!(
        "Stage {}: total (which base_s{} still is) with the words that replace those read.",
        z + 2,
        z + 1
    ));
    let new_base = m.wire(&s("new_base", z + 1), gate(&base_hit, &base_before));
    let new_offset = m.wire(&s("new_offset", z + 1), gate(&offset_hit, &offset_before));
    let delta_part = m.register(&s("delta_part", z + 2), &base ^ new_base);
    let state_part = m.register(&s("state_part", z + 2), &base ^ new_offset);

    m.section("The memories.");
    let memory = memory(config);
    let base_word = m.memory(
        "base_memory",
        &memory,
        [&base_en, &write_addr, &base, &addr],
    );
    let offset_word = m.memory(
        "offset_memory",
        &memory,
        [&offset_en, &write_addr, &offset, &addr],
    );

    m.section(&format!(
        "Stage {}: delta and state before the command.",
        z + 3
    ));
    let old_base = m.wire(&s("old_base", z + 2), gate_not(&base_replace, &base_word));
    let old_offset = m.wire(
        &s("old_offset", z + 2),
        gate_not(&offset_replace, &offset_word),
    );
    let delta = m.register("delta_q", old_base ^ delta_part);
    let state = m.register("state_q", old_offset ^ state_part);
    m.assign(&s("delta", z + 3), &delta);
    m.assign(&s("state", z + 3), &state);
    m
}
