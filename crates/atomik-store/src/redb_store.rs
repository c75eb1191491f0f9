use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use redb::backends::FileBackend;
use redb::{
    Builder, Database, Durability, ReadableDatabase, ReadableTable, StorageBackend,
    TableDefinition, WriteTransaction,
};

use crate::{FsyncPolicy, Opened, Store, StoreError, Write};

/// The records of the replica.
const RECORDS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("records");
/// What the store knows about itself: [`FORMAT`] and [`MARK`].
const ABOUT: TableDefinition<&str, u64> = TableDefinition::new("about");
/// Key in [`ABOUT`] of the format's version, there from the file's creation.
const FORMAT: &str = "format";
/// The version that this code writes, and the newest that it reads.
const FORMAT_KNOWN: u64 = 1;
/// Key in [`ABOUT`] of a [`Mark`], there from the first commit.
const MARK: &str = "mark";

/// The database below the data folder.
const FILE: &str = "store.redb";
/// A database that is being created: renamed to [`FILE`] when it is whole and synced.
const FILE_NEW: &str = "store.redb.new";
/// Locked while a store is open; holds the process id of the last that did.
const LOCK: &str = "LOCK";

/// How a store is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// When a commit is on disk. Default: [`FsyncPolicy::Always`].
    pub fsync: FsyncPolicy,
    /// Bytes of memory for pages of the file, and for what was committed and is not synced.
    /// Default: 256 MiB.
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

/// Whether a run is over, and what may be missing if it is not. Written with the run's first commit
/// and with its close.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Closed,
    /// In use by a run that synced every commit.
    Synced,
    /// In use by a run that did not.
    Unsynced,
}

impl Mark {
    fn of_run(policy: FsyncPolicy) -> Self {
        match policy {
            FsyncPolicy::Always => Self::Synced,
            FsyncPolicy::Interval(_) | FsyncPolicy::Never => Self::Unsynced,
        }
    }

    fn code(self) -> u64 {
        match self {
            Self::Closed => 0,
            Self::Synced => 1,
            Self::Unsynced => 2,
        }
    }

    fn from_code(code: u64) -> Option<Self> {
        [Self::Closed, Self::Synced, Self::Unsynced]
            .into_iter()
            .find(|mark| mark.code() == code)
    }
}

/// A [`Store`] in one file of a data folder, on redb.
///
/// The folder holds `store.redb` and `LOCK`. One store at a time has it open; the lock is the
/// system's, so that of a process that is gone is gone, too.
#[derive(Debug)]
pub struct RedbStore {
    db: Database,
    path: PathBuf,
    fsync: FsyncPolicy,
    opened: Opened,
    kept_memory: bool,
    /// Whether this run's mark is in the file: from the first commit on.
    marked: bool,
    /// When the last commit that synced was begun, and whether there were others since.
    synced: Instant,
    unsynced: bool,
    /// Released after the database is closed: fields are dropped in order.
    _lock: Option<File>,
}

impl RedbStore {
    /// Opens the store in the folder `dir`, which is created if it is not there.
    ///
    /// An unclean store is repaired, and all checksums are verified; both take time in proportion
    /// to its size.
    ///
    /// # Errors
    /// [`StoreError::Locked`], [`Newer`](StoreError::Newer), [`Damaged`](StoreError::Damaged),
    /// [`Full`](StoreError::Full), [`ReadOnly`](StoreError::ReadOnly) or [`Io`](StoreError::Io).
    pub fn open(dir: &Path, options: &Options) -> Result<Self, StoreError> {
        create_folder(dir)?;
        let lock = lock_folder(dir)?;
        let path = dir.join(FILE);
        if !path
            .try_exists()
            .map_err(|error| StoreError::io(&path, error))?
        {
            create(dir, &path)?;
        }
        // At every open: the run that created the file may have ended between the rename and this.
        sync_folder(dir)?;
        let file = File::options()
            .read(true)
            .write(true)
            .open(&path)
            .map_err(|error| StoreError::io(&path, error))?;
        let backend = FileBackend::new(file).map_err(|error| StoreError::redb(&path, error))?;
        let mut store = Self::on_backend(&path, backend, options)?;
        store._lock = Some(lock);
        Ok(store)
    }

    /// Opens the store in what `backend` holds; `path` is its name in messages.
    pub(crate) fn on_backend(
        path: &Path,
        backend: impl StorageBackend,
        options: &Options,
    ) -> Result<Self, StoreError> {
        // redb would take a file of no bytes for a new one.
        if backend.len().map_err(|error| StoreError::io(path, error))? == 0 {
            return Err(StoreError::damaged(path, "the file is empty"));
        }
        let cache_bytes = options.cache_bytes;
        let (db, mark) = no_panic(path, || {
            // Without the check, redb trusts a file that was closed cleanly.
            let db = Builder::new()
                .set_cache_size(cache_bytes)
                .set_check_integrity_on_open(true)
                .create_with_backend(backend)
                .map_err(|error| StoreError::redb(path, error))?;
            let mark = read_mark(path, &db)?;
            Ok((db, mark))
        })?;
        let opened = match mark {
            None => Opened::Fresh,
            Some(Mark::Closed) => Opened::Clean,
            Some(Mark::Synced | Mark::Unsynced) => Opened::Unclean,
        };
        Ok(Self {
            db,
            path: path.to_owned(),
            fsync: options.fsync,
            opened,
            kept_memory: mark != Some(Mark::Unsynced),
            marked: false,
            synced: Instant::now(),
            unsynced: false,
            _lock: None,
        })
    }

    /// Gives space that deleted and replaced records took back to the file system. Syncs; takes
    /// time in proportion to the size of the store.
    ///
    /// # Errors
    /// As [`Store::sync`].
    pub fn compact(&mut self) -> Result<(), StoreError> {
        self.db
            .compact()
            .map_err(|error| StoreError::redb(&self.path, error))?;
        self.unsynced = false;
        Ok(())
    }

    /// Bytes of the database file.
    ///
    /// # Errors
    /// [`StoreError::Io`] and its kin.
    pub fn disk_bytes(&self) -> Result<u64, StoreError> {
        fs::metadata(&self.path)
            .map(|file| file.len())
            .map_err(|error| StoreError::io(&self.path, error))
    }

    fn error(&self, error: impl Into<redb::Error>) -> StoreError {
        StoreError::redb(&self.path, error)
    }

    fn is_due(&self) -> bool {
        match self.fsync {
            FsyncPolicy::Always => true,
            FsyncPolicy::Interval(millis) => self.synced.elapsed() >= Duration::from_millis(millis),
            FsyncPolicy::Never => false,
        }
    }

    /// A transaction that holds `writes` and the mark, if one is given. Once one has failed to
    /// reach the disk, redb refuses every other until the file is opened again, which finds out
    /// what the failed one has left.
    fn transact(
        &self,
        writes: &[Write<'_>],
        mark: Option<Mark>,
        durability: Durability,
    ) -> Result<(), redb::Error> {
        let mut transaction = self.db.begin_write()?;
        transaction.set_durability(durability)?;
        if let Some(mark) = mark {
            set_about(&transaction, MARK, mark.code())?;
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
        read().map_err(|error| self.error(error))
    }

    fn commit(&mut self, writes: &[Write<'_>]) -> Result<(), StoreError> {
        // The mark goes with the first batch: before it nothing was acknowledged in this run, and
        // the finding of the run before must stand until the replica has acted on it.
        let mark = (!self.marked).then(|| Mark::of_run(self.fsync));
        let due = mark.is_some() || self.is_due();
        let began = Instant::now();
        let durability = if due {
            Durability::Immediate
        } else {
            Durability::None
        };
        self.transact(writes, mark, durability)
            .map_err(|error| self.error(error))?;
        self.marked = true;
        self.unsynced = !due;
        if due {
            self.synced = began;
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        if self.unsynced {
            let began = Instant::now();
            self.transact(&[], None, Durability::Immediate)
                .map_err(|error| self.error(error))?;
            self.unsynced = false;
            self.synced = began;
        }
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<(), StoreError> {
        if self.marked {
            // One transaction, which takes every commit before it to disk, too: the mark is never
            // there without them.
            self.transact(&[], Some(Mark::Closed), Durability::Immediate)
                .map_err(|error| self.error(error))?;
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

/// Creates the folder and what is missing above it, durably.
fn create_folder(dir: &Path) -> Result<(), StoreError> {
    let missing: Vec<&Path> = dir
        .ancestors()
        .take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists())
        .collect();
    fs::create_dir_all(dir).map_err(|error| StoreError::io(dir, error))?;
    for folder in missing {
        match folder.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => sync_folder(parent)?,
            _ => sync_folder(Path::new("."))?,
        }
    }
    Ok(())
}

/// Makes the names in a folder durable.
fn sync_folder(dir: &Path) -> Result<(), StoreError> {
    // Elsewhere a folder cannot be opened as a file, and a rename is as durable as it gets.
    if cfg!(unix) {
        File::open(dir)
            .and_then(|dir| dir.sync_all())
            .map_err(|error| StoreError::io(dir, error))?;
    }
    Ok(())
}

fn lock_folder(dir: &Path) -> Result<File, StoreError> {
    let path = dir.join(LOCK);
    let refused = |error| StoreError::io(&path, error);
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(refused)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // Who holds it is a courtesy: the message does without.
            let _ = file.read_to_string(&mut holder);
            return Err(StoreError::Locked {
                path,
                holder: holder.trim().parse().ok(),
            });
        }
        Err(TryLockError::Error(error)) => return Err(refused(error)),
    }
    let sign = |file: &mut File| -> io::Result<()> {
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())
    };
    sign(&mut file).map_err(refused)?;
    Ok(file)
}

/// Creates the database beside its place, so that a crash never leaves half of one under its name.
/// The folder is locked.
fn create(dir: &Path, path: &Path) -> Result<(), StoreError> {
    let new = dir.join(FILE_NEW);
    let refused = |error| StoreError::io(&new, error);
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(&new)
        .map_err(refused)?;
    let backend = FileBackend::new(file).map_err(|error| StoreError::redb(&new, error))?;
    initialise(&new, backend)?;
    fs::rename(&new, path).map_err(refused)
}

/// Makes an empty store of an empty file.
pub(crate) fn initialise(path: &Path, backend: impl StorageBackend) -> Result<(), StoreError> {
    let initialise = || -> Result<(), redb::Error> {
        let db = Builder::new().create_with_backend(backend)?;
        let transaction = db.begin_write()?;
        set_about(&transaction, FORMAT, FORMAT_KNOWN)?;
        transaction.open_table(RECORDS)?;
        transaction.commit()?;
        db.close()?;
        Ok(())
    };
    initialise().map_err(|error| StoreError::redb(path, error))
}

fn set_about(transaction: &WriteTransaction, key: &str, value: u64) -> Result<(), redb::Error> {
    transaction.open_table(ABOUT)?.insert(key, value)?;
    Ok(())
}

/// The mark of the run before, if there was one. Refuses what this code did not write.
fn read_mark(path: &Path, db: &Database) -> Result<Option<Mark>, StoreError> {
    let read = || -> Result<_, redb::Error> {
        let transaction = db.begin_read()?;
        let about = transaction.open_table(ABOUT)?;
        let format = about.get(FORMAT)?.map(|format| format.value());
        let mark = about.get(MARK)?.map(|mark| mark.value());
        Ok((format, mark))
    };
    let (format, mark) = read().map_err(|error| StoreError::redb(path, error))?;
    match format {
        Some(FORMAT_KNOWN) => {}
        Some(found) if found > FORMAT_KNOWN => {
            return Err(StoreError::Newer {
                path: path.to_owned(),
                found,
                known: FORMAT_KNOWN,
            });
        }
        _ => return Err(StoreError::damaged(path, "it names no known format")),
    }
    mark.map(|code| {
        Mark::from_code(code)
            .ok_or_else(|| StoreError::damaged(path, format!("its mark is {code}")))
    })
    .transpose()
}

/// Runs `open` and makes an error of a panic: redb panics on some damage rather than reporting it.
fn no_panic<T>(path: &Path, open: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    // Nothing that `open` captured is used after a panic.
    catch_unwind(AssertUnwindSafe(open)).unwrap_or_else(|panic| {
        let said = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied());
        Err(StoreError::damaged(
            path,
            format!(
                "the database gave up: {}",
                said.unwrap_or("no reason given")
            ),
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // No damage is known on which this version of redb panics at an open that checks, so one is
    // staged.
    #[test]
    fn a_panic_of_the_database_at_an_open_is_an_error_that_says_what_it_said() {
        for staged in [|| panic!("page {}", 7), || panic!("page 7")] {
            let refused = no_panic::<()>(Path::new("a.redb"), staged).unwrap_err();
            assert!(
                matches!(&refused, StoreError::Damaged { reason, .. } if reason.ends_with("page 7")),
                "{refused}"
            );
        }
    }
}
