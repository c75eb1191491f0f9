//! Checks at the end of a run: everything is everywhere, nothing that was acknowledged is gone.

use std::collections::BTreeSet;

use atomik_replica::OriginId;

use super::contents::{Contents, Entry, KeyContents};
use super::expected::ExpectedReplica;
use super::history::History;
use super::honesty::{Fate, KnownLiar};
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
    announced: &BTreeSet<OriginId>,
    wanted: &Versions,
) -> Check {
    let lost = has_lost_base(history, replicas);
    for ExpectedReplica { n, contents, .. } in replicas.iter().flatten() {
        for (key, wanted) in wanted.iter().enumerate() {
            for (origin, &wanted) in wanted.iter().enumerate() {
                let held = contents.keys[key].version(origin);
                let known = &history.origins[origin];
                let is_over = history.members.is_over(known.author.as_ref());
                let lost = lost && (is_over || announced.contains(&known.id));
                ensure(
                    lost || contents.folded.contains(&origin) || held == wanted,
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
        for (number, (origin, held)) in history.origins.iter().zip(held).enumerate() {
            let acknowledged = origin.acknowledged[key];
            ensure(
                *held >= acknowledged,
                "no acknowledged change is lost",
                || {
                    let name = history.name(number);
                    format!("k{key}: {name} version {held}, acknowledged {acknowledged}")
                },
            )?;
        }
    }
    Ok(())
}

/// Whether replicas can still fold: not all have retired, and if lists of members were made, one
/// has the last certified base.
pub(crate) fn fold(history: &History, replicas: &[Option<ExpectedReplica>]) -> bool {
    let mut expected = replicas.iter().flatten();
    !expected.all(|replica| replica.local.retired) && !has_lost_base(history, replicas)
}

/// Whether no replica has the last certified base. Then nothing more is taken of what it covers.
pub(crate) fn has_lost_base(history: &History, replicas: &[Option<ExpectedReplica>]) -> bool {
    let replicas = replicas.iter().flatten();
    history
        .members
        .have_lost_base(replicas.map(|replica| replica.covered))
}

/// Origins that every replica must fold: that their lives are over is `announced`. None if all have
/// retired: then nobody is left to sign.
pub(crate) fn to_fold(
    history: &History,
    replicas: &[Option<ExpectedReplica>],
    announced: &BTreeSet<OriginId>,
) -> Vec<usize> {
    // As long as a dishonest member has to sign, it may refuse to.
    let liar = history.liar.as_ref();
    let fate = |liar: &KnownLiar| liar.fate(announced, held(replicas));
    let refuses = liar.is_some_and(|liar| fate(liar) != Fate::Folded);
    if refuses || !fold(history, replicas) {
        return Vec::new();
    }
    let origins = history.origins.iter().enumerate();
    let announced = origins.filter(|(_, origin)| {
        announced.contains(&origin.id) || history.members.is_over(origin.author.as_ref())
    });
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

/// Whether all replicas hold the same, and have folded the same origins, of those that are
/// `announced` all. What they hold of an origin that was reported for misbehaviour does not count
/// until it is over.
pub(crate) fn agree(
    history: &History,
    replicas: &[Option<ExpectedReplica>],
    announced: &BTreeSet<OriginId>,
) -> bool {
    let mut all = held(replicas);
    let Some(first) = all.next() else {
        return true;
    };
    if has_lost_base(history, replicas) {
        let is_announced = |entry: &&Entry| announced.contains(&history.origins[entry.origin].id);
        let living = |key| history.living(key).filter(|entry| !is_announced(entry));
        return all.all(|replica| {
            let mut keys = replica.keys.iter().zip(&first.keys);
            keys.all(|(a, b)| living(a).eq(living(b)))
        });
    }
    let Some(liar) = &history.liar else {
        return all.all(|replica| replica == first);
    };
    let fate = liar.fate(announced, held(replicas));
    all.all(|replica| {
        let foreign = |a: &KeyContents, b: &KeyContents| match fate {
            Fate::Living => liar.unreported(a) == liar.unreported(b),
            Fate::Folded => a.foreign.is_empty() && b.foreign.is_empty(),
            Fate::Stuck => true,
        };
        let mut keys = replica.keys.iter().zip(&first.keys);
        (&replica.folded, &replica.lies) == (&first.folded, &first.lies)
            && keys.all(|(a, b)| a.entries == b.entries && foreign(a, b))
    })
}

/// What the replicas that are up hold.
pub(crate) fn held(replicas: &[Option<ExpectedReplica>]) -> impl Iterator<Item = &Contents> {
    let replicas = replicas.iter().flatten();
    replicas.map(|replica| &replica.contents)
}
