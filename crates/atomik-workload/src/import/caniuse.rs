//! Releases of caniuse-db: which browsers support which web features.
//!
//! A key is a feature. A field is a browser, or one version of a browser: a flag that is on if it
//! fully supports the feature. The trace toggles every flag that differs from one release to the
//! next. The releases do not name the author of a change; the importer assumes that each vendor
//! maintains the data on its own browsers, so a key has several writers and a bit has one (see
//! [`VENDORS`]).
//!
//! A release is dated by the newest browser version in it, but never before the release given
//! before it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{ImportError, Report, Sink};
use crate::workload::{Action, Line};

/// The browsers that each node writes about: Google, Apple, Mozilla, Microsoft, Opera. All other
/// browsers belong to one more node.
pub const VENDORS: [&[&str]; 5] = [
    &["chrome", "and_chr", "android"],
    &["safari", "ios_saf"],
    &["firefox", "and_ff"],
    &["ie", "edge", "ie_mob"],
    &["opera", "op_mini", "op_mob"],
];

/// The data file of a release.
const DATA: &str = "fulldata-json/data-2.0.json";

const DAY_S: u64 = 86_400;
const DAY_MS: u64 = 1_000 * DAY_S;

/// What a field stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// A browser, by its newest released version.
    Browser,
    /// A version of a browser, released or announced: `chrome@57`.
    Version,
}

/// Imports unpacked releases, oldest first.
///
/// # Errors
///
/// A folder that is not an unpacked release, or whose data has another format.
pub fn import(
    releases: &[PathBuf],
    detail: Detail,
    sink: &mut Sink<'_>,
) -> Result<Report, ImportError> {
    let mut report = Report::default();
    let mut before = BTreeSet::new();
    let mut start = None;
    let mut last = None;
    for folder in releases {
        let release = Release::read(folder)?;
        let now = release.supported(detail);
        let day = match (release.newest_day(), last) {
            (Some(day), None) => day,
            (Some(day), Some(last)) if day > last => day,
            (_, last) => {
                let day = last.map_or(0, |last: u64| last + 1);
                report.notes.push(format!(
                    "{}: no browser newer than in the release before; dated one day later",
                    folder.display()
                ));
                day
            }
        };
        last = Some(day);
        let t = (day - *start.get_or_insert(day)) * DAY_MS;
        let changes: Vec<&(String, String)> = now.symmetric_difference(&before).collect();
        report.notes.push(format!(
            "{}: {} features, {} flags on, {} toggled",
            folder.display(),
            release.features.len(),
            now.len(),
            changes.len()
        ));
        for (feature, field) in changes {
            let line = Line {
                t,
                node: vendor(field),
                key: feature.clone(),
                field: field.clone(),
                action: Action::Toggle,
            };
            sink(line).map_err(ImportError::Sink)?;
        }
        before = now;
    }
    Ok(report)
}

/// The node that writes a field.
fn vendor(field: &str) -> u32 {
    let browser = field.split('@').next().unwrap_or_default();
    VENDORS
        .iter()
        .position(|browsers| browsers.contains(&browser))
        .unwrap_or(VENDORS.len()) as u32
}

/// The members of `data-2.0.json` that the import reads.
#[derive(Deserialize)]
struct Release {
    #[serde(rename = "agents")]
    browsers: BTreeMap<String, Browser>,
    #[serde(rename = "data")]
    features: BTreeMap<String, Feature>,
}

#[derive(Deserialize)]
struct Browser {
    /// Oldest first.
    #[serde(rename = "version_list")]
    versions: Vec<Version>,
}

#[derive(Deserialize)]
struct Version {
    version: String,
    /// Seconds since 1970-01-01 UTC, or `None` for a version that is only announced.
    release_date: Option<i64>,
}

impl Version {
    fn day(&self) -> Option<u64> {
        Some(u64::try_from(self.release_date?).ok()? / DAY_S)
    }
}

#[derive(Deserialize)]
struct Feature {
    /// By browser and version: words and note numbers, such as `y x #2`.
    stats: BTreeMap<String, BTreeMap<String, String>>,
}

/// Whether support is full. The other words stand for partial, prefixed, disabled, polyfilled,
/// unknown or no support.
fn is_full(support: &str) -> bool {
    support.split_whitespace().any(|word| word == "y")
}

impl Release {
    fn read(folder: &Path) -> Result<Self, ImportError> {
        let file = folder.join(DATA);
        if !file.is_file() {
            return Err(ImportError::file(
                folder,
                format!(
                    "no {DATA} in it: give the folder of an unpacked release of caniuse-db, which \
                     scripts/eval-data.sh fetches"
                ),
            ));
        }
        let text = std::fs::read_to_string(&file).map_err(ImportError::io(&file))?;
        let release: Self = serde_json::from_str(&text)
            .map_err(|error| ImportError::file(&file, format!("not caniuse data: {error}")))?;
        release
            .check()
            .map_err(|reason| ImportError::file(&file, reason))?;
        Ok(release)
    }

    /// Every browser and version that a feature names must be listed.
    fn check(&self) -> Result<(), String> {
        let versions: BTreeSet<(&str, &str)> = self
            .browsers
            .iter()
            .flat_map(|(name, browser)| {
                let versions = browser.versions.iter();
                versions.map(|version| (name.as_str(), version.version.as_str()))
            })
            .collect();
        for (feature, Feature { stats }) in &self.features {
            for (browser, support) in stats {
                let unknown = support
                    .keys()
                    .find(|version| !versions.contains(&(browser.as_str(), version.as_str())));
                if let Some(version) = unknown {
                    return Err(format!(
                        "{feature} names {browser} {version}, which is not in agents"
                    ));
                }
            }
        }
        Ok(())
    }

    /// The flags that are on, as feature and field.
    fn supported(&self, detail: Detail) -> BTreeSet<(String, String)> {
        let mut flags = BTreeSet::new();
        for (feature, Feature { stats }) in &self.features {
            for (name, support) in stats {
                let full = |version: &str| support.get(version).is_some_and(|s| is_full(s));
                match detail {
                    Detail::Browser => {
                        let newest = self.browsers.get(name).and_then(Browser::newest);
                        if newest.is_some_and(|newest| full(&newest.version)) {
                            flags.insert((feature.clone(), name.clone()));
                        }
                    }
                    Detail::Version => flags.extend(
                        support
                            .keys()
                            .filter(|version| full(version))
                            .map(|version| (feature.clone(), format!("{name}@{version}"))),
                    ),
                }
            }
        }
        flags
    }

    fn newest_day(&self) -> Option<u64> {
        self.browsers
            .values()
            .flat_map(|browser| &browser.versions)
            .filter_map(Version::day)
            .max()
    }
}

impl Browser {
    /// The newest released version.
    fn newest(&self) -> Option<&Version> {
        self.versions
            .iter()
            .rev()
            .find(|version| version.day().is_some())
    }
}
