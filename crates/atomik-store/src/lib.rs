//! Durable storage for a replica: an ordered key-value store of opaque records, written in atomic
//! batches.
//!
//! | item | what it is |
//! |---|---|
//! | [`Store`] | what a replica needs of its storage; [`Write`] is one record of a batch |
//! | [`FsyncPolicy`] | when a commit is durable |
//! | [`RedbStore`] | a store in a data folder, one file of the embedded database [`redb`] |
//! | [`Notice`] | what an open found that should be logged |
//! | [`MemoryStore`] | the same promises on a [`MemoryDisk`], which a test can crash |
//! | [`StoreError`] | what can go wrong, and what to do next |
//! | `testing::FaultyFile` | with the feature `testing`: a file that shows what a crash may leave |
//!
//! ```
//! use atomik_store::{FsyncPolicy, MemoryDisk, Store, StoreError, Write};
//!
//! let disk = MemoryDisk::new();
//! let mut store = disk.open(FsyncPolicy::Always)?;
//! store.commit(&[Write::put(b"a", b"1"), Write::put(b"b", b"2")])?;
//! store.commit(&[Write::delete(b"a")])?;
//!
//! disk.crash();
//! let store = disk.open(FsyncPolicy::Always)?;
//! assert!(store.kept_memory());
//! store.load(&mut |key, value| assert_eq!((key, value), (&b"b"[..], &b"2"[..])))?;
//! # Ok::<(), StoreError>(())
//! ```
//!
//! # What survives
//!
//! | policy | the process is killed | the power fails |
//! |---|---|---|
//! | [`FsyncPolicy::Always`] | every commit that returned | every commit that returned |
//! | [`FsyncPolicy::Interval`] | every commit up to the last sync, perhaps later ones | the same |
//! | [`FsyncPolicy::Never`] | the same; `sync`, `close` and a run's first commit sync | the same |
//!
//! A batch survives whole or not at all, and only together with every batch before it. redb keeps
//! commits that are not synced in memory, so a killed process loses as much as a power failure
//! does.
//!
//! The store assumes that a synced write survives a crash, that a write that was not synced
//! survives whole, in part or not at all, in any order, and that changes of a file's length survive
//! in order. A disk that acknowledges a sync and then forgets it voids every promise.
//!
//! # Keeping an identity
//!
//! [`Store::opened`] tells how the last run left the store, [`Store::kept_memory`] whether every
//! commit that ever returned is still there. If not, a replica takes a new identity **and writes it
//! with its first batch**. The mark of the new run is part of the same transaction, so after a
//! crash before that batch the next open reports the loss again.
//!
//! The store cannot detect a data folder restored from a backup: it is intact, and old. Anyone who
//! restores one must make the replica take a new identity.
//!
//! # A disk that fails
//!
//! The first error of a read, a write or a sync ends the run: nothing more is acknowledged, and the
//! store has to be opened again. After a failed sync Linux takes its cache for written. So every
//! open compares the cache with the disk, read around the cache (`O_DIRECT`), writes again what the
//! disk lacks, and compares again. Where a file system refuses such reads, every open writes the
//! whole file again, which is as safe, and slower. Neither needs a note of the failure, which a
//! failing disk may not take.
//!
//! This sees no other caches: those of a hypervisor or a network file system, and of disks that
//! acknowledge a sync and then forget it.
//!
//! # Damage
//!
//! Every page has a checksum, and every open verifies all of them; the replica reads all records
//! then anyway. Pages that are read again later are compared with what was verified or written. A
//! file that was closed cleanly and damaged later is refused. In a file that was *not* closed
//! cleanly, damage to the newest commit looks like a commit that a crash interrupted, and it is
//! rolled back. The file `ACKNOWLEDGED` therefore has the number of the last durable commit: if the
//! database has a smaller one, the store has not kept its memory, and says so until a commit of the
//! new run is durable. That file is not synced with every commit, so after a power failure the last
//! seconds before it are not checked in this way.
//!
//! A damaged store is not opened in part: which records are missing cannot be known, and so neither
//! whether the others fit together. The replica starts with an empty folder, and its peers send
//! back everything that they hold.

mod acknowledged;
mod disk;
mod error;
mod folder;
mod format;
mod memory;
mod notice;
mod policy;
mod redb_store;
mod store;
#[cfg(feature = "testing")]
pub mod testing;

pub use error::StoreError;
pub use memory::{MemoryDisk, MemoryStore};
pub use notice::Notice;
pub use policy::{FsyncPolicy, FsyncPolicyError};
pub use redb_store::{Options, RedbStore};
pub use store::{Opened, Store, Write};
