//! Which layout a register file has, from the sum of two words of ones.
//!
//! In an xor field that sum is 0. In a field of n bits that adds it is 2^n - 2: a 0 with a 1 in
//! every bit above it. So each 0 begins a field, and the ones above it belong to it: the sum shows
//! every field that adds, except for those of one bit, which cannot be told from xor.

use atomik_algebra::FieldKind;
use atomik_trace::{Data, Layout};

/// A word of `width` ones.
pub(crate) fn ones(width: u32) -> Data {
    let mut data = Data::ZERO;
    for (limb, below) in data.limbs_mut(width).iter_mut().zip((0..).step_by(64)) {
        *limb = u64::MAX >> (64 - (width - below).min(64));
    }
    data
}

/// The layout in which `sum` is the sum of two words of ones, with xor fields joined; `None` if it
/// is not such a sum.
pub(crate) fn layout_of(sum: &Data, width: u32) -> Option<Layout> {
    let is_one = |bit: u32| sum.limbs(width)[(bit / 64) as usize] >> (bit % 64) & 1 == 1;
    let mut fields: Vec<(FieldKind, u32)> = vec![];
    for bit in 0..width {
        match (is_one(bit), fields.last_mut()) {
            (false, Some((FieldKind::Xor, bits))) => *bits += 1,
            (false, _) => fields.push((FieldKind::Xor, 1)),
            (true, Some((FieldKind::Add, bits))) => *bits += 1,
            // The 0 below was no xor field, but the lowest bit of a field that adds.
            (true, Some((FieldKind::Xor, bits))) => {
                *bits -= 1;
                fields.push((FieldKind::Add, 2));
            }
            (true, None) => return None,
        }
    }
    Layout::from_fields(fields.into_iter().filter(|(_, bits)| *bits > 0)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The fields as `layout_of` finds them: those of one bit xor, and xor fields are joined.
    fn joined(fields: &[(FieldKind, u32)]) -> Layout {
        let mut joined: Vec<(FieldKind, u32)> = vec![];
        for &(kind, bits) in fields {
            let kind = if bits == 1 { FieldKind::Xor } else { kind };
            match joined.last_mut() {
                Some((FieldKind::Xor, sum)) if kind == FieldKind::Xor => *sum += bits,
                _ => joined.push((kind, bits)),
            }
        }
        Layout::from_fields(joined).unwrap()
    }

    fn fields() -> impl Strategy<Value = Vec<(FieldKind, u32)>> {
        let kind = prop_oneof![Just(FieldKind::Xor), Just(FieldKind::Add)];
        let bits = prop_oneof![Just(1), 2..5u32, 1..65u32];
        prop::collection::vec((kind, bits), 1..8)
    }

    proptest! {
        #[test]
        fn every_layout_is_found_from_the_sum_of_two_words_of_ones(fields in fields()) {
            let layout = Layout::from_fields(fields.iter().copied()).unwrap();
            let ones = ones(layout.width());
            prop_assert_eq!(ones.bits(), layout.width());
            let sum = ones.combined(&ones, &layout);
            prop_assert_eq!(layout_of(&sum, layout.width()), Some(joined(&fields)));
        }
    }

    #[test]
    fn a_sum_whose_lowest_bit_is_one_has_no_layout() {
        assert_eq!(layout_of(&Data::from(0b101), 3), None);
    }
}
