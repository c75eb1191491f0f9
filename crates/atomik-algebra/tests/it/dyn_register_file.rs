//! `DynRegisterFile` against the naive oracle, and its errors, for widths from 1 to 512 bits.

use crate::oracle::{Command, Oracle, commands, depth, limbs};
use atomik_algebra::{DynRegisterFile, Error, MAX_WIDTH, Op};
use proptest::prelude::*;

/// Widths around the boundaries between numbers of limbs, and one for each number of limbs.
const EDGES: [u32; 18] = [
    1, 7, 8, 63, 64, 65, 127, 128, 129, 192, 200, 256, 320, 384, 448, 449, 511, 512,
];

fn width() -> impl Strategy<Value = u32> {
    prop_oneof![prop::sample::select(&EDGES[..]), 1..=MAX_WIDTH]
}

fn runs() -> impl Strategy<Value = (u32, usize, Vec<Command>)> {
    (width(), depth())
        .prop_flat_map(|(width, depth)| (Just(width), Just(depth), commands(width, depth)))
}

fn file(width: u32, depth: usize, commands: &[Command]) -> Result<DynRegisterFile, Error> {
    let mut file = DynRegisterFile::new(width, depth)?;
    let mut out = vec![0; file.limbs()];
    for Command { op, addr, value } in commands {
        file.apply(*op, *addr, value, &mut out)?;
    }
    Ok(file)
}

/// Calls the method named after the operation.
fn call_named(
    file: &mut DynRegisterFile,
    Command { op, addr, value }: &Command,
    out: &mut [u64],
) -> Result<Option<bool>, Error> {
    match op {
        Op::Nop => Ok(None),
        Op::Load => file.load(*addr, value).map(|()| None),
        Op::Accum => file.accum(*addr, value).map(|()| None),
        Op::Read => file.read(*addr, out).map(Some),
        Op::Swap => file.swap(*addr, out).map(Some),
        Op::Delta => file.delta(*addr, out).map(Some),
        Op::Drain => file.drain(*addr, out).map(Some),
    }
}

const STALE: u64 = 0x5a5a_5a5a_5a5a_5a5a;

proptest! {
    #[test]
    fn it_matches_the_oracle((width, depth, commands) in runs()) {
        let mut oracle = Oracle::new(width);
        let mut file = DynRegisterFile::new(width, depth)?;
        let mut by_name = file.clone();
        prop_assert_eq!((file.width(), file.depth()), (width, depth));
        prop_assert_eq!(file.limbs(), width.div_ceil(64) as usize);
        for command in &commands {
            let expected = oracle.apply(command.op, command.addr, &command.value);
            let mut out = vec![STALE; file.limbs()];
            let clean = file.apply(command.op, command.addr, &command.value, &mut out)?;
            match &expected {
                Some((data, expected_clean)) => {
                    prop_assert_eq!(&out, data);
                    prop_assert_eq!(clean, Some(*expected_clean));
                }
                None => {
                    prop_assert_eq!(clean, None);
                    prop_assert!(out.iter().all(|limb| *limb == STALE));
                }
            }
            let mut named_out = vec![STALE; file.limbs()];
            prop_assert_eq!(call_named(&mut by_name, command, &mut named_out)?, clean);
            prop_assert_eq!(named_out, out);
        }
        prop_assert_eq!(&by_name, &file);
        let mut out = vec![0; file.limbs()];
        for addr in 0..depth {
            file.delta(addr, &mut out)?;
            prop_assert_eq!(&out, &oracle.accumulator(addr));
            file.swap(addr, &mut out)?;
            oracle.apply(Op::Swap, addr, &[]);
            prop_assert_eq!(&out, &oracle.reference(addr));
        }
    }

    #[test]
    fn operations_without_argument_or_response_ignore_the_buffers(
        (width, depth, commands) in runs(),
        addr in any::<prop::sample::Index>(),
    ) {
        let mut file = file(width, depth, &commands)?;
        let addr = addr.index(depth);
        let mut out = vec![0; file.limbs()];
        prop_assert_eq!(file.apply(Op::Nop, usize::MAX, &[], &mut []), Ok(None));
        prop_assert_eq!(file.apply(Op::Load, addr, &out.clone(), &mut []), Ok(None));
        for op in [Op::Read, Op::Swap, Op::Delta, Op::Drain] {
            prop_assert_eq!(file.apply(op, addr, &[u64::MAX; 11], &mut out), Ok(Some(true)));
        }
    }

    #[test]
    fn what_is_refused_changes_nothing(
        (width, depth, commands) in runs(),
        addr in any::<prop::sample::Index>(),
        beyond in 0..5_usize,
        excess in any::<u32>(),
        wrong in prop_oneof![Just(-1_isize), 1..4_isize],
    ) {
        let mut file = file(width, depth, &commands)?;
        let before = file.clone();
        let count = file.limbs();
        let addr = addr.index(depth);
        let outside = depth + beyond;
        let value = vec![0; count];
        let mut out = vec![STALE; count];
        let wrong_count = count.strict_add_signed(wrong);
        let limbs = Error::Limbs { expected: count, found: wrong_count };
        for op in Op::ALL {
            if op != Op::Nop {
                let error = Error::Address { addr: outside, depth };
                prop_assert_eq!(file.apply(op, outside, &value, &mut out), Err(error.clone()));
                let command = Command { op, addr: outside, value: value.clone() };
                prop_assert_eq!(call_named(&mut file, &command, &mut out), Err(error));
            }
            if op.takes_data() {
                let wrong = vec![0; wrong_count];
                prop_assert_eq!(file.apply(op, addr, &wrong, &mut out), Err(limbs.clone()));
                if !width.is_multiple_of(64) {
                    let bit = width + excess % (64 - width % 64);
                    let mut wide = vec![0; count];
                    wide[count - 1] = 1 << (bit % 64);
                    let error = Error::TooWide { bits: bit + 1, width };
                    prop_assert_eq!(file.apply(op, addr, &wide, &mut out), Err(error));
                }
            }
            if op.responds() {
                let mut short = vec![STALE; wrong_count];
                prop_assert_eq!(file.apply(op, addr, &value, &mut short), Err(limbs.clone()));
                let command = Command { op, addr, value: value.clone() };
                prop_assert_eq!(call_named(&mut file, &command, &mut short), Err(limbs.clone()));
                prop_assert!(short.iter().all(|limb| *limb == STALE));
            }
        }
        prop_assert!(out.iter().all(|limb| *limb == STALE));
        prop_assert_eq!(file, before);
    }

    #[test]
    fn a_batch_is_applied_whole_or_not_at_all(
        ((width, depth, commands), batch) in runs().prop_flat_map(|run| {
            let batch = prop::collection::vec((0..run.1, limbs(run.0)), 1..50);
            (Just(run), batch)
        }),
        bad in any::<prop::sample::Index>(),
    ) {
        let mut batched = file(width, depth, &commands)?;
        let before = batched.clone();
        let limbs = batched.limbs();
        let (mut addrs, deltas): (Vec<usize>, Vec<Vec<u64>>) = batch.iter().cloned().unzip();
        let mut deltas = deltas.concat();
        let index = bad.index(addrs.len());

        let expected = addrs.len() * limbs;
        let missing = Error::Limbs { expected, found: expected - 1 };
        prop_assert_eq!(batched.accum_batch(&addrs, &deltas[1..]), Err(missing));

        let addr = std::mem::replace(&mut addrs[index], depth);
        let entry = |reason| Error::Entry { index, reason: Box::new(reason) };
        let outside = entry(Error::Address { addr: depth, depth });
        prop_assert_eq!(batched.accum_batch(&addrs, &deltas), Err(outside));
        addrs[index] = addr;

        if !width.is_multiple_of(64) {
            let high = (index + 1) * limbs - 1;
            let limb = std::mem::replace(&mut deltas[high], u64::MAX);
            let wide = entry(Error::TooWide { bits: 64 * limbs as u32, width });
            prop_assert_eq!(batched.accum_batch(&addrs, &deltas), Err(wide));
            deltas[high] = limb;
        }
        prop_assert_eq!(&batched, &before);

        let mut single = before;
        batched.accum_batch(&addrs, &deltas)?;
        for (addr, delta) in &batch {
            single.accum(*addr, delta)?;
        }
        prop_assert_eq!(&batched, &single);
        for (addr, delta) in &batch {
            single.rollback(*addr, delta)?;
        }
        let mut undone = batched;
        undone.accum_batch(&addrs, &deltas)?;
        prop_assert_eq!(undone, single);
    }

    #[test]
    fn banks_merge_and_tables_of_other_shape_or_references_do_not(
        ((width, depth, commands), split) in runs().prop_flat_map(|run| {
            let split = prop::collection::vec((0..run.1, limbs(run.0), any::<bool>()), 0..50);
            (Just(run), split)
        }),
        addr in any::<prop::sample::Index>(),
    ) {
        let mut left = file(width, depth, &commands)?;
        let mut right = left.bank();
        let mut one = left.clone();
        for (addr, delta, to_right) in &split {
            one.accum(*addr, delta)?;
            if *to_right { &mut right } else { &mut left }.accum(*addr, delta)?;
        }
        left.merge_from(&right)?;
        prop_assert_eq!(&left, &one);

        let addr = addr.index(depth);
        let mut state = vec![0; left.limbs()];
        right.swap(addr, &mut state)?;
        state[0] ^= 1;
        right.load(addr, &state)?;
        right.accum(addr, &state)?;
        let mut reference = vec![0; left.limbs()];
        left.clone().bank().read(addr, &mut reference)?;
        if state == reference {
            left.merge_from(&right)?;
        } else {
            prop_assert_eq!(left.merge_from(&right), Err(Error::ReferencesAt { addr }));
            prop_assert_eq!(&left, &one);
        }

        let before = left.clone();
        let deeper = DynRegisterFile::new(width, depth + 1)?;
        let depths = Error::Depths { this: depth, other: depth + 1 };
        prop_assert_eq!(left.merge_from(&deeper), Err(depths.clone()));
        prop_assert_eq!(left.restore(&deeper.snapshot()), Err(depths));
        let other = if width == MAX_WIDTH { width - 1 } else { width + 1 };
        let wider = DynRegisterFile::new(other, depth)?;
        let widths = Error::Widths { this: width, other };
        prop_assert_eq!(left.merge_from(&wider), Err(widths.clone()));
        prop_assert_eq!(left.restore(&wider.snapshot()), Err(widths));
        prop_assert_eq!(left, before);
    }

    #[test]
    fn restore_goes_back_to_the_snapshot(
        ((width, depth, first), second) in runs().prop_flat_map(|run| {
            let second = commands(run.0, run.1);
            (Just(run), second)
        }),
    ) {
        let mut file = file(width, depth, &first)?;
        let at_first = file.clone();
        let snapshot = file.snapshot();
        let mut out = vec![0; file.limbs()];
        for Command { op, addr, value } in &second {
            file.apply(*op, *addr, value, &mut out)?;
        }
        prop_assert_eq!((snapshot.width(), snapshot.depth()), (width, depth));
        file.restore(&snapshot)?;
        prop_assert_eq!(file, at_first);
    }
}

#[test]
fn impossible_widths_and_depths_are_refused() {
    for width in [0, 513, 576, u32::MAX] {
        assert_eq!(DynRegisterFile::new(width, 1), Err(Error::Width { width }));
    }
    assert_eq!(DynRegisterFile::new(8, 0), Err(Error::NoDepth));
}

#[test]
fn messages_name_the_entry_the_reason_and_what_to_do() {
    let mut file = DynRegisterFile::new(7, 4).unwrap();
    let message = |result: Result<(), Error>| result.unwrap_err().to_string();
    assert_eq!(
        message(file.accum_batch(&[0, 4], &[1, 1])),
        "entry 1 of the list: address 4 is outside a register file of 4; use an address below 4 \
         (nothing of the list was applied)"
    );
    assert_eq!(
        message(file.accum(0, &[0x80])),
        "the value needs 8 bits and the register file has 7; mask the value or choose a wider one"
    );
}
