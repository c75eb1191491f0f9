//! Combining the words of a segment: an adder with its carries, or an xor.

use crate::circuit::Circuit;
use crate::config::{CARRY_STAGES, Config, Segment};
use crate::expr::Expr;
use atomik_algebra::FieldKind;

/// What comes into the lowest bit of an adder.
pub(super) enum Low {
    /// Nothing.
    Zero,
    /// One: the other half of a complement.
    One,
    /// The carry of the segment below, registered.
    Carry(Expr),
}

/// A sum and the carry out of it, both in the same cycle.
pub(super) struct Sum {
    /// The sum with the carry above it, if the segment gives one.
    all: Expr,
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

    /// The carry out of it, which the segment must give.
    fn top(&self) -> Expr {
        self.all.bit(self.bits)
    }
}

/// The stage at which the carry of a sum at `stage` is ready for the segment above.
fn carry_stage(stage: u32) -> u32 {
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
        Low::Carry(carry) => sum.plus(&wide(m, "low", &carry)),
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

/// Adders of a slice that carry from one segment of a field to the next: `count` of them side by
/// side, with their sums at `stage`.
pub(super) struct Adders {
    pub name: String,
    pub count: u32,
    pub stage: u32,
}

impl Adders {
    /// A single adder.
    pub fn one(name: &str, stage: u32) -> Adders {
        Adders {
            name: name.into(),
            count: 1,
            stage,
        }
    }

    /// The port for what the segment below carries.
    fn below(&self) -> String {
        format!("{}_carry_s{}", self.name, self.stage - 1)
    }

    /// The port for what is carried to the segment above.
    fn above(&self) -> String {
        format!("{}_carry_s{}", self.name, carry_stage(self.stage))
    }
}

/// Connects what the adders of the slice called `below` carry to a slice of `segment`.
pub(super) fn connect(
    m: &mut Circuit,
    segment: &Segment,
    below: &str,
    adders: &[Adders],
    inputs: &mut Vec<(String, Expr)>,
) {
    if segment.takes_carry() {
        for adders in adders {
            inputs.push((adders.below(), m.output_of(below, &adders.above())));
        }
    }
}

/// The ports of a slice for what its adders carry.
pub(super) struct Carries<'a> {
    segment: &'a Segment,
    adders: Vec<Adders>,
    /// What the segment below carries, by adder; empty if it carries nothing.
    taken: Vec<Expr>,
}

impl<'a> Carries<'a> {
    /// Declares the ports.
    pub fn ports(m: &mut Circuit, segment: &'a Segment, adders: Vec<Adders>) -> Carries<'a> {
        let mut taken = vec![];
        for it in adders.iter().filter(|_| segment.takes_carry()) {
            taken.push(m.input(&it.below(), it.count, "carry of the segment below"));
        }
        for it in adders.iter().filter(|_| segment.gives_carry()) {
            m.output(&it.above(), it.count, "carry for the segment above");
        }
        Carries {
            segment,
            adders,
            taken,
        }
    }

    fn position(&self, name: &str) -> usize {
        match self.adders.iter().position(|it| it.name == name) {
            Some(position) => position,
            None => panic!("no adder {name}"),
        }
    }

    fn taken(&self, name: &str, index: u32) -> Option<Low> {
        let taken = self.taken.get(self.position(name))?;
        Some(Low::Carry(taken.bit(index)))
    }

    /// What adder `index` of those called `name` adds to `a + b`.
    pub fn low_of_sum(&self, name: &str, index: u32) -> Low {
        self.taken(name, index).unwrap_or(Low::Zero)
    }

    /// The same for `a - b`, where `b` is given as its complement: 1 in the lowest segment.
    pub fn low_of_difference(&self, name: &str) -> Low {
        self.taken(name, 0).unwrap_or(Low::One)
    }

    /// Gives what the adders called `name` carry to the segment above, if there is one.
    pub fn give(&self, m: &mut Circuit, name: &str, sums: &[&Sum]) {
        if self.segment.gives_carry() {
            let carries: Vec<Expr> = sums.iter().map(|sum| sum.top()).collect();
            self.give_bits(m, name, &carries);
        }
    }

    /// The same, with the carries themselves, which the segment must have.
    pub fn give_bits(&self, m: &mut Circuit, name: &str, carries: &[Expr]) {
        let adders = &self.adders[self.position(name)];
        let carries = match carries {
            [only] => only.clone(),
            several => m.concat(&format!("{name}_carries"), several),
        };
        let out = carry_stage(adders.stage);
        let carries = m.delay(&format!("{name}_carry_q"), &carries, adders.stage, out);
        m.assign(&adders.above(), carries.at(out));
    }
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
    let out = carry_stage(1);
    for (i, segment) in config.segments().iter().enumerate() {
        let part = |word: &Expr| word.slice(segment.low, segment.bits);
        let name = format!("sum{i}");
        let taken = below.take().filter(|_| segment.takes_carry());
        let low = taken.map_or(Low::Zero, Low::Carry);
        let sum = registered_sum(&mut m, segment, &name, [&part(&a), &part(&b)], low);
        words.push(sum.word());
        below = segment.gives_carry().then(|| {
            m.delay(&format!("carry{i}"), &sum.top(), 1, out)
                .at(out)
                .clone()
        });
    }
    let sum = m.concat("words", &words);
    m.assign("sum", &sum);
    m
}
