//! The list of members, when a replica joins.

use atomik_replica::Replica;

use super::expected::ExpectedReplica;
use super::history::History;
use crate::violation::{Check, ensure};

/// Checks the list of a replica after an event. Only the second one, which adds the last replica,
/// follows the first.
pub(crate) fn check(history: &History, expected: &mut ExpectedReplica, replica: &Replica) -> Check {
    let Some((joiner, key)) = history.joiner else {
        return Ok(());
    };
    let (n, roster, before) = (expected.n, replica.roster(), expected.local.roster);
    let number = roster.number();
    ensure(
        (before..=1).contains(&number),
        "a newer list of members replaces the one before",
        || format!("r{n}: {before}, then {number}"),
    )?;
    let members = roster.keys().len();
    let all = history.replicas();
    ensure(
        roster.contains(&key) == (number == 1) && members == all - usize::from(number == 0),
        "a list of members is the administrator's",
        || format!("r{n}: list {number} of {members} members"),
    )?;
    expected.local.roster = number;
    expected.local.member = n != joiner || number == 1;
    Ok(())
}

/// Checks the list of a replica that was just opened: what was stored is there.
pub(crate) fn opened(
    history: &History,
    expected: &mut ExpectedReplica,
    replica: &Replica,
) -> Check {
    if history.joiner.is_none() {
        return Ok(());
    }
    let (stored, found) = (expected.local.roster, replica.roster().number());
    ensure(
        stored == found,
        "a restart brings back the list of members",
        || format!("r{}: {stored}, found {found}", expected.n),
    )?;
    check(history, expected, replica)
}
