//! The protocol of docs/board.md, frame by frame, on the simulated board.

use std::collections::BTreeSet;

use atomik_device::message::{REPLY, Refusal, RequestKind};
use atomik_device::simulated::board::Settings;

use super::simulated::{
    ACCUM, DELTA, LOAD, READ, SWAP, ask, begin, fast, fast_config, frames, narrow, record, refusal,
    request, responses, run_until_quiet, send,
};

const EPOCH: u32 = 0x1234_5678;

fn word(value: u64) -> [u8; 8] {
    value.to_le_bytes()
}

/// The latency of the board's register file.
fn latency() -> u16 {
    u16::try_from(fast_config().latency()).unwrap()
}

/// The bytes in the example of docs/board.md with this title.
fn example(title: &str) -> Vec<u8> {
    let text = include_str!("../../docs/board.md");
    let (_, after) = text.split_once(title).unwrap();
    let (_, block) = after.split_once("```\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let digits = block.split_whitespace();
    digits
        .map(|byte| u8::from_str_radix(byte, 16).unwrap())
        .collect()
}

#[test]
fn the_example_in_the_documentation_is_what_the_board_sends_and_receives() {
    let mut board = fast(1);
    begin(&mut board, EPOCH);
    let payload = [
        record(ACCUM, 0, 3, true, &word(0xff)),
        record(ACCUM, 1, 3, false, &word(0xf0)),
        record(READ, 0, 3, false, &[]),
    ];
    let wire = request(RequestKind::Batch, 0, EPOCH, &payload.concat())
        .to_wire()
        .unwrap();
    assert_eq!(wire, example("The request:"), "{wire:02x?}");
    board.queue(&wire);
    run_until_quiet(&mut board);
    let reply = board.take_received();
    // The reply contains a cycle count, so the example is for a latency of 14.
    if latency() == 14 {
        assert_eq!(reply, example("The reply:"), "{reply:02x?}");
    }
    let reply = frames(&reply).remove(0).unwrap();
    assert_eq!(responses(&reply), (2 + latency(), vec![(false, 0x0f)]));
}

#[test]
fn info_reports_the_sizes_and_changes_nothing() {
    let mut board = fast(2);
    for _ in 0..2 {
        let reply = ask(&mut board, &request(RequestKind::Info, 77, 5, &[]));
        assert_eq!((reply.kind, reply.number, reply.epoch), (0x81, 77, 0));
        assert_eq!(reply.payload, [1, 64, 0, 0, 2, 4, 242, 16, 16, 0, 0, 0]);
    }
    begin(&mut board, EPOCH);
    let batch = request(
        RequestKind::Batch,
        0,
        EPOCH,
        &record(READ, 0, 0, false, &[]),
    );
    ask(&mut board, &batch);
    let reply = ask(&mut board, &request(RequestKind::Info, 78, 0, &[]));
    assert_eq!(
        (reply.number, reply.epoch, reply.payload[9]),
        (78, EPOCH, 1)
    );
    // The board still remembers its reply to the batch.
    assert_eq!(ask(&mut board, &batch).kind, RequestKind::Batch.reply());
}

#[test]
fn every_op_does_what_the_specification_says() {
    let mut board = fast(3);
    begin(&mut board, EPOCH);
    let at = 0x1ff;
    let payload = [
        record(LOAD, 0, at, false, &word(0xff00)),
        record(READ, 0, at, false, &[]),
        record(ACCUM, 0, at, false, &word(0x0ff0)),
        record(0, 0, at, false, &[]),
        record(READ, 0, at, false, &[]),
        record(DELTA, 0, at, false, &[]),
        record(6, 0, at, false, &[]),
        record(DELTA, 0, at, false, &[]),
        record(ACCUM, 3, at, false, &word(0x000f)),
        record(SWAP, 0, at, false, &[]),
        record(READ, 0, at, false, &[]),
    ];
    let reply = ask(
        &mut board,
        &request(RequestKind::Batch, 0, EPOCH, &payload.concat()),
    );
    let (cycles, responses) = responses(&reply);
    let expected = [
        (true, 0xff00),
        (false, 0xf0f0),
        (false, 0x0ff0),
        (false, 0x0ff0),
        (true, 0),
        (false, 0xf0ff),
        (true, 0xf0ff),
    ];
    assert_eq!(responses, expected);
    assert_eq!(cycles, 11 + latency(), "one command in every cycle");
}

#[test]
fn a_repeated_batch_gets_the_same_reply_and_is_executed_once() {
    let mut board = fast(4);
    begin(&mut board, EPOCH);
    let payload = [
        record(ACCUM, 2, 9, false, &word(0xabc)),
        record(READ, 0, 9, false, &[]),
    ];
    let batch = request(RequestKind::Batch, 0, EPOCH, &payload.concat());
    board.lose_frames(1);
    assert!(send(&mut board, &batch.to_wire().unwrap()).is_empty());
    let reply = ask(&mut board, &batch);
    assert_eq!(responses(&reply).1, [(false, 0xabc)]);
    // A refused request and bytes that are not a frame do not change what the board remembers.
    let out_of_turn = request(RequestKind::Batch, 9, EPOCH, &payload.concat());
    assert_eq!(refusal(&ask(&mut board, &out_of_turn)), (0x13, 1));
    assert_eq!(send(&mut board, &[0, 1, 2, 3, 0]).len(), 1);
    for _ in 0..3 {
        assert_eq!(ask(&mut board, &batch), reply);
    }
    let next = request(
        RequestKind::Batch,
        1,
        EPOCH,
        &record(READ, 0, 9, false, &[]),
    );
    assert_eq!(responses(&ask(&mut board, &next)).1, [(false, 0xabc)]);
    // Now the first batch is too old.
    assert_eq!(refusal(&ask(&mut board, &batch)), (0x13, 2));
}

#[test]
fn other_records_under_the_number_of_the_last_batch_are_refused() {
    let mut board = fast(5);
    begin(&mut board, EPOCH);
    let batch = |value| {
        let payload = record(ACCUM, 0, 1, false, &word(value));
        request(RequestKind::Batch, 0, EPOCH, &payload)
    };
    assert_eq!(ask(&mut board, &batch(1)).kind, RequestKind::Batch.reply());
    assert_eq!(refusal(&ask(&mut board, &batch(2))), (0x13, 1));
    let read = request(
        RequestKind::Batch,
        1,
        EPOCH,
        &record(READ, 0, 1, false, &[]),
    );
    assert_eq!(responses(&ask(&mut board, &read)).1, [(false, 1)]);
}

#[test]
fn numbers_wrap_around_after_255() {
    let mut board = fast(6);
    begin(&mut board, EPOCH);
    let payload = [
        record(ACCUM, 0, 1, true, &word(1)),
        record(ACCUM, 1, 2, false, &word(1)),
        record(READ, 0, 1, false, &[]),
    ];
    for turn in 0..300u16 {
        let batch = request(RequestKind::Batch, turn as u8, EPOCH, &payload.concat());
        let odd = u64::from(turn + 1) % 2;
        assert_eq!(
            responses(&ask(&mut board, &batch)).1,
            [(odd == 0, odd)],
            "{turn}"
        );
    }
}

#[test]
fn a_batch_of_another_session_is_refused_and_not_executed() {
    let mut board = fast(7);
    let accum = |epoch| {
        let payload = record(ACCUM, 0, 1, false, &word(1));
        request(RequestKind::Batch, 0, epoch, &payload)
    };
    // There is no session after power-up, and epoch 0 never is one.
    for epoch in [0, EPOCH] {
        let reply = ask(&mut board, &accum(epoch));
        assert_eq!((refusal(&reply), reply.epoch), ((0x12, 0), 0));
    }
    begin(&mut board, EPOCH);
    for epoch in [0, EPOCH ^ 1, EPOCH ^ 0x8000_0000] {
        let reply = ask(&mut board, &accum(epoch));
        assert_eq!((refusal(&reply), reply.epoch), ((0x12, 0), EPOCH));
    }
    let read = request(
        RequestKind::Batch,
        0,
        EPOCH,
        &record(READ, 0, 1, false, &[]),
    );
    assert_eq!(responses(&ask(&mut board, &read)).1, [(true, 0)]);
}

#[test]
fn a_new_session_clears_everything_but_beginning_the_same_one_again_clears_nothing() {
    let mut board = fast(8);
    begin(&mut board, EPOCH);
    let accum = request(
        RequestKind::Batch,
        0,
        EPOCH,
        &record(ACCUM, 0, 1, false, &word(5)),
    );
    ask(&mut board, &accum);
    begin(&mut board, EPOCH);
    let read = |number, epoch| {
        request(
            RequestKind::Batch,
            number,
            epoch,
            &record(READ, 0, 1, false, &[]),
        )
    };
    assert_eq!(responses(&ask(&mut board, &read(1, EPOCH))).1, [(false, 5)]);
    begin(&mut board, EPOCH + 1);
    assert_eq!(
        responses(&ask(&mut board, &read(0, EPOCH + 1))).1,
        [(true, 0)]
    );
    // The last batch of the old session is forgotten, even if number and bytes are the same.
    begin(&mut board, EPOCH);
    assert_eq!(responses(&ask(&mut board, &read(0, EPOCH))).1, [(true, 0)]);
}

/// Intact frames that are refused: code, detail, kind, number, epoch, payload.
fn refused() -> Vec<(u8, u8, u8, u8, u32, Vec<u8>)> {
    let batch = |code, detail, records: &[Vec<u8>]| {
        (
            code,
            detail,
            RequestKind::Batch as u8,
            0,
            EPOCH,
            records.concat(),
        )
    };
    let read = || record(READ, 0, 0, false, &[]);
    let accum = |lane, more| record(ACCUM, lane, 0, more, &word(1));
    let nop = || record(0, 0, 0, false, &[]);
    vec![
        (0x10, 0, 0, 0, EPOCH, vec![]),
        (0x10, 0, 4, 0, EPOCH, vec![]),
        (0x10, 0, REPLY | 3, 0, EPOCH, read()),
        (0x11, 0, RequestKind::Info as u8, 0, EPOCH, vec![0]),
        (0x11, 0, RequestKind::Reset as u8, 0, EPOCH + 1, vec![0]),
        (0x11, 0, RequestKind::Batch as u8, 0, EPOCH, vec![]),
        (0x12, 0, RequestKind::Batch as u8, 0, EPOCH + 1, read()),
        (0x13, 0, RequestKind::Batch as u8, 1, EPOCH, read()),
        (0x13, 0, RequestKind::Batch as u8, 255, EPOCH, read()),
        (0x14, 0, RequestKind::Reset as u8, 0, 0, vec![]),
        batch(0x20, 1, &[accum(0, false), record(7, 0, 0, false, &[])]),
        batch(0x21, 1, &[accum(0, false), accum(4, false)]),
        batch(0x21, 0, &[accum(31, false)]),
        batch(0x22, 1, &[accum(0, false), record(READ, 1, 0, false, &[])]),
        batch(0x22, 0, &[record(LOAD, 3, 0, false, &word(1))]),
        batch(0x22, 0, &[record(0, 1, 0, false, &[])]),
        batch(0x23, 2, &[accum(0, true), accum(1, true), accum(0, false)]),
        batch(0x23, 1, &[accum(3, true), accum(3, false)]),
        batch(
            0x24,
            1,
            &[accum(0, false), record(READ, 0, 512, false, &[])],
        ),
        batch(0x24, 0, &[record(0, 0, 0x7fff, false, &[])]),
        batch(0x25, 16, &vec![nop(); 17]),
        batch(0x27, 1, &[accum(0, false), vec![ACCUM]]),
        batch(0x27, 1, &[accum(0, false), vec![READ, 0]]),
        batch(
            0x27,
            1,
            &[accum(0, false), record(ACCUM, 0, 0, false, &[1; 7])],
        ),
        batch(0x28, 0, &[accum(0, true)]),
        batch(0x28, 1, &[accum(1, true), record(READ, 0, 0, true, &[])]),
    ]
}

#[test]
fn every_invalid_request_is_refused_with_its_code_and_not_executed() {
    let mut board = fast(9);
    begin(&mut board, EPOCH);
    for (code, detail, kind, number, epoch, payload) in refused() {
        let mut wrong = request(RequestKind::Info, number, epoch, &payload);
        wrong.kind = kind;
        let reply = ask(&mut board, &wrong);
        assert_eq!(refusal(&reply), (code, detail), "{wrong:?}");
        assert_eq!((reply.number, reply.epoch), (number, EPOCH), "{wrong:?}");
    }
    let payload = record(READ, 0, 0, false, &[]);
    let reply = ask(&mut board, &request(RequestKind::Batch, 0, EPOCH, &payload));
    assert_eq!(responses(&reply).1, [(true, 0)]);
    assert!(!board.leds().bad_frame);
}

/// Bytes that are not a frame, with the code of the reply.
fn unreadable() -> Vec<(u8, Vec<u8>)> {
    let good = request(RequestKind::Info, 0, 0, &[]).to_wire().unwrap();
    let mut bad_crc = good.clone();
    let last = bad_crc.len() - 2;
    bad_crc[last] ^= if bad_crc[last] == 0x40 { 0x20 } else { 0x40 };
    // Correct except for the length field, which announces a payload: 01 07 01 00 00 00 00.
    let mut misleading = vec![1, 7, 1, 0, 0, 0, 0];
    misleading.extend(
        crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC)
            .checksum(&misleading)
            .to_le_bytes(),
    );
    let mut misleading = cobs::encode_vec(&misleading);
    misleading.splice(0..0, [0]);
    misleading.push(0);
    let long = [&[0], &[2; 2 * 254][..], &[0]].concat();
    vec![
        (0x02, long),
        (0x02, [&[0, 0xff], &[1; 254][..], &[0]].concat()),
        (0x03, vec![0, 1, 0]),
        (0x03, vec![0, 3, 1, 0]),
        (0x03, [&[0, 0xff], &[1; 200][..], &[0]].concat()),
        (0x03, misleading),
        (0x04, bad_crc),
    ]
}

#[test]
fn every_unreadable_frame_is_counted_and_gets_a_reply_with_its_code() {
    let mut board = fast(10);
    let mut count = 0;
    for (code, bytes) in unreadable() {
        let replies = send(&mut board, &bytes);
        assert_eq!(replies.len(), 1, "{code:#x}: {replies:?}");
        assert_eq!(refusal(&replies[0]), (code, 0), "{bytes:02x?}");
        assert_eq!(replies[0].number, 0);
        count += 1;
        let info = ask(&mut board, &request(RequestKind::Info, 3, 0, &[]));
        assert_eq!(info.payload[10..], [count, 0]);
    }
    assert!(board.leds().bad_frame);
    board.press_clear().unwrap();
    assert!(!board.leds().bad_frame);
}

#[test]
fn the_tests_cover_every_documented_error_code() {
    let text = include_str!("../../docs/board.md");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| 0x"));
    let documented: BTreeSet<u8> = rows
        .map(|row| u8::from_str_radix(&row[..2], 16).unwrap())
        .collect();
    let seen = refused().into_iter().map(|(code, ..)| code);
    let seen = seen.chain(unreadable().into_iter().map(|(code, _)| code));
    // A low stop bit and too many responses have tests of their own.
    let seen: BTreeSet<u8> = seen.chain([0x01, 0x26]).collect();
    assert_eq!(seen, documented);
    for code in documented {
        assert!(
            !matches!(Refusal::from_code(code, 0), Refusal::Unknown { .. }),
            "{code:#x}"
        );
    }
}

#[test]
fn the_largest_batch_uses_every_lane_in_consecutive_cycles() {
    let mut board = fast(11);
    begin(&mut board, EPOCH);
    // Five cycles of four deltas to one address, then reads: 220 + 21 bytes of 242.
    let mut payload = Vec::new();
    for cycle in 0..5u64 {
        for lane in 0..4u8 {
            let delta = 1u64 << (4 * cycle + u64::from(lane));
            payload.extend(record(ACCUM, lane, 5, lane < 3, &word(delta)));
        }
    }
    for _ in 0..7 {
        payload.extend(record(READ, 0, 5, false, &[]));
    }
    assert_eq!(payload.len(), 241);
    let reply = ask(&mut board, &request(RequestKind::Batch, 0, EPOCH, &payload));
    assert_eq!(
        responses(&reply),
        (12 + latency(), vec![(false, 0xf_ffff); 7])
    );
    // Sixteen cycles, sixteen responses: the longest reply.
    let payload = [
        record(READ, 0, 5, false, &[]),
        record(DELTA, 0, 5, false, &[]),
    ]
    .concat();
    let reply = ask(
        &mut board,
        &request(RequestKind::Batch, 1, EPOCH, &payload.repeat(8)),
    );
    assert_eq!(
        responses(&reply),
        (16 + latency(), vec![(false, 0xf_ffff); 16])
    );
    // The largest payload of a frame is 242 bytes. The batch has more cycles than are allowed.
    let mut payload = record(ACCUM, 1, 5, false, &word(1)).repeat(16);
    payload.extend(record(ACCUM, 1, 5, false, &word(1)).repeat(6));
    assert_eq!(payload.len(), 242);
    let reply = ask(&mut board, &request(RequestKind::Batch, 2, EPOCH, &payload));
    assert_eq!(refusal(&reply), (0x25, 16));
}

#[test]
fn a_batch_without_responses_ends_with_its_last_command() {
    let mut board = fast(12);
    begin(&mut board, EPOCH);
    for (number, cycles) in [(0, 1u16), (1, 2), (2, 16)] {
        let payload = record(ACCUM, 3, 5, false, &word(1)).repeat(cycles.into());
        let reply = ask(
            &mut board,
            &request(RequestKind::Batch, number, EPOCH, &payload),
        );
        assert_eq!(responses(&reply), (cycles, vec![]));
    }
}

#[test]
fn a_frame_gets_its_reply_after_any_garbage() {
    let info = request(RequestKind::Info, 42, 0, &[]);
    let wire = info.to_wire().unwrap();
    let mut board = fast(13);
    let mut value = 1u64;
    for length in 0..60 {
        // Random bytes, some of them 0.
        let garbage: Vec<u8> = std::iter::repeat_with(|| {
            value = value
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (value >> 56) as u8 & if value >> 55 & 3 == 0 { 0 } else { 0xff }
        })
        .take(length * 7 % 300)
        .collect();
        board.queue(&garbage);
        run_until_quiet(&mut board);
        board.take_received();
        let replies = send(&mut board, &wire);
        let last = replies.last().unwrap();
        assert_eq!((last.kind, last.number), (0x81, 42), "after {garbage:02x?}");
    }
}

#[test]
fn frames_that_arrive_during_a_reply_get_a_reply_or_are_skipped_whole() {
    let mut board = fast(14);
    begin(&mut board, EPOCH);
    let read = record(READ, 0, 5, false, &[]).repeat(16);
    let mut wire = request(RequestKind::Batch, 0, EPOCH, &read)
        .to_wire()
        .unwrap();
    for number in 1..20 {
        wire.extend(
            request(RequestKind::Info, number, 0, &[])
                .to_wire()
                .unwrap(),
        );
    }
    let replies = send(&mut board, &wire);
    assert_eq!(replies[0].kind, RequestKind::Batch.reply());
    // Sending the first reply takes longer than receiving the other requests, so some are lost, but
    // none is garbled.
    assert!(replies.len() > 1 && replies.len() < 20, "{}", replies.len());
    assert!(
        replies[1..]
            .iter()
            .all(|reply| reply.kind == RequestKind::Info.reply())
    );
    let info = ask(&mut board, &request(RequestKind::Info, 20, 0, &[]));
    assert_eq!(info.payload[10..], [0, 0], "no frame counted as bad");
}

#[test]
fn a_reset_at_any_byte_of_a_frame_forgets_the_frame_and_the_session() {
    let payload = record(ACCUM, 0, 1, false, &word(1));
    let accum = request(RequestKind::Batch, 0, EPOCH, &payload)
        .to_wire()
        .unwrap();
    let mut board = fast(15);
    for place in 1..=accum.len() {
        begin(&mut board, EPOCH);
        assert!(board.leds().session);
        board.reset_after(place as u64);
        // After the reset the board receives part of a frame, nothing, or the whole frame without
        // its leading 0.
        for reply in send(&mut board, &accum) {
            let (code, _) = refusal(&reply);
            let expected = if place == 1 { 0x12 } else { code & 0x0f };
            assert_eq!((code, reply.epoch), (expected, 0), "{place}");
        }
        let leds = board.leds();
        assert!(leds.ready && !leds.session, "{place}: {leds:?}");
        let reply = ask(&mut board, &request(RequestKind::Batch, 0, EPOCH, &payload));
        assert_eq!((refusal(&reply), reply.epoch), ((0x12, 0), 0), "{place}");
    }
}

#[test]
fn a_reset_in_the_middle_of_a_reply_leaves_the_line_idle_and_the_board_ready() {
    let mut board = fast(16);
    begin(&mut board, EPOCH);
    let read = record(READ, 0, 5, false, &[]).repeat(16);
    let batch = request(RequestKind::Batch, 0, EPOCH, &read)
        .to_wire()
        .unwrap();
    for delay in [600, 1000, 3000] {
        begin(&mut board, EPOCH);
        board.queue(&batch);
        for _ in 0..batch.len() {
            board.step(0).unwrap();
        }
        board.hold(true, delay).unwrap();
        board.press_reset().unwrap();
        run_until_quiet(&mut board);
        assert!(frames(&board.take_received()).iter().all(Result::is_err));
        let info = ask(&mut board, &request(RequestKind::Info, 1, 0, &[]));
        assert_eq!((info.kind, info.epoch), (0x81, 0));
    }
}

#[test]
fn a_low_stop_bit_makes_the_board_report_a_lost_frame() {
    let mut board = fast(17);
    let bit = u64::from(Settings::FAST.cycles_per_bit);
    // A break: low for longer than a byte, then the end of the frame.
    board.hold(false, 12 * bit).unwrap();
    board.hold(true, 3 * bit).unwrap();
    let replies = send(&mut board, &[0]);
    assert_eq!(replies.iter().map(refusal).collect::<Vec<_>>(), [(0x01, 0)]);
    // A break in the middle of an otherwise correct frame.
    let wire = request(RequestKind::Info, 1, 0, &[]).to_wire().unwrap();
    board.queue(&wire[..6]);
    for _ in 0..6 {
        board.step(0).unwrap();
    }
    board.hold(false, 12 * bit).unwrap();
    board.hold(true, 3 * bit).unwrap();
    let replies = send(&mut board, &wire[6..]);
    assert_eq!(replies.iter().map(refusal).collect::<Vec<_>>(), [(0x01, 0)]);
    assert_eq!(
        ask(&mut board, &request(RequestKind::Info, 1, 0, &[])).kind,
        0x81
    );
}

#[test]
fn spikes_on_the_idle_line_are_ignored() {
    let mut board = fast(18);
    for cycles in 1..=3 {
        board.hold(false, cycles).unwrap();
        board.hold(true, 100).unwrap();
    }
    assert!(send(&mut board, &[0]).is_empty());
    assert!(!board.leds().bad_frame);
}

#[test]
fn the_leds_match_the_documentation() {
    let mut board = fast(19);
    let leds = board.leds();
    assert!(leds.ready && !leds.session && !leds.bad_frame && !leds.dirty);
    board.queue(&[0, 0]);
    board.step(0).unwrap();
    board.step(0).unwrap();
    board.hold(true, 20).unwrap();
    assert!(board.leds().traffic);
    board.hold(true, 5000).unwrap();
    assert!(!board.leds().traffic);
    begin(&mut board, EPOCH);
    assert!(board.leds().session);
    let batch = |number, op| {
        let payload = [
            record(ACCUM, 0, 1, false, &word(1)),
            record(op, 0, 1, false, &[]),
        ];
        request(RequestKind::Batch, number, EPOCH, &payload.concat())
    };
    ask(&mut board, &batch(0, READ));
    assert!(board.leds().dirty);
    ask(&mut board, &batch(1, READ));
    assert!(!board.leds().dirty, "the two deltas cancel");
    // The heartbeat has a period of 2^10 cycles.
    let beats: BTreeSet<bool> = (0..8)
        .map(|_| {
            board.hold(true, 256).unwrap();
            board.leds().heartbeat
        })
        .collect();
    assert_eq!(beats.len(), 2);
}

#[test]
fn another_register_file_can_be_used_and_limits_the_responses() {
    let mut board = narrow(1);
    let info = ask(&mut board, &request(RequestKind::Info, 0, 0, &[]));
    assert_eq!(info.payload, [1, 0, 1, 4, 0, 2, 60, 16, 1, 0, 0, 0]);
    begin(&mut board, EPOCH);
    let data: Vec<u8> = (1..=32).collect();
    let read = record(READ, 0, 3, false, &[]);
    let payload = [record(ACCUM, 1, 3, false, &data), read.clone()].concat();
    let reply = ask(&mut board, &request(RequestKind::Batch, 0, EPOCH, &payload));
    assert_eq!(reply.payload[2..], [&[0], &data[..]].concat());
    let reply = ask(
        &mut board,
        &request(RequestKind::Batch, 1, EPOCH, &read.repeat(2)),
    );
    assert_eq!(refusal(&reply), (0x26, 1));
    let outside = record(READ, 0, 4, false, &[]);
    assert_eq!(
        refusal(&ask(
            &mut board,
            &request(RequestKind::Batch, 1, EPOCH, &outside)
        )),
        (0x24, 0)
    );
}
