use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use atomik_net::channel::{ChannelNetwork, ChannelOptions};
use atomik_replica::{Action, Op};
use serde_json::Value as Json;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::{PATIENCE, ask, connect, member};
use crate::node::Node;
use crate::{Change, KeyOp, Refused, http};

/// The log of this thread.
#[derive(Clone, Default)]
pub(super) struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// A log, and a guard for as long as this thread writes to it.
    pub(super) fn start() -> (Self, tracing::subscriber::DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone());
        let subscriber = subscriber.with_ansi(false).finish();
        let guard = tracing::subscriber::set_default(subscriber);
        (log, guard)
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

pub(super) async fn fetch(node: &Node, path: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(http::serve(listener, node.handle(), node.stop_signal()));
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    server.abort();
    text
}

pub(super) fn accum(delta: u64) -> Change {
    Change::Batch(vec![KeyOp {
        key: b"x".to_vec(),
        action: Action::Op(Op::Accum, delta.into()),
    }])
}

/// Twice, peers know changes of an origin that a node with the same key and incarnation lacks.
#[tokio::test]
async fn a_node_that_stops_accepting_changes_says_so_everywhere() {
    let (log, _guard) = Log::start();

    let network = ChannelNetwork::new(&ChannelOptions::default()).unwrap();
    let other = member(1, Some(&network));
    let first = member(0, Some(&network));
    first.handle().change(accum(5)).await.unwrap();
    let received = async |node: &Node, value: u64| {
        while node.handle().state(b"x").await.unwrap() != value.into() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    received(&other, 5).await;
    first.stop().await.unwrap();
    // The same member with an empty store takes a new life.
    let second = member(0, Some(&network));
    received(&second, 5).await;
    second.handle().change(accum(8)).await.unwrap();
    received(&other, 13).await;
    second.stop().await.unwrap();

    // And again, so that both lives are in use.
    let node = member(0, None);
    assert_eq!(node.handle().status().await.unwrap()["stopped"], Json::Null);
    assert!(fetch(&node, "/health").await.starts_with("HTTP/1.1 200"));
    assert!(
        fetch(&node, "/metrics")
            .await
            .contains("\natomik_stopped 0\n")
    );
    node.stop().await.unwrap();
    let node = member(0, Some(&network));
    let mut watcher = BufReader::new(connect(&node));
    let watch = b"{\"op\":\"watch\",\"prefix\":\"other\"}\n";
    watcher.get_mut().write_all(watch).await.unwrap();
    let event = loop {
        let mut line = String::new();
        let read = timeout(PATIENCE, watcher.read_line(&mut line)).await;
        read.expect("watchers are told").unwrap();
        let line: Json = serde_json::from_str(&line).unwrap();
        if line["event"] == "stopped" {
            break line;
        }
    };
    let handle = node.handle();
    assert!(event["origin"].is_string());
    let next = "restart it with --new-identity";
    let says = |place: &str, text: &str| assert!(text.contains(next), "{place}: {text}");
    says("watch", event["text"].as_str().unwrap());

    let refused = handle.change(accum(1)).await.unwrap_err();
    assert!(matches!(refused, Refused::Stopped { .. }), "{refused}");
    says("a change", &refused.to_string());
    let retired = ask(&node, b"{\"op\":\"retire\"}\n").await;
    says("retire", retired[0]["error"].as_str().unwrap());

    let status = handle.status().await.unwrap();
    says("status", status["stopped"].as_str().unwrap());
    // Once, although peers keep sending what the node lacks.
    let events = status["events"].as_array().unwrap();
    let stops = events.iter().filter(|event| event["event"] == "stopped");
    assert_eq!(stops.count(), 1);
    let health = fetch(&node, "/health").await;
    assert!(health.starts_with("HTTP/1.1 503"), "{health}");
    assert!(health.contains("\"serving\":false"), "{health}");
    says("health", &health);
    let metrics = fetch(&node, "/metrics").await;
    assert!(metrics.contains("\natomik_stopped 1\n"), "{metrics}");
    assert!(
        metrics.contains("atomik_events_total{reason=\"stopped\"} 1"),
        "{metrics}"
    );
    let logged = log.text();
    let line = logged.lines().find(|line| line.contains("ERROR"));
    says("log", line.unwrap_or(&logged));
    node.stop().await.unwrap();
    other.stop().await.unwrap();
}
