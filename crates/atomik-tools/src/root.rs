//! The project's root folder, which holds the reference designs, and that of the installed tools.

use std::{
    env,
    path::{Path, PathBuf},
};

/// The project's root: `ATOMIK_ROOT` if it is set, otherwise the nearest folder at or above the
/// current one that holds both `Cargo.toml` and `hdl`.
#[must_use]
pub fn project_root() -> Option<PathBuf> {
    if let Some(root) = variable("ATOMIK_ROOT") {
        return std::path::absolute(root).ok();
    }
    let here = env::current_dir().ok()?;
    here.ancestors()
        .find(|dir| is_root(dir))
        .map(Path::to_path_buf)
}

/// Where `make setup` installs tools (`scripts/setup.sh`): `ATOMIK_TOOLS`, otherwise
/// `atomik/tools` below `XDG_DATA_HOME` or `~/.local/share`. `None` without a home folder.
#[must_use]
pub fn tools_dir() -> Option<PathBuf> {
    variable("ATOMIK_TOOLS").or_else(|| {
        let data = variable("XDG_DATA_HOME")
            .or_else(|| Some(variable("HOME")?.join(".local").join("share")))?;
        Some(data.join("atomik").join("tools"))
    })
}

/// A path in an environment variable, unless it is empty.
pub(crate) fn variable(name: &str) -> Option<PathBuf> {
    env::var_os(name)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

fn is_root(dir: &Path) -> bool {
    dir.join("Cargo.toml").is_file() && dir.join("hdl").is_dir()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use tempfile::TempDir;

    #[test]
    fn a_root_is_a_folder_with_a_workspace_and_its_verilog() {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("Cargo.toml"), "").unwrap();
        assert!(!is_root(folder.path()));
        fs::create_dir_all(folder.path().join("hdl")).unwrap();
        assert!(is_root(folder.path()));
    }
}
