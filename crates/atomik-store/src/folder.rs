//! The data folder: created durably, and locked while a store is open in it.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::Path;

use crate::acknowledged::{self, Acknowledged};
use crate::{Notice, StoreError};

/// The file that is locked while a store is open. It holds the process id of the last one that
/// locked it.
pub(crate) const LOCK: &str = "LOCK";

/// Creates the folder, for its user alone, and its missing parents, durably.
pub(crate) fn create(dir: &Path) -> Result<(), StoreError> {
    let missing: Vec<&Path> = dir
        .ancestors()
        .take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists())
        .collect();
    let refused = |error| StoreError::io(dir, error);
    if let Some(parent) = dir.parent() {
        fs::create_dir_all(parent).map_err(refused)?;
    }
    let mut builder = DirBuilder::new();
    // An existing folder is no error.
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(refused)?;
    for folder in missing {
        match folder.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => sync(parent)?,
            _ => sync(Path::new("."))?,
        }
    }
    Ok(())
}

/// Options to read and write a file that only its user has access to.
pub(crate) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Takes the access of other users to the folder of a store and to `files` in it away. Leaves a
/// folder alone that is meant for all users: one for temporary files, or the root.
#[cfg(unix)]
pub(crate) fn tighten(dir: &Path, files: &[&str]) -> Result<Vec<Notice>, StoreError> {
    use std::os::unix::fs::PermissionsExt as _;
    /// Users delete only what is their own, as in `/tmp`.
    const STICKY: u32 = 0o1000;
    let mut notices = Vec::new();
    let paths = files.iter().map(|name| dir.join(name));
    for path in std::iter::once(dir.to_owned()).chain(paths) {
        let mode = match fs::metadata(&path) {
            Ok(found) => found.permissions().mode() & 0o7777,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(StoreError::io(&path, error)),
        };
        if mode & 0o077 == 0 {
            continue;
        }
        let left = if path == dir && (mode & STICKY != 0 || dir.parent().is_none()) {
            Some("it is meant for all users".to_owned())
        } else {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode & !0o077))
                .err()
                .map(|error| error.to_string())
        };
        notices.push(match left {
            None => Notice::Tightened { path, mode },
            Some(reason) => Notice::Open { path, mode, reason },
        });
    }
    Ok(notices)
}

#[cfg(not(unix))]
pub(crate) fn tighten(_: &Path, _: &[&str]) -> Result<Vec<Notice>, StoreError> {
    Ok(Vec::new())
}

/// Makes the names in a folder durable.
pub(crate) fn sync(dir: &Path) -> Result<(), StoreError> {
    // Only Unix opens a folder as a file. On other systems a rename is as durable as it gets.
    if cfg!(unix) {
        File::open(dir)
            .and_then(|dir| dir.sync_all())
            .map_err(|error| StoreError::io(dir, error))?;
    }
    Ok(())
}

/// Locks the folder until the returned file is closed; the system closes it when the process ends.
pub(crate) fn lock(dir: &Path) -> Result<File, StoreError> {
    let path = dir.join(LOCK);
    let refused = |error| StoreError::io(&path, error);
    let mut file = private()
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(refused)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // The holder is only named as a courtesy: the error is complete without it.
            let _ = file.read_to_string(&mut holder);
            return Err(StoreError::Locked {
                path,
                holder: holder.trim().parse().ok(),
            });
        }
        Err(TryLockError::Error(error)) => return Err(refused(error)),
    }
    write_process_id(&mut file).map_err(refused)?;
    Ok(file)
}

fn write_process_id(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

/// The file of the number of the last durable commit.
#[derive(Debug)]
pub(crate) struct AcknowledgedFile(pub(crate) File);

impl Acknowledged for AcknowledgedFile {
    fn read(&self) -> io::Result<Vec<u8>> {
        let mut file = &self.0;
        let mut bytes = Vec::new();
        file.rewind()?;
        file.take(1 << 10).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn write(&self, bytes: &[u8; acknowledged::LEN]) -> io::Result<()> {
        let mut file = &self.0;
        file.rewind()?;
        file.write_all(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}
