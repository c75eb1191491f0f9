//! Checkpoints: named moments whose states can be read later.
//!
//! A checkpoint copies nothing. The first change of a key after a checkpoint saves the key's state
//! in its slot.

use crate::codec::{Encode, Malformed, Reader};
use crate::error::OpError;
use crate::slot::Slot;
use crate::table::Table;

#[derive(Clone, Debug, Hash)]
pub(crate) struct Checkpoints {
    /// Number and name, oldest first.
    list: Vec<(u32, String)>,
    next: u32,
}

impl Default for Checkpoints {
    fn default() -> Self {
        Self {
            list: Vec::new(),
            next: 1,
        }
    }
}

impl Checkpoints {
    /// Number and name of all checkpoints, oldest first.
    pub(crate) fn list(&self) -> &[(u32, String)] {
        &self.list
    }

    pub(crate) fn check(&self, number: u32) -> Result<(), OpError> {
        let known = self.list.iter().any(|(known, _)| *known == number);
        known.then_some(()).ok_or(OpError::NoCheckpoint(number))
    }

    /// Makes a checkpoint; returns its number.
    pub(crate) fn make(&mut self, name: &str) -> u32 {
        let number = self.next;
        self.next += 1;
        self.list.push((number, name.to_owned()));
        number
    }

    /// Deletes a checkpoint, along with the saved states that no other checkpoint needs.
    pub(crate) fn delete(&mut self, number: u32, table: &mut Table) -> Result<(), OpError> {
        self.check(number)?;
        self.list.retain(|(known, _)| *known != number);
        let mut changed = Vec::new();
        for (at, slot) in table.slots.generals_mut() {
            let Some(rare) = &mut slot.rare else { continue };
            let (mut from, before) = (0, rare.history.len());
            rare.history.retain(|&(upto, _)| {
                let needed = self
                    .list
                    .iter()
                    .any(|(known, _)| (from..=upto).contains(known));
                from = upto + 1;
                needed
            });
            if rare.history.len() < before {
                changed.push(at);
            }
        }
        changed.into_iter().for_each(|at| table.touch(at));
        Ok(())
    }

    /// Saves a slot's state for the latest checkpoint if this is its first change since then. To be
    /// called before the state changes.
    pub(crate) fn save(&self, slot: &mut Slot) {
        let Some(&(last, _)) = self.list.last() else {
            return;
        };
        if slot
            .rare
            .as_ref()
            .and_then(|rare| rare.history.last())
            .is_none_or(|&(upto, _)| upto < last)
        {
            let state = slot.state.clone();
            slot.rare().history.push((last, state));
        }
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.varint(u64::from(self.next));
        out.varint(self.list.len() as u64);
        for (number, name) in &self.list {
            out.varint(u64::from(*number));
            out.blob(name.as_bytes());
        }
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let next = reader.u32()?;
        let mut list = Vec::new();
        for _ in 0..reader.count(2, usize::MAX)? {
            let number = reader.u32()?;
            let name =
                String::from_utf8(reader.blob(usize::MAX)?.to_vec()).map_err(|_| Malformed)?;
            list.push((number, name));
        }
        Ok(Self { list, next })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn set(checkpoints: &Checkpoints, table: &mut Table, at: u32, state: u64) {
        checkpoints.save(table.slot(at));
        table.slot(at).state = state.into();
    }

    #[test]
    fn states_are_saved_once_per_checkpoint_and_dropped_with_the_last_that_needs_them() {
        let (mut checkpoints, mut table) = (
            Checkpoints::default(),
            Table::new(crate::shape::Shape::xor(1)),
        );
        let at = table.slot_of(b"k");
        set(&checkpoints, &mut table, at, 10);
        let (one, two) = (checkpoints.make("one"), checkpoints.make("two"));
        set(&checkpoints, &mut table, at, 20);
        set(&checkpoints, &mut table, at, 30);
        let three = checkpoints.make("three");
        set(&checkpoints, &mut table, at, 40);
        let states = |table: &mut Table| {
            [one, two, three].map(|number| table.slot(at).at(number).words()[0])
        };
        assert_eq!(states(&mut table), [10, 10, 30]);
        let saved = |table: &mut Table| table.slot(at).rare().history.len();
        assert_eq!(saved(&mut table), 2);
        table.take_unstored();

        checkpoints.delete(two, &mut table).unwrap();
        assert_eq!(saved(&mut table), 2, "the first checkpoint still needs it");
        assert_eq!(table.unstored(), 0);
        checkpoints.delete(one, &mut table).unwrap();
        assert_eq!((saved(&mut table), table.unstored()), (1, 1));
        assert_eq!(table.slot(at).at(three).words(), [30]);
        assert_eq!(
            checkpoints.delete(one, &mut table),
            Err(OpError::NoCheckpoint(one))
        );
    }

    #[test]
    fn numbers_are_not_reused_even_after_a_restart() {
        let (mut checkpoints, mut table) = (
            Checkpoints::default(),
            Table::new(crate::shape::Shape::xor(1)),
        );
        let kept = checkpoints.make("kept");
        let last = checkpoints.make("last");
        checkpoints.delete(last, &mut table).unwrap();
        let mut bytes = Vec::new();
        checkpoints.encode(&mut bytes);
        let mut read = Checkpoints::decode(&mut Reader::new(&bytes)).unwrap();
        assert_eq!(read.list(), [(kept, "kept".to_owned())]);
        assert!(read.make("new") > last);
    }
}
