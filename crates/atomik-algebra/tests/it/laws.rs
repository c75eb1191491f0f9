//! The laws of the algebra (`docs/spec.md`, section 1), for every width of word.

use crate::oracle::{Limbs, check, from_limbs, limbs, limbs_of, list, op};
use atomik_algebra::{Accumulator, Error, Op, RegisterFile, W256, Wide, Word, xor_fold};
use proptest::prelude::*;

for_every_word! {
    words_are_closed_under_xor,
    xor_is_associative,
    xor_is_commutative,
    zero_is_the_identity,
    every_word_is_its_own_inverse,
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

fn accumulator<W: Word>((reference, delta): &State) -> Accumulator<W> {
    let mut accumulator = Accumulator::with_reference(from_limbs(reference));
    accumulator.accum(from_limbs(delta));
    accumulator
}

fn words<W: Word>(list: &[Limbs]) -> Vec<W> {
    list.iter().map(|limbs| from_limbs(limbs)).collect()
}

/// A list and a permutation of it.
fn shuffled<T: Clone + std::fmt::Debug + 'static>(
    list: BoxedStrategy<Vec<T>>,
) -> BoxedStrategy<(Vec<T>, Vec<T>)> {
    list.prop_flat_map(|list| (Just(list.clone()), Just(list).prop_shuffle()))
        .boxed()
}

fn words_are_closed_under_xor<W: Word>() {
    check((limbs(W::BITS), limbs(W::BITS)), |(a, b)| {
        let sum = from_limbs::<W>(&a) ^ from_limbs(&b);
        let bitwise: Limbs = a.iter().zip(&b).map(|(a, b)| a ^ b).collect();
        prop_assert_eq!(limbs_of(sum), bitwise);
        // No bit lies outside the width.
        prop_assert_eq!(W::from_limbs(&limbs_of(sum)), Some(sum));
        let mut assigned = from_limbs::<W>(&a);
        assigned ^= from_limbs(&b);
        prop_assert_eq!(assigned, sum);
        Ok(())
    });
}

fn xor_is_associative<W: Word>() {
    check(
        (limbs(W::BITS), limbs(W::BITS), limbs(W::BITS)),
        |(a, b, c)| {
            let (a, b, c) = (from_limbs::<W>(&a), from_limbs(&b), from_limbs(&c));
            prop_assert_eq!((a ^ b) ^ c, a ^ (b ^ c));
            Ok(())
        },
    );
}

fn xor_is_commutative<W: Word>() {
    check((limbs(W::BITS), limbs(W::BITS)), |(a, b)| {
        let (a, b) = (from_limbs::<W>(&a), from_limbs(&b));
        prop_assert_eq!(a ^ b, b ^ a);
        Ok(())
    });
}

fn zero_is_the_identity<W: Word>() {
    check(limbs(W::BITS), |limbs| {
        let a = from_limbs::<W>(&limbs);
        prop_assert_eq!(a ^ W::ZERO, a);
        prop_assert_eq!(W::ZERO, W::default());
        prop_assert_eq!(a.is_zero(), limbs.iter().all(|limb| *limb == 0));
        Ok(())
    });
}

fn every_word_is_its_own_inverse<W: Word>() {
    check(limbs(W::BITS), |a| {
        let (a, inverse) = (from_limbs::<W>(&a), from_limbs(&a));
        prop_assert!((a ^ inverse).is_zero());
        Ok(())
    });
}

fn the_fold_is_the_same_for_every_permutation<W: Word>() {
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
            prop_assert_eq!(xor_fold(&list), xor_fold(&shuffled));
            let mut folded = start;
            folded.accum(xor_fold(&list));
            prop_assert_eq!(folded, run(&list));
            Ok(())
        },
    );
}

fn any_bank_split_equals_one_accumulator<W: Word>() {
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

fn any_bank_split_equals_one_register_file<W: Word>() {
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

fn swap_and_drain_leave_the_state<W: Word>() {
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
        prop_assert_eq!(after.accumulator(), W::ZERO);
        Ok(())
    });
}

fn swap_returns_the_state_and_drain_the_delta<W: Word>() {
    check(state(W::BITS), |before| {
        let before = accumulator::<W>(&before);
        let state = before.reference() ^ before.accumulator();
        let (mut swapped, mut drained) = (before, before);
        prop_assert_eq!(before.read().data, state);
        prop_assert_eq!(swapped.swap().data, state);
        prop_assert_eq!(before.delta().data, before.accumulator());
        prop_assert_eq!(drained.drain().data, before.accumulator());
        Ok(())
    });
}

fn rolling_back_any_sub_multiset_equals_never_applying_it<W: Word>() {
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

fn clean_says_whether_the_accumulator_was_zero<W: Word>() {
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

fn merge_adds_deltas_of_equal_references_and_refuses_others<W: Word>() {
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
                    left.accumulator() ^ right.accumulator()
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
fn wide_words_print_all_their_digits() {
    assert_eq!(
        format!("{:?}", Wide([0xab, 1])),
        "0x000000000000000100000000000000ab"
    );
    assert_eq!(format!("{:x}", Wide([0xab])), "00000000000000ab");
}
