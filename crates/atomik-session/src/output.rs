//! What sessions ask of their caller, tell it and refuse.

use thiserror::Error;

use crate::config::{Address, PublicKey};
use crate::packet::MAX_MESSAGE;
use crate::session::Unopened;

/// An output, to be carried out by the caller in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send a packet. It may be lost.
    Packet {
        /// The recipient.
        to: Address,
        /// The packet.
        bytes: Vec<u8>,
    },
    /// A session is up: messages can be sent to this peer.
    Up {
        /// The peer. The key owns this address.
        address: Address,
        /// The peer's authenticated key.
        key: PublicKey,
    },
    /// The session with this peer has ended. If the peer restarted, [`Output::Up`] follows.
    Down {
        /// The peer.
        address: Address,
    },
    /// A message, sent once by this peer on the present session or the one that it replaced.
    Message {
        /// The authenticated sender.
        from: Address,
        /// The message.
        bytes: Vec<u8>,
    },
    /// Someone with the keyspace's secret has a newer list of members: one that was refused, or
    /// refuses this replica. Check who signed it. At most four per tick.
    List {
        /// The address that it came from.
        from: Address,
        /// The list.
        bytes: Vec<u8>,
    },
    /// Another process with this replica's key and address wants a session with this peer, or has
    /// one: a copy of its data or of its machine runs. Both processes are told, and the peer.
    KeyInUse {
        /// The peer that tells of it.
        from: Address,
        /// The peer's key.
        key: PublicKey,
        /// Whether this process keeps the session with the peer, or the other one.
        kept: bool,
    },
    /// Someone with the keyspace's secret was refused, or refuses this replica. Of this and
    /// [`Output::KeyInUse`] there is at most one report per address within
    /// [`Limits::report_ticks`](crate::Limits::report_ticks), and four per tick.
    Refused {
        /// The address that the packet claims to come from.
        from: Address,
        /// The key that the other side proved to hold, or claimed if [`Refusal::WrongKey`].
        key: PublicKey,
        /// Why.
        reason: Refusal,
    },
}

/// Why a complete handshake did not become a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The key is authenticated, but not on the list of members.
    #[error(
        "its key is not on the list of members: add it if it should be, or restart that member \
         with its new key if it has one"
    )]
    NotAMember,
    /// The key does not own the address.
    #[error("its key does not own its address: someone imitates another replica")]
    WrongAddress,
    /// The claimed key is not the one of the handshake.
    #[error("it does not hold the key that it claims: someone imitates another replica")]
    WrongKey,
    /// The key has as many sessions as one member may have, from other addresses.
    #[error(
        "its key has sessions from too many other addresses: copies of a member are running; stop \
         all but one"
    )]
    TooManySessions,
    /// Another process with its key and address has a session and answers.
    #[error(
        "another process with its key and address has a session and answers: a copy of that member \
         runs, of its data folder or of its machine; stop one of the two"
    )]
    KeyInUse,
    /// The other side completed the handshake, and refuses this replica as [`Refusal::NotAMember`].
    #[error("its list of members does not have this replica's key: ask the administrator")]
    ByPeer,
}

/// Why a message was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SendError {
    /// There is no session with this peer.
    #[error("no session with this peer: send again once it is up")]
    NoSession,
    /// The message is longer than [`MAX_MESSAGE`].
    #[error(
        "the message has {length} bytes and a session carries at most {}: split it",
        MAX_MESSAGE
    )]
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
}

/// What sessions have done since they were made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Sessions that came up, replacements included.
    pub sessions: u64,
    /// Handshakes that cost a Diffie-Hellman exchange: begun, or answered.
    pub handshakes: u64,
    /// Packets of sessions that were decrypted.
    pub opened: u64,
    /// Packets that a session did not make: garbage, altered, reflected, or from an older session
    /// with the same tag.
    pub forged: u64,
    /// Repeated packets, and packets too old to tell.
    pub replayed: u64,
    /// Packets of no present session, among them late ones.
    pub unknown: u64,
    /// Handshakes refused because of the other side's identity.
    pub refused: u64,
}

impl Counters {
    /// Counts a packet that was not opened.
    pub(crate) fn count(&mut self, unopened: Unopened) {
        match unopened {
            Unopened::Forged => self.forged += 1,
            Unopened::Replayed => self.replayed += 1,
        }
    }
}
