//! A change of a database row, whoever captured it.

use super::map::Marks;
use super::sort::Time;
use super::values::Number;
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

/// Nanoseconds since 1970, from the member `name`, a number of `unit` nanoseconds. Without it, or
/// if it is null, there is no time.
pub(super) fn instant(json: &Json, name: &str, unit: i128) -> Result<Option<Time>, String> {
    let value = match json.member(name) {
        None | Some(Json::Null) => return Ok(None),
        Some(value) => value,
    };
    let whole = match value {
        Json::Number(text) => Number::parse(text, Marks::default()).and_then(|n| n.scaled(0)),
        _ => None,
    };
    let time = whole.and_then(|whole| i128::from(whole).checked_mul(unit));
    let refused = || {
        let unit = match unit {
            1 => "nanoseconds",
            1000 => "microseconds",
            1_000_000 => "milliseconds",
            _ => "seconds",
        };
        format!("{name:?} is {value}: give it as a whole number of {unit} since 1970")
    };
    time.map(Some).ok_or_else(refused)
}
