//! Members that join and leave while the nodes run: nodes inside the process, and the commands.
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use atomik_net::channel::{ChannelNetwork, ChannelOptions};
use atomik_node::credential::public_key_text;
use atomik_node::invitation::Invitation;
use atomik_node::node::{Node, Parts, hand_in, load};
use atomik_node::options::LayoutName;
use atomik_node::replica::{Action, Config, Op, OpError, PublicKey, Roster, RosterError, Trust};
use atomik_node::text::parse_bytes;
use atomik_node::{AnyEngine, Change, Handle, KeyOp, Link, Refused};
use atomik_store::{FsyncPolicy, MemoryDisk};
use ed25519_dalek::SigningKey;
use serde_json::{Value as Json, json};
use tokio::time::sleep;

use crate::process::{
    Administrator, Members, PATIENCE, Running, is_private, keygen, run, stderr, text,
};

fn key(n: u8) -> SigningKey {
    SigningKey::from_bytes(&[n + 1; 32])
}

fn public(n: u8) -> PublicKey {
    key(n).verifying_key().to_bytes()
}

fn administrator() -> SigningKey {
    SigningKey::from_bytes(&[99; 32])
}

/// Starts node `n` of a keyspace founded by nodes 0 and 1, with a roster from an invitation.
fn start(n: u8, network: &ChannelNetwork, roster: Option<&Roster>) -> Node {
    let administrator = administrator().verifying_key().to_bytes();
    start_with(n, network, roster, administrator)
}

fn start_with(
    n: u8,
    network: &ChannelNetwork,
    roster: Option<&Roster>,
    administrator: PublicKey,
) -> Node {
    let disk = MemoryDisk::new();
    start_on(&disk, None, n, Some(network), roster, administrator)
}

/// The same on a disk and with a data folder; without a network, it has no peers.
fn start_on(
    disk: &MemoryDisk,
    data: Option<&Path>,
    n: u8,
    network: Option<&ChannelNetwork>,
    roster: Option<&Roster>,
    administrator: PublicKey,
) -> Node {
    Node::start(parts(disk, data, n, network, roster, administrator)).unwrap()
}

fn parts(
    disk: &MemoryDisk,
    data: Option<&Path>,
    n: u8,
    network: Option<&ChannelNetwork>,
    roster: Option<&Roster>,
    administrator: PublicKey,
) -> Parts {
    let trust = Trust::Signed {
        key: Box::new(key(n)),
        allowed: vec![public(0), public(1)],
    };
    let mut config = Config::new("test", 1, [9; 32], trust, [n + 100; 16]);
    config.administrator = Some(administrator);
    let store = disk.open(FsyncPolicy::Always).unwrap();
    let mut replica = load(config, &store).unwrap();
    if let Some(roster) = roster {
        hand_in(&mut replica, roster).unwrap();
    }
    let engine = match network {
        Some(network) => AnyEngine::Channel(network.join(replica.origin().0).unwrap()),
        None => AnyEngine::Alone,
    };
    let mut parts = Parts::new(replica, store, Link::new(engine, None));
    parts.data = data.map(Path::to_owned);
    parts.sync_interval = Duration::from_millis(20);
    parts
}

fn accum(delta: u64) -> Change {
    Change::Batch(vec![KeyOp {
        key: b"x".to_vec(),
        action: Action::Op(Op::Accum, delta.into()),
    }])
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < PATIENCE, "{what}");
        sleep(Duration::from_millis(10)).await;
    }
}

async fn all_have(nodes: &[&Handle], value: u64) {
    until(&format!("all have {value}"), async || {
        for node in nodes {
            if node.state(b"x").await.unwrap() != value.into() {
                return false;
            }
        }
        true
    })
    .await;
}

async fn roster(node: &Handle) -> Roster {
    let answer = node.members().await.unwrap();
    Roster::decode(&parse_bytes(answer["roster"].as_str().unwrap()).unwrap()).unwrap()
}

async fn all_use(nodes: &[&Handle], number: u64) {
    until(&format!("all use roster {number}"), async || {
        for node in nodes {
            if roster(node).await.number() != number {
                return false;
            }
        }
        true
    })
    .await;
}

/// Whether a node shows node 1 as in sync.
async fn shows_in_sync(node: &Handle) -> bool {
    let answer = node.members().await.unwrap();
    let mut members = answer["members"].as_array().unwrap().iter();
    let key = json!(public_key_text(&public(1)));
    members.any(|member| member["key"] == key && member["in_sync"] == true)
}

/// A member that goes away with what it has not signed yet takes it along.
#[tokio::test]
async fn a_member_with_changes_that_it_has_not_signed_yet_is_not_in_sync() {
    let network = ChannelNetwork::new(&ChannelOptions::default()).unwrap();
    let administrator = administrator().verifying_key().to_bytes();
    let first = start(0, &network, None);
    let disk = MemoryDisk::new();
    let mut second = parts(&disk, None, 1, Some(&network), None, administrator);
    // It never signs by itself.
    second.sync_interval = Duration::from_secs(3600);
    let second = Node::start(second).unwrap();
    let (one, two) = (first.handle(), second.handle());
    until("in sync", async || shows_in_sync(&one).await).await;
    two.change(accum(1)).await.unwrap();
    all_have(&[&one], 1).await;
    assert!(!shows_in_sync(&one).await);
    let more = |n: u8| KeyOp {
        key: vec![n],
        action: Action::Op(Op::Accum, 1.into()),
    };
    // So many are signed at once.
    two.change(Change::Batch((0..100).map(more).collect()))
        .await
        .unwrap();
    until("in sync again", async || shows_in_sync(&one).await).await;
    second.stop().await.unwrap();
    first.stop().await.unwrap();
}

/// Signs a roster and hands it to one node.
async fn hand_to(node: &Handle, next: Result<Roster, RosterError>) -> Result<Roster, Refused> {
    let next = next
        .unwrap()
        .sign("test", &atomik_replica::Shape::xor(1), &administrator());
    node.change(Change::Roster(next.encode())).await?;
    Ok(next)
}

/// Puts node 2 on the list of a running node, and starts it with the same list.
async fn join(node: &Handle, network: &ChannelNetwork) -> (Node, Roster) {
    let invited = roster(node).await.add(public(2), "three");
    let invited = hand_to(node, invited).await.unwrap();
    (start(2, network, Some(&invited)), invited)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_third_node_joins_two_that_run_and_is_refused_by_all_once_it_is_removed() {
    let network = ChannelNetwork::new(&ChannelOptions::default()).unwrap();
    let (a, b) = (start(0, &network, None), start(1, &network, None));
    let (to_a, to_b) = (a.handle(), b.handle());
    to_a.change(accum(1)).await.unwrap();
    all_have(&[&to_a, &to_b], 1).await;

    // One member is told; the new node brings the same roster.
    let (c, invited) = join(&to_a, &network).await;
    let to_c = c.handle();
    all_use(&[&to_a, &to_b, &to_c], 1).await;
    to_c.change(accum(2)).await.unwrap();
    all_have(&[&to_a, &to_b, &to_c], 3).await;
    // Until it is signed, it would be taken back with the removal.
    until("signed", async || {
        let merged = async |node: &Handle| node.status().await.unwrap()["merged"].clone();
        merged(&to_a).await == 1 && merged(&to_b).await == 2
    })
    .await;
    let listed = to_b.members().await.unwrap()["members"].clone();
    let three = listed.as_array().unwrap().iter();
    let three: Vec<_> = three.filter(|member| member["name"] == "three").collect();
    assert_eq!((three.len(), three[0]["since"].clone()), (1, 1.into()));

    let removed = roster(&to_b).await.remove(&public(2));
    hand_to(&to_b, removed).await.unwrap();
    all_use(&[&to_a, &to_b, &to_c], 2).await;
    assert_eq!(
        to_c.change(accum(4)).await.err(),
        Some(Refused::Op(OpError::Removed { roster: 2 }))
    );
    to_a.change(accum(8)).await.unwrap();
    all_have(&[&to_a, &to_b], 11).await;
    assert_eq!(to_c.state(b"x").await.unwrap(), 3.into());

    // A stale roster and one of somebody else are refused.
    let stale = to_a.change(Change::Roster(invited.encode())).await;
    assert_eq!(stale.err(), Some(Refused::OtherOrder { roster: 2 }));
    let forged = roster(&to_a).await.add(public(2), "three").unwrap();
    let forged = forged.sign("test", &atomik_replica::Shape::xor(1), &key(0));
    let forged = to_a.change(Change::Roster(forged.encode())).await;
    let forged_error = RosterError::NotSigned { number: 3 };
    assert_eq!(forged.err(), Some(Refused::Op(forged_error.into())));
    all_use(&[&to_a, &to_b, &to_c], 2).await;

    // No member hears of an order that a node off the list takes, unless the order adds it.
    let lost = roster(&to_c).await.add(public(4), "five");
    let refused = hand_to(&to_c, lost).await;
    assert_eq!(refused.err(), Some(Refused::NotAMember { roster: 2 }));

    let again = roster(&to_a).await.add(public(2), "three");
    hand_to(&to_a, again).await.unwrap();
    all_use(&[&to_a, &to_b, &to_c], 3).await;
    to_c.change(accum(16)).await.unwrap();
    all_have(&[&to_a, &to_b, &to_c], 27).await;

    // What it may hold alone is told once.
    assert!(attention(&to_c, "stranded").await.is_empty());
    let removed = roster(&to_b).await.remove(&public(2));
    hand_to(&to_b, removed).await.unwrap();
    all_use(&[&to_c], 4).await;
    assert_eq!(attention(&to_c, "stranded").await.len(), 1);
    for node in [a, b, c] {
        node.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_was_removed_while_it_was_down_learns_it_from_its_peers() {
    let network = ChannelNetwork::new(&ChannelOptions::default()).unwrap();
    let (a, b) = (start(0, &network, None), start(1, &network, None));
    let (to_a, to_b) = (a.handle(), b.handle());
    let (c, invited) = join(&to_a, &network).await;
    all_use(&[&to_a, &to_b, &c.handle()], 1).await;
    c.stop().await.unwrap();
    to_a.change(accum(1)).await.unwrap();
    let removed = roster(&to_a).await.remove(&public(2));
    hand_to(&to_a, removed).await.unwrap();
    all_use(&[&to_a, &to_b], 2).await;

    let c = start(2, &network, Some(&invited));
    let to_c = c.handle();
    all_use(&[&to_c], 2).await;
    // It is told nothing but the list.
    assert_eq!(to_c.state(b"x").await.unwrap(), 0.into());
    assert_eq!(
        to_c.change(accum(4)).await.err(),
        Some(Refused::Op(OpError::Removed { roster: 2 }))
    );
    assert_eq!(status(&to_c, "attention").await, json!([]));

    // Once it is a member again, nothing needs attention.
    let again = roster(&to_a).await.add(public(2), "three");
    hand_to(&to_a, again).await.unwrap();
    all_use(&[&to_a, &to_b, &to_c], 3).await;
    until("settled", async || {
        status(&to_c, "attention").await == json!([])
    })
    .await;
    for node in [a, b, c] {
        node.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_orders_at_two_nodes_one_counts_and_who_has_its_list_is_shown() {
    let network = ChannelNetwork::new(&ChannelOptions::default()).unwrap();
    let (a, b) = (start(0, &network, None), start(1, &network, None));
    let (to_a, to_b) = (a.handle(), b.handle());
    let [at_a, at_b] = [&to_a, &to_b].map(async |node| {
        let origin = status(node, "origin").await;
        let id = parse_bytes(origin.as_str().unwrap()).unwrap();
        <[u8; 16]>::try_from(id).unwrap()
    });
    let [at_a, at_b] = [at_a.await, at_b.await];
    to_a.change(accum(1)).await.unwrap();
    all_have(&[&to_a, &to_b], 1).await;
    let first = roster(&to_a).await;
    // Each accepts its order before it hears of the other one.
    network.partition(&[&[at_a], &[at_b]]);
    let rivals = [
        hand_to(&to_a, first.add(public(2), "three")).await.unwrap(),
        hand_to(&to_b, first.add(public(3), "four")).await.unwrap(),
    ];
    let members = to_a.members().await.unwrap()["members"].clone();
    let mut others = members.as_array().unwrap().iter();
    assert!(others.all(|member| member["has_list"] == member["this"]));
    network.heal();
    let counts = rivals.iter().max_by_key(|roster| roster.hash()).unwrap();
    for node in [&to_a, &to_b] {
        until("the same list counts", async || {
            let members = node.members().await.unwrap()["members"].clone();
            let mut seen = members.as_array().unwrap().iter();
            roster(node).await == *counts
                && seen.all(|member| {
                    member["has_list"] == (member["up"] == true || member["this"] == true)
                })
        })
        .await;
    }
    let events = status(if *counts == rivals[0] { &to_b } else { &to_a }, "events").await;
    let mut events = events.as_array().unwrap().iter();
    assert!(events.any(|event| event["event"] == "two_rosters"));
    // No order that was made from an older list gets between them any more.
    for node in [&to_a, &to_b] {
        for late in [2, 3, 4] {
            let late = hand_to(node, first.add(public(late), "late")).await;
            assert_eq!(late.err(), Some(Refused::OtherOrder { roster: 1 }));
        }
    }
    for node in [a, b] {
        node.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_missed_a_changed_key_learns_it_from_the_member_with_that_key() {
    let network = ChannelNetwork::new(&ChannelOptions::default()).unwrap();
    let a = start(0, &network, None);
    let rotated = roster(&a.handle()).await.rotate(&public(1), public(3));
    a.stop().await.unwrap();
    let rotated = rotated
        .unwrap()
        .sign("test", &atomik_replica::Shape::xor(1), &administrator());
    // The only other member does not have the list.
    let (a, b) = (start(0, &network, None), start(3, &network, Some(&rotated)));
    let (to_a, to_b) = (a.handle(), b.handle());
    all_use(&[&to_a, &to_b], 1).await;
    to_a.change(accum(1)).await.unwrap();
    to_b.change(accum(2)).await.unwrap();
    all_have(&[&to_a, &to_b], 3).await;
    for node in [a, b] {
        node.stop().await.unwrap();
    }
}

/// The texts of a node's unsettled events of a kind.
async fn attention(node: &Handle, kind: &str) -> Vec<String> {
    let attention = status(node, "attention").await;
    let events = attention.as_array().unwrap().iter();
    let events = events.filter(|event| event["event"] == kind);
    events
        .map(|event| event["text"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_member_had_of_one_that_was_removed_is_kept_and_can_be_made_again() {
    let network = ChannelNetwork::new(&ChannelOptions::default()).unwrap();
    let (disk, folder) = (MemoryDisk::new(), tempfile::tempdir().unwrap());
    let signer = administrator().verifying_key().to_bytes();
    let returns = |network: Option<&ChannelNetwork>| {
        start_on(&disk, Some(folder.path()), 1, network, None, signer)
    };
    let on = |key: &str, delta: u64| {
        Change::Batch(vec![KeyOp {
            key: key.into(),
            action: Action::Op(Op::Accum, delta.into()),
        }])
    };
    let a = start(0, &network, None);
    let to_a = a.handle();
    let b = returns(Some(&network));
    b.handle().change(accum(1)).await.unwrap();
    all_have(&[&to_a, &b.handle()], 1).await;
    b.stop().await.unwrap();
    // What it makes alone reaches nobody.
    let b = returns(None);
    for change in [accum(2), on("mine", 4), on("mine", 8)] {
        b.handle().change(change).await.unwrap();
    }
    b.stop().await.unwrap();
    let removed = roster(&to_a).await.remove(&public(1));
    hand_to(&to_a, removed).await.unwrap();

    // It learns of its removal, and says what it holds.
    let b = returns(Some(&network));
    let to_b = b.handle();
    until("it is told", async || {
        !attention(&to_b, "stranded").await.is_empty()
    })
    .await;
    let stranded = attention(&to_b, "stranded").await.concat();
    assert!(stranded.contains("of 2 keys"), "{stranded}");
    assert_eq!(to_b.state(b"mine").await.unwrap(), 12.into());
    b.stop().await.unwrap();

    // It is added again, and adopts what the others have folded.
    until("it is folded", async || {
        status(&to_a, "closings").await == json!([])
    })
    .await;
    let again = roster(&to_a).await.add(public(1), "two");
    hand_to(&to_a, again).await.unwrap();
    let b = returns(Some(&network));
    let to_b = b.handle();
    all_have(&[&to_a, &to_b], 1).await;
    assert_eq!(to_b.state(b"mine").await.unwrap(), 0.into());
    assert!(attention(&to_b, "stranded").await.is_empty());
    let told = attention(&to_b, "missing").await.concat();
    assert!(told.contains("changes of 2 keys"), "{told}");
    assert!(told.contains("mine") && told.contains("x"), "{told}");
    b.stop().await.unwrap();

    // A restart says so as well, until the files are moved away.
    let b = returns(Some(&network));
    let to_b = b.handle();
    let told = attention(&to_b, "missing").await.concat();
    let files = fs::read_dir(folder.path()).unwrap();
    let files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    assert_eq!(files.len(), 2, "{files:?}");
    assert!(
        files.iter().all(|file| told.contains(&text(file))),
        "{told}"
    );
    let (unclear, clear): (Vec<_>, Vec<_>) = files
        .iter()
        .partition(|file| text(file).contains("unclear"));
    let described: Json = serde_json::from_str(&fs::read_to_string(unclear[0]).unwrap()).unwrap();
    assert_eq!(described["key"], "x");
    assert_eq!(described["missing"], "0x0000000000000002");
    for line in fs::read_to_string(clear[0]).unwrap().lines() {
        let request: atomik_node::protocol::Request = serde_json::from_str(line).unwrap();
        let change = request.change(&atomik_replica::Shape::xor(1)).unwrap();
        to_b.change(change.unwrap()).await.unwrap();
    }
    until("it is there again", async || {
        to_a.state(b"mine").await.unwrap() == 12.into()
    })
    .await;
    files.iter().for_each(|file| fs::remove_file(file).unwrap());
    assert!(attention(&to_b, "missing").await.is_empty());
    for node in [a, b] {
        node.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_with_a_list_that_the_administrator_did_not_sign_changes_nothing() {
    let network = ChannelNetwork::new(&ChannelOptions::default()).unwrap();
    let (a, b) = (start(0, &network, None), start(1, &network, None));
    let (to_a, to_b) = (a.handle(), b.handle());
    to_a.change(accum(1)).await.unwrap();
    all_have(&[&to_a, &to_b], 1).await;
    let forged = roster(&to_a).await.add(public(2), "three").unwrap();
    let forged = forged.sign("test", &atomik_replica::Shape::xor(1), &key(2));
    let administrator = key(2).verifying_key().to_bytes();
    let c = start_with(2, &network, Some(&forged), administrator);
    for node in [&to_a, &to_b] {
        until("the list is refused", async || {
            let events = status(node, "events").await;
            let mut events = events.as_array().unwrap().iter();
            events.any(|event| event["reason"] == "roster")
        })
        .await;
    }
    assert_eq!(roster(&to_a).await.number(), 0);
    assert_eq!(c.handle().state(b"x").await.unwrap(), 0.into());
    to_b.change(accum(2)).await.unwrap();
    all_have(&[&to_a, &to_b], 3).await;
    for node in [a, b, c] {
        node.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_with_another_administrator_says_so_until_it_is_settled() {
    let network = ChannelNetwork::new(&ChannelOptions::default()).unwrap();
    let a = start(0, &network, None);
    let other = key(7).verifying_key().to_bytes();
    let disk = MemoryDisk::new();
    let b = start_on(&disk, None, 1, Some(&network), None, other);
    let (to_a, to_b) = (a.handle(), b.handle());
    hand_to(&to_a, roster(&to_a).await.add(public(2), "three"))
        .await
        .unwrap();
    let is_told = async || attention(&to_b, "refused").await;
    until("it is told", async || !is_told().await.is_empty()).await;
    let told = is_told().await;
    assert!(
        told.len() == 1 && told[0].contains("`administrator`"),
        "{told:?}"
    );
    // The member that has the list is told as well.
    let told = async || {
        let answer = to_a.members().await.unwrap();
        let mut members = answer["members"].as_array().unwrap().iter();
        let two = members.find(|member| member["key"] == public_key_text(&public(1)));
        two.map_or(Json::Null, |two| {
            assert_eq!(two["has_list"], false);
            two["refuses_list"].clone()
        })
    };
    until("it is told why", async || told().await.is_string()).await;
    let reason = told().await;
    assert!(
        reason.as_str().unwrap().contains("`administrator`"),
        "{reason}"
    );
    b.stop().await.unwrap();

    let b = start_on(
        &disk,
        None,
        1,
        Some(&network),
        None,
        administrator().verifying_key().to_bytes(),
    );
    all_use(&[&to_a, &b.handle()], 1).await;
    assert!(attention(&b.handle(), "refused").await.is_empty());
    for node in [a, b] {
        node.stop().await.unwrap();
    }
}

async fn status(node: &Handle, field: &str) -> Json {
    node.status().await.unwrap()[field].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whom_a_folding_waits_for_and_what_is_folded_is_shown() {
    let network = ChannelNetwork::new(&ChannelOptions::default()).unwrap();
    let (a, b) = (start(0, &network, None), start(1, &network, None));
    let (to_a, to_b) = (a.handle(), b.handle());
    let (c, _) = join(&to_a, &network).await;
    let to_c = c.handle();
    all_use(&[&to_a, &to_b, &to_c], 1).await;
    to_c.change(accum(2)).await.unwrap();
    all_have(&[&to_a, &to_b, &to_c], 2).await;
    let origin = status(&to_c, "origin").await;
    assert_eq!(status(&to_a, "closings").await, json!([]));
    b.stop().await.unwrap();
    to_c.change(Change::Retire).await.unwrap();

    for node in [&to_a, &to_c] {
        until("only one signature is missing", async || {
            let closing = status(node, "closings").await[0].clone();
            let missing = closing["missing"].as_array();
            missing.is_some_and(|missing| missing.len() == 1)
        })
        .await;
    }
    let three = public_key_text(&public(2));
    let two = public_key_text(&public(1));
    for node in [&to_a, &to_c] {
        let closings = status(node, "closings").await;
        assert_eq!(closings.as_array().unwrap().len(), 1, "{closings:#}");
        let closing = &closings[0];
        assert_eq!(closing["key"], three);
        assert_eq!(closing["member"], "three");
        assert_eq!(closing["origins"], json!([origin]));
        let missing = json!([{"key": two, "member": null, "this": false, "up": false}]);
        assert_eq!(closing["missing"], missing, "{closing:#}");
        let text = closing["text"].as_str().unwrap();
        assert!(text.starts_with("three has retired"), "{text}");
        assert!(
            text.contains(&format!("until key {two} has signed")),
            "{text}"
        );
        assert!(text.contains("while it is only away"), "{text}");
        assert!(text.contains("if it is gone for good, remove it"), "{text}");
        let members = node.members().await.unwrap();
        assert_eq!(members["closings"], closings);
        let mut listed = members["members"].as_array().unwrap().iter();
        assert!(listed.all(|member| (member["key"] == three) == (member["cause"] == "retired")));
        // There may be one of the list.
        let certificate = &members["certificate"];
        assert!(
            certificate.is_null() || certificate["closed"] == json!([]),
            "{certificate:#}"
        );
    }

    // What the text says.
    let removed = roster(&to_a).await.remove(&public(1));
    hand_to(&to_a, removed).await.unwrap();
    until("it is folded", async || {
        status(&to_a, "closings").await == json!([]) && status(&to_c, "closings").await == json!([])
    })
    .await;
    let certificate = status(&to_a, "certificate").await;
    assert_eq!(certificate["roster"], 2, "{certificate:#}");
    let one = public_key_text(&public(0));
    assert_eq!(
        certificate["signers"],
        json!([{"key": one, "member": null}])
    );
    assert_eq!(certificate["closed"][0]["key"], three);
    assert_eq!(certificate["closed"][0]["cause"], "retired");
    assert_eq!(certificate["closed"].as_array().unwrap().len(), 1);
    assert_eq!(certificate["origins"], json!([origin]));
    assert_eq!(status(&to_c, "certificate").await, certificate);
    for node in [a, c] {
        node.stop().await.unwrap();
    }
}

/// Waits for a closing of node `n`'s key at a node, and returns its text.
async fn closing_of(node: &Handle, n: u8) -> String {
    let key = public_key_text(&public(n));
    let mut found = None;
    until(&format!("a closing of node {n}"), async || {
        let closings = status(node, "closings").await;
        let mut closings = closings.as_array().unwrap().iter();
        let closing = closings.find(|closing| closing["key"] == key);
        found = closing.map(|closing| closing["text"].as_str().unwrap().to_owned());
        found.is_some()
    })
    .await;
    found.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closing_of_a_former_key_or_life_does_not_say_that_the_member_was_removed() {
    let network = ChannelNetwork::new(&ChannelOptions::default()).unwrap();
    let (a, b) = (start(0, &network, None), start(1, &network, None));
    let (to_a, to_b) = (a.handle(), b.handle());
    let named = roster(&to_a).await.rename(&public(1), "two").unwrap();
    let named = named.rename(&public(0), "one").unwrap();
    hand_to(&to_a, named.add(public(2), "three")).await.unwrap();
    all_use(&[&to_a, &to_b], 1).await;
    to_b.change(accum(1)).await.unwrap();
    // What is not signed is taken back with the key.
    let signed = async |count: u64| {
        until("signed", async || status(&to_a, "merged").await == count).await;
    };
    all_have(&[&to_a, &to_b], 1).await;
    signed(1).await;
    b.stop().await.unwrap();

    // Another key, and yet another one.
    for (old, new, bit) in [(1, 3, 2), (3, 4, 4)] {
        let rotated = roster(&to_a).await.rotate(&public(old), public(new));
        let rotated = hand_to(&to_a, rotated).await.unwrap();
        let text = closing_of(&to_a, old).await;
        assert!(text.starts_with("a former key of two is closed"), "{text}");
        let signers = [
            "until two, three have signed",
            "until three, two have signed",
        ];
        assert!(
            signers.iter().any(|signers| text.contains(signers)),
            "{text}"
        );
        assert!(text.contains("while they are only away"), "{text}");
        let b = start(new, &network, Some(&rotated));
        let to_b = b.handle();
        to_b.change(accum(bit)).await.unwrap();
        all_have(&[&to_a, &to_b], 2 * bit - 1).await;
        signed(bit / 2 + 1).await;
        b.stop().await.unwrap();
    }

    // Removed, and added again under the same key.
    let removed = roster(&to_a).await.remove(&public(4));
    hand_to(&to_a, removed).await.unwrap();
    let text = closing_of(&to_a, 4).await;
    assert!(text.starts_with("two was removed"), "{text}");
    assert!(text.contains("until three has signed"), "{text}");
    let again = roster(&to_a).await.add(public(4), "two");
    hand_to(&to_a, again).await.unwrap();
    let text = closing_of(&to_a, 4).await;
    let begins = "the life of two before list 5 is over";
    assert!(text.starts_with(begins), "{text}");
    a.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_has_just_joined_was_not_removed() {
    let network = ChannelNetwork::new(&ChannelOptions::default()).unwrap();
    let a = start(0, &network, None);
    let invited = roster(&a.handle()).await.add(public(2), "three");
    let invited = hand_to(&a.handle(), invited).await.unwrap();
    a.stop().await.unwrap();
    let c = start(2, &network, Some(&invited));
    let text = closing_of(&c.handle(), 2).await;
    let begins = "the life of three before list 1 is over";
    assert!(text.starts_with(begins), "{text}");
    c.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_key_was_replaced_is_told_to_restart_with_the_new_one() {
    let network = ChannelNetwork::new(&ChannelOptions::default()).unwrap();
    let (a, b) = (start(0, &network, None), start(1, &network, None));
    let (to_a, to_b) = (a.handle(), b.handle());
    let named = roster(&to_a).await.rename(&public(1), "two").unwrap();
    hand_to(&to_a, named.add(public(2), "three")).await.unwrap();
    all_use(&[&to_a, &to_b], 1).await;
    to_b.change(accum(1)).await.unwrap();
    let replaced = roster(&to_a).await.rotate(&public(1), public(3));
    hand_to(&to_a, replaced).await.unwrap();
    all_use(&[&to_a, &to_b], 2).await;
    let refused = Refused::Rotated {
        roster: 2,
        name: "two".to_owned(),
        key: public_key_text(&public(3)),
    };
    for change in [accum(2), Change::Undo(1), Change::Retire] {
        assert_eq!(to_b.change(change).await, Err(refused.clone()));
    }
    let text = refused.to_string();
    for step in ["move its key file to former.key", "former-2.key"] {
        assert!(text.contains(step), "{text}");
    }
    assert_eq!(status(&to_b, "stopped").await, text);
    let events = status(&to_b, "events").await;
    let mut events = events.as_array().unwrap().iter();
    assert!(events.any(|event| event["event"] == "removed" && event["text"] == text));
    assert_eq!(status(&to_a, "stopped").await, Json::Null);
    for node in [a, b] {
        node.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_key_was_replaced_twice_follows_to_the_newest() {
    let network = ChannelNetwork::new(&ChannelOptions::default()).unwrap();
    let sign =
        |roster: Roster| roster.sign("test", &atomik_replica::Shape::xor(1), &administrator());
    let founders = Roster::first([(public(0), "one"), (public(1), "two")]).unwrap();
    let first = sign(founders.add(public(2), "three").unwrap());
    let second = sign(first.rotate(&public(1), public(3)).unwrap());
    let third = sign(second.rotate(&public(3), public(4)).unwrap());
    let a = start(0, &network, Some(&second));
    // With its old key, and with the one in between, which it may have been given meanwhile.
    for (n, known, events) in [(1, &first, 2), (3, &second, 1)] {
        let b = start(n, &network, Some(known));
        let (to_a, to_b) = (a.handle(), b.handle());
        let names = async |number: u64, key: u8| {
            until(&format!("it names key {key}"), async || {
                let stopped = status(&to_b, "stopped").await;
                let stopped = stopped.as_str().unwrap_or_default();
                stopped.contains(&format!("(roster {number}) has another key for two"))
                    && stopped.contains(&public_key_text(&public(key)))
                    && stopped.contains("`atomik node members` at another member")
            })
            .await;
        };
        if n == 1 {
            names(2, 3).await;
            to_a.change(Change::Roster(third.encode())).await.unwrap();
        }
        names(3, 4).await;
        let kept = status(&to_b, "events").await;
        let kept = kept.as_array().unwrap().iter();
        let told = kept.filter(|event| event["event"] == "removed");
        let told: Vec<&str> = told.map(|event| event["text"].as_str().unwrap()).collect();
        assert_eq!(told.len(), events, "{told:#?}");
        assert!(told.last().unwrap().contains(&public_key_text(&public(4))));
        b.stop().await.unwrap();
    }
    a.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_retires_without_peers_says_what_that_waits_for() {
    let network = ChannelNetwork::new(&ChannelOptions::default()).unwrap();
    let a = start(0, &network, None);
    let to_a = a.handle();
    to_a.change(accum(1)).await.unwrap();
    assert_eq!(status(&to_a, "leaving").await, Json::Null);
    to_a.change(Change::Retire).await.unwrap();
    let leaving = status(&to_a, "leaving").await;
    assert!(
        leaving
            .as_str()
            .unwrap()
            .contains("let it run until it is in sync"),
        "{leaving}"
    );
    let b = start(1, &network, None);
    until("it has retired", async || {
        status(&to_a, "leaving").await == Json::Null
    })
    .await;
    all_have(&[&b.handle()], 1).await;
    for node in [a, b] {
        node.stop().await.unwrap();
    }
}

/// Two members, and the administrator.
struct Desk {
    members: Members,
    administrator: Administrator,
}

impl Desk {
    fn new() -> Self {
        let members = Members::new(2);
        Self {
            administrator: Administrator::new(members.folder.path()),
            members,
        }
    }

    fn start(&self, n: usize) -> Running {
        self.start_with(n, &[])
    }

    fn start_with(&self, n: usize, more: &[&str]) -> Running {
        let key = &self.administrator.key;
        let args = ["--engine", "none", "--administrator", key];
        self.members.start(n, &[], &[&args, more].concat())
    }

    /// Runs a command of the administrator at node 0, which must succeed; returns its output.
    fn done(&self, words: &[&str]) -> String {
        self.administrator.done(&self.members.data(0), words)
    }

    /// Runs a command of the administrator at node 0.
    fn command(&self, words: &[&str]) -> (i32, String, String) {
        self.administrator.command(&self.members.data(0), words)
    }
}

#[test]
fn an_invitation_sets_up_a_new_machine() {
    let desk = Desk::new();
    let _node = desk.start(0);
    let folder = desk.members.folder.path();
    let data = folder.join("new");
    let key = keygen(&data.join("node.key"));
    let out = text(&folder.join("invitation"));
    let invited = format!("new={key}");
    let connect = "tcp/192.0.2.1:7447";
    let words = ["invite", &invited, "--connect", connect, "--out", &out];
    let stdout = desk.done(&words);
    assert!(stdout.contains("new is on list 1"), "{stdout}");
    let invitation = Invitation::read(Path::new(&out)).unwrap();
    assert_eq!(invitation.secret, None);
    assert_eq!(invitation.connect, [connect]);
    assert_eq!(Invitation::parse(&invitation.text()).unwrap(), invitation);
    let listed = invitation.roster().unwrap();
    let names: Vec<&str> = listed
        .members()
        .iter()
        .map(|member| &*member.name)
        .collect();
    assert!(["n0", "n1", "new"].iter().all(|name| names.contains(name)));

    // The same invitation again is no new list.
    let again = text(&folder.join("again"));
    let words = ["invite", &invited, "--with-secret", "--out", &again];
    let stdout = desk.done(&words);
    assert!(stdout.contains("on list 1"), "{stdout}");
    assert!(is_private(Path::new(&again)));

    // The engine of the inviting node serves for this test: none, without an address.
    let words = ["join", &again, "--data", &text(&data)];
    let joined = run(&words);
    assert_eq!(stderr(&joined), "");
    let config = data.join("node.toml");
    assert!(is_private(&data.join("keyspace.secret")));
    let secret = |data: &Path| fs::read_to_string(data.join("keyspace.secret")).unwrap();
    assert_eq!(secret(&data), secret(&desk.members.data(0)));
    let new = desk.members.start_with_config(&data, &config);
    let answer = new.ask(serde_json::json!({"op": "members"}));
    assert_eq!(answer["number"], 1);
    new.ask(serde_json::json!({"op": "accum", "key": "x", "value": 1}));
    assert_eq!(new.stop().code(), Some(0));
}

#[test]
fn an_invitation_has_the_layout_and_the_pace_of_the_keyspace() {
    let desk = Desk::new();
    let more = ["--layout", "add:16,xor:8", "--sync-interval-ms", "50"];
    let _node = desk.start_with(0, &more);
    let folder = desk.members.folder.path();
    let data = folder.join("new");
    let key = keygen(&data.join("node.key"));
    let out = text(&folder.join("invitation"));
    let invited = format!("new={key}");
    desk.done(&["invite", &invited, "--with-secret", "--out", &out]);
    let invitation = Invitation::read(Path::new(&out)).unwrap();
    assert_eq!(Invitation::parse(&invitation.text()).unwrap(), invitation);
    assert!(
        invitation.roster().unwrap().number() == 1,
        "signed for this layout"
    );
    let other = Invitation {
        layout: None,
        ..invitation
    };
    assert!(other.roster().is_err(), "and for no other");
    let joined = run(&["join", &out, "--data", &text(&data)]);
    assert_eq!(stderr(&joined), "");
    let new = desk
        .members
        .start_with_config(&data, &data.join("node.toml"));
    new.ask(serde_json::json!({"op": "add", "key": "x", "value": -3}));
    let answer = new.ask(serde_json::json!({"op": "get", "key": "x"}));
    assert_eq!(answer["fields"], serde_json::json!([-3, "0x0"]));
    let answer = new.ask(serde_json::json!({"op": "members"}));
    assert_eq!(answer["sync_interval_ms"], 50);
    assert_eq!(new.stop().code(), Some(0));
}

/// A key that is replaced before all members have what was made under the one before.
#[test]
fn every_former_key_in_the_data_folder_is_used() {
    let desk = Desk::new();
    let data = desk.members.data(1);
    let lacks_key = |node: &Running| {
        let status = node.status();
        let mut attention = status["attention"].as_array().unwrap().iter();
        attention.any(|event| event["event"] == "former_key")
    };
    let node = desk.start(1);
    node.ask(json!({"op": "put", "key": "x", "value": 5}));
    assert!(node.stop().success());
    for former in ["former-2.key", "former.key"] {
        fs::rename(data.join("node.key"), data.join(former)).unwrap();
        keygen(&data.join("node.key"));
    }
    let node = desk.start(1);
    assert!(!lacks_key(&node));
    assert!(node.stop().success());
    fs::remove_file(data.join("former-2.key")).unwrap();
    let node = desk.start(1);
    assert!(lacks_key(&node));
    assert!(node.stop().success());
}

#[test]
fn members_are_listed_removed_and_given_new_keys() {
    let desk = Desk::new();
    let node = desk.start(0);
    let folder = desk.members.folder.path();
    let key = keygen(&folder.join("new.key"));
    desk.done(&["rotate", "n1", &key]);
    let data = text(&desk.members.data(0));
    let list = || {
        let listed = run(&["members", "--data", &data]);
        String::from_utf8(listed.stdout).unwrap()
    };
    let rotated = list();
    assert!(rotated.starts_with("list 1\n"), "{rotated}");
    let line = rotated
        .lines()
        .find(|line| line.starts_with("n1 "))
        .unwrap();
    assert!(
        line.contains(&key) && line.contains("since 1  not seen"),
        "{line}"
    );
    assert!(rotated.contains("this node"), "{rotated}");
    desk.done(&["remove", &key]);
    assert!(!list().contains("n1"), "{}", list());

    let (status, _, errors) = desk.command(&["remove", "n1"]);
    assert_eq!(status, 2);
    assert!(
        errors.contains("`atomik-node members` lists them"),
        "{errors}"
    );
    let other = text(&folder.join("new.key"));
    let refused = run(&["remove", "n0", "--data", &data, "--sign-with", &other]);
    assert_eq!(refused.status.code(), Some(2));
    let errors = stderr(&refused);
    assert!(
        errors.contains("name the administrator's key file"),
        "{errors}"
    );
    let invite = format!("new={key}");
    let (status, _, errors) = desk.command(&["invite", &invite, "--with-secret"]);
    assert_eq!(status, 2);
    assert!(errors.contains("needs --out"), "{errors}");
    assert!(list().starts_with("list 2\n"));
    // A restart forgets nothing, and the removed key does not come back with the configuration.
    assert_eq!(node.stop().code(), Some(0));
    let _node = desk.start(0);
    assert!(list().starts_with("list 2\n"), "{}", list());
}

#[test]
fn of_orders_given_at_once_those_that_end_with_0_count_and_the_others_say_so() {
    let desk = Desk::new();
    let node = desk.start(0);
    let folder = desk.members.folder.path();
    let names: Vec<String> = (0..8).map(|n| format!("new{n}")).collect();
    let invited = names.iter().map(|name| {
        let key = keygen(&folder.join(format!("{name}.key")));
        format!("{name}={key}")
    });
    let invited: Vec<String> = invited.collect();
    let ended: Vec<_> = std::thread::scope(|scope| {
        let orders = invited.iter().map(|member| {
            let desk = &desk;
            scope.spawn(move || desk.command(&["invite", member]))
        });
        let orders: Vec<_> = orders.collect();
        let ended = orders.into_iter().map(|order| order.join().unwrap());
        ended.collect()
    });
    let listed = node.ask(json!({"op": "members"}))["members"].clone();
    let mut done = 0;
    for (name, (status, _, errors)) in names.iter().zip(ended) {
        let mut members = listed.as_array().unwrap().iter();
        let counts = members.any(|member| member["name"] == **name);
        assert_eq!(status == 0, counts, "{name}: {status} {errors}");
        done += u64::from(counts);
        if !counts {
            assert_eq!(status, 1, "{errors}");
            let next = "another change of the members came first; look with `atomik-node members`";
            assert!(errors.contains(next), "{errors}");
        }
    }
    assert!(done > 0);
    assert_eq!(node.ask(json!({"op": "members"}))["number"], done);
}

#[test]
fn an_order_at_a_node_off_the_list_is_refused_and_one_that_not_all_hear_of_says_so() {
    let desk = Desk::new();
    let node = desk.start(0);
    let key = keygen(&desk.members.folder.path().join("new.key"));
    let printed = desk.done(&["rotate", "n0", &key]);
    assert!(printed.contains("n0 has a new key on list 1"), "{printed}");
    let unheard = "not heard of it yet: n1, which this node does not see";
    assert!(printed.contains(unheard), "{printed}");
    let invited = format!("new={key}");
    for order in [vec!["remove", "n1"], vec!["invite", &invited]] {
        let (status, _, errors) = desk.command(&order);
        assert_eq!(status, 2, "{errors}");
        assert!(errors.contains("run the command at a member"), "{errors}");
    }
    assert_eq!(node.ask(json!({"op": "members"}))["number"], 1);
}

#[test]
fn without_an_administrator_the_next_step_is_named() {
    let desk = Desk::new();
    let _node = desk.members.start(0, &[], &["--engine", "none"]);
    let (status, _, errors) = desk.command(&["remove", "n1"]);
    assert_eq!(status, 2);
    assert!(errors.contains("set `administrator`"), "{errors}");
}

#[test]
fn an_invitation_for_another_key_or_with_a_forged_list_sets_up_nothing() {
    let desk = Desk::new();
    let _node = desk.start(0);
    let folder = desk.members.folder.path();
    let (data, other) = (folder.join("new"), folder.join("other"));
    let key = keygen(&data.join("node.key"));
    keygen(&other.join("node.key"));
    let out = folder.join("invitation");
    desk.done(&["invite", &format!("new={key}"), "--out", &text(&out)]);
    let join = |file: &Path, data: &Path| {
        let joined = run(&["join", &text(file), "--data", &text(data)]);
        assert_eq!(joined.status.code(), Some(2), "{}", stderr(&joined));
        assert!(!data.join("node.toml").exists());
        stderr(&joined)
    };
    assert!(join(&out, &other).contains("have the administrator invite this one"));
    let mut forged = Invitation::read(&out).unwrap();
    let roster = Roster::decode(&parse_bytes(&forged.roster).unwrap()).unwrap();
    let roster = roster.sign(
        "test",
        &atomik_replica::Shape::xor(1),
        &key_of(&other.join("node.key")),
    );
    forged.roster = atomik_node::text::bytes_text(&roster.encode());
    let file = folder.join("forged");
    fs::write(&file, forged.text()).unwrap();
    assert!(join(&file, &data).contains("not signed by the administrator"));
    let edits: [fn(&mut Invitation); 3] = [
        |edited| edited.words = Some(2),
        |edited| edited.keyspace = "other".parse().unwrap(),
        |edited| {
            let layout: atomik_replica::Layout = "add:64".parse().unwrap();
            (edited.words, edited.layout) = (None, Some(LayoutName(layout)));
        },
    ];
    for edit in edits {
        let mut edited = Invitation::read(&out).unwrap();
        edit(&mut edited);
        fs::write(&file, edited.text()).unwrap();
        let errors = join(&file, &data);
        assert!(errors.contains("changed after it was written"), "{errors}");
        assert!(errors.contains("words and layout"), "{errors}");
    }
}

/// Keys that `keygen` cannot print: in hex digits.
fn ownerless() -> Vec<String> {
    let small = [0; 32];
    let parse = |key: &PublicKey| ed25519_dalek::VerifyingKey::from_bytes(key).unwrap();
    let mixed = parse(&public(0)).to_edwards() + parse(&small).to_edwards();
    let mut identity = small;
    identity[0] = 1;
    // Of these, the first is no point, and the last is the identity in another encoding.
    let mut other_identity = [0xff; 32];
    (other_identity[0], other_identity[31]) = (0xee, 0x7f);
    let keys = [[2; 32], [0xff; 32], small, identity, other_identity];
    let keys = keys.iter().map(public_key_text);
    keys.chain([public_key_text(mixed.compress().as_bytes())])
        .collect()
}

#[test]
fn a_key_that_nobody_can_own_is_refused_wherever_one_is_read() {
    let desk = Desk::new();
    let node = desk.start(0);
    let folder = desk.members.folder.path();
    let data = folder.join("new");
    let good = keygen(&data.join("node.key"));
    let out = folder.join("invitation");
    desk.done(&["invite", &format!("new={good}"), "--out", &text(&out)]);
    let invitation = fs::read_to_string(&out).unwrap();
    let (config, member) = (folder.join("node.toml"), &desk.members.list[1]);
    let refused = |(status, _, errors): (i32, String, String)| {
        assert_eq!(status, 2, "{errors}");
        assert!(errors.contains("no private key belongs to it"), "{errors}");
    };
    let option = |words: &[&str]| {
        let output = run(words);
        refused((
            output.status.code().unwrap(),
            String::new(),
            stderr(&output),
        ));
    };
    for bad in ownerless() {
        refused(desk.command(&["invite", &format!("five={bad}")]));
        refused(desk.command(&["rotate", "n1", &bad]));
        option(&["--administrator", &bad]);
        option(&["--member", &format!("five={bad}")]);
        let table = format!("[[member]]\nname = \"five\"\nkey = \"{bad}\"\n");
        fs::write(&config, table).unwrap();
        option(&["--config", &text(&config)]);
        fs::write(&config, format!("administrator = \"{bad}\"\n")).unwrap();
        option(&["--config", &text(&config)]);
        for known in [&good, &desk.administrator.key, &member[3..]] {
            assert!(invitation.contains(known), "{known}");
            let named = format!("key = \"{known}\"");
            let edited = invitation.replace(&named, &format!("key = \"{bad}\""));
            let named = format!("administrator = \"{known}\"");
            let edited = edited.replace(&named, &format!("administrator = \"{bad}\""));
            assert_ne!(edited, invitation);
            let file = folder.join("edited");
            fs::write(&file, edited).unwrap();
            option(&["join", &text(&file), "--data", &text(&data)]);
        }
    }
    assert_eq!(node.ask(json!({"op": "members"}))["number"], 1);
}

#[test]
fn a_member_is_not_named_like_a_key() {
    let desk = Desk::new();
    let node = desk.start(0);
    let key = keygen(&desk.members.folder.path().join("new.key"));
    let (_, one) = desk.members.list[1].split_once('=').unwrap();
    let config = desk.members.folder.path().join("node.toml");
    for name in [one.to_owned(), key.clone(), one.to_uppercase()] {
        let (status, _, errors) = desk.command(&["invite", &format!("{name}={key}")]);
        assert_eq!(status, 2, "{errors}");
        assert!(errors.contains("looks like a key"), "{errors}");
        let table = format!("[[member]]\nname = \"{name}\"\nkey = \"{key}\"\n");
        fs::write(&config, table).unwrap();
        let errors = stderr(&run(&["--config", &text(&config)]));
        assert!(errors.contains("looks like a key"), "{errors}");
    }
    fs::write(
        &config,
        format!("[[member]]\nname = \"\"\nkey = \"{key}\"\n"),
    )
    .unwrap();
    let errors = stderr(&run(&["--config", &text(&config)]));
    assert!(errors.contains("a member without a name"), "{errors}");
    assert_eq!(node.ask(json!({"op": "members"}))["number"], 0);
}

#[test]
fn an_endpoint_is_checked_before_a_list_is_signed_and_before_a_folder_is_set_up() {
    let desk = Desk::new();
    let node = desk.start(0);
    let folder = desk.members.folder.path();
    let data = folder.join("new");
    let key = keygen(&data.join("node.key"));
    let out = folder.join("invitation");
    let (invited, file) = (format!("new={key}"), text(&out));
    for endpoint in ["garbage", "192.0.2.1:7447", "tcp/", ""] {
        let words = ["invite", &invited, "--connect", endpoint, "--out", &file];
        let (status, _, errors) = desk.command(&words);
        assert_eq!(status, 2, "{endpoint}: {errors}");
        assert!(errors.contains("write tcp/HOST:PORT"), "{errors}");
        assert_eq!(node.ask(json!({"op": "members"}))["number"], 0);
        assert!(!out.exists());
    }
    let connect = "tcp/192.0.2.1:7447";
    desk.done(&["invite", &invited, "--connect", connect, "--out", &file]);
    let edited = fs::read_to_string(&out)
        .unwrap()
        .replace(connect, "garbage");
    fs::write(&out, edited).unwrap();
    let joined = run(&["join", &file, "--data", &text(&data)]);
    assert_eq!(joined.status.code(), Some(2));
    let errors = stderr(&joined);
    assert!(errors.contains("write tcp/HOST:PORT"), "{errors}");
    assert!(!data.join("node.toml").exists());
}

#[test]
fn what_changes_nothing_is_refused_with_what_is_wrong() {
    let desk = Desk::new();
    let node = desk.start(0);
    let data = text(&desk.members.data(0));
    let (_, one) = desk.members.list[1].split_once('=').unwrap();
    for member in ["n1", one] {
        let (status, _, errors) = desk.command(&["rotate", member, one]);
        assert_eq!(status, 2, "{errors}");
        assert!(errors.contains("has this key already"), "{errors}");
    }
    let missing = [
        "remove",
        "n1",
        "--data",
        &data,
        "--sign-with",
        "missing.key",
    ];
    let refused = run(&missing);
    assert_eq!(refused.status.code(), Some(2));
    let errors = stderr(&refused);
    assert!(
        errors.contains("name the administrator's key file"),
        "{errors}"
    );
    assert!(!errors.contains("keygen"), "{errors}");
    assert_eq!(node.ask(json!({"op": "members"}))["number"], 0);
}

#[test]
fn the_last_member_that_retires_waits_for_nobody() {
    for (count, says) in [(1, "nobody to wait for"), (2, "until a peer logs")] {
        let members = Members::new(count);
        let node = members.start(0, &[], &["--engine", "none"]);
        node.ask(json!({"op": "accum", "key": "x", "value": 1}));
        let retired = run(&["retire", "--data", &text(&members.data(0))]);
        assert_eq!(retired.status.code(), Some(0), "{}", stderr(&retired));
        let printed = String::from_utf8(retired.stdout).unwrap();
        assert!(printed.contains(says), "{printed}");
        let leaving = &node.status()["leaving"];
        assert_eq!(leaving.is_null(), count == 1, "{leaving}");
    }
}

fn key_of(file: &Path) -> SigningKey {
    atomik_node::credential::read_key(file).unwrap()
}
