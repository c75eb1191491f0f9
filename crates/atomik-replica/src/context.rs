//! What every part of a replica may use while it handles an event.

use crate::config::Config;
use crate::counters::Counters;
use crate::event::Effect;
use crate::message::{MARKED_OVERHEAD, MessageKind, OVERHEAD, seal};
use crate::notice::{Notice, Refusal};
use crate::origin::OriginId;
use crate::peers::PeerId;
use crate::roster::Roster;
use crate::secrets::Secrets;

/// Configuration, secrets and roster to read, counters to advance, and the effects of the current
/// event, in order.
pub(crate) struct Context<'a> {
    pub(crate) config: &'a Config,
    pub(crate) secrets: &'a Secrets,
    pub(crate) roster: &'a Roster,
    pub(crate) counters: &'a mut Counters,
    pub(crate) effects: &'a mut Vec<Effect>,
}

impl Context<'_> {
    /// The largest body of a message, in bytes.
    pub(crate) fn room(&self) -> usize {
        let overhead = match self.config.shape.mark() {
            None => OVERHEAD,
            Some(_) => MARKED_OVERHEAD,
        };
        self.config.message_bytes - overhead
    }

    /// Sends a message to one peer.
    pub(crate) fn send(&mut self, to: PeerId, kind: MessageKind, body: &[u8]) {
        let bytes = seal(&self.config.shape, kind, body);
        self.count_sent(&bytes);
        self.effects.push(Effect::Send { to, bytes });
    }

    /// Sends a message with a frame to all peers.
    pub(crate) fn broadcast(&mut self, origin: OriginId, frame: u64, bytes: Vec<u8>) {
        self.count_sent(&bytes);
        let id = (origin, frame);
        self.effects.push(Effect::Broadcast { id, bytes });
    }

    fn count_sent(&mut self, bytes: &[u8]) {
        self.counters.messages_out += 1;
        self.counters.bytes_out += bytes.len() as u64;
    }

    pub(crate) fn notify(&mut self, notice: Notice) {
        self.effects.push(Effect::Notify(notice));
    }

    /// Reports that something from a peer was refused.
    pub(crate) fn refuse(&mut self, from: PeerId, reason: Refusal) {
        self.counters.refused += 1;
        // A peer that holds entries of a quarantined origin offers them at every comparison. The
        // equivocation itself has been reported.
        if !matches!(reason, Refusal::Quarantined { .. }) {
            self.notify(Notice::Refused { from, reason });
        }
    }
}
