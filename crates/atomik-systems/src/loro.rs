//! One document of Loro for all keys, with a map per field at the root.
//!
//! | class | in the document |
//! |---|---|
//! | flag | a counter of toggles per key; the flag is its parity |
//! | register | map of the field: key → value |
//! | counter | two counters per key, for low and high halves |
//! | set | a map per key: element → true |
//! | list | a list per key |
//! | text | a text per key |
//!
//! The container of a key is a *mergeable* child of the field's map: nodes that create it
//! concurrently create the same one, while of ordinary children only one would remain in the map.
//!
//! Counters of Loro are 64-bit floats, which are exact up to 2^53. Values are therefore added as
//! 32-bit halves, the high one only if it is not 0. That is exact for four million additions of the
//! largest values, far more than any workload has.
//!
//! A `set` of a flag or a counter starts an *era*: it writes its value and a unique name into a
//! second map of the field, and toggles and additions go to counters with that name.

use ::loro::{
    Container, ExportMode, IdSpan, LoroCounter, LoroDoc, LoroMap, LoroValue, PeerID,
    ValueOrContainer, VersionVector,
};

use super::document::{Document, Documents, element, element_name};
use atomik_arena::system::{Description, NodeId, Setup, System, SystemError, of_field};
use atomik_workload::content::Content;
use atomik_workload::workload::{Action, Class, Scalar};

/// The systems of this module.
pub(crate) fn systems() -> Vec<Box<dyn System>> {
    vec![Box::new(LORO)]
}

const LORO: Documents<Shared> = Documents {
    describe,
    empty: Shared::new,
};

fn describe() -> Description {
    Description {
        name: "Loro",
        library: "loro 1.17.1".into(),
        semantics: "\
            Strong eventual consistency: a node acknowledges on its own, and nodes that have \
            applied the same updates have the same state. Concurrent toggles, additions, appended \
            values and text edits all count; of two concurrent writes of one register, and of a \
            concurrent insertion and removal of one element, the one with the higher Lamport time \
            wins, then that of the higher peer id, and the other is lost without notice; inserting \
            a present element writes nothing. Of two concurrent `set`s of a flag or counter, \
            additions to the losing one are dropped.",
        usage: "\
            One document; root maps for fields, with mergeable children in them (docs of crate \
            `loro`, LoroMap: for peers that may lazily initialise the same child). Native \
            counters, which are floats (LoroCounter), so values are added in 32-bit halves. One \
            commit per batch; `export(ExportMode::updates)` since the previous version vector is \
            broadcast (with a linger, those of the node's own operations meanwhile, \
            `ExportMode::updates_in_range`), and a node that reconnects sends its version vector \
            and gets what it lacks (README of `loro`, Real-time Collaboration). Peer ids are new \
            in every incarnation (docs, `set_peer_id`: pitfalls). Updates are stored one by one, \
            imported together after a restart (docs, `import_batch`), and replaced by a snapshot \
            from time to time (loro.dev, Persistence); here when they have as many bytes as the \
            document. The snapshot keeps all history: a shallow one could not apply updates from \
            before it (docs, `export`). Text is counted in Unicode scalar values, as in traces.",
        proofs: "\
            None known of the crate, which has property tests that compare replicas \
            (tests/hegel_pbt.rs). Its core is based on Fugue (loro.dev, JavaScript API: overview). \
            Of the variant FugueMax, Weidner and Kleppmann prove on paper that it interleaves \
            concurrent insertions as little as possible (arXiv:2305.00583).",
    }
}

/// A field in the document.
struct FieldMap {
    class: Class,
    /// The containers of each key; counters with their era.
    map: LoroMap,
    /// For each key, the value at the start of its era, and the era's name.
    starts: LoroMap,
}

struct Shared {
    doc: LoroDoc,
    field_maps: Vec<FieldMap>,
    /// Eras started in this incarnation.
    eras: u64,
}

impl Shared {
    fn new(setup: &Setup, _: NodeId, id: u64) -> Result<Self, SystemError> {
        let doc = LoroDoc::new();
        doc.set_peer_id(id).map_err(broken("setting the peer id"))?;
        let field_maps = setup
            .fields
            .iter()
            .enumerate()
            .map(|(field, of)| FieldMap {
                class: of.class,
                map: doc.get_map(field.to_string()),
                starts: doc.get_map(format!("{field} starts")),
            })
            .collect();
        Ok(Self {
            doc,
            field_maps,
            eras: 0,
        })
    }
}

fn broken<E: Into<Box<dyn std::error::Error + Send + Sync>>>(
    doing: &'static str,
) -> impl FnOnce(E) -> SystemError {
    move |error| SystemError::failed(doing, error)
}

impl FieldMap {
    /// The value at the start of a key's era, and the era's name.
    fn start(&self, key: &str) -> (Option<Scalar>, String) {
        match value(self.starts.get(key)) {
            Some(LoroValue::List(parts)) => match &parts[..] {
                [start, LoroValue::String(era)] => (scalar(start), era.to_string()),
                _ => (None, String::new()),
            },
            _ => (None, String::new()),
        }
    }

    /// Starts a new era of a key with this value. It is named after the peer and `eras`, the eras
    /// that the peer has started.
    fn start_era(
        &self,
        key: &str,
        value: LoroValue,
        peer: PeerID,
        eras: &mut u64,
    ) -> Result<(), SystemError> {
        let era = format!("{peer:x}.{eras:x}");
        self.starts
            .insert(key, vec![value, LoroValue::from(era)])
            .map_err(broken("starting an era"))?;
        *eras += 1;
        Ok(())
    }

    fn counter(&self, name: &str) -> i64 {
        match container(self.map.get(name)) {
            // A float that holds a whole number.
            Some(Container::Counter(counter)) => counter.get_value() as i64,
            _ => 0,
        }
    }

    fn add(&self, name: &str, value: i64) -> Result<(), SystemError> {
        if value != 0 {
            let counter: LoroCounter = self
                .map
                .ensure_mergeable_counter(name)
                .map_err(broken("making a counter"))?;
            counter
                .increment(value as f64)
                .map_err(broken("adding to a counter"))?;
        }
        Ok(())
    }
}

/// The names of the counters of a key's era. No era's name contains a slash.
fn low(era: &str, key: &str) -> String {
    format!("{era}/{key}")
}

fn high(era: &str, key: &str) -> String {
    format!("{era}//{key}")
}

fn value(entry: Option<ValueOrContainer>) -> Option<LoroValue> {
    entry.and_then(|entry| entry.into_value().ok())
}

fn container(entry: Option<ValueOrContainer>) -> Option<Container> {
    entry.and_then(|entry| entry.into_container().ok())
}

fn loro(value: &Scalar) -> LoroValue {
    match value {
        Scalar::Bool(value) => LoroValue::from(*value),
        Scalar::Int(value) => LoroValue::from(*value),
        Scalar::Text(value) => LoroValue::from(value.as_str()),
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

impl Shared {
    fn change(&mut self, key: &str, field: u16, action: &Action) -> Result<(), SystemError> {
        let field_map = of_field(&self.field_maps, field)?;
        let map = &field_map.map;
        match (field_map.class, action) {
            (Class::Flag, Action::Toggle) => {
                let (_, era) = field_map.start(key);
                field_map.add(&low(&era, key), 1)?;
            }
            (Class::Counter, Action::Add(value)) => {
                let (_, era) = field_map.start(key);
                let half = i64::from(*value as i32);
                field_map.add(&low(&era, key), half)?;
                field_map.add(&high(&era, key), value.wrapping_sub(half) >> 32)?;
            }
            (Class::Flag, Action::Set(value @ Scalar::Bool(_)))
            | (Class::Counter, Action::Set(value @ Scalar::Int(_))) => {
                field_map.start_era(key, loro(value), self.doc.peer_id(), &mut self.eras)?;
            }
            (Class::Flag | Class::Counter, Action::Unset) => {
                let zero = LoroValue::from(0i64);
                field_map.start_era(key, zero, self.doc.peer_id(), &mut self.eras)?;
            }
            (Class::Register, Action::Unset) => {
                if map.get(key).is_some() {
                    map.delete(key).map_err(broken("removing a value"))?;
                }
            }
            (Class::Set | Class::List | Class::Text, Action::Unset) => {
                match container(map.get(key)) {
                    Some(Container::Map(set)) => set.clear(),
                    Some(Container::List(list)) => list.clear(),
                    Some(Container::Text(text)) => text.delete(0, text.len_unicode()),
                    _ => Ok(()),
                }
                .map_err(broken("emptying a container"))?;
            }
            (Class::Register, Action::Set(value)) => map
                .insert(key, loro(value))
                .map_err(broken("setting a value"))?,
            (Class::Register, Action::Toggle) => {
                let on = value(map.get(key)) == Some(LoroValue::Bool(true));
                map.insert(key, !on).map_err(broken("setting a value"))?;
            }
            (Class::Set, Action::Insert(value)) => map
                .ensure_mergeable_map(key)
                .and_then(|set| set.insert(&element_name(value), true))
                .map_err(broken("inserting an element"))?,
            (Class::Set, Action::Remove(value)) => {
                let name = element_name(value);
                if let Some(Container::Map(set)) = container(map.get(key))
                    && set.get(&name).is_some()
                {
                    set.delete(&name).map_err(broken("removing an element"))?;
                }
            }
            (Class::List, Action::Append(value)) => map
                .ensure_mergeable_list(key)
                .and_then(|list| list.push(loro(value)))
                .map_err(broken("appending a value"))?,
            (Class::Text, Action::InsertText { at, text: new }) => map
                .ensure_mergeable_text(key)
                .and_then(|text| text.insert((*at).min(text.len_unicode()), new))
                .map_err(broken("inserting text"))?,
            (Class::Text, Action::RemoveText { at, count }) => {
                if let Some(Container::Text(text)) = container(map.get(key)) {
                    let long = text.len_unicode();
                    let first = (*at).min(long);
                    let count = (*count).min(long - first);
                    text.delete(first, count).map_err(broken("removing text"))?;
                }
            }
            (class, action) => {
                return Err(SystemError::invariant(format!(
                    "{} does not fit a {class}",
                    action.name()
                )));
            }
        }
        Ok(())
    }
}

impl Document for Shared {
    fn edit(&mut self, operations: &[(&str, u16, &Action)]) -> Result<Vec<u8>, SystemError> {
        let before = self.doc.oplog_vv();
        for (key, field, action) in operations {
            self.change(key, *field, action)?;
        }
        self.doc.commit();
        self.doc
            .export(ExportMode::updates(&before))
            .map_err(broken("encoding an update"))
    }

    fn merge(&self, updates: &[&[u8]]) -> Result<Vec<u8>, SystemError> {
        let own = self.doc.peer_id();
        let (mut start, mut end) = (i32::MAX, 0);
        for update in updates {
            let meta = LoroDoc::decode_import_blob_meta(update, false)
                .map_err(broken("reading an update"))?;
            // One without operations has no counters.
            if let Some(&to) = meta.partial_end_vv.get(&own) {
                let from = meta.partial_start_vv.get(&own);
                start = start.min(from.copied().unwrap_or(0));
                end = end.max(to);
            }
        }
        let spans = vec![IdSpan::new(own, start.min(end), end)];
        self.doc
            .export(ExportMode::updates_in_range(spans))
            .map_err(broken("merging updates"))
    }

    fn apply(&mut self, updates: &[&[u8]]) -> Result<(), SystemError> {
        match updates {
            [update] => self.doc.import(update),
            _ => {
                let updates: Vec<_> = updates.iter().map(|update| update.to_vec()).collect();
                self.doc.import_batch(&updates)
            }
        }
        .map_err(broken("applying updates"))?;
        Ok(())
    }

    fn vector(&self) -> Result<Vec<u8>, SystemError> {
        Ok(self.doc.oplog_vv().encode())
    }

    fn difference(&self, vector: &[u8]) -> Result<Vec<u8>, SystemError> {
        let vector = VersionVector::decode(vector).map_err(broken("reading a version vector"))?;
        self.doc
            .export(ExportMode::updates(&vector))
            .map_err(broken("encoding a difference"))
    }

    fn whole(&self) -> Result<Vec<u8>, SystemError> {
        self.doc
            .export(ExportMode::Snapshot)
            .map_err(broken("encoding a snapshot"))
    }

    fn read(&self, key: &str, field: u16) -> Result<Content, SystemError> {
        let field_map = of_field(&self.field_maps, field)?;
        let entry = || field_map.map.get(key);
        Ok(match field_map.class {
            Class::Flag => {
                let (start, era) = field_map.start(key);
                let toggled = field_map.counter(&low(&era, key)) % 2 != 0;
                Content::Flag((start == Some(Scalar::Bool(true))) ^ toggled)
            }
            Class::Counter => {
                let (start, era) = field_map.start(key);
                let start = match start {
                    Some(Scalar::Int(value)) => value,
                    _ => 0,
                };
                let high = field_map.counter(&high(&era, key)) << 32;
                let low = field_map.counter(&low(&era, key));
                Content::Counter(start.wrapping_add(high).wrapping_add(low))
            }
            Class::Register => Content::Register(value(entry()).as_ref().and_then(scalar)),
            Class::Set => Content::Set(match container(entry()) {
                Some(Container::Map(set)) => set.keys().filter_map(|name| element(&name)).collect(),
                _ => Default::default(),
            }),
            Class::List => Content::List(match container(entry()) {
                Some(Container::List(list)) => list.to_vec().iter().filter_map(scalar).collect(),
                _ => Vec::new(),
            }),
            Class::Text => Content::Text(match container(entry()) {
                Some(Container::Text(text)) => text.to_string(),
                _ => String::new(),
            }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adversary;
    use crate::document::laws;

    laws::document_tests!(LORO);

    #[test]
    fn updates_may_come_in_any_order_any_number_of_times() {
        laws::any_order(200..240, &Class::ALL, false, &LORO);
    }
}
