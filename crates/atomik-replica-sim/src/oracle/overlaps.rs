//! Checks that concurrent changes of the same bits are reported to one of their writers, and that
//! nothing else is.

use std::collections::BTreeMap;

use atomik_replica::{Overlap, Value};

use super::contents::{ALL, Contents};
use super::expected::ExpectedReplica;
use super::history::{Change, History};
use crate::violation::{Check, ensure};

/// An overlap that a replica, as a writer, must report.
pub(crate) struct DueOverlap {
    key: usize,
    /// The other origin, up to this version.
    origin: usize,
    version: u64,
    bits: Value,
}

impl DueOverlap {
    pub(crate) fn describe(&self, history: &History, n: usize) -> String {
        let Self {
            key, version, bits, ..
        } = self;
        let name = history.name(self.origin);
        format!("r{n}: k{key}: bits {bits} of {name} version {version}")
    }
}

/// The bits in which two origins' changes of a key overlap: the changes that the other side did not
/// know, each side by its net effect. And whether all version vectors involved are exact. `None` if
/// a version does not exist.
fn overlap(
    history: &History,
    n: usize,
    key: usize,
    a: (usize, u64),
    b: (usize, u64),
) -> Option<(Value, bool)> {
    let change = |(origin, version): (usize, u64)| {
        let changes = history.changes(n, origin, key);
        changes.get((version as usize).checked_sub(1)?)
    };
    let (last_a, last_b) = (change(a)?, change(b)?);
    let knew = |change: &Change, origin: usize| match change.knew.get(origin) {
        Some(&ALL) => history.folded_version(origin, key),
        Some(&version) => version,
        None => 0,
    };
    let (b_known, a_known) = (knew(last_a, b.0), knew(last_b, a.0));
    // Another origin may know changes that a stale copy has forgotten. The replica compares them
    // with what it has done since under the same versions: neither right nor wrong until it
    // notices.
    let forgotten = history.branch(n).is_some_and(|branch| {
        let (own, base) = (branch.origin, branch.base[key]);
        own == a.0 && a_known > base || own == b.0 && b_known > base
    });
    // Nor do changes say that they knew what was folded already.
    let folded = |change: &Change, origin: usize| change.knew.get(origin) == Some(&ALL);
    let folded = folded(last_a, b.0) || folded(last_b, a.0);
    let exact = last_a.exact && last_b.exact && !forgotten && !folded;
    if forgotten || b_known >= b.1 || a_known >= a.1 {
        return Some((history.zero(), exact));
    }
    // A difference is 0 in a field if and only if no bit of it differs.
    let net = |change: &Change, origin: usize, known: u64| {
        let known = history.accumulator(n, origin, key, known)?;
        Some(change.accumulator.xor(&known))
    };
    let (net_a, net_b) = (net(last_a, a.0, a_known)?, net(last_b, b.0, b_known)?);
    let put = last_a.put > a_known && last_b.put > b_known;
    Some((history.fields.conflict(&net_a, &net_b, put), exact))
}

/// How many entries of other origins are newer in `new` than before.
pub(crate) fn merged(expected: &ExpectedReplica, new: &Contents) -> u64 {
    let own = expected.local.origin;
    let keys = new.keys.iter().zip(&expected.contents.keys);
    keys.flat_map(|(new, before)| {
        let entries = new.entries.iter();
        entries.filter(move |entry| {
            entry.origin != own && entry.version != before.version(entry.origin)
        })
    })
    .count() as u64
}

/// The overlaps that a replica must report of what it has just learned.
pub(crate) fn due(
    history: &History,
    expected: &ExpectedReplica,
    new: &Contents,
) -> Vec<DueOverlap> {
    let ExpectedReplica {
        n, local, contents, ..
    } = expected;
    let mut due = Vec::new();
    // Others may have folded a replica that has retired, and then their changes do not say that
    // they knew its own.
    if local.retired {
        return due;
    }
    let own = local.origin;
    for (key, (new, before)) in new.keys.iter().zip(&contents.keys).enumerate() {
        let mine = before.version(own);
        for entry in &new.entries {
            let mut known = before.entries.iter();
            let known = known.find(|known| known.origin == entry.origin);
            let beneath = known.and_then(|known| Some(known.beneath.as_ref()?.0));
            let before = before.version(entry.origin);
            // A lower version than before is left of one that was taken back.
            if entry.origin == own || entry.version <= before {
                continue;
            }
            let overlap_up_to = |version| {
                overlap(history, *n, key, (own, mine), (entry.origin, version))
                    .unwrap_or_else(|| (history.zero(), true))
            };
            let (bits, exact) = overlap_up_to(entry.version);
            // What was previewed may be taken back before something newer is shown.
            let reports = core::iter::once(before).chain(beneath);
            let mut reports = reports.map(overlap_up_to);
            let is_new =
                |(reported, exact): (Value, bool)| exact && !bits.and_not(&reported).is_zero();
            if exact && reports.all(is_new) {
                due.push(DueOverlap {
                    key,
                    origin: entry.origin,
                    version: entry.version,
                    bits,
                });
            }
        }
    }
    due
}

/// Checks a report, and takes it off the list of those due.
pub(crate) fn check_report(
    history: &History,
    expected: &ExpectedReplica,
    new: &Contents,
    report: &Overlap,
    due: &mut Vec<DueOverlap>,
) -> Check {
    let n = expected.n;
    let key = history.key(&report.key)?;
    let origins = report.origins;
    let [a, b] = origins.map(|(id, version)| Some((history.origin(id)?, version)));
    let found = match (a, b) {
        (Some(a), Some(b)) => overlap(history, n, key, a, b),
        _ => None,
    };
    let right = found
        .as_ref()
        .is_some_and(|(bits, exact)| !exact || *bits == report.bits && !bits.is_zero());
    ensure(right, "a reported overlap is real", || {
        let [(a, a_version), (b, b_version)] = origins;
        format!(
            "r{n}: k{key}: bits {} of {} version {a_version} and {} version {b_version}; it is \
             {found:?}",
            report.bits,
            history.name_of(a),
            history.name_of(b)
        )
    })?;
    let own = expected.local.origin;
    let is_own = |side: Option<(usize, u64)>| side.is_some_and(|(origin, _)| origin == own);
    let answered = due.iter().position(|due| {
        let other = Some((due.origin, due.version));
        due.key == key
            && due.bits == report.bits
            && (a == other && is_own(b) || b == other && is_own(a))
    });
    if let Some(answered) = answered {
        due.swap_remove(answered);
    }
    // What is held of a dishonest member is not in the history.
    let before = &expected.contents.keys[key];
    let sides = [a, b].into_iter().flatten();
    ensure(
        before.foreign != new.keys[key].foreign
            || states_passed(history, expected, new, key, sides).contains(&report.state),
        "an overlap report names the resulting state",
        || format!("r{n}: k{key}: {}", report.state),
    )
}

/// The states of a key that an event may have passed when these origins had just these versions.
/// Each of the others had the version from before the event, the one that it had signed by then if
/// a newer one was taken back, or the one from after it.
fn states_passed(
    history: &History,
    expected: &ExpectedReplica,
    new: &Contents,
    key: usize,
    fixed: impl Iterator<Item = (usize, u64)>,
) -> Vec<Value> {
    let (before, fields) = (&expected.contents, &history.fields);
    let fixed: BTreeMap<usize, u64> = fixed.collect();
    let mut states = vec![new.keys[key].state.clone()];
    for origin in 0..history.origins.len() {
        let now = new.knows(key, origin);
        let versions = match fixed.get(&origin) {
            Some(version) => vec![*version],
            None => {
                let entries = &before.keys[key].entries;
                let entry = entries.iter().find(|entry| entry.origin == origin);
                let beneath = entry.and_then(|entry| Some(entry.beneath.as_ref()?.0));
                let mut versions = vec![now, before.knows(key, origin)];
                versions.extend(beneath);
                versions
            }
        };
        if versions.iter().all(|version| *version == now) {
            continue;
        }
        let content = |version| history.accumulator(expected.n, origin, key, version);
        let deltas = versions
            .into_iter()
            .filter_map(|version| Some(fields.difference(&content(version)?, &content(now)?)));
        states = deltas
            .flat_map(|delta| {
                states
                    .iter()
                    .map(move |state| fields.sum(state, &delta))
                    .collect::<Vec<_>>()
            })
            .collect();
    }
    states
}
