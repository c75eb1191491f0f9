//! A slice of a lane's data, in words with fields that add: one segment, with its own memories and
//! control registers.
//!
//! An adder has a stage of its own, and the loop a single one: what the memory does not hold yet is
//! added up before the word is there. The delta and the one before it make a pair; the pair of two
//! before has the delta three before as well; a word that is on its way to the memory replaces the
//! one read.

use super::adder::{Sum, carry_stage, low_of_sum, registered_sum, sum};
use super::compare::equal_bits;
use super::slice_memory::segment_memory;
use crate::circuit::Circuit;
use crate::config::{Config, Segment};
use crate::expr::{Expr, gate_not, select};
use std::collections::BTreeMap;

/// The adders of a slice, each with the stage of its sum. The carry leaves a stage or two later.
pub(super) fn sums(config: &Config) -> Vec<(&'static str, u32)> {
    let mut sums = vec![("pair", 6), ("recent", 8), ("sum", 10)];
    if config.loop_distance() > 4 {
        sums.push(("older", 6));
    }
    sums
}

/// The stages at which a slice asks whether there is a command.
pub(super) fn valid_stages(config: &Config) -> impl Iterator<Item = u32> {
    (3..=config.loop_distance() + 2).chain([config.write_stage() - 1])
}

pub(super) fn circuit(config: &Config, segment: &Segment) -> Circuit {
    let (w, a) = (segment.bits, config.address_bits());
    let (r, t, d) = (
        config.read_stage(),
        config.write_stage(),
        config.loop_distance(),
    );
    let last = config.lane_read_stage();
    let s = |name: &str, stage: u32| format!("{name}_s{stage}");
    let mut m = Circuit::new(
        format!("{}_lane_slice_{}", config.name(), segment.label()),
        &[
            &format!(
                "{w} bits of a lane: deltas in flight, the accumulator memory and its readout copy."
            ),
            "The lane compares addresses; what the comparisons say is registered here once more.",
        ],
    );
    m.keep_hierarchy();
    let addr_read = m.input(&s("addr", r - 1), a, "where to accumulate");
    let addr_before = m.input(&s("addr", t - 1), a, "the same, later");
    let clearing = m.input("clearing", 1, "a clear: the word becomes zero");
    let equal: Vec<Expr> = (1..=d)
        .map(|d| {
            let text = format!("same address as {d} before, by groups of bits");
            m.input(&format!("equal{d}_s2"), equal_bits(config), &text)
        })
        .collect();
    let valid: BTreeMap<u32, Expr> = valid_stages(config)
        .map(|stage| {
            let valid = m.input(&s("valid", stage), 1, "there is a command");
            (stage, valid)
        })
        .collect();
    let valid_at = |stage: u32| &valid[&stage];
    let read_equal = m.input(
        "read_equal_s3",
        equal_bits(config),
        "lane 0 reads the address of the command before",
    );
    let read_addr = m.input(&s("read_addr", t - 2), a, "lane 0's address");
    let data = m.input("data", w, "delta");
    let sums = sums(config);
    let carries: BTreeMap<&str, Expr> = sums
        .iter()
        .filter(|_| segment.takes_carry())
        .map(|(port, stage)| {
            let name = format!("{port}_carry_s{}", stage - 1);
            (*port, m.input(&name, 1, "carry of the segment below"))
        })
        .collect();
    let low = |port: &str| low_of_sum(carries.get(port));
    let word_out = s("word", last);
    m.output(&word_out, w, "the word at lane 0's address");
    let passed_out = s("passed", config.passed_stage());
    m.output(&passed_out, w, "the delta, on its way");
    for (port, stage) in sums.iter().filter(|_| segment.gives_carry()) {
        m.output(
            &format!("{port}_carry_s{}", carry_stage(*stage)),
            1,
            "carry for the segment above",
        );
    }
    let give = |m: &mut Circuit, port: &str, sum: &Sum| {
        let at = sums.iter().find(|(name, _)| *name == port);
        if let Some((_, stage)) = at.filter(|_| segment.gives_carry()) {
            let carry = sum.carry(m, &format!("{port}_carry_q"), *stage);
            m.assign(&format!("{port}_carry_s{}", carry_stage(*stage)), &carry);
        }
    };

    m.section("The delta on its way to the memory.");
    let zero_s1 = m.register("zero_s1", &clearing);
    let zero = m.delay("zero", &zero_s1, 1, 8);
    let data_s1 = m.register("data_s1", &data);
    let data_s2 = m.register("data_s2", gate_not(&zero_s1, &data_s1));
    let data = m.delay("data", &data_s2, 2, d + 3);
    m.assign(&passed_out, data.at(config.passed_stage()));

    m.section(
        "Stage 3: same address, and there was a command. A clear looks at none of them, its delta \
         is\n\
         zero and it replaces the word that it reads.",
    );
    let hit: Vec<Expr> = equal
        .iter()
        .zip(1..)
        .map(|(equal, d)| {
            let same = equal.all() & valid_at(2 + d);
            m.register(&format!("hit{d}_s3"), gate_not(zero.at(2), &same))
        })
        .collect();
    let far_hit = m.delay("far_hit", &hit[d as usize - 1], 3, 8);

    m.section("Write port, declared here because later commands look at it.");
    let write_en = m.declare_register(&s("write_en", t), 1);
    let write_addr = m.declare_register(&s("write_addr", t), a);
    let sum_t = Sum::registered(
        m.declare_register(&s("sum", t), Sum::width(segment)),
        segment,
    );
    give(&mut m, "sum", &sum_t);
    let sum_line = m.delay("sum", &sum_t.word(), t, last);
    m.set_next(&s("write_en", t), valid_at(t - 1));
    m.set_next(&s("write_addr", t), &addr_before);

    m.section("Stage 4: which of the commands before count.");
    let miss = m.register("miss1_s4", !&hit[0]);
    let two = m.register("hit2_s4", &hit[1]);
    let neither = m.register("neither_s4", !&(&hit[1] | &hit[2]));

    m.section("Stage 5: the delta, and the one before it if it has the same address.");
    let own = m.register("own_s5", data.at(4));
    let before = m.register("before_s5", gate_not(&miss, data.at(5)));

    m.section("Stage 6: their sum.");
    let pair = registered_sum(&mut m, segment, "pair_s6", [&own, &before], low("pair"));
    give(&mut m, "pair", &pair);

    m.section(
        "Stage 5: the sum of those two and three before. If that two before has the address, its\n\
         pair has both.",
    );
    let earlier = m.register(
        "earlier_s5",
        select(
            &neither,
            Expr::zero(w),
            select(&two, pair.word(), data.at(7)),
        ),
    );
    let older = if d > 4 {
        let miss = m.register("miss4_s4", !&hit[3]);
        let fourth = m.register("fourth_s5", gate_not(&miss, data.at(8)));
        m.section("Stage 6: the same and four before.");
        let older = registered_sum(
            &mut m,
            segment,
            "older_s6",
            [&earlier, &fourth],
            low("older"),
        );
        give(&mut m, "older", &older);
        m.register("older_s7", older.word())
    } else {
        m.delay("earlier", &earlier, 5, 7).at(7).clone()
    };

    m.section("Stage 8: all that is in flight. Between two adders a sum has a stage for its way.");
    let pair = m.register("pair_s7", pair.word());
    let recent = registered_sum(&mut m, segment, "recent_s8", [&pair, &older], low("recent"));
    give(&mut m, "recent", &recent);
    let recent = m.register("recent_s9", recent.word());

    let memory = segment_memory(config, segment);
    m.section(
        "The loop's memory. If the word was written at the edge of the read, what was written\n\
         replaces it.",
    );
    let read_at = m.register(&s("addr", r), &addr_read);
    let mut word = m.memory(
        "loop_memory",
        &memory,
        [&write_en, &write_addr, &sum_t.word(), &read_at],
    );
    if config.word_registers() > 0 {
        word = m.register("loop_word_s8", &word);
    }
    let kept = m.register(
        "kept_s9",
        select(
            zero.at(8),
            Expr::zero(w),
            select(far_hit.at(8), sum_line.at(8 + d), &word),
        ),
    );

    m.section("Stage 10: the adder of the loop.");
    let next = sum(&mut m, segment, "sum_s10", [&kept, &recent], low("sum"));
    m.set_next(&s("sum", t), next);

    m.section("The copy that lane 0 reads.");
    let read_addr = m.register(&s("read_addr", t - 1), &read_addr);
    let mut word = m.memory(
        "read_memory",
        &memory,
        [&write_en, &write_addr, &sum_t.word(), &read_addr],
    );

    m.section(&format!(
        "Stage {last}: the word. If the command before wrote it at the edge of the read, what it \
         wrote."
    ));
    let read_hit = m.register("read_hit_s4", read_equal.all() & valid_at(4));
    let read_hit = m.delay("read_hit", &read_hit, 4, last - 1);
    if config.word_registers() > 0 {
        word = m.register(&s("read_word", last - 1), &word);
    }
    let out = m.register(
        &s("out", last),
        select(read_hit.at(last - 1), sum_line.at(last), &word),
    );
    m.assign(&word_out, &out);
    m
}
