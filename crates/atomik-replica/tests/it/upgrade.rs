//! Stores that an older program wrote.

use std::collections::BTreeMap;

use atomik_replica::{Event, Notice, Replica, Value};

use crate::closings::administered;
use crate::replication::Cluster;

/// The stores of replicas 0, 1 and 4, a record a line, as the last program with format 5 wrote
/// them. Replicas 0 to 3 were the founders, and each added its own bit to `x`. Replica 3 retired
/// and was folded. Replica 4 joined and heard of the certificate, but not of its base. Replica 2
/// was removed, and 0 and 1 have stated what they hold of it.
const FORMAT_5: &str = include_str!("format_5.txt");

/// The kind of the record that begins with the number of the format.
const META: &[u8] = b"m";

fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2);
    digits
        .map(|digits| u8::from_str_radix(core::str::from_utf8(digits).unwrap(), 16).unwrap())
        .collect()
}

/// The records of each replica.
fn stores() -> BTreeMap<usize, BTreeMap<Vec<u8>, Vec<u8>>> {
    let mut stores = BTreeMap::<_, BTreeMap<_, _>>::new();
    for line in FORMAT_5.lines() {
        let parts: Vec<_> = line.split(' ').collect();
        let records = stores.entry(parts[0].parse().unwrap()).or_default();
        records.insert(bytes(parts[1]), bytes(parts[2]));
    }
    stores
}

/// All five replicas, of which 0, 1 and 4 run.
fn upgraded() -> Cluster {
    let mut cluster = Cluster::with((0..5).map(|n| administered(n, 4)).collect());
    cluster.wire.clear();
    cluster.notices.clear();
    cluster.cut = vec![2, 3];
    for (n, records) in stores() {
        assert_eq!(records[META][0], 5);
        cluster.stores[n] = records;
        cluster.restart(n, |_| {});
    }
    cluster
}

fn format(cluster: &Cluster, n: usize) -> u8 {
    cluster.stores[n][META][0]
}

#[test]
fn stores_of_format_5_are_read_and_go_on() {
    let mut cluster = upgraded();
    let certificate = cluster.replicas[0].certified().unwrap();
    assert_eq!(certificate.closed.len(), 1);
    for n in [0, 1] {
        assert_eq!(cluster.replicas[n].certified().as_ref(), Some(&certificate));
        assert_eq!(cluster.replicas[n].closings().len(), 1, "of replica 2");
    }
    assert_eq!(cluster.replicas[4].certified(), None);
    // What was stated without naming entries is stated again.
    cluster.settle();
    let refused = |notice: &Notice| matches!(notice, Notice::Refused { .. });
    assert_eq!(cluster.said(refused), 0, "{:?}", cluster.notices);
    for n in [0, 1, 4] {
        assert_eq!(cluster.replicas[n].state(b"x"), Value::from(15));
        assert_eq!(cluster.replicas[n].closings(), []);
        assert_eq!(cluster.replicas[n].digest(), cluster.replicas[0].digest());
        assert_eq!(
            cluster.replicas[n].certified(),
            cluster.replicas[0].certified()
        );
        assert_eq!(format(&cluster, n), 6);
        cluster.restart(n, |_| {});
        assert_eq!(cluster.replicas[n].state(b"x"), Value::from(15));
    }
    assert_eq!(cluster.replicas[0].certified().unwrap().roster, 2);
}

#[test]
fn what_is_written_after_an_upgrade_has_the_new_format() {
    let mut cluster = upgraded();
    for n in [0, 1, 4] {
        cluster.accum(n, b"y", 1);
        cluster.step(n, Event::Flush);
        assert_eq!(format(&cluster, n), 6);
        let records: Vec<_> = cluster.stores[n].clone().into_iter().collect();
        let config = cluster.replicas[n].config().clone();
        let replica = Replica::open(config, records).unwrap();
        assert_eq!(replica.state(b"y"), Value::from(1));
    }
}
