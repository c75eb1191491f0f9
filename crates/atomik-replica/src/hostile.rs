//! What a dishonest member can make a replica do: work, messages and memory are bounded.
#![allow(clippy::unwrap_used, clippy::panic)]

use crate::codec::{Encode, Reader};
use crate::message::{MessageKind, open, seal};
use crate::shape::Shape;
use crate::{Config, Effect, Event, LocalOp, PeerId, Replica, Trust};

const PEER: PeerId = [1; 16];

/// A replica with `keys` published entries, one peer, and an empty wire.
fn open_with(keys: u32) -> Replica {
    let trust = Trust::Unsigned {
        key: [1; 32],
        allowed: vec![[1; 32], [2; 32]],
    };
    let config = Config::new("hostile", 1, [5; 32], trust, [0; 16]);
    let mut replica = Replica::open(config, []).unwrap();
    let mut effects = Vec::new();
    for key in 0..keys {
        let key = key.to_le_bytes();
        let op = LocalOp::accum(&key, 1.into());
        replica.step(Event::Op(&op), &mut effects).unwrap();
    }
    replica.step(Event::Flush, &mut effects).unwrap();
    replica.step(Event::Persisted(1), &mut effects).unwrap();
    replica
        .step(
            Event::PeerUp {
                peer: PEER,
                key: None,
            },
            &mut effects,
        )
        .unwrap();
    replica
}

/// What the replica sends to the peer in answer to a message of the peer.
fn answers(replica: &mut Replica, kind: MessageKind, body: &[u8]) -> Vec<(MessageKind, Vec<u8>)> {
    let (bytes, from) = (&seal(&Shape::xor(1), kind, body), PEER);
    let mut effects = Vec::new();
    replica
        .step(Event::Message { from, bytes }, &mut effects)
        .unwrap();
    sent(effects)
}

fn sent(effects: Vec<Effect>) -> Vec<(MessageKind, Vec<u8>)> {
    let sent = effects.into_iter().filter_map(|effect| match effect {
        Effect::Send { bytes, .. } => Some(bytes),
        _ => None,
    });
    sent.map(|bytes| {
        let (kind, body) = open(&Shape::xor(1), &bytes).unwrap().unwrap();
        (kind, body.to_vec())
    })
    .collect()
}

fn bytes(messages: &[(MessageKind, Vec<u8>)]) -> usize {
    messages.iter().map(|(_, body)| body.len()).sum()
}

/// The end of a chunk without any base.
fn chunk(first: u64, next: u64) -> Vec<u8> {
    let mut body = Vec::new();
    body.varint(first);
    body.varint(next);
    body.varint(u64::from(u32::MAX));
    body.extend_from_slice(&[0; 16]);
    body
}

/// Rows of cells from `first` up to `end` that cannot be decoded.
fn garbage(first: u64, end: u64) -> Vec<u8> {
    let mut body = Vec::new();
    body.varint(first);
    body.varint(60);
    body.extend_from_slice(&[7; 16]);
    for row in first..end {
        body.extend_from_slice(&[row as u8 | 1; 24]);
    }
    body
}

/// An opening with a few differences that cannot be decoded.
fn opening(replica: &mut Replica) -> Vec<u8> {
    let nothing = [0; 99];
    let mut sent = answers(replica, MessageKind::Summary, &nothing);
    let (kind, mut body) = sent.pop().unwrap();
    assert_eq!(kind, MessageKind::Sketch);
    // A larger count, of two bytes from the second on, and another sum, which follows.
    body[2] = 0x7f;
    body[10] ^= 1;
    let length = body.len();
    body[length - 240..].fill(7);
    body
}

#[test]
fn cells_that_were_not_asked_for_are_ignored() {
    let mut replica = open_with(50);
    replica
        .step(Event::PeerDown(PEER), &mut Vec::new())
        .unwrap();
    let opening = opening(&mut replica);
    let sent = answers(&mut replica, MessageKind::Sketch, &opening);
    assert!(sent.is_empty(), "{sent:?}");
}

#[test]
fn a_peer_that_answers_every_request_with_nonsense_gets_a_bounded_number_of_requests() {
    let mut replica = open_with(5000);
    let opening = opening(&mut replica);
    let from_the_first = [&opening[..], &[7; 24 * 100]].concat();
    let mut wire = answers(&mut replica, MessageKind::Sketch, &opening);
    let mut kinds = Vec::new();
    while let Some((kind, body)) = wire.pop() {
        kinds.push(kind);
        assert!(
            kinds.len() < 100,
            "requests without end, the last a {kind:?}"
        );
        let mut reader = Reader::new(&body);
        let answer = match kind {
            MessageKind::SketchRequest => {
                let (first, end) = (reader.varint().unwrap(), reader.varint().unwrap());
                let body = match first {
                    0 => from_the_first.clone(),
                    _ => garbage(first, end),
                };
                (MessageKind::Sketch, body)
            }
            MessageKind::Sketch => (MessageKind::Sketch, from_the_first.clone()),
            MessageKind::Pull => {
                let first = reader.varint().unwrap();
                (MessageKind::Chunk, chunk(first, first + 1))
            }
            _ => continue,
        };
        wire.extend(answers(&mut replica, answer.0, &answer.1));
    }
    for kind in [
        MessageKind::Sketch,
        MessageKind::SketchRequest,
        MessageKind::Pull,
    ] {
        assert!(kinds.contains(&kind), "{kinds:?}");
    }
}

#[test]
fn between_two_ticks_a_peer_draws_no_more_than_a_few_times_the_table() {
    let mut replica = open_with(5000);
    let pull = |replica: &mut Replica| bytes(&answers(replica, MessageKind::Pull, &[0]));
    let once = pull(&mut replica);
    assert!(once > 60_000, "{once}");
    let drawn: usize = (0..1000).map(|_| pull(&mut replica)).sum();
    assert!(drawn < 10 * once, "{drawn}");
    replica.step(Event::Tick, &mut Vec::new()).unwrap();
    assert_eq!(pull(&mut replica), once);
}

/// A replica with `keys` entries and the first one of a peer, and the introduction of that peer,
/// which has made another since.
fn open_with_a_peer(keys: u32) -> (Replica, Vec<u8>) {
    let mut replica = open_with(keys);
    let trust = Trust::Unsigned {
        key: [2; 32],
        allowed: vec![[1; 32], [2; 32]],
    };
    let config = Config::new("hostile", 1, [5; 32], trust, [1; 16]);
    let mut peer = Replica::open(config, []).unwrap();
    let mut effects = Vec::new();
    for ticket in 1..=2 {
        let op = LocalOp::accum(b"x", 1.into());
        peer.step(Event::Op(&op), &mut effects).unwrap();
        peer.step(Event::Flush, &mut effects).unwrap();
        let ticket = Event::Persisted(ticket);
        peer.step(ticket, &mut effects).unwrap();
    }
    // Of two frames the first arrives, so the peer knows a newer one of its own.
    let frames = effects.drain(..).filter_map(|effect| match effect {
        Effect::Broadcast { bytes, .. } => Some(bytes),
        _ => None,
    });
    let (bytes, from) = (&frames.collect::<Vec<_>>()[0], PEER);
    replica
        .step(Event::Message { from, bytes }, &mut effects)
        .unwrap();
    effects.clear();
    let up = Event::PeerUp {
        peer: [9; 16],
        key: None,
    };
    peer.step(up, &mut effects).unwrap();
    let mut introductions = sent(effects).into_iter();
    let (_, body) = introductions
        .find(|(kind, _)| *kind == MessageKind::Summary)
        .unwrap();
    (replica, body)
}

#[test]
fn repeated_introductions_draw_a_bounded_number_of_answers() {
    let (mut replica, body) = open_with_a_peer(1);
    let mut introduce = || answers(&mut replica, MessageKind::Summary, &body);
    let kinds: Vec<_> = introduce().into_iter().map(|(kind, _)| kind).collect();
    assert!(kinds.contains(&MessageKind::Head), "{kinds:?}");
    let drawn: usize = (0..1000).map(|_| introduce().len()).sum();
    assert!(drawn < 400, "{drawn}");
}

#[test]
fn repeated_seals_draw_a_bounded_number_of_answers() {
    let mut replica = open_with(1);
    let up = Event::PeerUp {
        peer: PEER,
        key: Some([2; 32]),
    };
    replica.step(up, &mut Vec::new()).unwrap();
    let mut seal = |frame: u8| {
        let mut body = vec![frame, 1];
        body.extend_from_slice(&[0; 64]);
        answers(&mut replica, MessageKind::Seal, &body)
    };
    assert_eq!(seal(1), [(MessageKind::Again, Vec::new())]);
    let kinds: Vec<_> = seal(1).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, [MessageKind::Summary]);
    // The same one again and again, and ever newer ones.
    let drawn: usize = (0..1000).map(|_| seal(1).len()).sum();
    assert!(drawn < 400, "{drawn}");
    let drawn: usize = (0..1000_u32).map(|n| seal(n as u8).len()).sum();
    assert_eq!(drawn, 0);
}

#[test]
fn repeated_questions_for_frames_draw_a_bounded_number_of_them() {
    let mut replica = open_with(1);
    let mut step = |event: Event<'_>| {
        let mut effects = Vec::new();
        replica.step(event, &mut effects).unwrap();
        let tickets = effects.into_iter().filter_map(|effect| match effect {
            Effect::Persist { ticket, .. } => Some(ticket),
            _ => None,
        });
        tickets.last()
    };
    step(Event::PeerUp {
        peer: PEER,
        key: Some([2; 32]),
    });
    for _ in 0..40 {
        step(Event::Op(&LocalOp::accum(b"x", 1.into())));
        for _ in 0..2 {
            let ticket = step(Event::Flush).unwrap();
            step(Event::Persisted(ticket));
            step(Event::Seal);
        }
    }
    // The first frame was not previewed.
    let mut ask = || answers(&mut replica, MessageKind::Again, &[1, 1]);
    let kinds: Vec<_> = ask().into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, [MessageKind::Changes; 40]);
    let drawn: usize = (0..1000).map(|_| ask().len()).sum();
    assert!((1..400).contains(&drawn), "{drawn}");
}

#[test]
fn requests_for_proofs_draw_a_bounded_number_of_passes_over_the_table() {
    let (mut replica, introduction) = open_with_a_peer(5000);
    // Asks for proof of a frame after none.
    let mut body = vec![1];
    body.extend_from_slice(&introduction[65..81]);
    body.extend_from_slice(&[0; 17]);
    let mut drawn = 0;
    for _ in 0..1000 {
        drawn += answers(&mut replica, MessageKind::Head, &body).len();
    }
    assert!((1..200).contains(&drawn), "{drawn}");
}

#[test]
fn a_peer_that_pretends_to_lack_everything_draws_a_bounded_number_of_repairs() {
    let mut replica = open_with(10);
    let mut empty = opening(&mut replica);
    // Cells without any entry.
    let length = empty.len();
    empty[length - 384..].fill(0);
    let mut differs = vec![0xff, 0x7f];
    differs.extend_from_slice(&[7; 64 + 16]);
    differs.extend_from_slice(&[0; 18]);
    let mut repairs = 0;
    for _ in 0..2000 {
        let sent = answers(&mut replica, MessageKind::Summary, &differs);
        let sent = sent
            .into_iter()
            .chain(answers(&mut replica, MessageKind::Sketch, &empty));
        repairs += sent
            .filter(|(kind, _)| *kind == MessageKind::Repair)
            .count();
        replica.step(Event::Flush, &mut Vec::new()).unwrap();
    }
    assert!((1..200).contains(&repairs), "{repairs}");
}
