//! DEPTH = 1: one address, no memory. A pipelined tree merges the deltas of all lanes in a cycle,
//! and their sum is accumulated into a single running total.

use super::adder::carry_stage;
use super::control::{decode, is_accum};
use super::ports::ports;
use super::{adding_flat_slice, align, clear, merge, respond};
use crate::circuit::{Circuit, Staged};
use crate::config::Config;
use crate::expr::{Drive, Expr, gate, select};

pub(super) fn circuit(config: &Config) -> Circuit {
    let (z, end) = (config.total_stage(), config.delta_stage());
    let s = |name: &str, stage: u32| format!("{name}_s{stage}");
    let mut m = Circuit::new(config.name(), &[]);
    let p = ports(&mut m, config);
    let _ = clear::instantiate(&mut m, config, &p.rst);
    let ready = m.output_of("clear", "ready");
    m.section("The clear, as a command that leaves nothing.");
    let hold = m.output_of("clear", "hold");
    let clearing = m.register("clearing", &hold);
    let control = decode(&mut m, &p, &ready, &clearing);

    m.section("Stage 1: which lanes have a delta.");
    let segments = config.segments();
    let relay = relay(config);
    let skew = config.skew();
    let valid_s1: Vec<Staged> = segments
        .chunks(SLICES)
        .enumerate()
        .map(|(g, slices)| {
            let skew = slices.iter().map(|slice| slice.skew).max().unwrap_or(0);
            let name = format!("relay{g}");
            m.instance(&name, &relay, &[("valid", &p.valid), ("op", &p.op)]);
            let valid = m.output_of(&name, "valid_s1");
            m.delay(&format!("valid{g}"), &valid, 1, 1 + skew)
        })
        .collect();

    m.section("Lane 0's command, beside the deltas.");
    let load = m.delay("load", &control.load, 2, z - 1 + skew);
    let freeze = m.delay("freeze", &control.freeze, 2, z - 1 + skew);
    let zero = m.delay("zero", &control.zero, 1, z - 1 + skew);
    let responds = m.delay("respond", &control.respond, 1, config.response_stage());
    let state_op = m.delay("state_op", &control.state, 1, end - 1 + skew);

    m.section("The data.");
    let mut deltas = vec![];
    let mut chosen = vec![];
    let mut below = String::new();
    for (i, segment) in segments.iter().enumerate() {
        let name = format!("slice{i}");
        let k = segment.skew;
        let parts: Vec<Expr> = p
            .data
            .iter()
            .map(|data| data.slice(segment.low, segment.bits))
            .collect();
        let data = m.concat(&format!("data_slice{i}"), &parts);
        let data = m.delay(&format!("data_slice{i}"), &data, 0, k);
        let mut inputs = vec![
            ("valid_s1".into(), valid_s1[i / SLICES].at(1 + k).clone()),
            ("data".into(), data.at(k).clone()),
            (s("zero", z - 1), zero.at(z - 1 + k).clone()),
            (s("load", z - 1), load.at(z - 1 + k).clone()),
            (s("freeze", z - 1), freeze.at(z - 1 + k).clone()),
            (s("state_op", end - 1), state_op.at(end - 1 + k).clone()),
        ];
        if segment.takes_carry() {
            for (port, _, stage) in adding_flat_slice::sums(config) {
                let carry = m.output_of(&below, &format!("{port}_carry_s{}", carry_stage(stage)));
                inputs.push((format!("{port}_carry_s{}", stage - 1), carry));
            }
        }
        let inputs: Vec<(&str, &Expr)> = inputs.iter().map(|(n, e)| (n.as_str(), e)).collect();
        let slice = if config.adds() {
            adding_flat_slice::circuit(config, segment)
        } else {
            slice(config)
        };
        m.instance(&name, &slice, &inputs);
        deltas.push(m.output_of(&name, &s("delta", end)));
        chosen.push(m.output_of(&name, &s("chosen", end + 1)));
        below = name;
    }
    let delta = m.concat("delta", &deltas);
    let chosen = m.concat("chosen", &chosen);
    let delta = align::align(&mut m, config, "delta", &delta, end);
    let chosen = align::align(&mut m, config, "chosen", &chosen, end + 1);
    respond::instantiate(&mut m, config, [&p.rst, &hold, &delta, &chosen], &responds);
    m
}

/// The number of slices that one relay drives.
const SLICES: usize = 4;

/// The relay: registers the valid bits for a group of slices.
fn relay(config: &Config) -> Circuit {
    let lanes = config.lanes();
    let mut m = Circuit::new(
        format!("{}_relay", config.name()),
        &[&format!(
            "Relay: which lanes have a delta, for up to {SLICES} slices."
        )],
    );
    m.keep_hierarchy();
    let valid = m.input("valid", lanes, "lane l offers a command");
    let op = m.input("op", 3, "op of lane 0");
    m.output("valid_s1", lanes, "lane l has a delta, a cycle later");
    m.section("");
    let mut deltas = vec![valid.bit(0) & is_accum(&op)];
    deltas.extend((1..lanes).map(|l| valid.bit(l)));
    let deltas = m.concat("has_delta", &deltas);
    let q = m.register("valid_q", &deltas);
    m.assign("valid_s1", &q);
    m
}

/// A slice of the accumulator, with its own control registers.
fn slice(config: &Config) -> Circuit {
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
