//! `atomik-node verify` on a proof that a replica found.

use std::fs;

use atomik_node::replica::{
    Config, Effect, Event, LocalOp, Notice, Proof, Refusal, Replica, Trust,
};
use ed25519_dalek::SigningKey;
use tempfile::TempDir;

use crate::process::{run, stderr};

fn open(member: u8) -> Replica {
    let key = |member: u8| SigningKey::from_bytes(&[member + 1; 32]);
    let allowed = [0, 1].map(|member| key(member).verifying_key().to_bytes());
    let trust = Trust::Signed {
        key: Box::new(key(member)),
        allowed: allowed.to_vec(),
    };
    Replica::open(Config::new("test", 1, [7; 32], trust, [member; 16]), []).unwrap()
}

/// The frame with this replica's change of a key.
fn publish(replica: &mut Replica, delta: u64) -> Vec<u8> {
    let mut effects = Vec::new();
    let op = LocalOp::accum(b"key", delta.into());
    replica.step(Event::Op(&op), &mut effects).unwrap();
    replica.step(Event::Flush, &mut effects).unwrap();
    replica.step(Event::Persisted(1), &mut effects).unwrap();
    let frames = effects.into_iter().filter_map(|effect| match effect {
        Effect::Broadcast { bytes, .. } => Some(bytes),
        _ => None,
    });
    frames.reduce(|_, last| last).unwrap()
}

/// The proof that a member finds when another signs two contents as one version.
fn proof() -> Proof {
    let (mut liar, mut twin, mut honest) = (open(0), open(0), open(1));
    let mut effects = Vec::new();
    for bytes in [publish(&mut liar, 5), publish(&mut twin, 3)] {
        let from = [9; 16];
        let message = Event::Message {
            from,
            bytes: &bytes,
        };
        honest.step(message, &mut effects).unwrap();
    }
    effects
        .into_iter()
        .find_map(|effect| match effect {
            Effect::Notify(Notice::Refused {
                reason: Refusal::Equivocation { proof, .. },
                ..
            }) => proof,
            _ => None,
        })
        .map(|proof| *proof)
        .unwrap()
}

#[test]
fn a_proof_is_verified_without_a_node_and_a_changed_one_is_not() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("x.evidence");
    let verify = |bytes: &[u8]| {
        fs::write(&file, bytes).unwrap();
        run(&["verify", file.to_str().unwrap()])
    };
    let genuine = proof().encode();
    let verified = verify(&genuine);
    assert_eq!(verified.status.code(), Some(0), "{}", stderr(&verified));
    let text = String::from_utf8(verified.stdout).unwrap();
    let accused = SigningKey::from_bytes(&[1; 32]).verifying_key().to_bytes();
    let accused: String = accused.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(text.contains(&accused), "{text}");
    assert!(text.contains("version 1 of 0x6b6579"), "{text}");

    let mut forged = genuine.clone();
    let last = forged.len() - 1;
    forged[last - 3] ^= 1;
    let refused = verify(&forged);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("nothing is proved"));

    for damaged in [&genuine[..last], &[], b"not a proof"] {
        assert_eq!(verify(damaged).status.code(), Some(2));
    }
    let missing = run(&["verify", folder.path().join("none").to_str().unwrap()]);
    assert_eq!(missing.status.code(), Some(2));
}
