//! NATS: replicas talk through a server. Its core suffices; nothing is stored.
//!
//! | subject | traffic |
//! |---|---|
//! | `atomik.KEYSPACE.to.PEER` | messages to one replica |
//! | `atomik.KEYSPACE.alive` | heartbeats and departures |
//!
//! The header `Atomik-From` of every message names its sender. Anyone whom the server lets in can
//! claim to be anyone.
//!
//! The engine reconnects by itself. While it is disconnected, sends are refused with
//! [`SendError::Disconnected`](crate::SendError::Disconnected) and peers go down.

mod engine;
mod names;
mod options;
mod presence;
mod sender;
mod session;

pub use engine::NatsEngine;
pub use options::NatsOptions;
