//! The trace that turns one file into another, and the check that a register file did.
//!
//! Word `i` of a file is its bytes `i * width / 8` and on, the first of them in the low bits; the
//! last word of a file, and the shorter of two files, is filled up with zeros. The files are cut
//! into pieces of `depth` words, one piece after the other through the same addresses: `load` of
//! every old word, `accum` of old xor new where that is not 0, `read` of every word. So any two
//! files fit any register file, and the responses are the words of the new file, in order.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, Take, Write};
use std::path::Path;

use atomik_algebra::{MAX_WIDTH, Op};
use thiserror::Error;

use crate::command::{Command, Data, Response};
use crate::geometry::{Geometry, GeometryError};
use crate::write::CommandWriter;

/// The largest depth that is chosen when none is asked for, in words.
pub const LARGEST_DEFAULT_DEPTH: usize = 1 << 14;

/// Why two files could not be compared.
#[derive(Debug, Error)]
pub enum Error {
    /// A file could not be opened or read.
    #[error("{file}: {source}")]
    Read {
        /// The file.
        file: Box<str>,
        /// What the system said.
        source: io::Error,
    },
    /// A file that is not a regular one could not be copied to a temporary file.
    #[error(
        "{file}: cannot keep a copy in a temporary file: {source}; set TMPDIR to a folder with room"
    )]
    Spool {
        /// The file.
        file: Box<str>,
        /// What the system said.
        source: io::Error,
    },
    /// A file became shorter.
    #[error("{0}: the file became shorter while it was read; compare a copy of it")]
    Shrunk(Box<str>),
    /// Words of this width do not hold whole bytes.
    #[error("a word of {0} bits does not hold whole bytes; choose a multiple of 8")]
    NotBytes(u32),
    /// There is no such register file.
    #[error(transparent)]
    Geometry(#[from] GeometryError),
    /// The trace could not be written.
    #[error("cannot write the trace: {0}")]
    Write(#[source] io::Error),
}

/// An old and a new file, and the register file that takes the one to the other.
#[derive(Debug)]
pub struct Diff {
    old: Version,
    new: Version,
    geometry: Geometry,
}

/// What went into a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Words of the longer file.
    pub words: u64,
    /// Words that differ.
    pub changed: u64,
}

impl Diff {
    /// Opens both files for words of `width` bits and a register file with `lanes` lanes. Without a
    /// `depth`, the smallest that holds the longer file in one piece is chosen, at most
    /// [`LARGEST_DEFAULT_DEPTH`].
    ///
    /// Regular files must not change afterwards; others are copied to temporary files.
    ///
    /// # Errors
    /// When the register file is not possible, its words do not hold whole bytes, or a file cannot
    /// be read or copied.
    pub fn open(
        old: &Path,
        new: &Path,
        width: u32,
        depth: Option<usize>,
        lanes: u32,
    ) -> Result<Self, Error> {
        let geometry = Geometry::new(width, depth.unwrap_or(1), lanes)?;
        if !width.is_multiple_of(8) {
            return Err(Error::NotBytes(width));
        }
        let mut diff = Self {
            old: Version::open(old)?,
            new: Version::open(new)?,
            geometry,
        };
        if depth.is_none() {
            let needed = diff.words().clamp(1, LARGEST_DEFAULT_DEPTH as u64) as usize;
            diff.geometry = Geometry::new(width, needed.next_power_of_two(), lanes)?;
        }
        Ok(diff)
    }

    /// The register file that the trace is for.
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// Length of the old file, in bytes.
    pub fn old_bytes(&self) -> u64 {
        self.old.bytes
    }

    /// Length of the new file, in bytes.
    pub fn new_bytes(&self) -> u64 {
        self.new.bytes
    }

    /// Words of the longer file.
    pub fn words(&self) -> u64 {
        let word = u64::from(self.geometry.width() / 8);
        self.old.bytes.max(self.new.bytes).div_ceil(word)
    }

    /// Writes the trace. It writes a line at a time, so `out` should be buffered.
    ///
    /// # Errors
    /// When a file cannot be read, or `out` not written.
    pub fn write_trace(&mut self, out: impl Write) -> Result<Counts, Error> {
        let (depth, lanes) = (self.geometry.depth(), self.geometry.lanes());
        let width = self.geometry.width();
        let words = self.words();
        let mut old = self.old.words(width)?;
        let mut new = self.new.words(width)?;
        let mut trace = TraceOut {
            writer: CommandWriter::new(out, width),
            cycle: 0,
        };
        let mut counts = Counts { words, changed: 0 };
        let mut deltas = Vec::new();
        let mut left = words;
        while left != 0 {
            let piece = left.min(depth as u64) as usize;
            left -= piece as u64;
            deltas.clear();
            for addr in 0..piece {
                let (value, mut delta) = (old.next_word()?, new.next_word()?);
                for (delta, value) in delta.limbs_mut(width).iter_mut().zip(value.limbs(width)) {
                    *delta ^= value;
                }
                if delta != Data::ZERO {
                    deltas.push((addr, delta));
                }
                trace.cycle([(Op::Load, addr, value)])?;
            }
            counts.changed += deltas.len() as u64;
            for together in deltas.chunks(lanes as usize) {
                trace.cycle(
                    together
                        .iter()
                        .map(|&(addr, delta)| (Op::Accum, addr, delta)),
                )?;
            }
            for addr in 0..piece {
                trace.cycle([(Op::Read, addr, Data::ZERO)])?;
            }
        }
        trace.writer.flush().map_err(Error::Write)?;
        Ok(counts)
    }

    /// A comparison of responses with the new file.
    ///
    /// # Errors
    /// When the new file cannot be read.
    pub fn comparison(&mut self) -> Result<Comparison<'_>, Error> {
        let words = self.words();
        Ok(Comparison {
            new: self.new.words(self.geometry.width())?,
            geometry: self.geometry,
            words,
            seen: 0,
            wrong: 0,
            first: None,
        })
    }
}

struct TraceOut<W> {
    writer: CommandWriter<W>,
    cycle: u64,
}

impl<W: Write> TraceOut<W> {
    /// Writes the commands of one cycle, one a lane from lane 0 up.
    fn cycle(
        &mut self,
        commands: impl IntoIterator<Item = (Op, usize, Data)>,
    ) -> Result<(), Error> {
        for (lane, (op, addr, data)) in (0..).zip(commands) {
            let command = Command {
                cycle: self.cycle,
                lane,
                op,
                addr,
                data,
            };
            self.writer.write(&command).map_err(Error::Write)?;
        }
        self.cycle += 1;
        Ok(())
    }
}

/// Compares the responses to a trace of [`Diff::write_trace`] with the new file, as they come.
#[derive(Debug)]
pub struct Comparison<'a> {
    new: Words<'a>,
    geometry: Geometry,
    words: u64,
    seen: u64,
    wrong: u64,
    first: Option<Mismatch>,
}

/// The first word that did not come out as in the new file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mismatch {
    /// The place of its first wrong byte in the file, from 0.
    pub byte: u64,
    /// The address that it was read from.
    pub addr: usize,
    /// The word of the new file.
    pub expected: Data,
    /// The word that came.
    pub got: Data,
}

/// What a [`Comparison`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Words of the longer file: how many responses were due.
    pub words: u64,
    /// How many came.
    pub responses: u64,
    /// How many of them were wrong: in their data, their address or their op.
    pub wrong: u64,
    /// The first of these.
    pub first: Option<Mismatch>,
}

impl Verdict {
    /// Whether the register file gave the new file, byte for byte.
    pub fn is_equal(&self) -> bool {
        self.wrong == 0 && self.responses == self.words
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            words,
            responses,
            wrong,
            ..
        } = self;
        if self.is_equal() {
            return write!(f, "words read back: {words}, all as in the new file");
        }
        write!(f, "words due: {words}, came: {responses}, wrong: {wrong}")?;
        if let Some(first) = &self.first {
            write!(
                f,
                "; first at byte {} (address {}): expected {}, got {}",
                first.byte, first.addr, first.expected, first.got
            )?;
        }
        Ok(())
    }
}

impl Comparison<'_> {
    /// Takes the next response.
    ///
    /// # Errors
    /// When the new file cannot be read.
    pub fn push(&mut self, response: &Response) -> Result<(), Error> {
        let at = self.seen;
        self.seen += 1;
        if at >= self.words {
            self.wrong += 1;
            return Ok(());
        }
        let expected = self.new.next_word()?;
        let addr = (at % self.geometry.depth() as u64) as usize;
        let right = (Op::Read, addr, expected);
        if (response.op, response.addr, response.data) != right {
            self.wrong += 1;
            let width = self.geometry.width();
            let byte = at * u64::from(width / 8) + first_difference(width, expected, response.data);
            self.first.get_or_insert(Mismatch {
                byte,
                addr,
                expected,
                got: response.data,
            });
        }
        Ok(())
    }

    /// The verdict, after the last response.
    pub fn finish(self) -> Verdict {
        Verdict {
            words: self.words,
            responses: self.seen,
            wrong: self.wrong,
            first: self.first,
        }
    }
}

/// The first byte in which two words differ, 0 if in none.
fn first_difference(width: u32, a: Data, b: Data) -> u64 {
    let limbs = a.limbs(width).iter().zip(b.limbs(width));
    (0u64..)
        .zip(limbs)
        .find(|(_, (a, b))| a != b)
        .map_or(0, |(limb, (a, b))| {
            limb * 8 + u64::from((a ^ b).trailing_zeros() / 8)
        })
}

/// One of the two files.
#[derive(Debug)]
struct Version {
    name: Box<str>,
    file: File,
    bytes: u64,
}

impl Version {
    fn open(path: &Path) -> Result<Self, Error> {
        let name: Box<str> = path.display().to_string().into();
        let read_error = |source| Error::Read {
            file: name.clone(),
            source,
        };
        let mut file = File::open(path).map_err(read_error)?;
        let metadata = file.metadata().map_err(read_error)?;
        let bytes = if metadata.is_file() {
            metadata.len()
        } else if metadata.is_dir() {
            return Err(read_error(io::ErrorKind::IsADirectory.into()));
        } else {
            let spool_error = |source| Error::Spool {
                file: name.clone(),
                source,
            };
            let mut copy = tempfile::tempfile().map_err(spool_error)?;
            let bytes = io::copy(&mut file, &mut copy).map_err(spool_error)?;
            file = copy;
            bytes
        };
        Ok(Self { name, file, bytes })
    }

    fn words(&mut self, width: u32) -> Result<Words<'_>, Error> {
        self.file.rewind().map_err(|source| Error::Read {
            file: self.name.clone(),
            source,
        })?;
        Ok(Words {
            input: BufReader::with_capacity(1 << 16, (&self.file).take(self.bytes)),
            name: &self.name,
            width,
            left: self.bytes,
        })
    }
}

/// The words of a file, and zeros after them without end.
#[derive(Debug)]
struct Words<'a> {
    input: BufReader<Take<&'a File>>,
    name: &'a str,
    width: u32,
    /// Bytes of the file that are still to come.
    left: u64,
}

impl Words<'_> {
    fn next_word(&mut self) -> Result<Data, Error> {
        let mut bytes = [0; MAX_WIDTH as usize / 8];
        let whole = (self.width / 8) as usize;
        let here = self.left.min(whole as u64) as usize;
        self.left -= here as u64;
        self.input
            .read_exact(&mut bytes[..here])
            .map_err(|source| match source.kind() {
                io::ErrorKind::UnexpectedEof => Error::Shrunk(self.name.into()),
                _ => Error::Read {
                    file: self.name.into(),
                    source,
                },
            })?;
        let mut word = Data::ZERO;
        for (limb, bytes) in word.limbs_mut(self.width).iter_mut().zip(bytes.chunks(8)) {
            for (at, &byte) in bytes.iter().enumerate() {
                *limb |= u64::from(byte) << (8 * at);
            }
        }
        Ok(word)
    }
}
