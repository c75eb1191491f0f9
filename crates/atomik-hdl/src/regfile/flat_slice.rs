//! A slice of the flat accumulator, in words that xor, with its own control registers.

use super::merge;
use crate::circuit::Circuit;
use crate::config::Config;
use crate::expr::{Drive, Expr, gate, select};

pub(super) fn circuit(config: &Config) -> Circuit {
    let (w, lanes) = (config.slice_width(), config.lanes());
    let (z, end) = (config.total_stage(), config.delta_stage());
    let s = |name: &str, stage: u32| format!("{name}_s{stage}");
    let mut m = Circuit::new(
        format!("{}_slice", config.name()),
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

    m.section("Stage 3: merge in pairs, leaving out lanes without a delta.");
    let offered: Vec<Expr> = (0..lanes)
        .map(|l| {
            let delta = gate(&valid_s2.bit(l), &data_s2[l as usize]);
            m.wire(&format!("offered{l}_s2"), delta)
        })
        .collect();
    let pairs: Vec<Expr> = offered
        .chunks(2)
        .enumerate()
        .map(|(i, pair)| {
            let sum = pair
                .iter()
                .skip(1)
                .fold(pair[0].clone(), |sum, word| sum ^ word);
            m.register(&format!("pair{i}_s3"), sum)
        })
        .collect();
    let (sum, stage) = merge::merge(&mut m, pairs, 3);
    debug_assert_eq!(stage, z);

    m.section("Lane 0's command, beside the merge.");
    let value = m.delay("value", &data_s2[0], 2, z);
    let zero = m.register(&s("zero", z), &zero);
    let load = m.register(&s("load", z), &load);
    let freeze = m.register(&s("freeze", z), &freeze);

    m.section(&format!(
        "Stage {z}: the registers of the one address, as the command finds them.\n\
         total: xor of every delta so far. base: total at the last LOAD, SWAP or DRAIN.\n\
         offset: reference xor base. Delta = base ^ total, state = offset ^ total: SWAP and DRAIN\n\
         leave both the total and the state alone, so only LOAD moves the offset."
    ));
    let total = m.declare_register("total", w);
    let base = m.declare_register("base", w);
    let offset = m.declare_register("offset", w);
    let none = || Expr::zero(w);
    m.set_next("total", select(&zero, none(), &total ^ &sum));
    m.set_next(
        "base",
        select(&zero, none(), select(&freeze, &total, Drive::Hold)),
    );
    m.set_next(
        "offset",
        select(
            &zero,
            none(),
            select(&load, &total ^ value.at(z), Drive::Hold),
        ),
    );

    m.section(&format!(
        "Stage {end}: delta and state before the command. Stage {}: the one that is asked for.",
        end + 1
    ));
    let delta = m.register("delta_q", &base ^ &total);
    let state = m.register("state_q", &offset ^ &total);
    let state_op = m.register(&s("state_op", end), &state_op);
    let chosen = m.register("chosen_q", select(&state_op, &state, &delta));
    m.assign(&s("delta", end), &delta);
    m.assign(&s("chosen", end + 1), &chosen);
    m
}

/// What comes into a slice of `w` bits, without carries: the lanes' valid bits and deltas, two
/// stages later, and lane 0's command.
pub(super) struct Ports {
    pub valid_s2: Expr,
    pub data_s2: Vec<Expr>,
    pub zero: Expr,
    pub load: Expr,
    pub freeze: Expr,
    pub state_op: Expr,
}

/// Declares the inputs, and the outputs `delta` and `chosen`.
pub(super) fn ports(m: &mut Circuit, config: &Config, w: u32) -> Ports {
    let lanes = config.lanes();
    let (z, end) = (config.total_stage(), config.delta_stage());
    let s = |name: &str, stage: u32| format!("{name}_s{stage}");
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
    m.output(&s("delta", end), w, "delta before the command");
    m.output(
        &s("chosen", end + 1),
        w,
        "state or delta before the command",
    );

    m.section("Stages 1 and 2: the lanes' deltas; in stage 1 the valid bits come from afar.");
    let data_s2: Vec<Expr> = (0..lanes)
        .map(|l| {
            let data = m.register(&format!("data{l}_s1"), data.slice(l * w, w));
            m.register(&format!("data{l}_s2"), &data)
        })
        .collect();
    let valid_s2 = m.register("valid_s2", &valid);
    Ports {
        valid_s2,
        data_s2,
        zero,
        load,
        freeze,
        state_op,
    }
}
