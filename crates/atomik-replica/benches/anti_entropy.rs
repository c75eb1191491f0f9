//! What it costs to make two replicas agree again, in bytes and in time, against two published
//! ways: rateless IBLTs (crate `riblt`) and range-based set reconciliation (crate `negentropy`);
//! and what an entry takes on the wire and in memory.
//!
//! The rivals only find the differing ids; what they would need to ask for the entries and to send
//! them is added in the same measure as for ours: 8 bytes an id that is asked for, and the entries
//! as ours sends them.
//!
//! `ANTI_ENTROPY_KEYS` sets the number of keys (1,000,000).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::alloc::System;
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use atomik_replica::{Config, Effect, Event, LocalOp, Replica, Trust};
use comfy_table::Table;
use ed25519_dalek::SigningKey;
use negentropy::{Id, Negentropy, NegentropyStorageVector};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

fn open(n: u8) -> Replica {
    let key = |n: u8| SigningKey::from_bytes(&[n + 1; 32]);
    let allowed = [0, 1].map(|n| key(n).verifying_key().to_bytes()).to_vec();
    let trust = Trust::Signed {
        key: Box::new(key(n)),
        allowed,
    };
    Replica::open(Config::new("bench", 1, [7; 32], trust, [n; 16]), []).unwrap()
}

/// Publishes what is dirty; returns the messages.
fn flush(replica: &mut Replica) -> Vec<Vec<u8>> {
    let mut effects = Vec::new();
    replica.step(Event::Flush, &mut effects).unwrap();
    let Some(ticket) = effects.iter().find_map(|effect| match effect {
        Effect::Persist { ticket, .. } => Some(*ticket),
        _ => None,
    }) else {
        return Vec::new();
    };
    replica
        .step(Event::Persisted(ticket), &mut effects)
        .unwrap();
    effects
        .into_iter()
        .filter_map(|effect| match effect {
            Effect::Broadcast { bytes, .. } => Some(bytes),
            _ => None,
        })
        .collect()
}

fn accum(replica: &mut Replica, key: u64, delta: u64) {
    replica
        .step(
            Event::Op(&LocalOp::accum(&key.to_le_bytes(), delta.into())),
            &mut Vec::new(),
        )
        .unwrap();
}

/// Runs messages between two replicas until none is left; returns bytes, messages, and the time
/// spent in both.
fn exchange(a: &mut Replica, b: &mut Replica) -> (usize, usize, Duration) {
    let (mut bytes, mut messages, mut spent) = (0, 0, Duration::ZERO);
    let mut effects = Vec::new();
    let start = Instant::now();
    a.step(Event::Tick, &mut effects).unwrap();
    spent += start.elapsed();
    let mut wire: std::collections::VecDeque<(bool, Vec<u8>)> = std::collections::VecDeque::new();
    let mut from_a = true;
    loop {
        for effect in effects.drain(..) {
            if let Effect::Send { bytes, .. } = effect {
                wire.push_back((from_a, bytes));
            }
        }
        let Some((sent_by_a, message)) = wire.pop_front() else {
            break;
        };
        bytes += message.len();
        messages += 1;
        from_a = !sent_by_a;
        let receiver = if sent_by_a { &mut *b } else { &mut *a };
        let start = Instant::now();
        receiver
            .step(
                Event::Message {
                    from: [u8::from(!sent_by_a); 16],
                    bytes: &message,
                },
                &mut effects,
            )
            .unwrap();
        spent += start.elapsed();
    }
    (bytes, messages, spent)
}

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Bytes that are allocated.
fn allocated() -> f64 {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated as f64 - stats.bytes_deallocated as f64
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Symbol(u64);

impl riblt::Symbol for Symbol {
    const BYTE_ARRAY_LENGTH: usize = 8;

    fn encode_to_bytes(&self) -> Vec<u8> {
        self.0.to_le_bytes().to_vec()
    }

    fn decode_from_bytes(bytes: &Vec<u8>) -> Self {
        Self(u64::from_le_bytes(bytes[..8].try_into().unwrap()))
    }

    fn hash_(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.0.hash(&mut hasher);
        hasher.finish()
    }
}

/// Bytes of coded symbols until all of `differ` ids are found, and the time of both sides: 8 bytes
/// of ids, 4 of check as ours, and the count as a varint of 3 bytes for the first symbols and fewer
/// later, taken as 2.
fn rateless(ours: &[u64], theirs: &[u64], differ: usize) -> (usize, Duration) {
    let start = Instant::now();
    let set = |ids: &[u64]| {
        riblt::RatelessIBLT::new(ids.iter().map(|&id| Symbol(id)).collect::<Vec<_>>())
    };
    let (mut ours, mut theirs) = (set(ours), set(theirs));
    let mut count = differ + differ / 3 + 8;
    loop {
        ours.extend_coded_symbols(count - 1);
        theirs.extend_coded_symbols(count - 1);
        let mut remote = riblt::UnmanagedRatelessIBLT::new();
        for index in 0..count {
            remote.add_coded_symbol(&theirs.get_coded_symbol(index));
        }
        // It takes off what our side has more symbols of, so both get the same number.
        ours.coded_symbols.truncate(count);
        let mut rest = ours.collapse(&remote);
        rest.coded_symbols.truncate(count);
        // The type of what it finds is not exported, so differing symbols are told apart by what
        // they print.
        let found: HashSet<String> = rest
            .peel_all_symbols()
            .iter()
            .map(|found| format!("{found:?}"))
            .collect();
        assert!(
            count < 20 * differ + 1000,
            "{} of {differ} found in {count} symbols",
            found.len()
        );
        if found.len() == differ {
            return (count * (8 + 4 + 2), start.elapsed());
        }
        count += count / 8 + 1;
    }
}

/// Bytes in both directions until no more is to be asked, and the time of both sides.
fn ranges(ours: &[u64], theirs: &[u64]) -> (usize, Duration) {
    let start = Instant::now();
    let storage = |ids: &[u64]| {
        let mut storage = NegentropyStorageVector::with_capacity(ids.len());
        for id in ids {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&id.to_le_bytes());
            bytes[8..16].copy_from_slice(&id.to_be_bytes());
            storage.insert(0, Id::from_byte_array(bytes)).unwrap();
        }
        storage.seal().unwrap();
        storage
    };
    let mut client = Negentropy::owned(storage(ours), 0).unwrap();
    let mut server = Negentropy::owned(storage(theirs), 0).unwrap();
    let (mut have, mut need) = (Vec::new(), Vec::new());
    let mut query = client.initiate().unwrap();
    let mut bytes = 0;
    loop {
        let answer = server.reconcile(&query).unwrap();
        bytes += query.len() + answer.len();
        match client
            .reconcile_with_ids(&answer, &mut have, &mut need)
            .unwrap()
        {
            Some(next) => query = next,
            None => return (bytes, start.elapsed()),
        }
    }
}

fn main() {
    let keys: u64 = std::env::var("ANTI_ENTROPY_KEYS")
        .ok()
        .and_then(|keys| keys.parse().ok())
        .unwrap_or(1_000_000);
    let (mut a, mut b) = (open(0), open(1));
    a.step(
        Event::PeerUp {
            peer: [1; 16],
            key: None,
        },
        &mut Vec::new(),
    )
    .unwrap();
    let before = allocated();
    (0..keys / 2).for_each(|key| accum(&mut a, 2 * key, key + 1));
    let frames = flush(&mut a);
    let held: usize = frames.iter().map(Vec::capacity).sum();
    let (mut wire, own) = (0, allocated() - before - held as f64);
    let before = allocated();
    for frame in &frames {
        wire += frame.len();
        b.step(
            Event::Message {
                from: [0; 16],
                bytes: frame,
            },
            &mut Vec::new(),
        )
        .unwrap();
    }
    let foreign = allocated() - before;
    drop(frames);
    flush(&mut b);
    (0..keys / 2).for_each(|key| accum(&mut b, 2 * key + 1, key + 1));
    for frame in flush(&mut b) {
        a.step(
            Event::Message {
                from: [1; 16],
                bytes: &frame,
            },
            &mut Vec::new(),
        )
        .unwrap();
    }
    flush(&mut a);
    assert_eq!(a.digest(), b.digest());
    let each = |bytes: f64| bytes / (keys / 2) as f64;
    println!(
        "{keys} keys of 8 bytes, values of 8 bytes, two replicas that write half of them each"
    );
    println!(
        "wire, frames of 1000, one origin: {:.2} bytes an entry",
        each(wire as f64)
    );
    println!(
        "allocated memory: {:.0} bytes a key with its own entry (digest and undo included),",
        each(own)
    );
    println!(
        "                  {:.0} bytes a key with another origin's entry and its evidence\n",
        each(foreign)
    );

    let mut table = Table::new();
    table.set_header([
        "differences",
        "entry bytes",
        "ours",
        "bytes/d/entry",
        "messages in exchanges",
        "ms",
        "IBLT, whole",
        "ms",
        "ranges, whole",
        "ms",
    ]);
    let mut agree = exchange(&mut a, &mut b);
    println!(
        "replicas that agree: {} bytes in {} message",
        agree.0, agree.1
    );
    for differences in [1_u64, 10, 100, 1000, 10_000] {
        // Half on either side, none of it heard by the other.
        let step = (keys / differences).max(1);
        let mut entries = 0;
        for i in 0..differences {
            let key = i * step / 2 * 2;
            if i % 2 == 0 {
                accum(&mut a, key, 1 << 40 | i);
            } else {
                accum(&mut b, key + 1, 1 << 40 | i);
            }
        }
        for replica in [&mut a, &mut b] {
            entries += flush(replica).iter().map(Vec::len).sum::<usize>();
        }
        let ids = |replica: &Replica, changed: u64| -> Vec<u64> {
            // Random ids as ours are: equal for what both have, different for what differs.
            let mut ids: Vec<u64> = (0..replica.digest().0).map(|i| hash(i, 0)).collect();
            for i in 0..differences {
                if i % 2 == changed {
                    ids[i as usize] = hash(i, differences);
                }
            }
            ids
        };
        let (ours, theirs) = (ids(&a, 0), ids(&b, 1));
        // A changed entry differs twice: the old version is missing there, the new one here.
        let (coded, coded_time) = rateless(&ours, &theirs, 2 * differences as usize);
        let (ranged, ranged_time) = ranges(&ours, &theirs);
        let rest = entries + differences as usize / 2 * 8;
        let mut ours = exchange(&mut a, &mut b);
        let mut exchanges = 1;
        // Elements that share all their cells wait for the next comparison.
        while a.digest() != b.digest() {
            let more = exchange(&mut a, &mut b);
            ours = (ours.0 + more.0, ours.1 + more.1, ours.2 + more.2);
            exchanges += 1;
            assert!(exchanges < 10, "no end");
        }
        let milliseconds = |time: Duration| format!("{:.1}", time.as_secs_f64() * 1e3);
        table.add_row([
            differences.to_string(),
            entries.to_string(),
            ours.0.to_string(),
            format!("{:.2}", ours.0 as f64 / entries as f64),
            format!("{} in {exchanges}", ours.1),
            milliseconds(ours.2),
            (coded + rest).to_string(),
            milliseconds(coded_time),
            (ranged + rest).to_string(),
            milliseconds(ranged_time),
        ]);
        flush(&mut a);
        flush(&mut b);
        agree = exchange(&mut a, &mut b);
        assert_eq!(agree.1, 1);
    }
    println!("{table}");
}

fn hash(i: u64, salt: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    (i, salt).hash(&mut hasher);
    hasher.finish()
}
