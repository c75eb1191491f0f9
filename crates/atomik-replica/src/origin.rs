//! The identity of writers: keys, incarnations, origins, and whom to trust.

use core::fmt;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

use crate::head::Head;

/// An ed25519 public key, as its 32 bytes.
pub type PublicKey = [u8; 32];

/// Distinguishes the lives of one key: the number of the life in 8 bytes, big-endian, and 64 random
/// bits.
pub type Incarnation = [u8; 16];

/// The incarnation of a life with this number. Its random half follows from `random` and from the
/// newest frame of the life before, which differs between two running copies that have forked.
pub(crate) fn incarnation(life: u64, random: &Incarnation, before: Head) -> Incarnation {
    let mut input = Vec::new();
    input.extend_from_slice(random);
    before.encode(&mut input);
    let mut hasher = blake3::Hasher::new_derive_key("atomik 1 life");
    let mut incarnation = truncated(hasher.update(&input).finalize());
    incarnation[..8].copy_from_slice(&life.to_be_bytes());
    incarnation
}

/// The origin of changes: the first 128 bits of BLAKE3's key derivation over public key and
/// incarnation.
///
/// A message from an origin carries its key and is signed with it. Finding another key or
/// incarnation for a given origin takes about 2^128 hashes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OriginId(pub [u8; 16]);

impl fmt::Display for OriginId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for OriginId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A public key and its incarnation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Author {
    /// The signing key's public half.
    pub key: PublicKey,
    /// The current life of that key.
    pub incarnation: Incarnation,
}

impl Author {
    /// The number of this life among those of its key.
    pub fn life(&self) -> u64 {
        let [half, _]: [[u8; 8]; 2] =
            [0, 8].map(|at| core::array::from_fn(|i| self.incarnation[at + i]));
        u64::from_be_bytes(half)
    }

    /// The origin of this author's changes.
    pub fn origin(&self) -> OriginId {
        let mut hasher = blake3::Hasher::new_derive_key("atomik 1 origin");
        hasher.update(&self.key);
        hasher.update(&self.incarnation);
        OriginId(truncated(hasher.finalize()))
    }
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The first 128 bits of a hash.
pub(crate) fn truncated(hash: blake3::Hash) -> [u8; 16] {
    let [half, _]: [[u8; 16]; 2] =
        [0, 16].map(|at| core::array::from_fn(|i| hash.as_bytes()[at + i]));
    half
}

/// How the changes of a keyspace are authenticated.
#[derive(Clone)]
pub enum Trust {
    /// Every frame is signed, and only changes signed by a key on the list are accepted. The list
    /// includes this replica's own key.
    Signed {
        /// This replica's key.
        key: Box<SigningKey>,
        /// The keys of all members.
        allowed: Vec<PublicKey>,
    },
    /// Frames are not signed. For simulations and model checking, which have no adversary and run
    /// millions of steps. A signed keyspace refuses unsigned frames.
    Unsigned {
        /// Stands in for the public key.
        key: PublicKey,
        /// Stands in for the keys of all members.
        allowed: Vec<PublicKey>,
    },
}

/// Whether this is the signature of the message with this key.
pub(crate) fn verifies(by: &PublicKey, message: &[u8], seal: &Sealed) -> bool {
    VerifyingKey::from_bytes(by).is_ok_and(|key| {
        key.verify_strict(message, &Signature::from_bytes(seal))
            .is_ok()
    })
}

/// A signature, or zeros in an unsigned keyspace.
pub(crate) type Sealed = [u8; 64];

/// What signs: a secret key, or nothing in an unsigned keyspace.
#[derive(Clone, Copy)]
pub(crate) struct SecretKey<'a>(pub(crate) Option<&'a SigningKey>);

impl SecretKey<'_> {
    pub(crate) fn sign(&self, message: &[u8]) -> Sealed {
        self.0.map_or([0; 64], |key| key.sign(message).to_bytes())
    }
}

impl Trust {
    /// This replica's public key.
    pub fn key(&self) -> PublicKey {
        match self {
            Self::Signed { key, .. } => key.verifying_key().to_bytes(),
            Self::Unsigned { key, .. } => *key,
        }
    }

    /// The public keys of all members.
    pub fn allowed(&self) -> &[PublicKey] {
        match self {
            Self::Signed { allowed, .. } | Self::Unsigned { allowed, .. } => allowed,
        }
    }

    /// What signs with this replica's key.
    pub(crate) fn signer(&self) -> SecretKey<'_> {
        match self {
            Self::Signed { key, .. } => SecretKey(Some(key)),
            Self::Unsigned { .. } => SecretKey(None),
        }
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Sealed {
        self.signer().sign(message)
    }

    pub(crate) fn verify(&self, by: &PublicKey, message: &[u8], seal: &Sealed) -> bool {
        match self {
            Self::Signed { .. } => verifies(by, message, seal),
            Self::Unsigned { .. } => *seal == [0; 64],
        }
    }
}

impl fmt::Debug for Trust {
    /// Does not print the secret key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Signed { .. } => "Signed",
            Self::Unsigned { .. } => "Unsigned",
        };
        write!(f, "{name}({} members)", self.allowed().len())
    }
}
