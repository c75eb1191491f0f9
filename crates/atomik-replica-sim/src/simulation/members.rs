//! The keyspace, the keys of its members, and the lists of members that its administrator signs.

use atomik_replica::{PublicKey, Roster};
use ed25519_dalek::SigningKey;

use crate::draw::fate;
use crate::setup::Setup;
use crate::violation::{Check, Violation};

/// The name of the keyspace.
pub(crate) const KEYSPACE: &str = "simulated";

/// Its secret.
pub(crate) const SECRET: [u8; 32] = [7; 32];

/// The key that signs lists of members.
pub(crate) fn administrator() -> SigningKey {
    SigningKey::from_bytes(&[99; 32])
}

/// The public key of replica `n`.
pub(crate) fn public_key(setup: &Setup, n: usize) -> PublicKey {
    if setup.signed {
        signing_key(setup, n).verifying_key().to_bytes()
    } else {
        [n as u8 + 1; 32]
    }
}

/// The list of members that adds the last replica to the founders.
pub(crate) fn second_roster(setup: &Setup) -> Check<Roster> {
    let founders = (0..setup.founders()).map(|n| (public_key(setup, n), format!("r{n}")));
    let joiner = public_key(setup, setup.founders());
    Roster::first(founders)
        .and_then(|first| first.add(joiner, "new"))
        .map(|second| {
            if setup.signed {
                second.sign(KEYSPACE, &setup.shape(), &administrator())
            } else {
                second
            }
        })
        .map_err(|error| Violation::of_simulator(error.to_string()))
}

pub(crate) fn signing_key(setup: &Setup, n: usize) -> SigningKey {
    let words = [0, 1, 2, 3].map(|word| fate(setup.seed, &[4, n as u64, word]).to_le_bytes());
    let mut bytes = [0; 32];
    for (chunk, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(words) {
        *chunk = word;
    }
    SigningKey::from_bytes(&bytes)
}
