//! The format of packets, and the codes of those that begin a session.
//!
//! | packet | bytes |
//! |---|---|
//! | ask, first, second, third | kind, tag, content, code (16) |
//! | message, ping, pong, bye | kind, tag, low 16 bits of the number, content, AEAD tag (16) |

use crate::config::Address;

/// The longest message, in bytes.
pub const MAX_MESSAGE: usize = 60_000;

/// Bytes of a code.
pub(crate) const CODE: usize = 16;

/// Bytes before the content of a packet of a session.
pub(crate) const HEADER: usize = 4;

/// Bytes that a session adds to a message.
pub const OVERHEAD: usize = HEADER + 16;

/// The bytes of packets that begin a session. None draws a longer answer, unless it comes from an
/// authenticated peer.
pub(crate) const FIRST: usize = 170;
pub(crate) const SECOND: usize = 170;
pub(crate) const THIRD: usize = 138;
pub(crate) const ASK: usize = 170;

/// The content of a [`Kind::Bye`] to someone who is not a member. What else the two say to each
/// other then, also begins with such a byte ([`farewell`](crate::farewell)).
pub(crate) const NOT_A_MEMBER: &[u8] = &[1];

/// The content of a [`Kind::Bye`] to a process whose key and address another one has, which has a
/// session and answers.
pub(crate) const IN_USE: &[u8] = &[5];

/// Proves that a packet was made by someone with the keyspace's secret, between these addresses,
/// as an answer to the packet with the previous code.
pub(crate) type Code = [u8; CODE];

/// The kinds of packets that begin a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    /// Asks the peer, whose address is lower, to begin a handshake.
    Ask = 0,
    First = 1,
    Second = 2,
    Third = 3,
}

/// The kinds of packets within a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Message = 8,
    /// Asks for a [`Kind::Pong`] with the same content: the code of the third packet with which
    /// another process of the recipient's key and address has begun a session, or nothing.
    Ping = 9,
    Pong = 10,
    /// Ends the session. With [`NOT_A_MEMBER`] or [`IN_USE`], none begins.
    Bye = 11,
}

/// A parsed packet, not yet authenticated.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Packet<'a> {
    Opening {
        opening: Opening,
        tag: u8,
        /// What the code covers.
        covered: &'a [u8],
        /// The message of the handshake.
        content: &'a [u8],
        code: &'a Code,
    },
    Sealed {
        kind: Kind,
        tag: u8,
        number: u16,
        content: &'a [u8],
    },
}

impl<'a> Packet<'a> {
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let opening = |opening, length| {
            if bytes.len() != length {
                return None;
            }
            let (covered, code) = bytes.split_last_chunk()?;
            let (&[_, tag], content) = covered.split_first_chunk()?;
            Some(Self::Opening {
                opening,
                tag,
                covered,
                content,
                code,
            })
        };
        let kind = match *bytes.first()? {
            0 => return opening(Opening::Ask, ASK),
            1 => return opening(Opening::First, FIRST),
            2 => return opening(Opening::Second, SECOND),
            3 => return opening(Opening::Third, THIRD),
            8 => Kind::Message,
            9 => Kind::Ping,
            10 => Kind::Pong,
            11 => Kind::Bye,
            _ => return None,
        };
        let (&[_, tag, low, high], content) = bytes.split_first_chunk::<HEADER>()?;
        (bytes.len() >= OVERHEAD).then_some(Self::Sealed {
            kind,
            tag,
            number: u16::from_le_bytes([low, high]),
            content,
        })
    }
}

/// Makes and checks codes.
#[derive(Clone)]
pub(crate) struct Coder {
    key: [u8; 32],
}

impl Coder {
    pub(crate) fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// Completes a packet; returns it with its code.
    pub(crate) fn seal(
        &self,
        opening: Opening,
        tag: u8,
        content: &[u8],
        route: [&Address; 2],
        previous: &Code,
    ) -> (Vec<u8>, Code) {
        let mut packet = Vec::with_capacity(2 + content.len() + CODE);
        packet.extend_from_slice(&[opening as u8, tag]);
        packet.extend_from_slice(content);
        let code = self.code(&packet, route, previous);
        packet.extend_from_slice(&code);
        (packet, code)
    }

    /// Whether the code is right, in constant time.
    pub(crate) fn accepts(
        &self,
        covered: &[u8],
        code: &Code,
        route: [&Address; 2],
        previous: &Code,
    ) -> bool {
        let padded = |code: &Code| {
            let mut hash = [0; 32];
            hash[..CODE].copy_from_slice(code);
            blake3::Hash::from_bytes(hash)
        };
        padded(code) == padded(&self.code(covered, route, previous))
    }

    fn code(&self, covered: &[u8], [from, to]: [&Address; 2], previous: &Code) -> Code {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(from).update(to).update(previous);
        hasher.update(covered);
        let hash = hasher.finalize();
        std::array::from_fn(|i| hash.as_bytes()[i])
    }
}
