//! The replicated state machine: applies committed log entries, and converts the state to a
//! snapshot and back.

use std::borrow::Cow;
use std::collections::BTreeMap;

use foldhash::fast::FixedState;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use atomik_arena::system::{SystemError, of_field};
use atomik_workload::content::Content;
use atomik_workload::workload::{Action, Field};

/// The data of a log entry: operations that one node proposed together.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Batch<'a> {
    /// The node that proposed them.
    pub(super) node: u32,
    /// The lowest request number that the node still waits for; all below are applied or given up.
    pub(super) floor: u64,
    /// The operations.
    #[serde(borrow)]
    pub(super) ops: Vec<Operation<'a>>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Operation<'a> {
    /// Its request number, as the distance from the previous operation or from [`Batch::floor`];
    /// usually one byte.
    pub(super) gap: u64,
    #[serde(borrow)]
    pub(super) key: Cow<'a, str>,
    pub(super) field: u16,
    pub(super) action: Cow<'a, Action>,
}

/// The session of a node, by which each of its requests is applied once (Ongaro, "Consensus:
/// Bridging Theory and Practice", section 6.3) and in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Session {
    /// All requests up to this number are applied or given up.
    through: u64,
    /// Requests that arrived before their predecessors; empty except after a loss.
    early: BTreeMap<u64, (String, u16, Action)>,
}

/// The state, equal on all nodes that have applied the same entries.
#[derive(Clone, Debug, Default)]
pub(super) struct Machine {
    version: u64,
    sessions: BTreeMap<u32, Session>,
    keys: IndexMap<String, Vec<(u16, Content)>, FixedState>,
}

impl Machine {
    /// Number of operations that took effect.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// Applies the data of an entry; returns the node that proposed it.
    pub(super) fn apply(&mut self, fields: &[Field], data: &[u8]) -> Result<u32, SystemError> {
        let batch: Batch<'_> = postcard::from_bytes(data)
            .map_err(|error| SystemError::failed("reading the data of a log entry", error))?;
        let mut session = self.sessions.remove(&batch.node).unwrap_or_default();
        if batch.floor > session.through + 1 {
            session.through = batch.floor - 1;
            session.early = session.early.split_off(&batch.floor);
        }
        let mut number = batch.floor;
        for Operation {
            gap,
            key,
            field,
            action,
        } in batch.ops
        {
            number += gap;
            if number == session.through + 1 {
                self.act(fields, key, field, &action)?;
                session.through = number;
            } else if number > session.through {
                let operation = (key.into_owned(), field, action.into_owned());
                session.early.insert(number, operation);
            }
        }
        while let Some((key, field, action)) = session.early.remove(&(session.through + 1)) {
            self.act(fields, key.into(), field, &action)?;
            session.through += 1;
        }
        self.sessions.insert(batch.node, session);
        Ok(batch.node)
    }

    fn act(
        &mut self,
        fields: &[Field],
        key: Cow<'_, str>,
        field: u16,
        action: &Action,
    ) -> Result<(), SystemError> {
        self.version += 1;
        let class = of_field(fields, field)?.class;
        let held = match self.keys.get_mut(&*key) {
            Some(held) => held,
            None => self.keys.entry(key.into_owned()).or_default(),
        };
        let place = held
            .iter()
            .position(|(known, _)| *known == field)
            .unwrap_or_else(|| {
                held.push((field, Content::empty(class)));
                held.len() - 1
            });
        held[place].1.apply(action);
        Ok(())
    }

    /// The number up to which a node's requests are applied or given up.
    pub(super) fn through(&self, node: u32) -> u64 {
        self.sessions
            .get(&node)
            .map_or(0, |session| session.through)
    }

    /// The last of a node's requests that arrived before its predecessor.
    pub(super) fn latest_early(&self, node: u32) -> Option<u64> {
        let (latest, _) = self.sessions.get(&node)?.early.last_key_value()?;
        Some(*latest)
    }

    /// Whether a node's request is in the log, applied or waiting for its predecessors.
    pub(super) fn has_come(&self, node: u32, number: u64) -> bool {
        self.sessions
            .get(&node)
            .is_some_and(|session| number <= session.through || session.early.contains_key(&number))
    }

    /// The content of a field, if it was ever written.
    pub(super) fn get(&self, key: &str, field: u16) -> Option<&Content> {
        let held = self.keys.get(key)?;
        Some(&held.iter().find(|(known, _)| *known == field)?.1)
    }

    /// Encodes the whole state.
    pub(super) fn encode(&self) -> Result<Vec<u8>, SystemError> {
        let write = |error| SystemError::failed("writing a snapshot", error);
        let head = (self.version, &self.sessions, self.keys.len() as u64);
        let mut bytes = postcard::to_allocvec(&head).map_err(write)?;
        for item in &self.keys {
            bytes = postcard::to_extend(&item, bytes).map_err(write)?;
        }
        Ok(bytes)
    }

    /// Decodes the output of [`Machine::encode`].
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, SystemError> {
        let read = |error| SystemError::failed("reading a snapshot", error);
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
