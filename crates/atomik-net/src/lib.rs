//! Carries opaque messages between the replicas of a keyspace.
//!
//! An *engine* moves byte strings of at most [`MAX_MESSAGE`] bytes from one replica to another,
//! best effort. It neither interprets nor authenticates them. The layers above authenticate them
//! and repair whatever is lost, repeated, reordered or delayed, so no engine retries on its own. In
//! return, every engine counts what it drops and why, never blocks a sender, and holds a bounded
//! number of messages.
//!
//! | item | what it is |
//! |---|---|
//! | [`Engine`] | the trait: send, receive, count, close |
//! | [`PeerId`], [`hex`], [`parse_hex`] | a replica's id and its text form |
//! | [`Received`] | what an engine delivers |
//! | [`Counters`] | traffic, and dropped messages by reason |
//! | [`SendError`], [`OpenError`] | why a message was refused; why an engine did not open |
//! | [`Keyspace`] | a name that every engine can carry |
//! | [`channel`] | engines inside one process, with seeded faults, for tests |
//! | `zenoh` (feature `zenoh`) | embedded zenoh: replicas find each other, no server |
//! | `nats` (feature `nats`) | NATS: replicas talk through a server |
//!
//! # Example
//!
//! Two replicas in one process:
//!
//! ```
//! use atomik_net::channel::{ChannelNetwork, ChannelOptions};
//! use atomik_net::{Engine, Received};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let network = ChannelNetwork::new(&ChannelOptions::default())?;
//! let a = network.join([1; 16])?;
//! let mut b = network.join([2; 16])?;
//! a.send([2; 16], b"hello".to_vec())?;
//! assert_eq!(b.receive().await, Some(Received::PeerUp([1; 16])));
//! let message = Received::Message { from: [1; 16], bytes: b"hello".to_vec() };
//! assert_eq!(b.receive().await, Some(message));
//! assert_eq!(a.counters().messages_out, 1);
//! # Ok(())
//! # }
//! ```
//!
//! # Guarantees of each engine
//!
//! | | channel | zenoh | NATS |
//! |---|---|---|---|
//! | needs | nothing | a network path between replicas | a `nats-server` |
//! | a message | delivered unless a fault was injected | best effort; lost while a link is down or full | best effort; lost while either side is disconnected |
//! | order of one sender's messages | kept unless a fault was injected | usually kept | kept |
//! | duplicates | none unless a fault was injected | none | none |
//! | a receiver that falls behind | newest messages dropped and counted | newest messages dropped and counted | newest messages dropped and counted |
//! | a silent peer is down after | immediately | the lease (10 s); at once if its socket closed | 3.5 heartbeats (3.5 s) |
//! | losses that nobody counts | none (see `ChannelNetwork::faults`) | messages that zenoh drops on a congested link, and messages in flight when a link breaks | messages in flight when a connection breaks |
//!
//! No engine guarantees that a message arrives, that [`Received::PeerUp`] precedes a peer's first
//! message, or that [`Received::PeerDown`] follows its last. The sender id `from` is a claim, and
//! so is every report that a peer is up or down: `atomik-session` authenticates peers.
//!
//! # Bounds
//!
//! At most `outgoing_messages` wait to be sent and `incoming_messages` wait for
//! [`Engine::receive`]; both default to 1024, which is 64 MiB each way for messages of full size.
//! Add the queues inside each engine's library. Zenoh: 16 batches of 64 KiB per link. NATS: for
//! each of its two subscriptions, and for a third until a peer is heard, as many messages as the
//! incoming queue, but at least 400, emptied immediately, and 64 outgoing messages. An engine
//! tracks at most [`MAX_PEERS`] peers.

pub mod channel;
mod counters;
mod engine;
mod inbox;
mod keyspace;
mod message;
#[cfg(feature = "nats")]
pub mod nats;
mod open_error;
mod peer;
#[cfg(feature = "zenoh")]
pub mod zenoh;

pub use counters::Counters;
pub use engine::Engine;
pub use keyspace::{Keyspace, KeyspaceError};
pub use message::{MAX_MESSAGE, Received, SendError};
pub use open_error::OpenError;
pub use peer::{MAX_PEERS, PeerId, hex, parse_hex};
