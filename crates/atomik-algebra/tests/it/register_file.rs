//! `RegisterFile` against an array of `Accumulator`s, against a naive oracle, and against itself.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use crate::oracle::{
    Command, Fielded, Limbs, Oracle, check, check_cases, commands, depth, from_limbs, limbs,
    limbs_of, op,
};
use atomik_algebra::{
    Accumulator, DynRegisterFile, Error, Group, Layout, MAX_WIDTH, Op, RegisterFile, fold,
};
use proptest::prelude::*;
use proptest::sample::Index;

for_every_word! {
    every_implementation_matches_the_oracle,
    merging_tables_with_any_history_is_right_or_refused,
    a_batch_equals_its_entries_one_by_one,
    a_batch_with_a_bad_entry_changes_nothing,
    a_list_of_tables_with_a_bad_one_changes_nothing,
    an_address_outside_is_refused_and_changes_nothing,
    restore_goes_back_to_the_snapshot,
    large_merges_and_folds_equal_the_plain_loop,
}

fn file<W: Group>(commands: &[Command], depth: usize) -> Result<RegisterFile<W>, Error> {
    let mut file = RegisterFile::new(depth)?;
    for Command { op, addr, value } in commands {
        file.apply(*op, *addr, from_limbs(value))?;
    }
    Ok(file)
}

fn batch<W: Group>(entries: &[(usize, Limbs)]) -> Vec<(usize, W)> {
    entries
        .iter()
        .map(|(addr, delta)| (*addr, from_limbs(delta)))
        .collect()
}

/// A depth, and two lists of commands and a batch for that depth.
type Run = (usize, Vec<Command>, Vec<Command>, Vec<(usize, Limbs)>);

fn runs(width: u32) -> BoxedStrategy<Run> {
    depth()
        .prop_flat_map(move |depth| {
            let batch = prop::collection::vec((0..depth, limbs(width)), 0..60);
            (
                Just(depth),
                commands(width, depth),
                commands(width, depth),
                batch,
            )
        })
        .boxed()
}

/// The distance of an address from the end of the table.
fn beyond() -> BoxedStrategy<usize> {
    prop_oneof![0..3_usize, Just(usize::MAX / 2)].boxed()
}

fn every_implementation_matches_the_oracle<W: Fielded>() {
    check(runs(W::BITS), |(depth, commands, ..)| {
        let mut oracle = Oracle::new(W::fields());
        let mut file = RegisterFile::<W>::new(depth)?;
        let mut cells = vec![Accumulator::<W>::new(); depth];
        let mut run_time = match W::BITS {
            1..=MAX_WIDTH => {
                let layout = Layout::from_fields(W::fields())?;
                Some(DynRegisterFile::with_layout(layout, depth)?)
            }
            _ => None,
        };
        let mut out = vec![0; W::LIMBS];
        for Command { op, addr, value } in &commands {
            let word = from_limbs::<W>(value);
            let expected = oracle.apply(*op, *addr, value);
            let response = file.apply(*op, *addr, word)?;
            prop_assert_eq!(&response.map(|it| (limbs_of(it.data), it.clean)), &expected);
            prop_assert_eq!(cells[*addr].apply(*op, word), response);
            if let Some(file) = &mut run_time {
                let clean = file.apply(*op, *addr, value, &mut out)?;
                prop_assert_eq!(clean.map(|clean| (out.clone(), clean)), expected);
            }
        }
        for (addr, cell) in cells.iter().enumerate() {
            prop_assert_eq!(file.references()[addr], cell.reference());
            prop_assert_eq!(file.accumulators()[addr], cell.accumulator());
        }
        equals_oracle(&file, &mut oracle)
    });
}

fn equals_oracle<W: Group>(
    file: &RegisterFile<W>,
    oracle: &mut Oracle,
) -> Result<(), TestCaseError> {
    for addr in 0..file.depth() {
        prop_assert_eq!(limbs_of(file.references()[addr]), oracle.reference(addr));
        prop_assert_eq!(
            limbs_of(file.accumulators()[addr]),
            oracle.accumulator(addr)
        );
    }
    Ok(())
}

/// A step of a test that copies, changes and merges a few tables.
#[derive(Clone, Debug)]
enum Step {
    Command(usize, Command),
    Bank { from: usize, to: usize },
    Clone { from: usize, to: usize },
    Snapshot(usize),
    Restore(usize),
    Merge { from: usize, to: usize },
}

fn steps(width: u32, depth: usize) -> BoxedStrategy<Vec<Step>> {
    let table = || 0..3_usize;
    let command =
        (op(), 0..depth, limbs(width)).prop_map(|(op, addr, value)| Command { op, addr, value });
    let step = prop_oneof![
        6 => (table(), command)
            .prop_map(|(table, command)| Step::Command(table, command)),
        2 => (table(), table()).prop_map(|(from, to)| Step::Bank { from, to }),
        1 => (table(), table()).prop_map(|(from, to)| Step::Clone { from, to }),
        1 => table().prop_map(Step::Snapshot),
        1 => table().prop_map(Step::Restore),
        4 => (table(), table()).prop_map(|(from, to)| Step::Merge { from, to }),
    ];
    prop::collection::vec(step, 0..60).boxed()
}

/// A merge skips comparing references that are known to be equal. This checks that knowledge.
fn merging_tables_with_any_history_is_right_or_refused<W: Fielded>() {
    const DEPTH: usize = 3;
    check(steps(W::BITS, DEPTH), |steps| {
        let new = || RegisterFile::<W>::new(DEPTH);
        let mut files = [new()?, new()?, new()?];
        let mut oracles = [(); 3].map(|()| Oracle::new(W::fields()));
        let mut saved = (files[0].snapshot(), oracles[0].clone());
        for step in steps {
            match step {
                Step::Command(table, Command { op, addr, value }) => {
                    files[table].apply(op, addr, from_limbs(&value))?;
                    oracles[table].apply(op, addr, &value);
                }
                Step::Bank { from, to } => {
                    files[to] = files[from].bank();
                    oracles[to] = oracles[from].bank();
                }
                Step::Clone { from, to } => {
                    files[to] = files[from].clone();
                    oracles[to] = oracles[from].clone();
                }
                Step::Snapshot(table) => saved = (files[table].snapshot(), oracles[table].clone()),
                Step::Restore(table) => {
                    files[table].restore(&saved.0)?;
                    oracles[table] = saved.1.clone();
                }
                Step::Merge { from, to } => {
                    let (other, other_oracle) = (files[from].clone(), oracles[from].clone());
                    let expected = oracles[to].merge(&other_oracle, DEPTH);
                    prop_assert_eq!(
                        files[to].merge_from(&other),
                        expected.map_err(|addr| Error::ReferencesAt { addr })
                    );
                }
            }
            for (file, oracle) in files.iter().zip(&mut oracles) {
                equals_oracle(file, oracle)?;
            }
        }
        Ok(())
    });
}

fn a_batch_equals_its_entries_one_by_one<W: Fielded>() {
    check(runs(W::BITS), |(depth, commands, _, entries)| {
        let mut batched = file::<W>(&commands, depth)?;
        let mut single = batched.clone();
        batched.accum_batch(&batch(&entries))?;
        for (addr, delta) in batch(&entries) {
            single.accum(addr, delta)?;
        }
        prop_assert_eq!(batched, single);
        Ok(())
    });
}

fn a_batch_with_a_bad_entry_changes_nothing<W: Fielded>() {
    let bad = (any::<Index>(), beyond(), limbs(W::BITS));
    check(
        (runs(W::BITS), bad),
        |((depth, commands, _, mut entries), (index, beyond, delta))| {
            let mut file = file::<W>(&commands, depth)?;
            let before = file.clone();
            let index = index.index(entries.len() + 1);
            let addr = depth + beyond;
            entries.insert(index, (addr, delta));
            let reason = Box::new(Error::Address { addr, depth });
            prop_assert_eq!(
                file.accum_batch(&batch(&entries)),
                Err(Error::Entry { index, reason })
            );
            prop_assert_eq!(file, before);
            Ok(())
        },
    );
}

fn a_list_of_tables_with_a_bad_one_changes_nothing<W: Fielded>() {
    let bad = (any::<Index>(), 0..4_usize, limbs(W::BITS));
    check(
        (runs(W::BITS), bad),
        |((depth, commands, _, entries), (addr, index, value))| {
            let mut file = file::<W>(&commands, depth)?;
            let mut good = file.bank();
            good.accum_batch(&batch(&entries))?;
            let before = file.clone();
            let entry = |reason: &Error| Error::Entry {
                index,
                reason: Box::new(reason.clone()),
            };

            let addr = addr.index(depth);
            let mut bad = good.clone();
            bad.load(addr, from_limbs(&value))?;
            let mut list = vec![&good; 3];
            list.insert(index, &bad);
            if bad.references()[addr] != file.references()[addr] {
                let error = Error::ReferencesAt { addr };
                prop_assert_eq!(file.merge_from_all(&list), Err(entry(&error)));
                prop_assert_eq!(file.merge_from(&bad), Err(error));
            }

            let deeper = RegisterFile::new(depth + 1)?;
            list[index] = &deeper;
            let error = Error::Depths {
                this: depth,
                other: depth + 1,
            };
            prop_assert_eq!(file.merge_from_all(&list), Err(entry(&error)));
            prop_assert_eq!(file.merge_from(&deeper), Err(error.clone()));
            prop_assert_eq!(file.restore(&deeper.snapshot()), Err(error));
            prop_assert_eq!(&file, &before);
            Ok(())
        },
    );
}

fn an_address_outside_is_refused_and_changes_nothing<W: Fielded>() {
    check(
        (runs(W::BITS), beyond(), limbs(W::BITS)),
        |((depth, commands, ..), beyond, value)| {
            let mut file = file::<W>(&commands, depth)?;
            let before = file.clone();
            let addr = depth + beyond;
            let value = from_limbs(&value);
            let refused = Error::Address { addr, depth };
            for op in Op::ALL {
                let expected = if op == Op::Nop {
                    Ok(None)
                } else {
                    Err(refused.clone())
                };
                prop_assert_eq!(file.apply(op, addr, value), expected);
            }
            prop_assert_eq!(file.rollback(addr, value), Err(refused));
            prop_assert_eq!(file, before);
            Ok(())
        },
    );
}

fn restore_goes_back_to_the_snapshot<W: Fielded>() {
    check(runs(W::BITS), |(depth, first, second, _)| {
        let mut file = file::<W>(&first, depth)?;
        let at_first = file.clone();
        let snapshot = file.snapshot();
        for Command { op, addr, value } in &second {
            file.apply(*op, *addr, from_limbs(value))?;
        }
        prop_assert_eq!(snapshot.depth(), depth);
        prop_assert_eq!(snapshot.references(), at_first.references());
        prop_assert_eq!(snapshot.accumulators(), at_first.accumulators());
        file.restore(&snapshot)?;
        prop_assert_eq!(file, at_first);
        Ok(())
    });
}

/// Pseudo-random words by the SplitMix64 generator; there are too many for a proptest strategy.
fn words<W: Group>(seed: u64, count: usize) -> Vec<W> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    };
    let top = u64::MAX >> ((64 - W::BITS % 64) % 64);
    let mut limbs = vec![0; W::LIMBS];
    let mut word = || {
        limbs.fill_with(&mut next);
        limbs[W::LIMBS - 1] &= top;
        from_limbs(&limbs)
    };
    (0..count).map(|_| word()).collect()
}

/// Sizes at and around the boundaries of blocks and tasks, on one thread and on several.
fn large_merges_and_folds_equal_the_plain_loop<W: Fielded>() {
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(large_merges_and_folds_equal_the_plain_loop_here::<W>);
    }
}

fn large_merges_and_folds_equal_the_plain_loop_here<W: Fielded>() {
    let bytes = prop::sample::select(vec![16 << 10, 64 << 10, 1 << 20, (1 << 20) + (256 << 10)]);
    let input = (bytes, -2..=2_isize, any::<u64>(), any::<Index>());
    check_cases(
        6,
        input,
        |(bytes, offset, seed, at): (usize, isize, u64, Index)| {
            let depth = (bytes / size_of::<W>()).strict_add_signed(offset);
            let deltas = [0, 1, 2].map(|table| words::<W>(seed ^ table, depth));
            let [a, b, c] = &deltas;
            let expected: Vec<W> = (0..depth)
                .map(|addr| a[addr].combine(b[addr]).combine(c[addr]))
                .collect();
            let mut sum = W::IDENTITY;
            expected.iter().for_each(|word| sum = sum.combine(*word));
            prop_assert_eq!(fold(&expected), sum);

            let mut files = Vec::new();
            for deltas in &deltas {
                let mut file = RegisterFile::new(depth)?;
                file.accum_batch(&deltas.iter().copied().enumerate().collect::<Vec<_>>())?;
                files.push(file);
            }
            let [a, b, c] = &files[..] else {
                unreachable!("three tables were made")
            };
            let mut one_by_one = a.clone();
            one_by_one.merge_from(b)?;
            one_by_one.merge_from(c)?;
            prop_assert!(one_by_one.accumulators() == expected);
            let mut at_once = a.clone();
            at_once.merge_from_all(&[b, c])?;
            prop_assert!(at_once == one_by_one);

            // References that differ from an address on: the error names the first.
            let addr = at.index(depth);
            let mut one = vec![0; W::LIMBS];
            one[W::LIMBS - 1] = 1;
            let mut different = b.clone();
            for addr in addr..depth {
                different.load(addr, from_limbs(&one))?;
            }
            prop_assert_eq!(
                at_once.merge_from(&different),
                Err(Error::ReferencesAt { addr })
            );
            prop_assert!(at_once == one_by_one);
            Ok(())
        },
    );
}

#[test]
fn register_files_are_equal_if_all_references_and_deltas_are() {
    fn hash(file: &RegisterFile<u8>) -> u64 {
        BuildHasherDefault::<DefaultHasher>::default().hash_one(file)
    }
    let empty = RegisterFile::<u8>::new(2).unwrap();
    let (mut loaded, mut changed) = (empty.clone(), empty.clone());
    loaded.load(1, 5).unwrap();
    changed.accum(1, 5).unwrap();
    for (one, other) in [(&empty, &loaded), (&empty, &changed), (&loaded, &changed)] {
        assert_ne!(one, other);
        assert_ne!(hash(one), hash(other));
    }
    // How a table came to be does not count.
    loaded.load(1, 0).unwrap();
    assert_eq!(loaded, empty);
    assert_eq!(hash(&loaded), hash(&empty));
}

#[test]
fn a_register_file_without_addresses_is_refused() {
    assert_eq!(RegisterFile::<u64>::new(0), Err(Error::NoDepth));
}

#[test]
fn a_register_file_that_cannot_be_allocated_is_refused() {
    let depth = usize::MAX / 4;
    let error = Error::OutOfMemory { depth, width: 64 };
    assert_eq!(RegisterFile::<u64>::new(depth), Err(error));
}
