//! The trace that turns one file into another, and the check that its responses are the new file.
//!
//! Word `i` of a file starts at byte `i * width / 8`, with its first byte in the low bits. The last
//! word of a file and the shorter of two files are padded with zeros. The files are split into
//! pieces of `depth` words, which use the same addresses one after the other: `load` every old
//! word, `accum` new minus old where that is not 0 (in xor fields, old xor new), `read` every word.
//! So any two files fit any register file, and the responses are the words of the new file, in
//! order.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, Take, Write};
use std::path::Path;

use atomik_algebra::{Layout, MAX_WIDTH, Op};
use thiserror::Error;

use crate::command::{Command, Data, Response};
use crate::geometry::{Geometry, GeometryError};
use crate::write::CommandWriter;

/// The largest default depth, in words.
pub const LARGEST_DEFAULT_DEPTH: usize = 1 << 14;

/// Why two files cannot be compared.
#[derive(Debug, Error)]
pub enum Error {
    /// A file cannot be opened or read.
    #[error("{file}: {source}")]
    Read {
        /// The file.
        file: Box<str>,
        /// The cause.
        source: io::Error,
    },
    /// A file that is not a regular file cannot be copied to a temporary file.
    #[error(
        "{file}: cannot keep a copy in a temporary file: {source}; set TMPDIR to a folder with room"
    )]
    Spool {
        /// The file.
        file: Box<str>,
        /// The cause.
        source: io::Error,
    },
    /// A file became shorter while it was read.
    #[error("{0}: the file became shorter while it was read; compare a copy of it")]
    Shrunk(Box<str>),
    /// The width is not a multiple of 8.
    #[error("a word of {0} bits does not hold whole bytes; choose a multiple of 8")]
    NotBytes(u32),
    /// The register file is impossible.
    #[error(transparent)]
    Geometry(#[from] GeometryError),
    /// The trace cannot be written.
    #[error("cannot write the trace: {0}")]
    Write(#[source] io::Error),
}

/// An old and a new file, and the register file that turns one into the other.
#[derive(Debug)]
pub struct Diff {
    old: Version,
    new: Version,
    geometry: Geometry,
}

/// The size of a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// The number of words in the longer file.
    pub words: u64,
    /// The number of words that differ.
    pub changed: u64,
}

impl Diff {
    /// Opens both files for words of `layout` and a register file with `lanes` lanes. The
    /// default `depth` is the smallest that holds the longer file in one piece, at most
    /// [`LARGEST_DEFAULT_DEPTH`].
    ///
    /// Regular files must not change afterwards; other files are copied to temporary files.
    ///
    /// # Errors
    /// When the register file is impossible, the width is not a multiple of 8, or a file cannot be
    /// read or copied.
    pub fn open(
        old: &Path,
        new: &Path,
        layout: Layout,
        depth: Option<usize>,
        lanes: u32,
    ) -> Result<Self, Error> {
        let geometry = Geometry::with_layout(layout, depth.unwrap_or(1), lanes)?;
        if !layout.width().is_multiple_of(8) {
            return Err(Error::NotBytes(layout.width()));
        }
        let mut diff = Self {
            old: Version::open(old)?,
            new: Version::open(new)?,
            geometry,
        };
        if depth.is_none() {
            let needed = diff.words().clamp(1, LARGEST_DEFAULT_DEPTH as u64) as usize;
            diff.geometry = Geometry::with_layout(layout, needed.next_power_of_two(), lanes)?;
        }
        Ok(diff)
    }

    /// The register file that the trace is for.
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// The length of the old file in bytes.
    pub fn old_bytes(&self) -> u64 {
        self.old.bytes
    }

    /// The length of the new file in bytes.
    pub fn new_bytes(&self) -> u64 {
        self.new.bytes
    }

    /// The number of words in the longer file.
    pub fn words(&self) -> u64 {
        let word = u64::from(self.geometry.width() / 8);
        self.old.bytes.max(self.new.bytes).div_ceil(word)
    }

    /// Writes the trace, one line at a time, so `out` should be buffered.
    ///
    /// # Errors
    /// When a file cannot be read or `out` cannot be written.
    pub fn write_trace(&mut self, out: impl Write) -> Result<Counts, Error> {
        let (depth, lanes) = (self.geometry.depth(), self.geometry.lanes());
        let (layout, width) = (self.geometry.layout(), self.geometry.width());
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
                let value = old.next_word()?;
                let delta = new.next_word()?.combined(&value.inverse(&layout), &layout);
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

    /// Starts a comparison of responses with the new file.
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
    /// Writes the commands of one cycle, one per lane from lane 0 up.
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

/// Compares the responses to a trace of [`Diff::write_trace`] with the new file.
#[derive(Debug)]
pub struct Comparison<'a> {
    new: Words<'a>,
    geometry: Geometry,
    words: u64,
    seen: u64,
    wrong: u64,
    first: Option<Mismatch>,
}

/// A response that differs from the new file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mismatch {
    /// The position of its first wrong byte in the file, counted from 0.
    pub byte: u64,
    /// The address of the word.
    pub addr: usize,
    /// The word of the new file.
    pub expected: Data,
    /// The word in the response.
    pub got: Data,
}

/// The result of a [`Comparison`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// The number of words in the longer file, which is the expected number of responses.
    pub words: u64,
    /// The number of responses.
    pub responses: u64,
    /// The number of responses with wrong data, address or op.
    pub wrong: u64,
    /// The first wrong response.
    pub first: Option<Mismatch>,
}

impl Verdict {
    /// Whether the responses are the new file, byte for byte.
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

/// The first byte in which two words differ; 0 if they are equal.
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

/// The words of a file, followed by endless zeros.
#[derive(Debug)]
struct Words<'a> {
    input: BufReader<Take<&'a File>>,
    name: &'a str,
    width: u32,
    /// Bytes of the file that are not yet read.
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
