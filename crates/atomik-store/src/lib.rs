//! Durable storage for a replica: an ordered key-value store of opaque records with atomic batches.
//!
//! - [`Store`]: what a replica asks of its storage. [`Write`] is one record of a batch.
//! - [`FsyncPolicy`]: when a commit is on disk.
//! - [`RedbStore`]: one file in a data folder, on the embedded database [`redb`].
//! - [`MemoryStore`]: the same promises on a [`MemoryDisk`] that can be told to crash.
//! - [`StoreError`]: what can go wrong, and what to do next.
//! - `testing::FaultyFile`, behind the feature `testing`: what a crash may leave of a file.
//!
//! # What survives
//!
//! | policy | the process is killed | the power fails |
//! |---|---|---|
//! | [`FsyncPolicy::Always`] | every commit that returned | every commit that returned |
//! | [`FsyncPolicy::Interval`] | every commit up to the last synced one, perhaps more | the same |
//! | [`FsyncPolicy::Never`] | as above; only `sync`, `close` and the first commit after an open sync | the same |
//!
//! Always all of a batch or nothing of it, and always a state that the store has been in: no later
//! batch without every earlier one. (redb keeps commits that are not synced in memory, so a killed
//! process loses them as a power cut does.) Assumed of the world: a write that was synced is there
//! after a crash; one that was not is there whole, in part or not at all, in any order; the length
//! of a file changes in order. A disk that acknowledges a sync and forgets it voids every promise.
//!
//! # May a replica go on under its old identity?
//!
//! [`Store::opened`] says how the store was left, [`Store::kept_memory`] what that means: whether
//! every commit that ever returned is there. A replica that finds it false takes a new identity,
//! **and puts it in its first batch**: the mark of the new run is written together with that batch,
//! so that a crash before it leaves the old finding in place.
//!
//! What the store cannot see: a data folder that was copied back from a backup is whole, and old.
//! Whoever restores one has to make the replica take a new identity.
//!
//! # Damage
//!
//! Every page is covered by a checksum, and all of them are verified at every open (the replica
//! reads all records then, anyway). A file that was closed cleanly and damaged later is refused. In
//! a file that was *not* closed cleanly, damage of the newest commit cannot be told from a commit
//! that a crash interrupted: the newest commit is rolled back.

mod error;
mod memory;
mod policy;
mod redb_store;
mod store;
#[cfg(feature = "testing")]
pub mod testing;

pub use error::StoreError;
pub use memory::{MemoryDisk, MemoryStore};
pub use policy::{FsyncPolicy, FsyncPolicyError};
pub use redb_store::{Options, RedbStore};
pub use store::{Opened, Store, Write};
