//! The systems of the comparison, each as a state machine for the simulated world of
//! [`atomik_arena`].

#![forbid(unsafe_code)]

#[cfg(all(
    test,
    any(
        feature = "crdts",
        feature = "yrs",
        feature = "loro",
        feature = "automerge",
        feature = "sqlite"
    )
))]
mod adversary;
#[cfg(any(
    feature = "crdts",
    feature = "yrs",
    feature = "loro",
    feature = "automerge"
))]
mod anti_entropy;
mod atomik;
#[cfg(feature = "automerge")]
mod automerge;
#[cfg(feature = "crdts")]
mod causal;
#[cfg(feature = "cqrs")]
mod cqrs;
#[cfg(feature = "crdts")]
mod crdts;
#[cfg(any(feature = "yrs", feature = "loro", feature = "automerge"))]
mod document;
#[cfg(feature = "sqlite")]
mod event_log;
#[cfg(feature = "loro")]
mod loro;
#[cfg(feature = "raft")]
mod raft;
#[cfg(feature = "sqlite")]
mod store_protocol;
#[cfg(feature = "yrs")]
mod yrs;

use atomik_arena::system::System;

/// Every column that this build has, ours first.
pub fn all() -> Vec<Box<dyn System>> {
    [
        atomik::systems(),
        #[cfg(feature = "raft")]
        raft::systems(),
        #[cfg(feature = "crdts")]
        crdts::systems(),
        #[cfg(feature = "yrs")]
        yrs::systems(),
        #[cfg(feature = "loro")]
        loro::systems(),
        #[cfg(feature = "automerge")]
        automerge::systems(),
        #[cfg(feature = "sqlite")]
        event_log::systems(),
        #[cfg(feature = "cqrs")]
        cqrs::systems(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Columns that this build leaves out, each with the feature that brings it.
pub fn left_out() -> impl Iterator<Item = (&'static str, &'static str)> {
    [
        ("Raft", "raft", cfg!(feature = "raft")),
        ("CRDT", "crdts", cfg!(feature = "crdts")),
        ("Yrs", "yrs", cfg!(feature = "yrs")),
        ("Loro", "loro", cfg!(feature = "loro")),
        ("Automerge", "automerge", cfg!(feature = "automerge")),
        ("Event log", "sqlite", cfg!(feature = "sqlite")),
        ("cqrs-es", "cqrs", cfg!(feature = "cqrs")),
    ]
    .into_iter()
    .filter(|(.., there)| !there)
    .map(|(name, feature, _)| (name, feature))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_is_there_or_left_out() {
        let there = all();
        let names = [
            "Raft",
            "CRDT",
            "Yrs",
            "Loro",
            "Automerge",
            "Event log",
            "cqrs-es",
        ];
        for name in names {
            let is_there = there.iter().any(|system| system.describe().name == name);
            let is_left_out = left_out().any(|(left_out, _)| left_out == name);
            assert!(is_there != is_left_out, "{name}");
        }
    }
}
