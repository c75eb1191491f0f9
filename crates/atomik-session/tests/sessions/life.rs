//! How sessions begin, are replaced and end.

use atomik_session::{
    Limits, MAX_LIST, MAX_MESSAGE, Members, OVERHEAD, Output, Refusal, SendError,
};

use crate::party::{BYE, Party, config, connect, connected, public, settle, settle_but};

/// The third packet of a handshake.
const THIRD: u8 = 3;

#[test]
fn two_replicas_that_see_each_other_at_once_make_one_session() {
    let ([a, b], packets) = connected();
    for (party, peer) in [(&a, &b), (&b, &a)] {
        assert_eq!(party.up.get(&peer.address), Some(&peer.key));
        assert_eq!(party.sessions.counters().sessions, 1);
        assert_eq!(party.sessions.counters().handshakes, 1);
    }
    let kinds: Vec<u8> = packets.iter().map(|packet| packet.bytes[0]).collect();
    // Ask, first, second, third, ping, pong.
    assert_eq!(kinds, [1, 0, 2, 3, 9, 10]);
}

#[test]
fn one_side_that_sees_the_other_is_enough() {
    for sees in [0, 1] {
        let mut parties = [Party::new(1, 1), Party::new(2, 1)];
        let peer = parties[1 - sees].address;
        parties[sees].peer_up(peer);
        settle(&mut parties);
        assert!(parties.iter().all(|party| party.up.len() == 1), "{sees}");
    }
}

#[test]
fn a_packet_has_20_bytes_more_than_its_message_and_hides_it() {
    let (mut parties, _) = connected();
    let to = parties[1].address;
    assert_eq!(OVERHEAD, 20);
    for length in [0, 1, 60, MAX_MESSAGE] {
        let message = vec![0xa5; length];
        assert!(parties[0].send(to, &message));
        assert_eq!(parties[0].sent[0].bytes.len(), length + OVERHEAD);
        let visible = parties[0].sent[0]
            .bytes
            .iter()
            .filter(|byte| **byte == 0xa5);
        assert!(visible.count() <= 10 + length / 100);
        settle(&mut parties);
        let delivered = parties[1].delivered.pop();
        assert_eq!(delivered, Some((parties[0].address, message)));
    }
    let mut out = Vec::new();
    let sent = parties[0]
        .sessions
        .send(&to, &[0; MAX_MESSAGE + 1], &mut out);
    assert_eq!(sent, Err(SendError::TooLong { length: 60_001 }));
    assert_eq!(out, []);
}

#[test]
fn each_packet_of_a_handshake_may_be_lost_twice() {
    for kind in 0..=10_u8 {
        let mut parties = [Party::new(1, 1), Party::new(2, 1)];
        let (a, b) = (parties[0].address, parties[1].address);
        parties[0].peer_up(b);
        parties[1].peer_up(a);
        let mut losses = 2;
        for now in 1..10 {
            settle_but(&mut parties, |packet| {
                let lost = packet.bytes[0] == kind && losses > 0;
                losses -= u32::from(lost);
                lost
            });
            parties.iter_mut().for_each(|party| party.tick(now));
        }
        for party in &parties {
            assert_eq!(party.up.len(), 1, "packets of kind {kind} were lost");
            assert_eq!(party.reports.len(), 1, "{:?}", party.reports);
        }
    }
}

#[test]
fn a_peer_that_restarts_unnoticed_gets_a_new_session_within_the_time_of_a_few_ticks() {
    for restarted in [0, 1] {
        let (mut parties, _) = connected();
        let (a, b) = (parties[0].address, parties[1].address);
        parties[restarted] = Party::new(restarted as u8 + 1, 2);
        let peer = [b, a][restarted];
        parties[restarted].peer_up(peer);
        for now in 1..5 {
            settle(&mut parties);
            parties.iter_mut().for_each(|party| party.tick(now));
        }
        assert!(parties[restarted].up.contains_key(&peer), "{restarted}");
        // The other side is told that its peer is another one.
        let reports = &parties[1 - restarted].reports;
        assert!(
            matches!(
                reports[..],
                [Output::Up { .. }, Output::Down { .. }, Output::Up { .. }]
            ),
            "{reports:?}"
        );
    }
}

#[test]
fn a_peer_that_restarts_unnoticed_by_anyone_gets_a_new_session_after_a_silence() {
    for restarted in [0, 1] {
        let (mut parties, _) = connected();
        parties[restarted] = Party::new(restarted as u8 + 1, 2);
        for now in 1..=Limits::default().stale_ticks {
            parties.iter_mut().for_each(|party| party.tick(now));
            settle(&mut parties);
        }
        assert!(
            parties.iter().all(|party| party.up.len() == 1),
            "{restarted}"
        );
        let sender = parties[1 - restarted].address;
        let to = parties[restarted].address;
        assert!(parties[1 - restarted].send(to, b"again"));
        settle(&mut parties);
        assert_eq!(parties[restarted].delivered, [(sender, b"again".to_vec())]);
    }
}

#[test]
fn a_silent_peer_is_down_after_20_ticks_and_an_idle_one_is_not() {
    let (mut parties, _) = connected();
    for now in 1..100 {
        parties.iter_mut().for_each(|party| party.tick(now));
        settle(&mut parties);
    }
    assert!(parties.iter().all(|party| party.reports.len() == 1));
    let heard = 99;
    let peer = parties[1].address;
    for now in 100..200 {
        parties[0].tick(now);
        let is_up = parties[0].up.contains_key(&peer);
        // The last ping was answered at most 6 + 3 ticks before.
        assert!(is_up || now > heard + 10, "{now}");
        assert!(!is_up || now < heard + 20, "{now}");
    }
}

#[test]
fn a_goodbye_ends_a_session_and_an_unauthenticated_farewell_does_not() {
    let (mut parties, _) = connected();
    let (a, b) = (parties[0].address, parties[1].address);
    parties[0].sessions.peer_down(&b);
    for now in 1..100 {
        parties.iter_mut().for_each(|party| party.tick(now));
        settle(&mut parties);
    }
    assert!(parties[0].up.contains_key(&b) && parties[1].up.contains_key(&a));
    parties[1].close();
    settle(&mut parties);
    assert!(parties.iter().all(|party| party.up.is_empty()));
    // Nobody is called who was reported down.
    for now in 100..200 {
        parties[0].tick(now);
        assert_eq!(parties[0].sent, []);
    }
}

#[test]
fn a_session_is_replaced_after_its_packets_and_its_time_and_loses_nothing() {
    let limits = Limits {
        rekey_packets: 100,
        rekey_ticks: 50,
        ..Limits::default()
    };
    let mut parties = [1, 2].map(|number| {
        let mut config = config(number);
        config.limits = limits;
        Party::with(&config, 1)
    });
    connect(&mut parties);
    let to = [parties[1].address, parties[0].address];
    let mut sent = [0_u32; 2];
    for now in 1..=120 {
        for side in [0, 1] {
            // Packets that are under way while sessions are replaced.
            for _ in 0..if now <= 10 { 20 } else { 1 } {
                sent[side] += 1;
                assert!(parties[side].send(to[side], &sent[side].to_le_bytes()));
            }
        }
        parties.iter_mut().for_each(|party| party.tick(now));
        settle(&mut parties);
    }
    for (party, sent) in parties.iter().zip(sent) {
        assert_eq!(party.delivered.len() as u32, sent);
        assert_eq!(party.reports.len(), 1, "{:?}", party.reports);
        // 400 messages at first: four or more times. Then twice within 110 ticks.
        let sessions = party.sessions.counters().sessions;
        assert!((4..=9).contains(&sessions), "{sessions}");
    }
}

#[test]
fn packets_of_a_replaced_session_arrive_for_some_ticks_more() {
    for (delay, arrives) in [(0, true), (3, true), (4, false)] {
        let mut parties = [1, 2].map(|number| {
            let mut config = config(number);
            config.limits.rekey_ticks = 5;
            Party::with(&config, 1)
        });
        connect(&mut parties);
        let b = parties[1].address;
        assert!(parties[0].send(b, b"late"));
        let late = parties[0].sent.remove(0);
        for now in 1..=5 + delay {
            parties.iter_mut().for_each(|party| party.tick(now));
            settle(&mut parties);
        }
        assert_eq!(parties[1].sessions.counters().sessions, 2);
        parties[1].receive(&late);
        assert_eq!(parties[1].delivered.len() == 1, arrives, "{delay}");
    }
}

#[test]
fn the_session_of_a_removed_member_ends_at_once_on_both_sides() {
    let (mut parties, _) = connected();
    let to = parties[1].address;
    parties[0].set_members(Members::Listed([public(1)].into()));
    assert!(parties[0].up.is_empty());
    assert!(!parties[0].send(to, b"secret"));
    settle(&mut parties);
    assert!(parties[1].up.is_empty());
    // Once it is back on the list, it gets a session.
    parties[0].set_members(Members::Any);
    for now in 1..40 {
        parties.iter_mut().for_each(|party| party.tick(now));
        settle(&mut parties);
    }
    assert!(parties.iter().all(|party| party.up.len() == 1));
}

#[test]
fn a_key_that_is_not_a_member_is_refused_and_reported_once_a_minute() {
    for (stranger, member) in [(11, 12), (12, 11)] {
        let mut parties = [Party::new(stranger, 1), Party::new(member, 1)];
        parties[0].set_members(Members::Any);
        parties[1].set_members(Members::Listed([public(member)].into()));
        connect(&mut parties);
        let ticks = 115;
        for now in 1..ticks {
            parties.iter_mut().for_each(|party| party.tick(now));
            settle(&mut parties);
        }
        let refused = Output::Refused {
            from: parties[0].address,
            key: public(stranger),
            reason: Refusal::NotAMember,
        };
        assert_eq!(parties[1].reports, [refused]);
        // The other side learns it from an authenticated peer.
        let told = Output::Refused {
            from: parties[1].address,
            key: public(member),
            reason: Refusal::ByPeer,
        };
        assert_eq!(parties[0].reports, [told]);
        assert!(parties[1].sessions.counters().refused > 2);
        assert!(parties.iter().all(|party| party.up.is_empty()));
    }
}

/// Party `stranger` refuses nobody, and `member` refuses it. Each has a list of this rank, or none.
fn refused([stranger, member]: [u8; 2], ranks: [u8; 2], length: usize) -> [Party; 2] {
    let mut parties = [Party::new(stranger, 1), Party::new(member, 1)];
    parties[0].set_members(Members::Any);
    parties[1].set_members(Members::Listed([public(member)].into()));
    for (party, rank) in parties.iter_mut().zip(ranks) {
        if rank > 0 {
            party.set_list(rank, length);
        }
    }
    parties
}

#[test]
fn when_one_refuses_the_other_the_one_with_the_older_list_gets_the_newer_one() {
    for numbers in [[11, 12], [12, 11]] {
        for (ranks, length) in [
            ([0, 0], 10),
            ([0, 1], 10),
            ([1, 0], 10),
            ([2, 2], 10),
            ([3, 2], 60_000),
            ([2, 3], MAX_LIST),
            ([3, 2], MAX_LIST + 1),
        ] {
            let mut parties = refused(numbers, ranks, length);
            connect(&mut parties);
            for (party, [own, other]) in [(0, [0, 1]), (1, [1, 0])] {
                let is_told = ranks[own] < ranks[other] && length <= MAX_LIST;
                let told = is_told.then(|| vec![ranks[other]; length]);
                let lists = &parties[party].lists;
                assert!(lists.iter().eq(told.iter()), "{numbers:?} {ranks:?}");
                assert_eq!(parties[party].reports.len(), 1);
            }
        }
    }
}

#[test]
fn two_that_refuse_each_other_tell_the_newer_list() {
    for numbers in [[11, 12], [12, 11]] {
        let mut parties = refused(numbers, [3, 2], 10);
        parties[0].set_members(Members::Listed([public(numbers[0])].into()));
        connect(&mut parties);
        assert_eq!(parties[1].lists, [vec![3; 10]]);
        assert_eq!(parties[0].lists.len(), 0);
    }
}

#[test]
fn a_list_that_is_lost_comes_with_another_handshake_and_a_session_follows_it() {
    for numbers in [[11, 12], [12, 11]] {
        let mut parties = refused(numbers, [3, 2], 100_000);
        connect(&mut parties);
        parties[1].lists.clear();
        for now in 1..200 {
            parties.iter_mut().for_each(|party| party.tick(now));
            // The first goodbye, then the second one, and so on.
            let mut lost = 0;
            settle_but(&mut parties, |packet| {
                lost += u64::from(packet.bytes[0] == BYE);
                packet.bytes[0] == BYE && lost == now / 20 + 1
            });
        }
        assert!(parties[1].lists.contains(&vec![3; 100_000]));
        assert!(parties.iter().all(|party| party.up.is_empty()));
        parties[1].set_members(Members::Any);
        for now in 200..240 {
            parties.iter_mut().for_each(|party| party.tick(now));
            settle(&mut parties);
        }
        assert!(parties.iter().all(|party| party.up.len() == 1));
    }
}

#[test]
fn a_member_cannot_take_the_address_of_another() {
    let mut imitation = config(3);
    imitation.address = |key, incarnation| {
        // Party 3 says that it has the address of party 1.
        let key = if *key == public(3) { public(1) } else { *key };
        (config(1).address)(&key, incarnation)
    };
    imitation.incarnation = [1; 16];
    let mut parties = [Party::with(&imitation, 1), Party::new(2, 1)];
    assert_eq!(parties[0].address, Party::new(1, 1).address);
    connect(&mut parties);
    assert!(parties[1].up.is_empty());
    assert!(
        matches!(
            parties[1].reports[..],
            [Output::Refused {
                reason: Refusal::WrongAddress,
                ..
            }]
        ),
        "{:?}",
        parties[1].reports
    );
}

#[test]
fn another_keyspace_and_another_secret_draw_no_answer() {
    let mut other = config(2);
    other.keyspace = "tes".to_owned();
    let mut guess = config(2);
    guess.secret = [8; 32];
    for config in [other, guess] {
        let mut parties = [Party::new(1, 1), Party::with(&config, 1)];
        let packets = connect(&mut parties);
        let kinds: Vec<u8> = packets.iter().map(|packet| packet.bytes[0]).collect();
        assert_eq!(kinds, [1, 0]);
        assert!(kinds.iter().all(|kind| *kind < THIRD));
    }
}
