//! What stays the same in a run: replicas, keys, network and storage.

use atomik_replica::{Config, View};

/// When actions end; healing begins.
pub(crate) const HORIZON: u64 = 1000;

/// What stays the same in a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setup {
    /// The seed that fates of messages, times of storage and incarnations come from.
    pub seed: u64,
    /// Members of the keyspace, 2 to 5.
    pub replicas: usize,
    /// Keys that are operated on.
    pub keys: usize,
    /// Keys of about 1000 bytes, so that messages fill up.
    pub long_keys: bool,
    /// Words of a value.
    pub words: usize,
    /// The keyspace's view.
    pub view: View,
    /// Real signatures.
    pub signed: bool,
    /// Cells of the replicas' digests.
    pub digest_cells: usize,
    /// Batches that can be undone.
    pub undo_batches: usize,
    /// Ticks between comparisons.
    pub sync_ticks: u32,
    /// Storage confirms within this time.
    pub storage_delay: u64,
    /// What the network does to messages.
    pub links: LinkConditions,
}

impl Setup {
    /// So many replicas and keys, of one word, with a network and disks that do nothing wrong.
    pub fn calm(replicas: usize, keys: usize) -> Self {
        Self {
            seed: 1,
            replicas,
            keys,
            long_keys: false,
            words: 1,
            view: View::Raw,
            signed: false,
            digest_cells: 8,
            undo_batches: 40,
            sync_ticks: 1,
            storage_delay: 0,
            links: LinkConditions {
                delay: 1,
                ..LinkConditions::default()
            },
        }
    }

    /// Rounds, of a flush and a tick everywhere, after which all replicas must be equal once
    /// nothing fails any more.
    ///
    /// The longest chain is: an exchange that was cut off is given up (5 ticks); the last entry of
    /// a retired origin arrives, is stored, attested, and folded (3 rounds); who has lost it
    /// meanwhile asks every peer in turn for its base. A million schedules took nine rounds at
    /// most.
    pub fn most_rounds(&self) -> u64 {
        (10 + self.replicas as u64) * u64::from(self.sync_ticks)
    }
}

/// What the network does to messages, in thousandths and units of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct LinkConditions {
    /// Messages that are lost.
    pub loss: u64,
    /// Messages that come twice.
    pub duplicates: u64,
    /// The longest usual delay; at different delays messages overtake each other.
    pub delay: u64,
    /// Messages that take very long: up to half of the run.
    pub stragglers: u64,
}

/// Sizes of digests that a replica takes, up to some hundred cells.
pub(crate) fn digest_sizes() -> Vec<usize> {
    let sizes = 8..=128;
    sizes
        .filter(|&size| Config::DIGEST_CELLS.is_multiple_of(size))
        .collect()
}
