//! The administrator, who signs the list of members.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use atomik_node::replica::{PublicKey, Roster, RosterError, Shape};
use ed25519_dalek::SigningKey;

use crate::draw::Draw;
use crate::failure::{Check, Violation};

/// The name of the keyspace.
pub(crate) const KEYSPACE: &str = "simulated";

/// Who signs the list.
pub(crate) struct Administrator {
    key: SigningKey,
    /// The newest list.
    pub(crate) list: Roster,
    /// Whether a node has acknowledged it.
    is_taken: Arc<AtomicBool>,
    /// A member has retired since everything came to rest. A list must not overtake that, see
    /// `docs/replication.md`, limits of foldings.
    pub(crate) is_retiring: bool,
}

fn invalid(error: RosterError) -> Violation {
    Violation::new("a list of members", error)
}

impl Administrator {
    pub(crate) fn new(
        founders: impl Iterator<Item = (PublicKey, String)>,
        draw: &mut Draw,
    ) -> Check<Self> {
        Ok(Self {
            key: SigningKey::from_bytes(&draw.bytes()),
            list: Roster::first(founders).map_err(invalid)?,
            is_taken: Arc::new(AtomicBool::new(true)),
            is_retiring: false,
        })
    }

    pub(crate) fn key(&self) -> PublicKey {
        self.key.verifying_key().to_bytes()
    }

    /// Signs the next list, which no node has yet.
    pub(crate) fn sign(&mut self, next: Result<Roster, RosterError>, shape: &Shape) -> Check {
        let next = next.map_err(invalid)?;
        self.list = next.sign(KEYSPACE, shape, &self.key);
        self.is_taken = Arc::default();
        Ok(())
    }

    /// Notes that no node has the newest list any more.
    pub(crate) fn order_again(&mut self) {
        self.is_taken = Arc::default();
    }

    pub(crate) fn is_taken(&self) -> bool {
        self.is_taken.load(Ordering::Relaxed)
    }

    /// Where it is noted that a node has the newest list.
    pub(crate) fn taken(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.is_taken)
    }
}
