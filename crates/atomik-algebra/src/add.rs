use crate::{Group, Word};

/// A word under addition modulo 2^[`BITS`](Group::BITS): a counter, or a signed number in two's
/// complement.
///
/// ```
/// use atomik_algebra::{Accumulator, Add};
///
/// let mut stock = Accumulator::with_reference(Add(100_u16));
/// stock.accum(Add(5));
/// stock.accum(Add(9));
/// stock.rollback(Add(5));
/// assert_eq!(stock.read().data, Add(109));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Add<W>(
    /// The word.
    pub W,
);

impl<W: Word> Group for Add<W> {
    const BITS: u32 = W::BITS;
    const IDENTITY: Self = Self(W::IDENTITY);

    #[inline]
    fn combine(self, other: Self) -> Self {
        Self(self.0.wrapping_add(other.0))
    }

    #[inline]
    fn inverse(self) -> Self {
        Self(self.0.wrapping_neg())
    }

    #[inline]
    fn from_limbs(limbs: &[u64]) -> Option<Self> {
        W::from_limbs(limbs).map(Self)
    }

    #[inline]
    fn limb(self, index: usize) -> u64 {
        self.0.limb(index)
    }
}
