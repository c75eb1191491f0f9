//! How fast one core applies local operations, takes over the changes of others, and signs and
//! verifies them.
//!
//! Beside each stands what could not be done without: a bare hash map for local operations, the
//! same hash map filled from received entries for merging.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::HashMap;
use std::hint::black_box;

use atomik_replica::{Config, Effect, Event, LocalOp, Replica, Trust};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ed25519_dalek::SigningKey;

const KEYS: u64 = 1_000_000;

/// Replica `n` of two, with signatures.
fn open(n: u8) -> Replica {
    let key = |n: u8| SigningKey::from_bytes(&[n + 1; 32]);
    let allowed = [0, 1].map(|n| key(n).verifying_key().to_bytes()).to_vec();
    let trust = Trust::Signed {
        key: Box::new(key(n)),
        allowed,
    };
    Replica::open(Config::new("bench", 1, [7; 32], trust, [n; 16]), []).expect("a fresh replica")
}

/// Keys in an order that no cache likes: multiplication by an odd number permutes the numbers below
/// a power of two.
fn scattered(i: u64) -> u64 {
    i.wrapping_mul(0x9e37_79b9_7f4a_7c15) % KEYS
}

fn accum(replica: &mut Replica, i: u64, effects: &mut Vec<Effect>) {
    let key = scattered(i).to_le_bytes();
    black_box(
        replica
            .step(Event::Op(&LocalOp::accum(&key, (i | 1).into())), effects)
            .expect("a good operation"),
    );
}

/// Publishes what is dirty; returns the frames.
fn flush(replica: &mut Replica) -> Vec<Vec<u8>> {
    let mut effects = Vec::new();
    replica.step(Event::Flush, &mut effects).expect("flush");
    let tickets: Vec<_> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Persist { ticket, .. } => Some(*ticket),
            _ => None,
        })
        .collect();
    effects.clear();
    for ticket in tickets {
        replica
            .step(Event::Persisted(ticket), &mut effects)
            .expect("persisted");
    }
    effects
        .into_iter()
        .filter_map(|effect| match effect {
            Effect::Broadcast { bytes, .. } => Some(bytes),
            _ => None,
        })
        .collect()
}

fn filled() -> Replica {
    let mut replica = open(0);
    let mut effects = Vec::new();
    (0..2 * KEYS).for_each(|i| accum(&mut replica, i, &mut effects));
    flush(&mut replica);
    replica
}

fn local(c: &mut Criterion) {
    let mut group = c.benchmark_group("local op, 8-byte key and value, 1 M keys");
    group.sample_size(20).throughput(Throughput::Elements(KEYS));
    let mut map: HashMap<Box<[u8]>, u64, foldhash::fast::RandomState> = HashMap::default();
    map.extend((0..KEYS).map(|i| (Box::from(i.to_le_bytes()), i)));
    group.bench_function("bare hash map", |b| {
        b.iter(|| {
            for i in 0..KEYS {
                *map.get_mut(&scattered(i).to_le_bytes()[..])
                    .expect("a known key") ^= i | 1;
            }
        });
    });
    drop(map);
    let replica = filled();
    let mut effects = Vec::new();
    // A million operations between two flushes: what a storage that is slow leaves.
    group.bench_function("replica", |b| {
        b.iter_batched(
            || replica.clone(),
            |mut replica| {
                (0..KEYS).for_each(|i| accum(&mut replica, i, &mut effects));
                replica
            },
            BatchSize::PerIteration,
        );
    });
    // Operations handed over at once: the replica fetches what they need ahead of them, which the
    // bare hash map cannot.
    group.bench_function("replica, batches of 100", |b| {
        b.iter_batched(
            || replica.clone(),
            |mut replica| {
                for first in (0..KEYS).step_by(100) {
                    let keys: [_; 100] =
                        core::array::from_fn(|i| scattered(first + i as u64).to_le_bytes());
                    let ops: Vec<_> = keys
                        .iter()
                        .zip(first..)
                        .map(|(key, i)| LocalOp::accum(key, (i | 1).into()))
                        .collect();
                    black_box(replica.step(Event::Batch(&ops), &mut effects).unwrap());
                }
                replica
            },
            BatchSize::PerIteration,
        );
    });
    drop(replica);
    let mut hot = filled();
    group.bench_function("replica, flushed every 1000 operations", |b| {
        b.iter(|| {
            for i in 0..KEYS {
                accum(&mut hot, i, &mut effects);
                if i % 1000 == 999 {
                    black_box(flush(&mut hot));
                }
            }
        });
    });
    group.finish();
}

fn merge(c: &mut Criterion) {
    const ENTRIES: u64 = 100_000;
    let mut group = c.benchmark_group("merge of received entries, frames of 1000, 1 M keys");
    group
        .sample_size(20)
        .throughput(Throughput::Elements(ENTRIES));
    let mut writer = open(0);
    let mut effects = Vec::new();
    let mut reader = open(1);
    (0..2 * KEYS).for_each(|i| accum(&mut writer, i, &mut effects));
    for frame in flush(&mut writer) {
        reader
            .step(
                Event::Message {
                    from: [0; 16],
                    bytes: &frame,
                },
                &mut effects,
            )
            .expect("a message");
    }
    flush(&mut reader);
    let mut frames = Vec::new();
    for i in 0..ENTRIES {
        accum(&mut writer, i * 7, &mut effects);
        if i % 1000 == 999 {
            frames.extend(flush(&mut writer));
        }
    }
    effects.clear();
    group.bench_function("replica, signatures verified", |b| {
        b.iter_batched(
            || reader.clone(),
            |mut reader| {
                let before = reader.counters().merged;
                for frame in &frames {
                    reader
                        .step(
                            Event::Message {
                                from: [0; 16],
                                bytes: frame,
                            },
                            &mut effects,
                        )
                        .expect("a message");
                }
                assert!(reader.counters().merged - before >= ENTRIES * 9 / 10);
                reader
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, local, merge);
criterion_main!(benches);
