//! Text files, read line by line.

use std::io::{BufRead, Read as _};
use std::path::{Path, PathBuf};

use super::ImportError;
use crate::input::{self, Input};
use crate::json::Json;

/// The longest line or row, in bytes.
pub(super) const MAX_ROW: u64 = 16 << 20;

/// What to do about other encodings.
pub(super) const NOT_UTF8: &str =
    "convert the file, for example with `iconv -f WINDOWS-1252 -t UTF-8`";

/// The lines of a file that are not blank, without space around them.
pub(super) struct Lines {
    pub file: PathBuf,
    /// The number of the last line, from 1.
    pub line: u64,
    text: Box<dyn BufRead>,
}

impl Lines {
    /// Opens a file, or stdin if it is `-`.
    pub fn open(file: &Path) -> Result<Self, ImportError> {
        let (named, file) = (file, input::name(file));
        let text = Input::open(named).map_err(ImportError::io(&file))?.text();
        Ok(Self {
            file,
            line: 0,
            text: Box::new(text),
        })
    }

    /// The next line.
    pub fn next(&mut self) -> Result<Option<String>, ImportError> {
        loop {
            let mut bytes = Vec::new();
            let mut limited = self.text.by_ref().take(MAX_ROW + 1);
            let count = limited
                .read_until(b'\n', &mut bytes)
                .map_err(ImportError::io(&self.file))?;
            if count == 0 {
                return Ok(None);
            }
            self.line += 1;
            if bytes.len() as u64 > MAX_ROW {
                return Err(self.refuse("more than 16 MiB: write one JSON value per line"));
            }
            let text = String::from_utf8(bytes)
                .map_err(|_| self.refuse(format!("not UTF-8: {NOT_UTF8}")))?;
            let text = text.trim();
            if !text.is_empty() {
                return Ok(Some(text.to_owned()));
            }
        }
    }

    /// The JSON value on the next line, with the number of that line.
    pub fn json(&mut self) -> Result<Option<(u64, Json)>, ImportError> {
        let Some(text) = self.next()? else {
            return Ok(None);
        };
        let json = Json::line(&text).map_err(|reason| self.refuse(reason))?;
        Ok(Some((self.line, json)))
    }

    /// A complaint about the last line.
    pub fn refuse(&self, reason: impl Into<String>) -> ImportError {
        ImportError::line(&self.file, self.line, reason)
    }
}
