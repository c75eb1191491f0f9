//! The ports that every register file has.

use crate::circuit::Circuit;
use crate::config::Config;
use crate::expr::Expr;

/// The inputs, split by lane.
pub(super) struct Ports {
    pub rst: Expr,
    pub valid: Expr,
    pub op: Expr,
    /// The address of each lane; empty when DEPTH = 1.
    pub addr: Vec<Expr>,
    /// The delta of each lane; for lane 0, also the value of a LOAD.
    pub data: Vec<Expr>,
}

/// Declares the ports of the specification on `m`.
pub(super) fn ports(m: &mut Circuit, config: &Config) -> Ports {
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
