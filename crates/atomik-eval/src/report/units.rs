//! Numbers as a person reads them: three significant digits, and the unit that makes them short.

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Microseconds.
    Micros,
    /// Nanoseconds.
    Nanos,
    /// Bytes; thousands are decimal.
    Bytes,
    /// Whole things: every digit is shown.
    Count,
    /// Things on average.
    Number,
    /// So many times as much.
    Times,
    /// A share of 1, shown in percent.
    Share,
}

const TIMES: [(f64, &str); 7] = [
    (1.0, "ns"),
    (1e3, "µs"),
    (1e6, "ms"),
    (1e9, "s"),
    (60e9, "min"),
    (3_600e9, "h"),
    (86_400e9, "d"),
];
/// As [`TIMES`], of microseconds.
const MICROS: [(f64, &str); 7] = [
    (1e-3, "ns"),
    (1.0, "µs"),
    (1e3, "ms"),
    (1e6, "s"),
    (60e6, "min"),
    (3_600e6, "h"),
    (86_400e6, "d"),
];
/// Units of time that are decimal, for marks that are.
const DECIMAL: usize = 4;
const BYTES: [(f64, &str); 6] = [
    (1.0, "B"),
    (1e3, "kB"),
    (1e6, "MB"),
    (1e9, "GB"),
    (1e12, "TB"),
    (1e15, "PB"),
];
const PLAIN: [(f64, &str); 1] = [(1.0, "")];

impl Unit {
    /// The value with its unit, three significant digits; whole bytes, nanoseconds and things below
    /// 1000 have no decimals.
    pub fn show(self, value: f64) -> String {
        self.shown(value, false)
    }

    /// As [`Unit::show`], without zeros at the end, and counts in thousands and millions: for the
    /// marks of an axis.
    pub fn mark(self, value: f64) -> String {
        self.shown(value, true)
    }

    fn shown(self, value: f64, short: bool) -> String {
        if !value.is_finite() {
            return "not a number".into();
        }
        match self {
            Self::Micros if short => scaled(value, &MICROS[..DECIMAL], short),
            Self::Nanos if short => scaled(value, &TIMES[..DECIMAL], short),
            Self::Micros => scaled(value, &MICROS, short),
            Self::Nanos => scaled(value, &TIMES, short),
            Self::Bytes => scaled(value, &BYTES, short),
            Self::Count | Self::Number if short => scaled(
                value,
                &[(1.0, ""), (1e3, "k"), (1e6, "M"), (1e9, "G")],
                short,
            ),
            // A whole number of this size is exact in an f64.
            Self::Count if value.abs() < 9e15 => whole(value),
            Self::Count | Self::Number => scaled(value, &PLAIN, short),
            Self::Times => format!("{}×", scaled(value, &PLAIN, short)),
            Self::Share => format!("{} %", scaled(value * 100.0, &PLAIN, short)),
        }
    }
}

/// Bytes.
pub fn bytes(value: u64) -> String {
    Unit::Bytes.show(value as f64)
}

/// A count, every digit of it, in groups of three.
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 operation`, `2 operations`.
pub fn counted(value: u64, noun: &str) -> String {
    let plural = if value == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", count(value))
}

fn whole(value: f64) -> String {
    let sign = if value.round() < 0.0 { "−" } else { "" };
    format!("{sign}{}", count(value.abs().round() as u64))
}

/// The value in the largest unit that is not larger than it.
fn scaled(value: f64, units: &[(f64, &str)], short: bool) -> String {
    // Rounded for the choice, so that 999.6 is "1.00 k" and never "1000".
    let rounded = round(value);
    let (factor, unit) = units
        .iter()
        .rev()
        .find(|(factor, _)| rounded.abs() >= *factor)
        .or(units.first())
        .copied()
        .unwrap_or((1.0, ""));
    let exact = factor <= 1.0 && (value / factor).fract() == 0.0 && value.abs() < 1e3;
    let mut text = if exact {
        whole(value / factor)
    } else {
        significant(round(value / factor))
    };
    if short && text.contains('.') && !text.contains('×') {
        text = text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    if unit.is_empty() {
        text
    } else {
        format!("{text} {unit}")
    }
}

/// To three significant digits.
fn round(value: f64) -> f64 {
    let rounded: f64 = format!("{value:.2e}").parse().unwrap_or(value);
    // The largest numbers would be rounded up to infinity.
    if rounded.is_finite() { rounded } else { value }
}

fn significant(value: f64) -> String {
    let sign = if value < 0.0 { "−" } else { "" };
    let value = value.abs();
    let exponent = value.log10().floor();
    match value {
        0.0 => "0".into(),
        1e6.. | ..1e-3 => format!("{sign}{}", scientific(value)),
        1e3.. => format!("{sign}{}", count(value.round() as u64)),
        _ => format!("{sign}{value:.*}", (2.0 - exponent).max(0.0) as usize),
    }
}

fn scientific(value: f64) -> String {
    let text = format!("{value:.2e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let raised: String = exponent
        .chars()
        .map(|digit| match digit {
            '-' => '⁻',
            '1' => '¹',
            '2' => '²',
            '3' => '³',
            _ => digit
                .to_digit(10)
                .and_then(|n| char::from_u32(0x2070 + n))
                .unwrap_or(digit),
        })
        .collect();
    format!("{mantissa}×10{raised}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_have_three_significant_digits_and_the_unit_that_makes_them_short() {
        let shown = [
            (Unit::Micros, 0.0),
            (Unit::Micros, 0.2),
            (Unit::Micros, 850.0),
            (Unit::Micros, 999.6),
            (Unit::Micros, 61e6),
            (Unit::Micros, 31_536e9),
            (Unit::Nanos, 12.345),
            (Unit::Bytes, 512.0),
            (Unit::Bytes, 98.25),
            (Unit::Bytes, -1_234.0),
            (Unit::Bytes, 1e24),
            (Unit::Count, 336_776.0),
            (Unit::Number, 0.000_012_34),
            (Unit::Number, 12_345.6),
            (Unit::Times, 3.21),
            (Unit::Share, 0.123_4),
            (Unit::Share, 1.0),
            (Unit::Bytes, f64::NAN),
            (Unit::Nanos, f64::MAX),
        ]
        .map(|(unit, value)| unit.show(value));
        assert_eq!(
            shown,
            [
                "0 ns",
                "200 ns",
                "850 µs",
                "1.00 ms",
                "1.02 min",
                "365 d",
                "12.3 ns",
                "512 B",
                "98.2 B",
                "−1.23 kB",
                "1.00×10⁹ PB",
                "336,776",
                "1.23×10⁻⁵",
                "12,300",
                "3.21×",
                "12.3 %",
                "100 %",
                "not a number",
                "2.08×10²⁹⁴ d"
            ]
        );
        assert_eq!(
            [1e3, 5e3, 2e6, 50.0].map(|x| Unit::Count.mark(x)),
            ["1 k", "5 k", "2 M", "50"]
        );
        assert_eq!(
            [0.1, 5e4, 1e8].map(|x| Unit::Micros.mark(x)),
            ["100 ns", "50 ms", "100 s"]
        );
    }

    /// What a text says, in the smallest unit.
    fn said(text: &str, units: &[(f64, &str)]) -> f64 {
        let (number, unit) = text.rsplit_once(' ').unwrap_or((text, ""));
        let factor = units.iter().find(|u| u.1 == unit).map_or(f64::NAN, |u| u.0);
        let number = number.replace(',', "");
        let value = match number.split_once("×10") {
            None => number.parse::<f64>().unwrap(),
            Some((mantissa, raised)) => {
                let exponent: String = raised
                    .chars()
                    .map(|c| match c {
                        '⁻' => '-',
                        '¹' => '1',
                        '²' => '2',
                        '³' => '3',
                        c => char::from_digit(c as u32 - 0x2070, 10).unwrap(),
                    })
                    .collect();
                format!("{mantissa}e{exponent}").parse().unwrap()
            }
        };
        value * factor
    }

    proptest! {
        #[test]
        fn what_is_shown_is_within_half_a_percent(magnitude in -9.0..24.0f64) {
            let value = 10f64.powf(magnitude);
            for (text, units) in [(Unit::Bytes.show(value), &BYTES[..]), (Unit::Nanos.show(value), &TIMES[..])] {
                let said = said(&text, units);
                prop_assert!((said / value - 1.0).abs() <= 0.0051, "{value} is shown as {text}");
            }
        }

        #[test]
        fn a_count_keeps_its_digits(value: u64) {
            prop_assert_eq!(count(value).replace(',', ""), value.to_string());
        }
    }
}
