//! The commands: each parses its arguments, calls the library, and prints.

pub mod error;
pub mod journal;
pub mod machine;
pub mod program;
pub mod report;
pub mod review;
pub mod run;
pub mod scale;
