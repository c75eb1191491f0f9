//! Members that sign what no honest member signs: what it does to the others is bounded, is told,
//! and keeps nobody from changing, pulling and folding.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::{BTreeMap, VecDeque};

use ed25519_dalek::SigningKey;
use proptest::prelude::*;

use crate::certificate::Certificate;
use crate::chunk::Chunk;
use crate::closing::Ended;
use crate::codec::{Encode, Reader};
use crate::entry::{Change, SeenList};
use crate::frame::{Evidence, encode_excerpt};
use crate::head::Head;
use crate::membership::ROSTER_RECORD;
use crate::message::{MessageKind, numbered, open, seal};
use crate::parts::PART;
use crate::record::CERTIFICATE;
use crate::secrets::Secrets;
use crate::shape::Shape;
use crate::statement::{Holding, Round, Signer, Statement};
use crate::{
    Author, Config, Effect, Event, LocalOp, Notice, PeerId, PublicKey, Refusal, Replica, Roster,
    Trust, Value,
};

/// The founder that lies. The others are 0 to 2, and whoever is above it joins later.
const LIAR: usize = 3;

// The kinds of records of a ledger.
const ENDED: u8 = 8;
const CERTIFIED: u8 = 10;
const STATEMENT: u8 = 11;

fn signing(n: usize) -> SigningKey {
    SigningKey::from_bytes(&[n as u8 + 1; 32])
}

fn public(n: usize) -> PublicKey {
    signing(n).verifying_key().to_bytes()
}

fn administrator() -> SigningKey {
    SigningKey::from_bytes(&[99; 32])
}

fn trust(n: usize) -> Trust {
    Trust::Signed {
        key: Box::new(signing(n)),
        allowed: (0..=LIAR).map(public).collect(),
    }
}

fn config(n: usize) -> Config {
    let mut config = Config::new("test", 1, [9; 32], trust(n), [n as u8; 16]);
    config.administrator = Some(administrator().verifying_key().to_bytes());
    config
}

fn secrets() -> Secrets {
    Secrets::new(&[9; 32], "test", &Shape::xor(1))
}

/// What the liar sends to a replica instead of a message; `None` if it sends the message.
type Lie = Box<dyn FnMut(usize, MessageKind, &[u8]) -> Option<Vec<(MessageKind, Vec<u8>)>>>;

/// Replicas with sessions and a store each. What the liar sends passes through `lie`.
struct Net {
    replicas: Vec<Replica>,
    stores: Vec<BTreeMap<Vec<u8>, Vec<u8>>>,
    wire: VecDeque<(usize, usize, Vec<u8>)>,
    notices: Vec<(usize, Notice)>,
    /// These neither send nor receive.
    away: Vec<usize>,
    lie: Lie,
    /// Messages of honest members, and their bytes.
    sent: usize,
    bytes: usize,
    /// Everything that the liar has sent.
    said: Vec<Vec<u8>>,
    statements: Vec<Statement>,
    certificates: Vec<Certificate>,
}

fn peer(n: usize) -> PeerId {
    [n as u8; 16]
}

impl Net {
    fn new(members: usize) -> Self {
        Self::with(members, |_| {})
    }

    fn with(members: usize, change: impl Fn(&mut Config)) -> Self {
        let replicas = (0..members).map(|n| {
            let mut config = config(n);
            change(&mut config);
            Replica::open(config, []).unwrap()
        });
        let mut net = Self {
            replicas: replicas.collect(),
            stores: vec![BTreeMap::new(); members],
            wire: VecDeque::new(),
            notices: Vec::new(),
            away: (LIAR + 1..members).collect(),
            lie: Box::new(|_, _, _| None),
            sent: 0,
            bytes: 0,
            said: Vec::new(),
            statements: Vec::new(),
            certificates: Vec::new(),
        };
        for n in 0..members {
            net.up(n);
        }
        net.settle();
        net
    }

    /// All others are reachable for a replica.
    fn up(&mut self, n: usize) {
        for other in (0..self.replicas.len()).filter(|other| *other != n) {
            let (peer, key) = (peer(other), Some(public(other)));
            self.step(n, Event::PeerUp { peer, key });
        }
    }

    fn step(&mut self, n: usize, event: Event<'_>) {
        let mut effects = Vec::new();
        self.replicas[n].step(event, &mut effects).unwrap();
        for effect in effects {
            match effect {
                Effect::Send { to, bytes } => self.post(n, usize::from(to[0]), bytes),
                Effect::Broadcast { bytes, .. } => {
                    for other in (0..self.replicas.len()).filter(|other| *other != n) {
                        self.post(n, other, bytes.clone());
                    }
                }
                Effect::Persist { ticket, records } => {
                    for (key, value) in records {
                        match value {
                            Some(value) => self.stores[n].insert(key, value),
                            None => self.stores[n].remove(&key),
                        };
                    }
                    self.step(n, Event::Persisted(ticket));
                }
                Effect::Notify(notice) => self.notices.push((n, notice)),
            }
        }
    }

    fn post(&mut self, n: usize, to: usize, bytes: Vec<u8>) {
        let (kind, body) = open(&Shape::xor(1), &bytes).unwrap().unwrap();
        assert!(bytes.len() <= self.replicas[n].config().message_bytes);
        if kind == MessageKind::Ledger {
            self.note(body);
        }
        if n != LIAR {
            self.sent += 1;
            self.bytes += bytes.len();
            return self.wire.push_back((n, to, bytes));
        }
        let lies = (self.lie)(to, kind, body);
        let sent = lies.map_or_else(
            || vec![bytes],
            |lies| {
                lies.iter()
                    .map(|(kind, body)| seal(&Shape::xor(1), *kind, body))
                    .collect()
            },
        );
        self.said.extend(sent.iter().cloned());
        self.wire
            .extend(sent.into_iter().map(|bytes| (n, to, bytes)));
    }

    fn note(&mut self, body: &[u8]) {
        for (kind, content) in records(body) {
            let reader = &mut Reader::new(&content);
            match kind {
                STATEMENT => self.statements.push(Statement::decode(reader).unwrap()),
                CERTIFIED => self.certificates.push(Certificate::decode(reader).unwrap()),
                _ => {}
            }
        }
    }

    /// A message that the liar makes up arrives at a replica.
    fn inject(&mut self, to: usize, kind: MessageKind, body: &[u8]) {
        let (from, bytes) = (peer(LIAR), &seal(&Shape::xor(1), kind, body));
        self.step(to, Event::Message { from, bytes });
    }

    /// Delivers so many messages at most; returns whether there are none left.
    fn deliver_some(&mut self, mut most: usize) -> bool {
        while let Some((n, to, bytes)) = self.wire.pop_front() {
            if !self.away.contains(&n) && !self.away.contains(&to) {
                let (from, bytes) = (peer(n), &bytes[..]);
                self.step(to, Event::Message { from, bytes });
                most -= 1;
                if most == 0 {
                    return self.wire.is_empty();
                }
            }
        }
        true
    }

    fn deliver(&mut self) {
        assert!(self.deliver_some(100_000), "messages without end");
    }

    fn each(&mut self, event: &Event<'_>) {
        (0..self.replicas.len()).for_each(|n| self.step(n, event.clone()));
    }

    fn settle(&mut self) {
        for _ in 0..20 {
            self.each(&Event::Flush);
            self.deliver();
            self.each(&Event::Tick);
            self.deliver();
        }
    }

    fn accum(&mut self, n: usize, key: &[u8], delta: u64) {
        self.step(n, Event::Op(&LocalOp::accum(key, delta.into())));
    }

    fn state(&self, n: usize, key: &[u8]) -> Value {
        self.replicas[n].state(key)
    }

    /// Hands replica 0 the next roster.
    fn change(&mut self, change: impl FnOnce(&Roster) -> Roster) {
        let roster =
            change(self.replicas[0].roster()).sign("test", &Shape::xor(1), &administrator());
        self.step(0, Event::Roster(&roster.encode()));
    }

    fn remove_liar(&mut self) {
        self.change(|roster| roster.remove(&public(LIAR)).unwrap());
        self.away.push(LIAR);
    }

    fn join(&mut self, n: usize) {
        self.change(|roster| roster.add(public(n), "").unwrap());
        self.away.retain(|away| *away != n);
    }

    /// These replicas have the same states, entries and certificate, and wait for nothing.
    fn assert_agreed(&self, among: &[usize]) {
        let view = |n: usize| {
            let replica = &self.replicas[n];
            let mut states: Vec<_> = replica.states().collect();
            states.retain(|(_, state)| !state.is_zero());
            states.sort_unstable_by_key(|(key, _)| *key);
            let ended = replica.closings();
            let states = format!("{states:?} {ended:?}");
            (states, replica.digest(), replica.certificate())
        };
        for n in among {
            assert_eq!(view(among[0]), view(*n), "replicas {} and {n}", among[0]);
            assert_eq!(self.replicas[*n].closings(), [], "closings of {n}");
        }
        let honest = |from: &PeerId| *from != peer(LIAR);
        let diverged =
            |notice: &Notice| matches!(notice, Notice::BaseDiverged { from } if honest(from));
        assert_eq!(self.said(diverged), 0);
    }

    /// The honest members change, pull and fold as ever, once the liar is removed.
    fn assert_alive(&mut self) {
        self.remove_liar();
        self.settle();
        for n in 0..2 {
            let before = self.state(1 - n, b"alive").words()[0];
            self.accum(n, b"alive", 1 << n);
            self.settle();
            assert_eq!(self.state(1 - n, b"alive").words()[0], before ^ 1 << n);
        }
        self.assert_agreed(&[0, 1]);
        assert_ne!(self.replicas[0].certificate(), 0, "nothing was folded");
    }

    fn said(&self, what: impl Fn(&Notice) -> bool) -> usize {
        let notices = self.notices.iter();
        notices.filter(|(_, notice)| what(notice)).count()
    }

    /// How often a replica has refused something about the ledger, with this key and reason.
    fn refused(&self, key: PublicKey, what: &str) -> usize {
        self.said(|notice| {
            let Notice::Refused { from, reason } = notice else {
                return false;
            };
            matches!(reason, Refusal::Ledger { key: of, fault }
                if (*from, *of) == (peer(LIAR), key) && fault.contains(what))
        })
    }

    /// The bytes of a replica's records.
    fn stored(&self, n: usize) -> usize {
        let records = self.stores[n].iter();
        records.map(|(key, value)| key.len() + value.len()).sum()
    }

    /// Replica 2 retires, and the liar signs nothing.
    fn retire_while_the_liar_is_silent(&mut self) {
        self.lie = Box::new(|_, kind, _| (kind == MessageKind::Ledger).then(Vec::new));
        self.accum(2, b"x", 4);
        self.settle();
        self.step(2, Event::Retire);
        self.settle();
        assert_eq!(self.replicas[0].certificate(), 0);
    }
}

/// The records in a message about the ledger, except rosters and parts.
fn records(body: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut records = Vec::new();
    let reader = &mut Reader::new(body);
    while !reader.is_empty() {
        let kind = reader.u8().unwrap();
        if kind == PART {
            reader.bytes(16).unwrap();
            reader.varint().unwrap();
            reader.varint().unwrap();
        }
        let content = reader.blob(usize::MAX).unwrap().to_vec();
        if kind != PART && kind != ROSTER_RECORD {
            records.push((kind, content));
        }
    }
    records
}

fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    let mut record = vec![kind];
    record.blob(content);
    record
}

/// A signed record that the lives of a key below a number are over; its low 32 bits name the list.
fn ended(key: PublicKey, below: u64, by: usize, secrets: &Secrets) -> Vec<u8> {
    let mut content = key.to_vec();
    content.extend_from_slice(&below.to_le_bytes());
    let seal = trust(by).sign(&secrets.statement("ended", &content));
    content.extend_from_slice(&seal);
    record(ENDED, &content)
}

/// A record with a statement of a member.
fn stated(statement: &Statement) -> Vec<u8> {
    let mut content = Vec::new();
    statement.encode(&mut content);
    record(STATEMENT, &content)
}

/// What a member may state of a base, and of entries that nobody has.
fn of(base: [u8; 32]) -> Holding {
    let entries = Some([base[0]; 16]);
    Holding { base, entries }
}

/// The same statement as a member would make it of something else.
fn restate(like: &Statement, by: usize, round: u64, holding: Holding) -> Statement {
    let round = Round {
        round,
        ..like.round
    };
    let signer = Signer {
        incarnation: [by as u8; 16],
        memory: [7; 16],
    };
    let signer = (signer, like.memories);
    Statement::sign(round, signer, holding, &trust(by), &secrets())
}

fn certified(certificate: &Certificate) -> Vec<u8> {
    let mut content = Vec::new();
    certificate.encode(&mut content);
    record(CERTIFIED, &content)
}

/// A frame with one change, signed by `by` in the name of an author.
fn frame(by: usize, author: Author, before: Head, key: &[u8], version: u64) -> Vec<u8> {
    let change = Change {
        version,
        accumulator: version.into(),
        seen: SeenList::default(),
        put: 0,
    };
    let mut encoded = Vec::new();
    change.encode(key, &mut encoded);
    let tag = secrets().leaf(author.origin(), &encoded);
    let evidence = Evidence::sign(
        &secrets(),
        trust(by).signer(),
        author,
        before,
        false,
        &[tag],
    );
    let mut excerpt = Vec::new();
    encode_excerpt(&evidence, [&encoded[..]].into_iter(), &mut excerpt);
    excerpt
}

/// A life of a member.
fn life(member: usize, number: u64) -> Author {
    let mut incarnation = [5; 16];
    incarnation[..8].copy_from_slice(&number.to_be_bytes());
    Author {
        key: public(member),
        incarnation,
    }
}

// Floods.

#[test]
fn retirements_under_lists_that_do_not_exist_move_nobody() {
    let mut net = Net::new(4);
    let sent = net.sent;
    for list in 1..=2000 {
        let body = ended(public(LIAR), (1 << 32) + list, LIAR, &secrets());
        net.inject(0, MessageKind::Ledger, &body);
    }
    assert_eq!(net.sent, sent, "messages that one caused");
    assert_eq!(net.replicas[0].closings(), []);
    net.assert_alive();
}

#[test]
fn statements_without_end_take_the_room_of_one_and_cause_a_bounded_number_of_messages() {
    let mut net = Net::new(4);
    net.retire_while_the_liar_is_silent();
    let like = net.statements.last().unwrap().clone();
    let first = restate(&like, LIAR, 0, of([1; 32]));
    net.inject(0, MessageKind::Ledger, &stated(&first));
    net.settle();
    let (sent, stored) = (net.sent, net.stored(0));
    for round in 1..=2000 {
        let statement = restate(&like, LIAR, round, of([1; 32]));
        net.inject(0, MessageKind::Ledger, &stated(&statement));
    }
    // Each time to all three others.
    assert!(net.sent - sent <= 3 * 16, "{}", net.sent - sent);
    net.deliver();
    assert!(net.sent - sent <= 4 * 3 * 16, "{}", net.sent - sent);
    net.settle();
    assert!(net.stored(0) < stored + 200, "{stored} {}", net.stored(0));
    let missing = &net.replicas[0].closings()[0].missing;
    assert_eq!(
        missing,
        &[public(LIAR)],
        "it is named as the one that waits"
    );
    net.assert_alive();
}

#[test]
fn invented_lives_are_limited_and_lock_out_nobody_else() {
    let mut net = Net::new(4);
    net.away = vec![LIAR];
    for number in 1..=1500 {
        let own = frame(LIAR, life(LIAR, number), Head::default(), b"f", 1);
        net.inject(0, MessageKind::Changes, &own);
        // In the name of another, and of one that does not exist.
        for (member, n) in [(1, 1), (0, 2), (9, 3)] {
            let forged = frame(LIAR, life(member, number), Head::default(), b"g", n);
            net.inject(0, MessageKind::Changes, &forged);
        }
    }
    let lives = |net: &Net, member| {
        let origins = net.replicas[0].origins();
        let of = origins.filter(|status| status.author.key == public(member));
        of.count()
    };
    assert!(lives(&net, LIAR) <= 1024, "{}", lives(&net, LIAR));
    assert_eq!([0, 1, 9].map(|member| lives(&net, member)), [1, 0, 0]);
    let full = |notice: &Notice| {
        matches!(notice, Notice::Refused { reason: Refusal::TooManyOrigins { key, .. }, .. }
            if *key == public(LIAR))
    };
    assert!(net.said(full) > 400);
    let forged = |notice: &Notice| {
        let Notice::Refused { reason, .. } = notice else {
            return false;
        };
        matches!(reason, Refusal::Forged { .. })
    };
    assert_eq!(net.said(forged), 3000);
    net.assert_alive();
}

#[test]
fn entries_of_a_closed_life_cause_no_pass_over_the_table_each() {
    let mut net = Net::new(5);
    net.accum(0, b"x", 1);
    net.accum(2, b"x", 4);
    net.settle();
    net.step(2, Event::Retire);
    net.settle();
    // The liar brings a joiner the certificate, but no base, and retires.
    net.away = vec![0, 1, 2];
    net.lie = Box::new(|_, kind, _| (kind != MessageKind::Ledger).then(Vec::new));
    let roster = net.replicas[0].roster().add(public(4), "").unwrap();
    let roster = roster
        .sign("test", &Shape::xor(1), &administrator())
        .encode();
    net.step(4, Event::Roster(&roster));
    net.step(LIAR, Event::Roster(&roster));
    net.deliver();
    let certificate = net.certificates.last().unwrap().clone();
    net.inject(4, MessageKind::Ledger, &certified(&certificate));
    let word = ended(public(LIAR), 1 << 32, LIAR, &secrets());
    net.inject(4, MessageKind::Ledger, &word);
    let before = crate::base::passes();
    let merged = net.replicas[4].counters().merged;
    for version in 1..=300 {
        let late = frame(LIAR, life(LIAR, 1), Head::default(), b"late", version);
        net.inject(4, MessageKind::Changes, &late);
        net.inject(4, MessageKind::Ledger, &[]);
    }
    assert_eq!(net.replicas[4].counters().merged - merged, 300);
    let passes = crate::base::passes() - before;
    assert!(passes <= 1, "{passes} passes");
}

// Bad records.

#[test]
fn bad_records_are_refused_with_key_and_reason_and_comparisons_end() {
    let mut net = Net::new(4);
    net.retire_while_the_liar_is_silent();
    let like = net.statements.last().unwrap().clone();
    let own = restate(&like, LIAR, 0, of([1; 32]));
    let elsewhere = Secrets::new(&[9; 32], "other", &Shape::xor(1));
    let mut altered = own.clone();
    altered.holding.entries = Some([2; 16]);
    let mut stolen = own.clone();
    stolen.by = public(1);
    // One that is superseded is not even checked.
    stolen.round.round = 99;
    let not_signed = "not signed by this key";
    let cases = [
        // Of the key of another, of another keyspace, and altered after it was signed.
        (ended(public(1), 1 << 32, LIAR, &secrets()), 1, not_signed),
        (
            ended(public(LIAR), 1 << 32, LIAR, &elsewhere),
            LIAR,
            not_signed,
        ),
        (stated(&altered), LIAR, not_signed),
        (stated(&stolen), 1, not_signed),
    ];
    for (body, key, reason) in &cases {
        net.notices.clear();
        net.inject(0, MessageKind::Ledger, body);
        assert_eq!(net.refused(public(*key), reason), 1, "{:?}", net.notices);
    }
    let retired = ended(public(LIAR), 1 << 32, LIAR, &secrets());
    let too_long = record(ENDED, &[&retired[2..], &[0]].concat());
    let unknown = record(12, &[1, 2, 3]);
    for body in [&retired[..60], &too_long, &unknown, &[ENDED, 0xff, 0xff]] {
        net.notices.clear();
        net.inject(0, MessageKind::Ledger, body);
        let malformed = |notice: &Notice| {
            let reason = Refusal::Malformed;
            *notice
                == Notice::Refused {
                    from: peer(LIAR),
                    reason,
                }
        };
        assert_eq!(net.said(malformed), 1, "{body:?}");
    }
    // What may come from a member that is late or early is passed over in silence: a key that is
    // not known here, and another roster.
    let mut late = like.clone();
    late.round.number = 8;
    let late = restate(&late, LIAR, 0, of([1; 32]));
    let unknown = restate(&like, 9, 0, of([1; 32]));
    net.notices.clear();
    let sent = net.sent;
    for body in [
        stated(&late),
        stated(&unknown),
        ended(public(9), 1, 9, &secrets()),
    ] {
        net.inject(0, MessageKind::Ledger, &body);
    }
    assert_eq!((net.notices.len(), net.sent), (0, sent));
    // A comparison of honest members ends at once, because their ledgers are equal.
    net.away = vec![LIAR];
    net.settle();
    let sent = net.sent;
    net.each(&Event::Tick);
    net.deliver();
    assert!(net.sent - sent <= 16, "{} messages", net.sent - sent);
    net.assert_alive();
}

#[test]
fn a_second_retirement_changes_nothing() {
    let mut net = Net::new(4);
    let first = ended(public(LIAR), 1 << 32, LIAR, &secrets());
    net.inject(0, MessageKind::Ledger, &first);
    net.settle();
    let (closings, sent) = (net.replicas[0].closings(), net.sent);
    let second = ended(public(LIAR), 2 << 32, LIAR, &secrets());
    for body in [first, second] {
        net.inject(0, MessageKind::Ledger, &body);
    }
    assert_eq!((net.replicas[0].closings(), net.sent), (closings, sent));
    // One that retires under two lists closes the same: ledgers do not differ.
    let mut net = Net::new(4);
    net.change(|roster| roster.add(public(9), "").unwrap());
    net.change(|roster| roster.remove(&public(9)).unwrap());
    for (n, list) in [(0, 1), (1, 2)] {
        let body = ended(public(LIAR), (1 << 32) + list, LIAR, &secrets());
        net.inject(n, MessageKind::Ledger, &body);
    }
    net.settle();
    net.assert_agreed(&[0, 1, 2]);
}

// False bases.

/// A joiner that meets a liar with a false base: the states of `x` of the joiner while only the
/// liar is there, and after it met the others; and the number of refused bases.
fn joins(lie: impl Fn(Chunk) -> Chunk + 'static) -> ([u64; 2], usize, Net) {
    let mut net = Net::new(5);
    for (n, key) in [(0, b"x"), (2, b"x"), (2, b"y"), (2, b"z")] {
        net.accum(n, key, 1 << n);
    }
    net.settle();
    net.step(2, Event::Retire);
    net.settle();
    assert_ne!(net.replicas[0].certificate(), 0);
    net.lie = Box::new(move |_, kind, body| {
        (kind == MessageKind::Chunk).then(|| {
            let chunk = Chunk::decode(&mut Reader::new(body), 1).unwrap();
            vec![(kind, lie(chunk).encode())]
        })
    });
    net.join(4);
    // It hears of the roster from all, and of the rest from the liar.
    net.away = vec![0, 1, 2];
    let roster = net.replicas[0].roster().encode();
    for n in [LIAR, 4] {
        net.step(n, Event::Roster(&roster));
    }
    let rounds = |net: &mut Net| {
        for _ in 0..200 {
            net.each(&Event::Flush);
            net.deliver_some(40);
            net.each(&Event::Tick);
            net.deliver_some(40);
        }
        net.state(4, b"x").words()[0]
    };
    let alone = rounds(&mut net);
    net.away.clear();
    let met = rounds(&mut net);
    let base = |notice: &Notice| {
        let reason = Refusal::Base;
        *notice
            == Notice::Refused {
                from: peer(LIAR),
                reason,
            }
    };
    let refused = net.said(base);
    ([alone, met], refused, net)
}

fn assert_refused(lie: impl Fn(Chunk) -> Chunk + 'static, told: bool) {
    let ([alone, met], refused, net) = joins(lie);
    // The joiner may have what is not in the base: the change of replica 0.
    assert_eq!(alone & !1, 0, "a false base was adopted");
    assert_eq!(met, 5, "it gets the base from another");
    assert_eq!(refused > 0, told, "{refused}");
    let shown: Vec<_> = [b"y", b"z"].map(|key| net.state(4, key)).into();
    assert_eq!(shown, [4.into(), 4.into()]);
    assert_eq!(net.state(4, b"w"), 0.into());
}

#[test]
fn an_altered_base_is_refused_and_fetched_from_another() {
    assert_refused(
        |mut chunk| {
            if let Some((_, base)) = chunk.bases.first_mut() {
                *base = 77.into();
            }
            chunk
        },
        true,
    );
}

#[test]
fn a_base_with_a_key_more_is_refused_and_fetched_from_another() {
    assert_refused(
        |mut chunk| {
            chunk.bases.push((b"w"[..].into(), 8.into()));
            chunk
        },
        true,
    );
}

#[test]
fn a_base_with_a_key_less_is_refused_and_fetched_from_another() {
    assert_refused(
        |mut chunk| {
            chunk.bases.pop();
            chunk
        },
        true,
    );
}

#[test]
fn a_base_that_is_cut_off_is_refused_and_fetched_from_another() {
    assert_refused(
        |mut chunk| {
            chunk.bases.clear();
            chunk.next = 0;
            chunk
        },
        true,
    );
}

#[test]
fn a_base_without_end_is_left_for_that_of_another() {
    assert_refused(
        |chunk| Chunk {
            next: chunk.first + 1,
            slots: u64::from(u32::MAX),
            bases: vec![(chunk.first.to_le_bytes().into(), 1.into())],
            ..chunk
        },
        false,
    );
}

// Two statements, and certificates.

#[test]
fn two_statements_of_one_round_split_nobody_are_told_and_removal_ends_it() {
    let mut net = Net::new(4);
    // Each of the others hears of another base, in every round.
    net.lie = Box::new(|to, kind, body| {
        let lie = |(kind, content): (u8, Vec<u8>)| {
            if kind != STATEMENT {
                return record(kind, &content);
            }
            let own = Statement::decode(&mut Reader::new(&content)).unwrap();
            if own.by != public(LIAR) {
                return record(kind, &content);
            }
            stated(&restate(&own, LIAR, own.round.round, of([to as u8; 32])))
        };
        (kind == MessageKind::Ledger).then(|| {
            // Nor does it tell of the certificate that its true statement is part of.
            let told = records(body).into_iter();
            let lies = told.filter(|(kind, _)| *kind != CERTIFIED).map(lie);
            vec![(kind, lies.collect::<Vec<_>>().concat())]
        })
    });
    net.accum(2, b"x", 4);
    net.accum(0, b"x", 1);
    net.settle();
    net.step(2, Event::Retire);
    net.settle();
    for n in [0, 1] {
        assert_eq!(net.replicas[n].certificate(), 0, "{n} has folded");
        assert_eq!(net.state(n, b"x"), 5.into());
    }
    let told = net.said(|notice| {
        let key = public(LIAR);
        *notice == Notice::TwoStatements { key }
    });
    assert!(told > 0, "{:?}", net.notices);
    // It proves nothing: an honest member whose folder was restored does the same.
    let convicted = |notice: &Notice| matches!(notice, Notice::Misconduct { .. });
    assert_eq!(net.said(convicted), 0);
    net.assert_alive();
    assert_eq!([0, 1].map(|n| net.state(n, b"x")), [5.into(), 5.into()]);
}

#[test]
fn in_the_last_round_nobody_honest_makes_a_second_statement() {
    let mut net = Net::new(4);
    net.retire_while_the_liar_is_silent();
    let like = net.statements.last().unwrap().clone();
    let last = restate(&like, LIAR, u64::MAX, of([1; 32]));
    net.inject(0, MessageKind::Ledger, &stated(&last));
    net.settle();
    // More of a closed life, which is taken because the statements differ.
    let late = frame(2, life(2, 3), Head::default(), b"late", 1);
    net.inject(0, MessageKind::Changes, &late);
    net.settle();
    let mut said = BTreeMap::new();
    for statement in &net.statements {
        if statement.by != public(LIAR) {
            let round = (statement.by, statement.round.round, statement.round.extent);
            let first = *said.entry(round).or_insert(statement.holding);
            assert_eq!(
                first, statement.holding,
                "two in round {}",
                statement.round.round
            );
        }
    }
    assert!(said.keys().any(|(_, round, _)| *round == u64::MAX));
    net.assert_alive();
}

/// Whether a fresh replica accepts a record with a certificate, and what it refuses.
fn accepts(record: &[u8]) -> (bool, Vec<Refusal>) {
    let mut replica = Replica::open(config(1), []).unwrap();
    let mut effects = Vec::new();
    let (from, key) = (peer(LIAR), Some(public(LIAR)));
    let up = Event::PeerUp { peer: from, key };
    replica.step(up, &mut effects).unwrap();
    effects.clear();
    let bytes = &seal(&Shape::xor(1), MessageKind::Ledger, record);
    let message = Event::Message { from, bytes };
    replica.step(message, &mut effects).unwrap();
    // It sends what it has taken to a peer with another ledger.
    let bytes = &seal(&Shape::xor(1), MessageKind::Summary, &[0; 99]);
    let message = Event::Message { from, bytes };
    replica.step(message, &mut effects).unwrap();
    let (mut accepted, mut refused) = (false, Vec::new());
    for effect in effects {
        match effect {
            Effect::Send { bytes, .. } => {
                let (kind, body) = open(&Shape::xor(1), &bytes).unwrap().unwrap();
                accepted |= kind == MessageKind::Ledger
                    && records(body).iter().any(|(kind, _)| *kind == CERTIFIED);
            }
            Effect::Notify(Notice::Refused { reason, .. }) => refused.push(reason),
            _ => {}
        }
    }
    (accepted, refused)
}

#[test]
fn only_a_certificate_of_exactly_those_who_have_to_sign_is_taken() {
    let mut net = Net::new(4);
    net.accum(2, b"x", 4);
    net.settle();
    net.step(2, Event::Retire);
    net.settle();
    let genuine = net.certificates.last().unwrap().clone();
    assert_eq!(accepts(&certified(&genuine)), (true, Vec::new()));
    let altered = |alter: &dyn Fn(&mut Certificate)| {
        let mut certificate = genuine.clone();
        alter(&mut certificate);
        certificate.extent = certificate.closings.extent(&certificate.roster);
        certified(&certificate)
    };
    let signed_by = |by: usize, certificate: &Certificate| {
        let like = Statement {
            by: public(by),
            round: certificate.statements(),
            signer: genuine.seals[&public(0)].0,
            memories: [0; 16],
            holding: certificate.holding,
            seal: [0; 64],
        };
        let signed = restate(&like, by, certificate.round, certificate.holding);
        (signed.signer, signed.seal)
    };
    let wrong_signers = "exactly those";
    let wrong_seal = "signature under it does not match";
    let few = altered(&|certificate| {
        certificate.seals.remove(&public(1));
    });
    let twice = {
        let mut fewer = genuine.clone();
        fewer.seals.remove(&public(1));
        let mut content = Vec::new();
        fewer.encode(&mut content);
        // What names the entries follows the signatures.
        let end = content.len() - 16;
        let count = end - 2 * 128 - 1;
        assert_eq!(content[count], 2);
        content[count] = 3;
        let seal = content[end - 128..end].to_vec();
        content.splice(end..end, seal);
        record(CERTIFIED, &content)
    };
    let foreign = altered(&|certificate| {
        let seal = signed_by(9, certificate);
        certificate.seals.insert(public(9), seal);
    });
    let replaced = altered(&|certificate| {
        let seal = signed_by(9, certificate);
        certificate.seals.remove(&public(1));
        certificate.seals.insert(public(9), seal);
    });
    let borrowed = altered(&|certificate| {
        let seal = certificate.seals[&public(LIAR)];
        certificate.seals.insert(public(1), seal);
    });
    let base = altered(&|certificate| certificate.holding.base[0] ^= 1);
    let entries = altered(&|certificate| certificate.holding.entries = Some([2; 16]));
    let no_entries = altered(&|certificate| certificate.holding.entries = None);
    let round = altered(&|certificate| certificate.round += 1);
    let open_again = altered(&|certificate| certificate.closings.ended.clear());
    let closed = altered(&|certificate| {
        let record = ended(public(1), 1 << 32, LIAR, &secrets());
        let ended = Ended::decode(&mut Reader::new(&record[2..])).unwrap();
        certificate.closings.ended.insert(public(1), ended);
        certificate.seals.remove(&public(1));
    });
    let own_roster = altered(&|certificate| {
        let alone = [0, 1, 2]
            .into_iter()
            .fold(genuine.roster.clone(), |roster, n| {
                roster.remove(&public(n)).unwrap()
            });
        certificate.roster = alone.sign("test", &Shape::xor(1), &signing(LIAR));
        certificate.closings.ended.clear();
        certificate.extent = certificate.closings.extent(&certificate.roster);
        let seal = signed_by(LIAR, certificate);
        certificate.seals = [(public(LIAR), seal)].into();
    });
    for (record, reason) in [
        (few, wrong_signers),
        (twice, wrong_signers),
        (foreign, wrong_signers),
        (replaced, wrong_signers),
        (borrowed, wrong_seal),
        (base, wrong_seal),
        (entries, wrong_seal),
        (no_entries, wrong_seal),
        (round, wrong_seal),
        (open_again, wrong_signers),
        (closed, "not signed by its key"),
        (own_roster, "nor signed by the administrator"),
    ] {
        let (accepted, refused) = accepts(&record);
        assert!(!accepted, "{reason}");
        let [Refusal::Ledger { fault, .. }] = &refused[..] else {
            panic!("{reason}: {refused:?}")
        };
        assert!(fault.contains(reason), "{fault}");
    }
}

// Anything at any time.

#[derive(Clone, Debug)]
enum Step {
    Change(usize, u64),
    Tick,
    Deliver(usize),
    /// A message of any kind with any body, to a replica.
    Garbage(usize, u8, Vec<u8>),
    /// A message that the liar sent before, with a byte changed if the number is not 0.
    Replay(usize, prop::sample::Index, prop::sample::Index, u8),
    Pull(usize, u64),
    Cells(usize, u32, u32),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let bytes = prop::collection::vec(any::<u8>(), 0..200);
    let step = prop_oneof![
        3 => (0..3_usize, 1..99_u64).prop_map(|(n, delta)| Step::Change(n, delta)),
        1 => Just(Step::Tick),
        2 => (1..30_usize).prop_map(Step::Deliver),
        4 => (0..3_usize, 0..14_u8, bytes).prop_map(|(n, kind, body)| Step::Garbage(n, kind, body)),
        6 => (0..3_usize, any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>())
            .prop_map(|(n, which, at, flip)| Step::Replay(n, which, at, flip & 7)),
        1 => (0..3_usize, any::<u64>()).prop_map(|(n, at)| Step::Pull(n, at)),
        1 => (0..3_usize, any::<u32>(), any::<u32>()).prop_map(|(n, a, b)| Step::Cells(n, a, b)),
    ];
    prop::collection::vec(step, 1..80)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn anything_at_any_time_draws_little_and_keeps_nobody_from_converging(steps in steps()) {
        let mut net = Net::new(4);
        let mut sums = [0; 3];
        for step in steps {
            let (to, message) = match step {
                Step::Change(n, delta) => {
                    sums[n] ^= delta;
                    net.accum(n, &[n as u8], delta);
                    net.accum(LIAR, b"liar", delta);
                    net.each(&Event::Flush);
                    continue;
                }
                Step::Tick => {
                    net.each(&Event::Tick);
                    continue;
                }
                Step::Deliver(most) => {
                    net.deliver_some(most);
                    continue;
                }
                Step::Garbage(to, kind, body) => (to, numbered(&Shape::xor(1), kind, &body)),
                Step::Replay(to, which, at, flip) => {
                    let mut message = which.get(&net.said).clone();
                    let at = at.index(message.len());
                    message[at] ^= flip;
                    (to, message)
                }
                Step::Pull(to, at) => {
                    let mut body = Vec::new();
                    body.varint(at);
                    (to, seal(&Shape::xor(1), MessageKind::Pull, &body))
                }
                Step::Cells(to, first, end) => {
                    let mut body = Vec::new();
                    body.varint(u64::from(first));
                    body.varint(u64::from(end));
                    (to, seal(&Shape::xor(1), MessageKind::SketchRequest, &body))
                }
            };
            let before = net.bytes;
            let (from, bytes) = (peer(LIAR), &message[..]);
            net.step(to, Event::Message { from, bytes });
            let drawn = net.bytes - before;
            // An opening, or a table of a few entries and the ledger.
            prop_assert!(drawn <= 4096, "{} bytes for {}", drawn, message.len());
        }
        net.settle();
        net.away = vec![LIAR];
        net.settle();
        for n in 0..3 {
            for (of, sum) in sums.iter().enumerate() {
                prop_assert_eq!(net.state(n, &[of as u8]), Value::from(*sum));
            }
        }
        net.assert_alive();
    }
}

#[test]
fn a_certificate_longer_than_a_message_arrives_in_parts() {
    const RETIRED: core::ops::Range<usize> = 10..130;
    let mut net = Net::with(5, |config| config.message_bytes = 16_384);
    for n in 0..3 {
        net.accum(n, b"x", 1 << n);
    }
    net.change(|roster| {
        let add = |roster: Roster, n| roster.add(public(n), &format!("{n:064}")).unwrap();
        RETIRED.fold(roster.clone(), add)
    });
    net.settle();
    for n in RETIRED {
        let since = net.replicas[0].roster().get(&public(n)).unwrap().since;
        let below = (since + 1) << 32;
        net.inject(
            0,
            MessageKind::Ledger,
            &ended(public(n), below, n, &secrets()),
        );
    }
    net.settle();
    net.join(4);
    net.settle();
    assert!(net.stores[4][CERTIFICATE].len() > 20_000);
    net.assert_agreed(&[0, 1, 2, LIAR, 4]);
    assert_eq!(net.state(4, b"x"), 7.into());
}
