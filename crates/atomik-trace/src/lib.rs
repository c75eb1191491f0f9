//! Traces: streams of commands as text, one JSON object a line, and the responses to them.
//!
//! The format is section 3 of `docs/spec.md`. What that section leaves open is decided here:
//!
//! | in the input | decision |
//! |---|---|
//! | a field given twice | refused |
//! | an empty line, or one of blanks alone | refused; an empty file is a trace of no commands |
//! | the last line without a newline, lines that end in `\r\n` | accepted |
//! | a line longer than [`LINE_LIMIT`] bytes | refused, so that memory stays bounded |
//! | text that is not UTF-8 | refused |
//! | `data` as a string | `0x` and at least one hex digit, either case; any number of leading zeros |
//! | `data` as a number | decimal digits alone, of any size: no sign, fraction or exponent |
//! | `addr`, `lane`, `cycle` | a number of decimal digits alone |
//! | `addr` of a `nop` | may be left out (0 then); checked against the depth when given |
//! | `addr` with a depth of 1 | may be left out for every op; 0 is the only value |
//! | `nop` on a lane other than 0 | refused, like every op but `accum` and `rollback` |
//! | `null` for an optional field | refused: leave the field out |
//! | `cycle` of the first line, by default | 0 |
//! | the reserved op code 7 | has no name, so no line can say it |
//!
//! A [`Trace`] is a file that was read to its end and found good, so a run cannot stop half way
//! because of a bad line. Everything streams: memory depends on the number of lanes, never on the
//! number of lines.
//!
//! ```
//! use atomik_trace::{Geometry, ResponseWriter, Trace, run_model};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let text = r#"{"op":"accum","addr":3,"data":"0xff"}
//! {"op":"read","addr":3}
//! "#;
//! let mut trace = Trace::spool("example", text.as_bytes(), Geometry::new(16, 8, 1)?)?;
//! let mut answer = Vec::new();
//! let mut writer = ResponseWriter::new(&mut answer, 16);
//! run_model(&mut trace, |response| writer.write(response))?;
//! assert_eq!(answer, b"{\"op\":\"read\",\"addr\":3,\"data\":\"0x00ff\",\"clean\":false}\n");
//! # Ok(())
//! # }
//! ```

mod command;
mod decode;
pub mod diff;
mod error;
mod geometry;
mod random;
mod read;
mod run;
mod trace;
mod write;

pub use atomik_algebra::MAX_WIDTH;
pub use command::{Command, Data, DataError, Response};
pub use decode::{Decoder, Fields};
pub use error::{Error, LINE_LIMIT, Quote, Reason};
pub use geometry::{Geometry, GeometryError, MAX_LANES};
pub use random::Random;
pub use read::{Cycles, Reader};
pub use run::run_model;
pub use trace::{Summary, Trace};
pub use write::{CommandWriter, ResponseWriter};
