//! What the operator is told, until it is settled.
use std::time::{Duration, Instant};

use atomik_net::channel::{ChannelNetwork, ChannelOptions};
use atomik_replica::{Effect, Event, LocalOp, Notice, OriginId, Refusal, Replica};
use serde_json::{Value as Json, json};
use tokio::time::sleep;

use super::stopped::{Log, accum, fetch};
use super::{PATIENCE, ask, config, configured, member, process};
use crate::node::Node;
use crate::{Change, Refused};

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < PATIENCE, "{what}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// Makes a node report something, and then much else.
async fn report(node: &Node, notice: Notice) {
    let report = move |state: &mut crate::state::NodeState| {
        state.notice(notice);
        for _ in 0..200 {
            let reason = Refusal::Malformed;
            let from = [7; 16];
            state.notice(Notice::Refused { from, reason });
        }
    };
    node.handle().query(report).await.unwrap();
}

/// The texts that need attention.
async fn attention(node: &Node) -> Vec<String> {
    let status = node.handle().status().await.unwrap();
    let events = status["attention"].as_array().unwrap().iter();
    events
        .map(|event| event["text"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn another_layout_needs_attention_on_both_sides_once_and_with_both_names() {
    let network = ChannelNetwork::new(&ChannelOptions::default()).unwrap();
    let mut adding = config(1);
    adding.shape = "add:64".parse::<atomik_replica::Layout>().unwrap().into();
    let nodes = [config(0), adding].map(|config| configured(config, Some(&network)));
    for (node, ours, theirs) in [
        (&nodes[0], "xor:64", "have the layout add:64"),
        (&nodes[1], "add:64", "have the default layout"),
    ] {
        until("told", async || !attention(node).await.is_empty()).await;
        // Several comparisons later it has not been told again.
        let handle = node.handle();
        let refused = async || handle.status().await.unwrap()["refused"].as_u64().unwrap();
        let before = refused().await;
        until("compared", async || refused().await > before + 3).await;
        let told = attention(node).await;
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(
            told[0].contains(&format!("have the layout {ours},")),
            "{told:?}"
        );
        assert!(told[0].contains(theirs), "{told:?}");
        assert!(told[0].contains("configure the layout"), "{told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_member_with_another_secret_needs_attention_on_both_sides_until_there_is_a_session() {
    let (log, _guard) = Log::start();
    let network = ChannelNetwork::new(&ChannelOptions::default()).unwrap();
    let mut other = config(1);
    other.secret = [8; 32];
    let nodes = [config(0), other].map(|config| configured(config, Some(&network)));
    for node in &nodes {
        until("told", async || !attention(node).await.is_empty()).await;
    }
    sleep(Duration::from_secs(60)).await;
    for node in &nodes {
        let told = attention(node).await;
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("keyspace.secret"), "{told:?}");
    }
    assert!(log.text().contains("keyspace.secret"), "{}", log.text());
    let [node, other] = nodes;
    other.stop().await.unwrap();
    let good = member(2, Some(&network));
    until("settled", async || attention(&node).await.is_empty()).await;
    for node in [node, good] {
        node.stop().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn nodes_of_other_keyspaces_alone_need_attention_until_there_is_a_session() {
    let (log, _guard) = Log::start();
    let network = ChannelNetwork::new(&ChannelOptions::default()).unwrap();
    let node = member(0, Some(&network));
    network.announce_keyspace(&"tset".parse().unwrap());
    until("told", async || !attention(&node).await.is_empty()).await;
    sleep(Duration::from_secs(60)).await;
    let told = attention(&node).await;
    assert_eq!(told.len(), 1, "{told:?}");
    for says in [
        "no node of keyspace test is in sight, but of tset",
        "set the same `keyspace`",
    ] {
        assert!(told[0].contains(says), "{told:?}");
        assert!(log.text().contains(says), "{}", log.text());
    }
    let other = member(1, Some(&network));
    until("settled", async || attention(&node).await.is_empty()).await;
    // A member that is away for a while is no reason.
    network.announce_keyspace(&"tset".parse().unwrap());
    sleep(Duration::from_secs(60)).await;
    assert!(attention(&node).await.is_empty() && attention(&other).await.is_empty());
    for node in [node, other] {
        node.stop().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn members_that_are_away_are_not_taken_for_some_with_another_secret() {
    let network = ChannelNetwork::new(&ChannelOptions::default()).unwrap();
    let node = member(0, Some(&network));
    sleep(Duration::from_secs(60)).await;
    let other = member(1, Some(&network));
    until("up", async || {
        node.handle().status().await.unwrap()["peers"] == 1
    })
    .await;
    other.stop().await.unwrap();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(attention(&node).await, Vec::<String>::new());
    node.stop().await.unwrap();
}

const ORIGIN: OriginId = OriginId([5; 16]);

#[tokio::test]
async fn a_key_in_use_and_a_stop_need_attention_until_the_node_is_restarted() {
    for (notice, says) in [
        (Notice::KeyInUse { origin: ORIGIN }, "if a copy is running"),
        (Notice::Stopped { origin: ORIGIN }, "no copy is running"),
    ] {
        let (log, guard) = Log::start();
        let network = ChannelNetwork::new(&ChannelOptions::default()).unwrap();
        let node = member(0, Some(&network));
        assert_eq!(attention(&node).await, Vec::<String>::new());
        report(&node, notice).await;
        let others = [1, 2, 3].map(|n| member(n, Some(&network)));
        until("in sync", async || {
            node.handle().status().await.unwrap()["peers_in_sync"] == 3
        })
        .await;
        let texts = attention(&node).await;
        assert_eq!(texts.len(), 1, "{texts:?}");
        assert!(texts[0].contains(says), "{texts:?}");
        assert!(texts[0].contains("--new-identity"), "{texts:?}");
        assert!(log.text().contains(says), "{}", log.text());
        drop(guard);
        for node in others.into_iter().chain([node]) {
            node.stop().await.unwrap();
        }
    }
}

/// Of a copied folder, or a cloned machine. One of the two has the lower address of a pair, which
/// begins handshakes.
#[tokio::test(start_paused = true)]
async fn of_two_processes_with_one_key_one_keeps_its_session_and_all_are_told_while_both_run() {
    for n in [0, 1] {
        let (log, _guard) = Log::start();
        let network = ChannelNetwork::new(&ChannelOptions::default()).unwrap();
        let (original, other) = (process(n, &network), process(1 - n, &network));
        original.handle().change(accum(1)).await.unwrap();
        let state = async |node: &Node| node.handle().state(b"x").await.unwrap().words()[0];
        until("it arrives", async || state(&other).await == 1).await;
        let copy = process(n, &network);
        let told = async |node: &Node, who: u8, what: &str| {
            until(what, async || attention(node).await.concat().contains(what)).await;
            let told = attention(node).await;
            assert_eq!(told.len(), 1, "{told:?}");
            for says in ["stop one of the two", &format!("(m{who})")] {
                assert!(told[0].contains(says), "{told:?}");
            }
        };
        told(&original, 1 - n, "keeps its session with this process").await;
        told(&copy, 1 - n, "keeps its session with that one").await;
        told(&other, n, "another process with its key and address").await;
        for says in ["--new-identity", "a copy of that member runs"] {
            assert!(log.text().contains(says), "{}", log.text());
        }
        // The session goes on.
        original.handle().change(accum(4)).await.unwrap();
        until("it arrives", async || state(&other).await == 5).await;
        sleep(Duration::from_secs(200)).await;
        assert_eq!([state(&original).await, state(&other).await], [5, 5]);
        for node in [&original, &copy, &other] {
            assert_eq!(attention(node).await.len(), 1);
        }
        let peers = async |node: &Node| node.handle().status().await.unwrap()["peers"].clone();
        assert_eq!(
            [peers(&original).await, peers(&copy).await],
            [json!(1), json!(0)]
        );

        original.stop().await.unwrap();
        until("it has a session", async || peers(&copy).await == 1).await;
        until("it has what the other has", async || {
            state(&copy).await == 5
        })
        .await;
        sleep(Duration::from_secs(150)).await;
        until("settled", async || attention(&other).await.is_empty()).await;
        for node in [copy, other] {
            node.stop().await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_lost_memory_needs_attention_until_all_members_have_agreed() {
    let (log, _guard) = Log::start();
    let network = ChannelNetwork::new(&ChannelOptions::default()).unwrap();
    let node = member(0, Some(&network));
    let new = OriginId([6; 16]);
    report(&node, Notice::MemoryLost { old: ORIGIN, new }).await;
    let mut others = vec![member(1, Some(&network)), member(2, Some(&network))];
    until("in sync", async || {
        node.handle().status().await.unwrap()["peers_in_sync"] == 2
    })
    .await;
    // The third may have something.
    let texts = attention(&node).await;
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert!(
        texts[0].contains("restored from an older copy"),
        "{texts:?}"
    );
    assert!(log.text().contains("restored from an older copy"));
    others.push(member(3, Some(&network)));
    until("settled", async || attention(&node).await.is_empty()).await;
    for node in others.into_iter().chain([node]) {
        node.stop().await.unwrap();
    }
}

#[tokio::test]
async fn a_fork_needs_attention_until_the_member_has_another_life() {
    let (log, _guard) = Log::start();
    let network = ChannelNetwork::new(&ChannelOptions::default()).unwrap();
    let node = member(0, Some(&network));
    let forked = member(1, Some(&network));
    let arrived = async |value: u64| {
        until("it arrives", async || {
            node.handle().state(b"x").await.unwrap() == value.into()
                && node.handle().status().await.unwrap()["sealed"] == true
        })
        .await;
    };
    forked.handle().change(accum(1)).await.unwrap();
    arrived(1).await;
    let origin = forked.handle().status().await.unwrap()["origin"].clone();
    let bytes = atomik_net::parse_hex(origin.as_str().unwrap()).unwrap();
    let origin = OriginId(bytes);
    for _ in 0..2 {
        let reason = Refusal::Forked { origin };
        let from = [7; 16];
        report(&node, Notice::Refused { from, reason }).await;
    }
    let texts = attention(&node).await;
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert!(texts[0].contains("Stop the copies"), "{texts:?}");
    assert!(log.text().contains("Stop the copies"));
    forked.stop().await.unwrap();
    // With an empty store it takes another life.
    let forked = member(1, Some(&network));
    until("it has what it lost", async || {
        forked.handle().state(b"x").await.unwrap() == 1.into()
    })
    .await;
    forked.handle().change(accum(2)).await.unwrap();
    arrived(3).await;
    assert_eq!(attention(&node).await, Vec::<String>::new());
    for node in [node, forked] {
        node.stop().await.unwrap();
    }
}

/// The message with which a copy of member 0 publishes a change.
fn published(delta: u64) -> Vec<u8> {
    let mut replica = Replica::open(config(0), []).unwrap();
    let mut effects = Vec::new();
    let mut step = |event: Event<'_>| {
        effects.clear();
        replica.step(event, &mut effects).unwrap();
        std::mem::take(&mut effects)
    };
    step(Event::Op(&LocalOp::accum(b"x", delta.into())));
    let flushed = step(Event::Flush);
    let ticket = flushed.iter().find_map(|effect| match effect {
        Effect::Persist { ticket, .. } => Some(*ticket),
        _ => None,
    });
    let sent = step(Event::Persisted(ticket.unwrap()));
    let mut messages = sent.into_iter().filter_map(|effect| match effect {
        Effect::Broadcast { bytes, .. } => Some(bytes),
        _ => None,
    });
    messages.next().unwrap()
}

#[tokio::test]
async fn a_node_that_is_convicted_accepts_no_changes_and_says_what_to_do() {
    let (log, _guard) = Log::start();
    let network = ChannelNetwork::new(&ChannelOptions::default()).unwrap();
    let (node, other) = (member(0, Some(&network)), member(1, Some(&network)));
    let messages = [published(1), published(2)];
    let convict = move |state: &mut crate::state::NodeState| {
        for bytes in &messages {
            let from = [7; 16];
            let message = Event::Message { from, bytes };
            state.replica.step(message, &mut Vec::new()).unwrap();
        }
    };
    other.handle().query(convict).await.unwrap();
    until("it is told", async || {
        node.handle().status().await.unwrap()["stopped"] != Json::Null
    })
    .await;
    let next = "give it another key (atomik node rotate)";
    let status = node.handle().status().await.unwrap();
    assert!(
        status["stopped"].as_str().unwrap().contains(next),
        "{status:#}"
    );
    let refused = node.handle().change(accum(8)).await.unwrap_err();
    assert_eq!(refused, Refused::Convicted);
    let retired = ask(&node, b"{\"op\":\"retire\"}\n").await;
    assert!(
        retired[0]["error"].as_str().unwrap().contains(next),
        "{retired:?}"
    );
    let events = status["events"].as_array().unwrap();
    assert!(
        events.iter().any(|event| event["event"] == "convicted"),
        "{status:#}"
    );
    assert!(log.text().contains(next), "{}", log.text());
    assert!(fetch(&node, "/health").await.starts_with("HTTP/1.1 503"));
    for node in [node, other] {
        node.stop().await.unwrap();
    }
}

#[tokio::test]
async fn a_node_that_has_retired_is_not_serving_and_says_so() {
    let node = member(0, None);
    node.handle().change(Change::Retire).await.unwrap();
    let health = fetch(&node, "/health").await;
    assert!(health.starts_with("HTTP/1.1 503"), "{health}");
    assert!(health.contains("has retired for good"), "{health}");
    let status = node.handle().status().await.unwrap();
    assert!(status["stopped"].as_str().unwrap().contains("has retired"));
    assert_eq!(
        ask(&node, b"{\"op\":\"retire\"}\n").await,
        [json!({"ok": true})]
    );
    node.stop().await.unwrap();
}
