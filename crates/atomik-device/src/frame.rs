//! Frames on the wire.
//!
//! A frame is a header of seven bytes, a payload and a CRC-32, coded with COBS (Cheshire and Baker,
//! "Consistent Overhead Byte Stuffing", 1999) between two zero bytes. Nothing inside is zero, so
//! whatever went before, the next zero byte starts a new frame.

use crc::{CRC_32_ISO_HDLC, Crc};
use thiserror::Error;

/// The CRC of Ethernet: check value `0xcbf43926` for the digits 1 to 9.
const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// Bytes of a frame before the payload.
pub const HEADER_BYTES: usize = 7;
/// Bytes of a frame after the payload.
pub const CRC_BYTES: usize = 4;
/// The most bytes that a frame has before it is coded. One more, and a COBS block could be full.
pub const MAX_FRAME: usize = 253;
/// The most bytes that a payload has.
pub const MAX_PAYLOAD: usize = MAX_FRAME - HEADER_BYTES - CRC_BYTES;
/// The most bytes that a frame has on the wire: its code bytes and both zeros included.
pub const MAX_WIRE: usize = MAX_FRAME + 3;

/// A message of either direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What the message is; see [`crate::message`].
    pub kind: u8,
    /// The sequence number, which a reply repeats.
    pub number: u8,
    /// The session.
    pub epoch: u32,
    /// At most [`MAX_PAYLOAD`] bytes.
    pub payload: Vec<u8>,
}

/// A payload that no frame can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a payload of {0} bytes does not fit into a frame; split it, {MAX_PAYLOAD} bytes fit")]
pub struct TooLong(pub usize);

impl Frame {
    /// The bytes of the frame on the wire, the zero bytes before and after it included.
    ///
    /// # Errors
    /// When the payload has more than [`MAX_PAYLOAD`] bytes.
    pub fn to_wire(&self) -> Result<Vec<u8>, TooLong> {
        let too_long = TooLong(self.payload.len());
        let length = u8::try_from(self.payload.len()).map_err(|_| too_long)?;
        if self.payload.len() > MAX_PAYLOAD {
            return Err(too_long);
        }
        let mut bytes = vec![self.kind, self.number, length];
        bytes.extend(self.epoch.to_le_bytes());
        bytes.extend(&self.payload);
        bytes.extend(CRC.checksum(&bytes).to_le_bytes());
        let mut wire = Vec::with_capacity(MAX_WIRE);
        wire.push(0);
        // A zero is not sent: the first byte of the block before it says where it stands.
        for block in bytes.split(|&byte| byte == 0) {
            wire.push(block.len() as u8 + 1);
            wire.extend(block);
        }
        wire.push(0);
        Ok(wire)
    }

    /// The frame in the bytes between two zero bytes.
    fn from_wire(coded: &[u8]) -> Result<Self, Damage> {
        let bytes = decode(coded)?;
        let (message, crc) = bytes.split_last_chunk::<CRC_BYTES>().ok_or(Damage::Shape)?;
        if CRC.checksum(message) != u32::from_le_bytes(*crc) {
            return Err(Damage::Crc);
        }
        let (&header, payload) = message
            .split_first_chunk::<HEADER_BYTES>()
            .ok_or(Damage::Shape)?;
        let [kind, number, length, epoch @ ..] = header;
        if usize::from(length) != payload.len() {
            return Err(Damage::Shape);
        }
        Ok(Self {
            kind,
            number,
            epoch: u32::from_le_bytes(epoch),
            payload: payload.to_vec(),
        })
    }
}

/// Undoes the COBS coding.
fn decode(mut coded: &[u8]) -> Result<Vec<u8>, Damage> {
    let mut bytes = Vec::with_capacity(MAX_FRAME);
    while let Some((&code, rest)) = coded.split_first() {
        let (block, rest) = rest
            .split_at_checked(usize::from(code).wrapping_sub(1))
            .ok_or(Damage::Shape)?;
        bytes.extend(block);
        if !rest.is_empty() {
            bytes.push(0);
        }
        coded = rest;
    }
    if bytes.len() > MAX_FRAME {
        return Err(Damage::Long);
    }
    Ok(bytes)
}

/// Why bytes between two zeros are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Damage {
    /// More bytes than a frame has.
    #[error("longer than a frame can be")]
    Long,
    /// A COBS block is cut off, there are too few bytes, or the length field is wrong.
    #[error("not the shape of a frame")]
    Shape,
    /// The CRC is not that of the bytes.
    #[error("a wrong CRC")]
    Crc,
}

/// Finds frames in a stream of bytes.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    /// Since the last zero byte; one more than a frame can have says that it is too long already.
    bytes: Vec<u8>,
}

impl Decoder {
    /// Takes the next byte of the stream; when it ends a frame, gives that frame, or why it is
    /// none.
    pub fn push(&mut self, byte: u8) -> Option<Result<Frame, Damage>> {
        if byte != 0 {
            if self.bytes.len() < MAX_WIRE {
                self.bytes.push(byte);
            }
            return None;
        }
        if self.bytes.is_empty() {
            return None;
        }
        let found = match self.bytes.len() < MAX_WIRE {
            true => Frame::from_wire(&self.bytes),
            false => Err(Damage::Long),
        };
        self.bytes.clear();
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crc_has_the_check_value_of_its_catalogue() {
        assert_eq!(CRC.checksum(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn a_payload_that_is_too_long_is_refused_and_the_longest_is_not() {
        let frame = |length| Frame {
            kind: 1,
            number: 2,
            epoch: 3,
            payload: vec![7; length],
        };
        assert!(frame(MAX_PAYLOAD).to_wire().is_ok());
        for length in [MAX_PAYLOAD + 1, 256, 1000] {
            assert_eq!(frame(length).to_wire(), Err(TooLong(length)));
        }
    }

    #[test]
    fn a_length_field_that_lies_under_a_right_crc_is_found_out() {
        // Kind, number, a length of 1, epoch, no payload, CRC; none of its bytes is zero.
        let mut bytes = vec![1, 2, 1, 3, 4, 5, 6];
        bytes.extend(CRC.checksum(&bytes).to_le_bytes());
        assert!(!bytes.contains(&0));
        bytes.insert(0, bytes.len() as u8 + 1);
        assert_eq!(Frame::from_wire(&bytes), Err(Damage::Shape));
    }

    #[test]
    fn the_longest_frame_without_a_zero_is_one_block() {
        let frame = Frame {
            kind: 1,
            number: 2,
            epoch: 0x0101_0101,
            payload: vec![7; MAX_PAYLOAD],
        };
        let wire = frame.to_wire().unwrap();
        assert_eq!((wire.len(), wire[1]), (MAX_WIRE, 254));
    }
}
