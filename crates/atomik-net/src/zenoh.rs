//! Zenoh, embedded: replicas find each other by multicast and gossip and talk directly over TCP,
//! without a server.
//!
//! | key expression | traffic |
//! |---|---|
//! | `atomik/KEYSPACE/to/PEER` | messages to one replica |
//! | `atomik/KEYSPACE/alive/PEER` | a liveliness token: the replica can be reached |
//!
//! The attachment of a message is the sender's id, 16 bytes. Messages are never retransmitted and
//! never block: zenoh silently drops what a link cannot carry. It first waits [`PATIENCE_US`] for a
//! congested link, which also fills the outgoing queue here, until that refuses messages.
//!
//! A thread of its own passes the messages to zenoh and closes the session, since both may block.

mod engine;
mod keys;
mod options;
mod sender;

pub use engine::ZenohEngine;
pub use options::{PATIENCE_US, ZenohOptions};
