use std::fmt;
use std::future::Future;
use std::str::FromStr;

use serde::Deserialize;
use thiserror::Error;

use crate::Counters;

/// The longest message that an engine carries, in bytes.
pub const MAX_MESSAGE: usize = 64 * 1024;

/// The number of peers that an engine remembers; those beyond are ignored and counted.
pub const MAX_PEERS: usize = 4096;

/// The id of a replica: its origin id. Shown as 32 lower-case hex digits, see [`hex`].
pub type PeerId = [u8; 16];

/// The text of a peer's id: 32 lower-case hex digits.
#[must_use]
pub fn hex(peer: &PeerId) -> String {
    peer.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The peer's id of which `text` is the [`hex`]; `None` for any other text.
#[must_use]
pub fn parse_hex(text: &str) -> Option<PeerId> {
    let digits = text.as_bytes();
    if digits.len() != 32 {
        return None;
    }
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut peer = PeerId::default();
    for (byte, pair) in peer.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = value(pair[0])? << 4 | value(pair[1])?;
    }
    Some(peer)
}

/// The name of a keyspace, as every engine can carry it: 1 to 64 of `a-z A-Z 0-9 _ -`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Keyspace(String);

impl Keyspace {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Keyspace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A name that cannot be a [`Keyspace`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?} cannot name a keyspace: use 1 to 64 of a-z, A-Z, 0-9, _ and -")]
pub struct KeyspaceError(pub String);

impl TryFrom<String> for Keyspace {
    type Error = KeyspaceError;

    fn try_from(name: String) -> Result<Self, KeyspaceError> {
        let letter = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        if (1..=64).contains(&name.len()) && name.bytes().all(letter) {
            Ok(Self(name))
        } else {
            Err(KeyspaceError(name))
        }
    }
}

impl FromStr for Keyspace {
    type Err = KeyspaceError;

    fn from_str(name: &str) -> Result<Self, KeyspaceError> {
        name.to_owned().try_into()
    }
}

/// The name of a durable update, `ORIGIN:NUMBER`: the origin's [`hex`] and the number of the frame
/// among those of that origin.
///
/// An engine that stores updates drops a second one of the same name within its duplicate window.
/// Hence an origin must never give a number twice to different frames, not even after a restart:
/// the second would vanish (counted in [`Counters::duplicates_out`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MessageId {
    /// The replica that made the update.
    pub origin: PeerId,
    /// The number of the frame among all frames of that origin.
    pub number: u64,
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", hex(&self.origin), self.number)
    }
}

/// What an engine hands over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// A message of a peer.
    Message {
        /// Who says that it sent it. Not authenticated.
        from: PeerId,
        /// The message, as it was given to the sender's engine.
        bytes: Vec<u8>,
    },
    /// A peer of the keyspace can be reached, perhaps again. Never the replica itself.
    PeerUp(PeerId),
    /// A peer that was up left, or was not heard of for the engine's time.
    PeerDown(PeerId),
}

/// Why a message was not taken. It is counted, and the engine has forgotten it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SendError {
    /// The queue of outgoing messages is full.
    #[error(
        "the queue of outgoing messages is full: send again later, or raise `outgoing_messages`"
    )]
    Full,
    /// The engine has no connection at the moment; it is trying to get one.
    #[error("not connected: the engine is reconnecting, send again once a peer is up")]
    Disconnected,
    /// The message is longer than [`MAX_MESSAGE`].
    #[error("the message has {length} bytes and an engine carries at most {MAX_MESSAGE}: split it")]
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// The engine is closed.
    #[error("the engine is closed: open a new one")]
    Closed,
}

/// Why an engine did not start.
#[derive(Debug, Error)]
pub enum OpenError {
    /// An option does not make sense.
    #[error("{option} = {value}: {next}")]
    Option {
        /// The name of the option.
        option: &'static str,
        /// What it was set to.
        value: String,
        /// What is wrong, and what to write instead.
        next: String,
    },
    /// Called where the engine cannot run.
    #[error("{0}")]
    Runtime(&'static str),
    /// The engine's library or server refused.
    #[error("{what}: {reason}; {next}")]
    Engine {
        /// What was tried.
        what: String,
        /// What the library or server said.
        reason: String,
        /// What to do next.
        next: &'static str,
    },
}

impl OpenError {
    #[cfg_attr(not(any(feature = "zenoh", feature = "nats")), allow(dead_code))]
    pub(crate) fn option(
        option: &'static str,
        value: impl fmt::Display,
        next: impl Into<String>,
    ) -> Self {
        Self::Option {
            option,
            value: value.to_string(),
            next: next.into(),
        }
    }
}

/// Checks the length of a queue, in messages.
#[cfg(any(feature = "zenoh", feature = "nats"))]
pub(crate) fn check_queue(option: &'static str, messages: usize) -> Result<(), OpenError> {
    if (1..=65_536).contains(&messages) {
        return Ok(());
    }
    Err(OpenError::option(
        option,
        messages,
        "a queue holds 1 to 65536 messages",
    ))
}

/// One replica's connection to the other replicas of its keyspace.
///
/// Sending never waits: it takes the message into a bounded queue, or refuses. What was taken is
/// sent as well as the engine can, once.
pub trait Engine: Send + Sync + 'static {
    /// Sends `bytes` to every other replica of the keyspace that can be reached.
    ///
    /// `durable` names an update that should reach also those that cannot be reached now, if the
    /// engine can store it (NATS); the others treat it as any broadcast. Summaries, requests and
    /// replies go without.
    ///
    /// # Errors
    ///
    /// See [`SendError`]; the message is then not sent to anybody.
    fn broadcast(&self, bytes: Vec<u8>, durable: Option<MessageId>) -> Result<(), SendError>;

    /// Sends `bytes` to one replica. If it cannot be reached the message is lost without an error.
    ///
    /// # Errors
    ///
    /// See [`SendError`].
    fn send(&self, to: PeerId, bytes: Vec<u8>) -> Result<(), SendError>;

    /// The next message or change of a peer; changes of peers come first. `None` once the engine is
    /// closed.
    ///
    /// Cancelling it loses nothing, so it may stand in a `select!`.
    fn receive(&mut self) -> impl Future<Output = Option<Received>> + Send;

    /// What went through since the engine was opened.
    fn counters(&self) -> Counters;

    /// Sends what is queued, for two seconds at most, tells the peers and leaves. What is left then
    /// is counted as failed, in the counters that it returns. An engine that is dropped instead
    /// leaves without a farewell.
    fn close(self) -> impl Future<Output = Counters> + Send;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_read_back_and_any_other_text_refused() {
        let peer: PeerId = std::array::from_fn(|i| (i * 17) as u8);
        assert_eq!(hex(&peer), "00112233445566778899aabbccddeeff");
        assert_eq!(parse_hex(&hex(&peer)), Some(peer));
        for text in [
            "",
            "00",
            "00112233445566778899AABBCCDDEEFF",
            "zz112233445566778899aabbccddeeff",
        ] {
            assert_eq!(parse_hex(text), None, "{text}");
        }
        assert_eq!(parse_hex(&"é".repeat(16)), None);
    }

    #[test]
    fn a_message_id_reads_origin_colon_number() {
        let id = MessageId {
            origin: [0xab; 16],
            number: 7,
        };
        assert_eq!(id.to_string(), format!("{}:7", "ab".repeat(16)));
    }

    #[test]
    fn a_keyspace_takes_only_names_that_every_engine_can_carry() {
        for name in ["a", "orders-2_X", &"k".repeat(64)] {
            assert_eq!(name.parse::<Keyspace>().unwrap().as_str(), name);
        }
        for name in ["", "a.b", "a/b", "a*", "a b", "é", &"k".repeat(65)] {
            let error = name.parse::<Keyspace>().unwrap_err();
            assert!(error.to_string().contains("use 1 to 64 of"), "{error}");
        }
    }
}
