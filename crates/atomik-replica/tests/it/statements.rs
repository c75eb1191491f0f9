//! Statements: what members say that they hold of what is closed, when they say it, and when not.

use atomik_replica::{Event, Roster};

use crate::closings::{
    LEDGER, SUMMARY, add, assert_agreed, change, cluster, deliver_if, draft, public, remove, state,
};
use crate::replication::{Cluster, peer};

/// The kind of the messages that complete a base.
const CHUNK: u8 = 6;

/// Replicas 0 and 1 have to state what they hold of replica 2, which has retired and is gone. Only
/// replica 1 has its change, x = 4, and states that. Returns what replica 0 has stated, which
/// replica 1 does not know.
fn one_of_two_lacks_a_change() -> (Cluster, Vec<u8>) {
    let mut cluster = cluster(3, 3);
    cluster.cut = vec![0];
    cluster.accum(2, b"x", 4);
    cluster.settle();
    cluster.step(2, Event::Retire);
    cluster.step(2, Event::Flush);
    // It is announced once a member that stays agrees.
    let mut retirement = Vec::new();
    for _ in 0..3 {
        cluster.step(1, Event::Tick);
        for (from, to, bytes) in std::mem::take(&mut cluster.wire) {
            match (from, to) {
                (1, 2) => cluster.receive(1, 2, &bytes),
                (2, 1) if bytes[1] == LEDGER => retirement = bytes,
                _ => {}
            }
        }
    }
    cluster.cut = vec![2];
    for n in [0, 1] {
        cluster.receive(2, n, &retirement);
        draft(&mut cluster, n);
    }
    let mut sent = std::mem::take(&mut cluster.wire);
    sent.retain(|(_, to, bytes)| *to == 1 && bytes[1] == LEDGER);
    let (_, _, stated) = sent.pop().expect("replica 0 states what it holds");
    assert_eq!([0, 1].map(|n| state(&cluster, n)), [0, 4]);
    (cluster, stated)
}

#[test]
fn an_old_statement_does_not_count_with_one_of_a_new_memory() {
    let (mut cluster, old) = one_of_two_lacks_a_change();
    // Replica 0 hears that the other one states more, takes that, and states it, too.
    for _ in 0..4 {
        draft(&mut cluster, 0);
        deliver_if(&mut cluster, |from, to, kind| {
            from + to == 1 && (from, kind) != (0, LEDGER)
        });
    }
    assert_eq!(state(&cluster, 0), 4);
    // Replica 1 loses its disk, and hears only what replica 0 has stated first.
    cluster.stores[1].clear();
    cluster.restart(1, |_| {});
    cluster.receive(0, 1, &old);
    draft(&mut cluster, 1);
    cluster.receive(0, 1, &old);
    cluster.settle();
    assert_eq!([0, 1].map(|n| state(&cluster, n)), [4, 4]);
    assert_agreed(&cluster);
}

#[test]
fn one_whose_statement_is_older_than_that_of_another_is_waited_for() {
    let mut cluster = cluster(3, 3);
    cluster.cut = vec![0];
    cluster.step(2, Event::Retire);
    cluster.settle();
    // Replica 1 has stated what it holds before it knew of replica 0, and is gone.
    for _ in 0..2 {
        cluster.step(0, Event::Tick);
        deliver_if(&mut cluster, |from, to, kind| {
            (from, to, kind) == (0, 1, SUMMARY) || (from, to, kind) == (1, 0, LEDGER)
        });
    }
    for _ in 0..3 {
        draft(&mut cluster, 0);
    }
    assert_eq!(cluster.replicas[0].closings()[0].missing, [public(1)]);
    cluster.wire.clear();
    cluster.cut.clear();
    cluster.settle();
    assert_agreed(&cluster);
}

#[test]
fn members_that_hold_equal_changes_of_different_lives_hold_different_things() {
    let mut cluster = cluster(4, 4);
    // Replicas 2 and 3 make the same change. Each hands it to another member, and is gone.
    for (from, to) in [(2, 0), (3, 1)] {
        cluster.accum(from, b"x", 4);
        cluster.step(from, Event::Flush);
        deliver_if(&mut cluster, |f, t, _| (f, t) == (from, to));
    }
    assert_eq!([0, 1].map(|n| state(&cluster, n)), [4, 4]);
    cluster.cut = vec![2, 3];
    for n in [0, 1] {
        let without = |roster: &Roster, gone| roster.remove(&public(gone)).unwrap();
        change(&mut cluster, n, |roster| without(&without(roster, 2), 3));
    }
    // They hear what the other one states before they compare entries.
    for _ in 0..4 {
        draft(&mut cluster, 0);
        draft(&mut cluster, 1);
        deliver_if(&mut cluster, |_, _, kind| kind == LEDGER);
    }
    cluster.settle();
    assert_eq!([0, 1].map(|n| state(&cluster, n)), [0, 0]);
    assert_agreed(&cluster);
    assert_eq!(cluster.replicas[0].digest().0, 0, "everything is folded");
}

#[test]
fn what_arrives_before_a_statement_is_made_is_in_it() {
    let mut cluster = cluster(2, 2);
    cluster.accum(1, b"x", 4);
    cluster.settle();
    cluster.step(1, Event::Retire);
    cluster.step(1, Event::Flush);
    for _ in 0..3 {
        cluster.step(0, Event::Tick);
        deliver_if(&mut cluster, |from, _, _| from == 0);
    }
    // The only one that signs loses its disk, and hears of the retirement first.
    cluster.stores[0].clear();
    cluster.restart(0, |_| {});
    deliver_if(&mut cluster, |from, _, kind| {
        (from, kind) == (0, SUMMARY) || (from, kind) == (1, LEDGER)
    });
    cluster.step(0, Event::Tick);
    cluster.deliver();
    cluster.settle();
    assert_eq!([0, 1].map(|n| state(&cluster, n)), [4, 4]);
    assert_agreed(&cluster);
}

#[test]
fn one_that_begins_anew_waits_for_what_its_peers_hold_before_it_states_anything() {
    let mut cluster = cluster(3, 3);
    cluster.accum(1, b"x", 1);
    cluster.settle();
    for n in [1, 2] {
        cluster.step(n, Event::Retire);
    }
    // Nobody but replica 0 signs, and the others do not hear what.
    let quiet = |cluster: &mut Cluster, entries: bool| {
        deliver_if(cluster, |from, _, kind| {
            entries || kind == SUMMARY || from != 0 && kind == LEDGER
        });
    };
    for _ in 0..12 {
        cluster.flush();
        (0..3).for_each(|n| drop(cluster.step(n, Event::Tick)));
        quiet(&mut cluster, false);
    }
    let folded =
        |cluster: &Cluster, n: usize| cluster.replicas[n].origins().filter(|it| it.folded).count();
    assert_eq!([0, 1, 2].map(|n| folded(&cluster, n)), [1, 0, 0]);
    cluster.stores[0].clear();
    cluster.restart(0, |_| {});
    for tick in 0..3 {
        cluster.flush();
        (0..3).for_each(|n| drop(cluster.step(n, Event::Tick)));
        quiet(&mut cluster, false);
        assert_eq!(folded(&cluster, 0), 0, "after {tick} ticks");
    }
    cluster.settle();
    assert_eq!([0, 1, 2].map(|n| state(&cluster, n)), [1; 3]);
    assert_agreed(&cluster);
}

#[test]
fn what_arrives_while_a_statement_is_being_stored_is_in_the_one_after_a_restart() {
    let mut cluster = cluster(2, 2);
    cluster.accum(1, b"x", 4);
    cluster.step(1, Event::Flush);
    let (_, _, late) = cluster.wire.pop().unwrap();
    // Replica 0 is the only one that signs.
    remove(&mut cluster, 0, 1);
    cluster.step(0, Event::Tick);
    let stored = cluster.begin_to_store(0);
    cluster.receive(1, 0, &late);
    cluster.step(0, Event::Persisted(stored));
    cluster.begin_to_store(0);
    cluster.restart(0, |_| {});
    cluster.settle();
    assert_eq!(state(&cluster, 0), 4);
    assert_agreed(&cluster);
}

#[test]
fn after_a_statement_closed_lives_grow_only_by_what_members_that_sign_have() {
    let (mut cluster, _) = one_of_two_lacks_a_change();
    for n in [1, 2] {
        let key = Some(public(n));
        let peer = peer(usize::from(n));
        cluster.step(0, Event::PeerUp { peer, key });
    }
    // They hear that they state different things, and not which.
    for _ in 0..4 {
        (0..2).for_each(|n| draft(&mut cluster, n));
        deliver_if(&mut cluster, |from, to, kind| {
            from + to == 1 && (kind == SUMMARY || kind == LEDGER)
        });
    }
    // Nobody waits for replica 2, which might go on for ever.
    cluster.cut = vec![1];
    cluster.settle();
    assert_eq!(state(&cluster, 0), 0);
    cluster.cut = vec![2];
    cluster.settle();
    assert_eq!([0, 1].map(|n| state(&cluster, n)), [4, 4]);
    assert_agreed(&cluster);
}

#[test]
fn nobody_hears_a_statement_before_it_is_durable() {
    let mut cluster = cluster(3, 3);
    cluster.accum(2, b"x", 4);
    cluster.settle();
    for n in [0, 1] {
        remove(&mut cluster, n, 2);
    }
    cluster.wire.clear();
    draft(&mut cluster, 1);
    let exchange = |cluster: &mut Cluster| {
        for _ in 0..3 {
            (0..2).for_each(|n| drop(cluster.step(n, Event::Tick)));
            deliver_if(cluster, |from, to, _| from + to == 1);
        }
    };
    cluster.step(0, Event::Tick);
    let stored = cluster.begin_to_store(0);
    exchange(&mut cluster);
    assert_eq!(cluster.replicas[1].closings()[0].missing, [public(0)]);
    cluster.step(0, Event::Persisted(stored));
    cluster.settle();
    assert_agreed(&cluster);
}

#[test]
fn one_that_lacks_the_base_states_nothing() {
    let mut cluster = cluster(3, 4);
    cluster.accum(2, b"x", 4);
    cluster.settle();
    cluster.step(2, Event::Retire);
    cluster.settle();
    add(&mut cluster, 0, 3);
    let without_base = |cluster: &mut Cluster| {
        for _ in 0..24 {
            cluster.flush();
            (0..4).for_each(|n| drop(cluster.step(n, Event::Tick)));
            deliver_if(cluster, |_, _, kind| kind != CHUNK);
        }
    };
    without_base(&mut cluster);
    cluster.cut = vec![1];
    remove(&mut cluster, 0, 1);
    without_base(&mut cluster);
    draft(&mut cluster, 3);
    cluster.restart(3, |_| {});
    assert!(
        cluster.replicas[3].closings()[0]
            .missing
            .contains(&public(3))
    );
    cluster.cut = vec![1];
    cluster.settle();
    assert_eq!([0, 3].map(|n| state(&cluster, n)), [4, 4]);
    assert_agreed(&cluster);
}
