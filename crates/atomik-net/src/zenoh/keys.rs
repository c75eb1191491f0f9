use crate::keyspace::Keyspace;
use crate::peer::{PeerId, hex};

/// The key expressions of a keyspace.
pub(super) struct Keys {
    keyspace: Keyspace,
    root: String,
}

impl Keys {
    pub(super) fn new(keyspace: &Keyspace) -> Self {
        let (keyspace, root) = (keyspace.clone(), format!("atomik/{keyspace}"));
        Self { keyspace, root }
    }

    /// The key of messages to one replica.
    pub(super) fn to(&self, peer: &PeerId) -> String {
        format!("{}/to/{}", self.root, hex(peer))
    }

    /// The liveliness token of a peer.
    pub(super) fn alive(&self, peer: &PeerId) -> String {
        format!("{}/alive/{}", self.root, hex(peer))
    }

    /// The name of this keyspace.
    pub(super) fn keyspace(&self) -> Keyspace {
        self.keyspace.clone()
    }
}

/// The liveliness tokens of all peers in all keyspaces.
pub(super) const ALL_ALIVE: &str = "atomik/*/alive/*";

/// Keyspace and peer of a liveliness token, as text.
pub(super) fn parse_alive(key: &str) -> Option<(&str, &str)> {
    key.strip_prefix("atomik/")?.split_once("/alive/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_liveliness_token_names_its_keyspace_and_its_peer() {
        let keyspace = "demo".parse().unwrap();
        let key = Keys::new(&keyspace).alive(&[7; 16]);
        assert_eq!(parse_alive(&key), Some(("demo", &*hex(&[7; 16]))));
        assert_eq!(parse_alive("atomik/demo/to/07"), None);
    }
}
