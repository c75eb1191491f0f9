use crate::keyspace::Keyspace;
use crate::peer::{PeerId, hex};

/// The subjects of a keyspace.
#[derive(Clone)]
pub(super) struct Names {
    root: String,
    pub(super) alive: String,
}

impl Names {
    pub(super) fn new(keyspace: &Keyspace) -> Self {
        let root = format!("atomik.{keyspace}");
        Self {
            alive: format!("{root}.alive"),
            root,
        }
    }

    /// The subject of messages to one replica.
    pub(super) fn to(&self, peer: &PeerId) -> String {
        format!("{}.to.{}", self.root, hex(peer))
    }
}
