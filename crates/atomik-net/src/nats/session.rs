use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event, HeaderMap, Message, Subscriber};
use tokio::sync::watch;

use super::names::Names;
use super::options::NatsOptions;
use crate::counters::Tally;
use crate::inbox::Inbox;
use crate::keyspace::Keyspace;
use crate::message::MAX_MESSAGE;
use crate::open_error::OpenError;
use crate::peer::{PeerId, hex, parse_hex};

/// The header that names the sender of a message.
const FROM: &str = "Atomik-From";

/// Timeout of a connection attempt.
const ANSWER: Duration = Duration::from_secs(5);

/// Ping interval of the connection, which counts as lost after the third unanswered ping.
const PING: Duration = Duration::from_secs(5);

/// The least capacity of a subscription's queue, in messages. It is emptied immediately, but
/// heartbeats of many peers arrive together.
const LEAST_QUEUE: usize = 400;

/// Room for headers and subject beside a message, in bytes.
const ENVELOPE: usize = 1024;

/// The connection of one replica, shared by the engine and its tasks.
#[derive(Clone)]
pub(super) struct Session {
    pub(super) me: PeerId,
    pub(super) names: Names,
    pub(super) client: Client,
    pub(super) connected: watch::Receiver<bool>,
    pub(super) inbox: Arc<Inbox>,
    pub(super) tally: Arc<Tally>,
    headers: HeaderMap,
}

impl Session {
    /// Connects to a server and checks it.
    pub(super) async fn connect(
        keyspace: &Keyspace,
        me: PeerId,
        options: &NatsOptions,
    ) -> Result<Self, OpenError> {
        let tally = Arc::new(Tally::default());
        let (state, connected) = watch::channel(true);
        let overflowed = Arc::clone(&tally);
        let client = ConnectOptions::new()
            .name(format!("atomik {keyspace} {}", hex(&me)))
            .connection_timeout(ANSWER)
            .ping_interval(PING)
            // Small, because messages waiting in it are not counted yet.
            .client_capacity(64)
            .subscription_capacity(options.incoming_messages.max(LEAST_QUEUE))
            .reconnect_delay_callback(|tries| Duration::from_millis(100 << tries.min(4)))
            .event_callback(move |event| {
                match event {
                    Event::Connected => drop(state.send_replace(true)),
                    Event::Disconnected | Event::Closed => drop(state.send_replace(false)),
                    Event::SlowConsumer(_) => overflowed.overflowed(),
                    _ => {}
                }
                std::future::ready(())
            })
            .connect(options.addresses()?)
            .await
            .map_err(|error| {
                let next = "start one with `nats-server`, or correct `servers`";
                refusal(options, "no connection to", &error, next)
            })?;
        if client.max_payload() < MAX_MESSAGE + ENVELOPE {
            let reason = format!("it takes at most {} bytes a message", client.max_payload());
            let next = "set its max_payload to 131072 or more";
            return Err(refusal(options, "too small:", &reason, next));
        }
        let mut headers = HeaderMap::new();
        headers.insert(FROM, hex(&me).as_str());
        Ok(Self {
            me,
            names: Names::new(keyspace),
            client,
            connected,
            inbox: Arc::new(Inbox::new(
                me,
                options.incoming_messages,
                Arc::clone(&tally),
            )),
            tally,
            headers,
        })
    }

    pub(super) async fn subscribe(
        &self,
        subject: &str,
        options: &NatsOptions,
    ) -> Result<Subscriber, OpenError> {
        let subscribed = self.client.subscribe(subject.to_owned()).await;
        subscribed.map_err(|error| {
            let next = "check what the server permits this user";
            refusal(options, "no subscription on", &error, next)
        })
    }

    pub(super) fn is_connected(&self) -> bool {
        *self.connected.borrow()
    }

    /// Waits until the connection is up. Returns `false` once it never will be.
    pub(super) async fn wait_connected(&mut self) -> bool {
        self.connected.wait_for(|up| *up).await.is_ok()
    }

    /// The headers of a message from this replica.
    pub(super) fn headers(&self) -> HeaderMap {
        self.headers.clone()
    }
}

/// The sender that a message names, if it names one.
pub(super) fn sender(message: &Message) -> Option<PeerId> {
    parse_hex(message.headers.as_ref()?.get(FROM)?.as_str())
}

fn refusal(
    options: &NatsOptions,
    what: &str,
    reason: &dyn Display,
    next: &'static str,
) -> OpenError {
    OpenError::Engine {
        what: format!("{what} {}", options.shown_servers()),
        reason: reason.to_string(),
        next,
    }
}
