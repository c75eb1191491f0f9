//! Writing generated files.

use std::fmt::Write as _;
use std::path::Path;

use atomik_hdl::files::{self, TextFile};
use atomik_terminal::print;

use crate::error::CommandError;

/// Writes the files to `folder` and prints their paths.
pub fn write(files: &[TextFile], folder: &Path) -> Result<(), CommandError> {
    let mut text = String::new();
    for path in files::write(files, folder)? {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "wrote {}", path.display());
    }
    Ok(print(text)?)
}
