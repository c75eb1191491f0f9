//! The configuration of a replica.

use core::time::Duration;

use ed25519_dalek::SigningKey;

use crate::error::ConfigError;
use crate::operation::View;
use crate::origin::{Incarnation, PublicKey, SecretKey, Trust};
use crate::shape::Shape;
use crate::value::MAX_WORDS;

/// How long own changes wait for more by default: not at all.
pub const DEFAULT_LINGER: Duration = Duration::ZERO;

/// The configuration of a replica.
#[derive(Clone, Debug)]
pub struct Config {
    /// The keyspace's name. All replicas of a keyspace use the same name, shape, view and secret.
    pub keyspace: String,
    /// How many words its values have, 1 to [`MAX_WORDS`](crate::MAX_WORDS), and how they combine.
    pub shape: Shape,
    /// How the words are interpreted.
    pub view: View,
    /// 256 bits known only to members. They authenticate messages and key the digests. Someone who
    /// has the secret but no key on the member list can read and waste bandwidth, but cannot change
    /// anything.
    pub secret: [u8; 32],
    /// This replica's key and the members on roster 0.
    pub trust: Trust,
    /// Keys that this replica had before the one of `trust`. Own changes are signed when a peer
    /// asks for them, and those made under a former key with that key; without it they stay here
    /// alone ([`Replica::missing_key`](crate::Replica::missing_key)).
    pub former_keys: Vec<SigningKey>,
    /// The key that signs [`Roster`](crate::Roster)s. Without one no roster above 0 is accepted.
    pub administrator: Option<PublicKey>,
    /// 128 random bits, drawn anew at every start. They tell this start from others when members
    /// vouch for the replica's life, and the incarnation of a new life is derived from them.
    pub incarnation: Incarnation,
    /// Whether the records given to [`Replica::open`](crate::Replica::open) are known to include
    /// everything that was ever acknowledged as persisted. If not, the replica continues as a new
    /// origin.
    ///
    /// The new origin becomes durable with the first stored batch. A replica that stops before that
    /// finds its old records again, so it must be opened with `false` again; otherwise it would
    /// resume the origin whose memory was lost. Either keep reporting the loss until then, as
    /// `atomik-store` does, or persist the first [`Event::Flush`](crate::Event::Flush), which
    /// always has something to store, before doing anything else. Records written under another key
    /// than the configured one are never resumed, regardless of this setting.
    pub kept_memory: bool,
    /// How many of its own batches the replica keeps for [`Event::Undo`](crate::Event::Undo).
    pub undo_batches: usize,
    /// The largest message in bytes; at least 16,384, so that every entry fits.
    pub message_bytes: usize,
    /// The number of [`Event::Tick`](crate::Event::Tick)s between two comparisons with a peer.
    pub sync_ticks: u32,
    /// How long stored own changes may wait for more, to be sent in one message. The replica has no
    /// clock: unless this is zero, its caller hands in [`Event::Publish`](crate::Event::Publish) so
    /// long after [`Replica::lingers`](crate::Replica::lingers) has become true. Storage does not
    /// wait, so acknowledgements do not either.
    pub linger: Duration,
}

impl Config {
    /// A [`View::Raw`] keyspace whose values have this many words, all bits of which xor, with the
    /// default limits: 4096 batches of undo, messages of 60,000 bytes, a comparison on every tick,
    /// and [`DEFAULT_LINGER`].
    pub fn new(
        keyspace: &str,
        words: usize,
        secret: [u8; 32],
        trust: Trust,
        incarnation: Incarnation,
    ) -> Self {
        Self {
            keyspace: keyspace.to_owned(),
            shape: Shape::xor(words),
            view: View::Raw,
            secret,
            trust,
            former_keys: Vec::new(),
            administrator: None,
            incarnation,
            kept_memory: true,
            undo_batches: 4096,
            message_bytes: 60_000,
            sync_ticks: 1,
            linger: DEFAULT_LINGER,
        }
    }

    /// The key that signs in the name of `author`, a public key that this replica has or had.
    pub(crate) fn signer(&self, author: &PublicKey) -> Option<SecretKey<'_>> {
        let former = || {
            let is_it = |key: &&SigningKey| key.verifying_key().as_bytes() == author;
            self.former_keys.iter().find(is_it)
        };
        match &self.trust {
            Trust::Signed { key, .. } if key.verifying_key().as_bytes() != author => {
                former().map(|key| SecretKey(Some(key)))
            }
            trust => Some(trust.signer()),
        }
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let found = self.shape.words();
        if !(1..=MAX_WORDS).contains(&found) {
            return Err(ConfigError::Words { found });
        }
        if self.keyspace.is_empty() {
            return Err(ConfigError::Keyspace);
        }
        if self.message_bytes < ConfigError::LEAST_MESSAGE_BYTES {
            return Err(ConfigError::MessageBytes {
                found: self.message_bytes,
            });
        }
        if self.sync_ticks == 0 {
            return Err(ConfigError::SyncTicks);
        }
        // With an administrator, a roster may list it.
        let founder = self.trust.allowed().contains(&self.trust.key());
        if !founder && self.administrator.is_none() {
            return Err(ConfigError::NotAMember);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        let trust = Trust::Unsigned {
            key: [1; 32],
            allowed: vec![[1; 32]],
        };
        Config::new("test", 1, [0; 32], trust, [0; 16])
    }

    #[test]
    fn each_limit_is_checked_at_its_edge() {
        let check = |change: fn(&mut Config)| {
            let mut config = config();
            change(&mut config);
            config.check()
        };
        assert_eq!(check(|_| ()), Ok(()));
        assert_eq!(check(|c| c.shape = Shape::xor(16)), Ok(()));
        assert_eq!(
            check(|c| c.shape = Shape::xor(17)),
            Err(ConfigError::Words { found: 17 })
        );
        assert_eq!(
            check(|c| c.shape = Shape::xor(0)),
            Err(ConfigError::Words { found: 0 })
        );
        assert_eq!(check(|c| c.keyspace.clear()), Err(ConfigError::Keyspace));
        assert_eq!(check(|c| c.message_bytes = 16_384), Ok(()));
        assert_eq!(
            check(|c| c.message_bytes = 16_383),
            Err(ConfigError::MessageBytes { found: 16_383 })
        );
        assert_eq!(check(|c| c.sync_ticks = 0), Err(ConfigError::SyncTicks));
        assert_eq!(
            check(|c| c.trust = Trust::Unsigned {
                key: [2; 32],
                allowed: vec![[1; 32]]
            }),
            Err(ConfigError::NotAMember)
        );
    }
}
