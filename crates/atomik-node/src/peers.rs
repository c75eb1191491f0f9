use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use atomik_net::PeerId;

/// Limit of peers that sent a message before the engine reported them up.
const MAX_UNANNOUNCED: usize = 256;

/// Such a peer is forgotten after this long a silence.
const SILENCE: Duration = Duration::from_secs(30);

/// The reachable peers, as this node sees them.
pub(crate) struct Peers {
    pub(crate) list: BTreeMap<PeerId, PeerState>,
    /// A peer that agreed this recently is in sync.
    fresh: Duration,
}

/// What a node knows of a reachable peer.
pub(crate) struct PeerState {
    /// When it came up.
    pub(crate) since: Instant,
    /// The engine reported it up; other peers only sent a message.
    announced: bool,
    /// When its last message arrived.
    pub(crate) heard: Instant,
    /// When it last agreed on all states.
    pub(crate) in_sync: Option<Instant>,
}

impl Peers {
    /// `sync_interval` is the time between two comparisons with a peer.
    pub(crate) fn new(sync_interval: Duration) -> Self {
        Self {
            list: BTreeMap::new(),
            fresh: sync_interval.max(Duration::from_secs(1)),
        }
    }

    /// Adjusts how long an agreement counts: peers are compared in turn, so more peers take longer.
    pub(crate) fn refresh(&mut self, sync_interval: Duration) {
        let peers = self.list.len().max(1) as u32;
        let fresh = sync_interval.saturating_mul(2 * peers + 2);
        self.fresh = fresh.max(Duration::from_secs(1));
    }

    /// Adds a peer; `announced` says whether the engine reported it up.
    pub(crate) fn add(&mut self, peer: PeerId, announced: bool) {
        let now = Instant::now();
        let state = self.list.entry(peer).or_insert(PeerState {
            since: now,
            announced,
            heard: now,
            in_sync: None,
        });
        state.announced |= announced;
    }

    /// Records a message from a known peer; `false` if the peer is not known.
    pub(crate) fn heard_from(&mut self, peer: &PeerId) -> bool {
        let known = self.list.get_mut(peer);
        known.map(|state| state.heard = Instant::now()).is_some()
    }

    /// Records that a known peer agreed on all states.
    pub(crate) fn agreed(&mut self, peer: &PeerId) {
        if let Some(state) = self.list.get_mut(peer) {
            state.in_sync = Some(Instant::now());
        }
    }

    /// Whether there is room for a peer that the engine has not announced.
    pub(crate) fn takes_unannounced(&self) -> bool {
        let unannounced = self.list.values().filter(|state| !state.announced);
        unannounced.count() < MAX_UNANNOUNCED
    }

    /// Removes and returns unannounced peers that have gone silent.
    pub(crate) fn expire(&mut self) -> Vec<PeerId> {
        let silent = |state: &PeerState| !state.announced && state.heard.elapsed() > SILENCE;
        let gone = self.list.extract_if(.., |_, state| silent(state));
        gone.map(|(peer, _)| peer).collect()
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
