use async_nats::ServerAddr;
use serde::Deserialize;

use crate::open_error::{OpenError, check_queue};

/// Options of a [`NatsEngine`](super::NatsEngine).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NatsOptions {
    /// The servers of one cluster, `nats://HOST:PORT` or `nats://USER:PASSWORD@HOST:PORT`; the
    /// engine connects to any of them. Default `nats://127.0.0.1:4222`.
    pub servers: Vec<String>,
    /// The heartbeat interval in milliseconds, 50 to 60,000. A replica takes a peer for down after
    /// 3.5 times its own interval, so all replicas should use the same. Default 1000.
    pub heartbeat_ms: u64,
    /// Capacity of the outgoing queue, in messages, 1 to 65,536; more are refused. Default 1024.
    pub outgoing_messages: usize,
    /// Capacity of the incoming queue, in messages, 1 to 65,536; more are dropped. Default
    /// 1024.
    pub incoming_messages: usize,
}

impl Default for NatsOptions {
    fn default() -> Self {
        Self {
            servers: vec!["nats://127.0.0.1:4222".to_owned()],
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
        if !(50..=60_000).contains(&self.heartbeat_ms) {
            let next = "use 50 to 60000 milliseconds";
            return Err(OpenError::option("heartbeat_ms", self.heartbeat_ms, next));
        }
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
