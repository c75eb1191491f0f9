//! What stays the same during a run: replicas, keys, network and storage.

use atomik_replica::{Layout, Shape, View};

/// The virtual time at which steps end and healing begins.
pub(crate) const HORIZON: u64 = 1000;

/// The number of keys that only a dishonest member changes.
pub(crate) const STRANGE_KEYS: usize = 10;

/// The additional rounds that lists of members may take.
const ORDERED_ROUNDS: u64 = 12;

/// What stays the same during a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setup {
    /// The seed of message fates, storage delays and incarnations.
    pub seed: u64,
    /// Members of the keyspace, 2 to 5.
    pub replicas: usize,
    /// Number of keys.
    pub keys: usize,
    /// Whether keys have about 1000 bytes, so that messages fill up.
    pub long_keys: bool,
    /// 64-bit words per value, 1 to 3.
    pub words: usize,
    /// How the bits of a value combine; `None` if all xor. It has as many words.
    pub layout: Option<Layout>,
    /// The keyspace's view.
    pub view: View,
    /// Whether entries are signed.
    pub signed: bool,
    /// Whether the last replica is dishonest. Entries are signed then.
    pub liar: bool,
    /// Whether the last replica is no member at first.
    pub joins: bool,
    /// Whether the administrator removes members, adds them again and gives them other keys.
    pub orders: bool,
    /// How many batches a replica can undo.
    pub undo_batches: usize,
    /// Ticks between two comparisons with a peer.
    pub sync_ticks: u32,
    /// The longest time until storage confirms a batch.
    pub storage_delay: u64,
    /// Whether replicas talk over sessions. The network then carries packets of these.
    pub sessions: bool,
    /// How links treat messages.
    pub links: LinkConditions,
}

impl Setup {
    /// A setup with values of one word, fast disks and links without faults.
    pub fn calm(replicas: usize, keys: usize) -> Self {
        Self {
            seed: 1,
            replicas,
            keys,
            long_keys: false,
            words: 1,
            layout: None,
            view: View::Raw,
            signed: false,
            liar: false,
            joins: false,
            orders: false,
            undo_batches: 40,
            sync_ticks: 1,
            storage_delay: 0,
            sessions: false,
            links: LinkConditions {
                delay: 1,
                ..LinkConditions::default()
            },
        }
    }

    /// The shape of the keyspace's values.
    pub(crate) fn shape(&self) -> Shape {
        self.layout.map_or(Shape::xor(self.words), Shape::from)
    }

    /// The number of the dishonest replica.
    pub(crate) fn liar(&self) -> Option<usize> {
        self.liar.then(|| self.replicas - 1)
    }

    /// The number of members on the first list.
    pub(crate) fn founders(&self) -> usize {
        self.replicas - usize::from(self.joins)
    }

    /// The number of rounds, each a flush and a tick at every replica, within which all replicas
    /// must be equal once all faults have stopped.
    ///
    /// In the worst case an interrupted exchange times out (5 ticks); then the last entry of a
    /// retired origin arrives, is stored, stated and folded (3 rounds); and a replica that has
    /// lost that entry meanwhile asks every peer in turn for its base. One that began without
    /// records also waits for an equal peer during up to 4 comparisons before it signs.
    ///
    /// A list of members begins all that once more, when all know it.
    pub fn most_rounds(&self) -> u64 {
        let orders = if self.orders { ORDERED_ROUNDS } else { 0 };
        (14 + orders + self.replicas as u64) * u64::from(self.sync_ticks)
    }
}

/// How links treat messages. Probabilities are per thousand, delays in units of virtual time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct LinkConditions {
    /// The probability that a message is lost.
    pub loss: u64,
    /// The probability that a message arrives twice.
    pub duplicates: u64,
    /// The longest usual delay. Messages with different delays overtake each other.
    pub delay: u64,
    /// The probability that a message takes up to half of the run.
    pub stragglers: u64,
    /// The probability that an outsider who sees a packet of a session repeats, reflects, redirects
    /// or alters one that it has seen, or forges a farewell.
    pub tricks: u64,
}
