//! Stored changes that wait for more before they are sent.

use core::time::Duration;

use atomik_replica::{Event, Notice};
use proptest::prelude::*;

use crate::replication::{Cluster, config, key, peer};

/// Replicas with sessions, whose changes linger or not.
fn cluster(members: u8, lingers: bool) -> Cluster {
    let configs = (0..members).map(|n| {
        let mut config = config(n, members);
        config.linger = Duration::from_millis(u64::from(lingers));
        config
    });
    let mut cluster = Cluster::with(configs.collect());
    for n in 0..usize::from(members) {
        for other in (0..usize::from(members)).filter(|&other| other != n) {
            meet(&mut cluster, n, other);
        }
    }
    cluster.settle();
    cluster
}

fn meet(cluster: &mut Cluster, n: usize, other: usize) {
    let key = Some(key(other as u8).verifying_key().to_bytes());
    let peer = peer(other);
    cluster.step(n, Event::PeerUp { peer, key });
}

/// Changes a key and stores that.
fn change(cluster: &mut Cluster, n: usize, name: &[u8], delta: u64) {
    cluster.accum(n, name, delta);
    cluster.step(n, Event::Flush);
    assert!(!cluster.replicas[n].is_dirty(), "storage has confirmed it");
}

fn lingers(cluster: &Cluster, n: usize) -> bool {
    cluster.replicas[n].lingers()
}

#[test]
fn a_burst_travels_in_one_message_to_each_peer_and_says_the_same() {
    let burst = |linger: bool| {
        let mut cluster = cluster(3, linger);
        // The stream begins.
        change(&mut cluster, 0, b"x", 1);
        cluster.step(0, Event::Publish);
        cluster.deliver();
        for n in 0..10_u8 {
            change(&mut cluster, 0, &[n % 3], 1 << n);
            assert_eq!(lingers(&cluster, 0), linger);
        }
        cluster.step(0, Event::Publish);
        assert!(!lingers(&cluster, 0));
        let bytes: usize = cluster.wire.iter().map(|(.., bytes)| bytes.len()).sum();
        let messages = cluster.wire.len();
        cluster.deliver();
        assert_eq!(cluster.states(1), cluster.states(0));
        assert_eq!(cluster.states(2), cluster.states(0));
        cluster.settle();
        cluster.assert_equal();
        (messages, bytes)
    };
    let ((at_once, all), (together, fewer)) = (burst(false), burst(true));
    assert_eq!((at_once, together), (20, 2));
    // Format and kind, and the index in the frame, are there once.
    assert_eq!(all - fewer, 2 * 9 * 2);
}

#[test]
fn the_signature_takes_along_what_lingers() {
    for ticks in [false, true] {
        let mut cluster = cluster(2, true);
        change(&mut cluster, 0, b"x", 1);
        change(&mut cluster, 0, b"y", 2);
        assert!(cluster.wire.is_empty());
        if ticks {
            (0..2).for_each(|_| drop(cluster.step(0, Event::Tick)));
            // Comparisons.
            cluster.wire.clear();
        } else {
            cluster.step(0, Event::Seal);
        }
        cluster.step(0, Event::Flush);
        assert_eq!(cluster.wire.len(), 1);
        assert!(!lingers(&cluster, 0));
        cluster.deliver();
        assert_eq!(cluster.replicas[1].writers(b"x").len(), 1, "it is signed");
        cluster.assert_equal();
    }
}

#[test]
fn a_peer_that_comes_or_goes_ends_the_wait() {
    let mut cluster = cluster(3, true);
    change(&mut cluster, 0, b"x", 1);
    cluster.step(0, Event::PeerDown(peer(2)));
    assert!(!lingers(&cluster, 0));
    cluster.deliver();
    assert_eq!(cluster.replicas[1].state(b"x"), 1.into());
    change(&mut cluster, 0, b"x", 2);
    meet(&mut cluster, 0, 2);
    assert!(!lingers(&cluster, 0));
    cluster.deliver();
    assert_eq!(cluster.replicas[1].state(b"x"), 3.into());
    cluster.settle();
    cluster.assert_equal();
}

#[test]
fn a_crash_loses_nothing_that_lingers() {
    let mut cluster = cluster(3, true);
    change(&mut cluster, 0, b"x", 1);
    cluster.step(0, Event::Publish);
    cluster.deliver();
    // Acknowledged, and known to nobody else.
    change(&mut cluster, 0, b"x", 2);
    change(&mut cluster, 0, b"y", 4);
    assert!(cluster.wire.is_empty());
    cluster.restart(0, |_| {});
    assert!(!lingers(&cluster, 0));
    for n in 1..3 {
        cluster.step(n, Event::PeerDown(peer(0)));
        meet(&mut cluster, n, 0);
        meet(&mut cluster, 0, n);
    }
    cluster.settle();
    assert_eq!(cluster.replicas[2].state(b"x"), 3.into());
    assert_eq!(cluster.replicas[2].state(b"y"), 4.into());
    cluster.assert_equal();
}

#[test]
fn a_replica_that_retires_leaves_nothing_behind() {
    let mut cluster = cluster(3, true);
    change(&mut cluster, 0, b"x", 1);
    cluster.step(0, Event::Retire);
    cluster.settle();
    assert!(!lingers(&cluster, 0));
    assert_eq!(cluster.replicas[2].state(b"x"), 1.into());
    cluster.assert_equal();
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Change(u8, u64),
    Publish,
    Tick,
    Seal,
    Deliver,
    Lose,
    Reconnect,
    Restart,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => (0..4_u8, 1..64_u64).prop_map(|(name, delta)| Act::Change(name, delta)),
        3 => Just(Act::Publish),
        1 => Just(Act::Tick),
        1 => Just(Act::Seal),
        3 => Just(Act::Deliver),
        1 => Just(Act::Lose),
        1 => Just(Act::Reconnect),
        1 => Just(Act::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    /// Whatever happens in between, every acknowledged change arrives once, and no message is
    /// refused.
    #[test]
    fn what_lingers_arrives_exactly_once(
        acts in prop::collection::vec((0..2_usize, act()), 1..80),
    ) {
        let mut cluster = cluster(2, true);
        let mut expected = [0; 4];
        for (n, act) in acts {
            match act {
                Act::Change(name, delta) => {
                    change(&mut cluster, n, &[name], delta);
                    expected[usize::from(name)] ^= delta;
                }
                Act::Publish => drop(cluster.step(n, Event::Publish)),
                Act::Tick => drop(cluster.step(n, Event::Tick)),
                Act::Seal => drop(cluster.step(n, Event::Seal)),
                Act::Deliver => cluster.deliver(),
                Act::Lose => drop(cluster.wire.pop()),
                Act::Reconnect => reconnect(&mut cluster),
                Act::Restart => {
                    cluster.restart(n, |_| {});
                    reconnect(&mut cluster);
                }
            }
        }
        cluster.settle();
        cluster.assert_equal();
        for (name, sum) in (0..).zip(expected) {
            prop_assert_eq!(cluster.replicas[0].state(&[name]), sum.into());
        }
        let refused = |notice: &Notice| matches!(notice, Notice::Refused { .. });
        prop_assert_eq!(cluster.said(refused), 0);
    }
}

/// Ends the session of two replicas, with what is on its way, and begins another.
fn reconnect(cluster: &mut Cluster) {
    cluster.wire.clear();
    for n in 0..2 {
        cluster.step(n, Event::PeerDown(peer(1 - n)));
    }
    cluster.wire.clear();
    for n in 0..2 {
        meet(cluster, n, 1 - n);
    }
}
