//! The systems that the evaluator compares, each as a state machine for the simulated world of
//! [`atomik_arena`].
//!
//! A system opens nodes. The world passes operations, messages and disk events to them and measures
//! what they send, write and hold. Each module starts with the design of its system;
//! [`Description`](atomik_arena::system::Description) holds what the report says about it.
//!
//! | module | system | feature |
//! |---|---|---|
//! | `atomik` | ATOMiK, with and without signatures | |
//! | `raft` | Raft by raft-rs | `raft` |
//! | `crdts` | operation-based CRDTs of the crate `crdts` | `crdts` |
//! | `yrs`, `loro`, `automerge` | documents of these libraries | `yrs`, `loro`, `automerge` |
//! | `event_log` | an event store in SQLite, with and without snapshots | `sqlite` |
//! | `cqrs` | event sourcing with the library `cqrs-es` | `cqrs` |
//! | `causal`, `document`, `store_protocol`, `anti_entropy` | the replication that several share | |
//! | `linger` | the wait of changes for more, in all of them | |
//!
//! ```
//! let systems = atomik_systems::all();
//! assert_eq!(systems[0].describe().name, "ATOMiK");
//! for (system, feature) in atomik_systems::left_out() {
//!     println!("{system} needs the feature {feature}");
//! }
//! ```

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
mod linger;
#[cfg(feature = "loro")]
mod loro;
#[cfg(feature = "raft")]
mod raft;
#[cfg(feature = "sqlite")]
mod store_protocol;
#[cfg(feature = "yrs")]
mod yrs;

use atomik_arena::system::System;

/// Every system of this build, ATOMiK first.
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

/// The systems that this build leaves out, each with the feature that includes it.
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
    .filter(|(.., included)| !included)
    .map(|(name, feature, _)| (name, feature))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_system_is_included_or_left_out() {
        let included = all();
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
            let is_included = included.iter().any(|system| system.describe().name == name);
            let is_left_out = left_out().any(|(left_out, _)| left_out == name);
            assert!(is_included != is_left_out, "{name}");
        }
    }
}
