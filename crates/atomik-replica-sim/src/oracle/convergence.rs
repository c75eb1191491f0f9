//! Checks at the end of a run: everything is everywhere, nothing that was acknowledged is gone.

use std::collections::BTreeSet;

use atomik_replica::OriginId;

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
            return history.origins[origin].changes[key].len() as u64;
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
    for (number, origin) in history.origins.iter().enumerate() {
        for (key, &stored) in origin.acknowledged.iter().enumerate() {
            let held = held[key][number];
            ensure(held >= stored, "no acknowledged change is lost", || {
                let name = history.name(number);
                format!("k{key}: {name} version {held}, acknowledged {stored}")
            })?;
        }
    }
    Ok(())
}

/// Origins that every replica must fold: their retirement is `announced`, and all their changes are
/// still held somewhere.
pub(crate) fn to_fold(
    history: &History,
    replicas: &[Option<ExpectedReplica>],
    announced: &BTreeSet<OriginId>,
) -> Vec<usize> {
    let highest = highest(history, replicas);
    let must_fold = |number: &usize| {
        let origin = &history.origins[*number];
        let mut keys = origin.changes.iter().zip(&highest);
        origin.retired
            && announced.contains(&origin.id)
            && keys.all(|(changes, held)| held[*number] == changes.len() as u64)
    };
    (0..history.origins.len()).filter(must_fold).collect()
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
