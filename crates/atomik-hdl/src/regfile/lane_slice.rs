//! A slice of a lane's data, with its own memories and control registers. No control register
//! drives more than one slice, so its loads can be placed close to it.

use super::compare::equal_bits;
use super::slice_memory::memory;
use crate::circuit::{Circuit, Staged};
use crate::config::Config;
use crate::expr::{Expr, gate, gate_not, select};
use crate::memory::Memory;
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn circuit(config: &Config) -> Circuit {
    let (w, a) = (config.slice_width(), config.address_bits());
    let (t, d) = (config.write_stage(), config.loop_distance());
    let extra = config.word_registers();
    let s = |name: &str, stage: u32| format!("{name}_s{stage}");
    let mut m = Circuit::new(
        format!("{}_lane_slice", config.name()),
        &[
            &format!(
                "{w} bits of a lane: deltas in flight, the accumulator memory and its readout copy."
            ),
            "The lane compares addresses; what the comparisons say is registered here once more.",
        ],
    );
    m.keep_hierarchy();
    let ports = ports(&mut m, config, w);
    let (zero, data, hit) = incoming(&mut m, config, &ports, [3, d + 2]);

    m.section("Write port, declared here because later commands look at it.");
    let write_en = m.declare_register(&s("write_en", t), 1);
    let write_addr = m.declare_register(&s("write_addr", t), a);
    let sum_t = m.declare_register(&s("sum", t), w);
    let last = config.lane_read_stage();
    let sum = m.delay("sum", &sum_t, t, last);
    m.set_next(&s("write_en", t), ports.valid_at(t - 1));
    m.set_next(&s("write_addr", t), &ports.addr_before);

    m.section("Stage 4: what the memory does not hold yet.");
    let in_flight: Vec<Expr> = (1..d)
        .map(|i| {
            let delta = gate(&hit[i as usize - 1], data.at(3 + i));
            m.wire(&format!("in_flight{i}_s3"), delta)
        })
        .collect();
    let own = m.register("own_s4", data.at(3) ^ &in_flight[0]);
    let far_hit = m.delay("far_hit", &hit[d as usize - 1], 3, 3 + extra);
    let replace_s4 = m.register("replace_s4", &hit[d as usize - 1] | zero.at(3));
    let replace = m.delay("replace", &replace_s4, 4, t - 1);

    let memory = memory(config);
    let read_loop = |m: &mut Circuit| {
        m.section("The loop's memory.");
        let read_addr = m.register("addr_s2", &ports.addr_read);
        m.memory(
            "loop_memory",
            &memory,
            [&write_en, &write_addr, &sum_t, &read_addr],
        )
    };
    let next = if extra == 0 {
        let far = m.wire("in_flight3_s3", gate(far_hit.at(3), sum.at(t + 1)));
        let earlier = m.register("earlier_s4", &in_flight[1] ^ far);
        let word = read_loop(&mut m);
        m.section("Stage 5: one level of logic behind the memory, then the write registers.");
        let kept = m.wire("kept_s4", gate_not(replace.at(4), &word));
        kept ^ own ^ earlier
    } else {
        let earlier = m.register("earlier_s4", &in_flight[1] ^ &in_flight[2]);
        let far = m.wire("in_flight4_s4", gate(far_hit.at(4), sum.at(t + 2)));
        let all = m.register("all_s5", own ^ earlier ^ far);
        let word = read_loop(&mut m);
        m.section("Stage 5: a register close to the memory. Stage 6: the write registers.");
        let word = m.register("loop_word_s5", &word);
        let kept = m.wire("kept_s5", gate_not(replace.at(5), &word));
        kept ^ all
    };
    m.set_next(&s("sum", t), next);

    read_copy(
        &mut m,
        config,
        &ports,
        &memory,
        [&write_en, &write_addr, &sum_t],
        &sum,
    );
    m
}

/// The ports of a slice of `w` bits, without those for carries.
pub(super) struct Ports {
    /// Where to accumulate, before the read.
    pub addr_read: Expr,
    /// The same, before the write.
    pub addr_before: Expr,
    clearing: Expr,
    equal: Vec<Expr>,
    valid: BTreeMap<u32, Expr>,
    read_equal: Expr,
    read_addr: Expr,
    data: Expr,
    word: String,
    passed: String,
}

impl Ports {
    pub fn valid_at(&self, stage: u32) -> &Expr {
        &self.valid[&stage]
    }
}

/// The stages at which a slice asks whether there is a command.
pub(super) fn valid_stages(config: &Config) -> BTreeSet<u32> {
    (3..=config.loop_distance() + 2)
        .chain([config.write_stage() - 1])
        .collect()
}

pub(super) fn ports(m: &mut Circuit, config: &Config, w: u32) -> Ports {
    let a = config.address_bits();
    let (r, t) = (config.read_stage(), config.write_stage());
    let s = |name: &str, stage: u32| format!("{name}_s{stage}");
    let ports = Ports {
        addr_read: m.input(&s("addr", r - 1), a, "where to accumulate"),
        addr_before: m.input(&s("addr", t - 1), a, "the same, later"),
        clearing: m.input("clearing", 1, "a clear: the word becomes zero"),
        equal: (1..=config.loop_distance())
            .map(|d| {
                // Names are longer where there are carries, and the line must fit.
                let text = if config.adds() {
                    format!("same address as {d} before, by groups of bits")
                } else {
                    format!("address as that of the command {d} before, by groups of bits")
                };
                m.input(&format!("equal{d}_s2"), equal_bits(config), &text)
            })
            .collect(),
        valid: valid_stages(config)
            .into_iter()
            .map(|stage| (stage, m.input(&s("valid", stage), 1, "there is a command")))
            .collect(),
        read_equal: m.input(
            "read_equal_s3",
            equal_bits(config),
            "lane 0 reads the address of the command before",
        ),
        read_addr: m.input(&s("read_addr", t - 2), a, "lane 0's address"),
        data: m.input("data", w, "delta"),
        word: s("word", config.lane_read_stage()),
        passed: s("passed", config.passed_stage()),
    };
    m.output(&ports.word, w, "the word at lane 0's address");
    m.output(&ports.passed, w, "the delta, on its way");
    ports
}

/// The command: whether it is a clear and its delta, each up to the stage in `last`, and which of
/// the commands before it have the same address.
pub(super) fn incoming(
    m: &mut Circuit,
    config: &Config,
    ports: &Ports,
    last: [u32; 2],
) -> (Staged, Staged, Vec<Expr>) {
    m.section("The delta on its way to the memory.");
    let zero_s1 = m.register("zero_s1", &ports.clearing);
    let zero = m.delay("zero", &zero_s1, 1, last[0]);
    let data_s1 = m.register("data_s1", &ports.data);
    let data_s2 = m.register("data_s2", gate_not(&zero_s1, &data_s1));
    let data = m.delay("data", &data_s2, 2, last[1]);
    m.assign(&ports.passed, data.at(config.passed_stage()));

    m.section(
        "Stage 3: same address, and there was a command. A clear looks at none of them, its delta \
         is\n\
         zero and it replaces the word that it reads.",
    );
    let hit = ports
        .equal
        .iter()
        .zip(1..)
        .map(|(equal, d)| {
            let same = equal.all() & ports.valid_at(2 + d);
            m.register(&format!("hit{d}_s3"), gate_not(zero.at(2), &same))
        })
        .collect();
    (zero, data, hit)
}

/// The copy of the memory that lane 0 reads, with its readout. `write` is the write port; `sum` has
/// what it wrote.
pub(super) fn read_copy(
    m: &mut Circuit,
    config: &Config,
    ports: &Ports,
    memory: &Memory,
    [write_en, write_addr, write_data]: [&Expr; 3],
    sum: &Staged,
) {
    let (t, last) = (config.write_stage(), config.lane_read_stage());
    let s = |name: &str, stage: u32| format!("{name}_s{stage}");
    m.section("The copy that lane 0 reads.");
    let read_addr = m.register(&s("read_addr", t - 1), &ports.read_addr);
    let mut word = m.memory(
        "read_memory",
        memory,
        [write_en, write_addr, write_data, &read_addr],
    );

    m.section(&format!(
        "Stage {last}: the word. If the command before wrote it at the edge of the read, what it \
         wrote."
    ));
    let read_hit = m.register("read_hit_s4", ports.read_equal.all() & ports.valid_at(4));
    let read_hit = m.delay("read_hit", &read_hit, 4, last - 1);
    if config.word_registers() > 0 {
        word = m.register(&s("read_word", last - 1), &word);
    }
    let out = m.register(
        &s("out", last),
        select(read_hit.at(last - 1), sum.at(last), &word),
    );
    m.assign(&ports.word, &out);
}
