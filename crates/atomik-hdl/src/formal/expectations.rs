//! What must be on the ports: the checks that stand for the specification, and the covers that show
//! that they are about something.

use super::plan::Plan;
use super::writer::{Writer, delayed, part};
use atomik_algebra::Op;

pub(super) fn write(w: &mut Writer, plan: &Plan<'_>) {
    expected(w, plan);
    checks(w, plan);
    covers(w, plan);
}

/// The responses that are due, on their way to the cycle in which they are.
fn expected(w: &mut Writer, plan: &Plan<'_>) {
    let c = plan.config;
    let (width, latency) = (c.width(), c.latency());
    w.section(&[
        "A response is due exactly LATENCY cycles after its command, unless a reset drops it; for",
        "commands at the address, also what it says.",
    ]);
    let valid = part("cmd_valid", c.lanes(), 0, 1);
    dropped(w, "due", &format!("accept & {valid} & responds"), latency);
    dropped(w, "mine", "accept & offered0 & responds", latency);
    w.wire("asked_op", 3, "cmd_op");
    w.delay("asked_op", 3, latency);
    let [read, swap] = [Op::Read, Op::Swap].map(Op::code);
    w.wire(
        "wanted",
        width,
        &format!("(cmd_op == 3'd{read} || cmd_op == 3'd{swap}) ? state : delta"),
    );
    w.delay("wanted", width, latency);
    w.wire("clean", 1, &format!("delta == {width}'d0"));
    w.delay("clean", 1, latency);

    let lanes = || 0..c.lanes();
    let any = |name: &str| {
        let all: Vec<String> = lanes().map(|lane| format!("{name}{lane}")).collect();
        all.join(" | ")
    };
    w.section(&[
        "fresh: no value and no delta has been accepted at the address since the reset.",
        "spared: since the last command that changed the address, some were offered that must not.",
    ]);
    w.wire("changes", 1, &format!("load | {}", any("accum")));
    w.register("fresh", 1, "rst | (fresh & ~changes)");
    w.delay("fresh", 1, latency);
    let idle = format!("(cmd_op == 3'd{} || cmd_op == 3'd7)", Op::Nop.code());
    w.wire(
        "without_effect",
        1,
        &format!("({}) & ~accept | offered0 & {idle}", any("offered")),
    );
    w.register(
        "spared",
        1,
        "without_effect | (spared & ~rst & ~changes & ~keep_state)",
    );
    w.delay("spared", 1, latency);
}

/// A flag that a reset drops, and its past.
fn dropped(w: &mut Writer, name: &str, value: &str, cycles: u32) {
    w.wire(name, 1, value);
    for i in 1..=cycles {
        let before = delayed(name, i - 1);
        w.register(&format!("{name}_{i}"), 1, &format!("~rst & {before}"));
    }
}

/// The checks of the ports.
fn checks(w: &mut Writer, plan: &Plan<'_>) {
    let c = plan.config;
    let (width, n) = (c.width(), c.latency());
    w.section(&["The specification of the ports."]);
    let clear = plan.cycles(c.clear_cycles());
    w.check("ready_exact", &format!("ready == (since >= {clear})"));
    w.check("no_response_lost", &format!("~due_{n} | rsp_valid"));
    w.check("no_response_invented", &format!("~rsp_valid | due_{n}"));
    for op in [Op::Read, Op::Swap, Op::Delta, Op::Drain] {
        w.check(
            &format!("{}_exact", op.name()),
            &format!(
                "~mine_{n} | (asked_op_{n} != 3'd{}) | (rsp_data == wanted_{n})",
                op.code()
            ),
        );
    }
    w.check(
        "clean_exact",
        &format!("~mine_{n} | (rsp_clean == clean_{n})"),
    );
    w.check(
        "zero_after_reset",
        &format!("~mine_{n} | ~fresh_{n} | (rsp_data == {width}'d0 & rsp_clean)"),
    );
    w.check(
        "refused_and_idle_change_nothing",
        &format!("~mine_{n} | ~spared_{n} | (rsp_data == wanted_{n} & rsp_clean == clean_{n})"),
    );
}

/// What must be possible, or the checks would say little.
fn covers(w: &mut Writer, plan: &Plan<'_>) {
    let c = plan.config;
    let n = c.latency();
    w.section(&["What must be possible."]);
    w.cover("ready", "ready");
    for op in [Op::Read, Op::Swap, Op::Delta, Op::Drain] {
        w.cover(
            op.name(),
            &format!(
                "mine_{n} & (asked_op_{n} == 3'd{}) & (|rsp_data)",
                op.code()
            ),
        );
    }
    w.cover("clean", &format!("mine_{n} & rsp_clean"));
    w.cover("not_clean", &format!("mine_{n} & ~rsp_clean"));
    w.cover("zero_after_reset", &format!("mine_{n} & fresh_{n}"));
    w.cover("after_refused_or_idle", &format!("mine_{n} & spared_{n}"));
    w.cover("dropped_by_a_reset", &format!("rst & due_{}", n - 1));
}
