use std::future::Future;

use crate::counters::Counters;
use crate::keyspace::Keyspace;
use crate::message::{Received, SendError};
use crate::peer::PeerId;

/// One replica's connection to the other replicas of its keyspace.
///
/// Sending never blocks: the engine puts the message into a bounded queue, or refuses it. It sends
/// an accepted message once, as well as the network allows.
pub trait Engine: Send + Sync + 'static {
    /// Sends `bytes` to one replica. If it cannot be reached, the message is lost without an error.
    ///
    /// # Errors
    ///
    /// [`SendError`].
    fn send(&self, to: PeerId, bytes: Vec<u8>) -> Result<(), SendError>;

    /// Waits for the next message or peer change; peer changes come first. Returns `None` once the
    /// engine is closed.
    ///
    /// Cancel-safe: it can be a branch of a `select!`.
    fn receive(&mut self) -> impl Future<Output = Option<Received>> + Send;

    /// The traffic since the engine was opened.
    fn counters(&self) -> Counters;

    /// Other keyspaces of which the engine has seen replicas, up to 16: one of them may be meant to
    /// be this replica's. As everything that an engine reports, they are claims.
    fn other_keyspaces(&self) -> Vec<Keyspace>;

    /// Sends the queued messages for up to two seconds, announces the departure to the peers, and
    /// disconnects. Messages that are still queued then count as failed in the returned counters.
    /// Dropping an engine disconnects without an announcement.
    fn close(self) -> impl Future<Output = Counters> + Send;
}
