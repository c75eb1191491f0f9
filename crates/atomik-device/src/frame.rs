//! Frames on the wire.
//!
//! A frame is a header of seven bytes, a payload and a CRC-32, encoded with COBS (Cheshire and
//! Baker, "Consistent Overhead Byte Stuffing", 1999) and sent between two zero bytes. The encoded
//! bytes are never zero, so after any garbage the next zero byte starts a new frame.

use crc::{CRC_32_ISO_HDLC, Crc};
use thiserror::Error;

/// The CRC of Ethernet: check value `0xcbf43926` for the digits 1 to 9.
const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// Bytes of a frame before the payload.
pub const HEADER_BYTES: usize = 7;
/// Bytes of a frame after the payload.
pub const CRC_BYTES: usize = 4;
/// The maximum length of a frame in bytes, before encoding. One more byte could fill a COBS block.
pub const MAX_FRAME: usize = 253;
/// The maximum length of a payload in bytes.
pub const MAX_PAYLOAD: usize = MAX_FRAME - HEADER_BYTES - CRC_BYTES;
/// The maximum length of a frame on the wire in bytes, with the COBS code byte and both zeros.
pub const MAX_WIRE: usize = MAX_FRAME + 3;

/// A request or a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The kind of message; see [`crate::message`].
    pub kind: u8,
    /// The sequence number. A reply repeats that of its request.
    pub number: u8,
    /// The session.
    pub epoch: u32,
    /// At most [`MAX_PAYLOAD`] bytes.
    pub payload: Vec<u8>,
}

/// A payload of this many bytes is too long for a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a payload of {0} bytes does not fit into a frame; split it: the maximum is {MAX_PAYLOAD}")]
pub struct PayloadTooLong(pub usize);

impl Frame {
    /// The bytes of the frame on the wire, including the zero bytes before and after it.
    ///
    /// # Errors
    /// If the payload is longer than [`MAX_PAYLOAD`].
    pub fn to_wire(&self) -> Result<Vec<u8>, PayloadTooLong> {
        let too_long = PayloadTooLong(self.payload.len());
        let length = u8::try_from(self.payload.len()).map_err(|_| too_long)?;
        if self.payload.len() > MAX_PAYLOAD {
            return Err(too_long);
        }
        let mut bytes = vec![self.kind, self.number, length];
        bytes.extend(self.epoch.to_le_bytes());
        bytes.extend(&self.payload);
        bytes.extend(CRC.checksum(&bytes).to_le_bytes());
        let mut wire = vec![0];
        wire.extend(cobs::encode_vec(&bytes));
        wire.push(0);
        Ok(wire)
    }

    /// Decodes the bytes between two zero bytes.
    fn from_wire(coded: &[u8]) -> Result<Self, FrameError> {
        let bytes = cobs::decode_vec(coded).map_err(|_| FrameError::Malformed)?;
        if bytes.len() > MAX_FRAME {
            return Err(FrameError::TooLong);
        }
        let (message, crc) = bytes
            .split_last_chunk::<CRC_BYTES>()
            .ok_or(FrameError::Malformed)?;
        if CRC.checksum(message) != u32::from_le_bytes(*crc) {
            return Err(FrameError::Crc);
        }
        let (&header, payload) = message
            .split_first_chunk::<HEADER_BYTES>()
            .ok_or(FrameError::Malformed)?;
        let [kind, number, length, epoch @ ..] = header;
        if usize::from(length) != payload.len() {
            return Err(FrameError::Malformed);
        }
        Ok(Self {
            kind,
            number,
            epoch: u32::from_le_bytes(epoch),
            payload: payload.to_vec(),
        })
    }
}

/// Why the bytes between two zeros are not a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// Longer than [`MAX_FRAME`].
    #[error("longer than a frame can be")]
    TooLong,
    /// A COBS block is cut off, there are fewer bytes than a frame has, or the length field is
    /// wrong.
    #[error("malformed")]
    Malformed,
    /// The CRC does not match.
    #[error("wrong CRC")]
    Crc,
}

/// Finds frames in a stream of bytes.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    /// The bytes since the last zero, up to one more than a frame can have: that many mean that the
    /// frame is too long.
    bytes: Vec<u8>,
}

impl Decoder {
    /// Takes the next byte of the stream. If it ends a frame, returns the frame or why the bytes
    /// are not one.
    pub fn push(&mut self, byte: u8) -> Option<Result<Frame, FrameError>> {
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
            false => Err(FrameError::TooLong),
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
            assert_eq!(frame(length).to_wire(), Err(PayloadTooLong(length)));
        }
    }

    #[test]
    fn a_wrong_length_field_under_a_correct_crc_is_malformed() {
        // Kind, number, a length of 1, epoch, no payload, CRC; none of its bytes is zero.
        let mut bytes = vec![1, 2, 1, 3, 4, 5, 6];
        bytes.extend(CRC.checksum(&bytes).to_le_bytes());
        assert!(!bytes.contains(&0));
        bytes.insert(0, bytes.len() as u8 + 1);
        assert_eq!(Frame::from_wire(&bytes), Err(FrameError::Malformed));
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
