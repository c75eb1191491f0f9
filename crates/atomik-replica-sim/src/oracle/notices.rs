//! Checks every notice of a replica, and that none is missing.

use atomik_replica::{Notice, OriginId, Refusal, View};

use super::contents::Contents;
use super::expected::ExpectedReplica;
use super::history::History;
use super::lives::Turn;
use super::{overlaps, subscriptions};
use crate::violation::{Check, Violation, ensure};

/// Counts of what an event brought, for the report.
pub(crate) struct Observed {
    pub(crate) overlaps: u64,
    pub(crate) second_writers: u64,
    pub(crate) folded: u64,
    pub(crate) adopted: u64,
    pub(crate) memory_lost: bool,
    pub(crate) turn: Turn,
    pub(crate) merged: u64,
}

/// Checks the notices that honest replicas must never give, and those about their memory.
pub(crate) fn check_identity(
    history: &History,
    expected: &ExpectedReplica,
    notices: &[Notice],
) -> Check<Observed> {
    let n = expected.n;
    let mut observed = Observed {
        overlaps: 0,
        second_writers: 0,
        folded: 0,
        adopted: 0,
        memory_lost: false,
        turn: Turn::None,
        merged: 0,
    };
    let has_lost = |id: OriginId| {
        let origin = history.origin(id).map(|origin| &history.origins[origin]);
        origin.is_some_and(|origin| origin.lost && origin.owner == n)
    };
    for notice in notices {
        match notice {
            // Not every member knows at once of a new list.
            Notice::Refused {
                reason: Refusal::UnknownKey { key, .. },
                ..
            } if history.members.may_lack(expected.local.roster, key) => {}
            // It was removed, or has not heard yet of what was decided while it was.
            Notice::Refused { from, .. } | Notice::BaseDiverged { from }
                if history.members.is_stale(n)
                    || history.members.is_stale(usize::from(from[0])) => {}
            Notice::Refused { from, reason } => {
                if let Some(liar) = &history.liar {
                    liar.check_refusal(n, usize::from(from[0]), reason)?;
                    continue;
                }
                return Err(Violation {
                    invariant: "no honest message is refused",
                    detail: format!("r{n}: {reason}"),
                });
            }
            Notice::Misconduct { key } => {
                let liar = history.liar.as_ref();
                ensure(
                    liar.is_some_and(|liar| liar.key == *key),
                    "no honest member is accused",
                    || format!("r{n}: {key:x?}"),
                )?;
            }
            // Anybody may claim to be somebody who uses the same key.
            Notice::KeyInUse { .. } if history.liar.is_some() => {}
            Notice::BaseDiverged { from } if history.is_liar(from[0]) => {}
            Notice::BaseDiverged { from } => {
                return Err(Violation {
                    invariant: "bases over the same origins are equal",
                    detail: format!("r{n} and r{}", from[0]),
                });
            }
            Notice::MemoryLost { old, new } => {
                let own = history.origins[expected.local.origin].id;
                ensure(
                    has_lost(*old) && *new == own,
                    "memory is reported lost only on a stale copy",
                    || format!("r{n}, as {}", history.name_of(*old)),
                )?;
                observed.memory_lost = true;
            }
            Notice::KeyInUse { origin } => ensure(
                has_lost(*origin),
                "a former life is taken for another user only after a loss",
                || format!("r{n}: {}", history.name_of(*origin)),
            )?,
            Notice::Stopped { .. } => {
                return Err(Violation {
                    invariant: "a replica without a copy is not stopped",
                    detail: format!("r{n}"),
                });
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
    // Notices that come with the message that makes a replica take a new life compare changes under
    // its old name.
    let compares = observed.turn != Turn::New && !history.members.is_stale(expected.n);
    let mut due = Vec::new();
    if compares {
        observed.merged = overlaps::merged(expected, new);
        due = overlaps::due(history, expected, new);
    }
    for notice in notices {
        match notice {
            Notice::Overlap(overlap) => {
                observed.overlaps += 1;
                if compares
                    && !overlap
                        .origins
                        .iter()
                        .any(|(id, _)| history.is_foreign(*id))
                {
                    overlaps::check_report(history, expected, new, overlap, &mut due)?;
                }
            }
            Notice::Folded(_) => observed.folded += 1,
            Notice::BaseAdopted { .. } => observed.adopted += 1,
            Notice::SecondWriter { key, origins } => {
                observed.second_writers += 1;
                if compares && !origins.iter().any(|id| history.is_foreign(*id)) {
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
                match history.key(key) {
                    Ok(key) => subscriptions::changed(expected, key, state, delta, subscriptions)?,
                    // A dishonest member may preview changes of any key.
                    Err(_) if history.liar.is_some() => {}
                    Err(unknown) => return Err(unknown),
                }
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
