//! NATS: a server between the replicas, and JetStream, which keeps the updates for those that are
//! away.
//!
//! | subject | what travels there |
//! |---|---|
//! | `atomik.KEYSPACE.update` | durable updates, kept in the stream `atomik_KEYSPACE` |
//! | `atomik.KEYSPACE.all` | other broadcasts |
//! | `atomik.KEYSPACE.to.PEER` | messages to one replica |
//! | `atomik.KEYSPACE.alive` | heartbeats, and farewells |
//!
//! Every message names its sender in the header `Atomik-From`; an update carries its [`MessageId`]
//! in `Nats-Msg-Id`, by which the server drops a second one within the duplicate window. The stream
//! belongs to all: the first replica makes it with its options, those of later ones do not change
//! it (`nats stream edit` does).
//!
//! Every replica has a durable consumer, named by its id. A stream message is acknowledged when
//! `receive` has handed it over; until then it waits in the queue, and the stream waits behind it,
//! so a slow replica loses no updates before the stream's own limits do. What it lost by crashing
//! right after `receive` is repaired by the layer above, as any loss.
//!
//! The connection comes back by itself. While it is away sending is refused as disconnected, and
//! peers go down.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::context::{Context, ContextBuilder};
use async_nats::jetstream::message::{Acker, PublishMessage};
use async_nats::jetstream::{consumer, stream};
use async_nats::{Client, ConnectOptions, Event, HeaderMap, Message, ServerAddr, Subscriber};
use futures_util::StreamExt;
use serde::Deserialize;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout, timeout_at};

use crate::inbox::{Inbox, Receipt};
use crate::tally::Tally;
use crate::{
    Counters, Engine, Keyspace, MAX_MESSAGE, MAX_PEERS, MessageId, OpenError, PeerId, Received,
    SendError, hex, parse_hex,
};

/// The header that names the sender of a message.
const FROM: &str = "Atomik-From";

/// The payload of a heartbeat, and of a farewell.
const ALIVE: &[u8] = b"alive";
const LEAVING: &[u8] = b"leaving";

/// What the server has to answer a request or to acknowledge an update.
const ANSWER: Duration = Duration::from_secs(5);

/// What queued messages have to be sent before a close goes on without them.
const FAREWELL: Duration = Duration::from_secs(2);

/// The server gives a stream message again if it was not acknowledged for so long.
const ACKNOWLEDGE: Duration = Duration::from_secs(30);

/// Updates that may wait for the server's acknowledgement at a time.
const UNACKNOWLEDGED: usize = 256;

/// Stream messages that are asked for at a time. The library asks for more when half of them are
/// there, and drops what its queue of a subscription does not hold: that has room for four times as
/// many.
const BATCH: usize = 100;

/// How often the connection is tried, which is lost with the third ping that is not answered; and
/// how often a consumer that waits for messages must hear from the server, or it is made anew after
/// the second time.
const PING: Duration = Duration::from_secs(5);

/// The room that headers and subject need beside a message, in bytes.
const ENVELOPE: usize = 1024;

/// Options of a [`NatsEngine`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NatsOptions {
    /// The servers of one cluster, `nats://HOST:PORT` or `nats://USER:PASSWORD@HOST:PORT`; any of
    /// them is used. Default `nats://127.0.0.1:4222`.
    pub servers: Vec<String>,
    /// The most that the stream holds, in bytes, 1 MiB or more; the oldest messages go first.
    /// Default 1 GiB.
    pub stream_max_bytes: u64,
    /// How long the stream holds a message, in seconds, 1 or more. Default 86,400, a day.
    pub stream_max_age_s: u64,
    /// For how long the server knows a message id again, in seconds, 1 to `stream_max_age_s`.
    /// Default 120.
    pub duplicate_window_s: u64,
    /// The servers that keep a copy of the stream, 1 to 5. Default 1.
    pub stream_replicas: usize,
    /// After how long without its replica the server forgets a consumer, in seconds, 60 or more;
    /// the replica is given the whole stream again if it comes back later. Default 604,800, a week.
    pub consumer_expiry_s: u64,
    /// How often a replica says that it is alive, in milliseconds, 50 to 60,000. A peer is down
    /// after 3.5 times its own value, so all replicas should have the same. Default 1000.
    pub heartbeat_ms: u64,
    /// Messages that wait to be sent; those beyond are refused. 1 to 65,536, default 1024.
    pub outgoing_messages: usize,
    /// Messages that wait for `receive`; those beyond are dropped, or stay in the stream. 1 to
    /// 65,536, default 1024.
    pub incoming_messages: usize,
}

impl Default for NatsOptions {
    fn default() -> Self {
        Self {
            servers: vec!["nats://127.0.0.1:4222".to_owned()],
            stream_max_bytes: 1 << 30,
            stream_max_age_s: 86_400,
            duplicate_window_s: 120,
            stream_replicas: 1,
            consumer_expiry_s: 604_800,
            heartbeat_ms: 1000,
            outgoing_messages: 1024,
            incoming_messages: 1024,
        }
    }
}

impl NatsOptions {
    /// Checks every option.
    ///
    /// # Errors
    ///
    /// [`OpenError::Option`] for the first that does not make sense.
    pub fn check(&self) -> Result<(), OpenError> {
        self.addresses()?;
        let limits = [
            (
                "stream_max_bytes",
                self.stream_max_bytes,
                1 << 20,
                i64::MAX as u64,
                "bytes",
            ),
            (
                "stream_max_age_s",
                self.stream_max_age_s,
                1,
                SECONDS,
                "seconds",
            ),
            (
                "duplicate_window_s",
                self.duplicate_window_s,
                1,
                self.stream_max_age_s,
                "seconds, no more than stream_max_age_s",
            ),
            (
                "stream_replicas",
                self.stream_replicas as u64,
                1,
                5,
                "servers",
            ),
            (
                "consumer_expiry_s",
                self.consumer_expiry_s,
                60,
                SECONDS,
                "seconds",
            ),
            (
                "heartbeat_ms",
                self.heartbeat_ms,
                50,
                60_000,
                "milliseconds",
            ),
        ];
        for (name, value, lowest, highest, unit) in limits {
            if !(lowest..=highest).contains(&value) {
                return Err(OpenError::option(
                    name,
                    value,
                    format!("use {lowest} to {highest} {unit}"),
                ));
            }
        }
        crate::engine::check_queue("outgoing_messages", self.outgoing_messages)?;
        crate::engine::check_queue("incoming_messages", self.incoming_messages)
    }

    fn addresses(&self) -> Result<Vec<ServerAddr>, OpenError> {
        if self.servers.is_empty() {
            return Err(OpenError::option(
                "servers",
                "[]",
                "name a server, for example nats://192.0.2.1:4222",
            ));
        }
        self.servers
            .iter()
            .map(|server| check_server(server))
            .collect()
    }

    fn stream(&self, names: &Names) -> stream::Config {
        stream::Config {
            name: names.stream.clone(),
            subjects: vec![names.update.clone()],
            // Both fit: `check` was before.
            max_bytes: i64::try_from(self.stream_max_bytes).unwrap_or(i64::MAX),
            max_age: Duration::from_secs(self.stream_max_age_s),
            duplicate_window: Duration::from_secs(self.duplicate_window_s),
            discard: stream::DiscardPolicy::Old,
            storage: stream::StorageType::File,
            num_replicas: self.stream_replicas,
            ..stream::Config::default()
        }
    }

    fn consumer(&self, me: &PeerId) -> pull::Config {
        pull::Config {
            durable_name: Some(hex(me)),
            deliver_policy: consumer::DeliverPolicy::All,
            ack_policy: consumer::AckPolicy::Explicit,
            ack_wait: ACKNOWLEDGE,
            // The queue and as much again on its way.
            max_ack_pending: 2 * self.incoming_messages as i64,
            inactive_threshold: Duration::from_secs(self.consumer_expiry_s),
            ..pull::Config::default()
        }
    }
}

/// The longest time that an option may give, in seconds: a hundred years. The server counts in
/// nanoseconds, in 63 bits.
const SECONDS: u64 = 100 * 365 * 86_400;

/// Checks the address of a server. What an error shows of it is without user and password.
fn check_server(server: &str) -> Result<ServerAddr, OpenError> {
    let wrong = |what: String| {
        let next = format!("{what}, write nats://HOST:PORT, for example nats://192.0.2.1:4222");
        Err(OpenError::option("servers", without_password(server), next))
    };
    match server.split_once("://") {
        Some(("nats", _)) => {}
        Some((scheme, _)) => return wrong(format!("{scheme} is not built in, only nats")),
        None => return wrong("there is no nats://".to_owned()),
    }
    match server.parse::<ServerAddr>() {
        Ok(address) if !address.host().is_empty() => Ok(address),
        Ok(_) => wrong("there is no host".to_owned()),
        Err(error) => wrong(error.to_string()),
    }
}

fn without_password(server: &str) -> String {
    match (server.split_once("://"), server.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
        _ => server.to_owned(),
    }
}

/// A replica that talks to the others through NATS.
pub struct NatsEngine {
    outgoing: mpsc::Sender<Outgoing>,
    /// Messages that were taken.
    taken: AtomicU64,
    connected: watch::Receiver<bool>,
    sender: JoinHandle<()>,
    acknowledger: JoinHandle<()>,
    /// The tasks that listen.
    tasks: JoinSet<()>,
    client: Client,
    me: PeerId,
    names: Names,
    inbox: Arc<Inbox>,
    tally: Arc<Tally>,
}

struct Outgoing {
    to: To,
    bytes: Vec<u8>,
}

enum To {
    Stream(MessageId),
    All,
    Peer(PeerId),
}

impl NatsEngine {
    /// Joins the keyspace as replica `me`; makes its stream if it is not there.
    ///
    /// # Errors
    ///
    /// [`OpenError::Option`] for an option that does not make sense, [`OpenError::Engine`] when no
    /// server answers, has no JetStream, or refuses. A server that goes away later is waited for.
    pub async fn open(
        keyspace: &Keyspace,
        me: PeerId,
        options: &NatsOptions,
    ) -> Result<Self, OpenError> {
        options.check()?;
        let shown: Vec<String> = options
            .servers
            .iter()
            .map(|server| without_password(server))
            .collect();
        let refused = |what: &str, reason: &dyn Display, next| OpenError::Engine {
            what: format!("{what} {}", shown.join(", ")),
            reason: reason.to_string(),
            next,
        };
        let names = Names::new(keyspace);
        let tally = Arc::new(Tally::default());
        let inbox = Arc::new(Inbox::new(
            me,
            options.incoming_messages,
            Arc::clone(&tally),
        ));
        let (state, connected) = watch::channel(true);
        let lost = Arc::clone(&tally);
        let client = ConnectOptions::new()
            .name(format!("atomik {keyspace} {}", hex(&me)))
            .connection_timeout(ANSWER)
            .ping_interval(PING)
            // A message that waits in there is not counted yet, so few do.
            .client_capacity(64)
            .subscription_capacity(options.incoming_messages.max(4 * BATCH))
            .reconnect_delay_callback(|tries| Duration::from_millis(100 << tries.min(4)))
            .event_callback(move |event| {
                match event {
                    Event::Connected => drop(state.send_replace(true)),
                    Event::Disconnected | Event::Closed => drop(state.send_replace(false)),
                    Event::SlowConsumer(_) => lost.overflowed(),
                    _ => {}
                }
                std::future::ready(())
            })
            .connect(options.addresses()?)
            .await
            .map_err(|error| {
                refused(
                    "no connection to",
                    &error,
                    "start one with `nats-server -js`, or correct `servers`",
                )
            })?;
        if client.max_payload() < MAX_MESSAGE + ENVELOPE {
            let reason = format!("it takes at most {} bytes a message", client.max_payload());
            return Err(refused(
                "too small:",
                &reason,
                "set its max_payload to 131072 or more",
            ));
        }
        let context = ContextBuilder::new()
            .timeout(ANSWER)
            .ack_timeout(ANSWER)
            .max_ack_inflight(UNACKNOWLEDGED)
            .backpressure_on_inflight(true)
            .build(client.clone());
        context.get_or_create_stream(options.stream(&names)).await.map_err(|error| {
            refused("no stream on", &error, "start the server with -js, and see that its disk has room for stream_max_bytes")
        })?;

        let subscribe = async |subject: &str| {
            let subscribed = client.subscribe(subject.to_owned()).await;
            subscribed.map_err(|error| {
                refused(
                    "no subscription on",
                    &error,
                    "see what the server permits this user",
                )
            })
        };
        let presence = Presence {
            me,
            subject: names.alive.clone(),
            client: client.clone(),
            beat: Duration::from_millis(options.heartbeat_ms),
            inbox: Arc::clone(&inbox),
            tally: Arc::clone(&tally),
            connected: connected.clone(),
            seen: BTreeMap::new(),
        };
        let mut tasks = JoinSet::new();
        for subject in [&names.all, &names.to(&me)] {
            tasks.spawn(take_in(
                subscribe(subject).await?,
                Arc::clone(&inbox),
                Arc::clone(&tally),
            ));
        }
        let (acknowledge, ackers) = mpsc::unbounded_channel();
        let updates = Updates {
            stream: options.stream(&names),
            consumer: options.consumer(&me),
            batch: options.incoming_messages.min(BATCH),
            context: context.clone(),
            inbox: Arc::clone(&inbox),
            tally: Arc::clone(&tally),
            connected: connected.clone(),
            acknowledge,
        };
        tasks.spawn(updates.run());
        // Last: whoever sees a heartbeat can be understood.
        tasks.spawn(presence.run(subscribe(&names.alive).await?));
        let (outgoing, queue) = mpsc::channel(options.outgoing_messages);
        let sender = Sender {
            me: hex(&me),
            names: names.clone(),
            client: client.clone(),
            context,
            tally: Arc::clone(&tally),
            connected: connected.clone(),
        };
        let sender = tokio::spawn(sender.run(queue));
        let acknowledger = tokio::spawn(send_acknowledgements(ackers));
        Ok(Self {
            outgoing,
            taken: AtomicU64::new(0),
            connected,
            sender,
            acknowledger,
            tasks,
            client,
            me,
            names,
            inbox,
            tally,
        })
    }

    fn offer(&self, to: To, bytes: Vec<u8>) -> Result<(), SendError> {
        self.tally.check_length(&bytes)?;
        if !*self.connected.borrow() {
            return Err(self.tally.refused(SendError::Disconnected));
        }
        match self.outgoing.try_send(Outgoing { to, bytes }) {
            Ok(()) => {
                self.taken.fetch_add(1, Relaxed);
                Ok(())
            }
            Err(TrySendError::Full(_)) => Err(self.tally.refused(SendError::Full)),
            Err(TrySendError::Closed(_)) => Err(self.tally.refused(SendError::Closed)),
        }
    }
}

impl Engine for NatsEngine {
    fn broadcast(&self, bytes: Vec<u8>, durable: Option<MessageId>) -> Result<(), SendError> {
        self.offer(durable.map_or(To::All, To::Stream), bytes)
    }

    fn send(&self, to: PeerId, bytes: Vec<u8>) -> Result<(), SendError> {
        self.offer(To::Peer(to), bytes)
    }

    async fn receive(&mut self) -> Option<Received> {
        self.inbox.next().await
    }

    fn counters(&self) -> Counters {
        self.tally.read()
    }

    async fn close(mut self) -> Counters {
        self.inbox.close();
        self.tasks.shutdown().await;
        // Both end when nobody can give them anything any more.
        (self.outgoing, _) = mpsc::channel(1);
        let deadline = Instant::now() + FAREWELL;
        if timeout_at(deadline, &mut self.sender).await.is_err() {
            self.sender.abort();
            // Ended, one way or the other.
            let _ = (&mut self.sender).await;
        }
        let _ = timeout_at(deadline, &mut self.acknowledger).await;
        let counters = self.tally.read();
        let settled = counters.messages_out + counters.duplicates_out + counters.failed_out;
        self.tally
            .failed(self.taken.load(Relaxed).saturating_sub(settled) as usize);
        let mut connected = self.connected.clone();
        let client = self.client.clone();
        let subject = self.names.alive.clone();
        let farewell = from(&hex(&self.me));
        let leave = async {
            client
                .publish_with_headers(subject, farewell, LEAVING.into())
                .await?;
            // Until the connection is closed the server may give it updates, and then waits for
            // their acknowledgement.
            client.drain().await?;
            let _ = connected.wait_for(|up| !*up).await;
            Ok::<(), async_nats::Error>(())
        };
        if *self.connected.borrow() {
            // A connection that breaks now needs no farewell.
            let _ = timeout(FAREWELL, leave).await;
        }
        self.tally.read()
    }
}

impl Drop for NatsEngine {
    fn drop(&mut self) {
        self.inbox.close();
        self.sender.abort();
        self.acknowledger.abort();
        self.tasks.abort_all();
    }
}

fn from(me: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(FROM, me);
    headers
}

fn sender_of(headers: Option<&HeaderMap>) -> Option<PeerId> {
    parse_hex(headers?.get(FROM)?.as_str())
}

/// Waits until the connection is there. `false` once it never will be.
async fn connection(connected: &mut watch::Receiver<bool>) -> bool {
    connected.wait_for(|up| *up).await.is_ok()
}

/// Takes in what comes over a subject.
async fn take_in(mut subscriber: Subscriber, inbox: Arc<Inbox>, tally: Arc<Tally>) {
    while let Some(message) = subscriber.next().await {
        match sender_of(message.headers.as_ref()) {
            Some(from) => inbox.put(from, message.payload.into()),
            None => tally.invalid(),
        }
    }
}

/// Acknowledges what was handed over.
async fn send_acknowledgements(mut ackers: mpsc::UnboundedReceiver<Acker>) {
    while let Some(acker) = ackers.recv().await {
        // Without it the message comes again.
        let _ = acker.ack().await;
    }
}

/// The task that publishes.
struct Sender {
    me: String,
    names: Names,
    client: Client,
    context: Context,
    tally: Arc<Tally>,
    connected: watch::Receiver<bool>,
}

impl Sender {
    async fn run(mut self, mut queue: mpsc::Receiver<Outgoing>) {
        let mut unacknowledged = JoinSet::new();
        while let Some(Outgoing { to, bytes }) = queue.recv().await {
            if !connection(&mut self.connected).await {
                break;
            }
            while unacknowledged.try_join_next().is_some() {}
            let length = bytes.len();
            let subject = match to {
                To::Stream(id) => {
                    let update = PublishMessage::build()
                        .payload(bytes.into())
                        .headers(from(&self.me))
                        .message_id(id.to_string());
                    let tally = Arc::clone(&self.tally);
                    match self
                        .context
                        .send_publish(self.names.update.clone(), update)
                        .await
                    {
                        Ok(answer) => drop(unacknowledged.spawn(async move {
                            match answer.await {
                                Ok(ack) if ack.duplicate => tally.duplicate(),
                                Ok(_) => tally.sent(length),
                                Err(_) => tally.failed(1),
                            }
                        })),
                        Err(_) => tally.failed(1),
                    }
                    continue;
                }
                To::All => self.names.all.clone(),
                To::Peer(peer) => self.names.to(&peer),
            };
            match self
                .client
                .publish_with_headers(subject, from(&self.me), bytes.into())
                .await
            {
                Ok(()) => self.tally.sent(length),
                Err(_) => self.tally.failed(1),
            }
        }
        while unacknowledged.join_next().await.is_some() {}
    }
}

/// The task that reads the stream. Whatever goes wrong with stream or consumer, it makes them anew
/// and goes on.
struct Updates {
    stream: stream::Config,
    consumer: pull::Config,
    batch: usize,
    context: Context,
    inbox: Arc<Inbox>,
    tally: Arc<Tally>,
    connected: watch::Receiver<bool>,
    acknowledge: mpsc::UnboundedSender<Acker>,
}

impl Updates {
    async fn run(mut self) {
        while connection(&mut self.connected).await {
            // An error is of the server or of the way to it: both are tried again.
            let _ = self.read().await;
            sleep(Duration::from_millis(500)).await;
        }
    }

    async fn read(&self) -> Result<(), async_nats::Error> {
        let stream = self
            .context
            .get_or_create_stream(self.stream.clone())
            .await?;
        let name = self.consumer.durable_name.as_deref().unwrap_or_default();
        let consumer = stream
            .get_or_create_consumer(name, self.consumer.clone())
            .await?;
        let messages = consumer
            .stream()
            .max_messages_per_batch(self.batch)
            .heartbeat(PING);
        let mut messages = messages.messages().await?;
        let mut connected = self.connected.clone();
        loop {
            let message = tokio::select! {
                message = messages.next() => message,
                // The server that comes back may know nothing of the consumer.
                _ = connected.wait_for(|up| !*up) => None,
            };
            let Some(message) = message else { break };
            let (message, acker) = message?.split();
            self.take_in(message, acker).await;
        }
        Ok(())
    }

    async fn take_in(&self, message: Message, acker: Acker) {
        let acknowledge = self.acknowledge.clone();
        // Fails only when the engine is closed; then the message comes again.
        let receipt: Receipt = Box::new(move || drop(acknowledge.send(acker)));
        match sender_of(message.headers.as_ref()) {
            Some(from) => {
                self.inbox
                    .put_when_room(from, message.payload.into(), receipt)
                    .await
            }
            None => {
                self.tally.invalid();
                receipt();
            }
        }
    }
}

/// The task that says that this replica is alive, and hears who else is.
struct Presence {
    me: PeerId,
    subject: String,
    client: Client,
    beat: Duration,
    inbox: Arc<Inbox>,
    tally: Arc<Tally>,
    connected: watch::Receiver<bool>,
    /// When each peer that is up was heard of last.
    seen: BTreeMap<PeerId, Instant>,
}

impl Presence {
    async fn run(mut self, mut alive: Subscriber) {
        let mut beat = interval(self.beat);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = beat.tick() => {
                    self.say_alive().await;
                    self.miss();
                }
                message = alive.next() => match message {
                    Some(message) => self.hear(&message).await,
                    None => return,
                },
            }
        }
    }

    async fn say_alive(&self) {
        if *self.connected.borrow() {
            let publish = self.client.publish_with_headers(
                self.subject.clone(),
                from(&hex(&self.me)),
                ALIVE.into(),
            );
            // One that does not leave soon is as good as the next.
            let _ = timeout(self.beat, publish).await;
        }
    }

    async fn hear(&mut self, message: &Message) {
        let Some(peer) = sender_of(message.headers.as_ref()) else {
            self.tally.invalid();
            return;
        };
        if peer == self.me {
            return;
        }
        if message.payload.as_ref() == LEAVING {
            self.seen.remove(&peer);
            self.inbox.set_peer(peer, false);
            return;
        }
        let known = self.seen.contains_key(&peer);
        if !known && self.seen.len() >= MAX_PEERS {
            self.tally.invalid();
            return;
        }
        self.seen.insert(peer, Instant::now());
        if !known {
            self.inbox.set_peer(peer, true);
            // So that a newcomer need not wait for the next beat.
            self.say_alive().await;
        }
    }

    /// Lets those go down that were not heard of for 3.5 beats.
    fn miss(&mut self) {
        let limit = self.beat * 7 / 2;
        let silent = self.seen.extract_if(.., |_, heard| heard.elapsed() > limit);
        silent.for_each(|(peer, _)| self.inbox.set_peer(peer, false));
    }
}

/// The names of a keyspace on a server.
#[derive(Clone)]
struct Names {
    stream: String,
    root: String,
    update: String,
    all: String,
    alive: String,
}

impl Names {
    fn new(keyspace: &Keyspace) -> Self {
        let root = format!("atomik.{keyspace}");
        Self {
            stream: format!("atomik_{keyspace}"),
            update: format!("{root}.update"),
            all: format!("{root}.all"),
            alive: format!("{root}.alive"),
            root,
        }
    }

    fn to(&self, peer: &PeerId) -> String {
        format!("{}.to.{}", self.root, hex(peer))
    }
}
