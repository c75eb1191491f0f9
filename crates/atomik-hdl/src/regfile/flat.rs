//! DEPTH = 1: one address, no memory. A pipelined tree merges the deltas of all lanes in a cycle,
//! and their sum is accumulated into a single running total.

use super::adder::connect;
use super::control::{decode, is_accum};
use super::ports::ports;
use super::{adding_flat_slice, align, clear, flat_slice, respond};
use crate::circuit::{Circuit, Staged};
use crate::config::Config;
use crate::expr::Expr;

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
        if config.adds() {
            let adders = adding_flat_slice::adders(config);
            connect(&mut m, segment, &below, &adders, &mut inputs);
        }
        let inputs: Vec<(&str, &Expr)> = inputs.iter().map(|(n, e)| (n.as_str(), e)).collect();
        let slice = if config.adds() {
            adding_flat_slice::circuit(config, segment)
        } else {
            flat_slice::circuit(config)
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
