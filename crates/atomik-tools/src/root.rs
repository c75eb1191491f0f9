//! The project's root folder, which holds `.tools` and the reference designs.

use std::{
    env,
    path::{Path, PathBuf},
};

/// The project's root: `ATOMIK_ROOT` if it is set, otherwise the nearest folder at or above the
/// current one that holds `.tools`, or both `Cargo.toml` and `hdl`.
#[must_use]
pub fn project_root() -> Option<PathBuf> {
    if let Some(root) = env::var_os("ATOMIK_ROOT").filter(|root| !root.is_empty()) {
        return std::path::absolute(root).ok();
    }
    let here = env::current_dir().ok()?;
    here.ancestors()
        .find(|dir| is_root(dir))
        .map(Path::to_path_buf)
}

fn is_root(dir: &Path) -> bool {
    dir.join(".tools").is_dir() || dir.join("Cargo.toml").is_file() && dir.join("hdl").is_dir()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use tempfile::TempDir;

    #[test]
    fn a_root_is_a_folder_with_tools_or_with_a_workspace_and_its_verilog() {
        let folder = TempDir::new().unwrap();
        let [a, b] = ["a", "b"].map(|name| folder.path().join(name));
        fs::create_dir_all(&a).unwrap();
        fs::write(a.join("Cargo.toml"), "").unwrap();
        assert!(!is_root(&a));
        fs::create_dir_all(a.join("hdl")).unwrap();
        assert!(is_root(&a));
        fs::create_dir_all(b.join(".tools")).unwrap();
        assert!(is_root(&b));
    }
}
