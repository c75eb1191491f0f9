//! Lives of a replica: restored backups, copied folders, snapshots, restarts.

use std::collections::BTreeMap;

use atomik_replica::{Event, LocalOp, Notice, OpError, Refusal, Replica};

use crate::replication::{Cluster, config};

/// Three replicas that agree, the first of which has published x = 1, and a copy of its records.
fn with_backup() -> (Cluster, BTreeMap<Vec<u8>, Vec<u8>>) {
    let mut cluster = Cluster::new(3);
    cluster.deliver();
    cluster.accum(0, b"x", 1);
    cluster.settle();
    let backup = cluster.stores[0].clone();
    (cluster, backup)
}

fn assert_x(cluster: &Cluster, expected: u64) {
    for n in 0..cluster.replicas.len() {
        assert_eq!(cluster.replicas[n].state(b"x"), expected.into(), "{n}");
    }
    cluster.assert_equal();
    for replica in &cluster.replicas {
        assert!(replica.origins().all(|origin| !origin.quarantined));
    }
}

/// Changes x at replicas of one key, of which at most one may have stopped. Returns what was
/// accepted.
fn change_where_accepted(cluster: &mut Cluster, changes: [(usize, u64); 2]) -> u64 {
    let accepted = changes.map(|(n, delta)| {
        let op = LocalOp::accum(b"x", delta.into());
        match cluster.try_step(n, Event::Op(&op)) {
            Ok(_) => delta,
            Err(error) => {
                assert_eq!(error, OpError::Stopped);
                0
            }
        }
    });
    assert_ne!(accepted, [0, 0], "one goes on");
    accepted[0] | accepted[1]
}

#[test]
fn operations_after_a_restore_and_before_a_contact_lose_nothing_that_was_acknowledged() {
    for operations in [1, 2] {
        let (mut cluster, backup) = with_backup();
        let before = cluster.replicas[0].origin();
        cluster.accum(0, b"x", 2);
        cluster.settle();
        cluster.stores[0] = backup;
        cluster.cut = vec![0];
        cluster.restart(0, |_| {});
        cluster.deliver();
        for n in 0..operations {
            cluster.accum(0, b"x", 4 << n);
        }
        cluster.step(0, Event::Flush);
        assert_ne!(cluster.replicas[0].origin(), before);
        cluster.deliver();
        cluster.cut.clear();
        cluster.settle();
        assert_x(&cluster, if operations == 1 { 7 } else { 15 });
    }
}

#[test]
fn a_store_cut_back_at_a_commit_loses_nothing_that_a_peer_has() {
    let mut cluster = Cluster::new(3);
    cluster.deliver();
    let mut commits = vec![cluster.stores[0].clone()];
    for n in 0..5 {
        cluster.accum(0, b"x", 1 << n);
        cluster.flush();
        cluster.deliver();
        commits.push(cluster.stores[0].clone());
    }
    for (n, commit) in commits.into_iter().enumerate().rev() {
        cluster.stores[0] = commit;
        cluster.restart(0, |config| config.incarnation[14] = n as u8);
        cluster.accum(0, b"x", 1 << (8 + n));
        cluster.settle();
    }
    assert_x(&cluster, 0b111_1111_0001_1111 & !(1 << 14));
}

#[test]
fn a_restored_replica_says_so_once_it_meets_a_peer_and_continues_in_a_new_life() {
    let (mut cluster, backup) = with_backup();
    let before = cluster.replicas[0].origin();
    cluster.accum(0, b"y", 2);
    cluster.settle();
    cluster.stores[0] = backup;
    cluster.restart(0, |_| {});
    cluster.notices.clear();
    cluster.settle();
    let lost = |notice: &Notice| matches!(notice, Notice::MemoryLost { old, .. } if *old == before);
    assert_eq!(cluster.said(lost), 1);
    assert!(cluster.replicas[0].is_vouched_for());
    assert_ne!(cluster.replicas[0].origin(), before);
    cluster.accum(0, b"x", 4);
    cluster.settle();
    assert_x(&cluster, 5);
    assert_eq!(cluster.replicas[0].state(b"y"), 2.into());
}

#[test]
fn a_backup_of_a_life_that_was_left_does_not_continue_it() {
    let (mut cluster, backup) = with_backup();
    let before = cluster.replicas[0].origin();
    // Replica 2 is away, so a change after the restart begins a life.
    cluster.cut = vec![2];
    cluster.restart(0, |_| {});
    cluster.accum(0, b"x", 2);
    cluster.settle();
    let after = cluster.replicas[0].origin();
    assert_ne!(after, before);
    cluster.cut.clear();
    cluster.settle();
    cluster.stores[0] = backup;
    cluster.restart(0, |_| {});
    cluster.settle();
    let own = cluster.replicas[0].origin();
    assert!(own != before && own != after);
    cluster.accum(0, b"x", 4);
    cluster.settle();
    assert_x(&cluster, 7);
}

#[test]
fn a_copied_folder_and_its_original_both_run_until_one_stops_and_nothing_is_lost() {
    // The original knows nothing of the copy's first changes, and the other way round.
    for first in [0, 1] {
        let (mut cluster, backup) = with_backup();
        // Replica 3 is the copy.
        let mut copied = config(0, 3);
        copied.incarnation = [77; 16];
        let copy = Replica::open(copied, backup.clone()).unwrap();
        cluster.replicas.push(copy);
        cluster.stores.push(backup);
        for other in 0..3 {
            cluster.up(3, other);
            cluster.up(other, 3);
        }
        for n in if first == 0 { [0, 3] } else { [3, 0] } {
            cluster.accum(n, b"x", 2 << n);
            cluster.step(n, Event::Flush);
        }
        cluster.settle();
        let later = change_where_accepted(&mut cluster, [(0, 32), (3, 64)]);
        cluster.settle();
        assert_x(&cluster, 1 | 2 | 16 | later);
        assert!(cluster.said(|notice| matches!(notice, Notice::KeyInUse { .. })) > 0);
    }
}

/// Continues with a snapshot of the first replica and its disk, as of when it had published x = 1.
/// Before that, it publishes x ^= 2 to those not in `away`.
fn rolled_back(away: &[usize]) -> Cluster {
    let (mut cluster, disk) = with_backup();
    let snapshot = cluster.replicas[0].clone();
    cluster.cut = away.to_vec();
    cluster.accum(0, b"x", 2);
    cluster.step(0, Event::Flush);
    cluster.deliver();
    cluster.replicas[0] = snapshot;
    cluster.stores[0] = disk;
    cluster.notices.clear();
    cluster
}

#[test]
fn a_resumed_snapshot_in_contact_with_all_takes_a_new_life() {
    let mut cluster = rolled_back(&[]);
    cluster.step(0, Event::Tick);
    cluster.deliver();
    cluster.accum(0, b"x", 4);
    cluster.settle();
    assert_x(&cluster, 7);
    assert_eq!(
        cluster.said(|notice| matches!(notice, Notice::MemoryLost { .. })),
        1
    );
}

#[test]
fn a_resumed_snapshot_that_meets_a_peer_with_its_later_changes_keeps_them() {
    // Replica 2 did not get the change.
    let mut cluster = rolled_back(&[2]);
    cluster.cut = vec![2];
    cluster.settle();
    cluster.cut = vec![1];
    cluster.accum(0, b"x", 4);
    cluster.settle();
    cluster.cut.clear();
    cluster.settle();
    assert_x(&cluster, 7);
}

#[test]
fn running_copies_that_change_different_keys_agree_without_loss() {
    let (mut cluster, disk) = with_backup();
    // Replica 3 is a copy of replica 0, which does not know it. Each reaches one other at first.
    let copy = cluster.replicas[0].clone();
    cluster.replicas.push(copy);
    cluster.stores.push(disk);
    let changes = [(0, 1, b"a"), (3, 2, b"b")];
    for (n, reached, key) in changes {
        cluster.cut = (0..4).filter(|&m| m != n && m != reached).collect();
        cluster.accum(n, key, 2);
        cluster.step(n, Event::Flush);
        cluster.deliver();
    }
    cluster.cut.clear();
    for other in 0..3 {
        cluster.up(3, other);
        cluster.up(other, 3);
    }
    cluster.settle();
    let lost = |notice: &Notice| matches!(notice, Notice::MemoryLost { .. });
    assert!(cluster.said(lost) > 0);
    for (_, _, key) in changes {
        for replica in &cluster.replicas {
            assert_eq!(replica.state(key), 2.into());
        }
    }
    assert_x(&cluster, 1);
    let later = change_where_accepted(&mut cluster, [(0, 4), (3, 8)]);
    cluster.settle();
    assert_x(&cluster, 1 | later);
}

#[test]
fn a_key_that_two_running_copies_changed_is_reported_and_no_branch_replaces_the_other() {
    let (mut cluster, _) = with_backup();
    let snapshot = cluster.replicas[0].clone();
    cluster.accum(0, b"x", 2);
    cluster.step(0, Event::Flush);
    cluster.deliver();
    // The copy makes two changes of the key, so that its version is higher.
    cluster.replicas[0] = snapshot;
    cluster.accum(0, b"x", 4);
    cluster.accum(0, b"x", 8);
    cluster.notices.clear();
    cluster.step(0, Event::Flush);
    cluster.deliver();
    for n in 1..3 {
        assert_eq!(cluster.replicas[n].state(b"x"), 3.into(), "{n}");
    }
    let forked = |notice: &Notice| {
        let Notice::Refused { reason, .. } = notice else {
            return false;
        };
        matches!(reason, Refusal::Forked { .. })
    };
    assert_eq!(cluster.said(forked), 2);
}

#[test]
fn a_replica_that_falls_behind_twice_stops_and_loses_nothing() {
    let (mut cluster, _) = with_backup();
    for _ in 0..2 {
        let disk = cluster.stores[0].clone();
        let snapshot = cluster.replicas[0].clone();
        cluster.accum(0, b"x", 2);
        cluster.settle();
        cluster.accum(0, b"x", 2);
        cluster.settle();
        cluster.replicas[0] = snapshot;
        cluster.stores[0] = disk;
        cluster.settle();
    }
    let stopped = |notice: &Notice| matches!(notice, Notice::Stopped { .. });
    assert_eq!(cluster.said(stopped), 1);
    let add = LocalOp::accum(b"x", 4.into());
    let refused = cluster.try_step(0, Event::Op(&add)).unwrap_err();
    assert_eq!(refused, OpError::Stopped);
    assert!(refused.to_string().contains("--new-identity"));
    cluster.restart(0, |_| {});
    cluster.accum(0, b"x", 4);
    cluster.settle();
    assert_x(&cluster, 5);
}

fn bytes(cluster: &Cluster) -> usize {
    let records = cluster.stores[0].iter();
    records.map(|(key, value)| key.len() + value.len()).sum()
}

/// Restarts the first replica 500 times, with a change after `act`; returns its records, their
/// bytes and its origins after the tenth and after the last restart.
fn restarts(cluster: &mut Cluster, mut act: impl FnMut(&mut Cluster)) -> [[usize; 3]; 2] {
    let mut sizes = [[0; 3]; 2];
    for n in 1..=500_u64 {
        cluster.restart(0, |config| {
            config.incarnation[8..].copy_from_slice(&n.to_le_bytes());
            config.undo_batches = 4;
        });
        act(cluster);
        cluster.accum(0, b"x", n);
        cluster.step(0, Event::Flush);
        if n == 10 || n == 500 {
            let origins = cluster.replicas[0].origins().count();
            sizes[usize::from(n == 500)] = [cluster.stores[0].len(), bytes(cluster), origins];
        }
    }
    sizes
}

#[test]
fn restarts_of_the_only_member_do_not_grow_its_records() {
    let mut cluster = Cluster::new(1);
    let [early, late] = restarts(&mut cluster, |_| {});
    assert_eq!((early[0], early[2]), (late[0], late[2]));
    assert!(late[1] < early[1] + 64, "{early:?} {late:?}");
}

#[test]
fn a_restarted_replica_that_all_vouch_for_continues_its_life() {
    let mut cluster = Cluster::new(3);
    cluster.deliver();
    cluster.accum(0, b"x", 1 << 20);
    cluster.settle();
    let origin = cluster.replicas[0].origin();
    let [early, late] = restarts(&mut cluster, |cluster| {
        assert!(!cluster.replicas[0].is_vouched_for());
        (1..3).for_each(|n| drop(cluster.step(n, Event::Tick)));
        cluster.deliver();
        assert!(cluster.replicas[0].is_vouched_for());
    });
    assert_eq!((early[0], early[2]), (late[0], late[2]));
    assert!(late[1] < early[1] + 64, "{early:?} {late:?}");
    assert_eq!(cluster.replicas[0].origin(), origin);
    cluster.settle();
    let sum = (1..=500).fold(1 << 20, |sum, n| sum ^ n);
    assert_x(&cluster, sum);
}

#[test]
fn a_life_is_not_continued_unless_every_member_vouches_for_it() {
    let (mut cluster, _) = with_backup();
    let before = cluster.replicas[0].origin();
    cluster.cut = vec![2];
    cluster.restart(0, |_| {});
    cluster.settle();
    assert!(!cluster.replicas[0].is_vouched_for());
    assert_eq!(cluster.replicas[0].origin(), before);
    cluster.accum(0, b"x", 2);
    cluster.step(0, Event::Flush);
    assert_ne!(cluster.replicas[0].origin(), before);
    assert!(cluster.replicas[0].is_vouched_for());
    cluster.cut.clear();
    cluster.settle();
    assert_x(&cluster, 3);
    let lives: Vec<_> = cluster.replicas[1].origins().collect();
    assert_eq!(lives.last().unwrap().author.life(), 1);
}

#[test]
fn a_life_of_which_nobody_has_the_end_any_more_is_left() {
    let (mut cluster, backup) = with_backup();
    let before = cluster.replicas[0].origin();
    let kept = cluster.stores[1].clone();
    cluster.cut = vec![2];
    cluster.accum(0, b"y", 2);
    cluster.step(0, Event::Flush);
    cluster.deliver();
    assert_eq!(cluster.replicas[1].state(b"y"), 2.into());

    // Replica 0 is restored, hears from replica 1 of the change and does not get it, and replica 1
    // loses it.
    cluster.stores[0] = backup;
    cluster.restart(0, |_| {});
    for (from, to, bytes) in std::mem::take(&mut cluster.wire) {
        if to == 1 {
            cluster.receive(from, to, &bytes);
        }
    }
    let head = |bytes: &[u8]| bytes.starts_with(&[1, 9]);
    cluster
        .wire
        .retain(|(from, _, bytes)| *from == 1 && head(bytes));
    assert_eq!(cluster.wire.len(), 1);
    cluster.deliver();
    cluster.stores[1] = kept;
    cluster.restart(1, |_| {});
    cluster.cut.clear();
    assert_eq!(cluster.replicas[0].origin(), before);

    cluster.settle();
    assert_ne!(cluster.replicas[0].origin(), before);
    assert!(cluster.replicas[0].is_vouched_for());
    cluster.accum(0, b"x", 4);
    cluster.settle();
    assert_x(&cluster, 5);
}
