//! Engines inside one process, for tests: they join a [`ChannelNetwork`] that injects seeded
//! faults.
//!
//! The fate of every message is drawn from the seed, in the order in which messages are sent. With
//! one thread, every run of a test is the same; with several, the scheduler decides the order of
//! the sends and with it the fates.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use serde::Deserialize;

use crate::counters::{Counters, Tally};
use crate::engine::Engine;
use crate::inbox::Inbox;
use crate::keyspace::Keyspace;
use crate::message::{Received, SendError};
use crate::open_error::OpenError;
use crate::peer::{PeerId, hex};

/// The faults that an in-process network injects, drawn once per message and receiver. The default
/// is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Probability that a message is lost, 0 to 1. Default 0.
    pub loss: f64,
    /// Probability that a message arrives twice, 0 to 1. Default 0.
    pub duplication: f64,
    /// Probability that a message arrives after 1 to 8 later ones to the same receiver, 0 to 1.
    /// Default 0.
    pub reorder: f64,
    /// Probability that a send is refused with [`SendError::Full`], 0 to 1. Default 0.
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
                return Err(OpenError::option(
                    name,
                    chance,
                    "use a probability from 0 to 1",
                ));
            }
        }
        Ok(())
    }
}

/// Options of a [`ChannelNetwork`].
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChannelOptions {
    /// Capacity of each engine's incoming queue, in messages; more are dropped. Default 1024.
    pub incoming_messages: usize,
    /// The seed of all fates. Default 0.
    pub seed: u64,
    /// The initial faults. Default none.
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

/// The faults that an in-process network has injected, counted once per message and receiver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultCounts {
    /// Lost at random.
    pub lost: u64,
    /// Lost because the path was cut.
    pub cut: u64,
    /// Delivered twice.
    pub duplicated: u64,
    /// Delivered after later ones.
    pub reordered: u64,
}

/// A message on an in-process network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Its sender, or whoever it says that this is.
    pub from: PeerId,
    /// Its recipient.
    pub to: PeerId,
    /// The message.
    pub bytes: Vec<u8>,
}

/// An in-process network of one keyspace. Clones share the network.
#[derive(Clone)]
pub struct ChannelNetwork(Arc<Mutex<Network>>);

struct Network {
    incoming: usize,
    faults: Faults,
    counts: FaultCounts,
    rng: Xoshiro256PlusPlus,
    members: BTreeMap<PeerId, Member>,
    /// Pairs of sender and receiver whose messages are lost.
    cut: BTreeSet<(PeerId, PeerId)>,
    recorded: Option<Vec<Recorded>>,
}

/// What has one id: a replica, and its copies.
#[derive(Default)]
struct Member {
    inboxes: Vec<Arc<Inbox>>,
    held: Vec<Held>,
}

impl Member {
    fn put(&self, from: PeerId, bytes: &[u8]) {
        let inboxes = self.inboxes.iter();
        inboxes.for_each(|inbox| inbox.put(from, bytes.to_vec()));
    }

    fn set_peer(&self, peer: PeerId, is_up: bool) {
        let inboxes = self.inboxes.iter();
        inboxes.for_each(|inbox| inbox.set_peer(peer, is_up));
    }
}

struct Held {
    from: PeerId,
    bytes: Vec<u8>,
    /// Number of messages that still overtake this one.
    behind: u64,
}

/// One replica's engine in a [`ChannelNetwork`].
pub struct ChannelEngine {
    me: PeerId,
    network: ChannelNetwork,
    inbox: Arc<Inbox>,
    tally: Arc<Tally>,
}

impl ChannelNetwork {
    /// Creates a network without members.
    ///
    /// # Errors
    ///
    /// [`OpenError::Option`] for a probability outside 0 to 1 or an incoming queue of size 0.
    pub fn new(options: &ChannelOptions) -> Result<Self, OpenError> {
        options.faults.check()?;
        if options.incoming_messages == 0 {
            let next = "nothing could be received, use 1 or more";
            return Err(OpenError::option("incoming_messages", 0, next));
        }
        Ok(Self(Arc::new(Mutex::new(Network {
            incoming: options.incoming_messages,
            faults: options.faults,
            counts: FaultCounts::default(),
            rng: Xoshiro256PlusPlus::seed_from_u64(options.seed),
            members: BTreeMap::new(),
            cut: BTreeSet::new(),
            recorded: None,
        }))))
    }

    fn lock(&self) -> MutexGuard<'_, Network> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a replica. It and all members that it is not cut off from see each other come up.
    ///
    /// # Errors
    ///
    /// [`OpenError::Option`] if the network already has a replica with this id.
    pub fn join(&self, me: PeerId) -> Result<ChannelEngine, OpenError> {
        if self.lock().members.contains_key(&me) {
            let next = "the network has a replica with this id, close it or use another id";
            return Err(OpenError::option("peer", hex(&me), next));
        }
        Ok(self.join_again(me))
    }

    /// As [`ChannelNetwork::join`], but the network may have a replica with this id: a copy of it.
    /// Each message to the id reaches both, as on the other engines.
    #[must_use]
    pub fn join_again(&self, me: PeerId) -> ChannelEngine {
        let mut network = self.lock();
        let tally = Arc::new(Tally::default());
        let inbox = Arc::new(Inbox::new(me, network.incoming, Arc::clone(&tally)));
        let member = network.members.entry(me).or_default();
        member.inboxes.push(Arc::clone(&inbox));
        network.announce(me);
        ChannelEngine {
            me,
            network: self.clone(),
            inbox,
            tally,
        }
    }

    /// Replaces the faults. With `reorder: 0`, messages that were held back arrive now.
    ///
    /// # Errors
    ///
    /// [`OpenError::Option`] for a probability outside 0 to 1.
    pub fn set_faults(&self, faults: Faults) -> Result<(), OpenError> {
        faults.check()?;
        let mut network = self.lock();
        network.faults = faults;
        if faults.reorder == 0.0 {
            network.release();
        }
        Ok(())
    }

    /// The faults injected so far.
    #[must_use]
    pub fn faults(&self) -> FaultCounts {
        self.lock().counts
    }

    /// Partitions the network: members of different groups see each other go down and lose each
    /// other's messages. Members in no group keep all their links.
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

    /// Silently loses all messages from one member to another: neither sees the other go down.
    pub fn cut(&self, from: PeerId, to: PeerId) {
        self.lock().cut.insert((from, to));
    }

    /// Records all messages that are sent from now on, also those that are lost.
    pub fn record(&self) {
        self.lock().recorded = Some(Vec::new());
    }

    /// The messages recorded since the last call.
    #[must_use]
    pub fn recorded(&self) -> Vec<Recorded> {
        let mut network = self.lock();
        network
            .recorded
            .as_mut()
            .map_or_else(Vec::new, std::mem::take)
    }

    /// Delivers a message as an attacker would who has taken over the network: without faults, and
    /// from whomever it names.
    pub fn inject(&self, message: Recorded) {
        if let Some(member) = self.lock().members.get(&message.to) {
            member.put(message.from, &message.bytes);
        }
    }

    /// Reports a peer up or down to a member, as such an attacker would.
    pub fn announce(&self, to: PeerId, peer: PeerId, is_up: bool) {
        if let Some(member) = self.lock().members.get(&to) {
            member.set_peer(peer, is_up);
        }
    }

    /// Reports replicas of another keyspace to all members, as an engine does that carries several.
    pub fn announce_keyspace(&self, keyspace: &Keyspace) {
        let network = self.lock();
        let members = network.members.values();
        let inboxes = members.flat_map(|member| &member.inboxes);
        inboxes.for_each(|inbox| inbox.saw(keyspace.as_str()));
    }

    /// Heals all partitions and cuts; separated members see each other come up again.
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
    /// Reports a member up to all that it can send to, and those up that can send to it.
    fn announce(&self, me: PeerId) {
        for &other in self.members.keys().filter(|&&other| other != me) {
            for (a, b) in [(me, other), (other, me)] {
                if !self.cut.contains(&(b, a)) {
                    self.set_peer(a, b, true);
                }
            }
        }
    }

    /// Reports `peer` up or down at `at`.
    fn set_peer(&self, at: PeerId, peer: PeerId, up: bool) {
        if let Some(member) = self.members.get(&at)
            && (!up || self.members.contains_key(&peer))
        {
            member.set_peer(peer, up);
        }
    }

    fn happens(&mut self, chance: f64) -> bool {
        // 53 random bits fill the mantissa. Drawn even for probability 0, so that changing one
        // fault keeps the fates that the others draw.
        ((self.rng.next_u64() >> 11) as f64) < chance * (1_u64 << 53) as f64
    }

    fn carry(&mut self, from: PeerId, to: PeerId, bytes: &[u8]) {
        if let Some(recorded) = &mut self.recorded {
            let bytes = bytes.to_vec();
            recorded.push(Recorded { from, to, bytes });
        }
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
            member.put(from, bytes);
        }
        if twice {
            self.counts.duplicated += 1;
            member.put(from, bytes);
        }
        if !late {
            let due = member.held.extract_if(.., |held| {
                let is_due = held.behind == 0;
                held.behind = held.behind.saturating_sub(1);
                is_due
            });
            let due: Vec<Held> = due.collect();
            due.iter()
                .for_each(|held| member.put(held.from, &held.bytes));
        }
    }

    fn release(&mut self) {
        for member in self.members.values_mut() {
            for held in std::mem::take(&mut member.held) {
                member.put(held.from, &held.bytes);
            }
        }
    }
}

impl Engine for ChannelEngine {
    fn send(&self, to: PeerId, bytes: Vec<u8>) -> Result<(), SendError> {
        self.tally.check_length(&bytes)?;
        let mut network = self.network.lock();
        let refusal = network.faults.refusal;
        if network.happens(refusal) {
            return Err(self.tally.refused(SendError::Full));
        }
        self.tally.sent(bytes.len());
        network.carry(self.me, to, &bytes);
        Ok(())
    }

    async fn receive(&mut self) -> Option<Received> {
        self.inbox.next().await
    }

    fn counters(&self) -> Counters {
        self.tally.read()
    }

    fn other_keyspaces(&self) -> Vec<Keyspace> {
        self.inbox.others()
    }

    async fn close(self) -> Counters {
        self.tally.read()
    }
}

impl Drop for ChannelEngine {
    fn drop(&mut self) {
        self.inbox.close();
        let mut network = self.network.lock();
        if let Some(member) = network.members.get_mut(&self.me) {
            let is_other = |inbox: &Arc<Inbox>| !Arc::ptr_eq(inbox, &self.inbox);
            member.inboxes.retain(is_other);
            if !member.inboxes.is_empty() {
                return;
            }
        }
        network.members.remove(&self.me);
        let others = network.members.values();
        others.for_each(|member| member.set_peer(self.me, false));
    }
}
