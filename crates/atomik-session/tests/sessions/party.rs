//! A replica's sessions, and what the test has been told of them.

use std::collections::BTreeMap;

use atomik_session::{Address, Config, Limits, List, Members, Output, PublicKey, Sessions};
use ed25519_dalek::SigningKey;

/// A packet that ends a session, or refuses one.
pub const BYE: u8 = 11;

pub const SECRET: [u8; 32] = [7; 32];

/// A packet on its way, or recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    pub from: Address,
    pub to: Address,
    pub bytes: Vec<u8>,
}

pub struct Party {
    pub sessions: Sessions,
    pub address: Address,
    pub key: PublicKey,
    /// Packets that it wants sent.
    pub sent: Vec<Packet>,
    pub delivered: Vec<(Address, Vec<u8>)>,
    /// The lists of members that it was told.
    pub lists: Vec<Vec<u8>>,
    pub up: BTreeMap<Address, PublicKey>,
    /// All outputs but packets and messages.
    pub reports: Vec<Output>,
    out: Vec<Output>,
    has_list: bool,
}

/// The key of a party, by number.
fn key(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[number; 32])
}

/// Addresses that only the holder of the key has, in the order of the incarnations' first bytes.
fn owned(key: &PublicKey, incarnation: &[u8; 16]) -> Address {
    let hash = blake3::hash(&[&key[..], incarnation].concat());
    std::array::from_fn(|i| {
        if i == 0 {
            incarnation[0]
        } else {
            hash.as_bytes()[i]
        }
    })
}

pub fn config(number: u8) -> Config {
    Config {
        key: key(number),
        incarnation: [number; 16],
        address: owned,
        keyspace: "test".to_owned(),
        secret: SECRET,
        members: Members::Listed((0..10).map(public).collect()),
        limits: Limits::default(),
    }
}

pub fn public(number: u8) -> PublicKey {
    key(number).verifying_key().to_bytes()
}

impl Party {
    /// Party `number` as its process `process`.
    pub fn new(number: u8, process: u8) -> Self {
        Self::with(&config(number), process)
    }

    pub fn with(config: &Config, process: u8) -> Self {
        let sessions = Sessions::new(config, &[process; 32]);
        Self {
            address: sessions.address(),
            sessions,
            key: config.key.verifying_key().to_bytes(),
            sent: Vec::new(),
            delivered: Vec::new(),
            lists: Vec::new(),
            up: BTreeMap::new(),
            reports: Vec::new(),
            out: Vec::new(),
            has_list: false,
        }
    }

    pub fn peer_up(&mut self, peer: Address) {
        self.sessions.peer_up(peer, &mut self.out);
        self.sort();
    }

    pub fn receive(&mut self, packet: &Packet) {
        let before = self.sent.len();
        self.sessions
            .receive(packet.from, &packet.bytes, &mut self.out);
        self.sort();
        let answers = &self.sent[before..];
        let length: usize = answers.iter().map(|answer| answer.bytes.len()).sum();
        // Who is told of a list has proved its key.
        assert!(
            self.has_list && packet.bytes[0] == BYE || length <= packet.bytes.len(),
            "{} bytes drew {length}",
            packet.bytes.len()
        );
        assert!(answers.iter().all(|answer| answer.to == packet.from));
    }

    pub fn tick(&mut self, now: u64) {
        self.sessions.tick(now, &mut self.out);
        self.sort();
    }

    /// Sends a message if there is a session.
    pub fn send(&mut self, to: Address, message: &[u8]) -> bool {
        let sent = self.sessions.send(&to, message, &mut self.out);
        assert_eq!(sent.is_ok(), self.up.contains_key(&to));
        self.sort();
        sent.is_ok()
    }

    pub fn set_members(&mut self, members: Members) {
        self.sessions.set_members(members, &mut self.out);
        self.sort();
    }

    /// Gives it a list of members of this rank and length.
    pub fn set_list(&mut self, rank: u8, length: usize) {
        let (rank, bytes) = ([rank; 40], vec![rank; length]);
        self.sessions.set_list(Some(List { rank, bytes }));
        self.has_list = true;
    }

    pub fn close(&mut self) {
        self.sessions.close(&mut self.out);
        self.sort();
    }

    /// Sorts the outputs, and checks that they follow each other sensibly.
    fn sort(&mut self) {
        for output in self.out.drain(..) {
            match &output {
                Output::Packet { to, bytes } => {
                    self.sent.push(Packet {
                        from: self.address,
                        to: *to,
                        bytes: bytes.clone(),
                    });
                    continue;
                }
                Output::Message { from, bytes } => {
                    assert!(self.up.contains_key(from), "a message without a session");
                    self.delivered.push((*from, bytes.clone()));
                    continue;
                }
                Output::Up { address, key } => {
                    assert_eq!(self.up.insert(*address, *key), None, "up twice");
                }
                Output::Down { address } => {
                    assert!(self.up.remove(address).is_some(), "down without up");
                }
                Output::List { bytes, .. } => {
                    self.lists.push(bytes.clone());
                    continue;
                }
                Output::Refused { .. } | Output::KeyInUse { .. } => {}
            }
            self.reports.push(output);
        }
        assert!(self.sessions.up().eq(self.up.keys().copied()));
        let key = |peer| self.sessions.key(peer);
        assert!(self.up.iter().all(|(peer, up)| key(peer) == Some(*up)));
    }
}

/// Delivers all packets, and those that they draw, at once.
pub fn settle(parties: &mut [Party]) {
    settle_but(parties, |_| false);
}

/// As [`settle`], but some packets are lost. Returns all that were sent.
pub fn settle_but(parties: &mut [Party], mut is_lost: impl FnMut(&Packet) -> bool) -> Vec<Packet> {
    let mut all = Vec::new();
    loop {
        let sent: Vec<Packet> = parties
            .iter_mut()
            .flat_map(|party| std::mem::take(&mut party.sent))
            .collect();
        if sent.is_empty() {
            return all;
        }
        for packet in &sent {
            let lost = is_lost(packet);
            // Copies of a party have one address.
            let receivers = parties.iter_mut();
            receivers
                .filter(|party| party.address == packet.to && !lost)
                .for_each(|receiver| receiver.receive(packet));
        }
        all.extend(sent);
    }
}

/// Two parties with a session, and the packets that it took.
pub fn connected() -> ([Party; 2], Vec<Packet>) {
    let mut parties = [Party::new(1, 1), Party::new(2, 1)];
    let packets = connect(&mut parties);
    (parties, packets)
}

/// Announces all parties to each other, and delivers all packets.
pub fn connect(parties: &mut [Party]) -> Vec<Packet> {
    let addresses: Vec<Address> = parties.iter().map(|party| party.address).collect();
    for party in &mut *parties {
        let me = party.address;
        for peer in addresses.iter().filter(|peer| **peer != me) {
            party.peer_up(*peer);
        }
    }
    settle_but(parties, |_| false)
}
