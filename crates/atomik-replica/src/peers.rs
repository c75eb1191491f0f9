//! The reachable peers, and whose turn it is to be compared with.

use core::hash::{Hash, Hasher};
use std::collections::{BTreeMap, BTreeSet};

use crate::origin::PublicKey;
use crate::roster::RosterRefusal;

/// The messaging engine's name for a peer. The replica only compares these.
pub type PeerId = [u8; 16];

#[derive(Clone, Debug, Default)]
pub(crate) struct Peers {
    up: Vec<PeerId>,
    /// The authenticated keys of peers.
    keys: BTreeMap<PeerId, PublicKey>,
    /// Reachable peers of which it was reported that they have another layout.
    other_layout: BTreeSet<PeerId>,
    /// The hash of the roster that a reachable peer last said to have.
    rosters: BTreeMap<PeerId, [u8; 32]>,
    /// The hash of the roster that a reachable peer last said not to accept, and why.
    refused: BTreeMap<PeerId, ([u8; 32], RosterRefusal)>,
    turn: usize,
    ticks: u32,
    /// What peers have drawn since the last tick, in entries. All that are not up share one
    /// account.
    drawn: BTreeMap<Option<PeerId>, u64>,
}

impl Hash for Peers {
    /// Omits what only ever grows, because model checkers would never see a state again: the
    /// number of ticks, and the accounts, whose limit is far above what they try. Omits rosters as
    /// well, which only operators ask for.
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.up, &self.keys, &self.other_layout, self.turn).hash(state);
    }
}

impl Peers {
    pub(crate) fn add(&mut self, peer: PeerId, key: Option<PublicKey>) {
        if !self.is_up(peer) {
            self.up.push(peer);
        }
        match key {
            Some(key) => self.keys.insert(peer, key),
            None => self.keys.remove(&peer),
        };
    }

    pub(crate) fn remove(&mut self, peer: PeerId) {
        self.up.retain(|known| *known != peer);
        self.other_layout.remove(&peer);
        self.rosters.remove(&peer);
        self.refused.remove(&peer);
        self.keys.remove(&peer);
    }

    /// Takes note that a peer has another layout. Returns whether that is to be reported: once as
    /// long as it is up.
    pub(crate) fn note_layout(&mut self, peer: PeerId) -> bool {
        !self.is_up(peer) || self.other_layout.insert(peer)
    }

    /// Takes note that a peer has the roster with this hash.
    pub(crate) fn note_roster(&mut self, peer: PeerId, hash: [u8; 32]) {
        if self.is_up(peer) {
            self.rosters.insert(peer, hash);
        }
    }

    /// Whether a reachable peer has last said to have the roster with this hash.
    pub(crate) fn has_roster(&self, peer: PeerId, hash: [u8; 32]) -> bool {
        self.rosters.get(&peer) == Some(&hash)
    }

    /// Takes note that a peer does not accept the roster with this hash.
    pub(crate) fn note_refusal(&mut self, peer: PeerId, hash: [u8; 32], reason: RosterRefusal) {
        if self.is_up(peer) {
            self.refused.insert(peer, (hash, reason));
        }
    }

    /// Why a reachable peer does not accept the roster with this hash, if so.
    pub(crate) fn refusal(&self, peer: PeerId, hash: [u8; 32]) -> Option<RosterRefusal> {
        if self.other_layout.contains(&peer) {
            return Some(RosterRefusal::Layout);
        }
        let (refused, reason) = self.refused.get(&peer)?;
        (*refused == hash).then_some(*reason)
    }

    /// The authenticated key of a reachable peer.
    pub(crate) fn key(&self, peer: PeerId) -> Option<PublicKey> {
        self.keys.get(&peer).copied()
    }

    /// Whether there are reachable peers, and all are authenticated.
    pub(crate) fn are_authentic(&self) -> bool {
        !self.up.is_empty() && self.up.len() == self.keys.len()
    }

    pub(crate) fn is_up(&self, peer: PeerId) -> bool {
        self.up.contains(&peer)
    }

    /// The reachable peers.
    pub(crate) fn up(&self) -> &[PeerId] {
        &self.up
    }

    /// Whether a peer may draw more before the next tick. The answers to a peer may exceed `limit`
    /// by the last one.
    pub(crate) fn may_draw(&self, peer: PeerId, limit: u64) -> bool {
        self.drawn.get(&self.account(peer)).copied().unwrap_or(0) < limit
    }

    /// Charges a peer for an answer.
    pub(crate) fn charge(&mut self, peer: PeerId, entries: u64) {
        let drawn = self.drawn.entry(self.account(peer)).or_default();
        *drawn = drawn.saturating_add(entries);
    }

    fn account(&self, peer: PeerId) -> Option<PeerId> {
        self.is_up(peer).then_some(peer)
    }

    /// The number of ticks so far, wrapping.
    pub(crate) fn ticks(&self) -> u32 {
        self.ticks
    }

    /// Counts a tick. Every `period` ticks it is the next peer's turn to be compared with.
    pub(crate) fn tick(&mut self, period: u32) -> Option<PeerId> {
        self.ticks = self.ticks.wrapping_add(1);
        self.drawn.clear();
        if !self.ticks.is_multiple_of(period) || self.up.is_empty() {
            return None;
        }
        self.turn = (self.turn + 1) % self.up.len();
        Some(self.up[self.turn])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reachable_peer_gets_its_turn_once_a_round() {
        let mut peers = Peers::default();
        assert_eq!(peers.tick(1), None);
        for n in [1, 2, 3, 2] {
            peers.add([n; 16], None);
        }
        let mut round: Vec<_> = (0..3).filter_map(|_| peers.tick(1)).collect();
        round.sort_unstable();
        assert_eq!(round, [[1; 16], [2; 16], [3; 16]]);
        peers.remove([2; 16]);
        let mut round: Vec<_> = (0..2).filter_map(|_| peers.tick(1)).collect();
        round.sort_unstable();
        assert_eq!(round, [[1; 16], [3; 16]]);
    }

    #[test]
    fn an_account_is_full_until_the_next_tick_and_unreachable_peers_share_one() {
        let mut peers = Peers::default();
        peers.add([1; 16], None);
        peers.charge([1; 16], 9);
        peers.charge([2; 16], 5);
        peers.charge([3; 16], 5);
        let may = |peers: &Peers| [1, 2, 3, 4].map(|n| peers.may_draw([n; 16], 10));
        assert_eq!(may(&peers), [true, false, false, false]);
        peers.charge([1; 16], u64::MAX);
        assert_eq!(may(&peers), [false; 4]);
        peers.tick(1);
        assert_eq!(may(&peers), [true; 4]);
    }

    #[test]
    fn between_two_turns_lie_as_many_ticks_as_configured() {
        let mut peers = Peers::default();
        peers.add([1; 16], None);
        let turns: Vec<_> = (0..9).map(|_| peers.tick(3).is_some()).collect();
        let expected: Vec<_> = (1..=9).map(|tick| tick % 3 == 0).collect();
        assert_eq!((turns, peers.ticks()), (expected, 9));
    }
}
