//! Checks that the notices to a subscriber add up to the states of all keys.

use atomik_replica::Value;

use super::contents::Contents;
use super::expected::{ExpectedReplica, Subscription};
use crate::violation::{Check, ensure};

const INVARIANT: &str = "a subscriber is notified of every change exactly once";

/// A replica has a new subscription to all keys.
pub(crate) fn began(expected: &mut ExpectedReplica, number: u32) {
    let heard = expected.states();
    expected.subscriptions.push(Subscription { number, heard });
}

/// Ends all subscriptions of a replica; returns their numbers.
pub(crate) fn ended(expected: &mut ExpectedReplica) -> Vec<u32> {
    let all = core::mem::take(&mut expected.subscriptions);
    all.iter().map(|subscription| subscription.number).collect()
}

/// A notice to these subscribers: a key changed by `delta`, to `state`.
pub(crate) fn changed(
    expected: &mut ExpectedReplica,
    key: usize,
    state: &Value,
    delta: &Value,
    subscribers: &[u32],
) -> Check {
    let n = expected.n;
    for subscription in &mut expected.subscriptions {
        if subscribers.contains(&subscription.number) {
            let heard = &mut subscription.heard[key];
            let fields = &expected.contents.keys[key].fields;
            fields.add_to(heard, delta);
            ensure(heard == state, INVARIANT, || {
                format!("r{n}: k{key} is {state}, heard {heard}")
            })?;
        }
    }
    Ok(())
}

/// After an event every subscriber has heard of the states that a replica holds.
pub(crate) fn check(expected: &ExpectedReplica, contents: &Contents) -> Check {
    let n = expected.n;
    for subscription in &expected.subscriptions {
        for (key, (heard, now)) in subscription.heard.iter().zip(&contents.keys).enumerate() {
            ensure(*heard == now.state, INVARIANT, || {
                format!("r{n}: k{key} is {}, heard {heard}", now.state)
            })?;
        }
    }
    Ok(())
}
