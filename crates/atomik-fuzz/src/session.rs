//! Sessions between two replicas, over a network that an attacker controls.

use std::collections::{BTreeMap, VecDeque};

use atomik_session::{Address, Config, Limits, Members, Output, Sessions};
use ed25519_dalek::SigningKey;

use crate::target::Target;

/// What the attacker does: see [`Attack::step`].
pub(crate) const SESSION: Target = Target {
    name: "session",
    about: "packets of sessions, dropped, repeated, altered and forged",
    run,
    seeds,
};

/// Packets that the attacker remembers.
const REMEMBERED: usize = 64;

fn address(party: usize) -> Address {
    [party as u8 + 1; 16]
}

fn sessions(party: usize) -> Sessions {
    let config = Config {
        key: SigningKey::from_bytes(&[party as u8 + 1; 32]),
        incarnation: address(party),
        address: |_key, incarnation| *incarnation,
        keyspace: "fuzz".to_owned(),
        secret: [7; 32],
        members: Members::Any,
        limits: Limits::default(),
    };
    Sessions::new(&config, &[party as u8 + 1; 32])
}

struct Attack {
    parties: [Sessions; 2],
    /// Packets on their way: the recipient and the bytes.
    network: VecDeque<(usize, Vec<u8>)>,
    recorded: Vec<(usize, Vec<u8>)>,
    /// Messages that were sent and not delivered yet, by sender and content.
    sent: BTreeMap<(usize, Vec<u8>), ()>,
    messages: u32,
    now: u64,
}

impl Attack {
    /// Carries out what a party asks for. Panics if it delivers what was not sent, or twice.
    fn carry_out(&mut self, party: usize, out: Vec<Output>) {
        for output in out {
            match output {
                Output::Packet { to, bytes } => {
                    let to = usize::from(to != address(0));
                    self.recorded.push((to, bytes.clone()));
                    if self.recorded.len() > REMEMBERED {
                        self.recorded.remove(0);
                    }
                    self.network.push_back((to, bytes));
                }
                Output::Message { from, bytes } => {
                    assert_eq!(
                        from,
                        address(1 - party),
                        "a message from oneself or a stranger"
                    );
                    let known = self.sent.remove(&(1 - party, bytes));
                    assert!(known.is_some(), "a message that was not sent, or repeated");
                }
                _ => {}
            }
        }
    }

    fn receive(&mut self, party: usize, packet: &[u8]) {
        let mut out = Vec::new();
        self.parties[party].receive(address(1 - party), packet, &mut out);
        self.carry_out(party, out);
    }

    /// One step of the attacker, chosen by the first byte of the rest of the script.
    fn step<'a>(&mut self, script: &'a [u8]) -> &'a [u8] {
        let [choice, rest @ ..] = script else {
            return &[];
        };
        let party = usize::from(choice >> 7);
        let mut out = Vec::new();
        match choice & 0x7f {
            0..=39 => {
                if let Some((to, packet)) = self.network.pop_front() {
                    self.receive(to, &packet);
                }
            }
            40..=49 => {
                self.messages += 1;
                let content = self.messages.to_le_bytes().to_vec();
                if self.parties[party]
                    .send(&address(1 - party), &content, &mut out)
                    .is_ok()
                {
                    self.sent.insert((party, content), ());
                }
            }
            50..=59 => {
                self.now += 1;
                self.parties[party].tick(self.now, &mut out);
            }
            60..=64 => self.parties[party].peer_up(address(1 - party), &mut out),
            65..=69 => drop(self.network.pop_front()),
            70..=74 => self
                .network
                .rotate_left(usize::from(self.network.len() > 1)),
            75..=99 => {
                let [which, to, rest @ ..] = rest else {
                    return &[];
                };
                let at = usize::from(*which) % self.recorded.len().max(1);
                if let Some((_, packet)) = self.recorded.get(at).cloned() {
                    self.receive(usize::from(to & 1), &packet);
                }
                return rest;
            }
            100..=119 => {
                let [at, flip, rest @ ..] = rest else {
                    return &[];
                };
                if let Some((to, mut packet)) = self.network.pop_front() {
                    let at = usize::from(*at) % packet.len().max(1);
                    if let Some(byte) = packet.get_mut(at) {
                        *byte ^= flip;
                    }
                    self.receive(to, &packet);
                }
                return rest;
            }
            _ => {
                let [length, rest @ ..] = rest else {
                    return &[];
                };
                let (packet, rest) = rest.split_at(usize::from(*length).min(rest.len()));
                self.receive(party, packet);
                return rest;
            }
        }
        self.carry_out(party, out);
        rest
    }
}

fn seeds() -> Vec<Vec<u8>> {
    // Come up, send in both directions, repeat and alter packets, tick.
    vec![
        [&[60, 188][..], &[0; 8], &[40, 168, 40, 0, 0, 0]].concat(),
        [
            &[60][..],
            &[0; 6],
            &[40, 0, 80, 3, 1, 40, 100, 9, 4, 50, 178],
        ]
        .concat(),
        vec![60, 0, 0, 0, 0, 40, 65, 40, 40, 70, 0, 0, 120, 3, 1, 2, 3],
    ]
}

/// Whatever the attacker does, a message is delivered only if the other party sent it, and once.
fn run(input: &[u8]) {
    let mut attack = Attack {
        parties: [sessions(0), sessions(1)],
        network: VecDeque::new(),
        recorded: Vec::new(),
        sent: BTreeMap::new(),
        messages: 0,
        now: 0,
    };
    let mut script = input;
    // Handshakes are slow, so the script is not read for ever.
    for _ in 0..300 {
        if script.is_empty() {
            return;
        }
        script = attack.step(script);
    }
}
