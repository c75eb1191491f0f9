use ::zenoh::Config;
use serde::Deserialize;

use crate::message::MAX_MESSAGE;
use crate::open_error::{OpenError, check_queue};

/// How long a message waits for room on a congested link before zenoh drops it, in microseconds.
/// After that, zenoh drops further messages on the link without waiting until it moves again, so
/// one stuck peer does not slow the others for long.
pub const PATIENCE_US: u64 = 10_000;

/// Options of a [`ZenohEngine`](super::ZenohEngine).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ZenohOptions {
    /// Endpoints to accept connections on, `tcp/HOST:PORT`, port 0 for any free one, IPv6 in
    /// brackets. Default none, which means any free port on all addresses.
    pub listen: Vec<String>,
    /// Peers or routers to connect to, `tcp/HOST:PORT`. The engine retries until they answer, with
    /// pauses of up to 4 s. Default none: peers are found by multicast.
    pub connect: Vec<String>,
    /// Whether to discover peers by multicast. Peers of peers are found either way. Default true.
    pub multicast_scouting: bool,
    /// The multicast group and port for discovery, `A.B.C.D:PORT`. Default `224.0.0.224:7446`,
    /// which all zenoh applications share; another address makes a separate network.
    pub multicast_address: String,
    /// The name of the network interface for discovery. Default `auto`.
    pub multicast_interface: String,
    /// A peer that is silent for this long is down, in milliseconds, 100 to 3,600,000. The replica
    /// announces its value to the peers, which apply it to this replica. Default 10,000.
    pub lease_ms: u64,
    /// Capacity of the outgoing queue, in messages, 1 to 65,536; more are refused. Default 1024.
    pub outgoing_messages: usize,
    /// Capacity of the incoming queue, in messages, 1 to 65,536; more are dropped. Default 1024.
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
    /// [`OpenError::Option`] for the first invalid one.
    pub fn check(&self) -> Result<(), OpenError> {
        for endpoint in &self.listen {
            check_endpoint("listen", endpoint, 0)?;
        }
        for endpoint in &self.connect {
            check_endpoint("connect", endpoint, 1)?;
        }
        let address = &self.multicast_address;
        let socket = address.parse::<std::net::SocketAddr>();
        if !socket.is_ok_and(|socket| socket.ip().is_multicast()) {
            let next = "not a multicast address with a port, write for example 224.0.0.224:7446";
            return Err(OpenError::option("multicast_address", address, next));
        }
        let interface = &self.multicast_interface;
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._:@-".contains(c);
        if interface.is_empty() || !interface.chars().all(allowed) {
            let next = "not the name of a network interface, write for example eth0, or auto";
            return Err(OpenError::option("multicast_interface", interface, next));
        }
        if !(100..=3_600_000).contains(&self.lease_ms) {
            let next = "a lease is 100 to 3600000 milliseconds";
            return Err(OpenError::option("lease_ms", self.lease_ms, next));
        }
        check_queue("outgoing_messages", self.outgoing_messages)?;
        check_queue("incoming_messages", self.incoming_messages)
    }

    /// The zenoh configuration for these options.
    pub(super) fn config(&self) -> Result<Config, OpenError> {
        self.check()?;
        let mut config = Config::default();
        let mut set = |key: &str, value: String| {
            let inserted = config.insert_json5(key, &value);
            inserted.map_err(|error| OpenError::Engine {
                what: format!("zenoh rejects {key} = {value}"),
                reason: error.to_string(),
                next: "correct the option that sets it",
            })
        };
        set("mode", "\"peer\"".to_owned())?;
        if !self.listen.is_empty() {
            set("listen/endpoints", format!("{:?}", self.listen))?;
        }
        set("connect/endpoints", format!("{:?}", self.connect))?;
        let multicast = "scouting/multicast";
        set(
            &format!("{multicast}/enabled"),
            self.multicast_scouting.to_string(),
        )?;
        set(
            &format!("{multicast}/address"),
            format!("{:?}", self.multicast_address),
        )?;
        set(
            &format!("{multicast}/interface"),
            format!("{:?}", self.multicast_interface),
        )?;
        set("transport/link/tx/lease", self.lease_ms.to_string())?;
        // Room for a burst: 16 batches of 64 KiB per link, zenoh's maximum.
        set("transport/link/tx/queue/size/data", "16".to_owned())?;
        let drop = "transport/link/tx/queue/congestion_control/drop";
        set(&format!("{drop}/wait_before_drop"), PATIENCE_US.to_string())?;
        // Zenoh's default reserves up to 1 GiB for a message that a peer announces.
        let max_message = (4 * MAX_MESSAGE).to_string();
        set("transport/link/rx/max_message_size", max_message)?;
        Ok(config)
    }
}

/// Checks an endpoint `tcp/HOST:PORT` whose port must be at least `lowest`.
fn check_endpoint(option: &'static str, endpoint: &str, lowest: u16) -> Result<(), OpenError> {
    let invalid = |what: &str| {
        let next = format!(
            "{what}, write tcp/HOST:PORT, for example tcp/192.0.2.1:7447 or tcp/[2001:db8::1]:7447"
        );
        Err(OpenError::option(option, endpoint, next))
    };
    let Some((protocol, address)) = endpoint.split_once('/') else {
        return invalid("the protocol is missing");
    };
    if protocol != "tcp" {
        return invalid("only tcp is built in");
    }
    let Some((host, port)) = address.rsplit_once(':') else {
        return invalid("the port is missing");
    };
    match port.parse::<u16>() {
        Err(_) => return invalid("the port is not a number from 0 to 65535"),
        Ok(port) if port < lowest => return invalid("port 0 cannot be connected to"),
        Ok(_) => {}
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-' || c == '_';
    let bracketed = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let valid = match bracketed {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.chars().all(allowed),
    };
    if valid {
        Ok(())
    } else {
        invalid("the host is neither a name nor an address")
    }
}
