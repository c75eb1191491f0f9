//! One lane: a private accumulator memory with its read-modify-write loop, and a second copy of
//! that memory which lane 0's commands read.
//!
//! The loop reads the memory at the edge after stage 2 and writes it at the edge after stage 5, so
//! of the commands before it only those four or more cycles back are in the word it reads:
//! - one and two cycles back: the delta is still in flight and is added, deltas commute;
//! - three cycles back: written at the very edge of the read, so the word read is replaced by the
//!   word written (which holds everything up to there).
//!
//! The readout copy is read at the edge after stage 4, which is the edge that writes the command
//! one cycle back; again that word is replaced. So no memory is ever relied on to return
//! anything in particular at an edge that also writes the address.

use super::{gate, gate_not};
use crate::circuit::{Circuit, Memory};
use crate::config::Config;
use crate::expr::{Expr, select};

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

pub(super) fn memory(config: &Config) -> Memory {
    Memory::new(
        format!("{}_memory", config.name()),
        config.width(),
        config.address_bits(),
    )
}

pub(super) fn circuit(config: &Config) -> Circuit {
    let (w, a) = (config.width(), config.address_bits());
    let mut m = Circuit::new(
        format!("{}_lane", config.name()),
        &[
            "One lane: accumulates a delta into its own memory in every cycle, and reads the word at",
            "lane 0's address as every earlier command, and no later one, left it.",
            "x_s3 and x_s5, read in one cycle, belong to commands two cycles apart.",
        ],
    );
    let clearing = m.input("clearing", 1, "write zeros to clear_addr instead");
    let clear_addr = m.input("clear_addr", a, "address to clear");
    let valid_s1 = m.input("valid_s1", 1, "accumulate");
    let addr_s1 = m.input("addr_s1", a, "where");
    let data_s1 = m.input("data_s1", w, "delta");
    let read_addr_s1 = m.input("read_addr_s1", a, "lane 0's address");
    let read_addr_s4 = m.input("read_addr_s4", a, "the same, three cycles later");
    m.output("word_s7", w, "this lane's word at lane 0's address");

    m.section("The command on its way to the memory.");
    let addr = m.delay("addr", &addr_s1, 1, 4);
    let data = m.delay("data", &data_s1, 1, 5);
    let valid = m.delay("valid", &valid_s1, 1, 4);

    m.section("Stage 2: same address as the command 1, 2, 3 cycles before? First step, by slices.");
    let equal: Vec<Expr> = (1..=3)
        .map(|d| equal_slices(&mut m, &format!("equal{d}_s2"), &addr_s1, addr.at(1 + d)))
        .collect();

    m.section("Local copies of the clear, which drives every write register.");
    let clear = m.register("clear_q", &clearing);
    let clear_addr = m.register("clear_addr_q", &clear_addr);

    m.section("Stage 5: write port, declared here because later commands look at it.");
    let write_en = m.declare_register("write_en_s5", 1);
    let write_addr = m.declare_register("write_addr_s5", a);
    let sum = m.declare_register("sum_s5", w);
    let sum_s6 = m.register("sum_s6", &sum);

    m.section("Stage 3: second step, and only if that command was one.");
    let hit: Vec<Expr> = [valid.at(3), valid.at(4), &write_en]
        .into_iter()
        .zip(&equal)
        .enumerate()
        .map(|(i, (valid, equal))| m.register(&format!("hit{}_s3", i + 1), equal.all() & valid))
        .collect();

    m.section("Stage 4: what the memory does not hold yet.");
    let near = m.wire("in_flight1_s3", gate(&hit[0], data.at(4)));
    let middle = m.wire("in_flight2_s3", gate(&hit[1], data.at(5)));
    let far = m.wire("in_flight3_s3", gate(&hit[2], &sum_s6));
    let own = m.register("own_s4", data.at(3) ^ near);
    let earlier = m.register("earlier_s4", middle ^ far);
    let replace = m.register("replace_s4", &hit[2]);

    m.section("The loop's memory.");
    let memory = memory(config);
    let loop_word = m.memory(
        "loop_memory",
        &memory,
        [&write_en, &write_addr, &sum, addr.at(2)],
    );

    m.section("Stage 5: one level of logic behind the memory, then the write registers.");
    let kept = m.wire("kept_s4", gate_not(&replace, &loop_word));
    m.set_next("write_en_s5", &clear | valid.at(4));
    m.set_next("write_addr_s5", select(&clear, &clear_addr, addr.at(4)));
    m.set_next(
        "sum_s5",
        select(&clear, Expr::zero(w), kept ^ own ^ earlier),
    );

    m.section("Readout: did the command before lane 0's write the address that lane 0 reads?");
    let same = equal_slices(&mut m, "read_equal_s2", &read_addr_s1, addr.at(2));
    let read_hit = m.register("read_hit_s3", same.all() & valid.at(3));
    let read_hit = m.delay("read_hit", &read_hit, 3, 6);
    let fresh = m.register("fresh_s6", gate(read_hit.at(5), &sum_s6));

    m.section("The copy that lane 0 reads.");
    let read_word = m.memory(
        "read_memory",
        &memory,
        [&write_en, &write_addr, &sum, &read_addr_s4],
    );

    m.section("Stage 7: the lane's word.");
    let stored = m.wire("stored_s6", gate_not(read_hit.at(6), &read_word));
    let word = m.register("out_s7", stored ^ fresh);
    m.assign("word_s7", &word);
    m
}
