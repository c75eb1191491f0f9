//! Operations on their way into a trace: sorted by time, with numbers for the nodes.

use std::collections::HashSet;
use std::path::PathBuf;

use foldhash::fast::FixedState;
use indexmap::IndexSet;
use serde::{Deserialize, Serialize};

use super::sort::{Sorter, Time};
use super::{ImportError, Report, Sink};
use crate::workload::{Action, Classes, Line, MAX_FIELD, MAX_KEY, MAX_NODES, MAX_T};

/// What one row does.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// The number of the file, in order of reading.
    pub file: u16,
    pub line: u64,
    /// Equal in rows of which only one counts.
    pub fingerprint: Option<[u8; 16]>,
    pub node: String,
    pub key: String,
    /// Fields and what is done to each.
    pub operations: Vec<(String, Action)>,
}

/// Collects entries in any order.
pub(super) struct Entries {
    sorter: Sorter,
    files: Vec<PathBuf>,
}

/// Which line of which file, for messages.
#[derive(Clone, Copy, Debug)]
struct Place {
    file: u16,
    line: u64,
}

impl Entries {
    /// Keeps about `budget` bytes in memory.
    pub fn new(budget: usize) -> Self {
        Self {
            sorter: Sorter::new(budget),
            files: Vec::new(),
        }
    }

    /// Takes a file, and returns its number.
    pub fn file(&mut self, file: &std::path::Path) -> Result<u16, ImportError> {
        let number = u16::try_from(self.files.len())
            .map_err(|_| ImportError::file(file, "is one file too many: join some"))?;
        self.files.push(file.to_owned());
        Ok(number)
    }

    /// Takes what a row does.
    pub fn push(&mut self, time: Time, entry: &Entry) -> Result<(), ImportError> {
        let bytes = postcard::to_stdvec(entry)
            .map_err(|error| ImportError::Sort(std::io::Error::other(error)))?;
        self.sorter.push(time, bytes).map_err(ImportError::Sort)
    }

    /// Hands over all operations in order of time, and counts the nodes.
    pub fn finish(self, sink: &mut Sink<'_>, report: &mut Report) -> Result<usize, ImportError> {
        let files = self.files;
        let refuse = |place: Place, reason: String| ImportError::Line {
            file: files
                .get(usize::from(place.file))
                .cloned()
                .unwrap_or_default(),
            line: place.line,
            reason,
        };
        let mut nodes: IndexSet<String> = IndexSet::new();
        let mut classes: Classes<Place> = Classes::default();
        let mut start = None;
        let mut now = None;
        let mut seen: HashSet<[u8; 16], FixedState> = HashSet::default();
        let mut duplicates = 0;
        for record in self.sorter.finish().map_err(ImportError::Sort)? {
            let (time, bytes) = record.map_err(ImportError::Sort)?;
            let entry: Entry = postcard::from_bytes(&bytes)
                .map_err(|error| ImportError::Sort(std::io::Error::other(error)))?;
            let place = Place {
                file: entry.file,
                line: entry.line,
            };
            // Identical rows have the same time, so they follow each other.
            if now != Some(time) {
                now = Some(time);
                seen.clear();
            }
            if let Some(fingerprint) = entry.fingerprint
                && !seen.insert(fingerprint)
            {
                duplicates += 1;
                continue;
            }
            let start = *start.get_or_insert(time);
            let t = u64::try_from((time - start) / 1_000_000)
                .ok()
                .filter(|t| *t <= MAX_T)
                .ok_or_else(|| {
                    let reason = "more than 285,000 years after the first row: is the unit of \
                                  the time right?";
                    refuse(place, reason.to_owned())
                })?;
            let (node, _) = nodes.insert_full(entry.node);
            let node = u32::try_from(node)
                .ok()
                .filter(|node| *node < MAX_NODES)
                .ok_or_else(|| {
                    let reason = format!(
                        "more than {MAX_NODES} nodes: map another column, or a constant, to the \
                         node"
                    );
                    refuse(place, reason)
                })?;
            for (field, action) in entry.operations {
                classes.accept(&field, &action, place).map_err(|clash| {
                    let first = clash.first;
                    let file = files
                        .get(usize::from(first.file))
                        .cloned()
                        .unwrap_or_default();
                    let reason = format!(
                        "{} makes the field {field:?} a {}, but since {}:{} it is a {}: map it to \
                         a field of another name",
                        action.name(),
                        action.class(),
                        file.display(),
                        first.line,
                        clash.known
                    );
                    refuse(place, reason)
                })?;
                sink(Line {
                    t,
                    node,
                    key: entry.key.clone(),
                    field,
                    action,
                })
                .map_err(ImportError::Sink)?;
            }
        }
        report.leave_out("rows that are identical to an earlier one", duplicates);
        for (number, name) in nodes.iter().enumerate() {
            // Quotes show what would be overlooked.
            report
                .notes
                .push(match name.trim() == name && !name.is_empty() {
                    true => format!("node {number}: {name}"),
                    false => format!("node {number}: {name:?}"),
                });
        }
        Ok(nodes.len())
    }
}

/// A key that a trace may have.
pub(super) fn check_key(key: &str) -> Result<(), String> {
    match key.len() {
        1..=MAX_KEY => Ok(()),
        0 => Err("the key is empty: every row needs one".to_owned()),
        length => Err(format!(
            "the key has {length} bytes; it may have at most {MAX_KEY}"
        )),
    }
}

/// The name of a field that a trace may have.
pub(super) fn check_field(field: &str) -> Result<(), String> {
    match field.len() {
        0..=MAX_FIELD => Ok(()),
        length => Err(format!(
            "the field's name has {length} bytes; it may have at most {MAX_FIELD}"
        )),
    }
}
