//! The ghosts: what the specification says of one address, from the commands alone, and the sums
//! that the register file keeps of it.

use super::plan::Plan;
use super::writer::{Writer, part, ports};
use crate::net::range;
use crate::regfile::holdings::Content;
use atomik_algebra::{FieldKind, Op};

/// The bits that memories return where nothing is promised.
pub(super) fn junk_bits(plan: &Plan<'_>) -> u32 {
    let memories = plan.holdings.iter().filter(|h| h.is_memory);
    memories.map(|h| h.bits).sum()
}

/// The head of the module, with the design inside.
pub(super) fn module(w: &mut Writer, plan: &Plan<'_>) {
    let c = plan.config;
    let (l, a, width) = (c.lanes(), c.address_bits(), c.width());
    let mut inputs = vec![
        ("input  wire", "clk", 1),
        ("input  wire", "rst", 1),
        ("input  wire", "cmd_valid", l),
        ("input  wire", "cmd_op", 3),
    ];
    if a > 0 {
        inputs.push(("input  wire", "cmd_addr", l * a));
    }
    inputs.push(("input  wire", "cmd_data", l * width));
    if junk_bits(plan) > 0 {
        inputs.push(("input  wire", "junk", junk_bits(plan)));
    }
    w.line(&format!("module {}_formal (", c.name()));
    w.line(ports(&inputs).trim_end());
    w.line(");");
    w.body("wire ready, rsp_valid, rsp_clean;");
    w.body(&format!("wire {}rsp_data;", range(width)));
    w.body(&format!("{} dut (", c.name()));
    let mut names = vec!["clk", "rst", "ready", "cmd_valid", "cmd_op"];
    if a > 0 {
        names.push("cmd_addr");
    }
    names.extend(["cmd_data", "rsp_valid", "rsp_data", "rsp_clean"]);
    let connections: Vec<String> = names.iter().map(|n| format!(".{n}({n})")).collect();
    w.body(&format!("    {}", connections.join(", ")));
    w.body(");");
    if a > 0 {
        w.section(&["The address that all of this is about: an arbitrary constant."]);
        w.register("address", a, "address");
    }
}

/// The time since the reset, and the commands that are accepted at the address.
pub(super) fn time_and_commands(w: &mut Writer, plan: &Plan<'_>) {
    let c = plan.config;
    let (a, width) = (c.address_bits(), c.width());
    w.section(&[
        "Cycles since the last with rst high, up to a limit behind which nothing depends on it.",
    ]);
    let limit = plan.cycles(plan.limit);
    w.register(
        "since",
        plan.since_bits,
        &format!(
            "rst ? {} : since == {limit} ? since : since + {}",
            plan.cycles(1),
            plan.cycles(1)
        ),
    );
    w.wire("start", 1, "rst");
    w.section(&["What is accepted, and what is accepted at the address."]);
    let ready = format!("~rst & (since >= {})", plan.cycles(c.clear_cycles()));
    w.wire("accept", 1, &ready);
    for lane in 0..c.lanes() {
        let valid = part("cmd_valid", c.lanes(), lane, 1);
        let here = match a {
            0 => valid,
            _ => {
                let addr = part("cmd_addr", c.lanes() * a, lane * a, a);
                format!("{valid} & ({addr} == address)")
            }
        };
        w.wire(&format!("offered{lane}"), 1, &here);
        w.wire(
            &format!("data{lane}"),
            width,
            &part("cmd_data", c.lanes() * width, lane * width, width),
        );
        let accum = match lane {
            0 => format!("accept & offered0 & (cmd_op == 3'd{})", Op::Accum.code()),
            _ => format!("accept & offered{lane}"),
        };
        w.wire(&format!("accum{lane}"), 1, &accum);
        w.wire(
            &format!("given{lane}"),
            width,
            &format!("accum{lane} ? data{lane} : {width}'d0"),
        );
    }
    let is = |op: Op| format!("(cmd_op == 3'd{})", op.code());
    w.wire("load", 1, &format!("accept & offered0 & {}", is(Op::Load)));
    w.wire(
        "keep_state",
        1,
        &format!("accept & offered0 & ({} | {})", is(Op::Swap), is(Op::Drain)),
    );
    w.wire("freeze", 1, "load | keep_state");
    let responds = [Op::Read, Op::Swap, Op::Delta, Op::Drain]
        .map(is)
        .join(" | ");
    w.wire("responds", 1, &responds);
}

/// Reference and delta, as the specification has them; and the sums of each lane, base and offset,
/// of which the register file makes them.
pub(super) fn state(w: &mut Writer, plan: &Plan<'_>) {
    let c = plan.config;
    let width = c.width();
    let zero = format!("{width}'d0");
    w.section(&["+ and -, field by field."]);
    function(w, plan, "plus", "^", "+");
    function(w, plan, "minus", "^", "-");
    let lanes: Vec<u32> = (0..c.lanes()).collect();
    let sum = |first: &str, names: &dyn Fn(u32) -> String| {
        lanes.iter().fold(first.to_owned(), |sum, &lane| {
            format!("plus({sum}, {})", names(lane))
        })
    };
    w.section(&["The specification: reference and delta at the address, commands in lane order."]);
    w.body(&format!("reg {}reference, delta;", range(width)));
    w.wire("state", width, "plus(reference, delta)");
    let given = |lane| format!("given{lane}");
    w.wire("kept_delta", width, &format!("freeze ? {zero} : delta"));
    w.wire("next_delta", width, &sum("kept_delta", &given));
    w.body("always @(posedge clk) begin");
    w.body(&format!("    delta <= rst ? {zero} : next_delta;"));
    w.body(&format!(
        "    reference <= rst ? {zero} : load ? data0 : keep_state ? state : reference;"
    ));
    w.body("end");

    w.section(&["The sum of each lane's deltas, their total, base and offset; and their past."]);
    for &lane in &lanes {
        let name = format!("lane{lane}");
        let next = format!("rst ? {zero} : plus({name}, given{lane})");
        w.register(&name, width, &next);
        w.delay(
            &name,
            width,
            plan.latest(|h| h.content == Content::Lane(lane)),
        );
    }
    let total = lanes[1..].iter().fold("lane0".to_owned(), |sum, lane| {
        format!("plus({sum}, lane{lane})")
    });
    w.wire("total", width, &total);
    w.delay("total", width, plan.latest(|h| h.content == Content::Total));
    w.register(
        "base",
        width,
        &format!("rst ? {zero} : freeze ? total : base"),
    );
    w.delay("base", width, plan.latest(|h| h.content == Content::Base));
    let moved = format!("rst ? {zero} : load ? minus(data0, total) : offset");
    w.register("offset", width, &moved);
    w.delay(
        "offset",
        width,
        plan.latest(|h| h.content == Content::Offset),
    );
}

/// A function of two words, field by field.
fn function(w: &mut Writer, plan: &Plan<'_>, name: &str, xor: &str, add: &str) {
    let width = plan.config.width();
    let word = range(width);
    w.body(&format!(
        "function {word}{name}(input {word}a, input {word}b);"
    ));
    w.body("    begin");
    for field in plan.config.layout().fields() {
        let operator = match field.kind {
            FieldKind::Xor => xor,
            FieldKind::Add => add,
        };
        let [to, a, b] = [name, "a", "b"].map(|it| part(it, width, field.offset, field.bits));
        w.body(&format!("        {to} = {a} {operator} {b};"));
    }
    w.body("    end");
    w.body("endfunction");
}
