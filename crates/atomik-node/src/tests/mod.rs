//! Tests of what a connection may do to a node, inside the process.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

mod requests;

use std::time::Duration;

use atomik_replica::{Config, Trust};
use atomik_store::{FsyncPolicy, MemoryDisk};
use serde_json::Value as Json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::connection::Connection;
use crate::node::{Node, Parts, load};
use crate::settings::Limits;
use crate::{AnyEngine, Link};

/// A node without peers, on a store in memory.
fn node() -> Node {
    let trust = Trust::Unsigned {
        key: [1; 32],
        allowed: vec![[1; 32]].into_iter().collect(),
    };
    let store = MemoryDisk::new().open(FsyncPolicy::Always).unwrap();
    let config = Config::new("test", 1, [9; 32], trust, [7; 16]);
    Node::start(Parts {
        replica: load(config, &store).unwrap(),
        store: Box::new(store),
        fsync: FsyncPolicy::Always,
        link: Link::new(AnyEngine::Alone, None),
        limits: Limits::default(),
        sync_interval: Duration::from_secs(1),
        names: Default::default(),
    })
    .unwrap()
}

/// Sends `text` on a control connection of its own and returns the answers.
async fn ask(node: &Node, text: &[u8]) -> Vec<Json> {
    let (client, server) = tokio::io::duplex(1 << 16);
    let (input, output) = tokio::io::split(server);
    let connection = Connection {
        handle: node.handle(),
        words: 1,
        stop: node.stop_signal(),
    };
    let served = connection.run(Box::new(input), Box::new(output));
    let (mut read, mut write) = tokio::io::split(client);
    let send = async {
        // The node may have closed the connection.
        let _ = write.write_all(text).await;
        let _ = write.shutdown().await;
    };
    let mut answers = String::new();
    let (received, (), ()) = tokio::join!(read.read_to_string(&mut answers), send, served);
    received.unwrap();
    answers
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}
