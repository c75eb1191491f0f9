//! What can go wrong with a store, and what to do next.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// The system's number of an input/output error, the same on all Unix systems.
pub(crate) const EIO: i32 = 5;

/// Why a store failed. Every message names the file and what to do next.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process, or another store in this process, has the data folder open.
    #[error(
        "{}: in use by {}; stop it, or use another data folder",
        .path.display(),
        .holder.map_or("another process".to_owned(), |pid| format!("process {pid}"))
    )]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// The process that holds the lock, if the file names it.
        holder: Option<u32>,
    },
    /// A newer version of this program wrote the store.
    #[error(
        "{}: in format {found}, but this version reads formats up to {known}; open it with the \
         version that wrote it, or use another data folder",
        .path.display()
    )]
    Newer {
        /// The database file.
        path: PathBuf,
        /// Its format.
        found: u64,
        /// The newest format that can be read.
        known: u64,
    },
    /// The contents are not what a store wrote.
    #[error(
        "{}: damaged or not a store ({reason}); keep a copy for a post-mortem, then restore the \
         folder from a backup and start with a new identity (`--new-identity`), or move store.redb \
         and ACKNOWLEDGED away: the replica then starts empty and fetches what its peers hold",
        .path.display()
    )]
    Damaged {
        /// The database file.
        path: PathBuf,
        /// What is wrong with them.
        reason: String,
    },
    /// The disk or the quota is full.
    #[error(
        "{}: {source}; free some space or raise the quota, then start again: every acknowledged \
         commit is safe",
        .path.display()
    )]
    Full {
        /// The file that could not grow.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The file or its folder is not writable.
    #[error(
        "{}: {source}; make the folder and its files writable for this user, or use another data \
         folder",
        .path.display()
    )]
    ReadOnly {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The disk cannot be read or written.
    #[error(
        "{}: the disk failed ({source}); nothing was acknowledged since. Look into the system log. \
         If the disk is sound, start again: the store then reads its file back from the disk and \
         tells what is missing. If not, replace it, and restore the folder from a backup under a \
         new identity (`--new-identity`), or start with an empty folder: peers send back what they \
         hold",
        .path.display()
    )]
    Disk {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Any other error of the system.
    #[error(
        "{}: {source}; check the path, the disk and the system log, then start again",
        .path.display()
    )]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A record is too large; nothing was written, and the store stays usable.
    #[error("{}: a record of {bytes} bytes is too large; split it", .path.display())]
    TooLarge {
        /// The database file.
        path: PathBuf,
        /// Bytes of the value, or of key and value together.
        bytes: usize,
    },
    /// An earlier call failed, or the storage is gone: the store writes nothing more.
    #[error(
        "{}: storage failed earlier ({reason}); close the store and open it again to find out what \
         was saved",
        .path.display()
    )]
    Failed {
        /// The database file.
        path: PathBuf,
        /// What failed.
        reason: String,
    },
}

impl StoreError {
    /// An error of the system, by what the user can do about it.
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        if source.raw_os_error() == Some(EIO) {
            return Self::Disk { path, source };
        }
        match source.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => Self::Full { path, source },
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::ReadOnly { path, source }
            }
            // What redb reports for a file that it did not write, or that ends too early.
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => Self::Damaged {
                path,
                reason: source.to_string(),
            },
            _ => Self::Io { path, source },
        }
    }

    pub(crate) fn damaged(path: &Path, reason: impl Into<String>) -> Self {
        Self::Damaged {
            path: path.to_owned(),
            reason: reason.into(),
        }
    }

    pub(crate) fn failed(path: &Path, reason: impl Into<String>) -> Self {
        Self::Failed {
            path: path.to_owned(),
            reason: reason.into(),
        }
    }

    /// Any error of redb: all its error types convert into `redb::Error`.
    pub(crate) fn redb(path: &Path, error: impl Into<redb::Error>) -> Self {
        match error.into() {
            redb::Error::Io(source) => Self::io(path, source),
            redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => Self::Locked {
                path: path.to_owned(),
                holder: None,
            },
            redb::Error::ValueTooLarge(bytes) => Self::TooLarge {
                path: path.to_owned(),
                bytes,
            },
            error @ (redb::Error::Corrupted(_)
            | redb::Error::UpgradeRequired(_)
            | redb::Error::TableTypeMismatch { .. }
            | redb::Error::TableIsMultimap(_)
            | redb::Error::TableDoesNotExist(_)
            | redb::Error::TypeDefinitionChanged { .. }) => Self::damaged(path, error.to_string()),
            error => Self::failed(path, error.to_string()),
        }
    }
}
