//! The contents of frames: requests, replies, the records of a batch, error codes.

use atomik_trace::{Command, Data, Geometry, GeometryError, Response};
use thiserror::Error;

use crate::frame::{Frame, MAX_PAYLOAD};

/// The version of the protocol that this crate speaks.
pub const PROTOCOL: u8 = 1;

/// The bit of [`Frame::kind`] that marks a reply.
pub const REPLY: u8 = 0x80;
/// The [`Frame::kind`] of an error reply.
pub const ERROR: u8 = REPLY;

/// What a request asks for. The value is its [`Frame::kind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum RequestKind {
    /// Describe the board. This changes nothing; the epoch of the request is ignored.
    Info = 1,
    /// Clear the register file and begin the session of the request's epoch.
    Reset = 2,
    /// Execute the records in the payload.
    Batch = 3,
}

impl RequestKind {
    /// The [`Frame::kind`] of the reply.
    #[must_use]
    pub fn reply(self) -> u8 {
        self as u8 | REPLY
    }
}

/// Why a board refuses a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// 0x01: a stop bit was 0.
    #[error("a byte of the frame was corrupted on the line")]
    Line,
    /// 0x02: the frame is longer than 253 bytes.
    #[error("the frame is too long")]
    Long,
    /// 0x03: a COBS block is cut off, there are fewer bytes than a frame has, or the length field
    /// is wrong.
    #[error("the frame is malformed")]
    Malformed,
    /// 0x04: the CRC does not match.
    #[error("the CRC of the frame is wrong")]
    Crc,
    /// 0x10: unknown kind of request.
    #[error("unknown kind of request")]
    Kind,
    /// 0x11: the payload has the wrong length for its kind.
    #[error("the payload has the wrong length")]
    Length,
    /// 0x12: the board is in another session, or in none since its last reset.
    #[error("the board is not in this session")]
    Epoch,
    /// 0x13: neither the next batch nor a repetition of the last one. The detail is the number of
    /// the next batch.
    #[error("the batch is neither batch {0}, which is next, nor a repetition of the last one")]
    Sequence(u8),
    /// 0x14: a session cannot have the epoch 0.
    #[error("a session cannot have the epoch 0")]
    NoEpoch,
    /// 0x20 to 0x28: a record is invalid.
    #[error("record {index} of the batch {problem}")]
    Record {
        /// The position of the record, from 0.
        index: u8,
        /// What is wrong with it.
        problem: RecordError,
    },
    /// A code that this version of the protocol does not define.
    #[error("unknown error code {code:#04x}, detail {detail}")]
    Unknown {
        /// The code.
        code: u8,
        /// The detail.
        detail: u8,
    },
}

/// What is wrong with a record. The text continues "record 3 of the batch".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RecordError {
    /// 0x20: the reserved op.
    #[error("has the reserved op")]
    Op,
    /// 0x21: the board has no such lane.
    #[error("names a lane that the board does not have")]
    Lane,
    /// 0x22: lanes other than 0 take only `accum`.
    #[error("has an op that its lane does not take")]
    LaneOp,
    /// 0x23: its lane already has a command in this cycle.
    #[error("names a lane for the second time in one cycle")]
    LaneTwice,
    /// 0x24: the address is not below the depth.
    #[error("has an address outside the depth")]
    Address,
    /// 0x25: the batch has more cycles than the board can queue.
    #[error("begins one cycle too many")]
    Cycles,
    /// 0x26: the batch has more responses than fit into a reply.
    #[error("asks for one response too many")]
    Responses,
    /// 0x27: the payload ends inside the record.
    #[error("is cut off")]
    CutOff,
    /// 0x28: it says that its cycle continues, but it is the last record.
    #[error("leaves its cycle open")]
    Open,
}

impl Refusal {
    /// The meaning of an error reply.
    #[must_use]
    pub fn from_code(code: u8, detail: u8) -> Self {
        let record = |problem| Self::Record {
            index: detail,
            problem,
        };
        match code {
            0x01 => Self::Line,
            0x02 => Self::Long,
            0x03 => Self::Malformed,
            0x04 => Self::Crc,
            0x10 => Self::Kind,
            0x11 => Self::Length,
            0x12 => Self::Epoch,
            0x13 => Self::Sequence(detail),
            0x14 => Self::NoEpoch,
            0x20 => record(RecordError::Op),
            0x21 => record(RecordError::Lane),
            0x22 => record(RecordError::LaneOp),
            0x23 => record(RecordError::LaneTwice),
            0x24 => record(RecordError::Address),
            0x25 => record(RecordError::Cycles),
            0x26 => record(RecordError::Responses),
            0x27 => record(RecordError::CutOff),
            0x28 => record(RecordError::Open),
            _ => Self::Unknown { code, detail },
        }
    }

    /// Whether the board could not read the frame. It then does not know which request it answers:
    /// send the request again.
    #[must_use]
    pub fn is_unreadable(self) -> bool {
        matches!(self, Self::Line | Self::Long | Self::Malformed | Self::Crc)
    }
}

/// A reply that breaks the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ProtocolError {
    /// The payload has the wrong length for its kind.
    #[error(
        "the board's reply of kind {kind:#04x} has {found} bytes of payload instead of {wanted}; \
         load a bitstream of the same version as this program"
    )]
    Length {
        /// The kind of the reply.
        kind: u8,
        /// The expected length.
        wanted: usize,
        /// The actual length.
        found: usize,
    },
    /// The board speaks another version of the protocol.
    #[error(
        "the board speaks version {0} of the protocol, this program version {PROTOCOL}; \
         load a bitstream of the same version as this program"
    )]
    Version(u8),
    /// The reported sizes are impossible.
    #[error("the board reports an impossible register file: {0}; load its bitstream again")]
    Geometry(#[from] GeometryError),
    /// Not even one command would fit into a batch.
    #[error(
        "the board reports batches of at most {payload} bytes, {cycles} cycles and {responses} \
         responses, too few for one command; load its bitstream again"
    )]
    Limits {
        /// Bytes of a payload.
        payload: u8,
        /// Cycles of a batch.
        cycles: u8,
        /// Responses to a batch.
        responses: u8,
    },
}

/// A board's description of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info {
    /// The register file.
    pub geometry: Geometry,
    /// The maximum payload of a request in bytes.
    pub max_payload: u8,
    /// The maximum number of cycles in a batch.
    pub max_cycles: u8,
    /// The maximum number of responses to a batch.
    pub max_responses: u8,
    /// The sequence number of the next batch.
    pub next_number: u8,
    /// The number of unreadable frames since the last reset.
    pub bad_frames: u16,
    /// The session; 0 if none has begun since the last reset of the board.
    pub epoch: u32,
}

impl Info {
    /// Reads the reply to [`RequestKind::Info`].
    ///
    /// # Errors
    /// If it breaks the protocol, or belongs to another version of it.
    pub fn from_frame(frame: &Frame) -> Result<Self, ProtocolError> {
        let version = frame.payload.first().copied().unwrap_or(0);
        if version != PROTOCOL {
            return Err(ProtocolError::Version(version));
        }
        let payload: &[u8; 12] = exactly(frame)?;
        let [
            _,
            width0,
            width1,
            depth0,
            depth1,
            lanes,
            max_payload,
            max_cycles,
            max_responses,
            next_number,
            bad0,
            bad1,
        ] = *payload;
        let width = u16::from_le_bytes([width0, width1]).into();
        let depth = u16::from_le_bytes([depth0, depth1]).into();
        let info = Self {
            geometry: Geometry::new(width, depth, lanes.into())?,
            max_payload: max_payload.min(MAX_PAYLOAD as u8),
            max_cycles,
            max_responses,
            next_number,
            bad_frames: u16::from_le_bytes([bad0, bad1]),
            epoch: frame.epoch,
        };
        if usize::from(max_payload) < RECORD_BYTES + info.data_bytes()
            || max_cycles == 0
            || max_responses == 0
        {
            return Err(ProtocolError::Limits {
                payload: max_payload,
                cycles: max_cycles,
                responses: max_responses,
            });
        }
        Ok(info)
    }

    /// Bytes of a word.
    #[must_use]
    pub fn data_bytes(&self) -> usize {
        self.geometry.width().div_ceil(8) as usize
    }
}

fn exactly<const N: usize>(frame: &Frame) -> Result<&[u8; N], ProtocolError> {
    let wrong = |_| ProtocolError::Length {
        kind: frame.kind,
        wanted: N,
        found: frame.payload.len(),
    };
    frame.payload[..].try_into().map_err(wrong)
}

/// Bytes of a record without data.
pub const RECORD_BYTES: usize = 3;

/// The bit of a record's address that says that the next record belongs to the same cycle.
const WITH_NEXT: u16 = 1 << 15;

/// A batch under construction, within the limits of a board.
#[derive(Clone, Debug)]
pub struct Batch {
    info: Info,
    payload: Vec<u8>,
    cycles: u8,
    commands: u64,
    /// The commands that have a response, in order.
    asked: Vec<Command>,
}

impl Batch {
    /// An empty batch for the board that `info` describes.
    #[must_use]
    pub fn new(info: Info) -> Self {
        Self {
            info,
            payload: Vec::with_capacity(MAX_PAYLOAD),
            cycles: 0,
            commands: 0,
            asked: Vec::new(),
        }
    }

    /// Adds `commands`, to be issued in one cycle, each on its own lane. They must be within the
    /// board's [`Geometry`]. Returns whether they fit; if not, the batch is unchanged.
    pub fn push(&mut self, commands: &[Command]) -> bool {
        let data_bytes = self.info.data_bytes();
        let bytes = |command: &Command| match command.op.takes_data() {
            true => RECORD_BYTES + data_bytes,
            false => RECORD_BYTES,
        };
        let length = self.payload.len() + commands.iter().map(bytes).sum::<usize>();
        let responses = commands
            .iter()
            .filter(|command| command.op.responds())
            .count();
        if length > usize::from(self.info.max_payload)
            || self.cycles == self.info.max_cycles
            || self.asked.len() + responses > usize::from(self.info.max_responses)
        {
            return false;
        }
        for (index, command) in commands.iter().enumerate() {
            let more = index + 1 < commands.len();
            self.payload
                .extend(record(command, more, self.info.geometry.width()));
            self.commands += 1;
            if command.op.responds() {
                self.asked.push(*command);
            }
        }
        self.cycles += u8::from(!commands.is_empty());
        true
    }

    /// The encoded records.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The number of cycles.
    #[must_use]
    pub fn cycles(&self) -> u8 {
        self.cycles
    }

    /// The number of commands.
    #[must_use]
    pub fn commands(&self) -> u64 {
        self.commands
    }

    /// Empties the batch.
    pub fn clear(&mut self) {
        self.payload.clear();
        self.cycles = 0;
        self.commands = 0;
        self.asked.clear();
    }

    /// Reads the reply to this batch: the clock cycles it took on the board, and the responses.
    ///
    /// # Errors
    /// If the reply does not have as many responses as the batch asks for.
    pub fn read_reply(&self, frame: &Frame) -> Result<(u16, Vec<Response>), ProtocolError> {
        let data_bytes = self.info.data_bytes();
        let width = self.info.geometry.width();
        let wanted = 2 + self.asked.len() * (1 + data_bytes);
        let wrong = ProtocolError::Length {
            kind: frame.kind,
            wanted,
            found: frame.payload.len(),
        };
        let (cycles, responses) = frame.payload.split_first_chunk::<2>().ok_or(wrong)?;
        if frame.payload.len() != wanted {
            return Err(wrong);
        }
        let responses = responses.chunks_exact(1 + data_bytes).zip(&self.asked);
        let responses = responses.map(|(bytes, command)| {
            let (&clean, word) = bytes.split_first().unwrap_or((&0, &[]));
            let mut data = Data::ZERO;
            for (limb, bytes) in data.limbs_mut(width).iter_mut().zip(word.chunks(8)) {
                *limb = bytes
                    .iter()
                    .rev()
                    .fold(0, |limb, &byte| limb << 8 | u64::from(byte));
            }
            Response {
                cycle: command.cycle,
                op: command.op,
                addr: command.addr,
                data,
                clean: clean != 0,
            }
        });
        Ok((u16::from_le_bytes(*cycles), responses.collect()))
    }
}

/// Encodes a command. `more` says that the next record belongs to the same cycle.
///
/// No board has lanes above 31 or addresses above 32767; their upper bits are dropped.
fn record(command: &Command, more: bool, width: u32) -> Vec<u8> {
    let head = command.op.code() | (command.lane as u8) << 3;
    let addr = command.addr as u16 & !WITH_NEXT | if more { WITH_NEXT } else { 0 };
    let [low, high] = addr.to_le_bytes();
    let mut bytes = vec![head, low, high];
    if command.op.takes_data() {
        let limbs = command.data.limbs(width).iter();
        let data = limbs.flat_map(|limb| limb.to_le_bytes());
        bytes.extend(data.take(width.div_ceil(8) as usize));
    }
    bytes
}
