//! The text form of keys and values in requests, answers and logs.

use atomik_replica::Value;
use serde::Deserialize;
use thiserror::Error;

/// The text is not a key or value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TextError {
    /// `0x` is not followed by pairs of hex digits.
    #[error(
        "{text:?} is not a key: write pairs of hex digits after 0x; \
         a key that itself begins with 0x must be written in hex"
    )]
    Key {
        /// The text.
        text: String,
    },
    /// The text is not a number.
    #[error("{text:?} is not a value: write 0x and hex digits, or a non-negative integer")]
    Value {
        /// The text.
        text: String,
    },
    /// The value is too wide.
    #[error(
        "{text} does not fit into the {bits} bits of this keyspace's values: write a smaller one"
    )]
    Wide {
        /// The text.
        text: String,
        /// The width of a value.
        bits: usize,
    },
}

/// Formats a key: as it is if it is printable text, else as `0x` and its bytes in hex.
#[must_use]
pub fn key_text(key: &[u8]) -> String {
    match std::str::from_utf8(key) {
        Ok(text) if !text.starts_with("0x") && !text.chars().any(char::is_control) => {
            text.to_owned()
        }
        _ => {
            let digits: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("0x{digits}")
        }
    }
}

/// Parses a key.
///
/// # Errors
/// [`TextError::Key`].
pub fn parse_key(text: &str) -> Result<Vec<u8>, TextError> {
    let Some(digits) = text.strip_prefix("0x") else {
        return Ok(text.as_bytes().to_vec());
    };
    let wrong = || TextError::Key {
        text: text.to_owned(),
    };
    if digits.len() % 2 != 0 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).map_err(|_| wrong()))
        .collect()
}

/// A value in a request: a non-negative integer, or text for [`parse_value`].
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Number {
    /// An integer of up to 64 bits.
    Small(u64),
    /// `0x` and hex digits, or an integer.
    Text(String),
}

impl Number {
    /// The value as `words` words.
    ///
    /// # Errors
    /// [`TextError`].
    pub fn value(&self, words: usize) -> Result<Value, TextError> {
        match self {
            Self::Small(number) => Ok(small(*number, words)),
            Self::Text(text) => parse_value(text, words),
        }
    }
}

fn small(number: u64, words: usize) -> Value {
    let mut all = vec![0; words];
    if let Some(first) = all.first_mut() {
        *first = number;
    }
    Value::from_words(&all)
}

/// Parses a value of `words` words: `0x` and hex digits, most significant first, or a non-negative
/// integer of at most 64 bits.
///
/// # Errors
/// [`TextError`].
pub fn parse_value(text: &str, words: usize) -> Result<Value, TextError> {
    let wrong = || TextError::Value {
        text: text.to_owned(),
    };
    let Some(digits) = text.strip_prefix("0x") else {
        let plain = !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
        return match text.parse() {
            Ok(number) if plain => Ok(small(number, words)),
            _ => Err(wrong()),
        };
    };
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    let digits = digits.trim_start_matches('0');
    if digits.len() > 16 * words {
        return Err(TextError::Wide {
            text: text.to_owned(),
            bits: 64 * words,
        });
    }
    let mut all = vec![0; words];
    for (word, chunk) in all.iter_mut().zip(digits.as_bytes().rchunks(16)) {
        let chunk = std::str::from_utf8(chunk).map_err(|_| wrong())?;
        *word = u64::from_str_radix(chunk, 16).map_err(|_| wrong())?;
    }
    Ok(Value::from_words(&all))
}

/// Bytes as hex digits.
#[must_use]
pub fn bytes_text(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Parses hex digits, two for each byte. Returns `None` for any other text.
#[must_use]
pub fn parse_bytes(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let pairs = (0..text.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formatted_keys_are_parsed_back() {
        for key in [
            &b"a/b"[..],
            b"0x",
            b"0xyz",
            "k\u{e4}se".as_bytes(),
            b"\xff\x00",
            b"a\nb",
        ] {
            assert_eq!(parse_key(&key_text(key)).unwrap(), key);
        }
        assert_eq!(key_text(b"plain"), "plain");
        assert_eq!(key_text(b"\xff"), "0xff");
        for text in ["0x1", "0xgg", "0x1é"] {
            assert!(parse_key(text).is_err(), "{text}");
        }
    }

    #[test]
    fn formatted_values_are_parsed_back_and_must_fit() {
        for (text, words) in [
            ("0xff", vec![255]),
            ("7", vec![7]),
            ("0x10000000000000002", vec![2, 1]),
        ] {
            let value = parse_value(text, words.len()).unwrap();
            assert_eq!(value.words(), words);
            assert_eq!(parse_value(&value.to_string(), words.len()).unwrap(), value);
        }
        assert!(matches!(
            parse_value("0x10000000000000000", 1),
            Err(TextError::Wide { bits: 64, .. })
        ));
        assert!(parse_value("0x00000000000000000001", 1).is_ok());
        for text in ["", "0x", "-1", "+1", "1.5", "0xg", "18446744073709551616"] {
            assert!(parse_value(text, 1).is_err(), "{text}");
        }
    }
}
