//! What an open found that its user should know.

use std::fmt;
use std::path::PathBuf;

/// Something that [`RedbStore::open`](crate::RedbStore::open) found or changed. Its text is a line
/// for a log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// Other users had access to a file or folder, and have no more.
    Tightened {
        /// The file or folder.
        path: PathBuf,
        /// The permission bits that it had.
        mode: u32,
    },
    /// Other users have access to a file or folder, and it was left so.
    Open {
        /// The file or folder.
        path: PathBuf,
        /// The permission bits that it has.
        mode: u32,
        /// Why it was left.
        reason: String,
    },
    /// Blocks of the file were in the system's cache but not on the disk: a write failed. They were
    /// written again, and are there.
    Rewritten {
        /// The database file.
        path: PathBuf,
        /// How many blocks of 4096 bytes.
        blocks: u64,
    },
    /// The file system cannot read around its cache, so the file was written again as a whole.
    Unread {
        /// The database file.
        path: PathBuf,
    },
    /// The database lacks commits that were durable: the disk lost or damaged them.
    Lost {
        /// The database file.
        path: PathBuf,
        /// The number of the last commit that it has.
        found: u64,
        /// The number of the last commit that was acknowledged.
        acknowledged: u64,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tightened { path, mode } => write!(
                f,
                "{}: other users had access (mode {mode:04o}): removed it",
                path.display()
            ),
            Self::Open { path, mode, reason } => write!(
                f,
                "{}: other users have access (mode {mode:04o}), and it was left so ({reason}): \
                 remove it with chmod, or use a data folder of its own",
                path.display()
            ),
            Self::Rewritten { path, blocks } => write!(
                f,
                "{}: {blocks} blocks of 4096 bytes were not on the disk although the system had \
                 them in its cache: a write failed earlier; they were written again. Look into the \
                 system log, and replace the disk if it is failing",
                path.display()
            ),
            Self::Unread { path } => write!(
                f,
                "{}: this file system cannot read around its cache, so a failed write cannot be \
                 seen: the file was written again as a whole. Use another file system if an open \
                 takes too long",
                path.display()
            ),
            Self::Lost {
                path,
                found,
                acknowledged,
            } => write!(
                f,
                "{}: the disk has lost acknowledged commits: {acknowledged} were durable, {found} \
                 are there; check the disk. The replica has to continue under a new identity, and \
                 fetches what its peers hold",
                path.display()
            ),
        }
    }
}
