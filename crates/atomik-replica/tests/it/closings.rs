//! Closings: members join, leave, are removed and lie, and what is folded stays the same for all.

use atomik_replica::{Cause, Config, Event, LocalOp, Notice, OpError, Roster};
use ed25519_dalek::SigningKey;
use proptest::prelude::*;

use crate::replication::{Cluster, config, key};

fn administrator() -> SigningKey {
    SigningKey::from_bytes(&[99; 32])
}

/// The configuration of replica `n` of a keyspace with an administrator and so many founders.
pub(crate) fn administered(n: u8, founders: u8) -> Config {
    let mut config = config(n, founders);
    config.administrator = Some(administrator().verifying_key().to_bytes());
    config
}

/// A keyspace with an administrator and these founders, in which `replicas` replicas run.
pub(crate) fn cluster(founders: u8, replicas: u8) -> Cluster {
    let configs = (0..replicas).map(|n| administered(n, founders));
    let mut cluster = Cluster::with(configs.collect());
    cluster.cut = (usize::from(founders)..usize::from(replicas)).collect();
    cluster.settle();
    cluster
}

pub(crate) fn public(n: u8) -> [u8; 32] {
    key(n).verifying_key().to_bytes()
}

/// Hands replica `n` the next roster.
pub(crate) fn change(cluster: &mut Cluster, n: usize, change: impl FnOnce(&Roster) -> Roster) {
    let roster = change(cluster.replicas[n].roster()).sign(
        "test",
        &atomik_replica::Shape::xor(1),
        &administrator(),
    );
    cluster.step(n, Event::Roster(&roster.encode()));
}

pub(crate) fn add(cluster: &mut Cluster, n: usize, member: u8) {
    change(cluster, n, |roster| roster.add(public(member), "").unwrap());
    cluster.cut.retain(|cut| *cut != usize::from(member));
}

pub(crate) fn remove(cluster: &mut Cluster, n: usize, member: u8) {
    change(cluster, n, |roster| roster.remove(&public(member)).unwrap());
    cluster.cut.push(usize::from(member));
}

/// All replicas that are not cut off have the same states, entries and base, wait for nothing, and
/// nobody has refused anything.
pub(crate) fn assert_agreed(cluster: &Cluster) {
    let connected: Vec<_> = (0..cluster.replicas.len())
        .filter(|n| !cluster.cut.contains(n))
        .collect();
    for &n in &connected {
        assert_eq!(
            cluster.states(connected[0]),
            cluster.states(n),
            "states of {n}"
        );
        let digest = cluster.replicas[n].digest();
        assert_eq!(
            cluster.replicas[connected[0]].digest(),
            digest,
            "entries of {n}"
        );
        assert_eq!(cluster.replicas[n].closings(), [], "closings of {n}");
    }
    assert_eq!(
        cluster.said(|notice| matches!(
            notice,
            Notice::BaseDiverged { .. } | Notice::Misconduct { .. }
        )),
        0
    );
}

pub(crate) fn state(cluster: &Cluster, n: usize) -> u64 {
    cluster.replicas[n].state(b"x").words()[0]
}

#[test]
fn two_that_join_after_a_fold_get_everything_also_at_once() {
    for at_once in [false, true] {
        let mut cluster = cluster(4, 6);
        for n in 0..4 {
            cluster.accum(n, b"x", 1 << n);
        }
        cluster.settle();
        cluster.step(0, Event::Retire);
        cluster.settle();
        assert_agreed(&cluster);
        add(&mut cluster, 1, 4);
        if !at_once {
            cluster.settle();
            assert_eq!(state(&cluster, 4), 15);
        }
        cluster.deliver();
        add(&mut cluster, 1, 5);
        cluster.settle();
        cluster.settle();
        assert_eq!(
            [4, 5].map(|n| state(&cluster, n)),
            [15, 15],
            "at once: {at_once}"
        );
        assert_agreed(&cluster);
    }
}

#[test]
fn what_one_member_has_of_one_that_is_gone_is_kept_by_all() {
    let mut cluster = cluster(4, 4);
    cluster.accum(0, b"x", 1);
    cluster.settle();
    // Only replica 1 gets the last change of replica 0, which is gone for ever.
    cluster.accum(0, b"x", 2);
    cluster.step(0, Event::Flush);
    cluster.wire.retain(|(from, to, _)| (*from, *to) == (0, 1));
    cluster.deliver();
    let late = cluster.accum(0, b"x", 4);
    assert!(late.ticket > 0);
    cluster.wire.clear();
    remove(&mut cluster, 2, 0);
    cluster.settle();
    assert_eq!([1, 2, 3].map(|n| state(&cluster, n)), [3; 3]);
    assert_agreed(&cluster);
    assert_eq!(cluster.replicas[1].digest().0, 0, "everything is folded");
    // It comes back with more, and nobody takes it.
    cluster.cut.clear();
    cluster.settle();
    assert_eq!([1, 2, 3].map(|n| state(&cluster, n)), [3; 3]);
    let op = LocalOp::accum(b"x", 8.into());
    assert!(matches!(
        cluster.try_step(0, Event::Op(&op)),
        Err(OpError::Removed { .. })
    ));
}

#[test]
fn one_that_is_added_again_starts_anew() {
    let mut cluster = cluster(3, 3);
    for n in 0..3 {
        cluster.accum(n, b"x", 1 << n);
    }
    cluster.settle();
    remove(&mut cluster, 1, 0);
    cluster.settle();
    assert_agreed(&cluster);
    add(&mut cluster, 1, 0);
    cluster.stores[0].clear();
    cluster.restart(0, |config| config.kept_memory = false);
    cluster.settle();
    cluster.settle();
    cluster.accum(0, b"x", 8);
    cluster.settle();
    assert_eq!([0, 1, 2].map(|n| state(&cluster, n)), [15; 3]);
    assert_agreed(&cluster);
}

#[test]
fn one_that_is_added_again_while_it_leaves_stays() {
    for restarts in [false, true] {
        let mut cluster = cluster(3, 3);
        cluster.cut = vec![0];
        cluster.step(0, Event::Retire);
        cluster.flush();
        assert!(cluster.replicas[0].is_leaving());
        remove(&mut cluster, 1, 0);
        cluster.settle();
        add(&mut cluster, 1, 0);
        if restarts {
            cluster.restart(0, |_| {});
        }
        cluster.settle();
        assert!(!cluster.replicas[0].is_leaving());
        cluster.accum(0, b"x", 1);
        cluster.settle();
        assert_eq!([0, 1, 2].map(|n| state(&cluster, n)), [1; 3]);
        assert_agreed(&cluster);
    }
}

#[test]
fn what_was_done_between_two_removals_is_kept() {
    let mut cluster = cluster(3, 3);
    remove(&mut cluster, 1, 0);
    cluster.settle();
    // Replica 2 is away, so that nobody signs what follows.
    cluster.cut = vec![2];
    add(&mut cluster, 1, 0);
    cluster.settle();
    cluster.accum(0, b"x", 1);
    cluster.settle();
    assert_eq!(state(&cluster, 1), 1);
    cluster.wire.clear();
    remove(&mut cluster, 1, 0);
    cluster.cut = vec![0];
    cluster.settle();
    assert_eq!([1, 2].map(|n| state(&cluster, n)), [1; 2]);
    assert_agreed(&cluster);
    assert_eq!(cluster.replicas[1].digest().0, 0, "everything is folded");
}

#[test]
fn a_certificate_that_arrives_before_its_list_folds_nothing_twice() {
    let mut cluster = cluster(3, 3);
    cluster.accum(0, b"x", 1);
    cluster.settle();
    remove(&mut cluster, 1, 0);
    remove(&mut cluster, 1, 2);
    for _ in 0..4 {
        draft(&mut cluster, 1);
    }
    let is_certificate = |(_, to, bytes): &(usize, usize, Vec<u8>)| {
        *to == 2 && bytes[1] == LEDGER && bytes[2] == CERTIFIED
    };
    let (_, _, certificate) = cluster.wire.drain(..).rfind(is_certificate).unwrap();
    cluster.cut = vec![0];
    cluster.receive(1, 2, &certificate);
    for _ in 0..4 {
        cluster.flush();
        (1..3).for_each(|n| drop(cluster.step(n, Event::Tick)));
        deliver_if(&mut cluster, |from, to, kind| {
            from + to == 3 && kind != LEDGER
        });
        assert_eq!(cluster.replicas[2].roster().number(), 0);
        assert_eq!(state(&cluster, 2), 1);
    }
    add(&mut cluster, 1, 2);
    cluster.settle();
    assert_eq!([1, 2].map(|n| state(&cluster, n)), [1; 2]);
    assert_agreed(&cluster);
}

#[test]
fn a_retirement_waits_for_the_list_under_which_it_was_announced() {
    let mut cluster = cluster(2, 3);
    // Replica 1 is away while replica 2 joins, gets all that replica 0 has, and lets it retire.
    cluster.cut = vec![1];
    add(&mut cluster, 0, 2);
    cluster.settle();
    cluster.accum(0, b"x", 1);
    cluster.settle();
    cluster.step(0, Event::Retire);
    let mut retirement = None;
    for _ in 0..8 {
        cluster.flush();
        for n in [0, 2] {
            cluster.step(n, Event::Tick);
        }
        while !cluster.wire.is_empty() {
            let (from, to, bytes) = cluster.wire.remove(0);
            if from == 0 && bytes[1] == LEDGER && bytes[2] == ENDED {
                retirement = Some(bytes.clone());
            }
            if from != 1 && to != 1 {
                cluster.receive(from, to, &bytes);
            }
        }
    }
    let retirement = retirement.expect("replica 0 has retired");
    // It hears of the retirement, and not of the list that added replica 2.
    for _ in 0..8 {
        cluster.receive(0, 1, &retirement);
        draft(&mut cluster, 1);
        cluster.wire.clear();
    }
    cluster.cut = vec![0];
    cluster.settle();
    assert_eq!([1, 2].map(|n| state(&cluster, n)), [1; 2]);
    assert_agreed(&cluster);
    assert_eq!(cluster.replicas[1].digest().0, 0, "everything is folded");
}

#[test]
fn the_last_member_needs_nobody_to_vouch_for_it() {
    let mut cluster = cluster(2, 2);
    cluster.accum(0, b"x", 1);
    cluster.settle();
    cluster.cut = vec![1];
    cluster.restart(0, |_| {});
    assert!(!cluster.replicas[0].is_vouched_for());
    let life = cluster.replicas[0].origin();
    remove(&mut cluster, 0, 1);
    cluster.settle();
    assert!(cluster.replicas[0].is_vouched_for());
    cluster.accum(0, b"x", 2);
    cluster.settle();
    assert_eq!(cluster.replicas[0].origin(), life);
    assert_eq!(state(&cluster, 0), 3);
}

#[test]
fn one_that_was_away_during_folds_joins_and_removals_catches_up() {
    let mut cluster = cluster(4, 5);
    for n in 0..4 {
        cluster.accum(n, b"x", 1 << n);
    }
    cluster.settle();
    // Replica 3 is away; nothing can be folded without it.
    cluster.cut.push(3);
    cluster.step(0, Event::Retire);
    cluster.settle();
    add(&mut cluster, 1, 4);
    cluster.settle();
    cluster.accum(4, b"x", 16);
    cluster.settle();
    let waiting = cluster.replicas[1].closings();
    assert!(waiting.iter().any(|closing| closing.key == public(0)));
    assert!(waiting.iter().all(|closing| closing.missing == [public(3)]));
    // The one that has retired and does not sign sees the same.
    let seen = cluster.replicas[0].closings();
    assert!(seen.iter().all(|closing| closing.missing == [public(3)]));
    assert!(seen.iter().any(|closing| closing.key == public(0)));
    assert!(seen.iter().all(|closing| closing.cause == Cause::Retired));
    assert_eq!(cluster.replicas[1].certified(), None);
    assert_eq!(
        cluster.said(|notice| matches!(notice, Notice::Folded(_))),
        0
    );
    remove(&mut cluster, 1, 2);
    cluster.settle();
    cluster.cut.retain(|n| *n != 3);
    cluster.settle();
    cluster.settle();
    assert_eq!([0, 1, 3, 4].map(|n| state(&cluster, n)), [31; 4]);
    assert_agreed(&cluster);
    for n in [0, 1, 3, 4] {
        let certified = cluster.replicas[n].certified().unwrap();
        let mut signers = [1, 3, 4].map(public);
        signers.sort_unstable();
        assert_eq!(certified.signers, signers);
        assert_eq!(certified.roster, cluster.replicas[n].roster().number());
        let closed = certified.closed.iter();
        let closed: Vec<_> = closed.map(|(key, cause, _)| (*key, *cause)).collect();
        assert_eq!(closed, [(public(0), Cause::Retired)]);
    }
}

#[test]
fn a_change_sent_to_one_member_after_a_retirement_splits_nobody() {
    for early in [false, true] {
        let mut cluster = cluster(3, 3);
        for n in 0..3 {
            cluster.accum(n, b"x", 1 << n);
        }
        cluster.settle();
        // A copy of replica 0 goes on although replica 0 retires.
        let mut twin = self::cluster(3, 3);
        twin.accum(0, b"x", 1);
        twin.settle();
        twin.accum(0, b"x", 8);
        twin.step(0, Event::Flush);
        let (_, _, late) = twin.wire.pop().unwrap();
        cluster.step(0, Event::Retire);
        let send = |cluster: &mut Cluster| {
            cluster.receive(0, 1, &late);
        };
        cluster.step(0, Event::Flush);
        if early {
            send(&mut cluster);
        }
        cluster.deliver();
        if !early {
            cluster.settle();
        }
        cluster.cut.push(0);
        cluster.settle();
        if !early {
            send(&mut cluster);
        }
        cluster.settle();
        cluster.cut.clear();
        cluster.settle();
        let expected = if early { 15 } else { 7 };
        assert_eq!(
            [0, 1, 2].map(|n| state(&cluster, n)),
            [expected; 3],
            "early: {early}"
        );
        assert_agreed(&cluster);
    }
}

#[test]
fn two_contents_of_one_version_split_nobody() {
    let mut cluster = cluster(4, 4);
    cluster.settle();
    let mut twin = self::cluster(4, 4);
    let mut messages = Vec::new();
    for (cluster, delta) in [(&mut cluster, 1), (&mut twin, 2)] {
        cluster.accum(0, b"x", delta);
        cluster.step(0, Event::Flush);
        messages.push(cluster.wire.pop().unwrap().2);
        cluster.wire.clear();
    }
    cluster.cut.push(0);
    for (to, bytes) in [1, 2, 3]
        .into_iter()
        .zip([&messages[0], &messages[1], &messages[1]])
    {
        cluster.receive(0, to, bytes);
    }
    cluster.settle();
    cluster.settle();
    let states = [1, 2, 3].map(|n| state(&cluster, n));
    assert!(
        states == [1; 3] || states == [2; 3],
        "{states:?} {:?} {:?}",
        cluster
            .notices
            .iter()
            .filter(|(_, notice)| !matches!(notice, Notice::InSync { .. }))
            .collect::<Vec<_>>(),
        (1..4)
            .map(|n| cluster.replicas[n].closings())
            .collect::<Vec<_>>()
    );
    let convicted = |notice: &Notice| matches!(notice, Notice::Misconduct { .. });
    assert_eq!(cluster.said(convicted), 3);
    for n in 1..4 {
        assert_eq!(cluster.replicas[n].closings(), []);
        assert_eq!(cluster.replicas[n].digest().0, 0, "it is folded");
    }
    // Its further changes are taken by nobody.
    cluster.cut.clear();
    cluster.accum(0, b"y", 1);
    cluster.settle();
    assert_eq!(cluster.replicas[1].state(b"y"), 0.into());
}

#[test]
fn one_that_retires_without_what_the_others_collect_adopts_their_base() {
    let mut cluster = cluster(4, 4);
    // Replica 0 is away when replica 1 changes something, and is the first to hear of its removal.
    cluster.cut.push(0);
    cluster.accum(1, b"x", 1);
    cluster.settle();
    remove(&mut cluster, 0, 1);
    cluster.step(0, Event::Retire);
    cluster.cut = vec![1];
    cluster.settle();
    assert_eq!([0, 2, 3].map(|n| state(&cluster, n)), [1; 3]);
    assert_agreed(&cluster);
}

#[test]
fn the_word_of_one_that_has_retired_since_lets_nobody_else_leave() {
    let mut cluster = cluster(3, 3);
    cluster.cut = vec![2];
    cluster.accum(1, b"x", 1);
    cluster.settle();
    cluster.wire.clear();
    let is_summary = |(_, to, bytes): &(usize, usize, Vec<u8>)| *to == 0 && bytes[1] == SUMMARY;
    let old = loop {
        cluster.step(1, Event::Tick);
        if let Some((_, _, old)) = cluster.wire.drain(..).find(is_summary) {
            break old;
        }
    };
    let leaves = |cluster: &Cluster, n: usize| {
        let mut origins = cluster.replicas[0].origins();
        let key = public(n as u8);
        origins.any(|it| it.author.key == key && it.retiring)
    };
    cluster.step(1, Event::Retire);
    cluster.settle();
    assert!(leaves(&cluster, 1), "replica 0 has everything");
    cluster.step(0, Event::Retire);
    cluster.step(0, Event::Flush);
    cluster.receive(1, 0, &old);
    cluster.settle();
    assert!(!leaves(&cluster, 0), "replica 2 has nothing");
    cluster.cut.clear();
    cluster.settle();
    assert!(leaves(&cluster, 0));
    assert_eq!(state(&cluster, 2), 1);
}

#[derive(Clone, Debug)]
enum Step {
    Change(usize, u8),
    Retire(usize),
    Add(u8),
    Remove(u8),
    Cut(usize),
    Heal,
    Restart(usize),
    /// Delivers some messages, in an order that follows from the seed, and loses some.
    Deliver(u64),
    Tick(usize),
}

pub(crate) const SUMMARY: u8 = 1;
pub(crate) const LEDGER: u8 = 7;

/// Kinds of records of the ledger.
const ENDED: u8 = 8;
const CERTIFIED: u8 = 10;

/// Delivers messages by sender, receiver and kind, and drops the others.
pub(crate) fn deliver_if(cluster: &mut Cluster, wanted: impl Fn(usize, usize, u8) -> bool) {
    while !cluster.wire.is_empty() {
        let (from, to, bytes) = cluster.wire.remove(0);
        if wanted(from, to, bytes[1]) {
            cluster.receive(from, to, &bytes);
        }
    }
}

#[test]
fn lives_that_restarts_left_are_folded_when_their_key_is_removed() {
    const RESTARTS: u64 = 200;
    let mut cluster = cluster(3, 3);
    let mut expected = 0;
    let mut records = Vec::new();
    for cycle in 0..3 {
        // As long as replica 2 cannot vouch for it, each restart begins a life.
        cluster.cut = vec![2];
        for n in 1..=RESTARTS {
            cluster.restart(0, |config| {
                config.incarnation = u128::from(cycle << 32 | n).to_le_bytes();
            });
            cluster.accum(0, b"x", cycle << 32 | n);
            cluster.step(0, Event::Flush);
            expected ^= cycle << 32 | n;
        }
        cluster.cut.clear();
        cluster.settle();
        let origins = cluster.replicas[1].origins();
        let left = origins.filter(|status| !status.folded).count() as u64;
        assert!(left > RESTARTS, "{left} lives");
        remove(&mut cluster, 1, 0);
        cluster.settle();
        add(&mut cluster, 1, 0);
        cluster.settle();
        assert_agreed(&cluster);
        for replica in &cluster.replicas {
            assert_eq!(replica.state(b"x"), expected.into());
            let unfolded = replica.origins().filter(|status| !status.folded);
            assert!(unfolded.count() <= 3);
        }
        records.push(cluster.stores[1].len());
    }
    // The records of folded lives are used for the next ones.
    assert_eq!(records[1], records[2]);
}

/// A replica drafts a statement and stores it.
pub(crate) fn draft(cluster: &mut Cluster, n: usize) {
    cluster.step(n, Event::Tick);
    cluster.step(n, Event::Flush);
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..6_usize, 0..8_u8).prop_map(|(n, bit)| Step::Change(n, bit)),
        1 => (0..6_usize).prop_map(Step::Retire),
        1 => (0..6_u8).prop_map(Step::Add),
        1 => (0..6_u8).prop_map(Step::Remove),
        1 => (0..6_usize).prop_map(Step::Cut),
        1 => Just(Step::Heal),
        1 => (0..6_usize).prop_map(Step::Restart),
        8 => any::<u64>().prop_map(Step::Deliver),
        4 => (0..6_usize).prop_map(Step::Tick),
    ];
    prop::collection::vec(step, 1..60)
}

/// Delivers half of the messages in any order, and loses some.
fn shuffle(cluster: &mut Cluster, mut seed: u64) {
    let mut wire = core::mem::take(&mut cluster.wire);
    let mut next = |most: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) as usize % most
    };
    for _ in 0..wire.len() / 2 {
        let (from, to, bytes) = wire.swap_remove(next(wire.len()));
        if next(8) > 0 && !cluster.cut.contains(&from) && !cluster.cut.contains(&to) {
            cluster.receive(from, to, &bytes);
        }
    }
    wire.append(&mut cluster.wire);
    cluster.wire = wire;
}

/// Plays the steps; then all who stay are connected, and agree.
fn assert_agreed_after(steps: Vec<Step>) {
    let mut cluster = cluster(4, 6);
    // What each replica has changed, and which of it is certain to be everywhere.
    let mut sum = 0_u64;
    let mut certain = true;
    // As the administrator's tool keeps it.
    let mut roster = cluster.replicas[0].roster().clone();
    let mut outside: Vec<usize> = cluster.cut.clone();
    for step in steps {
        match step {
            Step::Change(n, bit) => {
                let delta = 1 << (8 * n as u64 + u64::from(bit));
                let op = LocalOp::accum(b"x", delta.into());
                let changed = cluster.try_step(n, Event::Op(&op));
                if changed.is_ok() {
                    sum ^= delta;
                    cluster.step(n, Event::Flush);
                }
            }
            Step::Retire(n) if !outside.contains(&n) => {
                cluster.step(n, Event::Retire);
            }
            Step::Add(member) if outside.contains(&usize::from(member)) => {
                let n = (0..6).find(|n| !outside.contains(n)).unwrap();
                roster = roster.add(public(member), "").unwrap();
                change(&mut cluster, n, |_| roster.clone());
                cluster.stores[usize::from(member)].clear();
                cluster.restart(usize::from(member), |config| config.kept_memory = false);
                outside.retain(|n| *n != usize::from(member));
                cluster.cut.retain(|n| *n != usize::from(member));
            }
            Step::Remove(member)
                if outside.len() < 4 && !outside.contains(&usize::from(member)) =>
            {
                let n = (0..6).find(|n| !outside.contains(n) && *n != usize::from(member));
                roster = roster.remove(&public(member)).unwrap();
                change(&mut cluster, n.unwrap(), |_| roster.clone());
                // What only it had is lost.
                certain = false;
                outside.push(usize::from(member));
                cluster.cut.push(usize::from(member));
            }
            Step::Cut(n) if cluster.cut.len() < 5 && !cluster.cut.contains(&n) => {
                cluster.cut.push(n);
            }
            Step::Heal => cluster.cut.clone_from(&outside),
            Step::Restart(n) if !outside.contains(&n) => cluster.restart(n, |_| {}),
            Step::Deliver(seed) => shuffle(&mut cluster, seed),
            Step::Tick(n) => {
                cluster.step(n, Event::Flush);
                cluster.step(n, Event::Tick);
            }
            _ => {}
        }
    }
    cluster.cut.clone_from(&outside);
    let first = (0..6).find(|n| !outside.contains(n)).unwrap();
    let newest = roster
        .sign("test", &atomik_replica::Shape::xor(1), &administrator())
        .encode();
    // A replica that was restarted before it had stored the roster may have been the only one.
    let _ = cluster.try_step(first, Event::Roster(&newest));
    for _ in 0..4 {
        cluster.settle();
    }
    let all_retired = |cluster: &Cluster| {
        (0..6).filter(|n| !outside.contains(n)).all(|n| {
            let op = LocalOp::accum(b"y", 0.into());
            let mut replica = cluster.replicas[n].clone();
            replica.step(Event::Op(&op), &mut Vec::new()).is_err()
        })
    };
    if !all_retired(&cluster) {
        assert_agreed(&cluster);
    }
    let connected = (0..6).find(|n| !outside.contains(n)).unwrap();
    if certain {
        assert_eq!(state(&cluster, connected), sum);
    }
}

#[test]
fn members_agree_if_one_that_was_added_again_had_been_asked_to_retire() {
    assert_agreed_after(vec![
        Step::Remove(0),
        Step::Change(0, 0),
        Step::Change(0, 0),
        Step::Add(0),
        Step::Retire(2),
        Step::Retire(0),
        Step::Retire(3),
        Step::Remove(1),
    ]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn members_agree_after_any_joins_removals_partitions_and_losses(steps in steps()) {
        assert_agreed_after(steps);
    }
}
