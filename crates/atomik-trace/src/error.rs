use std::fmt;
use std::io;

use atomik_algebra::{FieldKind, MAX_WIDTH};
use thiserror::Error;

/// The longest line of a trace in bytes, without its line end.
pub const LINE_LIMIT: usize = 64 * 1024;

/// Why a trace cannot be read, run or written.
#[derive(Debug, Error)]
pub enum Error {
    /// A line is not a command for this register file.
    #[error("{file}:{line}: {reason}")]
    Line {
        /// The name of the trace.
        file: Box<str>,
        /// The number of the line, counted from 1.
        line: u64,
        /// What is wrong with it.
        reason: Box<Reason>,
    },
    /// The trace cannot be opened or read.
    #[error("{file}: {source}")]
    Read {
        /// The name of the trace.
        file: Box<str>,
        /// The cause.
        source: io::Error,
    },
    /// A trace that is not a regular file cannot be copied to a temporary file.
    #[error(
        "{file}: cannot keep a copy in a temporary file: {source}; \
         set TMPDIR to a folder with room, or give the trace as a file"
    )]
    Spool {
        /// The name of the trace.
        file: Box<str>,
        /// The cause.
        source: io::Error,
    },
    /// A response cannot be written.
    #[error("cannot write the responses: {0}")]
    Write(#[source] io::Error),
    /// The software model cannot be created, or refuses a command.
    #[error("the software model: {0}")]
    Model(#[from] atomik_algebra::Error),
}

/// What is wrong with a line of a trace.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Reason {
    /// The line has more than [`LINE_LIMIT`] bytes.
    #[error("the line has more than {LINE_LIMIT} bytes; write one command a line")]
    TooLong,
    /// The line is empty or blank.
    #[error("empty line; write one command on every line")]
    Empty,
    /// The line is not UTF-8.
    #[error("not UTF-8 at byte {byte}; a trace is UTF-8 text")]
    NotUtf8 {
        /// The position of the first wrong byte, counted from 1.
        byte: usize,
    },
    /// The line is not JSON.
    #[error("not JSON: {what} at column {column}")]
    NotJson {
        /// The message of the JSON parser.
        what: Box<str>,
        /// The position of the error, counted from 1.
        column: usize,
    },
    /// The line is JSON, but not an object.
    #[error(r#"not a JSON object; write a command like {{"op":"read","addr":3}}"#)]
    NotAnObject,
    /// The object has an unknown field.
    #[error("unknown field \"{0}\"; the fields are op, addr, data, lane and cycle")]
    UnknownField(Quote),
    /// The object has a duplicate field.
    #[error("field \"{0}\" is given twice; leave one out")]
    DuplicateField(&'static str),
    /// `op` is missing.
    #[error(r#"no "op"; say what to do, for example "op":"read""#)]
    MissingOp,
    /// `op` is not a string.
    #[error("\"op\" must be a string, found {0}")]
    OpNotAString(Quote),
    /// `op` is not the name of an op.
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
        /// The value.
        found: Quote,
    },
    /// The register file has no such lane.
    #[error("there is no lane {lane}: the register file has {lanes}, numbered from 0")]
    NoSuchLane {
        /// The lane.
        lane: Quote,
        /// The number of lanes.
        lanes: u32,
    },
    /// The op is not allowed on this lane.
    #[error("lane {lane} takes accum (or rollback) alone, not {op}; put {op} on lane 0")]
    NotOnThisLane {
        /// The lane.
        lane: u32,
        /// The op.
        op: &'static str,
    },
    /// `addr` is missing.
    #[error("{op} needs \"addr\"")]
    MissingAddr {
        /// The op.
        op: &'static str,
    },
    /// The address is outside the register file.
    #[error("address {addr} is outside the depth of {depth}; the last address is {}", .depth - 1)]
    AddrOutside {
        /// The address.
        addr: Quote,
        /// The depth.
        depth: usize,
    },
    /// `data` is missing.
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
    /// `data` is neither a hex string nor an integer nor a list.
    #[error(
        "\"data\" must be a string of 0x and hex digits, an integer in decimal digits, \
         or a list of one such value per field, found {0}"
    )]
    BadData(Quote),
    /// A negative value for an xor field.
    #[error(
        "\"data\" has {0}, and an xor field has no negative values; \
         write its bits in hex, or choose a layout with a field that adds, such as add:64"
    )]
    NegativeXor(Quote),
    /// A negative value for a word of several fields.
    #[error(
        "\"data\" is {found}, and a word of {layout} has several fields; \
         write a list with one value per field"
    )]
    NegativeWord {
        /// The value.
        found: Quote,
        /// The layout.
        layout: Box<str>,
    },
    /// A list of more or fewer values than fields.
    #[error(
        "\"data\" lists {found} values, and a word of {layout} has {fields} fields; \
         write one value per field"
    )]
    FieldCount {
        /// The number of values.
        found: usize,
        /// The number of fields.
        fields: usize,
        /// The layout.
        layout: Box<str>,
    },
    /// A value outside the range of its field.
    #[error(
        "value {number} of \"data\", {found}, does not fit {}:{bits}; \
         choose one from {} to 2^{bits} - 1",
        .kind.name(), lowest(*.kind, *.bits)
    )]
    OutsideField {
        /// The position of the value in the list, from 1.
        number: usize,
        /// The value.
        found: Quote,
        /// How the field combines.
        kind: FieldKind,
        /// The number of its bits.
        bits: u32,
    },
    /// `data` has more bits than a word.
    #[error(
        "\"data\" is too wide: {} bits, and a word has {width}",
        .bits.map_or_else(|| format!("more than {MAX_WIDTH}"), |bits| bits.to_string())
    )]
    DataTooWide {
        /// The bits that the value needs; `None` if more than [`MAX_WIDTH`].
        bits: Option<u32>,
        /// The width.
        width: u32,
    },
    /// The cycle is less than that of the line before.
    #[error("cycle {cycle} comes after cycle {previous}; cycles never decrease")]
    CycleDecreases {
        /// The cycle.
        cycle: u64,
        /// The cycle of the line before.
        previous: u64,
    },
    /// The cycle does not fit into 64 bits.
    #[error("the cycle is above {}, the last that there is", u64::MAX)]
    CycleTooLarge,
    /// The lane already has a command in this cycle.
    #[error("lane {lane} has a command in cycle {cycle} already; a lane takes one a cycle")]
    LaneTwice {
        /// The lane.
        lane: u32,
        /// The cycle.
        cycle: u64,
    },
}

/// The lowest value of a field.
fn lowest(kind: FieldKind, bits: u32) -> String {
    match kind {
        FieldKind::Xor => "0".to_owned(),
        FieldKind::Add => format!("-2^{}", bits - 1),
    }
}

/// A piece of the input for error messages: shortened, and with control characters escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    text: Box<str>,
    cut: bool,
}

impl Quote {
    const LONGEST: usize = 40;

    /// A quote of the first characters of `text`.
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
