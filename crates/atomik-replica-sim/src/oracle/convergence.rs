//! Checks at the end of a run: everything is everywhere, nothing that was acknowledged is gone.

use std::collections::BTreeSet;

use atomik_replica::{OriginId, Value};

use super::expected::ExpectedReplica;
use super::history::History;
use crate::violation::{Check, ensure};

/// Versions by key, then by origin.
pub(crate) type Versions = Vec<Vec<u64>>;

/// The highest versions that any replica holds.
pub(crate) fn highest(history: &History, replicas: &[Option<ExpectedReplica>]) -> Versions {
    let contents = || replicas.iter().flatten().map(|replica| &replica.contents);
    let highest = |key: usize, origin: usize| {
        if contents().any(|contents| contents.folded.contains(&origin)) {
            return history.folded_version(origin, key);
        }
        let versions = contents().map(|contents| contents.keys[key].version(origin));
        versions.max().unwrap_or(0)
    };
    let origins = 0..history.origins.len();
    (0..history.keys.len())
        .map(|key| origins.clone().map(|origin| highest(key, origin)).collect())
        .collect()
}

/// Every replica holds the `wanted` versions.
pub(crate) fn check_converged(
    history: &History,
    replicas: &[Option<ExpectedReplica>],
    wanted: &Versions,
) -> Check {
    for ExpectedReplica { n, contents, .. } in replicas.iter().flatten() {
        for (key, wanted) in wanted.iter().enumerate() {
            for (origin, &wanted) in wanted.iter().enumerate() {
                let held = contents.keys[key].version(origin);
                ensure(
                    contents.folded.contains(&origin) || held == wanted,
                    "every change that any replica holds reaches all",
                    || {
                        let name = history.name(origin);
                        format!("r{n}: k{key}: {name} version {held}, should be {wanted}")
                    },
                )?;
            }
        }
    }
    Ok(())
}

/// `held` has everything that storage ever confirmed, except what no disk had after a loss.
pub(crate) fn check_acknowledged(history: &History, held: &Versions) -> Check {
    for (key, held) in held.iter().enumerate() {
        let origins = history.origins.iter().zip(held).enumerate();
        let mut missing = origins.filter(|(_, (origin, held))| **held < origin.acknowledged[key]);
        let Some((number, (origin, version))) = missing.next() else {
            continue;
        };
        let is_folded = history.is_folded(number) && missing.all(|(it, _)| history.is_folded(it));
        ensure(
            is_folded && is_folded_sum(history, key),
            "no acknowledged change is lost",
            || {
                let (name, stored) = (history.name(number), origin.acknowledged[key]);
                format!("k{key}: {name} version {version}, acknowledged {stored}")
            },
        )?;
    }
    Ok(())
}

/// Whether the sum of what is folded of a key may be that of everything that was acknowledged. Two
/// members agree as soon as their sums do, even if each lacks two changes that cancel each other.
fn is_folded_sum(history: &History, key: usize) -> bool {
    let origins = 0..history.origins.len();
    let folded: Vec<usize> = origins
        .filter(|origin| history.is_folded(*origin))
        .collect();
    let accumulator = |origin: usize, version: u64| {
        let owner = history.origins[origin].owner;
        let found = history.accumulator(owner, origin, key, version);
        found.unwrap_or_else(|| history.zero())
    };
    let mut sum = history.zero();
    for &origin in &folded {
        sum.accumulate(&accumulator(origin, history.folded_version(origin, key)));
    }
    // The sums of all versions that there may be.
    let mut sums = vec![history.zero()];
    for &origin in &folded {
        let it = &history.origins[origin];
        let versions = it.acknowledged[key]..=it.changes[key].len() as u64;
        let mut next: Vec<Value> = versions
            .flat_map(|version| {
                let accumulator = accumulator(origin, version);
                sums.iter()
                    .map(move |sum| sum.xor(&accumulator))
                    .collect::<Vec<_>>()
            })
            .collect();
        next.sort_unstable_by(|a, b| a.words().cmp(b.words()));
        next.dedup();
        sums = next;
    }
    sums.contains(&sum)
}

/// Origins that every replica must fold: that their lives are over is `announced`. None if all have
/// retired: then nobody is left to sign.
pub(crate) fn to_fold(
    history: &History,
    replicas: &[Option<ExpectedReplica>],
    announced: &BTreeSet<OriginId>,
) -> Vec<usize> {
    let mut expected = replicas.iter().flatten();
    // A dishonest member may refuse to sign.
    if history.liar.is_some() || expected.all(|replica| replica.local.retired) {
        return Vec::new();
    }
    let origins = history.origins.iter().enumerate();
    let announced = origins.filter(|(_, origin)| announced.contains(&origin.id));
    announced.map(|(number, _)| number).collect()
}

/// Whether every replica has folded these origins.
pub(crate) fn have_folded(replicas: &[Option<ExpectedReplica>], origins: &[usize]) -> bool {
    let mut replicas = replicas.iter().flatten();
    replicas.all(|replica| {
        let folded = &replica.contents.folded;
        origins.iter().all(|origin| folded.contains(origin))
    })
}

/// Whether all replicas hold the same, and have folded the same origins. What they hold of an
/// origin that was reported for misbehaviour does not count.
pub(crate) fn agree(history: &History, replicas: &[Option<ExpectedReplica>]) -> bool {
    let mut replicas = replicas.iter().flatten();
    let Some(first) = replicas.next() else {
        return true;
    };
    let Some(liar) = &history.liar else {
        return replicas.all(|replica| replica.contents == first.contents);
    };
    replicas.all(|replica| {
        let mut keys = replica.contents.keys.iter().zip(&first.contents.keys);
        replica.contents.folded == first.contents.folded
            && keys
                .all(|(a, b)| a.entries == b.entries && liar.unreported(a).eq(liar.unreported(b)))
    })
}
