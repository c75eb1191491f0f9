//! Words that stand for all words of their width.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::ops::{BitXor, BitXorAssign};

use atomik_algebra::entries::Bits;
use atomik_algebra::{Add, Group, Word};

use crate::run;

/// The word that a term stands for: 0, or the term of this number.
#[derive(Clone, Copy, Debug, Default)]
pub struct Symbolic<const BITS: u32>(u32);

impl<const BITS: u32> Symbolic<BITS> {
    /// The word with these bits.
    pub fn constant(bits: u64) -> Self {
        let term = format!("(_ bv{bits} {BITS})");
        Self(run::name(&Self::sort(), Some(&term)))
    }

    fn sort() -> String {
        format!("(_ BitVec {BITS})")
    }

    /// The term.
    pub fn term(self) -> String {
        match self.0 {
            0 => format!("(_ bv0 {BITS})"),
            number => format!("t{number}"),
        }
    }

    /// An answer to whether a comparison holds.
    fn compares(self, comparison: &str, other: Self) -> bool {
        run::decide(&format!("({comparison} {} {})", self.term(), other.term()))
    }

    fn apply(function: &str, arguments: &[Self]) -> Self {
        let terms: Vec<_> = arguments.iter().map(|word| word.term()).collect();
        let term = format!("({function} {})", terms.join(" "));
        Self(run::name(&Self::sort(), Some(&term)))
    }
}

impl<const BITS: u32> PartialEq for Symbolic<BITS> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0 || run::decide(&equal_terms(*self, *other))
    }
}

impl<const BITS: u32> Eq for Symbolic<BITS> {}

impl<const BITS: u32> Hash for Symbolic<BITS> {
    /// Equal words must have equal hashes, and any two may be equal.
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

impl<const BITS: u32> PartialOrd for Symbolic<BITS> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(if self < other {
            Ordering::Less
        } else if self > other {
            Ordering::Greater
        } else {
            Ordering::Equal
        })
    }

    fn lt(&self, other: &Self) -> bool {
        self.compares("bvult", *other)
    }

    fn le(&self, other: &Self) -> bool {
        self.compares("bvule", *other)
    }

    fn gt(&self, other: &Self) -> bool {
        self.compares("bvugt", *other)
    }

    fn ge(&self, other: &Self) -> bool {
        self.compares("bvuge", *other)
    }
}

impl<const BITS: u32> Bits for Symbolic<BITS> {
    fn xor(&self, other: &Self) -> Self {
        *self ^ *other
    }

    fn and(&self, other: &Self) -> Self {
        Self::apply("bvand", &[*self, *other])
    }

    fn is_zero(&self) -> bool {
        self.is_identity()
    }
}

impl<const BITS: u32> BitXor for Symbolic<BITS> {
    type Output = Self;

    fn bitxor(self, other: Self) -> Self {
        Self::apply("bvxor", &[self, other])
    }
}

impl<const BITS: u32> BitXorAssign for Symbolic<BITS> {
    fn bitxor_assign(&mut self, other: Self) {
        *self = *self ^ other;
    }
}

impl<const BITS: u32> Group for Symbolic<BITS> {
    const BITS: u32 = BITS;
    const IDENTITY: Self = Self(0);

    fn combine(self, other: Self) -> Self {
        self ^ other
    }

    fn inverse(self) -> Self {
        self
    }

    fn from_limbs(_: &[u64]) -> Option<Self> {
        None
    }

    fn limb(self, _: usize) -> u64 {
        panic!("a symbolic word has no limbs: claim nothing that needs them")
    }
}

impl<const BITS: u32> Word for Symbolic<BITS> {
    fn wrapping_add(self, other: Self) -> Self {
        Self::apply("bvadd", &[self, other])
    }

    fn wrapping_neg(self) -> Self {
        Self::apply("bvneg", &[self])
    }
}

fn equal_terms<const BITS: u32>(a: Symbolic<BITS>, b: Symbolic<BITS>) -> String {
    format!("(= {} {})", a.term(), b.term())
}

/// Groups of symbolic words, with what the specification says of them.
pub trait Specified: Group {
    /// Any word.
    fn any() -> Self;

    /// `a + b` as section 1 of the specification has it.
    fn sum(a: Self, b: Self) -> Self;

    /// The term that two words are equal.
    fn equal(a: Self, b: Self) -> String;
}

impl<const BITS: u32> Specified for Symbolic<BITS> {
    fn any() -> Self {
        Self(run::name(&Self::sort(), None))
    }

    fn sum(a: Self, b: Self) -> Self {
        Self::apply("bvxor", &[a, b])
    }

    fn equal(a: Self, b: Self) -> String {
        equal_terms(a, b)
    }
}

impl<const BITS: u32> Specified for Add<Symbolic<BITS>> {
    fn any() -> Self {
        Self(Symbolic::any())
    }

    fn sum(a: Self, b: Self) -> Self {
        Self(Symbolic::apply("bvadd", &[a.0, b.0]))
    }

    fn equal(a: Self, b: Self) -> String {
        equal_terms(a.0, b.0)
    }
}

impl<A: Specified, B: Specified> Specified for (A, B) {
    fn any() -> Self {
        (A::any(), B::any())
    }

    fn sum(a: Self, b: Self) -> Self {
        (A::sum(a.0, b.0), B::sum(a.1, b.1))
    }

    fn equal(a: Self, b: Self) -> String {
        format!("(and {} {})", A::equal(a.0, b.0), B::equal(a.1, b.1))
    }
}
