//! What a commit costs, beside the same batch written to redb by hand.
//!
//! `cargo bench -p atomik-store` ends with a table of rates and of ratios to the bare batch of the
//! same group, of the fastest and of the median sample that criterion took in that run, and of what
//! a record costs on disk. Records have keys of 8 bytes and values of 40; a batch writes 1000 of
//! 100,000 that are there, chosen at random. The row `replica` is 1000 operations of a replica on
//! as many keys, from the operation to the signed frame that may be sent, which stores 1000 records
//! of about that size and three more. The files lie below the target folder.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a benchmark whose set-up fails has nothing to measure"
)]

use std::error::Error;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use atomik_replica::{Config, Effect, Event, LocalOp, Replica, Trust};
use atomik_store::{FsyncPolicy, Options, RedbStore, Store, Write};
use criterion::{Criterion, Throughput};
use ed25519_dalek::SigningKey;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use redb::{Database, Durability, TableDefinition};
use tempfile::TempDir;

const RECORDS: u64 = 100_000;
const BATCH: u64 = 1000;
const TABLE: TableDefinition<&[u8], &[u8]> = TableDefinition::new("records");

type Record = ([u8; 8], [u8; 40]);

fn main() -> Result<(), Box<dyn Error>> {
    let output = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("criterion");
    let mut criterion = Criterion::default()
        .sample_size(40)
        .output_directory(&output)
        .configure_from_args();
    let started = SystemTime::now();
    let mut groups = Vec::new();
    for fsync in [FsyncPolicy::Always, FsyncPolicy::Never] {
        let name = format!("commit of 1000 records, {fsync}");
        let mut group = criterion.benchmark_group(&name);
        group.throughput(Throughput::Elements(BATCH));
        let mut bare = Bare::new(fsync)?;
        group.bench_function("bare", |bencher| bencher.iter(|| bare.commit()));
        drop(bare);
        let mut stored = Stored::new(fsync)?;
        group.bench_function("RedbStore", |bencher| bencher.iter(|| stored.commit()));
        drop(stored);
        let mut replicated = Replicated::new(fsync)?;
        group.bench_function("replica", |bencher| bencher.iter(|| replicated.commit()));
        drop(replicated);
        group.finish();
        groups.push(name);
    }
    for group in groups {
        println!(
            "\n{group:<40} {:>12}  {:>12}  time of bare",
            "fastest", "median"
        );
        let mut bare = None;
        for name in ["bare", "RedbStore", "replica"] {
            let path = output.join(&group).join(name).join("new/sample.json");
            // A row that was filtered out has no sample, or one of an earlier run.
            let Ok(true) = fs::metadata(&path)
                .and_then(|file| file.modified())
                .map(|modified| modified >= started)
            else {
                continue;
            };
            let (fastest, median) = times(&path)?;
            let (bare_fastest, bare_median) = *bare.get_or_insert((fastest, median));
            println!(
                "  {name:<38} {:>9.2} ms  {:>9.2} ms  {:.2} and {:.2}",
                fastest / 1e6,
                median / 1e6,
                fastest / bare_fastest,
                median / bare_median,
            );
        }
    }
    sizes()
}

/// Draws the records of a batch.
struct Draw(Xoshiro256PlusPlus);

impl Draw {
    fn new() -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(1))
    }

    fn batch(&mut self) -> Vec<Record> {
        (0..BATCH)
            .map(|_| {
                let word = self.0.next_u64();
                ((word % RECORDS).to_be_bytes(), [(word >> 32) as u8; 40])
            })
            .collect()
    }
}

/// Every record once, in batches.
fn all() -> impl Iterator<Item = Vec<Record>> {
    (0..RECORDS / BATCH).map(|batch| {
        let keys = batch * BATCH..(batch + 1) * BATCH;
        keys.map(|key| (key.to_be_bytes(), [0; 40])).collect()
    })
}

fn folder() -> Result<TempDir, Box<dyn Error>> {
    Ok(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?)
}

struct Bare {
    draw: Draw,
    db: Database,
    durability: Durability,
    _dir: TempDir,
}

impl Bare {
    fn new(fsync: FsyncPolicy) -> Result<Self, Box<dyn Error>> {
        let dir = folder()?;
        let db = redb::Builder::new()
            .set_cache_size(Options::default().cache_bytes)
            .create(dir.path().join("bare.redb"))?;
        let mut bare = Self {
            draw: Draw::new(),
            db,
            durability: Durability::Immediate,
            _dir: dir,
        };
        for batch in all() {
            bare.write(&batch)?;
        }
        if fsync == FsyncPolicy::Never {
            bare.durability = Durability::None;
        }
        Ok(bare)
    }

    fn commit(&mut self) {
        let batch = self.draw.batch();
        self.write(&batch).expect("the disk works");
    }

    fn write(&mut self, batch: &[Record]) -> Result<(), redb::Error> {
        let mut transaction = self.db.begin_write()?;
        transaction.set_durability(self.durability)?;
        {
            let mut table = transaction.open_table(TABLE)?;
            for (key, value) in batch {
                table.insert(key.as_slice(), value.as_slice())?;
            }
        }
        transaction.commit()?;
        Ok(())
    }
}

struct Stored {
    draw: Draw,
    store: RedbStore,
    dir: TempDir,
}

impl Stored {
    fn new(fsync: FsyncPolicy) -> Result<Self, Box<dyn Error>> {
        let dir = folder()?;
        let options = Options {
            fsync,
            ..Options::default()
        };
        let mut store = RedbStore::open(dir.path(), &options)?;
        for batch in all() {
            write(&mut store, &batch);
        }
        store.sync()?;
        Ok(Self {
            draw: Draw::new(),
            store,
            dir,
        })
    }

    fn commit(&mut self) {
        let batch = self.draw.batch();
        write(&mut self.store, &batch);
    }
}

/// A replica whose batches are committed as they come.
struct Replicated {
    draw: Draw,
    replica: Replica,
    store: RedbStore,
    _dir: TempDir,
}

impl Replicated {
    fn new(fsync: FsyncPolicy) -> Result<Self, Box<dyn Error>> {
        let dir = folder()?;
        let options = Options {
            fsync,
            ..Options::default()
        };
        let store = RedbStore::open(dir.path(), &options)?;
        let key = SigningKey::from_bytes(&[1; 32]);
        let allowed = vec![key.verifying_key().to_bytes()];
        let trust = Trust::Signed {
            key: Box::new(key),
            allowed,
        };
        let replica = Replica::open(Config::new("bench", 1, [7; 32], trust, [1; 16]), [])?;
        let mut replicated = Self {
            draw: Draw::new(),
            replica,
            store,
            _dir: dir,
        };
        for batch in all() {
            replicated.write(&batch);
        }
        replicated.store.sync()?;
        Ok(replicated)
    }

    fn commit(&mut self) {
        let batch = self.draw.batch();
        self.write(&batch);
    }

    fn write(&mut self, batch: &[Record]) {
        let mut effects = Vec::new();
        for (key, value) in batch {
            let op = LocalOp::accum(key, u64::from(value[0] | 1).into());
            self.replica
                .step(Event::Op(&op), &mut effects)
                .expect("a good operation");
        }
        self.replica
            .step(Event::Flush, &mut effects)
            .expect("flush");
        for effect in core::mem::take(&mut effects) {
            let Effect::Persist { ticket, records } = effect else {
                continue;
            };
            let writes: Vec<Write<'_>> = records
                .iter()
                .map(|(key, value)| Write {
                    key,
                    value: value.as_deref(),
                })
                .collect();
            self.store.commit(&writes).expect("the disk works");
            self.replica
                .step(Event::Persisted(ticket), &mut effects)
                .expect("persisted");
        }
        assert!(
            matches!(effects[..], [Effect::Broadcast { .. }]),
            "the frame may be sent"
        );
    }
}

fn write(store: &mut RedbStore, batch: &[Record]) {
    let writes: Vec<Write<'_>> = batch
        .iter()
        .map(|(key, value)| Write::put(key, value))
        .collect();
    store.commit(&writes).expect("the disk works");
}

/// Nanoseconds of an iteration of the fastest and of the median sample.
fn times(path: &Path) -> Result<(f64, f64), Box<dyn Error>> {
    /// The part of criterion's `sample.json` that is needed here.
    #[derive(serde::Deserialize)]
    struct Samples {
        /// Iterations in each sample.
        iters: Vec<f64>,
        /// Nanoseconds that each sample took.
        times: Vec<f64>,
    }
    let samples: Samples = serde_json::from_reader(File::open(path)?)?;
    let mut each: Vec<f64> = samples
        .times
        .iter()
        .zip(&samples.iters)
        .map(|(time, iterations)| time / iterations)
        .collect();
    each.sort_by(f64::total_cmp);
    Ok((each[0], each[each.len() / 2]))
}

/// What 48 bytes of key and value take of the file.
fn sizes() -> Result<(), Box<dyn Error>> {
    let Stored {
        mut draw,
        mut store,
        dir,
    } = Stored::new(FsyncPolicy::Always)?;
    println!("\nbytes on disk of a record of 8 and 40 bytes, {RECORDS} records");
    let report = |what: &str, store: &RedbStore| -> Result<(), Box<dyn Error>> {
        let bytes = store.disk_bytes()? as f64 / RECORDS as f64;
        println!("  {what:<38} {bytes:>9.1}");
        Ok(())
    };
    report("written in order", &store)?;
    for _ in 0..200 {
        write(&mut store, &draw.batch());
    }
    report("after 200,000 writes at random", &store)?;
    store.compact()?;
    report("compacted", &store)?;
    Box::new(store).close()?;
    let store = RedbStore::open(dir.path(), &Options::default())?;
    report("closed and opened again", &store)
}
