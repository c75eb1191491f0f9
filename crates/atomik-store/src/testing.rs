//! A file for crash tests. It records every write, and shows what a crash at any point may leave.
//!
//! Synced writes survive. Of the writes since the last sync any subset survives, in any order,
//! whole or torn: the one in flight at any byte, earlier ones between sectors of 512 bytes. The
//! length is that after some prefix of its changes, since file systems journal it in order.
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
    Write { offset: usize, data: Vec<u8> },
    SetLen(usize),
    Sync,
}

#[derive(Debug, Default)]
struct Disk {
    /// The contents when recording began.
    before: Vec<u8>,
    /// The contents as a process reads them.
    current: Vec<u8>,
    log: Vec<FileOp>,
    /// The point from which operations fail, and with what.
    failing: Option<(usize, io::ErrorKind)>,
    /// A sync does nothing.
    lies: bool,
}

/// A file in memory that records every write. Clones share one file.
#[derive(Clone, Debug, Default)]
pub struct FaultyFile {
    disk: Arc<Mutex<Disk>>,
}

impl FaultyFile {
    /// A file that holds `image`, with nothing recorded.
    pub fn holding(image: Vec<u8>) -> Self {
        let file = Self::default();
        {
            let mut disk = file.lock();
            disk.current.clone_from(&image);
            disk.before = image;
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

    /// Opens the store in the file. Nothing is locked: the caller must open only one at a time.
    ///
    /// # Errors
    /// As [`RedbStore::open`].
    pub fn open(&self, options: &Options) -> Result<RedbStore, StoreError> {
        RedbStore::on_backend(Path::new(NAME), self.clone(), options)
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

    /// The contents as a process reads them now.
    pub fn contents(&self) -> Vec<u8> {
        self.lock().current.clone()
    }

    /// What a crash at `point` leaves of the file, decided by `seed`. The first seeds are the
    /// extremes. Of what was not synced,
    /// - 0 keeps nothing,
    /// - 1 keeps everything,
    /// - 2 keeps everything, but only a part of the write in flight,
    /// - 3 keeps only the write in flight,
    /// - 4 keeps everything except the write in flight.
    pub fn after_crash(&self, point: usize, seed: u64) -> Vec<u8> {
        let disk = self.lock();
        let ops = &disk.log[..point.min(disk.log.len())];
        let synced = ops
            .iter()
            .rposition(|op| matches!(op, FileOp::Sync))
            .map_or(0, |sync| sync + 1);
        let mut image = disk.before.clone();
        for op in &ops[..synced] {
            apply(&mut image, op);
        }
        let mut random =
            Xoshiro256PlusPlus::seed_from_u64(seed ^ (point as u64).wrapping_mul(0x9e37_79b9));
        lose(&mut image, &ops[synced..], seed, &mut random);
        image
    }

    fn lock(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self, op: FileOp) -> io::Result<()> {
        let mut disk = self.lock();
        if let Some((point, kind)) = disk.failing
            && disk.log.len() >= point
        {
            return Err(io::Error::new(kind, "injected by the test"));
        }
        apply(&mut disk.current, &op);
        if !(disk.lies && matches!(op, FileOp::Sync)) {
            disk.log.push(op);
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
        FileOp::Sync => {}
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
            FileOp::Sync => {}
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
        Ok(self.lock().current.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let disk = self.lock();
        let offset = size(offset)?;
        let data = disk
            .current
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
