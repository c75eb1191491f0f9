//! NATS: replicas talk through a server, whose JetStream stores updates for replicas that are away.
//!
//! | subject | traffic |
//! |---|---|
//! | `atomik.KEYSPACE.update` | durable updates, stored in the stream `atomik_KEYSPACE` |
//! | `atomik.KEYSPACE.all` | other broadcasts |
//! | `atomik.KEYSPACE.to.PEER` | messages to one replica |
//! | `atomik.KEYSPACE.alive` | heartbeats and departures |
//!
//! The header `Atomik-From` of every message names its sender. An update also carries its
//! [`MessageId`](crate::MessageId) in `Nats-Msg-Id`, by which the server drops a second copy within
//! the duplicate window. The stream belongs to the keyspace: the first replica creates it with its
//! own options, and later replicas leave it as it is (change it with `nats stream edit`).
//!
//! Every replica has a durable consumer, named by its id. A stream message is acknowledged when
//! `receive` returns it. Until then it stays in the queue and the stream waits behind it, so a slow
//! replica loses no updates before the stream reaches its own limits. An update lost in a crash
//! right after `receive` is repaired by the layer above, like any loss.
//!
//! The engine reconnects by itself. While it is disconnected, sends are refused with
//! [`SendError::Disconnected`](crate::SendError::Disconnected) and peers go down.

mod engine;
mod names;
mod options;
mod presence;
mod sender;
mod session;
mod updates;

pub use engine::NatsEngine;
pub use options::NatsOptions;
