//! Times as text: ISO 8601, numbers since 1970, patterns, and local times in a named zone.

use std::fmt;
use std::str::FromStr;

use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::sort::Time;

/// How a time is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// ISO 8601, such as `2024-03-31T02:30:00.5+02:00`.
    Iso,
    /// A number of seconds since 1970, with or without a fraction.
    Seconds,
    /// Milliseconds since 1970.
    Milliseconds,
    /// Microseconds since 1970.
    Microseconds,
    /// Nanoseconds since 1970.
    Nanoseconds,
    /// A pattern of `strptime`, such as `%d.%m.%Y %H:%M:%S`.
    Pattern(String),
}

impl Format {
    /// Nanoseconds of the unit of a number.
    fn unit(&self) -> Option<(i128, u32)> {
        match self {
            Self::Seconds => Some((1_000_000_000, 9)),
            Self::Milliseconds => Some((1_000_000, 6)),
            Self::Microseconds => Some((1000, 3)),
            Self::Nanoseconds => Some((1, 0)),
            Self::Iso | Self::Pattern(_) => None,
        }
    }

    /// Whether it is a number since 1970, which is UTC.
    pub(super) fn is_number(&self) -> bool {
        self.unit().is_some()
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "iso" => Self::Iso,
            "s" => Self::Seconds,
            "ms" => Self::Milliseconds,
            "us" => Self::Microseconds,
            "ns" => Self::Nanoseconds,
            pattern if pattern.contains('%') => {
                let known =
                    strtime::format(pattern, &Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC));
                known.map_err(|error| format!("{pattern:?} is not a strptime pattern: {error}"))?;
                Self::Pattern(pattern.to_owned())
            }
            _ => {
                return Err(format!(
                    "{text:?} is not a time format: write iso, s, ms, us or ns, or a pattern \
                     of strptime such as \"%d.%m.%Y %H:%M:%S\""
                ));
            }
        })
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Iso => "iso",
            Self::Seconds => "s",
            Self::Milliseconds => "ms",
            Self::Microseconds => "us",
            Self::Nanoseconds => "ns",
            Self::Pattern(pattern) => pattern,
        })
    }
}

/// What a local time means that a clock shows twice, as it does when it is set back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Repeated {
    /// The row is refused.
    #[default]
    Refuse,
    /// The first time.
    First,
    /// The second time.
    Second,
}

/// What a local time means that no clock shows, because it was set forward.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Missing {
    /// The row is refused.
    #[default]
    Refuse,
    /// As if the clock had been set forward later: 2:30 is the instant of 3:30.
    Forward,
    /// As if the clock had been set forward earlier: 2:30 is the instant of 1:30.
    Back,
}

/// Reads times.
#[derive(Clone, Debug)]
pub struct Clock {
    /// How a time is written.
    pub format: Format,
    /// The zone of times that name none.
    pub zone: Option<TimeZone>,
    /// The rule for local times that occur twice.
    pub repeated: Repeated,
    /// The rule for local times that do not occur.
    pub missing: Missing,
}

/// A zone by its name, such as `Europe/Berlin`, from the bundled database.
pub fn zone(name: &str) -> Result<TimeZone, String> {
    TimeZoneDatabase::bundled().get(name).map_err(|_| {
        format!(
            "{name:?} is not a time zone: give a name of the IANA database, such as UTC or \
             Europe/Berlin"
        )
    })
}

impl Clock {
    /// A clock for times that have an offset, or are numbers.
    pub fn of_offsets(format: Format) -> Self {
        Self {
            format,
            zone: None,
            repeated: Repeated::Refuse,
            missing: Missing::Refuse,
        }
    }

    /// Nanoseconds since 1970.
    ///
    /// # Errors
    ///
    /// Why the text is no time, and what to write in the map.
    pub fn read(&self, text: &str) -> Result<Time, String> {
        let text = text.trim();
        match &self.format {
            Format::Iso => self.iso(text),
            Format::Pattern(pattern) => self.pattern(pattern, text),
            number => {
                let (unit, digits) = number.unit().unwrap_or((1, 0));
                count(text, unit, digits).ok_or_else(|| {
                    format!(
                        "{text:?} is not a number of the unit {number}: change `format` of [time], \
                         or remove it to have it guessed"
                    )
                })
            }
        }
    }

    fn iso(&self, text: &str) -> Result<Time, String> {
        if let Ok(instant) = text.parse::<Timestamp>() {
            return Ok(instant.as_nanosecond());
        }
        match text.parse::<DateTime>() {
            Ok(local) => self.local(local),
            Err(_) => Err(format!(
                "{text:?} is not a time such as 2024-03-31T02:30:00+02:00: change `format` of \
                 [time] to s, ms, us, ns or a pattern of strptime such as \"%d.%m.%Y %H:%M:%S\""
            )),
        }
    }

    fn pattern(&self, pattern: &str, text: &str) -> Result<Time, String> {
        let parts = strtime::parse(pattern, text)
            .map_err(|error| format!("{text:?} is not written as {pattern:?}: {error}"))?;
        if let Ok(instant) = parts.to_timestamp() {
            return Ok(instant.as_nanosecond());
        }
        let local = match parts.to_datetime() {
            Ok(local) => local,
            // A date alone means its first instant.
            Err(error) => match parts.to_date() {
                Ok(date) if parts.hour().is_none() => {
                    date.to_datetime(jiff::civil::Time::midnight())
                }
                _ => {
                    return Err(format!(
                        "{text:?}, written as {pattern:?}, is not a time: {error}"
                    ));
                }
            },
        };
        self.local(local)
    }

    fn local(&self, local: DateTime) -> Result<Time, String> {
        let Some(zone) = &self.zone else {
            return Err(format!(
                "{local} has no offset from UTC: write `zone = \"UTC\"`, or the zone of its \
                 clock, in [time]"
            ));
        };
        let name = zone.iana_name().unwrap_or("this zone");
        let offset = match zone.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset,
            AmbiguousOffset::Fold { before, after } => match self.repeated {
                Repeated::First => before,
                Repeated::Second => after,
                Repeated::Refuse => {
                    return Err(format!(
                        "{local} occurs twice in {name}: write `repeated = \"first\"` or \
                         \"second\" in [time]"
                    ));
                }
            },
            AmbiguousOffset::Gap { before, after } => match self.missing {
                Missing::Forward => before,
                Missing::Back => after,
                Missing::Refuse => {
                    return Err(format!(
                        "{local} does not occur in {name}, whose clocks skip it: write \
                         `missing = \"forward\"` or \"back\" in [time]"
                    ));
                }
            },
        };
        Ok(nanoseconds(local, offset))
    }
}

/// The instant at which a clock of this offset shows `local`.
fn nanoseconds(local: DateTime, offset: Offset) -> Time {
    let since = local.duration_since(DateTime::constant(1970, 1, 1, 0, 0, 0, 0));
    (since - SignedDuration::from_secs(i64::from(offset.seconds()))).as_nanos()
}

/// A number of units in nanoseconds, exactly. Digits below a nanosecond are dropped.
fn count(text: &str, unit: i128, digits: u32) -> Option<Time> {
    let (negative, magnitude) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = magnitude.split_once('.').unwrap_or((magnitude, ""));
    let decimal = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !decimal(whole) || !decimal(fraction) || whole.len() > 20 {
        return None;
    }
    if magnitude.contains('.') && fraction.is_empty() {
        return None;
    }
    let mut sum = whole.parse::<i128>().ok()? * unit;
    let mut scale = unit;
    for digit in fraction.bytes().take(digits as usize) {
        scale /= 10;
        sum += i128::from(digit - b'0') * scale;
    }
    Some(if negative { -sum } else { sum })
}

/// Patterns that are tried where a time is neither ISO 8601 nor a number. Those that could be read
/// with day and month swapped are not among them.
const PATTERNS: [&str; 5] = [
    "%d.%m.%Y %H:%M:%S%.f",
    "%d.%m.%Y %H:%M",
    "%d.%m.%Y",
    "%a, %d %b %Y %H:%M:%S %z",
    "%d/%b/%Y:%H:%M:%S %z",
];

/// As many digits as a date or a date with its time, and the pattern of these. Of the numbers of
/// such lengths, those that are dates after 1900 and before 2100 are taken for dates.
const DIGITS: [(usize, &str); 2] = [(8, "%Y%m%d"), (14, "%Y%m%d%H%M%S")];

/// The unit of a number, from its size.
fn unit(size: i128) -> Format {
    match size {
        ..100_000_000_000 => Format::Seconds,
        100_000_000_000..100_000_000_000_000 => Format::Milliseconds,
        100_000_000_000_000..100_000_000_000_000_000 => Format::Microseconds,
        _ => Format::Nanoseconds,
    }
}

/// What to do about times that are guessed to be before 1980, such as 45413.5, the first of May of
/// 2024 in a spreadsheet. `None` if they are not.
pub(super) fn doubt(format: &Format, samples: &[&str]) -> Option<&'static str> {
    let limit = 315_532_800_000_000_000;
    let clock = Clock::of_offsets(format.clone());
    let early = |text: &&str| clock.read(text).is_ok_and(|time| time < limit);
    (format.is_number() && !samples.is_empty() && samples.iter().all(early)).then_some(
        "then all times are before 1980; if they are days of a spreadsheet, export them as dates",
    )
}

/// The format in which all samples are written, if one is found. A number's unit follows from its
/// size: a time after 1973 and before 5138 is recognised. Numbers of several units have no format.
pub fn guess(samples: &[&str]) -> Option<Format> {
    let zone = Some(TimeZone::UTC);
    let reads = |format: &Format| {
        let clock = Clock {
            format: format.clone(),
            zone: zone.clone(),
            repeated: Repeated::First,
            missing: Missing::Forward,
        };
        samples.iter().all(|text| clock.read(text).is_ok())
    };
    if samples.is_empty() {
        return None;
    }
    for (digits, pattern) in DIGITS {
        let is_date = |text: &str| {
            let text = text.trim();
            let year = text.get(..4).unwrap_or_default();
            text.len() == digits && ("1900".."2100").contains(&year)
        };
        let pattern = Format::Pattern(pattern.to_owned());
        if samples.iter().all(|text| is_date(text)) && reads(&pattern) {
            return Some(pattern);
        }
    }
    if reads(&Format::Seconds) {
        let sizes = samples
            .iter()
            .filter_map(|text| count(text.trim(), 1, 0))
            .map(i128::abs);
        let (least, most) = (unit(sizes.clone().min()?), unit(sizes.max()?));
        return (least == most).then_some(most);
    }
    let patterns = PATTERNS.map(|pattern| Format::Pattern(pattern.to_owned()));
    std::iter::once(Format::Iso).chain(patterns).find(reads)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(format: &str, name: &str) -> Clock {
        Clock {
            format: format.parse().unwrap(),
            zone: (!name.is_empty()).then(|| zone(name).unwrap()),
            repeated: Repeated::default(),
            missing: Missing::default(),
        }
    }

    fn ms(clock: &Clock, text: &str) -> i128 {
        clock.read(text).unwrap() / 1_000_000
    }

    #[test]
    fn every_way_to_write_an_instant_gives_the_same() {
        let instant = 1_711_846_200_500;
        for (format, name, text) in [
            ("iso", "", "2024-03-31T02:50:00.5+02:00"),
            ("iso", "", "2024-03-31 00:50:00.500Z"),
            ("iso", "", "2024-03-31 00:50:00.500+00"),
            ("iso", "", "2024-03-30T19:50:00.5-0500"),
            ("iso", "UTC", "2024-03-31T00:50:00.5"),
            ("iso", "Asia/Kolkata", " 2024-03-31 06:20:00.5 "),
            ("s", "", "1711846200.5"),
            ("ms", "", "1711846200500"),
            ("us", "", "1711846200500000"),
            ("ns", "", "1711846200500000999"),
            (
                "%d.%m.%Y %H:%M:%S%.f",
                "Europe/London",
                "31.03.2024 00:50:00.5",
            ),
            ("%Y-%m-%d %H:%M:%S%.f %z", "", "2024-03-31 01:50:00.5 +0100"),
        ] {
            assert_eq!(ms(&clock(format, name), text), instant, "{format} {text}");
        }
        assert_eq!(ms(&clock("iso", "UTC"), "2024-03-31"), 1_711_843_200_000);
        assert_eq!(
            ms(&clock("%d.%m.%Y", "UTC"), "31.03.2024"),
            1_711_843_200_000
        );
        assert_eq!(clock("s", "").read("-1.25").unwrap(), -1_250_000_000);
        assert_eq!(clock("s", "").read("0.000000001").unwrap(), 1);
    }

    #[test]
    fn the_repeated_and_the_missing_hour_follow_their_rules() {
        let berlin = clock("iso", "Europe/Berlin");
        let with = |repeated, missing| Clock {
            repeated,
            missing,
            ..berlin.clone()
        };
        let (twice, never) = ("2024-10-27T02:30:00", "2024-03-31T02:30:00");
        let utc = |text: &str| clock("iso", "").read(text).unwrap();
        let first = with(Repeated::First, Missing::Forward);
        assert_eq!(first.read(twice).unwrap(), utc("2024-10-27T00:30:00Z"));
        assert_eq!(first.read(never).unwrap(), utc("2024-03-31T01:30:00Z"));
        let second = with(Repeated::Second, Missing::Back);
        assert_eq!(second.read(twice).unwrap(), utc("2024-10-27T01:30:00Z"));
        assert_eq!(second.read(never).unwrap(), utc("2024-03-31T00:30:00Z"));
        let message = berlin.read(twice).unwrap_err();
        assert!(
            message.contains("occurs twice in Europe/Berlin: write `repeated"),
            "{message}"
        );
        let message = berlin.read(never).unwrap_err();
        assert!(
            message.contains("does not occur in Europe/Berlin"),
            "{message}"
        );
        // An offset leaves nothing to decide.
        let summer = berlin.read("2024-10-27T02:30:00+02:00").unwrap();
        assert_eq!(summer, utc("2024-10-27T00:30:00Z"));
    }

    #[test]
    fn what_is_no_time_says_what_to_write() {
        for (format, text, reason) in [
            ("iso", "2024-03-31T02:30:00", "write `zone = \"UTC\"`"),
            ("iso", "yesterday", "change `format` of [time]"),
            ("iso", "2024-02-30T00:00:00Z", "change `format` of [time]"),
            ("iso", "1711846200", "change `format` of [time]"),
            ("s", "1e9", "is not a number of the unit s"),
            ("s", "1.", "is not a number of the unit s"),
            ("ms", "", "is not a number of the unit ms"),
            (
                "ms",
                "123456789012345678901",
                "is not a number of the unit ms",
            ),
            ("%d.%m.%Y", "2024-03-31", "is not written as"),
        ] {
            let message = clock(format, "").read(text).unwrap_err();
            assert!(message.contains(reason), "{text}: {message}");
        }
        assert!(zone("Europe/Nowhere").unwrap_err().contains("IANA"));
        assert!(Format::from_str("unix").unwrap_err().contains("write iso"));
        assert!(Format::from_str("%!").unwrap_err().contains("a strptime"));
    }

    #[test]
    fn formats_are_guessed_from_samples() {
        for (samples, format) in [
            (&["1711846200", "1711846201.25"][..], Some("s")),
            (&["1711846200500"], Some("ms")),
            (&["1711846200500000"], Some("us")),
            (&["1711846200500000000"], Some("ns")),
            (&["2024-03-31T02:30:00", "2024-03-31"], Some("iso")),
            (&["31.03.2024 02:30:00"], Some("%d.%m.%Y %H:%M:%S%.f")),
            (&["31.03.2024 02:30"], Some("%d.%m.%Y %H:%M")),
            (
                &["31/Mar/2024:02:30:00 +0200"],
                Some("%d/%b/%Y:%H:%M:%S %z"),
            ),
            (&["20240501", "20240502"], Some("%Y%m%d")),
            (&["20240501235959"], Some("%Y%m%d%H%M%S")),
            // No month has the number 13.
            (&["20241301"], Some("s")),
            (&["30240501"], Some("s")),
            (&["1", "2"], Some("s")),
            // Seconds and milliseconds.
            (&["1711846200", "1711846200500"], None),
            // Day and month cannot be told apart.
            (&["03/04/2024"], None),
            (&["2024-03-31", "x"], None),
            (&[], None),
        ] {
            let guessed = guess(samples).map(|format| format.to_string());
            assert_eq!(guessed.as_deref(), format, "{samples:?}");
        }
    }
}
