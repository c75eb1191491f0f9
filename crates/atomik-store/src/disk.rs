//! The database file on a disk that may fail.
//!
//! After a failed write-back Linux marks the pages of the file clean: reads return what was
//! written, later syncs succeed, and the medium has something else. [`settle`] therefore compares
//! the system's cache with the medium before anything is believed, and [`Checked`] tells the store
//! of every failure.

use std::fs::File;
use std::io;
use std::ops::Bound;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use redb::backends::FileBackend;
use redb::{BackendError, StorageBackend};

/// Bytes of a page of the system's cache, and the unit of reads around it.
pub(crate) const BLOCK: usize = 4096;
/// Bytes that are compared at a time.
const CHUNK: usize = 256 * BLOCK;

/// A file that can be read around the system's cache.
pub(crate) trait Disk {
    /// The file through the cache.
    type File: StorageBackend;

    fn file(&self) -> &Self::File;
    fn into_file(self) -> Self::File;

    /// Reads `len` bytes at `offset`, both multiples of [`BLOCK`], from the medium; fewer at the
    /// end of the file. `None` if the file system cannot read around the cache.
    fn read_medium(&self, offset: u64, len: usize) -> io::Result<Option<Vec<u8>>>;
}

/// A file of the system.
#[derive(Debug)]
pub(crate) struct FileDisk {
    file: FileBackend,
    /// The file opened so that reads bypass the cache, if the file system can do that.
    direct: Option<File>,
}

impl FileDisk {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::options().read(true).write(true).open(path)?;
        let file = FileBackend::new(file).map_err(io::Error::other)?;
        Ok(Self {
            file,
            direct: open_direct(path)?,
        })
    }
}

/// Opens a file for reads that bypass the cache; `None` if the file system refuses that.
#[cfg(target_os = "linux")]
fn open_direct(path: &Path) -> io::Result<Option<File>> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let opened = File::options()
        .read(true)
        .custom_flags(libc::O_DIRECT)
        .open(path);
    match opened {
        Ok(file) => Ok(Some(file)),
        Err(error) if is_refusal(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(not(target_os = "linux"))]
fn open_direct(_: &Path) -> io::Result<Option<File>> {
    Ok(None)
}

/// Whether the file system cannot bypass the cache, or not in units of [`BLOCK`].
fn is_refusal(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported
    )
}

impl Disk for FileDisk {
    type File = FileBackend;

    fn file(&self) -> &FileBackend {
        &self.file
    }

    fn into_file(self) -> FileBackend {
        self.file
    }

    fn read_medium(&self, offset: u64, len: usize) -> io::Result<Option<Vec<u8>>> {
        use std::io::{Read as _, Seek as _, SeekFrom};
        let Some(mut file) = self.direct.as_ref() else {
            return Ok(None);
        };
        // The buffer has to be aligned, too.
        let mut buffer = vec![0; len + BLOCK];
        let start = buffer.as_ptr().align_offset(BLOCK);
        let buffer = &mut buffer[start..start + len];
        file.seek(SeekFrom::Start(offset))?;
        let mut filled = 0;
        while filled < len {
            match file.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_refusal(&error) => return Ok(None),
                Err(error) => return Err(error),
            }
            // An unaligned read is the one that ends at the end of the file.
            if !filled.is_multiple_of(BLOCK) {
                break;
            }
        }
        Ok(Some(buffer[..filled].to_vec()))
    }
}

/// What [`settle`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    /// The medium has what the cache has.
    Same,
    /// So many blocks of the cache were not on the medium. They are now.
    Rewritten(u64),
    /// The medium cannot be read around the cache. Everything in the cache was written again.
    Unread,
}

/// Makes the medium hold what the system's cache holds, and makes that durable.
///
/// A block that the medium lacks is written again, which marks it dirty, and synced. Only the
/// newest transactions of a run that failed can lack blocks, and a block of an older one is the
/// same in both places; so a crash in between leaves what a crash during those transactions
/// leaves. Where the medium cannot be read, every block is written again.
pub(crate) fn settle(disk: &impl Disk) -> io::Result<Settled> {
    // Reports an error that the system met after the last run ended.
    disk.file().sync_data()?;
    let settled = compare(disk, |offset, cached| disk.file().write(offset, cached))?;
    if settled == Settled::Same {
        return Ok(settled);
    }
    disk.file().sync_data()?;
    if let Settled::Rewritten(_) = settled
        && compare(disk, |_, _| Ok(()))? != Settled::Same
    {
        return Err(io::Error::other(
            "the disk does not keep what is written to it",
        ));
    }
    Ok(settled)
}

/// Passes every block of the cache that the medium lacks to `differs`, with its offset.
fn compare(
    disk: &impl Disk,
    mut differs: impl FnMut(u64, &[u8]) -> io::Result<()>,
) -> io::Result<Settled> {
    let len = disk.file().len()?;
    let mut blocks = 0;
    let mut unread = false;
    let mut offset = 0;
    while offset < len {
        let size = (len - offset).min(CHUNK as u64) as usize;
        let mut cached = vec![0; size];
        disk.file().read(offset, &mut cached)?;
        match disk.read_medium(offset, size.next_multiple_of(BLOCK))? {
            Some(medium) => {
                for (index, block) in cached.chunks(BLOCK).enumerate() {
                    let at = index * BLOCK;
                    if medium.get(at..at + block.len()) != Some(block) {
                        differs(offset + at as u64, block)?;
                        blocks += 1;
                    }
                }
            }
            None => {
                differs(offset, &cached)?;
                unread = true;
            }
        }
        offset += size as u64;
    }
    Ok(match (unread, blocks) {
        (true, _) => Settled::Unread,
        (false, 0) => Settled::Same,
        (false, blocks) => Settled::Rewritten(blocks),
    })
}

/// The first failure of a file, shared by the file and its store.
#[derive(Clone, Debug, Default)]
pub(crate) struct Health(Arc<OnceLock<Failure>>);

#[derive(Debug)]
struct Failure {
    kind: io::ErrorKind,
    system: Option<i32>,
    text: String,
}

impl Health {
    /// The first failure, again.
    pub(crate) fn failure(&self) -> Option<io::Error> {
        self.0.get().map(|failure| match failure.system {
            Some(number) => io::Error::from_raw_os_error(number),
            None => io::Error::new(failure.kind, failure.text.clone()),
        })
    }

    pub(crate) fn fail(&self, error: &io::Error) {
        // Only the first failure is kept: the others follow from it.
        let _ = self.0.set(Failure {
            kind: error.kind(),
            system: error.raw_os_error(),
            text: error.to_string(),
        });
    }
}

/// A file that remembers the first operation that failed, because redb hides the failure of a write
/// that only saves memory; and whose blocks are checked when they are read again, because redb
/// verifies its checksums only when it opens a file.
#[derive(Debug)]
pub(crate) struct Checked<B> {
    file: B,
    health: Health,
    /// The checksum of each block that was read or written as a whole.
    sums: Mutex<Vec<Option<u32>>>,
}

impl<B: StorageBackend> Checked<B> {
    pub(crate) fn new(file: B, health: Health) -> Self {
        Self {
            file,
            health,
            sums: Mutex::default(),
        }
    }

    fn run<T>(&self, operation: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        operation().inspect_err(|error| self.health.fail(error))
    }

    /// Keeps the checksums of the blocks that `data` fills, and forgets those that it touches.
    fn note(&self, offset: u64, data: &[u8]) {
        let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        for (block, part) in blocks(offset, data) {
            if sums.len() <= block {
                sums.resize(block + 1, None);
            }
            sums[block] = (part.len() == BLOCK).then(|| crc32fast::hash(part));
        }
    }

    /// Compares the blocks that `data` fills with what they were, and keeps the checksums of new
    /// ones.
    fn check(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        for (block, part) in blocks(offset, data) {
            if part.len() < BLOCK {
                continue;
            }
            if sums.len() <= block {
                sums.resize(block + 1, None);
            }
            let sum = crc32fast::hash(part);
            if *sums[block].get_or_insert(sum) != sum {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!(
                        "the {BLOCK} bytes at offset {} are not those that were written",
                        block * BLOCK
                    ),
                ));
            }
        }
        Ok(())
    }
}

/// The blocks that `data` touches, with the part of it in each.
fn blocks(offset: u64, data: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let start = offset as usize;
    let head = data.len().min(start.next_multiple_of(BLOCK) - start);
    let (head, rest) = data.split_at(head);
    let first = (!head.is_empty()).then_some((start / BLOCK, head));
    let next = start.div_ceil(BLOCK);
    let others = rest.chunks(BLOCK).enumerate();
    first
        .into_iter()
        .chain(others.map(move |(index, part)| (next + index, part)))
}

impl<B: StorageBackend> StorageBackend for Checked<B> {
    fn len(&self) -> io::Result<u64> {
        self.run(|| self.file.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.run(|| {
            self.file.read(offset, out)?;
            self.check(offset, out)
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.run(|| {
            self.file.set_len(len)?;
            let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
            sums.truncate(len as usize / BLOCK);
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.run(|| self.file.sync_data())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.run(|| {
            self.file.write(offset, data)?;
            self.note(offset, data);
            Ok(())
        })
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.query_lock_range(start, end)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_read_around_the_cache_of_a_real_file_has_what_was_written() {
        let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let path = dir.path().join("file");
        let data: Vec<u8> = (0..3 * CHUNK + 1000).map(|at| (at / 7) as u8).collect();
        fs::write(&path, &data).unwrap();
        let disk = FileDisk::open(&path).unwrap();
        let settled = settle(&disk).unwrap();
        let Some(whole) = disk.read_medium(0, 4 * CHUNK).unwrap() else {
            // A file system that refuses.
            assert_eq!(settled, Settled::Unread);
            return;
        };
        assert_eq!(settled, Settled::Same);
        assert!(whole == data);
        let end = disk.read_medium(3 * CHUNK as u64, BLOCK).unwrap().unwrap();
        assert!(end == data[3 * CHUNK..]);
    }

    #[test]
    fn the_blocks_of_a_range_are_its_parts() {
        let parts = |offset: usize, len: usize| -> Vec<(usize, usize)> {
            let data = vec![0; len];
            blocks(offset as u64, &data)
                .map(|(block, part)| (block, part.len()))
                .collect()
        };
        assert_eq!(parts(0, 320), [(0, 320)]);
        assert_eq!(parts(BLOCK, 2 * BLOCK), [(1, BLOCK), (2, BLOCK)]);
        assert_eq!(parts(BLOCK - 1, BLOCK + 2), [(0, 1), (1, BLOCK), (2, 1)]);
        assert_eq!(parts(5, 10), [(0, 10)]);
    }
}
