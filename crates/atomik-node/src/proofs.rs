//! The folder of the proofs that this node found: one file for each origin that contradicted
//! itself.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use atomik_replica::{OriginId, Proof};

use crate::folder::{Existing, create_private, write_private};

/// The folder's name in the data folder.
const FOLDER: &str = "evidence";

/// The most files in the folder.
const MOST: usize = 1000;

/// Where the proof against an origin is written, below the data folder.
fn path(data: &Path, origin: OriginId) -> PathBuf {
    data.join(FOLDER).join(format!("{origin}.evidence"))
}

/// Writes a proof, and replaces an earlier one against the same origin. Returns the file.
///
/// # Errors
/// If the file cannot be written, or there are too many already.
pub(crate) fn write(data: &Path, origin: OriginId, proof: &Proof) -> io::Result<PathBuf> {
    let path = path(data, origin);
    let folder = data.join(FOLDER);
    create_private(&folder)?;
    if !path.exists() && fs::read_dir(&folder)?.count() >= MOST {
        return Err(io::Error::other(format!(
            "{} has {MOST} files already: move some away",
            folder.display()
        )));
    }
    write_private(&path, &proof.encode(), Existing::Replace)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn one_private_file_for_each_origin_and_not_more_than_the_limit() {
        let data = tempfile::tempdir().unwrap();
        // The shape of a proof is enough: what it proves is checked before it is written.
        let mut bytes = vec![1, 0, 1, b'k', 1];
        bytes.extend_from_slice(&[0; 34]);
        let proof = Proof::decode(&bytes).unwrap();
        let origin = |n: u16| {
            let mut id = [0; 16];
            id[..2].copy_from_slice(&n.to_le_bytes());
            OriginId(id)
        };
        let file = write(data.path(), origin(0), &proof).unwrap();
        assert_eq!(fs::read(&file).unwrap(), bytes);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&file), 0o600);
        assert_eq!(mode(file.parent().unwrap()), 0o700);
        for n in 0..MOST as u16 {
            write(data.path(), origin(n), &proof).unwrap();
        }
        let full = write(data.path(), origin(MOST as u16), &proof).unwrap_err();
        assert!(full.to_string().contains("move some away"), "{full}");
    }
}
