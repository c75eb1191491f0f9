//! The packets of handshakes.

use snow::HandshakeState;

use super::{MAX_SESSIONS_OF_KEY, Sessions};
use crate::config::{Address, PublicKey};
use crate::half_open::{HalfOpen, Received};
use crate::noise::{Claim, PADDING, PROCESS_ID, ProcessId, read, write};
use crate::output::{Output, Refusal};
use crate::packet::{ASK, CODE, Code, Opening};
use crate::peer::{Initiation, Need, Next, Pause};
use crate::session::Session;

/// Handshakes that an address may begin in one tick.
const MAX_FIRSTS: u32 = 4;

/// Handshakes of one address that may wait for their third packet.
pub(super) const MAX_HALF_OPEN: usize = 4;

/// What precedes the first packet of a handshake.
const NOTHING: Code = [0; CODE];

/// Random bytes of a wish for a handshake, which make it unique.
const RANDOM: usize = 32;

impl Sessions {
    /// A packet of a handshake has arrived; `None` if it is forged.
    pub(super) fn receive_opening(
        &mut self,
        opening: Opening,
        packet: &Received<'_>,
        out: &mut Vec<Output>,
    ) -> Option<()> {
        // The lower address begins.
        match (opening, self.me < packet.from) {
            (Opening::Ask, true) => self.receive_ask(packet, out),
            (Opening::First, false) => self.receive_first(packet, out),
            (Opening::Second, true) => self.receive_second(packet, out),
            (Opening::Third, false) => self.receive_third(packet, out),
            _ => None,
        }
    }

    fn receive_ask(&mut self, packet: &Received<'_>, out: &mut Vec<Output>) -> Option<()> {
        self.check(packet, &NOTHING)?;
        if self.is_repeated(packet) {
            return Some(());
        }
        let now = self.now;
        let from = packet.from;
        let process = process(packet.content.get(RANDOM..)?);
        if let Some(peer) = self.peer(from)
            && peer.ask(now, process, out) == Need::Handshake
        {
            self.begin(from, None, out);
        }
        Some(())
    }

    /// Answers the first packet of a handshake.
    fn receive_first(&mut self, packet: &Received<'_>, out: &mut Vec<Output>) -> Option<()> {
        self.check(packet, &NOTHING)?;
        let (from, now) = (packet.from, self.now);
        let mut half_open = self.half_open.iter_mut();
        if let Some(half) = half_open.find(|half| half.from == from && half.first == packet.code) {
            // The peer repeats it, because our answer was lost; or someone else does.
            if half.sent < now {
                half.sent = now;
                let bytes = half.packet.clone();
                out.push(Output::Packet { to: from, bytes });
            }
            return Some(());
        }
        if self.is_repeated(packet) {
            return Some(());
        }
        let waiting = self.half_open.iter().filter(|half| half.from == from);
        let taken: Vec<u8> = waiting.map(|half| half.tag_in).collect();
        let Some(peer) = self.peer(from) else {
            return Some(());
        };
        peer.firsts += 1;
        if peer.firsts > MAX_FIRSTS {
            return Some(());
        }
        let tag_in = peer.tag(&taken);
        let entropy = self.entropy.draw();
        let mut handshake = self.noise.begin(false, [&from, &self.me], entropy)?;
        let sought = process(&read(&mut handshake, packet.content)?);
        if sought.is_some_and(|sought| sought != self.claim.process) {
            // Another process that has this address is to answer.
            return Some(());
        }
        self.counters.handshakes += 1;
        let content = write(&mut handshake, &self.claim.encode())?;
        let route = [&self.me, &from];
        let (bytes, second) =
            self.coder
                .seal(Opening::Second, tag_in, &content, route, &packet.code);
        let oldest = if taken.len() >= MAX_HALF_OPEN {
            self.half_open.iter().position(|half| half.from == from)
        } else {
            (self.half_open.len() >= self.limits.half_open).then_some(0)
        };
        if let Some(oldest) = oldest {
            self.half_open.remove(oldest);
        }
        self.half_open.push_back(HalfOpen {
            from,
            handshake,
            tag_in,
            tag_out: packet.tag,
            first: packet.code,
            second,
            packet: bytes.clone(),
            since: now,
            sent: now,
        });
        out.push(Output::Packet { to: from, bytes });
        Some(())
    }

    /// Completes a handshake that this replica began.
    fn receive_second(&mut self, packet: &Received<'_>, out: &mut Vec<Output>) -> Option<()> {
        let (from, now, limits) = (packet.from, self.now, self.limits);
        let first = self.peers.get(&from)?.initiation.as_ref()?.code;
        self.check(packet, &first)?;
        let peer = self.peers.get_mut(&from)?;
        let handshake = &mut peer.initiation.as_mut()?.handshake;
        let claim = Claim::decode(&read(handshake, packet.content)?)?;
        let Initiation {
            mut handshake, tag, ..
        } = peer.initiation.take()?;
        let key = claim.key;
        let judged = self.judge(&claim, &handshake, &from);
        if let Err(reason) = judged {
            self.refuse(from, key, reason, out);
            if reason != Refusal::NotAMember {
                return Some(());
            }
        }
        let content = write(&mut handshake, &self.claim.encode())?;
        let route = [&self.me, &from];
        let (third, code) =
            self.coder
                .seal(Opening::Third, packet.tag, &content, route, &packet.code);
        let session = Session::new(handshake, tag, packet.tag, claim, code, now)?;
        if judged.is_err() {
            out.push(Output::Packet {
                to: from,
                bytes: third,
            });
            self.say_farewell(from, session, out);
            return Some(());
        }
        let peer = self.peers.get_mut(&from)?;
        peer.next = Some(Next::new(session, Some(third), now, &limits));
        peer.confirm(out);
        Some(())
    }

    /// Completes a handshake that the peer began.
    fn receive_third(&mut self, packet: &Received<'_>, out: &mut Vec<Output>) -> Option<()> {
        let (from, now, limits) = (packet.from, self.now, self.limits);
        let position = self.half_open.iter().position(|half| {
            half.from == from && half.tag_in == packet.tag && {
                let route = [&from, &self.me];
                self.coder
                    .accepts(packet.covered, &packet.code, route, &half.second)
            }
        });
        let Some(position) = position else {
            let peer = self.peers.get(&from)?;
            let next = peer.next.as_ref().map(|next| &next.session);
            let mut known = next.into_iter().chain(&peer.current);
            // The peer repeats it because our ping was lost. The next ping is due soon.
            return known
                .any(|session| session.third == packet.code)
                .then_some(());
        };
        let HalfOpen {
            mut handshake,
            tag_in,
            tag_out,
            ..
        } = self.half_open.remove(position)?;
        let claim = Claim::decode(&read(&mut handshake, packet.content)?)?;
        let judged = self.judge(&claim, &handshake, &from);
        let key = claim.key;
        let session = Session::new(handshake, tag_in, tag_out, claim, packet.code, now)?;
        if let Err(reason) = judged {
            self.refuse(from, key, reason, out);
            if reason == Refusal::NotAMember {
                self.say_farewell(from, session, out);
            }
            return Some(());
        }
        let peer = self.peer(from)?;
        peer.next = Some(Next::new(session, None, now, &limits));
        peer.confirm(out);
        Some(())
    }

    /// Begins a handshake, or asks the peer to. If a process is given, no other process of the peer
    /// answers.
    pub(super) fn begin(
        &mut self,
        address: Address,
        with: Option<ProcessId>,
        out: &mut Vec<Output>,
    ) {
        if self.me == address {
            return;
        }
        let entropy = self.entropy.draw();
        let route = [&self.me, &address];
        let bytes = if self.me < address {
            let Some(peer) = self.peers.get_mut(&address) else {
                return;
            };
            let Some(mut handshake) = self.noise.begin(true, route, entropy) else {
                return;
            };
            let mut padding = [0; PADDING];
            padding[..PROCESS_ID].copy_from_slice(&with.unwrap_or_default());
            let Some(content) = write(&mut handshake, &padding) else {
                return;
            };
            self.counters.handshakes += 1;
            let tag = peer.tag(&[]);
            let (packet, code) = self
                .coder
                .seal(Opening::First, tag, &content, route, &NOTHING);
            let bytes = packet.clone();
            peer.initiation = Some(Initiation {
                handshake,
                tag,
                packet,
                code,
                since: self.now,
                again: Pause::new(self.now, &self.limits),
                with,
            });
            bytes
        } else {
            let mut content = [0; ASK - 2 - CODE];
            content[..RANDOM].copy_from_slice(&entropy);
            content[RANDOM..RANDOM + PROCESS_ID].copy_from_slice(&self.claim.process);
            let opening = Opening::Ask;
            self.coder.seal(opening, 0, &content, route, &NOTHING).0
        };
        out.push(Output::Packet { to: address, bytes });
    }

    /// Whether the other side of a handshake is a member, and is who it says.
    fn judge(
        &self,
        claim: &Claim,
        handshake: &HandshakeState,
        from: &Address,
    ) -> Result<(), Refusal> {
        if !claim.matches(handshake.get_remote_static()) {
            Err(Refusal::WrongKey)
        } else if (self.owner)(&claim.key, &claim.incarnation) != *from {
            Err(Refusal::WrongAddress)
        } else if !self.members.includes(&claim.key) {
            Err(Refusal::NotAMember)
        } else if self.elsewhere(&claim.key, from) >= MAX_SESSIONS_OF_KEY {
            Err(Refusal::TooManySessions)
        } else {
            Ok(())
        }
    }

    /// The number of other addresses from which a key has sessions.
    fn elsewhere(&self, key: &PublicKey, than: &Address) -> usize {
        let others = self.peers.values().filter(|peer| peer.address != *than);
        others.filter(|peer| peer.is_held_by(key)).count()
    }

    fn check(&self, packet: &Received<'_>, previous: &Code) -> Option<()> {
        let route = [&packet.from, &self.me];
        self.coder
            .accepts(packet.covered, &packet.code, route, previous)
            .then_some(())
    }

    /// Records an authentic packet that begins something; whether it was there before.
    fn is_repeated(&mut self, packet: &Received<'_>) -> bool {
        let is_repeated = self.seen.contains(&packet.code);
        if is_repeated {
            self.counters.replayed += 1;
        } else {
            self.seen.record(packet.code);
        }
        is_repeated
    }
}

/// The process at the beginning of these bytes; `None` if there are zeros.
fn process(bytes: &[u8]) -> Option<ProcessId> {
    let (process, _) = bytes.split_first_chunk()?;
    (*process != ProcessId::default()).then_some(*process)
}
