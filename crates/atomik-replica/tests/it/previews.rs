//! Changes that are sent before they are signed.

use atomik_replica::{Config, Event, Notice, OriginId, Refusal, Value};

use crate::membership::{administered, public, signed};
use crate::replication::{Cluster, config, key, peer};

const SUMMARY: u8 = 1;

/// Replicas whose messages are authenticated.
fn cluster(members: u8) -> Cluster {
    with((0..members).map(|n| config(n, members)).collect())
}

fn with(configs: Vec<Config>) -> Cluster {
    let members = configs.len();
    let mut cluster = Cluster::with(configs);
    for n in 0..members {
        for other in (0..members).filter(|&other| other != n) {
            meet(&mut cluster, n, other);
        }
    }
    cluster.deliver();
    cluster
}

/// The configuration of replica `n` of three founders with an administrator.
fn administered_by_all(n: u8) -> Config {
    let mut config = administered(n);
    config.trust = crate::replication::config(n, 3).trust;
    config
}

fn meet(cluster: &mut Cluster, n: usize, other: usize) {
    let key = Some(key(other as u8).verifying_key().to_bytes());
    let peer = peer(other);
    cluster.step(n, Event::PeerUp { peer, key });
}

/// Changes a key and sends a preview of that.
fn preview(cluster: &mut Cluster, n: usize, name: &[u8], delta: u64) {
    cluster.accum(n, name, delta);
    cluster.step(n, Event::Flush);
}

/// Signs what a replica has previewed, and sends the signature.
fn seal(cluster: &mut Cluster, n: usize) {
    cluster.step(n, Event::Seal);
    cluster.step(n, Event::Flush);
}

fn state(cluster: &Cluster, n: usize, name: &[u8]) -> Value {
    cluster.replicas[n].state(name)
}

fn summary(cluster: &mut Cluster, n: usize) -> Vec<u8> {
    cluster.step(n, Event::Tick);
    let at = cluster
        .wire
        .iter()
        .rposition(|(from, _, bytes)| *from == n && bytes[..2] == [1, SUMMARY])
        .unwrap();
    cluster.wire.remove(at).2
}

#[test]
fn a_preview_is_visible_at_once_and_becomes_an_entry_when_it_is_sealed() {
    let mut cluster = cluster(3);
    let before = summary(&mut cluster, 1);
    preview(&mut cluster, 0, b"x", 5);
    assert!(cluster.wire.iter().all(|(_, _, bytes)| bytes.len() < 60));
    cluster.deliver();
    assert_eq!(state(&cluster, 1, b"x"), 5.into());
    assert!(cluster.replicas[1].writers(b"x").is_empty());
    let own = cluster.replicas[0].origin();
    assert_eq!(cluster.replicas[1].previewed(b"x"), [(own, 1, 5.into())]);
    let unsigned = |cluster: &Cluster| [0, 2].map(|n| cluster.replicas[1].shows_unsigned(peer(n)));
    assert_eq!(unsigned(&cluster), [true, false]);
    assert_eq!(summary(&mut cluster, 1), before, "it is not in the digest");
    assert_eq!(cluster.replicas[0].digest(), cluster.replicas[1].digest());

    preview(&mut cluster, 0, b"x", 1);
    seal(&mut cluster, 0);
    cluster.deliver();
    assert_eq!(cluster.replicas[1].writers(b"x"), [(own, 2, 4.into())]);
    assert!(cluster.replicas[1].previewed(b"x").is_empty());
    assert_eq!(unsigned(&cluster), [false, false]);
    assert_ne!(summary(&mut cluster, 1), before);
    assert_eq!(
        cluster.said(|notice| matches!(notice, Notice::Refused { .. })),
        0
    );
    cluster.assert_equal();
}

#[test]
fn a_peer_is_not_in_sync_while_it_has_yet_to_sign_what_was_lost_on_the_way() {
    let mut cluster = cluster(2);
    let in_sync =
        |cluster: &Cluster| cluster.said(|notice| *notice == Notice::InSync { from: peer(0) });
    preview(&mut cluster, 0, b"x", 5);
    cluster.wire.clear();
    let before = in_sync(&cluster);
    let early = summary(&mut cluster, 0);
    let from = peer(0);
    cluster.step(
        1,
        Event::Message {
            from,
            bytes: &early,
        },
    );
    assert_eq!(in_sync(&cluster), before);

    cluster.settle();
    let late = summary(&mut cluster, 0);
    cluster.step(1, Event::Message { from, bytes: &late });
    assert!(in_sync(&cluster) > before);
    assert_eq!(state(&cluster, 1, b"x"), 5.into());
}

#[test]
fn one_signature_covers_many_previews_and_others_can_pass_them_on() {
    let mut cluster = cluster(3);
    cluster.cut = vec![2];
    for n in 0..100_u8 {
        preview(&mut cluster, 0, &[n % 50], u64::from(n) + 1);
        cluster.deliver();
    }
    seal(&mut cluster, 0);
    cluster.deliver();
    assert_eq!(cluster.replicas[0].counters().frames, 1);
    cluster.cut = vec![0];
    cluster.settle();
    assert_eq!(cluster.states(2), cluster.states(0));
}

#[test]
fn an_open_frame_is_sealed_when_it_is_full_or_has_been_open_for_a_tick() {
    let mut cluster = cluster(2);
    for n in 0..250_u8 {
        preview(&mut cluster, 0, &[n], 1);
    }
    assert_eq!(cluster.replicas[0].counters().frames, 1);
    for frames in [1, 2, 2] {
        cluster.step(0, Event::Tick);
        cluster.step(0, Event::Flush);
        assert_eq!(cluster.replicas[0].counters().frames, frames);
    }
    cluster.deliver();
    cluster.assert_equal();
}

#[test]
fn a_large_batch_is_signed_at_once() {
    let mut cluster = cluster(2);
    preview(&mut cluster, 0, b"x", 1);
    for n in 0..100_u8 {
        cluster.accum(0, &[n], 1);
    }
    cluster.step(0, Event::Flush);
    cluster.deliver();
    assert_eq!(cluster.replicas[0].counters().frames, 2);
    assert_eq!(cluster.replicas[1].writers(b"x").len(), 1);
    cluster.assert_equal();
}

#[test]
fn a_preview_counts_for_its_sender_alone_and_only_over_sessions() {
    let mut cluster = cluster(3);
    preview(&mut cluster, 0, b"x", 5);
    let (_, _, message) = cluster.wire.pop().unwrap();
    cluster.wire.clear();
    let bytes = &message[..];
    let from = peer(2);
    cluster.step(1, Event::Message { from, bytes });
    let victim = cluster.replicas[0].origin();
    let of_victim = |(origin, ..): &(OriginId, u64, Value)| *origin == victim;
    assert!(!cluster.replicas[1].previewed(b"x").iter().any(of_victim));

    let from = peer(0);
    let key = None;
    cluster.step(1, Event::PeerUp { peer: from, key });
    cluster.step(1, Event::Message { from, bytes });
    assert!(!cluster.replicas[1].previewed(b"x").iter().any(of_victim));
}

#[test]
fn a_seal_that_does_not_fit_its_previews_takes_them_back() {
    let mut cluster = cluster(2);
    preview(&mut cluster, 0, b"x", 4);
    cluster.deliver();
    preview(&mut cluster, 0, b"x", 4);
    let (_, _, mut message) = cluster.wire.pop().unwrap();
    // Another change of the same key.
    let last = message.len() - 1;
    assert_eq!(message[last], 0, "the same bit of key 0 again");
    message.splice(last.., [1, 6]);
    let (from, bytes) = (peer(0), &message[..]);
    cluster.step(1, Event::Message { from, bytes });
    assert_eq!(state(&cluster, 1, b"x"), 12.into());
    seal(&mut cluster, 0);
    cluster.deliver();
    assert_eq!(state(&cluster, 1, b"x"), 0.into());
    let forged = |notice: &Notice| {
        matches!(
            notice,
            Notice::Refused {
                reason: Refusal::Forged { .. },
                ..
            }
        )
    };
    assert_eq!(cluster.said(forged), 1);
    cluster.settle();
    assert_eq!(cluster.replicas[1].writers(b"x").len(), 1);
    cluster.assert_equal();
}

#[test]
fn previews_are_taken_back_when_the_session_ends_and_come_back_signed() {
    let mut cluster = cluster(2);
    preview(&mut cluster, 0, b"x", 1);
    seal(&mut cluster, 0);
    preview(&mut cluster, 0, b"x", 4);
    cluster.deliver();
    assert_eq!(state(&cluster, 1, b"x"), 5.into());
    cluster.step(1, Event::PeerDown(peer(0)));
    assert_eq!(state(&cluster, 1, b"x"), 1.into());
    cluster.step(0, Event::PeerDown(peer(1)));
    meet(&mut cluster, 0, 1);
    meet(&mut cluster, 1, 0);
    cluster.settle();
    assert_eq!(cluster.replicas[1].writers(b"x")[0].1, 2);
    cluster.assert_equal();
}

#[test]
fn a_missing_preview_is_asked_for() {
    let mut cluster = cluster(2);
    for delta in [1, 2, 4] {
        preview(&mut cluster, 0, b"x", delta);
        if delta == 2 {
            cluster.wire.pop().unwrap();
        }
        cluster.deliver();
    }
    assert_eq!(state(&cluster, 1, b"x"), 1.into());
    // The owner signs all of it for the one that asked.
    cluster.step(0, Event::Flush);
    cluster.deliver();
    assert_eq!(cluster.replicas[1].writers(b"x")[0].1, 3);
    preview(&mut cluster, 0, b"x", 8);
    cluster.deliver();
    assert_eq!(state(&cluster, 1, b"x"), 15.into());
}

const AGAIN: u8 = 10;

/// Delivers everything that is not `lost`, given sender, receiver and kind. Replicas flush when
/// there is something to seal. Returns how often somebody was asked for what was lost.
fn deliver_but(cluster: &mut Cluster, mut lost: impl FnMut(usize, usize, u8) -> bool) -> usize {
    let mut asked = 0;
    loop {
        cluster.flush();
        if cluster.wire.is_empty() {
            return asked;
        }
        let (from, to, bytes) = cluster.wire.remove(0);
        let kind = match bytes[..] {
            [short, ..] if short & 0x80 > 0 => PREVIEW + (short >> 6 & 1),
            _ => bytes[1],
        };
        asked += usize::from(kind == AGAIN);
        if !lost(from, to, kind) {
            cluster.receive(from, to, &bytes);
        }
    }
}

const CHANGES: u8 = 0;
const PREVIEW: u8 = 11;
const SEAL: u8 = 12;

#[test]
fn what_one_peer_missed_breaks_no_stream_to_another() {
    let mut cluster = cluster(3);
    let mut asked = 0;
    for n in 0..40_u64 {
        preview(&mut cluster, 0, b"x", 1 << n);
        let loses = n == 3;
        asked += deliver_but(&mut cluster, |_, to, kind| {
            loses && to == 1 && kind == PREVIEW
        });
    }
    assert_eq!(asked, 1);
    let all = Value::from((1 << 40) - 1);
    assert_eq!([1, 2].map(|n| state(&cluster, n, b"x")), [all.clone(), all]);
    assert_eq!(cluster.replicas[0].counters().frames, 1);
}

#[test]
fn a_frame_whose_seal_or_answer_is_lost_is_asked_for_by_its_number() {
    for lost in [SEAL, CHANGES] {
        let mut cluster = cluster(2);
        preview(&mut cluster, 0, b"x", 1);
        deliver_but(&mut cluster, |_, _, _| false);
        if lost == CHANGES {
            preview(&mut cluster, 0, b"x", 2);
            deliver_but(&mut cluster, |_, _, kind| kind == PREVIEW);
        }
        preview(&mut cluster, 0, b"x", 4);
        cluster.step(0, Event::Seal);
        deliver_but(&mut cluster, |_, _, kind| kind == lost);
        assert_eq!(cluster.replicas[1].writers(b"x"), []);
        // The next frame shows what is missing, without a tick.
        preview(&mut cluster, 0, b"y", 1);
        let asked = deliver_but(&mut cluster, |_, _, _| false);
        assert_eq!(asked, 1, "without {lost}");
        let writers = cluster.replicas[1].writers(b"x");
        assert_eq!(writers, cluster.replicas[0].writers(b"x"));
        assert_eq!(state(&cluster, 1, b"y"), 1.into());
    }
}

#[test]
fn a_lost_question_is_repeated_after_some_messages_and_at_a_tick() {
    for ticks in [false, true] {
        let mut cluster = cluster(2);
        preview(&mut cluster, 0, b"x", 1);
        deliver_but(&mut cluster, |_, _, _| false);
        preview(&mut cluster, 0, b"x", 2);
        deliver_but(&mut cluster, |_, _, kind| kind == PREVIEW);
        preview(&mut cluster, 0, b"x", 4);
        let asked = deliver_but(&mut cluster, |_, _, kind| kind == AGAIN);
        assert_eq!((asked, state(&cluster, 1, b"x")), (1, 1.into()));
        let mut expected = 7;
        if ticks {
            cluster.step(1, Event::Tick);
            deliver_but(&mut cluster, |_, _, kind| kind == SUMMARY);
        } else {
            for n in 0..8 {
                preview(&mut cluster, 0, b"x", 8 << n);
                deliver_but(&mut cluster, |_, _, _| false);
            }
            expected = (8 << 8) - 1;
        }
        assert_eq!(state(&cluster, 1, b"x"), expected.into());
    }
}

#[test]
fn what_never_comes_is_asked_for_ever_less_often_and_left_to_comparisons() {
    let mut cluster = cluster(2);
    preview(&mut cluster, 0, b"x", 1);
    deliver_but(&mut cluster, |_, _, _| false);
    preview(&mut cluster, 0, b"x", 2);
    deliver_but(&mut cluster, |_, _, kind| kind == PREVIEW);
    let mut asked = 0;
    for n in 0..200 {
        preview(&mut cluster, 0, b"x", 4 << (n % 50));
        asked += deliver_but(&mut cluster, |_, _, kind| kind == AGAIN);
    }
    assert!((4..=6).contains(&asked), "{asked}");
    for _ in 0..20 {
        cluster.step(1, Event::Tick);
        asked += deliver_but(&mut cluster, |_, _, kind| matches!(kind, AGAIN | SUMMARY));
    }
    assert!(asked < 12, "{asked}");
    cluster.settle();
    cluster.assert_equal();
}

#[test]
fn a_frame_that_is_not_kept_any_more_is_found_by_a_comparison_at_once() {
    let mut cluster = cluster(2);
    preview(&mut cluster, 0, b"x", 1);
    deliver_but(&mut cluster, |_, _, _| false);
    // A large batch is no part of the stream.
    for n in 0..100_u8 {
        cluster.accum(0, &[n], 1);
    }
    deliver_but(&mut cluster, |_, _, kind| kind == CHANGES);
    preview(&mut cluster, 0, b"x", 2);
    deliver_but(&mut cluster, |_, _, _| false);
    assert_eq!(state(&cluster, 1, &[7]), 1.into());
    assert_eq!(state(&cluster, 1, b"x"), 3.into());
}

#[test]
fn who_has_seen_a_preview_does_not_overlap_with_it() {
    let is_overlap = |notice: &Notice| matches!(notice, Notice::Overlap(_));
    let mut cluster = cluster(2);
    preview(&mut cluster, 0, b"x", 1);
    cluster.deliver();
    preview(&mut cluster, 1, b"x", 1);
    cluster.deliver();
    cluster.settle();
    assert_eq!(cluster.said(is_overlap), 0);

    preview(&mut cluster, 0, b"y", 1);
    preview(&mut cluster, 1, b"y", 1);
    cluster.deliver();
    // Each has seen the other's change now, and goes on.
    preview(&mut cluster, 0, b"y", 2);
    preview(&mut cluster, 1, b"y", 4);
    cluster.settle();
    assert!(cluster.said(is_overlap) >= 1);
    cluster.assert_equal();
}

#[test]
fn what_was_previewed_and_stored_survives_a_crash_of_its_owner() {
    let mut cluster = cluster(3);
    preview(&mut cluster, 0, b"x", 1);
    cluster.deliver();
    cluster.restart(0, |_| {});
    cluster.step(1, Event::PeerDown(peer(0)));
    cluster.step(2, Event::PeerDown(peer(0)));
    assert_eq!(state(&cluster, 1, b"x"), 0.into());
    for n in 1..3 {
        meet(&mut cluster, n, 0);
        meet(&mut cluster, 0, n);
    }
    cluster.settle();
    assert_eq!(state(&cluster, 1, b"x"), 1.into());
    cluster.assert_equal();
}

#[test]
fn a_base_is_adopted_beneath_what_is_previewed() {
    let mut cluster = cluster(3);
    cluster.accum(0, b"x", 1);
    cluster.settle();
    cluster.step(0, Event::Retire);
    cluster.settle();
    cluster.stores[2].clear();
    cluster.restart(2, |config| config.kept_memory = false);
    cluster.wire.clear();
    meet(&mut cluster, 1, 2);
    meet(&mut cluster, 2, 1);
    let hello = core::mem::take(&mut cluster.wire);
    preview(&mut cluster, 1, b"x", 4);
    cluster.deliver();
    assert_eq!(state(&cluster, 2, b"x"), 4.into());
    cluster.wire = hello;
    // Without a flush nothing is sealed.
    for _ in 0..4 {
        cluster.deliver();
        (0..3).for_each(|n| drop(cluster.step(n, Event::Tick)));
    }
    let is_adopted = |notice: &Notice| matches!(notice, Notice::BaseAdopted { .. });
    assert_eq!(cluster.said(is_adopted), 1);
    assert_eq!(cluster.replicas[2].previewed(b"x").len(), 1);
    assert_eq!(state(&cluster, 2, b"x"), 5.into());
    cluster.settle();
    assert_eq!(state(&cluster, 2, b"x"), 5.into());
    cluster.assert_equal();
}

#[test]
fn what_a_copy_of_a_disk_has_forgotten_is_taken_back_before_it_is_vouched_for() {
    let mut cluster = cluster(2);
    preview(&mut cluster, 0, b"x", 1);
    seal(&mut cluster, 0);
    cluster.deliver();
    let copy = cluster.stores[0].clone();
    preview(&mut cluster, 0, b"x", 4);
    cluster.deliver();
    assert_eq!(state(&cluster, 1, b"x"), 5.into());
    cluster.stores[0] = copy;
    cluster.restart(0, |_| {});
    // Its address is another one, so the session with its former process has not ended.
    let (from, key) = ([9; 16], Some(key(0).verifying_key().to_bytes()));
    cluster.step(1, Event::PeerUp { peer: from, key });
    let (.., bytes) = cluster.wire.remove(0);
    let bytes = &bytes[..];
    cluster.step(1, Event::Message { from, bytes });
    assert_eq!(state(&cluster, 1, b"x"), 1.into());
}

/// Starts a replica again and has it meet the others over new sessions.
fn restart(cluster: &mut Cluster, n: usize) {
    cluster.restart(n, |_| {});
    for other in (0..cluster.replicas.len()).filter(|&other| other != n) {
        meet(cluster, n, other);
        meet(cluster, other, n);
    }
    cluster.deliver();
}

#[test]
fn what_was_only_previewed_before_a_restart_is_in_a_frame_before_a_peer_can_keep_it() {
    let mut cluster = cluster(2);
    preview(&mut cluster, 0, b"x", 1);
    cluster.deliver();
    let backup = cluster.stores[0].clone();
    preview(&mut cluster, 0, b"x", 2);
    cluster.deliver();
    let own = cluster.replicas[0].origin();

    restart(&mut cluster, 0);
    assert_eq!(state(&cluster, 0, b"x"), 3.into());
    assert!(cluster.replicas[1].writers(b"x").is_empty());
    cluster.settle();
    assert_eq!(cluster.replicas[0].origin(), own);
    assert_eq!(cluster.replicas[1].writers(b"x"), [(own, 2, 3.into())]);
    let frames = |cluster: &Cluster| cluster.replicas[1].origins().find(|it| it.origin == own);
    assert_eq!(frames(&cluster).unwrap().frame, 1);
    assert!(cluster.replicas[0].is_sealed());
    assert!(cluster.stores[0].keys().all(|key| key[0] != b'u'));

    // The backup is of the time before that frame, so nobody vouches for it.
    cluster.stores[0] = backup;
    restart(&mut cluster, 0);
    cluster.accum(0, b"x", 4);
    cluster.settle();
    assert_ne!(cluster.replicas[0].origin(), own);
    assert_eq!(state(&cluster, 0, b"x"), 7.into());
    cluster.assert_equal();
}

#[test]
fn what_was_only_previewed_waits_for_a_member_that_is_away_but_not_for_ever() {
    let mut cluster = cluster(3);
    preview(&mut cluster, 0, b"x", 1);
    seal(&mut cluster, 0);
    cluster.deliver();
    preview(&mut cluster, 0, b"x", 2);
    cluster.deliver();
    cluster.cut = vec![2];
    let own = cluster.replicas[0].origin();
    restart(&mut cluster, 0);
    for tick in 0..8 {
        if tick < 4 {
            let known = (own, 1, 1.into());
            assert_eq!(
                cluster.replicas[1].writers(b"x"),
                [known],
                "after {tick} ticks"
            );
        }
        cluster.step(0, Event::Tick);
        cluster.step(0, Event::Flush);
        cluster.step(1, Event::Tick);
        cluster.deliver();
    }
    assert_eq!(cluster.replicas[1].writers(b"x"), [(own, 2, 3.into())]);
    assert_eq!(cluster.replicas[0].origin(), own);
    cluster.cut.clear();
    cluster.settle();
    cluster.assert_equal();
}

#[test]
fn a_change_on_top_of_what_was_only_previewed_begins_a_life_and_both_reach_the_others() {
    for before in [0, 1] {
        let mut cluster = cluster(3);
        if before > 0 {
            preview(&mut cluster, 0, b"x", before);
            seal(&mut cluster, 0);
        }
        preview(&mut cluster, 0, b"x", 2);
        cluster.deliver();
        cluster.cut = vec![2];
        let own = cluster.replicas[0].origin();
        restart(&mut cluster, 0);
        preview(&mut cluster, 0, b"x", 4);
        assert_ne!(cluster.replicas[0].origin(), own);
        cluster.settle();
        assert_eq!(state(&cluster, 1, b"x"), (before | 6).into());
        cluster.cut.clear();
        cluster.settle();
        assert_eq!(state(&cluster, 2, b"x"), (before | 6).into());
        cluster.assert_equal();
    }
}

/// Replica 0 has x = 3, of which 2 was only previewed.
fn half_sealed(mut cluster: Cluster) -> Cluster {
    preview(&mut cluster, 0, b"x", 1);
    seal(&mut cluster, 0);
    cluster.deliver();
    preview(&mut cluster, 0, b"x", 2);
    cluster.deliver();
    cluster
}

#[test]
fn a_change_made_while_what_was_only_previewed_is_released_is_not_taken_for_a_part_of_it() {
    let mut cluster = half_sealed(cluster(3));
    cluster.cut = vec![2];
    restart(&mut cluster, 0);
    let own = cluster.replicas[0].origin();
    (0..4).for_each(|_| drop(cluster.step(0, Event::Tick)));
    let ticket = cluster.begin_to_store(0);
    cluster.accum(0, b"x", 4);
    cluster.step(0, Event::Persisted(ticket));
    cluster.settle();
    assert_ne!(cluster.replicas[0].origin(), own);
    assert_eq!(state(&cluster, 1, b"x"), 7.into());
    cluster.cut.clear();
    cluster.settle();
    assert_eq!(state(&cluster, 2, b"x"), 7.into());
    cluster.assert_equal();
}

/// Also if the records are of a backup, and a peer has the frame that they lack.
#[test]
fn what_is_sealed_with_a_later_change_moves_with_it_if_the_life_ends_before_that_is_stored() {
    for has_frame in [false, true] {
        let mut cluster = half_sealed(with((0..2).map(administered).collect()));
        let own = cluster.replicas[0].origin();
        if has_frame {
            let backup = cluster.stores[0].clone();
            seal(&mut cluster, 0);
            cluster.deliver();
            cluster.stores[0] = backup;
        }
        cluster.restart(0, |_| {});
        cluster.accum(0, b"x", 4);
        meet(&mut cluster, 0, 1);
        meet(&mut cluster, 1, 0);
        cluster.deliver();
        assert!(cluster.replicas[0].is_vouched_for(), "frame: {has_frame}");
        cluster.begin_to_store(0);
        let removed = signed(cluster.replicas[0].roster().remove(&public(0)));
        cluster.step(0, Event::Roster(&removed));
        let added = signed(cluster.replicas[0].roster().add(public(0), "zero"));
        cluster.step(0, Event::Roster(&added));
        cluster.settle();
        assert_ne!(cluster.replicas[0].origin(), own);
        assert_eq!(state(&cluster, 1, b"x"), 7.into(), "frame: {has_frame}");
        cluster.assert_equal();
    }
}

#[test]
fn a_former_life_is_folded_although_its_owner_was_stopped_with_changes_only_previewed() {
    let mut cluster = half_sealed(with((0..3).map(administered_by_all).collect()));
    let stopped = cluster.stores[0].clone();
    cluster.cut = vec![0];
    let next = signed(cluster.replicas[1].roster().rotate(&public(0), public(7)));
    cluster.step(1, Event::Roster(&next));
    cluster.settle();
    cluster.cut.clear();
    cluster.stores[0] = stopped;
    cluster.restart(0, |config| {
        config.trust = administered(7).trust;
        config.former_keys = vec![key(0)];
    });
    for (n, other, key) in [(0, 1, 1), (0, 2, 2), (1, 0, 7), (2, 0, 7)] {
        let (peer, key) = (peer(other), Some(public(key)));
        cluster.step(n, Event::PeerUp { peer, key });
    }
    cluster.deliver();
    // What it holds is to be stated while its storage takes its time.
    let ticket = cluster.begin_to_store(0);
    for _ in 0..20 {
        (0..3).for_each(|n| drop(cluster.step(n, Event::Tick)));
        cluster.deliver();
    }
    cluster.step(0, Event::Persisted(ticket));
    for _ in 0..4 {
        cluster.settle();
    }
    for n in 0..3 {
        assert_eq!(cluster.replicas[n].closings(), [], "closings of {n}");
        assert_eq!(state(&cluster, n, b"x"), 3.into());
    }
    cluster.assert_equal();
}

#[test]
fn a_frame_that_a_backup_lacks_is_not_counted_twice() {
    let mut cluster = cluster(3);
    preview(&mut cluster, 0, b"x", 1);
    cluster.deliver();
    let backup = cluster.stores[0].clone();
    seal(&mut cluster, 0);
    cluster.deliver();
    // The backup has x = 1 without a frame; replica 1, which is away, has it in one.
    cluster.cut = vec![1];
    cluster.stores[0] = backup;
    cluster.stores[2].clear();
    cluster.restart(2, |_| {});
    restart(&mut cluster, 0);
    preview(&mut cluster, 0, b"x", 4);
    cluster.settle();
    cluster.cut.clear();
    cluster.settle();
    assert_eq!(state(&cluster, 1, b"x"), 5.into());
    cluster.assert_equal();
}
