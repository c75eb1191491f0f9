//! `DynRegisterFile` against the naive oracle, and its errors, for layouts of 1 to 512 bits.

use crate::oracle::{Command, Fields, Oracle, commands, depth, fields, limbs, width_of};
use atomik_algebra::{DynRegisterFile, Error, FieldKind, Layout, MAX_WIDTH, Op};
use proptest::prelude::*;

/// Widths around the boundaries between numbers of limbs, and one for each number of limbs.
const EDGES: [u32; 18] = [
    1, 7, 8, 63, 64, 65, 127, 128, 129, 192, 200, 256, 320, 384, 448, 449, 511, 512,
];

/// One xor field, or any fields.
fn layouts() -> impl Strategy<Value = Fields> {
    let width = prop_oneof![prop::sample::select(&EDGES[..]), 1..=MAX_WIDTH];
    prop_oneof![
        1 => width.prop_map(|width| vec![(FieldKind::Xor, width)]),
        2 => fields(),
    ]
}

fn runs() -> impl Strategy<Value = (Fields, usize, Vec<Command>)> {
    (layouts(), depth()).prop_flat_map(|(fields, depth)| {
        let width = width_of(&fields);
        (Just(fields), Just(depth), commands(width, depth))
    })
}

fn empty(fields: &Fields, depth: usize) -> Result<DynRegisterFile, Error> {
    let layout = Layout::from_fields(fields.iter().copied()).expect("1 to 512 bits");
    DynRegisterFile::with_layout(layout, depth)
}

fn file(fields: &Fields, depth: usize, commands: &[Command]) -> Result<DynRegisterFile, Error> {
    let mut file = empty(fields, depth)?;
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
    fn it_matches_the_oracle((fields, depth, commands) in runs()) {
        let width = width_of(&fields);
        let mut oracle = Oracle::new(fields.clone());
        let mut file = empty(&fields, depth)?;
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
        (fields, depth, commands) in runs(),
        addr in any::<prop::sample::Index>(),
    ) {
        let mut file = file(&fields, depth, &commands)?;
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
        (fields, depth, commands) in runs(),
        addr in any::<prop::sample::Index>(),
        beyond in 0..5_usize,
        excess in any::<u32>(),
        wrong in prop_oneof![Just(-1_isize), 1..4_isize],
    ) {
        let width = width_of(&fields);
        let mut file = file(&fields, depth, &commands)?;
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
        ((fields, depth, commands), batch) in runs().prop_flat_map(|run| {
            let batch = prop::collection::vec((0..run.1, limbs(width_of(&run.0))), 1..50);
            (Just(run), batch)
        }),
        bad in any::<prop::sample::Index>(),
    ) {
        let width = width_of(&fields);
        let mut batched = file(&fields, depth, &commands)?;
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
        for delta in deltas.chunks_mut(limbs) {
            undone.layout().inverse(delta);
        }
        undone.accum_batch(&addrs, &deltas)?;
        prop_assert_eq!(undone, single);
    }

    #[test]
    fn banks_merge_and_tables_of_other_shape_or_references_do_not(
        ((fields, depth, commands), split) in runs().prop_flat_map(|run| {
            let delta = (0..run.1, limbs(width_of(&run.0)), any::<bool>());
            (Just(run), prop::collection::vec(delta, 0..50))
        }),
        addr in any::<prop::sample::Index>(),
    ) {
        let mut left = file(&fields, depth, &commands)?;
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
        let deeper = empty(&fields, depth + 1)?;
        let depths = Error::Depths { this: depth, other: depth + 1 };
        prop_assert_eq!(left.merge_from(&deeper), Err(depths.clone()));
        prop_assert_eq!(left.restore(&deeper.snapshot()), Err(depths));
        // One field of the other kind, of the same width.
        let mut other = fields.clone();
        let (kind, _) = &mut other[0];
        *kind = if *kind == FieldKind::Xor { FieldKind::Add } else { FieldKind::Xor };
        let other = empty(&other, depth)?;
        let layouts = Error::Layouts {
            this: Box::new(left.layout()),
            other: Box::new(other.layout()),
        };
        prop_assert_eq!(left.merge_from(&other), Err(layouts.clone()));
        prop_assert_eq!(left.restore(&other.snapshot()), Err(layouts));
        prop_assert_eq!(left, before);
    }

    #[test]
    fn restore_goes_back_to_the_snapshot(
        ((fields, depth, first), second) in runs().prop_flat_map(|run| {
            let second = commands(width_of(&run.0), run.1);
            (Just(run), second)
        }),
    ) {
        let mut file = file(&fields, depth, &first)?;
        let at_first = file.clone();
        let snapshot = file.snapshot();
        let mut out = vec![0; file.limbs()];
        for Command { op, addr, value } in &second {
            file.apply(*op, *addr, value, &mut out)?;
        }
        prop_assert_eq!((snapshot.layout(), snapshot.depth()), (file.layout(), depth));
        prop_assert_eq!(snapshot.width(), width_of(&fields));
        file.restore(&snapshot)?;
        prop_assert_eq!(file, at_first);
    }

    #[test]
    fn swap_and_drain_leave_the_state((fields, depth, commands) in runs(), swap in any::<bool>()) {
        let mut file = file(&fields, depth, &commands)?;
        let mut before = vec![0; file.limbs()];
        let mut after = before.clone();
        let op = if swap { Op::Swap } else { Op::Drain };
        for addr in 0..depth {
            file.read(addr, &mut before)?;
            file.apply(op, addr, &[], &mut after)?;
            prop_assert_eq!(file.read(addr, &mut after), Ok(true));
            prop_assert_eq!(&after, &before);
        }
    }

    #[test]
    fn rolling_back_any_sub_multiset_equals_never_applying_it(
        ((fields, depth, commands), applied, rolled_back) in runs().prop_flat_map(|run| {
            let delta = (0..run.1, limbs(width_of(&run.0)), any::<bool>());
            prop::collection::vec(delta, 0..40).prop_flat_map(move |list| {
                (Just(run.clone()), Just(list.clone()), Just(list).prop_shuffle())
            })
        }),
    ) {
        let mut all = file(&fields, depth, &commands)?;
        let mut kept = all.clone();
        for (addr, delta, taken_back) in &applied {
            all.accum(*addr, delta)?;
            if !taken_back {
                kept.accum(*addr, delta)?;
            }
        }
        for (addr, delta, _) in rolled_back.iter().filter(|(_, _, taken_back)| *taken_back) {
            all.rollback(*addr, delta)?;
        }
        prop_assert_eq!(all, kept);
    }
}

#[test]
fn a_delta_and_its_rollback_cancel_in_every_kind_of_layout() {
    for layout in [
        "xor:64",
        "add:64",
        "add:64,add:64,add:64",
        "add:32,add:32",
        "add:128",
        "xor:7,add:200,xor:1",
    ] {
        let layout: Layout = layout.parse().unwrap();
        let mut file = DynRegisterFile::with_layout(layout, 2).unwrap();
        let delta: Vec<u64> = (1..=layout.limbs() as u64).collect();
        let mut sum = vec![0; layout.limbs()];
        file.accum(1, &delta).unwrap();
        assert_eq!(file.delta(1, &mut sum), Ok(false), "{layout}");
        assert_eq!(sum, delta, "{layout}");
        file.rollback(1, &delta).unwrap();
        assert_eq!(file.delta(1, &mut sum), Ok(true), "{layout}");
        assert!(sum.iter().all(|limb| *limb == 0), "{layout}");
    }
}

#[test]
fn merges_of_thousands_of_words_equal_single_accumulates() {
    for layout in [
        "add:64",
        "add:32,add:32",
        "xor:7,add:200,xor:1",
        "add:512",
        "add:128,add:64",
    ] {
        let layout: Layout = layout.parse().unwrap();
        let depth = 3000;
        let mut file = DynRegisterFile::with_layout(layout, depth).unwrap();
        let mut bank = file.bank();
        let mut one = file.clone();
        let mut state = 1_u64;
        for addr in 0..depth {
            for to_bank in [false, true] {
                let mut delta = vec![0; layout.limbs()];
                for limb in &mut delta {
                    state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
                    *limb = state ^ state >> 32;
                }
                let unused = 64 * layout.limbs() as u32 - layout.width();
                *delta.last_mut().unwrap() &= u64::MAX >> unused;
                one.accum(addr, &delta).unwrap();
                let to = if to_bank { &mut bank } else { &mut file };
                to.accum(addr, &delta).unwrap();
            }
        }
        file.merge_from(&bank).unwrap();
        assert!(file == one, "{layout}");
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
    let other = DynRegisterFile::with_layout("xor:3,add:4".parse().unwrap(), 4).unwrap();
    assert_eq!(
        message(file.merge_from(&other)),
        "a register file of xor:7 cannot take one of xor:3,add:4; both need the same layout"
    );
}
