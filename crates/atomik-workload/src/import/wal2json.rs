//! Changes of wal2json (github.com/eulerto/wal2json), an output plugin of PostgreSQL: format 2 with
//! a change per line, or format 1 with a transaction per line.
//!
//! Times and primary keys are there if the slot is read with `include-timestamp` and `include-pk`.
//! Columns whose values are large and unchanged are missing. The data does not name its server, so
//! the file does.

use std::collections::BTreeMap;

use super::change::{Change, Columns, Found, Kind, plain};
use super::sort::Time;
use super::time::{Clock, Format};
use crate::json::Json;

/// Transactions that changed no row, as far as the data says.
pub(super) const EMPTY: &str = "transactions without a change of a row";

/// Lines of format 2 that begin and end transactions.
pub(super) const MARKS: &str = "marks of transactions";

/// Reads lines.
pub(super) struct Reader {
    server: String,
    /// The time of the current transaction.
    time: Option<Time>,
    /// Whether it has nothing yet.
    empty: bool,
    /// Primary keys by table: deletes do not have them.
    keys: BTreeMap<String, Vec<String>>,
}

impl Reader {
    /// A reader of a server's changes.
    pub fn new(server: &str) -> Self {
        Self {
            server: server.to_owned(),
            time: None,
            empty: false,
            keys: BTreeMap::new(),
        }
    }

    /// Reads a line.
    pub fn read(&mut self, text: &str) -> Result<Found, String> {
        let json = Json::line(text)?;
        if let Some(stamp) = json.member("timestamp") {
            self.time = Some(instant(&plain(stamp))?);
        }
        if let Some(Json::Array(changes)) = json.member("change") {
            let mut found = Vec::new();
            for change in changes {
                if let Some(change) = self.of_format_1(change)? {
                    found.push(change);
                }
            }
            return Ok(if found.is_empty() {
                Found::Nothing(EMPTY)
            } else {
                Found::Changes(found)
            });
        }
        self.of_format_2(&json)
    }

    fn of_format_2(&mut self, json: &Json) -> Result<Found, String> {
        let Some(Json::Text(action)) = json.member("action") else {
            return Err(
                "neither \"action\" nor \"change\": this is not a change of wal2json".to_owned(),
            );
        };
        let columns = |name: &str| -> Result<Columns, String> {
            let Some(Json::Array(columns)) = json.member(name) else {
                return Ok(Vec::new());
            };
            columns
                .iter()
                .map(|column| {
                    let name = column.member("name").map(plain);
                    let value = column.member("value").cloned();
                    let name = name.ok_or("a column has no \"name\"")?;
                    Ok((name, value.unwrap_or(Json::Null)))
                })
                .collect()
        };
        let begun = std::mem::take(&mut self.empty);
        let kind = match action.as_str() {
            "I" | "U" => Kind::Put {
                created: action == "I",
                before: columns("identity")?,
                after: columns("columns")?,
            },
            "D" => Kind::Delete {
                before: columns("identity")?,
            },
            "T" => Kind::Truncate,
            "C" if begun => return Ok(Found::Nothing(EMPTY)),
            "B" | "C" => {
                self.empty = action == "B";
                return Ok(Found::Nothing(MARKS));
            }
            "M" => return Ok(Found::Nothing("messages that change no row")),
            _ => {
                return Err(format!(
                    "\"action\" is {action:?}, which is unknown: I, U, D, T, B, C and M are known"
                ));
            }
        };
        let names = json.member("pk").map(|pk| match pk {
            Json::Array(columns) => columns
                .iter()
                .filter_map(|column| column.member("name").map(plain))
                .collect(),
            _ => Vec::new(),
        });
        Ok(Found::Changes(vec![self.change(json, names, kind)?]))
    }

    fn of_format_1(&mut self, json: &Json) -> Result<Option<Change>, String> {
        let lists = |of: &Json, names: &str, values: &str| -> Result<Columns, String> {
            match (of.member(names), of.member(values)) {
                (None, None) => Ok(Vec::new()),
                (Some(Json::Array(names)), Some(Json::Array(values)))
                    if names.len() == values.len() =>
                {
                    let values = values.iter().cloned();
                    Ok(names.iter().map(plain).zip(values).collect())
                }
                _ => Err(format!(
                    "{names:?} and {values:?} are not arrays of the same length: read the slot \
                     again"
                )),
            }
        };
        let old = json.member("oldkeys").unwrap_or(&Json::Null);
        let before = lists(old, "keynames", "keyvalues")?;
        let after = || lists(json, "columnnames", "columnvalues");
        let kind = json.member("kind").map(plain).unwrap_or_default();
        let kind = match kind.as_str() {
            "insert" | "update" => Kind::Put {
                created: kind == "insert",
                before,
                after: after()?,
            },
            "delete" => Kind::Delete { before },
            "truncate" => Kind::Truncate,
            "message" => return Ok(None),
            _ => {
                return Err(format!(
                    "\"kind\" is {kind:?}, which is unknown: insert, update, delete, truncate and \
                     message are known"
                ));
            }
        };
        let names = json.member("pk").and_then(|pk| pk.member("pknames"));
        let names = names.map(|names| match names {
            Json::Array(names) => names.iter().map(plain).collect(),
            _ => Vec::new(),
        });
        self.change(json, names, kind).map(Some)
    }

    fn change(
        &mut self,
        json: &Json,
        key: Option<Vec<String>>,
        kind: Kind,
    ) -> Result<Change, String> {
        let table = json.member("table").map(plain).ok_or("no \"table\"")?;
        let table = match json.member("schema") {
            Some(schema) => format!("{}.{table}", plain(schema)),
            None => table,
        };
        if let Some(key) = key.filter(|key| !key.is_empty()) {
            self.keys.insert(table.clone(), key);
        }
        // A row's identity is no primary key if the table's replica identity is full.
        let key = self.keys.get(&table).cloned();
        Ok(Change {
            time: self.time.ok_or(
                "no \"timestamp\": read the slot with the option `include-timestamp`, as in \
                 `pg_recvlogical -o include-timestamp=1 -o include-pk=1`",
            )?,
            server: self.server.clone(),
            table,
            key,
            kind,
        })
    }
}

fn instant(text: &str) -> Result<Time, String> {
    Clock::of_offsets(Format::Iso).read(text).map_err(|_| {
        format!(
            "\"timestamp\" is {text:?}, not a time with an offset: read the slot with the \
                 option `include-timestamp`"
        )
    })
}
