//! What a replica needs of its storage.

use crate::StoreError;

/// One record of a batch. It borrows key and value, so a batch of small records allocates nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Write<'a> {
    /// The key. Keys are ordered as byte strings.
    pub key: &'a [u8],
    /// The new value, or `None` to delete the record. Deleting a record that does not exist is not
    /// an error.
    pub value: Option<&'a [u8]>,
}

impl<'a> Write<'a> {
    /// Sets the record `key` to `value`.
    pub fn put(key: &'a [u8], value: &'a [u8]) -> Self {
        Self {
            key,
            value: Some(value),
        }
    }

    /// Deletes the record `key`.
    pub fn delete(key: &'a [u8]) -> Self {
        Self { key, value: None }
    }
}

/// How the last run left a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// Nothing was ever committed to it.
    Fresh,
    /// It was closed: every commit is there.
    Clean,
    /// It was not closed: the process was killed, the power failed, or an error came first.
    /// [`Store::kept_memory`] tells whether commits may be missing.
    Unclean,
}

/// An ordered key-value store of opaque records with atomic batches.
///
/// After an error of [`commit`](Self::commit) or [`sync`](Self::sync) the last batch may or may not
/// be durable, and every later `commit` and [`close`](Self::close) fails with
/// [`StoreError::Failed`]. Opening the store again settles which it is. The exception is
/// [`StoreError::TooLarge`]: nothing was written, and the store stays usable.
pub trait Store: Send {
    /// Passes every record to `each` as key and value, in the order of the keys, including commits
    /// that are not synced.
    ///
    /// # Errors
    /// If the storage cannot be read. `each` may have been called for some records by then.
    fn load(&self, each: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), StoreError>;

    /// Applies the writes of a batch in order, all of them or none.
    /// [`FsyncPolicy`](crate::FsyncPolicy) determines when the batch is durable. The first commit
    /// of a run always is when it returns, together with the mark that the store is in use.
    ///
    /// # Errors
    /// If the batch cannot be written.
    fn commit(&mut self, writes: &[Write<'_>]) -> Result<(), StoreError>;

    /// Makes every earlier commit durable.
    ///
    /// # Errors
    /// If the storage cannot be synced.
    fn sync(&mut self) -> Result<(), StoreError>;

    /// Syncs and marks the store as cleanly closed, in one step. A run without commits leaves the
    /// mark unchanged. A store that is dropped instead stays marked as in use.
    ///
    /// # Errors
    /// If the store failed before, or the mark cannot be written; the next open then reports
    /// [`Opened::Unclean`].
    fn close(self: Box<Self>) -> Result<(), StoreError>;

    /// How the last run left the store.
    fn opened(&self) -> Opened;

    /// Whether every commit that ever returned is there. False only if the store was left
    /// [`Opened::Unclean`] by a run whose policy was not
    /// [`FsyncPolicy::Always`](crate::FsyncPolicy::Always), or if the disk lost or damaged a
    /// commit.
    fn kept_memory(&self) -> bool;
}
