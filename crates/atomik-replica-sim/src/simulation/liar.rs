//! What a dishonest member does. It has a key on the list of members and the keyspace's secret, so
//! it can sign whatever it likes as itself, and make any message.

use std::rc::Rc;

use atomik_replica::{
    Action, Author, Effect, Event as Input, LocalOp, Op, PeerId, Replica, Roster, Shape, Value,
    View, fuzzing,
};
use atomik_session::{Config, Output, Sessions};
use ed25519_dalek::SigningKey;

use super::host::Host;
use super::liar_state::Liar;
use super::members::{KEYSPACE, signing_key};
use super::narration;
use super::restart::config;
use super::sessions;
use super::wire::Packet;
use super::world::{World, peer};
use crate::draw::{Draw, fate};
use crate::setup::STRANGE_KEYS;
use crate::step::{Lie, Step};
use crate::violation::{Check, ensure};

/// Copies of it that write.
const MOST_COPIES: usize = 8;

/// Kinds of messages, known and not.
const KINDS: u64 = 14;

/// Kinds of messages that may draw answers, as the second byte of a message has them.
const REQUESTS: [u8; 7] = [1, 3, 4, 5, 7, 9, 10];

/// The kinds of cells, of chunks, and the first of those of previews.
const SKETCH: u8 = 2;
const CHUNK: u8 = 6;
const PREVIEW: usize = 11;

/// The kind of a message with lists of members, and of such a list in it.
const LEDGER: u8 = 7;
const ROSTER_RECORD: u8 = 16;

/// The number of messages that an honest replica may send to a dishonest one between two ticks:
/// an answer counts as 64 entries at least, of 2 for each key and 16,384, and is a message or two;
/// and some that are no answers.
fn most_drawn(keys: usize) -> u64 {
    2 * (16_384 + 2 * keys as u64) / 64 + 100
}

impl World<'_> {
    /// Starts the dishonest member, unless it is up or there is none.
    pub(crate) fn start_liar(&mut self) {
        let (Some(n), None) = (self.setup.liar(), &self.liar) else {
            return;
        };
        self.narrate(|_| format!("r{n} starts, and is dishonest"));
        let Ok(replica) = Replica::open(config(self.setup, (n, 0), 1, true), []) else {
            return;
        };
        if let Some(known) = self.oracle.liar() {
            known.key = signing_key(self.setup, n).verifying_key().to_bytes();
            known.origins.insert(replica.origin());
        }
        let origin = replica.origin();
        self.hosts[n].life = 1;
        self.liar = Some(Liar::new(replica));
        self.open_sessions(n, origin);
    }

    /// The dishonest member does not imitate others any more.
    pub(crate) fn end_imitations(&mut self) {
        if let Some(liar) = &mut self.liar {
            liar.impostor = None;
        }
    }

    /// Performs a step of the dishonest member. It never crashes.
    pub(crate) fn perform_as_liar(&mut self, step: &Step) -> Check {
        if let Step::Start(..) = step {
            self.start_liar();
            return Ok(());
        }
        if self.liar.is_none() {
            return Ok(());
        }
        self.narrate(|_| step.to_string());
        match *step {
            Step::Operate(_, ref operations) => {
                let keys = Rc::clone(&self.keys);
                for (key, operation) in operations {
                    let action = operation.action(self.setup.words);
                    let key = &keys[*key];
                    self.hear(Input::Op(&LocalOp { key, action }))?;
                }
                Ok(())
            }
            Step::Flush(_) => self.hear(Input::Flush),
            Step::Tick(_) => self.hear(Input::Tick),
            Step::Peer(n, other, up) if self.setup.sessions => self.announce(n, other, up),
            Step::Peer(_, other, true) => {
                let (peer, key) = (peer(other), None);
                self.hear(Input::PeerUp { peer, key })
            }
            Step::Peer(_, other, false) => self.hear(Input::PeerDown(peer(other))),
            Step::Lie(_, lie) => self.lie(lie),
            _ => Ok(()),
        }
    }

    /// Gives an event to the replica of the dishonest member that takes part like others.
    pub(crate) fn hear(&mut self, event: Input<'_>) -> Check {
        if let (Some(liar), Input::Message { bytes, .. }) = (&mut self.liar, &event) {
            liar.see((*bytes).into());
        }
        self.feed_copy(0, event, u64::MAX)
    }

    /// Gives an event to a copy, and sends what it has to say to those that `told` has a bit for.
    fn feed_copy(&mut self, copy: usize, event: Input<'_>, told: u64) -> Check {
        let (Some(liar), Some(n)) = (&mut self.liar, self.setup.liar()) else {
            return Ok(());
        };
        let Some(replica) = liar.copies.get_mut(copy) else {
            return Ok(());
        };
        let mut effects = Vec::new();
        // It does not mind what is refused.
        let _ = replica.step(event, &mut effects);
        let mut messages: Vec<(Option<PeerId>, Vec<u8>)> = Vec::new();
        while !effects.is_empty() {
            for effect in core::mem::take(&mut effects) {
                match effect {
                    Effect::Persist { ticket, .. } => {
                        let _ = replica.step(Input::Persisted(ticket), &mut effects);
                    }
                    Effect::Send { to, bytes } => messages.push((Some(to), bytes)),
                    Effect::Broadcast { bytes, .. } => messages.push((None, bytes)),
                    Effect::Notify(_) => {}
                }
            }
        }
        let origin = replica.origin();
        if let Some(known) = self.oracle.liar() {
            known.origins.insert(origin);
        }
        for (to, bytes) in messages {
            let bytes: Rc<[u8]> = bytes.into();
            let victims = self.victims(told);
            let peers = match to {
                Some(to) if copy == 0 || victims.contains(&to) => vec![to],
                Some(_) => Vec::new(),
                None => victims,
            };
            if let Some(liar) = &mut self.liar {
                liar.see(Rc::clone(&bytes));
            }
            for to in peers {
                self.send(n, to, Rc::clone(&bytes))?;
            }
        }
        Ok(())
    }

    /// The honest members that `told` has a bit for.
    fn victims(&self, told: u64) -> Vec<PeerId> {
        let honest = self.honest().filter(|n| told >> n & 1 == 1);
        let name = |n: usize| {
            if self.setup.sessions {
                self.hosts[n].address
            } else {
                peer(n)
            }
        };
        honest.map(name).collect()
    }

    fn lie(&mut self, lie: Lie) -> Check {
        let (Some(liar), Some(n)) = (&mut self.liar, self.setup.liar()) else {
            return Ok(());
        };
        liar.lies += 1;
        self.report.lies += 1;
        let draw = &mut Draw::new(fate(self.setup.seed, &[12, self.now, liar.lies]));
        let told = draw.word();
        match lie {
            Lie::Write => {
                let copy = draw.index(liar.copies.len());
                self.write(copy, told, draw)
            }
            Lie::Contradict => {
                let copy = draw.index(liar.copies.len());
                if liar.copies.len() == MOST_COPIES {
                    return Ok(());
                }
                liar.copies.push(liar.copies[copy].clone());
                let other = liar.copies.len() - 1;
                let place = draw.index(self.keys.len());
                self.change(copy, place, told, draw)?;
                self.change(other, place, draw.word(), draw)
            }
            Lie::Copy => {
                let copy = draw.index(liar.copies.len());
                if liar.copies.len() < MOST_COPIES {
                    liar.copies.push(liar.copies[copy].clone());
                }
                Ok(())
            }
            Lie::Lives(count) => (0..count).try_for_each(|_| self.begin_life(told, draw)),
            Lie::Preview => self.preview(told, draw),
            Lie::Retire => self.retire_and_go_on(),
            Lie::State => self.state(told, draw),
            Lie::Unasked => {
                let message = self.unasked(draw);
                self.tell(told, &message, 1)
            }
            Lie::Repeat | Lie::Alter => {
                let Some(message) = liar.seen.get(draw.index(liar.seen.len())).cloned() else {
                    return Ok(());
                };
                let message = if lie == Lie::Alter {
                    self.altered(&message, draw)
                } else {
                    message
                };
                self.tell(told, &message, 1)
            }
            Lie::Garbage => {
                let length = draw.below(300);
                let body: Vec<u8> = (0..length).map(|_| draw.word() as u8).collect();
                let message = self.message(draw.below(KINDS) as u8, &body);
                self.tell(told, &message, 1)
            }
            Lie::Flood(count) => {
                let request = self.request(draw);
                let victim = draw.index(self.honest().len());
                self.tell(1 << victim, &request, count)
            }
            Lie::Roster => {
                let message = self.message(LEDGER, &forged_roster(&self.setup.shape(), n, draw));
                self.tell(told, &message, 1)
            }
            Lie::Impersonate => self.impersonate(draw),
        }
    }

    /// Has a copy change a key, and tell those that `told` has a bit for.
    fn write(&mut self, copy: usize, told: u64, draw: &mut Draw) -> Check {
        let place = draw.index(self.keys.len() + 1);
        self.change(copy, place, told, draw)
    }

    /// Has a copy change the key at this place, or a strange one.
    fn change(&mut self, copy: usize, place: usize, told: u64, draw: &mut Draw) -> Check {
        let words = self.setup.words;
        let place = if place < self.keys.len() {
            place
        } else {
            self.keys.len() + draw.index(STRANGE_KEYS)
        };
        let key = self.oracle.keys()[place].clone();
        let mut value = vec![0; words];
        value[0] = draw.between(1, 15);
        let action = match self.setup.view {
            View::Raw => Action::Op(Op::Accum, Value::from_words(&value)),
            View::Flags => Action::Toggle(draw.index(4)),
            View::Cell => Action::Put(Value::from_words(&value)),
        };
        self.feed_copy(copy, Input::Op(&LocalOp { key: &key, action }), told)?;
        if draw.percent(40) {
            self.feed_copy(copy, Input::Seal, told)?;
        }
        self.feed_copy(copy, Input::Flush, told)
    }

    /// Has a copy preview a change that it forgets again. What it seals later, if anything, is not
    /// what it has previewed.
    fn preview(&mut self, told: u64, draw: &mut Draw) -> Check {
        let Some(liar) = &mut self.liar else {
            return Ok(());
        };
        let copy = draw.index(liar.copies.len());
        let before = liar.copies[copy].clone();
        self.write(copy, told, draw)?;
        if let Some(liar) = &mut self.liar {
            liar.copies[copy] = before;
        }
        Ok(())
    }

    /// The replica that takes part like others retires; a copy of it goes on.
    fn retire_and_go_on(&mut self) -> Check {
        if let Some(liar) = &mut self.liar
            && liar.copies.len() < MOST_COPIES
        {
            liar.copies.push(liar.copies[0].clone());
        }
        self.feed_copy(0, Input::Retire, u64::MAX)?;
        self.feed_copy(0, Input::Flush, u64::MAX)
    }

    /// Has a copy hear of the ledger, state what it holds itself, and tell that those that `told`
    /// has a bit for.
    fn state(&mut self, told: u64, draw: &mut Draw) -> Check {
        let Some(liar) = &self.liar else {
            return Ok(());
        };
        let copy = draw.index(liar.copies.len());
        let heard = liar
            .seen
            .iter()
            .filter(|message| message.get(1) == Some(&LEDGER));
        let heard: Vec<_> = heard.cloned().collect();
        let from = self.victims(u64::MAX)[0];
        for message in heard {
            let bytes = &message[..];
            self.feed_copy(copy, Input::Message { from, bytes }, told)?;
        }
        [Input::Tick, Input::Flush, Input::Tick, Input::Flush]
            .into_iter()
            .try_for_each(|event| self.feed_copy(copy, event, told))
    }

    /// Cells or a chunk that nobody has asked for.
    fn unasked(&self, draw: &mut Draw) -> Rc<[u8]> {
        let mut body = Vec::new();
        if draw.percent(50) {
            body.extend_from_slice(&[draw.below(2) as u8, draw.below(9) as u8]);
            let length = 16 + 32 * draw.index(2) + 24 * draw.index(20);
            body.extend((0..length).map(|_| draw.word() as u8));
            return self.message(SKETCH, &body);
        }
        // In the name of the certificate that everybody knows.
        let certificate = self.liar.as_ref().map(|liar| liar.copies[0].certificate());
        body.extend_from_slice(&[0, 0, 1]);
        body.extend_from_slice(&certificate.unwrap_or_default().to_le_bytes());
        let key = &self.keys[draw.index(self.keys.len())];
        body.extend_from_slice(&varint(key.len() as u64));
        body.extend_from_slice(key);
        (0..self.setup.words).for_each(|_| body.extend_from_slice(&draw.below(16).to_le_bytes()));
        self.message(CHUNK, &body)
    }

    /// Begins a life, and makes a change in it.
    fn begin_life(&mut self, told: u64, draw: &mut Draw) -> Check {
        let (Some(liar), Some(n)) = (&mut self.liar, self.setup.liar()) else {
            return Ok(());
        };
        liar.opened += 1;
        let Ok(replica) = Replica::open(config(self.setup, (n, 0), liar.opened, true), []) else {
            return Ok(());
        };
        if liar.copies.len() == MOST_COPIES {
            liar.copies.pop();
        }
        liar.copies.push(replica);
        let copy = liar.copies.len() - 1;
        self.write(copy, told, draw)
    }

    /// A message of any kind with any content.
    fn message(&self, kind: u8, body: &[u8]) -> Rc<[u8]> {
        fuzzing::message(&self.setup.shape(), kind, body).into()
    }

    /// A message that was altered and authenticated again.
    fn altered(&self, message: &[u8], draw: &mut Draw) -> Rc<[u8]> {
        let content = fuzzing::content(message);
        let Some((&kind, body)) = content.split_first() else {
            return message.into();
        };
        let mut body = body.to_vec();
        for _ in 0..draw.between(1, 3) {
            let at = draw.index(body.len());
            match draw.below(4) {
                0 => body.truncate(at),
                1 => body.extend_from_within(at..),
                _ => {
                    if let Some(byte) = body.get_mut(at) {
                        *byte ^= 1 << draw.below(8);
                    }
                }
            }
        }
        body.truncate(super::world::MESSAGE_BYTES - 64);
        let kind = if draw.percent(90) {
            kind
        } else {
            draw.below(KINDS) as u8
        };
        self.message(kind, &body)
    }

    /// A request, or an unasked answer.
    fn request(&self, draw: &mut Draw) -> Rc<[u8]> {
        let seen = self.liar.iter().flat_map(|liar| &liar.seen);
        let seen: Vec<_> = seen
            .filter(|message| message.get(1).is_some_and(|kind| REQUESTS.contains(kind)))
            .collect();
        match draw.below(4) {
            0 if !seen.is_empty() => Rc::clone(seen[draw.index(seen.len())]),
            1 => self.message(3, &[1, 60]),
            2 => self.message(4, &[1, 2, 3, 4, 5]),
            _ => self.message(5, &[0]),
        }
    }

    /// Sends a message this many times to those that `told` has a bit for.
    fn tell(&mut self, told: u64, message: &Rc<[u8]>, count: u64) -> Check {
        let Some(n) = self.setup.liar() else {
            return Ok(());
        };
        for to in self.victims(told) {
            for _ in 0..count {
                self.send(n, to, Rc::clone(message))?;
            }
        }
        Ok(())
    }

    /// Begins a session with a member in the name of another one.
    fn impersonate(&mut self, draw: &mut Draw) -> Check {
        let (Some(liar), Some(n)) = (&mut self.liar, self.setup.liar()) else {
            return Ok(());
        };
        let (victim, name) = (draw.index(n), draw.index(n));
        if !self.setup.sessions || victim == name {
            return Ok(());
        }
        let incarnation = self.hosts[name].address;
        let config = Config {
            // It says that the name is its own.
            address: |_, incarnation| *incarnation,
            ..sessions::config(self.setup, n, incarnation)
        };
        let process = 1_000_000 + liar.lies;
        let mut impostor = Sessions::new(&config, &sessions::seed(self.setup, n, process));
        let mut out = Vec::new();
        impostor.peer_up(self.hosts[victim].address, &mut out);
        liar.impostor = Some(impostor);
        self.post_as(incarnation, out);
        Ok(())
    }

    /// Lets the dishonest member answer a packet to somebody that it imitates.
    pub(crate) fn intercept(&mut self, packet: &Packet) {
        let impostor = self.liar.as_mut().and_then(|liar| liar.impostor.as_mut());
        let impostor = impostor.filter(|impostor| impostor.address() == packet.to);
        let mut out = Vec::new();
        if let Some(impostor) = impostor {
            impostor.receive(packet.from, &packet.bytes, &mut out);
        }
        self.post_as(packet.to, out);
    }

    /// Sends packets in the name of this address.
    fn post_as(&mut self, from: PeerId, out: Vec<Output>) {
        for output in out {
            if let Output::Packet { to, bytes } = output {
                let bytes = bytes.into();
                self.post(Packet { from, to, bytes });
            }
        }
    }

    /// Counts a message of replica `n` to the dishonest member.
    pub(crate) fn check_drawn(&mut self, n: usize, to: PeerId) -> Check {
        let most = most_drawn(self.keys.len() + STRANGE_KEYS);
        let Host { up, drawn, .. } = &mut self.hosts[n];
        let drawn = drawn.entry(up.get(&to).copied()).or_default();
        *drawn += 1;
        ensure(
            *drawn <= most,
            "a peer draws a bounded number of answers between two ticks",
            || format!("r{n}: more than {most}"),
        )
    }

    /// Takes note of an origin in whose name the dishonest member may preview changes.
    pub(crate) fn note_preview(&mut self, message: &[u8]) {
        let (Some(known), true) = (self.oracle.liar(), narration::number(message) >= PREVIEW)
        else {
            return;
        };
        known.previewed_bytes += message.len();
        let content = fuzzing::content(message);
        if let [_, _, 0, 1, rest @ ..] = &content[..]
            && let Some(incarnation) = rest.first_chunk()
        {
            let (key, incarnation) = (known.key, *incarnation);
            let author = Author { key, incarnation };
            known.previewed.insert(author.origin());
        }
    }

    /// Checks at the end what the dishonest member has made others keep.
    pub(crate) fn check_bounds(&mut self) -> Check {
        let keys = self.keys.len() + STRANGE_KEYS;
        for n in self.honest() {
            if let Some(replica) = &self.hosts[n].replica {
                self.oracle.check_bounds(n, replica, keys)?;
            }
        }
        if let Some(known) = self.oracle.liar() {
            (self.report.lies_refused, self.report.proofs) = (known.refusals, known.proofs);
        }
        Ok(())
    }
}

/// A list of members that somebody else than the administrator signed, or nobody.
fn forged_roster(shape: &Shape, n: usize, draw: &mut Draw) -> Vec<u8> {
    let members = (0..3).map(|member| ([member + n as u8; 32], format!("{member}")));
    let roster = Roster::first(members).and_then(|roster| roster.add([77; 32], "another"));
    let Ok(mut roster) = roster else {
        return Vec::new();
    };
    if draw.percent(70) {
        let somebody = SigningKey::from_bytes(&[draw.below(3) as u8; 32]);
        roster = roster.sign(KEYSPACE, shape, &somebody);
    }
    let bytes = roster.encode();
    let mut record = vec![ROSTER_RECORD];
    record.extend_from_slice(&varint(bytes.len() as u64));
    record.extend_from_slice(&bytes);
    record
}

/// LEB128.
fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}
