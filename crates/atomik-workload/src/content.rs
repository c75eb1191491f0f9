//! The value of a field, and what each action does to it: the sequential meaning of a trace.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::workload::{Action, Class, Scalar};

/// The value of a field.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Content {
    /// On or off; initially off.
    Flag(bool),
    /// The last value that was set; initially none.
    Register(Option<Scalar>),
    /// A sum that wraps around at 64 bits; initially 0.
    Counter(i64),
    /// Elements; initially none.
    Set(BTreeSet<Scalar>),
    /// Values in order; initially none.
    List(Vec<Scalar>),
    /// Characters; initially none.
    Text(String),
}

impl Content {
    /// The initial value of a field of this class.
    pub fn empty(class: Class) -> Self {
        match class {
            Class::Flag => Self::Flag(false),
            Class::Register => Self::Register(None),
            Class::Counter => Self::Counter(0),
            Class::Set => Self::Set(BTreeSet::new()),
            Class::List => Self::List(Vec::new()),
            Class::Text => Self::Text(String::new()),
        }
    }

    /// Its class.
    pub fn class(&self) -> Class {
        match self {
            Self::Flag(_) => Class::Flag,
            Self::Register(_) => Class::Register,
            Self::Counter(_) => Class::Counter,
            Self::Set(_) => Class::Set,
            Self::List(_) => Class::List,
            Self::Text(_) => Class::Text,
        }
    }

    /// Applies an action. Positions beyond the end of a text mean its end. An action of another
    /// class changes nothing; readers refuse traces with such actions.
    pub fn apply(&mut self, action: &Action) {
        match (self, action) {
            (content, Action::Unset | Action::Delete) => *content = Self::empty(content.class()),
            (Self::Flag(flag), Action::Toggle) => *flag = !*flag,
            (Self::Flag(flag), Action::Set(Scalar::Bool(value))) => *flag = *value,
            (Self::Register(register), Action::Set(value)) => *register = Some(value.clone()),
            (Self::Register(register), Action::Toggle) => {
                *register = Some(Scalar::Bool(*register != Some(Scalar::Bool(true))));
            }
            (Self::Counter(sum), Action::Add(value)) => *sum = sum.wrapping_add(*value),
            (Self::Counter(sum), Action::Set(Scalar::Int(value))) => *sum = *value,
            (Self::Set(elements), Action::Insert(value)) => {
                elements.insert(value.clone());
            }
            (Self::Set(elements), Action::Remove(value)) => {
                elements.remove(value);
            }
            (Self::List(values), Action::Append(value)) => values.push(value.clone()),
            (Self::Text(text), Action::InsertText { at, text: new }) => {
                text.insert_str(place(text, *at), new);
            }
            (Self::Text(text), Action::RemoveText { at, count }) => {
                let first = place(text, *at);
                let last = first + place(&text[first..], *count);
                text.replace_range(first..last, "");
            }
            _ => {}
        }
    }

    /// The value in a few words, for messages. Sets, lists and text are given by their size.
    pub fn summary(&self) -> String {
        match self {
            Self::Flag(true) => "on".into(),
            Self::Flag(false) => "off".into(),
            Self::Register(None) => "nothing".into(),
            Self::Register(Some(value)) => value.to_string(),
            Self::Counter(sum) => sum.to_string(),
            Self::Set(elements) => format!("a set of {}", elements.len()),
            Self::List(values) => format!("a list of {}", values.len()),
            Self::Text(text) => format!("{} bytes of text", text.len()),
        }
    }

    /// Bytes of information in the value, without names and framing. A flag counts as a byte.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Flag(_) => 1,
            Self::Register(value) => value.as_ref().map_or(0, Scalar::bytes),
            Self::Counter(_) => 8,
            Self::Set(elements) => elements.iter().map(Scalar::bytes).sum(),
            Self::List(values) => values.iter().map(Scalar::bytes).sum(),
            Self::Text(text) => text.len(),
        }
    }
}

/// The byte where character `at` starts.
fn place(text: &str, at: usize) -> usize {
    text.char_indices()
        .nth(at)
        .map_or(text.len(), |(place, _)| place)
}
