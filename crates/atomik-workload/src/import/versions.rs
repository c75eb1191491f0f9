//! Versions of a file or a folder: what changes from one to the next.
//!
//! A file is split into pages, the last padded with zeros. A page is a key, `path#number`. The
//! trace writes what differs from the version before:
//!
//! - as [`Form::Pages`], the whole page: its field `page` is `set` to the bytes in hexadecimal.
//!   This models a store of pages, and `fit` measures how much of a page changes when any of it
//!   does. A word of eight digits is four bytes of the file.
//! - as [`Form::Words`], each 64-bit word: the fields `w0`, `w1`, … are `set` to little-endian
//!   integers. This models a store that receives only what changed.
//!
//! The field `bytes` of the key `path#size` is the length of the file, or -1 once it is deleted, so
//! the trace reproduces every version exactly.
//!
//! Before the first version all pages are zero, so the first version is written in full except for
//! zeros. There is one writer, node 0. Versions are a day apart, because neither files nor archives
//! record reliably when they were made.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use super::{ImportError, Report, Sink};
use crate::workload::{Action, Line, MAX_KEY, Scalar};

/// How a change of a page is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The whole page, in hexadecimal.
    Pages,
    /// Each word that differs, as an integer.
    Words,
}

impl Form {
    /// The default page size in bytes: what fits into a replicated value of 1024 bits with its kind
    /// and length.
    pub fn page(self) -> usize {
        match self {
            Self::Pages => 56,
            Self::Words => 120,
        }
    }
}

/// The largest page, in bytes.
pub const MAX_PAGE: usize = 1 << 16;
/// Milliseconds between two versions.
pub const APART_MS: u64 = 86_400_000;
/// The length of a deleted file.
pub const GONE: i64 = -1;

const WORD: usize = 8;
const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Imports versions, oldest first: all files, or all folders. `page` is in bytes.
///
/// # Errors
///
/// Fewer than two versions, files among folders, a page that is not 8 to [`MAX_PAGE`] bytes in
/// whole words, a file that cannot be read.
pub fn import(
    paths: &[PathBuf],
    form: Form,
    page: usize,
    sink: &mut Sink<'_>,
) -> Result<Report, ImportError> {
    let (Some(first), true) = (paths.first(), paths.len() > 1) else {
        let file = paths.first().cloned().unwrap_or_default();
        return Err(ImportError::file(
            &file,
            "a single version has no changes: give two or more",
        ));
    };
    if !page.is_multiple_of(WORD) || !(WORD..=MAX_PAGE).contains(&page) {
        return Err(ImportError::file(
            first,
            format!("a page of {page} bytes: it must be a multiple of {WORD}, up to {MAX_PAGE}"),
        ));
    }
    let mut report = Report::default();
    let mut links = 0;
    let mut long = 0;
    let single = fs::metadata(first)
        .map_err(ImportError::io(first))?
        .is_file();
    let mut before: BTreeMap<String, PathBuf> = BTreeMap::new();
    for (version, path) in paths.iter().enumerate() {
        if fs::metadata(path).map_err(ImportError::io(path))?.is_file() != single {
            return Err(ImportError::file(
                path,
                "versions must be all files or all folders",
            ));
        }
        let mut files = BTreeMap::new();
        if single {
            let name = first.file_name().unwrap_or(first.as_os_str());
            files.insert(name.to_string_lossy().into_owned(), path.clone());
        } else {
            links += walk(path, "", &mut files)?;
        }
        // Leave room for the longest page number.
        let fits = |name: &str| name.len() + "#18446744073709551615".len() <= MAX_KEY;
        long += files.keys().filter(|name| !fits(name)).count() as u64;
        files.retain(|name, _| fits(name));

        let mut writer = Writer {
            t: version as u64 * APART_MS,
            form,
            page,
            words: 0,
            changed: 0,
            pages: 0,
            changed_pages: 0,
            sink,
        };
        let mut changed_files = 0u64;
        let names: std::collections::BTreeSet<&String> =
            before.keys().chain(files.keys()).collect();
        for name in names {
            let changed = writer.file(name, before.get(name), files.get(name))?;
            changed_files += u64::from(changed);
        }
        let share = |part: u64, all: u64| 100.0 * part as f64 / all.max(1) as f64;
        report.notes.push(format!(
            "{}: {} of {} words differ from the version before ({:.2} %), on {} of {} pages \
             ({:.2} %), in {changed_files} of {} files",
            path.display(),
            writer.changed,
            writer.words,
            share(writer.changed, writer.words),
            writer.changed_pages,
            writer.pages,
            share(writer.changed_pages, writer.pages),
            files.len(),
        ));
        before = files;
    }
    report.leave_out(
        "links and other entries that are neither files nor folders",
        links,
    );
    report.leave_out("files whose paths are too long for a key", long);
    Ok(report)
}

/// Finds the files of a folder by relative name, and counts what is neither a file nor a folder.
fn walk(
    folder: &Path,
    name: &str,
    files: &mut BTreeMap<String, PathBuf>,
) -> Result<u64, ImportError> {
    let mut others = 0;
    for entry in fs::read_dir(folder).map_err(ImportError::io(folder))? {
        let entry = entry.map_err(ImportError::io(folder))?;
        let path = entry.path();
        let own = entry.file_name();
        let own = own.to_str().ok_or_else(|| {
            ImportError::file(&path, "its name is not UTF-8, so it cannot be a key")
        })?;
        let name = if name.is_empty() {
            own.to_owned()
        } else {
            format!("{name}/{own}")
        };
        let kind = entry.file_type().map_err(ImportError::io(&path))?;
        if kind.is_dir() {
            others += walk(&path, &name, files)?;
        } else if kind.is_file() {
            files.insert(name, path);
        } else {
            others += 1;
        }
    }
    Ok(others)
}

struct Writer<'a, 'b> {
    t: u64,
    form: Form,
    page: usize,
    /// Words of this version.
    words: u64,
    /// Words that differ from the version before.
    changed: u64,
    pages: u64,
    changed_pages: u64,
    sink: &'a mut Sink<'b>,
}

impl Writer<'_, '_> {
    fn set(&mut self, key: String, field: String, value: Scalar) -> Result<(), ImportError> {
        let line = Line {
            t: self.t,
            node: 0,
            key,
            field,
            action: Action::Set(value),
        };
        (self.sink)(line).map_err(ImportError::Sink)
    }

    /// Writes the changes of a file, and returns whether there are any.
    fn file(
        &mut self,
        name: &str,
        old: Option<&PathBuf>,
        new: Option<&PathBuf>,
    ) -> Result<bool, ImportError> {
        let (mut old, mut new) = (Pages::open(old, self.page)?, Pages::open(new, self.page)?);
        let mut changed = false;
        for number in 0u64.. {
            let old_bytes = old.next()?;
            let new_bytes = new.next()?;
            if old_bytes == 0 && new_bytes == 0 {
                break;
            }
            self.words += new_bytes.div_ceil(WORD) as u64;
            self.pages += u64::from(new_bytes > 0);
            let mut page_changed = false;
            let words = old.page.chunks_exact(WORD).zip(new.page.chunks_exact(WORD));
            for (place, (old, new)) in words.enumerate() {
                if old != new {
                    if self.form == Form::Words {
                        let value = new
                            .iter()
                            .rev()
                            .fold(0, |word, byte| word << 8 | u64::from(*byte));
                        self.set(
                            format!("{name}#{number}"),
                            format!("w{place}"),
                            Scalar::Int(value as i64),
                        )?;
                    }
                    self.changed += 1;
                    page_changed = true;
                }
            }
            if page_changed && self.form == Form::Pages {
                let mut digits = String::with_capacity(2 * self.page);
                for byte in &new.page {
                    digits.extend(
                        [byte >> 4, byte & 15].map(|digit| char::from(DIGITS[usize::from(digit)])),
                    );
                }
                self.set(
                    format!("{name}#{number}"),
                    "page".into(),
                    Scalar::Text(digits),
                )?;
            }
            self.changed_pages += u64::from(page_changed);
            changed |= page_changed;
        }
        if old.bytes() != new.bytes() {
            self.set(
                format!("{name}#size"),
                "bytes".into(),
                Scalar::Int(new.bytes()),
            )?;
            changed = true;
        }
        Ok(changed)
    }
}

/// The pages of a file. A missing file has none.
struct Pages {
    file: Option<(PathBuf, BufReader<File>)>,
    page: Vec<u8>,
    read: u64,
}

impl Pages {
    fn open(path: Option<&PathBuf>, page: usize) -> Result<Self, ImportError> {
        let file = match path {
            None => None,
            Some(path) => {
                let file = File::open(path).map_err(ImportError::io(path))?;
                Some((path.clone(), BufReader::with_capacity(1 << 16, file)))
            }
        };
        Ok(Self {
            file,
            page: vec![0; page],
            read: 0,
        })
    }

    /// Reads a page, padded with zeros, and returns how many bytes the file had.
    fn next(&mut self) -> Result<usize, ImportError> {
        self.page.fill(0);
        let Some((path, file)) = &mut self.file else {
            return Ok(0);
        };
        let mut filled = 0;
        while filled < self.page.len() {
            match file.read(&mut self.page[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ImportError::io(path)(error)),
            }
        }
        self.read += filled as u64;
        Ok(filled)
    }

    /// The bytes read so far, or [`GONE`].
    fn bytes(&self) -> i64 {
        if self.file.is_some() {
            self.read as i64
        } else {
            GONE
        }
    }
}
