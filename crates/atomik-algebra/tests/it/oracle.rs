//! A naive second implementation of the register file, written from the table in `docs/spec.md`,
//! section 1: it works field by field and bit by bit, on a map of the addresses used so far, and
//! shares only the names of operations and kinds of fields with the crate. The strategies that
//! generate words, fields and commands are here too.

use std::collections::BTreeMap;
use std::fmt::Debug;

use atomik_algebra::{Add, FieldKind, Group, MAX_WIDTH, Op, Wide, Word};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseResult, TestRunner};

/// A word, lowest bit first.
pub type Bits = Vec<bool>;
/// A word in limbs, lowest first.
pub type Limbs = Vec<u64>;
/// Kind and number of bits of every field, from the lowest bits up.
pub type Fields = Vec<(FieldKind, u32)>;

/// A group with the fields that say what it should do.
pub trait Fielded: Group {
    fn fields() -> Fields;
}

macro_rules! fielded {
    ($($int:ty),*) => {$(
        impl Fielded for $int {
            fn fields() -> Fields {
                vec![(FieldKind::Xor, <$int>::BITS)]
            }
        }
    )*};
}

fielded!(u8, u16, u32, u64, u128);

impl<const LIMBS: usize> Fielded for Wide<LIMBS> {
    fn fields() -> Fields {
        vec![(FieldKind::Xor, 64 * LIMBS as u32)]
    }
}

impl<W: Word> Fielded for Add<W> {
    fn fields() -> Fields {
        vec![(FieldKind::Add, W::BITS)]
    }
}

impl<A: Fielded, B: Fielded> Fielded for (A, B) {
    fn fields() -> Fields {
        [A::fields(), B::fields()].concat()
    }
}

pub fn width_of(fields: &Fields) -> u32 {
    fields.iter().map(|(_, bits)| bits).sum()
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Oracle {
    fields: Fields,
    cells: BTreeMap<usize, Cell>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Cell {
    reference: Bits,
    accumulator: Bits,
}

/// Both words combined, each field on its own.
fn sum(fields: &Fields, left: &Bits, right: &Bits) -> Bits {
    assert_eq!(left.len(), right.len());
    assert_eq!(left.len(), width_of(fields) as usize);
    let mut bits = left.iter().zip(right);
    let mut sum = Bits::new();
    for (kind, width) in fields {
        let mut carry = false;
        for (left, right) in bits.by_ref().take(*width as usize) {
            match kind {
                FieldKind::Xor => sum.push(left != right),
                FieldKind::Add => {
                    let ones = u8::from(*left) + u8::from(*right) + u8::from(carry);
                    sum.push(ones % 2 == 1);
                    carry = ones >= 2;
                }
            }
        }
    }
    sum
}

/// [`sum`] of words in limbs.
pub fn sum_of_limbs(fields: &Fields, left: &[u64], right: &[u64]) -> Limbs {
    let width = width_of(fields) as usize;
    to_limbs(&sum(fields, &to_bits(left, width), &to_bits(right, width)))
}

impl Oracle {
    pub fn new(fields: Fields) -> Self {
        Self {
            fields,
            cells: BTreeMap::new(),
        }
    }

    fn width(&self) -> usize {
        width_of(&self.fields) as usize
    }

    fn cell(&mut self, addr: usize) -> &mut Cell {
        let zero = vec![false; self.width()];
        self.cells.entry(addr).or_insert_with(|| Cell {
            reference: zero.clone(),
            accumulator: zero,
        })
    }

    /// Data and `clean` of the response, if the operation has one.
    pub fn apply(&mut self, op: Op, addr: usize, arg: &[u64]) -> Option<(Vec<u64>, bool)> {
        let width = self.width();
        let fields = self.fields.clone();
        let zero = vec![false; width];
        let cell = self.cell(addr);
        let state = sum(&fields, &cell.reference, &cell.accumulator);
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
                cell.accumulator = sum(&fields, &delta, &to_bits(arg, width));
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
            let fields = self.fields.clone();
            let cell = self.cell(addr);
            cell.accumulator = sum(&fields, &cell.accumulator, &other.cell(addr).accumulator);
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

/// Fields of 1 to 512 bits together. Some end at limbs, some span several.
pub fn fields() -> BoxedStrategy<Fields> {
    let kind = || prop::sample::select(&[FieldKind::Xor, FieldKind::Add][..]);
    let bits = prop_oneof![
        1..=8_u32,
        1..=200_u32,
        prop::sample::select(&[1, 16, 31, 32, 33, 63, 64, 65, 127, 128][..]),
    ];
    let whole = (
        kind(),
        prop::sample::select(&[8, 16, 32, 64][..]),
        1..=8_usize,
    )
        .prop_map(|(kind, bits, count)| vec![(kind, bits); count]);
    let mixed = prop::collection::vec((kind(), bits), 1..12).prop_map(|mut fields| {
        let mut room = MAX_WIDTH;
        fields.retain_mut(|(_, bits)| {
            *bits = room.min(*bits);
            room -= *bits;
            *bits != 0
        });
        fields
    });
    let one = (kind(), 1..=MAX_WIDTH).prop_map(|field| vec![field]);
    prop_oneof![1 => whole, 1 => one, 4 => mixed].boxed()
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

pub fn from_limbs<W: Group>(limbs: &[u64]) -> W {
    W::from_limbs(limbs).expect("the strategy generates words of the right width")
}

pub fn limbs_of<W: Group>(word: W) -> Vec<u64> {
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

/// Defines a test per group that calls `$test::<W>()`, which runs a property.
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
            add_u8: atomik_algebra::Add<u8>,
            add_u64: atomik_algebra::Add<u64>,
            add_u128: atomik_algebra::Add<u128>,
            add_wide_8: atomik_algebra::Add<atomik_algebra::W512>,
            xor_and_add: (u32, atomik_algebra::Add<u32>),
            three_fields: (atomik_algebra::Add<u8>, (u64, atomik_algebra::Add<u16>)),
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
