use std::fmt;
use std::io;

use atomik_algebra::MAX_WIDTH;
use thiserror::Error;

/// The longest line of a trace in bytes, without its line end.
pub const LINE_LIMIT: usize = 64 * 1024;

/// Why a trace could not be read, run or written.
#[derive(Debug, Error)]
pub enum Error {
    /// A line is not a command for this register file.
    #[error("{file}:{line}: {reason}")]
    Line {
        /// The name of the trace.
        file: Box<str>,
        /// The number of the line, from 1.
        line: u64,
        /// What is wrong with it.
        reason: Box<Reason>,
    },
    /// The trace could not be opened or read.
    #[error("{file}: {source}")]
    Read {
        /// The name of the trace.
        file: Box<str>,
        /// What the system said.
        source: io::Error,
    },
    /// A trace that cannot be read twice could not be copied to a temporary file.
    #[error(
        "{file}: cannot keep a copy in a temporary file: {source}; \
         set TMPDIR to a folder with room, or give the trace as a file"
    )]
    Spool {
        /// The name of the trace.
        file: Box<str>,
        /// What the system said.
        source: io::Error,
    },
    /// A response could not be written.
    #[error("cannot write the responses: {0}")]
    Write(#[source] io::Error),
    /// The software model refused the register file or a command.
    #[error("the software model: {0}")]
    Model(#[from] atomik_algebra::Error),
}

/// What is wrong with a line of a trace.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Reason {
    /// The line has more than [`LINE_LIMIT`] bytes.
    #[error("the line has more than {LINE_LIMIT} bytes; write one command a line")]
    TooLong,
    /// There is nothing on the line.
    #[error("empty line; write one command on every line")]
    Empty,
    /// The line is not UTF-8.
    #[error("not UTF-8 at byte {byte}; a trace is UTF-8 text")]
    NotUtf8 {
        /// The place of the first wrong byte, from 1.
        byte: usize,
    },
    /// The line is not JSON.
    #[error("not JSON: {what} at column {column}")]
    NotJson {
        /// What the JSON parser found wrong.
        what: Box<str>,
        /// Where, from 1.
        column: usize,
    },
    /// The line is JSON, but not an object.
    #[error(r#"not a JSON object; write a command like {{"op":"read","addr":3}}"#)]
    NotAnObject,
    /// The object has a field that the format does not know.
    #[error("unknown field \"{0}\"; the fields are op, addr, data, lane and cycle")]
    UnknownField(Quote),
    /// A field is given twice.
    #[error("field \"{0}\" is given twice; leave one out")]
    DuplicateField(&'static str),
    /// There is no `op`.
    #[error(r#"no "op"; say what to do, for example "op":"read""#)]
    MissingOp,
    /// The `op` is not a string.
    #[error("\"op\" must be a string, found {0}")]
    OpNotAString(Quote),
    /// The `op` has no such name.
    #[error(
        "unknown op \"{0}\"; \
         the ops are nop, load, accum (or rollback), read, swap, delta and drain"
    )]
    UnknownOp(Quote),
    /// `addr`, `lane` or `cycle` is not a non-negative integer.
    #[error("\"{field}\" must be a non-negative integer in decimal digits, found {found}")]
    NotAnInteger {
        /// The field.
        field: &'static str,
        /// What stands there.
        found: Quote,
    },
    /// The register file has no such lane.
    #[error("there is no lane {lane}: the register file has {lanes}, numbered from 0")]
    NoSuchLane {
        /// The lane.
        lane: Quote,
        /// How many there are.
        lanes: u32,
    },
    /// The op is not for this lane.
    #[error("lane {lane} takes accum (or rollback) alone, not {op}; put {op} on lane 0")]
    NotOnThisLane {
        /// The lane.
        lane: u32,
        /// The op.
        op: &'static str,
    },
    /// There is no `addr`.
    #[error("{op} needs \"addr\"")]
    MissingAddr {
        /// The op.
        op: &'static str,
    },
    /// The address is not in the register file.
    #[error("address {addr} is outside the depth of {depth}; the last address is {}", .depth - 1)]
    AddrOutside {
        /// The address.
        addr: Quote,
        /// The depth.
        depth: usize,
    },
    /// There is no `data`.
    #[error("{op} needs \"data\"")]
    MissingData {
        /// The op.
        op: &'static str,
    },
    /// The op takes no `data`.
    #[error("{op} takes no \"data\"; leave it out")]
    RefusedData {
        /// The op.
        op: &'static str,
    },
    /// The `data` is neither a hex string nor a non-negative integer.
    #[error(
        "\"data\" must be a string of 0x and hex digits, \
         or a non-negative integer in decimal digits, found {0}"
    )]
    BadData(Quote),
    /// The `data` has more bits than a word.
    #[error(
        "\"data\" is too wide: {} bits, and a word has {width}",
        .bits.map_or_else(|| format!("more than {MAX_WIDTH}"), |bits| bits.to_string())
    )]
    DataTooWide {
        /// The bits that it needs; `None` for more than [`MAX_WIDTH`].
        bits: Option<u32>,
        /// The width.
        width: u32,
    },
    /// The cycle is before that of the line before.
    #[error("cycle {cycle} comes after cycle {previous}; cycles never decrease")]
    CycleDecreases {
        /// The cycle.
        cycle: u64,
        /// The cycle of the line before.
        previous: u64,
    },
    /// The cycle is above the largest number of 64 bits.
    #[error("the cycle is above {}, the last that there is", u64::MAX)]
    CycleTooLarge,
    /// Two lines of one cycle name the same lane.
    #[error("lane {lane} has a command in cycle {cycle} already; a lane takes one a cycle")]
    LaneTwice {
        /// The lane.
        lane: u32,
        /// The cycle.
        cycle: u64,
    },
}

/// A piece of the input, as error messages show it: shortened, and harmless to a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    text: Box<str>,
    cut: bool,
}

impl Quote {
    const LONGEST: usize = 40;

    /// Keeps the first characters of `text`.
    pub fn new(text: &str) -> Self {
        let end = text.char_indices().nth(Self::LONGEST).map(|(at, _)| at);
        Self {
            text: text[..end.unwrap_or(text.len())].into(),
            cut: end.is_some(),
        }
    }
}

impl fmt::Display for Quote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.text.chars() {
            match c {
                '"' | '\'' | '\\' => write!(f, "{c}")?,
                _ => write!(f, "{}", c.escape_debug())?,
            }
        }
        f.write_str(if self.cut { "..." } else { "" })
    }
}
