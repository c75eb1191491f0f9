//! The two files that make a member: its own key, and the keyspace's secret.
//!
//! Each is one line, a word that says what it is and 64 hex digits. Both are made with mode 0600,
//! and refused if others may read them.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use atomik_replica::PublicKey;
use ed25519_dalek::SigningKey;
use thiserror::Error;

/// What stands before the digits of a key.
const KEY: &str = "atomik-key-1";
/// What stands before the digits of a secret.
const SECRET: &str = "atomik-secret-1";

/// Why a key or a secret could not be made or read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// There is none.
    #[error("{}: there is no such file; {next}", .path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// What makes one.
        next: &'static str,
    },
    /// It is there already.
    #[error(
        "{}: is there already and is not replaced; name another file, or move it away", .0.display()
    )]
    Exists(PathBuf),
    /// Others may read it.
    #[error(
        "{}: others may read it (mode {mode:o}); `chmod 600` it, and make a new one if somebody did", .path.display()
    )]
    Readable {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It holds something else.
    #[error(
        "{}: not one line of `{word}` and 64 hex digits; name the right file, or restore it from a backup", .path.display()
    )]
    Contents {
        /// The file.
        path: PathBuf,
        /// What it should begin with.
        word: &'static str,
    },
    /// The system refused.
    #[error("{}: {source}; name a file that can be read and written", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No random numbers.
    #[error("the system gives no random numbers: {0}; see that /dev/urandom is there")]
    Random(getrandom::Error),
}

/// Bytes from the system's generator.
///
/// # Errors
/// [`CredentialError::Random`].
pub fn random<const N: usize>() -> Result<[u8; N], CredentialError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(CredentialError::Random)?;
    Ok(bytes)
}

/// Makes an ed25519 key and returns its public half.
///
/// # Errors
/// If the file is there, or cannot be written.
pub fn make_key(path: &Path) -> Result<PublicKey, CredentialError> {
    let bytes = random()?;
    write(path, KEY, &bytes)?;
    Ok(SigningKey::from_bytes(&bytes).verifying_key().to_bytes())
}

/// Makes the secret of a keyspace, to be copied to every member.
///
/// # Errors
/// If the file is there, or cannot be written.
pub fn make_secret(path: &Path) -> Result<(), CredentialError> {
    write(path, SECRET, &random()?)
}

/// Reads a key.
///
/// # Errors
/// If there is none, if others may read it, or if it is something else.
pub fn read_key(path: &Path) -> Result<SigningKey, CredentialError> {
    let next = "`atomik-node keygen -o FILE` makes one";
    Ok(SigningKey::from_bytes(&read(path, KEY, next)?))
}

/// Reads a secret.
///
/// # Errors
/// As [`read_key`].
pub fn read_secret(path: &Path) -> Result<[u8; 32], CredentialError> {
    let next = "copy it from another member, or make the first with `atomik-node secret -o FILE`";
    read(path, SECRET, next)
}

/// Hex digits of a public key.
#[must_use]
pub fn key_text(key: &PublicKey) -> String {
    key.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// 32 bytes of 64 hex digits; `None` for any other text.
#[must_use]
pub fn parse_key(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, at) in bytes.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
    }
    Some(bytes)
}

fn write(path: &Path, word: &str, bytes: &[u8; 32]) -> Result<(), CredentialError> {
    let refused = |source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => CredentialError::Exists(path.to_owned()),
        _ => CredentialError::Io {
            path: path.to_owned(),
            source,
        },
    };
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        fs::create_dir_all(folder).map_err(refused)?;
    }
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(refused)?;
    writeln!(file, "{word} {}", key_text(bytes))
        .and_then(|()| file.sync_all())
        .map_err(refused)
}

fn read(path: &Path, word: &'static str, next: &'static str) -> Result<[u8; 32], CredentialError> {
    let refused = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => CredentialError::Missing {
            path: path.to_owned(),
            next,
        },
        _ => CredentialError::Io {
            path: path.to_owned(),
            source,
        },
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(path).map_err(refused)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(CredentialError::Readable {
                path: path.to_owned(),
                mode,
            });
        }
    }
    let wrong = || CredentialError::Contents {
        path: path.to_owned(),
        word,
    };
    // Not text is as wrong as another text.
    let text = String::from_utf8(fs::read(path).map_err(refused)?).map_err(|_| wrong())?;
    text.trim_end()
        .strip_prefix(word)
        .and_then(|rest| parse_key(rest.trim_start()))
        .ok_or_else(wrong)
}
