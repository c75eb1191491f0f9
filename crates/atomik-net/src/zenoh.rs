//! Zenoh, embedded: replicas find each other by multicast and gossip and talk directly over TCP; no
//! server is needed.
//!
//! | key expression | what travels there |
//! |---|---|
//! | `atomik/KEYSPACE/all` | broadcasts, durable or not |
//! | `atomik/KEYSPACE/to/PEER` | messages to one replica |
//! | `atomik/KEYSPACE/alive/PEER` | a liveliness token: the replica can be reached |
//!
//! A message's attachment is the sender's id, 16 bytes. Messages are never retransmitted and never
//! block: a link that cannot keep up loses them inside zenoh, which does not say so. How long such
//! a link is waited for before that, and so how soon the queue here fills and refuses instead, is
//! [`PATIENCE_US`].
//!
//! A thread of its own gives the messages to zenoh and closes the session, since both may take a
//! while.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use ::zenoh::liveliness::LivelinessToken;
use ::zenoh::qos::CongestionControl;
use ::zenoh::sample::{Locality, Sample, SampleKind};
use ::zenoh::{Config, Session, Wait};
use serde::Deserialize;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::inbox::Inbox;
use crate::tally::Tally;
use crate::{
    Counters, Engine, Keyspace, MAX_MESSAGE, MessageId, OpenError, PeerId, Received, SendError,
    hex, parse_hex,
};

/// How long a message waits for room on a congested link before zenoh drops it, in microseconds.
/// Once a link has dropped one, zenoh drops the following without a wait, until the link moves
/// again: one stuck peer does not slow the others for long.
pub const PATIENCE_US: u64 = 10_000;

/// What queued messages have to be sent before a close goes on without them.
const FAREWELL: Duration = Duration::from_secs(2);

/// What zenoh has to close a session before it is left to itself.
const CLOSING: Duration = Duration::from_secs(10);

/// Options of a [`ZenohEngine`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ZenohOptions {
    /// Where to accept connections: endpoints `tcp/HOST:PORT`, port 0 for any free one, IPv6 in
    /// brackets. Default none, which is any free port on all addresses.
    pub listen: Vec<String>,
    /// Peers or routers to connect to, `tcp/HOST:PORT`; tried again until they answer, at most
    /// every 4 s. Default none: those found by multicast.
    pub connect: Vec<String>,
    /// Whether to look for peers by multicast. Peers of peers are found either way. Default true.
    pub multicast_scouting: bool,
    /// The group and port of the search, `A.B.C.D:PORT`. Default `224.0.0.224:7446`, which all of
    /// zenoh shares: another one makes a network of its own.
    pub multicast_address: String,
    /// The network interface of the search, by name. Default `auto`.
    pub multicast_interface: String,
    /// A peer that was not heard of for so long is down, in milliseconds, 100 to 3,600,000; this is
    /// told to the peers, who use it for this replica. Default 10,000.
    pub lease_ms: u64,
    /// Messages that wait to be sent; those beyond are refused. 1 to 65,536, default 1024.
    pub outgoing_messages: usize,
    /// Messages that wait for `receive`; those beyond are dropped. 1 to 65,536, default 1024.
    pub incoming_messages: usize,
}

impl Default for ZenohOptions {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            connect: Vec::new(),
            multicast_scouting: true,
            multicast_address: "224.0.0.224:7446".to_owned(),
            multicast_interface: "auto".to_owned(),
            lease_ms: 10_000,
            outgoing_messages: 1024,
            incoming_messages: 1024,
        }
    }
}

impl ZenohOptions {
    /// Checks every option.
    ///
    /// # Errors
    ///
    /// [`OpenError::Option`] for the first that does not make sense.
    pub fn check(&self) -> Result<(), OpenError> {
        for endpoint in &self.listen {
            check_endpoint("listen", endpoint, 0)?;
        }
        for endpoint in &self.connect {
            check_endpoint("connect", endpoint, 1)?;
        }
        if self
            .multicast_address
            .parse()
            .ok()
            .is_none_or(|a: std::net::SocketAddr| !a.ip().is_multicast())
        {
            let next = "not a multicast address with a port, write for example 224.0.0.224:7446";
            return Err(OpenError::option(
                "multicast_address",
                &self.multicast_address,
                next,
            ));
        }
        let name = |c: char| c.is_ascii_alphanumeric() || "._:@-".contains(c);
        if self.multicast_interface.is_empty() || !self.multicast_interface.chars().all(name) {
            let next = "not the name of a network interface, write for example eth0, or auto";
            return Err(OpenError::option(
                "multicast_interface",
                &self.multicast_interface,
                next,
            ));
        }
        if !(100..=3_600_000).contains(&self.lease_ms) {
            let next = "a lease is 100 to 3600000 milliseconds";
            return Err(OpenError::option("lease_ms", self.lease_ms, next));
        }
        crate::engine::check_queue("outgoing_messages", self.outgoing_messages)?;
        crate::engine::check_queue("incoming_messages", self.incoming_messages)
    }

    fn config(&self) -> Result<Config, OpenError> {
        self.check()?;
        let mut config = Config::default();
        let mut set = |key: &str, value: String| {
            config
                .insert_json5(key, &value)
                .map_err(|error| OpenError::Engine {
                    what: format!("zenoh does not take {key} = {value}"),
                    reason: error.to_string(),
                    next: "correct the option that it comes from",
                })
        };
        set("mode", "\"peer\"".to_owned())?;
        if !self.listen.is_empty() {
            set("listen/endpoints", format!("{:?}", self.listen))?;
        }
        set("connect/endpoints", format!("{:?}", self.connect))?;
        set(
            "scouting/multicast/enabled",
            self.multicast_scouting.to_string(),
        )?;
        set(
            "scouting/multicast/address",
            format!("{:?}", self.multicast_address),
        )?;
        set(
            "scouting/multicast/interface",
            format!("{:?}", self.multicast_interface),
        )?;
        set("transport/link/tx/lease", self.lease_ms.to_string())?;
        // Room for a burst: 16 batches of 64 KiB a link, the most that zenoh allows.
        set("transport/link/tx/queue/size/data", "16".to_owned())?;
        let drop = "transport/link/tx/queue/congestion_control/drop";
        set(&format!("{drop}/wait_before_drop"), PATIENCE_US.to_string())?;
        // Zenoh's own default reserves up to 1 GiB for what a peer claims to be sending.
        set(
            "transport/link/rx/max_message_size",
            (4 * MAX_MESSAGE).to_string(),
        )?;
        Ok(config)
    }
}

/// Checks an endpoint: `tcp/HOST:PORT`, the port at least `lowest`.
fn check_endpoint(option: &'static str, endpoint: &str, lowest: u16) -> Result<(), OpenError> {
    let wrong = |what: &str| {
        let next = format!(
            "{what}, write tcp/HOST:PORT, for example tcp/192.0.2.1:7447 or tcp/[2001:db8::1]:7447"
        );
        Err(OpenError::option(option, endpoint, next))
    };
    let Some((protocol, address)) = endpoint.split_once('/') else {
        return wrong("there is no protocol");
    };
    if protocol != "tcp" {
        return wrong("only tcp is built in");
    }
    let Some((host, port)) = address.rsplit_once(':') else {
        return wrong("there is no port");
    };
    if port.parse::<u16>().is_err() {
        return wrong("the port is no number from 0 to 65535");
    }
    if port.parse::<u16>().is_ok_and(|port| port < lowest) {
        return wrong("nobody can be reached at port 0");
    }
    let name = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-' || c == '_';
    let good = match host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
    {
        Some(inside) => inside.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.chars().all(name),
    };
    if good {
        Ok(())
    } else {
        wrong("the host is no name and no address")
    }
}

/// A replica in a network of zenoh peers.
pub struct ZenohEngine {
    /// `None` from the first moment of closing.
    outgoing: Option<SyncSender<Outgoing>>,
    /// From when on the queued messages are not sent any more.
    deadline: Arc<OnceLock<Instant>>,
    closed: oneshot::Receiver<()>,
    inbox: Arc<Inbox>,
    tally: Arc<Tally>,
}

struct Outgoing {
    to: Option<PeerId>,
    bytes: Vec<u8>,
}

impl ZenohEngine {
    /// Joins the keyspace as replica `me`. Waits up to half a second for peers to be found; those
    /// found later come up later.
    ///
    /// # Errors
    ///
    /// [`OpenError::Option`] for an option that does not make sense, [`OpenError::Runtime`] outside
    /// a multi-threaded tokio runtime, [`OpenError::Engine`] when zenoh cannot start, most often
    /// because an address of `listen` is taken.
    pub async fn open(
        keyspace: &Keyspace,
        me: PeerId,
        options: &ZenohOptions,
    ) -> Result<Self, OpenError> {
        let config = options.config()?;
        if !Handle::try_current()
            .is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread)
        {
            return Err(OpenError::Runtime(
                "zenoh runs only within a multi-threaded tokio runtime: build one with `new_multi_thread`",
            ));
        }
        let refused = |error: ::zenoh::Error| OpenError::Engine {
            what: "zenoh does not start".to_owned(),
            reason: error.to_string(),
            next: "see that the addresses of `listen` are this machine's and free, or set multicast_scouting = false where \
                   there is no interface for it",
        };
        let tally = Arc::new(Tally::default());
        let inbox = Arc::new(Inbox::new(
            me,
            options.incoming_messages,
            Arc::clone(&tally),
        ));
        let session = ::zenoh::open(config).await.map_err(refused)?;
        let keys = Keys::new(keyspace);
        for key in [keys.all.clone(), keys.to(&me)] {
            let (inbox, tally) = (Arc::clone(&inbox), Arc::clone(&tally));
            session
                .declare_subscriber(key)
                .allowed_origin(Locality::Remote)
                .callback(move |sample| take_in(&inbox, &tally, &sample))
                .background()
                .await
                .map_err(refused)?;
        }
        // After the subscribers: whoever sees the token can be understood.
        let token = session
            .liveliness()
            .declare_token(keys.alive(&hex(&me)))
            .await
            .map_err(refused)?;
        let (watcher, invalid) = (Arc::clone(&inbox), Arc::clone(&tally));
        session
            .liveliness()
            .declare_subscriber(keys.alive("*"))
            .history(true)
            .callback(move |sample| {
                let key = sample.key_expr().as_str();
                match key.rsplit_once('/').and_then(|(_, peer)| parse_hex(peer)) {
                    Some(peer) => watcher.set_peer(peer, sample.kind() == SampleKind::Put),
                    None => invalid.invalid(),
                }
            })
            .background()
            .await
            .map_err(refused)?;

        let (outgoing, queue) = sync_channel(options.outgoing_messages);
        let (done, closed) = oneshot::channel();
        let deadline = Arc::new(OnceLock::new());
        let sender = Sender {
            me,
            keys,
            session,
            token,
            deadline: Arc::clone(&deadline),
            tally: Arc::clone(&tally),
        };
        thread::Builder::new()
            .name("zenoh-sender".to_owned())
            .spawn(move || {
                sender.run(&queue);
                // Nobody waits for it after a drop.
                let _ = done.send(());
            })
            .map_err(|error| OpenError::Engine {
                what: "no thread for sending".to_owned(),
                reason: error.to_string(),
                next: "raise the system's limit of threads",
            })?;
        Ok(Self {
            outgoing: Some(outgoing),
            deadline,
            closed,
            inbox,
            tally,
        })
    }

    fn offer(&self, to: Option<PeerId>, bytes: Vec<u8>) -> Result<(), SendError> {
        self.tally.check_length(&bytes)?;
        let queue = self.outgoing.as_ref().ok_or(SendError::Closed)?;
        queue.try_send(Outgoing { to, bytes }).map_err(|error| {
            self.tally.refused(match error {
                TrySendError::Full(_) => SendError::Full,
                TrySendError::Disconnected(_) => SendError::Closed,
            })
        })
    }

    /// Ends the queue: the sender sends what is in it, until `deadline`, and closes the session.
    fn end(&mut self, deadline: Instant) {
        self.inbox.close();
        // The first deadline stays: the drop after a close must not cut it short.
        let _ = self.deadline.set(deadline);
        self.outgoing = None;
    }
}

impl Engine for ZenohEngine {
    fn broadcast(&self, bytes: Vec<u8>, _durable: Option<MessageId>) -> Result<(), SendError> {
        self.offer(None, bytes)
    }

    fn send(&self, to: PeerId, bytes: Vec<u8>) -> Result<(), SendError> {
        self.offer(Some(to), bytes)
    }

    async fn receive(&mut self) -> Option<Received> {
        self.inbox.next().await
    }

    fn counters(&self) -> Counters {
        self.tally.read()
    }

    async fn close(mut self) -> Counters {
        self.end(Instant::now() + FAREWELL);
        // A session that does not close in time goes on closing in its thread.
        let _ = timeout(FAREWELL + CLOSING, &mut self.closed).await;
        self.tally.read()
    }
}

impl Drop for ZenohEngine {
    fn drop(&mut self) {
        self.end(Instant::now());
    }
}

/// The thread that gives messages to zenoh, and at the end closes the session. Outside of any
/// runtime, where zenoh may wait.
struct Sender {
    me: PeerId,
    keys: Keys,
    session: Session,
    token: LivelinessToken,
    deadline: Arc<OnceLock<Instant>>,
    tally: Arc<Tally>,
}

impl Sender {
    fn run(self, queue: &Receiver<Outgoing>) {
        for Outgoing { to, bytes } in queue {
            if self
                .deadline
                .get()
                .is_some_and(|deadline| Instant::now() >= *deadline)
            {
                self.tally.failed(1);
                continue;
            }
            let key = to.map_or_else(|| self.keys.all.clone(), |to| self.keys.to(&to));
            let length = bytes.len();
            let put = self
                .session
                .put(key, bytes)
                .attachment(self.me.as_slice())
                .congestion_control(CongestionControl::Drop)
                .allowed_destination(Locality::Remote);
            match put.wait() {
                Ok(()) => self.tally.sent(length),
                Err(_) => self.tally.failed(1),
            }
        }
        // Both fail only where the session is closed already.
        let _ = self.token.undeclare().wait();
        let _ = self.session.close().wait();
    }
}

/// A message from zenoh. On one of zenoh's threads.
fn take_in(inbox: &Inbox, tally: &Tally, sample: &Sample) {
    let from = sample
        .attachment()
        .and_then(|bytes| PeerId::try_from(bytes.to_bytes().as_ref()).ok());
    match from {
        // The length is looked at before anything is copied.
        Some(from) if sample.kind() == SampleKind::Put && sample.payload().len() <= MAX_MESSAGE => {
            inbox.put(from, sample.payload().to_bytes().into_owned());
        }
        _ => tally.invalid(),
    }
}

/// The key expressions of a keyspace.
struct Keys {
    root: String,
    all: String,
}

impl Keys {
    fn new(keyspace: &Keyspace) -> Self {
        let root = format!("atomik/{keyspace}");
        let all = format!("{root}/all");
        Self { root, all }
    }

    fn to(&self, peer: &PeerId) -> String {
        format!("{}/to/{}", self.root, hex(peer))
    }

    fn alive(&self, peer: &str) -> String {
        format!("{}/alive/{peer}", self.root)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn alone() -> ZenohEngine {
        let options = ZenohOptions {
            listen: vec!["tcp/127.0.0.1:0".to_owned()],
            multicast_scouting: false,
            ..ZenohOptions::default()
        };
        ZenohEngine::open(&"k".parse().unwrap(), [1; 16], &options)
            .await
            .unwrap()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn what_is_queued_when_the_time_is_up_is_counted_as_failed() {
        let engine = alone().await;
        engine.deadline.set(Instant::now()).unwrap();
        for _ in 0..3 {
            engine.broadcast(vec![1], None).unwrap();
        }
        let counters = engine.close().await;
        assert_eq!((counters.messages_out, counters.failed_out), (0, 3));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_close_gives_the_queue_its_time_and_a_drop_none() {
        let engine = alone().await;
        let deadline = Arc::clone(&engine.deadline);
        let start = Instant::now();
        engine.close().await;
        assert!(*deadline.get().unwrap() >= start + FAREWELL);

        let engine = alone().await;
        let deadline = Arc::clone(&engine.deadline);
        drop(engine);
        assert!(*deadline.get().unwrap() <= Instant::now());
    }
}
