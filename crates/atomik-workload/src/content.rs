//! What a field holds, and what each action does to it when actions come one after the other: the
//! meaning that traces have.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::workload::{Action, Class, Scalar};

/// What a field holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Content {
    /// On or off; off at first.
    Flag(bool),
    /// The last value that was set; none at first.
    Register(Option<Scalar>),
    /// A sum; 0 at first. It wraps around at 64 bits.
    Counter(i64),
    /// Elements; none at first.
    Set(BTreeSet<Scalar>),
    /// Values in order; none at first.
    List(Vec<Scalar>),
    /// Characters; none at first.
    Text(String),
}

impl Content {
    /// What a field of this class holds before the first action.
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

    /// Applies an action. Positions in text beyond its end mean its end. An action that the class
    /// does not have changes nothing: traces are checked for that when they are read.
    pub fn apply(&mut self, action: &Action) {
        match (self, action) {
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

    /// Bytes of information in it, without names and framing. A flag is a bit, counted as a byte.
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

/// The byte at which the `at`th character starts.
fn place(text: &str, at: usize) -> usize {
    text.char_indices()
        .nth(at)
        .map_or(text.len(), |(place, _)| place)
}
