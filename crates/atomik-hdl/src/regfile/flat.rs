//! DEPTH = 1: one address, no memory. All lanes' deltas of a cycle are merged in a pipelined tree
//! and folded into one running total.

use super::{clear, decode, gate, merge, ports, respond};
use crate::circuit::Circuit;
use crate::config::Config;
use crate::expr::{Drive, Expr, select};

pub(super) fn circuit(config: &Config) -> Circuit {
    let (w, lanes) = (config.width(), config.lanes());
    let z = config.total_stage();
    let mut m = Circuit::new(config.name(), &[]);
    let p = ports(&mut m, config);
    let (ready, clearing, _) = clear(&mut m, config, &p.rst);
    let control = decode(&mut m, &p, &ready);

    m.section("Stage 1: the lanes' deltas.");
    let data_s1: Vec<Expr> = (0..lanes)
        .map(|l| m.register(&format!("data{l}_s1"), &p.data[l as usize]))
        .collect();
    let mut valid_s1 = vec![control.accum.clone()];
    for l in 1..lanes {
        valid_s1.push(m.register(&format!("valid{l}_s1"), p.valid.bit(l) & &ready));
    }

    m.section("Stage 2: merge in pairs, leaving out lanes without a delta.");
    let offered: Vec<Expr> = (0..lanes as usize)
        .map(|l| m.wire(&format!("offered{l}_s1"), gate(&valid_s1[l], &data_s1[l])))
        .collect();
    let pairs = offered
        .chunks(2)
        .enumerate()
        .map(|(i, pair)| {
            let sum = pair
                .iter()
                .skip(1)
                .fold(pair[0].clone(), |sum, word| sum ^ word);
            m.register(&format!("pair{i}_s2"), sum)
        })
        .collect();
    let (sum, stage) = merge::merge(&mut m, pairs, 2);
    debug_assert_eq!(stage, z);

    m.section("Lane 0's command, beside the merge.");
    let value = m.delay("value", &data_s1[0], 1, z);
    let load = m.delay("load", &control.load, 1, z);
    let freeze = m.delay("freeze", &control.freeze, 1, z);
    let responds = m.delay("respond", &control.respond, 1, z + 1);
    let state_op = m.delay("state_op", &control.state, 1, z + 1);

    m.section(&format!(
        "Stage {z}: the registers of the one address, as the command finds them.\n\
         total: xor of every delta so far. base: total at the last LOAD, SWAP or DRAIN.\n\
         offset: reference xor base. Delta = base ^ total, state = offset ^ total: SWAP and DRAIN\n\
         leave both the total and the state alone, so only LOAD moves the offset."
    ));
    let total = m.declare_register("total", w);
    let base = m.declare_register("base", w);
    let offset = m.declare_register("offset", w);
    let zero = || Expr::zero(w);
    m.set_next("total", select(&clearing, zero(), &total ^ &sum));
    m.set_next(
        "base",
        select(&clearing, zero(), select(freeze.at(z), &total, Drive::Hold)),
    );
    m.set_next(
        "offset",
        select(
            &clearing,
            zero(),
            select(load.at(z), &total ^ value.at(z), Drive::Hold),
        ),
    );

    m.section(&format!(
        "Stage {}: delta and state before the command.",
        z + 1
    ));
    let delta = m.register(&format!("delta_s{}", z + 1), &base ^ &total);
    let state = m.register(&format!("state_s{}", z + 1), &offset ^ &total);
    respond(
        &mut m,
        config,
        [&p.rst, &clearing, &delta, &state],
        (&responds, &state_op),
    );
    m
}
