//! What every ATOMiK command prints, and the status it exits with.
//!
//! `atomik`, `atomik-eval` and `atomik-node` share this layer, so that one exit status, one table
//! and one number format mean the same in all of them. It parses no arguments and knows nothing of
//! register files, replicas or reports.
//!
//! | item | purpose |
//! |---|---|
//! | [`Status`] | the exit statuses |
//! | [`Failure`] | what a program's error type tells the exit: its status and its message |
//! | [`Program`] | messages on stderr under the program's name; the end of `main` |
//! | [`print()`], [`print_json`], [`stdout`], [`OutputError`] | results on stdout |
//! | [`spare`], [`OverwriteError`] | inputs and outputs that an output would replace |
//! | [`text_table`], [`number_table`], [`width`] | tables, which are also valid Markdown |
//! | [`count`], [`counted`], [`rate`], [`bytes`], [`duration`], [`Unit`] | number formats |
//! | [`bar`], [`spinner`] | progress on stderr, hidden unless that is a terminal |
//!
//! ```
//! use atomik_terminal::{Failure, Program, Status, count, number_table};
//!
//! const PROGRAM: Program = Program::named("count-lanes");
//!
//! #[derive(Debug, thiserror::Error)]
//! #[error("{0} lanes; choose 1 to 32")]
//! struct BadLanes(u64);
//!
//! impl Failure for BadLanes {
//!     fn status(&self) -> Status {
//!         Status::BadInput
//!     }
//! }
//!
//! fn run(lanes: u64) -> Result<Status, BadLanes> {
//!     if !(1..=32).contains(&lanes) {
//!         return Err(BadLanes(lanes));
//!     }
//!     let mut table = number_table(&["design", "commands"], 1);
//!     table.add_row(["w64_d512".to_owned(), count(lanes * 1_000)]);
//!     assert_eq!(
//!         table.to_string(),
//!         "\
//! | design   | commands |
//! |----------|----------|
//! | w64_d512 |    4,000 |"
//!     );
//!     Ok(Status::Done)
//! }
//!
//! assert_eq!(PROGRAM.status(&run(4)), Status::Done);
//! assert_eq!(PROGRAM.status(&run(33)).code(), 2);
//! ```

mod failure;
mod number;
mod output;
mod program;
mod progress;
mod status;
mod table;

pub use failure::Failure;
pub use number::{Unit, bytes, count, counted, duration, rate};
pub use output::{OutputError, OverwriteError, print, print_json, spare, stdout};
pub use program::Program;
pub use progress::{bar, spinner};
pub use status::Status;
pub use table::{Table, number_table, text_table, width};
