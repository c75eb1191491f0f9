//! The in-process network: conformance, and its seeded faults.

use std::time::Duration;

use atomik_net::channel::{
    ChannelEngine, ChannelNetwork, ChannelOptions, FaultCounts, Faults, Recorded,
};
use atomik_net::{Engine, OpenError, PeerId, Received, SendError};

use crate::conformance::{self, INCOMING, Lab, next, peer};

struct Channels(ChannelNetwork);

impl Lab for Channels {
    type Engine = ChannelEngine;

    async fn open(&self, me: PeerId) -> ChannelEngine {
        self.0.join(me).unwrap()
    }
}

fn network(seed: u64, faults: Faults) -> ChannelNetwork {
    ChannelNetwork::new(&ChannelOptions {
        incoming_messages: INCOMING,
        seed,
        faults,
    })
    .unwrap()
}

async fn lab() -> Option<Channels> {
    Some(Channels(network(1, Faults::default())))
}

conformance::tests!(lab);

/// Sends 0..=199 from one replica to another and returns the numbers that arrive, in order.
async fn deliver(seed: u64, faults: Faults) -> (Vec<u8>, FaultCounts) {
    let options = ChannelOptions {
        incoming_messages: 1024,
        seed,
        faults,
    };
    let network = ChannelNetwork::new(&options).unwrap();
    let (a, mut b) = (
        network.join(peer(1)).unwrap(),
        network.join(peer(2)).unwrap(),
    );
    (0..200).for_each(|n| a.send(peer(2), vec![n]).unwrap());
    let counts = network.faults();
    network.set_faults(Faults::default()).unwrap();
    a.send(peer(2), vec![255]).unwrap();
    let mut got = Vec::new();
    loop {
        match next(&mut b).await {
            Received::Message { bytes, .. } if bytes == [255] => return (got, counts),
            Received::Message { bytes, .. } => got.push(bytes[0]),
            _ => {}
        }
    }
}

#[tokio::test]
async fn without_faults_everything_arrives_once_and_in_order() {
    let (got, counts) = deliver(7, Faults::default()).await;
    assert_eq!(got, (0..200).collect::<Vec<u8>>());
    assert_eq!(counts, FaultCounts::default());
}

#[tokio::test]
async fn every_loss_is_counted() {
    let (got, counts) = deliver(
        7,
        Faults {
            loss: 0.25,
            ..Faults::default()
        },
    )
    .await;
    assert!((20..80).contains(&counts.lost), "{counts:?}");
    assert_eq!(got.len() as u64 + counts.lost, 200);
    assert!(got.is_sorted());
}

#[tokio::test]
async fn every_duplicate_is_counted() {
    let (got, counts) = deliver(
        7,
        Faults {
            duplication: 0.25,
            ..Faults::default()
        },
    )
    .await;
    assert!((20..80).contains(&counts.duplicated), "{counts:?}");
    assert_eq!(got.len() as u64, 200 + counts.duplicated);
}

#[tokio::test]
async fn reordering_changes_the_order_and_nothing_else() {
    let (mut got, counts) = deliver(
        7,
        Faults {
            reorder: 0.25,
            ..Faults::default()
        },
    )
    .await;
    assert!((20..80).contains(&counts.reordered), "{counts:?}");
    assert!(!got.is_sorted());
    got.sort_unstable();
    assert_eq!(got, (0..200).collect::<Vec<u8>>());
}

#[tokio::test]
async fn a_reordered_message_arrives_after_a_few_later_ones() {
    let options = ChannelOptions {
        seed: 7,
        faults: Faults {
            reorder: 0.25,
            ..Faults::default()
        },
        ..ChannelOptions::default()
    };
    let network = ChannelNetwork::new(&options).unwrap();
    let (a, mut b) = (
        network.join(peer(1)).unwrap(),
        network.join(peer(2)).unwrap(),
    );
    (0..200).for_each(|n| a.send(peer(2), vec![n]).unwrap());
    assert_eq!(next(&mut b).await, Received::PeerUp(peer(1)));
    let mut got = 0;
    while tokio::time::timeout(Duration::from_millis(100), b.receive())
        .await
        .is_ok()
    {
        got += 1;
    }
    // Only the last few messages can still be held back.
    assert!((190..200).contains(&got), "{got} arrived");
}

#[tokio::test]
async fn the_same_seed_gives_the_same_run_and_another_seed_a_different_one() {
    let faults = Faults {
        loss: 0.1,
        duplication: 0.1,
        reorder: 0.3,
        refusal: 0.0,
    };
    let run = deliver(7, faults).await;
    assert_eq!(run, deliver(7, faults).await);
    assert_ne!(run.0, deliver(8, faults).await.0);
}

#[tokio::test]
async fn a_refusal_is_returned_to_the_sender_and_counted() {
    let network = network(
        3,
        Faults {
            refusal: 1.0,
            ..Faults::default()
        },
    );
    let a = network.join(peer(1)).unwrap();
    assert_eq!(a.send(peer(2), vec![1]), Err(SendError::Full));
    assert_eq!(
        (a.counters().refused_full, a.counters().messages_out),
        (1, 0)
    );
}

#[tokio::test]
async fn a_partition_cuts_both_ways_until_it_is_healed() {
    let network = network(1, Faults::default());
    let mut a = network.join(peer(1)).unwrap();
    let mut b = network.join(peer(2)).unwrap();
    let mut c = network.join(peer(3)).unwrap();
    conformance::meet(&mut [&mut a, &mut b, &mut c]).await;

    network.partition(&[&[peer(1)], &[peer(2), peer(3)]]);
    assert_eq!(next(&mut a).await, Received::PeerDown(peer(2)));
    assert_eq!(next(&mut a).await, Received::PeerDown(peer(3)));
    assert_eq!(next(&mut b).await, Received::PeerDown(peer(1)));
    assert_eq!(next(&mut c).await, Received::PeerDown(peer(1)));
    a.send(peer(2), vec![1]).unwrap();
    b.send(peer(1), vec![2]).unwrap();
    b.send(peer(3), vec![2]).unwrap();
    assert_eq!(
        next(&mut c).await,
        Received::Message {
            from: peer(2),
            bytes: vec![2]
        }
    );
    assert_eq!(network.faults().cut, 2);

    network.heal();
    assert_eq!(next(&mut a).await, Received::PeerUp(peer(2)));
    assert_eq!(next(&mut a).await, Received::PeerUp(peer(3)));
    assert_eq!(next(&mut b).await, Received::PeerUp(peer(1)));
    a.send(peer(2), vec![3]).unwrap();
    assert_eq!(
        next(&mut b).await,
        Received::Message {
            from: peer(1),
            bytes: vec![3]
        }
    );
}

#[tokio::test]
async fn a_path_cut_one_way_loses_silently_and_the_other_way_still_works() {
    let network = network(1, Faults::default());
    let mut a = network.join(peer(1)).unwrap();
    let mut b = network.join(peer(2)).unwrap();
    conformance::meet(&mut [&mut a, &mut b]).await;
    network.cut(peer(1), peer(2));
    a.send(peer(2), vec![1]).unwrap();
    b.send(peer(1), vec![2]).unwrap();
    assert_eq!(
        next(&mut a).await,
        Received::Message {
            from: peer(2),
            bytes: vec![2]
        }
    );
    network.heal();
    a.send(peer(2), vec![3]).unwrap();
    assert_eq!(
        next(&mut b).await,
        Received::Message {
            from: peer(1),
            bytes: vec![3]
        }
    );
}

#[tokio::test]
async fn an_attacker_records_all_messages_and_injects_any() {
    let network = network(1, Faults::default());
    let mut a = network.join(peer(1)).unwrap();
    let mut b = network.join(peer(2)).unwrap();
    conformance::meet(&mut [&mut a, &mut b]).await;
    network.record();
    network.cut(peer(1), peer(2));
    a.send(peer(2), vec![1]).unwrap();
    let recorded = Recorded {
        from: peer(1),
        to: peer(2),
        bytes: vec![1],
    };
    assert_eq!(network.recorded(), std::slice::from_ref(&recorded));
    assert_eq!(network.recorded(), []);
    network.inject(recorded);
    let (from, bytes) = (peer(1), vec![1]);
    assert_eq!(next(&mut b).await, Received::Message { from, bytes });
    network.announce(peer(2), peer(1), false);
    assert_eq!(next(&mut b).await, Received::PeerDown(peer(1)));
}

#[test]
fn options_are_read_from_toml_and_an_error_names_the_invalid_option() {
    let options: ChannelOptions =
        toml::from_str("seed = 3\n[faults]\nloss = 0.5").expect("all other options have defaults");
    assert_eq!(
        (options.seed, options.faults.loss, options.incoming_messages),
        (3, 0.5, 1024)
    );
    assert!(toml::from_str::<ChannelOptions>("sead = 3").is_err());
    for faults in [
        Faults {
            loss: 1.5,
            ..Faults::default()
        },
        Faults {
            reorder: f64::NAN,
            ..Faults::default()
        },
    ] {
        let options = ChannelOptions { faults, ..options };
        assert!(matches!(
            ChannelNetwork::new(&options),
            Err(OpenError::Option { .. })
        ));
    }
    let network = network(1, Faults::default());
    let _first = network.join(peer(1)).unwrap();
    assert!(network.join(peer(1)).is_err_and(|e| {
        e.to_string()
            .contains("the network has a replica with this id")
    }));
}
