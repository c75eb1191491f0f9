//! Tables of strangers: delimited values and JSON lines, by a [`Map`] that says which column is
//! what.
//!
//! Rows may be in any order: they are sorted by time in bounded memory. A trace's `t` are the
//! milliseconds since the first row's time. Rows of the same time keep their order, that of the
//! files as given. Nodes are numbered in the order in which they first appear in the trace.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};

use super::entries::{Entries, Entry, check_field, check_key};
use super::map::{FieldMap, Map, Op, Policy, Source, Type, Value};
use super::rows::{Cell, Place, Row, Table};
use super::time::{self, Clock};
use super::{ImportError, Refusal, Report, Sink, guess, values};
use crate::workload::{Action, Scalar};

pub use super::rows::Form;

/// Rows from which types and formats are guessed.
const SAMPLE: usize = 1000;

/// Imports tables: files, or stdin for `-`. Sorting keeps about `memory` bytes in memory.
///
/// # Errors
///
/// [`ImportError`]: the first row that cannot be mapped, with its column.
pub fn import(
    inputs: &[PathBuf],
    form: Form,
    map: &Map,
    memory: usize,
    sink: &mut Sink<'_>,
) -> Result<Report, ImportError> {
    let mut import = Import {
        map,
        entries: Entries::new(memory),
        clock: map.time.format.is_some().then(|| map.time.clock.clone()),
        types: None,
        left_out: BTreeMap::new(),
        report: Report {
            notes: map.notes.clone(),
            ..Report::default()
        },
    };
    let stdin = [PathBuf::from("-")];
    let inputs = if inputs.is_empty() { &stdin } else { inputs };
    for input in inputs {
        import.table(Table::open(input, form, &map.csv)?)?;
    }
    let mut report = import.report;
    for (what, count) in import.left_out {
        report.leave_out(&what, count);
    }
    import.entries.finish(sink, &mut report)?;
    Ok(report)
}

struct Import<'a> {
    map: &'a Map,
    entries: Entries,
    /// Known once the format of times is.
    clock: Option<Clock>,
    /// The types of the fields, once they are known.
    types: Option<Vec<Option<Type>>>,
    left_out: BTreeMap<String, u64>,
    report: Report,
}

/// A [`Source`] in one table.
struct Resolved<'a> {
    source: &'a Source,
    places: Vec<Place>,
}

/// A [`FieldMap`] in one table.
struct Field<'a> {
    map: &'a FieldMap,
    name: Resolved<'a>,
    op: Resolved<'a>,
    value: Option<Place>,
}

/// The [`Map`] in one table.
struct Columns<'a> {
    file: u16,
    time: Vec<Place>,
    node: Resolved<'a>,
    key: Resolved<'a>,
    fields: Vec<Field<'a>>,
}

impl<'a> Resolved<'a> {
    fn new(source: &'a Source, table: &Table) -> Result<Self, ImportError> {
        let places = match source {
            Source::Constant(_) => Vec::new(),
            Source::Columns { columns, .. } => columns
                .iter()
                .map(|column| table.place(column))
                .collect::<Result<_, _>>()?,
        };
        Ok(Self { source, places })
    }

    /// The text for a row, which is `what` in messages.
    fn text(&self, row: &Row, what: &str) -> Result<String, String> {
        let (columns, separator, values) = match self.source {
            Source::Constant(text) => return Ok(text.clone()),
            Source::Columns {
                columns,
                separator,
                values,
            } => (columns, separator, values),
        };
        let mut text = String::new();
        for (number, (place, column)) in self.places.iter().zip(columns).enumerate() {
            if number > 0 {
                text.push_str(separator);
            }
            match row.cell(place) {
                Cell::Text(part) | Cell::Number(part) => text.push_str(part),
                Cell::Bool(part) => text.push_str(if part { "true" } else { "false" }),
                Cell::Absent => {
                    return Err(format!(
                        "column {column:?} is empty, but it is the {what}: fill it in, or map \
                         another column"
                    ));
                }
                Cell::Null => {
                    return Err(format!(
                        "column {column:?} is null, but it is the {what}: fill it in, or map \
                         another column"
                    ));
                }
                Cell::Other(kind) => {
                    return Err(format!(
                        "column {column:?} is {kind}, but it is the {what}: name a path into it"
                    ));
                }
            }
        }
        if values.is_empty() {
            return Ok(text);
        }
        values.get(&text).cloned().ok_or_else(|| {
            format!(
                "column {:?} is {text:?}, which its `values` do not name: add {text:?} = \"…\" to \
                 them{}",
                columns.join(separator),
                if what == "op" {
                    ", or \"skip\" to leave such rows out"
                } else {
                    ""
                }
            )
        })
    }
}

impl<'a> Columns<'a> {
    fn new(map: &'a Map, table: &Table, file: u16) -> Result<Self, ImportError> {
        let fields = map
            .fields
            .iter()
            .map(|field| {
                Ok(Field {
                    map: field,
                    name: Resolved::new(&field.name, table)?,
                    op: Resolved::new(&field.op, table)?,
                    value: match &field.value {
                        Value::Column(column) => Some(table.place(column)?),
                        Value::None | Value::Constant(_) => None,
                    },
                })
            })
            .collect::<Result<_, ImportError>>()?;
        Ok(Self {
            file,
            time: map
                .time
                .columns
                .iter()
                .map(|column| table.place(column))
                .collect::<Result<_, _>>()?,
            node: Resolved::new(&map.node, table)?,
            key: Resolved::new(&map.key, table)?,
            fields,
        })
    }
}

/// The cell, or null if the map says that its text stands for it.
fn cell<'a>(row: &'a Row, place: &Place, nulls: &[String]) -> Cell<'a> {
    match row.cell(place) {
        Cell::Text(text) if nulls.iter().any(|null| null == text) => Cell::Null,
        Cell::Absent if nulls.iter().any(String::is_empty) => Cell::Null,
        cell => cell,
    }
}

impl<'m> Import<'m> {
    fn table(&mut self, mut table: Table) -> Result<(), ImportError> {
        let file = self.entries.file(&table.file)?;
        let columns = Columns::new(self.map, &table, file)?;
        if let Some(delimiter) = table.guessed {
            self.report.notes.push(format!(
                "guessed in {}: delimiter = {delimiter:?}",
                table.file.display()
            ));
        }
        let mut sample = VecDeque::new();
        if self.clock.is_none() || self.types.is_none() {
            while sample.len() < SAMPLE
                && let Some(row) = table.next()?
            {
                sample.push_back(row);
            }
            if !sample.is_empty() {
                self.guess(&table, &columns, &sample);
            }
        }
        loop {
            let row = match sample.pop_front() {
                Some(row) => Some(row),
                None => table.next()?,
            };
            let Some((line, row)) = row else {
                return Ok(());
            };
            self.row(&columns, line, &row)
                .map_err(|error| error.at(&table.file, line))?;
        }
    }

    /// Guesses what the map does not say.
    fn guess(&mut self, table: &Table, columns: &Columns<'_>, sample: &VecDeque<(u64, Row)>) {
        let mut told = Vec::new();
        if self.clock.is_none() {
            let times: Vec<String> = sample
                .iter()
                .filter_map(|(_, row)| self.time(columns, row).ok())
                .collect();
            let times: Vec<&str> = times.iter().map(String::as_str).collect();
            // Without a guess, ISO 8601 is tried, and its message says what to write.
            let clock = Clock {
                format: time::guess(&times).unwrap_or(time::Format::Iso),
                ..self.map.time.clock.clone()
            };
            let doubt = time::doubt(&clock.format, &times);
            let doubt = doubt.map_or(String::new(), |doubt| format!(" ({doubt})"));
            told.push(format!("[time] format = \"{}\"{doubt}", clock.format));
            self.clock = Some(clock);
        }
        let csv = &self.map.csv;
        self.types = Some(
            columns
                .fields
                .iter()
                .map(|field| {
                    let place = field.value.as_ref()?;
                    // JSON has types.
                    if field.map.kind.is_some() || matches!(place, Place::Path(_)) {
                        return field.map.kind;
                    }
                    let cells =
                        sample
                            .iter()
                            .filter_map(|(_, row)| match cell(row, place, &csv.nulls) {
                                Cell::Text(text) => Some(text),
                                _ => None,
                            });
                    let kind = values::guess(cells, csv.marks());
                    if let Value::Column(column) = &field.map.value {
                        told.push(format!("column {column:?} type = \"{kind}\""));
                    }
                    Some(kind)
                })
                .collect(),
        );
        if !told.is_empty() {
            self.report.notes.push(format!(
                "guessed from {} of {}: {}",
                guess::first_rows(sample.len()),
                table.file.display(),
                told.join(", ")
            ));
        }
    }

    /// The text of the time.
    fn time(&self, columns: &Columns<'_>, row: &Row) -> Result<String, String> {
        let map = &self.map.time;
        let mut parts = Vec::with_capacity(columns.time.len());
        for (place, column) in columns.time.iter().zip(&map.columns) {
            parts.push(match row.cell(place) {
                Cell::Text(text) | Cell::Number(text) => text,
                Cell::Absent | Cell::Null => {
                    return Err(format!(
                        "column {column:?} is empty, but it is the time: fill it in, or map \
                         another column"
                    ));
                }
                Cell::Bool(_) | Cell::Other(_) => {
                    return Err(format!(
                        "column {column:?} is not a time: map another column"
                    ));
                }
            });
        }
        Ok(parts.join(&map.separator))
    }

    fn row(&mut self, columns: &Columns<'m>, line: u64, row: &Row) -> Result<(), Refusal> {
        let text = self.time(columns, row)?;
        let clock = self.clock.as_ref().unwrap_or(&self.map.time.clock);
        let time = clock.read(&text).map_err(|reason| {
            let columns = self.map.time.columns.join("\" and \"");
            format!("column \"{columns}\": {reason}")
        })?;
        let mut operations = Vec::new();
        for (number, field) in columns.fields.iter().enumerate() {
            let kind = match &self.types {
                Some(types) => types.get(number).copied().flatten(),
                None => field.map.kind,
            };
            let operation = self.operation(field, kind, row)?;
            // A delete is of the whole key: one is enough, whatever the number of fields.
            operations.extend(operation.filter(|operation| {
                operation.1 != Action::Delete || !operations.contains(operation)
            }));
        }
        if operations.is_empty() {
            return Ok(());
        }
        let key = columns.key.text(row, "key")?;
        check_key(&key)?;
        let entry = Entry {
            file: columns.file,
            line,
            fingerprint: self.map.drop_duplicates.then(|| row.fingerprint()),
            node: columns.node.text(row, "node")?,
            key,
            operations,
        };
        Ok(self.entries.push(time, &entry)?)
    }

    fn operation(
        &mut self,
        field: &Field<'_>,
        kind: Option<Type>,
        row: &Row,
    ) -> Result<Option<(String, Action)>, String> {
        let op = field.op.text(row, "op")?;
        let op = Op::parse(&op).ok_or_else(|| {
            format!(
                "op {op:?} is unknown: write `values = {{ {op:?} = \"set\" }}` for its column, or \
                 another of {}",
                Op::names()
            )
        })?;
        if op == Op::Skip {
            self.leave_out("operations that the map skips".to_owned());
            return Ok(None);
        }
        let name = field.name.text(row, "field")?;
        check_field(&name)?;
        match op {
            Op::Toggle => return Ok(Some((name, Action::Toggle))),
            Op::Unset => return Ok(Some((name, Action::Unset))),
            Op::Delete => return Ok(Some((String::new(), Action::Delete))),
            _ => {}
        }
        let value = match (&field.map.value, &field.value) {
            (Value::Constant(value), _) => value.clone(),
            (Value::Column(column), Some(place)) => {
                let found = cell(row, place, &self.map.csv.nulls);
                let (policy, what) = match found {
                    Cell::Null => (field.map.null, "null"),
                    Cell::Absent | Cell::Text("") => (field.map.empty, "empty"),
                    _ => (Policy::Keep, ""),
                };
                match policy {
                    Policy::Keep => {}
                    Policy::Delete => return Ok(Some((name, Action::Unset))),
                    Policy::Skip => {
                        self.leave_out(format!("{what} cells of column {column:?}"));
                        return Ok(None);
                    }
                    Policy::Refuse => {
                        return Err(format!(
                            "column {column:?} is {what}: fill it in, or write `{what} = \"skip\"` \
                             in its [[field]]"
                        ));
                    }
                }
                values::scalar(found, kind, self.map.csv.marks())
                    .map_err(|reason| format!("column {column:?}: {reason}"))?
            }
            _ => {
                return Err(format!(
                    "{} needs a value: write column = \"NAME\" or value = … in [[field]]",
                    op.name()
                ));
            }
        };
        let action = match (op, value) {
            (Op::Set, value) => Action::Set(value),
            (Op::Insert, value) => Action::Insert(value),
            (Op::Remove, value) => Action::Remove(value),
            (Op::Append, value) => Action::Append(value),
            (_, Scalar::Int(value)) => Action::Add(value),
            (_, value) => {
                let column = match &field.map.value {
                    Value::Column(column) => format!("column {column:?}: "),
                    _ => String::new(),
                };
                return Err(format!(
                    "{column}add takes an integer, not {value}: write `type = \"integer\"`, or \
                     another op"
                ));
            }
        };
        Ok(Some((name, action)))
    }

    fn leave_out(&mut self, what: String) {
        *self.left_out.entry(what).or_default() += 1;
    }
}

/// A commented map for a table, as a start.
///
/// # Errors
///
/// [`ImportError`], also for a table without rows.
pub fn guess(input: &Path, form: Form) -> Result<String, ImportError> {
    let csv = super::map::Csv::default();
    let mut table = Table::open(input, form, &csv)?;
    if guess::is_data(&table.columns) {
        table.take_header_for_a_row();
    }
    let mut rows = Vec::new();
    while rows.len() < SAMPLE
        && let Some((_, row)) = table.next()?
    {
        rows.push(row);
    }
    if rows.is_empty() {
        return Err(ImportError::file(&table.file, "has no rows to guess from"));
    }
    Ok(guess::map(&table, form, &rows))
}
