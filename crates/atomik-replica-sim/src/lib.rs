//! Deterministic simulation of replicas: one seed, one schedule, an oracle beside every step.
//!
//! A seed becomes a [`Schedule`]: an explicit list of operations, ticks, flushes, crashes,
//! restarts, cut links and false notices about peers. [`run`] plays it in virtual time on real
//! [`atomik_replica::Replica`]s with simulated disks and a simulated network. Messages are lost,
//! duplicated, delayed and reordered. Storage confirms late. After a crash a disk has what it
//! confirmed and a prefix of the rest, each batch whole or not at all. An error of storage ends the
//! replica. In a share of the schedules
//! the replicas talk over [`atomik_session::Sessions`], and an outsider repeats, reflects,
//! redirects and alters packets, also of earlier processes, and forges farewells. In others one
//! member is dishonest: it contradicts itself, begins lives, tells each member something else,
//! previews what it never seals or seals otherwise, retires and goes on, has copies that state what
//! they hold, repeats, alters and makes up messages, answers unasked, floods others with requests,
//! forges lists of members and imitates others. In yet others a replica joins: the administrator's
//! list of members is handed to one. In others the administrator removes members, adds them again
//! and gives them other keys. Threads, clocks and randomness beyond the seed play no part,
//! so a seed that fails always fails.
//!
//! | item | what it is |
//! |---|---|
//! | [`Schedule`], [`Setup`], [`Step`] | a run before it is run |
//! | [`simulate`], [`simulate_many`], [`run`] | one seed, many seeds on all cores, one schedule |
//! | [`Report`], [`Failure`] | what happened; the invariant that does not hold |
//! | [`minimise`] | shrinks a failing schedule |
//! | [`run_naive`] | the same schedules with raw deltas on the wire: what replicas avoid |
//!
//! ```
//! let report = atomik_replica_sim::simulate(7)?;
//! assert_eq!(report.schedules, 1);
//!
//! let again = atomik_replica_sim::simulate(7)?;
//! assert_eq!(again.fingerprint, report.fingerprint);
//! # Ok::<(), atomik_replica_sim::Failure>(())
//! ```
//!
//! # What is checked
//!
//! After every step:
//!
//! - An entry matches what its origin did up to its version, and travels only after its origin has
//!   stored it. Versions never go backward.
//! - A state is the sum of all changes that the replica knows, field by field. Every fifth keyspace
//!   has a layout with other fields than the default.
//! - Operations answer as the specification says. Undo, checkpoints and subscriptions are right.
//! - Concurrent changes of the same bits of xor fields, and concurrent puts into the same field
//!   that adds, are reported to a writer that learns of them, and no others are.
//! - An origin is folded only after all members have stored all of it, and no state changes.
//! - No honest message is refused, no base diverges, and memory is reported lost only on a stale
//!   copy of a disk.
//! - Over sessions, a message arrives at most as often as it was sent, from the owner of the
//!   address, and none of an earlier process there after one of a later. Only its two sides end a
//!   session.
//! - A replica that is not on the list of members accepts no operations.
//! - With a dishonest member, the honest ones accuse nobody else, report its contradictions with a
//!   [`Proof`](atomik_replica::Proof) that holds, and answer a bounded number of its requests
//!   between two ticks.
//!
//! After every start: what was stored is there, exactly.
//!
//! At the end, once all faults have stopped:
//!
//! - Sessions between all members come up.
//! - Every change that any replica holds reaches all, within [`Setup::most_rounds`].
//! - Every acknowledged change is there, unless its disk was lost.
//! - Replicas that agree exchange only summaries.
//! - All have the administrator's last list of members.
//! - Of a member that was removed, all that one of those that stay had on its disk is in the state
//!   of all, folded; and they take nothing of it any more, whatever it brings when it returns.
//! - With a dishonest member, all of this holds of the honest ones. What it signed is the same at
//!   all of them, unless one has reported that origin. Once it has retired or was convicted, all of
//!   it is folded, unless all who had the certified base have lost it. Nothing that it previewed
//!   outlasts its sessions. They know no other origins, keys and members than somebody has signed.
//!
//! The oracle derives what it expects from the operations and from when each replica learned of
//! what, never from what a replica computed.

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
pub use step::{Lie, Memory, Operation, Order, Step};
