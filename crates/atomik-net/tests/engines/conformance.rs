//! The tests that every engine must pass, written against the trait alone.

use std::collections::BTreeSet;
use std::time::Duration;

use atomik_net::{Counters, Engine, MAX_MESSAGE, PeerId, Received, SendError};
use tokio::time::{sleep, timeout};

/// The `incoming_messages` of all engines that a lab opens.
pub const INCOMING: usize = 64;

/// Timeout against hanging tests, far longer than anything here takes.
const GUARD: Duration = Duration::from_secs(60);

/// An environment in which a test can open any number of replicas of one keyspace.
pub trait Lab {
    type Engine: Engine;
    async fn open(&self, me: PeerId) -> Self::Engine;
}

pub fn peer(n: u8) -> PeerId {
    [n; 16]
}

/// The next message or peer change.
pub async fn next(engine: &mut impl Engine) -> Received {
    timeout(GUARD, engine.receive())
        .await
        .expect("nothing was received")
        .expect("the engine is closed")
}

/// The next message, skipping peer changes.
pub async fn message(engine: &mut impl Engine) -> (PeerId, Vec<u8>) {
    loop {
        if let Received::Message { from, bytes } = next(engine).await {
            return (from, bytes);
        }
    }
}

/// Waits for `what`, skipping everything before it.
pub async fn until(engine: &mut impl Engine, what: Received) {
    while next(engine).await != what {}
}

/// Waits until each engine sees all the others up.
pub async fn meet<E: Engine>(engines: &mut [&mut E]) {
    let others = engines.len() - 1;
    for engine in engines.iter_mut() {
        let mut up = BTreeSet::new();
        while up.len() < others {
            match next(*engine).await {
                Received::PeerUp(peer) => drop(up.insert(peer)),
                Received::PeerDown(peer) => drop(up.remove(&peer)),
                Received::Message { .. } => panic!("a message although none was sent"),
            }
        }
        assert_eq!(engine.counters().peers, others as u64);
    }
}

/// Waits until this many messages have been sent, or have failed.
pub async fn settle(engine: &impl Engine, messages: u64) {
    let left = async {
        loop {
            let counters = engine.counters();
            if counters.messages_out + counters.failed_out >= messages {
                return;
            }
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(GUARD, left)
        .await
        .expect("accepted messages are not sent");
}

/// Waits until an engine has seen another keyspace, and checks that it is the only one.
#[cfg(any(feature = "zenoh", feature = "nats"))]
pub async fn sees_keyspace(engine: &impl Engine, name: &str) {
    let seen = async {
        while engine.other_keyspaces().is_empty() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(GUARD, seen)
        .await
        .expect("no other keyspace is seen");
    assert_eq!(engine.other_keyspaces(), [name.parse().unwrap()]);
}

/// Waits until `invalid` messages were dropped as invalid.
#[cfg(any(feature = "zenoh", feature = "nats"))]
pub async fn counted(engine: &impl Engine, invalid: u64) {
    let wait = async {
        while engine.counters().dropped_invalid < invalid {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(GUARD, wait)
        .await
        .expect("they were not dropped, or not counted");
    assert_eq!(engine.counters().dropped_invalid, invalid);
}

/// Receives messages until none arrives for the time `quiet`.
async fn drain(engine: &mut impl Engine, quiet: Duration) -> Vec<Vec<u8>> {
    let mut got = Vec::new();
    while let Ok(received) = timeout(quiet, engine.receive()).await {
        if let Received::Message { bytes, .. } = received.expect("the engine is closed") {
            got.push(bytes);
        }
    }
    got
}

pub async fn three_peers_see_each_other_come_up(lab: impl Lab) {
    let (mut a, mut b) = (lab.open(peer(1)).await, lab.open(peer(2)).await);
    let mut c = lab.open(peer(3)).await;
    meet(&mut [&mut a, &mut b, &mut c]).await;
}

pub async fn a_message_reaches_one_peer_and_is_counted(lab: impl Lab) {
    let (mut a, mut b) = (lab.open(peer(1)).await, lab.open(peer(2)).await);
    let mut c = lab.open(peer(3)).await;
    meet(&mut [&mut a, &mut b, &mut c]).await;
    a.send(peer(2), b"for b".to_vec()).unwrap();
    assert_eq!(message(&mut b).await, (peer(1), b"for b".to_vec()));
    // A copy of the other one would arrive before it.
    a.send(peer(3), b"and for c".to_vec()).unwrap();
    assert_eq!(message(&mut c).await, (peer(1), b"and for c".to_vec()));
    b.send(peer(1), b"answer".to_vec()).unwrap();
    assert_eq!(message(&mut a).await, (peer(2), b"answer".to_vec()));
    settle(&a, 2).await;
    settle(&b, 1).await;
    let wanted_a = Counters {
        messages_out: 2,
        bytes_out: 14,
        messages_in: 1,
        bytes_in: 6,
        peers: 2,
        ..Counters::default()
    };
    let wanted_b = Counters {
        messages_out: 1,
        bytes_out: 6,
        messages_in: 1,
        bytes_in: 5,
        peers: 2,
        ..Counters::default()
    };
    assert_eq!((a.counters(), b.counters()), (wanted_a, wanted_b));
}

pub async fn a_closed_peer_goes_down_and_comes_up_when_it_returns(lab: impl Lab) {
    let (mut a, mut b) = (lab.open(peer(1)).await, lab.open(peer(2)).await);
    meet(&mut [&mut a, &mut b]).await;
    b.send(peer(1), b"last words".to_vec()).unwrap();
    let counters = timeout(GUARD, b.close()).await.expect("close hangs");
    assert_eq!((counters.messages_out, counters.failed_out), (1, 0));
    // The two travel separately and arrive in any order.
    let mut left = vec![
        Received::Message {
            from: peer(2),
            bytes: b"last words".to_vec(),
        },
        Received::PeerDown(peer(2)),
    ];
    while !left.is_empty() {
        let received = next(&mut a).await;
        let at = left
            .iter()
            .position(|wanted| *wanted == received)
            .expect("one of the two");
        left.remove(at);
    }
    assert_eq!(a.counters().peers, 0);

    let mut b = lab.open(peer(2)).await;
    until(&mut a, Received::PeerUp(peer(2))).await;
    until(&mut b, Received::PeerUp(peer(1))).await;
    a.send(peer(2), b"again".to_vec()).unwrap();
    assert_eq!(message(&mut b).await, (peer(1), b"again".to_vec()));
}

pub async fn a_dropped_peer_goes_down(lab: impl Lab) {
    let (mut a, mut b) = (lab.open(peer(1)).await, lab.open(peer(2)).await);
    meet(&mut [&mut a, &mut b]).await;
    drop(b);
    until(&mut a, Received::PeerDown(peer(2))).await;
}

pub async fn a_message_of_full_length_arrives_whole_and_a_longer_one_is_refused(lab: impl Lab) {
    let (mut a, mut b) = (lab.open(peer(1)).await, lab.open(peer(2)).await);
    meet(&mut [&mut a, &mut b]).await;
    let long: Vec<u8> = (0..MAX_MESSAGE).map(|i| ((i * 31) >> 3) as u8).collect();
    let too_long = vec![0; MAX_MESSAGE + 1];
    let refusal = Err(SendError::TooLong {
        length: MAX_MESSAGE + 1,
    });
    a.send(peer(2), long.clone()).unwrap();
    assert!(message(&mut b).await == (peer(1), long.clone()));
    assert_eq!(a.send(peer(2), too_long.clone()), refusal);
    b.send(peer(1), long.clone()).unwrap();
    assert!(message(&mut a).await == (peer(2), long));
    assert_eq!(b.send(peer(1), too_long), refusal);
    assert_eq!(
        (a.counters().refused_too_long, b.counters().refused_too_long),
        (1, 1)
    );
    a.send(peer(2), Vec::new()).unwrap();
    assert_eq!(message(&mut b).await, (peer(1), Vec::new()));
}

pub async fn a_flood_into_a_peer_that_does_not_receive_is_bounded_and_then_traffic_flows(
    lab: impl Lab,
) {
    const FLOOD: u64 = 20_000;
    let (mut a, mut b) = (lab.open(peer(1)).await, lab.open(peer(2)).await);
    meet(&mut [&mut a, &mut b]).await;
    let mut refused = 0;
    for n in 0..FLOOD {
        let mut bytes = n.to_be_bytes().to_vec();
        bytes.resize(1024, 0);
        match a.send(peer(2), bytes) {
            Ok(()) => {}
            Err(SendError::Full) => refused += 1,
            Err(error) => panic!("{error}"),
        }
        if n % 64 == 0 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(a.counters().refused_full, refused);
    // So that the flood does not delay the answer below.
    settle(&a, FLOOD - refused).await;
    timeout(GUARD, async {
        while b.counters().dropped_full == 0 {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("nothing was dropped, or not counted");

    // The queue holds the beginning of the flood, and no more than its capacity.
    sleep(Duration::from_millis(500)).await;
    let dropped = b.counters().dropped_full;
    let got = drain(&mut b, Duration::from_millis(500)).await;
    assert!(
        (1..=INCOMING).contains(&got.len()),
        "{} messages were held",
        got.len()
    );
    assert!(got.len() as u64 + dropped <= FLOOD - refused);
    a.send(peer(2), b"after the flood".to_vec()).unwrap();
    assert_eq!(
        message(&mut b).await,
        (peer(1), b"after the flood".to_vec())
    );
    b.send(peer(1), b"still here".to_vec()).unwrap();
    assert_eq!(message(&mut a).await, (peer(2), b"still here".to_vec()));
}

pub async fn close_sends_or_counts_all_accepted_messages_and_does_not_hang(lab: impl Lab) {
    const FLOOD: u64 = 3000;
    let (mut a, mut b) = (lab.open(peer(1)).await, lab.open(peer(2)).await);
    meet(&mut [&mut a, &mut b]).await;
    let mut refused = 0;
    for _ in 0..FLOOD {
        // Large, so that many are still queued at the close.
        refused += u64::from(a.send(peer(2), vec![0; 32 * 1024]).is_err());
    }
    let counters = timeout(GUARD, a.close()).await.expect("close hangs");
    assert_eq!(counters.refused_full, refused);
    assert_eq!(counters.messages_out + counters.failed_out + refused, FLOOD);
    assert_eq!(counters.bytes_out, counters.messages_out * 32 * 1024);
    until(&mut b, Received::PeerDown(peer(1))).await;
    timeout(GUARD, b.close()).await.expect("close hangs");
}

/// Instantiates the conformance tests for the labs that `$lab` opens. They are skipped where it
/// returns `None`, after it has printed why.
macro_rules! tests {
    ($lab:ident) => {
        crate::conformance::tests!($lab:
            three_peers_see_each_other_come_up
            a_message_reaches_one_peer_and_is_counted
            a_closed_peer_goes_down_and_comes_up_when_it_returns
            a_dropped_peer_goes_down
            a_message_of_full_length_arrives_whole_and_a_longer_one_is_refused
            a_flood_into_a_peer_that_does_not_receive_is_bounded_and_then_traffic_flows
            close_sends_or_counts_all_accepted_messages_and_does_not_hang
        );
    };
    ($lab:ident: $($name:ident)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            if let Some(lab) = $lab().await {
                crate::conformance::$name(lab).await;
            }
        })*
    };
}
pub(crate) use tests;
