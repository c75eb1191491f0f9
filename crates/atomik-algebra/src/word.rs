use core::fmt;
use core::hash::Hash;
use core::ops::{BitXor, BitXorAssign};

/// The largest width, in bits, of a register file whose width is chosen at run time.
pub const MAX_WIDTH: u32 = 512;

/// A word of a fixed number of bits: an element of the group of deltas.
///
/// Implemented for `u8`, `u16`, `u32`, `u64`, `u128` and [`Wide`]. Words convert to and from
/// *limbs*: `ceil(BITS / 64)` pieces of 64 bits, lowest first.
pub trait Word:
    Copy
    + Eq
    + Hash
    + fmt::Debug
    + Default
    + BitXor<Output = Self>
    + BitXorAssign
    + Send
    + Sync
    + 'static
{
    /// The number of bits.
    const BITS: u32;
    /// The number of limbs.
    const LIMBS: usize = Self::BITS.div_ceil(64) as usize;
    /// The identity of the group: the word with no bit set.
    const ZERO: Self;

    /// Whether no bit is set.
    #[inline]
    fn is_zero(self) -> bool {
        self == Self::ZERO
    }

    /// The word with these limbs, or `None` if their number is not [`LIMBS`](Self::LIMBS) or a bit
    /// at or above [`BITS`](Self::BITS) is set.
    fn from_limbs(limbs: &[u64]) -> Option<Self>;

    /// Limb `index` of the word, with 0 the lowest. Limbs beyond the highest are 0.
    fn limb(self, index: usize) -> u64;
}

macro_rules! word_of_one_limb {
    ($($int:ty),*) => {$(
        impl Word for $int {
            const BITS: u32 = <$int>::BITS;
            const ZERO: Self = 0;

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

word_of_one_limb!(u8, u16, u32, u64);

impl Word for u128 {
    const BITS: u32 = u128::BITS;
    const ZERO: Self = 0;

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

impl<const LIMBS: usize> Word for Wide<LIMBS> {
    const BITS: u32 = {
        assert!(
            LIMBS > 0 && LIMBS < (u32::MAX / 64) as usize,
            "a word has at least one limb"
        );
        64 * LIMBS as u32
    };
    const ZERO: Self = Self([0; LIMBS]);

    #[inline]
    fn from_limbs(limbs: &[u64]) -> Option<Self> {
        limbs.try_into().ok().map(Self)
    }

    #[inline]
    fn limb(self, index: usize) -> u64 {
        self.0.get(index).copied().unwrap_or(0)
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
