//! NATS with a real server on loopback: conformance, restarts, malformed messages.

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use atomik_net::nats::{NatsEngine, NatsOptions};
use atomik_net::{Engine, MAX_MESSAGE, OpenError, PeerId, Received, SendError, hex};

use crate::conformance::{
    self, INCOMING, Lab, counted, meet, message, peer, sees_keyspace, settle, until,
};

/// A server for one test, on a free port.
struct Server {
    program: PathBuf,
    port: u16,
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
            process: None,
        };
        server.run();
        Some(server)
    }

    fn run(&mut self) {
        let mut command = Command::new(&self.program);
        command.args(["-a", "127.0.0.1", "-p", &self.port.to_string()]);
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

    fn options(&self) -> NatsOptions {
        NatsOptions {
            servers: vec![format!("nats://127.0.0.1:{}", self.port)],
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_engine_survives_a_server_restart_and_counts_refusals_meanwhile() {
    let Some(mut server) = lab().await else {
        return;
    };
    let (mut a, mut b) = (server.open(peer(1)).await, server.open(peer(2)).await);
    meet(&mut [&mut a, &mut b]).await;
    a.send(peer(2), b"before".to_vec()).unwrap();
    assert_eq!(message(&mut b).await, (peer(1), b"before".to_vec()));
    settle(&a, 1).await;

    server.kill();
    until(&mut a, Received::PeerDown(peer(2))).await;
    until(&mut b, Received::PeerDown(peer(1))).await;
    assert_eq!(
        a.send(peer(2), b"away".to_vec()),
        Err(SendError::Disconnected)
    );
    assert_eq!(a.counters().refused_disconnected, 1);

    server.run();
    until(&mut a, Received::PeerUp(peer(2))).await;
    until(&mut b, Received::PeerUp(peer(1))).await;
    a.send(peer(2), b"after".to_vec()).unwrap();
    assert_eq!(message(&mut b).await, (peer(1), b"after".to_vec()));
    b.send(peer(1), b"answer".to_vec()).unwrap();
    assert_eq!(message(&mut a).await, (peer(2), b"answer".to_vec()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_without_peers_sees_other_keyspaces() {
    let Some(server) = lab().await else { return };
    let open = async |keyspace: &str, me| {
        NatsEngine::open(&keyspace.parse().unwrap(), peer(me), &server.options())
            .await
            .unwrap()
    };
    let (one, two) = (open("one", 1).await, open("two", 2).await);
    sees_keyspace(&one, "two").await;
    sees_keyspace(&two, "one").await;
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
    let subject = format!("atomik.conformance.to.{}", hex(&peer(1)));
    stranger
        .publish(subject.clone(), "no sender".into())
        .await
        .unwrap();
    stranger
        .publish_with_headers(subject.clone(), nobody.clone(), "x".into())
        .await
        .unwrap();
    stranger
        .publish_with_headers(subject, from, long.into())
        .await
        .unwrap();
    let alive = "atomik.conformance.alive";
    stranger.publish(alive, "alive".into()).await.unwrap();
    stranger
        .publish_with_headers(alive, nobody, "alive".into())
        .await
        .unwrap();
    stranger.flush().await.unwrap();
    counted(&a, 5).await;
    b.send(peer(1), b"good".to_vec()).unwrap();
    assert_eq!(message(&mut a).await, (peer(2), b"good".to_vec()));
    assert_eq!((a.counters().messages_in, a.counters().peers), (1, 1));
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
        text.contains("start one with `nats-server`") && text.contains(&port.to_string()),
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
