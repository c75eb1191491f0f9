use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::Path;

use crate::error::Error;
use crate::geometry::Geometry;
use crate::read::{Cycles, Reader};

/// A trace in which every line was checked.
///
/// It can be read any number of times. A regular file is read in place, so it must not change:
/// lines are checked again as they are read, but one that has become invalid stops a run half way.
/// Other input, such as a pipe, is copied to an unnamed temporary file during the check.
#[derive(Debug)]
pub struct Trace {
    name: Box<str>,
    file: File,
    geometry: Geometry,
    summary: Summary,
}

/// The size of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// The number of commands, one per line.
    pub commands: u64,
    /// The number of responses to them.
    pub responses: u64,
    /// The cycle of the last command; `None` if there are no commands.
    pub last_cycle: Option<u64>,
}

impl Trace {
    /// Opens and checks the trace in the file at `path`.
    ///
    /// # Errors
    /// [`Error::Line`] for the first bad line, [`Error::Read`] when the file cannot be read, or
    /// [`Error::Spool`] when it is not a regular file and cannot be copied.
    pub fn open(path: &Path, geometry: Geometry) -> Result<Self, Error> {
        let name: Box<str> = path.display().to_string().into();
        let read_error = |source| Error::Read {
            file: name.clone(),
            source,
        };
        let file = File::open(path).map_err(read_error)?;
        if !file.metadata().map_err(read_error)?.is_file() {
            return Self::spool(&name, file, geometry);
        }
        Self::from_file(&name, file, geometry)
    }

    /// Checks the trace in an open regular file, from its current position. Error messages call it
    /// `name`.
    fn from_file(name: &str, file: File, geometry: Geometry) -> Result<Self, Error> {
        let summary = check(name, &file, geometry, |_| Ok(()))?;
        Ok(Self {
            name: name.into(),
            file,
            geometry,
            summary,
        })
    }

    /// Checks a trace that `write` writes to an unnamed temporary file. Error messages call it
    /// `name`.
    ///
    /// # Errors
    /// As [`Trace::open`], and those of `write`.
    pub fn generate<E: From<Error>>(
        name: &str,
        geometry: Geometry,
        write: impl FnOnce(&mut BufWriter<File>) -> Result<(), E>,
    ) -> Result<Self, E> {
        let spool_error = |source| Error::Spool {
            file: name.into(),
            source,
        };
        let mut spool = BufWriter::new(tempfile::tempfile().map_err(spool_error)?);
        write(&mut spool)?;
        let mut file = spool
            .into_inner()
            .map_err(|error| spool_error(error.into_error()))?;
        file.rewind().map_err(spool_error)?;
        Ok(Self::from_file(name, file, geometry)?)
    }

    /// Checks the trace on stdin, which is copied to an unnamed temporary file.
    ///
    /// # Errors
    /// As [`Trace::open`].
    pub fn stdin(geometry: Geometry) -> Result<Self, Error> {
        Self::spool("<stdin>", io::stdin().lock(), geometry)
    }

    /// Checks the trace in `input` and copies it to an unnamed temporary file. Error messages call
    /// it `name`.
    ///
    /// # Errors
    /// As [`Trace::open`].
    pub fn spool(name: &str, input: impl Read, geometry: Geometry) -> Result<Self, Error> {
        let spool_error = |source| Error::Spool {
            file: name.into(),
            source,
        };
        let mut spool = BufWriter::new(tempfile::tempfile().map_err(spool_error)?);
        let summary = check(name, input, geometry, |line| {
            spool.write_all(line).map_err(spool_error)
        })?;
        let file = spool
            .into_inner()
            .map_err(|error| spool_error(error.into_error()))?;
        Ok(Self {
            name: name.into(),
            file,
            geometry,
            summary,
        })
    }

    /// The register file that the trace was checked against.
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// The size of the trace.
    pub fn summary(&self) -> Summary {
        self.summary
    }

    /// The trace from its start, cycle by cycle.
    ///
    /// # Errors
    /// [`Error::Read`] when the file cannot be read.
    pub fn cycles(&mut self) -> Result<Cycles<impl io::BufRead + use<'_>>, Error> {
        self.file.rewind().map_err(|source| Error::Read {
            file: self.name.clone(),
            source,
        })?;
        let input = BufReader::with_capacity(BUFFER, &self.file);
        Ok(Cycles::new(Reader::new(&self.name, input, self.geometry)))
    }
}

const BUFFER: usize = 64 * 1024;

fn check(
    name: &str,
    input: impl Read,
    geometry: Geometry,
    mut keep: impl FnMut(&[u8]) -> Result<(), Error>,
) -> Result<Summary, Error> {
    let mut reader = Reader::new(name, BufReader::with_capacity(BUFFER, input), geometry);
    let mut summary = Summary::default();
    while let Some(command) = reader.next() {
        let command = command?;
        keep(reader.line())?;
        summary.commands += 1;
        summary.responses += u64::from(command.op.responds());
        summary.last_cycle = Some(command.cycle);
    }
    Ok(summary)
}
