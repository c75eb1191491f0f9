//! The link between replica and peers: any built-in engine, possibly still opening, with injected
//! faults and cuts.

use std::collections::{BTreeSet, VecDeque};
use std::future::pending;

use atomik_net::channel::ChannelEngine;
#[cfg(feature = "nats")]
use atomik_net::nats::NatsEngine;
#[cfg(feature = "zenoh")]
use atomik_net::zenoh::ZenohEngine;
use atomik_net::{Counters, Engine, Keyspace, PeerId, Received, SendError};
use tokio::time::{Instant, sleep_until};
#[cfg(feature = "nats")]
use tokio::{sync::oneshot, task::JoinHandle};

use crate::faults::{Delays, Faults};

/// An engine of any kind.
pub enum AnyEngine {
    /// No engine: a replica without peers.
    Alone,
    /// In-process, for tests.
    Channel(ChannelEngine),
    /// Embedded zenoh.
    #[cfg(feature = "zenoh")]
    Zenoh(ZenohEngine),
    /// NATS.
    #[cfg(feature = "nats")]
    Nats(Box<NatsEngine>),
}

macro_rules! engine {
    ($any:expr, $engine:ident => $call:expr, alone: $alone:expr) => {
        match $any {
            AnyEngine::Alone => $alone,
            AnyEngine::Channel($engine) => $call,
            #[cfg(feature = "zenoh")]
            AnyEngine::Zenoh($engine) => $call,
            #[cfg(feature = "nats")]
            AnyEngine::Nats($engine) => $call,
        }
    };
}

impl AnyEngine {
    fn send(&self, to: PeerId, bytes: Vec<u8>) -> Result<(), SendError> {
        engine!(self, engine => engine.send(to, bytes), alone: Ok(()))
    }

    async fn receive(&mut self) -> Option<Received> {
        engine!(self, engine => engine.receive().await, alone: pending().await)
    }

    fn counters(&self) -> Counters {
        engine!(self, engine => engine.counters(), alone: Counters::default())
    }

    fn other_keyspaces(&self) -> Vec<Keyspace> {
        engine!(self, engine => engine.other_keyspaces(), alone: Vec::new())
    }

    async fn close(self) -> Counters {
        engine!(self, engine => engine.close().await, alone: Counters::default())
    }
}

/// A background task that tries to open an engine until it succeeds.
#[cfg(feature = "nats")]
pub(crate) struct Opening {
    pub(crate) task: JoinHandle<()>,
    pub(crate) engine: oneshot::Receiver<AnyEngine>,
}

enum State {
    #[cfg(feature = "nats")]
    Opening(Opening),
    Open(AnyEngine),
    Closed,
}

/// What a node sends through and receives from.
pub struct Link {
    state: State,
    delays: Delays,
    faulty: bool,
    /// Peers that the engine reported up.
    up: BTreeSet<PeerId>,
    /// Peers that are treated as unreachable.
    cut: BTreeSet<PeerId>,
    /// Peer changes to be delivered before anything else.
    changes: VecDeque<Received>,
    /// Messages from and to peers that are cut off.
    pub(crate) cut_off: u64,
    /// Messages dropped because the engine was not open.
    pub(crate) unopened: u64,
}

impl Link {
    /// A link over an open engine. `faults` apply to incoming messages.
    #[must_use]
    pub fn new(engine: AnyEngine, faults: Option<Faults>) -> Self {
        Self::with(State::Open(engine), faults)
    }

    #[cfg(feature = "nats")]
    pub(crate) fn opening(opening: Opening, faults: Option<Faults>) -> Self {
        Self::with(State::Opening(opening), faults)
    }

    fn with(state: State, faults: Option<Faults>) -> Self {
        Self {
            state,
            delays: Delays::new(faults.unwrap_or_default()),
            faulty: faults.is_some(),
            up: BTreeSet::new(),
            cut: BTreeSet::new(),
            changes: VecDeque::new(),
            cut_off: 0,
            unopened: 0,
        }
    }

    /// The name of the engine, as in options; `None` for one that options cannot name.
    pub(crate) fn engine(&self) -> Option<&'static str> {
        match &self.state {
            #[cfg(feature = "nats")]
            State::Opening(_) => Some("nats"),
            State::Open(AnyEngine::Alone) => Some("none"),
            #[cfg(feature = "zenoh")]
            State::Open(AnyEngine::Zenoh(_)) => Some("zenoh"),
            #[cfg(feature = "nats")]
            State::Open(AnyEngine::Nats(_)) => Some("nats"),
            State::Open(AnyEngine::Channel(_)) | State::Closed => None,
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// Sends to one peer. The engine counts what it refuses, and the replicas repair the loss.
    pub(crate) fn send(&mut self, to: PeerId, bytes: Vec<u8>) {
        if self.cut.contains(&to) {
            self.cut_off += 1;
            return;
        }
        match &self.state {
            State::Open(engine) => drop(engine.send(to, bytes)),
            _ => self.unopened += 1,
        }
    }

    /// Waits for the next message or peer change. Cancel-safe.
    pub(crate) async fn receive(&mut self) -> Received {
        loop {
            if let Some(change) = self.changes.pop_front() {
                return change;
            }
            let due = self.delays.due();
            let delayed = async { sleep_until(due.unwrap_or_else(Instant::now)).await };
            tokio::select! {
                // The order is the same in every run. Delayed messages come from the engine, so
                // they cannot keep it waiting for ever.
                biased;
                () = delayed, if due.is_some() => {
                    if let Some((from, bytes)) = self.delays.take() && !self.is_cut(from) {
                        return Received::Message { from, bytes };
                    }
                }
                received = self.state.next() => match received {
                    Received::Message { from, .. } if self.is_cut(from) => {}
                    Received::Message { from, bytes } if self.faulty => {
                        self.delays.put(from, bytes);
                    }
                    Received::PeerUp(peer) => {
                        self.up.insert(peer);
                        if !self.cut.contains(&peer) {
                            return Received::PeerUp(peer);
                        }
                    }
                    Received::PeerDown(peer) => {
                        self.up.remove(&peer);
                        if !self.cut.contains(&peer) {
                            return Received::PeerDown(peer);
                        }
                    }
                    message => return message,
                },
            }
        }
    }

    fn is_cut(&mut self, peer: PeerId) -> bool {
        let cut = self.cut.contains(&peer);
        self.cut_off += u64::from(cut);
        cut
    }

    /// Cuts off exactly these peers.
    pub(crate) fn cut(&mut self, peers: impl IntoIterator<Item = PeerId>) {
        let peers: BTreeSet<PeerId> = peers.into_iter().collect();
        let down = peers
            .difference(&self.cut)
            .filter(|peer| self.up.contains(*peer));
        self.changes
            .extend(down.map(|&peer| Received::PeerDown(peer)));
        let up = self
            .cut
            .difference(&peers)
            .filter(|peer| self.up.contains(*peer));
        self.changes.extend(up.map(|&peer| Received::PeerUp(peer)));
        self.cut = peers;
    }

    pub(crate) fn set_faults(&mut self, faults: Faults) {
        self.faulty = faults != Faults::default();
        self.delays.set(faults);
    }

    /// Messages lost to injected faults.
    pub(crate) fn lost(&self) -> u64 {
        self.delays.lost
    }

    /// The keyspaces of the nodes that the engine sees, if it sees none of this one.
    pub(crate) fn only_others(&self) -> Vec<Keyspace> {
        match &self.state {
            State::Open(engine) if self.up.is_empty() => engine.other_keyspaces(),
            _ => Vec::new(),
        }
    }

    pub(crate) fn counters(&self) -> Counters {
        match &self.state {
            State::Open(engine) => engine.counters(),
            _ => Counters::default(),
        }
    }

    pub(crate) async fn close(&mut self) -> Counters {
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Open(engine) => engine.close().await,
            #[cfg(feature = "nats")]
            State::Opening(opening) => {
                opening.task.abort();
                Counters::default()
            }
            State::Closed => Counters::default(),
        }
    }
}

impl State {
    async fn next(&mut self) -> Received {
        loop {
            match self {
                #[cfg(feature = "nats")]
                Self::Opening(opening) => match (&mut opening.engine).await {
                    Ok(engine) => *self = Self::Open(engine),
                    // The opening task was aborted.
                    Err(_) => *self = Self::Closed,
                },
                Self::Open(engine) => match engine.receive().await {
                    Some(received) => return received,
                    None => {
                        tracing::error!(
                            "the engine has closed unexpectedly: \
                             no peer can be reached until the node is restarted"
                        );
                        *self = Self::Closed;
                    }
                },
                Self::Closed => return pending().await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use atomik_net::channel::{ChannelNetwork, ChannelOptions};
    use tokio::time::timeout;

    use super::*;

    const A: PeerId = [1; 16];
    const B: PeerId = [2; 16];

    fn message(bytes: &[u8]) -> Received {
        Received::Message {
            from: B,
            bytes: bytes.to_vec(),
        }
    }

    #[tokio::test]
    async fn a_peer_that_is_cut_off_goes_down_exchanges_nothing_and_comes_back() {
        let network = ChannelNetwork::new(&ChannelOptions::default()).unwrap();
        let mut link = Link::new(AnyEngine::Channel(network.join(A).unwrap()), None);
        let mut peer = network.join(B).unwrap();
        assert_eq!(link.receive().await, Received::PeerUp(B));
        assert_eq!(peer.receive().await, Some(Received::PeerUp(A)));
        link.cut([B]);
        assert_eq!(link.receive().await, Received::PeerDown(B));
        peer.send(A, b"lost".to_vec()).unwrap();
        link.send(B, b"lost".to_vec());
        let nothing = timeout(Duration::from_millis(100), link.receive()).await;
        assert!(nothing.is_err(), "{nothing:?}");
        link.cut([]);
        assert_eq!(link.receive().await, Received::PeerUp(B));
        peer.send(A, b"heard".to_vec()).unwrap();
        assert_eq!(link.receive().await, message(b"heard"));
        link.send(B, b"heard".to_vec());
        let heard = peer.receive().await;
        assert!(
            matches!(&heard, Some(Received::Message { bytes, .. }) if bytes == b"heard"),
            "{heard:?}"
        );
        assert_eq!(link.cut_off, 2);
    }

    #[tokio::test]
    async fn faults_can_be_changed_while_messages_arrive() {
        let network = ChannelNetwork::new(&ChannelOptions::default()).unwrap();
        let mut link = Link::new(AnyEngine::Channel(network.join(A).unwrap()), None);
        let peer = network.join(B).unwrap();
        assert_eq!(link.receive().await, Received::PeerUp(B));
        link.set_faults("dup=1,delay=20".parse().unwrap());
        peer.send(A, b"twice".to_vec()).unwrap();
        assert_eq!(link.receive().await, message(b"twice"));
        assert_eq!(link.receive().await, message(b"twice"));
        link.set_faults("loss=1".parse().unwrap());
        peer.send(A, b"lost".to_vec()).unwrap();
        let nothing = timeout(Duration::from_millis(100), link.receive()).await;
        assert!(nothing.is_err(), "{nothing:?}");
        assert_eq!(link.lost(), 1);
        link.set_faults(Faults::default());
        peer.send(A, b"once".to_vec()).unwrap();
        assert_eq!(link.receive().await, message(b"once"));
    }
}
