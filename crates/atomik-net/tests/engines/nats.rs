//! NATS JetStream with a real server on loopback: conformance, and the stream.

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use atomik_net::nats::{NatsEngine, NatsOptions};
use atomik_net::{Engine, MAX_MESSAGE, MessageId, OpenError, PeerId, Received, SendError};
use tempfile::TempDir;

use crate::conformance::{self, INCOMING, Lab, counted, meet, message, peer, settle, until};

/// A server for one test, on a free port, with a temporary store.
struct Server {
    program: PathBuf,
    port: u16,
    jetstream: bool,
    folder: TempDir,
    process: Option<Child>,
}

impl Server {
    /// Returns `None` and prints why if no server is installed; panics in that case in CI.
    fn start() -> Option<Self> {
        let mut folders: Vec<PathBuf> =
            std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect();
        // Debian installs it in a folder that is only on root's PATH.
        folders.push("/usr/sbin".into());
        let found = folders
            .iter()
            .map(|folder| folder.join("nats-server"))
            .find(|file| file.is_file());
        let Some(program) = found else {
            assert!(
                std::env::var_os("CI").is_none(),
                "nats-server is not installed, and CI must have it"
            );
            eprintln!(
                "skipped: nats-server is not installed (Debian's package nats-server has it)"
            );
            return None;
        };
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let mut server = Self {
            program,
            port,
            jetstream: true,
            folder: TempDir::new().unwrap(),
            process: None,
        };
        server.run();
        Some(server)
    }

    fn run(&mut self) {
        let mut command = Command::new(&self.program);
        command.args(["-a", "127.0.0.1", "-p", &self.port.to_string()]);
        if self.jetstream {
            command.arg("-js").arg("-sd").arg(self.folder.path());
        }
        command.stdout(Stdio::null()).stderr(Stdio::null());
        self.process = Some(command.spawn().unwrap());
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(
                start.elapsed() < Duration::from_secs(30),
                "the server does not answer"
            );
            sleep(Duration::from_millis(20));
        }
    }

    fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Freezes the server with its connections open, and waits until all its threads have stopped.
    fn freeze(&self) {
        let pid = self.process.as_ref().unwrap().id().to_string();
        assert!(
            Command::new("kill")
                .args(["-STOP", &pid])
                .status()
                .unwrap()
                .success()
        );
        let runs = || {
            std::fs::read_dir(format!("/proc/{pid}/task"))
                .unwrap()
                .any(|thread| {
                    // The state is the first word after the name, which is in parentheses.
                    let stat =
                        std::fs::read_to_string(thread.unwrap().path().join("stat")).unwrap();
                    !stat.rsplit_once(") ").unwrap().1.starts_with('T')
                })
        };
        let start = Instant::now();
        while runs() {
            assert!(
                start.elapsed() < Duration::from_secs(30),
                "the server does not freeze"
            );
            sleep(Duration::from_millis(1));
        }
    }

    fn options(&self) -> NatsOptions {
        NatsOptions {
            servers: vec![format!("nats://127.0.0.1:{}", self.port)],
            stream_max_bytes: 1 << 26,
            heartbeat_ms: 500,
            incoming_messages: INCOMING,
            ..NatsOptions::default()
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Lab for Server {
    type Engine = NatsEngine;

    async fn open(&self, me: PeerId) -> NatsEngine {
        NatsEngine::open(&"conformance".parse().unwrap(), me, &self.options())
            .await
            .unwrap()
    }
}

async fn lab() -> Option<Server> {
    Server::start()
}

conformance::tests!(lab);

fn id(n: u8, number: u64) -> Option<MessageId> {
    Some(MessageId {
        origin: peer(n),
        number,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_with_the_same_id_arrives_once_within_the_window_and_again_after_it() {
    let Some(server) = lab().await else { return };
    let options = NatsOptions {
        duplicate_window_s: 2,
        ..server.options()
    };
    let open = async |me| {
        NatsEngine::open(&"k".parse().unwrap(), peer(me), &options)
            .await
            .unwrap()
    };
    let (mut a, mut b) = (open(1).await, open(2).await);
    meet(&mut [&mut a, &mut b]).await;
    for bytes in [b"1", b"1", b"1"] {
        a.broadcast(bytes.to_vec(), id(1, 7)).unwrap();
    }
    a.broadcast(b"2".to_vec(), id(1, 8)).unwrap();
    assert_eq!(message(&mut b).await, (peer(1), b"1".to_vec()));
    assert_eq!(message(&mut b).await, (peer(1), b"2".to_vec()));
    settle(&a, 4).await;
    let counters = a.counters();
    assert_eq!(
        (
            counters.messages_out,
            counters.duplicates_out,
            counters.failed_out
        ),
        (2, 2, 0)
    );

    // The server may take longer than its window to forget an id, so wait twice as long.
    tokio::time::sleep(Duration::from_secs(4)).await;
    a.broadcast(b"1".to_vec(), id(1, 7)).unwrap();
    assert_eq!(message(&mut b).await, (peer(1), b"1".to_vec()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn updates_wait_in_the_stream_for_a_replica_that_was_away_and_for_one_that_is_new() {
    let Some(server) = lab().await else { return };
    let mut a = server.open(peer(1)).await;
    let mut b = server.open(peer(2)).await;
    meet(&mut [&mut a, &mut b]).await;
    a.broadcast(b"seen".to_vec(), id(1, 0)).unwrap();
    assert_eq!(message(&mut b).await, (peer(1), b"seen".to_vec()));
    b.close().await;
    for n in 1..=3 {
        a.broadcast(vec![n], id(1, n.into())).unwrap();
    }
    a.broadcast(b"not kept".to_vec(), None).unwrap();
    settle(&a, 5).await;
    assert_eq!(a.close().await.failed_out, 0);

    let (mut b, mut c) = (server.open(peer(2)).await, server.open(peer(3)).await);
    for n in 1..=3 {
        assert_eq!(message(&mut b).await, (peer(1), vec![n]));
    }
    assert_eq!(message(&mut c).await, (peer(1), b"seen".to_vec()));
    for n in 1..=3 {
        assert_eq!(message(&mut c).await, (peer(1), vec![n]));
    }
    assert_eq!((b.counters().messages_in, c.counters().messages_in), (3, 4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_updates_waits_in_the_stream_for_a_replica_that_does_not_receive() {
    const FLOOD: u64 = 1000;
    let Some(server) = lab().await else { return };
    let (mut a, mut b) = (server.open(peer(1)).await, server.open(peer(2)).await);
    meet(&mut [&mut a, &mut b]).await;
    for n in 0..FLOOD {
        while a.broadcast(n.to_be_bytes().to_vec(), id(1, n)).is_err() {
            tokio::task::yield_now().await;
        }
    }
    settle(&a, FLOOD).await;
    assert_eq!(a.counters().messages_out, FLOOD);
    for n in 0..FLOOD {
        assert_eq!(message(&mut b).await, (peer(1), n.to_be_bytes().to_vec()));
    }
    assert_eq!(b.counters().dropped(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_engine_survives_a_server_restart_and_counts_refusals_meanwhile() {
    let Some(mut server) = lab().await else {
        return;
    };
    let (mut a, mut b) = (server.open(peer(1)).await, server.open(peer(2)).await);
    meet(&mut [&mut a, &mut b]).await;
    a.broadcast(b"before".to_vec(), id(1, 1)).unwrap();
    assert_eq!(message(&mut b).await, (peer(1), b"before".to_vec()));
    settle(&a, 1).await;

    server.kill();
    until(&mut a, Received::PeerDown(peer(2))).await;
    until(&mut b, Received::PeerDown(peer(1))).await;
    assert_eq!(
        a.broadcast(b"away".to_vec(), id(1, 2)),
        Err(SendError::Disconnected)
    );
    assert_eq!(
        a.send(peer(2), b"away".to_vec()),
        Err(SendError::Disconnected)
    );
    assert_eq!(a.counters().refused_disconnected, 2);

    server.run();
    until(&mut a, Received::PeerUp(peer(2))).await;
    until(&mut b, Received::PeerUp(peer(1))).await;
    a.broadcast(b"after".to_vec(), id(1, 3)).unwrap();
    // A killed server may have lost an acknowledgement and redeliver.
    while message(&mut b).await.1 != b"after" {}
    b.send(peer(1), b"answer".to_vec()).unwrap();
    assert_eq!(message(&mut a).await, (peer(2), b"answer".to_vec()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_returns_without_its_store_gets_a_new_stream() {
    let Some(mut server) = lab().await else {
        return;
    };
    let (mut a, mut b) = (server.open(peer(1)).await, server.open(peer(2)).await);
    meet(&mut [&mut a, &mut b]).await;
    server.kill();
    server.folder = TempDir::new().unwrap();
    until(&mut a, Received::PeerDown(peer(2))).await;
    server.run();
    until(&mut a, Received::PeerUp(peer(2))).await;
    // Until the stream exists again, updates fail and are counted; the layer above repairs that.
    let mut number = 0;
    loop {
        number += 1;
        a.broadcast(b"anew".to_vec(), id(1, number)).unwrap();
        settle(&a, number).await;
        if a.counters().failed_out < number {
            break;
        }
        assert!(number < 100, "no update was stored");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(message(&mut b).await, (peer(1), b"anew".to_vec()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn updates_that_a_stuck_server_never_acknowledged_are_counted_as_failed_at_close() {
    let Some(server) = lab().await else { return };
    let a = server.open(peer(1)).await;
    server.freeze();
    for n in 0..100 {
        a.broadcast(vec![1], id(1, n)).unwrap();
    }
    let closed = tokio::time::timeout(Duration::from_secs(60), a.close()).await;
    let counters = closed.expect("close hangs");
    assert_eq!((counters.messages_out, counters.failed_out), (0, 100));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_messages_are_dropped_and_counted() {
    let Some(server) = lab().await else { return };
    let (mut a, mut b) = (server.open(peer(1)).await, server.open(peer(2)).await);
    meet(&mut [&mut a, &mut b]).await;
    let stranger = async_nats::connect(server.options().servers.remove(0))
        .await
        .unwrap();
    let mut from = async_nats::HeaderMap::new();
    from.insert("Atomik-From", "7".repeat(32));
    let mut nobody = async_nats::HeaderMap::new();
    nobody.insert("Atomik-From", "nobody");
    let long = vec![0; MAX_MESSAGE + 1];
    for subject in ["all", "update"].map(|name| format!("atomik.conformance.{name}")) {
        stranger
            .publish(subject.clone(), "no sender".into())
            .await
            .unwrap();
        stranger
            .publish_with_headers(subject.clone(), nobody.clone(), "x".into())
            .await
            .unwrap();
        stranger
            .publish_with_headers(subject, from.clone(), long.clone().into())
            .await
            .unwrap();
    }
    let alive = "atomik.conformance.alive";
    stranger.publish(alive, "alive".into()).await.unwrap();
    stranger
        .publish_with_headers(alive, nobody, "alive".into())
        .await
        .unwrap();
    stranger.flush().await.unwrap();
    counted(&a, 8).await;
    for durable in [None, id(2, 1)] {
        b.broadcast(b"good".to_vec(), durable).unwrap();
        assert_eq!(message(&mut a).await, (peer(2), b"good".to_vec()));
    }
    assert_eq!((a.counters().messages_in, a.counters().peers), (2, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_jetstream_is_refused_with_the_next_step() {
    let Some(mut server) = lab().await else {
        return;
    };
    server.kill();
    server.jetstream = false;
    server.run();
    let opened = NatsEngine::open(&"k".parse().unwrap(), peer(1), &server.options()).await;
    let error = opened.err().unwrap().to_string();
    assert!(error.contains("start the server with -js"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_server_is_reported_with_the_next_step_and_without_the_password() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let servers = vec![format!("nats://me:secret@127.0.0.1:{port}")];
    let options = NatsOptions {
        servers,
        ..NatsOptions::default()
    };
    let error = NatsEngine::open(&"k".parse().unwrap(), peer(1), &options)
        .await
        .err()
        .unwrap();
    assert!(matches!(error, OpenError::Engine { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("start one with `nats-server -js`") && text.contains(&port.to_string()),
        "{text}"
    );
    assert!(!text.contains("secret"), "{text}");
}

#[test]
fn an_invalid_option_is_named_with_what_to_write_instead() {
    NatsOptions::default().check().unwrap();
    let with = |server: &str| NatsOptions {
        servers: vec![server.into()],
        ..NatsOptions::default()
    };
    with("nats://me:secret@[::1]:4222").check().unwrap();
    let servers = [
        ("127.0.0.1:4222", "127.0.0.1:4222", "nats:// is missing"),
        (
            "tls://me:secret@host:4222",
            "tls://host:4222",
            "tls is not built in",
        ),
        ("nats://", "nats://", "the host is missing"),
        (
            "nats://host:70000",
            "nats://host:70000",
            "NATS server URL is invalid",
        ),
    ];
    for (server, shown, wrong) in servers {
        let error = with(server).check().unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("servers = {shown}: {wrong}")),
            "{error}"
        );
        assert!(error.contains("write nats://HOST:PORT"), "{error}");
    }
    let good = NatsOptions::default();
    for (options, name) in [
        (
            NatsOptions {
                servers: vec![],
                ..good.clone()
            },
            "servers",
        ),
        (
            NatsOptions {
                stream_max_bytes: 5,
                ..good.clone()
            },
            "stream_max_bytes",
        ),
        (
            NatsOptions {
                stream_max_age_s: 0,
                ..good.clone()
            },
            "stream_max_age_s",
        ),
        (
            NatsOptions {
                stream_max_age_s: u64::MAX,
                ..good.clone()
            },
            "stream_max_age_s",
        ),
        (
            NatsOptions {
                stream_max_age_s: 60,
                ..good.clone()
            },
            "duplicate_window_s",
        ),
        (
            NatsOptions {
                stream_replicas: 6,
                ..good.clone()
            },
            "stream_replicas",
        ),
        (
            NatsOptions {
                consumer_expiry_s: 1,
                ..good.clone()
            },
            "consumer_expiry_s",
        ),
        (
            NatsOptions {
                heartbeat_ms: 1,
                ..good.clone()
            },
            "heartbeat_ms",
        ),
        (
            NatsOptions {
                outgoing_messages: 0,
                ..good.clone()
            },
            "outgoing_messages",
        ),
        (
            NatsOptions {
                incoming_messages: 0,
                ..good
            },
            "incoming_messages",
        ),
    ] {
        let error = options.check().unwrap_err().to_string();
        assert!(error.starts_with(name), "{error}");
    }
}

#[test]
fn options_are_read_from_toml() {
    let options: NatsOptions =
        toml::from_str("servers = [\"nats://n1:4222\"]\nheartbeat_ms = 500").unwrap();
    let wanted = NatsOptions {
        servers: vec!["nats://n1:4222".into()],
        heartbeat_ms: 500,
        ..NatsOptions::default()
    };
    assert_eq!(options, wanted);
    assert!(toml::from_str::<NatsOptions>("server = []").is_err());
}
