//! A replica as a process: the state machine of [`atomik_replica`] with a store, an engine, control
//! connections and an HTTP server.
//!
//! | module | what it holds |
//! |---|---|
//! | [`options`], [`member`] | the options on the command line and in the config file |
//! | [`settings`] | the checked settings |
//! | [`credential`] | a member's key, the keyspace's secret |
//! | [`serve`] | the process around a node: data folder, sockets, signals |
//! | [`node`] | a node: load, start, stop |
//! | [`Handle`], [`Change`], [`Done`], [`Refused`] | changes and queries from within the process |
//! | [`protocol`], [`text`] | the protocol of control connections |
//! | [`client`] | its client side |
//! | [`Link`], [`AnyEngine`], [`faults`] | the connection to the peers, and injected faults |
//!
//! # Example
//!
//! A node without peers, inside the process, on a store in memory:
//!
//! ```
//! use atomik_node::node::{Node, Parts, load};
//! use atomik_node::replica::{Action, Config, Op, Trust};
//! use atomik_node::{AnyEngine, Change, KeyOp, Link};
//! use atomik_store::{FsyncPolicy, MemoryDisk};
//! use ed25519_dalek::SigningKey;
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let key = SigningKey::from_bytes(&[1; 32]);
//! let allowed = [key.verifying_key().to_bytes()].into_iter().collect();
//! let trust = Trust::Signed { key: Box::new(key), allowed };
//! let config = Config::new("demo", 1, [9; 32], trust, [7; 16]);
//! let store = MemoryDisk::new().open(FsyncPolicy::Always)?;
//! let replica = load(config, &store)?;
//! let node = Node::start(Parts::new(replica, store, Link::new(AnyEngine::Alone, None)))?;
//!
//! let handle = node.handle();
//! let accum = Action::Op(Op::Accum, 0xff.into());
//! let change = Change::Batch(vec![KeyOp { key: b"x".to_vec(), action: accum }]);
//! assert_eq!(handle.change(change).await?.number, Some(1)); // committed
//! assert_eq!(handle.state(b"x").await?, 0xff.into());
//! node.stop().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # How it runs
//!
//! ```text
//! control connections ──changes──> bounded queue ──┐            ┌──> storage thread ──> store
//!                     ──queries──> bounded queue ──┤   actor    │<── committed
//! engine ──packets, peers──────> bounded queue ──>┤ (sessions, ─┤
//! timers ─────────────────────────────────────────>┘  replica)   └──> engine, watchers, answers
//! ```
//!
//! One task, the actor, owns the replica. Whenever storage is idle and something has changed, the
//! actor hands all changes to storage as one batch; meanwhile the next batch gathers. A change is
//! acknowledged when its batch is committed, and only then sent to the peers.
//!
//! # Bounds
//!
//! | what | bound | beyond it |
//! |---|---|---|
//! | unacknowledged changes | `waiting_changes`, and 256 in the queue | writers wait: the node stops reading their connections |
//! | keys not handed to storage | `unflushed_keys`, plus the keys of one change or message | writers wait; messages stay in the engine |
//! | incoming messages | the engine's queue, 1024 | dropped and counted; the next comparison with a peer repairs the loss |
//! | outgoing messages | the engine's queue, 1024 | as above |
//! | unanswered requests of a connection | 256, and 1 MiB together | the node stops reading the connection |
//! | lines queued for a watcher | 1024 | dropped; the watcher receives their number |
//! | control connections | `connections` | refused with a message |
//! | a control connection without requests, or that does not read its answers | `idle_seconds` | closed, with a message if there is nothing else to write |
//! | HTTP connections | 64, of one request and 10 s each | further ones wait |
//!
//! The size of the keyspace is not bounded: every key is in memory.
//!
//! # Crashes
//!
//! With `fsync = always`, every acknowledged change is on disk, and a killed node continues under
//! its old origin if every other member vouches for it before the first change is stored. The first
//! changes wait up to a second for that. With the other policies, a node that was not stopped
//! cleanly cannot know what it had sent to others, so it continues as a new origin and logs it. A
//! node whose storage fails exits with status 3: acknowledged changes are safe, and the next start
//! shows which others are.

#![forbid(unsafe_code)]

mod accept;
mod actor;
mod change;
pub mod client;
mod closings;
mod connection;
mod control;
pub mod credential;
mod events;
pub mod faults;
mod folder;
mod handle;
mod http;
pub mod invitation;
mod link;
mod listener;
mod members;
mod metrics;
mod missing;
mod newcomers;
pub mod node;
mod peers;
mod proofs;
pub mod protocol;
mod query;
pub mod serve;
mod sessions;
pub mod settings;
mod state;
mod stop;
mod storage;
#[cfg(test)]
mod tests;
pub mod text;
mod turns;
mod unsettled;
mod watchers;

pub use actor::NodeError;
pub use atomik_node_options::{member, options};
pub use atomik_replica as replica;
pub use change::{Change, Done, KeyOp, Refused};
pub use handle::{Handle, Pending};
pub use link::{AnyEngine, Link};
pub use listener::socket;
pub use storage::StorageGone;
