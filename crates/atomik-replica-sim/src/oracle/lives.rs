//! Lives of a replica that was started with records, which may be a stale copy. Until all members
//! vouch for its life, it publishes nothing under it; if they do not, it takes a new one.

use std::rc::Rc;

use atomik_replica::Replica;

use super::expected::{ExpectedReplica, Snapshot};
use super::history::{Branch, Change, History};
use super::membership;
use crate::violation::{Check, ensure};

/// Follows a replica into a new life, or into the continuation of its old one. `others` are the
/// other replicas that are up; `disks` is what storage has confirmed to all. Returns whether it is
/// in a new life, or continues one.
pub(crate) fn follow(
    history: &mut History,
    expected: &mut ExpectedReplica,
    (replica, adopted): (&Replica, bool),
    others: &[Option<ExpectedReplica>],
    disks: &[Option<Rc<Snapshot>>],
) -> Check<Turn> {
    let own = expected.local.origin;
    if replica.origin() != history.origins[own].id {
        take_new_life(history, expected, replica, Some(others))?;
        return Ok(Turn::New);
    }
    if adopted {
        follow_moves(history, expected, replica)?;
    }
    if history.branch(expected.n).is_some() && replica.is_vouched_for() {
        continue_life(history, expected, others, disks)?;
        return Ok(Turn::Continued);
    }
    Ok(Turn::None)
}

/// What became of a life in an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    None,
    New,
    Continued,
}

/// What the replica has not published moves to its new origin. `others` are the other replicas that
/// are up, or `None` if it was just opened.
pub(crate) fn take_new_life(
    history: &mut History,
    expected: &mut ExpectedReplica,
    replica: &Replica,
    others: Option<&[Option<ExpectedReplica>]>,
) -> Check {
    let (n, own) = (expected.n, expected.local.origin);
    // One that was resumed has previewed nothing yet.
    let resumed = others.is_some() && history.branch(n).is_some();
    let mut branch = history.end_life(n, own);
    // What it had only previewed moves, too.
    // What is folded is not held any more.
    let author = history.origins[own].author;
    let is_folded = author.is_some_and(|author| replica.has_folded(&author));
    let waits = history.origins[own].waits;
    if is_folded && expected.local.retired {
        // It was removed before it could announce that, and what it had not published waited. What
        // a base lacked that it adopted before is gone; it has told so.
        for (key, base) in branch.base.iter_mut().enumerate() {
            if expected.contents.keys[key].version(own) > 0 {
                *base = (*base).min(history.folded_version(own, key));
            }
        }
    }
    let bases = branch.base.iter_mut().enumerate();
    for (key, base) in bases.filter(|_| !resumed && (waits || !is_folded)) {
        let id = history.origins[own].id;
        let left = replica.writers(&history.keys[key]);
        let left = left.iter().find(|(origin, ..)| *origin == id);
        *base = left.map_or(0, |(_, version, _)| *version).min(*base);
        let signed = |other: &ExpectedReplica| other.contents.keys[key].signed().version(own);
        ensure(
            others
                .into_iter()
                .flatten()
                .flatten()
                .all(|other| signed(other) <= *base),
            "only what nobody has got signed moves to a new life",
            || format!("r{n}: k{key} of {}", history.name(own)),
        )?;
        let acknowledged = &mut history.origins[own].acknowledged[key];
        *acknowledged = (*acknowledged).min(*base);
    }
    let moved_to = history.register(replica.origin(), n)?;
    history.origins[moved_to].waits = membership::is_removed(replica);
    check_number(n, replica)?;
    for key in 0..history.keys.len() {
        move_changes(history, expected, &branch, key, moved_to);
        back_to_base(history, expected, &branch, key);
    }
    expected.local.origin = moved_to;
    if membership::begins_anew(history, own, replica) {
        expected.local.retired = false;
        history.left.remove(&n);
    }
    history.origins[moved_to].retired = expected.local.retired;
    Ok(())
}

/// Follows a replica that has adopted a base without some of what it did in former lives, which is
/// a change of its current one now.
fn follow_moves(history: &mut History, expected: &mut ExpectedReplica, replica: &Replica) -> Check {
    let (n, own) = (expected.n, expected.local.origin);
    let id = history.origins[own].id;
    for key in 0..history.keys.len() {
        let writers = replica.writers(&history.keys[key]);
        let found = writers.into_iter().find(|(origin, ..)| *origin == id);
        let done = history.changes(n, own, key);
        let zero = history.zero();
        let before = done.last().map_or(zero, |last| last.accumulator.clone());
        let Some((_, version, accumulator)) = found else {
            continue;
        };
        if version != done.len() as u64 + 1 {
            continue;
        }
        let fields = Rc::clone(&history.fields);
        let delta = fields.difference(&accumulator, &before);
        let mut is_put = false;
        let mut lives: Vec<usize> = (0..own).collect();
        lives.retain(|life| history.origins[*life].owner == n);
        let mut lacking = delta.clone();
        while !lacking.is_zero() {
            let Some(life) = lives.pop() else { break };
            let entries = &expected.contents.keys[key].entries;
            if let Some(entry) = entries.iter().find(|entry| entry.origin == life) {
                fields.take_from(&mut lacking, &entry.accumulator);
                let moved = history.changes(n, life, key);
                let last = (entry.version as usize).checked_sub(1);
                let last = last.and_then(|last| moved.get(last));
                is_put |= last.is_some_and(|last| last.put > 0);
                history.origins[life].acknowledged[key] = 0;
            }
        }
        ensure(
            lacking.is_zero(),
            "what a replica changes without being told to is what a base lacks of its former lives",
            || format!("r{n}: k{key}: {delta}"),
        )?;
        let origins = 0..history.origins.len();
        let knew = origins.map(|origin| expected.contents.knows(key, origin));
        let knew = knew.collect();
        history.append(n, own, key, (&delta, is_put), knew);
        if let Some(last) = history.origins[own].changes[key].last_mut() {
            last.exact = false;
        }
    }
    Ok(())
}

/// A new life has a higher number than all that the replica knows of its key.
pub(crate) fn check_number(n: usize, replica: &Replica) -> Check {
    let own = replica.origin();
    let Some(new) = replica.origins().find(|status| status.origin == own) else {
        return Ok(());
    };
    let mut former = replica
        .origins()
        .filter(|status| status.author.key == new.author.key && status.origin != own);
    ensure(
        former.all(|status| status.author.life() < new.author.life()),
        "lives of one key have ascending numbers",
        || format!("r{n}: {}", new.author.life()),
    )
}

/// A life may continue only if nobody, up or down, knows more of it than its owner.
fn continue_life(
    history: &mut History,
    expected: &ExpectedReplica,
    others: &[Option<ExpectedReplica>],
    disks: &[Option<Rc<Snapshot>>],
) -> Check {
    let n = expected.n;
    let Some(branch) = history.branch(n) else {
        return Ok(());
    };
    let own = branch.origin;
    let up = others.iter().flatten().filter(|other| other.n != n);
    let disks = disks.iter().enumerate().filter(|(m, _)| *m != n);
    let held = up
        .map(|other| (other.n, &other.contents))
        .chain(disks.filter_map(|(m, disk)| Some((m, &disk.as_ref()?.contents))));
    // Those that are not on the list are not asked, and one that is not on it reaches nobody.
    let asks = !history
        .members
        .is_over(history.origins[own].author.as_ref());
    for (m, contents) in held.filter(|(m, _)| asks && history.members.stays(*m)) {
        let mut keys = contents.keys.iter().zip(&branch.base);
        ensure(
            !contents.folded.contains(&own)
                && keys.all(|(key, base)| key.signed().version(own) <= *base),
            "a life continues only if no member knows more of it than its owner",
            || format!("r{n} continues {}; r{m} knows more", history.name(own)),
        )?;
    }
    history.adopt_branch(n, expected.local.retired);
    Ok(())
}

/// Makes the net effect of the branch on a key the first change of the new origin.
fn move_changes(
    history: &mut History,
    expected: &ExpectedReplica,
    branch: &Branch,
    key: usize,
    moved_to: usize,
) {
    let base = branch.base[key];
    let done = branch.changes[key].len() as u64;
    let zero = history.zero();
    let (done, published) = (
        branch.accumulator(key, done, &zero),
        branch.accumulator(key, base, &zero),
    );
    let put = branch.changes[key].last().map_or(0, |last| last.put);
    let net = history.fields.difference(done, published);
    if net.is_zero() {
        return;
    }
    let knew = (0..moved_to).map(|origin| {
        if origin == branch.origin {
            base
        } else {
            expected.contents.knows(key, origin)
        }
    });
    history.origins[moved_to].changes[key].push(Change {
        accumulator: net,
        knew: knew.collect(),
        // The message that brought it to light may have brought more.
        exact: false,
        put: u64::from(put > base),
    });
}

/// Takes the entry of the old origin back to what was published.
fn back_to_base(history: &History, expected: &mut ExpectedReplica, branch: &Branch, key: usize) {
    let base = branch.base[key];
    let zero = history.zero();
    let entries = &mut expected.contents.keys[key].entries;
    for entry in entries.iter_mut() {
        if entry.origin == branch.origin {
            entry.version = base;
            entry.accumulator = branch.accumulator(key, base, &zero).clone();
        }
    }
    entries.retain(|entry| entry.version > 0);
}
