//! Guesses a map from the names and the first rows of a table.

use std::collections::BTreeSet;

use super::rows::{Cell, Form, Place, Row, Table};
use super::{time, values};
use crate::json::Json;

/// A column with its first cells.
struct Column {
    name: String,
    cells: Vec<String>,
    /// How many different ones there are.
    different: usize,
    time: Option<time::Format>,
}

const TIMES: [&str; 9] = [
    "time",
    "timestamp",
    "ts",
    "at",
    "date",
    "datetime",
    "created",
    "updated",
    "when",
];
const NODES: [&str; 12] = [
    "node", "host", "hostname", "server", "site", "source", "origin", "replica", "region",
    "writer", "user", "client",
];
const KEYS: [&str; 8] = [
    "key", "id", "uuid", "object", "entity", "item", "name", "sku",
];
const OPS: [&str; 6] = ["op", "operation", "action", "event", "kind", "type"];

impl Column {
    /// How well its name fits, from 0: one of the words, or ending with one.
    fn rank(&self, words: &[&str]) -> Option<usize> {
        let name = self.name.to_ascii_lowercase();
        let last = name.rsplit(['.', '_', '-', ' ']).next().unwrap_or_default();
        let exact = words.iter().position(|word| *word == name);
        exact.or_else(|| Some(words.len() + words.iter().position(|word| *word == last)?))
    }
}

/// Whether a header has a time or a number, and so is no header.
pub(super) fn is_data(header: &[String]) -> bool {
    header.iter().any(|cell| {
        values::Number::parse(cell, '.').is_some() || time::guess(&[cell.as_str()]).is_some()
    })
}

/// The map as TOML with comments.
pub(super) fn map(table: &Table, form: Form, rows: &[Row]) -> String {
    let columns = columns(table, form, rows);
    let take = |words: &[&str], used: &[usize]| {
        let free = (0..columns.len()).filter(|place| !used.contains(place));
        free.filter_map(|place| Some((columns[place].rank(words)?, place)))
            .min()
            .map(|(_, place)| place)
    };
    let mut used = Vec::new();
    let by_name = (0..columns.len())
        .filter_map(|place| Some((columns[place].rank(&TIMES)?, place)))
        .filter(|(_, place)| columns[*place].time.is_some())
        .min()
        .map(|(_, place)| place);
    let by_form = || {
        (0..columns.len()).find(|place| {
            let format = &columns[*place].time;
            !matches!(format, None | Some(time::Format::Seconds))
        })
    };
    let at = by_name.or_else(by_form);
    used.extend(at);
    let node = take(&NODES, &used);
    used.extend(node);
    let key = take(&KEYS, &used);
    used.extend(key);
    let op = take(&OPS, &used).filter(|place| columns[*place].different <= 20);
    write(table, form, rows.len(), &columns, at, node, key, op)
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

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

#[expect(clippy::too_many_arguments, reason = "the parts of one text")]
fn write(
    table: &Table,
    form: Form,
    rows: usize,
    columns: &[Column],
    at: Option<usize>,
    node: Option<usize>,
    key: Option<usize>,
    op: Option<usize>,
) -> String {
    // Where a semicolon separates cells, a comma may separate decimals.
    let comma = |column: &Column| {
        let cells = || column.cells.iter().map(String::as_str);
        cells().any(|cell| cell.contains(','))
            && values::guess(cells(), ',') == super::map::Type::Integer
    };
    let mark = match table.guessed {
        Some(';') if columns.iter().any(comma) => ',',
        _ => '.',
    };
    let mut text = String::new();
    let mut line = |line: &str| {
        text.push_str(line);
        text.push('\n');
    };
    let file = table.file.display();
    line(&format!(
        "# Guessed from the first {rows} rows of {file}. Check every line; then:"
    ));
    let name = if form == Form::Csv { "csv" } else { "jsonl" };
    line(&format!(
        "#   atomik eval import {name} --map THIS_FILE --dry-run {file}"
    ));
    line("");
    let column = |place: usize| format!("{{ column = {} }}", quoted(&columns[place].name));
    line("# The machine or user that wrote. A string stands for itself.");
    line(&match node {
        Some(place) => format!("node = {}", column(place)),
        None => "node = \"one\"                # TODO: no column looks like a node".to_owned(),
    });
    line("# What was written to. Several columns: { columns = [\"a\", \"b\"], separator = \"/\" }");
    line(&match key {
        Some(place) => format!("key = {}", column(place)),
        None => "key = \"one\"                 # TODO: no column looks like a key".to_owned(),
    });
    line(
        "# toggle, set, add, insert, remove, append, unset (the field), delete (the key), or skip.",
    );
    match op {
        Some(place) => {
            let found: BTreeSet<&String> = columns[place].cells.iter().collect();
            let values: Vec<String> = found
                .iter()
                .map(|value| format!("{} = \"{}\"", quoted(value), meaning(value)))
                .collect();
            line(&format!(
                "op = {{ column = {}, values = {{ {} }} }}",
                quoted(&columns[place].name),
                values.join(", ")
            ));
        }
        None => line("op = \"set\""),
    }
    line("duplicates = \"keep\"          # or \"drop\": rows that are identical in every cell");
    line("empty = \"skip\"               # or \"refuse\", \"keep\", \"delete\"");
    line("null = \"skip\"                # or \"refuse\", \"delete\"");
    line("");
    line("[time]");
    match at {
        Some(place) => {
            let found = &columns[place];
            line(&format!(
                "column = {}  # or columns = [\"day\", \"hour\"]",
                quoted(&found.name)
            ));
            let format = found
                .time
                .as_ref()
                .map_or("iso".to_owned(), ToString::to_string);
            let example = found.cells.first().map_or("", String::as_str);
            line(&format!(
                "format = {}  # such as {}",
                quoted(&format),
                quoted(example)
            ));
        }
        None => {
            line("column = \"TODO\"              # no column looks like a time");
            line("format = \"iso\"               # or s, ms, us, ns, or \"%d.%m.%Y %H:%M:%S\"");
        }
    }
    let local = at.is_some_and(|place| {
        let found = &columns[place];
        let format = found.time.clone().unwrap_or(time::Format::Iso);
        let clock = time::Clock::of_offsets(format);
        found.cells.iter().any(|cell| clock.read(cell).is_err())
    });
    line("# Of times without an offset:");
    line(match local {
        true => "zone = \"UTC\"               # TODO: the zone of the clock, such as Europe/Berlin",
        false => "# zone = \"Europe/Berlin\"",
    });
    line("# repeated = \"first\"         # or \"second\": the hour that a clock shows twice");
    line("# missing = \"forward\"        # or \"back\": the hour that it skips");
    if let Some(delimiter) = table.guessed {
        line("");
        line("[csv]");
        line(&format!("delimiter = {}", quoted(&delimiter.to_string())));
        if table.columns.first().is_some_and(|name| name == "1") {
            line(
                "header = false               # the first row looks like data; columns are numbers",
            );
        }
        if mark == ',' {
            line("decimal_mark = \",\"");
        }
        line("# nulls = [\"NULL\"]           # cells that stand for null");
        line("# ragged = \"pad\"             # missing cells are empty");
    }
    let used = [at, node, key, op];
    let mut any = false;
    for (place, found) in columns.iter().enumerate() {
        if used.contains(&Some(place)) {
            continue;
        }
        any = true;
        line("");
        line("[[field]]");
        line(&format!("column = {}", quoted(&found.name)));
        if form == Form::Csv {
            let kind = values::guess(found.cells.iter().map(String::as_str), mark);
            let needed = found
                .cells
                .iter()
                .filter_map(|cell| decimals(cell, mark))
                .max()
                .unwrap_or(0);
            let kind = match (kind, needed) {
                (super::map::Type::Integer, 1..=18) => format!("decimal:{needed}"),
                (kind, _) => kind.to_string(),
            };
            line(&format!("type = \"{kind}\""));
        }
        let example = found.cells.first().map_or("", String::as_str);
        let short: String = example.chars().take(40).collect();
        line(&format!(
            "# {} different values in the sample, such as {}",
            found.different,
            quoted(&short)
        ));
    }
    if !any {
        line("");
        line("[[field]]                    # TODO: no column is left for a value");
        line("value = true");
    }
    text
}

/// The decimals with which a number is written: 2 of `3.50`.
fn decimals(cell: &str, mark: char) -> Option<u32> {
    let needed = values::Number::parse(cell, mark)?.decimals();
    let written = match cell.split_once(mark) {
        Some((_, digits)) if !cell.contains(['e', 'E']) => digits.len() as u32,
        _ => 0,
    };
    Some(needed.max(written))
}

/// The op that a word probably means.
fn meaning(word: &str) -> &'static str {
    match word.to_ascii_lowercase().as_str() {
        "toggle" | "flip" => "toggle",
        "add" | "increment" | "incr" | "inc" => "add",
        "append" | "push" => "append",
        "remove" => "remove",
        "delete" | "d" | "del" => "delete",
        "truncate" => "skip",
        _ => "set",
    }
}
