//! A slice of the flat accumulator, in words with fields that add: one segment, with its own
//! control registers.

use super::adder::{Sum, carry_stage, low_of_difference, low_of_sum, registered_sum, sum};
use super::adding_reference_slice::{complement, complement_of_zero};
use crate::circuit::Circuit;
use crate::config::{Config, Segment};
use crate::expr::{Drive, Expr, gate, select};

/// The adders of a slice: name, number of them, and the stage of their sums. The carries leave a
/// stage later. The lanes are merged in
/// pairs, and the pairs in pairs, so that there is an adder less than lanes.
pub(super) fn sums(config: &Config) -> Vec<(String, u32, u32)> {
    let (z, end) = (config.total_stage(), config.delta_stage());
    let mut sums = vec![];
    let mut nodes = config.lanes() / 2;
    for stage in 4..=z {
        sums.push((format!("merge{stage}"), nodes, stage));
        nodes /= 2;
    }
    sums.push(("total".into(), 1, z + 1));
    sums.push(("offset".into(), 1, z + 2));
    sums.push(("delta".into(), 1, end));
    sums.push(("state".into(), 1, end));
    sums
}

pub(super) fn circuit(config: &Config, segment: &Segment) -> Circuit {
    let (w, lanes) = (segment.bits, config.lanes());
    let (z, end) = (config.total_stage(), config.delta_stage());
    let s = |name: &str, stage: u32| format!("{name}_s{stage}");
    let mut m = Circuit::new(
        format!("{}_slice_{}", config.name(), segment.label()),
        &[&format!(
            "{w} bits of the accumulator, with registers of its own for what steers them."
        )],
    );
    m.keep_hierarchy();
    let valid = m.input("valid_s1", lanes, "lane l has a delta");
    let data = m.input(
        "data",
        lanes * w,
        "the lanes' deltas, lane 0 in the low bits",
    );
    let zero = m.input(&s("zero", z - 1), 1, "a clear: everything becomes zero");
    let load = m.input(&s("load", z - 1), 1, "LOAD: set the reference to the value");
    let freeze = m.input(&s("freeze", z - 1), 1, "LOAD, SWAP, DRAIN: clear the delta");
    let state_op = m.input(
        &s("state_op", end - 1),
        1,
        "respond with the state, not the delta",
    );
    // The carries of the segment below, by the stage at which they are needed.
    let mut carries_in = std::collections::BTreeMap::new();
    for (port, bits, stage) in sums(config) {
        if segment.takes_carry() {
            let name = format!("{port}_carry_s{}", stage - 1);
            let carry = m.input(&name, bits, "carry of the segment below");
            carries_in.insert(port, carry);
        }
    }
    m.output(&s("delta", end), w, "delta before the command");
    m.output(
        &s("chosen", end + 1),
        w,
        "state or delta before the command",
    );
    for (port, bits, stage) in sums(config) {
        if segment.gives_carry() {
            let name = format!("{port}_carry_s{}", carry_stage(stage));
            m.output(&name, bits, "carry for the segment above");
        }
    }
    let low = |port: &str, index: u32| carries_in.get(port).map(|all: &Expr| all.bit(index));
    let give = |m: &mut Circuit, port: &str, stage: u32, sums: &[Expr]| {
        if segment.gives_carry() {
            let carries: Vec<Expr> = sums.iter().map(|sum| sum.bit(w)).collect();
            let carries = m.concat(&format!("{port}_carries"), &carries);
            let out = carry_stage(stage);
            let carries = m.delay(&format!("{port}_carry_q"), &carries, stage, out);
            m.assign(&format!("{port}_carry_s{out}"), carries.at(out));
        }
    };

    m.section("Stages 1 and 2: the lanes' deltas; in stage 1 the valid bits come from afar.");
    let data_s2: Vec<Expr> = (0..lanes)
        .map(|l| {
            let data = m.register(&format!("data{l}_s1"), data.slice(l * w, w));
            m.register(&format!("data{l}_s2"), &data)
        })
        .collect();
    let valid_s2 = m.register("valid_s2", &valid);

    m.section("Stage 3: nothing from lanes without a delta.");
    let mut words: Vec<Expr> = (0..lanes)
        .map(|l| {
            let delta = gate(&valid_s2.bit(l), &data_s2[l as usize]);
            m.register(&format!("offered{l}_s3"), delta)
        })
        .collect();
    let mut stage = 3;
    while words.len() > 1 {
        stage += 1;
        m.section(&format!("Stage {stage}: merge in pairs."));
        let port = format!("merge{stage}");
        let sums: Vec<Sum> = words
            .chunks(2)
            .zip(0..)
            .map(|(pair, i)| {
                let carry = low(&port, i);
                let low = low_of_sum(carry.as_ref());
                let name = format!("merge{i}_s{stage}");
                registered_sum(&mut m, segment, &name, [&pair[0], &pair[1]], low)
            })
            .collect();
        let all: Vec<Expr> = sums.iter().map(|sum| sum.all.clone()).collect();
        give(&mut m, &port, stage, &all);
        words = sums.iter().map(Sum::word).collect();
    }
    debug_assert_eq!(stage, z);
    let merged = words.swap_remove(0);

    m.section("Lane 0's command, beside the merge.");
    let value = m.delay("value", &data_s2[0], 2, z + 1);
    let zero = m.delay("zero", &zero, z - 1, z + 1);
    let load = m.delay("load", &load, z - 1, z + 1);
    let freeze = m.delay("freeze", &freeze, z - 1, z + 1);

    m.section(&format!(
        "Stage {z}: the sum of every delta so far, as the command finds it."
    ));
    let width = Sum::width(segment);
    let all = m.declare_register("total", width);
    let total = Sum::registered(all, segment);
    let carry = low("total", 0);
    let next = sum(
        &mut m,
        segment,
        "total_next",
        [&total.word(), &merged],
        low_of_sum(carry.as_ref()),
    );
    let next = m.wire("total_sum", next);
    m.set_next("total", select(zero.at(z), Expr::zero(width), next));
    give(&mut m, "total", z + 1, std::slice::from_ref(&total.all));

    m.section(&format!(
        "Stage {}: the other registers of the one address, as the command finds them.\n\
         not_base: the complement of the total at the last LOAD, SWAP or DRAIN. offset:\n\
         reference - base. Delta = total - base, state = total + offset: SWAP and DRAIN leave\n\
         both the total and the state alone, so only LOAD moves the offset.",
        z + 1
    ));
    let found = m.register(&s("found", z + 1), total.word());
    let complement = m.register(&s("complement", z + 1), complement(segment, &total.word()));
    let base = m.declare_register("not_base", w);
    m.set_next(
        "not_base",
        select(
            zero.at(z + 1),
            complement_of_zero(segment),
            select(freeze.at(z + 1), &complement, Drive::Hold),
        ),
    );
    let carry = low("offset", 0);
    let moved = sum(
        &mut m,
        segment,
        "offset_next",
        [value.at(z + 1), &complement],
        low_of_difference(segment, carry.as_ref()),
    );
    let moved = m.wire("offset_sum", moved);
    let offset = m.declare_register("offset", w);
    m.set_next(
        "offset",
        select(
            zero.at(z + 1),
            Expr::zero(w),
            select(load.at(z + 1), moved.slice(0, w), Drive::Hold),
        ),
    );
    if segment.gives_carry() {
        let carry = m.register("moved_carry", moved.bit(w));
        let out = carry_stage(z + 2);
        let carry = m.delay("offset_carry_q", &carry, z + 2, out);
        m.assign(&format!("offset_carry_s{out}"), carry.at(out));
    }

    m.section(&format!(
        "Stage {end}: delta and state before the command. Stage {}: the one that is asked for.",
        end + 1
    ));
    let carry = low("delta", 0);
    let delta = registered_sum(
        &mut m,
        segment,
        "delta_q",
        [&found, &base],
        low_of_difference(segment, carry.as_ref()),
    );
    let carry = low("state", 0);
    let state = registered_sum(
        &mut m,
        segment,
        "state_q",
        [&found, &offset],
        low_of_sum(carry.as_ref()),
    );
    give(&mut m, "delta", end, std::slice::from_ref(&delta.all));
    give(&mut m, "state", end, std::slice::from_ref(&state.all));
    let state_op = m.register(&s("state_op", end), &state_op);
    let chosen = m.register("chosen_q", select(&state_op, state.word(), delta.word()));
    m.assign(&s("delta", end), &delta.word());
    m.assign(&s("chosen", end + 1), &chosen);
    m
}
