//! The thread that owns the store: commits block, and the replica must not.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use atomik_replica::Record;
use atomik_store::{FsyncPolicy, Store, StoreError, Write};
use tokio::sync::{mpsc, oneshot};

enum Job {
    Commit { ticket: u64, records: Vec<Record> },
    Close(oneshot::Sender<Result<(), StoreError>>),
}

/// A batch that was committed, or was not.
pub(crate) struct Committed {
    pub(crate) ticket: u64,
    pub(crate) records: usize,
    pub(crate) time: Duration,
    pub(crate) result: Result<(), StoreError>,
}

/// The store, seen from outside its thread.
pub(crate) struct Storage {
    jobs: Sender<Job>,
    committed: mpsc::UnboundedReceiver<Committed>,
}

/// The thread is gone, which only a panic in it brings about.
#[derive(Debug, thiserror::Error)]
#[error("the storage thread has ended: start the node again, and report the panic in its log")]
pub struct StorageGone;

impl Storage {
    /// Starts the thread. Under [`FsyncPolicy::Interval`] it also syncs when nobody commits.
    pub(crate) fn start(store: Box<dyn Store>, fsync: FsyncPolicy) -> std::io::Result<Self> {
        let (jobs, queue) = channel();
        let (told, committed) = mpsc::unbounded_channel();
        let interval = match fsync {
            FsyncPolicy::Interval(millis) => Some(Duration::from_millis(millis)),
            FsyncPolicy::Always | FsyncPolicy::Never => None,
        };
        thread::Builder::new()
            .name("storage".to_owned())
            .spawn(move || run(store, &queue, &told, interval))?;
        Ok(Self { jobs, committed })
    }

    /// Has a batch committed; [`Self::committed`] tells when it is.
    pub(crate) fn commit(&self, ticket: u64, records: Vec<Record>) -> Result<(), StorageGone> {
        self.jobs
            .send(Job::Commit { ticket, records })
            .map_err(|_| StorageGone)
    }

    /// The next batch that was committed. Cancelling it loses nothing.
    pub(crate) async fn committed(&mut self) -> Result<Committed, StorageGone> {
        self.committed.recv().await.ok_or(StorageGone)
    }

    /// Drops the store as it is, and waits until it is gone: after it has failed.
    pub(crate) async fn abandon(self) {
        let Self {
            jobs,
            mut committed,
        } = self;
        drop(jobs);
        while committed.recv().await.is_some() {}
    }

    /// Closes the store after everything before.
    pub(crate) async fn close(self) -> Result<Result<(), StoreError>, StorageGone> {
        let (done, closed) = oneshot::channel();
        self.jobs.send(Job::Close(done)).map_err(|_| StorageGone)?;
        closed.await.map_err(|_| StorageGone)
    }
}

fn run(
    mut store: Box<dyn Store>,
    queue: &Receiver<Job>,
    told: &mpsc::UnboundedSender<Committed>,
    interval: Option<Duration>,
) {
    let mut unsynced = false;
    loop {
        let job = match interval.filter(|_| unsynced) {
            Some(interval) => queue.recv_timeout(interval),
            None => queue.recv().map_err(RecvTimeoutError::from),
        };
        match job {
            Ok(Job::Commit { ticket, records }) => {
                let began = Instant::now();
                let writes: Vec<Write<'_>> = records
                    .iter()
                    .map(|(key, value)| Write {
                        key,
                        value: value.as_deref(),
                    })
                    .collect();
                let result = store.commit(&writes);
                unsynced = true;
                let committed = Committed {
                    ticket,
                    records: records.len(),
                    time: began.elapsed(),
                    result,
                };
                if told.send(committed).is_err() {
                    return;
                }
            }
            Ok(Job::Close(done)) => {
                // Whoever asked may have stopped waiting.
                let _ = done.send(store.close());
                return;
            }
            Err(RecvTimeoutError::Timeout) => {
                // The next commit fails with the same reason, and that is told.
                if let Err(error) = store.sync() {
                    tracing::error!(%error, "cannot sync");
                }
                unsynced = false;
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}
