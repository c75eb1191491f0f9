use ed25519_dalek::SigningKey;

use super::handshake::MAX_HALF_OPEN;
use super::*;

fn sessions(incarnation: Address, seed: u8) -> Sessions {
    let config = Config {
        key: SigningKey::from_bytes(&[1; 32]),
        incarnation,
        address: |_, incarnation| *incarnation,
        keyspace: "test".to_owned(),
        secret: [7; 32],
        members: Members::Any,
        limits: Limits::default(),
    };
    Sessions::new(&config, &[seed; 32])
}

/// Calls from an address, one for each seed.
fn calls(from: Address, to: Address, seeds: std::ops::Range<u8>) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    seeds.for_each(|seed| sessions(from, seed).peer_up(to, &mut out));
    let packets = out.into_iter().map(|output| match output {
        Output::Packet { bytes, .. } => bytes,
        other => panic!("{other:?}"),
    });
    packets.collect()
}

#[test]
fn half_open_handshakes_are_bounded_for_each_address_and_in_all() {
    let me = [255; 16];
    let mut called = sessions(me, 0);
    let mut out = Vec::new();
    for (tick, seeds) in [0..4, 4..8].into_iter().enumerate() {
        called.tick(tick as u64, &mut out);
        for call in calls([9; 16], me, seeds) {
            called.receive([9; 16], &call, &mut out);
        }
    }
    assert_eq!(out.len(), 8);
    assert_eq!(called.half_open.len(), MAX_HALF_OPEN);
    for number in 0..300_u16 {
        let mut from = [8; 16];
        from[..2].copy_from_slice(&number.to_le_bytes());
        from[0] = from[0].min(254);
        for call in calls(from, me, 0..1) {
            called.receive(from, &call, &mut out);
        }
    }
    assert_eq!(called.half_open.len(), called.limits.half_open);
    called.tick(100, &mut out);
    assert!(called.half_open.is_empty() && called.peers.is_empty());
}

#[test]
fn who_is_refused_gets_lists_and_nothing_else_and_is_read_nothing_else() {
    let list = |rank| List {
        rank: [rank; 40],
        bytes: vec![rank; 10],
    };
    let (mut a, mut b) = (sessions([1; 16], 1), sessions([2; 16], 2));
    b.members = Members::Listed([].into());
    b.set_list(Some(list(2)));
    let mut out = Vec::new();
    a.peer_up([2; 16], &mut out);
    let mut seen = Vec::new();
    while let Some(output) = out.pop() {
        match output {
            Output::Packet { to, bytes } if to == [1; 16] => {
                a.receive([2; 16], &bytes, &mut out);
            }
            Output::Packet { bytes, .. } => b.receive([1; 16], &bytes, &mut out),
            other => seen.push(other),
        }
    }
    let from = [2; 16];
    let told = Output::List {
        from,
        bytes: vec![2; 10],
    };
    assert_eq!(seen.len(), 3, "{seen:?}");
    assert!(seen.contains(&told), "{seen:?}");
    assert!(b.send(&[1; 16], b"secret", &mut out).is_err());
    // What it could send on the keys of the handshake.
    let farewell = farewell(&mut a.peers, &from).unwrap();
    // In a goodbye, the first would be answered.
    for (kind, content) in [
        (Kind::Message, &[1]),
        (Kind::Ping, &[1]),
        (Kind::Pong, &[1]),
        (Kind::Bye, b"x"),
    ] {
        let packet = farewell.session.seal(kind, content).unwrap();
        b.receive([1; 16], &packet, &mut out);
        assert_eq!(out, []);
    }
    let wanted = farewell.want().unwrap();
    b.receive([1; 16], &wanted, &mut out);
    assert_eq!(out, [], "the list is told once");
    assert_eq!(b.up().count(), 0);
    assert_eq!(b.counters().forged, 0);
}

#[test]
fn those_who_are_refused_are_bounded_and_push_out_no_session() {
    let me = [255; 16];
    let mut called = sessions(me, 0);
    let list = List {
        rank: [2; 40],
        bytes: vec![2; 10],
    };
    called.set_list(Some(list));
    let mut out = Vec::new();
    let meet = |called: &mut Sessions, n: u8| {
        let (from, mut out) = ([n; 16], Vec::new());
        let mut calls = sessions(from, n);
        calls.peer_up(me, &mut out);
        let mut lists = 0;
        while let Some(output) = out.pop() {
            match output {
                Output::Packet { to, bytes } if to == me => {
                    called.receive(from, &bytes, &mut out);
                }
                Output::Packet { bytes, .. } => calls.receive(me, &bytes, &mut out),
                Output::List { .. } => lists += 1,
                _ => {}
            }
        }
        lists
    };
    assert_eq!(meet(&mut called, 1), 0);
    assert_eq!(called.up().count(), 1);
    // All parties have one key here, and the session stays.
    called.members = Members::Listed([].into());
    let lists: u32 = (2..100).map(|n| meet(&mut called, n)).sum();
    assert_eq!(lists, MAX_LISTS);
    let waiting = |called: &Sessions| {
        let peers = called.peers.values();
        peers.filter(|peer| peer.farewell.is_some()).count()
    };
    assert_eq!(waiting(&called), MAX_FAREWELLS);
    assert_eq!(called.up().count(), 1);
    // The next tick has room for others.
    called.tick(1, &mut out);
    assert_eq!(meet(&mut called, 100), 1);
    called.tick(100, &mut out);
    assert_eq!(waiting(&called), 0);
}

#[test]
fn peers_are_bounded() {
    let mut called = sessions([1; 16], 0);
    called.limits.peers = 3;
    let mut out = Vec::new();
    (2..9).for_each(|peer| called.peer_up([peer; 16], &mut out));
    assert_eq!((called.peers.len(), out.len()), (3, 3));
}
