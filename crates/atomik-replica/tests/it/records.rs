//! Records of evidence: what superseding entries writes, and what remains.

use std::collections::BTreeMap;

use atomik_replica::{Event, OpenError, Replica};

use crate::replication::{Cluster, config};

type Records = BTreeMap<Vec<u8>, Vec<u8>>;

const FRAME: u64 = 255;

/// Two replicas, the second of which holds one frame of the first.
fn one_frame() -> Cluster {
    let mut cluster = Cluster::new(2);
    cluster.deliver();
    for i in 0..FRAME {
        cluster.accum(0, &i.to_be_bytes(), 1);
    }
    publish(&mut cluster);
    assert_eq!(count(&cluster, b'e'), 1);
    cluster
}

/// Changes a key at the first replica.
fn supersede(cluster: &mut Cluster, key: u64) {
    cluster.accum(0, &key.to_be_bytes(), 2);
    publish(cluster);
}

/// Publishes the first replica's changes, and has both store what they have.
fn publish(cluster: &mut Cluster) {
    cluster.step(0, Event::Flush);
    cluster.deliver();
    cluster.flush();
    cluster.deliver();
}

/// The second replica's records of a kind.
fn count(cluster: &Cluster, kind: u8) -> usize {
    let keys = cluster.stores[1].keys();
    keys.filter(|key| key[0] == kind).count()
}

#[test]
fn superseding_the_entries_of_a_frame_one_by_one_writes_little_for_each() {
    let mut cluster = one_frame();
    let before = cluster.written[&1];
    for key in 0..FRAME {
        supersede(&mut cluster, key);
    }
    // Of which some 300 are the record of what exists once, the entry's and its new evidence's.
    let each = (cluster.written[&1] - before) / FRAME as usize;
    assert!(each < 400, "{each} bytes for a change");
}

#[test]
fn tags_go_with_their_evidence_and_are_read_at_a_start() {
    let (mut cluster, mut leaves) = (one_frame(), FRAME);
    for changed in 1..=FRAME {
        supersede(&mut cluster, changed * 101 % FRAME);
        let current = FRAME - changed;
        if current * 4 <= leaves {
            // Evidence is cut down to what current entries need.
            leaves = current;
        }
        assert_eq!(count(&cluster, b't') as u64, leaves - current);
        assert_eq!(count(&cluster, b'e') as u64, changed + leaves.min(1));
        if changed % 16 == 0 {
            cluster.restart(1, |_| {});
            cluster.deliver();
        }
    }
    assert_eq!(leaves, 0);
    cluster.assert_equal();
}

#[test]
fn what_stored_tags_attest_is_accepted_by_others() {
    let mut cluster = one_frame();
    (0..9).for_each(|key| supersede(&mut cluster, key));
    assert_eq!(count(&cluster, b't'), 9);
    cluster.cut = vec![0];
    cluster.restart(1, |_| {});
    let mut config = config(0, 2);
    config.incarnation = [7; 16];
    cluster.replicas[0] = Replica::open(config, []).unwrap();
    cluster.cut.clear();
    cluster.up(0, 1);
    cluster.settle();
    cluster.assert_equal();
    assert_eq!(cluster.states(0).len() as u64, FRAME);
}

#[test]
fn a_tag_that_is_missing_or_superfluous_is_damage() {
    let mut cluster = one_frame();
    (0..9).for_each(|key| supersede(&mut cluster, key));
    let store = &cluster.stores[1];
    let damaged = |change: &dyn Fn(&mut Records)| {
        let mut store = store.clone();
        change(&mut store);
        let config = cluster.replicas[1].config().clone();
        match Replica::open(config, store) {
            Ok(_) => false,
            Err(OpenError::Damaged { .. }) => true,
            Err(other) => panic!("{other}"),
        }
    };
    assert!(!damaged(&|_| {}));
    let (tag, value) = store.iter().find(|(key, _)| key[0] == b't').unwrap();
    assert!(damaged(&|store| drop(store.remove(tag))), "missing");
    assert!(
        damaged(&|store| drop(store.insert(tag.clone(), value[1..].to_vec()))),
        "short"
    );
    // The leaf of a current entry, no leaf, evidence with one leaf, and no evidence.
    for (place, leaf) in [(tag[4], 200), (tag[4], 255), (tag[4] + 1, 0), (99, 0)] {
        let superfluous = vec![b't', 0, 0, 0, place, 0, leaf];
        let insert = |store: &mut Records| drop(store.insert(superfluous.clone(), value.clone()));
        assert!(damaged(&insert), "{superfluous:?}");
    }
}
