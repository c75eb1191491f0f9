//! Nodes inside the test process, connected by channels, on stores that stall and fail on request.
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use atomik_net::PeerId;
use atomik_net::channel::{ChannelNetwork, ChannelOptions, Faults, Recorded};
use atomik_node::node::{Node, Parts, load};
use atomik_node::replica::{Action, Config, Op, Trust, Value};
use atomik_node::settings::Limits;
use atomik_node::{AnyEngine, Change, Done, Handle, KeyOp, Link, NodeError, Refused};
use atomik_store::{FsyncPolicy, MemoryDisk, Opened, Store, StoreError, Write};
use ed25519_dalek::SigningKey;
use tokio::time::{sleep, timeout};

/// Timeout against hanging tests, far longer than anything takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Blocks commits, or makes them fail.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<GateState>, Condvar)>);

#[derive(Default)]
struct GateState {
    shut: bool,
    broken: bool,
    sync_broken: bool,
    commits: usize,
    failed_syncs: usize,
}

impl Gate {
    fn set(&self, change: impl FnOnce(&mut GateState)) {
        change(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
    }

    fn commits(&self) -> usize {
        self.0.0.lock().unwrap().commits
    }
}

struct GatedStore {
    store: Box<dyn Store>,
    gate: Gate,
}

impl Store for GatedStore {
    fn load(&self, each: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), StoreError> {
        self.store.load(each)
    }

    fn commit(&mut self, writes: &[Write<'_>]) -> Result<(), StoreError> {
        let (state, changed) = &*self.gate.0;
        let mut state = changed
            .wait_while(state.lock().unwrap(), |state| state.shut)
            .unwrap();
        state.commits += 1;
        if state.broken {
            return Err(StoreError::Full {
                path: "disk".into(),
                source: std::io::ErrorKind::StorageFull.into(),
            });
        }
        drop(state);
        self.store.commit(writes)
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        let mut state = self.gate.0.0.lock().unwrap();
        if state.sync_broken {
            state.failed_syncs += 1;
            return Err(StoreError::Io {
                path: "disk".into(),
                source: std::io::Error::from_raw_os_error(5),
            });
        }
        drop(state);
        self.store.sync()
    }

    fn close(self: Box<Self>) -> Result<(), StoreError> {
        self.store.close()
    }

    fn opened(&self) -> Opened {
        self.store.opened()
    }

    fn kept_memory(&self) -> bool {
        self.store.kept_memory()
    }
}

fn config(n: u8) -> Config {
    let key = |n: u8| SigningKey::from_bytes(&[n; 32]);
    let trust = Trust::Signed {
        key: Box::new(key(n)),
        allowed: (0..4).map(|n| key(n).verifying_key().to_bytes()).collect(),
    };
    Config::new("test", 1, [9; 32], trust, [n + 100; 16])
}

struct Lab {
    disk: MemoryDisk,
    gate: Gate,
    n: u8,
    fsync: FsyncPolicy,
    limits: Limits,
    faults: Option<atomik_node::faults::Faults>,
    sync_interval: Duration,
    linger: Duration,
}

impl Lab {
    fn new(n: u8) -> Self {
        Self {
            disk: MemoryDisk::new(),
            gate: Gate::default(),
            n,
            fsync: FsyncPolicy::Always,
            limits: Limits::default(),
            faults: None,
            sync_interval: Duration::from_millis(20),
            linger: atomik_replica::DEFAULT_LINGER,
        }
    }

    fn start(&self, network: Option<&ChannelNetwork>) -> (Node, PeerId) {
        let store = GatedStore {
            store: Box::new(self.disk.open(self.fsync).unwrap()),
            gate: self.gate.clone(),
        };
        let mut config = config(self.n);
        config.linger = self.linger;
        let replica = load(config, &store).unwrap();
        let peer = replica.origin().0;
        let engine = match network {
            Some(network) => AnyEngine::Channel(network.join(peer).unwrap()),
            None => AnyEngine::Alone,
        };
        let mut parts = Parts::new(replica, store, Link::new(engine, self.faults));
        parts.fsync = self.fsync;
        parts.limits = self.limits;
        parts.sync_interval = self.sync_interval;
        (Node::start(parts).unwrap(), peer)
    }
}

fn accum(key: impl AsRef<[u8]>, delta: u64) -> Change {
    Change::Batch(vec![KeyOp {
        key: key.as_ref().to_vec(),
        action: Action::Op(Op::Accum, delta.into()),
    }])
}

async fn state(handle: &Handle, key: impl AsRef<[u8]>) -> u64 {
    handle.state(key.as_ref()).await.unwrap().words()[0]
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < PATIENCE, "{what}");
        sleep(Duration::from_millis(10)).await;
    }
}

async fn same_states(nodes: &[&Handle]) -> bool {
    let mut states = Vec::new();
    for node in nodes {
        let status = node.status().await.unwrap();
        states.push((
            status["states"].clone(),
            status["digest"].clone(),
            status["entries"].clone(),
        ));
    }
    states.windows(2).all(|pair| pair[0] == pair[1])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_is_acknowledged_and_sent_only_after_its_commit() {
    let network = ChannelNetwork::new(&ChannelOptions::default()).unwrap();
    let lab = Lab::new(0);
    let (node, _) = lab.start(Some(&network));
    let (other, _) = Lab::new(1).start(Some(&network));
    let handle = node.handle();
    handle.change(accum("before", 1)).await.unwrap();
    lab.gate.set(|gate| gate.shut = true);
    let pending = handle.submit(accum("x", 5)).await.unwrap();
    let mut done = tokio::spawn(pending.done());
    // It is applied, but neither acknowledged nor sent while storage is busy.
    until("applied", async || state(&handle, "x").await == 5).await;
    let early = timeout(Duration::from_millis(300), &mut done).await;
    assert!(early.is_err(), "acknowledged before its commit: {early:?}");
    assert_eq!(state(&other.handle(), "x").await, 0);
    lab.gate.set(|gate| gate.shut = false);
    assert!(timeout(PATIENCE, done).await.unwrap().unwrap().is_ok());
    until("sent", async || state(&other.handle(), "x").await == 5).await;
    node.stop().await.unwrap();
    other.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_waits_for_others_is_acknowledged_at_once_and_sent_in_time() {
    let hour = Duration::from_secs(3600);
    for linger in [Duration::from_millis(10), hour] {
        let network = ChannelNetwork::new(&ChannelOptions::default()).unwrap();
        let [mut lab, mut other] = [Lab::new(0), Lab::new(1)];
        lab.linger = linger;
        // So that nothing else sends it.
        (lab.sync_interval, other.sync_interval) = (hour, hour);
        let (node, _) = lab.start(Some(&network));
        let (other, _) = other.start(Some(&network));
        let (handle, there) = (node.handle(), other.handle());
        let up = async |handle: &Handle| handle.status().await.unwrap()["peers"] != 0;
        until("connected", async || up(&handle).await && up(&there).await).await;
        for delta in [1, 2, 4] {
            let done = timeout(PATIENCE, handle.change(accum("x", delta))).await;
            done.expect("acknowledged").unwrap();
        }
        if linger == hour {
            sleep(Duration::from_millis(100)).await;
            assert_eq!(state(&there, "x").await, 0, "it waits");
            // What waits leaves with the node.
            node.stop().await.unwrap();
            until("sent", async || state(&there, "x").await == 7).await;
        } else {
            until("sent", async || state(&there, "x").await == 7).await;
            node.stop().await.unwrap();
        }
        other.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_that_arrive_while_storage_is_busy_share_one_commit() {
    let lab = Lab::new(0);
    let (node, _) = lab.start(None);
    let handle = node.handle();
    handle.change(accum("before", 1)).await.unwrap();
    lab.gate.set(|gate| gate.shut = true);
    let mut pending = Vec::new();
    for n in 0..500_u64 {
        let submitted = timeout(PATIENCE, handle.submit(accum(n.to_le_bytes(), 1))).await;
        pending.push(submitted.expect("changes gather").unwrap());
    }
    let before = lab.gate.commits();
    lab.gate.set(|gate| gate.shut = false);
    for pending in pending {
        pending.done().await.unwrap();
    }
    let commits = lab.gate.commits() - before;
    // The blocked commit, the batch gathered meanwhile, and the changes still in the queue.
    assert!(commits <= 3, "{commits} commits");
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_wait_while_storage_stalls_and_queries_are_answered() {
    let mut lab = Lab::new(0);
    lab.limits.waiting_changes = 100;
    let (node, _) = lab.start(None);
    let handle = node.handle();
    handle.change(accum("before", 1)).await.unwrap();
    lab.gate.set(|gate| gate.shut = true);
    let writer = {
        let handle = handle.clone();
        tokio::spawn(async move {
            let mut pending = Vec::new();
            for n in 0..5000_u64 {
                pending.push(handle.submit(accum("x", 1 << (n % 60))).await.unwrap());
            }
            for pending in pending {
                pending.done().await.unwrap();
            }
        })
    };
    let waiting = async || handle.status().await.unwrap()["waiting"].as_u64().unwrap();
    until("full", async || waiting().await == 100).await;
    sleep(Duration::from_millis(200)).await;
    // No further change was accepted, and the node still answers.
    assert_eq!(waiting().await, 100);
    assert!(!writer.is_finished());
    lab.gate.set(|gate| gate.shut = false);
    timeout(PATIENCE, writer).await.unwrap().unwrap();
    let expected = (0..5000_u64).fold(0, |sum, n| sum ^ 1 << (n % 60));
    assert_eq!(state(&handle, "x").await, expected);
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_messages_is_held_off_while_storage_stalls_and_repaired_afterwards() {
    let network = ChannelNetwork::new(&ChannelOptions {
        incoming_messages: 8,
        ..ChannelOptions::default()
    })
    .unwrap();
    let mut slow = Lab::new(1);
    slow.limits.unflushed_keys = 200;
    let (writer, _) = Lab::new(0).start(Some(&network));
    let (reader, _) = slow.start(Some(&network));
    let (from, to) = (writer.handle(), reader.handle());
    from.change(accum("before", 1)).await.unwrap();
    until("met", async || state(&to, "before").await == 1).await;
    slow.gate.set(|gate| gate.shut = true);
    for n in 0..3000_u64 {
        from.change(accum(n.to_le_bytes(), n + 1)).await.unwrap();
    }
    let status = to.status().await.unwrap();
    let unflushed = status["unflushed"].as_u64().unwrap();
    // A message of this test adds one key, an answer to a comparison a few more.
    assert!(unflushed < 1500, "{unflushed} keys wait for storage");
    until("drops are counted", async || {
        to.status().await.unwrap()["dropped"].as_u64().unwrap() > 0
    })
    .await;
    slow.gate.set(|gate| gate.shut = false);
    until("the same", async || same_states(&[&from, &to]).await).await;
    assert_eq!(state(&to, 2999_u64.to_le_bytes()).await, 3000);
    writer.stop().await.unwrap();
    reader.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_completes_submitted_changes_and_loses_nothing() {
    let mut lab = Lab::new(0);
    lab.limits.waiting_changes = 10;
    let (node, _) = lab.start(None);
    let handle = node.handle();
    handle.change(accum("before", 1)).await.unwrap();
    lab.gate.set(|gate| gate.shut = true);
    let mut pending = Vec::new();
    for n in 0..200_u64 {
        pending.push(handle.submit(accum(n.to_le_bytes(), n + 1)).await.unwrap());
    }
    // Some changes are applied, the rest is queued, none is durable.
    let stopping = tokio::spawn(node.stop());
    sleep(Duration::from_millis(100)).await;
    assert!(!stopping.is_finished());
    lab.gate.set(|gate| gate.shut = false);
    timeout(PATIENCE, stopping).await.unwrap().unwrap().unwrap();
    for pending in pending {
        assert!(pending.done().await.is_ok());
    }
    assert_eq!(
        handle.change(accum("late", 1)).await,
        Err(Refused::Stopping)
    );
    let store = lab.disk.open(FsyncPolicy::Always).unwrap();
    assert_eq!(store.opened(), Opened::Clean);
    let replica = load(config(0), &store).unwrap();
    for n in 0..200_u64 {
        assert_eq!(replica.state(&n.to_le_bytes()), Value::from(n + 1));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_a_sync_between_commits_fails_nothing_more_is_acknowledged_and_the_node_ends() {
    let mut lab = Lab::new(0);
    lab.fsync = FsyncPolicy::Interval(1);
    lab.gate.set(|gate| gate.sync_broken = true);
    let (node, _) = lab.start(None);
    let handle = node.handle();
    handle.change(accum("x", 1)).await.unwrap();
    let failed = async || lab.gate.0.0.lock().unwrap().failed_syncs > 0;
    until("a sync that failed", failed).await;
    // The commit itself would succeed.
    let refused = handle.change(accum("x", 2)).await;
    assert!(
        matches!(refused, Err(Refused::Storage { .. } | Refused::Stopping)),
        "{refused:?}"
    );
    assert!(matches!(node.stop().await, Err(NodeError::Store(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_storage_fails_nothing_is_acknowledged_and_the_node_ends() {
    let lab = Lab::new(0);
    let (node, _) = lab.start(None);
    let handle = node.handle();
    handle.change(accum("x", 1)).await.unwrap();
    lab.gate.set(|gate| gate.broken = true);
    let refused = handle.change(accum("x", 2)).await.unwrap_err();
    assert!(
        matches!(&refused, Refused::Storage { reason } if reason.contains("free some space")),
        "{refused}"
    );
    assert!(matches!(node.stop().await, Err(NodeError::Store(_))));
    let store = lab.disk.open(FsyncPolicy::Always).unwrap();
    assert_eq!(
        store.opened(),
        Opened::Unclean,
        "a failed store is not marked as closed cleanly"
    );
    assert_eq!(load(config(0), &store).unwrap().state(b"x"), 1.into());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_change_is_answered_at_once_and_changes_nothing() {
    let lab = Lab::new(0);
    let (node, _) = lab.start(None);
    let handle = node.handle();
    handle.change(accum("x", 1)).await.unwrap();
    lab.gate.set(|gate| gate.shut = true);
    let both = Change::Batch(vec![
        KeyOp {
            key: b"x".to_vec(),
            action: Action::Toggle(7),
        },
        KeyOp {
            key: b"x".to_vec(),
            action: Action::Toggle(64),
        },
    ]);
    let refused = timeout(PATIENCE, handle.change(both)).await.unwrap();
    assert!(matches!(refused, Err(Refused::Op(_))), "{refused:?}");
    // An operation that changes nothing needs no storage.
    let read = Change::Batch(vec![KeyOp {
        key: b"x".to_vec(),
        action: Action::Op(Op::Read, 0.into()),
    }]);
    let Done { number, responses } = timeout(PATIENCE, handle.change(read))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(number, None);
    assert_eq!(responses[0].as_ref().unwrap().data, 1.into());
    lab.gate.set(|gate| gate.shut = false);
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_agree_after_loss_duplicates_reordering_and_a_partition() {
    let network = ChannelNetwork::new(&ChannelOptions {
        seed: 5,
        faults: Faults {
            loss: 0.2,
            duplication: 0.2,
            reorder: 0.2,
            refusal: 0.05,
        },
        ..ChannelOptions::default()
    })
    .unwrap();
    let started: Vec<_> = (0..3_u8)
        .map(|n| {
            let mut lab = Lab::new(n);
            // Faults between engine and replica, in addition to those of the network.
            lab.faults = Some(
                format!("seed={n},loss=0.1,dup=0.2,reorder=0.2,delay=5")
                    .parse()
                    .unwrap(),
            );
            lab.start(Some(&network))
        })
        .collect();
    let handles: Vec<_> = started.iter().map(|(node, _)| node.handle()).collect();
    let peers: Vec<_> = started.iter().map(|(_, peer)| *peer).collect();
    for handle in &handles {
        let met = async || handle.status().await.unwrap()["peers"] == 2;
        until("met", met).await;
    }
    let mut expected = std::collections::BTreeMap::<u64, u64>::new();
    for n in 0..600_u64 {
        if n == 200 {
            network.partition(&[&peers[..1], &peers[1..]]);
        }
        if n == 400 {
            network.heal();
        }
        let (key, delta) = (n % 50, 1 << (n % 64));
        handles[n as usize % 3]
            .change(accum(key.to_le_bytes(), delta))
            .await
            .unwrap();
        *expected.entry(key).or_default() ^= delta;
    }
    network.set_faults(Faults::default()).unwrap();
    until("the same everywhere", async || {
        same_states(&handles.iter().collect::<Vec<_>>()).await
            && state(&handles[0], 0_u64.to_le_bytes()).await == expected[&0]
    })
    .await;
    for handle in &handles {
        for (key, value) in &expected {
            assert_eq!(state(handle, key.to_le_bytes()).await, *value, "key {key}");
        }
    }
    assert!(network.faults().lost > 0 && network.faults().cut > 0);
    for (node, _) in started {
        node.stop().await.unwrap();
    }
}

/// Two nodes that have met on a network where everything is recorded.
async fn pair(network: &ChannelNetwork, labs: &[Lab; 2]) -> [(Node, PeerId); 2] {
    let started = [0, 1].map(|n: usize| labs[n].start(Some(network)));
    for (node, _) in &started {
        let handle = node.handle();
        let met = async || handle.status().await.unwrap()["peers"] == 1;
        until("met", met).await;
    }
    started
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attacker_on_the_network_changes_nothing_and_draws_next_to_no_traffic() {
    let network = ChannelNetwork::new(&ChannelOptions::default()).unwrap();
    network.record();
    let labs = [0, 1].map(|n| {
        let mut lab = Lab::new(n);
        // So that only changes and attacks make traffic.
        lab.sync_interval = Duration::from_secs(3600);
        lab
    });
    // A life of both nodes, and the beginning of the next one, which has forgotten what it saw.
    for (node, _) in pair(&network, &labs).await {
        let handle = node.handle();
        for n in 0..100_u64 {
            handle.change(accum(n.to_le_bytes(), n + 1)).await.unwrap();
        }
        node.stop().await.unwrap();
    }
    let nodes = pair(&network, &labs).await;
    let [a, b] = [0, 1].map(|n: usize| nodes[n].0.handle());
    a.change(accum("x", 1)).await.unwrap();
    until("sent", async || state(&b, "x").await == 1).await;
    until("the same", async || same_states(&[&a, &b]).await).await;

    let recorded = network.recorded();
    assert!(recorded.len() > 100, "{}", recorded.len());
    let before = a.status().await.unwrap();
    let mut injected = 0;
    // The queues hold 1024 messages.
    for (n, packet) in recorded.into_iter().rev().take(800).enumerate() {
        let Recorded {
            from,
            to,
            mut bytes,
        } = packet;
        injected += 2 * bytes.len();
        network.inject(Recorded {
            from,
            to,
            bytes: bytes.clone(),
        });
        // The tag of the other direction is one of few.
        bytes[1] = bytes[1].wrapping_add(n as u8 % 3);
        network.inject(Recorded {
            from: to,
            to: from,
            bytes,
        });
    }
    for ((_, at), (_, peer)) in [(&nodes[0], &nodes[1]), (&nodes[1], &nodes[0])] {
        network.announce(*at, *peer, false);
    }
    // The queues keep the order, so these come after everything injected.
    b.change(accum("y", 1)).await.unwrap();
    until("sent", async || state(&a, "y").await == 1).await;
    a.change(accum("y", 2)).await.unwrap();
    until("sent", async || state(&b, "y").await == 3).await;

    let drawn = network.recorded();
    let kinds: Vec<u8> = drawn.iter().map(|packet| packet.bytes[0]).collect();
    // Two genuine messages (8), at most one answer (2) to the first packet of an earlier life, and
    // pings and pongs. No handshake began (1) or ended (3), no session ended (11).
    let count = |kind| kinds.iter().filter(|found| **found == kind).count();
    assert_eq!([1, 3, 8, 11].map(count), [0, 0, 2, 0], "{kinds:?}");
    assert!(count(2) <= 1 && kinds.len() < 12, "{kinds:?}");
    let length: usize = drawn.iter().map(|packet| packet.bytes.len()).sum();
    assert!(length < injected / 20, "{injected} bytes drew {length}");
    assert!(same_states(&[&a, &b]).await);
    let after = a.status().await.unwrap();
    // What is previewed is merged with the signature, which a later tick sends.
    for unchanged in ["peers", "refused", "overlaps", "events", "merged"] {
        assert_eq!(after[unchanged], before[unchanged], "{unchanged}");
    }
    for (node, _) in nodes {
        node.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_vanished_without_a_goodbye_meets_its_peer_again_when_it_returns() {
    // Whoever has the lower address begins handshakes, so each of the two vanishes once.
    for vanished in [0, 1] {
        let network = ChannelNetwork::new(&ChannelOptions::default()).unwrap();
        let labs = [0, 1].map(Lab::new);
        let mut nodes = pair(&network, &labs).await.map(Some);
        let (node, peer) = nodes[vanished].take().unwrap();
        let (other, other_peer) = nodes[1 - vanished].take().unwrap();
        network.cut(peer, other_peer);
        node.stop().await.unwrap();
        network.heal();
        let handle = other.handle();
        assert_eq!(handle.status().await.unwrap()["peers"], 1, "no goodbye");
        let (node, again) = labs[vanished].start(Some(&network));
        assert_eq!(again, peer);
        handle.change(accum("x", 1)).await.unwrap();
        let returned = node.handle();
        until("sent", async || state(&returned, "x").await == 1).await;
        returned.change(accum("y", 1)).await.unwrap();
        until("sent", async || state(&handle, "y").await == 1).await;
        node.stop().await.unwrap();
        other.stop().await.unwrap();
    }
}

/// The reports of an engine overtake messages and prove nothing, so a node that stops is gone only
/// once it has said so itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_stopping_node_signs_reaches_a_peer_whose_engine_has_reported_it_down() {
    let network = ChannelNetwork::new(&ChannelOptions::default()).unwrap();
    let labs = [0, 1].map(|n| {
        let mut lab = Lab::new(n);
        // So that the change is signed at the stop.
        lab.sync_interval = Duration::from_secs(3600);
        lab
    });
    let [(node, peer), (other, other_peer)] = pair(&network, &labs).await;
    let handle = other.handle();
    node.handle().change(accum("x", 1)).await.unwrap();
    until("previewed", async || state(&handle, "x").await == 1).await;
    assert_eq!(handle.status().await.unwrap()["merged"], 0);
    network.announce(other_peer, peer, false);
    node.stop().await.unwrap();
    let left = async || handle.status().await.unwrap()["peers"] == 0;
    until("the node has left", left).await;
    assert_eq!(handle.status().await.unwrap()["merged"], 1);
    assert_eq!(state(&handle, "x").await, 1);
    other.stop().await.unwrap();
}
