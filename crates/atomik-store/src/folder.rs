//! The data folder: created durably, and locked while a store is open in it.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::Path;

use crate::StoreError;

/// The file that is locked while a store is open. It holds the process id of the last one that
/// locked it.
const LOCK: &str = "LOCK";

/// Creates the folder and its missing parents, durably.
pub(crate) fn create(dir: &Path) -> Result<(), StoreError> {
    let missing: Vec<&Path> = dir
        .ancestors()
        .take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists())
        .collect();
    fs::create_dir_all(dir).map_err(|error| StoreError::io(dir, error))?;
    for folder in missing {
        match folder.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => sync(parent)?,
            _ => sync(Path::new("."))?,
        }
    }
    Ok(())
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
    let mut file = File::options()
        .read(true)
        .write(true)
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
