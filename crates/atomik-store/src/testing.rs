//! A file for crash tests: it records what is written, and tells what a crash at any point may
//! leave of it.
//!
//! What is synced is there. Of the writes since the last sync any subset is there, in any order,
//! whole or torn: the one in flight at any byte, earlier ones between sectors of 512 bytes. The
//! length is as after some prefix of its changes: file systems journal it in order.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use redb::StorageBackend;

use crate::redb_store::initialise;
use crate::{Options, RedbStore, StoreError};

/// The file's name in messages.
const NAME: &str = "(faulty file)";
const SECTOR: usize = 512;

/// What was done to the file, in order. Its index in the log is the *point*: a crash at point `n`
/// has seen the first `n` done or in flight.
#[derive(Clone, Debug)]
enum Done {
    Write { offset: usize, data: Vec<u8> },
    SetLen(usize),
    Sync,
}

#[derive(Debug, Default)]
struct Disk {
    /// Contents when the record began.
    before: Vec<u8>,
    /// Contents as the process sees them.
    current: Vec<u8>,
    log: Vec<Done>,
    /// Points that fail, and how.
    failing: Option<(usize, io::ErrorKind)>,
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

    /// An empty store in a file, with nothing recorded.
    ///
    /// # Errors
    /// None are expected.
    pub fn with_store() -> Result<Self, StoreError> {
        let file = Self::default();
        file.create()?;
        Ok(Self::holding(file.contents()))
    }

    /// Makes an empty store of an empty file, and records that.
    ///
    /// # Errors
    /// Those that were asked for.
    pub fn create(&self) -> Result<(), StoreError> {
        initialise(Path::new(NAME), self.clone())
    }

    /// A file that acknowledges a sync and does nothing: for tests of tests.
    #[must_use]
    pub fn lying(self) -> Self {
        self.lock().lies = true;
        self
    }

    /// Opens the store in the file. Only one should be open at a time: nothing is locked.
    ///
    /// # Errors
    /// As [`RedbStore::open`].
    pub fn open(&self, options: &Options) -> Result<RedbStore, StoreError> {
        RedbStore::on_backend(Path::new(NAME), self.clone(), options)
    }

    /// How many points there are so far: writes, changes of length and syncs.
    pub fn points(&self) -> usize {
        self.lock().log.len()
    }

    /// From `point` on every write, change of length and sync fails, and does nothing. `usize::MAX`
    /// for never.
    pub fn fail_from(&self, point: usize, kind: io::ErrorKind) {
        self.lock().failing = Some((point, kind));
    }

    /// What a process sees that reads the file now.
    pub fn contents(&self) -> Vec<u8> {
        self.lock().current.clone()
    }

    /// What a crash at `point` leaves of the file, by `seed`. The first seeds are the extremes: 0,
    /// nothing that was not synced; 1, everything; 2, everything but a part of the write in flight;
    /// 3, that write alone; 4, everything but that write.
    pub fn after_crash(&self, point: usize, seed: u64) -> Vec<u8> {
        let disk = self.lock();
        let done = &disk.log[..point.min(disk.log.len())];
        let synced = done
            .iter()
            .rposition(|done| matches!(done, Done::Sync))
            .map_or(0, |sync| sync + 1);
        let mut image = disk.before.clone();
        for done in &done[..synced] {
            apply(&mut image, done);
        }
        let mut random =
            Xoshiro256PlusPlus::seed_from_u64(seed ^ (point as u64).wrapping_mul(0x9e37_79b9));
        lose(&mut image, &done[synced..], seed, &mut random);
        image
    }

    fn lock(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self, done: Done) -> io::Result<()> {
        let mut disk = self.lock();
        if let Some((point, kind)) = disk.failing
            && disk.log.len() >= point
        {
            return Err(io::Error::new(kind, "planted by the test"));
        }
        apply(&mut disk.current, &done);
        if !(disk.lies && matches!(done, Done::Sync)) {
            disk.log.push(done);
        }
        Ok(())
    }
}

fn apply(image: &mut Vec<u8>, done: &Done) {
    match done {
        Done::Write { offset, data } => {
            let end = offset + data.len();
            if image.len() < end {
                image.resize(end, 0);
            }
            image[*offset..end].copy_from_slice(data);
        }
        Done::SetLen(len) => image.resize(*len, 0),
        Done::Sync => {}
    }
}

/// Applies what survives of writes that were not synced.
fn lose(image: &mut Vec<u8>, pending: &[Done], seed: u64, random: &mut Xoshiro256PlusPlus) {
    let last = pending.len().saturating_sub(1);
    // How many of 8 writes survive, in the random cases.
    let of_8 = [1, 4, 7][random.next_u64() as usize % 3];
    let lengths = match seed {
        0 => 0,
        1 | 2 => pending.len(),
        _ => random.next_u64() as usize % (pending.len() + 1),
    };
    let mut survivors: Vec<(usize, usize, &[u8])> = Vec::new();
    for (index, done) in pending.iter().enumerate() {
        let Done::Write { offset, data } = done else {
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
        // Zeroes of a file that was shortened since come back only as zeroes.
        let cut = pending[index..lengths.max(index)]
            .iter()
            .filter_map(|done| match done {
                Done::SetLen(len) => Some(*len),
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
    for done in &pending[..lengths] {
        match done {
            Done::SetLen(new) => {
                len = *new;
                image.resize(len, 0);
            }
            Done::Write { offset, data } => len = len.max(offset + data.len()),
            Done::Sync => {}
        }
    }
    for (_, offset, data) in survivors {
        let data = data.to_vec();
        apply(image, &Done::Write { offset, data });
    }
    image.resize(len, 0);
}

/// A part of a write of `len` bytes, cut at a multiple of `unit`: its head or its tail.
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
        self.record(Done::SetLen(size(len)?))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.record(Done::Sync)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.record(Done::Write {
            offset: size(offset)?,
            data: data.to_vec(),
        })
    }
}
