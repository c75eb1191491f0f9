//! The frame codec finds every intact frame and nothing else.

use atomik_device::frame::{
    CRC_BYTES, Decoder, Frame, FrameError, MAX_FRAME, MAX_PAYLOAD, MAX_WIRE,
};
use proptest::collection::vec;
use proptest::prelude::*;

/// Payloads of every length, with many zeros or none.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..=MAX_PAYLOAD),
        vec(
            prop_oneof![Just(0u8), Just(1), any::<u8>()],
            0..=MAX_PAYLOAD
        ),
        vec(1u8.., 0..=MAX_PAYLOAD),
        vec(1u8.., MAX_PAYLOAD),
        Just(vec![0; MAX_PAYLOAD]),
    ]
}

fn frame() -> impl Strategy<Value = Frame> {
    let epoch = prop_oneof![Just(0), Just(0x0101_0101), any::<u32>()];
    (any::<u8>(), any::<u8>(), epoch, payload()).prop_map(|(kind, number, epoch, payload)| Frame {
        kind,
        number,
        epoch,
        payload,
    })
}

/// The frames in a stream of bytes.
fn found(bytes: impl IntoIterator<Item = u8>) -> Vec<Frame> {
    let mut decoder = Decoder::default();
    let events = bytes.into_iter().filter_map(|byte| decoder.push(byte));
    events.filter_map(Result::ok).collect()
}

/// COBS without full blocks, as frames need it: a second implementation, to compare with.
fn cobs(bytes: &[u8]) -> Vec<u8> {
    let blocks = bytes.split(|&byte| byte == 0);
    blocks
        .flat_map(|block| [&[block.len() as u8 + 1], block].concat())
        .collect()
}

/// The inverse of [`cobs`]; none if a block is cut off.
fn uncobs(mut coded: &[u8]) -> Option<Vec<u8>> {
    let mut blocks = Vec::new();
    while let Some((&code, rest)) = coded.split_first() {
        let (block, rest) = rest.split_at_checked(usize::from(code).checked_sub(1)?)?;
        blocks.push(block);
        coded = rest;
    }
    Some(blocks.join(&0))
}

proptest! {
    #[test]
    fn bytes_that_are_cut_off_or_too_long_are_refused_for_that_reason(
        bytes in vec(prop_oneof![1u8..20, 1u8..], 1..300),
    ) {
        let mut decoder = Decoder::default();
        let found = bytes.iter().chain(&[0]).filter_map(|&byte| decoder.push(byte));
        let found: Vec<_> = found.collect();
        let expected = match uncobs(&bytes) {
            _ if bytes.len() >= MAX_WIRE => FrameError::TooLong,
            None => FrameError::Malformed,
            Some(decoded) if decoded.len() > MAX_FRAME => FrameError::TooLong,
            Some(decoded) if decoded.len() < CRC_BYTES => FrameError::Malformed,
            Some(_) => FrameError::Crc,
        };
        prop_assert_eq!(found, [Err(expected)]);
    }

    #[test]
    fn frames_are_found_in_whatever_garbage(
        parts in vec((vec(any::<u8>(), 0..300), frame()), 1..6),
        after in vec(any::<u8>(), 0..300),
    ) {
        let mut stream = Vec::new();
        for (garbage, frame) in &parts {
            stream.extend(garbage);
            stream.extend(frame.to_wire().unwrap());
        }
        stream.extend(after);
        let sent: Vec<Frame> = parts.into_iter().map(|(_, frame)| frame).collect();
        prop_assert_eq!(found(stream), sent);
    }

    #[test]
    fn a_frame_with_any_bit_flipped_is_no_frame_and_the_next_one_is_found(
        hurt in frame(),
        next in frame(),
        place in any::<prop::sample::Index>(),
        bit in 0..8,
    ) {
        let mut wire = hurt.to_wire().unwrap();
        let place = place.index(wire.len());
        wire[place] ^= 1u8 << bit;
        wire.extend(next.to_wire().unwrap());
        prop_assert_eq!(found(wire), [next]);
    }

    #[test]
    fn a_frame_with_any_byte_lost_is_no_frame_unless_it_was_a_zero_beside_it(
        hurt in frame(),
        next in frame(),
        place in any::<prop::sample::Index>(),
    ) {
        let mut wire = hurt.to_wire().unwrap();
        let place = place.index(wire.len());
        let lost = wire.remove(place);
        wire.extend(next.to_wire().unwrap());
        let whole = if lost == 0 { vec![hurt, next] } else { vec![next] };
        prop_assert_eq!(found(wire), whole);
    }

    #[test]
    fn a_frame_with_a_byte_added_is_no_frame_and_the_next_one_is_found(
        hurt in frame(),
        next in frame(),
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut wire = hurt.to_wire().unwrap();
        // Between the two zeros; anything outside them is garbage between frames.
        let place = 1 + place.index(wire.len() - 1);
        wire.insert(place, byte);
        wire.extend(next.to_wire().unwrap());
        let frames = found(wire.iter().copied());
        // A second zero next to one of the two changes nothing.
        let harmless = byte == 0 && (place == 1 || place + 1 == hurt.to_wire().unwrap().len());
        let whole = if harmless { vec![hurt, next] } else { vec![next] };
        prop_assert_eq!(frames, whole);
    }

    #[test]
    fn the_coding_is_what_another_implementation_of_cobs_makes_of_it(frame in frame()) {
        let wire = frame.to_wire().unwrap();
        let coded = &wire[1..wire.len() - 1];
        let bytes = uncobs(coded).unwrap();
        prop_assert_eq!(&cobs(&bytes), coded);
        prop_assert_eq!(bytes[2] as usize, frame.payload.len());
        prop_assert_eq!(&bytes[7..bytes.len() - 4], &frame.payload[..]);
    }

    #[test]
    fn any_bytes_at_all_are_taken_without_a_panic(
        bytes in vec(prop_oneof![Just(0u8), any::<u8>()], 0..2000),
    ) {
        found(bytes);
    }
}
