//! The text form of keys and values in requests, answers and logs.

use std::borrow::{Borrow, Cow};

use atomik_replica::{Field, FieldKind, Layout, Shape, Value};
use atomik_trace::parse_word;
use serde::Deserialize;
use serde_json::Value as Json;
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
    /// The value does not fit the layout.
    #[error("{reason}")]
    Layout {
        /// Why, with what to do.
        reason: String,
    },
    /// The text is no addition.
    #[error(
        "{text:?} is not an addition: write an integer, FIELD=N with the position of a field from \
         1, or a list with one value per field"
    )]
    Addition {
        /// The text.
        text: String,
    },
    /// No field adds.
    #[error("no field of the layout {layout} adds: use accum, or a keyspace with one that does")]
    NothingAdds {
        /// The layout.
        layout: String,
    },
    /// Several fields add.
    #[error("several fields of the layout {layout} add: write FIELD=N for one of them")]
    SeveralAdd {
        /// The layout.
        layout: String,
    },
    /// The field does not add, or does not exist.
    #[error(
        "{}; choose a field that adds",
        match .exists {
            true => format!("field {field} does not add in the layout {layout}"),
            false => format!("there is no field {field} in the layout {layout}"),
        }
    )]
    NoField {
        /// The field, from 1.
        field: usize,
        /// Whether there is one.
        exists: bool,
        /// The layout.
        layout: String,
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

/// A value in a request: a single one for the whole, or a list.
#[derive(Clone, Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "a value is an integer of at most 64 bits, text such as \"0xff\", or a list with \
                 one of them per field"
)]
pub enum Number {
    /// An integer, or text for [`parse_value`].
    One(FieldNumber),
    /// One value per field, from the lowest bits up.
    List(Vec<FieldNumber>),
}

/// A single value in a request.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum FieldNumber {
    /// A non-negative integer of up to 64 bits.
    Small(u64),
    /// A negative one.
    Negative(i64),
    /// `0x` and hex digits, or an integer.
    Text(String),
}

impl FieldNumber {
    fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Small(number) => number.to_string().into(),
            Self::Negative(number) => number.to_string().into(),
            Self::Text(text) => text.into(),
        }
    }
}

impl Number {
    fn text(&self) -> Cow<'_, str> {
        match self {
            Self::One(value) => value.text(),
            Self::List(values) => list_text(values.iter().map(FieldNumber::text)).into(),
        }
    }

    /// The value in a keyspace of this shape.
    ///
    /// # Errors
    /// [`TextError`].
    pub fn value(&self, shape: &Shape) -> Result<Value, TextError> {
        match (self, shape.layout()) {
            (Self::One(FieldNumber::Small(number)), None) => Ok(small(*number, shape.words())),
            _ => parse_value(&self.text(), shape),
        }
    }

    /// The delta that adds this: an integer for the only field that adds, `F=N` for field F,
    /// counted from 1, or a list.
    ///
    /// # Errors
    /// [`TextError`].
    pub fn addition(&self, shape: &Shape) -> Result<Value, TextError> {
        let layout = || shape.to_string();
        let fields = shape.layout().into_iter().flat_map(Layout::fields);
        let adds: Vec<bool> = fields.map(|field| field.kind == FieldKind::Add).collect();
        let Some(first) = adds.iter().position(|adds| *adds) else {
            return Err(TextError::NothingAdds { layout: layout() });
        };
        let text = self.text();
        if text.starts_with('[') {
            return parse_value(&text, shape);
        }
        let wrong = || TextError::Addition {
            text: text.to_string(),
        };
        let (field, number) = match text.split_once('=') {
            Some((field, number)) => (field.parse::<usize>().map_err(|_| wrong())?, number),
            None if adds[first + 1..].contains(&true) => {
                return Err(TextError::SeveralAdd { layout: layout() });
            }
            None => (first + 1, &*text),
        };
        let digits = number.strip_prefix('-').unwrap_or(number);
        if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(wrong());
        }
        let chosen = adds.get(field.wrapping_sub(1));
        if chosen != Some(&true) {
            return Err(TextError::NoField {
                field,
                exists: chosen.is_some(),
                layout: layout(),
            });
        }
        let numbers = (1..=adds.len()).map(|at| if at == field { number } else { "0" });
        parse_value(&list_text(numbers), shape)
    }
}

/// The text of a list with these values.
fn list_text<T: Borrow<str>>(values: impl Iterator<Item = T>) -> String {
    format!("[{}]", values.collect::<Vec<_>>().join(","))
}

/// The value of each field, from the lowest bits up: hex digits for an xor field, and an integer
/// for one that adds, unless that takes more than 64 bits.
pub(crate) fn fields_json(layout: &Layout, value: &Value) -> Json {
    layout
        .fields()
        .map(|field| field_json(&field, value))
        .collect()
}

fn field_json(field: &Field, value: &Value) -> Json {
    let bit = |at: u32| u64::from(value.has((field.offset + at) as usize));
    let word = |first: u32| {
        let bits = first..field.bits.min(first + 64);
        bits.fold(0, |word, at| word | bit(at) << (at - first))
    };
    let (low, negative) = (word(0), bit(field.bits - 1) == 1);
    let low = match (negative, field.bits) {
        (true, bits @ 1..64) => low | u64::MAX << bits,
        _ => low,
    };
    let rest = if negative { 1 } else { 0 };
    let fits = low >> 63 == rest && (64..field.bits).all(|at| bit(at) == rest);
    if field.kind == FieldKind::Add && fits {
        return Json::from(low as i64);
    }
    let words = (0..field.bits).step_by(64).map(word);
    let digits: Vec<String> = words.map(|word| format!("{word:016x}")).collect();
    let digits: String = digits.into_iter().rev().collect();
    let digits = digits.trim_start_matches('0');
    Json::from(format!(
        "0x{}",
        if digits.is_empty() { "0" } else { digits }
    ))
}

/// Parses a value: `0x` and hex digits, most significant first, or a non-negative integer, in the
/// default layout of at most 64 bits. In another one also a list with one value per field, or a
/// negative integer for a single field that adds.
///
/// # Errors
/// [`TextError`].
pub fn parse_value(text: &str, shape: &Shape) -> Result<Value, TextError> {
    let Some(layout) = shape.layout() else {
        return parse_plain(text, shape.words());
    };
    let data = parse_word(layout, text).map_err(|reason| TextError::Layout {
        // In a trace, the word has this name.
        reason: reason.to_string().replace("\"data\"", "the word"),
    })?;
    Ok(Value::from_words(data.limbs(layout.width())))
}

fn small(number: u64, words: usize) -> Value {
    let mut all = vec![0; words];
    if let Some(first) = all.first_mut() {
        *first = number;
    }
    Value::from_words(&all)
}

fn parse_plain(text: &str, words: usize) -> Result<Value, TextError> {
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
            let shape = Shape::xor(words.len());
            let value = parse_value(text, &shape).unwrap();
            assert_eq!(value.words(), words);
            assert_eq!(parse_value(&value.to_string(), &shape).unwrap(), value);
        }
        assert!(matches!(
            parse_value("0x10000000000000000", &Shape::xor(1)),
            Err(TextError::Wide { bits: 64, .. })
        ));
        assert!(parse_value("0x00000000000000000001", &Shape::xor(1)).is_ok());
        for text in [
            "",
            "0x",
            "-1",
            "+1",
            "1.5",
            "0xg",
            "18446744073709551616",
            "[1]",
        ] {
            assert!(parse_value(text, &Shape::xor(1)).is_err(), "{text}");
        }
    }
}
