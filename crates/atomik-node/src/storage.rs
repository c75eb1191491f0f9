//! The thread that owns the store, because commits block and the actor must not.

use std::thread;
use std::time::Duration;

use atomik_replica::Record;
use atomik_store::{FsyncPolicy, Store, StoreError, Write};
use tokio::runtime::Builder;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout};

/// How long the operations of a simulated store take.
pub trait Pace: Send {
    /// The time until an operation that was asked for takes effect.
    fn before(&mut self) -> Duration;

    /// The time from there until the node hears of it.
    fn after(&mut self) -> Duration;
}

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
    jobs: mpsc::UnboundedSender<Job>,
    committed: mpsc::UnboundedReceiver<Outcome>,
}

/// The storage thread ended, which only a panic can cause.
#[derive(Debug, thiserror::Error)]
#[error("the storage thread has ended: start the node again, and report the panic in its log")]
pub struct StorageGone;

impl Storage {
    /// Starts the thread, or with a pace a task in its place. Under [`FsyncPolicy::Interval`] it
    /// also syncs after the last commit.
    pub(crate) fn start(
        store: Box<dyn Store>,
        fsync: FsyncPolicy,
        pace: Option<Box<dyn Pace>>,
    ) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::unbounded_channel();
        let (outcomes, committed) = mpsc::unbounded_channel();
        let interval = match fsync {
            FsyncPolicy::Interval(millis) => Some(Duration::from_millis(millis)),
            FsyncPolicy::Always | FsyncPolicy::Never => None,
        };
        let is_task = pace.is_some();
        let writer = Writer {
            store,
            queue,
            outcomes,
            pace,
        };
        if is_task {
            tokio::spawn(writer.run(interval));
        } else {
            let runtime = Builder::new_current_thread().enable_time().build()?;
            thread::Builder::new()
                .name("storage".to_owned())
                .spawn(move || runtime.block_on(writer.run(interval)))?;
        }
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

/// What owns the store.
struct Writer {
    store: Box<dyn Store>,
    queue: mpsc::UnboundedReceiver<Job>,
    outcomes: mpsc::UnboundedSender<Outcome>,
    pace: Option<Box<dyn Pace>>,
}

impl Writer {
    /// Does what is asked for, until the store is closed or nobody waits for outcomes any more.
    async fn run(mut self, interval: Option<Duration>) {
        let mut unsynced = false;
        loop {
            let job = match interval.filter(|_| unsynced) {
                Some(interval) => timeout(interval, self.queue.recv()).await,
                None => Ok(self.queue.recv().await),
            };
            match job {
                Ok(Some(Job::Commit { ticket, records })) => {
                    let outcome = self.commit(ticket, &records).await;
                    unsynced = outcome.is_ok();
                    if self.outcomes.send(outcome).is_err() {
                        return;
                    }
                }
                Ok(Some(Job::Close(done))) => {
                    self.before().await;
                    // The caller may have stopped waiting.
                    let _ = done.send(self.store.close());
                    return;
                }
                Ok(None) => return,
                Err(_) => {
                    unsynced = false;
                    if let Err(error) = self.store.sync()
                        && self.outcomes.send(Err(error)).is_err()
                    {
                        return;
                    }
                }
            }
        }
    }

    async fn commit(&mut self, ticket: u64, records: &[Record]) -> Outcome {
        let began = Instant::now();
        self.before().await;
        let writes = records.iter().map(|(key, value)| Write {
            key,
            value: value.as_deref(),
        });
        let writes: Vec<Write<'_>> = writes.collect();
        let outcome = self.store.commit(&writes);
        if let Some(pace) = &mut self.pace {
            sleep(pace.after()).await;
        }
        outcome.map(|()| Committed {
            ticket,
            records: records.len(),
            time: began.elapsed(),
        })
    }

    async fn before(&mut self) {
        if let Some(pace) = &mut self.pace {
            sleep(pace.before()).await;
        }
    }
}
