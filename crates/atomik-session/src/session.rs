//! One session: keys, numbers and the replay window.

use snow::{HandshakeState, StatelessTransportState};

use crate::noise::Claim;
use crate::packet::{Code, HEADER, Kind, OVERHEAD};
use crate::window::Window;

/// Why a packet was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unopened {
    Forged,
    Replayed,
}

/// A session whose handshake is complete.
pub(crate) struct Session {
    /// Marks packets from the peer.
    pub(crate) tag_in: u8,
    /// Marks packets to the peer.
    tag_out: u8,
    keys: StatelessTransportState,
    sent: u64,
    window: Window,
    /// The other side.
    pub(crate) peer: Claim,
    /// The code of the handshake's third packet.
    pub(crate) third: Code,
    /// When it was made.
    pub(crate) since: u64,
    /// When the last packet arrived.
    pub(crate) heard: u64,
}

impl Session {
    pub(crate) fn new(
        handshake: HandshakeState,
        tag_in: u8,
        tag_out: u8,
        peer: Claim,
        third: Code,
        now: u64,
    ) -> Option<Self> {
        Some(Self {
            tag_in,
            tag_out,
            keys: handshake.into_stateless_transport_mode().ok()?,
            sent: 0,
            window: Window::new(),
            peer,
            third,
            since: now,
            heard: now,
        })
    }

    /// The packets sent and received, lost ones included.
    pub(crate) fn packets(&self) -> u64 {
        self.sent + self.window.next()
    }

    pub(crate) fn seal(&mut self, kind: Kind, content: &[u8]) -> Option<Vec<u8>> {
        let number = self.sent;
        let mut packet = vec![0; content.len() + OVERHEAD];
        let [low, high, ..] = number.to_le_bytes();
        packet[..HEADER].copy_from_slice(&[kind as u8, self.tag_out, low, high]);
        let sealed = &mut packet[HEADER..];
        self.keys
            .write_message(nonce(kind, number), content, sealed)
            .ok()?;
        self.sent += 1;
        Some(packet)
    }

    pub(crate) fn open(
        &mut self,
        kind: Kind,
        number: u16,
        content: &[u8],
        now: u64,
    ) -> Result<Vec<u8>, Unopened> {
        let number = self.window.complete(number);
        if !self.window.is_new(number) {
            return Err(Unopened::Replayed);
        }
        let mut opened = vec![0; content.len() + HEADER - OVERHEAD];
        self.keys
            .read_message(nonce(kind, number), content, &mut opened)
            .map_err(|_| Unopened::Forged)?;
        self.window.record(number);
        self.heard = now;
        Ok(opened)
    }
}

/// Binds the kind, which is outside the encryption, to the packet.
fn nonce(kind: Kind, number: u64) -> u64 {
    number << 2 | kind as u64 & 3
}
