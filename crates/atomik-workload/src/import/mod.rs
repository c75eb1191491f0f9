//! Traces from tables, from public data, and from versions of files.
//!
//! | module | contents |
//! |---|---|
//! | [`table`], [`map`], [`time`] | tables of any kind, and what their columns mean |
//! | [`changes`] | captured changes of databases: Debezium, Maxwell, wal2json |
//! | [`flights`], [`caniuse`] | public data |
//! | [`versions`] | versions of files |
//!
//! An importer passes its lines to a sink in the order of a trace, and then reports what it left
//! out. It repairs nothing silently.

pub mod caniuse;
mod change;
pub mod changes;
mod debezium;
mod entries;
pub mod flights;
mod guess;
mod lines;
pub mod map;
mod maxwell;
mod rows;
mod sort;
pub mod table;
pub mod time;
mod values;
pub mod versions;
mod wal2json;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::workload::Line;

/// Receives the lines of a trace.
pub type Sink<'a> = dyn FnMut(Line) -> io::Result<()> + 'a;

/// Why data cannot be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A file cannot be read.
    #[error("{}: {source}", .file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A file has an unexpected format.
    #[error("{}: {reason}", .file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong, and how to fix it.
        reason: String,
    },
    /// A line of a file has an unexpected format.
    #[error("{}:{line}: {reason}", .file.display())]
    Line {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong.
        reason: String,
    },
    /// Operations could not be sorted.
    #[error("cannot sort in a temporary file: {0}; set TMPDIR to a folder with more room")]
    Sort(io::Error),
    /// The sink failed.
    #[error("{0}")]
    Sink(io::Error),
}

impl ImportError {
    fn io(file: &Path) -> impl FnOnce(io::Error) -> Self {
        let file = file.to_owned();
        move |source| Self::Io { file, source }
    }

    fn line(file: &Path, line: u64, reason: impl Into<String>) -> Self {
        Self::Line {
            file: file.to_owned(),
            line,
            reason: reason.into(),
        }
    }

    fn file(file: &Path, reason: impl Into<String>) -> Self {
        Self::File {
            file: file.to_owned(),
            reason: reason.into(),
        }
    }
}

/// Why a row cannot be taken.
enum Refusal {
    /// What is wrong with it.
    Row(String),
    /// What is wrong elsewhere.
    Other(ImportError),
}

impl Refusal {
    /// The error of a row on this line.
    fn at(self, file: &Path, line: u64) -> ImportError {
        match self {
            Self::Row(reason) => ImportError::line(file, line, reason),
            Self::Other(error) => error,
        }
    }
}

impl From<String> for Refusal {
    fn from(reason: String) -> Self {
        Self::Row(reason)
    }
}

impl From<ImportError> for Refusal {
    fn from(error: ImportError) -> Self {
        Self::Other(error)
    }
}

/// What an import left out, and notes about the data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What was left out and why, with its count. Counts of 0 are omitted.
    pub left_out: Vec<(String, u64)>,
    /// Notes about the data, one sentence each.
    pub notes: Vec<String>,
}

impl Report {
    fn leave_out(&mut self, what: &str, count: u64) {
        if count > 0 {
            self.left_out.push((what.to_owned(), count));
        }
    }
}

/// What was left out, on one line: `left out: flights that never departed (4)`.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.left_out.is_empty() {
            return f.write_str("nothing left out");
        }
        let parts: Vec<String> = self
            .left_out
            .iter()
            .map(|(what, count)| format!("{what} ({count})"))
            .collect();
        write!(f, "left out: {}", parts.join(", "))
    }
}
