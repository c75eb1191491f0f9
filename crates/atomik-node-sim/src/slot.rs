//! A member of the keyspace: its keys, its disk, and its node.

use atomik_net::PeerId;
use atomik_node::node::Node;
use atomik_node::replica::{PublicKey, Roster};
use atomik_store::testing::Image;
use ed25519_dalek::SigningKey;

use crate::disk::Disk;
use crate::draw::Draw;
use crate::failure::{Check, Violation};

/// A member, or one that may become one.
pub(crate) struct Slot {
    pub(crate) name: String,
    /// Its keys, the newest last.
    pub(crate) keys: Vec<SigningKey>,
    /// Which of them its node is configured with.
    pub(crate) configured: usize,
    pub(crate) disk: Disk,
    pub(crate) node: Option<Node>,
    pub(crate) peer: Option<PeerId>,
    /// The list with which it was invited.
    pub(crate) invited: Option<Roster>,
    pub(crate) standing: Standing,
    /// It has come to rest with all others, and has had its disk since.
    pub(crate) has_all: bool,
    /// Until everything has come to rest, what it acknowledges may be lost.
    pub(crate) is_lossy: bool,
    /// Its key was replaced since everything came to rest.
    pub(crate) is_rotating: bool,
    /// A copy of its folder.
    pub(crate) backup: Option<Image>,
}

/// What a slot is to the keyspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nobody has heard of it.
    Unknown,
    /// It is on the list.
    Member,
    /// It is on the list and has retired.
    Retired,
    /// It was taken off the list.
    Removed,
}

impl Slot {
    pub(crate) fn new(n: usize, draw: &mut Draw) -> Check<Self> {
        let disk = Disk::new().map_err(|error| Violation::new("an empty store", error))?;
        Ok(Self {
            name: format!("member-{n}"),
            keys: vec![SigningKey::from_bytes(&draw.bytes())],
            configured: 0,
            disk,
            node: None,
            peer: None,
            invited: None,
            standing: Standing::Unknown,
            has_all: false,
            is_lossy: false,
            is_rotating: false,
            backup: None,
        })
    }

    /// Its newest key.
    pub(crate) fn key(&self) -> PublicKey {
        self.keys
            .last()
            .map_or([0; 32], |key| key.verifying_key().to_bytes())
    }

    /// Whether it is on the list.
    pub(crate) fn is_listed(&self) -> bool {
        matches!(self.standing, Standing::Member | Standing::Retired)
    }
}
