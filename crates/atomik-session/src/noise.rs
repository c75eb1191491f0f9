//! The handshake: Noise XXpsk0 with static keys converted from ed25519.

use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::{CryptoResolver, DefaultResolver};
use snow::types::{Cipher, Dh, Hash, Random};
use snow::{Builder, HandshakeState};

use ed25519_dalek::VerifyingKey;

use crate::config::{Address, Config, Incarnation, PublicKey};

const PROTOCOL: &str = "Noise_XXpsk0_25519_AESGCM_BLAKE2s";

/// The longest message of the handshake.
const LONGEST: usize = 160;

/// What the first message carries, so that the second is not longer: the number of the process
/// that is to answer, or zeros for any, and further zeros.
pub(crate) const PADDING: usize = 104;

/// Bytes of a [`ProcessId`].
pub(crate) const PROCESS_ID: usize = 8;

/// Drawn at the start of a process, so that peers tell it from others with its key: those before a
/// restart, and copies. Never zeros.
pub(crate) type ProcessId = [u8; PROCESS_ID];

/// What each side says of itself, encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) key: PublicKey,
    pub(crate) incarnation: Incarnation,
    pub(crate) process: ProcessId,
}

impl Claim {
    pub(crate) fn encode(&self) -> Vec<u8> {
        [&self.key[..], &self.incarnation, &self.process].concat()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (key, rest) = bytes.split_first_chunk()?;
        let (incarnation, rest) = rest.split_first_chunk()?;
        Some(Self {
            key: *key,
            incarnation: *incarnation,
            process: rest.try_into().ok()?,
        })
    }

    /// Whether this X25519 key, proved in the handshake, belongs to the claimed ed25519 key.
    pub(crate) fn matches(&self, proved: Option<&[u8]>) -> bool {
        VerifyingKey::from_bytes(&self.key)
            .is_ok_and(|key| !key.is_weak() && proved == Some(&key.to_montgomery().to_bytes()[..]))
    }
}

/// What the handshakes of one replica have in common.
#[derive(Clone)]
pub(crate) struct Noise {
    private: [u8; 32],
    shared: [u8; 32],
    /// The hash of keyspace and version.
    context: [u8; 32],
}

impl Noise {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            private: config.key.to_scalar_bytes(),
            shared: derive("atomik session 1 shared key", config),
            context: blake3::derive_key("atomik session 1 keyspace", config.keyspace.as_bytes()),
        }
    }

    /// Begins a handshake. `entropy` becomes the ephemeral key.
    pub(crate) fn begin(
        &self,
        is_initiator: bool,
        [initiator, responder]: [&Address; 2],
        entropy: [u8; 32],
    ) -> Option<HandshakeState> {
        let prologue = [&self.context[..], initiator, responder].concat();
        let resolver = Box::new(Resolver { entropy });
        let builder = Builder::with_resolver(PROTOCOL.parse().ok()?, resolver)
            .local_private_key(&self.private)
            .and_then(|builder| builder.psk(0, &self.shared))
            .and_then(|builder| builder.prologue(&prologue))
            .ok()?;
        let built = if is_initiator {
            builder.build_initiator()
        } else {
            builder.build_responder()
        };
        built.ok()
    }
}

/// Derives a key from the keyspace's secret and name.
pub(crate) fn derive(purpose: &str, config: &Config) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(purpose);
    hasher
        .update(&config.secret)
        .update(config.keyspace.as_bytes());
    *hasher.finalize().as_bytes()
}

/// Writes the next message of the handshake.
pub(crate) fn write(state: &mut HandshakeState, payload: &[u8]) -> Option<Vec<u8>> {
    let mut message = vec![0; LONGEST];
    let length = state.write_message(payload, &mut message).ok()?;
    message.truncate(length);
    Some(message)
}

/// Reads the next message of the handshake; returns its payload.
pub(crate) fn read(state: &mut HandshakeState, message: &[u8]) -> Option<Vec<u8>> {
    let mut payload = vec![0; LONGEST];
    let length = state.read_message(message, &mut payload).ok()?;
    payload.truncate(length);
    Some(payload)
}

/// snow's algorithms, with our entropy.
struct Resolver {
    entropy: [u8; 32],
}

impl CryptoResolver for Resolver {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        let hasher = blake3::Hasher::new_keyed(&self.entropy);
        Some(Box::new(Drawn(hasher.finalize_xof())))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        DefaultResolver.resolve_dh(choice)
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        DefaultResolver.resolve_hash(choice)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        DefaultResolver.resolve_cipher(choice)
    }
}

struct Drawn(blake3::OutputReader);

impl Random for Drawn {
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), snow::Error> {
        self.0.fill(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;

    use super::*;
    use crate::config::{Limits, Members};

    const A: Address = [1; 16];
    const B: Address = [2; 16];

    fn noise(number: u8, keyspace: &str) -> Noise {
        Noise::new(&Config {
            key: SigningKey::from_bytes(&[number; 32]),
            incarnation: [number; 16],
            address: |_, incarnation| *incarnation,
            keyspace: keyspace.to_owned(),
            secret: [7; 32],
            members: Members::Any,
            limits: Limits::default(),
        })
    }

    fn claim(number: u8) -> Claim {
        Claim {
            key: SigningKey::from_bytes(&[number; 32])
                .verifying_key()
                .to_bytes(),
            incarnation: [number; 16],
            process: [number; 8],
        }
    }

    #[test]
    fn each_side_proves_its_own_key_and_no_other() {
        let begin = |number, is_initiator| {
            let noise = noise(number, "a");
            noise.begin(is_initiator, [&A, &B], [number; 32]).unwrap()
        };
        let (mut a, mut b) = (begin(1, true), begin(2, false));
        let first = write(&mut a, &[0; PADDING]).unwrap();
        assert_eq!(read(&mut b, &first), Some(vec![0; PADDING]));
        let second = write(&mut b, &claim(2).encode()).unwrap();
        let read_claim = Claim::decode(&read(&mut a, &second).unwrap());
        assert_eq!(read_claim, Some(claim(2)));
        assert!(claim(2).matches(a.get_remote_static()));
        assert!(!claim(1).matches(a.get_remote_static()));
        assert!(!claim(2).matches(None));
        let third = write(&mut a, &claim(1).encode()).unwrap();
        assert!(read(&mut b, &third).is_some());
        assert!(claim(1).matches(b.get_remote_static()));
        assert!(!claim(2).matches(b.get_remote_static()));
    }

    #[test]
    fn a_weak_key_is_nobodys() {
        let mut weak = claim(1);
        weak.key = [0; 32];
        weak.key[0] = 1;
        let key = VerifyingKey::from_bytes(&weak.key).unwrap();
        assert!(!weak.matches(Some(&key.to_montgomery().to_bytes()[..])));
    }

    #[test]
    fn keyspace_route_and_direction_are_bound_to_the_first_message() {
        let first = |noise: &Noise, route| {
            let mut handshake = noise.begin(true, route, [3; 32]).unwrap();
            write(&mut handshake, &[0; PADDING]).unwrap()
        };
        let message = first(&noise(1, "a"), [&A, &B]);
        let opens = |noise: &Noise, route| {
            let mut handshake = noise.begin(false, route, [4; 32]).unwrap();
            read(&mut handshake, &message).is_some()
        };
        assert!(opens(&noise(2, "a"), [&A, &B]));
        assert!(!opens(&noise(2, "b"), [&A, &B]));
        assert!(!opens(&noise(2, "a"), [&B, &A]));
        assert!(!opens(&noise(2, "a"), [&A, &[3; 16]]));
    }
}
