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

/// A file would be lost.
#[derive(Debug, Error)]
pub enum OverwriteError {
    /// It is read, and would be written.
    #[error(
        "{}: is also the output, and would be lost: name another file for the output",
        .0.display()
    )]
    Input(PathBuf),
    /// It would be written twice.
    #[error(
        "{}: would be written twice, and the first would be lost: name another file for one of \
         the outputs",
        .0.display()
    )]
    Twice(PathBuf),
}

/// Where a file is or would be. Devices, pipes and folders may be read and written at once.
fn place(file: &Path) -> Option<PathBuf> {
    if let Ok(file) = file.canonicalize() {
        return file.is_file().then_some(file);
    }
    let folder = match file.parent()? {
        folder if folder.as_os_str().is_empty() => Path::new("."),
        folder => folder,
    };
    Some(folder.canonicalize().ok()?.join(file.file_name()?))
}

/// Refuses outputs that are inputs or each other, whatever names they have.
///
/// # Errors
/// [`OverwriteError`], with the first such file.
pub fn spare<O: AsRef<Path>, I: AsRef<Path>>(
    outputs: impl IntoIterator<Item = O>,
    inputs: impl IntoIterator<Item = I>,
) -> Result<(), OverwriteError> {
    let mut written = Vec::new();
    for output in outputs {
        let Some(place) = place(output.as_ref()) else {
            continue;
        };
        if written.contains(&place) {
            return Err(OverwriteError::Twice(output.as_ref().to_owned()));
        }
        written.push(place);
    }
    let mut inputs = inputs.into_iter();
    match inputs.find(|input| place(input.as_ref()).is_some_and(|file| written.contains(&file))) {
        Some(input) => Err(OverwriteError::Input(input.as_ref().to_owned())),
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
