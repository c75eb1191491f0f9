//! This replica's own batches of operations, kept for undo.

use std::collections::{BTreeSet, VecDeque};

use smallvec::SmallVec;

use crate::codec::{Encode, Malformed, Reader};
use crate::error::OpError;
use crate::event::Record;
use crate::record::numbered;
use crate::value::Value;

/// The deltas of a batch, with their slots.
pub(crate) type Deltas = SmallVec<[(u32, Value); 1]>;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Batch {
    number: u64,
    /// The batch that this one undid.
    undoes: Option<u64>,
    pub(crate) deltas: Deltas,
}

/// The latest batches, without gaps in their numbers. Each batch can be undone once; undoing its
/// undo makes it undoable again.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Batches {
    limit: usize,
    kept: VecDeque<Batch>,
    next: u64,
    undone: BTreeSet<u64>,
    /// The first batch that is not stored yet.
    unstored: u64,
    /// The stored records, each with its first batch and its number of batches.
    records: VecDeque<(u64, u64)>,
    /// Stored records, by their first batch, to be deleted.
    obsolete: Vec<u64>,
}

impl Batches {
    /// No batches; of those to come the last `limit` are kept.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            kept: VecDeque::new(),
            next: 1,
            undone: BTreeSet::new(),
            unstored: 1,
            records: VecDeque::new(),
            obsolete: Vec::new(),
        }
    }

    /// The number of the next batch.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Adds a batch; returns its number, or `None` if it changes nothing.
    #[inline]
    pub(crate) fn add(&mut self, deltas: Deltas) -> Option<u64> {
        self.push(deltas, None)
    }

    /// The batch with this number, if it can be undone.
    pub(crate) fn undoable(&self, number: u64) -> Result<&Batch, OpError> {
        let first = self.kept.front().map_or(u64::MAX, |batch| batch.number);
        let batch = number
            .checked_sub(first)
            .and_then(|place| self.kept.get(usize::try_from(place).ok()?))
            .ok_or(OpError::NoBatch(number, self.limit))?;
        if self.undone.contains(&number) {
            return Err(OpError::Undone(number));
        }
        Ok(batch)
    }

    /// Adds the batch that undoes another, which was [undoable](Self::undoable).
    pub(crate) fn add_undo(&mut self, undone: Batch) -> Option<u64> {
        self.undone.insert(undone.number);
        if let Some(redone) = undone.undoes {
            self.undone.remove(&redone);
        }
        self.push(undone.deltas, Some(undone.number))
    }

    #[inline]
    fn push(&mut self, deltas: Deltas, undoes: Option<u64>) -> Option<u64> {
        if deltas.is_empty() {
            return None;
        }
        let number = self.next;
        self.next += 1;
        self.kept.push_back(Batch {
            number,
            undoes,
            deltas,
        });
        self.forget();
        Some(number)
    }

    /// Forgets the oldest batches beyond the limit.
    fn forget(&mut self) {
        while self.kept.len() > self.limit {
            let Some(forgotten) = self.kept.pop_front() else {
                return;
            };
            self.undone.remove(&forgotten.number);
            if let Some(&(first, count)) = self.records.front()
                && forgotten.number + 1 == first + count
            {
                self.records.pop_front();
                self.obsolete.push(first);
            }
        }
    }

    /// Appends the records of everything that has changed since the last call.
    pub(crate) fn store(&mut self, records: &mut Vec<Record>) {
        let new: Vec<&Batch> = self
            .kept
            .iter()
            .rev()
            .take_while(|batch| batch.number >= self.unstored)
            .collect();
        if let Some(oldest) = new.last().map(|batch| batch.number) {
            let mut value = Vec::new();
            for batch in new.iter().rev() {
                batch.encode(&mut value);
            }
            records.push((Self::key(oldest), Some(value)));
            self.records.push_back((oldest, new.len() as u64));
        }
        self.unstored = self.next;
        let obsolete = core::mem::take(&mut self.obsolete);
        records.extend(obsolete.into_iter().map(|first| (Self::key(first), None)));
    }

    /// The key of the record that starts with this batch.
    pub(crate) fn key(first: u64) -> Vec<u8> {
        numbered(b'b', &first.to_be_bytes())
    }

    pub(crate) fn encode_undone(&self, out: &mut Vec<u8>) {
        out.varint(self.undone.len() as u64);
        self.undone.iter().for_each(|number| out.varint(*number));
    }

    /// Restores the next number and the set of undone batches.
    pub(crate) fn restore(&mut self, next: u64, reader: &mut Reader<'_>) -> Result<(), Malformed> {
        self.next = next;
        for _ in 0..reader.count(1, usize::MAX)? {
            self.undone.insert(reader.varint()?);
        }
        Ok(())
    }

    /// Reads a stored record. Records come in ascending order; `slots` is the number of slots.
    pub(crate) fn read(
        &mut self,
        first: u64,
        value: &[u8],
        words: usize,
        slots: usize,
    ) -> Result<(), Malformed> {
        let reader = &mut Reader::new(value);
        let mut count = 0;
        while !reader.is_empty() {
            let batch = Batch::decode(reader, words, slots)?;
            let follows = |last: &Batch| last.number + 1 == batch.number;
            if batch.number != first + count || !self.kept.back().is_none_or(follows) {
                return Err(Malformed);
            }
            self.kept.push_back(batch);
            count += 1;
        }
        self.records.push_back((first, count));
        Ok(())
    }

    /// Completes reading. The limit may be lower than when the records were written.
    pub(crate) fn finish_reading(&mut self) {
        self.unstored = self.next;
        self.forget();
    }
}

impl Batch {
    fn encode(&self, out: &mut Vec<u8>) {
        out.varint(self.number);
        out.varint(self.undoes.unwrap_or(0));
        out.varint(self.deltas.len() as u64);
        for (at, delta) in &self.deltas {
            out.varint(u64::from(*at));
            out.value(delta);
        }
    }

    fn decode(reader: &mut Reader<'_>, words: usize, slots: usize) -> Result<Self, Malformed> {
        let number = reader.varint()?;
        let undoes = Some(reader.varint()?).filter(|&undoes| undoes > 0);
        let mut deltas = SmallVec::new();
        for _ in 0..reader.count(1 + 8 * words, usize::MAX)? {
            let at = reader.u32()?;
            if at as usize >= slots {
                return Err(Malformed);
            }
            deltas.push((at, reader.value(words)?));
        }
        Ok(Self {
            number,
            undoes,
            deltas,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeMap;

    use smallvec::smallvec;

    use super::*;

    fn add(batches: &mut Batches, delta: u64) -> u64 {
        batches.add(smallvec![(0, delta.into())]).unwrap()
    }

    fn undo(batches: &mut Batches, number: u64) -> Result<u64, OpError> {
        let batch = batches.undoable(number)?.clone();
        Ok(batches.add_undo(batch).unwrap())
    }

    #[test]
    fn a_batch_is_undone_once_and_again_after_its_undo_was_undone() {
        let mut batches = Batches::new(10);
        assert_eq!(batches.add(Deltas::new()), None);
        let first = add(&mut batches, 5);
        let undone = undo(&mut batches, first).unwrap();
        assert_eq!(undo(&mut batches, first), Err(OpError::Undone(first)));
        undo(&mut batches, undone).unwrap();
        undo(&mut batches, first).unwrap();
        assert_eq!(undo(&mut batches, 99), Err(OpError::NoBatch(99, 10)));
        assert_eq!(undo(&mut batches, 0), Err(OpError::NoBatch(0, 10)));
    }

    #[test]
    fn batches_beyond_the_limit_are_forgotten_along_with_their_records() {
        let (mut batches, mut store) = (Batches::new(3), BTreeMap::new());
        for round in 0..20_u64 {
            for delta in 0..=round % 3 {
                add(&mut batches, delta + 1);
            }
            let mut records = Vec::new();
            batches.store(&mut records);
            for (key, value) in records {
                match value {
                    Some(value) => drop(store.insert(key, value)),
                    None => assert!(store.remove(&key).is_some()),
                }
            }
            assert!(store.len() <= 3);
        }
        let last = batches.next() - 1;
        assert_eq!(
            undo(&mut batches, last - 3),
            Err(OpError::NoBatch(last - 3, 3))
        );
        assert!(undo(&mut batches, last - 2).is_ok());
    }

    #[test]
    fn stored_batches_come_back_and_none_is_stored_twice() {
        let mut batches = Batches::new(10);
        let first = add(&mut batches, 5);
        undo(&mut batches, first).unwrap();
        let mut records = Vec::new();
        batches.store(&mut records);
        batches.store(&mut records);
        let [(key, Some(value))] = &records[..] else {
            panic!("{records:?}")
        };
        assert_eq!(*key, Batches::key(first));
        let mut undone = Vec::new();
        batches.encode_undone(&mut undone);

        let mut read = Batches::new(10);
        read.restore(batches.next(), &mut Reader::new(&undone))
            .unwrap();
        read.read(first, value, 1, 1).unwrap();
        read.finish_reading();
        assert_eq!(undo(&mut read, first), Err(OpError::Undone(first)));
        assert_eq!(read.undoable(first + 1), batches.undoable(first + 1));
        assert_eq!(
            Batches::new(10).read(first, value, 1, 0),
            Err(Malformed),
            "its slot does not exist"
        );
    }
}
