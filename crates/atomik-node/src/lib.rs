//! A replica as a process: the pure state machine of [`atomik_replica`], its store, an engine, a
//! control socket, HTTP.
//!
//! | module | what it is |
//! |---|---|
//! | [`options`] | what a node can be told, and the settings that come of it |
//! | [`credential`] | a member's key, the keyspace's secret |
//! | [`serve`] | the process around a node: folder, sockets, signals |
//! | [`node`] | a node: load it, start it, stop it |
//! | [`Handle`], [`Change`], [`Done`], [`Refused`] | asking a node from within its process |
//! | [`protocol`], [`text`] | what is said on the control connection |
//! | [`client`] | the other end of it |
//! | [`AnyEngine`], [`faults`] | what connects nodes, and what goes wrong there on request |
//!
//! # How it runs
//!
//! ```text
//! control connections ──changes──> bounded queue ──┐            ┌──> storage thread ──> store
//!                     ──looks────> bounded queue ──┤   actor    │<── committed
//! engine ──messages, peers──────> bounded queue ──>┤ (replica) ─┤
//! timer ──────────────────────────────────────────>┘            └──> engine, watchers, answers
//! ```
//!
//! One task owns the replica. Whenever storage is idle and something has changed it hands over all
//! that has, as one batch; meanwhile the next batch gathers. A change is acknowledged when its
//! batch is committed, and only then is it sent to peers.
//!
//! # What is bounded
//!
//! | what | bound | beyond |
//! |---|---|---|
//! | changes that are not acknowledged | `waiting_changes`, and 256 in the queue | writers wait: their connections are not read |
//! | keys that are not handed to storage | `unflushed_keys`, and what one change or message adds | writers wait; messages stay with the engine |
//! | messages that came in | the engine's queue, 1024 | dropped and counted; the next comparison with a peer repairs it |
//! | messages that go out | the engine's queue, 1024 | the same |
//! | requests of a connection that are not answered | 256 | it is not read |
//! | lines for a watcher | 1024 | dropped; the watcher is told how many |
//! | control connections | `connections` | refused with a message |
//!
//! What is not bounded is what the keyspace holds: every key is in memory.
//!
//! # A crash, and what comes after
//!
//! With `fsync = always` every acknowledged change is on disk, and a node that was killed goes on
//! under its old origin. Otherwise a node that was not stopped cleanly cannot know what it had told
//! others, and goes on as a new origin; the log says so. A node whose storage fails stops with
//! status 3: what was acknowledged is safe, what was not is unknown, and the next start finds out.

#![forbid(unsafe_code)]

mod actor;
pub mod client;
mod control;
pub mod credential;
mod events;
pub mod faults;
mod http;
mod link;
mod metrics;
pub mod node;
pub mod options;
pub mod protocol;
pub mod serve;
mod storage;
pub mod text;

pub use actor::{Change, Done, Handle, KeyOp, NodeError, Pending, Refused};
pub use atomik_replica as replica;
pub use link::AnyEngine;
pub use storage::StorageGone;
