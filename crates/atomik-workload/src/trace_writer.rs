//! Writes a trace, or any text, to a file, which appears whole or not at all; a trace also to
//! stdout.

use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use atomik_terminal::{Status, counted};
use foldhash::fast::FixedState;
use tempfile::NamedTempFile;

use crate::workload::Line;

/// A trace could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The file cannot be created, written or replaced.
    #[error("cannot write {}: {source}", .file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Stdout is closed, or cannot take more.
    #[error("cannot write to stdout: {0}")]
    Stdout(#[source] io::Error),
}

enum Target {
    /// A temporary file beside the named one, which it replaces at the end.
    File(BufWriter<NamedTempFile>, PathBuf),
    /// A named pipe or a device. It is written in place: replacing it would destroy it.
    Device(BufWriter<File>, PathBuf),
    Stdout(BufWriter<io::StdoutLock<'static>>),
}

impl WriteError {
    /// The status of a command that ends with it: bad input if no disk could take the file, since
    /// it is a folder, or its folder does not exist or is not writable.
    #[must_use]
    pub fn status(&self) -> Status {
        use io::ErrorKind::{IsADirectory, NotADirectory, NotFound, PermissionDenied};
        let places = [IsADirectory, NotADirectory, NotFound, PermissionDenied];
        match self {
            Self::File { source, .. } if places.contains(&source.kind()) => Status::BadInput,
            Self::File { .. } | Self::Stdout(_) => Status::Broken,
        }
    }
}

/// A trace that is being written. Dropped before [`TraceWriter::finish`], it leaves an existing
/// file as it was.
pub struct TraceWriter {
    target: Target,
    operations: u64,
    keys: HashSet<String, FixedState>,
    nodes: u32,
}

/// The size of a trace. Its text is `1,000 operations, 10 keys, 3 nodes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// The number of lines.
    pub operations: u64,
    /// The number of different keys.
    pub keys: u64,
    /// The highest node number plus 1.
    pub nodes: u32,
}

impl TraceWriter {
    /// Starts a trace in `file`, or on stdout without one.
    ///
    /// # Errors
    /// [`WriteError::File`] if the file is a folder, or its folder is not writable.
    pub fn create(file: Option<&Path>) -> Result<Self, WriteError> {
        let target = match file {
            None => Target::Stdout(BufWriter::new(io::stdout().lock())),
            Some(file) => open(file).map_err(|source| WriteError::File {
                file: file.to_owned(),
                source,
            })?,
        };
        Ok(Self {
            target,
            operations: 0,
            keys: HashSet::default(),
            nodes: 0,
        })
    }

    /// Writes a line.
    ///
    /// # Errors
    /// The system's. [`TraceWriter::error`] adds the name of the file.
    pub fn write(&mut self, line: &Line) -> io::Result<()> {
        match &mut self.target {
            Target::File(writer, _) => line.write(writer)?,
            Target::Device(writer, _) => line.write(writer)?,
            Target::Stdout(writer) => line.write(writer)?,
        }
        self.operations += 1;
        self.nodes = self.nodes.max(line.node + 1);
        if !self.keys.contains(line.key.as_str()) {
            self.keys.insert(line.key.clone());
        }
        Ok(())
    }

    /// The number of lines written.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.operations
    }

    /// A failed [`TraceWriter::write`], with the name of the file.
    #[must_use]
    pub fn error(&self, source: io::Error) -> WriteError {
        failed(self.target.file(), source)
    }

    /// Flushes the trace, and moves it to its place if it goes to a file.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn finish(self) -> Result<Size, WriteError> {
        let size = Size {
            operations: self.operations,
            keys: self.keys.len() as u64,
            nodes: self.nodes,
        };
        let file = self.target.file().map(Path::to_owned);
        let done = self.target.finish();
        done.map_err(|source| failed(file.as_deref(), source))?;
        Ok(size)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}, {}, {}",
            counted(self.operations, "operation"),
            counted(self.keys, "key"),
            counted(self.nodes.into(), "node")
        )
    }
}

/// Writes `text` to a file, which has its old content until it has all of the new one. A named pipe
/// or a device is written in place.
///
/// # Errors
/// [`WriteError::File`].
pub fn write_whole(file: &Path, text: &str) -> Result<(), WriteError> {
    let write = || {
        let mut target = open(file)?;
        match &mut target {
            Target::File(writer, _) => writer.write_all(text.as_bytes())?,
            Target::Device(writer, _) => writer.write_all(text.as_bytes())?,
            Target::Stdout(writer) => writer.write_all(text.as_bytes())?,
        }
        target.finish()
    };
    write().map_err(|source| failed(Some(file), source))
}

/// A failure to write a file, or to stdout without one.
fn failed(file: Option<&Path>, source: io::Error) -> WriteError {
    match file {
        Some(file) => WriteError::File {
            file: file.to_owned(),
            source,
        },
        None => WriteError::Stdout(source),
    }
}

impl Target {
    /// The file; `None` for stdout.
    fn file(&self) -> Option<&Path> {
        match self {
            Self::File(_, file) | Self::Device(_, file) => Some(file),
            Self::Stdout(_) => None,
        }
    }

    /// Writes what is left. A temporary file takes its place.
    fn finish(self) -> io::Result<()> {
        match self {
            Self::File(writer, file) => {
                let temporary = writer.into_inner();
                let temporary = temporary.map_err(io::IntoInnerError::into_error)?;
                temporary.persist(file)?;
                Ok(())
            }
            Self::Device(mut writer, _) => writer.flush(),
            Self::Stdout(mut writer) => writer.flush(),
        }
    }
}

fn open(file: &Path) -> io::Result<Target> {
    // Replace what a link points at, not the link.
    let file = std::fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    if std::fs::metadata(&file).is_ok_and(|data| !data.is_file() && !data.is_dir()) {
        let device = File::options().write(true).open(&file)?;
        return Ok(Target::Device(BufWriter::new(device), file));
    }
    if file.is_dir() {
        return Err(io::Error::new(
            io::ErrorKind::IsADirectory,
            "is a folder; give the name of a file",
        ));
    }
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".trace-").suffix(".tmp");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // The permissions of any new file, less the umask; temporary files are private otherwise.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let temporary = builder.tempfile_in(folder)?;
    Ok(Target::File(
        BufWriter::with_capacity(1 << 16, temporary),
        file,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Action;

    fn toggle(node: u32, key: &str) -> Line {
        Line {
            t: 0,
            node,
            key: key.into(),
            field: String::new(),
            action: Action::Toggle,
        }
    }

    #[test]
    fn a_trace_replaces_its_file_only_when_it_is_finished() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("trace.jsonl");
        std::fs::write(&file, "old").unwrap();
        let mut dropped = TraceWriter::create(Some(&file)).unwrap();
        dropped.write(&toggle(0, "a")).unwrap();
        drop(dropped);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "old");

        let mut finished = TraceWriter::create(Some(&file)).unwrap();
        for (node, key) in [(0, "a"), (2, "b"), (1, "a")] {
            finished.write(&toggle(node, key)).unwrap();
        }
        let size = finished.finish().unwrap();
        assert_eq!(size.to_string(), "3 operations, 2 keys, 3 nodes");
        let single = Size {
            operations: 1,
            keys: 1,
            nodes: 1,
        };
        assert_eq!(single.to_string(), "1 operation, 1 key, 1 node");
        assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 3);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_text_replaces_its_file_and_not_what_another_name_leads_to() {
        let folder = tempfile::tempdir().unwrap();
        let [file, other] = ["page.html", "trace.jsonl"].map(|name| folder.path().join(name));
        std::fs::write(&other, "old").unwrap();
        std::fs::hard_link(&other, &file).unwrap();
        write_whole(&file, "new").unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(std::fs::read_to_string(&other).unwrap(), "old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
        let refused = write_whole(folder.path(), "new").unwrap_err().to_string();
        assert!(refused.contains("is a folder"), "{refused}");
    }
}
