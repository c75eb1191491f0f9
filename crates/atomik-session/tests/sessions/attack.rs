//! An attacker who sees all packets and can inject any, but has no keys.

use atomik_session::{Limits, Output, Refusal};
use proptest::prelude::*;

use crate::party::{Packet, Party, connect, connected, settle};

#[test]
fn recorded_packets_of_this_and_earlier_sessions_change_nothing_and_draw_next_to_nothing() {
    let (mut parties, mut recorded) = connected();
    let (a, b) = (parties[0].address, parties[1].address);
    for round in 0..20_u8 {
        assert!(parties[0].send(b, &[round]) && parties[1].send(a, &[round]));
        recorded.extend(crate::party::settle_but(&mut parties, |_| false));
    }
    // The next processes, which have forgotten what they have seen.
    let mut parties = [Party::new(1, 2), Party::new(2, 2)];
    recorded.extend(connect(&mut parties));
    assert!(parties[0].send(b, b"genuine") && parties[1].send(a, b"genuine"));
    settle(&mut parties);
    for now in 1..50 {
        parties.iter_mut().for_each(|party| party.tick(now));
        settle(&mut parties);
        let mut drawn = Vec::new();
        for packet in &recorded {
            for party in parties
                .iter_mut()
                .filter(|party| party.address == packet.to)
            {
                let before = party.sent.len();
                party.receive(packet);
                drawn.extend(party.sent[before..].iter().cloned());
            }
        }
        settle(&mut parties);
        // Of what was recorded, the earlier process's wish for a handshake draws a ping, and its
        // first packet a second one: once, and once a tick until it is forgotten.
        let packets = drawn.iter().filter(|packet| packet.bytes.len() > 20);
        assert!(drawn.len() <= 2 && packets.count() <= 1, "{now}: {drawn:?}");
        assert!(drawn.is_empty() || now < 10, "{now}: {drawn:?}");
    }
    for party in &parties {
        assert_eq!(party.delivered.len(), 1);
        assert_eq!(party.reports.len(), 1, "{:?}", party.reports);
        assert_eq!(party.sessions.counters().sessions, 1);
    }
}

#[test]
fn a_packet_returned_to_its_sender_is_forged_whatever_its_tag() {
    let (mut parties, _) = connected();
    let (a, b) = (parties[0].address, parties[1].address);
    for number in 0..10_u8 {
        assert!(parties[0].send(b, &[number]));
    }
    let mut sent = std::mem::take(&mut parties[0].sent);
    assert!(parties[1].send(a, b"to learn the tag"));
    let tag = parties[1].sent[0].bytes[1];
    for packet in &mut sent {
        let Packet { from, to, bytes } = packet;
        std::mem::swap(from, to);
        bytes[1] = tag;
        parties[0].receive(packet);
    }
    assert_eq!(parties[0].delivered, []);
    assert_eq!(parties[0].sessions.counters().forged, 10);
}

#[test]
fn a_repeated_packet_is_delivered_once_and_a_late_one_within_the_window_too() {
    let (mut parties, _) = connected();
    let b = parties[1].address;
    for number in 0..3000_u16 {
        assert!(parties[0].send(b, &number.to_le_bytes()));
    }
    let sent = std::mem::take(&mut parties[0].sent);
    let numbers = |party: &Party| -> Vec<u16> {
        let numbers = party.delivered.iter();
        let numbers = numbers.map(|(_, bytes)| u16::from_le_bytes([bytes[0], bytes[1]]));
        numbers.collect()
    };
    parties[1].receive(&sent[2999]);
    for packet in sent.iter().chain(&sent) {
        parties[1].receive(packet);
    }
    let mut expected = vec![2999];
    expected.extend(3000 - 2048..2999);
    assert_eq!(numbers(&parties[1]), expected);
}

#[test]
fn a_packet_whose_kind_was_altered_is_forged() {
    let (mut parties, _) = connected();
    let b = parties[1].address;
    assert!(parties[0].send(b, b""));
    let packet = parties[0].sent.remove(0);
    for kind in 9..=11 {
        let mut altered = packet.clone();
        altered.bytes[0] = kind;
        parties[1].receive(&altered);
    }
    assert_eq!(parties[1].sessions.counters().forged, 3);
    assert_eq!(parties[1].up.len(), 1);
    parties[1].receive(&packet);
    assert_eq!(parties[1].delivered.len(), 1);
}

#[test]
fn replayed_first_packets_of_many_do_not_keep_a_member_out() {
    // First packets to party 9 that it has never seen.
    let mut recorded = Vec::new();
    let target = Party::new(9, 1).address;
    for process in 0..100 {
        let mut caller = Party::new(1, process);
        caller.peer_up(target);
        recorded.append(&mut caller.sent);
    }
    let mut parties = [Party::new(1, 200), Party::new(9, 1)];
    for (now, replayed) in recorded.chunks(5).enumerate() {
        parties.iter_mut().for_each(|party| party.tick(now as u64));
        replayed
            .iter()
            .for_each(|packet| parties[1].receive(packet));
    }
    assert!(parties[1].sessions.counters().handshakes <= 80);
    parties[1].sent.clear();
    let now = Limits::default().handshake_ticks + 20;
    parties.iter_mut().for_each(|party| party.tick(now));
    connect(&mut parties);
    assert!(parties.iter().all(|party| party.up.len() == 1));
}

proptest! {
    #[test]
    fn no_bytes_panic_and_none_but_ours_change_anything(
        packets in prop::collection::vec(
            (0_u8..13, any::<bool>(), prop::collection::vec(any::<u8>(), 0..300), 0_usize..4),
            1..50,
        ),
    ) {
        let (mut parties, _) = connected();
        let (a, b) = (parties[0].address, parties[1].address);
        for (kind, is_to_a, mut bytes, length) in packets {
            match length {
                0 => bytes.resize(170, kind),
                1 => bytes.resize(138, kind),
                _ => {}
            }
            if let Some(first) = bytes.first_mut() {
                *first = kind;
            }
            let (party, from, to) = if is_to_a { (0, b, a) } else { (1, a, b) };
            parties[party].receive(&Packet { from, to, bytes });
            prop_assert!(parties[party].sent.is_empty());
        }
        for party in &parties {
            prop_assert_eq!(party.delivered.len(), 0);
            prop_assert_eq!(party.reports.len(), 1);
        }
    }
}

#[test]
fn a_member_with_many_addresses_has_a_bounded_number_of_sessions() {
    let mut honest = Party::new(1, 1);
    for number in 0..30 {
        let mut config = crate::party::config(2);
        config.incarnation = [number; 16];
        let mut parties = [honest, Party::with(&config, number)];
        connect(&mut parties);
        [honest, _] = parties;
    }
    assert_eq!(honest.up.len(), 8);
    let refused = |report: &Output| {
        let reason = Refusal::TooManySessions;
        matches!(report, Output::Refused { reason: found, .. } if *found == reason)
    };
    assert!(honest.reports.iter().any(refused), "{:?}", honest.reports);
    // The other member is not affected.
    let mut parties = [honest, Party::new(3, 1)];
    connect(&mut parties);
    assert_eq!(parties[0].up.len(), 9);
}
