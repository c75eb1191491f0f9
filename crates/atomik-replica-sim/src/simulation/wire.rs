//! Packets of sessions, and what must become of what was sent in them.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use atomik_session::Address;

use crate::draw::Fingerprint;
use crate::violation::{Check, Violation, ensure};

/// A packet as the network carries it.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) from: Address,
    pub(crate) to: Address,
    pub(crate) bytes: Rc<[u8]>,
}

impl Packet {
    /// The replica that it claims to come from.
    pub(crate) fn sender(&self) -> usize {
        usize::from(self.from[0])
    }

    /// The replica that it goes to.
    pub(crate) fn recipient(&self) -> usize {
        usize::from(self.to[0])
    }

    fn identity(&self) -> Identity {
        ([self.from, self.to], hash(&self.bytes))
    }
}

/// Sender and recipient, and a hash of the bytes.
type Identity = ([Address; 2], u64);

fn hash(bytes: &[u8]) -> u64 {
    let mut hash = Fingerprint(0);
    hash.bytes(bytes);
    hash.0
}

/// What sessions have sent.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    /// Packets that the outsider has seen, lost ones included.
    pub(crate) recorded: Vec<Packet>,
    /// How many times each process of a replica, by number, sent a message that has not arrived.
    messages: BTreeMap<(Identity, u64), u64>,
    /// The newest process of a sender of which a message has arrived, by both addresses.
    newest: BTreeMap<[Address; 2], u64>,
    /// Farewells that were sent and have not ended a session.
    farewells: BTreeSet<Identity>,
}

impl Wire {
    /// Takes note of a message that a process of a replica, by number, sends.
    pub(crate) fn sent(&mut self, route: [Address; 2], process: u64, message: &[u8]) {
        let identity = (route, hash(message));
        *self.messages.entry((identity, process)).or_default() += 1;
    }

    /// Takes note of a message that arrives.
    pub(crate) fn arrived(&mut self, route: [Address; 2], message: &[u8]) -> Check {
        let identity = (route, hash(message));
        let [from, to] = route.map(|address| address[0]);
        let newest = self.newest.entry(route).or_default();
        let mut sent = self
            .messages
            .range_mut((identity, 0)..=(identity, u64::MAX))
            .filter(|(_, count)| **count > 0)
            .peekable();
        ensure(
            sent.peek().is_some(),
            "a message arrives at most as often as it was sent",
            || format!("r{to}: from r{from}"),
        )?;
        let mut sent = sent.filter(|((_, process), _)| process >= newest);
        let Some(((_, process), count)) = sent.next() else {
            return Err(Violation {
                invariant: "no message of an earlier process arrives after one of a later",
                detail: format!("r{to}: from r{from}"),
            });
        };
        *newest = *process;
        *count -= 1;
        Ok(())
    }

    /// Takes note of a farewell.
    pub(crate) fn say_farewell(&mut self, packet: &Packet) {
        self.farewells.insert(packet.identity());
    }

    /// Whether a packet that has ended a session is a farewell that its sender said, and that has
    /// ended no other.
    pub(crate) fn is_farewell(&mut self, packet: &Packet) -> bool {
        self.farewells.remove(&packet.identity())
    }
}
