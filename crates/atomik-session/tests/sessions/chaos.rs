//! Random schedules of faults and attacks.

use std::collections::BTreeMap;

use atomik_session::{Address, Output};
use proptest::prelude::*;

use crate::party::{Packet, Party};

#[derive(Clone, Debug)]
enum Step {
    Tick,
    Send(usize, usize),
    PeerUp(usize, usize),
    PeerDown(usize, usize),
    /// Delivers a packet under way.
    Deliver(usize),
    /// Delivers a packet under way, which remains under way.
    Repeat(usize),
    Lose(usize),
    /// Delivers a recorded packet again.
    Replay(usize),
    /// Returns a recorded packet to its sender, with the tag of another one.
    Reflect(usize, usize),
    /// Delivers a recorded packet to someone else.
    Redirect(usize, usize),
    Flip(usize, usize),
    Garbage(usize, usize, Vec<u8>),
    Restart(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let n = 0_usize..1000;
    prop_oneof![
        3 => Just(Step::Tick),
        8 => (n.clone(), n.clone()).prop_map(|(a, b)| Step::Send(a, b)),
        2 => (n.clone(), n.clone()).prop_map(|(a, b)| Step::PeerUp(a, b)),
        1 => (n.clone(), n.clone()).prop_map(|(a, b)| Step::PeerDown(a, b)),
        16 => n.clone().prop_map(Step::Deliver),
        2 => n.clone().prop_map(Step::Repeat),
        1 => n.clone().prop_map(Step::Lose),
        4 => n.clone().prop_map(Step::Replay),
        4 => (n.clone(), n.clone()).prop_map(|(a, b)| Step::Reflect(a, b)),
        1 => (n.clone(), n.clone()).prop_map(|(a, b)| Step::Redirect(a, b)),
        2 => (n.clone(), n.clone()).prop_map(|(a, b)| Step::Flip(a, b)),
        1 => (n.clone(), n.clone(), prop::collection::vec(any::<u8>(), 0..200))
            .prop_map(|(a, b, bytes)| Step::Garbage(a, b, bytes)),
        1 => n.prop_map(Step::Restart),
    ]
}

struct World {
    parties: Vec<Party>,
    processes: Vec<u8>,
    now: u64,
    under_way: Vec<Packet>,
    recorded: Vec<Packet>,
    /// What each message is: sender and recipient.
    messages: BTreeMap<Vec<u8>, [Address; 2]>,
    delivered: BTreeMap<Vec<u8>, u32>,
    trace: Vec<String>,
}

impl World {
    fn new(count: usize) -> Self {
        let mut world = Self {
            parties: (1..=count).map(|n| Party::new(n as u8, 1)).collect(),
            processes: vec![1; count],
            now: 0,
            under_way: Vec::new(),
            recorded: Vec::new(),
            messages: BTreeMap::new(),
            delivered: BTreeMap::new(),
            trace: Vec::new(),
        };
        world.announce();
        world
    }

    fn announce(&mut self) {
        for a in 0..self.parties.len() {
            for b in (0..self.parties.len()).filter(|b| *b != a) {
                let peer = self.parties[b].address;
                self.parties[a].peer_up(peer);
            }
        }
        self.gather();
    }

    fn pair(&self, a: usize, b: usize) -> (usize, Address) {
        let count = self.parties.len();
        let a = a % count;
        let b = (a + 1 + b % (count - 1)) % count;
        (a, self.parties[b].address)
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Tick => {
                self.now += 1;
                let now = self.now;
                self.parties.iter_mut().for_each(|party| party.tick(now));
            }
            Step::Send(a, b) => {
                let (a, to) = self.pair(*a, *b);
                let message = format!("message {}", self.messages.len()).into_bytes();
                if self.parties[a].send(to, &message) {
                    let route = [self.parties[a].address, to];
                    self.messages.insert(message, route);
                }
            }
            Step::PeerUp(a, b) => {
                let (a, peer) = self.pair(*a, *b);
                self.parties[a].peer_up(peer);
            }
            Step::PeerDown(a, b) => {
                let (a, peer) = self.pair(*a, *b);
                self.parties[a].sessions.peer_down(&peer);
            }
            Step::Deliver(n) => {
                if let Some(packet) = self.take(*n) {
                    self.deliver(&packet);
                }
            }
            Step::Repeat(n) => {
                if let Some(packet) = chosen(&self.under_way, *n) {
                    self.deliver(&packet);
                }
            }
            Step::Lose(n) => drop(self.take(*n)),
            Step::Replay(n) => {
                if let Some(packet) = chosen(&self.recorded, *n) {
                    self.deliver(&packet);
                }
            }
            Step::Reflect(n, tag) => {
                if let Some(mut packet) = chosen(&self.recorded, *n) {
                    (packet.from, packet.to) = (packet.to, packet.from);
                    let like = |other: &&Packet| other.to == packet.to && other.from == packet.from;
                    let tags: Vec<u8> = self.recorded.iter().filter(like).map(tag_of).collect();
                    if !tags.is_empty() && tag % 4 > 0 {
                        packet.bytes[1] = tags[tags.len() - 1 - tag % tags.len().min(4)];
                    }
                    self.deliver(&packet);
                }
            }
            Step::Redirect(n, to) => {
                if let Some(mut packet) = chosen(&self.recorded, *n) {
                    packet.to = self.parties[to % self.parties.len()].address;
                    self.deliver(&packet);
                }
            }
            Step::Flip(n, bit) => {
                if let Some(mut packet) = self.take(*n) {
                    let bit = bit % (8 * packet.bytes.len());
                    packet.bytes[bit / 8] ^= 1 << (bit % 8);
                    self.deliver(&packet);
                }
            }
            Step::Garbage(a, b, bytes) => {
                let (a, from) = self.pair(*a, *b);
                let to = self.parties[a].address;
                let mut bytes = bytes.clone();
                if let Some(kind) = bytes.first_mut() {
                    *kind %= 12;
                }
                self.deliver(&Packet { from, to, bytes });
            }
            Step::Restart(a) => {
                let a = a % self.parties.len();
                self.processes[a] += 1;
                self.parties[a] = Party::new(a as u8 + 1, self.processes[a]);
                let (a, peer) = self.pair(a, self.processes[a].into());
                self.parties[a].peer_up(peer);
            }
        }
        self.gather();
    }

    fn take(&mut self, n: usize) -> Option<Packet> {
        let count = self.under_way.len();
        (count > 0).then(|| self.under_way.remove(n % count))
    }

    fn deliver(&mut self, packet: &Packet) {
        let mut parties = self.parties.iter_mut();
        if let Some(receiver) = parties.find(|party| party.address == packet.to) {
            receiver.receive(packet);
        }
    }

    /// Takes what the parties want sent, and judges what was delivered to them.
    fn gather(&mut self) {
        for party in &mut self.parties {
            for packet in party.sent.drain(..) {
                self.trace.push(format!("{packet:?}"));
                self.recorded.push(packet.clone());
                self.under_way.push(packet);
            }
            for (from, message) in party.delivered.drain(..) {
                let route = self.messages.get(&message);
                assert_eq!(route, Some(&[from, party.address]), "nobody sent this");
                let count = self.delivered.entry(message).or_default();
                *count += 1;
                assert_eq!(*count, 1, "delivered twice");
            }
            for report in party.reports.drain(..) {
                let alarms = matches!(report, Output::Refused { .. } | Output::KeyInUse { .. });
                assert!(!alarms, "{report:?}");
                self.trace.push(format!("{report:?}"));
            }
        }
    }

    /// The network works again.
    fn recover(&mut self) {
        self.under_way.clear();
        self.announce();
        for _ in 0..100 {
            self.step(&Step::Tick);
            while let Some(packet) = self.take(0) {
                self.deliver(&packet);
                self.gather();
            }
        }
        for a in 0..self.parties.len() {
            for b in (0..self.parties.len()).filter(|b| *b != a) {
                let (to, key) = (self.parties[b].address, self.parties[b].key);
                assert_eq!(self.parties[a].up.get(&to), Some(&key), "no session");
                let message = format!("at last {a} {b}").into_bytes();
                let route = [self.parties[a].address, to];
                self.messages.insert(message.clone(), route);
                assert!(self.parties[a].send(to, &message));
                self.gather();
                while let Some(packet) = self.take(0) {
                    self.deliver(&packet);
                    self.gather();
                }
                assert_eq!(self.delivered.get(&message), Some(&1), "lost");
            }
        }
    }
}

fn tag_of(packet: &Packet) -> u8 {
    packet.bytes[1]
}

fn chosen(packets: &[Packet], n: usize) -> Option<Packet> {
    // Recent packets are the more dangerous ones.
    let at = packets
        .len()
        .checked_sub(1 + n % packets.len().clamp(1, 40));
    at.map(|at| packets[at].clone())
}

fn run(count: usize, steps: &[Step]) -> Vec<String> {
    let mut world = World::new(count);
    steps.iter().for_each(|step| world.step(step));
    world.recover();
    world.trace
}

proptest! {
    #[test]
    fn what_is_delivered_was_sent_once_and_sessions_come_up_again(
        count in 2_usize..4,
        steps in prop::collection::vec(step(), 1..300),
    ) {
        run(count, &steps);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn a_run_is_repeated_exactly_from_its_seed(
        steps in prop::collection::vec(step(), 1..200),
    ) {
        prop_assert_eq!(run(3, &steps), run(3, &steps));
    }
}
