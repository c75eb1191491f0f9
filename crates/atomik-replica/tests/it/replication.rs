//! Replicas that exchange messages: they converge, whatever the network does.

use std::collections::BTreeMap;

use atomik_algebra::DynRegisterFile;
use atomik_replica::{
    Action, Config, Effect, Event, LocalOp, Notice, Op, OpError, OpenError, Outcome, PeerId, Proof,
    Refusal, Replica, Trust, Value, View,
};
use ed25519_dalek::SigningKey;
use proptest::prelude::*;

pub(crate) fn key(n: u8) -> SigningKey {
    SigningKey::from_bytes(&[n + 1; 32])
}

pub(crate) fn config(n: u8, members: u8) -> Config {
    let allowed = (0..members)
        .map(|n| key(n).verifying_key().to_bytes())
        .collect();
    let trust = Trust::Signed {
        key: Box::new(key(n)),
        allowed,
    };
    Config::new("test", 1, [9; 32], trust, [n; 16])
}

/// Replicas with a store each, and the messages under way.
pub(crate) struct Cluster {
    pub(crate) replicas: Vec<Replica>,
    pub(crate) stores: Vec<BTreeMap<Vec<u8>, Vec<u8>>>,
    pub(crate) wire: Vec<(usize, usize, Vec<u8>)>,
    pub(crate) notices: Vec<(usize, Notice)>,
    pub(crate) sent: usize,
    /// Bytes of records that went to the store of each replica.
    pub(crate) written: BTreeMap<usize, usize>,
    /// These neither send nor receive.
    pub(crate) cut: Vec<usize>,
}

pub(crate) fn peer(n: usize) -> PeerId {
    [n as u8; 16]
}

impl Cluster {
    pub(crate) fn new(members: u8) -> Self {
        Self::with((0..members).map(|n| config(n, members)).collect())
    }

    pub(crate) fn with(configs: Vec<Config>) -> Self {
        let count = configs.len();
        let replicas: Vec<_> = configs
            .into_iter()
            .map(|config| Replica::open(config, []).unwrap())
            .collect();
        let mut cluster = Self {
            replicas,
            stores: vec![BTreeMap::new(); count],
            wire: Vec::new(),
            notices: Vec::new(),
            sent: 0,
            written: BTreeMap::new(),
            cut: Vec::new(),
        };
        for n in 0..count {
            for other in (0..count).filter(|&other| other != n) {
                cluster.up(n, other);
            }
        }
        cluster
    }

    pub(crate) fn step(&mut self, n: usize, event: Event<'_>) -> Outcome {
        self.try_step(n, event).unwrap()
    }

    pub(crate) fn try_step(&mut self, n: usize, event: Event<'_>) -> Result<Outcome, OpError> {
        let mut effects = Vec::new();
        let outcome = self.replicas[n].step(event, &mut effects)?;
        for effect in effects {
            if let Some(ticket) = self.carry_out(n, effect) {
                self.step(n, Event::Persisted(ticket));
            }
        }
        Ok(outcome)
    }

    /// Does what an effect asks for; returns the ticket of what was stored, to be confirmed.
    fn carry_out(&mut self, n: usize, effect: Effect) -> Option<u64> {
        match effect {
            Effect::Send { to, bytes } => {
                self.sent += bytes.len();
                self.wire.push((n, usize::from(to[0]), bytes));
            }
            Effect::Broadcast { bytes, .. } => {
                for other in (0..self.replicas.len()).filter(|&other| other != n) {
                    self.wire.push((n, other, bytes.clone()));
                }
            }
            Effect::Persist { ticket, records } => {
                for (key, value) in records {
                    let bytes = key.len() + value.as_ref().map_or(0, Vec::len);
                    *self.written.entry(n).or_default() += bytes;
                    match value {
                        Some(value) => self.stores[n].insert(key, value),
                        None => self.stores[n].remove(&key),
                    };
                }
                return Some(ticket);
            }
            Effect::Notify(notice) => self.notices.push((n, notice)),
        }
        None
    }

    /// Replica `n` stores what has changed, but does not hear yet that it is durable. Returns the
    /// ticket to confirm that with.
    pub(crate) fn begin_to_store(&mut self, n: usize) -> u64 {
        let mut effects = Vec::new();
        self.replicas[n].step(Event::Flush, &mut effects).unwrap();
        let mut stored = None;
        for effect in effects {
            stored = stored.or(self.carry_out(n, effect));
        }
        stored.expect("something has changed")
    }

    /// Peer `other` becomes reachable for replica `n`, without a session.
    pub(crate) fn up(&mut self, n: usize, other: usize) {
        let peer = peer(other);
        self.step(n, Event::PeerUp { peer, key: None });
    }

    /// A message of one replica arrives at another.
    pub(crate) fn receive(&mut self, from: usize, to: usize, bytes: &[u8]) {
        let from = peer(from);
        self.step(to, Event::Message { from, bytes });
    }

    pub(crate) fn accum(&mut self, n: usize, key: &[u8], delta: u64) -> Outcome {
        self.step(n, Event::Op(&LocalOp::accum(key, delta.into())))
    }

    pub(crate) fn flush(&mut self) {
        (0..self.replicas.len()).for_each(|n| drop(self.step(n, Event::Flush)));
    }

    pub(crate) fn deliver(&mut self) {
        let mut budget = 100_000;
        while !self.wire.is_empty() {
            let (from, to, bytes) = self.wire.remove(0);
            if self.cut.contains(&from) || self.cut.contains(&to) {
                continue;
            }
            self.receive(from, to, &bytes);
            budget -= 1;
            assert!(budget > 0, "messages without end");
        }
    }

    pub(crate) fn settle(&mut self) {
        for _ in 0..3 * self.replicas.len() + 6 {
            self.flush();
            self.deliver();
            (0..self.replicas.len()).for_each(|n| drop(self.step(n, Event::Tick)));
            self.deliver();
        }
        self.flush();
        self.deliver();
    }

    /// Starts a replica again from its store.
    pub(crate) fn restart(&mut self, n: usize, change: impl FnOnce(&mut Config)) {
        let mut config = self.replicas[n].config().clone();
        config.incarnation[15] += 1;
        change(&mut config);
        let records: Vec<_> = self.stores[n].clone().into_iter().collect();
        self.replicas[n] = Replica::open(config, records).unwrap();
        for other in (0..self.replicas.len()).filter(|&other| other != n) {
            self.up(n, other);
        }
    }

    pub(crate) fn states(&self, n: usize) -> BTreeMap<Vec<u8>, Value> {
        self.replicas[n]
            .states()
            .filter(|(_, state)| !state.is_zero())
            .map(|(key, state)| (key.to_vec(), state.clone()))
            .collect()
    }

    pub(crate) fn assert_equal(&self) {
        for n in 1..self.replicas.len() {
            assert_eq!(self.states(0), self.states(n), "replicas 0 and {n}");
            assert_eq!(self.replicas[0].digest(), self.replicas[n].digest());
        }
    }

    pub(crate) fn said(&self, mut what: impl FnMut(&Notice) -> bool) -> usize {
        self.notices
            .iter()
            .filter(|(_, notice)| what(notice))
            .count()
    }
}

#[test]
fn what_is_lost_is_repaired_and_what_comes_twice_counts_once() {
    let mut cluster = Cluster::new(3);
    cluster.deliver();
    for round in 0..40_u64 {
        for n in 0..3 {
            cluster.accum(
                n,
                format!("key {}", round % 13).as_bytes(),
                1 << n << (round % 50),
            );
        }
        cluster.flush();
        // Every third message is lost, every fifth comes twice, and all come in the opposite order.
        let mut wire = core::mem::take(&mut cluster.wire);
        wire.retain({
            let mut n = 0;
            move |_| {
                n += 1;
                n % 3 != 0
            }
        });
        let twice: Vec<_> = wire.iter().step_by(5).cloned().collect();
        wire.extend(twice);
        wire.reverse();
        cluster.wire = wire;
        cluster.deliver();
    }
    cluster.settle();
    cluster.assert_equal();
    let mut expected = BTreeMap::new();
    for round in 0..40_u64 {
        for n in 0..3 {
            *expected
                .entry(format!("key {}", round % 13).into_bytes())
                .or_insert(0) ^= 1_u64 << n << (round % 50);
        }
    }
    expected.retain(|_, state| *state != 0);
    let got: BTreeMap<_, _> = cluster
        .states(1)
        .into_iter()
        .map(|(key, state)| (key, state.words()[0]))
        .collect();
    assert_eq!(got, expected);
    assert_eq!(
        cluster.said(|notice| matches!(notice, Notice::Refused { .. } | Notice::MemoryLost { .. })),
        0
    );
}

#[test]
fn a_comparison_repairs_thousands_of_differences_in_both_directions() {
    let mut cluster = Cluster::new(2);
    cluster.deliver();
    for i in 0..3000_u64 {
        cluster.accum(i as usize % 2, &i.to_le_bytes(), i + 1);
    }
    cluster.flush();
    cluster.wire.clear();
    cluster.sent = 0;
    cluster.step(0, Event::Tick);
    cluster.deliver();
    cluster.assert_equal();
    assert_eq!(cluster.states(0).len(), 3000);
    assert!(
        cluster.sent < 3000 * 19 * 17 / 10 + 1024,
        "{} bytes",
        cluster.sent
    );
}

/// The bytes of a comparison, in which every difference is an entry of 19 bytes that one side
/// changed, half of them on either side.
#[test]
fn a_comparison_costs_17_tenths_of_the_differing_entries_and_a_kilobyte() {
    const KEYS: u64 = 12_000;
    let mut cluster = Cluster::new(2);
    cluster.deliver();
    for i in 0..KEYS {
        cluster.accum(i as usize % 2, &i.to_le_bytes(), i + 1);
    }
    cluster.flush();
    cluster.settle();
    cluster.assert_equal();
    for round in 0..6 {
        for differences in [0, 1, 3, 10, 30, 100, 300, 1000, 3000] {
            for i in 0..differences {
                let key = i * KEYS / 3000 + round % 2 * 2 + i % 2;
                cluster.accum(key as usize % 2, &key.to_le_bytes(), 1 << 40 | i);
            }
            cluster.flush();
            let frames = cluster.wire.iter().map(|(.., bytes)| bytes.len());
            let frames: usize = frames.sum();
            cluster.wire.clear();
            cluster.sent = 0;
            cluster.step(0, Event::Tick);
            cluster.deliver();
            cluster.assert_equal();
            assert!(
                cluster.sent <= frames * 17 / 10 + 1024,
                "{} bytes for {differences} differences with {frames}",
                cluster.sent
            );
            // A tick renews what the other may draw.
            cluster.step(1, Event::Tick);
            cluster.deliver();
        }
    }
}

/// Two versions that are a multiple of 1024 apart have the same weight in the digest if five bits
/// of their tags agree. Then only the sums differ.
#[test]
fn a_difference_that_no_cell_shows_is_found_in_the_table() {
    const PULL: u8 = 5;
    let mut cluster = Cluster::new(2);
    cluster.deliver();
    let mut hidden = 0;
    for round in 0..120_u64 {
        for _ in 0..1024 {
            cluster.accum(0, b"hot", round << 32 | 1);
            cluster.flush();
        }
        cluster.wire.clear();
        cluster.step(1, Event::Tick);
        for comparisons in 0.. {
            assert!(comparisons < 4, "round {round} does not end");
            while !cluster.wire.is_empty() {
                let (from, to, bytes) = cluster.wire.remove(0);
                hidden += usize::from(bytes[1] == PULL);
                cluster.receive(from, to, &bytes);
            }
            if cluster.replicas[0].digest() == cluster.replicas[1].digest() {
                break;
            }
            (0..2).for_each(|n| drop(cluster.step(n, Event::Tick)));
        }
    }
    assert!(
        (1..20).contains(&hidden),
        "{hidden} of 120 differences hidden, with 4 expected"
    );
    cluster.assert_equal();
}

#[test]
fn a_late_joiner_gets_everything_even_from_those_who_did_not_write_it() {
    let mut cluster = Cluster::new(3);
    cluster.deliver();
    for i in 0..2000_u64 {
        cluster.accum(0, &i.to_le_bytes(), i + 1);
    }
    cluster.flush();
    // Only replica 1 hears of it; then 0 is gone for ever.
    cluster.cut = vec![2];
    cluster.deliver();
    cluster.cut = vec![0];
    assert_eq!(cluster.states(2).len(), 0);
    cluster.settle();
    assert_eq!(cluster.states(2), cluster.states(1));
    assert_eq!(cluster.states(2).len(), 2000);
}

#[test]
fn what_is_found_as_wanted_is_acknowledged_once_that_is_durable() {
    let actions = [
        Action::SetFlag(3, true),
        Action::Put(8.into()),
        Action::Op(Op::Load, 8.into()),
    ];
    for action in actions {
        let mut replica = Replica::open(config(0, 1), []).unwrap();
        let mut effects = Vec::new();
        let mut ticket = |replica: &mut Replica| {
            let op = LocalOp {
                key: b"key",
                action: action.clone(),
            };
            replica.step(Event::Op(&op), &mut effects).unwrap().ticket
        };
        let first = ticket(&mut replica);
        assert!(first > 0, "{action:?}");
        assert_eq!(ticket(&mut replica), first, "{action:?}, before the flush");
        replica.step(Event::Flush, &mut Vec::new()).unwrap();
        assert_eq!(
            ticket(&mut replica),
            first,
            "{action:?}, on its way to storage"
        );
        replica
            .step(Event::Persisted(first), &mut Vec::new())
            .unwrap();
        assert_eq!(ticket(&mut replica), 0, "{action:?}, stored");
    }
}

#[test]
fn a_flag_that_another_has_set_is_acknowledged_once_that_is_durable_here() {
    let mut cluster = Cluster::new(2);
    cluster.accum(0, b"key", 8);
    cluster.step(0, Event::Flush);
    cluster.deliver();
    let set = LocalOp {
        key: b"key",
        action: Action::SetFlag(3, true),
    };
    assert!(cluster.step(1, Event::Op(&set)).ticket > 0);
    cluster.step(1, Event::Flush);
    assert_eq!(cluster.step(1, Event::Op(&set)).ticket, 0);
}

#[test]
fn records_of_another_key_are_not_gone_on_with() {
    let mut cluster = Cluster::with(vec![config(0, 3), config(1, 3)]);
    cluster.accum(0, b"key", 1);
    cluster.settle();
    let before = cluster.replicas[0].origin();
    // The file with the key was lost, and who made a new one did not say that memory was, too.
    cluster.restart(0, |config| {
        if let Trust::Signed { key: own, .. } = &mut config.trust {
            **own = key(2);
        }
    });
    assert_ne!(cluster.replicas[0].origin(), before);
    cluster.accum(0, b"key", 2);
    cluster.settle();
    cluster.assert_equal();
    assert_eq!(cluster.replicas[1].state(b"key"), 3.into());
}

#[test]
fn records_of_another_format_are_refused_with_what_to_do() {
    let mut cluster = Cluster::with(vec![config(0, 1)]);
    cluster.accum(0, b"key", 1);
    cluster.settle();
    let mut records = cluster.stores[0].clone();
    let meta = records.get_mut(&b"m"[..]).unwrap();
    assert_eq!(meta[0], 6);
    meta[0] = 3;
    // In another format it may be anything.
    records.insert(b"c".to_vec(), Vec::new());
    let error = Replica::open(config(0, 1), records).unwrap_err();
    assert!(matches!(
        error,
        OpenError::Format {
            found: 3,
            wanted: 6
        }
    ));
    assert!(error.to_string().contains("move the store away"));
}

/// What a message is, by its second byte.
const CHANGES: u8 = 0;
const FETCH: u8 = 4;
const REPAIR: u8 = 8;

#[test]
fn a_late_joiner_takes_everything_once_from_one_peer_at_a_time() {
    // As many as the first cells tell, as more cells tell, and more than all of them do.
    for keys in [40, 300, 2000_u64] {
        let mut cluster = Cluster::new(5);
        cluster.cut = vec![4];
        for i in 0..keys {
            let writer = (i % 4) as usize;
            cluster.accum(writer, &i.to_le_bytes(), i + 1);
        }
        cluster.settle();
        cluster.cut.clear();
        for n in 0..4 {
            cluster.up(n, 4);
            cluster.up(4, n);
        }
        let (mut there, mut back) = (0, 0);
        for _ in 0..20 {
            while !cluster.wire.is_empty() {
                let (from, to, bytes) = cluster.wire.remove(0);
                if matches!(bytes[1], CHANGES | REPAIR) {
                    there += if to == 4 { bytes.len() } else { 0 };
                    back += if from == 4 { bytes.len() } else { 0 };
                }
                cluster.receive(from, to, &bytes);
            }
            for n in 0..5 {
                cluster.step(n, Event::Tick);
            }
        }
        cluster.assert_equal();
        assert_eq!(cluster.states(4).len() as u64, keys);
        // 19 bytes an entry, and the proofs of four frames.
        let once = keys as usize * 20 + 4 * 150;
        assert!(
            there <= once,
            "{keys} keys: {there} bytes, {once} are enough"
        );
        assert_eq!(back, 0, "{keys} keys");
    }
}

/// Cuts off what is on the wire, and has every two replicas meet again.
fn meet_again(cluster: &mut Cluster) {
    cluster.wire.clear();
    cluster.cut.clear();
    let count = cluster.replicas.len();
    for n in 0..count {
        for other in (0..count).filter(|&other| other != n) {
            cluster.up(n, other);
        }
    }
}

/// Delivers everything; the bytes of entries that came to each replica.
fn deliver_counting(cluster: &mut Cluster) -> Vec<usize> {
    let mut came = vec![0; cluster.replicas.len()];
    for _ in 0..10_000 {
        if cluster.wire.is_empty() {
            return came;
        }
        let (from, to, bytes) = cluster.wire.remove(0);
        if matches!(bytes[1], CHANGES | REPAIR) {
            came[to] += bytes.len();
        }
        cluster.receive(from, to, &bytes);
    }
    panic!("messages without end");
}

#[test]
fn one_that_was_away_and_all_others_agree_without_a_tick_when_it_is_back() {
    // As many as the first cells tell, as more cells tell, and more than all of them do.
    for keys in [20, 100, 1000_u64] {
        for away in 0..3 {
            let mut cluster = Cluster::new(3);
            cluster.deliver();
            cluster.cut = vec![away];
            for other in (0..3).filter(|&other| other != away) {
                cluster.step(away, Event::PeerDown(peer(other)));
                cluster.step(other, Event::PeerDown(peer(away)));
            }
            for i in 0..3 * keys {
                cluster.accum(i as usize % 3, &i.to_le_bytes(), i + 1);
            }
            cluster.flush();
            cluster.deliver();
            meet_again(&mut cluster);
            let came = deliver_counting(&mut cluster);
            cluster.assert_equal();
            assert_eq!(cluster.states(away).len() as u64, 3 * keys);
            // 20 bytes an entry, and the proofs of a few frames. The others lack half as many as
            // the one that was away; where no table tells which, they go through all.
            for (n, came) in came.into_iter().enumerate() {
                let lacked = match (n == away, keys) {
                    (true, _) => 2 * keys,
                    (false, 1000) => 3 * keys,
                    (false, _) => keys,
                };
                let once = lacked as usize * 20 + 4 * 150;
                assert!(
                    came <= once,
                    "{keys} keys each, {away} was away: {came} bytes to {n}, {once} are enough"
                );
            }
        }
    }
}

#[test]
fn what_was_fetched_from_a_peer_that_falls_silent_comes_from_another() {
    let mut cluster = Cluster::new(3);
    // Who has nothing at all does not fetch, but reads the whole table.
    for i in 100..200_u64 {
        cluster.accum(1, &i.to_le_bytes(), i + 1);
    }
    cluster.settle();
    cluster.cut = vec![0];
    for i in 0..40_u64 {
        cluster.accum(1, &i.to_le_bytes(), i + 1);
    }
    cluster.settle();
    cluster.cut.clear();
    cluster.step(0, Event::Tick);
    for _ in 0..200 {
        if cluster
            .wire
            .iter()
            .any(|(from, _, bytes)| (*from, bytes[1]) == (0, FETCH))
        {
            break;
        }
        if cluster.wire.is_empty() {
            cluster.step(0, Event::Tick);
        }
        let (from, to, bytes) = cluster.wire.remove(0);
        cluster.receive(from, to, &bytes);
    }
    let asked = cluster
        .wire
        .iter()
        .find(|(from, _, bytes)| (*from, bytes[1]) == (0, FETCH));
    let asked = asked.expect("replica 0 fetches").1;
    cluster.wire.clear();
    cluster.cut = vec![asked];
    cluster.settle();
    assert_eq!(cluster.states(0), cluster.states(3 - asked));
}

#[test]
fn a_peer_that_never_answers_does_not_keep_others_from_being_asked() {
    const PULL: u8 = 5;
    let mut cluster = Cluster::new(3);
    cluster.cut = vec![0];
    for i in 0..2000_u64 {
        cluster.accum(1, &i.to_le_bytes(), i + 1);
    }
    cluster.settle();
    cluster.cut.clear();
    // Too much differs for any table: replica 0 begins to go through everything that replica 1 has,
    // which falls silent just then.
    cluster.step(0, Event::PeerDown(peer(2)));
    for _ in 0..200 {
        if cluster
            .wire
            .iter()
            .any(|(from, to, bytes)| (*from, *to, bytes[1]) == (0, 1, PULL))
        {
            break;
        }
        if cluster.wire.is_empty() {
            cluster.step(0, Event::Tick);
        }
        let (from, to, bytes) = cluster.wire.remove(0);
        cluster.receive(from, to, &bytes);
    }
    assert!(
        cluster
            .wire
            .iter()
            .any(|(from, to, bytes)| (*from, *to, bytes[1]) == (0, 1, PULL))
    );
    cluster.cut = vec![1];
    cluster.up(0, 2);
    cluster.settle();
    cluster.settle();
    assert_eq!(cluster.states(0), cluster.states(2));
    assert_eq!(cluster.states(0).len(), 2000);
}

#[test]
fn a_restarted_replica_goes_on_where_it_was() {
    let mut cluster = Cluster::new(2);
    cluster.deliver();
    for i in 0..300_u64 {
        cluster.accum(0, &(i % 20).to_le_bytes(), i);
        cluster.accum(1, &(i % 30).to_le_bytes(), i << 20);
        if i % 7 == 0 {
            cluster.flush();
            cluster.deliver();
        }
    }
    cluster.settle();
    let before = (
        cluster.states(0),
        cluster.replicas[0].digest(),
        cluster.replicas[0].origin(),
    );
    cluster.restart(0, |_| {});
    assert_eq!(
        before,
        (
            cluster.states(0),
            cluster.replicas[0].digest(),
            cluster.replicas[0].origin()
        )
    );
    cluster.accum(0, b"after", 1);
    cluster.settle();
    cluster.assert_equal();
}

#[test]
fn what_an_entry_has_seen_is_read_as_it_was_even_if_its_origin_is_folded() {
    let mut cluster = Cluster::new(3);
    cluster.deliver();
    // In the end 1 has seen the entry of 0 that is held, 2 that one and an older one of 1.
    for (n, delta) in [(0, 1), (1, 2), (2, 4), (1, 8)] {
        cluster.accum(n, b"key", delta);
        cluster.settle();
    }
    let origins: Vec<_> = cluster.replicas.iter().map(|r| r.origin()).collect();
    let names = |cluster: &Cluster, n: usize, origin: usize| {
        let record = &cluster.stores[n][&b"kkey"[..]];
        record.windows(16).any(|id| id == origins[origin].0)
    };
    assert_eq!(
        [0, 1, 2].map(|origin| names(&cluster, 1, origin)),
        [false; 3]
    );
    let before = cluster.replicas[1].digest();
    cluster.restart(1, |_| {});
    assert_eq!(cluster.replicas[1].digest(), before);

    cluster.settle();
    cluster.step(0, Event::Retire);
    cluster.settle();
    assert_eq!(
        [0, 1, 2].map(|origin| names(&cluster, 1, origin)),
        [true, false, false]
    );
    let known = |cluster: &Cluster| {
        let origins = cluster.stores[1].iter().filter(|(name, _)| name[0] == b'o');
        let retired = key(0).verifying_key().to_bytes();
        (
            origins.clone().count(),
            origins
                .filter(|(_, origin)| origin.starts_with(&retired))
                .count(),
        )
    };
    assert_eq!(known(&cluster), (3, 1));
    cluster.cut = vec![0];
    cluster.stores[2].clear();
    cluster.restart(2, |config| config.kept_memory = false);
    cluster.accum(2, b"other", 1);
    cluster.settle();
    assert_eq!(
        known(&cluster),
        (3, 0),
        "another has the place of the retired one"
    );
    cluster.restart(1, |_| {});
    assert_eq!(cluster.replicas[1].digest(), cluster.replicas[2].digest());
    assert_eq!(cluster.replicas[1].state(b"key"), 15.into());
}

#[test]
fn a_replica_that_lost_its_memory_takes_a_new_origin_and_loses_nothing() {
    let mut cluster = Cluster::new(2);
    cluster.deliver();
    cluster.accum(0, b"x", 5);
    cluster.settle();
    let before = cluster.replicas[0].origin();
    // It comes back with an empty disk, and an incarnation that it had before: as if from a copy.
    cluster.stores[0].clear();
    let config = Config {
        incarnation: [0; 16],
        ..config(0, 2)
    };
    cluster.replicas[0] = Replica::open(config, []).unwrap();
    assert_eq!(cluster.replicas[0].origin(), before);
    cluster.restart(0, |config| config.kept_memory = false);
    assert_ne!(cluster.replicas[0].origin(), before);
    cluster.accum(0, b"x", 2);
    cluster.settle();
    cluster.assert_equal();
    assert_eq!(cluster.replicas[0].state(b"x"), 7.into());
}

#[test]
fn a_replica_put_back_to_an_older_state_notices_and_goes_on_as_another() {
    let mut cluster = Cluster::new(2);
    cluster.deliver();
    cluster.accum(0, b"x", 1);
    cluster.settle();
    let backup = cluster.stores[0].clone();
    cluster.accum(0, b"x", 2);
    cluster.settle();
    let before = cluster.replicas[0].origin();
    cluster.stores[0] = backup;
    cluster.restart(0, |_| {});
    cluster.accum(0, b"y", 4);
    cluster.settle();
    assert_eq!(
        cluster.said(|notice| matches!(notice, Notice::MemoryLost { .. })),
        1
    );
    assert_ne!(cluster.replicas[0].origin(), before);
    cluster.assert_equal();
    assert_eq!(cluster.replicas[0].state(b"x"), 3.into());
    assert_eq!(cluster.replicas[1].state(b"y"), 4.into());
}

#[test]
fn concurrent_changes_of_one_bit_are_reported_and_others_are_not() {
    let mut cluster = Cluster::new(2);
    cluster.deliver();
    cluster.accum(0, b"x", 5);
    cluster.accum(1, b"x", 3);
    cluster.accum(0, b"y", 4);
    cluster.accum(1, b"y", 3);
    cluster.settle();
    assert_eq!(cluster.replicas[0].state(b"x"), 6.into());
    let overlaps: Vec<_> = cluster
        .notices
        .iter()
        .filter_map(|(_, notice)| match notice {
            Notice::Overlap(overlap) => Some((overlap.key.to_vec(), overlap.bits.clone())),
            _ => None,
        })
        .collect();
    assert_eq!(overlaps, vec![(b"x".to_vec(), 1.into()); 2]);
    // What is done in knowledge of the other is no conflict.
    cluster.notices.clear();
    cluster.accum(1, b"x", 1);
    cluster.settle();
    cluster.accum(0, b"x", 1);
    cluster.settle();
    assert_eq!(
        cluster.said(|notice| matches!(notice, Notice::Overlap(_))),
        0
    );
}

#[test]
fn an_origin_is_folded_when_all_have_attested_and_not_before() {
    let mut cluster = Cluster::new(3);
    cluster.deliver();
    for i in 0..50_u64 {
        cluster.accum(0, &i.to_le_bytes(), i + 1);
        cluster.accum(1, &i.to_le_bytes(), (i + 1) << 32);
    }
    cluster.settle();
    let before = cluster.states(1);
    cluster.step(0, Event::Retire);
    // Replica 2 is cut off: nobody may fold.
    cluster.cut = vec![2];
    cluster.settle();
    assert_eq!(
        cluster.said(|notice| matches!(notice, Notice::Folded(_))),
        0
    );
    assert_eq!(
        cluster.replicas[1]
            .origins()
            .filter(|origin| origin.retiring)
            .count(),
        1
    );
    cluster.cut.clear();
    cluster.settle();
    assert_eq!(
        cluster.said(|notice| matches!(notice, Notice::Folded(_))),
        3,
        "the one that has left does as the others do"
    );
    assert_eq!(cluster.states(1), before);
    assert_eq!(cluster.states(2), before);
    assert_eq!(cluster.replicas[1].digest(), cluster.replicas[2].digest());
    assert_eq!(
        cluster.replicas[1].digest().0,
        50,
        "the entries of the origin are gone"
    );
    assert!(matches!(
        cluster.try_step(0, Event::Op(&LocalOp::accum(b"x", 1.into()))),
        Err(OpError::Retired)
    ));
    // The same after a restart, and for one that comes with nothing.
    cluster.restart(1, |_| {});
    assert_eq!(cluster.states(1), before);
    cluster.cut = vec![0];
    cluster.stores[2].clear();
    cluster.restart(2, |config| config.kept_memory = false);
    cluster.settle();
    assert_eq!(cluster.states(2), before);
    assert_eq!(
        cluster.said(|notice| matches!(notice, Notice::BaseAdopted { .. })),
        1
    );
}

#[test]
fn a_changed_or_foreign_message_changes_nothing() {
    let mut cluster = Cluster::new(2);
    cluster.deliver();
    cluster.accum(0, b"x", 5);
    cluster.flush();
    let (_, _, message) = cluster.wire.pop().unwrap();
    // What comes before is up to those who carry the message.
    let content = 8 * 2..8 * message.len();
    for bit in content.clone() {
        let mut changed = message.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        cluster.receive(0, 1, &changed);
        assert_eq!(cluster.states(1).len(), 0, "bit {bit}");
    }
    assert_eq!(
        cluster.said(|notice| matches!(notice, Notice::Refused { .. })),
        content.len()
    );
    // One who knows the secret but is not on the list.
    let mut stranger = config(2, 3);
    stranger.incarnation = [77; 16];
    let mut outsider = Cluster::with(vec![stranger, config(0, 3)]);
    outsider.wire.clear();
    outsider.accum(0, b"x", 1);
    outsider.flush();
    let (_, _, message) = outsider.wire.pop().unwrap();
    cluster.notices.clear();
    cluster.receive(0, 1, &message);
    assert!(
        matches!(
            cluster.notices[..],
            [(
                1,
                Notice::Refused {
                    reason: Refusal::UnknownKey { .. },
                    ..
                }
            )]
        ),
        "{:?}",
        cluster.notices
    );
    assert_eq!(cluster.states(1).len(), 0);
}

#[test]
fn an_origin_that_signs_two_contents_as_one_version_is_found_out() {
    let mut cluster = Cluster::new(2);
    let mut twin = Cluster::new(2);
    cluster.deliver();
    twin.deliver();
    cluster.accum(0, b"x", 1);
    cluster.settle();
    twin.accum(0, b"x", 2);
    twin.flush();
    let (_, _, message) = twin.wire.pop().unwrap();
    cluster.notices.clear();
    cluster.receive(0, 1, &message);
    let [
        (1, Notice::Misconduct { .. }),
        (
            1,
            Notice::Refused {
                reason:
                    Refusal::Equivocation {
                        version: 1,
                        proof: Some(proof),
                        ..
                    },
                ..
            },
        ),
    ] = &cluster.notices[..]
    else {
        panic!("{:?}", cluster.notices);
    };
    let verdict = Proof::decode(&proof.encode()).unwrap().verify().unwrap();
    assert_eq!(verdict.origin, cluster.replicas[0].origin());
    assert_eq!(cluster.replicas[1].state(b"x"), 1.into());
    // It is not heard any more, not even after a restart.
    cluster.flush();
    cluster.restart(1, |_| {});
    cluster.accum(0, b"z", 1);
    cluster.settle();
    assert_eq!(cluster.replicas[1].state(b"z"), 0.into());
}

#[test]
fn batches_are_undone_and_redone_also_after_a_restart() {
    let mut cluster = Cluster::new(2);
    cluster.deliver();
    let ops = [
        LocalOp::accum(b"x", 5.into()),
        LocalOp::accum(b"y", 6.into()),
    ];
    let first = cluster.step(0, Event::Batch(&ops)).number.unwrap();
    cluster.accum(0, b"x", 8);
    cluster.accum(1, b"x", 16);
    cluster.settle();
    cluster.restart(0, |_| {});
    let undo = cluster.step(0, Event::Undo(first)).number.unwrap();
    cluster.settle();
    assert_eq!(cluster.replicas[1].state(b"x"), 24.into());
    assert_eq!(cluster.replicas[1].state(b"y"), 0.into());
    assert_eq!(
        cluster.try_step(0, Event::Undo(first)),
        Err(OpError::Undone(first))
    );
    cluster.restart(0, |_| {});
    assert_eq!(
        cluster.try_step(0, Event::Undo(first)),
        Err(OpError::Undone(first))
    );
    cluster.step(0, Event::Undo(undo));
    assert_eq!(cluster.replicas[0].state(b"x"), 29.into());
    cluster.step(0, Event::Undo(first));
    assert_eq!(cluster.replicas[0].state(b"x"), 24.into());
    assert!(matches!(
        cluster.try_step(0, Event::Undo(99)),
        Err(OpError::NoBatch(99, _))
    ));
}

#[test]
fn a_batch_with_one_bad_operation_changes_nothing() {
    let mut cluster = Cluster::new(1);
    let long = [0; 1025];
    for bad in [
        LocalOp::accum(b"", 1.into()),
        LocalOp::accum(&long, 1.into()),
        LocalOp::accum(b"y", Value::zero(2)),
    ] {
        let ops = [LocalOp::accum(b"x", 5.into()), bad];
        assert!(cluster.try_step(0, Event::Batch(&ops)).is_err());
        assert_eq!(cluster.states(0).len(), 0);
        assert_eq!(cluster.replicas[0].counters().changes, 0);
    }
}

#[test]
fn the_delta_of_two_checkpoints_is_the_xor_of_both_states() {
    let mut cluster = Cluster::new(1);
    cluster.accum(0, b"x", 1);
    let p1 = cluster.step(0, Event::Checkpoint("one")).number.unwrap() as u32;
    cluster.accum(0, b"x", 2);
    cluster.accum(0, b"y", 7);
    let p2 = cluster.step(0, Event::Checkpoint("two")).number.unwrap() as u32;
    let p3 = cluster.step(0, Event::Checkpoint("three")).number.unwrap() as u32;
    cluster.accum(0, b"x", 4);
    cluster.flush();
    cluster.restart(0, |_| {});
    let replica = &cluster.replicas[0];
    let at = |key: &[u8], checkpoint| replica.state_at(key, checkpoint).unwrap().words()[0];
    assert_eq!(
        [
            at(b"x", p1),
            at(b"x", p2),
            at(b"x", p3),
            at(b"y", p1),
            at(b"y", p2),
            at(b"z", p1)
        ],
        [1, 3, 3, 0, 7, 0]
    );
    assert_eq!(replica.delta_between(b"x", p1, p3).unwrap(), 2.into());
    let since: Vec<_> = replica
        .delta_since(p1)
        .unwrap()
        .map(|(key, delta)| (key.to_vec(), delta.words()[0]))
        .collect();
    assert_eq!(since, [(b"x".to_vec(), 6), (b"y".to_vec(), 7)]);
    assert_eq!(replica.state_at(b"x", 9), Err(OpError::NoCheckpoint(9)));
    cluster.step(0, Event::DropCheckpoint(p2));
    let replica = &cluster.replicas[0];
    assert_eq!(replica.state_at(b"x", p3).unwrap(), 3.into());
    assert_eq!(replica.state_at(b"x", p1).unwrap(), 1.into());
    cluster.step(0, Event::DropCheckpoint(p1));
    assert_eq!(cluster.replicas[0].state_at(b"x", p3).unwrap(), 3.into());
}

#[test]
fn flags_put_on_twice_are_off_and_reported_as_such() {
    let mut cluster = Cluster::with(
        (0..2)
            .map(|n| Config {
                view: View::Flags,
                ..config(n, 2)
            })
            .collect(),
    );
    cluster.deliver();
    let set = |on| LocalOp {
        key: b"f",
        action: Action::SetFlag(3, on),
    };
    for n in 0..2 {
        let first = cluster.step(n, Event::Op(&set(true)));
        // Once it is on, putting it on changes nothing, and waits for the same batch.
        let again = cluster.step(n, Event::Op(&set(true)));
        assert_eq!((again.ticket, again.number), (first.ticket, None));
    }
    cluster.settle();
    assert!(!cluster.replicas[0].state(b"f").has(3));
    let both_on = cluster.said(|notice| {
        matches!(notice, Notice::Overlap(overlap)
            if overlap.both_on() == 8.into() && overlap.both_off().is_zero())
    });
    assert_eq!(both_on, 2);
    let put = LocalOp {
        key: b"f",
        action: Action::Put(1.into()),
    };
    assert!(matches!(
        cluster.try_step(0, Event::Op(&put)),
        Err(OpError::View { .. })
    ));
}

#[test]
fn a_second_writer_of_a_cell_is_reported_once_on_each_side() {
    let mut cluster = Cluster::with(
        (0..2)
            .map(|n| Config {
                view: View::Cell,
                ..config(n, 2)
            })
            .collect(),
    );
    cluster.deliver();
    let put = |value: u64| LocalOp {
        key: b"c",
        action: Action::Put(value.into()),
    };
    cluster.step(0, Event::Op(&put(7)));
    cluster.step(0, Event::Op(&put(9)));
    cluster.settle();
    assert_eq!(cluster.replicas[1].state(b"c"), 9.into());
    assert_eq!(
        cluster.said(|notice| matches!(notice, Notice::SecondWriter { .. })),
        0
    );
    cluster.step(1, Event::Op(&put(12)));
    cluster.step(1, Event::Op(&put(13)));
    cluster.settle();
    assert_eq!(cluster.replicas[0].state(b"c"), 13.into());
    assert_eq!(
        cluster.said(|notice| matches!(notice, Notice::SecondWriter { .. })),
        2
    );
}

#[test]
fn subscribers_hear_of_local_and_remote_changes_of_their_prefix() {
    let mut cluster = Cluster::new(2);
    cluster.deliver();
    let subscription = cluster.replicas[1].subscribe(b"a/");
    cluster.accum(0, b"a/1", 5);
    cluster.accum(0, b"b/1", 5);
    cluster.accum(1, b"a/2", 6);
    cluster.settle();
    let heard: Vec<_> = cluster
        .notices
        .iter()
        .filter_map(|(n, notice)| match notice {
            Notice::Changed {
                key,
                state,
                subscriptions,
                ..
            } => Some((*n, key.to_vec(), state.words()[0], subscriptions.to_vec())),
            _ => None,
        })
        .collect();
    assert_eq!(
        heard,
        [
            (1, b"a/2".to_vec(), 6, vec![subscription]),
            (1, b"a/1".to_vec(), 5, vec![subscription])
        ]
    );
    cluster.replicas[1].unsubscribe(subscription);
    cluster.notices.clear();
    cluster.accum(1, b"a/2", 6);
    assert!(cluster.notices.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_replica_alone_is_the_register_file(
        ops in prop::collection::vec((0..7_usize, 0..4_usize, any::<u64>()), 0..60),
    ) {
        let mut cluster = Cluster::new(1);
        let mut model = DynRegisterFile::new(64, 4).unwrap();
        for (op, addr, data) in ops {
            let op = Op::ALL[op];
            let local = LocalOp { key: &[addr as u8], action: Action::Op(op, data.into()) };
            let answer = cluster.step(0, Event::Op(&local)).responses.pop().unwrap();
            let data = if op.takes_data() { vec![data] } else { vec![] };
            let mut out = [0];
            let expected = model.apply(op, addr, &data, &mut out).unwrap();
            prop_assert_eq!(
                answer.map(|answer| (answer.data.words()[0], answer.clean)),
                expected.map(|clean| (out[0], clean))
            );
        }
    }

    #[test]
    fn merge_is_a_join(
        ops in prop::collection::vec(
            (0..3_usize, 0..6_u8, any::<u64>(), any::<bool>(), any::<bool>()),
            1..60,
        ),
        first in prop::collection::vec(any::<prop::sample::Index>(), 0..80),
        second in prop::collection::vec(any::<prop::sample::Index>(), 0..80),
    ) {
        // Frames of three writers, which hear of each other now and then, with every version in
        // between.
        let mut writers = Cluster::with((0..3).map(|n| config(n, 4)).collect());
        writers.deliver();
        let mut frames: Vec<Vec<u8>> = Vec::new();
        for (n, key, delta, flushed, heard) in ops {
            writers.accum(n, &[key], delta);
            // Frames with several keys: some of them news where others are old.
            if !flushed {
                continue;
            }
            writers.step(n, Event::Flush);
            frames.extend(writers.wire.iter().map(|(_, _, bytes)| bytes.clone()));
            if heard { writers.deliver() } else { writers.wire.clear() }
        }
        let fresh = || Replica::open(config(3, 4), []).unwrap();
        let versions = |replica: &Replica| -> BTreeMap<_, _> {
            let keys = (0..6_u8).flat_map(|key| {
                let writers = replica.writers(&[key]).into_iter();
                writers.map(move |(origin, version, _)| ((key, origin), version))
            });
            keys.collect()
        };
        let take = |replica: &mut Replica, which: &[prop::sample::Index]| {
            for index in which.iter().filter(|_| !frames.is_empty()) {
                let before = versions(replica);
                let bytes = &frames[index.index(frames.len())];
                let message = Event::Message { from: peer(0), bytes };
                replica.step(message, &mut Vec::new()).unwrap();
                let after = versions(replica);
                // Monotone: nothing that was known becomes unknown or older.
                let kept = before
                    .iter()
                    .all(|(entry, version)| after.get(entry).is_some_and(|after| after >= version));
                prop_assert!(kept);
            }
            Ok(())
        };
        // Commutative and associative: any order of any parts. Idempotent: any of them any number
        // of times.
        let (mut ab, mut ba) = (fresh(), fresh());
        take(&mut ab, &first)?;
        take(&mut ab, &second)?;
        take(&mut ba, &second)?;
        take(&mut ba, &first)?;
        take(&mut ba, &second)?;
        prop_assert_eq!(ab.digest(), ba.digest());
        let states = |replica: &Replica| -> BTreeMap<_, _> {
            replica.states().map(|(key, state)| (key.to_vec(), state.clone())).collect()
        };
        prop_assert_eq!(states(&ab), states(&ba));
        // The least upper bound: of every entry the highest version of both parts, and no other.
        let (mut a, mut b) = (fresh(), fresh());
        take(&mut a, &first)?;
        take(&mut b, &second)?;
        let mut highest = versions(&a);
        for (entry, version) in versions(&b) {
            let known = highest.entry(entry).or_insert(version);
            *known = version.max(*known);
        }
        prop_assert_eq!(versions(&ab), highest);
    }
}
