//! The clear sequencer: steps through all addresses after a reset.

use crate::circuit::Circuit;
use crate::config::Config;
use crate::expr::{Drive, Expr, select};

/// The width of a counter slice: a carry does not run further in one cycle.
const SLICE: u32 = 3;

/// Instantiates the clear sequencer. Returns its `active` and, if there are addresses, the address
/// being cleared.
pub(super) fn instantiate(m: &mut Circuit, config: &Config, rst: &Expr) -> (Expr, Option<Expr>) {
    m.section("Reset: clears every address, holding ready low.");
    m.instance("clear", &circuit(config), &[("rst", rst)]);
    let ready = m.output_of("clear", "ready");
    m.assign("ready", &ready);
    let active = m.output_of("clear", "active");
    let addr = (config.address_bits() > 0).then(|| m.output_of("clear", "addr"));
    (active, addr)
}

/// The registers of the counter of a clear, lowest first, and their widths.
pub(crate) fn slices(config: &Config) -> Vec<(String, u32)> {
    let bits = config.clear_counter_bits();
    (0..bits)
        .step_by(SLICE as usize)
        .zip(0..)
        .map(|(low, i)| (format!("count{i}"), SLICE.min(bits - low)))
        .collect()
}

pub(super) fn circuit(config: &Config) -> Circuit {
    let bits = config.clear_counter_bits();
    let mut m = Circuit::new(
        format!("{}_clear", config.name()),
        &[
            "Clear sequencer. While active is high, a clear of addr takes the place of every \
             command.",
            &format!(
                "It runs for {} cycles after a reset: all addresses, and long enough for whatever",
                1u32 << bits
            ),
            "was in flight to leave the pipeline without effect. For 8 cycles more nothing is \
             accepted:",
            "a lane must not read an address whose clear is still on its way to the memory.",
        ],
    );
    let rst = m.input("rst", 1, "synchronous reset, active high");
    m.output("ready", 1, "the clear has finished");
    m.output("rst_q", 1, "rst, a cycle later");
    m.output("active", 1, "clear addr");
    m.output(
        "hold",
        1,
        "take no command; falls one cycle before ready rises",
    );
    if config.address_bits() > 0 {
        m.output("addr", config.address_bits(), "the address to clear");
    }
    m.section("Nearly everything takes the reset from a register: its way there may be long.");
    let raw = rst;
    let rst = m.register("rst_delayed", &raw);
    m.assign("rst_q", &rst);
    m.section(&format!(
        "Position in the clear, in slices of {SLICE} bits, so that no carry is longer than that: \
         all ones in\n\
         the lowest slice is seen a cycle ahead, all ones in the others, which stand still by\n\
         then, in a chain of registers."
    ));
    let slices = slices(config);
    let count: Vec<Expr> = slices
        .iter()
        .map(|(name, width)| m.declare_register(name, *width))
        .collect();
    let last = m.declare_register("last", 1);
    let active = m.declare_register("active_q", 1);
    let hold = m.declare_register("hold_q", 1);
    let ready = m.declare_register("ready_q", 1);
    let zero = || Drive::from(Expr::zero(1));
    let one = || Drive::from(Expr::constant(1, 1));
    let nearly = m.wire(
        "nearly",
        count[0].equals(&Expr::constant((1 << slices[0].1) - 2, slices[0].1)),
    );
    // `full`: whether all slices above the lowest, up to this one, are all ones.
    // `wrap`: the carry out of the lowest slice.
    let mut full: Option<Expr> = None;
    let mut wrap: Option<Expr> = None;
    for (i, (name, width)) in slices.iter().enumerate() {
        let width = *width;
        let step = count[i].plus(&Expr::constant(1, width));
        let next = match i {
            0 => Drive::from(step),
            _ => {
                let ahead = match &full {
                    Some(full) => &nearly & full,
                    None => nearly.clone(),
                };
                let carry = m.register(&format!("carry{i}"), select(&rst, zero(), ahead));
                wrap.get_or_insert(carry.clone());
                select(&carry, step, Drive::Hold)
            }
        };
        m.set_next(name, select(&rst, Expr::zero(width), next));
        if i > 0 {
            let all = match &full {
                Some(full) => count[i].all() & full,
                None => count[i].all(),
            };
            full = Some(m.register(&format!("full{i}"), select(&rst, zero(), all)));
        }
    }
    let ahead = match &full {
        Some(full) => &nearly & full,
        None => nearly,
    };
    m.set_next("last", select(&rst, zero(), ahead));
    m.set_next(
        "active_q",
        select(&rst, one(), select(&last, zero(), Drive::Hold)),
    );
    // The counter has at least two slices, so the lowest has a carry out.
    let wrap = wrap.unwrap_or_else(|| Expr::zero(1));
    m.set_next(
        "hold_q",
        select(&rst, one(), select(&(!&active & wrap), zero(), Drive::Hold)),
    );
    m.set_next("ready_q", select(&(raw | &rst), zero(), !&hold));
    m.assign("ready", &ready);
    m.assign("active", &active);
    m.assign("hold", &hold);
    if config.address_bits() > 0 {
        let mut rest = config.address_bits();
        let mut parts = vec![];
        for slice in count {
            let bits = rest.min(slice.width());
            if bits > 0 {
                parts.push(slice.slice(0, bits));
            }
            rest -= bits;
        }
        let addr = m.concat("count", &parts);
        m.assign("addr", &addr);
    }
    m
}
