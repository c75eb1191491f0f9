//! Combining the words of a segment: an adder with its carries, or an xor.

use crate::circuit::Circuit;
use crate::config::{CARRY_STAGES, Config, Segment};
use crate::expr::Expr;
use atomik_algebra::FieldKind;

/// What comes into the lowest bit of an adder.
#[derive(Clone, Copy)]
pub(super) enum Low<'a> {
    /// Nothing.
    Zero,
    /// One: the other half of a complement.
    One,
    /// The carry of the segment below, registered.
    Carry(&'a Expr),
}

/// A sum and the carry out of it, both in the same cycle.
pub(super) struct Sum {
    /// The sum with the carry above it, if the segment gives one.
    pub all: Expr,
    /// The number of bits of the sum.
    bits: u32,
}

impl Sum {
    /// The sum and carry in the register of `all`, which has been declared for them.
    pub fn registered(all: Expr, segment: &Segment) -> Sum {
        let bits = segment.bits;
        Sum { all, bits }
    }

    /// The number of bits of a register for the sum of `segment` and its carry.
    pub fn width(segment: &Segment) -> u32 {
        segment.bits + u32::from(segment.gives_carry())
    }

    /// The sum.
    pub fn word(&self) -> Expr {
        self.all.slice(0, self.bits)
    }

    /// The carry out of it, when the segment above takes it. The sum is at `stage`; `name` is that
    /// of the registers on the way.
    pub fn carry(&self, m: &mut Circuit, name: &str, stage: u32) -> Expr {
        let carry = self.all.bit(self.bits);
        let out = carry_stage(stage);
        m.delay(name, &carry, stage, out).at(out).clone()
    }
}

/// The stage at which the carry of a sum at `stage` is ready for the segment above.
pub(super) fn carry_stage(stage: u32) -> u32 {
    stage + CARRY_STAGES - 1
}

/// `a + b`, and the carry above it if the segment gives one. Xor fields ignore `low`, because every
/// word is its own complement there. `name` is a prefix for wires.
pub(super) fn sum(
    m: &mut Circuit,
    segment: &Segment,
    name: &str,
    [a, b]: [&Expr; 2],
    low: Low,
) -> Expr {
    if segment.kind == FieldKind::Xor {
        return a ^ b;
    }
    let width = Sum::width(segment);
    let wide = |m: &mut Circuit, side: &str, value: &Expr| {
        if value.width() == width {
            return value.clone();
        }
        let zeros = Expr::zero(width - value.width());
        m.concat(&format!("{name}_{side}"), &[value.clone(), zeros])
    };
    let sum = wide(m, "left", a).plus(&wide(m, "right", b));
    match low {
        Low::Zero => sum,
        Low::One => sum.plus(&Expr::constant(1, width)),
        Low::Carry(carry) => sum.plus(&wide(m, "low", carry)),
    }
}

/// `sum` in a register called `name`.
pub(super) fn registered_sum(
    m: &mut Circuit,
    segment: &Segment,
    name: &str,
    words: [&Expr; 2],
    low: Low,
) -> Sum {
    let next = sum(m, segment, name, words, low);
    Sum::registered(m.register(name, next), segment)
}

/// What to add to the complement of a word in place of the word itself, for `a - b`: 1 in the
/// lowest segment, and above it the carry, which `carry` reads.
pub(super) fn low_of_difference<'a>(segment: &Segment, carry: Option<&'a Expr>) -> Low<'a> {
    match (segment.takes_carry(), carry) {
        (true, Some(carry)) => Low::Carry(carry),
        _ => Low::One,
    }
}

/// The same for `a + b`.
pub(super) fn low_of_sum(carry: Option<&Expr>) -> Low<'_> {
    carry.map_or(Low::Zero, Low::Carry)
}

/// A module that adds two words, field by field, in one stage.
pub(super) fn circuit(config: &Config) -> Circuit {
    let w = config.width();
    let mut m = Circuit::new(
        format!("{}_adder", config.name()),
        &[
            "Adds two words, field by field. A segment of a field that adds works some cycles \
             after the",
            "one below it, with the carry of that one; nothing carries from one field to the next.",
        ],
    );
    let a = m.input("a", w, "a word");
    let b = m.input("b", w, "a word");
    m.output("sum", w, "their sum, a cycle later");
    m.section("The segments.");
    let mut words = vec![];
    let mut below: Option<Expr> = None;
    for (i, segment) in config.segments().iter().enumerate() {
        let part = |word: &Expr| word.slice(segment.low, segment.bits);
        let name = format!("sum{i}");
        let low = low_of_sum(below.as_ref().filter(|_| segment.takes_carry()));
        let sum = registered_sum(&mut m, segment, &name, [&part(&a), &part(&b)], low);
        words.push(sum.word());
        below = segment
            .gives_carry()
            .then(|| sum.carry(&mut m, &format!("carry{i}"), 1));
    }
    let sum = m.concat("words", &words);
    m.assign("sum", &sum);
    m
}
