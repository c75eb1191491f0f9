//! One peer: its sessions, and the handshake that this replica has begun with it.

use snow::HandshakeState;

use crate::config::{Address, Limits, PublicKey};
use crate::farewell::Farewell;
use crate::noise::ProcessId;
use crate::output::{Counters, Output};
use crate::packet::{Code, IN_USE, Kind, NOT_A_MEMBER};
use crate::session::Session;

/// A peer that does not answer a ping within this many ticks has restarted, if it asks for a
/// handshake in spite of a session, or if another process with its key and address has completed
/// one.
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

    /// The longest pause.
    fn longest(now: u64, limits: &Limits) -> Self {
        Self {
            due: now + limits.longest_retry_ticks,
            ticks: limits.longest_retry_ticks,
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
    /// The process of the peer that is to answer; `None` for any.
    pub(crate) with: Option<ProcessId>,
}

/// A session whose handshake is complete, but which has not taken the place of the current one.
pub(crate) struct Next {
    pub(crate) session: Session,
    /// The initiator repeats the third packet until the peer has sent one, the responder pings.
    third: Option<Vec<u8>>,
    again: Pause,
    /// The peer has sent a packet, and is not the process with the current session.
    is_copy: bool,
    /// When the process with the current session was asked whether it still runs.
    challenged: Option<u64>,
}

impl Next {
    pub(crate) fn new(session: Session, third: Option<Vec<u8>>, now: u64, limits: &Limits) -> Self {
        Self {
            session,
            third,
            again: Pause::new(now, limits),
            is_copy: false,
            challenged: None,
        }
    }
}

/// What a peer needs of its caller at a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    Nothing,
    Handshake,
    /// A handshake with this process and no other of the peer.
    HandshakeWith(ProcessId),
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
    /// When it asked for a handshake in spite of a session, and which of its processes did.
    asked: Option<(u64, Option<ProcessId>)>,
    /// Since when a ping on the current session is unanswered.
    pinged: Option<u64>,
    /// When a handshake with a process other than that of the current session last began.
    sought: Option<u64>,
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
            pinged: None,
            sought: None,
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

    /// The key of the session whose packets from the peer have this tag.
    pub(crate) fn key_of(&self, tag: u8) -> Option<PublicKey> {
        let session = self.sessions().find(|session| session.tag_in == tag)?;
        Some(session.peer.key)
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
                let refuses = kind == Kind::Bye && [NOT_A_MEMBER, IN_USE].contains(&&*content);
                if is_next && refuses {
                    return Some(content);
                }
                if is_next {
                    if self.is_copy(now) {
                        self.next.take_if(|_| kind == Kind::Bye);
                        return None;
                    }
                    self.promote(now, limits, counters, out);
                }
                self.heard_from(tag);
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

    /// A packet of a session with this tag has arrived.
    fn heard_from(&mut self, tag: u8) {
        let Some(current) = &self.current else { return };
        if current.tag_in == tag {
            self.pinged = None;
        }
        // Another process may still want a handshake.
        let process = current.peer.process;
        self.asked
            .take_if(|(_, asks)| asks.is_none_or(|asks| asks == process));
    }

    /// The next session has carried a packet. Whether it has to wait, because another process has
    /// the current one, and may still run.
    fn is_copy(&mut self, now: u64) -> bool {
        let is_silent = self.is_silent(now);
        let (Some(next), Some(current)) = (&mut self.next, &self.current) else {
            return false;
        };
        next.is_copy = current.peer != next.session.peer && !is_silent;
        next.is_copy
    }

    /// Whether the process with the current session has left a ping unanswered.
    fn is_silent(&self, now: u64) -> bool {
        self.pinged.is_some_and(|at| now - at >= ANSWER_TICKS)
    }

    /// Takes the session of another process with the peer's key and address, if the one with the
    /// current session has answered the ping that asked whether it still runs.
    pub(crate) fn take_copy(&mut self, answer: &[u8]) -> Option<Session> {
        let next = self.next.take_if(|next| {
            let asked = next.challenged.is_some() && next.is_copy;
            asked && next.session.third[..] == *answer
        });
        next.map(|next| next.session)
    }

    /// Lets the next handshake begin after the longest pause.
    pub(crate) fn rest(&mut self, now: u64, limits: &Limits) {
        self.retry = Pause::longest(now, limits);
    }

    /// The next session becomes the current one.
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
        self.pinged = None;
        self.asked = None;
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

    /// Sends a packet on the current session.
    pub(crate) fn send(&mut self, kind: Kind, content: &[u8], out: &mut Vec<Output>) {
        let to = self.address;
        let current = self.current.as_mut();
        if let Some(bytes) = current.and_then(|session| session.seal(kind, content)) {
            out.push(Output::Packet { to, bytes });
        }
    }

    /// Pings on the current session.
    fn ping(&mut self, content: &[u8], now: u64, out: &mut Vec<Output>) {
        self.pinged.get_or_insert(now);
        self.send(Kind::Ping, content, out);
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
        self.pinged = None;
        if self.current.take().is_some() {
            let address = self.address;
            out.push(Output::Down { address });
        }
    }

    /// Takes note of its wish for a handshake. A peer with a session has to leave a ping
    /// unanswered first, so that a replayed wish does nothing. If it answers and another of its
    /// processes asked, that one gets a handshake of its own.
    pub(crate) fn ask(
        &mut self,
        now: u64,
        process: Option<ProcessId>,
        out: &mut Vec<Output>,
    ) -> Need {
        self.initiation.take_if(|begun| begun.with.is_some());
        if self.initiation.is_some() || self.next.is_some() || self.asked.is_some() {
            return Need::Nothing;
        }
        if self.current.is_none() {
            return Need::Handshake;
        }
        self.asked = Some((now, process));
        self.ping(&[], now, out);
        Need::Nothing
    }

    /// Answers the wish for a handshake in spite of a session once its time has come.
    fn grant(&mut self, now: u64, limits: &Limits) -> Need {
        let asked = self.asked.take_if(|(at, _)| now - *at >= ANSWER_TICKS);
        let Some((_, process)) = asked else {
            return Need::Nothing;
        };
        // Whoever repeats wishes of an earlier process draws no more than this.
        let is_due = self.sought.is_none_or(|at| now - at >= limits.stale_ticks);
        match process {
            _ if self.is_silent(now) => Need::Handshake,
            Some(process) if is_due => {
                self.sought = Some(now);
                Need::HandshakeWith(process)
            }
            _ => Need::Nothing,
        }
    }

    /// Asks the process with the current session whether it still runs, if another one has come;
    /// replaces it if it does not answer.
    fn settle(
        &mut self,
        now: u64,
        limits: &Limits,
        counters: &mut Counters,
        out: &mut Vec<Output>,
    ) {
        let Some(next) = self.next.as_mut().filter(|next| next.is_copy) else {
            return;
        };
        let since = *next.challenged.get_or_insert(now);
        if now - since >= ANSWER_TICKS {
            self.promote(now, limits, counters, out);
        } else {
            // At each tick, since a ping may be lost.
            let code = next.session.third;
            self.ping(&code, now, out);
        }
    }

    pub(crate) fn tick(
        &mut self,
        now: u64,
        is_initiator: bool,
        limits: &Limits,
        counters: &mut Counters,
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
        self.settle(now, limits, counters, out);
        if let Some(initiation) = &mut self.initiation
            && initiation.again.is_over(now, limits)
        {
            let bytes = initiation.packet.clone();
            out.push(Output::Packet { to, bytes });
        }
        let next = self.next.as_mut().filter(|next| !next.is_copy);
        let again = next.map(|next| &mut next.again);
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
                self.ping(&[], now, out);
            }
            _ => {}
        }
        if self.initiation.is_some() || self.next.is_some() {
            return Need::Nothing;
        }
        let granted = self.grant(now, limits);
        let needed = match &self.current {
            None => self.announced,
            Some(session) => {
                let aged = session.packets() >= limits.rekey_packets
                    || now - session.since >= limits.rekey_ticks;
                now - session.heard >= limits.stale_ticks || is_initiator && aged
            }
        };
        if granted == Need::Nothing && needed && self.retry.is_over(now, limits) {
            return Need::Handshake;
        }
        granted
    }
}
