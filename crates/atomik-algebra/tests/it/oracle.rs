//! A naive second implementation of the register file, written from the table in `docs/spec.md`,
//! section 1: it works bit by bit, on a map of the addresses used so far, and shares only the names
//! of the operations with the crate. The strategies that generate words and commands are here too.

use std::collections::BTreeMap;
use std::fmt::Debug;

use atomik_algebra::{Op, Word};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseResult, TestRunner};

/// A word, lowest bit first.
pub type Bits = Vec<bool>;
/// A word in limbs, lowest first.
pub type Limbs = Vec<u64>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Oracle {
    width: usize,
    cells: BTreeMap<usize, Cell>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Cell {
    reference: Bits,
    accumulator: Bits,
}

impl Cell {
    fn state(&self) -> Bits {
        differences(&self.reference, &self.accumulator)
    }
}

fn differences(left: &Bits, right: &Bits) -> Bits {
    assert_eq!(left.len(), right.len());
    left.iter()
        .zip(right)
        .map(|(left, right)| left != right)
        .collect()
}

impl Oracle {
    pub fn new(width: u32) -> Self {
        Self {
            width: width as usize,
            cells: BTreeMap::new(),
        }
    }

    fn cell(&mut self, addr: usize) -> &mut Cell {
        let zero = vec![false; self.width];
        self.cells.entry(addr).or_insert_with(|| Cell {
            reference: zero.clone(),
            accumulator: zero,
        })
    }

    /// Data and `clean` of the response, if the operation has one.
    pub fn apply(&mut self, op: Op, addr: usize, arg: &[u64]) -> Option<(Vec<u64>, bool)> {
        let width = self.width;
        let zero = vec![false; width];
        let cell = self.cell(addr);
        let state = cell.state();
        let delta = cell.accumulator.clone();
        let clean = !delta.contains(&true);
        let data = match op {
            Op::Nop => return None,
            Op::Load => {
                *cell = Cell {
                    reference: to_bits(arg, width),
                    accumulator: zero,
                };
                return None;
            }
            Op::Accum => {
                cell.accumulator = differences(&delta, &to_bits(arg, width));
                return None;
            }
            Op::Read => state,
            Op::Delta => delta,
            Op::Swap => {
                *cell = Cell {
                    reference: state.clone(),
                    accumulator: zero,
                };
                state
            }
            Op::Drain => {
                *cell = Cell {
                    reference: state,
                    accumulator: zero,
                };
                delta
            }
        };
        Some((to_limbs(&data), clean))
    }

    pub fn reference(&mut self, addr: usize) -> Vec<u64> {
        to_limbs(&self.cell(addr).reference)
    }

    pub fn accumulator(&mut self, addr: usize) -> Vec<u64> {
        to_limbs(&self.cell(addr).accumulator)
    }

    /// A copy with the same references and no deltas.
    pub fn bank(&self) -> Self {
        let mut bank = self.clone();
        for cell in bank.cells.values_mut() {
            cell.accumulator.fill(false);
        }
        bank
    }

    /// Adds the deltas of `other`. The error is the first address at which the references differ.
    pub fn merge(&mut self, other: &Self, depth: usize) -> Result<(), usize> {
        let mut other = other.clone();
        for addr in 0..depth {
            if self.cell(addr).reference != other.cell(addr).reference {
                return Err(addr);
            }
        }
        for addr in 0..depth {
            let cell = self.cell(addr);
            cell.accumulator = differences(&cell.accumulator, &other.cell(addr).accumulator);
        }
        Ok(())
    }
}

fn to_bits(limbs: &[u64], width: usize) -> Bits {
    (0..width)
        .map(|bit| limbs[bit / 64] >> (bit % 64) & 1 == 1)
        .collect()
}

fn to_limbs(bits: &Bits) -> Vec<u64> {
    let limb = |bits: &[bool]| {
        bits.iter()
            .rev()
            .fold(0, |limb, bit| limb << 1 | u64::from(*bit))
    };
    bits.chunks(64).map(limb).collect()
}

/// A command for one address.
#[derive(Clone, Debug)]
pub struct Command {
    pub op: Op,
    pub addr: usize,
    pub value: Vec<u64>,
}

/// Limbs of a value of `width` bits. A few values are frequent, so that deltas cancel and
/// references coincide.
pub fn limbs(width: u32) -> BoxedStrategy<Limbs> {
    let count = width.div_ceil(64) as usize;
    let high = u64::MAX >> (64 * count as u32 - width);
    let mask = move |mut limbs: Vec<u64>| {
        limbs[count - 1] &= high;
        limbs
    };
    prop_oneof![
        1 => Just(vec![0; count]),
        1 => Just(mask(vec![u64::MAX; count])),
        3 => (0..width.min(4)).prop_map(move |bit| {
            let mut limbs = vec![0; count];
            limbs[count - 1] = high ^ high >> 1;
            limbs[0] |= 1 << bit;
            limbs
        }),
        2 => (0..width).prop_map(move |bit| {
            let mut limbs = vec![0; count];
            limbs[bit as usize / 64] = 1 << (bit % 64);
            limbs
        }),
        4 => prop::collection::vec(any::<u64>(), count).prop_map(mask),
    ]
    .boxed()
}

/// A list of fewer than `count` values of `width` bits, as limbs.
pub fn list(width: u32, count: usize) -> BoxedStrategy<Vec<Limbs>> {
    prop::collection::vec(limbs(width), 0..count).boxed()
}

/// Runs a property. Inputs are limbs for every width: if they were words, proptest would be
/// compiled once per width.
pub fn check<T: Debug>(
    strategy: impl Strategy<Value = T> + 'static,
    property: impl Fn(T) -> TestCaseResult,
) {
    run(Config::default(), strategy.boxed(), &property);
}

/// [`check`] with a given number of cases.
pub fn check_cases<T: Debug>(
    cases: u32,
    strategy: impl Strategy<Value = T> + 'static,
    property: impl Fn(T) -> TestCaseResult,
) {
    run(Config::with_cases(cases), strategy.boxed(), &property);
}

fn run<T: Debug>(
    config: Config,
    strategy: BoxedStrategy<T>,
    property: &dyn Fn(T) -> TestCaseResult,
) {
    let mut runner = TestRunner::new(Config {
        source_file: Some(file!()),
        ..config
    });
    if let Err(error) = runner.run(&strategy, property) {
        panic!("{error}\n{runner}");
    }
}

pub fn from_limbs<W: Word>(limbs: &[u64]) -> W {
    W::from_limbs(limbs).expect("the strategy generates words of the right width")
}

pub fn limbs_of<W: Word>(word: W) -> Vec<u64> {
    (0..W::LIMBS).map(|index| word.limb(index)).collect()
}

pub fn op() -> BoxedStrategy<Op> {
    prop::sample::select(&Op::ALL[..]).boxed()
}

pub fn commands(width: u32, depth: usize) -> BoxedStrategy<Vec<Command>> {
    let command =
        (op(), 0..depth, limbs(width)).prop_map(|(op, addr, value)| Command { op, addr, value });
    prop::collection::vec(command, 0..80).boxed()
}

/// Depths of one address, two, a few, and more than a block.
pub fn depth() -> BoxedStrategy<usize> {
    prop_oneof![Just(1), Just(2), 3..20_usize, Just(300)].boxed()
}

/// Defines a test per word type that calls `$test::<W>()`, which runs a property.
macro_rules! for_every_word {
    ($($test:ident),+ $(,)?) => {
        for_every_word! { @widths [$($test),+]
            u8: u8,
            u16: u16,
            u32: u32,
            u64: u64,
            u128: u128,
            wide_2: atomik_algebra::Wide<2>,
            wide_4: atomik_algebra::W256,
            wide_8: atomik_algebra::W512,
            wide_11: atomik_algebra::Wide<11>,
        }
    };
    (@widths $tests:tt $($name:ident: $word:ty),+ $(,)?) => {
        $(for_every_word! { @module $name $word, $tests })+
    };
    (@module $name:ident $word:ty, [$($test:ident),+]) => {
        mod $name {
            $(#[test] fn $test() { super::$test::<$word>(); })+
        }
    };
}
