/// What a number measures, and so how it is shown: three significant digits, in the largest unit
/// that is not larger than the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Microseconds.
    Micros,
    /// Nanoseconds.
    Nanos,
    /// Bytes, with decimal prefixes: 1 kB is 1000 bytes.
    Bytes,
    /// A whole number of things, with every digit.
    Count,
    /// An average or a ratio without a unit.
    Number,
    /// A factor, with `×` behind it.
    Times,
    /// A share of 1, in percent.
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
/// The same for microseconds.
const MICROS: [(f64, &str); 7] = [
    (1e-3, "ns"),
    (1.0, "µs"),
    (1e3, "ms"),
    (1e6, "s"),
    (60e6, "min"),
    (3_600e6, "h"),
    (86_400e6, "d"),
];
/// The units of time up to seconds: the marks of an axis are decimal, and minutes are not.
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
    /// The value with its unit. Whole bytes, nanoseconds and counts below 1000 have no decimals.
    #[must_use]
    pub fn show(self, value: f64) -> String {
        self.shown(value, false)
    }

    /// The value at a mark of an axis: as [`Unit::show`], without trailing zeros, counts in
    /// thousands (k), millions (M) and billions (G), and times in seconds at most.
    #[must_use]
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

/// Bytes, with three significant digits: `98.2 kB`.
#[must_use]
pub fn bytes(value: u64) -> String {
    Unit::Bytes.show(value as f64)
}

/// A count with every digit, in groups of three: `1,234,567`.
#[must_use]
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

/// A count and its noun, with an `s` for the plural: `1 operation`, `2 operations`.
#[must_use]
pub fn counted(value: u64, noun: &str) -> String {
    let plural = if value == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", count(value))
}

/// A rate per second with a prefix, without its unit: `1.23 M`, `46 k`, `999`.
#[must_use]
pub fn rate(per_second: f64) -> String {
    match per_second {
        1e9.. => format!("{:.2} G", per_second / 1e9),
        1e6.. => format!("{:.2} M", per_second / 1e6),
        1e3.. => format!("{:.0} k", per_second / 1e3),
        _ => format!("{per_second:.0}"),
    }
}

/// A time span in the largest unit of which it holds two or more: `2.5 h`, `90.0 min`, `1999 ms`.
#[must_use]
pub fn duration(ms: u64) -> String {
    let ms = ms as f64;
    [
        (86_400e3, "days"),
        (3_600e3, "h"),
        (60e3, "min"),
        (1e3, "s"),
    ]
    .into_iter()
    .find(|(unit, _)| ms >= 2.0 * unit)
    .map_or_else(
        || format!("{ms} ms"),
        |(unit, name)| format!("{:.1} {name}", ms / unit),
    )
}

fn whole(value: f64) -> String {
    let sign = if value.round() < 0.0 { "−" } else { "" };
    format!("{sign}{}", count(value.abs().round() as u64))
}

/// The value in the largest of `units` that is not larger than it.
fn scaled(value: f64, units: &[(f64, &str)], short: bool) -> String {
    // The unit is chosen by the rounded value, so that 999.6 is "1.00 k" and never "1000".
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

/// Rounds to three significant digits.
fn round(value: f64) -> f64 {
    let rounded: f64 = format!("{value:.2e}").parse().unwrap_or(value);
    // Rounding up the largest numbers gives infinity.
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

    /// The value of a text in the smallest unit: the inverse of `show`.
    fn parsed(text: &str, units: &[(f64, &str)]) -> f64 {
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

    #[test]
    fn rates_have_the_prefix_that_makes_them_short() {
        let texts = [0.0, 999.0, 1e3, 45_600.0, 1_234_567.0, 2.5e9].map(rate);
        assert_eq!(texts, ["0", "999", "1 k", "46 k", "1.23 M", "2.50 G"]);
    }

    #[test]
    fn durations_have_the_largest_unit_that_they_hold_twice() {
        let texts = [0, 1_999, 2_000, 5_400_000, 9_000_000, 172_800_000].map(duration);
        assert_eq!(
            texts,
            ["0 ms", "1999 ms", "2.0 s", "90.0 min", "2.5 h", "2.0 days"]
        );
    }

    #[test]
    fn one_thing_is_singular() {
        let texts = [0, 1, 2_000].map(|operations| counted(operations, "operation"));
        assert_eq!(texts, ["0 operations", "1 operation", "2,000 operations"]);
    }

    proptest! {
        #[test]
        fn a_shown_value_is_off_by_half_a_percent_at_most(magnitude in -9.0..24.0f64) {
            let value = 10f64.powf(magnitude);
            let shown = [
                (Unit::Bytes.show(value), &BYTES[..]),
                (Unit::Nanos.show(value), &TIMES[..]),
            ];
            for (text, units) in shown {
                let parsed = parsed(&text, units);
                prop_assert!((parsed / value - 1.0).abs() <= 0.0051, "{value} is shown as {text}");
            }
        }

        #[test]
        fn a_count_keeps_its_digits(value: u64) {
            prop_assert_eq!(count(value).replace(',', ""), value.to_string());
        }
    }
}
