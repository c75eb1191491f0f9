use crate::keyspace::Keyspace;
use crate::peer::{PeerId, hex};

/// The heartbeats of all keyspaces.
pub(super) const ALL_ALIVE: &str = "atomik.*.alive";

/// The keyspace of a heartbeat with this subject.
pub(super) fn keyspace_of(alive: &str) -> Option<&str> {
    alive.strip_prefix("atomik.")?.strip_suffix(".alive")
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heartbeat_names_its_keyspace() {
        let names = Names::new(&"demo".parse().unwrap());
        assert_eq!(keyspace_of(&names.alive), Some("demo"));
        assert_eq!(keyspace_of(&names.to(&[7; 16])), None);
    }
}
