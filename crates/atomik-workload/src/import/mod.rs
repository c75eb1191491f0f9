//! Traces from public data, and from versions of files.
//!
//! Each importer hands its lines to a function as they come, in the order of a trace, and says
//! afterwards what it left out. Nothing is repaired silently.

pub mod caniuse;
pub mod flights;
mod literal;
pub mod versions;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::workload::Line;

/// Takes the lines of a trace, one by one.
pub type Sink<'a> = dyn FnMut(Line) -> io::Result<()> + 'a;

/// Why data could not be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A file could not be read.
    #[error("{}: {source}", .file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("{}: {reason}", .file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong, and what would be right.
        reason: String,
    },
    /// A line of a file is not what it should be.
    #[error("{}:{line}: {reason}", .file.display())]
    Line {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong.
        reason: String,
    },
    /// The lines could not be handed over.
    #[error("{0}")]
    Sink(io::Error),
}

impl ImportError {
    fn io(file: &Path) -> impl FnOnce(io::Error) -> Self {
        let file = file.to_owned();
        move |source| Self::Io { file, source }
    }

    fn file(file: &Path, reason: impl Into<String>) -> Self {
        Self::File {
            file: file.to_owned(),
            reason: reason.into(),
        }
    }
}

/// What was left out of a trace, and what its user should know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What was left out and why, with how often; nothing that did not occur.
    pub left_out: Vec<(String, u64)>,
    /// Findings about the data, a sentence each.
    pub notes: Vec<String>,
}

impl Report {
    fn leave_out(&mut self, what: &str, count: u64) {
        if count > 0 {
            self.left_out.push((what.to_owned(), count));
        }
    }
}

/// What was left out, on one line: `left out: 4 flights that never departed`.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.left_out.is_empty() {
            return f.write_str("nothing left out");
        }
        let parts: Vec<String> = self
            .left_out
            .iter()
            .map(|(what, count)| format!("{count} {what}"))
            .collect();
        write!(f, "left out: {}", parts.join(", "))
    }
}
