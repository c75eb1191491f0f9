use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{FsyncPolicy, Opened, Store, StoreError, Write};

/// What a [`MemoryStore`] is on: it outlives the store, as a disk outlives a process. Clones share
/// one disk.
#[derive(Clone, Debug, Default)]
pub struct MemoryDisk {
    state: Arc<Mutex<Disk>>,
}

#[derive(Debug, Default)]
struct Disk {
    records: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Whether the run before closed the store, and which policy it had; `None` before the first
    /// commit. Never ahead of a sync.
    mark: Option<(bool, FsyncPolicy)>,
    /// What undoes the commits since the last sync, to be taken from its end.
    undo: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// Counts crashes: a store of before one is dead.
    crashes: u64,
    in_use: bool,
    /// Milliseconds, moved by hand.
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
        let run = disk.crashes;
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
            run,
        })
    }

    /// Loses everything since the last sync. A store that is open is dead from now on, and another
    /// can be opened.
    pub fn crash(&self) {
        let mut disk = self.lock();
        while let Some((key, value)) = disk.undo.pop() {
            disk.set(&key, value.as_deref());
        }
        disk.crashes += 1;
        disk.in_use = false;
    }

    /// Moves the clock that [`FsyncPolicy::Interval`] goes by.
    pub fn advance(&self, millis: u64) {
        self.lock().now += millis;
    }

    fn lock(&self) -> MutexGuard<'_, Disk> {
        // No call leaves the state half changed, so a panic of another thread does not matter.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The disk's name in messages.
const NAME: &str = "(memory)";

/// A [`Store`] for tests and simulations: nothing but memory, no clock of its own, everything as
/// [`RedbStore`](crate::RedbStore) promises it. A crash loses all that was not synced, the worst
/// that is allowed.
#[derive(Debug)]
pub struct MemoryStore {
    disk: MemoryDisk,
    fsync: FsyncPolicy,
    opened: Opened,
    kept_memory: bool,
    marked: bool,
    synced_at: u64,
    /// The disk's count of crashes when this was opened.
    run: u64,
}

impl MemoryStore {
    fn alive(&self) -> Result<MutexGuard<'_, Disk>, StoreError> {
        let disk = self.disk.lock();
        if disk.crashes == self.run {
            Ok(disk)
        } else {
            Err(StoreError::failed(Path::new(NAME), "it crashed"))
        }
    }
}

impl Store for MemoryStore {
    fn load(&self, each: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), StoreError> {
        // A copy, so that `each` may use the disk.
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
    /// As a process that ends without closing its store, on a machine that goes on.
    fn drop(&mut self) {
        let mut disk = self.disk.lock();
        if disk.crashes == self.run {
            disk.in_use = false;
        }
    }
}
