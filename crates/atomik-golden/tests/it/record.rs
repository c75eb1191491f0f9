//! Records against a packer that goes bit by bit, and what they refuse.

use std::panic::catch_unwind;

use atomik_golden::record::{
    CommandRecord, Layout, LayoutError, MAX_DEPTH, MAX_LANES, MAX_WIDTH, ResponseRecord,
};
use proptest::prelude::*;

/// The inputs of one lane: valid, address, value.
type Lane = (bool, usize, Vec<u64>);

fn sizes() -> impl Strategy<Value = Layout> {
    let width = prop_oneof![
        1..=MAX_WIDTH,
        Just(1),
        Just(8),
        Just(63),
        Just(64),
        Just(65),
        Just(256),
        Just(512)
    ];
    (width, 0u32..=16, 1..=MAX_LANES).prop_map(|(w, a, l)| Layout::new(w, 1 << a, l).unwrap())
}

fn masked(mut limbs: Vec<u64>, width: u32) -> Vec<u64> {
    let top = limbs.len() - 1;
    limbs[top] &= u64::MAX >> (64 * limbs.len() as u32 - width);
    limbs
}

fn lane(layout: Layout) -> impl Strategy<Value = Lane> {
    (
        any::<bool>(),
        0..layout.depth(),
        prop::collection::vec(any::<u64>(), layout.limbs()),
    )
        .prop_map(move |(valid, addr, data)| (valid, addr, masked(data, layout.width())))
}

fn case() -> impl Strategy<Value = (Layout, bool, u8, Vec<Lane>)> {
    sizes().prop_flat_map(|layout| {
        (
            Just(layout),
            any::<bool>(),
            0u8..8,
            prop::collection::vec(lane(layout), layout.lanes() as usize),
        )
    })
}

/// The record packed bit by bit, as the table in the module's documentation defines it.
fn bit_by_bit(layout: &Layout, reset: bool, op: u8, lanes: &[Lane]) -> Vec<u64> {
    let mut head = vec![reset, false, false, false, false, false, false, false];
    head.extend((0..3).map(|b| op >> b & 1 == 1));
    head.resize(32, false);
    head.extend(lanes.iter().map(|l| l.0));
    let addr = lanes
        .iter()
        .flat_map(|l| (0..layout.addr_bits()).map(|b| l.1 >> b & 1 == 1));
    let data = lanes
        .iter()
        .flat_map(|l| (0..layout.width() as usize).map(|b| l.2[b / 64] >> (b % 64) & 1 == 1));
    let mut words = pack(head);
    words.extend(pack(addr.collect()));
    words.extend(pack(data.collect()));
    words
}

fn pack(bits: Vec<bool>) -> Vec<u64> {
    bits.chunks(64)
        .map(|c| {
            c.iter()
                .enumerate()
                .fold(0, |word, (i, &b)| word | u64::from(b) << i)
        })
        .collect()
}

proptest! {
    #[test]
    fn records_match_a_bit_by_bit_packer(
        (layout, reset, op, lanes) in case(),
        order in any::<u64>(),
    ) {
        // Start from all ones in used bits, to detect a setter that fails to clear a bit.
        let mut words = vec![u64::MAX; layout.cmd_words()];
        let ones = masked(vec![u64::MAX; layout.limbs()], layout.width());
        let all = (true, layout.depth() - 1, ones);
        words.copy_from_slice(&bit_by_bit(&layout, true, 7, &vec![all; lanes.len()]));
        let mut record = layout.command_mut(&mut words, 0);
        record.set_reset(reset);
        record.set_op(op);
        let n = lanes.len();
        for i in 0..n {
            let l = (i + order as usize % n) % n;
            let (valid, addr, data) = &lanes[l];
            record.set_lane(l as u32, *valid, *addr, data);
        }
        prop_assert_eq!(&words, &bit_by_bit(&layout, reset, op, &lanes));
    }

    #[test]
    fn values_read_back_as_set((layout, reset, op, lanes) in case()) {
        let mut record = CommandRecord::idle(&layout);
        record.set_reset(reset);
        record.set_op(op);
        for (l, (valid, addr, data)) in lanes.iter().enumerate() {
            record.set_lane(l as u32, *valid, *addr, data);
        }
        prop_assert_eq!(record.reset(), reset);
        prop_assert_eq!(record.op(), op);
        for (l, (valid, addr, data)) in lanes.iter().enumerate() {
            let mut out = vec![u64::MAX; layout.limbs()];
            record.data(l as u32, &mut out);
            let l = l as u32;
            prop_assert_eq!(
                (record.valid(l), record.addr(l), &out),
                (*valid, *addr, data)
            );
            if layout.limbs() == 1 {
                prop_assert_eq!(record.data_word(l), data[0]);
            }
        }
        let valid = record.valid_lanes();
        let words = record.words().to_vec();
        record.set_valid_lanes(!valid);
        prop_assert_eq!(record.valid_lanes(), !valid & u32::MAX >> (32 - layout.lanes()));
        record.set_valid_lanes(valid);
        prop_assert_eq!(record.words(), &words);
        record.clear();
        prop_assert_eq!(record.words(), vec![0; layout.cmd_words()]);
    }

    #[test]
    fn a_value_wider_than_its_port_leaves_the_other_lanes_alone(
        (layout, reset, op, lanes) in case(),
        at in any::<u32>(),
    ) {
        let mut record = CommandRecord::idle(&layout);
        record.set_reset(reset);
        record.set_op(op | 0xf8);
        for (l, (valid, addr, data)) in lanes.iter().enumerate() {
            record.set_lane(l as u32, *valid, *addr, data);
        }
        let at = (at % layout.lanes()) as usize;
        record.set_lane(at as u32, true, usize::MAX, &vec![u64::MAX; layout.limbs()]);
        let mut expected = lanes.clone();
        let ones = masked(vec![u64::MAX; layout.limbs()], layout.width());
        expected[at] = (true, layout.depth() - 1, ones);
        prop_assert_eq!(record.words(), &bit_by_bit(&layout, reset, op, &expected));
    }
}

#[test]
fn sizes_match_the_table_of_the_format() {
    for (width, depth, lanes, cmd, rsp) in [
        (64, 512, 1, 3, 2),
        (64, 512, 4, 6, 2),
        (32, 1024, 8, 1 + 2 + 4, 2),
        (64, 1, 16, 17, 2),
        (8, 16, 2, 3, 2),
        (1, 2, 1, 3, 2),
        (256, 2, 32, 1 + 1 + 128, 5),
        (65, 1, 1, 3, 3),
    ] {
        let layout = Layout::new(width, depth, lanes).unwrap();
        assert_eq!(
            (layout.cmd_words(), layout.rsp_words()),
            (cmd, rsp),
            "w{width} d{depth} l{lanes}"
        );
    }
}

#[test]
fn impossible_sizes_are_refused() {
    assert_eq!(Layout::new(0, 1, 1), Err(LayoutError::Width(0)));
    assert_eq!(Layout::new(513, 1, 1), Err(LayoutError::Width(513)));
    assert_eq!(Layout::new(1, 0, 1), Err(LayoutError::Depth(0)));
    assert_eq!(Layout::new(1, 12, 1), Err(LayoutError::Depth(12)));
    assert_eq!(Layout::new(1, 1, 0), Err(LayoutError::Lanes(0)));
    assert_eq!(Layout::new(1, 1, 33), Err(LayoutError::Lanes(33)));
    let (deepest, too_deep) = (MAX_DEPTH, 2 * MAX_DEPTH);
    assert_eq!(Layout::new(1, deepest, 1).unwrap().addr_bits(), 31);
    assert_eq!(
        Layout::new(1, too_deep, 1),
        Err(LayoutError::Depth(too_deep))
    );
}

#[test]
fn the_record_of_a_cycle_is_its_slice_of_the_buffer() {
    let layout = Layout::new(65, 4, 2).unwrap();
    let (cmd, rsp) = (layout.cmd_words(), layout.rsp_words());
    let mut cmds: Vec<u64> = (0..4 * cmd as u64).collect();
    let mut rsps: Vec<u64> = (0..4 * rsp as u64).collect();
    for cycle in 0..4 {
        let (cmd, rsp) = (
            cycle * cmd..(cycle + 1) * cmd,
            cycle * rsp..(cycle + 1) * rsp,
        );
        assert_eq!(layout.command(&cmds, cycle).words(), &cmds[cmd.clone()]);
        assert_eq!(layout.response(&rsps, cycle).words(), &rsps[rsp.clone()]);
        let (cmd, rsp) = (cmds[cmd].to_vec(), rsps[rsp].to_vec());
        assert_eq!(layout.command_mut(&mut cmds, cycle).words(), cmd);
        assert_eq!(layout.response_mut(&mut rsps, cycle).words(), rsp);
    }
}

#[test]
fn responses_read_back_as_written() {
    let layout = Layout::new(100, 4, 1).unwrap();
    let mut buffer = vec![0; 2 * layout.rsp_words()];
    let mut record = layout.response_mut(&mut buffer, 1);
    record.set_flags(true, true, false);
    record.data_mut().copy_from_slice(&[5, 6]);
    assert_eq!(buffer, [0, 0, 0, 3, 5, 6]);
    let record = layout.response(&buffer, 1);
    assert!(record.ready() && record.valid() && !record.clean());
    assert_eq!(record.data(), [5, 6]);
    let mut low = ResponseRecord::low(&layout);
    low.set_flags(false, false, true);
    assert_eq!(low.words(), [4, 0, 0]);
}

#[test]
fn noise_fills_address_and_data_ports_and_nothing_else() {
    // 3 lanes: 12 bits of address, 120 bits of data.
    let layout = Layout::new(40, 16, 3).unwrap();
    let noise = 0x8123_4567_89ab_cdef;
    let mut words = vec![u64::MAX; layout.cmd_words()];
    layout.command_mut(&mut words, 0).clear_to_noise(noise);
    assert_eq!(words, [0, 0xdef, noise, 0x00a2_b3c4_d5e6_f7c0]);
}

/// Whether `call` panics on a command record of 2 lanes.
fn panics(
    width: u32,
    call: impl Fn(&mut CommandRecord<Vec<u64>>) + std::panic::UnwindSafe,
) -> bool {
    let mut record = CommandRecord::idle(&Layout::new(width, 2, 2).unwrap());
    catch_unwind(move || call(&mut record)).is_err()
}

#[test]
fn a_lane_that_does_not_exist_is_refused() {
    for (lane, refused) in [(1, false), (2, true)] {
        assert_eq!(panics(8, move |r| _ = r.valid(lane)), refused);
        assert_eq!(panics(8, move |r| _ = r.addr(lane)), refused);
        assert_eq!(panics(8, move |r| _ = r.data_word(lane)), refused);
        assert_eq!(panics(8, move |r| r.data(lane, &mut [0])), refused);
        assert_eq!(panics(8, move |r| r.set_lane(lane, true, 0, &[0])), refused);
    }
}

#[test]
fn a_value_of_another_size_is_refused() {
    for (width, refused) in [(64, false), (65, true)] {
        assert_eq!(panics(width, |r| _ = r.data_word(0)), refused);
        assert_eq!(panics(width, |r| r.data(0, &mut [0])), refused);
        assert_eq!(panics(width, |r| r.set_lane(0, true, 0, &[0])), refused);
    }
}
