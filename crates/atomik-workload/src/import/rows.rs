//! The rows of a table: delimited values, or one JSON value per line.

use std::cell::Cell as Counter;
use std::io::{BufRead, Chain, Cursor, Read as _};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::ImportError;
use super::input::{Input, MAX_ROW};
use super::map::{Csv, Ragged};
use crate::json::Json;

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
    /// Bytes since the last row.
    row: Rc<Counter<u64>>,
}

enum Source {
    Csv {
        reader: Box<csv::Reader<Text>>,
        /// The first row, if it is not the header.
        first: Option<(u64, csv::StringRecord)>,
        ragged: Ragged,
        /// Whether lines end with carriage returns alone.
        returns: bool,
    },
    Jsonl {
        text: Box<dyn BufRead>,
        line: u64,
    },
}

type Text = Chain<Box<dyn BufRead>, Cursor<Vec<u8>>>;

/// A row that no table has. It is put after the last: if it is not read as a row, then a quote is
/// open.
const END: &str = "\u{1}the end of the table\u{1}";

impl Table {
    /// Opens a table.
    pub fn open(input: Input, form: Form, csv: &Csv) -> Result<Self, ImportError> {
        match form {
            Form::Csv => Self::open_csv(input, csv),
            Form::Jsonl => Ok(Self {
                file: input.file,
                columns: Vec::new(),
                guessed: None,
                source: Source::Jsonl {
                    text: input.text,
                    line: 0,
                },
                row: input.row,
            }),
        }
    }

    fn open_csv(input: Input, csv: &Csv) -> Result<Self, ImportError> {
        let mut head = input.head.as_slice();
        if input.goes_on {
            let end = head.iter().rposition(|byte| *byte == b'\n');
            head = &head[..end.unwrap_or(head.len())];
        }
        let guessed = match csv.delimiter {
            Some(_) => None,
            None => Some(guess_delimiter(head, csv.quote as u8)),
        };
        let delimiter = csv.delimiter.or(guessed).unwrap_or(',');
        let end = Cursor::new(format!("\n{END}\n").into_bytes());
        let mut table = Self {
            file: input.file,
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
                        .from_reader(input.text.chain(end)),
                ),
                first: None,
                ragged: csv.ragged,
                returns: head.contains(&b'\r') && !head.contains(&b'\n'),
            },
            row: input.row,
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
        if let Source::Jsonl { .. } = self.source {
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
        self.row.set(0);
        let (first, pad) = match &mut self.source {
            Source::Jsonl { text, line } => return json(&self.file, text, line),
            Source::Csv { first, ragged, .. } => (first.take(), *ragged == Ragged::Pad),
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
            csv::ErrorKind::Io(source) => ImportError::Io {
                file: self.file.clone(),
                source,
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
    pub fn line(&self, line: u64, reason: String) -> ImportError {
        ImportError::line(&self.file, line, reason)
    }
}

const NOT_UTF8: &str = "convert the file, for example with `iconv -f WINDOWS-1252 -t UTF-8`";

fn json(
    file: &Path,
    text: &mut Box<dyn BufRead>,
    line: &mut u64,
) -> Result<Option<(u64, Row)>, ImportError> {
    let Some(content) = next_line(file, text, line)? else {
        return Ok(None);
    };
    match Json::parse(&content) {
        Ok(json) => Ok(Some((*line, Row::Json(json)))),
        Err(reason) => Err(ImportError::line(
            file,
            *line,
            format!("{reason}: write one JSON object per line"),
        )),
    }
}

/// The next line that is not blank, without space around it. `line` counts lines.
pub(super) fn next_line(
    file: &Path,
    text: &mut Box<dyn BufRead>,
    line: &mut u64,
) -> Result<Option<String>, ImportError> {
    loop {
        let mut bytes = Vec::new();
        let mut limited = text.take(MAX_ROW + 1);
        let count = limited
            .read_until(b'\n', &mut bytes)
            .map_err(ImportError::io(file))?;
        if count == 0 {
            return Ok(None);
        }
        *line += 1;
        let refuse = |reason: String| ImportError::line(file, *line, reason);
        if bytes.len() as u64 > MAX_ROW {
            return Err(refuse(
                "more than 16 MiB: write one JSON value per line".to_owned(),
            ));
        }
        let text =
            String::from_utf8(bytes).map_err(|_| refuse(format!("not UTF-8: {NOT_UTF8}")))?;
        let text = text.trim();
        if !text.is_empty() {
            return Ok(Some(text.to_owned()));
        }
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
