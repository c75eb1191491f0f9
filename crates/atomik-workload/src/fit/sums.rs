//! Which sums a reader of a counter may meet.

use super::findings::Sums;

/// The widths of counters.
const WIDTHS: [u32; 4] = [8, 16, 32, 64];

/// The sums of a counter's changes: of all that lower it, and of all that raise it. Whatever
/// changes a reader has, and in whatever order they came, the sum it reads is within.
///
/// A set is a change by the difference from the intended value before.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Range {
    lowest: i64,
    highest: i64,
}

impl Range {
    /// Takes in a change. Returns `false` if the range is wider than 64 bits.
    pub(super) fn note(&mut self, change: i128) -> bool {
        let bound = if change < 0 {
            &mut self.lowest
        } else {
            &mut self.highest
        };
        match i64::try_from(i128::from(*bound) + change) {
            Ok(sum) => *bound = sum,
            Err(_) => return false,
        }
        true
    }

    /// The range of both.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            lowest: self.lowest.min(other.lowest),
            highest: self.highest.max(other.highest),
        }
    }

    /// The measurement, and the width that follows from it. `overflow` is the first line at which
    /// [`Range::note`] returned `false`.
    pub(super) fn sums(self, overflow: Option<u64>) -> Sums {
        let limits = |bits: u32| (i64::MIN >> (64 - bits), i64::MAX >> (64 - bits));
        let holds = |bits: &u32| {
            let (lowest, highest) = limits(*bits);
            lowest <= self.lowest && self.highest <= highest
        };
        let bits = WIDTHS
            .into_iter()
            .find(holds)
            .filter(|_| overflow.is_none());
        Sums {
            lowest: self.lowest,
            highest: self.highest,
            bits,
            headroom: bits.map_or(0.0, |bits| {
                let (lowest, highest) = limits(bits);
                let used = |sum: i64, limit: i64| sum as f64 / limit as f64;
                1.0 - used(self.lowest, lowest).max(used(self.highest, highest))
            }),
            overflow,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(changes: &[i128]) -> Option<u32> {
        let mut range = Range::default();
        let all = changes.iter().all(|&change| range.note(change));
        range.sums((!all).then_some(1)).bits
    }

    #[test]
    fn the_narrowest_width_holds_both_ends() {
        for (bits_expected, most) in [
            (8, 127),
            (16, i128::from(i16::MAX)),
            (32, i128::from(i32::MAX)),
            (64, i128::from(i64::MAX)),
        ] {
            assert_eq!(bits(&[most - 1, 1]), Some(bits_expected));
            assert_eq!(bits(&[-most, -1]), Some(bits_expected));
            assert_ne!(bits(&[most, 1]), Some(bits_expected));
            assert_ne!(bits(&[-most, -2]), Some(bits_expected));
        }
        assert_eq!(bits(&[i128::from(i64::MAX), 1]), None);
        assert_eq!(bits(&[]), Some(8));
    }

    #[test]
    fn changes_of_opposite_signs_do_not_cancel() {
        // Of 100 and -100, a reader may have either alone; of two of each, twice that.
        assert_eq!(bits(&[100, -100]), Some(8));
        assert_eq!(bits(&[100, -100, 100, -100]), Some(16));
    }

    #[test]
    fn headroom_is_what_the_closer_end_leaves() {
        let mut range = Range::default();
        assert!(range.note(-32) && range.note(127));
        assert_eq!(range.sums(None).headroom, 0.0);
        let mut range = Range::default();
        assert!(range.note(-96) && range.note(12));
        assert_eq!(range.sums(None).headroom, 0.25);
    }
}
