//! The register file of the specification, section 2, as a circuit.
//!
//! Signal names end in the stage they belong to: `x_s3` is the value, in the third cycle after its
//! command was accepted, of the command that was accepted three cycles before. `x_s3` and `y_s3`
//! therefore speak of the same command; `x_s3` and `y_s5`, read in one cycle, of two commands that
//! are two cycles apart. All hazards below are written that way.

mod addressed;
mod clear;
mod flat;
mod lane;
mod merge;
mod reference;
mod respond;

use crate::circuit::{Circuit, Staged};
use crate::config::Config;
use crate::expr::{Expr, select};
use atomik_algebra::Op;

/// The register file for `config`: a rust-hdl block with the native ports of the specification.
pub fn circuit(config: &Config) -> Circuit {
    if config.address_bits() == 0 {
        flat::circuit(config)
    } else {
        addressed::circuit(config)
    }
}

/// The ports that every register file has, ahead of the logic.
struct Ports {
    rst: Expr,
    valid: Expr,
    op: Expr,
    /// Each lane's address; none when DEPTH = 1.
    addr: Vec<Expr>,
    /// Each lane's delta; lane 0's value too.
    data: Vec<Expr>,
}

fn ports(m: &mut Circuit, config: &Config) -> Ports {
    let (w, a, l) = (config.width(), config.address_bits(), config.lanes());
    let rst = m.input("rst", 1, "synchronous reset, active high");
    m.output("ready", 1, "memories are clear, commands are accepted");
    let valid = m.input("cmd_valid", l, "lane l offers a command in this cycle");
    let op = m.input(
        "cmd_op",
        3,
        "op of lane 0; the other lanes always accumulate",
    );
    let lanes = |bus: &Expr, bits| {
        (0..l)
            .map(|i| bus.slice(i * bits, bits))
            .collect::<Vec<_>>()
    };
    let addr = if a > 0 {
        lanes(
            &m.input(
                "cmd_addr",
                l * a,
                "address of each lane, lane 0 in the low bits",
            ),
            a,
        )
    } else {
        vec![]
    };
    let data = lanes(
        &m.input("cmd_data", l * w, "value or delta of each lane, lane 0 low"),
        w,
    );
    m.output("rsp_valid", 1, "a response is on the port");
    m.output(
        "rsp_data",
        w,
        "state or delta, by the op; 0 when rsp_valid is 0",
    );
    m.output(
        "rsp_clean",
        1,
        "the delta was 0 before the op; 0 when rsp_valid is 0",
    );
    Ports {
        rst,
        valid,
        op,
        addr,
        data,
    }
}

/// Lane 0's op as one bit per effect, registered at stage 1, 0 when no command was accepted.
struct Control {
    /// LOAD: the value becomes the reference.
    load: Expr,
    /// LOAD, SWAP, DRAIN: the accumulator restarts from here.
    freeze: Expr,
    /// READ, SWAP: respond with the state. DELTA and DRAIN respond with the delta.
    state: Expr,
    /// READ, SWAP, DELTA, DRAIN.
    respond: Expr,
    /// ACCUM.
    accum: Expr,
}

fn decode(m: &mut Circuit, ports: &Ports, ready: &Expr) -> Control {
    m.section("Stage 1: lane 0's op, one bit per effect.");
    let accepted = m.wire("accepted", ports.valid.bit(0) & ready);
    let is_op = |m: &mut Circuit, op: Op| {
        m.wire(
            &format!("is_{}", op.name()),
            ports.op.equals(&Expr::constant(op.code().into(), 3)),
        )
    };
    let [load, accum, read, swap, delta, drain] = [
        Op::Load,
        Op::Accum,
        Op::Read,
        Op::Swap,
        Op::Delta,
        Op::Drain,
    ]
    .map(|op| is_op(m, op));
    let mut effect = |name: &str, op: Expr| m.register(&format!("{name}_s1"), &accepted & op);
    Control {
        load: effect("load", load.clone()),
        freeze: effect("freeze", &load | &swap | &drain),
        state: effect("state", &read | &swap),
        respond: effect("respond", read | swap | delta | drain),
        accum: effect("accum", accum),
    }
}

/// `value` where the one-bit condition holds, else 0.
fn gate(condition: &Expr, value: &Expr) -> crate::expr::Drive {
    select(condition, value, Expr::zero(value.width()))
}

/// `value` where the one-bit condition does not hold, else 0.
fn gate_not(condition: &Expr, value: &Expr) -> crate::expr::Drive {
    select(condition, Expr::zero(value.width()), value)
}

/// Instantiates the clear sequencer; returns (`ready`, `clearing`, `clear_addr` of A bits).
fn clear(m: &mut Circuit, config: &Config, rst: &Expr) -> (Expr, Expr, Option<Expr>) {
    m.section("Reset: clears every address, holding ready low.");
    m.instance("clear", &clear::circuit(config), &[("rst", rst)]);
    let ready = m.output_of("clear", "ready");
    m.assign("ready", &ready);
    let clearing = m.output_of("clear", "active");
    let addr = (config.address_bits() > 0).then(|| m.output_of("clear", "addr"));
    (ready, clearing, addr)
}

/// Instantiates the response stages behind the delta and the state of a command.
fn respond(
    m: &mut Circuit,
    config: &Config,
    [rst, clearing, delta, state]: [&Expr; 4],
    control: (&Staged, &Staged),
) {
    let stage = config.delta_stage();
    m.section("Response.");
    m.instance(
        "respond",
        &respond::circuit(config),
        &[
            ("rst", rst),
            ("clearing", clearing),
            (&format!("respond_s{stage}"), control.0.at(stage)),
            (&format!("state_op_s{stage}"), control.1.at(stage)),
            (&format!("delta_s{stage}"), delta),
            (&format!("state_s{stage}"), state),
        ],
    );
    for port in ["rsp_valid", "rsp_data", "rsp_clean"] {
        let value = m.output_of("respond", port);
        m.assign(port, &value);
    }
}
