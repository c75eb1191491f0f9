//! Two processes with one key and one address: a copy of a folder, or of a machine, runs.

use atomik_session::{Address, Output, Refusal};

use crate::party::{Packet, Party, connect, connected, settle, settle_but};

/// A member with a session, the peer that it is with, and another process of that peer. The peer
/// begins handshakes if its number is lower than the member's.
fn copied(peer: u8) -> [Party; 3] {
    let ([a, b], _) = connected();
    let copy = Party::new(peer, 2);
    let [member, original] = if peer == 1 { [b, a] } else { [a, b] };
    [member, original, copy]
}

/// Lets the copy look for the member, and then time pass.
fn run(
    parties: &mut [Party],
    ticks: std::ops::Range<u64>,
    mut is_lost: impl FnMut(&Packet) -> bool,
) {
    let member = parties[0].address;
    if ticks.start == 1 {
        parties[2].peer_up(member);
    }
    for now in ticks {
        settle_but(parties, &mut is_lost);
        parties.iter_mut().for_each(|party| party.tick(now));
    }
    settle_but(parties, &mut is_lost);
}

/// Whether a process was told by this peer that another one has its key, and whether it keeps the
/// session.
fn told(party: &Party, by: Address) -> Vec<bool> {
    let told = party.reports.iter().filter_map(|report| match report {
        Output::KeyInUse { from, kept, .. } if *from == by => Some(*kept),
        _ => None,
    });
    told.collect()
}

/// How often a copy of the peer was refused.
fn refused(member: &Party, peer: Address) -> usize {
    let refused = Output::Refused {
        from: peer,
        key: member.up[&peer],
        reason: Refusal::KeyInUse,
    };
    let reports = member.reports.iter();
    reports.filter(|report| **report == refused).count()
}

#[test]
fn of_two_processes_with_one_key_the_one_that_answers_keeps_its_session_and_all_are_told() {
    for peer in [1, 2] {
        let mut parties = copied(peer);
        let [member, address] = [parties[0].address, parties[1].address];
        run(&mut parties, 1..110, |_| false);
        assert_eq!(told(&parties[1], member), [true], "{peer}");
        assert_eq!(told(&parties[2], member), [false], "{peer}");
        assert_eq!(refused(&parties[0], address), 1, "{peer}");
        let changed = |report: &&Output| matches!(report, Output::Up { .. } | Output::Down { .. });
        assert_eq!(parties[0].reports.iter().filter(changed).count(), 1);
        assert!(parties[2].up.is_empty());
        assert!(parties[0].send(address, b"to the original"));
        assert!(parties[1].send(member, b"from the original"));
        settle(&mut parties);
        assert_eq!(parties[0].delivered.len(), 1);
        assert_eq!(parties[1].delivered.len(), 1);
        assert_eq!(parties[2].delivered.len(), 0);
    }
}

#[test]
fn a_copy_is_found_in_spite_of_lost_packets() {
    for peer in [1, 2] {
        for lost in 0..12 {
            let mut parties = copied(peer);
            let member = parties[0].address;
            let mut number = 0;
            run(&mut parties, 1..110, |_| {
                number += 1;
                number == lost + 1
            });
            assert!(!told(&parties[1], member).is_empty(), "{peer} {lost}");
            assert!(!told(&parties[2], member).is_empty(), "{peer} {lost}");
            assert_eq!(parties[0].reports.len(), 2, "{peer} {lost}");
        }
    }
}

#[test]
fn a_copy_has_a_session_once_the_original_is_gone() {
    for peer in [1, 2] {
        for says_goodbye in [false, true] {
            let mut parties = copied(peer);
            let address = parties[1].address;
            run(&mut parties, 1..40, |_| false);
            if says_goodbye {
                parties[1].close();
                settle(&mut parties);
            }
            let [member, _, copy] = parties;
            // In its place is somebody else.
            let mut parties = [member, Party::new(3, 1), copy];
            run(&mut parties, 40..100, |_| false);
            assert_eq!(parties[2].up.len(), 1, "{peer} {says_goodbye}");
            assert!(parties[0].up.contains_key(&address));
            let to = parties[0].address;
            assert!(parties[2].send(to, b"alone"));
            settle(&mut parties);
            assert_eq!(parties[0].delivered, [(address, b"alone".to_vec())]);
        }
    }
}

#[test]
fn of_two_processes_that_meet_a_new_member_one_keeps_the_session_and_both_are_told() {
    for peer in [1, 2] {
        let member = Party::new(3 - peer, 1);
        let mut parties = [member, Party::new(peer, 1), Party::new(peer, 2)];
        connect(&mut parties);
        run(&mut parties, 1..60, |_| false);
        let member = parties[0].address;
        let mut kept = [1, 2].map(|n: usize| (told(&parties[n], member), parties[n].up.len()));
        kept.sort();
        assert_eq!(kept, [(vec![false], 0), (vec![true], 1)], "{peer}");
    }
}

/// Packets of a process that has ended, which arrive when the next one has a session.
#[test]
fn late_packets_of_a_process_before_a_restart_are_no_copy() {
    for peer in [1, 2] {
        let (mut member, mut before) = (Party::new(3 - peer, 1), Party::new(peer, 1));
        let address = before.address;
        // Each packet of the first process's handshake may be the last that arrives in time.
        for in_time in 0..6 {
            before.peer_up(member.address);
            member.peer_up(address);
            let mut parties = [member, before];
            let mut late = Vec::new();
            let mut number = 0;
            settle_but(&mut parties, |packet| {
                number += usize::from(packet.from == address);
                let is_late = packet.from == address && number > in_time;
                late.extend(is_late.then(|| packet.clone()));
                is_late
            });
            [member, _] = parties;
            let mut parties = [member, Party::new(peer, 2)];
            connect(&mut parties);
            for now in 1..20 {
                parties.iter_mut().for_each(|party| party.tick(now));
                settle(&mut parties);
            }
            assert!(parties.iter().all(|party| party.up.len() == 1), "{in_time}");
            late.iter().for_each(|packet| parties[0].receive(packet));
            for now in 20..60 {
                settle(&mut parties);
                parties.iter_mut().for_each(|party| party.tick(now));
            }
            let alarm = |report: &Output| {
                matches!(report, Output::KeyInUse { .. } | Output::Refused { .. })
            };
            let reports = parties.iter().flat_map(|party| &party.reports);
            assert!(!reports.into_iter().any(alarm), "{peer} {in_time}");
            assert!(parties.iter().all(|party| party.up.len() == 1));
            member = Party::new(3 - peer, 1);
            before = Party::new(peer, 1);
        }
    }
}

#[test]
fn a_wish_of_the_process_that_has_the_session_draws_a_ping_and_no_handshake() {
    let ([mut a, b], _) = connected();
    let mut asker = Party::new(2, 1);
    // Its first wish is the one that led to the session.
    for _ in 0..2 {
        asker.peer_up(a.address);
    }
    a.receive(&asker.sent[1]);
    assert_eq!(a.sent.len(), 1);
    let mut parties = [a, b];
    for now in 1..20 {
        settle(&mut parties);
        parties.iter_mut().for_each(|party| party.tick(now));
        let first = parties[0].sent.iter().filter(|packet| packet.bytes[0] == 1);
        assert_eq!(first.count(), 0, "{now}");
    }
}
