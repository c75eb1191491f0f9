//! A store in one file of a data folder, on redb.

use std::fs::{self, File};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use redb::backends::FileBackend;
use redb::{Builder, Database, Durability, ReadableDatabase, ReadableTable, StorageBackend as _};

use crate::acknowledged::{self, Acknowledged};
use crate::disk::{Checked, Disk, FileDisk, Health, Settled, settle};
use crate::folder::{self, AcknowledgedFile};
use crate::format::{Mark, RECORDS, initialise, read_about, write_number};
use crate::{FsyncPolicy, Notice, Opened, Store, StoreError, Write};

/// The database file in the data folder.
const FILE: &str = "store.redb";
/// A database that is being created. It is renamed to [`FILE`] once it is complete and synced.
const FILE_NEW: &str = "store.redb.new";
/// The file with the number of the last durable commit.
const ACKNOWLEDGED: &str = "ACKNOWLEDGED";

/// How a store is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// When a commit is durable. Default: [`FsyncPolicy::Always`].
    pub fsync: FsyncPolicy,
    /// Bytes of memory for pages of the file and for commits that are not synced. Default: 256 MiB.
    pub cache_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            fsync: FsyncPolicy::default(),
            cache_bytes: 256 << 20,
        }
    }
}

/// A [`Store`] in one file of a data folder, on redb.
///
/// The folder holds `store.redb`, `ACKNOWLEDGED` and `LOCK`, all for its user alone. Only one store
/// at a time can have it open. The operating system holds the lock and releases it when the process
/// ends.
///
/// ```
/// use atomik_store::{Opened, Options, RedbStore, Store, Write};
///
/// # let temp = tempfile::tempdir()?;
/// # let data = temp.path().join("data");
/// let mut store = RedbStore::open(&data, &Options::default())?;
/// assert_eq!(store.opened(), Opened::Fresh);
/// store.commit(&[Write::put(b"key", b"value")])?;
/// Box::new(store).close()?;
///
/// let store = RedbStore::open(&data, &Options::default())?;
/// assert_eq!(store.opened(), Opened::Clean);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct RedbStore {
    db: Database,
    path: PathBuf,
    fsync: FsyncPolicy,
    opened: Opened,
    kept_memory: bool,
    /// Whether this run's mark is in the file: true from the first commit on.
    marked: bool,
    /// When the last sync began.
    synced: Instant,
    /// Whether there were commits since.
    unsynced: bool,
    /// The first failure of this run; after one, nothing is written any more.
    health: Health,
    /// The number of the last durable commit.
    number: u64,
    acknowledged: Box<dyn Acknowledged>,
    notices: Vec<Notice>,
    /// Released after the database is closed, since fields are dropped in order.
    _lock: Option<File>,
}

impl RedbStore {
    /// Opens the store in the folder `dir`, and creates the folder if it does not exist.
    ///
    /// Compares the file in the system's cache with the disk, verifies all checksums, and repairs a
    /// store that was not closed. All take time proportional to its size.
    ///
    /// # Errors
    /// [`StoreError::Locked`], [`Newer`](StoreError::Newer), [`Damaged`](StoreError::Damaged),
    /// [`Full`](StoreError::Full), [`ReadOnly`](StoreError::ReadOnly),
    /// [`Disk`](StoreError::Disk) or [`Io`](StoreError::Io).
    pub fn open(dir: &Path, options: &Options) -> Result<Self, StoreError> {
        folder::create(dir)?;
        let lock = folder::lock(dir)?;
        let path = dir.join(FILE);
        let exists = |path: &Path| {
            path.try_exists()
                .map_err(|error| StoreError::io(path, error))
        };
        let old = exists(&path)?;
        let files = [folder::LOCK, FILE, ACKNOWLEDGED];
        let mut notices = folder::tighten(dir, &files)?;
        let number = dir.join(ACKNOWLEDGED);
        if !old {
            if exists(&number)? {
                return Err(StoreError::damaged(
                    &path,
                    "the file is gone, but commits were acknowledged",
                ));
            }
            create(dir, &path)?;
        }
        let acknowledged = folder::private()
            .create(true)
            .truncate(false)
            .open(&number)
            .map_err(|error| StoreError::io(&number, error))?;
        // At every open: the run that created the files may have ended before this line.
        folder::sync(dir)?;
        let disk = FileDisk::open(&path).map_err(|error| StoreError::io(&path, error))?;
        let acknowledged = Box::new(AcknowledgedFile(acknowledged));
        let mut store = Self::on_disk(&path, disk, acknowledged, options)?;
        notices.append(&mut store.notices);
        store.notices = notices;
        store._lock = Some(lock);
        Ok(store)
    }

    /// Opens the store on `disk`; errors call it `path`.
    pub(crate) fn on_disk(
        path: &Path,
        disk: impl Disk,
        acknowledged: Box<dyn Acknowledged>,
        options: &Options,
    ) -> Result<Self, StoreError> {
        let failed = |error| StoreError::io(path, error);
        // redb would initialise an empty file.
        if disk.file().len().map_err(failed)? == 0 {
            return Err(StoreError::damaged(path, "the file is empty"));
        }
        let mut notices = Vec::new();
        let named = || path.to_owned();
        match settle(&disk).map_err(failed)? {
            Settled::Same => {}
            Settled::Rewritten(blocks) => notices.push(Notice::Rewritten {
                path: named(),
                blocks,
            }),
            Settled::Unread => notices.push(Notice::Unread { path: named() }),
        }
        let health = Health::default();
        let file = Checked::new(disk.into_file(), health.clone());
        let cache_bytes = options.cache_bytes;
        let (db, (mark, found)) = no_panic(path, || {
            // Without this check redb trusts a file that was closed cleanly.
            let db = Builder::new()
                .set_cache_size(cache_bytes)
                .set_check_integrity_on_open(true)
                .create_with_backend(file)
                .map_err(|error| StoreError::redb(path, error))?;
            let about = read_about(path, &db)?;
            Ok((db, about))
        })?;
        let noted = acknowledged::read(&*acknowledged).map_err(failed)?;
        let lost = noted.filter(|noted| *noted > found);
        if let Some(acknowledged) = lost {
            notices.push(Notice::Lost {
                path: named(),
                found,
                acknowledged,
            });
        }
        let opened = match mark {
            _ if lost.is_some() => Opened::Unclean,
            None => Opened::Fresh,
            Some(Mark::Closed) => Opened::Clean,
            Some(Mark::Synced | Mark::Unsynced) => Opened::Unclean,
        };
        Ok(Self {
            db,
            path: path.to_owned(),
            fsync: options.fsync,
            opened,
            kept_memory: mark != Some(Mark::Unsynced) && lost.is_none(),
            marked: false,
            synced: Instant::now(),
            unsynced: false,
            health,
            // The first commit of this run has a number above those that were lost, so the loss is
            // reported until then.
            number: lost.unwrap_or(found),
            acknowledged,
            notices,
            _lock: None,
        })
    }

    /// What the open found that the user should know, to be logged.
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }

    /// Syncs, and returns the space of deleted and replaced records to the file system. Takes time
    /// proportional to the size of the store.
    ///
    /// # Errors
    /// As [`Store::sync`].
    pub fn compact(&mut self) -> Result<(), StoreError> {
        self.sync()?;
        let compacted = no_panic(&self.path, || {
            self.db
                .compact()
                .map_err(|error| StoreError::redb(&self.path, error))
        });
        self.outcome(compacted.map(drop))
    }

    /// The length of the database file in bytes.
    ///
    /// # Errors
    /// If the system does not tell.
    pub fn disk_bytes(&self) -> Result<u64, StoreError> {
        fs::metadata(&self.path)
            .map(|file| file.len())
            .map_err(|error| StoreError::io(&self.path, error))
    }

    /// Fails if this run has failed before.
    fn check_health(&self) -> Result<(), StoreError> {
        match self.health.failure() {
            Some(error) => Err(StoreError::failed(&self.path, error.to_string())),
            None => Ok(()),
        }
    }

    /// The outcome of an operation. A failure ends the run, also one that redb took no notice of:
    /// it keeps a page that it writes only to save memory, and tries again later.
    fn outcome(&self, outcome: Result<(), StoreError>) -> Result<(), StoreError> {
        match outcome {
            Ok(()) => match self.health.failure() {
                Some(error) => Err(StoreError::io(&self.path, error)),
                None => Ok(()),
            },
            // Nothing was written.
            Err(error @ StoreError::TooLarge { .. }) => Err(error),
            Err(error) => {
                self.health.fail(&io::Error::other(error.to_string()));
                Err(error)
            }
        }
    }

    fn is_due(&self) -> bool {
        match self.fsync {
            FsyncPolicy::Always => true,
            FsyncPolicy::Interval(millis) => self.synced.elapsed() >= Duration::from_millis(millis),
            FsyncPolicy::Never => false,
        }
    }

    /// Commits a transaction with `writes` and, if given, a mark. A durable one takes all earlier
    /// ones to the disk, and has a number.
    fn transact(
        &mut self,
        writes: &[Write<'_>],
        mark: Option<Mark>,
        durability: Durability,
    ) -> Result<(), StoreError> {
        self.check_health()?;
        let durable = matches!(durability, Durability::Immediate);
        let number = self.number + 1;
        let run = || -> Result<(), redb::Error> {
            let mut transaction = self.db.begin_write()?;
            transaction.set_durability(durability)?;
            if let Some(mark) = mark {
                mark.write(&transaction)?;
            }
            if durable {
                write_number(&transaction, number)?;
            }
            if !writes.is_empty() {
                let mut records = transaction.open_table(RECORDS)?;
                for write in writes {
                    match write.value {
                        Some(value) => drop(records.insert(write.key, value)?),
                        None => drop(records.remove(write.key)?),
                    }
                }
            }
            transaction.commit()?;
            Ok(())
        };
        let done = no_panic(&self.path, || {
            run().map_err(|error| StoreError::redb(&self.path, error))
        });
        self.outcome(done)?;
        if durable {
            self.number = number;
            let noted = acknowledged::write(&*self.acknowledged, number);
            self.outcome(noted.map_err(|error| StoreError::io(&self.path, error)))?;
        }
        Ok(())
    }
}

impl Store for RedbStore {
    fn load(&self, each: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), StoreError> {
        let mut read = || -> Result<(), redb::Error> {
            let records = self.db.begin_read()?.open_table(RECORDS)?;
            for record in records.iter()? {
                let (key, value) = record?;
                each(key.value(), value.value());
            }
            Ok(())
        };
        no_panic(&self.path, || {
            read().map_err(|error| StoreError::redb(&self.path, error))
        })
    }

    fn commit(&mut self, writes: &[Write<'_>]) -> Result<(), StoreError> {
        // The mark is part of the first batch. Until then this run has acknowledged nothing, and
        // what the last run left must be reported again if this one ends.
        let mark = (!self.marked).then(|| Mark::of_run(self.fsync));
        let due = mark.is_some() || self.is_due();
        let began = Instant::now();
        let durability = if due {
            Durability::Immediate
        } else {
            Durability::None
        };
        self.transact(writes, mark, durability)?;
        self.marked = true;
        self.unsynced = !due;
        if due {
            self.synced = began;
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        self.check_health()?;
        if self.unsynced {
            let began = Instant::now();
            self.transact(&[], None, Durability::Immediate)?;
            self.unsynced = false;
            self.synced = began;
        }
        Ok(())
    }

    fn close(mut self: Box<Self>) -> Result<(), StoreError> {
        self.check_health()?;
        if self.marked {
            // A durable transaction makes all earlier ones durable, so the mark is never on disk
            // without them.
            self.transact(&[], Some(Mark::Closed), Durability::Immediate)?;
            let synced = self.acknowledged.sync();
            self.outcome(synced.map_err(|error| StoreError::io(&self.path, error)))?;
        }
        let Self { db, path, .. } = *self;
        db.close().map_err(|error| StoreError::redb(&path, error))
    }

    fn opened(&self) -> Opened {
        self.opened
    }

    fn kept_memory(&self) -> bool {
        self.kept_memory
    }
}

/// Creates the database under another name and renames it, so that a crash leaves no partial one.
/// The folder must be locked.
fn create(dir: &Path, path: &Path) -> Result<(), StoreError> {
    let new = dir.join(FILE_NEW);
    let refused = |error| StoreError::io(&new, error);
    let file = folder::private()
        .create(true)
        .truncate(true)
        .open(&new)
        .map_err(refused)?;
    let backend = FileBackend::new(file).map_err(|error| StoreError::redb(&new, error))?;
    initialise(&new, backend)?;
    fs::rename(&new, path).map_err(refused)
}

/// Runs `open` and turns a panic into an error: redb panics on some kinds of damage.
fn no_panic<T>(path: &Path, open: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    // After a panic nothing that `open` captured is used again.
    catch_unwind(AssertUnwindSafe(open)).unwrap_or_else(|panic| {
        let message = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied());
        Err(StoreError::damaged(
            path,
            format!("the database panicked: {}", message.unwrap_or("no message")),
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // No damage is known on which this version of redb panics when it opens and verifies a file, so
    // the panic is staged.
    #[test]
    fn a_panic_of_the_database_during_open_becomes_an_error_with_its_message() {
        for staged in [|| panic!("page {}", 7), || panic!("page 7")] {
            let refused = no_panic::<()>(Path::new("a.redb"), staged).unwrap_err();
            let StoreError::Damaged { reason, .. } = &refused else {
                panic!("{refused}");
            };
            assert!(reason.ends_with("page 7"), "{refused}");
        }
    }
}
