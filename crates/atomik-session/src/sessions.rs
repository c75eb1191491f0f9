//! All sessions of one replica: which part handles a packet, a tick, an announcement.

mod handshake;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use crate::config::{Address, Config, Incarnation, Limits, List, Members, PublicKey};
use crate::entropy::Entropy;
use crate::farewell::{Farewell, Said, rank};
use crate::half_open::{HalfOpen, Received};
use crate::noise::{Claim, Noise, derive};
use crate::output::{Counters, Output, Refusal, SendError};
use crate::packet::{Coder, IN_USE, Kind, MAX_MESSAGE, Packet};
use crate::peer::{Need, Next, Peer};
use crate::seen::Seen;
use crate::session::Session;

/// Sessions with one key. A member whose address changes when it restarts leaves some behind that
/// end only after a silence.
const MAX_SESSIONS_OF_KEY: usize = 8;

/// Refusals reported in one tick.
const MAX_REPORTS: u32 = 4;

/// Sessions at a time in which one side has refused the other. A further one replaces the oldest.
const MAX_FAREWELLS: usize = 16;

/// Lists sent, and lists delivered, in one tick.
const MAX_LISTS: u32 = 4;

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
                process: std::array::from_fn(|i| drawn[i]),
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
                peer.send(Kind::Bye, &[], out);
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
            self.begin(address, None, out);
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
            peer.send(Kind::Bye, &[], out);
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
            let address = peer.address;
            match peer.tick(now, is_initiator, &limits, &mut self.counters, out) {
                Need::Handshake => begin.push((address, None)),
                Need::HandshakeWith(process) => begin.push((address, Some(process))),
                Need::Nothing => {}
            }
        }
        for (address, with) in begin {
            self.begin(address, with, out);
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
                if self.receive_opening(opening, &packet, out).is_none() {
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
        let Some(key) = peer.key_of(header.1) else {
            return;
        };
        match header.0 {
            Kind::Message => out.push(Output::Message { from, bytes }),
            Kind::Ping => {
                peer.send(Kind::Pong, &bytes, out);
                if !bytes.is_empty() {
                    let kept = true;
                    self.report(from, Output::KeyInUse { from, key, kept }, out);
                }
            }
            Kind::Pong => {
                if let Some(mut copy) = peer.take_copy(&bytes) {
                    send(from, copy.seal(Kind::Bye, IN_USE), out);
                    self.refuse(from, key, Refusal::KeyInUse, out);
                }
            }
            Kind::Bye if bytes == IN_USE => {
                peer.end(out);
                peer.rest(self.now, &self.limits);
                let kept = false;
                self.report(from, Output::KeyInUse { from, key, kept }, out);
            }
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
        let reason = Refusal::ByPeer;
        self.report(from, Output::Refused { from, key, reason }, out);
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

    fn refuse(&mut self, from: Address, key: PublicKey, reason: Refusal, out: &mut Vec<Output>) {
        self.counters.refused += 1;
        self.report(from, Output::Refused { from, key, reason }, out);
    }

    /// Passes on a report about a peer, unless there was one a short time ago.
    fn report(&mut self, from: Address, report: Output, out: &mut Vec<Output>) {
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
            out.push(report);
        }
    }

    /// The peer at this address, added if there is room.
    fn peer(&mut self, address: Address) -> Option<&mut Peer> {
        let is_known = self.peers.contains_key(&address);
        if address == self.me || !is_known && self.peers.len() >= self.limits.peers {
            return None;
        }
        let tag = self.claim.process[0];
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
