//! What frames say: requests, replies, the records of a batch, error codes.

use atomik_trace::{Command, Data, Geometry, GeometryError, Response};
use thiserror::Error;

use crate::frame::{Frame, MAX_PAYLOAD};

/// The version of the protocol that this crate speaks.
pub const PROTOCOL: u8 = 1;

/// Bit of [`Frame::kind`] that makes a reply of a request.
pub const REPLY: u8 = 0x80;
/// [`Frame::kind`] of a reply that says what is wrong.
pub const ERROR: u8 = REPLY;

/// What a request asks for; the value is its [`Frame::kind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// What the board is. It changes nothing, and the epoch of the request does not matter.
    Info = 1,
    /// Clear the register file and begin the session of the request's epoch.
    Reset = 2,
    /// Execute the records in the payload.
    Batch = 3,
}

impl Kind {
    /// The [`Frame::kind`] of the reply.
    #[must_use]
    pub fn reply(self) -> u8 {
        self as u8 | REPLY
    }
}

/// Why a board does not do what it was asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// 0x01: a stop bit was 0.
    #[error("a byte of the frame was lost on the line")]
    Line,
    /// 0x02: more bytes than a frame has.
    #[error("the frame is longer than a frame can be")]
    Long,
    /// 0x03: a COBS block is cut off, there are too few bytes, or the length field is wrong.
    #[error("the frame has not the shape of a frame")]
    Shape,
    /// 0x04: the CRC is not that of the bytes.
    #[error("the frame has a wrong CRC")]
    Crc,
    /// 0x10: there is no such kind of request.
    #[error("there is no such request")]
    Kind,
    /// 0x11: the payload is not as long as the kind wants it.
    #[error("the payload has the wrong length")]
    Length,
    /// 0x12: the session is another one, or there is none since a reset of the board.
    #[error("the board is not in this session")]
    Epoch,
    /// 0x13: neither the next batch nor the last one again; the detail is the number of the next
    /// one.
    #[error("the batch is neither the next one, which is {0}, nor the last one again")]
    Sequence(u8),
    /// 0x14: a session cannot have the epoch 0.
    #[error("a session cannot have the epoch 0")]
    NoEpoch,
    /// 0x20 to 0x28: a record is wrong.
    #[error("record {index} of the batch {problem}")]
    Record {
        /// Which one, from 0.
        index: u8,
        /// What is wrong with it.
        problem: Problem,
    },
    /// A code that this version of the protocol does not have.
    #[error("error code {code:#04x}, detail {detail}")]
    Unknown {
        /// The code.
        code: u8,
        /// What goes with it.
        detail: u8,
    },
}

/// What is wrong with a record; the text goes on from "record 3 of the batch".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Problem {
    /// 0x20: the reserved op.
    #[error("has no op")]
    Op,
    /// 0x21: there is no such lane.
    #[error("names a lane that is not there")]
    Lane,
    /// 0x22: a lane other than 0 takes `accum` alone.
    #[error("has an op that its lane does not take")]
    LaneOp,
    /// 0x23: its lane has a command in this cycle already.
    #[error("names a lane for the second time in one cycle")]
    LaneTwice,
    /// 0x24: the address is not below the depth.
    #[error("has an address outside of the depth")]
    Address,
    /// 0x25: the batch has more cycles than the board keeps.
    #[error("begins a cycle too many")]
    Cycles,
    /// 0x26: the batch has more responses than a reply holds.
    #[error("asks for a response too many")]
    Responses,
    /// 0x27: the payload ends inside of it.
    #[error("is cut off")]
    CutOff,
    /// 0x28: it says that its cycle goes on, and is the last.
    #[error("leaves its cycle open")]
    Open,
}

impl Refusal {
    /// What an error reply means.
    #[must_use]
    pub fn from_code(code: u8, detail: u8) -> Self {
        let record = |problem| Self::Record {
            index: detail,
            problem,
        };
        match code {
            0x01 => Self::Line,
            0x02 => Self::Long,
            0x03 => Self::Shape,
            0x04 => Self::Crc,
            0x10 => Self::Kind,
            0x11 => Self::Length,
            0x12 => Self::Epoch,
            0x13 => Self::Sequence(detail),
            0x14 => Self::NoEpoch,
            0x20 => record(Problem::Op),
            0x21 => record(Problem::Lane),
            0x22 => record(Problem::LaneOp),
            0x23 => record(Problem::LaneTwice),
            0x24 => record(Problem::Address),
            0x25 => record(Problem::Cycles),
            0x26 => record(Problem::Responses),
            0x27 => record(Problem::CutOff),
            0x28 => record(Problem::Open),
            _ => Self::Unknown { code, detail },
        }
    }

    /// Whether the board could not read the frame, and so does not know what it answers: send it
    /// again.
    #[must_use]
    pub fn is_damage(self) -> bool {
        matches!(self, Self::Line | Self::Long | Self::Shape | Self::Crc)
    }
}

/// A reply that cannot be understood: a protocol error of the board.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Nonsense {
    /// The payload has another length than the kind of the reply asks for.
    #[error("the board's reply of kind {kind:#04x} has {found} bytes of payload, not {wanted}")]
    Length {
        /// The kind of the reply.
        kind: u8,
        /// The length that it should have.
        wanted: usize,
        /// The length that it has.
        found: usize,
    },
    /// The board speaks another version of the protocol.
    #[error(
        "the board speaks version {0} of the protocol, this program version {PROTOCOL}; \
         use a bitstream and an atomik of one version"
    )]
    Version(u8),
    /// The sizes that the board reports are impossible.
    #[error("the board reports a register file that cannot be: {0}")]
    Geometry(#[from] GeometryError),
    /// Nothing would fit into a batch.
    #[error(
        "the board reports that batches have {payload} bytes, {cycles} cycles and {responses} responses at most, \
         too few for one command"
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

/// What a board says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info {
    /// The register file.
    pub geometry: Geometry,
    /// Bytes that the payload of a request may have.
    pub max_payload: u8,
    /// Cycles that a batch may have.
    pub max_cycles: u8,
    /// Responses that a batch may ask for.
    pub max_responses: u8,
    /// The sequence number of the next batch.
    pub next_number: u8,
    /// Frames since the last reset that the board could not read.
    pub bad_frames: u16,
    /// The session; 0 when there has been none since the last reset of the board.
    pub epoch: u32,
}

impl Info {
    /// Reads the reply to [`Kind::Info`].
    ///
    /// # Errors
    /// When the reply is none, or that of another version of the protocol.
    pub fn from_frame(frame: &Frame) -> Result<Self, Nonsense> {
        let version = frame.payload.first().copied().unwrap_or(0);
        if version != PROTOCOL {
            return Err(Nonsense::Version(version));
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
            return Err(Nonsense::Limits {
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

fn exactly<const N: usize>(frame: &Frame) -> Result<&[u8; N], Nonsense> {
    let wrong = |_| Nonsense::Length {
        kind: frame.kind,
        wanted: N,
        found: frame.payload.len(),
    };
    frame.payload[..].try_into().map_err(wrong)
}

/// Bytes of a record without data.
pub const RECORD_BYTES: usize = 3;

/// Bit of a record's address that says that the next record belongs to the same cycle.
const WITH_NEXT: u16 = 1 << 15;

/// A batch that is being put together, within the limits of a board.
#[derive(Clone, Debug)]
pub struct Batch {
    info: Info,
    payload: Vec<u8>,
    cycles: u8,
    commands: u64,
    /// The commands that get a response, in order.
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

    /// Adds `commands`, which are issued in one cycle: each on a lane of its own. They are within
    /// the board's [`Geometry`]. Returns whether they fit; if not, the batch is as before.
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

    /// The records, as they go into a payload.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// How many cycles it has.
    #[must_use]
    pub fn cycles(&self) -> u8 {
        self.cycles
    }

    /// How many commands it has.
    #[must_use]
    pub fn commands(&self) -> u64 {
        self.commands
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.payload.clear();
        self.cycles = 0;
        self.commands = 0;
        self.asked.clear();
    }

    /// Reads the reply to this batch: the clock cycles that it took on the board, and the
    /// responses.
    ///
    /// # Errors
    /// When the reply has not as many responses as the batch asks for.
    pub fn read_reply(&self, frame: &Frame) -> Result<(u16, Vec<Response>), Nonsense> {
        let data_bytes = self.info.data_bytes();
        let width = self.info.geometry.width();
        let wanted = 2 + self.asked.len() * (1 + data_bytes);
        let wrong = Nonsense::Length {
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

/// A command as a record. `more` says that the next record belongs to the same cycle.
///
/// A lane above 31 or an address above 32767, which no board has, loses its upper bits.
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
