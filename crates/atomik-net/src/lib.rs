//! Carries opaque messages between the replicas of a keyspace.
//!
//! An *engine* moves byte strings of at most [`MAX_MESSAGE`] bytes from one replica to another, or
//! to all others, as well as the network lets it. It knows nothing of what they mean. Whatever it
//! loses, repeats, reorders or delays is repaired by the replication above it, so no engine here
//! tries again by itself; in return each counts what it dropped and why, never blocks a sender, and
//! holds a bounded number of messages.
//!
//! | item | what it is |
//! |---|---|
//! | [`Engine`] | the trait: broadcast, send, receive, count, close |
//! | [`PeerId`], [`hex`], [`parse_hex`] | who speaks: an origin id, and its text |
//! | [`Received`], [`MessageId`] | what comes in; the name of a durable update |
//! | [`Counters`] | what went through, and what was dropped for which reason |
//! | [`SendError`], [`OpenError`] | why a message was not taken, why an engine did not start |
//! | [`Keyspace`] | a name that every engine can carry |
//! | [`channel`] | engines inside one process, with faults from a seed: for tests |
//! | `zenoh` (feature `zenoh`) | embedded zenoh: replicas find each other, no server |
//! | `nats` (feature `nats`) | NATS JetStream through a server, updates kept in a stream |
//!
//! # What each engine promises
//!
//! | | channel | zenoh | NATS JetStream |
//! |---|---|---|---|
//! | needs | nothing | a network path between replicas | a `nats-server -js` |
//! | broadcast with a [`MessageId`] | as without | as without | stored in a stream, given to every replica, also to one that was away, once within the duplicate window |
//! | broadcast without one, and send | delivered, unless a fault was asked for | best effort; lost while a link is down or full | best effort; lost while either side is not connected |
//! | order of one sender's messages | kept, unless a fault was asked for | usually kept | kept within the stream, but for what it gives again, and within the rest; not between the two |
//! | duplicates | none, unless a fault was asked for | none | a stream message whose acknowledgement was lost, as by a crash of the server, or that waited longer than 30 s for `receive` |
//! | a receiver that does not keep up | newest messages dropped, counted | newest messages dropped, counted | the stream waits; of the rest the newest are dropped, counted |
//! | a peer that went silent is down after | at once | the lease (10 s), at once if its socket closed | 3.5 heartbeats (3.5 s) |
//! | losses that nobody counts | none (see `ChannelNetwork::faults`) | what zenoh drops on a congested link, and what was under way when a link broke | what was under way when a connection broke; stream messages beyond its size and age |
//!
//! None promises that a message arrives, that [`Received::PeerUp`] comes before a peer's first
//! message or [`Received::PeerDown`] after its last, or that the sender is who it says: `from` is a
//! claim. Trust begins with the signatures of the layer above.
//!
//! # Bounds
//!
//! At most `outgoing_messages` wait to be sent and `incoming_messages` wait for
//! [`Engine::receive`], 1024 each unless said otherwise: with messages of full size that is 64 MiB
//! each way, beside what the engine's library holds in queues of its own: zenoh 16 batches of 64
//! KiB for each link; NATS as many messages as the incoming queue, and at least 400, for each of
//! its four subscriptions, which are emptied at once, and 64 outgoing ones. At most [`MAX_PEERS`]
//! peers are remembered.

pub mod channel;
mod engine;
mod inbox;
#[cfg(feature = "nats")]
pub mod nats;
mod tally;
#[cfg(feature = "zenoh")]
pub mod zenoh;

pub use engine::{
    Engine, Keyspace, KeyspaceError, MAX_MESSAGE, MAX_PEERS, MessageId, OpenError, PeerId,
    Received, SendError, hex, parse_hex,
};
pub use tally::Counters;
