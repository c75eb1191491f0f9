//! Public keys as text.

use atomik_replica::PublicKey;
use ed25519_dalek::VerifyingKey;
use thiserror::Error;

/// Formats a public key as 64 hex digits.
#[must_use]
pub fn public_key_text(key: &PublicKey) -> String {
    key.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The text is not a public key.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum KeyError {
    /// It is not 64 hex digits.
    #[error(
        "{text:?} is not a public key: write the 64 hex digits that `atomik-node keygen` prints"
    )]
    Digits {
        /// The text.
        text: String,
    },
    /// No private key belongs to it.
    #[error(
        "{text} is not a public key, for no private key belongs to it: copy the 64 hex digits that \
         `atomik-node keygen` prints"
    )]
    Ownerless {
        /// The text.
        text: String,
    },
}

/// Parses a public key: 64 hex digits, to which a private key can belong.
///
/// # Errors
/// [`KeyError`].
pub fn parse_public_key(text: &str) -> Result<PublicKey, KeyError> {
    let text_of = || text.to_owned();
    let key = parse_digits(text).ok_or_else(|| KeyError::Digits { text: text_of() })?;
    if can_be_owned(&key) {
        Ok(key)
    } else {
        Err(KeyError::Ownerless { text: text_of() })
    }
}

/// Whether a private key can belong to this key: a point other than the identity in the subgroup of
/// prime order, in its only encoding.
fn can_be_owned(key: &PublicKey) -> bool {
    VerifyingKey::from_bytes(key).is_ok_and(|parsed| {
        let point = parsed.to_edwards();
        !parsed.is_weak() && point.is_torsion_free() && point.compress().as_bytes() == key
    })
}

/// Parses 64 hex digits into 32 bytes. Returns `None` for any other text.
#[must_use]
pub fn parse_digits(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, at) in bytes.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
    }
    Some(bytes)
}
