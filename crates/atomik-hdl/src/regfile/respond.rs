//! The response stages: choice of state or delta, zero detector, output registers.

use super::gate;
use crate::circuit::Circuit;
use crate::config::Config;
use crate::expr::{Expr, select};

pub(super) fn circuit(config: &Config) -> Circuit {
    let w = config.width();
    let first = config.delta_stage();
    let last = config.latency();
    let mut m = Circuit::new(
        format!("{}_respond", config.name()),
        &[
            "Response: state or delta, and whether the delta was zero, found four bits at a time.",
            "The outputs are registers and are 0 whenever there is no response.",
        ],
    );
    let rst = m.input("rst", 1, "synchronous reset, active high");
    let clearing = m.input("clearing", 1, "a clear is running: nothing responds");
    let respond = m.input(
        &format!("respond_s{first}"),
        1,
        "the command has a response",
    );
    let state_op = m.input(
        &format!("state_op_s{first}"),
        1,
        "it is the state, not the delta",
    );
    let delta = m.input(&format!("delta_s{first}"), w, "delta before the command");
    let state = m.input(&format!("state_s{first}"), w, "state before the command");
    m.output("rsp_valid", 1, "a response is on the port");
    m.output("rsp_data", w, "state or delta");
    m.output("rsp_clean", 1, "the delta was 0");

    m.section(&format!("Stage {}: choose.", first + 1));
    let chosen = m.register(
        &format!("chosen_s{}", first + 1),
        select(&state_op, &state, &delta),
    );
    let data = m.delay("chosen", &chosen, first + 1, last - 1);

    let mut bits = delta;
    for stage in first + 1..last {
        m.section(&format!("Stage {stage}: is any bit of the delta set?"));
        let groups: Vec<Expr> = (0..bits.width())
            .step_by(4)
            .map(|low| bits.slice(low, 4.min(bits.width() - low)).any())
            .collect();
        let any = m.concat(&format!("any_next_s{stage}"), &groups);
        bits = m.register(&format!("any_s{stage}"), &any);
    }

    m.section("Responses due during a reset or a clear are dropped.");
    let live = m.delay("respond", &respond, first, last - 2);
    let keep = m.wire("keep", !(&rst | &clearing));
    let valid = m.register(
        &format!("respond_s{}", last - 1),
        &(live.at(last - 2) & &keep),
    );

    m.section(&format!("Stage {last}: output registers."));
    let none = |width| Expr::zero(width);
    let rsp_valid = m.register(&format!("valid_s{last}"), select(&rst, none(1), &valid));
    let clean = &valid & !bits.any();
    let rsp_clean = m.register(&format!("clean_s{last}"), select(&rst, none(1), clean));
    let rsp_data = m.register(
        &format!("data_s{last}"),
        select(&rst, none(w), gate(&valid, data.at(last - 1))),
    );
    m.assign("rsp_valid", &rsp_valid);
    m.assign("rsp_data", &rsp_data);
    m.assign("rsp_clean", &rsp_clean);
    m
}
