//! Tests of what a connection may do to a node, inside the process.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

mod limits;
mod operator;
mod requests;
mod stopped;

use std::time::Duration;

use atomik_net::PeerId;
use atomik_net::channel::ChannelNetwork;
use atomik_replica::{Config, PublicKey, Trust};
use atomik_store::{FsyncPolicy, MemoryDisk};
use ed25519_dalek::SigningKey;
use serde_json::Value as Json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

use crate::connection::{Client, Connection};
use crate::credential::Token;
use crate::node::{Node, Parts, load};
use crate::settings::Limits;
use crate::{AnyEngine, Link};

/// Timeout against hanging tests, far longer than anything takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A node without peers, on a store in memory.
fn node() -> Node {
    member(0, None)
}

/// The public key of a member.
fn key(n: u8) -> PublicKey {
    SigningKey::from_bytes(&[n; 32]).verifying_key().to_bytes()
}

fn config(n: u8) -> Config {
    let trust = Trust::Signed {
        key: Box::new(SigningKey::from_bytes(&[n; 32])),
        allowed: (0..4).map(key).collect(),
    };
    Config::new("test", 1, [9; 32], trust, [n + 100; 16])
}

/// A member of a keyspace, on a store in memory. Its origin depends on `n` alone.
fn member(n: u8, network: Option<&ChannelNetwork>) -> Node {
    configured(config(n), network)
}

fn configured(config: Config, network: Option<&ChannelNetwork>) -> Node {
    let engine = |peer| match network {
        Some(network) => AnyEngine::Channel(network.join(peer).unwrap()),
        None => AnyEngine::Alone,
    };
    connected(config, engine, Duration::from_millis(20))
}

/// A member with the default sync interval. It may be another process of one that runs, with its
/// key and address.
fn process(n: u8, network: &ChannelNetwork) -> Node {
    let engine = |peer| AnyEngine::Channel(network.join_again(peer));
    connected(config(n), engine, Duration::from_secs(1))
}

fn connected(
    config: Config,
    engine: impl FnOnce(PeerId) -> AnyEngine,
    sync_interval: Duration,
) -> Node {
    let store = MemoryDisk::new().open(FsyncPolicy::Always).unwrap();
    let replica = load(config, &store).unwrap();
    let engine = engine(replica.origin().0);
    let mut parts = Parts::new(replica, store, Link::new(engine, None));
    parts.sync_interval = sync_interval;
    parts.names = (0..4).map(|n| (key(n), format!("m{n}"))).collect();
    Node::start(parts).unwrap()
}

/// A control connection to `node`.
fn connect(node: &Node) -> DuplexStream {
    connect_with(node, None)
}

/// A control connection to `node`, whose client must show `token`.
fn connect_with(node: &Node, token: Option<Token>) -> DuplexStream {
    let (client, server) = tokio::io::duplex(1 << 16);
    let (input, output) = tokio::io::split(server);
    let connection = Connection {
        handle: node.handle(),
        shape: config(0).shape,
        by_token: token.is_some(),
        idle: Limits::default().idle,
        stop: node.stop_signal(),
    };
    let served = Client::new(Box::new(input), Box::new(output));
    tokio::spawn(async move {
        let admitted = match token {
            Some(token) => served.admitted(token).await,
            None => Some(served),
        };
        if let Some(client) = admitted {
            connection.run(client).await;
        }
    });
    client
}

/// Sends `text` on a control connection of its own and returns the answers.
async fn ask(node: &Node, text: &[u8]) -> Vec<Json> {
    let (mut read, mut write) = tokio::io::split(connect(node));
    let send = async {
        // The node may have closed the connection.
        let _ = write.write_all(text).await;
        let _ = write.shutdown().await;
    };
    let mut answers = String::new();
    let (received, ()) = tokio::join!(read.read_to_string(&mut answers), send);
    received.unwrap();
    answers
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}
