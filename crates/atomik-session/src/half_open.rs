//! Handshakes that others begin, and packets of handshakes.

use snow::HandshakeState;

use crate::config::Address;
use crate::packet::Code;

/// A handshake that a peer began, and that this replica answered.
pub(crate) struct HalfOpen {
    pub(crate) from: Address,
    pub(crate) handshake: HandshakeState,
    pub(crate) tag_in: u8,
    pub(crate) tag_out: u8,
    pub(crate) first: Code,
    pub(crate) second: Code,
    pub(crate) packet: Vec<u8>,
    pub(crate) since: u64,
    /// When the second packet was last sent.
    pub(crate) sent: u64,
}

/// An authentic or forged packet of a handshake.
pub(crate) struct Received<'a> {
    pub(crate) from: Address,
    pub(crate) tag: u8,
    pub(crate) covered: &'a [u8],
    pub(crate) content: &'a [u8],
    pub(crate) code: Code,
}
