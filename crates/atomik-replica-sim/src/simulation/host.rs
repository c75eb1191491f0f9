//! What a replica runs on: a disk, and what is known of the batch that is being written to it.

use std::collections::{BTreeMap, BTreeSet};

use atomik_replica::{PeerId, Replica};
use atomik_session::{Address, Sessions};

use super::disk::Disk;

#[derive(Default)]
pub(crate) struct Host {
    /// `None` while it is down.
    pub(crate) replica: Option<Replica>,
    pub(crate) disk: Disk,
    /// `None` while it is down, and in schedules without sessions.
    pub(crate) sessions: Option<Sessions>,
    /// The address of its sessions, or of the last ones.
    pub(crate) address: Address,
    /// At how many batches storage will fail, and whether they are stored nevertheless.
    pub(crate) errors: (u64, bool),
    /// Messages to each name of a dishonest member that is up since the last tick, and to all
    /// others together.
    pub(crate) drawn: BTreeMap<Option<PeerId>, u64>,
    /// The peers that are up.
    pub(crate) up: BTreeSet<PeerId>,
    /// How many keys the replica had before the one with which it was started last.
    pub(crate) former: u64,
    /// The number of the list of members by which its sessions were begun and ended last.
    pub(crate) list: u64,
    /// Whether it was started without something that storage had confirmed, and storage has
    /// confirmed nothing since.
    pub(crate) lost: bool,
    /// How often the replica was started.
    pub(crate) life: u64,
    /// The ticket of the batch that storage is writing.
    pub(crate) in_flight: Option<u64>,
    /// The last ticket that storage confirmed in this life.
    pub(crate) last_confirmed: Option<u64>,
}
