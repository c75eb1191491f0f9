//! The laws of the algebra (`docs/spec.md`, section 1), for every group.

use crate::oracle::{Fielded, Limbs, check, from_limbs, limbs, limbs_of, list, op, sum_of_limbs};
use atomik_algebra::{Accumulator, Error, FieldKind, Group, Op, RegisterFile, W256, Wide, fold};
use proptest::prelude::*;

for_every_word! {
    words_are_closed_and_combine_field_by_field,
    combining_is_associative,
    combining_is_commutative,
    zero_is_the_identity,
    a_word_and_its_inverse_cancel,
    the_fold_is_the_same_for_every_permutation,
    any_bank_split_equals_one_accumulator,
    any_bank_split_equals_one_register_file,
    swap_and_drain_leave_the_state,
    swap_returns_the_state_and_drain_the_delta,
    rolling_back_any_sub_multiset_equals_never_applying_it,
    clean_says_whether_the_accumulator_was_zero,
    merge_adds_deltas_of_equal_references_and_refuses_others,
}

/// Reference and delta of an accumulator.
type State = (Limbs, Limbs);

fn state(width: u32) -> (BoxedStrategy<Limbs>, BoxedStrategy<Limbs>) {
    (limbs(width), limbs(width))
}

fn accumulator<W: Group>((reference, delta): &State) -> Accumulator<W> {
    let mut accumulator = Accumulator::with_reference(from_limbs(reference));
    accumulator.accum(from_limbs(delta));
    accumulator
}

fn words<W: Group>(list: &[Limbs]) -> Vec<W> {
    list.iter().map(|limbs| from_limbs(limbs)).collect()
}

/// A list and a permutation of it.
fn shuffled<T: Clone + std::fmt::Debug + 'static>(
    list: BoxedStrategy<Vec<T>>,
) -> BoxedStrategy<(Vec<T>, Vec<T>)> {
    list.prop_flat_map(|list| (Just(list.clone()), Just(list).prop_shuffle()))
        .boxed()
}

fn words_are_closed_and_combine_field_by_field<W: Fielded>() {
    check((limbs(W::BITS), limbs(W::BITS)), |(a, b)| {
        let sum = from_limbs::<W>(&a).combine(from_limbs(&b));
        prop_assert_eq!(limbs_of(sum), sum_of_limbs(&W::fields(), &a, &b));
        // No bit lies outside the width.
        prop_assert_eq!(W::from_limbs(&limbs_of(sum)), Some(sum));
        Ok(())
    });
}

fn combining_is_associative<W: Fielded>() {
    check(
        (limbs(W::BITS), limbs(W::BITS), limbs(W::BITS)),
        |(a, b, c)| {
            let (a, b, c) = (from_limbs::<W>(&a), from_limbs(&b), from_limbs(&c));
            prop_assert_eq!(a.combine(b).combine(c), a.combine(b.combine(c)));
            Ok(())
        },
    );
}

fn combining_is_commutative<W: Fielded>() {
    check((limbs(W::BITS), limbs(W::BITS)), |(a, b)| {
        let (a, b) = (from_limbs::<W>(&a), from_limbs(&b));
        prop_assert_eq!(a.combine(b), b.combine(a));
        Ok(())
    });
}

fn zero_is_the_identity<W: Fielded>() {
    check(limbs(W::BITS), |limbs| {
        let a = from_limbs::<W>(&limbs);
        prop_assert_eq!(a.combine(W::IDENTITY), a);
        prop_assert_eq!(W::IDENTITY, W::default());
        prop_assert_eq!(a.is_identity(), limbs.iter().all(|limb| *limb == 0));
        Ok(())
    });
}

/// And where every field is an xor field, a word is its own inverse.
fn a_word_and_its_inverse_cancel<W: Fielded>() {
    let xor = W::fields().iter().all(|(kind, _)| *kind == FieldKind::Xor);
    check(limbs(W::BITS), |a| {
        let a = from_limbs::<W>(&a);
        prop_assert!(a.combine(a.inverse()).is_identity());
        prop_assert!(!xor || a.inverse() == a);
        Ok(())
    });
}

fn the_fold_is_the_same_for_every_permutation<W: Fielded>() {
    check(
        (shuffled(list(W::BITS, 40)), state(W::BITS)),
        |((list, shuffled), start)| {
            let start = accumulator(&start);
            let (list, shuffled) = (words::<W>(&list), words::<W>(&shuffled));
            let run = |list: &[W]| {
                let mut accumulator = start;
                list.iter().for_each(|delta| accumulator.accum(*delta));
                accumulator
            };
            prop_assert_eq!(run(&list), run(&shuffled));
            prop_assert_eq!(fold(&list), fold(&shuffled));
            let mut folded = start;
            folded.accum(fold(&list));
            prop_assert_eq!(folded, run(&list));
            Ok(())
        },
    );
}

fn any_bank_split_equals_one_accumulator<W: Fielded>() {
    let split = prop::collection::vec((limbs(W::BITS), 0..5_usize), 0..40);
    check((limbs(W::BITS), split), |(reference, split)| {
        let mut one = Accumulator::<W>::with_reference(from_limbs(&reference));
        let mut banks = [one; 5];
        for (delta, bank) in split {
            one.accum(from_limbs(&delta));
            banks[bank].accum(from_limbs(&delta));
        }
        let [mut merged, others @ ..] = banks;
        for bank in &others {
            merged.merge(bank)?;
        }
        prop_assert_eq!(merged, one);
        Ok(())
    });
}

fn any_bank_split_equals_one_register_file<W: Fielded>() {
    const DEPTH: usize = 7;
    let split = prop::collection::vec((0..DEPTH, limbs(W::BITS), 0..4_usize), 0..40);
    let references = prop::collection::vec(limbs(W::BITS), DEPTH);
    check((references, split), |(references, split)| {
        let mut one = RegisterFile::<W>::new(DEPTH)?;
        for (addr, reference) in references.iter().enumerate() {
            one.load(addr, from_limbs(reference))?;
        }
        let mut banks = [one.bank(), one.bank(), one.bank(), one.bank()];
        for (addr, delta, bank) in split {
            one.accum(addr, from_limbs(&delta))?;
            banks[bank].accum(addr, from_limbs(&delta))?;
        }
        let [mut merged, others @ ..] = banks;
        let mut merged_at_once = merged.clone();
        for bank in &others {
            merged.merge_from(bank)?;
        }
        merged_at_once.merge_from_all(&others.each_ref())?;
        prop_assert_eq!(&merged, &one);
        prop_assert_eq!(&merged_at_once, &one);
        Ok(())
    });
}

fn swap_and_drain_leave_the_state<W: Fielded>() {
    check((state(W::BITS), any::<bool>()), |(before, swap)| {
        let before = accumulator::<W>(&before);
        let mut after = before;
        if swap {
            after.swap()
        } else {
            after.drain()
        };
        prop_assert_eq!(after.read().data, before.read().data);
        prop_assert_eq!(after.reference(), before.read().data);
        prop_assert_eq!(after.accumulator(), W::IDENTITY);
        Ok(())
    });
}

fn swap_returns_the_state_and_drain_the_delta<W: Fielded>() {
    check(state(W::BITS), |before| {
        let before = accumulator::<W>(&before);
        let state = before.reference().combine(before.accumulator());
        let (mut swapped, mut drained) = (before, before);
        prop_assert_eq!(before.read().data, state);
        prop_assert_eq!(swapped.swap().data, state);
        prop_assert_eq!(before.delta().data, before.accumulator());
        prop_assert_eq!(drained.drain().data, before.accumulator());
        Ok(())
    });
}

fn rolling_back_any_sub_multiset_equals_never_applying_it<W: Fielded>() {
    let marked = prop::collection::vec((limbs(W::BITS), any::<bool>()), 0..40).boxed();
    check(
        (shuffled(marked), state(W::BITS)),
        |((applied, rolled_back), start)| {
            let mut all = accumulator::<W>(&start);
            let mut kept = all;
            for (delta, taken_back) in applied {
                all.accum(from_limbs(&delta));
                if !taken_back {
                    kept.accum(from_limbs(&delta));
                }
            }
            for (delta, taken_back) in rolled_back {
                if taken_back {
                    all.rollback(from_limbs(&delta));
                }
            }
            prop_assert_eq!(all, kept);
            Ok(())
        },
    );
}

fn clean_says_whether_the_accumulator_was_zero<W: Fielded>() {
    check(
        (state(W::BITS), op(), limbs(W::BITS)),
        |(state, op, arg)| {
            let was_zero = state.1.iter().all(|limb| *limb == 0);
            let response = accumulator::<W>(&state).apply(op, from_limbs(&arg));
            prop_assert_eq!(response.is_some(), op.responds());
            if let Some(response) = response {
                prop_assert_eq!(response.clean, was_zero);
            }
            Ok(())
        },
    );
}

fn merge_adds_deltas_of_equal_references_and_refuses_others<W: Fielded>() {
    check(
        (state(W::BITS), state(W::BITS), any::<bool>()),
        |(left, mut right, same)| {
            if same {
                right.0.clone_from(&left.0);
            }
            let (left, right) = (accumulator::<W>(&left), accumulator::<W>(&right));
            let mut merged = left;
            let result = merged.merge(&right);
            if left.reference() == right.reference() {
                prop_assert_eq!(result, Ok(()));
                prop_assert_eq!(merged.reference(), left.reference());
                prop_assert_eq!(
                    merged.accumulator(),
                    left.accumulator().combine(right.accumulator())
                );
            } else {
                prop_assert_eq!(result, Err(Error::References));
                prop_assert_eq!(merged, left);
            }
            Ok(())
        },
    );
}

#[test]
fn codes_and_names_match_the_spec() {
    let table = [
        (0, "nop", false, false),
        (1, "load", true, false),
        (2, "accum", true, false),
        (3, "read", false, true),
        (4, "swap", false, true),
        (5, "delta", false, true),
        (6, "drain", false, true),
    ];
    for (row, op) in table.into_iter().zip(Op::ALL) {
        assert_eq!((op.code(), op.name(), op.takes_data(), op.responds()), row);
        assert_eq!(op.to_string(), op.name());
        assert_eq!(Op::from_name(op.name()), Some(op));
    }
    assert_eq!(Op::from_name("rollback"), None);
    assert_eq!(Op::from_name("READ"), None);
}

#[test]
fn code_seven_is_a_nop_and_only_the_low_three_bits_count() {
    for code in 0..=u8::MAX {
        let expected = match code % 8 {
            7 => Op::Nop,
            low => Op::ALL[usize::from(low)],
        };
        assert_eq!(Op::from_code(code), expected);
    }
}

#[test]
fn too_many_too_few_or_too_wide_limbs_make_no_word() {
    assert_eq!(u8::from_limbs(&[0xff]), Some(0xff));
    assert_eq!(u8::from_limbs(&[0x100]), None);
    assert_eq!(u64::from_limbs(&[]), None);
    assert_eq!(u64::from_limbs(&[1, 0]), None);
    assert_eq!(u128::from_limbs(&[1]), None);
    assert_eq!(u128::from_limbs(&[1, 2]), Some(2 << 64 | 1));
    assert_eq!(W256::from_limbs(&[1, 2, 3]), None);
}

#[test]
fn limbs_of_a_pair_have_the_first_group_in_the_low_bits() {
    type Pair = (u32, (u64, u8));
    let pair = Pair::from_limbs(&[0x8765_4321_dead_beef, 0xa5_fedc_ba98]);
    assert_eq!(pair, Some((0xdead_beef, (0xfedc_ba98_8765_4321, 0xa5))));
    assert_eq!(Pair::from_limbs(&[0, 0x100_0000_0000]), None);
    assert_eq!(Pair::from_limbs(&[0]), None);
    assert_eq!(<(u64, u64)>::from_limbs(&[1, 2]), Some((1, 2)));
    assert_eq!(<(u64, u64)>::from_limbs(&[1, 2, 0]), None);
}

#[test]
fn wide_words_xor_limb_by_limb() {
    let mut word = Wide([0b0110, u64::MAX]);
    word ^= Wide([0b0011, 1]);
    assert_eq!(word, Wide([0b0101, u64::MAX - 1]));
}

#[test]
fn wide_words_print_all_their_digits() {
    assert_eq!(
        format!("{:?}", Wide([0xab, 1])),
        "0x000000000000000100000000000000ab"
    );
    assert_eq!(format!("{:x}", Wide([0xab])), "00000000000000ab");
}
