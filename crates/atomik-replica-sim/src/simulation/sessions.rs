//! Sessions between hosts. The network carries their packets, and whatever an outsider makes of
//! these; the replicas must not notice.

use atomik_replica::{Author, Event as Input, OriginId, PeerId};
use atomik_session::{Address, Config, Limits, Members, Output, SendError, Sessions};

use super::host::Host;
use super::members::{KEYSPACE, SECRET, public_key, signing_key};
use super::queue::Event;
use super::wire::Packet;
use super::world::World;
use crate::draw::fate;
use crate::setup::{HORIZON, Setup};
use crate::violation::{Check, Violation, ensure};

/// Virtual time between two ticks of the sessions.
const TICK: u64 = 10;

/// Ticks within which all sessions must be up once all faults have stopped: those with processes
/// that are gone end after a silence of 30, and a handshake that began before may have to time out.
const MOST_TICKS: u64 = 60;

/// Handshakes survive the usual delays, and sessions are replaced several times in a run.
fn limits() -> Limits {
    Limits {
        handshake_ticks: 20,
        retry_ticks: 3,
        longest_retry_ticks: 24,
        idle_ticks: 8,
        stale_ticks: 14,
        silent_ticks: 30,
        linger_ticks: 6,
        rekey_packets: 200,
        rekey_ticks: 70,
        ..Limits::default()
    }
}

/// The identity of replica `n` in its sessions.
pub(crate) fn config(setup: &Setup, n: usize, incarnation: [u8; 16]) -> Config {
    let members = (0..setup.replicas).map(|n| signing_key(setup, n).verifying_key().to_bytes());
    Config {
        key: signing_key(setup, n),
        incarnation,
        address: |&key, &incarnation| {
            let mut address = Author { key, incarnation }.origin().0;
            address[0] = incarnation[0];
            address
        },
        keyspace: KEYSPACE.to_owned(),
        secret: SECRET,
        members: Members::Listed(members.collect()),
        limits: limits(),
    }
}

/// The seed of the sessions of a process of replica `n`.
pub(crate) fn seed(setup: &Setup, n: usize, process: u64) -> [u8; 32] {
    let mut seed = [0; 32];
    for (chunk, word) in seed.as_chunks_mut::<8>().0.iter_mut().zip(0..) {
        *chunk = fate(setup.seed, &[9, n as u64, process, word]).to_le_bytes();
    }
    seed
}

impl World<'_> {
    /// Opens the sessions of replica `n`, which has just been started. As in a node, its address
    /// follows from the origin with which it starts.
    pub(crate) fn open_sessions(&mut self, n: usize, origin: OriginId) {
        let setup = self.setup;
        if !setup.sessions {
            return;
        }
        let host = &mut self.hosts[n];
        let mut incarnation = origin.0;
        incarnation[0] = n as u8;
        let config = config(setup, n, incarnation);
        let mut sessions = Sessions::new(&config, &seed(setup, n, host.life));
        sessions.tick(self.now / TICK, &mut Vec::new());
        host.address = sessions.address();
        host.sessions = Some(sessions);
    }

    /// Ends the sessions of replica `n`, which stops: with a farewell, or without.
    pub(crate) fn close_sessions(&mut self, n: usize) {
        let Some(mut sessions) = self.hosts[n].sessions.take() else {
            return;
        };
        if fate(self.setup.seed, &[8, self.now, n as u64]).is_multiple_of(2) {
            return;
        }
        let mut out = Vec::new();
        sessions.close(&mut out);
        for output in out {
            if let Output::Packet { to, bytes } = output {
                let from = self.hosts[n].address;
                let bytes = bytes.into();
                let packet = Packet { from, to, bytes };
                self.wire.say_farewell(&packet);
                self.post(packet);
            }
        }
    }

    /// Loses the messages under way when replica `n` has started from a stale copy of its disk.
    /// Sessions must lose those of a former process at the same address by themselves.
    pub(crate) fn forget_messages(&mut self, n: usize) {
        if self.setup.sessions {
            let from = self.hosts[n].address;
            self.queue.drop_packets_except(from);
            self.wire.recorded.retain(|packet| packet.from == from);
        } else {
            self.queue.drop_messages();
        }
    }

    /// The engine of replica `n` reports, rightly or not, that another one is reachable or gone.
    pub(crate) fn announce(&mut self, n: usize, other: usize, up: bool) -> Check {
        let Host { life, address, .. } = &self.hosts[other];
        if *life == 0 {
            return Ok(());
        }
        let address = *address;
        let mut out = Vec::new();
        if let Some(sessions) = &mut self.hosts[n].sessions {
            if up {
                sessions.peer_up(address, &mut out);
            } else {
                sessions.peer_down(&address);
            }
        }
        self.follow(n, out)
    }

    /// Sends a message of replica `n` if it has a session with the peer.
    pub(crate) fn send_in_session(&mut self, n: usize, to: PeerId, message: &[u8]) -> Check {
        let Host {
            sessions,
            address,
            life,
            ..
        } = &mut self.hosts[n];
        let Some(sessions) = sessions else {
            return Ok(());
        };
        let (from, life) = (*address, *life);
        let mut out = Vec::new();
        match sessions.send(&to, message, &mut out) {
            Ok(()) => {
                self.wire.sent([from, to], life, message);
                self.follow(n, out)
            }
            Err(SendError::NoSession) => {
                self.report.lost += 1;
                Ok(())
            }
            Err(error) => Err(Violation {
                invariant: "a session carries every message of a replica",
                detail: format!("r{n}: {error}"),
            }),
        }
    }

    /// Hands a packet to the network, in view of the outsider.
    pub(crate) fn post(&mut self, packet: Packet) {
        let (from, to) = (packet.sender(), packet.recipient());
        self.fingerprint.bytes(&packet.bytes);
        self.report.packets += 1;
        let mut copies = 0;
        for time in self.network.send(self.now, from, to) {
            copies += 1;
            self.queue.push(time, Event::Packet(packet.clone()));
        }
        self.report.lost += u64::from(copies == 0);
        self.report.duplicated += u64::from(copies == 2);
        self.see(packet);
    }

    /// A packet arrives, which may be the outsider's.
    pub(crate) fn receive(&mut self, packet: &Packet) -> Check {
        self.intercept(packet);
        let (n, from) = (packet.recipient(), packet.from);
        let host = &mut self.hosts[n];
        let Some(sessions) = host.sessions.as_mut().filter(|_| host.address == packet.to) else {
            return Ok(());
        };
        let mut out = Vec::new();
        sessions.receive(from, &packet.bytes, &mut out);
        let ends = out.contains(&Output::Down { address: from });
        let begins =
            |output: &Output| matches!(output, Output::Up { address, .. } if *address == from);
        if ends && !out.iter().any(begins) {
            ensure(
                self.wire.is_farewell(packet),
                "only its two sides end a session",
                || format!("r{n}: with r{}", packet.sender()),
            )?;
        }
        self.follow(n, out)
    }

    /// Does what the sessions of replica `n` want done.
    fn follow(&mut self, n: usize, out: Vec<Output>) -> Check {
        for output in out {
            match output {
                Output::Packet { to, bytes } => {
                    let from = self.hosts[n].address;
                    let bytes = bytes.into();
                    self.post(Packet { from, to, bytes });
                }
                Output::Up { address, key } => {
                    self.report.sessions += 1;
                    let other = usize::from(address[0]);
                    self.narrate(|_| format!("r{n} has a session with r{other}"));
                    let expected = signing_key(self.setup, other).verifying_key();
                    ensure(
                        key == expected.to_bytes(),
                        "a session is with the owner of the address",
                        || format!("r{n}: r{other}"),
                    )?;
                    // By this key the replicas know it, whether they sign or not.
                    let key = Some(public_key(self.setup, other));
                    let peer = address;
                    self.handle(n, Input::PeerUp { peer, key })?;
                }
                Output::Down { address } => {
                    self.narrate(|_| format!("r{n} has no session with r{} any more", address[0]));
                    self.handle(n, Input::PeerDown(address))?;
                }
                Output::Message { from, bytes } => {
                    let to = self.hosts[n].address;
                    self.wire.arrived([from, to], &bytes)?;
                    self.deliver(from, n, &bytes)?;
                }
                // Only those who are refused are told one, and none has one.
                Output::List { from, .. } => {
                    return Err(Violation {
                        invariant: "no member is refused a session",
                        detail: format!("r{n}: a list from r{}", from[0]),
                    });
                }
                Output::KeyInUse { from, .. } => {
                    return Err(Violation {
                        invariant: "no process is taken for a copy of another",
                        detail: format!("r{n}: r{}", from[0]),
                    });
                }
                Output::Refused { from, key, reason } => {
                    let liar = self.oracle.liar();
                    if liar.is_some_and(|liar| liar.key == key) {
                        continue;
                    }
                    return Err(Violation {
                        invariant: "no member is refused a session",
                        detail: format!("r{n}: r{}: {reason}", from[0]),
                    });
                }
            }
        }
        Ok(())
    }

    /// A tick of the sessions of all replicas.
    pub(crate) fn tick_sessions(&mut self) -> Check {
        for n in 0..self.hosts.len() {
            let mut out = Vec::new();
            if let Some(sessions) = &mut self.hosts[n].sessions {
                sessions.tick(self.now / TICK, &mut out);
            }
            self.follow(n, out)?;
        }
        Ok(())
    }

    /// Has the sessions tick again, unless healing begins before.
    pub(crate) fn schedule_session_tick(&mut self) {
        if self.now + TICK < HORIZON {
            self.queue.push(self.now + TICK, Event::SessionTick);
        }
    }

    /// Lets time pass while healing. The sessions tick.
    pub(crate) fn pass_time(&mut self, time: u64) -> Check {
        if !self.setup.sessions {
            self.now += time;
            return Ok(());
        }
        for _ in 0..time / TICK {
            self.now += TICK;
            self.tick_sessions()?;
            self.drain(u64::MAX)?;
        }
        Ok(())
    }

    /// Once all faults have stopped, waits for the sessions between all replicas, and for the end
    /// of those with processes that are gone.
    pub(crate) fn restore_sessions(&mut self) -> Check {
        for n in 0..self.hosts.len() {
            for other in (0..self.hosts.len()).filter(|&other| other != n) {
                self.announce(n, other, true)?;
            }
        }
        self.drain(u64::MAX)?;
        let mut ticks = 0;
        while !self.all_in_session() {
            ensure(
                ticks < MOST_TICKS,
                "sessions come up once all faults have stopped",
                || format!("not after {ticks} ticks"),
            )?;
            ticks += 1;
            self.pass_time(TICK)?;
        }
        Ok(())
    }

    /// Whether every replica has sessions with all others, and with nobody else.
    fn all_in_session(&self) -> bool {
        let mut addresses: Vec<Address> = self.hosts.iter().map(|host| host.address).collect();
        addresses.sort_unstable();
        self.hosts.iter().all(|host| {
            let others = addresses.iter().filter(|other| **other != host.address);
            host.sessions
                .as_ref()
                .is_some_and(|sessions| sessions.up().eq(others.copied()))
        })
    }
}
