use std::io::{BufRead, Read as _};

use crate::command::Command;
use crate::decode::Decoder;
use crate::error::{Error, LINE_LIMIT, Reason};
use crate::geometry::Geometry;

/// Reads commands in the order of the lines.
///
/// It keeps one line in memory. After an error, further results are unspecified.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    file: Box<str>,
    line: Vec<u8>,
    number: u64,
    decoder: Decoder,
}

impl<R: BufRead> Reader<R> {
    /// A reader of `input` for a register file of `geometry`. Error messages call the input `file`.
    pub fn new(file: &str, input: R, geometry: Geometry) -> Self {
        Self {
            input,
            file: file.into(),
            line: Vec::new(),
            number: 0,
            decoder: Decoder::new(geometry),
        }
    }

    /// The line of the last command, with its line end.
    pub fn line(&self) -> &[u8] {
        &self.line
    }

    fn read(&mut self) -> Result<Option<Command>, Error> {
        self.line.clear();
        let limit = LINE_LIMIT as u64 + 1;
        let mut line = self.input.by_ref().take(limit);
        line.read_until(b'\n', &mut self.line)
            .map_err(|source| Error::Read {
                file: self.file.clone(),
                source,
            })?;
        if self.line.is_empty() {
            return Ok(None);
        }
        self.number += 1;
        let command = if self.line.len() > LINE_LIMIT && !self.line.ends_with(b"\n") {
            Err(Reason::TooLong)
        } else {
            self.decoder.json(&self.line)
        };
        command.map(Some).map_err(|reason| Error::Line {
            file: self.file.clone(),
            line: self.number,
            reason: Box::new(reason),
        })
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Command, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

/// Reads commands cycle by cycle. Those of one cycle are in the order of their lanes, in which they
/// take effect.
///
/// It keeps the commands of one cycle in memory, at most one per lane, and one more.
#[derive(Debug)]
pub struct Cycles<R> {
    reader: Reader<R>,
    ahead: Option<Command>,
    now: Vec<Command>,
}

impl<R: BufRead> Cycles<R> {
    /// Groups the commands of `reader` by cycle.
    pub fn new(reader: Reader<R>) -> Self {
        Self {
            reader,
            ahead: None,
            now: Vec::new(),
        }
    }

    /// The commands of the next cycle with any, by ascending lane; `None` at the end.
    ///
    /// # Errors
    /// Those of the reader. After an error, further results are unspecified.
    pub fn next_cycle(&mut self) -> Result<Option<&[Command]>, Error> {
        self.now.clear();
        let first = match self.ahead.take() {
            Some(command) => command,
            None => match self.reader.read()? {
                Some(command) => command,
                None => return Ok(None),
            },
        };
        self.now.push(first);
        while let Some(command) = self.reader.read()? {
            if command.cycle != first.cycle {
                self.ahead = Some(command);
                break;
            }
            self.now.push(command);
        }
        self.now.sort_unstable_by_key(|command| command.lane);
        Ok(Some(&self.now))
    }
}
