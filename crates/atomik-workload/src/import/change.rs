//! A change of a database row, whoever captured it.

use super::sort::Time;
use crate::json::Json;

/// What is on a line.
pub(super) enum Found {
    Changes(Vec<Change>),
    /// Nothing to import, for this reason.
    Nothing(&'static str),
}

/// What happened to a row, or to a table.
#[derive(Debug)]
pub(super) struct Change {
    pub time: Time,
    pub server: String,
    /// The table, with its schema or database.
    pub table: String,
    /// The columns of its primary key, if the data says so.
    pub key: Option<Vec<String>>,
    pub kind: Kind,
}

/// The columns of a row, by name. Those that did not change may be missing.
pub(super) type Columns = Vec<(String, Json)>;

#[derive(Debug)]
pub(super) enum Kind {
    /// The row has these columns; before, it had those, as far as is known.
    Put {
        /// Whether there was no such row before.
        created: bool,
        before: Columns,
        after: Columns,
    },
    Delete {
        before: Columns,
    },
    Truncate,
}

/// A part of a key, or the name of a node.
pub(super) fn plain(value: &Json) -> String {
    match value {
        Json::Text(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Nanoseconds since 1970, from a number of `unit` nanoseconds.
pub(super) fn instant(value: Option<&Json>, unit: i128) -> Option<Time> {
    match value {
        Some(Json::Number(text)) => Some(text.parse::<i128>().ok()?.checked_mul(unit)?),
        _ => None,
    }
}
