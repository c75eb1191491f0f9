//! One document of Automerge for all keys, with a map per field at the root.
//!
//! | class | in the document |
//! |---|---|
//! | flag | map of the field: a counter of toggles per key and node; the flag is the parity of their sum |
//! | register | map of the field: key → value |
//! | counter | map of the field: a counter per key and node; the value is their sum |
//! | set | map of the field: key and element → true |
//! | list | map of the field: key → a list |
//! | text | map of the field: key → a text |
//!
//! Nodes that concurrently put an object or a counter under one key of a map create several, of
//! which one is visible. Each node therefore has its own counters, and the elements of sets are
//! entries of the field's map. Lists and texts, which cannot be split up, are created by a change
//! that is the same on every node: with an actor derived from field and key, at time 0, depending
//! only on the change that created the maps. A document applies the same change once.
//!
//! A `set` of a flag or a counter starts an *era*, named by the id of the operation that wrote its
//! start value. Every counter belongs to one era.

use std::collections::BTreeMap;

use ::automerge::transaction::{CommitOptions, Transactable};
use ::automerge::{
    ActorId, Automerge as Doc, AutomergeError, ChangeHash, LoadOptions, ObjId, ObjType, ROOT,
    ReadDoc, ScalarValue, ScalarValueRef, TextEncoding, Value, ValueRef,
};

use super::document::{Document, Documents, element, element_name};
use atomik_arena::system::{Description, NodeId, Setup, System, SystemError, of_field};
use atomik_workload::content::Content;
use atomik_workload::workload::{Action, Class, Scalar};

/// The systems of this module.
pub(crate) fn systems() -> Vec<Box<dyn System>> {
    vec![Box::new(AUTOMERGE)]
}

const AUTOMERGE: Documents<Shared> = Documents {
    describe,
    empty: Shared::new,
};

fn describe() -> Description {
    Description {
        name: "Automerge",
        library: "automerge 0.12.0".into(),
        semantics: "\
            Strong eventual consistency: a node acknowledges on its own, and nodes that have \
            applied the same updates have the same state. Concurrent toggles, additions, appended \
            values and text edits all count; of two concurrent writes of one register one wins, \
            the same everywhere; the other could be queried (`get_all`), which nothing here does, \
            so nothing is reported; an element that is inserted while another node removes it \
            stays, unless it was present before, because inserting it then writes nothing. Of two \
            concurrent `set`s of a flag or counter, additions to the losing one are dropped.",
        usage: "\
            One document; every node starts from the same first change, which creates a map per \
            field. Lists and texts are created by changes with an actor, time and predecessor that \
            all nodes derive alike (automerge.org, Modeling Data: setting up an initial document \
            structure; Versioning: a change on the fly with hard-coded actor id and timestamp). \
            One transaction per batch; its changes are broadcast as `save_after` returns them; \
            with a linger, those of several batches travel together. The \
            crate's sync protocol requires a reliable in-order stream and finds what a peer lacks \
            by Bloom filters, which have false positives (docs of module `sync`, `BloomFilter`); \
            here a node that reconnects sends hashes of each actor's latest changes, further back \
            in doubling steps, and gets all changes that these do not depend on. Actor ids are new \
            in every incarnation. Changes are stored one by one, and the compacted document \
            replaces them from time to time (automerge.org, Storage: under the hood); here when \
            they have as many bytes as the document. Native counters, one per writer, because \
            counters that two nodes concurrently create under one key do not add up. Text is \
            counted in Unicode code points (`TextEncoding::UnicodeCodePoint`), as in traces.",
        proofs: "\
            None known of the crate, which has property tests and fuzzed cases. Of similar \
            algorithms, a replicated growable array and an increment-decrement counter, Gomes, \
            Kleppmann, Mulligan and Beresford prove convergence in Isabelle/HOL (Verifying Strong \
            Eventual Consistency in Distributed Systems, 2017).",
    }
}

const ENCODING: TextEncoding = TextEncoding::UnicodeCodePoint;

/// The actor of the first change. Actors of writers have eight bytes, those that create an object
/// sixteen.
const FIRST: [u8; 1] = [0];

/// Beyond this value a counter is replaced rather than incremented, so that its sum does not
/// overflow.
const LARGEST: u64 = 1 << 62;

/// A field in the document.
struct FieldMap {
    class: Class,
    map: ObjId,
}

struct Shared {
    doc: Doc,
    node: NodeId,
    field_maps: Vec<FieldMap>,
}

/// Why an operation on a document failed.
enum DocumentError {
    Library(AutomergeError),
    Adapter(SystemError),
}

impl From<AutomergeError> for DocumentError {
    fn from(error: AutomergeError) -> Self {
        Self::Library(error)
    }
}

impl From<SystemError> for DocumentError {
    fn from(error: SystemError) -> Self {
        Self::Adapter(error)
    }
}

impl From<DocumentError> for SystemError {
    fn from(error: DocumentError) -> Self {
        match error {
            DocumentError::Library(error) => {
                Self::failed("working on an Automerge document", error)
            }
            DocumentError::Adapter(error) => error,
        }
    }
}

/// A document with a map per field, created by the change from which all nodes start.
fn first(fields: usize) -> Result<(Doc, Vec<ObjId>), AutomergeError> {
    let mut doc = Doc::new_with_encoding(ENCODING).with_actor(ActorId::from(&FIRST[..]));
    let mut change = doc.transaction();
    let maps = (0..fields)
        .map(|field| change.put_object(ROOT, field.to_string(), ObjType::Map))
        .collect::<Result<_, AutomergeError>>()?;
    change.commit_with(CommitOptions::default().with_time(0));
    Ok((doc, maps))
}

impl Shared {
    fn new(setup: &Setup, node: NodeId, id: u64) -> Result<Self, SystemError> {
        let (doc, maps) = first(setup.fields.len()).map_err(DocumentError::Library)?;
        let field_maps = setup.fields.iter().zip(maps);
        Ok(Self {
            doc: doc.with_actor(ActorId::from(&id.to_be_bytes()[..])),
            node,
            field_maps: field_maps
                .map(|(of, map)| FieldMap {
                    class: of.class,
                    map,
                })
                .collect(),
        })
    }

    /// Creates the list or text of a key if it does not exist, by the change that every node would
    /// make.
    fn make(&mut self, key: &str, field: u16) -> Result<(), DocumentError> {
        let field_map = of_field(&self.field_maps, field)?;
        let kind = match field_map.class {
            Class::List => ObjType::List,
            Class::Text => ObjType::Text,
            _ => return Ok(()),
        };
        if object(&self.doc, &field_map.map, key)?.is_some() {
            return Ok(());
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update(&field.to_le_bytes());
        hasher.update(key.as_bytes());
        let actor = ActorId::from(&hasher.finalize().as_bytes()[..16]);
        let (doc, _) = first(self.field_maps.len())?;
        let mut doc = doc.with_actor(actor);
        let mut change = doc.transaction();
        change.put_object(&field_map.map, key, kind)?;
        change.commit_with(CommitOptions::default().with_time(0));
        self.doc.apply_changes(doc.get_last_local_change())?;
        Ok(())
    }
}

/// The prefix of all names that belong to a key, and of no others.
fn prefix(key: &str) -> String {
    format!("{}:{key}", key.len())
}

fn object(doc: &impl ReadDoc, map: &ObjId, key: &str) -> Result<Option<ObjId>, AutomergeError> {
    Ok(match doc.get(map, key)? {
        Some((Value::Object(_), id)) => Some(id),
        _ => None,
    })
}

/// The value at the start of a key's era, and the prefix of the names of that era's counters.
fn start(
    doc: &impl ReadDoc,
    map: &ObjId,
    key: &str,
) -> Result<(Option<Scalar>, String), AutomergeError> {
    let prefix = prefix(key);
    Ok(match doc.get(map, &prefix)? {
        Some((value, id)) => (scalar(&value), format!("{prefix}{id}/")),
        None => (None, format!("{prefix}/")),
    })
}

/// Writes a value even if it is present already.
fn replace(
    change: &mut impl Transactable,
    map: &ObjId,
    name: &str,
    value: ScalarValue,
) -> Result<(), AutomergeError> {
    change.delete(map, name)?;
    change.put(map, name, value)
}

fn automerge(value: &Scalar) -> ScalarValue {
    match value {
        Scalar::Bool(value) => ScalarValue::from(*value),
        Scalar::Int(value) => ScalarValue::from(*value),
        Scalar::Text(value) => ScalarValue::from(value.as_str()),
    }
}

fn scalar(value: &Value<'_>) -> Option<Scalar> {
    let Value::Scalar(value) = value else {
        return None;
    };
    Some(match &**value {
        ScalarValue::Boolean(value) => Scalar::Bool(*value),
        ScalarValue::Int(value) => Scalar::Int(*value),
        ScalarValue::Str(value) => Scalar::Text(value.to_string()),
        _ => return None,
    })
}

fn counted(value: &Value<'_>) -> Option<i64> {
    match value {
        Value::Scalar(value) => match &**value {
            ScalarValue::Counter(counter) => Some(i64::from(counter)),
            _ => None,
        },
        Value::Object(_) => None,
    }
}

/// Adds to this node's counter of the key's era.
fn add(
    change: &mut impl Transactable,
    map: &ObjId,
    key: &str,
    node: NodeId,
    value: i64,
) -> Result<(), AutomergeError> {
    let (_, era) = start(change, map, key)?;
    let name = format!("{era}{node}");
    let sum = change
        .get(map, &name)?
        .and_then(|(value, _)| counted(&value));
    let new = sum.unwrap_or(0).wrapping_add(value);
    match sum {
        Some(sum) if sum.unsigned_abs().max(new.unsigned_abs()) < LARGEST => {
            change.increment(map, name, value)
        }
        _ => replace(change, map, &name, ScalarValue::counter(new)),
    }
}

/// Applies an operation. The list or text exists already.
fn act(
    change: &mut impl Transactable,
    field_map: &FieldMap,
    key: &str,
    node: NodeId,
    action: &Action,
) -> Result<(), DocumentError> {
    let map = &field_map.map;
    let made = |object: Option<ObjId>| {
        object.ok_or_else(|| {
            SystemError::invariant(format!("the {} of {key} was not made", field_map.class))
        })
    };
    match (field_map.class, action) {
        (Class::Flag, Action::Toggle) => add(change, map, key, node, 1)?,
        (Class::Counter, Action::Add(value)) => add(change, map, key, node, *value)?,
        (Class::Flag, Action::Set(value @ Scalar::Bool(_)))
        | (Class::Counter, Action::Set(value @ Scalar::Int(_))) => {
            replace(change, map, &prefix(key), automerge(value))?;
        }
        (Class::Flag, Action::Unset) => replace(change, map, &prefix(key), false.into())?,
        (Class::Counter, Action::Unset) => replace(change, map, &prefix(key), 0i64.into())?,
        (Class::Register, Action::Unset) => change.delete(map, key)?,
        (Class::Set, Action::Unset) => {
            let prefix = prefix(key);
            let elements: Vec<String> = change
                .map_range(map, prefix.clone()..)
                .map_while(|entry| {
                    entry
                        .key
                        .starts_with(&prefix)
                        .then(|| entry.key.to_string())
                })
                .collect();
            for element in elements {
                change.delete(map, element)?;
            }
        }
        (Class::List, Action::Unset) => {
            let list = made(object(change, map, key)?)?;
            for place in (0..change.length(&list)).rev() {
                change.delete(&list, place)?;
            }
        }
        (Class::Text, Action::Unset) => {
            let text = made(object(change, map, key)?)?;
            let length = change.length(&text);
            change.splice_text(&text, 0, length as isize, "")?;
        }
        (Class::Register, Action::Set(value)) => change.put(map, key, automerge(value))?,
        (Class::Register, Action::Toggle) => {
            let now = change.get(map, key)?.and_then(|(value, _)| scalar(&value));
            change.put(map, key, now != Some(Scalar::Bool(true)))?;
        }
        (Class::Set, Action::Insert(value)) => {
            change.put(map, prefix(key) + &element_name(value), true)?;
        }
        (Class::Set, Action::Remove(value)) => {
            change.delete(map, prefix(key) + &element_name(value))?;
        }
        (Class::List, Action::Append(value)) => {
            let list = made(object(change, map, key)?)?;
            change.insert(&list, change.length(&list), automerge(value))?;
        }
        (Class::Text, Action::InsertText { at, text: new }) => {
            let text = made(object(change, map, key)?)?;
            let at = (*at).min(change.length(&text));
            change.splice_text(&text, at, 0, new)?;
        }
        (Class::Text, Action::RemoveText { at, count }) => {
            let text = made(object(change, map, key)?)?;
            let long = change.length(&text);
            let at = (*at).min(long);
            change.splice_text(&text, at, (*count).min(long - at) as isize, "")?;
        }
        (class, action) => {
            return Err(SystemError::invariant(format!(
                "{} does not fit a {class}",
                action.name()
            ))
            .into());
        }
    }
    Ok(())
}

impl Document for Shared {
    fn edit(&mut self, operations: &[(&str, u16, &Action)]) -> Result<Vec<u8>, SystemError> {
        let before = self.doc.get_heads();
        for (key, field, _) in operations {
            self.make(key, *field)?;
        }
        let mut change = self.doc.transaction();
        for (key, field, action) in operations {
            let field_map = of_field(&self.field_maps, *field)?;
            act(&mut change, field_map, key, self.node, action)?;
        }
        change.commit_with(CommitOptions::default().with_time(0));
        Ok(self.doc.save_after(&before))
    }

    fn merge(&self, updates: &[&[u8]]) -> Result<Vec<u8>, SystemError> {
        // Changes may be concatenated.
        Ok(updates.concat())
    }

    fn apply(&mut self, updates: &[&[u8]]) -> Result<(), SystemError> {
        // The changes are concatenated; applying many at once is faster.
        match updates {
            [update] => self.doc.load_incremental(update),
            _ => self.doc.load_incremental(&updates.concat()),
        }
        .map_err(DocumentError::Library)?;
        Ok(())
    }

    /// Hashes of each writer's latest change, the one before it, the second before that, and so on:
    /// a node that is behind knows some of them.
    fn vector(&self) -> Result<Vec<u8>, SystemError> {
        let mut writers: BTreeMap<ActorId, Vec<[u8; 32]>> = BTreeMap::new();
        for change in self.doc.get_changes_meta(&[]) {
            if change.actor.to_bytes().len() == 8 {
                let hashes = writers.entry(change.actor.into_owned()).or_default();
                hashes.push(change.hash.0);
            }
        }
        let mut known = Vec::new();
        for hashes in writers.values() {
            let mut back = 1;
            while let Some(place) = hashes.len().checked_sub(back) {
                known.push(hashes[place]);
                back *= 2;
            }
        }
        postcard::to_allocvec(&known).map_err(|error| SystemError::failed("encoding hashes", error))
    }

    fn difference(&self, vector: &[u8]) -> Result<Vec<u8>, SystemError> {
        let known = postcard::from_bytes::<Vec<[u8; 32]>>(vector)
            .map_err(|error| SystemError::failed("reading hashes", error))?;
        let known: Vec<_> = known.into_iter().map(ChangeHash).collect();
        Ok(self.doc.save_after(&known))
    }

    fn whole(&self) -> Result<Vec<u8>, SystemError> {
        Ok(self.doc.save())
    }

    fn restore(&mut self, whole: &[u8]) -> Result<(), SystemError> {
        let actor = self.doc.get_actor().clone();
        let options = LoadOptions::new().text_encoding(ENCODING);
        let doc = Doc::load_with_options(whole, options).map_err(DocumentError::Library)?;
        self.doc = doc.with_actor(actor);
        Ok(())
    }

    fn read(&self, key: &str, field: u16) -> Result<Content, SystemError> {
        let field_map = of_field(&self.field_maps, field)?;
        Ok(read(&self.doc, field_map, key)?)
    }
}

fn read(doc: &Doc, field_map: &FieldMap, key: &str) -> Result<Content, DocumentError> {
    let map = &field_map.map;
    // The remainders of all names in the field's map with this prefix, with the values of their
    // counters.
    let named = |prefix: String| {
        doc.map_range(map, prefix.clone()..)
            .map_while(move |entry| {
                let rest = entry.key.strip_prefix(&prefix)?.to_owned();
                let count = match entry.value {
                    ValueRef::Scalar(ScalarValueRef::Counter(count)) => Some(count),
                    _ => None,
                };
                Some((rest, count))
            })
    };
    Ok(match field_map.class {
        Class::Flag => {
            let (start, era) = start(doc, map, key)?;
            let counts = named(era).filter_map(|(_, count)| count);
            let toggled = counts.fold(false, |odd, count| odd ^ (count % 2 != 0));
            Content::Flag((start == Some(Scalar::Bool(true))) ^ toggled)
        }
        Class::Counter => {
            let (start, era) = start(doc, map, key)?;
            let start = match start {
                Some(Scalar::Int(value)) => value,
                _ => 0,
            };
            let sums = named(era).filter_map(|(_, count)| count);
            Content::Counter(sums.fold(start, i64::wrapping_add))
        }
        Class::Register => {
            Content::Register(doc.get(map, key)?.and_then(|(value, _)| scalar(&value)))
        }
        Class::Set => Content::Set(
            named(prefix(key))
                .filter_map(|(name, _)| element(&name))
                .collect(),
        ),
        Class::List => Content::List(match object(doc, map, key)? {
            Some(list) => doc
                .values(&list)
                .filter_map(|(value, _)| scalar(&value))
                .collect(),
            None => Vec::new(),
        }),
        Class::Text => Content::Text(match object(doc, map, key)? {
            Some(text) => doc.text(&text)?,
            None => String::new(),
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adversary;
    use crate::document::laws;

    laws::document_tests!(AUTOMERGE);

    #[test]
    fn updates_may_come_in_any_order_any_number_of_times() {
        laws::any_order(200..240, &Class::ALL, false, &AUTOMERGE);
    }
}
