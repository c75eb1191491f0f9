//! The replicated state machine: what committed log entries do to the state, and how that becomes a snapshot and a state again.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use foldhash::fast::FixedState;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::content::Content;
use crate::system::Broken;
use crate::workload::{Action, Field};

/// The data of a log entry: operations that one node proposes at once.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Batch<'a> {
    /// Whose clients they are of.
    pub(super) node: u32,
    /// The lowest request number that the node still waits for: below it, all are done or given up.
    pub(super) floor: u64,
    /// The operations.
    #[serde(borrow)]
    pub(super) ops: Vec<Operation<'a>>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Operation<'a> {
    /// Its request number, as the distance from the operation before it, or from [`Batch::floor`]: one byte mostly.
    pub(super) gap: u64,
    #[serde(borrow)]
    pub(super) key: Cow<'a, str>,
    pub(super) field: u16,
    pub(super) action: Cow<'a, Action>,
}

/// What is remembered of a node's operations so that none is applied twice (Ongaro, "Consensus: Bridging Theory and Practice", section 6.3).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Session {
    /// Nothing below is applied any more.
    floor: u64,
    /// What is applied from there on.
    done: BTreeSet<u64>,
}

/// The state, equal on all nodes that have applied the same entries.
#[derive(Clone, Debug, Default)]
pub(super) struct Machine {
    version: u64,
    sessions: BTreeMap<u32, Session>,
    keys: IndexMap<String, Vec<(u16, Content)>, FixedState>,
}

impl Machine {
    /// Operations that took effect.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// Applies the data of an entry; says whose operations it had, and their request numbers.
    pub(super) fn apply(
        &mut self,
        fields: &[Field],
        data: &[u8],
    ) -> Result<(u32, Vec<u64>), Broken> {
        let batch: Batch<'_> = postcard::from_bytes(data)
            .map_err(|error| Broken::new("reading the data of a log entry", error))?;
        let session = self.sessions.entry(batch.node).or_default();
        if batch.floor > session.floor {
            session.floor = batch.floor;
            session.done = session.done.split_off(&batch.floor);
        }
        let mut numbers = Vec::with_capacity(batch.ops.len());
        let mut number = batch.floor;
        for operation in batch.ops {
            number += operation.gap;
            numbers.push(number);
            if number < session.floor || !session.done.insert(number) {
                continue;
            }
            self.version += 1;
            let class = fields
                .get(usize::from(operation.field))
                .ok_or_else(|| Broken(format!("a log entry names field {}", operation.field)))?
                .class;
            let held = match self.keys.get_mut(&*operation.key) {
                Some(held) => held,
                None => self.keys.entry(operation.key.into_owned()).or_default(),
            };
            let place = held
                .iter()
                .position(|(field, _)| *field == operation.field)
                .unwrap_or_else(|| {
                    held.push((operation.field, Content::empty(class)));
                    held.len() - 1
                });
            held[place].1.apply(&operation.action);
        }
        Ok((batch.node, numbers))
    }

    /// Whether an operation of a node has been applied; of operations that the node still waits for, this is exact.
    pub(super) fn applied(&self, node: u32, number: u64) -> bool {
        self.sessions
            .get(&node)
            .is_some_and(|session| session.done.contains(&number))
    }

    /// What a field holds, if it was ever written.
    pub(super) fn get(&self, key: &str, field: u16) -> Option<&Content> {
        let held = self.keys.get(key)?;
        Some(&held.iter().find(|(known, _)| *known == field)?.1)
    }

    /// All of it, as bytes.
    pub(super) fn encode(&self) -> Result<Vec<u8>, Broken> {
        let write = |error| Broken::new("writing a snapshot", error);
        let head = (self.version, &self.sessions, self.keys.len() as u64);
        let mut bytes = postcard::to_allocvec(&head).map_err(write)?;
        for item in &self.keys {
            bytes = postcard::to_extend(&item, bytes).map_err(write)?;
        }
        Ok(bytes)
    }

    /// As [`Machine::encode`] gave it.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Broken> {
        let read = |error| Broken::new("reading a snapshot", error);
        let ((version, sessions, count), mut rest): ((u64, _, u64), _) =
            postcard::take_from_bytes(bytes).map_err(read)?;
        let mut keys = IndexMap::default();
        for _ in 0..count {
            let ((key, held), behind) = postcard::take_from_bytes(rest).map_err(read)?;
            rest = behind;
            keys.insert(key, held);
        }
        Ok(Self {
            version,
            sessions,
            keys,
        })
    }
}
