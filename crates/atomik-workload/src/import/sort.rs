//! Sorts records by time in bounded memory: runs are sorted in memory, kept in one temporary file,
//! and merged. Records of the same time keep their order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufWriter, Read as _, Seek as _, SeekFrom, Write as _};

/// Nanoseconds since 1970.
pub(super) type Time = i128;

/// Bytes that a record takes in memory besides its content, about.
const OVERHEAD: usize = 64;
/// Bytes that are read of a run at once, at least.
const READ: usize = 4096;

/// Records to be sorted.
pub(super) struct Sorter {
    records: Vec<(Time, Vec<u8>)>,
    held: usize,
    budget: usize,
    file: Option<BufWriter<File>>,
    /// Where each run ends in the file.
    ends: Vec<u64>,
}

impl Sorter {
    /// A sorter that keeps about `budget` bytes in memory.
    pub fn new(budget: usize) -> Self {
        Self {
            records: Vec::new(),
            held: 0,
            budget,
            file: None,
            ends: Vec::new(),
        }
    }

    /// Takes a record.
    pub fn push(&mut self, time: Time, record: Vec<u8>) -> io::Result<()> {
        self.held += record.len() + OVERHEAD;
        self.records.push((time, record));
        if self.held > self.budget {
            self.spill()?;
        }
        Ok(())
    }

    fn spill(&mut self) -> io::Result<()> {
        self.records.sort_by_key(|(time, _)| *time);
        let mut end = self.ends.last().copied().unwrap_or(0);
        if self.file.is_none() {
            self.file = Some(BufWriter::with_capacity(1 << 16, tempfile::tempfile()?));
        }
        if let Some(file) = &mut self.file {
            for (time, record) in self.records.drain(..) {
                file.write_all(&time.to_le_bytes())?;
                file.write_all(&(record.len() as u64).to_le_bytes())?;
                file.write_all(&record)?;
                end += 24 + record.len() as u64;
            }
        }
        self.ends.push(end);
        self.held = 0;
        Ok(())
    }

    /// The records in order of time.
    pub fn finish(mut self) -> io::Result<Sorted> {
        if self.file.is_some() && !self.records.is_empty() {
            self.spill()?;
        }
        let Some(file) = self.file else {
            self.records.sort_by_key(|(time, _)| *time);
            return Ok(Sorted::Memory(self.records.into_iter()));
        };
        let mut file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        let chunk = (self.budget / self.ends.len()).max(READ);
        let mut runs: Vec<Run> = Vec::with_capacity(self.ends.len());
        let mut next = BinaryHeap::with_capacity(self.ends.len());
        let mut start = 0;
        for end in self.ends {
            let mut run = Run {
                at: start,
                end,
                buffer: Vec::new(),
                used: 0,
                chunk,
            };
            if let Some((time, record)) = run.next(&mut file)? {
                next.push(Reverse((time, runs.len(), record)));
            }
            runs.push(run);
            start = end;
        }
        Ok(Sorted::File { file, runs, next })
    }
}

/// A sorted part of the file.
pub(super) struct Run {
    at: u64,
    end: u64,
    buffer: Vec<u8>,
    used: usize,
    chunk: usize,
}

impl Run {
    fn next(&mut self, file: &mut File) -> io::Result<Option<(Time, Vec<u8>)>> {
        if self.used == self.buffer.len() && self.at == self.end {
            return Ok(None);
        }
        let time = Time::from_le_bytes(self.take(file)?);
        let length = u64::from_le_bytes(self.take(file)?) as usize;
        self.fill(file, length)?;
        let record = self.buffer[self.used..self.used + length].to_vec();
        self.used += length;
        Ok(Some((time, record)))
    }

    fn take<const N: usize>(&mut self, file: &mut File) -> io::Result<[u8; N]> {
        self.fill(file, N)?;
        let mut bytes = [0; N];
        bytes.copy_from_slice(&self.buffer[self.used..self.used + N]);
        self.used += N;
        Ok(bytes)
    }

    /// Makes `count` more bytes available.
    fn fill(&mut self, file: &mut File, count: usize) -> io::Result<()> {
        let ready = self.buffer.len() - self.used;
        if ready >= count {
            return Ok(());
        }
        self.buffer.drain(..self.used);
        self.used = 0;
        let left = self.end - self.at;
        let more = left.min((count - ready).max(self.chunk) as u64);
        file.seek(SeekFrom::Start(self.at))?;
        let read = (&*file).take(more).read_to_end(&mut self.buffer)?;
        self.at += read as u64;
        if self.buffer.len() < count {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}

/// Sorted records.
pub(super) enum Sorted {
    /// All in memory.
    Memory(std::vec::IntoIter<(Time, Vec<u8>)>),
    /// Runs of a file, with the next record of each by time and run.
    File {
        file: File,
        runs: Vec<Run>,
        next: BinaryHeap<Reverse<(Time, usize, Vec<u8>)>>,
    },
}

impl Iterator for Sorted {
    type Item = io::Result<(Time, Vec<u8>)>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Memory(records) => records.next().map(Ok),
            Self::File { file, runs, next } => {
                let Reverse((time, run, record)) = next.pop()?;
                match runs[run].next(file) {
                    Ok(Some((time, record))) => next.push(Reverse((time, run, record))),
                    Ok(None) => {}
                    Err(error) => return Some(Err(error)),
                }
                Some(Ok((time, record)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn sorting_in_runs_is_a_stable_sort(
            records in proptest::collection::vec(
                (
                    prop_oneof![-3i128..3, any::<i128>()],
                    proptest::collection::vec(any::<u8>(), 0..40),
                ),
                0..200,
            ),
            budget in prop_oneof![Just(0usize), 100usize..2000, Just(usize::MAX)],
        ) {
            let mut sorter = Sorter::new(budget);
            for (time, record) in &records {
                sorter.push(*time, record.clone()).unwrap();
            }
            let sorted: Vec<(Time, Vec<u8>)> =
                sorter.finish().unwrap().collect::<io::Result<_>>().unwrap();
            let mut expected = records;
            expected.sort_by_key(|(time, _)| *time);
            prop_assert_eq!(sorted, expected);
        }
    }

    #[test]
    fn records_longer_than_what_is_read_at_once_are_whole() {
        let mut sorter = Sorter::new(0);
        for time in [2, 1] {
            sorter.push(time, vec![time as u8; 3 * READ]).unwrap();
        }
        let sorted: Vec<(Time, Vec<u8>)> =
            sorter.finish().unwrap().collect::<io::Result<_>>().unwrap();
        assert_eq!(sorted, [(1, vec![1; 3 * READ]), (2, vec![2; 3 * READ])]);
    }
}
