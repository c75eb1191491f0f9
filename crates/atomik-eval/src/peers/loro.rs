//! One Loro document for all keys, its containers at the root.
//!
//! | class | in the document |
//! |---|---|
//! | flag | a counter of toggles for each key; the flag is on if it is odd |
//! | register | map of the field: key → value |
//! | counter | a counter for each key |
//! | set | a map for each key: element → true |
//! | list | a list for each key |
//! | text | a text for each key |
//!
//! A `set` of a flag or a counter starts an *era* with a counter of its own; an entry of the field's map says which era it is, and the value at its start.

use ::loro::{
    ExportMode, LoroCounter, LoroDoc, LoroError, LoroMap, LoroValue, ValueOrContainer,
    VersionVector,
};

use super::document::{Document, Replica, client_id};
use crate::content::Content;
use crate::system::{Broken, Description, Kind, NodeId, Setup, Storage, System};
use crate::workload::{Action, Class, Field, Scalar};

/// Its columns.
pub(crate) fn kinds() -> Vec<Box<dyn Kind>> {
    vec![Box::new(Loro)]
}

struct Loro;

impl Kind for Loro {
    fn describe(&self) -> Description {
        Description {
            name: "Loro",
            library: "loro 1.17.1".into(),
            semantics: "Strong eventual consistency: a node acknowledges alone, nodes that know the same are the same. Concurrent toggles, additions and text edits all count (sums are exact up to 2^53, because counters are floats); of concurrent writes \
                of one register or one element the last by Lamport clock stays, and nothing is reported.",
            usage: "One document, containers at the root, counters of the feature `counter` (README, `Data Structures`). A commit for each batch; updates since a version vector are exported and sent, and whoever comes back gets those since his \
                (README, `Sync between peers`). Peer ids are new in every life (docs of `LoroDoc::set_peer_id`: prefer a new one for each session). Updates are stored one by one, and now and then a snapshot replaces them (docs of `LoroDoc::export`: fresh snapshots periodically).",
            proofs: "None known. The crate's own property tests and fuzzing (tests/hegel_pbt.rs in loro 1.17.1).",
        }
    }

    fn expresses(&self, _: &Field) -> Result<(), String> {
        Ok(())
    }

    fn open(
        &self,
        setup: &Setup,
        node: NodeId,
        storage: &Storage,
    ) -> Result<Box<dyn System>, Broken> {
        let replica = Replica::open(setup, node, storage, |life| {
            Shared::new(setup, node, client_id(setup, node, life))
        })?;
        Ok(Box::new(replica))
    }
}

struct Shared {
    doc: LoroDoc,
    node: i64,
    nodes: i64,
    classes: Vec<Class>,
}

impl From<LoroError> for Broken {
    fn from(error: LoroError) -> Self {
        Self::new("editing a Loro document", error)
    }
}

/// The name of a container of one key. Names of root containers have no slashes.
fn root(field: u16, era: i64, key: &str) -> String {
    let key = key
        .replace('%', "%25")
        .replace('/', "%2F")
        .replace('\0', "%00");
    format!("{field}:{era}:{key}")
}

fn value(scalar: &Scalar) -> LoroValue {
    match scalar {
        Scalar::Bool(value) => (*value).into(),
        Scalar::Int(value) => (*value).into(),
        Scalar::Text(value) => value.as_str().into(),
    }
}

fn scalar(value: &LoroValue) -> Option<Scalar> {
    Some(match value {
        LoroValue::Bool(value) => Scalar::Bool(*value),
        LoroValue::I64(value) => Scalar::Int(*value),
        LoroValue::String(value) => Scalar::Text(value.to_string()),
        _ => return None,
    })
}

/// The name of an element in a map.
fn name(element: &Scalar) -> String {
    match element {
        Scalar::Bool(value) => format!("b{value}"),
        Scalar::Int(value) => format!("i{value}"),
        Scalar::Text(value) => format!("t{value}"),
    }
}

fn element(name: &str) -> Option<Scalar> {
    let (kind, value) = name.split_at_checked(1)?;
    Some(match kind {
        "b" => Scalar::Bool(value == "true"),
        "i" => Scalar::Int(value.parse().ok()?),
        _ => Scalar::Text(value.to_owned()),
    })
}

impl Shared {
    fn new(setup: &Setup, node: NodeId, id: u64) -> Result<Self, Broken> {
        let doc = LoroDoc::new();
        // The highest id is reserved.
        doc.set_peer_id(id >> 1)?;
        Ok(Self {
            doc,
            node: node as i64,
            nodes: setup.nodes as i64,
            classes: setup.fields.iter().map(|field| field.class).collect(),
        })
    }

    fn class(&self, field: u16) -> Result<Class, Broken> {
        self.classes
            .get(usize::from(field))
            .copied()
            .ok_or_else(|| Broken(format!("field {field} is not in the schema")))
    }

    fn map(&self, field: u16) -> LoroMap {
        self.doc.get_map(format!("{field}").as_str())
    }

    fn get(&self, field: u16, key: &str) -> Option<LoroValue> {
        match self.map(field).get(key)? {
            ValueOrContainer::Value(value) => Some(value),
            ValueOrContainer::Container(_) => None,
        }
    }

    /// The era of a flag or a counter, the value at its start, and what has been added since.
    fn era(&self, field: u16, key: &str) -> (i64, i64, LoroCounter) {
        let (era, start) = match self.get(field, key) {
            Some(LoroValue::List(parts)) => match parts.as_slice() {
                [LoroValue::I64(era), LoroValue::I64(start)] => (*era, *start),
                _ => (0, 0),
            },
            _ => (0, 0),
        };
        let counter = self.doc.get_counter(root(field, era, key).as_str());
        (era, start, counter)
    }

    fn change(&self, key: &str, field: u16, action: &Action) -> Result<(), Broken> {
        let class = self.class(field)?;
        match (class, action) {
            (Class::Flag, Action::Toggle) => self.era(field, key).2.increment(1.0)?,
            (Class::Counter, Action::Add(value)) => {
                self.era(field, key).2.increment(*value as f64)?;
            }
            (Class::Flag, Action::Set(Scalar::Bool(_)))
            | (Class::Counter, Action::Set(Scalar::Int(_))) => {
                let start = match action {
                    Action::Set(Scalar::Int(value)) => *value,
                    action => i64::from(*action == Action::Set(Scalar::Bool(true))),
                };
                let (era, ..) = self.era(field, key);
                let next = (era / self.nodes + 1) * self.nodes + self.node;
                let entry = LoroValue::from(vec![next, start]);
                self.map(field).insert(key, entry)?;
            }
            (Class::Register, Action::Set(to)) => self.map(field).insert(key, value(to))?,
            (Class::Register, Action::Toggle) => {
                let on = self.get(field, key) == Some(LoroValue::Bool(true));
                self.map(field).insert(key, !on)?;
            }
            (Class::Set, Action::Insert(value)) => {
                let set = self.doc.get_map(root(field, 0, key).as_str());
                set.insert(&name(value), true)?;
            }
            (Class::Set, Action::Remove(value)) => {
                let set = self.doc.get_map(root(field, 0, key).as_str());
                set.delete(&name(value))?;
            }
            (Class::List, Action::Append(to)) => {
                let list = self.doc.get_list(root(field, 0, key).as_str());
                list.push(value(to))?;
            }
            (Class::Text, Action::InsertText { at, text: new }) => {
                let text = self.doc.get_text(root(field, 0, key).as_str());
                text.insert((*at).min(text.len_unicode()), new)?;
            }
            (Class::Text, Action::RemoveText { at, count }) => {
                let text = self.doc.get_text(root(field, 0, key).as_str());
                let first = (*at).min(text.len_unicode());
                text.delete(first, (*count).min(text.len_unicode() - first))?;
            }
            (class, action) => {
                return Err(Broken(format!("{} does not fit a {class}", action.name())));
            }
        }
        Ok(())
    }

    fn export(&self, mode: ExportMode<'_>) -> Result<Vec<u8>, Broken> {
        self.doc
            .export(mode)
            .map_err(|error| Broken::new("exporting from a Loro document", error))
    }
}

impl Document for Shared {
    fn edit(&mut self, operations: &[(&str, u16, &Action)]) -> Result<Vec<u8>, Broken> {
        let before = self.doc.oplog_vv();
        for (key, field, action) in operations {
            self.change(key, *field, action)?;
        }
        self.doc.commit();
        self.export(ExportMode::updates(&before))
    }

    fn apply(&mut self, update: &[u8]) -> Result<(), Broken> {
        self.doc.import(update)?;
        Ok(())
    }

    fn vector(&self) -> Result<Vec<u8>, Broken> {
        Ok(self.doc.oplog_vv().encode())
    }

    fn difference(&self, vector: &[u8]) -> Result<Vec<u8>, Broken> {
        let vector = VersionVector::decode(vector)?;
        self.export(ExportMode::updates(&vector))
    }

    fn whole(&self) -> Result<Vec<u8>, Broken> {
        self.export(ExportMode::Snapshot)
    }

    fn read(&self, key: &str, field: u16) -> Result<Content, Broken> {
        Ok(match self.class(field)? {
            Class::Flag => {
                let (_, start, toggles) = self.era(field, key);
                Content::Flag((start != 0) ^ (toggles.get() as i64 % 2 != 0))
            }
            Class::Counter => {
                let (_, start, sum) = self.era(field, key);
                Content::Counter(start.wrapping_add(sum.get() as i64))
            }
            Class::Register => Content::Register(self.get(field, key).as_ref().and_then(scalar)),
            Class::Set => {
                let set = self.doc.get_map(root(field, 0, key).as_str());
                let mut elements = Vec::new();
                set.for_each(|name, _| elements.extend(element(name)));
                Content::Set(elements.into_iter().collect())
            }
            Class::List => {
                let list = self.doc.get_list(root(field, 0, key).as_str());
                Content::List(match list.get_value() {
                    LoroValue::List(values) => values.iter().filter_map(scalar).collect(),
                    _ => Vec::new(),
                })
            }
            Class::Text => {
                let text = self.doc.get_text(root(field, 0, key).as_str());
                Content::Text(text.to_string())
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::adversary::{ALL, Faults, all_counts, any_order, converges, sequential};
    use super::*;

    #[test]
    fn acknowledged_operations_count_once() {
        let classes = [Class::Flag, Class::Register, Class::Counter, Class::List];
        all_counts(&Loro, &classes, 0..40, ALL);
        let no_crash = Faults { crash: 0, ..ALL };
        all_counts(&Loro, &classes, 40..80, no_crash);
    }

    #[test]
    fn updates_may_come_in_any_order_any_number_of_times() {
        any_order(200..240, &Class::ALL, false, |setup, node| {
            Shared::new(setup, node, client_id(setup, node, 0)).unwrap()
        });
    }

    #[test]
    fn nodes_become_the_same() {
        converges(&Loro, &Class::ALL, 100..160);
    }

    #[test]
    fn in_sequence_operations_mean_what_traces_mean() {
        sequential(&Loro, &Class::ALL, 200..210);
    }
}
