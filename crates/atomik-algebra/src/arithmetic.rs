//! How the words of a table combine. Which of these applies is decided once per call, so that loops
//! over words have no branch for it.

use core::slice;

use crate::layout::{Field, FieldKind, Layout, add_limb, negate_limb};
use crate::{Group, Wide};

/// The operation of a group on words of type `W`.
pub(crate) trait Arithmetic<W>: Copy + Send + Sync {
    fn combine(self, a: W, b: W) -> W;
    fn inverse(self, a: W) -> W;
}

/// The operation that the type has of itself.
#[derive(Clone, Copy)]
pub(crate) struct Own;

impl<W: Group> Arithmetic<W> for Own {
    #[inline]
    fn combine(self, a: W, b: W) -> W {
        a.combine(b)
    }

    #[inline]
    fn inverse(self, a: W) -> W {
        a.inverse()
    }
}

/// Every limb is one field that adds.
#[derive(Clone, Copy)]
pub(crate) struct LimbSums;

/// Any layout, with the mask of the bits that carry nothing upwards. Without `CARRY`, no field
/// spans two limbs.
#[derive(Clone, Copy)]
pub(crate) struct Fields<W, const CARRY: bool>(pub W);

/// Words whose width is a number of limbs.
pub(crate) trait Limbs: Group {
    fn limbs(&self) -> &[u64];
    fn limbs_mut(&mut self) -> &mut [u64];
}

impl Limbs for u64 {
    #[inline]
    fn limbs(&self) -> &[u64] {
        slice::from_ref(self)
    }

    #[inline]
    fn limbs_mut(&mut self) -> &mut [u64] {
        slice::from_mut(self)
    }
}

impl<const LIMBS: usize> Limbs for Wide<LIMBS> {
    #[inline]
    fn limbs(&self) -> &[u64] {
        &self.0
    }

    #[inline]
    fn limbs_mut(&mut self) -> &mut [u64] {
        &mut self.0
    }
}

impl<W: Limbs> Arithmetic<W> for LimbSums {
    #[inline]
    fn combine(self, mut a: W, b: W) -> W {
        for (a, b) in a.limbs_mut().iter_mut().zip(b.limbs()) {
            *a = a.wrapping_add(*b);
        }
        a
    }

    #[inline]
    fn inverse(self, mut a: W) -> W {
        for limb in a.limbs_mut() {
            *limb = limb.wrapping_neg();
        }
        a
    }
}

impl<W: Limbs, const CARRY: bool> Arithmetic<W> for Fields<W, CARRY> {
    #[inline]
    fn combine(self, mut a: W, b: W) -> W {
        let mut carry = false;
        let limbs = a.limbs_mut().iter_mut().zip(b.limbs());
        for ((a, b), split) in limbs.zip(self.0.limbs()) {
            (*a, carry) = add_limb(*split, *a, *b, CARRY && carry);
        }
        a
    }

    #[inline]
    fn inverse(self, mut a: W) -> W {
        let mut borrow = false;
        for (limb, split) in a.limbs_mut().iter_mut().zip(self.0.limbs()) {
            (*limb, borrow) = negate_limb(*split, *limb, CARRY && borrow);
        }
        a
    }
}

/// Which [`Arithmetic`] a layout with fields that add needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Sums {
    /// [`LimbSums`].
    Limbs,
    /// [`Fields`] without carry.
    Within,
    /// [`Fields`] with carry.
    Across,
}

impl Sums {
    /// Whether words of this layout combine in any other way than by xor.
    pub(crate) fn are_needed(layout: &Layout) -> bool {
        layout.fields().any(|field| adds(&field))
    }

    pub(crate) fn of(layout: &Layout) -> Self {
        let spans_limbs = |field: &Field| field.offset / 64 != (field.offset + field.bits - 1) / 64;
        if layout
            .fields()
            .all(|field| adds(&field) && field.bits == 64)
        {
            Self::Limbs
        } else if layout
            .fields()
            .any(|field| adds(&field) && spans_limbs(&field))
        {
            Self::Across
        } else {
            Self::Within
        }
    }
}

/// A sum of single bits is their xor.
fn adds(field: &Field) -> bool {
    field.kind == FieldKind::Add && field.bits > 1
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::Sums;
    use crate::Layout;

    /// Any of them combines words rightly that need less; the choice is for speed.
    #[test]
    fn layouts_get_the_fastest_arithmetic_that_is_right() {
        let sums = |text: &str| {
            let layout: Layout = text.parse().unwrap();
            Sums::are_needed(&layout).then(|| Sums::of(&layout))
        };
        for text in ["xor:1", "xor:70,xor:58", "add:1", "add:1,xor:80"] {
            assert_eq!(sums(text), None, "{text}");
        }
        for text in ["add:64", "add:64,add:64"] {
            assert_eq!(sums(text), Some(Sums::Limbs), "{text}");
        }
        for text in [
            "add:2",
            "add:63,add:1",
            "add:64,xor:64",
            "xor:1,add:63,add:64,xor:80",
        ] {
            assert_eq!(sums(text), Some(Sums::Within), "{text}");
        }
        for text in ["add:65", "xor:63,add:2", "xor:64,add:32,add:33", "add:128"] {
            assert_eq!(sums(text), Some(Sums::Across), "{text}");
        }
    }
}
