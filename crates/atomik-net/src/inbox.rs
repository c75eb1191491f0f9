use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::counters::Tally;
use crate::message::{MAX_MESSAGE, Received};
use crate::peer::{MAX_PEERS, PeerId};

/// Called once when a message has been delivered, or is known never to be.
pub(crate) type Receipt = Box<dyn FnOnce() + Send>;

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
    /// A full queue has room again, or the inbox was closed.
    room: Notify,
}

#[derive(Default)]
struct State {
    messages: VecDeque<Waiting>,
    peers: BTreeMap<PeerId, Peer>,
    /// Peers with an undelivered change, each at most once.
    changed: VecDeque<PeerId>,
    up: usize,
    closed: bool,
}

struct Waiting {
    from: PeerId,
    bytes: Vec<u8>,
    receipt: Option<Receipt>,
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
            room: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a message, or drops and counts it. Ignores messages that this replica sent itself.
    pub(crate) fn put(&self, from: PeerId, bytes: Vec<u8>) {
        if let Err(_full) = self.try_put(Waiting {
            from,
            bytes,
            receipt: None,
        }) {
            self.tally.overflowed();
        }
    }

    /// Queues a message as soon as there is room, and calls `receipt` when it has been delivered or
    /// rejected.
    #[cfg(feature = "nats")]
    pub(crate) async fn put_when_room(&self, from: PeerId, bytes: Vec<u8>, receipt: Receipt) {
        let mut waiting = Waiting {
            from,
            bytes,
            receipt: Some(receipt),
        };
        loop {
            match self.try_put(waiting) {
                Ok(()) => return,
                Err(back) => waiting = back,
            }
            self.room.notified().await;
        }
    }

    fn try_put(&self, mut waiting: Waiting) -> Result<(), Waiting> {
        if waiting.from == self.me || waiting.bytes.len() > MAX_MESSAGE {
            if waiting.from != self.me {
                self.tally.invalid();
            }
            if let Some(receipt) = waiting.receipt.take() {
                receipt();
            }
            return Ok(());
        }
        let mut state = self.state();
        if state.closed {
            return Ok(());
        }
        if state.messages.len() >= self.limit {
            return Err(waiting);
        }
        state.messages.push_back(waiting);
        drop(state);
        self.filled.notify_one();
        Ok(())
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
        self.room.notify_one();
    }

    /// Waits for the next peer change or message. Returns `None` once closed.
    pub(crate) async fn next(&self) -> Option<Received> {
        loop {
            {
                let mut state = self.state();
                if let Some(change) = state.next_change() {
                    return Some(change);
                }
                if let Some(Waiting {
                    from,
                    bytes,
                    receipt,
                }) = state.messages.pop_front()
                {
                    drop(state);
                    self.room.notify_one();
                    self.tally.received(bytes.len());
                    if let Some(receipt) = receipt {
                        receipt();
                    }
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

    #[cfg(feature = "nats")]
    #[tokio::test]
    async fn a_message_that_waits_for_room_gets_in_and_its_receipt_comes_on_delivery() {
        use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
        let (inbox, tally) = inbox(1);
        let inbox = Arc::new(inbox);
        let delivered = Arc::new(AtomicUsize::new(0));
        let writer = tokio::spawn({
            let (inbox, delivered) = (Arc::clone(&inbox), Arc::clone(&delivered));
            async move {
                for n in 0..3 {
                    let delivered = Arc::clone(&delivered);
                    let receipt = Box::new(move || {
                        delivered.fetch_add(1, Relaxed);
                    });
                    inbox.put_when_room(A, vec![n], receipt).await;
                }
            }
        });
        for n in 0..3 {
            tokio::task::yield_now().await;
            assert_eq!(delivered.load(Relaxed), usize::from(n));
            let guard = std::time::Duration::from_secs(60);
            let next = tokio::time::timeout(guard, inbox.next())
                .await
                .expect("no message in time");
            let bytes = vec![n];
            assert_eq!(next, Some(Received::Message { from: A, bytes }));
        }
        writer.await.unwrap();
        assert_eq!(delivered.load(Relaxed), 3);
        assert_eq!(tally.read().dropped(), 0);
    }
}
