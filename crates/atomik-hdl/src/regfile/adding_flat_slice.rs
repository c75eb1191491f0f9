//! A slice of the flat accumulator, in words with fields that add: one segment, with its own
//! control registers.

use super::adder::{Adders, Carries, Sum, registered_sum, sum};
use super::adding_reference_slice::{complement, complement_of_zero};
use super::flat_slice::{Ports, ports};
use crate::circuit::Circuit;
use crate::config::{Config, Segment};
use crate::expr::{Drive, Expr, gate, select};

/// The adders of a slice. The lanes are merged in pairs, and the pairs in pairs, so that there is
/// an adder less than lanes.
pub(super) fn adders(config: &Config) -> Vec<Adders> {
    let (z, end) = (config.total_stage(), config.delta_stage());
    let merges = (4..=z).zip(1..).map(|(stage, level)| Adders {
        name: format!("merge{stage}"),
        count: config.lanes() >> level,
        stage,
    });
    let others = [
        ("total", z + 1),
        ("offset", z + 2),
        ("delta", end),
        ("state", end),
    ];
    let others = others.map(|(name, at)| Adders::one(name, at));
    merges.chain(others).collect()
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
    let Ports {
        valid_s2,
        data_s2,
        zero,
        load,
        freeze,
        state_op,
    } = ports(&mut m, config, w);
    let carries = Carries::ports(&mut m, segment, adders(config));

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
                let low = carries.low_of_sum(&port, i);
                let name = format!("merge{i}_s{stage}");
                registered_sum(&mut m, segment, &name, [&pair[0], &pair[1]], low)
            })
            .collect();
        carries.give(&mut m, &port, &sums.iter().collect::<Vec<_>>());
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
    let next = sum(
        &mut m,
        segment,
        "total_next",
        [&total.word(), &merged],
        carries.low_of_sum("total", 0),
    );
    let next = m.wire("total_sum", next);
    m.set_next("total", select(zero.at(z), Expr::zero(width), next));
    carries.give(&mut m, "total", &[&total]);

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
    let moved = sum(
        &mut m,
        segment,
        "offset_next",
        [value.at(z + 1), &complement],
        carries.low_of_difference("offset"),
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
        carries.give_bits(&mut m, "offset", &[carry]);
    }

    m.section(&format!(
        "Stage {end}: delta and state before the command. Stage {}: the one that is asked for.",
        end + 1
    ));
    let delta = registered_sum(
        &mut m,
        segment,
        "delta_q",
        [&found, &base],
        carries.low_of_difference("delta"),
    );
    let state = registered_sum(
        &mut m,
        segment,
        "state_q",
        [&found, &offset],
        carries.low_of_sum("state", 0),
    );
    carries.give(&mut m, "delta", &[&delta]);
    carries.give(&mut m, "state", &[&state]);
    let state_op = m.register(&s("state_op", end), &state_op);
    let chosen = m.register("chosen_q", select(&state_op, state.word(), delta.word()));
    m.assign(&s("delta", end), &delta.word());
    m.assign(&s("chosen", end + 1), &chosen);
    m
}
