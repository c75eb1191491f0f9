//! Changes of database rows, as Debezium, Maxwell and wal2json capture them, one JSON value per
//! line.
//!
//! A row is a key, `TABLE/PRIMARY KEY`. A column outside the primary key is a field,
//! `TABLE.COLUMN`. Each column that changes is a `set`, or an `unset` if it becomes null. A row
//! that is deleted is a `delete`, and a table that is truncated one for every row that was seen. A
//! row that has nothing but its key is a flag, `TABLE`.
//!
//! Whether a column changed is known from the row's earlier changes in the data or, without any,
//! from what the change says of the row before it; if neither tells, it counts as changed. The last
//! values of every row are kept as hashes.
//!
//! Changes are sorted by their times. Those of one row keep their order, whatever their times.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use foldhash::HashMap;
use foldhash::fast::FixedState;
use indexmap::IndexMap;

use super::change::{Change, Columns, Found, Kind, plain};
use super::entries::{Entries, Entry, check_field, check_key};
use super::lines::Lines;
use super::map::{Marks, Type};
use super::rows::cell;
use super::sort::Time;
use super::{ImportError, Refusal, Report, Sink, debezium, maxwell, values, wal2json};
use crate::json::{Json, find};
use crate::workload::{Action, Scalar};

/// Who captured the changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capture {
    /// Debezium: envelopes with or without their schema and the message's key.
    Debezium,
    /// Maxwell.
    Maxwell,
    /// wal2json, in either of its formats.
    Wal2json,
}

/// What the data may not say.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The columns of primary keys by table; those of every other table by the empty name.
    pub keys: BTreeMap<String, Vec<String>>,
    /// Tables to leave out.
    pub skip: BTreeSet<String>,
    /// The column that names the node; without one, it is the server.
    pub node_column: Option<String>,
    /// Types by `COLUMN` or `TABLE.COLUMN`.
    pub types: BTreeMap<String, Type>,
}

/// Imports captured changes: files, or stdin for `-`. Sorting keeps about `memory` bytes in memory.
///
/// # Errors
///
/// [`ImportError`]: the first line that is no change, or a table whose primary key is not known.
pub fn import(
    inputs: &[PathBuf],
    capture: Capture,
    settings: &Settings,
    memory: usize,
    sink: &mut Sink<'_>,
) -> Result<Report, ImportError> {
    let mut import = Import {
        settings,
        tables: IndexMap::default(),
        entries: Entries::new(memory),
        left_out: BTreeMap::new(),
        texts: BTreeSet::new(),
        late: 0,
        unnamed: 0,
        unused: settings.clone(),
    };
    let stdin = [PathBuf::from("-")];
    let inputs = if inputs.is_empty() { &stdin } else { inputs };
    for input in inputs {
        let mut lines = Lines::open(input)?;
        let file = import.entries.file(&lines.file)?;
        let stem = lines.file.file_stem().unwrap_or(lines.file.as_os_str());
        let mut reader = match capture {
            Capture::Debezium => Reader::Debezium,
            Capture::Maxwell => Reader::Maxwell,
            Capture::Wal2json => Reader::Wal2json(wal2json::Reader::new(&stem.to_string_lossy())),
        };
        while let Some(text) = lines.next()? {
            match reader.read(&text).map_err(|reason| lines.refuse(reason))? {
                Found::Nothing(reason) => import.leave_out(reason),
                Found::Changes(changes) => {
                    for change in changes {
                        import
                            .change(file, lines.line, change)
                            .map_err(|error| error.at(&lines.file, lines.line))?;
                    }
                }
            }
        }
    }
    import.finish(capture, sink)
}

enum Reader {
    Debezium,
    Maxwell,
    Wal2json(wal2json::Reader),
}

impl Reader {
    fn read(&mut self, text: &str) -> Result<Found, String> {
        match self {
            Self::Debezium => debezium::read(text),
            Self::Maxwell => maxwell::read(text),
            Self::Wal2json(reader) => reader.read(text),
        }
    }
}

struct Import<'a> {
    settings: &'a Settings,
    tables: IndexMap<String, Table, FixedState>,
    entries: Entries,
    left_out: BTreeMap<&'static str, u64>,
    /// Columns with numbers that are not integers of 64 bits.
    texts: BTreeSet<String>,
    /// Changes with an earlier time than the one before them of the same row.
    late: u64,
    /// Changes whose node is that of the server, because the column that names it is not known.
    unnamed: u64,
    /// What no change has met.
    unused: Settings,
}

#[derive(Default)]
struct Table {
    /// The columns of the primary key.
    key: Vec<String>,
    rows: IndexMap<String, Row, FixedState>,
}

/// What is known of a row.
#[derive(Default)]
struct Row {
    time: Option<Time>,
    node: Option<String>,
    /// Whether it is there.
    exists: bool,
    /// Hashes of the values of its columns; `None` is null.
    columns: HashMap<String, Option<u64>>,
}

impl Row {
    fn delete(&mut self) {
        self.exists = false;
        self.columns.clear();
    }
}

/// Where and when a change was made.
struct Source<'a> {
    file: u16,
    line: u64,
    time: Time,
    server: &'a str,
}

impl Import<'_> {
    fn leave_out(&mut self, what: &'static str) {
        *self.left_out.entry(what).or_default() += 1;
    }

    fn change(&mut self, file: u16, line: u64, change: Change) -> Result<(), Refusal> {
        let Change {
            time,
            server,
            table: name,
            key,
            kind,
        } = change;
        let skip = &self.settings.skip;
        if let Some(named) = [name.as_str(), short(&name)]
            .into_iter()
            .find(|name| skip.contains(*name))
        {
            self.unused.skip.remove(named);
            self.leave_out("changes of tables that are to be skipped");
            return Ok(());
        }
        let set = [name.as_str(), short(&name), ""]
            .into_iter()
            .find_map(|name| Some((name, self.settings.keys.get(name)?)));
        let set = set.map(|(named, columns)| {
            self.unused.keys.remove(named);
            columns
        });
        let mut table = self.tables.swap_remove(&name).unwrap_or_default();
        if let Some(key) = set.cloned().or(key) {
            table.key = key;
        }
        let source = Source {
            file,
            line,
            time,
            server: &server,
        };
        let done = self.of_table(&source, &name, &mut table, kind);
        self.tables.insert(name, table);
        done
    }

    fn of_table(
        &mut self,
        source: &Source<'_>,
        name: &str,
        table: &mut Table,
        kind: Kind,
    ) -> Result<(), Refusal> {
        let delete = || vec![(String::new(), Action::Delete)];
        let (created, before, after) = match kind {
            Kind::Truncate => {
                for (key, row) in table.rows.iter_mut().filter(|(_, row)| row.exists) {
                    row.delete();
                    self.push(source, key, row, &Vec::new(), delete())?;
                }
                return Ok(());
            }
            Kind::Delete { before } => {
                let key = table.key_of(name, &before)?;
                let row = table.rows.entry(key.clone()).or_default();
                row.delete();
                return Ok(self.push(source, &key, row, &before, delete())?);
            }
            Kind::Put {
                created,
                before,
                after,
            } => (created, before, after),
        };
        let key = table.key_of(name, &after)?;
        // The primary key itself may change.
        let moved = table.key_of(name, &before).ok().filter(|old| *old != key);
        if let Some(old) = &moved {
            let row = table.rows.entry(old.clone()).or_default();
            let lost = row
                .columns
                .iter()
                .filter(|(column, value)| value.is_some() && find(&after, column).is_none());
            *self.left_out.entry(LOST).or_default() += lost.count() as u64;
            row.delete();
            self.push(source, old, row, &before, delete())?;
        }
        let row = table.rows.entry(key.clone()).or_default();
        let created = created || moved.is_some();
        let mut operations = Vec::new();
        for (column, value) in &after {
            let is_node = self.settings.node_column.as_ref() == Some(column);
            if is_node || table.key.contains(column) {
                continue;
            }
            let new = hash(value);
            let old = match row.columns.get(column) {
                Some(known) => Some(*known),
                None if created => Some(None),
                None => find(&before, column).map(hash),
            };
            row.columns.insert(column.clone(), new);
            if old == Some(new) {
                continue;
            }
            let field = format!("{}.{column}", short(name));
            check_field(&field)?;
            let action = match new {
                None => Action::Unset,
                Some(_) => Action::Set(self.scalar(name, column, &field, value)?),
            };
            operations.push((field, action));
        }
        if operations.is_empty() {
            if row.exists || !created {
                row.exists = true;
                self.leave_out("changes of rows that change no column");
                return Ok(());
            }
            let flag = Action::Set(Scalar::Bool(true));
            operations.push((short(name).to_owned(), flag));
        }
        row.exists = true;
        Ok(self.push(source, &key, row, &after, operations)?)
    }

    fn scalar(
        &mut self,
        table: &str,
        column: &str,
        field: &str,
        value: &Json,
    ) -> Result<Scalar, String> {
        let full = format!("{table}.{column}");
        let kind = [full.as_str(), field, column]
            .into_iter()
            .find_map(|name| Some((name, self.settings.types.get(name)?)));
        let named = |reason| format!("column {full:?}: {reason}");
        if let Some((option, kind)) = kind {
            self.unused.types.remove(option);
            return values::scalar(cell(value), Some(*kind), Marks::default()).map_err(named);
        }
        match value {
            Json::Number(text) => Ok(match text.parse() {
                Ok(value) => Scalar::Int(value),
                Err(_) => {
                    self.texts.insert(full);
                    Scalar::Text(text.clone())
                }
            }),
            Json::Array(_) | Json::Object(_) => Ok(Scalar::Text(value.to_string())),
            value => values::scalar(cell(value), None, Marks::default()).map_err(named),
        }
    }

    /// Hands over what happened to a row with these columns.
    fn push(
        &mut self,
        source: &Source<'_>,
        key: &str,
        row: &mut Row,
        columns: &Columns,
        operations: Vec<(String, Action)>,
    ) -> Result<(), ImportError> {
        if let Some(name) = &self.settings.node_column {
            match find(columns, name) {
                Some(value) if *value != Json::Null => row.node = Some(plain(value)),
                _ if row.node.is_none() => self.unnamed += 1,
                _ => {}
            }
        }
        let last = row.time.unwrap_or(source.time);
        self.late += u64::from(last > source.time);
        let time = last.max(source.time);
        row.time = Some(time);
        let node = row.node.as_deref().unwrap_or(source.server);
        let entry = Entry {
            file: source.file,
            line: source.line,
            fingerprint: None,
            node: node.to_owned(),
            key: key.to_owned(),
            operations,
        };
        self.entries.push(time, &entry)
    }

    fn finish(self, capture: Capture, sink: &mut Sink<'_>) -> Result<Report, ImportError> {
        let mut report = Report::default();
        let empty = self.left_out.contains_key(wal2json::EMPTY);
        let format_1 = !self.left_out.contains_key(wal2json::MARKS);
        for (what, count) in self.left_out {
            report.leave_out(what, count);
        }
        let mut note = |text: String| report.notes.push(text);
        if empty {
            let truncations = match format_1 {
                true => {
                    ", or truncations, which format 1 does not have: read the slot with \
                         `format-version` 2"
                }
                false => "",
            };
            note(format!(
                "transactions without a change may have been updates and deletions in tables \
                 without a replica identity, which the data does not have{truncations}"
            ));
        }
        let Settings {
            keys, skip, types, ..
        } = self.unused;
        let keys = keys.into_iter().map(|(table, columns)| match &*table {
            "" => format!("--key {}", columns.join(",")),
            table => format!("--key {table}={}", columns.join(",")),
        });
        let skip = skip.into_iter().map(|table| format!("--skip {table}"));
        let types = types.into_keys().map(|column| format!("--type {column}"));
        for option in keys.chain(skip).chain(types) {
            note(format!(
                "`{option}` took effect nowhere: check the name, or leave it out"
            ));
        }
        if !self.texts.is_empty() {
            let columns: Vec<String> = self.texts.into_iter().collect();
            note(format!(
                "numbers that are not 64-bit integers became text (--type gives them one): {}",
                columns.join(", ")
            ));
        }
        if self.late > 0 {
            note(format!(
                "{} changes have an earlier time than the change before of their row, and got \
                 that one's",
                self.late
            ));
        }
        if let (Some(column), 1..) = (&self.settings.node_column, self.unnamed) {
            note(format!(
                "{} changes do not say {column:?}: their node is the server",
                self.unnamed
            ));
        }
        if capture == Capture::Maxwell {
            note(
                "times are whole seconds, so changes within a second count as concurrent"
                    .to_owned(),
            );
        }
        let nodes = self.entries.finish(sink, &mut report)?;
        if nodes == 1 && self.settings.node_column.is_none() {
            report.notes.push(
                "one server made all changes, and what one node writes always fits: name the \
                 column that says who wrote with --node-column, or import the changes of the \
                 other servers as well"
                    .to_owned(),
            );
        }
        Ok(report)
    }
}

impl Table {
    /// The key of a row in a trace.
    fn key_of(&self, name: &str, columns: &Columns) -> Result<String, String> {
        if self.key.is_empty() {
            return Err(format!(
                "the data does not say what the primary key of {name} is: write `--key \
                 {name}=COLUMN`, with commas between several columns, or `--skip {name}`"
            ));
        }
        let mut key = name.to_owned();
        for column in &self.key {
            let part = match find(columns, column) {
                None | Some(Json::Null) => {
                    return Err(format!(
                        "no column {column:?}, which is in the primary key of {name}: write other \
                         columns with `--key {name}=COLUMN`"
                    ));
                }
                Some(value) => plain(value),
            };
            key.push('/');
            if self.key.len() > 1 {
                // So that the parts cannot be mistaken for others.
                key.push_str(&part.replace('%', "%25").replace('/', "%2F"));
            } else {
                key.push_str(&part);
            }
        }
        check_key(&key)?;
        Ok(key)
    }
}

const LOST: &str = "large values of rows whose primary key changed, which the data does not have";

fn hash(value: &Json) -> Option<u64> {
    match value {
        Json::Null => None,
        value => {
            let hash = blake3::hash(value.to_string().as_bytes());
            let bytes = hash.as_bytes().first_chunk();
            bytes.map(|bytes| u64::from_le_bytes(*bytes))
        }
    }
}

/// The name of a table without its schema or database.
fn short(table: &str) -> &str {
    table.rsplit('.').next().unwrap_or(table)
}
