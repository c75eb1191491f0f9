//! Replicated words that xor or add, and survive loss, duplication, reordering, partitions and
//! crashes.
//!
//! Raw deltas are unsafe between machines: one that arrives twice cancels itself where words xor,
//! and counts twice where they add; a lost one is lost for good. So raw deltas are never sent. A
//! replica keeps, per key and *origin*, the sum of all of that origin's changes and their number,
//! the *version*. It sends these, signed, and of two versions the higher wins.
//! `docs/replication.md` states the promises, the format and the argument; `docs/spec.md`, section
//! 4, is normative.
//!
//! | item | what it is |
//! |---|---|
//! | [`Replica`] | the state machine of one keyspace; no clock, randomness, files or sockets |
//! | [`Loader`] | opens one from the records of a store |
//! | [`Config`], [`Shape`], [`View`], [`Trust`] | its configuration, how its words combine, what they mean, its members |
//! | [`Event`], [`LocalOp`], [`Action`] | its inputs |
//! | [`Effect`], [`Outcome`] | its outputs and its answers to local operations |
//! | [`Notice`], [`Overlap`], [`Refusal`] | its reports |
//! | [`Value`], [`OriginId`], [`Author`] | states and deltas; their writers |
//! | [`Roster`], [`Listed`] | the signed list of members |
//! | [`OpError`], [`OpenError`], [`ConfigError`] | refused operations and configurations |
//!
//! Inside, [`Replica`] only decides which part handles an event. The parts, each in a file of its
//! own and tested alone:
//!
//! | part | what it owns |
//! |---|---|
//! | `keyspace`: `table`, `checkpoints`, `subscriptions` | the keys with their states and entries; digest and evidence |
//! | `shape`, `value` | how the words of a value combine; its words |
//! | `roster`, `membership` | the list of members; the one in force |
//! | `parts` | records that may be longer than a message |
//! | `origins`, `ledger`, `base` | the known origins; retirements and statements; folded origins |
//! | `publication`, `batches` | changes on their way to storage and peers; own batches for undo |
//! | `peers`, `exchange` | the reachable peers; comparison with them |
//! | `writer`, `merge` | how local operations and received entries change the table |
//! | `message`, `frame`, `excerpts`, `summary`, `chunk` | the wire format |
//! | `memory`, `record` | the records in storage |
//!
//! # Example
//!
//! A change counts once, although the message with it arrives twice:
//!
//! ```
//! use atomik_replica::{Config, Effect, Event, LocalOp, Replica, Trust};
//!
//! let members = vec![[1; 32], [2; 32]];
//! let mut open = |n: usize| {
//!     let trust = Trust::Unsigned { key: members[n], allowed: members.clone() };
//!     Replica::open(Config::new("demo", 1, [7; 32], trust, [n as u8; 16]), [])
//! };
//! let (mut a, mut b) = (open(0)?, open(1)?);
//! let mut effects = Vec::new();
//!
//! a.step(Event::Op(&LocalOp::accum(b"x", 5.into())), &mut effects)?;
//! a.step(Event::Flush, &mut effects)?;
//! let Some(Effect::Persist { ticket, .. }) = effects.pop() else { unreachable!() };
//! // Here storage would write the records. Only then may the change be sent.
//! a.step(Event::Persisted(ticket), &mut effects)?;
//! let Some(Effect::Broadcast { bytes, .. }) = effects.pop() else { unreachable!() };
//!
//! for _ in 0..2 {
//!     b.step(Event::Message { from: [0; 16], bytes: &bytes }, &mut effects)?;
//! }
//! assert_eq!(b.state(b"x"), 5.into());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod archive;
mod base;
mod batches;
mod certificate;
mod checkpoints;
mod chunk;
mod closing;
mod codec;
mod config;
mod context;
mod counters;
mod digest;
mod entry;
mod error;
mod event;
mod excerpts;
mod exchange;
mod frame;
#[doc(hidden)]
pub mod fuzzing;
mod gaps;
mod head;
#[cfg(test)]
mod hostile;
mod inbox;
mod keyspace;
mod ledger;
#[cfg(test)]
mod liars;
mod many;
mod membership;
mod memory;
mod merge;
mod message;
mod notice;
mod operation;
mod origin;
mod origins;
mod overlay;
mod parts;
mod peers;
mod preview;
mod proof;
mod publication;
mod recent;
mod record;
mod replica;
mod roster;
mod secrets;
mod shape;
mod single;
mod sketch;
mod slot;
mod slots;
mod statement;
mod subscriptions;
mod summary;
mod table;
mod unsealed;
mod value;
mod vouching;
mod waiting;
mod writer;

pub use atomik_algebra::{Field, FieldKind, Layout, LayoutError, Op, Response};
pub use certificate::Certified;
pub use closing::Cause;
pub use config::{Config, DEFAULT_LINGER};
pub use counters::Counters;
pub use entry::{MAX_KEY, MAX_SEEN};
pub use error::{ConfigError, OpError, OpenError};
pub use event::{Effect, Event, Outcome, Record};
pub use ledger::Closing;
pub use notice::{Missing, Notice, Overlap, Refusal};
pub use operation::{Action, LocalOp, View};
pub use origin::{Author, Incarnation, OriginId, PublicKey, Trust};
pub use peers::PeerId;
pub use proof::{Misconduct, Proof, ProofError, Verdict};
pub use replica::{Loader, OriginStatus, Replica};
pub use roster::{Listed, MAX_MEMBERS, MAX_NAME, Roster, RosterError, RosterRefusal};
pub use shape::Shape;
pub use value::{MAX_WORDS, Value};
