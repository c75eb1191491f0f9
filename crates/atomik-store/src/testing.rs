//! A file for crash tests, on a disk that fails as Linux lets it. It records every write, and shows
//! what a crash at any point may leave.
//!
//! Synced writes survive. Of the writes since the last sync any subset survives, in any order,
//! whole or torn: the one in flight at any byte, earlier ones between sectors of 512 bytes. The
//! length is that after some prefix of its changes, since file systems journal it in order.
//!
//! A process reads the system's cache. It differs from the medium after a
//! [sync that fails](FaultyFile::fail_next_sync): the medium gets a subset of the writes, and the
//! cache keeps them all and takes them for written, until it [evicts](FaultyFile::evict) them.
//!
//! ```
//! use atomik_store::testing::FaultyFile;
//! use atomik_store::{Options, Store, StoreError, Write};
//!
//! let file = FaultyFile::with_store()?;
//! let mut store = file.open(&Options::default())?;
//! store.commit(&[Write::put(b"key", b"value")])?;
//!
//! // A crash in the middle of the commit, after which nothing survives that was not synced.
//! let crashed = FaultyFile::holding(file.after_crash(file.points() / 2, 0));
//! let store = crashed.open(&Options::default())?;
//! store.load(&mut |_, _| panic!("the store is empty"))?;
//! # Ok::<(), StoreError>(())
//! ```

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use redb::StorageBackend;

use crate::acknowledged::{self, Acknowledged};
use crate::disk::{BLOCK, Disk as Settling};
use crate::format::initialise;
use crate::{Options, RedbStore, StoreError};

/// What errors call the file.
const NAME: &str = "(faulty file)";
/// Bytes that a disk writes whole or not at all.
const SECTOR: usize = 512;

/// An operation on the file. Its index in the log is its *point*: at a crash at point `n` the first
/// `n` are done, except that the last of them may still be in flight.
#[derive(Clone, Debug)]
enum FileOp {
    Write {
        offset: usize,
        data: Vec<u8>,
    },
    SetLen(usize),
    Sync,
    /// A sync that failed, with what is on the medium afterwards. The other writes never get there.
    FailedSync(Vec<u8>),
    /// A bit of the medium changes.
    Flip(usize, u8),
    /// The number of the last durable commit, in a file of its own.
    Number([u8; acknowledged::LEN]),
    NumberSync,
}

/// What a crash leaves: of the file, and of the number of the last durable commit.
#[derive(Clone, Debug, Default)]
pub struct Image {
    /// The contents of the file.
    pub bytes: Vec<u8>,
    number: Vec<u8>,
}

impl From<Vec<u8>> for Image {
    /// A file without the number.
    fn from(bytes: Vec<u8>) -> Self {
        let number = Vec::new();
        Self { bytes, number }
    }
}

#[derive(Clone, Debug, Default)]
struct Disk {
    /// What a crash left before recording began.
    before: Image,
    /// The contents as a process reads them.
    current: Image,
    log: Vec<FileOp>,
    /// The point from which operations fail, and with what.
    failing: Option<(usize, io::ErrorKind)>,
    /// The next sync fails, and what gets to the medium.
    failing_sync: Option<u64>,
    /// The next write fails after a part, with what.
    failing_write: Option<(u64, io::ErrorKind)>,
    /// How many operations have failed.
    failures: u64,
    /// A sync does nothing.
    lies: bool,
    /// The file system cannot read around its cache.
    only_cached: bool,
}

impl Disk {
    /// The medium, and the operations since the last sync, after a number of operations.
    fn medium(&self, point: usize) -> (Vec<u8>, Vec<FileOp>) {
        let mut medium = self.before.bytes.clone();
        let mut pending = Vec::new();
        for op in &self.log[..point.min(self.log.len())] {
            match op {
                FileOp::Write { .. } | FileOp::SetLen(_) => pending.push(op.clone()),
                FileOp::Sync => {
                    for op in pending.drain(..) {
                        apply(&mut medium, &op);
                    }
                }
                FileOp::FailedSync(left) => {
                    pending.clear();
                    medium.clone_from(left);
                }
                FileOp::Flip(at, bit) => {
                    if let Some(byte) = medium.get_mut(*at) {
                        *byte ^= bit;
                    }
                }
                FileOp::Number(_) | FileOp::NumberSync => {}
            }
        }
        (medium, pending)
    }

    /// What the medium holds once the system has written everything back.
    fn written_back(&self) -> Vec<u8> {
        let (mut medium, pending) = self.medium(self.log.len());
        for op in &pending {
            apply(&mut medium, op);
        }
        medium
    }

    /// The number that a crash leaves.
    fn number(&self, point: usize, seed: u64, random: &mut Xoshiro256PlusPlus) -> Vec<u8> {
        let mut candidates = vec![self.before.number.clone()];
        for op in &self.log[..point.min(self.log.len())] {
            match op {
                FileOp::Number(bytes) => candidates.push(bytes.to_vec()),
                FileOp::NumberSync => drop(candidates.drain(..candidates.len() - 1)),
                _ => {}
            }
        }
        let last = candidates.len() - 1;
        candidates.swap_remove(match seed {
            0 => 0,
            1 => last,
            _ => random.next_u64() as usize % (last + 1),
        })
    }

    /// The error that an operation is to fail with.
    fn failure(&mut self) -> Option<io::Error> {
        let (point, kind) = self.failing?;
        (self.log.len() >= point).then(|| {
            self.failures += 1;
            injected(kind)
        })
    }
}

fn injected(kind: io::ErrorKind) -> io::Error {
    io::Error::new(kind, "injected by the test")
}

/// A file in memory that records every write. Clones share one file.
#[derive(Clone, Debug, Default)]
pub struct FaultyFile {
    disk: Arc<Mutex<Disk>>,
}

impl FaultyFile {
    /// A file that holds `image`, with nothing recorded.
    pub fn holding(image: impl Into<Image>) -> Self {
        let file = Self::default();
        {
            let mut disk = file.lock();
            disk.before = image.into();
            disk.current = disk.before.clone();
        }
        file
    }

    /// A file that holds an empty store, with nothing recorded.
    ///
    /// # Errors
    /// If redb fails, which it does not in memory.
    pub fn with_store() -> Result<Self, StoreError> {
        let file = Self::default();
        file.create()?;
        Ok(Self::holding(file.contents()))
    }

    /// Writes an empty store to an empty file, and records that.
    ///
    /// # Errors
    /// Those of [`fail_from`](Self::fail_from).
    pub fn create(&self) -> Result<(), StoreError> {
        initialise(Path::new(NAME), self.clone())
    }

    /// Makes the file acknowledge every sync without doing it, to test the tests.
    #[must_use]
    pub fn lying(self) -> Self {
        self.lock().lies = true;
        self
    }

    /// Takes away what a store uses to read around the system's cache.
    #[must_use]
    pub fn only_cached(self) -> Self {
        self.lock().only_cached = true;
        self
    }

    /// Opens the store in the file. Nothing is locked: the caller must open only one at a time.
    ///
    /// # Errors
    /// As [`RedbStore::open`].
    pub fn open(&self, options: &Options) -> Result<RedbStore, StoreError> {
        let number = Box::new(self.clone());
        RedbStore::on_disk(Path::new(NAME), self.clone(), number, options)
    }

    /// The number of points so far: writes, changes of length and syncs.
    pub fn points(&self) -> usize {
        self.lock().log.len()
    }

    /// From `point` on every write, change of length and sync fails and has no effect. `usize::MAX`
    /// ends that.
    pub fn fail_from(&self, point: usize, kind: io::ErrorKind) {
        self.lock().failing = Some((point, kind));
    }

    /// Makes the next sync fail, once. Of the writes since the last one the medium gets those that
    /// [`after_crash`](Self::after_crash) keeps for this seed; the system takes all for written.
    pub fn fail_next_sync(&self, seed: u64) {
        self.lock().failing_sync = Some(seed);
    }

    /// Makes the next write fail, once, after a part of it that `seed` decides.
    pub fn fail_next_write(&self, seed: u64, kind: io::ErrorKind) {
        self.lock().failing_write = Some((seed, kind));
    }

    /// Ends all faults that have not struck yet.
    pub fn heal(&self) {
        let mut disk = self.lock();
        disk.failing = None;
        disk.failing_sync = None;
        disk.failing_write = None;
    }

    /// Changes a bit of the medium. The system's cache does not notice.
    pub fn flip(&self, at: usize, bit: u8) {
        self.lock().log.push(FileOp::Flip(at, bit));
    }

    /// Makes the system read blocks from the medium again: all of them with seed 0, otherwise those
    /// that the seed decides. Blocks that are not written yet stay.
    pub fn evict(&self, seed: u64) {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut disk = self.lock();
        let medium = disk.written_back();
        let current = &mut disk.current.bytes;
        for (block, medium) in current.chunks_mut(BLOCK).zip(medium.chunks(BLOCK)) {
            if seed == 0 || random.next_u64().is_multiple_of(2) {
                block[..medium.len()].copy_from_slice(medium);
            }
        }
    }

    /// The system writes the number of the last durable commit to the medium, as it does within
    /// seconds.
    pub fn rest(&self) {
        self.lock().log.push(FileOp::NumberSync);
    }

    /// How many operations have failed.
    pub fn failures(&self) -> u64 {
        self.lock().failures
    }

    /// The file as it is now, for another process after this one is killed: cache and medium go on,
    /// and what this process still does has no effect on them.
    #[must_use]
    pub fn killed(&self) -> Self {
        Self {
            disk: Arc::new(Mutex::new(self.lock().clone())),
        }
    }

    /// The contents as a process reads them now.
    pub fn contents(&self) -> Vec<u8> {
        self.lock().current.bytes.clone()
    }

    /// What another process reads now.
    pub fn image(&self) -> Image {
        self.lock().current.clone()
    }

    /// What a crash at `point` leaves of the file, decided by `seed`. The first seeds are the
    /// extremes. Of what was not synced,
    /// - 0 keeps nothing,
    /// - 1 keeps everything,
    /// - 2 keeps everything, but only a part of the write in flight,
    /// - 3 keeps only the write in flight,
    /// - 4 keeps everything except the write in flight.
    pub fn after_crash(&self, point: usize, seed: u64) -> Image {
        let disk = self.lock();
        let mut random =
            Xoshiro256PlusPlus::seed_from_u64(seed ^ (point as u64).wrapping_mul(0x9e37_79b9));
        let (mut bytes, pending) = disk.medium(point);
        lose(&mut bytes, &pending, seed, &mut random);
        let number = disk.number(point, seed, &mut random);
        Image { bytes, number }
    }

    fn lock(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self, op: FileOp) -> io::Result<()> {
        let mut disk = self.lock();
        if let Some(error) = disk.failure() {
            return Err(error);
        }
        if let FileOp::Write { offset, data } = &op
            && let Some((seed, kind)) = disk.failing_write.take()
        {
            disk.failures += 1;
            let part = seed as usize % (data.len() + 1);
            let data = data[..part].to_vec();
            let offset = *offset;
            let op = FileOp::Write { offset, data };
            apply(&mut disk.current.bytes, &op);
            disk.log.push(op);
            return Err(injected(kind));
        }
        if matches!(op, FileOp::Sync)
            && let Some(seed) = disk.failing_sync.take()
        {
            let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
            let (mut medium, pending) = disk.medium(disk.log.len());
            lose(&mut medium, &pending, seed, &mut random);
            // The file system's journal has the length.
            medium.resize(disk.current.bytes.len(), 0);
            disk.log.push(FileOp::FailedSync(medium));
            disk.failures += 1;
            return Err(io::Error::from_raw_os_error(crate::error::EIO));
        }
        apply(&mut disk.current.bytes, &op);
        if !(disk.lies && matches!(op, FileOp::Sync)) {
            disk.log.push(op);
        }
        Ok(())
    }
}

impl Settling for FaultyFile {
    type File = Self;

    fn file(&self) -> &Self {
        self
    }

    fn into_file(self) -> Self {
        self
    }

    fn read_medium(&self, offset: u64, len: usize) -> io::Result<Option<Vec<u8>>> {
        let disk = self.lock();
        if disk.only_cached {
            return Ok(None);
        }
        // The system writes back first what such a read would miss.
        let medium = disk.written_back();
        let rest = medium.get(size(offset)?..).unwrap_or_default();
        Ok(Some(rest[..len.min(rest.len())].to_vec()))
    }
}

impl Acknowledged for FaultyFile {
    fn read(&self) -> io::Result<Vec<u8>> {
        Ok(self.lock().current.number.clone())
    }

    fn write(&self, bytes: &[u8; acknowledged::LEN]) -> io::Result<()> {
        let mut disk = self.lock();
        if let Some(error) = disk.failure() {
            return Err(error);
        }
        disk.current.number = bytes.to_vec();
        disk.log.push(FileOp::Number(*bytes));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut disk = self.lock();
        if let Some(error) = disk.failure() {
            return Err(error);
        }
        if !disk.lies {
            disk.log.push(FileOp::NumberSync);
        }
        Ok(())
    }
}

fn apply(image: &mut Vec<u8>, op: &FileOp) {
    match op {
        FileOp::Write { offset, data } => {
            let end = offset + data.len();
            if image.len() < end {
                image.resize(end, 0);
            }
            image[*offset..end].copy_from_slice(data);
        }
        FileOp::SetLen(len) => image.resize(*len, 0),
        _ => {}
    }
}

/// Applies to `image` what survives of `pending`, the operations that were not synced.
fn lose(image: &mut Vec<u8>, pending: &[FileOp], seed: u64, random: &mut Xoshiro256PlusPlus) {
    let last = pending.len().saturating_sub(1);
    // In the random cases so many of 8 writes survive.
    let of_8 = [1, 4, 7][random.next_u64() as usize % 3];
    let lengths = match seed {
        0 => 0,
        1 | 2 => pending.len(),
        _ => random.next_u64() as usize % (pending.len() + 1),
    };
    let mut survivors: Vec<(usize, usize, &[u8])> = Vec::new();
    for (index, op) in pending.iter().enumerate() {
        let FileOp::Write { offset, data } = op else {
            continue;
        };
        let in_flight = index == last;
        let whole = (0, data.len());
        let torn = torn(data.len(), if in_flight { 1 } else { SECTOR }, random);
        let (from, to) = match seed {
            0 => (0, 0),
            1 => whole,
            2 if in_flight => torn,
            3 if !in_flight => (0, 0),
            4 if in_flight => (0, 0),
            2..=4 => whole,
            _ if random.next_u64() % 8 >= of_8 => (0, 0),
            _ if random.next_u64().is_multiple_of(4) => torn,
            _ => whole,
        };
        // What a file lost when it became shorter comes back only as zeroes.
        let cut = pending[index..lengths.max(index)]
            .iter()
            .filter_map(|op| match op {
                FileOp::SetLen(len) => Some(*len),
                _ => None,
            })
            .min()
            .unwrap_or(usize::MAX);
        let to = to.min(cut.saturating_sub(*offset));
        if from < to {
            survivors.push((index, offset + from, &data[from..to]));
        }
    }
    if seed > 4 {
        for slot in (1..survivors.len()).rev() {
            survivors.swap(slot, random.next_u64() as usize % (slot + 1));
        }
    }
    let mut len = image.len();
    for op in &pending[..lengths] {
        match op {
            FileOp::SetLen(new) => {
                len = *new;
                image.resize(len, 0);
            }
            FileOp::Write { offset, data } => len = len.max(offset + data.len()),
            _ => {}
        }
    }
    for (_, offset, data) in survivors {
        let data = data.to_vec();
        apply(image, &FileOp::Write { offset, data });
    }
    image.resize(len, 0);
}

/// The part of a torn write of `len` bytes that survives: its head or its tail, cut at a multiple
/// of `unit`.
fn torn(len: usize, unit: usize, random: &mut Xoshiro256PlusPlus) -> (usize, usize) {
    let cut = random.next_u64() as usize % (len / unit + 1) * unit;
    if random.next_u64().is_multiple_of(2) {
        (0, cut)
    } else {
        (cut, len)
    }
}

fn size(number: u64) -> io::Result<usize> {
    usize::try_from(number).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))
}

impl StorageBackend for FaultyFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.lock().current.bytes.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let disk = self.lock();
        let offset = size(offset)?;
        let data = disk
            .current
            .bytes
            .get(offset..)
            .and_then(|rest| rest.get(..out.len()))
            .ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        out.copy_from_slice(data);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.record(FileOp::SetLen(size(len)?))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.record(FileOp::Sync)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.record(FileOp::Write {
            offset: size(offset)?,
            data: data.to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{Settled, settle};

    #[test]
    fn what_only_the_cache_has_is_durable_once_it_is_settled() {
        for only_cached in [false, true] {
            let mut file = FaultyFile::holding(vec![1; 3 * BLOCK]);
            if only_cached {
                file = file.only_cached();
            }
            StorageBackend::write(&file, BLOCK as u64, &[2; BLOCK]).unwrap();
            file.fail_next_sync(0);
            file.sync_data().unwrap_err();
            // The system takes it for written.
            file.sync_data().unwrap();
            assert!(file.after_crash(usize::MAX, 0).bytes == [1; 3 * BLOCK]);
            let expected = if only_cached {
                Settled::Unread
            } else {
                Settled::Rewritten(1)
            };
            assert_eq!(settle(&file).unwrap(), expected);
            assert!(file.after_crash(usize::MAX, 0).bytes == file.contents());
            assert_eq!(file.contents()[BLOCK], 2);
        }
    }
}
