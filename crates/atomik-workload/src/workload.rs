//! Workloads as traces: the operations of a cluster's clients, one JSON object per line.
//!
//! ```json
//! {"t":1200,"node":0,"key":"N14228","op":"toggle","field":"airborne"}
//! ```
//!
//! | member | | meaning |
//! |---|---|---|
//! | `t` | required | milliseconds since the start, at most 2^53; never decreases |
//! | `node` | required | the node of the client, from 0 |
//! | `key` | required | 1 to 512 bytes of UTF-8 |
//! | `op` | required | see [`Action`] |
//! | `field` | optional | a part of the key's state, at most 255 bytes; empty by default |
//! | `value` | by op | a boolean, a 64-bit integer or a string; an object for text |
//!
//! | op | value | effect on the field |
//! |---|---|---|
//! | `toggle` | none | toggles a flag |
//! | `set` | boolean, integer or string | replaces the value |
//! | `add` | integer | adds to a counter |
//! | `insert`, `remove` | boolean, integer or string | adds or removes an element of a set |
//! | `insert` | `{"at":5,"text":"abc"}` | inserts text at a character of what the writer sees |
//! | `remove` | `{"at":5,"count":3}` | removes text |
//! | `append` | boolean, integer or string | appends to a list |
//! | `unset` | none | makes the field as if it had never been written |
//! | `delete` | none; no `field` | unsets every field of the key that an earlier line has written |
//!
//! A character is a Unicode scalar value. A field has one [`Class`] throughout the trace. A bad
//! line stops the reader with file, line and reason. Empty lines are skipped but numbered.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, Read, Write};
use std::path::{Path, PathBuf};

use indexmap::IndexSet;
use serde::{Deserialize, Serialize};

use crate::input::{self, Input};
use crate::json::Json;

/// The longest key, in bytes.
pub const MAX_KEY: usize = 512;
/// The longest name of a field, in bytes.
pub const MAX_FIELD: usize = 255;
/// The number of nodes, at most.
pub const MAX_NODES: u32 = 65_536;
/// The greatest time, in milliseconds. Integers up to it are exact in every JSON reader, and as
/// microseconds they fit into 64 bits.
pub const MAX_T: u64 = 1 << 53;

/// A simple value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Scalar {
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A string.
    Text(String),
}

impl Scalar {
    /// The size of the value: 1, 8, or the bytes of the string.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Bool(_) => 1,
            Self::Int(_) => 8,
            Self::Text(text) => text.len(),
        }
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Int(value) => value.fmt(f),
            Self::Text(value) => write!(f, "{value:?}"),
        }
    }
}

/// An operation on a field of a key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Action {
    /// Toggles a flag.
    Toggle,
    /// Replaces the value.
    Set(Scalar),
    /// Adds to a counter.
    Add(i64),
    /// Adds an element to a set.
    Insert(Scalar),
    /// Removes an element from a set.
    Remove(Scalar),
    /// Appends to a list.
    Append(Scalar),
    /// Inserts text.
    InsertText {
        /// The character to insert before, in the text that the writer sees.
        at: usize,
        /// The text to insert.
        text: String,
    },
    /// Removes text.
    RemoveText {
        /// The first character to remove.
        at: usize,
        /// How many to remove.
        count: usize,
    },
    /// Makes the field as if it had never been written.
    Unset,
    /// Unsets every field of the key that was written so far. Only lines have it; a [`Workload`]
    /// has one [`Action::Unset`] for each of the fields.
    Delete,
}

impl Action {
    /// Its name in a trace.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Toggle => "toggle",
            Self::Set(_) => "set",
            Self::Add(_) => "add",
            Self::Insert(_) | Self::InsertText { .. } => "insert",
            Self::Remove(_) | Self::RemoveText { .. } => "remove",
            Self::Append(_) => "append",
            Self::Unset => "unset",
            Self::Delete => "delete",
        }
    }

    /// The class of its field. A field that is set to a boolean may also be a register, and one
    /// that is unset may be anything.
    pub fn class(&self) -> Class {
        match self {
            Self::Toggle | Self::Set(Scalar::Bool(_)) | Self::Unset | Self::Delete => Class::Flag,
            Self::Set(_) => Class::Register,
            Self::Add(_) => Class::Counter,
            Self::Insert(_) | Self::Remove(_) => Class::Set,
            Self::Append(_) => Class::List,
            Self::InsertText { .. } | Self::RemoveText { .. } => Class::Text,
        }
    }

    /// Bytes of information in its value, without names and framing.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Toggle | Self::Unset | Self::Delete => 0,
            Self::Set(value) | Self::Insert(value) | Self::Remove(value) | Self::Append(value) => {
                value.bytes()
            }
            Self::Add(_) => 8,
            Self::InsertText { text, .. } => 4 + text.len(),
            Self::RemoveText { .. } => 8,
        }
    }
}

/// The class of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// `toggle`, and `set` of booleans.
    Flag,
    /// `set`, and `toggle` of a field that is also set to other values than booleans.
    Register,
    /// `add`, and `set` of integers.
    Counter,
    /// `insert` and `remove` of elements.
    Set,
    /// `append`.
    List,
    /// `insert` and `remove` at positions.
    Text,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Flag,
        Self::Register,
        Self::Counter,
        Self::Set,
        Self::List,
        Self::Text,
    ];
}

/// The operations on a field so far. They decide its class; their order does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Uses(u16);

impl Uses {
    const TOGGLE: Self = Self(1);
    const SET_BOOL: Self = Self(1 << 1);
    const SET_INT: Self = Self(1 << 2);
    const SET_TEXT: Self = Self(1 << 3);
    const ADD: Self = Self(1 << 4);
    const ELEMENT: Self = Self(1 << 5);
    const APPEND: Self = Self(1 << 6);
    const POSITION: Self = Self(1 << 7);
    const UNSET: Self = Self(1 << 8);

    fn of(action: &Action) -> Self {
        match action {
            Action::Toggle => Self::TOGGLE,
            Action::Set(Scalar::Bool(_)) => Self::SET_BOOL,
            Action::Set(Scalar::Int(_)) => Self::SET_INT,
            Action::Set(Scalar::Text(_)) => Self::SET_TEXT,
            Action::Add(_) => Self::ADD,
            Action::Insert(_) | Action::Remove(_) => Self::ELEMENT,
            Action::Append(_) => Self::APPEND,
            Action::InsertText { .. } | Action::RemoveText { .. } => Self::POSITION,
            Action::Unset => Self::UNSET,
            Action::Delete => Self::default(),
        }
    }

    fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The first class with all of these operations.
    fn class(self) -> Option<Class> {
        let sets = Self::SET_BOOL.and(Self::SET_INT).and(Self::SET_TEXT);
        let classes = [
            (Class::Flag, Self::TOGGLE.and(Self::SET_BOOL)),
            (Class::Register, Self::TOGGLE.and(sets)),
            (Class::Counter, Self::ADD.and(Self::SET_INT)),
            (Class::Set, Self::ELEMENT),
            (Class::List, Self::APPEND),
            (Class::Text, Self::POSITION),
        ];
        classes
            .into_iter()
            .find(|(_, has)| {
                let has = has.and(Self::UNSET);
                self.and(has) == has
            })
            .map(|(class, _)| class)
    }
}

/// The classes of fields so far, with a place for each.
#[derive(Debug)]
pub(crate) struct Classes<P> {
    /// The operations on each field, and the first place with it.
    uses: BTreeMap<String, (Uses, P)>,
}

/// A field would have two classes.
pub(crate) struct Clash<P> {
    /// The class so far.
    pub known: Class,
    /// The first place with the field.
    pub first: P,
}

impl<P> Default for Classes<P> {
    fn default() -> Self {
        Self {
            uses: BTreeMap::new(),
        }
    }
}

impl<P: Copy> Classes<P> {
    /// Takes an action on a field.
    pub fn accept(&mut self, field: &str, action: &Action, place: P) -> Result<(), Clash<P>> {
        // It is of a key, not of a field.
        if *action == Action::Delete {
            return Ok(());
        }
        let new = Uses::of(action);
        let Some((uses, first)) = self.uses.get_mut(field) else {
            self.uses.insert(field.to_owned(), (new, place));
            return Ok(());
        };
        let all = uses.and(new);
        if let (Some(known), None) = (uses.class(), all.class()) {
            return Err(Clash {
                known,
                first: *first,
            });
        }
        *uses = all;
        Ok(())
    }

    /// The fields with their classes.
    fn iter(&self) -> impl Iterator<Item = (&str, Class)> {
        self.uses
            .iter()
            .filter_map(|(name, (uses, _))| Some((name.as_str(), uses.class()?)))
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Flag => "flag",
            Self::Register => "register",
            Self::Counter => "counter",
            Self::Set => "set",
            Self::List => "list",
            Self::Text => "text",
        })
    }
}

/// One line of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Milliseconds since the start of the trace.
    pub t: u64,
    /// The node of the client.
    pub node: u32,
    /// The key.
    pub key: String,
    /// The part of the key's state.
    pub field: String,
    /// The operation.
    pub action: Action,
}

/// Why a trace is refused.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The file could not be read.
    #[error("{}: {source}", .file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A line violates the format.
    #[error("{}:{line}: {reason}", .file.display())]
    Line {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong, and how to fix it.
        reason: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire<'a> {
    t: u64,
    node: u32,
    #[serde(borrow)]
    key: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    op: std::borrow::Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    field: Option<std::borrow::Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<serde_json::Value>,
}

impl Line {
    /// Parses a line, without its newline.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parsed = serde_json::from_str(text)
            .map_err(|error| error.to_string())
            .and_then(Self::checked);
        parsed.map_err(|reason| diagnosis(text).unwrap_or(reason))
    }

    fn checked(wire: Wire<'_>) -> Result<Self, String> {
        if wire.t > MAX_T {
            return Err(format!(
                "t is {}; it may be at most {MAX_T}: give milliseconds since the start of the \
                 trace",
                wire.t
            ));
        }
        if wire.node >= MAX_NODES {
            return Err(format!(
                "node {} is not below {MAX_NODES}: number the nodes from 0",
                wire.node
            ));
        }
        if wire.key.is_empty() || wire.key.len() > MAX_KEY {
            return Err(format!(
                "the key has {} bytes; it must have 1 to {MAX_KEY}",
                wire.key.len()
            ));
        }
        let field = wire.field.unwrap_or_default();
        if field.len() > MAX_FIELD {
            return Err(format!(
                "the field's name has {} bytes; it may have at most {MAX_FIELD}",
                field.len()
            ));
        }
        let action = action(&wire.op, wire.value)?;
        if action == Action::Delete && !field.is_empty() {
            return Err(format!(
                "delete removes every field of the key: remove the member \"field\", or write \
                 \"unset\" to remove {field:?} alone"
            ));
        }
        Ok(Self {
            t: wire.t,
            node: wire.node,
            action,
            key: wire.key.into_owned(),
            field: field.into_owned(),
        })
    }

    /// Writes a line with its newline.
    ///
    /// # Errors
    ///
    /// The error of the writer.
    pub fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let wire = Wire {
            t: self.t,
            node: self.node,
            key: self.key.as_str().into(),
            op: self.action.name().into(),
            field: (!self.field.is_empty()).then(|| self.field.as_str().into()),
            value: value_of(&self.action),
        };
        serde_json::to_writer(&mut *to, &wire)?;
        to.write_all(b"\n")
    }
}

/// The members of a line. Each is what it stands for, and whether it must be there.
const MEMBERS: [(&str, &str, bool); 6] = [
    (
        "t",
        "the milliseconds since the start of the trace, such as 1200",
        true,
    ),
    (
        "node",
        "the number of the node that writes, from 0, such as 2",
        true,
    ),
    ("key", "the key as a string, such as \"k7\"", true),
    ("op", "the operation as a string, such as \"set\"", true),
    ("field", "the name of the field as a string", false),
    ("value", "", false),
];

/// What is wrong with a line that is no line of a trace, member by member. Nothing, if what is
/// wrong is not the form of a member.
fn diagnosis(text: &str) -> Option<String> {
    let json = match Json::line(text) {
        Ok(json) => json,
        Err(reason) if text.starts_with(['{', '[']) => return Some(reason),
        Err(_) => {
            return Some(
                "not JSON: a line of a trace is one JSON object; `atomik eval import` makes \
                 traces of tables"
                    .to_owned(),
            );
        }
    };
    let brief = |value: &Json| {
        let text = value.to_string();
        match text.char_indices().nth(40) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        }
    };
    let Json::Object(members) = &json else {
        return Some(format!(
            "{} is not an object: a line of a trace is a JSON object",
            brief(&json)
        ));
    };
    if let Some((name, _)) = members
        .iter()
        .find(|(name, _)| !MEMBERS.iter().any(|(known, ..)| known == name))
    {
        let known = MEMBERS.map(|(name, ..)| name).join(", ");
        return Some(format!(
            "unknown member {name:?}: remove it, or make a trace of this data with `atomik eval \
             import jsonl`; there are {known}"
        ));
    }
    for (name, what, needed) in MEMBERS {
        let value = match json.member(name) {
            None if needed => {
                return Some(format!("the member \"{name}\" is missing: give {what}"));
            }
            None => continue,
            Some(value) => value,
        };
        let fine = match (name, value) {
            ("t", Json::Number(number)) => number.parse::<u64>().is_ok(),
            ("node", Json::Number(number)) => number.parse::<u32>().is_ok(),
            ("key" | "op", Json::Text(_)) | ("field", Json::Text(_) | Json::Null) => true,
            ("value", _) => true,
            _ => false,
        };
        if !fine {
            let table = match (name, value) {
                ("t" | "node", Json::Text(_)) => {
                    "; `atomik eval import jsonl` converts times and names of nodes"
                }
                _ => "",
            };
            let kind = match value {
                Json::Null => String::new(),
                value => format!(", {}", value.kind()),
            };
            return Some(format!(
                "\"{name}\" is {}{kind}: give {what}{table}",
                brief(value)
            ));
        }
    }
    let op = match json.member("op") {
        Some(Json::Text(op)) if VALUED.contains(&op.as_str()) => op,
        _ => return None,
    };
    match json.member("value") {
        None => Some(format!(
            "the member \"value\" is missing: {op} needs a boolean, an integer or a string"
        )),
        Some(Json::Null) => Some(format!(
            "\"value\" is null: {op} needs a boolean, an integer or a string; \"unset\", without a \
             value, removes what the field has"
        )),
        Some(value @ Json::Number(number)) if number.parse::<i64>().is_err() => {
            let number = brief(value);
            Some(format!(
                "\"value\" is {number}, not an integer of 64 bits with a sign: scale it to one, or \
                 write it as a string, \"{number}\"; `atomik eval import jsonl` does either"
            ))
        }
        Some(value @ Json::Array(_)) => Some(format!(
            "\"value\" is {}, an array: {op} needs a boolean, an integer or a string",
            brief(value)
        )),
        Some(_) => None,
    }
}

/// The ops that take a value.
const VALUED: [&str; 5] = ["set", "add", "insert", "remove", "append"];

fn action(op: &str, value: Option<serde_json::Value>) -> Result<Action, String> {
    let without = match op {
        "toggle" => Some(Action::Toggle),
        "unset" => Some(Action::Unset),
        "delete" => Some(Action::Delete),
        _ => None,
    };
    if let Some(action) = without {
        return match value {
            None => Ok(action),
            Some(_) => Err(format!("{op} takes no value: remove the member \"value\"")),
        };
    }
    if !VALUED.contains(&op) {
        return Err(format!(
            "\"op\" is {op:?}, which is unknown: choose from toggle, {}, unset, delete",
            VALUED.join(", ")
        ));
    }
    let value = value.ok_or_else(|| format!("{op} needs a value"))?;
    if let serde_json::Value::Object(members) = &value {
        return text_action(op, members);
    }
    let value = scalar(value)?;
    Ok(match (op, value) {
        ("set", value) => Action::Set(value),
        ("insert", value) => Action::Insert(value),
        ("remove", value) => Action::Remove(value),
        ("append", value) => Action::Append(value),
        (_, Scalar::Int(value)) => Action::Add(value),
        (_, value) => return Err(format!("\"value\" is {value}, but add takes an integer")),
    })
}

fn scalar(value: serde_json::Value) -> Result<Scalar, String> {
    match value {
        serde_json::Value::Bool(value) => Ok(Scalar::Bool(value)),
        serde_json::Value::Number(number) => number
            .as_i64()
            .map(Scalar::Int)
            .ok_or_else(|| format!("{number} is not an integer of 64 bits with a sign")),
        serde_json::Value::String(text) => Ok(Scalar::Text(text)),
        other => Err(format!(
            "{other} is not a value: it must be a boolean, an integer or a string"
        )),
    }
}

fn text_action(
    op: &str,
    members: &serde_json::Map<String, serde_json::Value>,
) -> Result<Action, String> {
    let number = |name: &str| {
        members
            .get(name)
            .and_then(serde_json::Value::as_u64)
            .and_then(|number| usize::try_from(number).ok())
            .ok_or_else(|| {
                let found = members.get(name).map(|found| format!("found {found}: "));
                format!(
                    "{}a value of {op} at a position needs {name:?}, a whole number from 0",
                    found.unwrap_or_default()
                )
            })
    };
    let only = |names: [&str; 2]| match members.keys().find(|name| !names.contains(&name.as_str()))
    {
        Some(name) => Err(format!("unknown member {name:?} in the value: remove it")),
        None => Ok(()),
    };
    match op {
        "insert" => {
            only(["at", "text"])?;
            let text = members
                .get("text")
                .and_then(serde_json::Value::as_str)
                .filter(|text| !text.is_empty())
                .ok_or(
                    "a value of insert at a position needs \"text\", a string of one \
                    character at least",
                )?;
            Ok(Action::InsertText {
                at: number("at")?,
                text: text.to_owned(),
            })
        }
        "remove" => {
            only(["at", "count"])?;
            Ok(Action::RemoveText {
                at: number("at")?,
                count: number("count")?,
            })
        }
        _ => Err(format!("{op} takes no object as its value")),
    }
}

fn value_of(action: &Action) -> Option<serde_json::Value> {
    Some(match action {
        Action::Toggle | Action::Unset | Action::Delete => return None,
        Action::Add(value) => (*value).into(),
        Action::Set(value)
        | Action::Insert(value)
        | Action::Remove(value)
        | Action::Append(value) => match value {
            Scalar::Bool(value) => (*value).into(),
            Scalar::Int(value) => (*value).into(),
            Scalar::Text(value) => value.as_str().into(),
        },
        Action::InsertText { at, text } => serde_json::json!({"at": at, "text": text}),
        Action::RemoveText { at, count } => serde_json::json!({"at": at, "count": count}),
    })
}

/// The name of a trace, as a reader knows it.
#[must_use]
pub fn title(trace: &str) -> &str {
    if trace == "-" {
        "standard input"
    } else {
        trace
    }
}

/// Reads a trace line by line, in constant memory except for the classes of its fields.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    file: PathBuf,
    line: u64,
    last: u64,
    buffer: Vec<u8>,
    classes: Classes<u64>,
    stopped: bool,
}

impl Reader<Box<dyn BufRead>> {
    /// Opens a file, or stdin if it is `-`, plain or compressed with gzip or zstd.
    ///
    /// # Errors
    ///
    /// [`TraceError::Io`].
    pub fn open(file: &Path) -> Result<Self, TraceError> {
        Self::watched(file, |file| Box::new(file))
    }

    /// As [`Reader::open`]; a file is read through what `watch` makes of it, such as a progress
    /// bar.
    ///
    /// # Errors
    ///
    /// [`TraceError::Io`].
    pub fn watched(
        file: &Path,
        watch: impl FnOnce(File) -> Box<dyn Read>,
    ) -> Result<Self, TraceError> {
        let name = input::name(file);
        match Input::watched(file, watch) {
            Ok(input) => Ok(Self::new(Box::new(input.text()), &name)),
            Err(source) => Err(TraceError::Io { file: name, source }),
        }
    }
}

impl<R: BufRead> Reader<R> {
    /// A reader of `input`, which error messages call `file`.
    pub fn new(input: R, file: &Path) -> Self {
        Self {
            input,
            file: file.to_owned(),
            line: 0,
            last: 0,
            buffer: Vec::new(),
            classes: Classes::default(),
            stopped: false,
        }
    }

    /// The number of the last line read, from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// The fields so far, with their classes.
    pub fn classes(&self) -> impl Iterator<Item = (&str, Class)> {
        self.classes.iter()
    }

    fn accept(&mut self) -> Result<Option<Line>, String> {
        let text = std::str::from_utf8(&self.buffer).map_err(|_| "not UTF-8".to_owned())?;
        let text = text.trim();
        if text.is_empty() {
            return Ok(None);
        }
        let line = Line::parse(text)?;
        if line.t < self.last {
            return Err(format!(
                "t is {}, less than {} on an earlier line: sort the trace by t",
                line.t, self.last
            ));
        }
        self.last = line.t;
        self.classes
            .accept(&line.field, &line.action, self.line)
            .map_err(|clash| {
                format!(
                    "{} makes the field {:?} a {}, but since line {} it is a {}: give it another \
                     name",
                    line.action.name(),
                    line.field,
                    line.action.class(),
                    clash.first,
                    clash.known
                )
            })?;
        Ok(Some(line))
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Line, TraceError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.stopped {
            self.buffer.clear();
            match self.input.read_until(b'\n', &mut self.buffer) {
                Ok(0) => return None,
                Ok(_) => self.line += 1,
                Err(source) => {
                    self.stopped = true;
                    let file = self.file.clone();
                    return Some(Err(TraceError::Io { file, source }));
                }
            }
            match self.accept() {
                Ok(None) => {}
                Ok(Some(line)) => return Some(Ok(line)),
                Err(reason) => {
                    self.stopped = true;
                    return Some(Err(TraceError::Line {
                        file: self.file.clone(),
                        line: self.line,
                        reason,
                    }));
                }
            }
        }
        None
    }
}

/// A field of a workload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// Its name, which may be empty.
    pub name: String,
    /// Its class.
    pub class: Class,
    /// Bytes of its longest string, or 0.
    pub longest: usize,
    /// Whether it is unset anywhere.
    #[serde(default)]
    pub unset: bool,
    /// All elements in order of their first use, if it is a [`Class::Set`] with at most
    /// [`MAX_UNIVERSE`] of them.
    pub universe: Option<Vec<Scalar>>,
}

/// The largest closed universe: as many elements as a replicated value has bits.
pub const MAX_UNIVERSE: usize = 1024;

/// An operation of a workload, with indices instead of names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Milliseconds since the start of the trace.
    pub t: u64,
    /// The node of the client.
    pub node: u32,
    /// The index in [`Workload::keys`].
    pub key: u32,
    /// The index in [`Workload::fields`].
    pub field: u16,
    /// The operation.
    pub action: Action,
}

/// A whole trace in memory.
#[derive(Clone, Debug, Default)]
pub struct Workload {
    /// Its name, such as that of the file.
    pub name: String,
    /// The keys, in order of their first use.
    pub keys: IndexSet<String>,
    /// The fields, in order of their first use.
    pub fields: Vec<Field>,
    /// The operations, in order. A `delete` is one `unset` for each field that an earlier line of
    /// its key has written, in order of the fields.
    pub steps: Vec<Step>,
    /// One more than the highest node.
    pub nodes: u32,
}

impl Workload {
    /// Collects the lines of a [`Reader`] or a generator, up to `limit`.
    ///
    /// # Errors
    ///
    /// The first bad line, or more than 65,535 fields.
    pub fn collect(
        name: &str,
        lines: impl IntoIterator<Item = Result<Line, TraceError>>,
        limit: usize,
    ) -> Result<Self, TraceError> {
        let mut workload = Self {
            name: name.to_owned(),
            ..Self::default()
        };
        let mut places: BTreeMap<String, u16> = BTreeMap::new();
        let mut universes: Vec<Option<IndexSet<Scalar>>> = Vec::new();
        let mut uses: Vec<Uses> = Vec::new();
        // The fields of each key.
        let mut written: Vec<BTreeSet<u16>> = Vec::new();
        for (number, line) in lines.into_iter().take(limit).enumerate() {
            let line = line?;
            workload.nodes = workload.nodes.max(line.node + 1);
            if line.action == Action::Delete {
                let Some(key) = workload.keys.get_index_of(&line.key) else {
                    continue;
                };
                for &field in &written[key] {
                    workload.fields[usize::from(field)].unset = true;
                    workload.steps.push(Step {
                        t: line.t,
                        node: line.node,
                        key: key as u32,
                        field,
                        action: Action::Unset,
                    });
                }
                continue;
            }
            let class = line.action.class();
            let field = match places.get(&line.field) {
                Some(&field) => field,
                None => {
                    let field =
                        u16::try_from(workload.fields.len()).map_err(|_| TraceError::Line {
                            file: name.into(),
                            line: number as u64 + 1,
                            reason: "more than 65,535 fields: use keys instead".into(),
                        })?;
                    workload.fields.push(Field {
                        name: line.field.clone(),
                        class,
                        longest: 0,
                        unset: false,
                        universe: None,
                    });
                    universes.push(Some(IndexSet::new()));
                    uses.push(Uses::default());
                    places.insert(line.field, field);
                    field
                }
            };
            let known = &mut workload.fields[usize::from(field)];
            let all = uses[usize::from(field)].and(Uses::of(&line.action));
            uses[usize::from(field)] = all;
            known.class = all.class().ok_or_else(|| TraceError::Line {
                file: name.into(),
                line: number as u64 + 1,
                reason: format!("field {:?} is a {} and a {class}", known.name, known.class),
            })?;
            if let Action::Set(value) | Action::Insert(value) | Action::Append(value) = &line.action
                && let Scalar::Text(text) = value
            {
                known.longest = known.longest.max(text.len());
            }
            known.unset |= line.action == Action::Unset;
            let universe = &mut universes[usize::from(field)];
            if let (Action::Insert(value) | Action::Remove(value), Some(elements)) =
                (&line.action, universe.as_mut())
            {
                elements.insert(value.clone());
                if elements.len() > MAX_UNIVERSE {
                    *universe = None;
                }
            }
            let (key, _) = workload.keys.insert_full(line.key);
            if key == written.len() {
                written.push(BTreeSet::new());
            }
            written[key].insert(field);
            workload.steps.push(Step {
                t: line.t,
                node: line.node,
                key: key as u32,
                field,
                action: line.action,
            });
        }
        for (field, universe) in workload.fields.iter_mut().zip(universes) {
            if field.class == Class::Set {
                field.universe = universe.map(|elements| elements.into_iter().collect());
            }
        }
        Ok(workload)
    }

    /// Reads a file, up to `limit` lines.
    ///
    /// # Errors
    ///
    /// As [`Reader`].
    pub fn read(file: &Path, limit: usize) -> Result<Self, TraceError> {
        let name = file.file_stem().unwrap_or(file.as_os_str());
        Self::collect(&name.to_string_lossy(), Reader::open(file)?, limit)
    }

    /// The key of a step.
    ///
    /// # Panics
    ///
    /// If the step belongs to another workload.
    pub fn key(&self, step: &Step) -> &str {
        &self.keys[step.key as usize]
    }

    /// The field of a step.
    ///
    /// # Panics
    ///
    /// If the step belongs to another workload.
    pub fn field(&self, step: &Step) -> &Field {
        &self.fields[usize::from(step.field)]
    }
}
