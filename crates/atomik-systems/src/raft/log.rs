//! The storage that raft-rs reads: the log in memory, and its records on disk.
//!
//! | record | value |
//! |---|---|
//! | `h` | the hard state: term, vote, commit index |
//! | `l` and the index, big-endian | a log entry |
//! | `s` | the snapshot: index, term, members and the whole state machine |
//!
//! Values are raft's own protobuf messages.

use std::collections::{BTreeMap, VecDeque};

use protobuf::Message as _;
use raft::eraftpb::{ConfState, Entry, HardState, Snapshot};
use raft::{Error, GetEntriesContext, RaftState, Storage, StorageError};

use atomik_arena::system::{Record, SystemError};
use atomik_workload::workload::Field;

use super::machine::Machine;

const HARD_STATE: &[u8] = b"h";
const SNAPSHOT: &[u8] = b"s";

/// Entries between two snapshots: `DefaultSnapshotCount` in etcd's server/etcdserver/server.go;
/// "Snapshot tuning" in its tuning guide.
const SNAPSHOT_ENTRIES: u64 = 10_000;
/// Entries kept before a snapshot for followers that are slightly behind:
/// `DefaultSnapshotCatchUpEntries`, same file.
const CATCH_UP_ENTRIES: u64 = 5_000;

fn entry_key(index: u64) -> Vec<u8> {
    let mut key = Vec::with_capacity(9);
    key.push(b'l');
    key.extend_from_slice(&index.to_be_bytes());
    key
}

fn bytes_of(message: &impl protobuf::Message) -> Result<Vec<u8>, SystemError> {
    message
        .write_to_bytes()
        .map_err(|error| SystemError::failed("writing a raft record", error))
}

fn parsed<M: protobuf::Message>(bytes: &[u8]) -> Result<M, SystemError> {
    M::parse_from_bytes(bytes).map_err(|error| SystemError::failed("reading a raft record", error))
}

/// Number of entries kept before the next snapshot, and behind the last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Compaction {
    pub(super) snapshot_entries: u64,
    pub(super) catch_up_entries: u64,
}

impl Default for Compaction {
    fn default() -> Self {
        Self {
            snapshot_entries: SNAPSHOT_ENTRIES,
            catch_up_entries: CATCH_UP_ENTRIES,
        }
    }
}

/// The log, hard state and state machine of a node.
pub(super) struct Log {
    hard: HardState,
    members: ConfState,
    /// Index and term of the entry before the first kept one.
    base: (u64, u64),
    entries: VecDeque<Entry>,
    /// Index and term of the last applied entry.
    applied: (u64, u64),
    machine: Machine,
    compaction: Compaction,
    snapshot_index: u64,
    snapshot_bytes: usize,
    /// Bytes of entries applied since the last snapshot.
    applied_bytes: usize,
    /// Records that are not on disk yet.
    unwritten: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl Log {
    /// Restores the log from `records` and applies all committed entries; returns the bytes read,
    /// too.
    pub(super) fn open(
        members: ConfState,
        fields: &[Field],
        compaction: Compaction,
        records: &BTreeMap<Vec<u8>, Vec<u8>>,
    ) -> Result<(Self, u64), SystemError> {
        let mut read = 0;
        let mut log = Self {
            hard: HardState::default(),
            members,
            base: (0, 0),
            entries: VecDeque::new(),
            applied: (0, 0),
            machine: Machine::default(),
            compaction,
            snapshot_index: 0,
            snapshot_bytes: 0,
            applied_bytes: 0,
            unwritten: BTreeMap::new(),
        };
        if let Some(bytes) = records.get(SNAPSHOT) {
            read += (SNAPSHOT.len() + bytes.len()) as u64;
            log.restore(&parsed(bytes)?, bytes.len())?;
        }
        if let Some(bytes) = records.get(HARD_STATE) {
            read += (HARD_STATE.len() + bytes.len()) as u64;
            log.hard = parsed(bytes)?;
        }
        for (key, bytes) in records.range(entry_key(0)..=entry_key(u64::MAX)) {
            read += (key.len() + bytes.len()) as u64;
            log.entries.push_back(parsed(bytes)?);
        }
        if let Some(first) = log.entries.front()
            && first.index <= log.base.0
        {
            // Kept for slow followers: raft asks for the term of the entry before the first.
            log.base = (first.index, first.term);
            log.entries.pop_front();
        }
        let behind = log
            .entries
            .iter()
            .enumerate()
            .find(|(place, entry)| entry.index != log.base.0 + 1 + *place as u64);
        if let Some((_, entry)) = behind {
            return Err(SystemError::invariant(format!(
                "the log on disk has a gap before entry {}",
                entry.index
            )));
        }
        let committed: Vec<Entry> = log
            .entries
            .iter()
            .filter(|entry| entry.index > log.applied.0 && entry.index <= log.hard.commit)
            .cloned()
            .collect();
        for entry in &committed {
            log.apply(fields, entry)?;
        }
        Ok((log, read))
    }

    /// The state machine.
    pub(super) fn machine(&self) -> &Machine {
        &self.machine
    }

    /// The index of the last applied entry.
    pub(super) fn applied(&self) -> u64 {
        self.applied.0
    }

    fn last(&self) -> u64 {
        self.base.0 + self.entries.len() as u64
    }

    /// Whether there are records to be written.
    pub(super) fn is_dirty(&self) -> bool {
        !self.unwritten.is_empty()
    }

    /// Takes the records that are not on disk yet.
    pub(super) fn take_records(&mut self) -> Vec<Record> {
        std::mem::take(&mut self.unwritten).into_iter().collect()
    }

    pub(super) fn set_hard_state(&mut self, hard: HardState) -> Result<(), SystemError> {
        self.unwritten
            .insert(HARD_STATE.to_vec(), Some(bytes_of(&hard)?));
        self.hard = hard;
        Ok(())
    }

    /// Appends entries, replacing existing ones from the first of them on.
    pub(super) fn append(&mut self, entries: &[Entry]) -> Result<(), SystemError> {
        let Some(first) = entries.first() else {
            return Ok(());
        };
        let before = self.last();
        if first.index <= self.base.0 || first.index > before + 1 {
            return Err(SystemError::invariant(format!(
                "entry {} does not follow a log of {} to {before}",
                first.index, self.base.0
            )));
        }
        self.entries
            .truncate((first.index - self.base.0 - 1) as usize);
        for entry in entries {
            self.unwritten
                .insert(entry_key(entry.index), Some(bytes_of(entry)?));
            self.entries.push_back(entry.clone());
        }
        for index in self.last() + 1..=before {
            self.unwritten.insert(entry_key(index), None);
        }
        Ok(())
    }

    /// Applies a committed entry; returns the node whose operations it contains, if any.
    pub(super) fn apply(
        &mut self,
        fields: &[Field],
        entry: &Entry,
    ) -> Result<Option<u32>, SystemError> {
        if entry.index != self.applied.0 + 1 {
            return Err(SystemError::invariant(format!(
                "entry {} is to be applied after {}",
                entry.index, self.applied.0
            )));
        }
        // A leader's first entry is empty.
        let node = if entry.data.is_empty() {
            None
        } else {
            Some(self.machine.apply(fields, &entry.data)?)
        };
        self.applied = (entry.index, entry.term);
        self.applied_bytes += entry.data.len();
        Ok(node)
    }

    /// Writes a snapshot and drops entries before it, if one is due: after [`SNAPSHOT_ENTRIES`]
    /// entries, but not before the log since the last snapshot is as long as that snapshot, so that
    /// the cost of snapshots stays proportional to that of the log (Ongaro, as above, section
    /// 5.1.2).
    pub(super) fn compact(&mut self) -> Result<(), SystemError> {
        if self.applied.0 - self.snapshot_index < self.compaction.snapshot_entries
            || self.applied_bytes < self.snapshot_bytes
        {
            return Ok(());
        }
        let bytes = bytes_of(&self.image()?)?;
        self.snapshot_index = self.applied.0;
        self.snapshot_bytes = bytes.len();
        self.applied_bytes = 0;
        self.unwritten.insert(SNAPSHOT.to_vec(), Some(bytes));
        let keep = self
            .applied
            .0
            .saturating_sub(self.compaction.catch_up_entries);
        // The entry at `base` stays on disk for its term, unless it never existed or a snapshot
        // replaces it.
        while self.base.0 < keep
            && let Some(entry) = self.entries.pop_front()
        {
            self.unwritten.insert(entry_key(self.base.0), None);
            self.base = (entry.index, entry.term);
        }
        Ok(())
    }

    /// Replaces everything by a snapshot from the leader.
    pub(super) fn install(&mut self, snapshot: &Snapshot) -> Result<(), SystemError> {
        for index in self.base.0..=self.last() {
            self.unwritten.insert(entry_key(index), None);
        }
        let bytes = bytes_of(snapshot)?;
        self.restore(snapshot, bytes.len())?;
        self.unwritten.insert(SNAPSHOT.to_vec(), Some(bytes));
        Ok(())
    }

    fn restore(&mut self, snapshot: &Snapshot, bytes: usize) -> Result<(), SystemError> {
        let metadata = snapshot.get_metadata();
        self.machine = Machine::decode(&snapshot.data)?;
        self.members = metadata.get_conf_state().clone();
        self.base = (metadata.index, metadata.term);
        self.applied = self.base;
        self.entries.clear();
        self.snapshot_index = metadata.index;
        self.snapshot_bytes = bytes;
        self.applied_bytes = 0;
        Ok(())
    }

    /// A snapshot of the current state machine.
    fn image(&self) -> Result<Snapshot, SystemError> {
        let mut snapshot = Snapshot {
            data: self.machine.encode()?.into(),
            ..Snapshot::default()
        };
        let metadata = snapshot.mut_metadata();
        metadata.index = self.applied.0;
        metadata.term = self.applied.1;
        metadata.set_conf_state(self.members.clone());
        Ok(snapshot)
    }
}

impl Storage for Log {
    fn initial_state(&self) -> raft::Result<RaftState> {
        Ok(RaftState::new(self.hard.clone(), self.members.clone()))
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        _: GetEntriesContext,
    ) -> raft::Result<Vec<Entry>> {
        if low <= self.base.0 {
            return Err(Error::Store(StorageError::Compacted));
        }
        if high > self.last() + 1 {
            return Err(Error::Store(StorageError::Unavailable));
        }
        let most = max_size.into().unwrap_or(u64::MAX);
        let mut size = 0;
        let wanted = self
            .entries
            .range((low - self.base.0 - 1) as usize..(high - self.base.0 - 1) as usize);
        Ok(wanted
            .take_while(|entry| {
                let first = size == 0;
                size += u64::from(entry.compute_size());
                first || size <= most
            })
            .cloned()
            .collect())
    }

    fn term(&self, index: u64) -> raft::Result<u64> {
        if index == self.base.0 {
            return Ok(self.base.1);
        }
        if index < self.base.0 {
            return Err(Error::Store(StorageError::Compacted));
        }
        self.entries
            .get((index - self.base.0 - 1) as usize)
            .map(|entry| entry.term)
            .ok_or(Error::Store(StorageError::Unavailable))
    }

    fn first_index(&self) -> raft::Result<u64> {
        Ok(self.base.0 + 1)
    }

    fn last_index(&self) -> raft::Result<u64> {
        Ok(self.last())
    }

    fn snapshot(&self, request_index: u64, _: u64) -> raft::Result<Snapshot> {
        if self.applied.0 < request_index {
            return Err(Error::Store(StorageError::SnapshotTemporarilyUnavailable));
        }
        self.image()
            .map_err(|error| Error::Store(StorageError::Other(Box::new(error))))
    }
}
