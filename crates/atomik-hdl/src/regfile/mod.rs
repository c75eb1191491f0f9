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
mod lane_slice;
mod merge;
mod reference;
mod relay;
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
        "state or delta, by the op, if rsp_valid is high",
    );
    m.output(
        "rsp_clean",
        1,
        "the delta was 0 before the op, if rsp_valid is high",
    );
    Ports {
        rst,
        valid,
        op,
        addr,
        data,
    }
}

/// Lane 0's op as one bit per effect.
struct Control {
    /// LOAD: the value becomes the reference. Stage 2.
    load: Expr,
    /// LOAD, SWAP, DRAIN: the accumulator restarts from here. Stage 2.
    freeze: Expr,
    /// A clear: everything becomes zero. Stage 1.
    zero: Expr,
    /// READ, SWAP: respond with the state. DELTA and DRAIN respond with the delta. Stage 1.
    state: Expr,
    /// READ, SWAP, DELTA, DRAIN. Stage 1.
    respond: Expr,
}

fn decode(m: &mut Circuit, ports: &Ports, ready: &Expr, clearing: &Expr) -> Control {
    m.section("Stage 1: lane 0's op, one bit per effect.");
    let offered = ports.valid.bit(0);
    let [load, read, swap, delta, drain] = [Op::Load, Op::Read, Op::Swap, Op::Delta, Op::Drain]
        .map(|op| m.wire(&format!("is_{}", op.name()), is(op, &ports.op)));
    let load_s1 = m.register("load_s1", &offered & &load);
    let freeze_s1 = m.register("freeze_s1", &offered & (&load | &swap | &drain));
    let live_s1 = m.register("live_s1", ready);
    let zero = m.register("zero_s1", clearing);
    let state = m.register("state_s1", &read | &swap);
    let responds = &read | &swap | delta | drain;
    let respond = m.register("respond_s1", ready & &offered & responds);
    m.section("Stage 2: only what was accepted. A clear loads zeros.");
    Control {
        load: m.register("load_s2", &zero | (load_s1 & &live_s1)),
        freeze: m.register("freeze_s2", &zero | (freeze_s1 & &live_s1)),
        zero,
        state,
        respond,
    }
}

/// One bit: `code` is that of `op`.
fn is(op: Op, code: &Expr) -> Expr {
    code.equals(&Expr::constant(op.code().into(), 3))
}

/// One bit: `code` is that of ACCUM.
fn is_accum(code: &Expr) -> Expr {
    is(Op::Accum, code)
}

/// `value` where the one-bit condition holds, else 0.
fn gate(condition: &Expr, value: &Expr) -> crate::expr::Drive {
    select(condition, value, Expr::zero(value.width()))
}

/// `value` where the one-bit condition does not hold, else 0.
fn gate_not(condition: &Expr, value: &Expr) -> crate::expr::Drive {
    select(condition, Expr::zero(value.width()), value)
}

/// Instantiates the clear sequencer; returns whether it runs, and the address (of A bits) that it
/// is at.
fn clear(m: &mut Circuit, config: &Config, rst: &Expr) -> (Expr, Option<Expr>) {
    m.section("Reset: clears every address, holding ready low.");
    m.instance("clear", &clear::circuit(config), &[("rst", rst)]);
    let ready = m.output_of("clear", "ready");
    m.assign("ready", &ready);
    let active = m.output_of("clear", "active");
    let addr = (config.address_bits() > 0).then(|| m.output_of("clear", "addr"));
    (active, addr)
}

/// Instantiates the response stages behind the delta of a command and what it responds with.
fn respond(
    m: &mut Circuit,
    config: &Config,
    [rst, clearing, delta, chosen]: [&Expr; 4],
    responds: &Staged,
) {
    let stage = config.delta_stage();
    let rst_q = m.output_of("clear", "rst_q");
    m.section("Response.");
    m.instance(
        "respond",
        &respond::circuit(config),
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
