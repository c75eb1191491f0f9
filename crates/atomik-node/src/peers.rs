use std::collections::BTreeMap;
use std::time::Duration;

use atomik_net::PeerId;
use atomik_replica::PublicKey;
use tokio::time::Instant;

/// The peers with a session.
pub(crate) struct Peers {
    pub(crate) list: BTreeMap<PeerId, PeerState>,
    /// The time between two comparisons with a peer.
    sync_interval: Duration,
    /// A peer that agreed this recently is in sync.
    fresh: Duration,
}

/// What a node knows of a peer with a session.
pub(crate) struct PeerState {
    /// Its authenticated key.
    pub(crate) key: PublicKey,
    /// When the session came up.
    pub(crate) since: Instant,
    /// When its last message arrived.
    pub(crate) heard: Instant,
    /// When it last agreed on all states.
    pub(crate) in_sync: Option<Instant>,
}

impl Peers {
    pub(crate) fn new(sync_interval: Duration) -> Self {
        Self {
            list: BTreeMap::new(),
            sync_interval,
            fresh: sync_interval.max(Duration::from_secs(1)),
        }
    }

    /// Adjusts how long an agreement counts: peers are compared in turn, so more peers take longer.
    pub(crate) fn refresh(&mut self) {
        let peers = self.list.len().max(1) as u32;
        let fresh = self.sync_interval.saturating_mul(2 * peers + 2);
        self.fresh = fresh.max(Duration::from_secs(1));
    }

    /// The time between two comparisons with a peer.
    pub(crate) fn sync_interval(&self) -> Duration {
        self.sync_interval
    }

    /// Adds a peer, whose session has come up.
    pub(crate) fn add(&mut self, peer: PeerId, key: PublicKey) {
        let now = Instant::now();
        let state = PeerState {
            key,
            since: now,
            heard: now,
            in_sync: None,
        };
        self.list.insert(peer, state);
    }

    /// Records a message from a peer.
    pub(crate) fn heard_from(&mut self, peer: &PeerId) {
        if let Some(state) = self.list.get_mut(peer) {
            state.heard = Instant::now();
        }
    }

    /// Records that a known peer agreed on all states.
    pub(crate) fn agreed(&mut self, peer: &PeerId) {
        if let Some(state) = self.list.get_mut(peer) {
            state.in_sync = Some(Instant::now());
        }
    }

    pub(crate) fn is_in_sync(&self, state: &PeerState) -> bool {
        state.in_sync.is_some_and(|at| at.elapsed() <= self.fresh)
    }

    pub(crate) fn in_sync(&self) -> usize {
        let in_sync = self.list.values().filter(|state| self.is_in_sync(state));
        in_sync.count()
    }

    /// Every peer with the seconds since it last agreed, or since it came up.
    pub(crate) fn ages(&self) -> impl Iterator<Item = (&PeerId, f64)> {
        let age = |state: &PeerState| state.in_sync.unwrap_or(state.since).elapsed().as_secs_f64();
        self.list
            .iter()
            .map(move |(peer, state)| (peer, age(state)))
    }
}
