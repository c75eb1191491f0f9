//! The credential files of a member: its own key, the secret of the keyspace, and the token of its
//! control connections over TCP.
//!
//! Each file is one line: a word that names its kind, and 64 hex digits. Both are created with mode
//! 0600 and rejected if other users can read them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub use atomik_node_options::key::{KeyError, parse_digits, parse_public_key, public_key_text};
use atomik_replica::PublicKey;
use ed25519_dalek::SigningKey;
use thiserror::Error;

use crate::folder::{Existing, files_named, write_private};

/// A kind of credential file.
struct Kind {
    /// The first word.
    word: &'static str,
    /// What to do if the file does not exist.
    missing: &'static str,
    /// What to do if the file is damaged, other than to name another one.
    damaged: &'static str,
}

const KEY: Kind = Kind {
    word: "atomik-key-1",
    missing: "create it with `atomik-node keygen -o FILE`",
    damaged: "restore it from a backup",
};

const SECRET: Kind = Kind {
    word: "atomik-secret-1",
    missing: "copy it from another member, or create the first with `atomik-node secret -o FILE`",
    damaged: "copy it from another member",
};

const TOKEN: Kind = Kind {
    word: "atomik-token-1",
    missing: "name the data folder of the node or a copy of its file control.token",
    damaged: "delete it in the node's data folder and start the node again, which creates another",
};

/// Why a key, a secret or a token could not be created or read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// The file does not exist.
    #[error("{}: no such file; {next}", .path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// How to create it.
        next: &'static str,
    },
    /// The file exists already.
    #[error(
        "{}: already exists and is not replaced; name another file, or move it",
        .path.display()
    )]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Other users can read the file.
    #[error(
        "{}: other users can read it (mode {mode:o}); run `chmod 600` on it, \
         and create a new one if it may have been read",
        .path.display()
    )]
    Readable {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// There is a folder in place of the file.
    #[error("{}: a folder, not a file; name the right file, or {next}", .path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// How to get the file back.
        next: &'static str,
    },
    /// The contents are not those of such a file.
    #[error(
        "{}: not one line of `{word}` and 64 hex digits; name the right file, or {next}",
        .path.display()
    )]
    Contents {
        /// The file.
        path: PathBuf,
        /// The expected first word.
        word: &'static str,
        /// How to get it back.
        next: &'static str,
    },
    /// The file cannot be accessed.
    #[error("{}: {source}; name a file that can be read and written", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The system has no random numbers.
    #[error("the system has no random numbers: {0}; make sure that /dev/urandom exists")]
    Random(getrandom::Error),
}

/// Bytes from the system's random number generator.
///
/// # Errors
/// [`CredentialError::Random`].
pub fn random<const N: usize>() -> Result<[u8; N], CredentialError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(CredentialError::Random)?;
    Ok(bytes)
}

/// Creates an ed25519 key file and returns the public key.
///
/// # Errors
/// If the file exists or cannot be written.
pub fn make_key(path: &Path) -> Result<PublicKey, CredentialError> {
    let bytes = random()?;
    write(path, &KEY, &bytes)?;
    Ok(SigningKey::from_bytes(&bytes).verifying_key().to_bytes())
}

/// Creates the secret file of a keyspace, to be copied to every member.
///
/// # Errors
/// If the file exists or cannot be written.
pub fn make_secret(path: &Path) -> Result<(), CredentialError> {
    write(path, &SECRET, &random()?)
}

/// The path of the key in a data folder.
#[must_use]
pub fn key_file(data: &Path) -> PathBuf {
    data.join("node.key")
}

/// The paths of the keys in a data folder that its node had before: `former.key`, and all
/// `former-*.key`.
#[must_use]
pub fn former_key_files(data: &Path) -> Vec<PathBuf> {
    // A folder that cannot be read is reported when the store in it is opened.
    files_named(data, |name| {
        name == "former.key" || name.starts_with("former-") && name.ends_with(".key")
    })
}

/// The path of the keyspace's secret in a data folder.
#[must_use]
pub fn secret_file(data: &Path) -> PathBuf {
    data.join("keyspace.secret")
}

/// Writes a known secret to a new file.
///
/// # Errors
/// If the file exists or cannot be written.
pub fn write_secret(path: &Path, secret: &[u8; 32]) -> Result<(), CredentialError> {
    write(path, &SECRET, secret)
}

/// Reads a key file.
///
/// # Errors
/// If the file is missing, readable by other users, or malformed.
pub fn read_key(path: &Path) -> Result<SigningKey, CredentialError> {
    Ok(SigningKey::from_bytes(&read(path, &KEY)?))
}

/// Reads a secret file.
///
/// # Errors
/// As [`read_key`].
pub fn read_secret(path: &Path) -> Result<[u8; 32], CredentialError> {
    read(path, &SECRET)
}

/// What a client of a TCP control connection has to know. A comparison takes the same time for all
/// tokens.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Token(blake3::Hash);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(..)")
    }
}

impl Token {
    /// Parses 64 hex digits. Returns `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Some(Self(blake3::Hash::from_bytes(parse_digits(text)?)))
    }

    /// The token as 64 hex digits.
    #[must_use]
    pub fn text(&self) -> String {
        public_key_text(self.0.as_bytes())
    }
}

/// The path of a data folder's token.
#[must_use]
pub fn token_file(data: &Path) -> PathBuf {
    data.join("control.token")
}

/// Reads a token file.
///
/// # Errors
/// As [`read_key`].
pub fn read_token(path: &Path) -> Result<Token, CredentialError> {
    let bytes = read(path, &TOKEN)?;
    Ok(Token(blake3::Hash::from_bytes(bytes)))
}

/// Reads the token of a data folder, creating it if there is none.
///
/// # Errors
/// As [`read_key`], or if the file cannot be written.
pub(crate) fn open_token(data: &Path) -> Result<Token, CredentialError> {
    let path = token_file(data);
    match write(&path, &TOKEN, &random()?) {
        Ok(()) | Err(CredentialError::Exists { .. }) => read_token(&path),
        Err(error) => Err(error),
    }
}

fn write(path: &Path, kind: &Kind, bytes: &[u8; 32]) -> Result<(), CredentialError> {
    let refused = |source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => CredentialError::Exists {
            path: path.to_owned(),
        },
        _ => CredentialError::Io {
            path: path.to_owned(),
            source,
        },
    };
    let line = format!("{} {}\n", kind.word, public_key_text(bytes));
    write_private(path, line.as_bytes(), Existing::Keep).map_err(refused)
}

fn read(path: &Path, kind: &Kind) -> Result<[u8; 32], CredentialError> {
    let refused = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => CredentialError::Missing {
            path: path.to_owned(),
            next: kind.missing,
        },
        _ => CredentialError::Io {
            path: path.to_owned(),
            source,
        },
    };
    let metadata = fs::metadata(path).map_err(refused)?;
    if metadata.is_dir() {
        return Err(CredentialError::Folder {
            path: path.to_owned(),
            next: kind.damaged,
        });
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(CredentialError::Readable {
                path: path.to_owned(),
                mode,
            });
        }
    }
    let wrong = || CredentialError::Contents {
        path: path.to_owned(),
        word: kind.word,
        next: kind.damaged,
    };
    let text = String::from_utf8(fs::read(path).map_err(refused)?).map_err(|_| wrong())?;
    text.trim_end()
        .strip_prefix(kind.word)
        .and_then(|rest| parse_digits(rest.trim_start()))
        .ok_or_else(wrong)
}
