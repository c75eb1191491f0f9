//! The files of a node at one moment, so that a power cut can restore what was synced.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;

/// The files of a folder with their contents.
#[derive(Clone, Debug, Default)]
pub struct Files(BTreeMap<OsString, Vec<u8>>);

impl Files {
    /// Reads a folder, except for SQLite's shared-memory files: they vanish with the process, and
    /// SQLite rebuilds them.
    ///
    /// # Errors
    ///
    /// An entry that cannot be read, such as a folder in the folder.
    pub fn read(folder: &Path) -> io::Result<Self> {
        let mut files = BTreeMap::new();
        for entry in fs::read_dir(folder)? {
            let name = entry?.file_name();
            if !name.to_string_lossy().ends_with("-shm") {
                let content = fs::read(folder.join(&name))?;
                files.insert(name, content);
            }
        }
        Ok(Self(files))
    }

    /// Replaces everything in a folder with these files. None of its files may be open.
    ///
    /// # Errors
    ///
    /// A file or folder that cannot be removed or written.
    pub fn restore(&self, folder: &Path) -> io::Result<()> {
        fs::remove_dir_all(folder)?;
        fs::create_dir(folder)?;
        for (name, content) in &self.0 {
            fs::write(folder.join(name), content)?;
        }
        Ok(())
    }
}
