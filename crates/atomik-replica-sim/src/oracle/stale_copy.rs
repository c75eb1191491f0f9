//! A replica that was started from a stale copy of its disk without knowing it. It writes under
//! versions that others may know with other contents, until it notices.

use std::collections::BTreeSet;

use atomik_replica::OriginId;

use super::expected::ExpectedReplica;
use super::history::{Branch, Change, History};
use crate::violation::{Check, Violation};

/// A replica has noticed, and takes a new origin: what it has not published moves there.
pub(crate) fn noticed(
    history: &mut History,
    expected: &mut ExpectedReplica,
    old: OriginId,
    new: OriginId,
) -> Check {
    let n = expected.n;
    let own = expected.local.origin;
    let branch = history.take_branch(n);
    let Some(branch) = branch.filter(|_| old == history.origins[own].id) else {
        return Err(Violation {
            invariant: "memory is reported lost only on a stale copy",
            detail: format!("r{n}, as {}", history.name_of(old)),
        });
    };
    let moved_to = history.register(new, n)?;
    for key in 0..history.keys.len() {
        move_changes(history, expected, &branch, key, moved_to);
        back_to_base(history, expected, &branch, key);
    }
    expected.local.origin = moved_to;
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
    let net = branch
        .accumulator(key, done, &zero)
        .xor(branch.accumulator(key, base, &zero));
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
    });
}

/// Takes the entry of the old origin back to what the stale copy has.
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

/// If nobody knows more of the origin of replica `n` than its stale copy did, what was lost is lost
/// for good, and what it does now counts. Returns whether that is so; it is not if the origin is
/// `announced` to have retired.
pub(crate) fn release(
    history: &mut History,
    replicas: &[Option<ExpectedReplica>],
    n: usize,
    announced: &BTreeSet<OriginId>,
) -> bool {
    let (Some(expected), Some(branch)) = (&replicas[n], history.branch(n)) else {
        return false;
    };
    let own = branch.origin;
    let knows_more = |other: &ExpectedReplica| {
        let contents = &other.contents;
        let mut keys = contents.keys.iter().zip(&branch.base);
        other.n != n
            && (contents.folded.contains(&own) || keys.any(|(key, base)| key.version(own) > *base))
    };
    if announced.contains(&history.origins[own].id) || replicas.iter().flatten().any(knows_more) {
        return false;
    }
    history.adopt_branch(n, expected.local.retired);
    true
}
