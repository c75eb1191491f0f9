use std::collections::BTreeMap;
use std::time::Duration;

use async_nats::{Message, Subscriber};
use futures_util::StreamExt;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::session::{Session, sender};
use crate::peer::{MAX_PEERS, PeerId};

/// The payload of a heartbeat.
const ALIVE: &[u8] = b"alive";
/// The payload of a departure.
pub(super) const LEAVING: &[u8] = b"leaving";

/// The task that sends heartbeats and watches those of the peers.
pub(super) struct Presence {
    session: Session,
    beat: Duration,
    /// Time of the last heartbeat of each peer that is up.
    seen: BTreeMap<PeerId, Instant>,
}

impl Presence {
    /// `beat` is the heartbeat interval.
    pub(super) fn new(session: Session, beat: Duration) -> Self {
        Self {
            session,
            beat,
            seen: BTreeMap::new(),
        }
    }

    pub(super) async fn run(mut self, mut alive: Subscriber) {
        let mut beat = interval(self.beat);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = beat.tick() => {
                    self.send_heartbeat().await;
                    self.expire();
                }
                message = alive.next() => match message {
                    Some(message) => self.receive(&message).await,
                    None => return,
                },
            }
        }
    }

    async fn send_heartbeat(&self) {
        if self.session.is_connected() {
            let publish = self.session.client.publish_with_headers(
                self.session.names.alive.clone(),
                self.session.headers(),
                ALIVE.into(),
            );
            // A heartbeat that takes this long can be skipped: the next one is due.
            let _ = timeout(self.beat, publish).await;
        }
    }

    async fn receive(&mut self, message: &Message) {
        let Some(peer) = sender(message) else {
            self.session.tally.invalid();
            return;
        };
        if peer == self.session.me {
            return;
        }
        if message.payload.as_ref() == LEAVING {
            self.seen.remove(&peer);
            self.session.inbox.set_peer(peer, false);
            return;
        }
        let known = self.seen.contains_key(&peer);
        if !known && self.seen.len() >= MAX_PEERS {
            self.session.tally.invalid();
            return;
        }
        self.seen.insert(peer, Instant::now());
        if !known {
            self.session.inbox.set_peer(peer, true);
            // So that a newcomer need not wait for the next beat.
            self.send_heartbeat().await;
        }
    }

    /// Reports peers down that were silent for 3.5 beats.
    fn expire(&mut self) {
        let limit = self.beat * 7 / 2;
        let silent = self.seen.extract_if(.., |_, heard| heard.elapsed() > limit);
        silent.for_each(|(peer, _)| self.session.inbox.set_peer(peer, false));
    }
}
