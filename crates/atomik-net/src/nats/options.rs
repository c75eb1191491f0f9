use std::time::Duration;

use async_nats::ServerAddr;
use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::{consumer, stream};
use serde::Deserialize;

use super::names::Names;
use crate::open_error::{OpenError, check_queue};
use crate::peer::{PeerId, hex};

/// The server redelivers a stream message that is not acknowledged within this time.
const ACKNOWLEDGE: Duration = Duration::from_secs(30);

/// The longest time that an option accepts, in seconds: a hundred years. The server counts
/// nanoseconds in 63 bits.
const MAX_SECONDS: u64 = 100 * 365 * 86_400;

/// Options of a [`NatsEngine`](super::NatsEngine).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NatsOptions {
    /// The servers of one cluster, `nats://HOST:PORT` or `nats://USER:PASSWORD@HOST:PORT`; the
    /// engine connects to any of them. Default `nats://127.0.0.1:4222`.
    pub servers: Vec<String>,
    /// The size limit of the stream in bytes, 1 MiB or more; the oldest messages are dropped first.
    /// Default 1 GiB.
    pub stream_max_bytes: u64,
    /// How long the stream keeps a message, in seconds, 1 or more. Default 86,400, a day.
    pub stream_max_age_s: u64,
    /// How long the server remembers message ids, in seconds, 1 to `stream_max_age_s`. Default 120.
    pub duplicate_window_s: u64,
    /// The number of servers that keep a copy of the stream, 1 to 5. Default 1.
    pub stream_replicas: usize,
    /// How long the server keeps the consumer of a replica that is away, in seconds, 60 or more. A
    /// replica that returns later receives the whole stream again. Default 604,800, a week.
    pub consumer_expiry_s: u64,
    /// The heartbeat interval in milliseconds, 50 to 60,000. A replica takes a peer for down after
    /// 3.5 times its own interval, so all replicas should use the same. Default 1000.
    pub heartbeat_ms: u64,
    /// Capacity of the outgoing queue, in messages, 1 to 65,536; more are refused. Default 1024.
    pub outgoing_messages: usize,
    /// Capacity of the incoming queue, in messages, 1 to 65,536; more are dropped, or stay in the
    /// stream. Default 1024.
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
    /// [`OpenError::Option`] for the first invalid one.
    pub fn check(&self) -> Result<(), OpenError> {
        self.addresses()?;
        let range = |name, value: u64, lowest: u64, highest: u64, unit| {
            if (lowest..=highest).contains(&value) {
                return Ok(());
            }
            let next = format!("use {lowest} to {highest} {unit}");
            Err(OpenError::option(name, value, next))
        };
        let (age, replicas) = (self.stream_max_age_s, self.stream_replicas as u64);
        let max_bytes = i64::MAX as u64;
        range(
            "stream_max_bytes",
            self.stream_max_bytes,
            1 << 20,
            max_bytes,
            "bytes",
        )?;
        range("stream_max_age_s", age, 1, MAX_SECONDS, "seconds")?;
        let unit = "seconds, no more than stream_max_age_s";
        range("duplicate_window_s", self.duplicate_window_s, 1, age, unit)?;
        range("stream_replicas", replicas, 1, 5, "servers")?;
        range(
            "consumer_expiry_s",
            self.consumer_expiry_s,
            60,
            MAX_SECONDS,
            "seconds",
        )?;
        range(
            "heartbeat_ms",
            self.heartbeat_ms,
            50,
            60_000,
            "milliseconds",
        )?;
        check_queue("outgoing_messages", self.outgoing_messages)?;
        check_queue("incoming_messages", self.incoming_messages)
    }

    pub(super) fn addresses(&self) -> Result<Vec<ServerAddr>, OpenError> {
        if self.servers.is_empty() {
            let next = "name a server, for example nats://192.0.2.1:4222";
            return Err(OpenError::option("servers", "[]", next));
        }
        self.servers
            .iter()
            .map(|server| parse_server(server))
            .collect()
    }

    /// The servers for an error message, without users and passwords.
    pub(super) fn shown_servers(&self) -> String {
        let shown: Vec<String> = self.servers.iter().map(|server| redacted(server)).collect();
        shown.join(", ")
    }

    pub(super) fn stream(&self, names: &Names) -> stream::Config {
        stream::Config {
            name: names.stream.clone(),
            subjects: vec![names.update.clone()],
            // Fits: `check` ran before.
            max_bytes: i64::try_from(self.stream_max_bytes).unwrap_or(i64::MAX),
            max_age: Duration::from_secs(self.stream_max_age_s),
            duplicate_window: Duration::from_secs(self.duplicate_window_s),
            discard: stream::DiscardPolicy::Old,
            storage: stream::StorageType::File,
            num_replicas: self.stream_replicas,
            ..stream::Config::default()
        }
    }

    pub(super) fn consumer(&self, me: &PeerId) -> pull::Config {
        pull::Config {
            durable_name: Some(hex(me)),
            deliver_policy: consumer::DeliverPolicy::All,
            ack_policy: consumer::AckPolicy::Explicit,
            ack_wait: ACKNOWLEDGE,
            // One full queue, and as much again in flight.
            max_ack_pending: 2 * self.incoming_messages as i64,
            inactive_threshold: Duration::from_secs(self.consumer_expiry_s),
            ..pull::Config::default()
        }
    }
}

/// Parses the address of a server. The error shows it without user and password.
fn parse_server(server: &str) -> Result<ServerAddr, OpenError> {
    let invalid = |what: String| {
        let next = format!("{what}, write nats://HOST:PORT, for example nats://192.0.2.1:4222");
        Err(OpenError::option("servers", redacted(server), next))
    };
    match server.split_once("://") {
        Some(("nats", _)) => {}
        Some((scheme, _)) => return invalid(format!("{scheme} is not built in, only nats")),
        None => return invalid("nats:// is missing".to_owned()),
    }
    match server.parse::<ServerAddr>() {
        Ok(address) if !address.host().is_empty() => Ok(address),
        Ok(_) => invalid("the host is missing".to_owned()),
        Err(error) => invalid(error.to_string()),
    }
}

fn redacted(server: &str) -> String {
    match (server.split_once("://"), server.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
        _ => server.to_owned(),
    }
}
