use crate::keyspace::Keyspace;
use crate::peer::{PeerId, hex};

/// The key expressions of a keyspace.
pub(super) struct Keys {
    root: String,
}

impl Keys {
    pub(super) fn new(keyspace: &Keyspace) -> Self {
        let root = format!("atomik/{keyspace}");
        Self { root }
    }

    /// The key of messages to one replica.
    pub(super) fn to(&self, peer: &PeerId) -> String {
        format!("{}/to/{}", self.root, hex(peer))
    }

    /// The liveliness token of a peer, given in hex or as `*`.
    pub(super) fn alive(&self, peer: &str) -> String {
        format!("{}/alive/{peer}", self.root)
    }
}
