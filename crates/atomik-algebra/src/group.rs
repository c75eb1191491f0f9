use core::fmt;
use core::hash::Hash;

/// An Abelian group whose elements are words of a fixed number of bits.
///
/// `combine` is associative and commutative, and keeps to the bits of the word. In every group here
/// the identity is the word with no bit set.
///
/// | type | `combine` |
/// |---|---|
/// | a [`Word`](crate::Word), also called [`Xor`](crate::Xor) | xor |
/// | [`Add`](crate::Add) | addition modulo 2^[`BITS`](Self::BITS) |
/// | a pair of groups | both, each on its own bits; pairs nest |
///
/// Elements convert to and from *limbs*: `ceil(BITS / 64)` pieces of 64 bits, lowest first. The
/// first group of a pair has the low bits, as the first field of a [`Layout`](crate::Layout) has.
///
/// ```
/// use atomik_algebra::{Add, Group, Xor};
///
/// type Account = (Xor<u32>, Add<u32>);
/// let sum: Account = (0b11, Add(7)).combine((0b01, Add(9).inverse()));
/// assert_eq!(sum, (0b10, Add(7_u32.wrapping_sub(9))));
/// assert_eq!(sum.limb(0), 0xffff_fffe_0000_0002);
/// ```
pub trait Group: Copy + Eq + Hash + fmt::Debug + Default + Send + Sync + 'static {
    /// The number of bits.
    const BITS: u32;
    /// The number of limbs.
    const LIMBS: usize = Self::BITS.div_ceil(64) as usize;
    /// The element that changes nothing: no bit is set.
    const IDENTITY: Self;

    /// The group's operation.
    #[must_use]
    fn combine(self, other: Self) -> Self;

    /// The element that gives the identity when it is combined with this one.
    #[must_use]
    fn inverse(self) -> Self;

    /// Whether this is the identity.
    #[inline]
    fn is_identity(self) -> bool {
        self == Self::IDENTITY
    }

    /// The element with these limbs, or `None` if their number is not [`LIMBS`](Self::LIMBS) or a
    /// bit at or above [`BITS`](Self::BITS) is set.
    fn from_limbs(limbs: &[u64]) -> Option<Self>;

    /// Limb `index` of the element, with 0 the lowest. Limbs beyond the highest are 0.
    fn limb(self, index: usize) -> u64;
}
