//! What arrives through the link and what goes out, by way of the sessions.

use atomik_net::{Received, hex};
use atomik_replica::{Event, Notice, OpError, Refusal, RosterError};
use atomik_session::{Address, Output};

use super::{Actor, NodeError};
use crate::sessions;

impl Actor {
    pub(super) fn receive(&mut self, received: Received) -> Result<(), NodeError> {
        let sessions = &mut self.state.sessions;
        match received {
            Received::PeerUp(peer) => sessions.peer_up(peer, &mut self.outputs),
            Received::PeerDown(peer) => sessions.peer_down(&peer),
            Received::Message { from, bytes } => {
                let forged = sessions.counters().forged;
                sessions.receive(from, &bytes, &mut self.outputs);
                if sessions.counters().forged > forged && begins_handshake(&bytes) {
                    self.state.foreign_handshake(self.ticks);
                }
            }
        }
        self.follow_sessions()
    }

    /// Sends a message to a peer, if there is a session.
    pub(super) fn send(&mut self, to: &Address, bytes: &[u8]) {
        let sent = self.state.sessions.send(to, bytes, &mut self.outputs);
        self.state.no_session += u64::from(sent.is_err());
        self.send_packets();
    }

    /// Sends the packets among the outputs of the sessions.
    pub(super) fn send_packets(&mut self) {
        let packets = self
            .outputs
            .extract_if(.., |output| matches!(output, Output::Packet { .. }));
        for packet in packets {
            if let Output::Packet { to, bytes } = packet {
                self.state.link.send(to, bytes);
            }
        }
    }

    /// Carries out what the sessions want done.
    fn follow_sessions(&mut self) -> Result<(), NodeError> {
        self.send_packets();
        for output in std::mem::take(&mut self.outputs) {
            match output {
                Output::Packet { to, bytes } => self.state.link.send(to, bytes),
                Output::Up { address, key } => {
                    let member = self.state.member(&key);
                    tracing::info!(peer = hex(&address), member, "peer up");
                    self.state.peer_up(address, key);
                    let (peer, key) = (address, Some(key));
                    self.step(Event::PeerUp { peer, key })?;
                }
                Output::Down { address } => {
                    let peer = self.state.peers.list.remove(&address);
                    let member = peer.and_then(|peer| self.state.member(&peer.key));
                    tracing::info!(peer = hex(&address), member, "peer down");
                    self.step(Event::PeerDown(address))?;
                }
                Output::Message { from, bytes } => {
                    self.state.peers.heard_from(&from);
                    let bytes = &bytes;
                    self.step(Event::Message { from, bytes })?;
                }
                Output::List { from, bytes } => self.receive_list(from, &bytes)?,
                Output::Refused { from, key, reason } => {
                    self.state.peer_refused(&from, &key, reason);
                }
                Output::KeyInUse { from, key, kept } => {
                    self.state.key_in_use(&from, &key, kept);
                }
            }
        }
        Ok(())
    }

    /// Takes a list of members from somebody who was refused, or refuses this node. What the
    /// administrator signed is safe from anybody.
    fn receive_list(&mut self, from: Address, bytes: &[u8]) -> Result<(), NodeError> {
        let step = Event::Roster(bytes);
        match self.state.replica.step(step, &mut self.effects) {
            Err(OpError::Roster(RosterError::Stale { .. })) | Ok(_) => {}
            Err(OpError::Roster(error)) => {
                let reason = Refusal::Roster(error);
                self.state.notice(Notice::Refused { from, reason });
            }
            // It is the only reason for which a replica refuses a roster.
            Err(_) => {}
        }
        self.carry_out()
    }

    /// Ends the sessions of removed members.
    pub(super) fn follow_roster(&mut self) -> Result<(), NodeError> {
        if !std::mem::take(&mut self.new_roster) {
            return Ok(());
        }
        let members = sessions::members(&self.state.replica);
        self.state
            .sessions
            .set_list(sessions::list(&self.state.replica));
        self.state.sessions.set_members(members, &mut self.outputs);
        self.follow_sessions()
    }

    pub(super) fn tick_sessions(&mut self) -> Result<(), NodeError> {
        self.ticks += 1;
        self.state.sessions.tick(self.ticks, &mut self.outputs);
        self.follow_sessions()
    }
}

/// Whether these bytes have the form of a packet that begins a handshake, or asks for one: those
/// that are authentic are never counted as forged.
fn begins_handshake(bytes: &[u8]) -> bool {
    matches!(bytes.first(), Some(0 | 1))
}
