//! Deterministic simulation of replicas: one seed, one schedule, an oracle beside every step.
//!
//! A seed becomes a [`Schedule`]: an explicit list of operations, ticks, flushes, crashes,
//! restarts, cut links and wrong notices. [`run`] plays it in virtual time on real
//! [`atomik_replica::Replica`]s, whose disks and network it simulates: messages are lost, doubled,
//! late and out of order; storage confirms late, and after a crash it has what it confirmed, and of
//! the rest a prefix, each batch whole or not at all. There are no threads, no clock and no
//! randomness but the seed's, so a seed that fails fails again.
//!
//! | what must hold | at |
//! |---|---|
//! | an entry is what its origin did, up to its version; nobody knows more than its origin has stored | every step |
//! | a state is the xor of what all origins did, as far as the replica knows | every step |
//! | versions do not go backward in the life of a replica; a restart brings back exactly what was stored | every step, start |
//! | operations answer as the machine does, undo, checkpoints and subscriptions fit | every step |
//! | concurrent changes of the same bits are told to a writer that hears of them, and nothing else is told | every step |
//! | an origin is folded when all members had all of it on disk, and that changes no state | every step |
//! | nothing is refused, no base differs, and memory is only said to be lost where an old copy was put back | every step |
//! | when all is well, everything that anybody holds is everywhere, bit by bit, within [`Setup::most_rounds`] | end |
//! | what was acknowledged is there, unless its disk was lost | end |
//! | replicas that agree exchange summaries alone | end |
//!
//! What the oracle expects it computes from the operations and from when replicas have heard of
//! what, never from what they computed. [`minimise`] makes a failing schedule small. [`run_naive`]
//! plays the same schedules with raw deltas on the wire, which is what replicas are there to avoid.
//!
//! ```
//! let report = atomik_replica_sim::simulate(7)?;
//! assert_eq!(report.fingerprint, atomik_replica_sim::simulate(7)?.fingerprint);
//! # Ok::<(), atomik_replica_sim::Failure>(())
//! ```

#![forbid(unsafe_code)]

mod draw;
mod minimise;
mod naive;
mod network;
mod oracle;
mod report;
mod schedule;
mod seeds;
mod setup;
mod simulation;
mod step;
mod violation;

pub use minimise::{minimise, minimise_with};
pub use naive::run_naive;
pub use report::{Failure, Report};
pub use schedule::Schedule;
pub use seeds::{Outcome, simulate, simulate_many};
pub use setup::{LinkConditions, Setup};
pub use simulation::run;
pub use step::{Memory, Operation, Step};
