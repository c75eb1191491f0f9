//! The files of a node that keeps some, as they were at one moment: what is there again after a
//! power cut is what was synced.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;

/// The files of a folder, with what is in them.
#[derive(Clone, Debug, Default)]
pub struct Files(BTreeMap<OsString, Vec<u8>>);

impl Files {
    /// Those that are in a folder now. SQLite's shared memory is none of them: it goes with the
    /// process, and is rebuilt.
    ///
    /// # Errors
    ///
    /// When one cannot be read, as a folder in the folder.
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

    /// Makes them all that is in a folder. Nobody may have a file there open.
    ///
    /// # Errors
    ///
    /// When something cannot be removed or written.
    pub fn restore(&self, folder: &Path) -> io::Result<()> {
        fs::remove_dir_all(folder)?;
        fs::create_dir(folder)?;
        for (name, content) in &self.0 {
            fs::write(folder.join(name), content)?;
        }
        Ok(())
    }
}
