//! Engines inside one process, for tests: a [`ChannelNetwork`] that its engines join, with faults
//! from a seed.
//!
//! Every message's fate is drawn from the seed in the order in which messages are sent. With one
//! thread a test is the same in every run; with several the order of the sends, and so the fates,
//! are the scheduler's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use serde::Deserialize;

use crate::inbox::Inbox;
use crate::tally::Tally;
use crate::{Counters, Engine, MessageId, OpenError, PeerId, Received, SendError, hex};

/// How an in-process network treats messages, each toward each receiver. All zero unless said
/// otherwise: nothing happens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Chance that a message is lost, 0 to 1. Default 0.
    pub loss: f64,
    /// Chance that a message arrives twice, 0 to 1. Default 0.
    pub duplication: f64,
    /// Chance that a message is held back and arrives after 1 to 8 later ones to the same receiver,
    /// 0 to 1. Default 0.
    pub reorder: f64,
    /// Chance that a sender is told [`SendError::Full`], 0 to 1. Default 0.
    pub refusal: f64,
}

impl Faults {
    fn check(&self) -> Result<(), OpenError> {
        let chances = [
            ("loss", self.loss),
            ("duplication", self.duplication),
            ("reorder", self.reorder),
            ("refusal", self.refusal),
        ];
        for (name, chance) in chances {
            if !(0.0..=1.0).contains(&chance) {
                return Err(OpenError::Option {
                    option: name,
                    value: chance.to_string(),
                    next: "a chance is from 0 to 1".to_owned(),
                });
            }
        }
        Ok(())
    }
}

/// Options of a [`ChannelNetwork`].
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChannelOptions {
    /// Messages that wait for each engine's `receive`; those beyond are dropped. Default 1024.
    pub incoming_messages: usize,
    /// What every fate is drawn from. Default 0.
    pub seed: u64,
    /// The faults at the beginning. Default none.
    pub faults: Faults,
}

impl Default for ChannelOptions {
    fn default() -> Self {
        Self {
            incoming_messages: 1024,
            seed: 0,
            faults: Faults::default(),
        }
    }
}

/// What an in-process network did to messages, each counted once for each receiver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultCounts {
    /// Lost by chance.
    pub lost: u64,
    /// Lost because the path was cut.
    pub cut: u64,
    /// Delivered twice.
    pub duplicated: u64,
    /// Held back behind later ones.
    pub reordered: u64,
}

/// An in-process network of one keyspace. Clones are the same network.
#[derive(Clone)]
pub struct ChannelNetwork(Arc<Mutex<Network>>);

struct Network {
    incoming: usize,
    faults: Faults,
    counts: FaultCounts,
    rng: Xoshiro256PlusPlus,
    members: BTreeMap<PeerId, Member>,
    /// Messages from the first to the second are lost.
    cut: BTreeSet<(PeerId, PeerId)>,
}

struct Member {
    inbox: Arc<Inbox>,
    held: Vec<Held>,
}

struct Held {
    from: PeerId,
    bytes: Vec<u8>,
    /// Arrives after so many more messages.
    behind: u64,
}

/// One replica's place in a [`ChannelNetwork`].
pub struct ChannelEngine {
    me: PeerId,
    network: ChannelNetwork,
    inbox: Arc<Inbox>,
    tally: Arc<Tally>,
}

impl ChannelNetwork {
    /// A network without members.
    ///
    /// # Errors
    ///
    /// [`OpenError::Option`] for a chance that is none, or an incoming queue without room.
    pub fn new(options: &ChannelOptions) -> Result<Self, OpenError> {
        options.faults.check()?;
        if options.incoming_messages == 0 {
            return Err(OpenError::Option {
                option: "incoming_messages",
                value: "0".to_owned(),
                next: "nothing could be received, use 1 or more".to_owned(),
            });
        }
        Ok(Self(Arc::new(Mutex::new(Network {
            incoming: options.incoming_messages,
            faults: options.faults,
            counts: FaultCounts::default(),
            rng: Xoshiro256PlusPlus::seed_from_u64(options.seed),
            members: BTreeMap::new(),
            cut: BTreeSet::new(),
        }))))
    }

    fn lock(&self) -> MutexGuard<'_, Network> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a replica. All others that it is not cut from see it come up, and it sees them.
    ///
    /// # Errors
    ///
    /// [`OpenError::Option`] if a replica of this id is there already.
    pub fn join(&self, me: PeerId) -> Result<ChannelEngine, OpenError> {
        let mut network = self.lock();
        if network.members.contains_key(&me) {
            return Err(OpenError::Option {
                option: "peer",
                value: hex(&me),
                next: "a replica of this id is in the network, close it or use another id"
                    .to_owned(),
            });
        }
        let tally = Arc::new(Tally::default());
        let inbox = Arc::new(Inbox::new(me, network.incoming, Arc::clone(&tally)));
        network.members.insert(
            me,
            Member {
                inbox: Arc::clone(&inbox),
                held: Vec::new(),
            },
        );
        network.announce(me);
        Ok(ChannelEngine {
            me,
            network: self.clone(),
            inbox,
            tally,
        })
    }

    /// Changes the faults from now on. What was held back and is not any more by `reorder: 0`
    /// arrives now.
    ///
    /// # Errors
    ///
    /// [`OpenError::Option`] for a chance that is none.
    pub fn set_faults(&self, faults: Faults) -> Result<(), OpenError> {
        faults.check()?;
        let mut network = self.lock();
        network.faults = faults;
        if faults.reorder == 0.0 {
            network.release();
        }
        Ok(())
    }

    /// What the faults did so far.
    #[must_use]
    pub fn faults(&self) -> FaultCounts {
        self.lock().counts
    }

    /// Splits the network: members of different groups lose each other and see each other go down.
    /// Members that no group names keep all their paths.
    pub fn partition(&self, groups: &[&[PeerId]]) {
        let mut network = self.lock();
        for (i, group) in groups.iter().enumerate() {
            for (j, other) in groups.iter().enumerate() {
                if i == j {
                    continue;
                }
                for (&a, &b) in group.iter().flat_map(|a| other.iter().map(move |b| (a, b))) {
                    network.cut.insert((a, b));
                    network.set_peer(a, b, false);
                }
            }
        }
    }

    /// Loses all messages from one member to another, in silence: nobody sees anybody go down.
    pub fn cut(&self, from: PeerId, to: PeerId) {
        self.lock().cut.insert((from, to));
    }

    /// Joins all paths again; members that had lost each other see each other come up.
    pub fn heal(&self) {
        let mut network = self.lock();
        network.cut.clear();
        let members: Vec<PeerId> = network.members.keys().copied().collect();
        members
            .into_iter()
            .for_each(|member| network.announce(member));
    }
}

impl Network {
    /// Lets a member and all those that have a path from or to it see each other up.
    fn announce(&self, me: PeerId) {
        for &other in self.members.keys().filter(|&&other| other != me) {
            for (a, b) in [(me, other), (other, me)] {
                if !self.cut.contains(&(b, a)) {
                    self.set_peer(a, b, true);
                }
            }
        }
    }

    /// Lets `at` see `peer` up or down.
    fn set_peer(&self, at: PeerId, peer: PeerId, up: bool) {
        if let Some(member) = self.members.get(&at)
            && (!up || self.members.contains_key(&peer))
        {
            member.inbox.set_peer(peer, up);
        }
    }

    fn happens(&mut self, chance: f64) -> bool {
        // 53 random bits fill the mantissa; drawn even for chance 0, so that changing one fault
        // leaves the others' fates.
        ((self.rng.next_u64() >> 11) as f64) < chance * (1_u64 << 53) as f64
    }

    fn carry(&mut self, from: PeerId, to: PeerId, bytes: &[u8]) {
        let [lost, twice, late] = [
            self.faults.loss,
            self.faults.duplication,
            self.faults.reorder,
        ]
        .map(|c| self.happens(c));
        let behind = self.rng.next_u64() % 8;
        if self.cut.contains(&(from, to)) {
            self.counts.cut += 1;
            return;
        }
        let Some(member) = self.members.get_mut(&to) else {
            return;
        };
        if lost {
            self.counts.lost += 1;
            return;
        }
        if late {
            self.counts.reordered += 1;
            member.held.push(Held {
                from,
                bytes: bytes.to_vec(),
                behind,
            });
        } else {
            member.inbox.put(from, bytes.to_vec());
        }
        if twice {
            self.counts.duplicated += 1;
            member.inbox.put(from, bytes.to_vec());
        }
        if !late {
            member.held.retain_mut(|held| {
                if held.behind == 0 {
                    member.inbox.put(held.from, std::mem::take(&mut held.bytes));
                    return false;
                }
                held.behind -= 1;
                true
            });
        }
    }

    fn release(&mut self) {
        for member in self.members.values_mut() {
            for held in member.held.drain(..) {
                member.inbox.put(held.from, held.bytes);
            }
        }
    }
}

impl ChannelEngine {
    fn offer(&self, to: Option<PeerId>, bytes: &[u8]) -> Result<(), SendError> {
        self.tally.check_length(bytes)?;
        let mut network = self.network.lock();
        let refusal = network.faults.refusal;
        if network.happens(refusal) {
            return Err(self.tally.refused(SendError::Full));
        }
        self.tally.sent(bytes.len());
        let receivers: Vec<PeerId> = match to {
            Some(to) => vec![to],
            None => network
                .members
                .keys()
                .copied()
                .filter(|&peer| peer != self.me)
                .collect(),
        };
        receivers
            .into_iter()
            .for_each(|to| network.carry(self.me, to, bytes));
        Ok(())
    }
}

impl Engine for ChannelEngine {
    fn broadcast(&self, bytes: Vec<u8>, _durable: Option<MessageId>) -> Result<(), SendError> {
        self.offer(None, &bytes)
    }

    fn send(&self, to: PeerId, bytes: Vec<u8>) -> Result<(), SendError> {
        self.offer(Some(to), &bytes)
    }

    async fn receive(&mut self) -> Option<Received> {
        self.inbox.next().await
    }

    fn counters(&self) -> Counters {
        self.tally.read()
    }

    async fn close(self) -> Counters {
        self.tally.read()
    }
}

impl Drop for ChannelEngine {
    fn drop(&mut self) {
        self.inbox.close();
        let mut network = self.network.lock();
        network.members.remove(&self.me);
        network
            .members
            .values()
            .for_each(|member| member.inbox.set_peer(self.me, false));
    }
}
