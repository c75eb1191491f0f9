//! The thread that owns the store, because commits block and the actor must not.

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

/// A batch that was committed.
pub(crate) struct Committed {
    pub(crate) ticket: u64,
    pub(crate) records: usize,
    pub(crate) time: Duration,
}

/// The outcome of a commit, or the error of a sync between commits: after either failure nothing
/// may be acknowledged any more.
type Outcome = Result<Committed, StoreError>;

/// The actor's handle of the storage thread.
pub(crate) struct Storage {
    jobs: Sender<Job>,
    committed: mpsc::UnboundedReceiver<Outcome>,
}

/// The storage thread ended, which only a panic can cause.
#[derive(Debug, thiserror::Error)]
#[error("the storage thread has ended: start the node again, and report the panic in its log")]
pub struct StorageGone;

impl Storage {
    /// Starts the thread. Under [`FsyncPolicy::Interval`] it also syncs after the last commit.
    pub(crate) fn start(store: Box<dyn Store>, fsync: FsyncPolicy) -> std::io::Result<Self> {
        let (jobs, queue) = channel();
        let (outcomes, committed) = mpsc::unbounded_channel();
        let interval = match fsync {
            FsyncPolicy::Interval(millis) => Some(Duration::from_millis(millis)),
            FsyncPolicy::Always | FsyncPolicy::Never => None,
        };
        thread::Builder::new()
            .name("storage".to_owned())
            .spawn(move || run(store, &queue, &outcomes, interval))?;
        Ok(Self { jobs, committed })
    }

    /// Requests a commit; [`Self::committed`] returns its outcome.
    pub(crate) fn commit(&self, ticket: u64, records: Vec<Record>) -> Result<(), StorageGone> {
        self.jobs
            .send(Job::Commit { ticket, records })
            .map_err(|_| StorageGone)
    }

    /// Waits for the next outcome of a commit, or for a sync that fails. Cancel-safe.
    pub(crate) async fn committed(&mut self) -> Result<Outcome, StorageGone> {
        self.committed.recv().await.ok_or(StorageGone)
    }

    /// After a failure: drops the store without closing it, and waits until it is gone.
    pub(crate) async fn abandon(self) {
        let Self {
            jobs,
            mut committed,
        } = self;
        drop(jobs);
        while committed.recv().await.is_some() {}
    }

    /// Closes the store after all requested commits.
    pub(crate) async fn close(self) -> Result<Result<(), StoreError>, StorageGone> {
        let (done, closed) = oneshot::channel();
        self.jobs.send(Job::Close(done)).map_err(|_| StorageGone)?;
        closed.await.map_err(|_| StorageGone)
    }
}

fn run(
    mut store: Box<dyn Store>,
    queue: &Receiver<Job>,
    outcomes: &mpsc::UnboundedSender<Outcome>,
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
                let outcome = store.commit(&writes).map(|()| Committed {
                    ticket,
                    records: records.len(),
                    time: began.elapsed(),
                });
                unsynced = outcome.is_ok();
                if outcomes.send(outcome).is_err() {
                    return;
                }
            }
            Ok(Job::Close(done)) => {
                // The caller may have stopped waiting.
                let _ = done.send(store.close());
                return;
            }
            Err(RecvTimeoutError::Timeout) => {
                unsynced = false;
                if let Err(error) = store.sync()
                    && outcomes.send(Err(error)).is_err()
                {
                    return;
                }
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}
