//! Checks every notice of a replica, and that none is missing.

use atomik_replica::{Notice, OriginId, View};

use super::contents::Contents;
use super::expected::ExpectedReplica;
use super::history::History;
use super::{overlaps, stale_copy, subscriptions};
use crate::violation::{Check, Violation, ensure};

/// Counts of what an event brought, for the report.
#[derive(Default)]
pub(crate) struct Observed {
    pub(crate) overlaps: u64,
    pub(crate) second_writers: u64,
    pub(crate) folded: u64,
    pub(crate) adopted: u64,
    pub(crate) memory_lost: bool,
    pub(crate) merged: u64,
}

/// Checks the notices that honest replicas must never give. Moves what a replica has not published
/// to its new origin if it reports that it has lost memory, since that decides what it must hold.
pub(crate) fn check_identity(
    history: &mut History,
    expected: &mut ExpectedReplica,
    notices: &[Notice],
) -> Check<Observed> {
    let n = expected.n;
    let mut observed = Observed::default();
    for notice in notices {
        match notice {
            Notice::Refused { reason, .. } => {
                return Err(Violation {
                    invariant: "no honest message is refused",
                    detail: format!("r{n}: {reason}"),
                });
            }
            Notice::BaseDiverged { from } => {
                return Err(Violation {
                    invariant: "bases over the same origins are equal",
                    detail: format!("r{n} and r{}", from[0]),
                });
            }
            Notice::MemoryLost { old, new } => {
                stale_copy::noticed(history, expected, *old, *new)?;
                observed.memory_lost = true;
            }
            _ => {}
        }
    }
    Ok(observed)
}

/// Checks the notices of an event after which a replica holds `new`.
pub(crate) fn check(
    history: &History,
    view: View,
    expected: &mut ExpectedReplica,
    new: &Contents,
    notices: &[Notice],
    observed: &mut Observed,
) -> Check {
    // Notices that come with the message by which a replica finds out that it runs on a stale copy
    // compare changes under its old name.
    let compares = !observed.memory_lost;
    let mut due = Vec::new();
    if compares {
        observed.merged = overlaps::merged(expected, new);
        due = overlaps::due(history, expected, new);
    }
    for notice in notices {
        match notice {
            Notice::Overlap(overlap) => {
                observed.overlaps += 1;
                if compares {
                    overlaps::check_report(history, expected, new, overlap, &mut due)?;
                }
            }
            Notice::Folded(id) => {
                observed.folded += 1;
                check_fold(history, expected.n, *id)?;
            }
            Notice::BaseAdopted { .. } => observed.adopted += 1,
            Notice::SecondWriter { key, origins } => {
                observed.second_writers += 1;
                if compares {
                    check_second_writer(history, view, expected.n, key, origins)?;
                }
            }
            Notice::Changed {
                key,
                state,
                delta,
                subscriptions,
                ..
            } => {
                let key = history.key(key)?;
                subscriptions::changed(expected, key, state, delta, subscriptions)?;
            }
            _ => {}
        }
    }
    ensure(
        due.is_empty(),
        "concurrent changes of the same bits are reported to a writer",
        || due[0].describe(history, expected.n),
    )?;
    subscriptions::check(expected, new)
}

/// An origin may be folded once all others have stored all of it.
fn check_fold(history: &History, n: usize, id: OriginId) -> Check {
    let Some(number) = history.origin(id) else {
        return Ok(());
    };
    let origin = &history.origins[number];
    let mut others = (0..history.replicas()).filter(|m| *m != origin.owner);
    let missing = others.find(|m| !origin.complete_at.contains(m));
    ensure(
        origin.retired && missing.is_none(),
        "an origin is folded only after all members have stored all of it",
        || {
            format!(
                "r{n} folds {}; retired: {}; r{missing:?} never had all",
                history.name(number),
                origin.retired
            )
        },
    )
}

/// A cell has a second writer if two origins have changed it.
fn check_second_writer(
    history: &History,
    view: View,
    n: usize,
    key: &[u8],
    origins: &[OriginId; 2],
) -> Check {
    let key = history.key(key)?;
    let has_written = |id: &OriginId| {
        let origin = history.origin(*id);
        origin.is_some_and(|origin| !history.changes(n, origin, key).is_empty())
    };
    ensure(
        origins.iter().all(has_written) && origins[0] != origins[1] && view == View::Cell,
        "a reported second writer has written",
        || format!("r{n}: k{key}"),
    )
}
