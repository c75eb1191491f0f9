//! The response stages: zero detector and output registers.

use crate::circuit::{Circuit, Staged};
use crate::config::Config;
use crate::expr::{Expr, select};

/// Instantiates the response stages. `delta` is the delta before the command, `chosen` the word
/// that it responds with.
pub(super) fn instantiate(
    m: &mut Circuit,
    config: &Config,
    [rst, clearing, delta, chosen]: [&Expr; 4],
    responds: &Staged,
) {
    let stage = config.response_stage();
    let rst_q = m.output_of("clear", "rst_q");
    m.section("Response.");
    m.instance(
        "respond",
        &circuit(config),
        &[
            ("rst", rst),
            ("rst_q", &rst_q),
            ("clearing", clearing),
            (&format!("respond_s{stage}"), responds.at(stage)),
            (&format!("delta_s{stage}"), delta),
            (&format!("chosen_s{}", stage + 1), chosen),
        ],
    );
    for port in ["rsp_valid", "rsp_data", "rsp_clean"] {
        let value = m.output_of("respond", port);
        m.assign(port, &value);
    }
}

pub(super) fn circuit(config: &Config) -> Circuit {
    let w = config.width();
    let first = config.response_stage();
    let last = config.latency();
    let mut m = Circuit::new(
        format!("{}_respond", config.name()),
        &[
            "Response: the state or delta on its way, and whether the delta was zero, found four \
             bits",
            "at a time.",
        ],
    );
    let rst = m.input("rst", 1, "synchronous reset, active high");
    let rst_q = m.input("rst_q", 1, "rst, a cycle later");
    let clearing = m.input("clearing", 1, "a clear is running: nothing responds");
    let respond = m.input(
        &format!("respond_s{first}"),
        1,
        "the command has a response",
    );
    let delta = m.input(&format!("delta_s{first}"), w, "delta before the command");
    let chosen = m.input(
        &format!("chosen_s{}", first + 1),
        w,
        "what it responds with",
    );
    m.output("rsp_valid", 1, "a response is on the port");
    m.output("rsp_data", w, "state or delta");
    m.output("rsp_clean", 1, "the delta was 0");

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
    let keep = m.wire("keep", !(&rst | &rst_q | &clearing));
    let valid = m.register(
        &format!("respond_s{}", last - 1),
        &(live.at(last - 2) & &keep),
    );

    m.section(&format!("Stage {last}: output registers."));
    let rsp_valid = m.register(
        &format!("valid_s{last}"),
        select(&rst, Expr::zero(1), &valid),
    );
    let rsp_clean = m.register(&format!("clean_s{last}"), !bits.any());
    let rsp_data = m.delay("chosen", &chosen, first + 1, last);
    m.assign("rsp_valid", &rsp_valid);
    m.assign("rsp_data", rsp_data.at(last));
    m.assign("rsp_clean", &rsp_clean);
    m
}
