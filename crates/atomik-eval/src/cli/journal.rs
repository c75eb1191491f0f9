//! What has been measured so far, in a file, so that an interrupted command goes on where it was.
//!
//! A measurement is identified by the command line that repeats it. The first line of the file
//! names program, machine and trace; figures of another of these are not reused.

use std::collections::HashMap;
use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use atomik_arena::figures::SystemFigures;
use atomik_arena::run::{Job, Measured};
use serde::{Deserialize, Serialize};

use super::error::CommandError;
use super::machine::machine;
use super::program::ATOMIK_EVAL;

/// What the figures depend on beside their commands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// The version of the program, and a hash of it: a build for debugging has other CPU times.
    pub program: String,
    /// The machine.
    pub machine: String,
    /// A hash of the trace, or `generated`.
    pub trace: String,
}

impl Subject {
    /// This program on this machine, with this trace, or with those that it generates.
    ///
    /// # Errors
    ///
    /// If the program or the trace cannot be read.
    pub fn here(trace: Option<&Path>) -> Result<Self, CommandError> {
        let program = env::current_exe().map_err(CommandError::file(Path::new("the program")))?;
        Ok(Self {
            program: format!("{} {}", env!("CARGO_PKG_VERSION"), hash(&program)?),
            machine: machine(),
            trace: match trace {
                Some(file) => hash(file)?,
                None => "generated".to_owned(),
            },
        })
    }
}

fn hash(file: &Path) -> Result<String, CommandError> {
    let mut hash = blake3::Hasher::new();
    hash.update_mmap(file).map_err(CommandError::file(file))?;
    Ok(hash.finalize().to_string())
}

#[derive(Serialize, Deserialize)]
struct Line {
    figures: SystemFigures,
    took: Duration,
}

/// Measurements that are written down as they are made.
pub struct Journal {
    file: Option<(PathBuf, File)>,
    known: HashMap<String, (SystemFigures, Duration)>,
}

impl Journal {
    /// A journal without a file.
    pub fn none() -> Self {
        Self {
            file: None,
            known: HashMap::new(),
        }
    }

    /// Opens a journal, and reads what is in it. An incomplete last line, as an interruption leaves
    /// it, is removed. A journal about something else that has no measurement is begun anew.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or written, is no journal, or has measurements of something else.
    pub fn open(path: &Path, subject: &Subject) -> Result<Self, CommandError> {
        let foreign = |why: String| CommandError::Journal {
            file: path.to_owned(),
            why,
        };
        let no_journal = || foreign("it is not a journal".to_owned());
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(no_journal());
            }
            Err(error) => return Err(CommandError::file(path)(error)),
        };
        let mut whole = text.rfind('\n').map_or(0, |end| end + 1);
        let mut lines = text[..whole].lines().peekable();
        let mut known = HashMap::new();
        if let Some(first) = lines.next() {
            let found: Subject =
                serde_json::from_str(first).map_err(|error| foreign(error.to_string()))?;
            if found != *subject {
                if lines.peek().is_some() {
                    return Err(foreign(difference(&found, subject)));
                }
                whole = 0;
            }
        } else if !text.is_empty() {
            // An interruption leaves the start of the first line, and nothing else.
            let first = serde_json::to_string(subject)
                .map_err(|error| CommandError::file(path)(error.into()))?;
            if !first.starts_with(&text) {
                return Err(no_journal());
            }
        }
        for line in lines {
            let Line { figures, took } =
                serde_json::from_str(line).map_err(|error| foreign(error.to_string()))?;
            known.insert(figures.command.clone(), (figures, took));
        }
        let open = || {
            let mut file = OpenOptions::new().create(true).append(true).open(path)?;
            file.set_len(whole as u64)?;
            if whole == 0 {
                serde_json::to_writer(&mut file, subject)?;
                file.write_all(b"\n")?;
            }
            Ok(file)
        };
        let file = open().map_err(CommandError::file(path))?;
        if !known.is_empty() {
            ATOMIK_EVAL.message(format_args!(
                "{} measurements are taken from {}; delete it to measure them again",
                known.len(),
                path.display()
            ));
        }
        Ok(Self {
            file: Some((path.to_owned(), file)),
            known,
        })
    }

    /// The figures that are known, or else those that the job measures, which are written down. If
    /// that fails, a message says so, and nothing more is written.
    pub fn measure(&mut self, job: Job<'_>) -> Measured {
        if let Some(known) = self.known.remove(&job.command) {
            return Ok(known);
        }
        let (figures, took) = job.measure()?;
        let line = Line { figures, took };
        let mut write = |(_, file): &mut (PathBuf, File)| {
            let mut text = serde_json::to_vec(&line)?;
            text.push(b'\n');
            file.write_all(&text)
        };
        if let Some(Err(error)) = self.file.as_mut().map(&mut write)
            && let Some((path, _)) = self.file.take()
        {
            ATOMIK_EVAL.message(format_args!(
                "{}: {error}; if this is interrupted, what is measured from here on is measured \
                 again",
                path.display()
            ));
        }
        Ok((line.figures, line.took))
    }

    /// Removes the file: everything in it is in the results.
    ///
    /// # Errors
    ///
    /// If it cannot be removed.
    pub fn remove(self) -> Result<(), CommandError> {
        match self.file {
            Some((path, _)) => fs::remove_file(&path).map_err(CommandError::file(&path)),
            None => Ok(()),
        }
    }
}

/// What differs, in words.
fn difference(found: &Subject, subject: &Subject) -> String {
    let parts = [
        ("build of the program", &found.program, &subject.program),
        ("machine", &found.machine, &subject.machine),
        ("trace", &found.trace, &subject.trace),
    ];
    let differ = parts.iter().filter(|(_, found, now)| found != now);
    let names: Vec<&str> = differ.map(|(name, ..)| *name).collect();
    format!("it was written for another {}", names.join(" and "))
}
