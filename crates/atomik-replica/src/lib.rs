//! Replicated xor state that survives loss, duplicates, reordering, partitions and crashes.
//!
//! Raw xor deltas are unsafe between machines: one that arrives twice cancels itself, one that is
//! lost is lost for ever. So none travels. A replica keeps, per key and *origin*, the xor of all of
//! that origin's changes and their number, the *version*; it sends these, signed, and of two
//! versions the higher wins. `docs/replication.md` has the promises, the format and the argument;
//! `docs/spec.md`, section 4, is normative.
//!
//! | item | what it is |
//! |---|---|
//! | [`Replica`] | the state machine of one keyspace; no clock, no randomness, no files, no sockets |
//! | [`Config`], [`View`], [`Trust`] | what it is, what its words mean, who is heard |
//! | [`Event`], [`LocalOp`], [`Action`] | what happens to it |
//! | [`Effect`], [`Outcome`], [`Notice`], [`Overlap`], [`Refusal`] | what it asks for, answers and tells |
//! | [`Value`], [`OriginId`], [`Author`] | words; who changed them |
//! | [`OpError`], [`OpenError`] | what it refuses |
//!
//! # Example
//!
//! Two replicas, a lost message, a duplicate, and a comparison that repairs it:
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
//! // Storage would write the records here. Only then may others hear of the change.
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

mod codec;
mod entry;
mod fold;
mod frame;
mod interface;
mod merge;
mod message;
mod origin;
mod record;
mod replica;
mod sketch;
mod slots;
mod sync;
mod table;
mod value;

pub use atomik_algebra::{Op, Response};
pub use entry::{MAX_KEY, MAX_SEEN};
pub use interface::{
    Action, Config, Counters, Effect, Event, LocalOp, Notice, OpError, OpenError, Outcome, Overlap,
    PeerId, Record, Refusal, View,
};
pub use origin::{Author, Incarnation, OriginId, PublicKey, Trust};
pub use replica::{OriginStatus, Replica};
pub use value::{MAX_WORDS, Value};
