//! One document of Yrs (Yjs in Rust) for all keys, with its shared types at the root.
//!
//! | class | in the document |
//! |---|---|
//! | flag | map of the field: a bit per key and node; the flag is the xor of the bits, so concurrent toggles all count |
//! | register | map of the field: key → value |
//! | counter | map of the field: a sum per key and node; the counter is the total |
//! | set | a map per field and key: element → true |
//! | list | an array per field and key |
//! | text | a text per field and key |
//!
//! An entry per writer is the usual way to make counters from Yjs maps; a shared number that is
//! read, changed and written loses concurrent changes. Types are at the root, because of two new
//! shared types that nodes concurrently put under one key of a map, only one remains, while "root
//! level types sharing the same name across different peers are considered to be replicas of the
//! same logical entity" (docs of the crate `yrs`).
//!
//! A `set` of a flag or a counter starts an *era*: an additional entry holds the value at its start
//! and its unique name. Bits and sums name their era and count in no other.

use std::cell::Cell;

use ::yrs::block::ClientID;
use ::yrs::updates::decoder::Decode;
use ::yrs::updates::encoder::Encode;
use ::yrs::{
    Any, Array, Doc, GetString, Map, MapRef, Options, Out as Value, ReadTxn, StateVector, Text,
    Transact, TransactionMut, Update, WriteTxn, merge_updates_v1,
};

use super::document::{Document, Documents, element, element_name};
use atomik_arena::system::{Description, NodeId, Setup, System, SystemError, of_field};
use atomik_workload::content::Content;
use atomik_workload::workload::{Action, Class, Scalar};

/// The systems of this module.
pub(crate) fn systems() -> Vec<Box<dyn System>> {
    vec![Box::new(YRS)]
}

const YRS: Documents<Shared> = Documents {
    describe,
    empty: Shared::new,
};

fn describe() -> Description {
    Description {
        name: "Yrs",
        library: "yrs 0.28.1".into(),
        semantics: "\
            Strong eventual consistency: a node acknowledges on its own, and nodes that have \
            applied the same updates have the same state. Concurrent toggles, additions and text \
            edits all count; of two concurrent writes of one register, that of the higher client \
            id wins, and the other is lost without notice; an element that is inserted while \
            another node removes it stays, unless a third node inserted it as well and the removal \
            saw that insertion.",
        usage: "\
            One document; types are at the root and known beforehand (docs of crate `yrs`). Flags \
            and counters have an entry per writer. One transaction per batch; updates are \
            broadcast in encoding v1, and a node that reconnects gets a difference by state vector \
            (docs of crate `yrs`: combination of both; y-protocols: SyncStep1, SyncStep2). With a \
            linger, updates are merged (`merge_updates_v1`) before they are sent. Updates are \
            applied in causal order (with 0.28.1 we saw documents differ where an update \
            overtook another of its origin, which the streams of providers prevent). Client ids \
            are new in every incarnation (docs.yjs.dev, FAQ). Updates are stored one by one and \
            merged into the whole document from time to time (docs of yrs-rocksdb, Example: every \
            64 updates; here when they have as many bytes as the document, which writes less). \
            Y.Map keeps a tombstone for every overwritten value; y-utility's README advises \
            YKeyValue instead, which exists for JavaScript only: it finds entries by their \
            position in an array, and Yrs has to walk from the start to a position.",
        proofs: "\
            None known. The crate has randomised tests that compare replicas after exchanges in \
            random order (fuzzy tests in src/types/{array,map,text}.rs).",
    }
}

/// A field in the document.
struct FieldMap {
    class: Class,
    /// Entries of all keys, unless there is a type per key.
    map: MapRef,
}

struct Shared {
    doc: Doc,
    node: u64,
    nodes: u64,
    field_maps: Vec<FieldMap>,
    /// Eras started in this incarnation.
    eras: Cell<i64>,
}

/// The name of an era: the client id of the node that started it, and a number from 1. The first
/// era is (0, 0).
type Era = (i64, i64);

/// An era, and the value of an entry in it.
type InEra = (Era, i64);

impl Shared {
    fn new(setup: &Setup, node: NodeId, id: u64) -> Result<Self, SystemError> {
        // 53 bits, as required by the docs of `yrs`.
        let id = ClientID::new(id >> 11);
        let doc = Doc::with_options(Options::with_guid_and_client_id("atomik".into(), id));
        let field_maps = setup
            .fields
            .iter()
            .enumerate()
            .map(|(field, of)| FieldMap {
                class: of.class,
                map: doc.get_or_insert_map(field.to_string()),
            })
            .collect();
        Ok(Self {
            doc,
            node: node as u64,
            nodes: setup.nodes as u64,
            field_maps,
            eras: Cell::new(0),
        })
    }

    /// Combines all nodes' entries of a flag or a counter: the era, the value at its start, the
    /// entry of each node.
    fn entries(&self, txn: &impl ReadTxn, map: &MapRef, key: &str) -> (InEra, Vec<InEra>) {
        let get = |name: &str| {
            map.get(txn, name)
                .map_or(((0, 0), 0), |value| in_era(&value))
        };
        let start = get(&format!("{key}/"));
        let own = (0..self.nodes)
            .map(|node| get(&format!("{key}/{node}")))
            .collect();
        (start, own)
    }

    /// Starts a new era of a flag or a counter with this value.
    fn start_era(&self, txn: &mut TransactionMut<'_>, map: &MapRef, key: &str, value: Any) {
        self.eras.set(self.eras.get() + 1);
        let era = (self.doc.client_id().get() as i64, self.eras.get());
        map.insert(txn, format!("{key}/"), entry(era, value));
    }
}

/// The name of a type that belongs to one key.
fn root(field: u16, key: &str) -> String {
    format!("{field}/{key}")
}

fn in_era(value: &Value) -> InEra {
    let number = |value: &Any| match value {
        Any::Number(value) => value.as_i64().unwrap_or(0),
        Any::Bool(value) => i64::from(*value),
        _ => 0,
    };
    match value {
        Value::Any(Any::Array(parts)) => match &**parts {
            [client, count, value] => ((number(client), number(count)), number(value)),
            _ => ((0, 0), 0),
        },
        Value::Any(value) => ((0, 0), number(value)),
        _ => ((0, 0), 0),
    }
}

/// An entry with the name of its era, unless that is the first.
fn entry(era: Era, value: Any) -> Any {
    match era {
        (0, 0) => value,
        (client, count) => Any::from(vec![Any::from(client), Any::from(count), value]),
    }
}

fn any(value: &Scalar) -> Any {
    match value {
        Scalar::Bool(value) => Any::from(*value),
        Scalar::Int(value) => Any::from(*value),
        Scalar::Text(value) => Any::from(value.as_str()),
    }
}

fn scalar(value: &Any) -> Option<Scalar> {
    Some(match value {
        Any::Bool(value) => Scalar::Bool(*value),
        Any::Number(value) => Scalar::Int(value.as_i64()?),
        Any::String(value) => Scalar::Text(value.to_string()),
        _ => return None,
    })
}

/// The byte offset of character number `at`: Yrs counts UTF-8 bytes (`OffsetKind::Bytes`), traces
/// characters.
fn byte(text: &str, at: usize) -> u32 {
    text.char_indices()
        .nth(at)
        .map_or(text.len(), |(byte, _)| byte) as u32
}

impl Shared {
    fn change(
        &self,
        txn: &mut TransactionMut<'_>,
        key: &str,
        field: u16,
        action: &Action,
    ) -> Result<(), SystemError> {
        let field_map = of_field(&self.field_maps, field)?;
        let map = &field_map.map;
        match (field_map.class, action) {
            (Class::Flag, Action::Toggle) => {
                let ((era, _), own) = self.entries(txn, map, key);
                let (of, bit) = own[self.node as usize];
                let bit = (of == era && bit != 0) ^ true;
                map.insert(txn, format!("{key}/{}", self.node), entry(era, bit.into()));
            }
            (Class::Counter, Action::Add(value)) => {
                let ((era, _), own) = self.entries(txn, map, key);
                let (of, sum) = own[self.node as usize];
                let sum = if of == era { sum } else { 0 }.wrapping_add(*value);
                map.insert(txn, format!("{key}/{}", self.node), entry(era, sum.into()));
            }
            (Class::Flag, Action::Set(value @ Scalar::Bool(_)))
            | (Class::Counter, Action::Set(value @ Scalar::Int(_))) => {
                self.start_era(txn, map, key, any(value));
            }
            (Class::Flag | Class::Counter, Action::Unset) => {
                self.start_era(txn, map, key, Any::from(0i64));
            }
            (Class::Register, Action::Unset) => {
                map.remove(txn, key);
            }
            (Class::Set, Action::Unset) => txn.get_or_insert_map(root(field, key)).clear(txn),
            (Class::List, Action::Unset) => {
                let list = txn.get_or_insert_array(root(field, key));
                let length = list.len(txn);
                list.remove_range(txn, 0, length);
            }
            (Class::Text, Action::Unset) => {
                let text = txn.get_or_insert_text(root(field, key));
                let length = text.len(txn);
                text.remove_range(txn, 0, length);
            }
            (Class::Register, Action::Set(value)) => {
                map.insert(txn, key, any(value));
            }
            (Class::Register, Action::Toggle) => {
                let on = matches!(map.get(txn, key), Some(Value::Any(Any::Bool(true))));
                map.insert(txn, key, Any::from(!on));
            }
            (Class::Set, Action::Insert(value)) => {
                let set = txn.get_or_insert_map(root(field, key));
                set.insert(txn, element_name(value), true);
            }
            (Class::Set, Action::Remove(value)) => {
                let set = txn.get_or_insert_map(root(field, key));
                set.remove(txn, &element_name(value));
            }
            (Class::List, Action::Append(value)) => {
                let list = txn.get_or_insert_array(root(field, key));
                list.push_back(txn, any(value));
            }
            (Class::Text, Action::InsertText { at, text: new }) => {
                let text = txn.get_or_insert_text(root(field, key));
                let at = byte(&text.get_string(txn), *at);
                text.insert(txn, at, new);
            }
            (Class::Text, Action::RemoveText { at, count }) => {
                let text = txn.get_or_insert_text(root(field, key));
                let now = text.get_string(txn);
                let first = byte(&now, *at);
                let count = byte(&now[first as usize..], *count);
                if count > 0 {
                    text.remove_range(txn, first, count);
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
        let mut txn = self
            .doc
            .try_transact_mut()
            .map_err(|error| SystemError::failed("opening a transaction", error))?;
        for (key, field, action) in operations {
            self.change(&mut txn, key, *field, action)?;
        }
        // Values overwritten within the transaction disappear with its commit.
        txn.commit();
        Ok(txn.encode_update_v1())
    }

    fn merge(&self, updates: &[&[u8]]) -> Result<Vec<u8>, SystemError> {
        merge_updates_v1(updates).map_err(|error| SystemError::failed("merging updates", error))
    }

    fn apply(&mut self, updates: &[&[u8]]) -> Result<(), SystemError> {
        for update in updates {
            let update = Update::decode_v1(update)
                .map_err(|error| SystemError::failed("reading an update", error))?;
            let mut txn = self
                .doc
                .try_transact_mut()
                .map_err(|error| SystemError::failed("opening a transaction", error))?;
            txn.apply_update(update)
                .map_err(|error| SystemError::failed("applying an update", error))?;
        }
        Ok(())
    }

    fn vector(&self) -> Result<Vec<u8>, SystemError> {
        Ok(self.doc.transact().state_vector().encode_v1())
    }

    fn difference(&self, vector: &[u8]) -> Result<Vec<u8>, SystemError> {
        let vector = StateVector::decode_v1(vector)
            .map_err(|error| SystemError::failed("reading a state vector", error))?;
        Ok(self.doc.transact().encode_state_as_update_v1(&vector))
    }

    fn whole(&self) -> Result<Vec<u8>, SystemError> {
        let nothing = StateVector::default();
        Ok(self.doc.transact().encode_state_as_update_v1(&nothing))
    }

    fn read(&self, key: &str, field: u16) -> Result<Content, SystemError> {
        let field_map = of_field(&self.field_maps, field)?;
        let map = &field_map.map;
        let txn = self.doc.transact();
        Ok(match field_map.class {
            Class::Flag => {
                let ((era, start), own) = self.entries(&txn, map, key);
                let bits = own.iter().filter(|(of, _)| *of == era);
                Content::Flag(bits.fold(start != 0, |flag, (_, bit)| flag ^ (*bit != 0)))
            }
            Class::Counter => {
                let ((era, start), own) = self.entries(&txn, map, key);
                let sums = own.iter().filter(|(of, _)| *of == era);
                Content::Counter(sums.fold(start, |all, (_, sum)| all.wrapping_add(*sum)))
            }
            Class::Register => Content::Register(match map.get(&txn, key) {
                Some(Value::Any(value)) => scalar(&value),
                _ => None,
            }),
            Class::Set => Content::Set(
                txn.get_map(root(field, key))
                    .map_or_else(Default::default, |set| {
                        set.keys(&txn).filter_map(element).collect()
                    }),
            ),
            Class::List => Content::List(txn.get_array(root(field, key)).map_or_else(
                Vec::new,
                |list| {
                    list.iter(&txn)
                        .filter_map(|value| match value {
                            Value::Any(value) => scalar(&value),
                            _ => None,
                        })
                        .collect()
                },
            )),
            Class::Text => Content::Text(
                txn.get_text(root(field, key))
                    .map_or_else(String::new, |text| text.get_string(&txn)),
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adversary;
    use crate::document::laws;

    laws::document_tests!(YRS);

    /// Only in their origin's order: when an update overtakes its predecessor, documents of yrs
    /// 0.28.1 occasionally differ in the end.
    #[test]
    fn updates_may_come_in_their_origins_order_any_number_of_times() {
        laws::any_order(200..240, &Class::ALL, true, &YRS);
    }
}
