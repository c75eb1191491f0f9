use crate::keyspace::Keyspace;
use crate::peer::{PeerId, hex};

/// The stream and subjects of a keyspace.
#[derive(Clone)]
pub(super) struct Names {
    pub(super) stream: String,
    root: String,
    pub(super) update: String,
    pub(super) all: String,
    pub(super) alive: String,
}

impl Names {
    pub(super) fn new(keyspace: &Keyspace) -> Self {
        let root = format!("atomik.{keyspace}");
        Self {
            stream: format!("atomik_{keyspace}"),
            update: format!("{root}.update"),
            all: format!("{root}.all"),
            alive: format!("{root}.alive"),
            root,
        }
    }

    /// The subject of messages to one replica.
    pub(super) fn to(&self, peer: &PeerId) -> String {
        format!("{}.to.{}", self.root, hex(peer))
    }
}
