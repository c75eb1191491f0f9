//! The emitter's expressions mean in Verilog what they mean in Rust: random nested expressions are
//! written as Verilog, compiled, and compared with an evaluation that shares nothing with either.
//!
//! A circuit has the ports of a register file of one word, so that the models and records of the
//! cross-check carry its values: operands come from `cmd_data`, results go to `rsp_data`.

use crate::tools::builder;
use atomik_hdl::circuit::Circuit;
use atomik_hdl::expr::Expr;
use atomik_hdl::verilog::modules;
use atomik_sim::model::Model;
use atomik_sim::record::Layout;
use atomik_sim::verilate::{Lint, Options, Source};
use num_bigint::BigUint;

/// Bits of `cmd_data` and of `rsp_data`.
const WIDTH: u32 = 512;
/// The operands: every edge of a C++ type that Verilator computes in, and beyond.
const OPERANDS: [u32; 8] = [1, 2, 8, 31, 32, 64, 65, 130];
const DEPTH: u32 = 6;
const CIRCUITS: u64 = 12;
const VECTORS: usize = 200;

/// Marsaglia's xorshift64 (2003).
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: u32) -> u32 {
        (self.next() % u64::from(n)) as u32
    }

    /// A word of random limbs, all zeros or all ones.
    fn limb(&mut self) -> u64 {
        match self.below(8) {
            0 => 0,
            1 => u64::MAX,
            _ => self.next(),
        }
    }
}

/// An expression, to be written as Verilog and to be evaluated.
#[derive(Debug)]
enum Tree {
    /// Bits of an operand: its number, the lowest bit, and how many.
    Bits(usize, u32, u32),
    Constant(u64, u32),
    Not(Box<Tree>),
    Xor(Box<Tree>, Box<Tree>),
    And(Box<Tree>, Box<Tree>),
    Or(Box<Tree>, Box<Tree>),
    Plus(Box<Tree>, Box<Tree>),
    Equals(Box<Tree>, Box<Tree>),
    Any(Box<Tree>),
    All(Box<Tree>),
}

use Tree::{All, And, Any, Bits, Constant, Equals, Not, Or, Plus, Xor};

fn ones(width: u32) -> BigUint {
    (BigUint::from(1u32) << width) - 1u32
}

impl Tree {
    /// A random expression of `width` bits.
    fn draw(draw: &mut Draw, width: u32, depth: u32) -> Tree {
        let of =
            |draw: &mut Draw, width| Box::new(Tree::draw(draw, width, depth.saturating_sub(1)));
        // The emitter has no operators on constants alone.
        let right = |draw: &mut Draw, width: u32| match draw.below(6) {
            0 => Box::new(Constant(
                draw.limb() & (u64::MAX >> (64 - width.min(64))),
                width,
            )),
            _ => of(draw, width),
        };
        if depth == 0 || draw.below(8) == 0 {
            return Tree::bits(draw, width);
        }
        let kinds = if width == 1 { 8 } else { 5 };
        let other = OPERANDS[draw.below(8) as usize];
        match draw.below(kinds) {
            0 => Not(of(draw, width)),
            1 => Xor(of(draw, width), right(draw, width)),
            2 => And(of(draw, width), right(draw, width)),
            3 => Or(of(draw, width), right(draw, width)),
            4 => Plus(of(draw, width), right(draw, width)),
            5 => Equals(of(draw, other), right(draw, other)),
            6 => Any(of(draw, other)),
            _ => All(of(draw, other)),
        }
    }

    fn bits(draw: &mut Draw, width: u32) -> Tree {
        let wide: Vec<usize> = (0..OPERANDS.len())
            .filter(|&i| OPERANDS[i] >= width)
            .collect();
        let operand = wide[draw.below(wide.len() as u32) as usize];
        let low = draw.below(OPERANDS[operand] - width + 1);
        Bits(operand, low, width)
    }

    fn expression(&self, operands: &[Expr]) -> Expr {
        let of = |tree: &Tree| tree.expression(operands);
        match self {
            Bits(operand, low, width) => operands[*operand].slice(*low, *width),
            Constant(value, width) => Expr::constant(*value, *width),
            Not(a) => !of(a),
            Xor(a, b) => of(a) ^ of(b),
            And(a, b) => of(a) & of(b),
            Or(a, b) => of(a) | of(b),
            Plus(a, b) => of(a).plus(&of(b)),
            Equals(a, b) => of(a).equals(&of(b)),
            Any(a) => of(a).any(),
            All(a) => of(a).all(),
        }
    }

    /// The value and the width.
    fn value(&self, operands: &[BigUint]) -> (BigUint, u32) {
        let of = |tree: &Tree| tree.value(operands);
        let bit = |value: bool| (BigUint::from(u8::from(value)), 1);
        match self {
            Bits(operand, low, width) => ((&operands[*operand] >> *low) & ones(*width), *width),
            Constant(value, width) => (BigUint::from(*value), *width),
            Not(a) => {
                let (a, width) = of(a);
                (a ^ ones(width), width)
            }
            Xor(a, b) => (of(a).0 ^ of(b).0, of(a).1),
            And(a, b) => (of(a).0 & of(b).0, of(a).1),
            Or(a, b) => (of(a).0 | of(b).0, of(a).1),
            Plus(a, b) => ((of(a).0 + of(b).0) & ones(of(a).1), of(a).1),
            Equals(a, b) => bit(of(a).0 == of(b).0),
            Any(a) => bit(of(a).0 != BigUint::ZERO),
            All(a) => bit(of(a).0 == ones(of(a).1)),
        }
    }
}

/// A circuit whose `rsp_data` is `trees`, the first in the low bits.
fn circuit(trees: &[Tree]) -> Circuit {
    let mut circuit = Circuit::new("expressions", &["random expressions"]);
    let m = &mut circuit;
    let one = Expr::constant(1, 1);
    for (name, width) in [("rst", 1), ("cmd_valid", 1), ("cmd_op", 3)] {
        m.input(name, width, "not used");
    }
    let data = m.input("cmd_data", WIDTH, "the operands");
    let mut low = 0;
    let mut operands = vec![];
    for (i, width) in OPERANDS.into_iter().enumerate() {
        operands.push(m.wire(&format!("operand{i}"), data.slice(low, width)));
        low += width;
    }
    let values: Vec<Expr> = trees.iter().map(|t| t.expression(&operands)).collect();
    let result = m.concat("result", &values);
    for name in ["ready", "rsp_valid", "rsp_clean"] {
        m.output(name, 1, "high");
        m.assign(name, &one);
    }
    m.output("rsp_data", WIDTH, "the values");
    m.assign("rsp_data", &result);
    circuit
}

/// Random trees that fill `rsp_data`.
fn trees(draw: &mut Draw) -> Vec<Tree> {
    let mut left = WIDTH;
    let mut trees = vec![];
    while left > 0 {
        let width = OPERANDS[draw.below(8) as usize].min(left);
        trees.push(Tree::draw(draw, width, DEPTH));
        left -= width;
    }
    trees
}

/// The first difference between `verilog` and the values of `trees`.
fn check(trees: &[Tree], verilog: String, draw: &mut Draw) -> Result<(), String> {
    let layout = Layout::new(WIDTH, 1, 1).unwrap();
    let source = Source {
        name: "expressions".into(),
        verilog,
        layout,
    };
    let options = Options {
        lint: Lint::Allow,
        ..Options::default()
    };
    let built = builder()
        .build(&source, options)
        .map_err(|error| error.to_string())?;
    let mut model = Model::load(&built, layout, 1, None).unwrap();
    for _ in 0..VECTORS {
        let limbs: Vec<u64> = (0..WIDTH / 64).map(|_| draw.limb()).collect();
        let mut commands = vec![0; layout.cmd_words()];
        layout
            .command_mut(&mut commands, 0)
            .set_lane(0, true, 0, &limbs);
        let mut responses = vec![0; layout.rsp_words()];
        model.run(&commands, &mut responses).unwrap();
        let number = |limbs: &[u64]| {
            let bytes: Vec<u8> = limbs.iter().flat_map(|limb| limb.to_le_bytes()).collect();
            BigUint::from_bytes_le(&bytes)
        };
        let mut data = number(&limbs);
        let operands: Vec<BigUint> = OPERANDS
            .into_iter()
            .map(|width| {
                let operand = &data & ones(width);
                data >>= width;
                operand
            })
            .collect();
        let mut found = number(layout.response(&responses, 0).data());
        for tree in trees {
            let (value, width) = tree.value(&operands);
            let got = &found & ones(width);
            if value != got {
                return Err(format!(
                    "{value:#x} expected, {got:#x} found of {tree:?} for {operands:x?}"
                ));
            }
            found >>= width;
        }
    }
    Ok(())
}

fn text(trees: &[Tree]) -> String {
    let texts = modules(&circuit(trees));
    texts.into_iter().map(|(_, text)| text).collect()
}

#[test]
fn random_expressions_mean_in_verilog_what_they_mean_in_rust() {
    for seed in 1..=CIRCUITS {
        let mut draw = Draw(seed);
        let trees = trees(&mut draw);
        if let Err(difference) = check(&trees, text(&trees), &mut draw) {
            panic!("seed {seed}: {difference}");
        }
    }
}

#[test]
fn a_writer_without_parentheses_is_detected() {
    let wrong = (1..=CIRCUITS).filter(|&seed| {
        let mut draw = Draw(seed);
        let trees = trees(&mut draw);
        let flat: String = text(&trees)
            .lines()
            .map(|line| match line.starts_with("module") || line == ");" {
                true => format!("{line}\n"),
                false => line.replace(['(', ')'], "") + "\n",
            })
            .collect();
        let found = check(&trees, flat, &mut draw);
        found.is_err_and(|difference| difference.contains(" found of "))
    });
    assert!(wrong.count() > 0);
}
