//! All sessions of one replica: which part handles a packet, a tick, an announcement.

use std::collections::{BTreeMap, VecDeque};

use snow::HandshakeState;

use crate::config::{Address, Config, Incarnation, Limits, List, Members, PublicKey};
use crate::entropy::Entropy;
use crate::farewell::{Farewell, Said, rank};
use crate::noise::{Claim, Noise, PADDING, derive, read, write};
use crate::output::{Counters, Output, Refusal, SendError};
use crate::packet::{ASK, CODE, Code, Coder, Kind, MAX_MESSAGE, Opening, Packet};
use crate::peer::{Initiation, Need, Next, Pause, Peer};
use crate::seen::Seen;
use crate::session::Session;

/// Handshakes that an address may begin in one tick.
const MAX_FIRSTS: u32 = 4;

/// Handshakes of one address that may wait for their third packet.
const MAX_HALF_OPEN: usize = 4;

/// Sessions with one key. A member whose address changes when it restarts leaves some behind that
/// end only after a silence.
const MAX_SESSIONS_OF_KEY: usize = 8;

/// Refusals reported in one tick.
const MAX_REPORTS: u32 = 4;

/// Sessions at a time in which one side has refused the other. A further one replaces the oldest.
const MAX_FAREWELLS: usize = 16;

/// Lists sent, and lists delivered, in one tick.
const MAX_LISTS: u32 = 4;

/// What precedes the first packet of a handshake.
const NOTHING: Code = [0; CODE];

/// A handshake that a peer began, and that this replica answered.
struct HalfOpen {
    from: Address,
    handshake: HandshakeState,
    tag_in: u8,
    tag_out: u8,
    first: Code,
    second: Code,
    packet: Vec<u8>,
    since: u64,
    /// When the second packet was last sent.
    sent: u64,
}

/// The sessions of one replica with its peers: a pure state machine.
///
/// Of two replicas, the one with the lower address begins every handshake, so that two handshakes
/// never compete. The other one may ask for it.
pub struct Sessions {
    me: Address,
    owner: fn(&PublicKey, &Incarnation) -> Address,
    claim: Claim,
    members: Members,
    list: Option<List>,
    limits: Limits,
    noise: Noise,
    coder: Coder,
    entropy: Entropy,
    now: u64,
    peers: BTreeMap<Address, Peer>,
    /// Oldest first.
    half_open: VecDeque<HalfOpen>,
    seen: Seen,
    reports: u32,
    /// Lists sent and delivered in this tick.
    lists: [u32; 2],
    counters: Counters,
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Sessions({} peers, {:?})",
            self.peers.len(),
            self.counters
        )
    }
}

impl Sessions {
    /// No session yet. `seed` must be secret, and unpredictable at every start; everything else
    /// follows from it and the inputs.
    #[must_use]
    pub fn new(config: &Config, seed: &[u8; 32]) -> Self {
        let mut entropy = Entropy::new(seed);
        let key = config.key.verifying_key().to_bytes();
        let drawn = entropy.draw();
        Self {
            me: (config.address)(&key, &config.incarnation),
            owner: config.address,
            claim: Claim {
                key,
                incarnation: config.incarnation,
                life: std::array::from_fn(|i| drawn[i]),
            },
            members: config.members.clone(),
            list: None,
            limits: config.limits,
            noise: Noise::new(config),
            coder: Coder::new(derive("atomik session 1 code", config)),
            entropy,
            now: 0,
            peers: BTreeMap::new(),
            half_open: VecDeque::new(),
            seen: Seen::default(),
            reports: 0,
            lists: [0; 2],
            counters: Counters::default(),
        }
    }

    /// Replaces the list that those are told of who are refused, or refuse this replica. At first
    /// there is none.
    pub fn set_list(&mut self, list: Option<List>) {
        self.list = list;
    }

    /// This replica's address.
    #[must_use]
    pub fn address(&self) -> Address {
        self.me
    }

    /// The authenticated key of a peer, if a session with it is up.
    #[must_use]
    pub fn key(&self, peer: &Address) -> Option<PublicKey> {
        let session = self.peers.get(peer)?.current.as_ref()?;
        Some(session.peer.key)
    }

    /// The peers with a session, in the order of their addresses.
    pub fn up(&self) -> impl Iterator<Item = Address> {
        let up = self.peers.values().filter(|peer| peer.current.is_some());
        up.map(|peer| peer.address)
    }

    /// What was done since [`Sessions::new`].
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Replaces the list of members. Sessions with others end.
    pub fn set_members(&mut self, members: Members, out: &mut Vec<Output>) {
        self.members = members;
        for peer in self.peers.values_mut() {
            peer.hurry(&self.limits);
            let keys = [
                peer.current.as_ref().map(|session| session.peer.key),
                peer.next.as_ref().map(|next| next.session.peer.key),
            ];
            if !keys.iter().flatten().all(|key| self.members.includes(key)) {
                peer.send(Kind::Bye, out);
                peer.end(out);
            }
        }
    }

    /// The engine reports a peer reachable: a handshake begins, and is tried again until the peer
    /// is reported down.
    pub fn peer_up(&mut self, address: Address, out: &mut Vec<Output>) {
        let limits = self.limits;
        let Some(peer) = self.peer(address) else {
            return;
        };
        peer.announced = true;
        peer.hurry(&limits);
        if peer.current.is_none() && peer.next.is_none() && peer.initiation.is_none() {
            self.begin(address, out);
        }
    }

    /// The engine reports a peer unreachable. Anyone may have made it do so: no handshake begins
    /// any more, but a session lasts as long as the peer answers.
    pub fn peer_down(&mut self, address: &Address) {
        if let Some(peer) = self.peers.get_mut(address) {
            peer.announced = false;
        }
    }

    /// Ends all sessions, and tells the peers.
    pub fn close(&mut self, out: &mut Vec<Output>) {
        for peer in self.peers.values_mut() {
            peer.announced = false;
            peer.send(Kind::Bye, out);
            peer.end(out);
        }
    }

    /// Sends a message.
    ///
    /// # Errors
    ///
    /// [`SendError`].
    pub fn send(
        &mut self,
        to: &Address,
        message: &[u8],
        out: &mut Vec<Output>,
    ) -> Result<(), SendError> {
        let length = message.len();
        if length > MAX_MESSAGE {
            return Err(SendError::TooLong { length });
        }
        let peer = self.peers.get_mut(to);
        let session = peer.and_then(|peer| peer.current.as_mut());
        let sealed = session.and_then(|session| session.seal(Kind::Message, message));
        let bytes = sealed.ok_or(SendError::NoSession)?;
        out.push(Output::Packet { to: *to, bytes });
        Ok(())
    }

    /// Time has passed: it is `now`, in ticks. Time that goes back stands still.
    pub fn tick(&mut self, now: u64, out: &mut Vec<Output>) {
        self.now = self.now.max(now);
        self.reports = 0;
        self.lists = [0; 2];
        let (now, limits) = (self.now, self.limits);
        self.half_open
            .retain(|half| now - half.since < limits.handshake_ticks);
        let mut begin = Vec::new();
        for peer in self.peers.values_mut() {
            let is_initiator = self.me < peer.address;
            if peer.tick(now, is_initiator, &limits, out) == Need::Handshake {
                begin.push(peer.address);
            }
        }
        for address in begin {
            self.begin(address, out);
        }
        self.peers.retain(|address, peer| {
            !peer.is_idle() || self.half_open.iter().any(|half| half.from == *address)
        });
    }

    /// A packet has arrived. `from` is where the engine says that it came from, which nobody needs
    /// to believe. Bytes that no peer sent cost one hash or one check of an AEAD tag.
    pub fn receive(&mut self, from: Address, packet: &[u8], out: &mut Vec<Output>) {
        match Packet::parse(packet) {
            Some(Packet::Sealed {
                kind,
                tag,
                number,
                content,
            }) => self.receive_sealed(from, (kind, tag, number), content, out),
            Some(Packet::Opening {
                opening,
                tag,
                covered,
                content,
                code,
            }) => {
                let packet = Received {
                    from,
                    tag,
                    covered,
                    content,
                    code: *code,
                };
                // The lower address begins.
                let done = match (opening, self.me < from) {
                    (Opening::Ask, true) => self.receive_ask(&packet, out),
                    (Opening::First, false) => self.receive_first(&packet, out),
                    (Opening::Second, true) => self.receive_second(&packet, out),
                    (Opening::Third, false) => self.receive_third(&packet, out),
                    _ => None,
                };
                if done.is_none() {
                    self.counters.forged += 1;
                }
            }
            None => self.counters.forged += 1,
        }
    }

    fn receive_sealed(
        &mut self,
        from: Address,
        header: (Kind, u8, u16),
        content: &[u8],
        out: &mut Vec<Output>,
    ) {
        let Some(peer) = self.peers.get_mut(&from) else {
            self.counters.unknown += 1;
            return;
        };
        let farewell = peer.farewell.as_ref();
        if farewell.is_some_and(|farewell| farewell.session.tag_in == header.1) {
            self.receive_farewell(from, header, content, out);
            return;
        }
        let opened = peer.open(
            header,
            content,
            self.now,
            &self.limits,
            &mut self.counters,
            out,
        );
        let Some(bytes) = opened else { return };
        match header.0 {
            Kind::Message => out.push(Output::Message { from, bytes }),
            Kind::Ping => peer.send(Kind::Pong, out),
            Kind::Pong => {}
            Kind::Bye => {
                // Any other packet would have made it the current one.
                let refused = peer.next.take_if(|next| next.session.tag_in == header.1);
                peer.end(out);
                if let Some(Next { session, .. }) = refused {
                    self.part(from, session);
                    self.refused_by(from, out);
                }
            }
        }
    }

    /// Keeps a session in which one side has refused the other, in place of the oldest if there are
    /// too many.
    fn part(&mut self, from: Address, session: Session) -> Option<&mut Farewell> {
        let others = self.peers.values_mut();
        let others = others.filter(|peer| peer.farewell.is_some() && peer.address != from);
        let mut others: Vec<_> = others.collect();
        if others.len() >= MAX_FAREWELLS
            && let Some(oldest) = others.iter_mut().min_by_key(|peer| {
                peer.farewell
                    .as_ref()
                    .map(|farewell| farewell.session.since)
            })
        {
            oldest.farewell = None;
        }
        let peer = self.peers.get_mut(&from)?;
        Some(peer.farewell.insert(Farewell::new(session)))
    }

    /// Refuses the other side of a handshake, which can read why only once that is complete.
    fn say_farewell(&mut self, from: Address, session: Session, out: &mut Vec<Output>) {
        if let Some(farewell) = self.part(from, session) {
            send(from, farewell.refuse(), out);
        }
    }

    /// The other side of a handshake refuses this replica: it is told which list this one has.
    fn refused_by(&mut self, from: Address, out: &mut Vec<Output>) {
        let Some(farewell) = farewell(&mut self.peers, &from) else {
            return;
        };
        let key = farewell.session.peer.key;
        let list = self.list.as_ref().map(|list| list.rank);
        send(from, farewell.answer(list), out);
        self.report(from, key, Refusal::ByPeer, out);
    }

    /// A packet has arrived in a session in which one side has refused the other.
    fn receive_farewell(
        &mut self,
        from: Address,
        (kind, _, number): (Kind, u8, u16),
        content: &[u8],
        out: &mut Vec<Output>,
    ) {
        let Some(farewell) = farewell(&mut self.peers, &from) else {
            return;
        };
        let content = match farewell.session.open(kind, number, content, self.now) {
            Ok(content) => content,
            Err(unopened) => {
                self.counters.count(unopened);
                return;
            }
        };
        self.counters.opened += 1;
        let said = (kind == Kind::Bye).then(|| farewell.read(&content));
        let [sent, delivered] = &mut self.lists;
        match said.flatten() {
            Some(Said::NotAMember) => self.refused_by(from, out),
            Some(Said::Have(theirs)) if theirs > rank(self.list.as_ref()) => {
                send(from, farewell.want(), out);
            }
            Some(Said::Have(theirs)) if theirs == rank(self.list.as_ref()) => {}
            Some(Said::Have(_) | Said::Wanted) => {
                if let Some(list) = &self.list
                    && *sent < MAX_LISTS
                {
                    *sent += 1;
                    send(from, farewell.tell(list), out);
                }
            }
            Some(Said::List(bytes)) if *delivered < MAX_LISTS => {
                *delivered += 1;
                out.push(Output::List { from, bytes });
            }
            Some(Said::List(_)) | None => {}
        }
    }

    fn receive_ask(&mut self, packet: &Received<'_>, out: &mut Vec<Output>) -> Option<()> {
        self.check(packet, &NOTHING)?;
        if self.is_repeated(packet) {
            return Some(());
        }
        let now = self.now;
        let from = packet.from;
        if let Some(peer) = self.peer(from)
            && peer.ask(now, out) == Need::Handshake
        {
            self.begin(from, out);
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
        self.counters.handshakes += 1;
        read(&mut handshake, packet.content)?;
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
        peer.next = Some(Next {
            session,
            third: Some(third),
            again: Pause::new(now, &limits),
        });
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
        peer.next = Some(Next {
            session,
            third: None,
            again: Pause::new(now, &limits),
        });
        peer.confirm(out);
        Some(())
    }

    /// Begins a handshake, or asks the peer to.
    fn begin(&mut self, address: Address, out: &mut Vec<Output>) {
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
            let Some(content) = write(&mut handshake, &[0; PADDING]) else {
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
            });
            bytes
        } else {
            let mut content = [0; ASK - 2 - CODE];
            content[..32].copy_from_slice(&entropy);
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

    fn refuse(&mut self, from: Address, key: PublicKey, reason: Refusal, out: &mut Vec<Output>) {
        self.counters.refused += 1;
        self.report(from, key, reason, out);
    }

    fn report(&mut self, from: Address, key: PublicKey, reason: Refusal, out: &mut Vec<Output>) {
        let now = self.now;
        let Some(peer) = self.peers.get_mut(&from) else {
            return;
        };
        let is_due = peer
            .refused
            .is_none_or(|at| now - at >= self.limits.report_ticks);
        if is_due && self.reports < MAX_REPORTS {
            self.reports += 1;
            peer.refused = Some(now);
            out.push(Output::Refused { from, key, reason });
        }
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

    /// The peer at this address, added if there is room.
    fn peer(&mut self, address: Address) -> Option<&mut Peer> {
        let is_known = self.peers.contains_key(&address);
        if address == self.me || !is_known && self.peers.len() >= self.limits.peers {
            return None;
        }
        let tag = self.claim.life[0];
        let limits = &self.limits;
        let peer = self.peers.entry(address);
        Some(peer.or_insert_with(|| Peer::new(address, tag, limits)))
    }
}

/// The session with this peer in which one side has refused the other.
fn farewell<'a>(
    peers: &'a mut BTreeMap<Address, Peer>,
    from: &Address,
) -> Option<&'a mut Farewell> {
    peers.get_mut(from)?.farewell.as_mut()
}

/// Sends packets to a peer.
fn send(to: Address, packets: impl IntoIterator<Item = Vec<u8>>, out: &mut Vec<Output>) {
    let packets = packets.into_iter();
    out.extend(packets.map(|bytes| Output::Packet { to, bytes }));
}

/// An authentic or forged packet of a handshake.
struct Received<'a> {
    from: Address,
    tag: u8,
    covered: &'a [u8],
    content: &'a [u8],
    code: Code,
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;

    use super::*;

    fn sessions(incarnation: Address, seed: u8) -> Sessions {
        let config = Config {
            key: SigningKey::from_bytes(&[1; 32]),
            incarnation,
            address: |_, incarnation| *incarnation,
            keyspace: "test".to_owned(),
            secret: [7; 32],
            members: Members::Any,
            limits: Limits::default(),
        };
        Sessions::new(&config, &[seed; 32])
    }

    /// Calls from an address, one for each seed.
    fn calls(from: Address, to: Address, seeds: std::ops::Range<u8>) -> Vec<Vec<u8>> {
        let mut out = Vec::new();
        seeds.for_each(|seed| sessions(from, seed).peer_up(to, &mut out));
        let packets = out.into_iter().map(|output| match output {
            Output::Packet { bytes, .. } => bytes,
            other => panic!("{other:?}"),
        });
        packets.collect()
    }

    #[test]
    fn half_open_handshakes_are_bounded_for_each_address_and_in_all() {
        let me = [255; 16];
        let mut called = sessions(me, 0);
        let mut out = Vec::new();
        for (tick, seeds) in [0..4, 4..8].into_iter().enumerate() {
            called.tick(tick as u64, &mut out);
            for call in calls([9; 16], me, seeds) {
                called.receive([9; 16], &call, &mut out);
            }
        }
        assert_eq!(out.len(), 8);
        assert_eq!(called.half_open.len(), MAX_HALF_OPEN);
        for number in 0..300_u16 {
            let mut from = [8; 16];
            from[..2].copy_from_slice(&number.to_le_bytes());
            from[0] = from[0].min(254);
            for call in calls(from, me, 0..1) {
                called.receive(from, &call, &mut out);
            }
        }
        assert_eq!(called.half_open.len(), called.limits.half_open);
        called.tick(100, &mut out);
        assert!(called.half_open.is_empty() && called.peers.is_empty());
    }

    #[test]
    fn who_is_refused_gets_lists_and_nothing_else_and_is_read_nothing_else() {
        let list = |rank| List {
            rank: [rank; 40],
            bytes: vec![rank; 10],
        };
        let (mut a, mut b) = (sessions([1; 16], 1), sessions([2; 16], 2));
        b.members = Members::Listed([].into());
        b.set_list(Some(list(2)));
        let mut out = Vec::new();
        a.peer_up([2; 16], &mut out);
        let mut seen = Vec::new();
        while let Some(output) = out.pop() {
            match output {
                Output::Packet { to, bytes } if to == [1; 16] => {
                    a.receive([2; 16], &bytes, &mut out);
                }
                Output::Packet { bytes, .. } => b.receive([1; 16], &bytes, &mut out),
                other => seen.push(other),
            }
        }
        let from = [2; 16];
        let told = Output::List {
            from,
            bytes: vec![2; 10],
        };
        assert_eq!(seen.len(), 3, "{seen:?}");
        assert!(seen.contains(&told), "{seen:?}");
        assert!(b.send(&[1; 16], b"secret", &mut out).is_err());
        // What it could send on the keys of the handshake.
        let farewell = farewell(&mut a.peers, &from).unwrap();
        // In a goodbye, the first would be answered.
        for (kind, content) in [
            (Kind::Message, &[1]),
            (Kind::Ping, &[1]),
            (Kind::Pong, &[1]),
            (Kind::Bye, b"x"),
        ] {
            let packet = farewell.session.seal(kind, content).unwrap();
            b.receive([1; 16], &packet, &mut out);
            assert_eq!(out, []);
        }
        let wanted = farewell.want().unwrap();
        b.receive([1; 16], &wanted, &mut out);
        assert_eq!(out, [], "the list is told once");
        assert_eq!(b.up().count(), 0);
        assert_eq!(b.counters().forged, 0);
    }

    #[test]
    fn those_who_are_refused_are_bounded_and_push_out_no_session() {
        let me = [255; 16];
        let mut called = sessions(me, 0);
        let list = List {
            rank: [2; 40],
            bytes: vec![2; 10],
        };
        called.set_list(Some(list));
        let mut out = Vec::new();
        let meet = |called: &mut Sessions, n: u8| {
            let (from, mut out) = ([n; 16], Vec::new());
            let mut calls = sessions(from, n);
            calls.peer_up(me, &mut out);
            let mut lists = 0;
            while let Some(output) = out.pop() {
                match output {
                    Output::Packet { to, bytes } if to == me => {
                        called.receive(from, &bytes, &mut out);
                    }
                    Output::Packet { bytes, .. } => calls.receive(me, &bytes, &mut out),
                    Output::List { .. } => lists += 1,
                    _ => {}
                }
            }
            lists
        };
        assert_eq!(meet(&mut called, 1), 0);
        assert_eq!(called.up().count(), 1);
        // All parties have one key here, and the session stays.
        called.members = Members::Listed([].into());
        let lists: u32 = (2..100).map(|n| meet(&mut called, n)).sum();
        assert_eq!(lists, MAX_LISTS);
        let waiting = |called: &Sessions| {
            let peers = called.peers.values();
            peers.filter(|peer| peer.farewell.is_some()).count()
        };
        assert_eq!(waiting(&called), MAX_FAREWELLS);
        assert_eq!(called.up().count(), 1);
        // The next tick has room for others.
        called.tick(1, &mut out);
        assert_eq!(meet(&mut called, 100), 1);
        called.tick(100, &mut out);
        assert_eq!(waiting(&called), 0);
    }

    #[test]
    fn peers_are_bounded() {
        let mut called = sessions([1; 16], 0);
        called.limits.peers = 3;
        let mut out = Vec::new();
        (2..9).for_each(|peer| called.peer_up([peer; 16], &mut out));
        assert_eq!((called.peers.len(), out.len()), (3, 3));
    }
}
