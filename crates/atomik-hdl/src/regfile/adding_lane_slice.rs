//! A slice of a lane's data, in words with fields that add: one segment, with its own memories and
//! control registers.
//!
//! An adder has a stage of its own, and the loop a single one: what the memory does not hold yet is
//! added up before the word is there. The delta and the one before it make a pair; the pair of two
//! before has the delta three before as well; a word that is on its way to the memory replaces the
//! one read.

use super::adder::{Adders, Carries, Sum, registered_sum, sum};
use super::lane_slice::{incoming, ports, read_copy};
use super::slice_memory::segment_memory;
use crate::circuit::Circuit;
use crate::config::{Config, Segment};
use crate::expr::{Expr, gate_not, select};

/// The adders of a slice.
pub(super) fn adders(config: &Config) -> Vec<Adders> {
    let mut adders = vec![("pair", 6), ("recent", 8), ("sum", 10)];
    if config.loop_distance() > 4 {
        adders.push(("older", 6));
    }
    let adders = adders.into_iter();
    adders.map(|(name, at)| Adders::one(name, at)).collect()
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
    let ports = ports(&mut m, config, w);
    let carries = Carries::ports(&mut m, segment, adders(config));
    let (zero, data, hit) = incoming(&mut m, config, &ports, [8, d + 3]);
    let far_hit = m.delay("far_hit", &hit[d as usize - 1], 3, 8);

    m.section("Write port, declared here because later commands look at it.");
    let write_en = m.declare_register(&s("write_en", t), 1);
    let write_addr = m.declare_register(&s("write_addr", t), a);
    let sum_t = Sum::registered(
        m.declare_register(&s("sum", t), Sum::width(segment)),
        segment,
    );
    carries.give(&mut m, "sum", &[&sum_t]);
    let sum_line = m.delay("sum", &sum_t.word(), t, last);
    m.set_next(&s("write_en", t), ports.valid_at(t - 1));
    m.set_next(&s("write_addr", t), &ports.addr_before);

    m.section("Stage 4: which of the commands before count.");
    let miss = m.register("miss1_s4", !&hit[0]);
    let two = m.register("hit2_s4", &hit[1]);
    let neither = m.register("neither_s4", !&(&hit[1] | &hit[2]));

    m.section("Stage 5: the delta, and the one before it if it has the same address.");
    let own = m.register("own_s5", data.at(4));
    let before = m.register("before_s5", gate_not(&miss, data.at(5)));

    m.section("Stage 6: their sum.");
    let pair = registered_sum(
        &mut m,
        segment,
        "pair_s6",
        [&own, &before],
        carries.low_of_sum("pair", 0),
    );
    carries.give(&mut m, "pair", &[&pair]);

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
            carries.low_of_sum("older", 0),
        );
        carries.give(&mut m, "older", &[&older]);
        m.register("older_s7", older.word())
    } else {
        m.delay("earlier", &earlier, 5, 7).at(7).clone()
    };

    m.section("Stage 8: all that is in flight. Between two adders a sum has a stage for its way.");
    let pair = m.register("pair_s7", pair.word());
    let recent = registered_sum(
        &mut m,
        segment,
        "recent_s8",
        [&pair, &older],
        carries.low_of_sum("recent", 0),
    );
    carries.give(&mut m, "recent", &[&recent]);
    let recent = m.register("recent_s9", recent.word());

    let memory = segment_memory(config, segment);
    m.section(
        "The loop's memory. If the word was written at the edge of the read, what was written\n\
         replaces it.",
    );
    let read_at = m.register(&s("addr", r), &ports.addr_read);
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
    let next = sum(
        &mut m,
        segment,
        "sum_s10",
        [&kept, &recent],
        carries.low_of_sum("sum", 0),
    );
    m.set_next(&s("sum", t), next);

    let write = [&write_en, &write_addr, &sum_t.word()];
    read_copy(&mut m, config, &ports, &memory, write, &sum_line);
    m
}
