//! The plan that a command reads.

use std::path::PathBuf;

use atomik_tools::project_root;

use crate::error::CommandError;

/// The file that is `given`, or `default` in the project's folder.
pub fn plan_file(given: &Option<PathBuf>, default: &str) -> Result<PathBuf, CommandError> {
    match given {
        Some(path) => Ok(path.clone()),
        None => Ok(project_root().ok_or(CommandError::NoProject)?.join(default)),
    }
}
