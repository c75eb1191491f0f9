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

/// All changes of an origin: version, last put, sum, and what it knew of the other's.
type Changes = (u64, u64, Word, u64, Option<Word>);

/// Words with few bits, so that fields are often unchanged.
fn word() -> impl Strategy<Value = Word> {
    (any::<u16>(), any::<u16>(), any::<u16>()).prop_map(|(a, b, c)| Word(a & b & c))
}

fn changes() -> impl Strategy<Value = Changes> {
    (
        1..5_u64,
        0..5_u64,
        word(),
        0..5_u64,
        prop::option::of(word()),
    )
}

fn side((version, put, accumulator, knew, saw): &Changes) -> Side<'_, Word> {
    Side {
        version: *version,
        put: *put,
        accumulator,
        knew: *knew,
        saw: saw.as_ref(),
    }
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

    #[test]
    fn changes_overlap_unless_one_origin_knew_all_of_the_other(a in changes(), b in changes()) {
        let ((a_version, a_put, a_sum, a_knew, a_saw), (b_version, b_put, b_sum, b_knew, b_saw)) =
            (a, b);
        let concurrent = a_knew < b_version && b_knew < a_version;
        let put = a_put > b_knew && b_put > a_knew;
        let fields = || Some(Fields { xors: &XORS, adding: &ADDING });
        let bits = conflict((&a_sum, b_saw.as_ref()), (&b_sum, a_saw.as_ref()), fields(), put);
        let expected = (concurrent && bits.0 != 0).then_some(bits);
        prop_assert_eq!(overlap(side(&a), side(&b), fields()), expected);
        prop_assert_eq!(overlap(side(&b), side(&a), fields()), expected);
    }
}
