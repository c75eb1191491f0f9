//! What replicas decide about entries, against section 4 of `docs/spec.md`, field by field.

use std::cmp::Ordering;

use atomik_algebra::entries::{Bits, Content, Fields, Merged, Side, conflict, merge, overlap};
use proptest::prelude::*;

#[derive(Clone, Copy, Debug, PartialEq)]
struct Word(u16);

impl Bits for Word {
    fn xor(&self, other: &Self) -> Self {
        Word(self.0 ^ other.0)
    }

    fn and(&self, other: &Self) -> Self {
        Word(self.0 & other.0)
    }

    fn is_zero(&self) -> bool {
        self.0 == 0
    }
}

/// All contents of two versions with two values and two tags.
fn contents() -> impl Iterator<Item = Content<u8, u64, [u8; 1]>> + Clone {
    (0..8).map(|bits| Content {
        version: 1 + u64::from(bits & 1),
        all: bits >> 1 & 1,
        tag: [bits >> 2],
    })
}

#[test]
fn the_higher_version_stays_and_of_one_version_that_of_a_closed_origin_with_the_larger_tag() {
    for held in contents() {
        for received in contents() {
            for closed in [false, true] {
                let expected = match received.version.cmp(&held.version) {
                    Ordering::Greater => Merged::Newer,
                    Ordering::Less => Merged::Known,
                    Ordering::Equal if received.all == held.all => Merged::Known,
                    Ordering::Equal if !closed => Merged::Contradiction,
                    Ordering::Equal if received.tag > held.tag => Merged::Newer,
                    Ordering::Equal => Merged::Known,
                };
                let merged = merge(held, received, closed);
                assert_eq!(merged, expected, "{held:?}, {received:?}, closed: {closed}");
            }
        }
    }
}

/// The bits of an xor field at the bottom of a word, and of two fields above it that add.
const XORS: Word = Word(0x003f);
const ADDING: [Word; 2] = [Word(0x07c0), Word(0xf800)];

/// Words with few bits, so that fields are often unchanged.
fn word() -> impl Strategy<Value = Word> {
    (any::<u16>(), any::<u16>(), any::<u16>()).prop_map(|(a, b, c)| Word(a & b & c))
}

/// The bits of `field` in which the changes from `old` to `new` differ; no changes are 0.
fn changed(new: Word, old: Option<Word>, field: Word) -> u16 {
    (new.0 ^ old.unwrap_or(Word(0)).0) & field.0
}

proptest! {
    #[test]
    fn fields_conflict_where_both_groups_change_bits_or_put(
        a in word(), a_old in prop::option::of(word()),
        b in word(), b_old in prop::option::of(word()),
        put in any::<bool>(),
    ) {
        let both = |field| changed(a, a_old, field) & changed(b, b_old, field);
        let groups = ((&a, a_old.as_ref()), (&b, b_old.as_ref()));
        prop_assert_eq!(conflict(groups.0, groups.1, None, put), Word(both(Word(u16::MAX))));

        let mut expected = both(XORS);
        for field in ADDING {
            if put && changed(a, a_old, field) != 0 && changed(b, b_old, field) != 0 {
                expected |= field.0;
            }
        }
        let fields = Fields { xors: &XORS, adding: &ADDING };
        prop_assert_eq!(conflict(groups.0, groups.1, Some(fields), put), Word(expected));
    }
}

/// Versions of an origin, of its last put, and of the changes of the other that it knew.
fn versions() -> impl Iterator<Item = (u64, u64, u64)> {
    (0..4 * 4 * 4).map(|at| (at & 3, at >> 2 & 3, at >> 4))
}

#[test]
fn changes_overlap_unless_one_origin_knew_all_of_the_other() {
    // Both change xor fields; both change a field that adds; neither.
    for [a_sum, b_sum] in [[0x0043, 0x0086], [0x0041, 0x0082], [0x0002, 0x0801]] {
        for (a, b) in versions().flat_map(|a| versions().map(move |b| (a, b))) {
            let ((a_version, a_put, a_knew), (b_version, b_put, b_knew)) = (a, b);
            let (a_sum, b_sum) = (Word(a_sum), Word(b_sum));
            let side = |(version, put, knew), accumulator| Side {
                version,
                put,
                accumulator,
                knew,
                saw: None,
            };
            let fields = || {
                Some(Fields {
                    xors: &XORS,
                    adding: &ADDING,
                })
            };
            let puts = a_put > b_knew && b_put > a_knew;
            let bits = conflict((&a_sum, None), (&b_sum, None), fields(), puts);
            let concurrent = a_knew < b_version && b_knew < a_version;
            let expected = (concurrent && bits.0 != 0).then_some(bits);
            assert_eq!(
                overlap(side(a, &a_sum), side(b, &b_sum), fields()),
                expected
            );
            assert_eq!(
                overlap(side(b, &b_sum), side(a, &a_sum), fields()),
                expected
            );
        }
    }
}

#[test]
fn what_an_origin_saw_of_the_other_is_no_change_of_its_own() {
    let (both, first) = (Word(0x0003), Word(0x0001));
    let side = |accumulator, knew, saw| Side {
        version: 2_u64,
        put: 0,
        accumulator,
        knew,
        saw,
    };
    // One knew the other's first change, of bit 0; they overlap in bit 1 alone.
    let overlap = overlap(side(&both, 1, Some(&first)), side(&both, 0, None), None);
    assert_eq!(overlap, Some(Word(0x0002)));
}
