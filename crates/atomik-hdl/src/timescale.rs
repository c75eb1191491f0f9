//! The `` `timescale `` of the generated Verilog.

use std::fmt;
use std::str::FromStr;

/// The time unit and precision of the generated files, for simulators; `None` writes none.
///
/// The design has no delays, so no value changes its behaviour. Simulators want every file of a
/// design to have a timescale, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timescale(Option<[Time; 2]>);

/// A power of ten of seconds, from 2 (100 s) down to -15 (1 fs).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Time(i8);

/// The text is not a timescale.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a timescale; write UNIT/PRECISION, each 1, 10 or 100 s, ms, us, ns, ps or fs and the \
     precision no longer than the unit, such as 1ns/1ps; or none"
)]
pub struct TimescaleError;

const UNITS: [(&str, i8); 6] = [
    ("s", 0),
    ("ms", -3),
    ("us", -6),
    ("ns", -9),
    ("ps", -12),
    ("fs", -15),
];

impl Timescale {
    /// No timescale.
    pub const NONE: Self = Self(None);

    /// The directive as a line, or nothing.
    pub(crate) fn directive(self) -> String {
        match self.0 {
            None => String::new(),
            Some([unit, precision]) => format!("`timescale {unit} / {precision}\n"),
        }
    }
}

impl Default for Timescale {
    /// 1 ns, with a precision of 1 ps.
    fn default() -> Self {
        Self(Some([Time(-9), Time(-12)]))
    }
}

impl fmt::Display for Timescale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("none"),
            Some([unit, precision]) => write!(f, "{unit}/{precision}"),
        }
    }
}

impl FromStr for Timescale {
    type Err = TimescaleError;

    fn from_str(text: &str) -> Result<Self, TimescaleError> {
        if text == "none" {
            return Ok(Self::NONE);
        }
        let (unit, precision) = text.split_once('/').ok_or(TimescaleError)?;
        let [unit, precision]: [Time; 2] = [unit.parse()?, precision.parse()?];
        if precision > unit {
            return Err(TimescaleError);
        }
        Ok(Self(Some([unit, precision])))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(exponent) = *self;
        let number = ["1", "10", "100"][usize::from(exponent.rem_euclid(3).unsigned_abs())];
        let scale = exponent.div_euclid(3) * 3;
        let unit = UNITS.iter().find(|(_, power)| *power == scale);
        write!(f, "{number}{}", unit.map_or("s", |(name, _)| name))
    }
}

impl FromStr for Time {
    type Err = TimescaleError;

    fn from_str(text: &str) -> Result<Self, TimescaleError> {
        let text = text.trim();
        let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = text[number.len()..].to_ascii_lowercase();
        let tens = ["1", "10", "100"]
            .into_iter()
            .zip(0..)
            .find(|(digits, _)| *digits == number.trim_end());
        let scale = UNITS.iter().find(|(name, _)| *name == unit);
        match (tens, scale) {
            (Some((_, tens)), Some((_, power))) => Ok(Self(power + tens)),
            _ => Err(TimescaleError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_timescale_is_read_as_it_is_printed() {
        let times: Vec<String> = UNITS
            .iter()
            .flat_map(|(unit, _)| ["1", "10", "100"].map(|number| format!("{number}{unit}")))
            .collect();
        let mut read = 0;
        for unit in &times {
            for precision in &times {
                let text = format!("{unit}/{precision}");
                if let Ok(timescale) = text.parse::<Timescale>() {
                    assert_eq!(timescale.to_string(), text);
                    read += 1;
                }
            }
        }
        assert_eq!(read, 18 * 19 / 2);
        assert_eq!("none".parse(), Ok(Timescale::NONE));
        assert_eq!("1 ns / 1 PS".parse(), Ok(Timescale::default()));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "1ns",
            "1ps/1ns",
            "2ns/1ps",
            "1ns/",
            "1/1",
            "ns/ps",
            "1ns/1ps/1fs",
            "1m/1m",
        ] {
            assert_eq!(text.parse::<Timescale>(), Err(TimescaleError), "{text}");
        }
    }
}
