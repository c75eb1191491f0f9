use std::fmt::Display;
use std::io::{self, BufWriter, StdoutLock, Write as _};

use serde::Serialize;
use thiserror::Error;

use crate::failure::Failure;
use crate::status::Status;

/// A result could not be printed.
#[derive(Debug, Error)]
pub enum OutputError {
    /// Stdout is closed, or cannot take more.
    #[error("cannot write to stdout: {0}")]
    Write(#[from] io::Error),
    /// The result has no JSON form.
    #[error("cannot write the result as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl Failure for OutputError {
    fn status(&self) -> Status {
        Status::Broken
    }

    fn is_closed_output(&self) -> bool {
        matches!(self, Self::Write(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// Prints `text` to stdout as it is, and flushes.
///
/// # Errors
/// [`OutputError::Write`].
pub fn print(text: impl Display) -> Result<(), OutputError> {
    let mut out = stdout();
    write!(out, "{text}")?;
    Ok(out.flush()?)
}

/// Prints `value` to stdout as indented JSON with a newline at the end.
///
/// # Errors
/// [`OutputError`].
pub fn print_json(value: &impl Serialize) -> Result<(), OutputError> {
    print(serde_json::to_string_pretty(value)? + "\n")
}

/// Stdout, locked and buffered, for output of any length. Flush it at the end: a drop hides errors.
#[must_use]
pub fn stdout() -> BufWriter<StdoutLock<'static>> {
    BufWriter::with_capacity(1 << 16, io::stdout().lock())
}
