//! The keyspace, the keys of its members, and the lists of members that its administrator signs.

use atomik_replica::{PublicKey, Roster, RosterError};
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

/// The first public key of replica `n`.
pub(crate) fn public_key(setup: &Setup, n: usize) -> PublicKey {
    later_key(setup, n, 0)
}

/// The public key that replica `n` has after so many others.
pub(crate) fn later_key(setup: &Setup, n: usize, former: u64) -> PublicKey {
    if setup.signed {
        later_signing_key(setup, n, former)
            .verifying_key()
            .to_bytes()
    } else {
        let mut key = [n as u8 + 1; 32];
        key[31] += 10 * former as u8;
        key
    }
}

/// The list of the founders.
pub(crate) fn first_roster(setup: &Setup) -> Check<Roster> {
    let founders = (0..setup.founders()).map(|n| (public_key(setup, n), format!("r{n}")));
    Roster::first(founders).map_err(|error| Violation::of_simulator(error.to_string()))
}

/// Signs a list, in the administrator's name.
pub(crate) fn sign(setup: &Setup, roster: Result<Roster, RosterError>) -> Check<Roster> {
    let roster = roster.map_err(|error| Violation::of_simulator(error.to_string()))?;
    Ok(if setup.signed {
        roster.sign(KEYSPACE, &setup.shape(), &administrator())
    } else {
        roster
    })
}

/// The list of members that adds the last replica to the founders.
pub(crate) fn second_roster(setup: &Setup) -> Check<Roster> {
    let joiner = public_key(setup, setup.founders());
    sign(setup, first_roster(setup)?.add(joiner, "new"))
}

pub(crate) fn signing_key(setup: &Setup, n: usize) -> SigningKey {
    later_signing_key(setup, n, 0)
}

/// The key that replica `n` has after so many others.
pub(crate) fn later_signing_key(setup: &Setup, n: usize, former: u64) -> SigningKey {
    let word = |word: u64| match former {
        0 => fate(setup.seed, &[4, n as u64, word]),
        _ => fate(setup.seed, &[4, n as u64, word, former]),
    };
    let words = [0, 1, 2, 3].map(|at| word(at).to_le_bytes());
    let mut bytes = [0; 32];
    for (chunk, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(words) {
        *chunk = word;
    }
    SigningKey::from_bytes(&bytes)
}

/// What the administrator knows.
pub(crate) struct Administrator {
    /// The newest list.
    pub(crate) roster: Roster,
    /// How many keys each replica had before its newest one.
    pub(crate) former: Vec<u64>,
}

impl Administrator {
    pub(crate) fn new(setup: &Setup) -> Check<Self> {
        Ok(Self {
            roster: first_roster(setup)?,
            former: vec![0; setup.replicas],
        })
    }

    /// How many keys a replica had before its newest one.
    pub(crate) fn former(&self, n: usize) -> u64 {
        self.former[n]
    }
}

/// All lists that a schedule has from the start.
pub(crate) fn lists(setup: &Setup) -> Check<Vec<Roster>> {
    let mut lists = vec![first_roster(setup)?];
    if setup.joins {
        lists.push(second_roster(setup)?);
    }
    Ok(lists)
}
