//! Embedded zenoh on loopback: conformance, and discovery.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};

use atomik_net::zenoh::{ZenohEngine, ZenohOptions};
use atomik_net::{Engine, MAX_MESSAGE, OpenError, PeerId, Received, hex};
use tokio::sync::{Mutex, MutexGuard};
use zenoh::qos::CongestionControl;

use crate::conformance::{self, INCOMING, Lab, counted, meet, message, peer, sees_keyspace, until};

/// Peers that all connect to the first one opened, and learn of each other from it.
struct Peers {
    port: u16,
    opened: AtomicU16,
    _alone: MutexGuard<'static, ()>,
}

impl Lab for Peers {
    type Engine = ZenohEngine;

    async fn open(&self, me: PeerId) -> ZenohEngine {
        let first = format!("tcp/127.0.0.1:{}", self.port);
        let (listen, connect) = match self.opened.fetch_add(1, Relaxed) {
            0 => (first, vec![]),
            _ => ("tcp/127.0.0.1:0".to_owned(), vec![first]),
        };
        let options = ZenohOptions {
            listen: vec![listen],
            connect,
            ..quiet()
        };
        ZenohEngine::open(&"conformance".parse().unwrap(), me, &options)
            .await
            .unwrap()
    }
}

fn quiet() -> ZenohOptions {
    ZenohOptions {
        multicast_scouting: false,
        incoming_messages: INCOMING,
        ..ZenohOptions::default()
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// Lets one test run at a time: Zenoh peers on one machine find each other.
async fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::const_new(());
    ALONE.lock().await
}

async fn lab() -> Option<Peers> {
    Some(Peers {
        _alone: alone().await,
        port: free_port(),
        opened: AtomicU16::new(0),
    })
}

conformance::tests!(lab);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keyspaces_on_the_same_peers_are_isolated() {
    let _alone = alone().await;
    let listen = format!("tcp/127.0.0.1:{}", free_port());
    let open = async |keyspace: &str, me, options: &ZenohOptions| {
        ZenohEngine::open(&keyspace.parse().unwrap(), peer(me), options)
            .await
            .unwrap()
    };
    let mut a = open(
        "one",
        1,
        &ZenohOptions {
            listen: vec![listen.clone()],
            ..quiet()
        },
    )
    .await;
    let elsewhere = ZenohOptions {
        listen: vec!["tcp/127.0.0.1:0".into()],
        connect: vec![listen],
        ..quiet()
    };
    let mut other = open("two", 2, &elsewhere).await;
    let mut b = open("one", 3, &elsewhere).await;
    let mut other_too = open("two", 4, &elsewhere).await;
    meet(&mut [&mut a, &mut b]).await;
    meet(&mut [&mut other, &mut other_too]).await;
    sees_keyspace(&a, "two").await;
    sees_keyspace(&other, "one").await;
    a.send(peer(3), b"one".to_vec()).unwrap();
    other.send(peer(4), b"two".to_vec()).unwrap();
    assert_eq!(message(&mut b).await, (peer(1), b"one".to_vec()));
    assert_eq!(message(&mut other_too).await, (peer(2), b"two".to_vec()));
    assert_eq!(
        b.counters().messages_in + other_too.counters().messages_in,
        2
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_that_met_through_a_third_keep_talking_after_it_leaves() {
    let lab = lab().await.unwrap();
    let mut a = lab.open(peer(1)).await;
    let (mut b, mut c) = (lab.open(peer(2)).await, lab.open(peer(3)).await);
    meet(&mut [&mut a, &mut b, &mut c]).await;
    a.close().await;
    until(&mut b, Received::PeerDown(peer(1))).await;
    until(&mut c, Received::PeerDown(peer(1))).await;
    b.send(peer(3), b"still".to_vec()).unwrap();
    assert_eq!(message(&mut c).await, (peer(2), b"still".to_vec()));
    assert_eq!(c.counters().peers, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_starts_before_the_one_it_connects_to_finds_it_later() {
    let lab = lab().await.unwrap();
    let first = format!("tcp/127.0.0.1:{}", lab.port);
    let early = ZenohOptions {
        listen: vec!["tcp/127.0.0.1:0".into()],
        connect: vec![first],
        ..quiet()
    };
    let mut b = ZenohEngine::open(&"conformance".parse().unwrap(), peer(2), &early)
        .await
        .unwrap();
    b.send(peer(1), b"to nobody".to_vec()).unwrap();
    let mut a = lab.open(peer(1)).await;
    meet(&mut [&mut a, &mut b]).await;
    b.send(peer(1), b"to a".to_vec()).unwrap();
    assert_eq!(message(&mut a).await, (peer(2), b"to a".to_vec()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_find_each_other_by_multicast() {
    let _alone = alone().await;
    // A free port makes a network that only this test uses.
    let port = free_port();
    let options = ZenohOptions {
        listen: vec!["tcp/127.0.0.1:0".into()],
        multicast_scouting: true,
        multicast_address: format!("224.0.0.225:{port}"),
        multicast_interface: "lo".into(),
        ..quiet()
    };
    let open = async |me| {
        ZenohEngine::open(&"k".parse().unwrap(), peer(me), &options)
            .await
            .unwrap()
    };
    let (mut a, mut b) = (open(1).await, open(2).await);
    meet(&mut [&mut a, &mut b]).await;
    a.send(peer(2), b"found".to_vec()).unwrap();
    assert_eq!(message(&mut b).await, (peer(1), b"found".to_vec()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_messages_are_dropped_and_counted() {
    let lab = lab().await.unwrap();
    let (mut a, mut b) = (lab.open(peer(1)).await, lab.open(peer(2)).await);
    meet(&mut [&mut a, &mut b]).await;
    let mut config = zenoh::Config::default();
    for (key, value) in [
        ("scouting/multicast/enabled", "false".to_owned()),
        (
            "connect/endpoints",
            format!("[\"tcp/127.0.0.1:{}\"]", lab.port),
        ),
        ("listen/endpoints", "[\"tcp/127.0.0.1:0\"]".to_owned()),
    ] {
        config.insert_json5(key, &value).unwrap();
    }
    let stranger = zenoh::open(config).await.unwrap();
    // The token of `a` arrives after its subscriptions.
    let seen = stranger
        .liveliness()
        .declare_subscriber(format!("atomik/conformance/alive/{}", hex(&peer(1))))
        .history(true)
        .await
        .unwrap();
    seen.recv_async().await.unwrap();
    let _token = stranger
        .liveliness()
        .declare_token("atomik/conformance/alive/nobody")
        .await
        .unwrap();
    counted(&a, 1).await;
    let to_a = format!("atomik/conformance/to/{}", hex(&peer(1)));
    // By default Zenoh drops what a busy link does not take at once.
    let to_a = stranger
        .declare_publisher(to_a)
        .congestion_control(CongestionControl::Block)
        .await
        .unwrap();
    to_a.put("no sender").await.unwrap();
    to_a.put("a sender too short")
        .attachment("short")
        .await
        .unwrap();
    to_a.put(vec![0; MAX_MESSAGE + 1])
        .attachment([7; 16])
        .await
        .unwrap();
    to_a.delete().attachment([7; 16]).await.unwrap();
    counted(&a, 5).await;
    b.send(peer(1), b"good".to_vec()).unwrap();
    assert_eq!(message(&mut a).await, (peer(2), b"good".to_vec()));
    assert_eq!((a.counters().messages_in, a.counters().peers), (1, 1));
    stranger.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_in_use_is_refused_with_the_next_step() {
    let _alone = alone().await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = format!("tcp/{}", taken.local_addr().unwrap());
    let options = ZenohOptions {
        listen: vec![listen],
        ..quiet()
    };
    let error = ZenohEngine::open(&"k".parse().unwrap(), peer(1), &options)
        .await
        .err()
        .unwrap();
    assert!(matches!(error, OpenError::Engine { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("make sure that the addresses of `listen`"),
        "{error}"
    );
}

#[tokio::test]
async fn a_single_threaded_runtime_is_refused_before_zenoh_panics() {
    let error = ZenohEngine::open(&"k".parse().unwrap(), peer(1), &quiet())
        .await
        .err()
        .unwrap();
    assert!(matches!(error, OpenError::Runtime), "{error}");
}

#[test]
fn an_invalid_option_is_named_with_what_to_write_instead() {
    let good = [
        "tcp/127.0.0.1:7447",
        "tcp/[::1]:7447",
        "tcp/host.example:7447",
    ]
    .map(String::from);
    let options = ZenohOptions {
        connect: good.to_vec(),
        listen: good.to_vec(),
        ..quiet()
    };
    options.check().unwrap();
    ZenohOptions {
        listen: vec!["tcp/[::]:0".into()],
        ..quiet()
    }
    .check()
    .unwrap();
    let endpoints = [
        ("127.0.0.1:7447", "the protocol is missing"),
        ("udp/127.0.0.1:7447", "only tcp is built in"),
        ("tcp/127.0.0.1", "the port is missing"),
        ("tcp/127.0.0.1:70000", "the port is not a number"),
        ("tcp/127.0.0.1:0", "port 0 cannot be connected to"),
        ("tcp/:7447", "the host is neither a name nor an address"),
        (
            "tcp/[::g]:7447",
            "the host is neither a name nor an address",
        ),
        ("tcp/a\"b:7447", "the host is neither a name nor an address"),
        ("tcp/127.0.0.1:7447#iface=eth0", "the port is not a number"),
    ];
    for (endpoint, wrong) in endpoints {
        let options = ZenohOptions {
            connect: vec![endpoint.into()],
            ..quiet()
        };
        let error = options.check().unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("connect = {endpoint}: {wrong}")),
            "{error}"
        );
        assert!(error.contains("tcp/192.0.2.1:7447"), "{error}");
    }
    for (options, name) in [
        (
            ZenohOptions {
                multicast_address: "192.0.2.1:7446".into(),
                ..quiet()
            },
            "multicast_address",
        ),
        (
            ZenohOptions {
                multicast_interface: "a\"b".into(),
                ..quiet()
            },
            "multicast_interface",
        ),
        (
            ZenohOptions {
                lease_ms: 99,
                ..quiet()
            },
            "lease_ms",
        ),
        (
            ZenohOptions {
                outgoing_messages: 0,
                ..quiet()
            },
            "outgoing_messages",
        ),
        (
            ZenohOptions {
                incoming_messages: 65_537,
                ..quiet()
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
    let options: ZenohOptions =
        toml::from_str("listen = [\"tcp/0.0.0.0:7447\"]\nlease_ms = 2000").unwrap();
    let wanted = ZenohOptions {
        listen: vec!["tcp/0.0.0.0:7447".into()],
        lease_ms: 2000,
        ..ZenohOptions::default()
    };
    assert_eq!(options, wanted);
    assert!(toml::from_str::<ZenohOptions>("lisen = []").is_err());
}
