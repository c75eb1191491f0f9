//! The `data` of a command, as section 3 of `docs/spec.md` defines it.

use atomik_algebra::{Field, FieldKind, Layout};

use crate::command::{Data, DataError};
use crate::error::{Quote, Reason};

/// The word of `layout` that `text` stands for: the whole word in hex or decimal digits, a negative
/// integer if the only field adds, or a list in brackets with one value per field, from the lowest
/// bits up. `docs/spec.md`, section 3, has the details.
///
/// # Errors
/// [`Reason`] says what is wrong with the text.
pub fn parse_word(layout: &Layout, text: &str) -> Result<Data, Reason> {
    let list = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    if let Some(list) = list {
        return parse_list(layout, list);
    }
    if text.starts_with('-') {
        let mut fields = layout.fields();
        return match (fields.next(), fields.next()) {
            (Some(field), None) => parse_field(&field, 1, text),
            _ if layout.is_xor() => Err(Reason::NegativeXor(Quote::new(text))),
            _ => Err(Reason::NegativeWord {
                found: Quote::new(text),
                layout: layout.to_string().into(),
            }),
        };
    }
    let width = layout.width();
    match Data::parse(text) {
        Ok(data) if data.bits() <= width => Ok(data),
        Ok(data) => Err(Reason::DataTooWide {
            bits: Some(data.bits()),
            width,
        }),
        Err(DataError::TooWide) => Err(Reason::DataTooWide { bits: None, width }),
        Err(DataError::Form) => Err(Reason::BadData(Quote::new(text))),
    }
}

/// Values separated by commas. A hex string may have its JSON quotes.
fn parse_list(layout: &Layout, list: &str) -> Result<Data, Reason> {
    let values = || list.split(',').map(str::trim);
    let found = match list.trim() {
        "" => 0,
        _ => values().count(),
    };
    let fields = layout.fields().count();
    if found != fields {
        return Err(Reason::FieldCount {
            found,
            fields,
            layout: layout.to_string().into(),
        });
    }
    let mut word = Data::ZERO;
    for (number, (field, text)) in (1..).zip(layout.fields().zip(values())) {
        let hex = text
            .strip_prefix("\"0x")
            .and_then(|rest| rest.strip_suffix('"'));
        let value = match hex {
            Some(digits) => parse_field(&field, number, &format!("0x{digits}"))?,
            None => parse_field(&field, number, text)?,
        };
        word.set_field(&field, &value);
    }
    Ok(word)
}

/// The bits of value `number` of the data, counted from 1.
fn parse_field(field: &Field, number: usize, text: &str) -> Result<Data, Reason> {
    let outside = || Reason::OutsideField {
        number,
        found: Quote::new(text),
        kind: field.kind,
        bits: field.bits,
    };
    let digits = text.strip_prefix('-');
    if digits.is_some() && field.kind == FieldKind::Xor {
        return Err(Reason::NegativeXor(Quote::new(text)));
    }
    let magnitude = match digits {
        Some(digits) if digits.starts_with("0x") => Err(DataError::Form),
        Some(digits) => Data::parse(digits),
        None => Data::parse(text),
    };
    match magnitude {
        Ok(value) if digits.is_none() && value.bits() <= field.bits => Ok(value),
        Ok(value) if digits.is_some() && value.is_at_most_half(field.bits) => {
            Ok(value.negated(field.bits))
        }
        Ok(_) | Err(DataError::TooWide) => Err(outside()),
        Err(DataError::Form) => Err(Reason::BadData(Quote::new(text))),
    }
}
