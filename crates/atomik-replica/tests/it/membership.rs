//! Members that join and leave while the others run.

use atomik_replica::{
    Config, Effect, Event, LocalOp, Missing, Notice, OpError, OpenError, Refusal, Replica, Roster,
    RosterError,
};
use ed25519_dalek::SigningKey;

use crate::replication::{Cluster, config, key};

fn administrator() -> SigningKey {
    SigningKey::from_bytes(&[99; 32])
}

pub(crate) fn public(n: u8) -> [u8; 32] {
    key(n).verifying_key().to_bytes()
}

/// The configuration of replica `n` of a keyspace that was founded by replicas 0 and 1.
pub(crate) fn administered(n: u8) -> Config {
    let mut config = config(n, 2);
    config.administrator = Some(administrator().verifying_key().to_bytes());
    config
}

/// Replicas 0 and 1, which are members, and others, which are not.
fn cluster(count: u8) -> Cluster {
    let mut cluster = Cluster::with((0..count).map(administered).collect());
    cluster.settle();
    cluster
}

pub(crate) fn signed(roster: Result<Roster, RosterError>) -> Vec<u8> {
    roster
        .unwrap()
        .sign("test", &atomik_replica::Shape::xor(1), &administrator())
        .encode()
}

/// Adds replica 2 at replica 0.
fn add_two(cluster: &mut Cluster) {
    let next = signed(cluster.replicas[0].roster().add(public(2), "two"));
    cluster.step(0, Event::Roster(&next));
}

fn refusal(cluster: &mut Cluster, n: usize) -> Option<OpError> {
    let op = LocalOp::accum(b"x", 1.into());
    cluster.try_step(n, Event::Op(&op)).err()
}

fn unknown_keys(cluster: &Cluster) -> usize {
    cluster.said(|notice| {
        matches!(
            notice,
            Notice::Refused {
                reason: Refusal::UnknownKey { .. },
                ..
            }
        )
    })
}

#[test]
fn a_replica_joins_when_one_member_has_the_roster_that_lists_it() {
    let mut cluster = cluster(3);
    cluster.accum(0, b"x", 1);
    cluster.accum(1, b"x", 2);
    cluster.settle();
    assert_eq!(
        refusal(&mut cluster, 2),
        Some(OpError::Removed { roster: 0 })
    );
    assert!(cluster.states(2).is_empty());
    add_two(&mut cluster);
    cluster.settle();
    cluster.accum(2, b"x", 4);
    cluster.settle();
    cluster.assert_equal();
    assert_eq!(cluster.replicas[1].state(b"x"), 7.into());
    let added = |notice: &Notice| match notice {
        Notice::Roster { number, added, .. } => (*number, &added[..]) == (1, &[public(2)]),
        _ => false,
    };
    assert_eq!(cluster.said(added), 3);
    let listed = cluster.replicas[2].roster().get(&public(2)).unwrap();
    assert_eq!((listed.since, &*listed.name), (1, "two"));
    assert_eq!(unknown_keys(&cluster), 0);
}

#[test]
fn a_roster_that_was_lost_on_the_way_arrives_with_the_next_comparison() {
    let mut cluster = cluster(3);
    cluster.cut = vec![1, 2];
    add_two(&mut cluster);
    cluster.settle();
    assert_eq!(cluster.replicas[1].roster().number(), 0);
    cluster.cut.clear();
    cluster.settle();
    for replica in &cluster.replicas {
        assert_eq!(replica.roster(), cluster.replicas[0].roster());
    }
    let in_sync = |notice: &Notice| matches!(notice, Notice::InSync { .. });
    cluster.notices.clear();
    cluster.settle();
    assert!(cluster.said(in_sync) > 0);
}

#[test]
fn a_removed_replica_refuses_operations_and_the_others_refuse_its_changes() {
    let mut cluster = cluster(2);
    cluster.accum(1, b"x", 1);
    cluster.settle();
    // Replica 1 does not learn that it was removed.
    cluster.cut = vec![1];
    let next = signed(cluster.replicas[0].roster().remove(&public(1)));
    cluster.step(0, Event::Roster(&next));
    cluster.settle();
    cluster.accum(1, b"x", 2);
    cluster.flush();
    let changes = cluster.wire.pop().unwrap().2;
    cluster.receive(1, 0, &changes);
    assert_eq!(cluster.replicas[0].counters().stale, 1);
    assert_eq!(cluster.replicas[0].state(b"x"), 1.into());
    // Now it does.
    cluster.cut.clear();
    cluster.settle();
    let removed = Some(OpError::Removed { roster: 1 });
    assert_eq!(refusal(&mut cluster, 1), removed);
    assert_eq!(
        cluster.try_step(1, Event::Undo(0)).err(),
        Some(OpError::Removed { roster: 1 })
    );
    assert_eq!(cluster.replicas[1].state(b"x"), 3.into());
    cluster.restart(1, |_| ());
    assert_eq!(refusal(&mut cluster, 1), removed);
}

#[test]
fn what_a_removed_replica_has_not_sent_yet_is_not_sent() {
    let mut cluster = cluster(2);
    cluster.accum(1, b"x", 1);
    let next = signed(cluster.replicas[1].roster().remove(&public(1)));
    cluster.step(1, Event::Roster(&next));
    cluster.settle();
    assert_eq!(unknown_keys(&cluster), 0);
    assert!(cluster.states(0).is_empty());
}

#[test]
fn a_stale_or_forged_roster_is_refused_and_changes_nothing() {
    let mut cluster = cluster(3);
    let first = cluster.replicas[0].roster().clone();
    add_two(&mut cluster);
    cluster.settle();
    let known = cluster.replicas[0].roster().clone();
    let mut offer = |bytes: &[u8]| match cluster.try_step(0, Event::Roster(bytes)) {
        Err(OpError::Roster(error)) => Some(error),
        Ok(_) => None,
        Err(other) => panic!("{other}"),
    };
    let next = known.remove(&public(1)).unwrap();
    assert_eq!(
        offer(&first.encode()),
        Some(RosterError::Stale { found: 0, known: 1 })
    );
    let not_signed = Some(RosterError::NotSigned { number: 2 });
    assert_eq!(offer(&next.encode()), not_signed);
    let by_a_member = next
        .clone()
        .sign("test", &atomik_replica::Shape::xor(1), &key(0));
    assert_eq!(offer(&by_a_member.encode()), not_signed);
    let elsewhere = next
        .clone()
        .sign("other", &atomik_replica::Shape::xor(1), &administrator());
    assert_eq!(offer(&elsewhere.encode()), not_signed);
    assert_eq!(offer(b"roster"), Some(RosterError::Malformed));
    assert_eq!(offer(&known.encode()), None);
    assert_eq!(cluster.replicas[0].roster(), &known);
    let genuine = next.sign("test", &atomik_replica::Shape::xor(1), &administrator());
    cluster.step(0, Event::Roster(&genuine.encode()));
    assert_eq!(
        cluster.try_step(0, Event::Roster(&known.encode())).err(),
        Some(OpError::Roster(RosterError::Stale { found: 1, known: 2 }))
    );
    assert_eq!(cluster.replicas[0].roster(), &genuine);
}

/// An administrator who got no answer hands the roster in again, maybe where it is known.
#[test]
fn a_roster_that_is_known_has_an_answer_too() {
    let mut cluster = cluster(2);
    let next = signed(cluster.replicas[0].roster().add(public(2), "two"));
    for _ in 0..2 {
        let replica = &mut cluster.replicas[0];
        let mut effects = Vec::new();
        let outcome = replica.step(Event::Roster(&next), &mut effects).unwrap();
        replica.step(Event::Flush, &mut effects).unwrap();
        let stored = effects.iter().find_map(|effect| match effect {
            Effect::Persist { ticket, .. } => Some(*ticket),
            _ => None,
        });
        assert_eq!(stored, Some(outcome.ticket));
        let persisted = Event::Persisted(outcome.ticket);
        replica.step(persisted, &mut effects).unwrap();
    }
}

#[test]
fn a_forged_roster_from_a_peer_is_reported() {
    let mut cluster = cluster(2);
    // Replica 1 takes orders from somebody else.
    let thief = SigningKey::from_bytes(&[98; 32]);
    cluster.restart(1, |config| {
        config.administrator = Some(thief.verifying_key().to_bytes());
    });
    let next = cluster.replicas[1].roster().remove(&public(0)).unwrap();
    let forged = next
        .sign("test", &atomik_replica::Shape::xor(1), &thief)
        .encode();
    cluster.step(1, Event::Roster(&forged));
    cluster.settle();
    assert_eq!(cluster.replicas[0].roster().number(), 0);
    let refused = |notice: &Notice| {
        let reason = Refusal::Roster(RosterError::NotSigned { number: 1 });
        matches!(notice, Notice::Refused { reason: found, .. } if *found == reason)
    };
    assert!(cluster.said(refused) > 0);
}

#[test]
fn a_member_that_was_removed_joins_again() {
    let mut cluster = cluster(3);
    add_two(&mut cluster);
    cluster.settle();
    cluster.accum(2, b"x", 1);
    cluster.settle();
    let next = signed(cluster.replicas[0].roster().remove(&public(2)));
    cluster.step(0, Event::Roster(&next));
    cluster.settle();
    assert!(refusal(&mut cluster, 2).is_some());
    add_two(&mut cluster);
    cluster.settle();
    cluster.accum(2, b"x", 2);
    cluster.settle();
    let listed = cluster.replicas[1].roster().get(&public(2)).unwrap();
    assert_eq!(listed.since, 3);
    let own = cluster.replicas[2].origin();
    let life = cluster.replicas[0]
        .origins()
        .find(|status| status.origin == own)
        .unwrap()
        .author
        .incarnation;
    assert!(life[..8] >= (3_u64 << 32).to_be_bytes()[..], "{life:?}");
    cluster.assert_equal();
    assert_eq!(cluster.replicas[0].state(b"x"), 3.into());
}

#[test]
fn the_roster_outlives_a_restart_and_cannot_be_got_rid_of_by_configuration() {
    let mut cluster = cluster(3);
    add_two(&mut cluster);
    cluster.settle();
    for n in 0..3 {
        cluster.restart(n, |_| ());
        assert_eq!(cluster.replicas[n].roster().number(), 1);
    }
    let records: Vec<_> = cluster.stores[0].clone().into_iter().collect();
    let mut without = administered(0);
    without.administrator = None;
    assert_eq!(
        Replica::open(without, records).err(),
        Some(OpenError::Administrator { roster: 1 })
    );
}

#[test]
fn without_an_administrator_no_roster_is_accepted() {
    let mut cluster = Cluster::new(2);
    let next = signed(cluster.replicas[0].roster().remove(&public(1)));
    assert_eq!(
        cluster.try_step(0, Event::Roster(&next)).err(),
        Some(OpError::Roster(RosterError::NoAdministrator))
    );
}

#[test]
fn what_a_removed_replica_had_not_sent_goes_on_once_it_is_added_again() {
    for case in 0..8 {
        let [restarts, retires, sent] = [1, 2, 4].map(|bit| case & bit != 0);
        let mut cluster = cluster(3);
        add_two(&mut cluster);
        cluster.settle();
        cluster.accum(2, b"y", 2);
        if sent {
            cluster.settle();
        }
        cluster.accum(2, b"x", 1);
        if retires {
            cluster.step(2, Event::Retire);
        }
        let next = signed(cluster.replicas[2].roster().remove(&public(2)));
        cluster.step(2, Event::Roster(&next));
        cluster.step(2, Event::Flush);
        if restarts {
            cluster.restart(2, |_| ());
        }
        cluster.settle();
        let next = signed(cluster.replicas[0].roster().add(public(2), "two"));
        cluster.step(0, Event::Roster(&next));
        cluster.settle();
        for replica in &cluster.replicas {
            assert_eq!(
                [b"x", b"y"].map(|key| replica.state(key)),
                [1, 2].map(atomik_replica::Value::from),
                "restarts: {restarts}, retires: {retires}, sent: {sent}"
            );
        }
        cluster.assert_equal();
    }
}

#[test]
fn what_no_member_had_of_a_removed_replica_is_told_when_it_adopts_their_base() {
    let mut cluster = cluster(2);
    cluster.accum(1, b"both", 1);
    cluster.accum(1, b"theirs", 1);
    cluster.accum(0, b"both", 2);
    cluster.settle();
    cluster.cut = vec![0];
    for (key, delta) in [(b"both", 4), (b"mine", 8), (b"mine", 16)] {
        cluster.accum(1, key, delta);
        for _ in 0..3 {
            cluster.flush();
            cluster.step(1, Event::Tick);
            cluster.step(1, Event::Seal);
            cluster.deliver();
        }
    }
    for change in [
        |roster: &Roster| roster.remove(&public(1)),
        |roster: &Roster| roster.add(public(1), "one"),
    ] {
        let next = signed(change(cluster.replicas[0].roster()));
        cluster.step(0, Event::Roster(&next));
        for _ in 0..3 {
            cluster.step(0, Event::Flush);
            cluster.flush();
            cluster.step(0, Event::Tick);
        }
    }
    cluster.cut.clear();
    cluster.restart(1, |_| {});
    cluster.settle();
    cluster.assert_equal();
    let states = [&b"both"[..], b"theirs", b"mine"].map(|key| cluster.replicas[1].state(key));
    assert_eq!(states, [3, 1, 0].map(atomik_replica::Value::from));
    let missing = cluster.notices.iter().filter_map(|notice| match notice {
        (1, Notice::Missing(missing)) => Some(missing.clone()),
        _ => None,
    });
    let mut missing: Vec<_> = missing.flatten().collect();
    missing.sort_by(|a, b| a.key.cmp(&b.key));
    let expected = |key: &[u8], [changes, own, delta, state]: [u64; 4]| Missing {
        key: key.into(),
        changes,
        own: own.into(),
        delta: delta.into(),
        state: state.into(),
    };
    assert_eq!(
        missing,
        [
            expected(b"both", [2, 5, 4, 3]),
            expected(b"mine", [2, 24, 24, 0]),
        ]
    );
}

/// Replica 1 changes x while replica 0 is away, gets another key, and returns with it.
fn rotated_with_unsent_changes(former_keys: Vec<SigningKey>) -> Cluster {
    let mut cluster = cluster(2);
    cluster.accum(1, b"y", 1);
    cluster.settle();
    cluster.cut = vec![0];
    cluster.accum(1, b"x", 2);
    for _ in 0..3 {
        cluster.flush();
        cluster.step(1, Event::Tick);
        cluster.step(1, Event::Seal);
        cluster.deliver();
    }
    cluster.cut.clear();
    let next = signed(cluster.replicas[0].roster().rotate(&public(1), public(7)));
    cluster.step(0, Event::Roster(&next));
    cluster.restart(1, |config| {
        config.trust = administered(7).trust;
        config.former_keys = former_keys;
    });
    cluster.settle();
    cluster
}

#[test]
fn what_was_unsent_under_a_former_key_arrives_if_that_key_is_there() {
    let mut cluster = rotated_with_unsent_changes(vec![key(1)]);
    assert_eq!(cluster.replicas[1].missing_key(), None);
    cluster.accum(1, b"y", 4);
    cluster.settle();
    cluster.assert_equal();
    assert_eq!(cluster.replicas[0].state(b"x"), 2.into());
    assert_eq!(cluster.replicas[0].state(b"y"), 5.into());
    // The former key is closed, and what it made is part of the base.
    assert!(cluster.replicas[0].closings().is_empty());
}

#[test]
fn without_a_former_key_nothing_is_taken_for_forged_and_it_is_named() {
    let cluster = rotated_with_unsent_changes(Vec::new());
    assert_eq!(cluster.replicas[1].missing_key(), Some(public(1)));
    assert_eq!(cluster.replicas[1].state(b"x"), 2.into());
    assert_eq!(cluster.replicas[0].state(b"x"), 0.into());
    let refused = |notice: &Notice| matches!(notice, Notice::Refused { .. });
    assert_eq!(cluster.said(refused), 0);
}

#[test]
fn what_waits_under_a_key_that_was_added_and_removed_meanwhile_is_not_called_folded() {
    let mut cluster = rotated_with_unsent_changes(vec![key(1)]);
    cluster.cut = vec![0];
    cluster.accum(1, b"x", 4);
    let rotated = signed(cluster.replicas[1].roster().rotate(&public(7), public(8)));
    cluster.step(1, Event::Roster(&rotated));
    let removed = signed(cluster.replicas[1].roster().remove(&public(8)));
    cluster.step(1, Event::Roster(&removed));
    cluster.flush();
    cluster.restart(1, |config| {
        config.trust = administered(8).trust;
        config.former_keys = vec![key(1), key(7)];
    });
    let folded = |replica: &atomik_replica::Replica| {
        let own = replica.origin();
        let mut origins = replica.origins();
        origins.find(|status| status.origin == own).unwrap().folded
    };
    assert!(!folded(&cluster.replicas[1]));
    let added = signed(cluster.replicas[1].roster().add(public(8), "one"));
    cluster.cut.clear();
    cluster.step(1, Event::Roster(&added));
    cluster.settle();
    cluster.assert_equal();
    assert_eq!(cluster.replicas[0].state(b"x"), 6.into());
}
