//! A replica under authentic messages with arbitrary content: what a dishonest member can send.
#![allow(clippy::unwrap_used, clippy::panic)]

use ed25519_dalek::SigningKey;
use proptest::prelude::*;

use crate::message::{MessageKind, OVERHEAD, seal};
use crate::secrets::Secrets;
use crate::sketch::encode_ids;
use crate::{Config, Effect, Event, LocalOp, OriginId, PeerId, Replica, Trust, Value};

const PEER: PeerId = [1; 16];

/// Replica `n` of two, with changes of its own to 40 keys.
fn open(n: u8) -> Replica {
    let key = |n: u8| SigningKey::from_bytes(&[n + 1; 32]);
    let allowed = (0..2).map(|n| key(n).verifying_key().to_bytes()).collect();
    let trust = Trust::Signed {
        key: Box::new(key(n)),
        allowed,
    };
    let mut config = Config::new("fuzz", 1, [5; 32], trust, [n; 16]);
    config.digest_cells = 16;
    let mut replica = Replica::open(config, []).unwrap();
    let mut effects = Vec::new();
    for key in 0..40_u8 {
        let key = [key];
        let op = LocalOp::accum(&key, 1.into());
        replica.step(Event::Op(&op), &mut effects).unwrap();
    }
    replica.step(Event::PeerUp(PEER), &mut effects).unwrap();
    settle(&mut replica, &mut effects);
    replica
}

fn settle(replica: &mut Replica, effects: &mut Vec<Effect>) {
    replica.step(Event::Flush, effects).unwrap();
    let ticket = effects.iter().rev().find_map(|effect| match effect {
        Effect::Persist { ticket, .. } => Some(*ticket),
        _ => None,
    });
    if let Some(ticket) = ticket {
        replica.step(Event::Persisted(ticket), effects).unwrap();
    }
}

/// A message as any member can make it.
fn sealed(kind: MessageKind, body: &[u8]) -> Vec<u8> {
    seal(&Secrets::new(&[5; 32], "fuzz", 1), kind, body)
}

fn body(message: &[u8]) -> &[u8] {
    &message[2..message.len() + 2 - OVERHEAD]
}

fn receive(replica: &mut Replica, bytes: &[u8], effects: &mut Vec<Effect>) {
    let from = PEER;
    replica
        .step(Event::Message { from, bytes }, effects)
        .unwrap();
}

/// Messages of every kind, as honest replicas send them.
fn samples() -> Vec<Vec<u8>> {
    let (mut a, mut b) = (open(0), open(1));
    let mut effects = Vec::new();
    a.step(Event::Retire, &mut effects).unwrap();
    settle(&mut a, &mut effects);
    a.step(Event::Tick, &mut effects).unwrap();
    let mut samples = vec![
        sealed(MessageKind::Pull, &[0]),
        sealed(MessageKind::SketchRequest, &[8, 0]),
        sealed(MessageKind::Fetch, &encode_ids(&b.ids(), 1000)[0]),
    ];
    for sample in &samples {
        receive(&mut b, sample, &mut effects);
    }
    for _ in 0..6 {
        for effect in core::mem::take(&mut effects) {
            if let Effect::Send { bytes, .. } | Effect::Broadcast { bytes, .. } = effect {
                receive(&mut b, &bytes, &mut effects);
                receive(&mut a, &bytes, &mut effects);
                samples.push(bytes);
            }
        }
    }
    let is_changes = |sample: &&Vec<u8>| sample[1] == MessageKind::Changes as u8;
    let repairs: Vec<_> = samples
        .iter()
        .filter(is_changes)
        .map(|sample| sealed(MessageKind::Repair, body(sample)))
        .collect();
    samples.extend(repairs);
    for kind in MessageKind::ALL {
        assert!(
            samples.iter().any(|sample| sample[1] == kind as u8),
            "no sample of {kind:?}"
        );
    }
    samples
}

type Entries = Vec<Vec<(OriginId, u64, Value)>>;

fn entries(replica: &Replica) -> Entries {
    (0..40_u8).map(|key| replica.writers(&[key])).collect()
}

/// Changes bytes of a body in several places and ways.
fn edit(body: &mut Vec<u8>, edits: &[(prop::sample::Index, u8, u8)], noise: &[u8]) {
    for (at, byte, how) in edits {
        if body.is_empty() {
            break;
        }
        let at = at.index(body.len());
        match how {
            0 => body[at] = *byte,
            1 => body[at] ^= 1 << (byte % 8),
            2 => body.truncate(at),
            3 => body.insert(at, *byte),
            4 => body.extend_from_within(at..),
            _ => drop(body.splice(at.., noise.iter().copied())),
        }
    }
}

#[test]
fn authentic_messages_with_any_content_neither_panic_nor_forge_nor_flood() {
    let samples = samples();
    let (writer, reader) = (open(0), open(1));
    let (genuine, own) = (entries(&writer), entries(&reader));
    let cases = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(20_000);
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let edits = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..6_u8), 0..6);
    let noise = prop::collection::vec(any::<u8>(), 0..80);
    let strategy = (
        any::<prop::sample::Index>(),
        edits,
        noise,
        prop::option::weighted(0.1, 0..9_usize),
    );
    proptest::test_runner::TestRunner::new(config)
        .run(&strategy, |(which, edits, noise, of_noise)| {
            let sample = which.get(&samples);
            let mut kind = MessageKind::ALL[usize::from(sample[1])];
            let mut content = body(sample).to_vec();
            if let Some(other) = of_noise {
                (kind, content) = (MessageKind::ALL[other], noise.clone());
            }
            edit(&mut content, &edits, &noise);
            let mut replica = reader.clone();
            let mut effects = Vec::new();
            receive(&mut replica, &sealed(kind, &content), &mut effects);
            prop_assert!(
                effects.len() <= content.len() / 4 + 8,
                "{} effects of {} bytes",
                effects.len(),
                content.len()
            );
            for ((after, own), genuine) in entries(&replica).iter().zip(&own).zip(&genuine) {
                prop_assert!(
                    after
                        .iter()
                        .all(|entry| own.contains(entry) || genuine.contains(entry)),
                    "{:?}",
                    after
                );
                prop_assert!(own.iter().all(|entry| after.contains(entry)));
            }
            Ok(())
        })
        .unwrap();
}
