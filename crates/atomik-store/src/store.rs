use crate::StoreError;

/// One record of a batch, borrowed: a batch of a thousand small records costs no allocation here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Write<'a> {
    /// The key: any bytes, ordered as byte strings.
    pub key: &'a [u8],
    /// The new value, or `None` to delete the record. Deleting a record that is not there is no
    /// error.
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

/// How a store was left by the run before this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// Nothing was ever committed to it.
    Fresh,
    /// It was closed: everything that was committed is there.
    Clean,
    /// It was not closed: the process was killed, the power failed, an error came between.
    /// [`Store::kept_memory`] says whether something may be missing.
    Unclean,
}

/// An ordered key-value store of opaque records with atomic batches.
///
/// After an error of [`commit`](Self::commit) or [`sync`](Self::sync) it is not known whether the
/// last batch is on disk, and every later `commit` and [`close`](Self::close) fails with
/// [`StoreError::Failed`]: the store has to be opened again, which settles it.
/// [`StoreError::TooLarge`] is the exception: nothing was done, and the store goes on.
pub trait Store: Send {
    /// Hands all records to `each` as key and value, in the order of the keys. Commits that are not
    /// synced are included.
    ///
    /// # Errors
    /// If the storage cannot be read; `each` may have been called for some records by then.
    fn load(&self, each: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), StoreError>;

    /// Applies a batch in its order, all of it or nothing. When it is on disk,
    /// [`FsyncPolicy`](crate::FsyncPolicy) decides; the first commit of a run always is when this
    /// returns, together with the mark that the store is in use.
    ///
    /// # Errors
    /// If the batch cannot be written.
    fn commit(&mut self, writes: &[Write<'_>]) -> Result<(), StoreError>;

    /// Everything that was committed before is on disk when this returns.
    ///
    /// # Errors
    /// If that cannot be achieved.
    fn sync(&mut self) -> Result<(), StoreError>;

    /// Syncs, and marks the store as closed cleanly, in one step. A run that committed nothing
    /// leaves the mark as it found it. A store that is dropped instead stays marked as in use.
    ///
    /// # Errors
    /// If the store failed before, or the mark cannot be written; it is [`Opened::Unclean`] then at
    /// the next open.
    fn close(self: Box<Self>) -> Result<(), StoreError>;

    /// How the store was left by the run before this one.
    fn opened(&self) -> Opened;

    /// Whether every commit that ever returned is there: always unless the store was left
    /// [`Opened::Unclean`] by a run whose policy was not
    /// [`FsyncPolicy::Always`](crate::FsyncPolicy::Always).
    fn kept_memory(&self) -> bool;
}
