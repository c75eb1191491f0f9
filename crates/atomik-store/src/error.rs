use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why storage cannot go on. Every message names the file and says what to do next.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process, or another store of this one, has the data folder open.
    #[error(
        "{}: in use by {}; stop it, or name another data folder",
        .path.display(),
        .holder.map_or("another process".to_owned(), |pid| format!("process {pid}"))
    )]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// The process that holds it, if it has said so.
        holder: Option<u32>,
    },
    /// A later version wrote it.
    #[error(
        "{}: written in format {found}, and this version knows up to {known}; open it with the version that \
         wrote it, or name another data folder",
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
    /// The contents are not what was written.
    #[error(
        "{}: damaged or not a store ({reason}); keep a copy for a post-mortem, then restore the folder from a \
         backup, or move it away: the replica then starts empty, under a new identity, and \
         gets from its peers what they have",
        .path.display()
    )]
    Damaged {
        /// The database file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// No space is left.
    #[error(
        "{}: {source}; free some space or raise the quota, then start again: what was acknowledged is safe",
        .path.display()
    )]
    Full {
        /// The file that could not grow.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file or its folder may not be written.
    #[error(
        "{}: {source}; make the folder and its files writable for this user, or name another data folder",
        .path.display()
    )]
    ReadOnly {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system refused something else.
    #[error(
        "{}: {source}; check the path, the disk and the system's log, then start again",
        .path.display()
    )]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A record does not fit; nothing was written, and the store goes on.
    #[error("{}: a record of {bytes} bytes is too large; split it", .path.display())]
    TooLarge {
        /// The database file.
        path: PathBuf,
        /// Bytes of the value, or of key and value together.
        bytes: usize,
    },
    /// An earlier call failed or the storage is gone, so nothing more is written.
    #[error(
        "{}: storage has failed before ({reason}); close the store and open it again, which finds out what was saved",
        .path.display()
    )]
    Failed {
        /// The database file.
        path: PathBuf,
        /// What had failed.
        reason: String,
    },
}

impl StoreError {
    /// Sorts an error of the system by what is to be done about it.
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => Self::Full { path, source },
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::ReadOnly { path, source }
            }
            // redb says so of a file that is not its own, or that ends too early.
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

    /// Sorts an error of redb, of any of its kinds: they all convert into `redb::Error`.
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
