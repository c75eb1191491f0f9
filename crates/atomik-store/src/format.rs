//! The tables in the database file, and the mark by which an open learns how the last run ended.

use std::path::Path;

use redb::{
    Builder, Database, ReadableDatabase, StorageBackend, TableDefinition, WriteTransaction,
};

use crate::{FsyncPolicy, StoreError};

/// The replica's records.
pub(crate) const RECORDS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("records");
/// What the store knows about itself: [`FORMAT`] and [`MARK`].
const ABOUT: TableDefinition<&str, u64> = TableDefinition::new("about");
/// Key in [`ABOUT`] of the version of the format, written when the file is created.
const FORMAT: &str = "format";
/// The version that this code writes, and the newest that it reads.
const FORMAT_KNOWN: u64 = 1;
/// Key in [`ABOUT`] of a [`Mark`], written with the first commit.
const MARK: &str = "mark";

/// Key in [`ABOUT`] of the number of durable commits, written with each.
const COMMITS: &str = "commits";

/// Whether a run has ended, and whether commits may be missing if it has not. Written with the
/// first commit of a run and when it closes the store.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    Closed,
    /// In use by a run that syncs every commit.
    Synced,
    /// In use by a run that does not.
    Unsynced,
}

impl Mark {
    pub(crate) fn of_run(policy: FsyncPolicy) -> Self {
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

    /// Writes the mark as part of a transaction.
    pub(crate) fn write(self, transaction: &WriteTransaction) -> Result<(), redb::Error> {
        set_about(transaction, MARK, self.code())
    }
}

/// Writes the number of a durable commit as part of its transaction.
pub(crate) fn write_number(transaction: &WriteTransaction, number: u64) -> Result<(), redb::Error> {
    set_about(transaction, COMMITS, number)
}

fn set_about(transaction: &WriteTransaction, key: &str, value: u64) -> Result<(), redb::Error> {
    transaction.open_table(ABOUT)?.insert(key, value)?;
    Ok(())
}

/// Writes an empty store to an empty file.
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

/// Reads the mark of the last run, `None` if there was no commit yet, and the number of the last
/// durable commit. Refuses any other format.
pub(crate) fn read_about(path: &Path, db: &Database) -> Result<(Option<Mark>, u64), StoreError> {
    let read = || -> Result<_, redb::Error> {
        let transaction = db.begin_read()?;
        let about = transaction.open_table(ABOUT)?;
        let format = about.get(FORMAT)?.map(|format| format.value());
        let mark = about.get(MARK)?.map(|mark| mark.value());
        // Absent if an older version of this program wrote all commits.
        let number = about.get(COMMITS)?.map_or(0, |number| number.value());
        Ok((format, mark, number))
    };
    let (format, mark, number) = read().map_err(|error| StoreError::redb(path, error))?;
    match format {
        Some(FORMAT_KNOWN) => {}
        Some(found) if found > FORMAT_KNOWN => {
            return Err(StoreError::Newer {
                path: path.to_owned(),
                found,
                known: FORMAT_KNOWN,
            });
        }
        _ => return Err(StoreError::damaged(path, "unknown format")),
    }
    let mark = mark.map(|code| {
        Mark::from_code(code)
            .ok_or_else(|| StoreError::damaged(path, format!("unknown mark {code}")))
    });
    Ok((mark.transpose()?, number))
}
