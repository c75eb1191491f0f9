//! The rows of a table: delimited values, or one JSON value per line.

use std::cell::Cell as Counter;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::ImportError;
use super::lines::{Lines, MAX_ROW, NOT_UTF8};
use super::map::{Csv, Ragged};
use crate::input::{self, Input};
use crate::json::{self, Json};

/// How a table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Delimited values.
    Csv,
    /// A JSON value per line.
    Jsonl,
}

/// A row.
#[derive(Clone, Debug)]
pub(super) enum Row {
    Csv(csv::StringRecord),
    Json(Json),
}

/// What a row has in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cell<'a> {
    /// An empty cell, or a member that is not there.
    Absent,
    Null,
    Bool(bool),
    Number(&'a str),
    Text(&'a str),
    /// An array or an object.
    Other(&'static str),
}

/// Where a column is in a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Index(usize),
    Path(String),
}

impl Row {
    /// What is in a place.
    pub fn cell(&self, place: &Place) -> Cell<'_> {
        match (self, place) {
            (Self::Csv(cells), Place::Index(index)) => match cells.get(*index) {
                None | Some("") => Cell::Absent,
                Some(text) => Cell::Text(text),
            },
            (Self::Json(json), Place::Path(path)) => match json.at(path) {
                None => Cell::Absent,
                Some(value) => cell(value),
            },
            _ => Cell::Absent,
        }
    }

    /// A number that identical rows have in common, and no others.
    pub fn fingerprint(&self) -> [u8; 16] {
        let mut hasher = blake3::Hasher::new();
        match self {
            Self::Csv(cells) => {
                for cell in cells {
                    hasher.update(&(cell.len() as u64).to_le_bytes());
                    hasher.update(cell.as_bytes());
                }
            }
            Self::Json(json) => {
                hasher.update(json.to_string().as_bytes());
            }
        }
        let mut fingerprint = [0; 16];
        fingerprint.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        fingerprint
    }
}

/// A JSON value as a cell.
pub(super) fn cell(value: &Json) -> Cell<'_> {
    match value {
        Json::Null => Cell::Null,
        Json::Bool(value) => Cell::Bool(*value),
        Json::Number(text) => Cell::Number(text),
        Json::Text(text) => Cell::Text(text),
        Json::Array(_) | Json::Object(_) => Cell::Other(value.kind()),
    }
}

/// A table, read row by row.
pub(super) struct Table {
    pub file: PathBuf,
    /// The names of the columns; empty for JSON.
    pub columns: Vec<String>,
    /// The delimiter, if it was guessed.
    pub guessed: Option<char>,
    source: Source,
}

enum Source {
    Csv {
        reader: Box<csv::Reader<Guard>>,
        /// Bytes since the last row.
        read: Rc<Counter<u64>>,
        /// The first row, if it is not the header.
        first: Option<(u64, csv::StringRecord)>,
        ragged: Ragged,
        /// Whether lines end with carriage returns alone.
        returns: bool,
    },
    Jsonl(Lines),
}

/// Fails where a row is longer than [`MAX_ROW`], since a quote that is never closed would make the
/// rest of a table one row; and where a cell goes on after its closing quote, which would be lost.
struct Guard {
    inner: Box<dyn Read>,
    /// Bytes since the last row.
    read: Rc<Counter<u64>>,
    delimiter: u8,
    quote: u8,
    within: Within,
    /// The last byte of a line, and the line that comes next.
    newline: u8,
    line: u64,
}

/// A cell goes on after its closing quote.
#[derive(Debug, thiserror::Error)]
#[error(
    "a cell goes on after its closing quote: double quotes within cells, or write another `quote` \
     in [csv]"
)]
struct Misquoted {
    line: u64,
}

/// Where in a row a byte of a table is.
#[derive(Clone, Copy)]
enum Within {
    /// At the start of a cell.
    Start,
    /// In a cell without quotes.
    Bare,
    /// Between the quotes of a cell.
    Quoted,
    /// After a quote in a cell with quotes: the last one, or the first of two.
    Quote,
}

impl Guard {
    /// Whether the quotes of `bytes`, which come next, are right.
    fn accepts(&mut self, bytes: &[u8]) -> bool {
        for byte in bytes.iter().copied() {
            self.line += u64::from(byte == self.newline);
            let ends = byte == self.delimiter || byte == b'\n' || byte == b'\r';
            self.within = match self.within {
                Within::Quoted if byte == self.quote => Within::Quote,
                Within::Quoted => Within::Quoted,
                Within::Start | Within::Quote if byte == self.quote => Within::Quoted,
                Within::Start | Within::Bare | Within::Quote if ends => Within::Start,
                Within::Start | Within::Bare => Within::Bare,
                Within::Quote => return false,
            };
        }
        true
    }
}

impl Read for Guard {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.read.get() > MAX_ROW {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a row of more than 16 MiB: close its quotes, or split it",
            ));
        }
        let count = self.inner.read(buffer)?;
        self.read.set(self.read.get() + count as u64);
        if !self.accepts(&buffer[..count]) {
            let line = self.line;
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                Misquoted { line },
            ));
        }
        Ok(count)
    }
}

/// A row that no table has. It is put after the last: if it is not read as a row, then a quote is
/// open. It is not ASCII, so no delimiter splits it.
const END: &str = "\u{f8ff}\u{10fffd}\u{f8ff}";

impl Table {
    /// Opens a table: a file, or stdin if it is `-`.
    pub fn open(file: &Path, form: Form, csv: &Csv) -> Result<Self, ImportError> {
        if form == Form::Csv {
            return Self::open_csv(file, csv);
        }
        let lines = Lines::open(file)?;
        Ok(Self {
            file: lines.file.clone(),
            columns: Vec::new(),
            guessed: None,
            source: Source::Jsonl(lines),
        })
    }

    fn open_csv(named: &Path, csv: &Csv) -> Result<Self, ImportError> {
        let file = input::name(named);
        let input = Input::open(named).map_err(ImportError::io(&file))?;
        let mut head = input.head.as_slice();
        if input.goes_on {
            let end = head.iter().rposition(|byte| *byte == b'\n');
            head = &head[..end.unwrap_or(head.len())];
        }
        if let Some(advice) = json::advice_if_json(head) {
            return Err(ImportError::file(&file, advice));
        }
        let guessed = match csv.delimiter {
            Some(_) => None,
            None => Some(guess_delimiter(head, csv.quote as u8)),
        };
        let delimiter = csv.delimiter.or(guessed).unwrap_or(',');
        let returns = head.contains(&b'\r') && !head.contains(&b'\n');
        let end = Cursor::new(format!("\n{END}\n").into_bytes());
        let read = Rc::new(Counter::new(0));
        let text = Guard {
            inner: Box::new(input.text().chain(end)),
            read: Rc::clone(&read),
            delimiter: delimiter as u8,
            quote: csv.quote as u8,
            within: Within::Start,
            newline: if returns { b'\r' } else { b'\n' },
            line: 1,
        };
        let mut table = Self {
            file,
            columns: Vec::new(),
            guessed,
            source: Source::Csv {
                reader: Box::new(
                    csv::ReaderBuilder::new()
                        .delimiter(delimiter as u8)
                        .quote(csv.quote as u8)
                        .has_headers(false)
                        .flexible(true)
                        .buffer_capacity(1 << 16)
                        .from_reader(text),
                ),
                read,
                first: None,
                ragged: csv.ragged,
                returns,
            },
        };
        let Some((line, row)) = table.record()? else {
            return Err(ImportError::file(
                &table.file,
                "is empty: give a table whose first row names its columns",
            ));
        };
        if csv.header {
            table.columns = row.iter().map(|name| name.trim().to_owned()).collect();
        } else {
            table.columns = (1..=row.len()).map(|number| number.to_string()).collect();
            if let Source::Csv { first, .. } = &mut table.source {
                *first = Some((line, row));
            }
        }
        Ok(table)
    }

    /// The place of a column.
    ///
    /// # Errors
    ///
    /// That there is none of this name, or more than one.
    pub fn place(&self, column: &str) -> Result<Place, ImportError> {
        if let Source::Jsonl(_) = self.source {
            return Ok(Place::Path(column.to_owned()));
        }
        let mut places = (0..).zip(&self.columns).filter(|(_, name)| *name == column);
        match (places.next(), places.next()) {
            (Some((place, _)), None) => Ok(Place::Index(place)),
            (None, _) => Err(ImportError::file(
                &self.file,
                format!(
                    "no column {column:?}, which the map names; there is {}",
                    self.columns
                        .iter()
                        .map(|name| format!("{name:?}"))
                        .collect::<Vec<_>>()
                        .join(", ")
                ),
            )),
            (Some((first, _)), Some((second, _))) => Err(ImportError::file(
                &self.file,
                format!(
                    "two columns are called {column:?}, number {} and number {}: rename one, or \
                     write `header = false` in [csv], remove the row of names and name columns by \
                     their number",
                    first + 1,
                    second + 1
                ),
            )),
        }
    }

    /// Takes the header for the first row; columns are called 1, 2, ….
    pub fn take_header_for_a_row(&mut self) {
        let count = self.columns.len();
        let names = (1..=count).map(|number| number.to_string()).collect();
        let row = std::mem::replace(&mut self.columns, names);
        if let Source::Csv { first, .. } = &mut self.source {
            *first = Some((1, csv::StringRecord::from(row)));
        }
    }

    /// The next row, with its line.
    pub fn next(&mut self) -> Result<Option<(u64, Row)>, ImportError> {
        let (first, pad) = match &mut self.source {
            Source::Jsonl(lines) => {
                let found = lines.json()?;
                return Ok(found.map(|(line, json)| (line, Row::Json(json))));
            }
            Source::Csv {
                first,
                ragged,
                read,
                ..
            } => {
                read.set(0);
                (first.take(), *ragged == Ragged::Pad)
            }
        };
        let found = match first {
            Some(first) => Some(first),
            None => self.record()?,
        };
        let Some((line, mut cells)) = found else {
            return Ok(None);
        };
        let (has, columns) = (cells.len(), self.columns.len());
        if has != columns {
            let surplus = cells.iter().skip(columns).any(|cell| !cell.is_empty());
            if !pad || surplus {
                let rest = if surplus {
                    "is the delimiter right, and are cells with delimiters quoted?"
                } else {
                    "write `ragged = \"pad\"` in [csv] to read missing cells as empty"
                };
                return Err(self.line(
                    line,
                    format!("{has} cells where the first row has {columns}: {rest}"),
                ));
            }
            cells.truncate(columns);
        }
        Ok(Some((line, Row::Csv(cells))))
    }

    fn record(&mut self) -> Result<Option<(u64, csv::StringRecord)>, ImportError> {
        let Source::Csv {
            reader, returns, ..
        } = &mut self.source
        else {
            return Ok(None);
        };
        let returns = *returns;
        let mut cells = csv::StringRecord::new();
        let read = reader.read_record(&mut cells);
        let line = cells.position().map_or(1, |place| match returns {
            // The crate counts newlines only.
            true => place.record() + 1,
            false => place.line(),
        });
        match read {
            Ok(true) if cells.len() == 1 && &cells[0] == END => Ok(None),
            Ok(true) if cells.iter().any(|cell| cell.contains(END)) => Err(self.line(
                line,
                "a quote of this row is never closed: double quotes within cells, or write \
                 another `quote` in [csv]"
                    .to_owned(),
            )),
            Ok(true) => Ok(Some((line, cells))),
            Ok(false) => Ok(None),
            Err(error) => Err(self.failed(error)),
        }
    }

    fn failed(&self, error: csv::Error) -> ImportError {
        let line = error.position().map_or(0, csv::Position::line);
        match error.into_kind() {
            csv::ErrorKind::Io(source) => match source.get_ref().and_then(|e| e.downcast_ref()) {
                Some(wrong @ Misquoted { line }) => self.line(*line, wrong.to_string()),
                None => ImportError::Io {
                    file: self.file.clone(),
                    source,
                },
            },
            csv::ErrorKind::Utf8 { err, .. } => {
                let column = match self.columns.get(err.field()) {
                    Some(name) => format!("column {name:?}"),
                    None => format!("column {}", err.field() + 1),
                };
                self.line(line, format!("{column} is not UTF-8: {NOT_UTF8}"))
            }
            other => self.line(line, format!("{other:?}")),
        }
    }

    /// A complaint about a line.
    fn line(&self, line: u64, reason: String) -> ImportError {
        ImportError::line(&self.file, line, reason)
    }
}

/// The delimiter with which most rows have the same number of cells, and more than one.
fn guess_delimiter(head: &[u8], quote: u8) -> char {
    let mut best = (0, ',');
    for delimiter in [',', ';', '\t', '|'] {
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter as u8)
            .quote(quote)
            .has_headers(false)
            .flexible(true)
            .from_reader(head);
        let counts: Vec<usize> = reader
            .byte_records()
            .take(100)
            .map_while(|record| Some(record.ok()?.len()))
            .collect();
        let columns = counts.first().copied().unwrap_or(1);
        let alike = counts.iter().filter(|count| **count == columns).count();
        if columns > 1 && alike > best.0 {
            best = (alike, delimiter);
        }
    }
    best.1
}
