use thiserror::Error;

use crate::peer::PeerId;

/// The longest message that an engine carries, in bytes.
pub const MAX_MESSAGE: usize = 64 * 1024;

/// What [`Engine::receive`](crate::Engine::receive) returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// A message from a peer.
    Message {
        /// The claimed sender. Not authenticated.
        from: PeerId,
        /// The message, exactly as it was passed to the sender's engine.
        bytes: Vec<u8>,
    },
    /// A peer of the keyspace became reachable, possibly again. Never the replica itself.
    PeerUp(PeerId),
    /// A peer that was up left, or stayed silent for longer than the engine's timeout.
    PeerDown(PeerId),
}

/// Why an engine refused a message. The refusal is counted; the engine keeps no copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SendError {
    /// The outgoing queue is full.
    #[error("the outgoing queue is full: send again later, or raise `outgoing_messages`")]
    Full,
    /// The engine has lost its connection and is reconnecting.
    #[error("not connected: the engine is reconnecting, send again once a peer is up")]
    Disconnected,
    /// The message is longer than [`MAX_MESSAGE`].
    #[error("the message has {length} bytes and an engine carries at most {MAX_MESSAGE}: split it")]
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// The engine is closed.
    #[error("the engine is closed: open a new one")]
    Closed,
}
