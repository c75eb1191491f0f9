//! What induction needs to know of the inside: the clear as a function of the time since the
//! reset, and what every memory holds.

use super::ghosts::junk_bits;
use super::plan::Plan;
use super::writer::{Writer, delayed, part};
use crate::net::range;
use crate::regfile::clear;
use crate::regfile::holdings::{Content, Holding};
use std::fmt::Write as _;

/// The signal that holds the word, inside the design.
fn signal(holding: &Holding) -> String {
    let word = if holding.is_memory { ".word" } else { "" };
    format!("dut.{}{word}", holding.place)
}

/// The names by which the module reaches into the design.
pub(super) fn bindings(w: &mut Writer, plan: &Plan<'_>) {
    let a = plan.config.address_bits();
    let mut signals: Vec<(String, u32)> = vec![];
    for (name, bits) in clear::slices(plan.config) {
        signals.push((format!("dut.clear.{name}"), bits));
    }
    for name in ["active_q", "hold_q"] {
        signals.push((format!("dut.clear.{name}"), 1));
    }
    for holding in &plan.holdings {
        signals.push((signal(holding), holding.width));
        if holding.is_memory {
            signals.push((format!("dut.{}.symbolic", holding.place), a));
            signals.push((format!("dut.{}.junk", holding.place), holding.bits));
        }
    }
    w.line("");
    w.line("`ifdef YOSYS");
    w.body("// Yosys's flatten joins these with the signals inside the design that they name.");
    for (path, bits) in signals {
        w.body(&format!("(* hierconn *) wire {}\\{path} ;", range(bits)));
    }
    w.line("`endif");
    if plan.holdings.iter().any(|h| h.is_memory) {
        w.section(&[
            "What stands for the memories: the address, and any word where none is \
                     promised.",
        ]);
    }
    let mut low = 0;
    for holding in plan.holdings.iter().filter(|h| h.is_memory) {
        let junk = part("junk", junk_bits(plan), low, holding.bits);
        w.body(&format!("assign dut.{}.symbolic = address;", holding.place));
        w.body(&format!("assign dut.{}.junk = {junk};", holding.place));
        low += holding.bits;
    }
}

pub(super) fn write(w: &mut Writer, plan: &Plan<'_>) {
    let c = plan.config;
    let width = c.width();
    w.section(&["The clear, as a function of the time since the reset."]);
    w.invariant(
        "time_in_range",
        &format!(
            "(since != {}) & (since <= {})",
            plan.cycles(0),
            plan.cycles(plan.limit)
        ),
    );
    let slices = clear::slices(c);
    let bits: u32 = slices.iter().map(|(_, bits)| bits).sum();
    let names: Vec<String> = slices
        .iter()
        .rev()
        .map(|(name, _)| format!("dut.clear.{name}"))
        .collect();
    w.wire(
        "position",
        plan.since_bits,
        &format!("since - {}", plan.cycles(2)),
    );
    let running = format!(
        "(since < {}) | (since >= {})",
        plan.cycles(2),
        plan.cycles(c.clear_cycles())
    );
    w.invariant(
        "clear_position",
        &format!(
            "{running} | ({{{}}} == position[{}:0])",
            names.join(", "),
            bits - 1
        ),
    );
    for (name, until) in [("active", 2 + (1 << bits)), ("hold", c.clear_cycles() - 1)] {
        w.invariant(
            &format!("clear_{name}"),
            &format!(
                "(since < {}) | (dut.clear.{name}_q == (since < {}))",
                plan.cycles(2),
                plan.cycles(until)
            ),
        );
    }

    w.section(&["The ghosts: nothing before the clear ends; and how they make up the state."]);
    let mut ghosts = String::from("reference | delta | base | offset");
    for lane in 0..c.lanes() {
        let _ = write!(ghosts, " | lane{lane}");
    }
    w.invariant(
        "nothing_before_ready",
        &format!(
            "(since >= {}) | (({ghosts}) == {width}'d0)",
            plan.cycles(c.clear_cycles())
        ),
    );
    w.invariant(
        "nothing_while_fresh",
        &format!("~fresh | ((reference | delta) == {width}'d0)"),
    );
    w.invariant("delta_is_total_less_base", "delta == minus(total, base)");
    w.invariant(
        "reference_is_base_and_offset",
        "reference == plus(base, offset)",
    );

    w.section(&["What the memories hold, once the clear has been there."]);
    for (name, group) in groups(plan) {
        let terms: Vec<String> = group.iter().map(|h| holds(plan, h)).collect();
        w.invariant(&name, &terms.join("\n        & "));
    }
}

/// The holdings, grouped by what they hold.
fn groups<'a>(plan: &'a Plan<'_>) -> Vec<(String, Vec<&'a Holding>)> {
    let mut groups: Vec<(String, Vec<&Holding>)> = vec![];
    for holding in &plan.holdings {
        let name = match holding.content {
            Content::Lane(lane) => format!("lane{lane}_holds_its_sum"),
            Content::Total => "total_held".into(),
            Content::Base => "base_held".into(),
            Content::Offset => "offset_held".into(),
        };
        match groups.iter_mut().find(|(n, _)| *n == name) {
            Some((_, group)) => group.push(holding),
            None => groups.push((name, vec![holding])),
        }
    }
    groups
}

/// That a place holds what it should.
fn holds(plan: &Plan<'_>, holding: &Holding) -> String {
    let ghost = match holding.content {
        Content::Lane(lane) => format!("lane{lane}"),
        Content::Total => "total".into(),
        Content::Base => "base".into(),
        Content::Offset => "offset".into(),
    };
    let width = plan.config.width();
    let ghost = part(
        &delayed(&ghost, holding.stage),
        width,
        holding.low,
        holding.bits,
    );
    let held = part(&signal(holding), holding.width, 0, holding.bits);
    let complement = if holding.complement { "~" } else { "" };
    format!(
        "((since < {}) | ({held} == {complement}{ghost}))",
        plan.cleared(holding.stage)
    )
}
