//! The machine of a node: the running node, its disk with a queue of writes, and its clients.

use std::collections::{BTreeSet, VecDeque};
use std::path::PathBuf;

use crate::disk::Files;
use crate::system::{Micros, Node, OpId, Persist, Storage, SystemError};

/// A node with its disk and its clients.
pub(crate) struct Host {
    /// The node, unless it is down.
    pub(crate) node: Option<Box<dyn Node>>,
    pub(crate) storage: Storage,
    /// How often the node has crashed. Events of an earlier life are ignored.
    pub(crate) life: u64,
    /// Operations that clients have not submitted yet, as indices into the workload.
    pub(crate) pending: Vec<usize>,
    /// Submitted operations that are not acknowledged yet.
    pub(crate) open: BTreeSet<OpId>,
    /// The next wake-up, if one is scheduled.
    pub(crate) wake: Option<Micros>,
    /// Writes that are not durable yet.
    queue: VecDeque<Write>,
    /// How many of them the running fsync covers, or 0 if none is running.
    syncing: usize,
    /// The node's files as a crash would leave them. Kept only shortly before a crash.
    durable: Option<Files>,
}

/// A write in a disk's queue.
struct Write {
    persist: Persist,
    /// The node's files at the time of the write. Kept only shortly before a crash.
    files: Option<Files>,
}

impl Host {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self {
            node: None,
            storage: Storage {
                folder,
                ..Storage::default()
            },
            life: 0,
            pending: Vec::new(),
            open: BTreeSet::new(),
            wake: None,
            queue: VecDeque::new(),
            syncing: 0,
            durable: None,
        }
    }

    /// Queues a write.
    pub(crate) fn write(&mut self, persist: Persist) -> Result<(), SystemError> {
        let files = self.durable.is_some().then(|| self.files()).transpose()?;
        self.queue.push_back(Write { persist, files });
        Ok(())
    }

    /// Starts an fsync of every queued write, unless one is running or the queue is empty. Returns
    /// its bytes.
    pub(crate) fn start_sync(&mut self) -> Option<u64> {
        if self.syncing > 0 || self.queue.is_empty() {
            return None;
        }
        self.syncing = self.queue.len();
        Some(self.queue.iter().map(|write| write.persist.bytes).sum())
    }

    /// The running fsync has finished. Returns the tickets of its writes.
    pub(crate) fn finish_sync(&mut self) -> Vec<u64> {
        let done: Vec<_> = self.queue.drain(..self.syncing).collect();
        self.syncing = 0;
        done.into_iter().map(|write| self.store(write)).collect()
    }

    /// Makes every queued write durable.
    pub(crate) fn drain(&mut self) {
        for write in std::mem::take(&mut self.queue) {
            self.store(write);
        }
    }

    /// Starts to track what a crash would leave of the node's files.
    pub(crate) fn prepare_crash(&mut self) -> Result<(), SystemError> {
        self.durable = Some(self.files()?);
        Ok(())
    }

    /// Cuts the power: the node stops, and its disk keeps what was synced. Returns the operations
    /// whose outcome is now uncertain.
    pub(crate) fn crash(&mut self) -> Result<BTreeSet<OpId>, SystemError> {
        // A node that keeps files closes them here, before they are restored.
        self.node = None;
        if let Some(files) = self.durable.take() {
            files
                .restore(&self.storage.folder)
                .map_err(|error| SystemError::failed("restoring a node's files", error))?;
        }
        self.life += 1;
        self.wake = None;
        self.queue.clear();
        self.syncing = 0;
        Ok(std::mem::take(&mut self.open))
    }

    fn store(&mut self, write: Write) -> u64 {
        self.storage.store(write.persist.records);
        if write.files.is_some() {
            self.durable = write.files;
        }
        write.persist.ticket
    }

    fn files(&self) -> Result<Files, SystemError> {
        Files::read(&self.storage.folder)
            .map_err(|error| SystemError::failed("reading a node's files", error))
    }
}
