//! Cells as values: exact, or refused with what to write in the map.

use super::map::{Marks, Type};
use super::rows::Cell;
use crate::workload::Scalar;

/// The value of a cell of a type. Without one, JSON's own types count.
pub(super) fn scalar(cell: Cell<'_>, kind: Option<Type>, marks: Marks) -> Result<Scalar, String> {
    let text = match (cell, kind) {
        (Cell::Bool(value), None | Some(Type::Boolean)) => return Ok(Scalar::Bool(value)),
        (Cell::Text(text), None) => return Ok(Scalar::Text(text.to_owned())),
        (Cell::Number(text), None) => return integer(text, Marks::default()),
        (Cell::Number(text) | Cell::Text(text), Some(_)) => text,
        (Cell::Bool(value), Some(_)) => {
            if value {
                "true"
            } else {
                "false"
            }
        }
        (Cell::Absent, _) => "",
        (Cell::Null, _) => return Err("null is not a value".to_owned()),
        (Cell::Other(kind), _) => {
            return Err(format!(
                "{kind} is not a value: name a path into it, such as \"items.0\""
            ));
        }
    };
    match kind {
        None | Some(Type::Text) => Ok(Scalar::Text(text.to_owned())),
        Some(Type::Integer) => integer(text.trim(), marks),
        Some(Type::Decimal(digits)) => decimal(text.trim(), digits, marks),
        Some(Type::Boolean) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "1" => Ok(Scalar::Bool(true)),
            "false" | "f" | "no" | "n" | "0" => Ok(Scalar::Bool(false)),
            _ => Err(format!(
                "{text:?} is not a boolean: write `type = \"text\"`, or `values` that stand for \
                 true and false"
            )),
        },
    }
}

fn integer(text: &str, marks: Marks) -> Result<Scalar, String> {
    if let Ok(value) = text.parse() {
        return Ok(Scalar::Int(value));
    }
    Err(match Number::parse(text, marks) {
        Some(_) if marks.thousands.is_some_and(|mark| text.contains(mark)) => {
            return decimal(text, 0, marks);
        }
        None => format!("{text:?} is not an integer: write `type = \"text\"`"),
        Some(number) => match number.scaled(number.decimals()) {
            Some(_) => format!(
                "{text} is not written as an integer: write `type = \"decimal:{}\"`, or \
                 `type = \"text\"`",
                number.decimals()
            ),
            None => format!(
                "{text} does not fit an integer of 64 bits with a sign: write `type = \"text\"`"
            ),
        },
    })
}

fn decimal(text: &str, digits: u32, marks: Marks) -> Result<Scalar, String> {
    let Some(number) = Number::parse(text, marks) else {
        let other = |decimal, thousands| {
            let marks = Marks {
                decimal,
                thousands: Some(thousands),
            };
            Number::parse(text, marks).is_some()
        };
        let hint = if other(',', '.') && text.contains('.') {
            "write `decimal_mark = \",\"` and `thousands_mark = \".\"` in [csv], or `type = \
             \"text\"`"
        } else if other(',', '.') {
            "write `decimal_mark = \",\"` in [csv], or `type = \"text\"`"
        } else if other('.', ',') {
            "write `thousands_mark = \",\"` in [csv], or `type = \"text\"`"
        } else {
            "write `type = \"text\"`"
        };
        return Err(format!("{text:?} is not a number: {hint}"));
    };
    let needed = number.decimals();
    if needed > digits {
        return Err(format!(
            "{text} has {needed} decimals: write `type = \"decimal:{needed}\"`, or \
             `type = \"text\"`"
        ));
    }
    number.scaled(digits).map(Scalar::Int).ok_or_else(|| {
        format!(
            "{text} with {digits} decimals does not fit 64 bits with a sign: write fewer decimals, \
             or `type = \"text\"`"
        )
    })
}

/// A decimal number: digits times a power of ten.
pub(super) struct Number {
    negative: bool,
    /// Without zeros at either end; empty for zero.
    digits: String,
    exponent: i64,
}

impl Number {
    /// A number such as `-3.540` or `1e3`.
    pub fn parse(text: &str, marks: Marks) -> Option<Self> {
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => {
                let exponent: i64 = exponent.parse().ok()?;
                (mantissa, exponent)
            }
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once(marks.decimal).unwrap_or((mantissa, ""));
        let whole = match marks.thousands {
            Some(mark) if whole.contains(mark) => &joined(whole, mark)?,
            _ => whole,
        };
        let decimal = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() && fraction.is_empty() || !decimal(whole) || !decimal(fraction) {
            return None;
        }
        let all = format!("{whole}{fraction}");
        let significant = all.trim_end_matches('0');
        let zeros = (all.len() - significant.len()) as i64;
        Some(Self {
            negative,
            digits: significant.trim_start_matches('0').to_owned(),
            exponent: exponent
                .saturating_sub(fraction.len() as i64)
                .saturating_add(zeros),
        })
    }

    /// The decimals that it needs.
    pub fn decimals(&self) -> u32 {
        if self.digits.is_empty() {
            return 0;
        }
        u32::try_from(self.exponent.saturating_neg().max(0)).unwrap_or(u32::MAX)
    }

    /// The number as an integer with this many decimals, if it fits.
    pub fn scaled(&self, decimals: u32) -> Option<i64> {
        if self.digits.is_empty() {
            return Some(0);
        }
        let zeros = self.exponent.checked_add(i64::from(decimals))?;
        let zeros = usize::try_from(zeros).ok().filter(|zeros| *zeros < 20)?;
        let sign = if self.negative { "-" } else { "" };
        format!("{sign}{}{}", self.digits, "0".repeat(zeros))
            .parse()
            .ok()
    }
}

/// `1234567` of `1.234.567`.
fn joined(whole: &str, mark: char) -> Option<String> {
    let mut groups = whole.split(mark);
    let first = groups.next()?;
    let fine = (1..=3).contains(&first.len()) && groups.all(|group| group.len() == 3);
    fine.then(|| whole.replace(mark, ""))
}

/// The type of the cells of a column of a table without types.
pub(super) fn guess<'a>(cells: impl Iterator<Item = &'a str>, marks: Marks) -> Type {
    let (mut any, mut numbers, mut booleans) = (false, true, true);
    for cell in cells {
        any = true;
        let digits = cell.trim_start_matches(['-', '+']);
        let padded = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
        numbers &= Number::parse(cell, marks).is_some() && !padded;
        let word = cell.to_ascii_lowercase();
        booleans &= matches!(word.as_str(), "true" | "false" | "yes" | "no");
    }
    match (any, numbers, booleans) {
        (true, true, _) => Type::Integer,
        (true, _, true) => Type::Boolean,
        _ => Type::Text,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(text: &str, kind: Type) -> Result<Scalar, String> {
        scalar(Cell::Text(text), Some(kind), Marks::default())
    }

    #[test]
    fn numbers_are_exact_or_refused_with_what_to_write() {
        let three = Type::Decimal(3);
        for (cell, kind, value) in [
            ("9223372036854775807", Type::Integer, i64::MAX),
            ("-9223372036854775808", Type::Integer, i64::MIN),
            (" 007 ", Type::Integer, 7),
            ("3.540", three, 3540),
            ("-3.54", three, -3540),
            ("1e3", three, 1_000_000),
            ("1e3", Type::Decimal(0), 1000),
            ("12.5e-2", three, 125),
            ("0.000000", Type::Decimal(0), 0),
            ("0e99999999999", Type::Decimal(0), 0),
            (".5", three, 500),
            ("9223372036854775.807", three, i64::MAX),
        ] {
            assert_eq!(text(cell, kind), Ok(Scalar::Int(value)), "{cell}");
        }
        let german = Marks {
            decimal: ',',
            thousands: Some('.'),
        };
        for (cell, kind, value) in [
            ("3,54", three, Some(3540)),
            ("-1.234,56", three, Some(-1_234_560)),
            ("1.234.567", Type::Integer, Some(1_234_567)),
            ("1.234", Type::Integer, Some(1234)),
            ("12.34,5", three, None),
            ("1234.567", Type::Integer, None),
            (".123", Type::Integer, None),
        ] {
            let found = scalar(Cell::Text(cell), Some(kind), german).ok();
            assert_eq!(found, value.map(Scalar::Int), "{cell}");
        }
        for (cell, kind, reason) in [
            (
                "18446744073709551615",
                Type::Integer,
                "does not fit an integer of 64 bits",
            ),
            ("1e3", Type::Integer, "write `type = \"decimal:0\"`"),
            ("3.540", Type::Integer, "write `type = \"decimal:2\"`"),
            ("x", Type::Integer, "write `type = \"text\"`"),
            (
                "3.5401",
                three,
                "has 4 decimals: write `type = \"decimal:4\"`",
            ),
            ("9223372036854775.808", three, "does not fit 64 bits"),
            ("1e99999999999999999999", three, "is not a number"),
            ("1e30", three, "does not fit 64 bits"),
            ("3,54", three, "write `decimal_mark = \",\"` in"),
            (
                "1.234,56",
                three,
                "`decimal_mark = \",\"` and `thousands_mark = \".\"`",
            ),
            ("1,234.56", three, "write `thousands_mark = \",\"`"),
            (".", three, "is not a number"),
            ("maybe", Type::Boolean, "is not a boolean"),
        ] {
            let message = text(cell, kind).unwrap_err();
            assert!(message.contains(reason), "{cell}: {message}");
        }
    }

    #[test]
    fn types_are_guessed_where_all_cells_agree() {
        for (cells, kind) in [
            (&["1", "-2"][..], Type::Integer),
            (&["1", "2.5"], Type::Integer),
            (&["1", "x"], Type::Text),
            (&["01067", "80331"], Type::Text),
            (&["true", "False"], Type::Boolean),
            (&["yes", "No"], Type::Boolean),
            (&["true", "1"], Type::Text),
            (&[], Type::Text),
        ] {
            assert_eq!(
                guess(cells.iter().copied(), Marks::default()),
                kind,
                "{cells:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn an_integer_written_with_decimals_is_read_back(value: i64, digits in 0u32..=18) {
            let scale = 10i128.pow(digits);
            let magnitude = i128::from(value).abs();
            let sign = if value < 0 { "-" } else { "" };
            let width = digits as usize;
            let fraction = match digits {
                0 => String::new(),
                _ => format!(".{:0width$}", magnitude % scale),
            };
            let written = format!("{sign}{}{fraction}", magnitude / scale);
            prop_assert_eq!(text(&written, Type::Decimal(digits)), Ok(Scalar::Int(value)));
        }
    }
}
