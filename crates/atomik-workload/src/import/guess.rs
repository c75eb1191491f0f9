//! Guesses a map from the names and the first rows of a table.

use std::collections::BTreeSet;

use super::map::{Marks, Type};
use super::rows::{Cell, Form, Place, Row, Table};
use super::time;
use super::values::{self, Number};
use crate::json::Json;

/// A column with its first cells.
struct Column {
    name: String,
    cells: Vec<String>,
    /// How many different ones there are.
    different: usize,
    time: Option<time::Format>,
}

/// Words for what a column is, the likeliest first.
const TIMES: [&str; 20] = [
    "time",
    "timestamp",
    "ts",
    "at",
    "datetime",
    "date",
    "when",
    "day",
    "created",
    "updated",
    "modified",
    "changed",
    "recorded",
    "received",
    "sent",
    "booked",
    "posted",
    "opened",
    "start",
    "datum",
];
const NODES: [&str; 35] = [
    "node", "replica", "host", "server", "machine", "instance", "pod", "worker", "writer", "user",
    "author", "editor", "agent", "assignee", "actor", "operator", "employee", "cashier", "clerk",
    "owner", "who", "by", "client", "device", "terminal", "station", "gateway", "site", "source",
    "origin", "region", "location", "branch", "store", "team",
];
const KEYS: [&str; 33] = [
    "key", "id", "uuid", "guid", "object", "entity", "item", "sku", "ticket", "issue", "case",
    "order", "article", "product", "part", "record", "document", "file", "path", "url", "topic",
    "channel", "sensor", "meter", "asset", "vehicle", "customer", "account", "iban", "name",
    "number", "code", "no",
];
const OPS: [&str; 8] = [
    "op",
    "operation",
    "action",
    "event",
    "kind",
    "type",
    "change",
    "verb",
];

/// How numbers are written where a comma separates decimals.
const COMMA: Marks = Marks {
    decimal: ',',
    thousands: Some('.'),
};

/// What follows the word in the name of a column of nodes, as in `user_id`.
const SUFFIXES: [&str; 5] = ["id", "name", "no", "number", "code"];

/// Rows from which on a column whose cells all differ is taken for a number of the row.
const MANY: usize = 10;

/// The words of a name such as `created_at`, `createdAt` or `Created at`.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut lower = false;
    for letter in name.chars() {
        if !letter.is_alphanumeric() || (letter.is_uppercase() && lower) {
            words.push(String::new());
        }
        if letter.is_alphanumeric() {
            let last = words.len() - 1;
            words[last].extend(letter.to_lowercase());
        }
        lower = letter.is_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}

impl Column {
    /// How well its name fits, from 0: it is one of the words, or ends with one, before one of
    /// `suffixes`.
    fn rank(&self, known: &[&str], suffixes: &[&str]) -> Option<usize> {
        let mut words = words(&self.name);
        let worse = if words.len() > 1 { known.len() } else { 0 };
        if words.len() > 1 && suffixes.contains(&words.last()?.as_str()) {
            words.pop();
        }
        let last = words.last()?;
        let place = known.iter().position(|word| word == last)?;
        Some(worse + place)
    }

    /// Whether it may number the rows.
    fn differs_everywhere(&self) -> bool {
        self.cells.len() >= MANY && self.different == self.cells.len()
    }
}

/// `the first 2 rows`.
pub(super) fn first_rows(count: usize) -> String {
    match count {
        1 => "the first row".to_owned(),
        count => format!("the first {count} rows"),
    }
}

/// Whether a header has a time or a number, and so is no header.
pub(super) fn is_data(header: &[String]) -> bool {
    header.iter().any(|cell| {
        Number::parse(cell, Marks::default()).is_some() || time::guess(&[cell.as_str()]).is_some()
    })
}

/// What a table probably means.
struct Guess<'a> {
    table: &'a Table,
    form: Form,
    rows: usize,
    columns: Vec<Column>,
    /// Places among the columns.
    at: Option<usize>,
    node: Option<usize>,
    key: Option<usize>,
    op: Option<usize>,
    marks: Marks,
}

/// The map as TOML with comments.
pub(super) fn map(table: &Table, form: Form, rows: &[Row]) -> String {
    let guess = Guess::new(table, form, rows);
    [guess.head(), guess.time(), guess.csv(), guess.fields()].concat()
}

impl<'a> Guess<'a> {
    fn new(table: &'a Table, form: Form, rows: &[Row]) -> Self {
        let columns = columns(table, form, rows);
        let mut used = Vec::new();
        let mut take = |rank: &dyn Fn(&Column) -> Option<(bool, usize)>| {
            let free = columns.iter().enumerate();
            let free = free.filter(|(place, _)| !used.contains(place));
            let ranked = free.filter_map(|(place, column)| Some((rank(column)?, place)));
            let (_, place) = ranked.min()?;
            used.push(place);
            Some(place)
        };
        let at = take(&|column| {
            column.time.as_ref()?;
            Some((false, column.rank(&TIMES, &[])?))
        });
        let at = at.or_else(|| {
            take(&|column| {
                let told = !matches!(column.time, None | Some(time::Format::Seconds));
                told.then_some((false, 0))
            })
        });
        let node = take(&|column| {
            let rank = column.rank(&NODES, &SUFFIXES)?;
            (!column.differs_everywhere()).then_some((false, rank))
        });
        let key = take(&|column| {
            let rank = column.rank(&KEYS, &[])?;
            // A flag such as `On order?` is no key.
            let cells = column.cells.iter().map(String::as_str);
            let flag = values::guess(cells, Marks::default()) == Type::Boolean;
            (!flag).then_some((column.differs_everywhere(), rank))
        });
        let op = take(&|column| {
            let known = column.cells.iter().any(|cell| meaning(cell).is_some());
            (known && column.different <= 20).then_some(())?;
            Some((false, column.rank(&OPS, &[])?))
        });
        // Where a semicolon separates cells, a comma may separate decimals, and a dot thousands.
        let comma = |column: &Column| {
            let cells = || column.cells.iter().map(String::as_str);
            cells().any(|cell| cell.contains(',')) && values::guess(cells(), COMMA) == Type::Integer
        };
        let marks = match table.guessed {
            Some(';') if columns.iter().any(comma) => COMMA,
            _ => Marks::default(),
        };
        Self {
            table,
            form,
            rows: rows.len(),
            at,
            node,
            key,
            op,
            marks,
            columns,
        }
    }

    fn column(&self, place: Option<usize>) -> Option<&Column> {
        self.columns.get(place?)
    }

    /// What to do with the map, and where node, key and op come from.
    fn head(&self) -> String {
        let (rows, file) = (first_rows(self.rows), self.table.file.display());
        let form = match self.form {
            Form::Csv => "csv",
            Form::Jsonl => "jsonl",
        };
        let from = |place| self.column(place).map(|column| quoted(&column.name));
        let node = match from(self.node) {
            Some(name) => format!("node = {{ column = {name} }}"),
            None => "node = \"one\"                # TODO: no column looks like a node".to_owned(),
        };
        let key = match from(self.key) {
            Some(name) => format!("key = {{ column = {name} }}"),
            None => "key = \"one\"                 # TODO: no column looks like a key".to_owned(),
        };
        let op = self.column(self.op).map(|column| {
            let found: BTreeSet<&String> = column.cells.iter().collect();
            let values = found.iter().map(|value| {
                let meaning = meaning(value).unwrap_or("set");
                format!("{} = \"{meaning}\"", quoted(value))
            });
            let values = values.collect::<Vec<_>>().join(", ");
            let name = quoted(&column.name);
            format!("op = {{ column = {name}, values = {{ {values} }} }}")
        });
        let op = op.unwrap_or_else(|| "op = \"set\"".to_owned());
        format!(
            r#"# Guessed from {rows} of {file}. Check every line; then:
#   atomik eval import {form} --map THIS_FILE --dry-run {file}

# The machine or user that wrote. A string stands for itself.
{node}
# What was written to. Several columns: {{ columns = ["a", "b"], separator = "/" }}
{key}
# toggle, set, add, insert, remove, append, unset (the field), delete (the key), or skip.
{op}
duplicates = "keep"          # or "drop": rows that are identical in every cell
empty = "skip"               # or "refuse", "keep", "delete"
null = "skip"                # or "refuse", "delete"
"#
        )
    }

    fn time(&self) -> String {
        let Some(found) = self.column(self.at) else {
            return r#"
[time]
column = "TODO"              # no column looks like a time
format = "iso"               # or s, ms, us, ns, or "%d.%m.%Y %H:%M:%S"
"#
            .to_owned();
        };
        let format = found.time.clone().unwrap_or(time::Format::Iso);
        let clock = time::Clock::of_offsets(format.clone());
        let local = found.cells.iter().any(|cell| clock.read(cell).is_err());
        let zone = match local {
            true => {
                "zone = \"UTC\"               # TODO: the zone of the clock, such as Europe/Berlin"
            }
            false => "# zone = \"Europe/Berlin\"",
        };
        let name = quoted(&found.name);
        let samples: Vec<&str> = found.cells.iter().map(String::as_str).collect();
        let doubt = time::doubt(&format, &samples);
        let doubt = doubt.map_or(String::new(), |doubt| format!("\n# TODO: {doubt}"));
        let format = quoted(&format.to_string());
        let example = quoted(found.cells.first().map_or("", String::as_str));
        format!(
            r#"
[time]
column = {name}  # or columns = ["day", "hour"]
format = {format}  # such as {example}{doubt}
# Of times without an offset:
{zone}
# repeated = "first"         # or "second": the hour that a clock shows twice
# missing = "forward"        # or "back": the hour that it skips
"#
        )
    }

    fn csv(&self) -> String {
        let Some(delimiter) = self.table.guessed else {
            return String::new();
        };
        let delimiter = quoted(&delimiter.to_string());
        let header = match self.table.columns.first().is_some_and(|name| name == "1") {
            true => {
                "header = false               # the first row looks like data; columns are \
                 numbers\n"
            }
            false => "",
        };
        let mark = match self.marks {
            COMMA => "decimal_mark = \",\"\nthousands_mark = \".\"\n",
            _ => "",
        };
        format!(
            r#"
[csv]
delimiter = {delimiter}
{header}{mark}# nulls = ["NULL"]           # cells that stand for null
# ragged = "pad"             # missing cells are empty
"#
        )
    }

    /// One field for each column that is nothing else.
    fn fields(&self) -> String {
        let used = [self.at, self.node, self.key, self.op];
        let columns = self.columns.iter().enumerate();
        let free = columns.filter(|(place, _)| !used.contains(&Some(*place)));
        let fields: String = free.map(|(_, column)| self.field(column)).collect();
        if fields.is_empty() {
            return r#"
[[field]]                    # TODO: no column is left for a value
value = true
"#
            .to_owned();
        }
        fields
    }

    fn field(&self, column: &Column) -> String {
        let (name, different) = (quoted(&column.name), column.different);
        // JSON has types.
        let kind = match self.form {
            Form::Csv => format!("type = \"{}\"\n", self.kind(column)),
            Form::Jsonl => String::new(),
        };
        let example = column.cells.first().map_or("", String::as_str);
        let example: String = example.chars().take(40).collect();
        let example = quoted(&example);
        format!(
            r#"
[[field]]
column = {name}
{kind}# {different} different values in the sample, such as {example}
"#
        )
    }

    fn kind(&self, column: &Column) -> Type {
        let cells = || column.cells.iter().map(String::as_str);
        let needed = cells().filter_map(|cell| decimals(cell, self.marks));
        match (
            values::guess(cells(), self.marks),
            needed.max().unwrap_or(0),
        ) {
            (Type::Integer, needed @ 1..=18) => Type::Decimal(needed),
            (kind, _) => kind,
        }
    }
}

fn columns(table: &Table, form: Form, rows: &[Row]) -> Vec<Column> {
    let names = match form {
        Form::Csv => table.columns.clone(),
        Form::Jsonl => paths(rows),
    };
    let places: Vec<Place> = match form {
        Form::Csv => (0..names.len()).map(Place::Index).collect(),
        Form::Jsonl => names.iter().cloned().map(Place::Path).collect(),
    };
    names
        .into_iter()
        .zip(places)
        .map(|(name, place)| {
            let cells: Vec<String> = rows
                .iter()
                .filter_map(|row| match row.cell(&place) {
                    Cell::Text(text) | Cell::Number(text) => Some(text.to_owned()),
                    Cell::Bool(value) => Some(value.to_string()),
                    Cell::Absent | Cell::Null | Cell::Other(_) => None,
                })
                .collect();
            let texts: Vec<&str> = cells.iter().map(String::as_str).collect();
            let different = texts.iter().collect::<BTreeSet<_>>().len();
            Column {
                name,
                different,
                time: time::guess(&texts),
                cells,
            }
        })
        .collect()
}

/// The paths to all simple values, in order of first appearance.
fn paths(rows: &[Row]) -> Vec<String> {
    let mut found: indexmap::IndexSet<String> = indexmap::IndexSet::new();
    for row in rows {
        if let Row::Json(json) = row {
            collect(json, "", &mut found);
        }
    }
    found.into_iter().collect()
}

fn collect(json: &Json, prefix: &str, found: &mut indexmap::IndexSet<String>) {
    for (name, value) in json.members() {
        let path = match prefix {
            "" => name.clone(),
            prefix => format!("{prefix}.{name}"),
        };
        match value {
            Json::Object(_) => collect(value, &path, found),
            Json::Array(_) => {}
            _ => {
                found.insert(path);
            }
        }
    }
}

/// On one line, whatever the text has: strings of JSON are strings of TOML.
fn quoted(text: &str) -> String {
    Json::Text(text.to_owned()).to_string()
}

/// The decimals with which a number is written: 2 of `3.50`.
fn decimals(cell: &str, marks: Marks) -> Option<u32> {
    let needed = Number::parse(cell, marks)?.decimals();
    let written = match cell.split_once(marks.decimal) {
        Some((_, digits)) if !cell.contains(['e', 'E']) => digits.len() as u32,
        _ => 0,
    };
    Some(needed.max(written))
}

/// The op that a word probably means.
fn meaning(word: &str) -> Option<&'static str> {
    Some(match word.to_ascii_lowercase().as_str() {
        "toggle" | "flip" => "toggle",
        "add" | "increment" | "incr" | "inc" => "add",
        "append" | "push" => "append",
        "remove" => "remove",
        "delete" | "deleted" | "d" | "del" => "delete",
        "truncate" => "skip",
        "set" | "put" | "write" | "update" | "updated" | "u" | "create" | "created" | "c"
        | "insert" | "inserted" | "i" | "upsert" => "set",
        _ => return None,
    })
}
