//! Checks what a replica finds when it starts, and forgets what it loses when it stops.

use std::rc::Rc;

use atomik_replica::{OpError, Outcome, Replica};

use super::checkpoints;
use super::expected::{ExpectedReplica, Snapshot};
use super::history::History;
use super::lives;
use super::membership;
use super::observe::{difference, observe};

use crate::violation::{Check, ensure};

/// What a replica starts from.
pub(crate) struct Opening<'a> {
    /// The last batch on its disk.
    pub(crate) snapshot: Option<&'a Snapshot>,
    /// The configuration does not say that something is missing on its disk.
    pub(crate) kept_memory: bool,
}

/// Replica `n` was opened: checks it, and returns what is expected of it from now on.
pub(crate) fn opened(
    history: &mut History,
    n: usize,
    words: usize,
    replica: &Replica,
    opening: &Opening<'_>,
) -> Check<ExpectedReplica> {
    let keeps = |snapshot: &&Snapshot| opening.kept_memory && !snapshot.local.retired;
    let kept = opening.snapshot.filter(keeps);
    let own = match kept {
        Some(snapshot) => {
            let own = snapshot.origin();
            ensure(
                replica.origin() == history.origins[own].id,
                "a replica that kept its memory keeps its origin",
                || format!("r{n} was {}", history.name(own)),
            )?;
            own
        }
        None => {
            lives::check_number(n, replica)?;
            history.register(replica.origin(), n)?
        }
    };
    let mut expected = match opening.snapshot {
        Some(snapshot) => ExpectedReplica::from_snapshot(n, own, snapshot.clone()),
        None => ExpectedReplica::empty(n, own, history.keys.len(), words),
    };
    if kept.is_some() {
        history.branch_off(n, own, expected.contents.versions(own));
    }
    membership::opened(history, &mut expected, replica)?;
    let found = observe(history, replica)?;
    ensure(
        found == expected.contents,
        "a restart brings back what was stored",
        || format!("r{n}: {}", difference(history, &expected.contents, &found)),
    )?;
    checkpoints::check(history, &expected, replica)?;
    Ok(expected)
}

/// A replica has stopped; `survivor` is the last batch that is left on its disk.
pub(crate) fn crashed(
    history: &mut History,
    stopped: &ExpectedReplica,
    survivor: Option<&Snapshot>,
) {
    if history.take_branch(stopped.n).is_some() {
        return;
    }
    let own = stopped.local.origin;
    let survivor = survivor.filter(|survivor| survivor.origin() == own);
    if let Some(survivor) = survivor {
        history.confirm(own, &survivor.contents.versions(own));
    }
    history.forget_unstored(own);
    let origin = &mut history.origins[own];
    origin.retired &= survivor.is_some_and(|survivor| survivor.local.retired);
    if !origin.retired {
        origin.complete_at.clear();
    }
}

/// Replica `n` has lost batches of its disk. Of its origins only what some disk still has remains
/// acknowledged.
pub(crate) fn lost(history: &mut History, n: usize, disks: &[Option<Rc<Snapshot>>]) {
    for (number, origin) in history.origins.iter_mut().enumerate() {
        origin.lost |= origin.owner == n;
        if !origin.lost {
            continue;
        }
        for (key, acknowledged) in origin.acknowledged.iter_mut().enumerate() {
            let disks = disks.iter().flatten();
            let held = disks.map(|disk| {
                if disk.contents.folded.contains(&number) {
                    u64::MAX
                } else {
                    disk.contents.keys[key].version(number)
                }
            });
            *acknowledged = (*acknowledged).min(held.max().unwrap_or(0));
        }
    }
}

/// A replica was asked to retire.
pub(crate) fn retired(
    history: &mut History,
    expected: &mut ExpectedReplica,
    result: Result<Outcome, OpError>,
) -> Check {
    let local = &mut expected.local;
    local.retired = true;
    history.origins[local.origin].retired = true;
    let result = result.map(|outcome| expected.promised.push(outcome.ticket));
    ensure(result.is_ok(), "a replica can always retire", || {
        format!("r{}: {result:?}", expected.n)
    })
}
