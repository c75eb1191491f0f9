//! Maps: which columns of a table are the members of an operation.
//!
//! A map is a TOML file. `atomik eval import csv --guess` writes one as a start.
//!
//! ```toml
//! duplicates = "drop"            # rows that are identical in every cell; default "keep"
//! node = { column = "host" }     # a table takes from a column; a string stands for itself
//! key = { columns = ["shop", "article"], separator = "/" }
//! op = "set"                     # of every field that has none of its own
//!
//! [time]
//! column = "at"                  # or columns = ["day", "hour"], joined by a space
//! format = "iso"                 # or s, ms, us, ns, or a pattern of strptime
//! zone = "Europe/Berlin"         # of times without an offset
//! repeated = "first"             # or "second", for the hour that a clock shows twice
//! missing = "forward"            # or "back", for the hour that it skips
//!
//! [csv]
//! delimiter = ";"
//! nulls = ["NULL"]               # cells that stand for null
//!
//! [[field]]
//! column = "price"               # one operation per row and field
//! type = "decimal:2"             # or integer, boolean, text
//!
//! [[field]]
//! name = "stock"                 # default: the column's name
//! column = "change"
//! op = { column = "kind", values = { in = "add", note = "skip" } }
//! empty = "refuse"               # or "skip", "keep", "delete"; as for `null`
//! ```
//!
//! A column of JSON lines is a path such as `payload.after.id`.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::de::{Error as _, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer};

use super::ImportError;
use super::time::{self, Clock, Format, Missing, Repeated};
use crate::workload::Scalar;

/// A map from columns to operations.
#[derive(Clone, Debug)]
pub struct Map {
    pub(super) csv: Csv,
    pub(super) time: TimeMap,
    pub(super) node: Source,
    pub(super) key: Source,
    pub(super) fields: Vec<FieldMap>,
    pub(super) drop_duplicates: bool,
    /// What should be looked at before the trace is trusted.
    pub(super) notes: Vec<String>,
}

/// How a table of delimited values is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Csv {
    /// Guessed without one.
    pub delimiter: Option<char>,
    pub quote: char,
    /// Whether the first row names the columns; else they are called 1, 2, ….
    pub header: bool,
    pub ragged: Ragged,
    pub decimal_mark: char,
    pub thousands_mark: Option<char>,
    /// Cells that stand for null.
    pub nulls: Vec<String>,
}

impl Default for Csv {
    fn default() -> Self {
        Self {
            delimiter: None,
            quote: '"',
            header: true,
            ragged: Ragged::Refuse,
            decimal_mark: '.',
            thousands_mark: None,
            nulls: Vec::new(),
        }
    }
}

/// What separates the parts of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Marks {
    pub decimal: char,
    /// What may stand before every three digits.
    pub thousands: Option<char>,
}

impl Default for Marks {
    fn default() -> Self {
        Self {
            decimal: '.',
            thousands: None,
        }
    }
}

impl Csv {
    /// How numbers are written.
    pub fn marks(&self) -> Marks {
        Marks {
            decimal: self.decimal_mark,
            thousands: self.thousands_mark,
        }
    }
}

/// What to do about rows with another number of cells than the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Ragged {
    Refuse,
    /// Missing cells are empty, and empty cells beyond the last column are ignored.
    Pad,
}

/// Where the time is, and how it is written.
#[derive(Clone, Debug)]
pub(super) struct TimeMap {
    pub columns: Vec<String>,
    /// What is put between the cells of several columns.
    pub separator: String,
    /// Guessed without one.
    pub format: Option<Format>,
    pub clock: Clock,
}

/// Where a member comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The same in every row.
    Constant(String),
    /// The cells of columns, joined.
    Columns {
        columns: Vec<String>,
        separator: String,
        /// What stands for what; empty if cells stand for themselves.
        values: BTreeMap<String, String>,
    },
}

/// What a row does to its field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Toggle,
    Set,
    Add,
    Insert,
    Remove,
    Append,
    Unset,
    /// Of the whole key.
    Delete,
    /// Nothing: the row is left out.
    Skip,
}

impl Op {
    pub const ALL: [(&'static str, Self); 9] = [
        ("toggle", Self::Toggle),
        ("set", Self::Set),
        ("add", Self::Add),
        ("insert", Self::Insert),
        ("remove", Self::Remove),
        ("append", Self::Append),
        ("unset", Self::Unset),
        ("delete", Self::Delete),
        ("skip", Self::Skip),
    ];

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|(name, _)| *name == text)
            .map(|(_, op)| *op)
    }

    pub fn name(self) -> &'static str {
        let named = Self::ALL.iter().find(|(_, op)| *op == self);
        named.map_or("", |(name, _)| name)
    }

    pub fn takes_value(self) -> bool {
        !matches!(self, Self::Toggle | Self::Unset | Self::Delete | Self::Skip)
    }

    /// The names of all, for messages.
    pub fn names() -> String {
        Self::ALL.map(|(name, _)| name).join(", ")
    }
}

/// What the cells of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Strings.
    Text,
    /// Integers of 64 bits with a sign.
    Integer,
    /// Numbers with this many decimals, as integers: 3.540 is 3540 with three.
    Decimal(u32),
    /// `true` and `false`, `t` and `f`, `yes` and `no`, 1 and 0.
    Boolean,
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => f.write_str("text"),
            Self::Integer => f.write_str("integer"),
            Self::Decimal(digits) => write!(f, "decimal:{digits}"),
            Self::Boolean => f.write_str("boolean"),
        }
    }
}

impl FromStr for Type {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.strip_prefix("decimal:").and_then(|digits| {
            let digits = digits.parse::<u32>().ok()?;
            (digits <= 18).then_some(digits)
        });
        match (text, digits) {
            ("text", _) => Ok(Self::Text),
            ("integer", _) => Ok(Self::Integer),
            ("boolean", _) => Ok(Self::Boolean),
            (_, Some(digits)) => Ok(Self::Decimal(digits)),
            _ => Err(format!(
                "{text:?} is not a type: write text, integer, boolean, or decimal:3 for numbers \
                 with three decimals (at most 18)"
            )),
        }
    }
}

impl<'de> Deserialize<'de> for Type {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// What to do about a cell without a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Policy {
    /// No operation.
    Skip,
    Refuse,
    /// The empty string is a value.
    Keep,
    /// The field is unset.
    Delete,
}

/// A field: one operation per row.
#[derive(Clone, Debug)]
pub(super) struct FieldMap {
    pub name: Source,
    pub value: Value,
    pub op: Source,
    /// Guessed without one.
    pub kind: Option<Type>,
    pub empty: Policy,
    pub null: Policy,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// The operation has none.
    None,
    Constant(Scalar),
    Column(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    time: WireTime,
    node: Source,
    key: Source,
    op: Option<Source>,
    #[serde(default, rename = "field")]
    fields: Vec<WireField>,
    #[serde(default)]
    csv: Csv,
    #[serde(default)]
    duplicates: Duplicates,
    #[serde(default = "skip")]
    empty: Policy,
    #[serde(default = "skip")]
    null: Policy,
}

fn skip() -> Policy {
    Policy::Skip
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Duplicates {
    #[default]
    Keep,
    Drop,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireTime {
    column: Option<String>,
    columns: Option<Vec<String>>,
    separator: Option<String>,
    format: Option<String>,
    zone: Option<String>,
    #[serde(default)]
    repeated: Repeated,
    #[serde(default)]
    missing: Missing,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireField {
    name: Option<Source>,
    column: Option<String>,
    value: Option<toml::Value>,
    op: Option<Source>,
    #[serde(rename = "type")]
    kind: Option<Type>,
    empty: Option<Policy>,
    null: Option<Policy>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireColumns {
    column: Option<String>,
    columns: Option<Vec<String>>,
    separator: Option<String>,
    #[serde(default)]
    values: BTreeMap<String, String>,
}

impl<'de> Deserialize<'de> for Source {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = Source;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string that stands for itself, or { column = \"NAME\" }")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Source, E> {
                Ok(Source::Constant(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Source, A::Error> {
                let wire = WireColumns::deserialize(MapAccessDeserializer::new(map))?;
                let columns = one_or_several(wire.column, wire.columns);
                Ok(Source::Columns {
                    columns: columns.map_err(A::Error::custom)?,
                    separator: wire.separator.unwrap_or_else(|| "/".to_owned()),
                    values: wire.values,
                })
            }
        }
        deserializer.deserialize_any(Visit)
    }
}

fn one_or_several(
    column: Option<String>,
    columns: Option<Vec<String>>,
) -> Result<Vec<String>, &'static str> {
    match (column, columns) {
        (Some(column), None) => Ok(vec![column]),
        (None, Some(columns)) if !columns.is_empty() => Ok(columns),
        _ => Err("write either column = \"NAME\" or columns = [\"NAME\", \"NAME\"]"),
    }
}

impl Map {
    /// Reads a map; `file` is its name in messages.
    ///
    /// # Errors
    ///
    /// What is wrong in which line, and what to write.
    pub fn parse(text: &str, file: &Path) -> Result<Self, ImportError> {
        let wire: Wire = toml::from_str(text).map_err(|error| {
            let reason = error.message().trim_end().to_owned();
            match error.span() {
                Some(span) => {
                    let before = text[..span.start].matches('\n').count() as u64;
                    ImportError::line(file, 1 + before, reason)
                }
                None => ImportError::file(file, reason),
            }
        })?;
        let mut map = Self::checked(wire).map_err(|reason| ImportError::file(file, reason))?;
        let marked = (1..).zip(text.lines());
        let marked = marked.filter(|(_, line)| line.contains("# TODO"));
        let marked: Vec<String> = marked.map(|(line, _): (u64, _)| line.to_string()).collect();
        if !marked.is_empty() {
            map.notes.push(format!(
                "{} still has TODO on line {}: put there what the data means",
                file.display(),
                marked.join(", ")
            ));
        }
        if let Source::Constant(node) = &map.node {
            map.notes.push(format!(
                "every row has the node {node:?}, so nothing is concurrent, and almost everything \
                 fits: take the node from a column unless one node writes it all"
            ));
        }
        Ok(map)
    }

    /// Reads the map in a file.
    ///
    /// # Errors
    ///
    /// As [`Map::parse`], and if the file cannot be read.
    pub fn read(file: &Path) -> Result<Self, ImportError> {
        let bytes = std::fs::read(file).map_err(ImportError::io(file))?;
        let text = String::from_utf8(bytes).map_err(|_| {
            let reason = "not UTF-8, so it is not a map: `--guess` in place of `--map` writes one";
            ImportError::file(file, reason)
        })?;
        Self::parse(&text, file)
    }

    fn checked(wire: Wire) -> Result<Self, String> {
        let csv = wire.csv;
        for (name, character) in [
            ("delimiter", csv.delimiter.unwrap_or(',')),
            ("quote", csv.quote),
        ] {
            if !character.is_ascii() {
                return Err(format!(
                    "[csv] {name} is {character:?}, not an ASCII character"
                ));
            }
        }
        if csv.delimiter == Some(csv.quote) {
            return Err(format!(
                "[csv] delimiter and quote are both {:?}: write what each is, or remove one",
                csv.quote
            ));
        }
        if csv.thousands_mark == Some(csv.decimal_mark) {
            return Err(format!(
                "[csv] decimal_mark and thousands_mark are both {:?}: write what each is, or \
                 remove one",
                csv.decimal_mark
            ));
        }
        if wire.fields.is_empty() {
            return Err(
                "no [[field]]: each is one operation per row; write one with column = \"NAME\""
                    .to_owned(),
            );
        }
        let format = wire.time.format.as_deref().map(str::parse).transpose()?;
        let clock = Clock {
            format: format.clone().unwrap_or(Format::Iso),
            zone: wire.time.zone.as_deref().map(time::zone).transpose()?,
            repeated: wire.time.repeated,
            missing: wire.time.missing,
        };
        if let Some(number) = format.as_ref().filter(|format| format.is_number())
            && (clock.zone.is_some()
                || clock.repeated != Repeated::Refuse
                || clock.missing != Missing::Refuse)
        {
            return Err(format!(
                "[time] has format = \"{number}\", a number since 1970 in UTC, so zone, repeated \
                 and missing mean nothing: remove them"
            ));
        }
        let default = wire
            .op
            .unwrap_or_else(|| Source::Constant("set".to_owned()));
        let fields: Vec<FieldMap> = wire
            .fields
            .into_iter()
            .map(|field| {
                let op = field.op.unwrap_or_else(|| default.clone());
                let value = match (field.column, field.value) {
                    (Some(column), None) => Value::Column(column),
                    (None, Some(value)) => Value::Constant(constant(value)?),
                    (None, None) => Value::None,
                    (Some(column), Some(_)) => {
                        return Err(format!(
                            "the [[field]] of column {column:?} has a value as well: remove one"
                        ));
                    }
                };
                let name = match (field.name, &value) {
                    (Some(name), _) => name,
                    (None, Value::Column(column)) => Source::Constant(column.clone()),
                    (None, _) => Source::Constant(String::new()),
                };
                check_op(&op, &value)?;
                Ok(FieldMap {
                    name,
                    value,
                    op,
                    kind: field.kind,
                    empty: field.empty.unwrap_or(wire.empty),
                    null: field.null.unwrap_or(wire.null),
                })
            })
            .collect::<Result<_, String>>()?;
        check_names(&fields)?;
        Ok(Self {
            csv,
            time: TimeMap {
                columns: one_or_several(wire.time.column, wire.time.columns)
                    .map_err(|reason| format!("[time]: {reason}"))?,
                separator: wire.time.separator.unwrap_or_else(|| " ".to_owned()),
                format,
                clock,
            },
            node: wire.node,
            key: wire.key,
            fields,
            drop_duplicates: matches!(wire.duplicates, Duplicates::Drop),
            notes: Vec::new(),
        })
    }
}

fn constant(value: toml::Value) -> Result<Scalar, String> {
    match value {
        toml::Value::Boolean(value) => Ok(Scalar::Bool(value)),
        toml::Value::Integer(value) => Ok(Scalar::Int(value)),
        toml::Value::String(text) => Ok(Scalar::Text(text)),
        other => Err(format!(
            "value = {other} in [[field]] is not a boolean, integer or string"
        )),
    }
}

fn check_op(op: &Source, value: &Value) -> Result<(), String> {
    let texts: Vec<&str> = match op {
        Source::Constant(text) => vec![text],
        Source::Columns { values, .. } => values.values().map(String::as_str).collect(),
    };
    for text in texts {
        let Some(op) = Op::parse(text) else {
            return Err(format!(
                "op {text:?} is unknown: write one of {}",
                Op::names()
            ));
        };
        if op.takes_value() && *value == Value::None {
            return Err(format!(
                "{text} needs a value: write column = \"NAME\" or value = … in [[field]]"
            ));
        }
    }
    if let (Source::Constant(text), Value::Column(column)) = (op, value)
        && matches!(Op::parse(text), Some(Op::Toggle | Op::Unset | Op::Delete))
    {
        return Err(format!(
            "{text} takes no value, so nothing is read from column {column:?}: write name = \
             {column:?} in its place, or another op"
        ));
    }
    Ok(())
}

/// A row sets a field to one value.
fn check_names(fields: &[FieldMap]) -> Result<(), String> {
    let is_set = |field: &&FieldMap| field.op == Source::Constant("set".to_owned());
    let names = fields.iter().filter(is_set).map(|field| &field.name);
    let mut seen = HashSet::new();
    for name in names {
        if let Source::Constant(name) = name
            && !seen.insert(name)
        {
            return Err(format!(
                "two [[field]] set {name:?}, so that the second undoes the first: give each its \
                 own `name`"
            ));
        }
    }
    Ok(())
}
