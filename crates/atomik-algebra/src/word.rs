use core::fmt;
use core::ops::{BitXor, BitXorAssign};

use crate::Group;

/// The largest width, in bits, of a register file whose width is chosen at run time.
pub const MAX_WIDTH: u32 = 512;

/// A word of a fixed number of bits. As a [`Group`] it combines by xor, so that every word is its
/// own inverse; [`Add`](crate::Add) makes it a group under addition.
///
/// Implemented for `u8`, `u16`, `u32`, `u64`, `u128` and [`Wide`].
pub trait Word: Group + BitXor<Output = Self> + BitXorAssign {
    /// The sum modulo 2^[`BITS`](Group::BITS).
    #[must_use]
    fn wrapping_add(self, other: Self) -> Self;

    /// The number that gives 0 when it is added to this one, modulo 2^[`BITS`](Group::BITS).
    #[must_use]
    fn wrapping_neg(self) -> Self;
}

/// The group of words of type `W` under xor, which is `W` itself.
pub type Xor<W> = W;

macro_rules! xor_operation {
    () => {
        #[inline]
        fn combine(self, other: Self) -> Self {
            self ^ other
        }

        #[inline]
        fn inverse(self) -> Self {
            self
        }
    };
}

macro_rules! integer_word {
    ($($int:ty),*) => {$(
        impl Word for $int {
            #[inline]
            fn wrapping_add(self, other: Self) -> Self {
                <$int>::wrapping_add(self, other)
            }

            #[inline]
            fn wrapping_neg(self) -> Self {
                <$int>::wrapping_neg(self)
            }
        }
    )*};
}

macro_rules! group_of_one_limb {
    ($($int:ty),*) => {$(
        impl Group for $int {
            const BITS: u32 = <$int>::BITS;
            const IDENTITY: Self = 0;

            xor_operation!();

            #[inline]
            fn from_limbs(limbs: &[u64]) -> Option<Self> {
                match limbs {
                    [limb] => <$int>::try_from(*limb).ok(),
                    _ => None,
                }
            }

            #[inline]
            fn limb(self, index: usize) -> u64 {
                if index == 0 { u64::from(self) } else { 0 }
            }
        }
    )*};
}

group_of_one_limb!(u8, u16, u32, u64);
integer_word!(u8, u16, u32, u64, u128);

impl Group for u128 {
    const BITS: u32 = u128::BITS;
    const IDENTITY: Self = 0;

    xor_operation!();

    #[inline]
    fn from_limbs(limbs: &[u64]) -> Option<Self> {
        match limbs {
            [low, high] => Some(u128::from(*low) | u128::from(*high) << 64),
            _ => None,
        }
    }

    #[inline]
    fn limb(self, index: usize) -> u64 {
        match index {
            0 => self as u64,
            1 => (self >> 64) as u64,
            _ => 0,
        }
    }
}

/// A word of `64 * LIMBS` bits, lowest limb first. Using `Wide<0>` as a [`Word`] does not compile.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Wide<const LIMBS: usize>(
    /// The limbs, lowest first.
    pub [u64; LIMBS],
);

/// A word of 256 bits.
pub type W256 = Wide<4>;
/// A word of 512 bits.
pub type W512 = Wide<8>;

impl<const LIMBS: usize> Group for Wide<LIMBS> {
    const BITS: u32 = {
        assert!(
            LIMBS > 0 && LIMBS < (u32::MAX / 64) as usize,
            "a word has at least one limb"
        );
        64 * LIMBS as u32
    };
    const IDENTITY: Self = Self([0; LIMBS]);

    xor_operation!();

    #[inline]
    fn from_limbs(limbs: &[u64]) -> Option<Self> {
        limbs.try_into().ok().map(Self)
    }

    #[inline]
    fn limb(self, index: usize) -> u64 {
        self.0.get(index).copied().unwrap_or(0)
    }
}

impl<const LIMBS: usize> Word for Wide<LIMBS> {
    #[inline]
    fn wrapping_add(mut self, other: Self) -> Self {
        let mut carry = false;
        for (limb, other) in self.0.iter_mut().zip(other.0) {
            (*limb, carry) = limb.carrying_add(other, carry);
        }
        self
    }

    #[inline]
    fn wrapping_neg(mut self) -> Self {
        let mut borrow = false;
        for limb in &mut self.0 {
            (*limb, borrow) = 0_u64.borrowing_sub(*limb, borrow);
        }
        self
    }
}

impl<const LIMBS: usize> Default for Wide<LIMBS> {
    fn default() -> Self {
        Self([0; LIMBS])
    }
}

impl<const LIMBS: usize> BitXorAssign for Wide<LIMBS> {
    #[inline]
    fn bitxor_assign(&mut self, other: Self) {
        for (limb, other) in self.0.iter_mut().zip(other.0) {
            *limb ^= other;
        }
    }
}

impl<const LIMBS: usize> BitXor for Wide<LIMBS> {
    type Output = Self;

    #[inline]
    fn bitxor(mut self, other: Self) -> Self {
        self ^= other;
        self
    }
}

impl<const LIMBS: usize> fmt::LowerHex for Wide<LIMBS> {
    /// All digits, zero-padded to the width of the word.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            f.write_str("0x")?;
        }
        self.0
            .iter()
            .rev()
            .try_for_each(|limb| write!(f, "{limb:016x}"))
    }
}

impl<const LIMBS: usize> fmt::Debug for Wide<LIMBS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:#x}")
    }
}
