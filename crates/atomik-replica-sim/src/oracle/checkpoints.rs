//! Checks that a checkpoint keeps the states of its time.

use atomik_replica::{OpError, Outcome, Replica};

use super::expected::ExpectedReplica;
use super::history::History;
use crate::violation::{Check, ensure};

/// A replica was asked for a checkpoint.
pub(crate) fn made(expected: &mut ExpectedReplica, result: Result<Outcome, OpError>) -> Check {
    let states = expected.states();
    let local = &mut expected.local;
    let number = local.next_checkpoint;
    local.next_checkpoint += 1;
    local.checkpoints.push((number, states));
    let outcome = result.unwrap_or_default();
    expected.promised.push(outcome.ticket);
    ensure(
        outcome.number == Some(u64::from(number)),
        "checkpoints are numbered in order",
        || format!("r{}: expected {number}, found {outcome:?}", expected.n),
    )
}

/// The number of the checkpoint at this place of the list; past its end, one that does not exist.
pub(crate) fn number_at(expected: &ExpectedReplica, place: usize) -> u32 {
    let local = &expected.local;
    let checkpoint = local.checkpoints.get(place);
    checkpoint.map_or(local.next_checkpoint, |(number, _)| *number)
}

/// A replica was asked to drop a checkpoint.
pub(crate) fn dropped(
    expected: &mut ExpectedReplica,
    number: u32,
    result: Result<Outcome, OpError>,
) -> Check {
    let checkpoints = &mut expected.local.checkpoints;
    let before = checkpoints.len();
    checkpoints.retain(|(known, _)| *known != number);
    let existed = checkpoints.len() < before;
    if let Ok(outcome) = &result {
        expected.promised.push(outcome.ticket);
    }
    let fits = match &result {
        Ok(_) => existed,
        Err(error) => !existed && *error == OpError::NoCheckpoint(number),
    };
    ensure(
        fits,
        "an existing checkpoint can be dropped, no other",
        || format!("r{}: checkpoint {number}: {result:?}", expected.n),
    )
}

/// Compares all checkpoints of a replica.
pub(crate) fn check(history: &History, expected: &ExpectedReplica, replica: &Replica) -> Check {
    const INVARIANT: &str = "a checkpoint keeps the states of its time";
    let n = expected.n;
    let checkpoints = &expected.local.checkpoints;
    for (number, states) in checkpoints {
        for ((key, name), state) in history.keys.iter().enumerate().zip(states) {
            let found = replica.state_at(name, *number);
            ensure(found.as_ref() == Ok(state), INVARIANT, || {
                format!("r{n}: k{key} at {number}: expected {state}, found {found:?}")
            })?;
        }
    }
    ensure(
        replica.checkpoints().len() == checkpoints.len(),
        INVARIANT,
        || format!("r{n} has {:?}", replica.checkpoints()),
    )
}
