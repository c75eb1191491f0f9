//! A store in memory, for tests and simulations.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{FsyncPolicy, Opened, Store, StoreError, Write};

/// The disk of a [`MemoryStore`]. It outlives the store as a disk outlives a process. Clones share
/// one disk.
#[derive(Clone, Debug, Default)]
pub struct MemoryDisk {
    state: Arc<Mutex<Disk>>,
}

#[derive(Debug, Default)]
struct Disk {
    records: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Whether the last run closed the store, and its policy; `None` before the first commit.
    /// Changes only together with a sync.
    mark: Option<(bool, FsyncPolicy)>,
    /// The old values that undo the commits since the last sync, the oldest first.
    undo: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// How many crashes there were. A store that was opened before the last one is dead.
    crashes: u64,
    in_use: bool,
    /// The clock, in milliseconds; [`MemoryDisk::advance`] moves it.
    now: u64,
}

impl Disk {
    fn set(&mut self, key: &[u8], value: Option<&[u8]>) -> Option<Vec<u8>> {
        match value {
            Some(value) => self.records.insert(key.to_vec(), value.to_vec()),
            None => self.records.remove(key),
        }
    }
}

impl MemoryDisk {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens the store on the disk.
    ///
    /// # Errors
    /// [`StoreError::Locked`] while another store on it is open.
    pub fn open(&self, fsync: FsyncPolicy) -> Result<MemoryStore, StoreError> {
        let mut disk = self.lock();
        if disk.in_use {
            return Err(StoreError::Locked {
                path: Path::new(NAME).to_owned(),
                holder: Some(std::process::id()),
            });
        }
        disk.in_use = true;
        let mark = disk.mark;
        let crashes = disk.crashes;
        let synced_at = disk.now;
        Ok(MemoryStore {
            disk: self.clone(),
            fsync,
            opened: match mark {
                None => Opened::Fresh,
                Some((true, _)) => Opened::Clean,
                Some((false, _)) => Opened::Unclean,
            },
            kept_memory: matches!(mark, None | Some((true, _) | (_, FsyncPolicy::Always))),
            marked: false,
            synced_at,
            crashes,
        })
    }

    /// Loses everything since the last sync. An open store is dead from then on, and another can be
    /// opened.
    pub fn crash(&self) {
        let mut disk = self.lock();
        while let Some((key, value)) = disk.undo.pop() {
            disk.set(&key, value.as_deref());
        }
        disk.crashes += 1;
        disk.in_use = false;
    }

    /// Moves the clock of [`FsyncPolicy::Interval`] forward.
    pub fn advance(&self, millis: u64) {
        self.lock().now += millis;
    }

    fn lock(&self) -> MutexGuard<'_, Disk> {
        // Every change is complete before the lock is released, so a panic elsewhere does no harm.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What errors call the disk.
const NAME: &str = "(memory)";

/// A [`Store`] in memory, without a clock of its own, that keeps the promises of
/// [`RedbStore`](crate::RedbStore). A crash loses everything that was not synced, which is the
/// worst that those allow.
#[derive(Debug)]
pub struct MemoryStore {
    disk: MemoryDisk,
    fsync: FsyncPolicy,
    opened: Opened,
    kept_memory: bool,
    marked: bool,
    synced_at: u64,
    /// The disk's count of crashes when the store was opened.
    crashes: u64,
}

impl MemoryStore {
    fn alive(&self) -> Result<MutexGuard<'_, Disk>, StoreError> {
        let disk = self.disk.lock();
        if disk.crashes == self.crashes {
            Ok(disk)
        } else {
            Err(StoreError::failed(Path::new(NAME), "the disk crashed"))
        }
    }
}

impl Store for MemoryStore {
    fn load(&self, each: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), StoreError> {
        // A copy, so that `each` can use the disk.
        let records = self.alive()?.records.clone();
        for (key, value) in &records {
            each(key, value);
        }
        Ok(())
    }

    fn commit(&mut self, writes: &[Write<'_>]) -> Result<(), StoreError> {
        let mut disk = self.alive()?;
        for write in writes {
            let before = disk.set(write.key, write.value);
            disk.undo.push((write.key.to_vec(), before));
        }
        let now = disk.now;
        let due = !self.marked
            || match self.fsync {
                FsyncPolicy::Always => true,
                FsyncPolicy::Interval(millis) => now - self.synced_at >= millis,
                FsyncPolicy::Never => false,
            };
        if due {
            disk.mark = Some((false, self.fsync));
            disk.undo.clear();
            drop(disk);
            self.marked = true;
            self.synced_at = now;
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        let mut disk = self.alive()?;
        disk.undo.clear();
        let now = disk.now;
        drop(disk);
        self.synced_at = now;
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<(), StoreError> {
        let mut disk = self.alive()?;
        if self.marked {
            disk.mark = Some((true, self.fsync));
            disk.undo.clear();
        }
        Ok(())
    }

    fn opened(&self) -> Opened {
        self.opened
    }

    fn kept_memory(&self) -> bool {
        self.kept_memory
    }
}

impl Drop for MemoryStore {
    /// Like the end of a process that did not close its store: the disk is free, and keeps what was
    /// not synced.
    fn drop(&mut self) {
        let mut disk = self.disk.lock();
        if disk.crashes == self.crashes {
            disk.in_use = false;
        }
    }
}
