//! Deterministic simulation of whole nodes: one seed, one run.
//!
//! A seed becomes a [`Schedule`]: an explicit list of changes, crashes, power cuts, errors of
//! storage, cut links, copied folders, orders of the administrator and looks at a node. [`run`]
//! plays it in virtual time on real nodes of `atomik-node`: the task that owns the replica, its
//! sessions, and the store on redb. Underneath are the in-process network of `atomik-net`, whose
//! messages are lost, repeated, delayed, reordered and refused, and the file of
//! `atomik-store` that fails, tears and forgets. All run in one thread whose clock stands still
//! while anything can run, and nothing is random that does not come from the seed, so a seed that
//! fails always fails.
//!
//! What holds is in `docs/replication.md`, what the simulation covers. Not simulated are control
//! connections, HTTP, the engines, the thread of the store, and files other than the store's.
//!
//! | item | what it is |
//! |---|---|
//! | [`Schedule`], [`Step`] | a run before it is run |
//! | [`simulate`], [`run`] | one seed, one schedule |
//! | [`Report`], [`Failure`] | what happened; the invariant that does not hold |
//!
//! ```
//! let report = atomik_node_sim::simulate(7)?;
//! assert_eq!(report.hash, atomik_node_sim::simulate(7)?.hash);
//! # Ok::<(), atomik_node_sim::Failure>(())
//! ```

#![forbid(unsafe_code)]

mod administrator;
mod calm;
mod changes;
mod disk;
mod draw;
mod failure;
mod log;
mod orders;
mod perform;
mod report;
mod run;
mod schedule;
mod slot;
mod world;

pub use failure::Failure;
pub use report::Report;
pub use run::run;
pub use schedule::{SLOTS, Schedule, Step, StorageFault};

/// Runs the schedule of a seed.
///
/// # Errors
/// [`Failure`] with the invariant that does not hold.
pub fn simulate(seed: u64) -> Result<Report, Failure> {
    run(&Schedule::generate(seed), false)
}
