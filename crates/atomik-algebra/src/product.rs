use alloc::vec::Vec;

use crate::Group;

/// The product of two groups: each combines on its own bits. `A` has the low bits.
impl<A: Group, B: Group> Group for (A, B) {
    const BITS: u32 = A::BITS + B::BITS;
    const IDENTITY: Self = (A::IDENTITY, B::IDENTITY);

    #[inline]
    fn combine(self, other: Self) -> Self {
        (self.0.combine(other.0), self.1.combine(other.1))
    }

    #[inline]
    fn inverse(self) -> Self {
        (self.0.inverse(), self.1.inverse())
    }

    fn from_limbs(limbs: &[u64]) -> Option<Self> {
        if limbs.len() != Self::LIMBS {
            return None;
        }
        let mut low: Vec<u64> = limbs.iter().take(A::LIMBS).copied().collect();
        if let (Some(top), bits @ 1..) = (low.last_mut(), A::BITS % 64) {
            *top &= (1 << bits) - 1;
        }
        // B's limbs, and one more if the whole has bits above them.
        let mut high: Vec<u64> = (0..limbs.len())
            .map(|index| shifted_down(limbs, A::BITS, index))
            .collect();
        let excess = high.split_off(B::LIMBS.min(high.len()));
        if excess.iter().any(|limb| *limb != 0) {
            return None;
        }
        Some((A::from_limbs(&low)?, B::from_limbs(&high)?))
    }

    #[inline]
    fn limb(self, index: usize) -> u64 {
        let (whole, bits) = ((A::BITS / 64) as usize, A::BITS % 64);
        let Some(at) = index.checked_sub(whole) else {
            return self.0.limb(index);
        };
        let below = match (at.checked_sub(1), bits) {
            (Some(below), 1..) => self.1.limb(below) >> (64 - bits),
            _ => 0,
        };
        self.0.limb(index) | self.1.limb(at) << bits | below
    }
}

/// Limb `index` of `limbs` without their lowest `by` bits.
fn shifted_down(limbs: &[u64], by: u32, index: usize) -> u64 {
    let limb = |index: usize| limbs.get(index).copied().unwrap_or(0);
    let (at, bits) = (index + (by / 64) as usize, by % 64);
    match bits {
        0 => limb(at),
        bits => limb(at) >> bits | limb(at + 1) << (64 - bits),
    }
}
