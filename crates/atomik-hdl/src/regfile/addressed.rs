//! DEPTH > 1: the lanes, the merge of what they read, and the reference side.

use super::{clear, decode, lane, merge, ports, reference, respond};
use crate::circuit::Circuit;
use crate::config::{Config, LANE_READ_STAGE};
use crate::expr::Expr;

pub(super) fn circuit(config: &Config) -> Circuit {
    let z = config.total_stage();
    let mut m = Circuit::new(config.name(), &[]);
    let p = ports(&mut m, config);
    let (ready, clearing, clear_addr) = clear(&mut m, config, &p.rst);
    let clear_addr = clear_addr.unwrap_or_else(|| Expr::zero(config.address_bits()));
    let control = decode(&mut m, &p, &ready);

    m.section("Stage 1: the lanes' commands.");
    let lanes = 0..config.lanes() as usize;
    let addr_s1: Vec<Expr> = lanes
        .clone()
        .map(|l| m.register(&format!("addr{l}_s1"), &p.addr[l]))
        .collect();
    let data_s1: Vec<Expr> = lanes
        .clone()
        .map(|l| m.register(&format!("data{l}_s1"), &p.data[l]))
        .collect();
    let mut valid_s1 = vec![control.accum.clone()];
    for l in lanes.clone().skip(1) {
        valid_s1.push(m.register(&format!("valid{l}_s1"), p.valid.bit(l as u32) & &ready));
    }

    m.section("Lane 0's command, beside the lanes.");
    let addr = m.delay("addr", &addr_s1[0], 1, z);
    let value = m.delay("value", &data_s1[0], 1, z);
    let load = m.delay("load", &control.load, 1, z);
    let freeze = m.delay("freeze", &control.freeze, 1, z);
    let responds = m.delay("respond", &control.respond, 1, z + 3);
    let state_op = m.delay("state_op", &control.state, 1, z + 3);

    m.section("The lanes.");
    let lane = lane::circuit(config);
    let words = lanes
        .map(|l| {
            let name = format!("lane{l}");
            m.instance(
                &name,
                &lane,
                &[
                    ("clearing", &clearing),
                    ("clear_addr", &clear_addr),
                    ("valid_s1", &valid_s1[l]),
                    ("addr_s1", &addr_s1[l]),
                    ("data_s1", &data_s1[l]),
                    ("read_addr_s1", addr.at(1)),
                    ("read_addr_s4", addr.at(4)),
                ],
            );
            m.output_of(&name, "word_s7")
        })
        .collect();
    let (total, stage) = merge::merge(&mut m, words, LANE_READ_STAGE);
    debug_assert_eq!(stage, z);

    m.section("Reference side.");
    let s = |name: &str, stage: u32| format!("{name}_s{stage}");
    m.instance(
        "reference",
        &reference::circuit(config),
        &[
            ("clearing", &clearing),
            ("clear_addr", &clear_addr),
            (&s("addr", z - 1), addr.at(z - 1)),
            (&s("addr", z), addr.at(z)),
            (&s("load", z), load.at(z)),
            (&s("freeze", z), freeze.at(z)),
            (&s("value", z), value.at(z)),
            (&s("total", z), &total),
        ],
    );
    let delta = m.output_of("reference", &s("delta", z + 3));
    let state = m.output_of("reference", &s("state", z + 3));
    respond(
        &mut m,
        config,
        [&p.rst, &clearing, &delta, &state],
        (&responds, &state_op),
    );
    m
}
