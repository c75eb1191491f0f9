//! Who makes changes: keys, incarnations, origins.

use core::fmt;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

/// An ed25519 public key, as its 32 bytes.
pub type PublicKey = [u8; 32];

/// What tells two lives of one key apart: 128 random bits, drawn anew whenever a replica cannot
/// prove that it kept its memory.
pub type Incarnation = [u8; 16];

/// An origin of changes: the first 128 bits of BLAKE3's key derivation over public key and
/// incarnation.
///
/// Whoever claims to be an origin must show the key and sign with it; finding another key or
/// incarnation for a given origin takes some 2^128 hashes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OriginId(pub [u8; 16]);

impl fmt::Display for OriginId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for OriginId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A public key in one of its lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Author {
    /// The key that signs.
    pub key: PublicKey,
    /// Which life of it.
    pub incarnation: Incarnation,
}

impl Author {
    /// The origin that this author's changes carry.
    pub fn origin(&self) -> OriginId {
        let mut hasher = blake3::Hasher::new_derive_key("atomik 1 origin");
        hasher.update(&self.key);
        hasher.update(&self.incarnation);
        OriginId(truncated(hasher.finalize()))
    }
}

/// The first 128 bits.
pub(crate) fn truncated(hash: blake3::Hash) -> [u8; 16] {
    let [half, _]: [[u8; 16]; 2] =
        [0, 16].map(|at| core::array::from_fn(|i| hash.as_bytes()[at + i]));
    half
}

/// How the changes of a keyspace are authenticated.
#[derive(Clone)]
pub enum Trust {
    /// Every frame is signed, and only keys on the list are heard. The list holds this replica's
    /// own key, too.
    Signed {
        /// This replica's key.
        key: Box<SigningKey>,
        /// The keys of all members.
        allowed: Vec<PublicKey>,
    },
    /// Nothing is signed and any key is heard. For simulations and model checking, which have no
    /// adversary and run millions of steps; a signed keyspace refuses such frames.
    Unsigned {
        /// Stands for the public key.
        key: PublicKey,
        /// Stands for the list of members.
        allowed: Vec<PublicKey>,
    },
}

/// A signature, or the zeros that stand for one in an unsigned keyspace.
pub(crate) type Sealed = [u8; 64];

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

    pub(crate) fn sign(&self, message: &[u8]) -> Sealed {
        match self {
            Self::Signed { key, .. } => key.sign(message).to_bytes(),
            Self::Unsigned { .. } => [0; 64],
        }
    }

    pub(crate) fn verify(&self, by: &PublicKey, message: &[u8], seal: &Sealed) -> bool {
        match self {
            Self::Signed { .. } => VerifyingKey::from_bytes(by).is_ok_and(|key| {
                key.verify_strict(message, &Signature::from_bytes(seal))
                    .is_ok()
            }),
            Self::Unsigned { .. } => *seal == [0; 64],
        }
    }
}

impl fmt::Debug for Trust {
    /// Without the secret key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Signed { .. } => "Signed",
            Self::Unsigned { .. } => "Unsigned",
        };
        write!(f, "{name}({} members)", self.allowed().len())
    }
}
