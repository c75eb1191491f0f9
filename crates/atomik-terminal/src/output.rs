use std::fmt::Display;
use std::io::{self, BufWriter, StdoutLock, Write as _};
use std::path::{Path, PathBuf};

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

/// A file is read and would be written.
#[derive(Debug, Error)]
#[error(
    "{}: is also the output, and would be lost: name another file for the output",
    .0.display()
)]
pub struct OverwriteError(PathBuf);

/// Refuses an output that is one of the inputs, whatever names they have. Devices and pipes may be
/// both.
///
/// # Errors
/// [`OverwriteError`], with the first such input.
pub fn spare<P: AsRef<Path>>(
    output: Option<&Path>,
    inputs: impl IntoIterator<Item = P>,
) -> Result<(), OverwriteError> {
    // An output that does not exist yet is none of the inputs.
    let Some(output) = output.and_then(|file| file.canonicalize().ok()) else {
        return Ok(());
    };
    if !output.is_file() {
        return Ok(());
    }
    let same = |input: &P| {
        input
            .as_ref()
            .canonicalize()
            .is_ok_and(|file| file == output)
    };
    match inputs.into_iter().find(same) {
        Some(input) => Err(OverwriteError(input.as_ref().to_owned())),
        None => Ok(()),
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
