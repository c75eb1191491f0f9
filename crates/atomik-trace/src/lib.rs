//! Traces: streams of commands as text, one JSON object per line, and the responses to them.
//!
//! | item | what it is |
//! |---|---|
//! | [`Command`], [`Response`], [`Data`] | one command, its response, and a value |
//! | [`Geometry`] | layout, depth and lanes of the register file that a trace is for |
//! | [`Trace`] | a trace that was checked to its end, to be run any number of times |
//! | [`run_model`] | runs a trace on the software model |
//! | [`Reader`], [`Cycles`], [`Decoder`] | reading: by line, by cycle, single lines and commands |
//! | [`CommandWriter`], [`ResponseWriter`] | writing traces and responses |
//! | [`Random`] | random traces |
//! | [`Transcript`] | a trace and its responses as a theorem for a [`Prover`] |
//! | [`diff`] | the trace that turns one file into another |
//! | [`Error`], [`Reason`] | what went wrong; why a line is not a command |
//!
//! A [`Trace`] is checked to its last line before it runs, so a bad line cannot stop a run half
//! way. Everything is streamed: memory depends on the number of lanes, never on the number of
//! lines.
//!
//! ```
//! use atomik_trace::{Geometry, ResponseWriter, Trace, run_model};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let text = r#"{"op":"accum","addr":3,"data":"0xff"}
//! {"op":"read","addr":3}
//! "#;
//! let mut trace = Trace::spool("example", text.as_bytes(), Geometry::new(16, 8, 1)?)?;
//! let mut output = Vec::new();
//! let mut writer = ResponseWriter::new(&mut output, 16);
//! run_model(&mut trace, |response| writer.write(response))?;
//! assert_eq!(output, b"{\"op\":\"read\",\"addr\":3,\"data\":\"0x00ff\",\"clean\":false}\n");
//! # Ok(())
//! # }
//! ```
//!
//! # The format
//!
//! Section 3 of `docs/spec.md` defines the format. This crate decides what that section leaves
//! open:
//!
//! | in the input | decision |
//! |---|---|
//! | a duplicate field | refused |
//! | an empty or blank line | refused; but an empty file is a trace without commands |
//! | the last line without a newline, lines that end in `\r\n` | accepted |
//! | a line longer than [`LINE_LIMIT`] bytes | refused, which bounds memory |
//! | text that is not UTF-8 | refused |
//! | `data` as a string | `0x` and at least one hex digit of either case; leading zeros allowed |
//! | `data` as a number | decimal digits, of any size, with `-` where it may be negative: no `+`, fraction or exponent |
//! | `data` as a list | one value per field, as above; its strings have no escapes |
//! | `addr`, `lane`, `cycle` | a number in decimal digits |
//! | `addr` of a `nop` | optional, 0 by default; checked against the depth if given |
//! | `addr` with a depth of 1 | optional for every op; 0 is the only value |
//! | `nop` on a lane other than 0 | refused, like every op but `accum` and `rollback` |
//! | `null` for an optional field | refused: leave the field out |
//! | `cycle` of the first line | 0 by default |
//! | the reserved op code 7 | has no name, so it cannot occur in a trace |

mod command;
mod decode;
pub mod diff;
mod error;
mod geometry;
mod random;
mod read;
mod run;
mod trace;
mod transcript;
mod value;
mod write;

pub use atomik_algebra::{Layout, MAX_WIDTH};
pub use command::{Command, Data, DataError, Response};
pub use decode::{Decoder, Fields};
pub use error::{Error, LINE_LIMIT, Quote, Reason};
pub use geometry::{Geometry, GeometryError, MAX_LANES};
pub use random::Random;
pub use read::{Cycles, Reader};
pub use run::run_model;
pub use trace::{Summary, Trace};
pub use transcript::{Prover, Transcript};
pub use value::parse_word;
pub use write::{CommandWriter, ResponseWriter};
