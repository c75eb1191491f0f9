//! One peer: its sessions, and the handshake that this replica has begun with it.

use snow::HandshakeState;

use crate::config::{Address, Limits, PublicKey};
use crate::farewell::Farewell;
use crate::output::{Counters, Output};
use crate::packet::{Code, Kind, NOT_A_MEMBER};
use crate::session::Session;

/// A peer that asks for a handshake in spite of a session gets one if it does not answer a ping
/// within this many ticks.
const ANSWER_TICKS: u64 = 2;

/// A pause that doubles every time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pause {
    due: u64,
    ticks: u64,
}

impl Pause {
    pub(crate) fn new(now: u64, limits: &Limits) -> Self {
        Self {
            due: now + limits.retry_ticks,
            ticks: 2 * limits.retry_ticks,
        }
    }

    /// A pause that is over.
    fn over(limits: &Limits) -> Self {
        Self {
            due: 0,
            ticks: limits.retry_ticks,
        }
    }

    /// Whether it is over; then the next one begins.
    fn is_over(&mut self, now: u64, limits: &Limits) -> bool {
        let over = now >= self.due;
        if over {
            self.due = now + self.ticks;
            self.ticks = (2 * self.ticks).min(limits.longest_retry_ticks);
        }
        over
    }
}

/// A handshake whose first packet this replica sent.
pub(crate) struct Initiation {
    pub(crate) handshake: HandshakeState,
    pub(crate) tag: u8,
    pub(crate) packet: Vec<u8>,
    pub(crate) code: Code,
    pub(crate) since: u64,
    pub(crate) again: Pause,
}

/// A session whose handshake is complete, but which has not carried a packet from the peer yet.
pub(crate) struct Next {
    pub(crate) session: Session,
    /// The initiator repeats the third packet until then, the responder pings.
    pub(crate) third: Option<Vec<u8>>,
    pub(crate) again: Pause,
}

/// What a peer needs of its caller at a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    Nothing,
    Handshake,
}

pub(crate) struct Peer {
    pub(crate) address: Address,
    /// The engine says that it can be reached.
    pub(crate) announced: bool,
    pub(crate) initiation: Option<Initiation>,
    pub(crate) next: Option<Next>,
    /// The session for sending.
    pub(crate) current: Option<Session>,
    /// The session before, for packets under way, and when it is forgotten.
    previous: Option<(Session, u64)>,
    /// A session in which one side has refused the other.
    pub(crate) farewell: Option<Farewell>,
    /// When the next handshake may begin.
    retry: Pause,
    /// When it asked for a handshake in spite of a session, if it sent nothing since.
    asked: Option<u64>,
    next_tag: u8,
    /// Handshakes that it began in this tick.
    pub(crate) firsts: u32,
    /// When a refusal was last reported.
    pub(crate) refused: Option<u64>,
}

impl Peer {
    pub(crate) fn new(address: Address, tag: u8, limits: &Limits) -> Self {
        Self {
            address,
            announced: false,
            initiation: None,
            next: None,
            current: None,
            previous: None,
            farewell: None,
            retry: Pause::over(limits),
            asked: None,
            next_tag: tag,
            firsts: 0,
            refused: None,
        }
    }

    /// Lets the next handshake begin at once.
    pub(crate) fn hurry(&mut self, limits: &Limits) {
        self.retry = Pause::over(limits);
    }

    /// Whether nothing is lost by forgetting it.
    pub(crate) fn is_idle(&self) -> bool {
        !self.announced
            && self.initiation.is_none()
            && self.next.is_none()
            && self.current.is_none()
            && self.previous.is_none()
            && self.farewell.is_none()
    }

    /// A tag for packets from this peer that marks no other session.
    pub(crate) fn tag(&mut self, taken: &[u8]) -> u8 {
        loop {
            self.next_tag = self.next_tag.wrapping_add(1);
            let tag = self.next_tag;
            let initiation = self.initiation.as_ref().map(|initiation| initiation.tag);
            let farewell = self.farewell.iter().map(|farewell| &farewell.session);
            let mut sessions = self
                .sessions()
                .chain(farewell)
                .map(|session| session.tag_in);
            if !taken.contains(&tag)
                && initiation != Some(tag)
                && !sessions.any(|in_use| in_use == tag)
            {
                return tag;
            }
        }
    }

    /// Whether one of its sessions is with this key.
    pub(crate) fn is_held_by(&self, key: &PublicKey) -> bool {
        self.sessions().any(|session| session.peer.key == *key)
    }

    fn sessions(&self) -> impl Iterator<Item = &Session> {
        let next = self.next.as_ref().map(|next| &next.session);
        let previous = self.previous.as_ref().map(|(session, _)| session);
        self.current.iter().chain(next).chain(previous)
    }

    /// Opens a packet of one of its sessions; returns its content.
    pub(crate) fn open(
        &mut self,
        (kind, tag, number): (Kind, u8, u16),
        content: &[u8],
        now: u64,
        limits: &Limits,
        counters: &mut Counters,
        out: &mut Vec<Output>,
    ) -> Option<Vec<u8>> {
        let next = self.next.as_mut().map(|next| &mut next.session);
        let is_next = next.as_ref().is_some_and(|next| next.tag_in == tag);
        let previous = self.previous.as_mut().map(|(session, _)| session);
        let mut sessions = self.current.iter_mut().chain(next).chain(previous);
        let Some(session) = sessions.find(|session| session.tag_in == tag) else {
            counters.unknown += 1;
            return None;
        };
        match session.open(kind, number, content, now) {
            Ok(content) => {
                counters.opened += 1;
                if is_next && kind == Kind::Bye && content == NOT_A_MEMBER {
                    return Some(content);
                }
                self.asked = None;
                if is_next {
                    self.promote(now, limits, counters, out);
                }
                if let Some(current) = &mut self.current {
                    current.heard = now;
                }
                Some(content)
            }
            Err(unopened) => {
                counters.count(unopened);
                None
            }
        }
    }

    /// The next session has carried a packet: it becomes the current one.
    fn promote(
        &mut self,
        now: u64,
        limits: &Limits,
        counters: &mut Counters,
        out: &mut Vec<Output>,
    ) {
        let Some(Next { session, .. }) = self.next.take() else {
            return;
        };
        counters.sessions += 1;
        let peer = session.peer;
        let replaced = self.current.replace(session);
        self.previous = None;
        self.hurry(limits);
        let address = self.address;
        match replaced {
            Some(replaced) if replaced.peer == peer => {
                self.previous = Some((replaced, now + limits.linger_ticks));
                return;
            }
            // The peer has restarted.
            Some(_) => out.push(Output::Down { address }),
            None => {}
        }
        let key = peer.key;
        out.push(Output::Up { address, key });
    }

    /// Sends a packet without content on the current session.
    pub(crate) fn send(&mut self, kind: Kind, out: &mut Vec<Output>) {
        let to = self.address;
        let current = self.current.as_mut();
        if let Some(bytes) = current.and_then(|session| session.seal(kind, &[])) {
            out.push(Output::Packet { to, bytes });
        }
    }

    /// Makes the next session prove itself: the initiator repeats the third packet, the responder
    /// pings.
    pub(crate) fn confirm(&mut self, out: &mut Vec<Output>) {
        let to = self.address;
        if let Some(Next { session, third, .. }) = &mut self.next {
            let packet = third.clone().or_else(|| session.seal(Kind::Ping, &[]));
            out.extend(packet.map(|bytes| Output::Packet { to, bytes }));
        }
    }

    /// Ends all its sessions.
    pub(crate) fn end(&mut self, out: &mut Vec<Output>) {
        self.next = None;
        self.previous = None;
        self.asked = None;
        if self.current.take().is_some() {
            let address = self.address;
            out.push(Output::Down { address });
        }
    }

    /// Takes note of its wish for a handshake. A peer with a session has to leave a ping
    /// unanswered first, so that a replayed wish does nothing.
    pub(crate) fn ask(&mut self, now: u64, out: &mut Vec<Output>) -> Need {
        if self.initiation.is_some() || self.next.is_some() || self.asked.is_some() {
            return Need::Nothing;
        }
        if self.current.is_none() {
            return Need::Handshake;
        }
        self.asked = Some(now);
        self.send(Kind::Ping, out);
        Need::Nothing
    }

    pub(crate) fn tick(
        &mut self,
        now: u64,
        is_initiator: bool,
        limits: &Limits,
        out: &mut Vec<Output>,
    ) -> Need {
        self.firsts = 0;
        let to = self.address;
        self.previous.take_if(|(_, until)| now >= *until);
        self.farewell
            .take_if(|farewell| now - farewell.session.since >= limits.handshake_ticks);
        self.next
            .take_if(|next| now - next.session.since >= limits.handshake_ticks);
        self.initiation
            .take_if(|initiation| now - initiation.since >= limits.handshake_ticks);
        if let Some(initiation) = &mut self.initiation
            && initiation.again.is_over(now, limits)
        {
            let bytes = initiation.packet.clone();
            out.push(Output::Packet { to, bytes });
        }
        let again = self.next.as_mut().map(|next| &mut next.again);
        if again.is_some_and(|again| again.is_over(now, limits)) {
            self.confirm(out);
        }
        let silence = self.current.as_ref().map(|session| now - session.heard);
        match silence {
            Some(silence) if silence >= limits.silent_ticks => self.end(out),
            Some(silence)
                if silence >= limits.idle_ticks
                    && (silence - limits.idle_ticks)
                        .is_multiple_of((limits.idle_ticks / 2).max(1)) =>
            {
                self.send(Kind::Ping, out);
            }
            _ => {}
        }
        if self.initiation.is_some() || self.next.is_some() {
            return Need::Nothing;
        }
        let unanswered = self.asked.take_if(|at| now - *at >= ANSWER_TICKS);
        let needed = match &self.current {
            None => self.announced,
            Some(session) => {
                let aged = session.packets() >= limits.rekey_packets
                    || now - session.since >= limits.rekey_ticks;
                now - session.heard >= limits.stale_ticks || is_initiator && aged
            }
        };
        if unanswered.is_some() || needed && self.retry.is_over(now, limits) {
            Need::Handshake
        } else {
            Need::Nothing
        }
    }
}
