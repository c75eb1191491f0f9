//! Checks what a replica finds when it starts, and forgets what it loses when it stops.

use std::rc::Rc;

use atomik_replica::{OpError, Outcome, Replica};

use super::checkpoints;
use super::entries;
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
    replica: &Replica,
    opening: &Opening<'_>,
) -> Check<ExpectedReplica> {
    let keeps = |snapshot: &&Snapshot| opening.kept_memory || snapshot.local.retired;
    let kept = opening.snapshot.filter(keeps);
    let own = match kept {
        Some(snapshot) => {
            let own = snapshot.origin();
            let continues = replica.origin() == history.origins[own].id;
            ensure(
                continues || membership::may_begin(history, own, replica),
                "a replica that kept its memory keeps its origin",
                || format!("r{n} was {}", history.name(own)),
            )?;
            own
        }
        None => {
            lives::check_number(n, replica)?;
            let own = history.register(replica.origin(), n)?;
            history.origins[own].waits = membership::is_removed(replica);
            own
        }
    };
    let mut expected = match opening.snapshot {
        Some(snapshot) => ExpectedReplica::from_snapshot(n, own, snapshot.clone()),
        None => ExpectedReplica::empty(n, own, history.keys.len(), &history.fields),
    };
    // One that has retired makes no more changes.
    let continues = replica.origin() == history.origins[own].id;
    if continues && kept.is_some_and(|kept| !kept.local.retired) {
        history.branch_off(n, own, expected.contents.versions(own));
    }
    membership::opened(history, &mut expected, replica)?;
    history.learn(replica);
    if !continues {
        // Of its history it has what its records have.
        history.branch_off(n, own, expected.contents.versions(own));
        lives::take_new_life(history, &mut expected, replica, None)?;
        history.learn(replica);
    }
    let mut found = observe(history, replica)?;
    // That an origin of which it holds nothing is folded may have been found out elsewhere.
    for &origin in &found.folded {
        let held = expected.contents.versions(origin);
        if held.iter().all(|version| *version == 0) && expected.contents.folded.insert(origin) {
            let folded = history.fold((origin, held), found.certificate, true, true);
            expected.local.base.insert(origin, folded);
        }
    }
    found.lies = if history.members.is_stale(n) {
        expected.contents.lies.clone()
    } else {
        entries::unexplained(history, n, &found)
    };
    if continues {
        ensure(
            found == expected.contents,
            "a restart brings back what was stored",
            || format!("r{n}: {}", difference(history, &expected.contents, &found)),
        )?;
    } else {
        entries::check_contents(history, &expected, &found)?;
        expected.contents = found;
    }
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
}

/// Replica `n` has lost batches of its disk. Of its origins only what some disk still has remains
/// acknowledged.
pub(crate) fn lost(history: &mut History, n: usize, disks: &[Option<Rc<Snapshot>>]) {
    history.losses += 1;
    for origin in &mut history.origins {
        origin.lost |= origin.owner == n;
    }
    limit_acknowledged(history, disks);
}

/// Replica `n` has announced its retirement. One that stays had everything on disk, but may have
/// lost that disk since the replica was asked to retire.
pub(crate) fn left(history: &mut History, n: usize, before: usize, disks: &[Option<Rc<Snapshot>>]) {
    if history.left.insert(n) && history.losses > before {
        limit_acknowledged(history, disks);
    }
}

/// Of what a replica did that has lost its disk or left, or did in lives that are over, only what
/// the disk of one that stays has remains acknowledged.
pub(crate) fn limit_acknowledged(history: &mut History, disks: &[Option<Rc<Snapshot>>]) {
    let History {
        origins,
        left,
        members,
        ..
    } = history;
    for (number, origin) in origins.iter_mut().enumerate() {
        let is_over = members.is_over(origin.author.as_ref());
        if !is_over && !origin.lost && !left.contains(&origin.owner) {
            continue;
        }
        for (key, acknowledged) in origin.acknowledged.iter_mut().enumerate() {
            let disks = disks.iter().enumerate();
            let disks = disks.filter(|(m, _)| !left.contains(m) && members.stays(*m));
            let disks = disks.filter_map(|(_, disk)| disk.as_ref());
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
    local.losses = history.losses;
    history.origins[local.origin].retired = true;
    let result = result.map(|outcome| expected.promised.push(outcome.ticket));
    ensure(result.is_ok(), "a replica can always retire", || {
        format!("r{}: {result:?}", expected.n)
    })
}
