//! A disk that holds batches in order, each whole or not at all.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use atomik_replica::Record;

use crate::oracle::Snapshot;

/// How many of the last batches can be taken back; older ones are merged.
const SEPARATE: usize = 6;

#[derive(Clone, Debug)]
struct Batch {
    ticket: u64,
    records: Vec<Record>,
    snapshot: Rc<Snapshot>,
    confirmed: bool,
    /// The replica has taken a new origin since: no start uses this batch.
    abandoned: bool,
}

/// A disk with a log of the last batches.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    base: BTreeMap<Vec<u8>, Vec<u8>>,
    snapshot: Option<Rc<Snapshot>>,
    log: VecDeque<Batch>,
}

fn apply(records: Vec<Record>, to: &mut BTreeMap<Vec<u8>, Vec<u8>>) {
    for (key, value) in records {
        match value {
            Some(value) => to.insert(key, value),
            None => to.remove(&key),
        };
    }
}

impl Disk {
    pub(crate) fn write(&mut self, ticket: u64, records: Vec<Record>, snapshot: Snapshot) {
        self.log.push_back(Batch {
            ticket,
            records,
            snapshot: Rc::new(snapshot),
            confirmed: false,
            abandoned: false,
        });
        while self.log.len() > SEPARATE && self.log[1].confirmed {
            if let Some(batch) = self.log.pop_front() {
                apply(batch.records, &mut self.base);
                self.snapshot = Some(batch.snapshot);
            }
        }
    }

    /// Confirms the batch and those before it; returns its snapshot.
    pub(crate) fn confirm(&mut self, ticket: u64) -> Option<Rc<Snapshot>> {
        let last = self.log.iter().rposition(|batch| batch.ticket == ticket)?;
        self.log
            .range_mut(..=last)
            .for_each(|batch| batch.confirmed = true);
        Some(Rc::clone(&self.log[last].snapshot))
    }

    /// Abandons the last batch if it is not confirmed yet.
    pub(crate) fn abandon(&mut self) {
        if let Some(last) = self.log.back_mut().filter(|batch| !batch.confirmed) {
            last.abandoned = true;
        }
    }

    /// A crash. Batches that were not confirmed survive only if `stored`.
    pub(crate) fn crash(&mut self, stored: bool) {
        if !stored {
            while self.log.back().is_some_and(|batch| !batch.confirmed) {
                self.log.pop_back();
            }
        }
        self.trim();
        self.log.iter_mut().for_each(|batch| batch.confirmed = true);
    }

    /// Drops abandoned batches at the end.
    fn trim(&mut self) {
        while self.log.back().is_some_and(|batch| batch.abandoned) {
            self.log.pop_back();
        }
    }

    /// Takes back the last batches, as far as they are separate; returns how many.
    pub(crate) fn lose(&mut self, batches: usize) -> usize {
        let before = self.log.len();
        self.log.truncate(before.saturating_sub(batches));
        self.trim();
        before - self.log.len()
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The snapshot of the last batch.
    pub(crate) fn last(&self) -> Option<Rc<Snapshot>> {
        let last = self.log.back().map(|batch| &batch.snapshot);
        last.or(self.snapshot.as_ref()).cloned()
    }

    /// The snapshot of the last confirmed batch.
    pub(crate) fn last_confirmed(&self) -> Option<Rc<Snapshot>> {
        let confirmed = self.log.iter().rfind(|batch| batch.confirmed);
        confirmed
            .map(|batch| &batch.snapshot)
            .or(self.snapshot.as_ref())
            .cloned()
    }

    /// All records, as a start reads them.
    pub(crate) fn records(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let mut all = self.base.clone();
        self.log
            .iter()
            .for_each(|batch| apply(batch.records.clone(), &mut all));
        all
    }
}
