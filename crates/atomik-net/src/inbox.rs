use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::counters::Tally;
use crate::keyspace::Keyspace;
use crate::message::{MAX_MESSAGE, Received};
use crate::peer::{MAX_PEERS, PeerId};

/// The most other keyspaces that are remembered.
const MAX_OTHERS: usize = 16;

/// Everything that arrived and was not delivered yet: a bounded queue of messages, and peer
/// changes.
///
/// Peer changes are coalesced rather than queued: any number of changes of one peer is delivered as
/// at most one down and one up, so a flapping peer takes no room. A peer that went down and came
/// back between two deliveries is reported as both, because the caller restarts the exchange with a
/// peer when it comes up.
pub(crate) struct Inbox {
    me: PeerId,
    limit: usize,
    tally: Arc<Tally>,
    state: Mutex<State>,
    /// Something can be delivered, or the inbox was closed.
    filled: Notify,
}

#[derive(Default)]
struct State {
    messages: VecDeque<(PeerId, Vec<u8>)>,
    peers: BTreeMap<PeerId, Peer>,
    /// Peers with an undelivered change, each at most once.
    changed: VecDeque<PeerId>,
    up: usize,
    /// Other keyspaces of which replicas were seen.
    others: BTreeSet<Keyspace>,
    closed: bool,
}

#[derive(Clone, Copy, Default)]
struct Peer {
    /// The state that was delivered last.
    reported: bool,
    now: bool,
    /// Went down since it was reported up.
    fell: bool,
    queued: bool,
}

impl Inbox {
    pub(crate) fn new(me: PeerId, limit: usize, tally: Arc<Tally>) -> Self {
        Self {
            me,
            limit,
            tally,
            state: Mutex::default(),
            filled: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a message, or drops and counts it. Ignores messages that this replica sent itself.
    pub(crate) fn put(&self, from: PeerId, bytes: Vec<u8>) {
        if from == self.me {
            return;
        }
        if bytes.len() > MAX_MESSAGE {
            self.tally.invalid();
            return;
        }
        let mut state = self.state();
        if state.closed {
            return;
        }
        if state.messages.len() >= self.limit {
            self.tally.overflowed();
            return;
        }
        state.messages.push_back((from, bytes));
        drop(state);
        self.filled.notify_one();
    }

    /// Records that a peer is up or down. Ignores the replica itself.
    pub(crate) fn set_peer(&self, peer: PeerId, up: bool) {
        if peer == self.me {
            return;
        }
        let mut state = self.state();
        if state.closed {
            return;
        }
        let full = state.peers.len() >= MAX_PEERS;
        let mut entry = match state.peers.get(&peer) {
            Some(entry) => *entry,
            None if !up => return,
            None if full => {
                self.tally.invalid();
                return;
            }
            None => Peer::default(),
        };
        if entry.now != up {
            state.up = if up { state.up + 1 } else { state.up - 1 };
            self.tally.peers(state.up);
            entry.fell |= !up && entry.reported;
            entry.now = up;
            if !entry.queued {
                entry.queued = true;
                state.changed.push_back(peer);
            }
            state.peers.insert(peer, entry);
        }
        drop(state);
        self.filled.notify_one();
    }

    /// Records that there are replicas of another keyspace.
    pub(crate) fn saw(&self, keyspace: &str) {
        let Ok(keyspace) = keyspace.parse() else {
            self.tally.invalid();
            return;
        };
        let mut state = self.state();
        if state.others.len() < MAX_OTHERS {
            state.others.insert(keyspace);
        }
    }

    /// The other keyspaces.
    pub(crate) fn others(&self) -> Vec<Keyspace> {
        self.state().others.iter().cloned().collect()
    }

    /// Drops what is queued and accepts nothing more.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        *state = State {
            closed: true,
            ..State::default()
        };
        drop(state);
        self.tally.peers(0);
        self.filled.notify_one();
    }

    /// Waits for the next peer change or message. Returns `None` once closed.
    pub(crate) async fn next(&self) -> Option<Received> {
        loop {
            {
                let mut state = self.state();
                if let Some(change) = state.next_change() {
                    return Some(change);
                }
                if let Some((from, bytes)) = state.messages.pop_front() {
                    drop(state);
                    self.tally.received(bytes.len());
                    return Some(Received::Message { from, bytes });
                }
                if state.closed {
                    return None;
                }
            }
            self.filled.notified().await;
        }
    }
}

impl State {
    fn next_change(&mut self) -> Option<Received> {
        while let Some(id) = self.changed.pop_front() {
            let Some(peer) = self.peers.get_mut(&id) else {
                continue;
            };
            peer.queued = false;
            let (reported, now) = (peer.reported, peer.now);
            peer.reported = now;
            if reported && (peer.fell || !now) {
                peer.fell = false;
                if now {
                    (peer.reported, peer.queued) = (false, true);
                    self.changed.push_front(id);
                } else {
                    self.peers.remove(&id);
                }
                return Some(Received::PeerDown(id));
            }
            if now && !reported {
                return Some(Received::PeerUp(id));
            }
            if !now {
                self.peers.remove(&id);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: PeerId = [0; 16];
    const A: PeerId = [1; 16];
    const B: PeerId = [2; 16];

    fn inbox(limit: usize) -> (Inbox, Arc<Tally>) {
        let tally = Arc::new(Tally::default());
        (Inbox::new(ME, limit, Arc::clone(&tally)), tally)
    }

    /// Everything that can be received without waiting.
    async fn all(inbox: &Inbox) -> Vec<Received> {
        let mut got = Vec::new();
        loop {
            tokio::select! {
                biased;
                next = inbox.next() => match next {
                    Some(received) => got.push(received),
                    None => return got,
                },
                () = tokio::task::yield_now() => return got,
            }
        }
    }

    #[tokio::test]
    async fn a_peer_that_flapped_unseen_is_reported_down_and_up_once() {
        let (inbox, _) = inbox(4);
        inbox.set_peer(A, true);
        assert_eq!(all(&inbox).await, [Received::PeerUp(A)]);
        for _ in 0..3 {
            inbox.set_peer(A, false);
            inbox.set_peer(A, true);
        }
        assert_eq!(
            all(&inbox).await,
            [Received::PeerDown(A), Received::PeerUp(A)]
        );
        assert_eq!(all(&inbox).await, []);
    }

    #[tokio::test]
    async fn a_peer_that_came_and_went_unseen_is_not_reported_and_not_remembered() {
        let (inbox, tally) = inbox(4);
        inbox.set_peer(A, true);
        inbox.set_peer(A, false);
        assert_eq!(all(&inbox).await, []);
        assert!(inbox.state().peers.is_empty());
        assert_eq!(tally.read().peers, 0);
    }

    #[tokio::test]
    async fn a_repeated_announcement_is_reported_once() {
        let (inbox, tally) = inbox(4);
        for peer in [A, A, B, ME, A] {
            inbox.set_peer(peer, true);
        }
        assert_eq!(
            all(&inbox).await,
            [Received::PeerUp(A), Received::PeerUp(B)]
        );
        assert_eq!(tally.read().peers, 2);
        inbox.set_peer(B, false);
        inbox.set_peer(B, false);
        assert_eq!(all(&inbox).await, [Received::PeerDown(B)]);
        assert_eq!(tally.read().peers, 1);
    }

    #[tokio::test]
    async fn peers_beyond_the_bound_are_ignored_and_counted_until_others_leave() {
        let (inbox, tally) = inbox(4);
        let peer = |n: usize| -> PeerId { (n as u128 + 1).to_be_bytes() };
        (0..MAX_PEERS + 3).for_each(|n| inbox.set_peer(peer(n), true));
        assert_eq!(all(&inbox).await.len(), MAX_PEERS);
        assert_eq!(tally.read().dropped_invalid, 3);
        inbox.set_peer(peer(0), false);
        all(&inbox).await;
        inbox.set_peer(peer(MAX_PEERS), true);
        assert_eq!(all(&inbox).await, [Received::PeerUp(peer(MAX_PEERS))]);
    }

    #[tokio::test]
    async fn messages_beyond_the_limit_are_dropped_and_counted_and_then_fit_again() {
        let (inbox, tally) = inbox(2);
        (0..5).for_each(|n| inbox.put(A, vec![n]));
        assert_eq!(tally.read().dropped_full, 3);
        let message = |n| Received::Message {
            from: A,
            bytes: vec![n],
        };
        assert_eq!(all(&inbox).await, [message(0), message(1)]);
        inbox.put(A, vec![9]);
        assert_eq!(all(&inbox).await, [message(9)]);
        assert_eq!((tally.read().messages_in, tally.read().bytes_in), (3, 3));
    }

    #[tokio::test]
    async fn own_messages_and_those_too_long_do_not_come_in() {
        let (inbox, tally) = inbox(2);
        inbox.put(ME, vec![1]);
        assert_eq!(tally.read().dropped(), 0);
        inbox.put(A, vec![1; MAX_MESSAGE + 1]);
        assert_eq!(tally.read().dropped_invalid, 1);
        assert_eq!(all(&inbox).await, []);
    }

    #[test]
    fn other_keyspaces_are_remembered_once_each_and_up_to_a_bound() {
        let (inbox, tally) = inbox(2);
        for name in ["b", "a", "b", "not a name"] {
            inbox.saw(name);
        }
        let names = |inbox: &Inbox| {
            let others = inbox.others().into_iter();
            others.map(|name| name.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(names(&inbox), ["a", "b"]);
        assert_eq!(tally.read().dropped_invalid, 1);
        (0..100).for_each(|n| inbox.saw(&format!("c{n}")));
        assert_eq!(names(&inbox).len(), MAX_OTHERS);
    }

    #[tokio::test]
    async fn a_closed_inbox_ends() {
        let (inbox, _) = inbox(2);
        inbox.put(A, vec![1]);
        inbox.close();
        inbox.put(A, vec![2]);
        inbox.set_peer(A, true);
        assert_eq!(inbox.next().await, None);
        assert_eq!(inbox.next().await, None);
    }
}
