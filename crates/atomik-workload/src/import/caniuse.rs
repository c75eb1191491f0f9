//! Releases of caniuse-lite: which browsers support which features of the web.
//!
//! A key is a feature, a field a browser or one version of one, a flag that says whether it
//! supports the feature fully. From each release to the next, the flags that changed are turned
//! over. Nobody knows who wrote what; here each vendor writes about its own browsers, so keys have
//! several writers and bits have one: see [`VENDORS`].
//!
//! A release carries no date. It is taken to come out with the newest version of a browser that it
//! has a date for, but not before the release given before it.
//!
//! The package has packed its data in three ways so far. All are read here:
//! - up to 2025, a feature maps numbers to lists of codes of versions, which `browserVersions.js`
//!   resolves; bit 0 of the number is full support;
//! - in the first half of 2026, codes that start with `_` stand for further lists, in
//!   `versionGroups.js`;
//! - since then, a feature is a string of run lengths over the versions in `agents.js`, and
//!   `featureSupport.js` has the numbers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::literal::Literal;
use super::{ImportError, Report, Sink};
use crate::workload::{Action, Line};

/// Which nodes write about which browsers, by number: Google, Apple, Mozilla, Microsoft, Opera. All
/// other browsers are the last node's.
pub const VENDORS: [&[&str]; 5] = [
    &["chrome", "and_chr", "android"],
    &["safari", "ios_saf"],
    &["firefox", "and_ff"],
    &["ie", "edge", "ie_mob"],
    &["opera", "op_mini", "op_mob"],
];

const DAY_MS: u64 = 86_400_000;

/// What a field is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// A browser: whether its newest version that is out supports the feature.
    Browser,
    /// A version of a browser, out or announced: `chrome@57`.
    Version,
}

/// Imports unpacked releases, the oldest first.
///
/// # Errors
///
/// A folder that is no unpacked release, or packs its data in a way that is not known.
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
        let known = release.newest_day();
        let day = match (known, last) {
            (Some(day), None) => day,
            (Some(day), Some(last)) if day > last => day,
            (_, last) => {
                let day = last.map_or(0, |last: u64| last + 1);
                report.notes.push(format!(
                    "{}: no browser of a later date than in the release before; placed a day after it",
                    folder.display()
                ));
                day
            }
        };
        last = Some(day);
        let t = (day - *start.get_or_insert(day)) * DAY_MS;
        let changes: Vec<&(String, String)> = now.symmetric_difference(&before).collect();
        report.notes.push(format!(
            "{}: {} features, {} flags on, {} turned over",
            folder.display(),
            release.features.len(),
            now.len(),
            changes.len()
        ));
        for (feature, field) in changes {
            let browser = field.split('@').next().unwrap_or_default();
            let node = VENDORS
                .iter()
                .position(|browsers| browsers.contains(&browser))
                .unwrap_or(VENDORS.len());
            let line = Line {
                t,
                node: node as u32,
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

struct Browser {
    /// Its code in packed data.
    code: String,
    name: String,
    /// Versions, the oldest first, each with the day on which it came out, from 1970-01-01; none if
    /// it is not out.
    versions: Vec<(String, Option<u64>)>,
}

struct Release {
    browsers: Vec<Browser>,
    /// Feature, browser, and the versions that support it fully.
    features: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
}

impl Release {
    fn read(folder: &Path) -> Result<Self, ImportError> {
        let data = folder.join("data");
        if !data.join("features").is_dir() {
            return Err(ImportError::file(
                folder,
                "no data/features in it: give the folder of an unpacked release of caniuse-lite, which scripts/eval-data.sh fetches",
            ));
        }
        let packing = Packing::read(&data)?;
        let mut features = BTreeMap::new();
        let folder = data.join("features");
        let entries = std::fs::read_dir(&folder).map_err(ImportError::io(&folder))?;
        for entry in entries {
            let file = entry.map_err(ImportError::io(&folder))?.path();
            let (Some(name), Some("js")) = (
                file.file_stem().and_then(|name| name.to_str()),
                file.extension().and_then(|extension| extension.to_str()),
            ) else {
                continue;
            };
            let supporting = packing
                .feature(&module(&file)?)
                .map_err(|reason| ImportError::file(&file, reason))?;
            features.insert(name.to_owned(), supporting);
        }
        Ok(Self {
            browsers: packing.browsers,
            features,
        })
    }

    /// The flags that are on: feature and field.
    fn supported(&self, detail: Detail) -> BTreeSet<(String, String)> {
        let mut flags = BTreeSet::new();
        for (feature, supporting) in &self.features {
            for browser in &self.browsers {
                let Some(versions) = supporting.get(&browser.name) else {
                    continue;
                };
                match detail {
                    Detail::Browser => {
                        let newest = browser.versions.iter().rev().find(|(_, day)| day.is_some());
                        if newest.is_some_and(|(version, _)| versions.contains(version)) {
                            flags.insert((feature.clone(), browser.name.clone()));
                        }
                    }
                    Detail::Version => {
                        flags.extend(versions.iter().map(|version| {
                            (feature.clone(), format!("{}@{version}", browser.name))
                        }))
                    }
                }
            }
        }
        flags
    }

    fn newest_day(&self) -> Option<u64> {
        self.browsers
            .iter()
            .flat_map(|browser| &browser.versions)
            .filter_map(|(_, day)| *day)
            .max()
    }
}

fn module(file: &Path) -> Result<Literal, ImportError> {
    let text = std::fs::read_to_string(file).map_err(ImportError::io(file))?;
    Literal::of_module(&text).map_err(|reason| ImportError::file(file, reason))
}

/// What is needed to unpack a feature.
struct Packing {
    browsers: Vec<Browser>,
    codes: Codes,
    /// The numbers of `featureSupport.js`.
    numbers: Vec<i64>,
}

/// Codes of versions.
struct Codes {
    versions: BTreeMap<String, String>,
    groups: BTreeMap<String, String>,
}

impl Codes {
    /// The versions that a list of codes stands for.
    fn resolve(&self, list: &str, depth: usize) -> Result<Vec<String>, String> {
        if depth > 32 {
            return Err("groups of versions that contain themselves".into());
        }
        let mut versions = Vec::new();
        for code in list.split_whitespace() {
            if let Some(version) = self.versions.get(code) {
                versions.push(version.clone());
            } else if let Some(group) = code
                .strip_prefix('_')
                .and_then(|name| self.groups.get(name))
            {
                versions.extend(self.resolve(group, depth + 1)?);
            } else {
                return Err(format!("no version has the code {code:?}"));
            }
        }
        Ok(versions)
    }
}

impl Packing {
    fn read(data: &Path) -> Result<Self, ImportError> {
        let optional = |name: &str| {
            let file = data.join(name);
            if file.is_file() {
                module(&file)
            } else {
                Ok(Literal::Nothing)
            }
        };
        let texts = |literal: &Literal| -> BTreeMap<String, String> {
            let of =
                |(name, value): &(String, Literal)| Some((name.clone(), value.text()?.to_owned()));
            literal.members().iter().filter_map(of).collect()
        };
        let codes = Codes {
            versions: texts(&module(&data.join("browserVersions.js"))?),
            groups: texts(&optional("versionGroups.js")?),
        };
        let numbers = optional("featureSupport.js")?;
        let numbers = numbers.list().unwrap_or_default();
        let agents_file = data.join("agents.js");
        let agents = module(&agents_file)?;
        let browsers = module(&data.join("browsers.js"))?
            .members()
            .iter()
            .filter_map(|(code, name)| {
                let name = name.text()?.to_owned();
                // A browser may be named and have no data.
                let agent = agents.member(code)?;
                let versions = versions(agent, &codes)
                    .map_err(|reason| ImportError::file(&agents_file, format!("{name}: {reason}")));
                Some(versions.map(|versions| Browser {
                    code: code.clone(),
                    name,
                    versions,
                }))
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            browsers,
            codes,
            // What is no number supports nothing.
            numbers: numbers
                .iter()
                .map(|number| number.whole().unwrap_or(0))
                .collect(),
        })
    }

    /// The versions of each browser that support a feature fully.
    fn feature(&self, feature: &Literal) -> Result<BTreeMap<String, BTreeSet<String>>, String> {
        let mut supporting = BTreeMap::new();
        match feature.member("A") {
            Some(Literal::Text(runs)) => {
                let mut runs = Runs::of(runs);
                for browser in &self.browsers {
                    let versions = runs.supporting(browser, &self.numbers)?;
                    supporting.insert(browser.name.clone(), versions);
                }
                runs.end()?;
            }
            Some(Literal::Object(members)) => {
                for (code, packed) in members {
                    let browser = self
                        .browsers
                        .iter()
                        .find(|browser| browser.code == *code)
                        .ok_or_else(|| format!("no browser has the code {code:?}"))?;
                    let versions = match packed {
                        Literal::Text(runs) => {
                            let mut runs = Runs::of(runs);
                            let versions = runs.supporting(browser, &self.numbers)?;
                            runs.end()?;
                            versions
                        }
                        packed => self.listed(packed)?,
                    };
                    supporting.insert(browser.name.clone(), versions);
                }
            }
            _ => return Err("no support data (A): packed in a way that is not known".into()),
        }
        Ok(supporting)
    }

    /// The versions in lists whose number says full support.
    fn listed(&self, packed: &Literal) -> Result<BTreeSet<String>, String> {
        let mut supporting = BTreeSet::new();
        for (number, list) in packed.members() {
            let number: i64 = number
                .parse()
                .map_err(|_| format!("{number:?} is no number of a kind of support"))?;
            let list = list.text().ok_or("versions that are no text")?;
            if full(number) {
                // Packed as runs, a release names versions as they are where they fit no run.
                if self.numbers.is_empty() {
                    supporting.extend(self.codes.resolve(list, 0)?);
                } else {
                    supporting.extend(list.split_whitespace().map(str::to_owned));
                }
            }
        }
        Ok(supporting)
    }
}

/// Whether a number of a kind of support says that it is full; other bits say that it is partial,
/// prefixed, behind a flag, or has notes.
fn full(number: i64) -> bool {
    number & 1 == 1
}

/// The versions of a browser and their days.
fn versions(agent: &Literal, codes: &Codes) -> Result<Vec<(String, Option<u64>)>, String> {
    const SECONDS: i64 = 86_400;
    let positive = |number: i64| u64::try_from(number).ok();
    let mut names = Vec::new();
    let mut plain = false;
    for item in agent
        .member("C")
        .and_then(Literal::list)
        .ok_or("no versions (C)")?
    {
        match item {
            // So many places are empty: announced versions stand behind the current one, aligned
            // over all browsers.
            Literal::Number(_) => plain = true,
            Literal::Text(list) => names.push(list.as_str()),
            _ => return Err("versions (C) that are neither text nor number".into()),
        }
    }
    let days = agent.member("F").ok_or("no dates (F)")?;
    // Runs of versions as they are, or one code each.
    plain |= names.iter().any(|list| list.contains(' ')) || matches!(days, Literal::List(_));
    let mut versions = Vec::new();
    if plain {
        versions.extend(
            names
                .iter()
                .flat_map(|list| list.split_whitespace())
                .map(str::to_owned),
        );
    } else {
        for code in &names {
            versions.extend(codes.resolve(code, 0)?);
        }
    }
    let mut sum = 0;
    let dated = versions.into_iter().enumerate().map(|(place, version)| {
        let day = match days {
            // Each is the distance from the one before.
            Literal::List(distances) => {
                distances
                    .get(place)
                    .and_then(Literal::whole)
                    .map(|distance| {
                        sum += distance;
                        sum
                    })
            }
            days => days
                .members()
                .iter()
                .find(|(code, _)| match codes.versions.get(code) {
                    Some(known) if !plain => *known == version,
                    _ => *code == version,
                })
                .and_then(|(_, seconds)| seconds.whole())
                .map(|seconds| seconds / SECONDS),
        };
        (version, day.and_then(positive))
    });
    Ok(dated.collect())
}

/// Kinds of support in a row, browser after browser.
///
/// A character is a number from 0 to 92: printable ASCII without the quotation mark and the
/// backslash. Below 35 it is a place in `featureSupport.js`; from 35 to 37 it starts a place of two
/// characters; from 38 on it is a digit, from 1 to 55, of a number of versions (bijective, base
/// 55). A place without digits goes for all versions that are left of the browser.
struct Runs {
    tokens: Vec<Option<usize>>,
    at: usize,
}

impl Runs {
    const ALPHABET: usize = 93;
    const POPULAR: usize = 35;
    const DIGITS: usize = 38;
    const BASE: usize = 55;

    fn of(packed: &str) -> Self {
        let tokens = packed.bytes().map(|byte| {
            let skipped = match byte {
                b' ' | b'!' => 0,
                b'#'..=b'[' => 1,
                b']'..=b'~' => 2,
                _ => return None,
            };
            Some(usize::from(byte - b' ' - skipped))
        });
        Self {
            tokens: tokens.collect(),
            at: 0,
        }
    }

    fn token(&mut self) -> Result<usize, String> {
        let token = self.tokens.get(self.at).copied().flatten();
        self.at += 1;
        token.ok_or_else(|| {
            format!(
                "the packed support ends or breaks off at character {}",
                self.at
            )
        })
    }

    fn digit(&mut self) -> Option<usize> {
        let digit = self.tokens.get(self.at).copied().flatten()?;
        let digit = digit.checked_sub(Self::DIGITS)?;
        self.at += 1;
        Some(digit + 1)
    }

    fn supporting(
        &mut self,
        browser: &Browser,
        numbers: &[i64],
    ) -> Result<BTreeSet<String>, String> {
        let mut supporting = BTreeSet::new();
        let mut left = browser.versions.as_slice();
        while !left.is_empty() {
            let mut place = self.token()?;
            if place >= Self::DIGITS {
                return Err(format!(
                    "a number of versions without support at character {}",
                    self.at
                ));
            }
            if place >= Self::POPULAR {
                place = Self::POPULAR + (place - Self::POPULAR) * Self::ALPHABET + self.token()?;
            }
            let number = *numbers
                .get(place)
                .ok_or_else(|| format!("featureSupport.js has no number {place}"))?;
            let mut count = 0usize;
            while let Some(digit) = self.digit() {
                count = count.saturating_mul(Self::BASE).saturating_add(digit);
            }
            if count == 0 {
                count = left.len();
            }
            let (run, rest) = left.split_at_checked(count).ok_or_else(|| {
                format!(
                    "{} has {} versions left, and {count} are packed",
                    browser.name,
                    left.len()
                )
            })?;
            if full(number) {
                supporting.extend(run.iter().map(|(version, _)| version.clone()));
            }
            left = rest;
        }
        Ok(supporting)
    }

    fn end(&self) -> Result<(), String> {
        if self.at == self.tokens.len() {
            Ok(())
        } else {
            Err(format!(
                "more is packed than the browsers have versions, from character {} on",
                self.at + 1
            ))
        }
    }
}
