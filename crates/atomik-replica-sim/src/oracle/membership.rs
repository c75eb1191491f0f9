//! Checks the list of members of each replica, and what it keeps of those that were removed.

use atomik_replica::{PublicKey, Replica, Roster};

use super::expected::ExpectedReplica;
use super::history::History;
use super::members::added;
use crate::violation::{Check, ensure};

/// Whether a replica may begin another life at its start, although it has what it had stored: with
/// another key, or since it is not on the list.
pub(crate) fn may_begin(history: &History, own: usize, replica: &Replica) -> bool {
    let key = replica.config().trust.key();
    let former = history.origins[own].author;
    former.is_some_and(|former| former.key != key) || is_removed(replica)
}

/// Whether a replica is not on the list that it knows.
pub(crate) fn is_removed(replica: &Replica) -> bool {
    !replica.roster().contains(&replica.config().trust.key())
}

/// Whether the current life of a replica is that of another key than its life `before`, or of one
/// that was added again since: then it has not retired any more.
pub(crate) fn begins_anew(history: &History, before: usize, replica: &Replica) -> bool {
    let own = replica.origin();
    let mut origins = replica.origins();
    let now = origins.find(|status| status.origin == own);
    let now = now.map(|status| status.author);
    now.zip(history.origins[before].author)
        .is_some_and(|(now, before)| now.key != before.key || added(&now) > added(&before))
}

/// Checks the list of a replica after an event.
pub(crate) fn check(history: &History, expected: &mut ExpectedReplica, replica: &Replica) -> Check {
    let (n, roster, before) = (expected.n, replica.roster(), expected.local.roster);
    let number = roster.number();
    let list = history.members.list(number);
    ensure(
        before <= number && list.is_some(),
        "a newer list of members replaces the one before",
        || format!("r{n}: {before}, then {number}"),
    )?;
    let members = |roster: &Roster| -> Vec<(PublicKey, u64)> {
        let members = roster.members().iter();
        members.map(|member| (member.key, member.since)).collect()
    };
    ensure(
        list.is_some_and(|list| members(list) == members(roster)),
        "a list of members is the administrator's",
        || format!("r{n}: list {number}"),
    )?;
    let key = replica.config().trust.key();
    expected.local.roster = number;
    expected.local.member = list.is_some_and(|list| list.contains(&key));
    Ok(())
}

/// Checks the list of a replica that was just opened: what was stored is there.
pub(crate) fn opened(
    history: &History,
    expected: &mut ExpectedReplica,
    replica: &Replica,
) -> Check {
    let (stored, found) = (expected.local.roster, replica.roster().number());
    ensure(
        stored == found,
        "a restart brings back the list of members",
        || format!("r{}: {stored}, found {found}", expected.n),
    )?;
    check(history, expected, replica)
}

/// Once everything is folded, a replica keeps nothing of lives that are over, except records that
/// the next origins use, and waits for nobody.
pub(crate) fn check_departed(history: &History, n: usize, replica: &Replica) -> Check {
    let members = &history.members;
    if !members.change() {
        return Ok(());
    }
    let mut origins = replica.origins();
    ensure(
        origins.all(|status| status.folded || !members.is_over(Some(&status.author)))
            && replica.closings().is_empty(),
        "what is over is folded",
        || format!("r{n}: {:?}", replica.closings()),
    )
}
