//! DEPTH > 1: the lanes, the merge of their words, and the reference side.

use super::control::{decode, is_accum};
use super::ports::ports;
use super::{align, clear, lane, merge, reference, relay, respond};
use crate::circuit::Circuit;
use crate::config::Config;
use crate::expr::{Expr, select};

pub(super) fn circuit(config: &Config) -> Circuit {
    let z = config.total_stage();
    let (end, aligned) = (config.delta_stage(), config.response_stage());
    let mut m = Circuit::new(config.name(), &[]);
    let p = ports(&mut m, config);
    let (active, clear_addr) = clear::instantiate(&mut m, config, &p.rst);
    let ready = m.output_of("clear", "ready");
    let hold = m.output_of("clear", "hold");

    m.section("The clear, and lane 0's address, on their way to the lanes.");
    let lanes = 0..config.lanes() as usize;
    let relay = relay::circuit(config);
    let groups = lanes.len().div_ceil(relay::LANES);
    let clear_addr = clear_addr.unwrap_or_else(|| Expr::zero(config.address_bits()));
    let clearing = m.register("clearing", &active);
    let clearing_addr = m.register("clearing_addr", &clear_addr);
    let control = decode(&mut m, &p, &ready, &clearing);
    m.section("Stage 1: lane 0's address.");
    let addr_s1 = m.register("addr_s1", select(&clearing, &clearing_addr, &p.addr[0]));
    let relays: Vec<[Expr; 4]> = (0..groups)
        .map(|g| {
            let name = format!("relay{g}");
            m.instance(
                &name,
                &relay,
                &[
                    ("active", &active),
                    ("hold", &hold),
                    ("addr", &clear_addr),
                    ("read_addr_s1", &addr_s1),
                ],
            );
            ["clearing", "holding", "clear_addr", "read_addr_s2"]
                .map(|port| m.output_of(&name, port))
        })
        .collect();

    m.section("The lanes.");
    let accum = m.wire("accum", p.valid.bit(0) & is_accum(&p.op));
    let lane = lane::circuit(config);
    let words = lanes
        .map(|l| {
            let name = format!("lane{l}");
            let [clearing, holding, clear_addr, read_addr] = &relays[l / relay::LANES];
            let valid = match l {
                0 => accum.clone(),
                _ => p.valid.bit(l as u32),
            };
            m.instance(
                &name,
                &lane,
                &[
                    ("clearing", clearing),
                    ("holding", holding),
                    ("clear_addr", clear_addr),
                    ("valid", &valid),
                    ("addr", &p.addr[l]),
                    ("data", &p.data[l]),
                    ("read_addr_s2", read_addr),
                ],
            );
            m.output_of(&name, &format!("word_s{}", config.lane_read_stage()))
        })
        .collect();
    let (total, stage) = if config.adds() {
        merge::add(&mut m, config, words, config.lane_read_stage())
    } else {
        merge::merge(&mut m, words, config.lane_read_stage())
    };
    debug_assert_eq!(stage, z);

    m.section("Lane 0's command, beside the lanes.");
    let passed = config.passed_stage();
    let value = m.output_of("lane0", &format!("passed_s{passed}"));
    let value = m.delay("value", &value, passed, z);
    let addr = m.delay("addr", &addr_s1, 1, z - 1);
    let load = m.delay("load", &control.load, 2, z);
    let freeze = m.delay("freeze", &control.freeze, 2, z);
    let zero = m.delay("zero", &control.zero, 1, z - 1);
    let responds = m.delay("respond", &control.respond, 1, aligned);
    let state_op = m.delay("state_op", &control.state, 1, end - 1);

    m.section("Reference side.");
    let s = |name: &str, stage: u32| format!("{name}_s{stage}");
    m.instance(
        "reference",
        &reference::circuit(config),
        &[
            (&s("addr", z - 1), addr.at(z - 1)),
            (&s("zero", z - 1), zero.at(z - 1)),
            (&s("load", z), load.at(z)),
            (&s("freeze", z), freeze.at(z)),
            (&s("value", z), value.at(z)),
            (&s("total", z), &total),
            (&s("state_op", end - 1), state_op.at(end - 1)),
        ],
    );
    let delta = m.output_of("reference", &s("delta", end));
    let chosen = m.output_of("reference", &s("chosen", end + 1));
    let delta = align::align(&mut m, config, "delta", &delta, end);
    let chosen = align::align(&mut m, config, "chosen", &chosen, end + 1);
    respond::instantiate(
        &mut m,
        config,
        [&p.rst, &active, &delta, &chosen],
        &responds,
    );
    m
}
