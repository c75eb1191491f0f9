//! What a commit costs, compared with the same batch written to redb directly.
//!
//! `cargo bench -p atomik-store` ends with a table of times and of their ratios to the bare batch
//! of the same group, for the fastest and the median sample of that run, and with the bytes that a
//! record takes on disk. There is a group for each of two policies, `always` and `never`:
//!
//! | row | what it writes |
//! |---|---|
//! | `bare` | 1000 of 100,000 records, chosen at random, in one redb transaction |
//! | `RedbStore` | the same batch through [`RedbStore::commit`] |
//! | `flush` | the batch that a replica hands over after 1000 operations on 100,000 keys |
//!
//! Records have keys of 8 bytes and values of 40. The `flush` row has the record sizes of a signed
//! replica with one-word values: 1000 keys (9 bytes, value 18), the undo information (9 bytes,
//! value 15,830; the one of five flushes ago is deleted) and the replica's own record (1 byte,
//! value 37). What the replica itself takes for it, `cargo bench -p atomik-replica` measures. The
//! files are below the target folder.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a benchmark whose set-up fails has nothing to measure"
)]

use std::error::Error;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use atomik_store::{FsyncPolicy, Options, RedbStore, Store, Write};
use criterion::{Criterion, Throughput};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use redb::{Database, Durability, TableDefinition};
use tempfile::TempDir;

const RECORDS: u64 = 100_000;
const BATCH: u64 = 1000;
const TABLE: TableDefinition<&[u8], &[u8]> = TableDefinition::new("records");

/// Bytes of the value of a key, of a flush's undo information, and of a replica's own record.
const KEY_VALUE: usize = 18;
const UNDO_VALUE: usize = 15_830;
const OWN_VALUE: usize = 37;
/// Flushes whose undo information a replica keeps.
const UNDO_FLUSHES: u64 = 5;

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
        let mut flushed = Flushed::new(fsync)?;
        group.bench_function("flush", |bencher| bencher.iter(|| flushed.commit()));
        drop(flushed);
        group.finish();
        groups.push(name);
    }
    for group in groups {
        print_times(&output, &group, started)?;
    }
    print_sizes()
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

/// Opens an empty store in a folder.
fn open(dir: &TempDir, fsync: FsyncPolicy) -> Result<RedbStore, Box<dyn Error>> {
    let options = Options {
        fsync,
        ..Options::default()
    };
    Ok(RedbStore::open(dir.path(), &options)?)
}

/// redb without a store.
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

/// A store that gets the batches of [`Bare`].
struct Stored {
    draw: Draw,
    store: RedbStore,
    dir: TempDir,
}

impl Stored {
    fn new(fsync: FsyncPolicy) -> Result<Self, Box<dyn Error>> {
        let dir = folder()?;
        let mut store = open(&dir, fsync)?;
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

fn write(store: &mut RedbStore, batch: &[Record]) {
    let writes: Vec<Write<'_>> = batch
        .iter()
        .map(|(key, value)| Write::put(key, value))
        .collect();
    store.commit(&writes).expect("the disk works");
}

/// A store that gets batches with the record sizes of a replica's flushes.
struct Flushed {
    draw: Draw,
    store: RedbStore,
    flushes: u64,
    _dir: TempDir,
}

impl Flushed {
    fn new(fsync: FsyncPolicy) -> Result<Self, Box<dyn Error>> {
        let dir = folder()?;
        let mut flushed = Self {
            draw: Draw::new(),
            store: open(&dir, fsync)?,
            flushes: 0,
            _dir: dir,
        };
        for batch in all() {
            flushed.write(&batch);
        }
        flushed.store.sync()?;
        Ok(flushed)
    }

    fn commit(&mut self) {
        let batch = self.draw.batch();
        self.write(&batch);
    }

    fn write(&mut self, batch: &[Record]) {
        self.flushes += 1;
        let tagged = |tag: u8, number: u64| {
            let mut key = [tag; 9];
            key[1..].copy_from_slice(&number.to_be_bytes());
            key
        };
        let keys: Vec<[u8; 9]> = batch
            .iter()
            .map(|(key, _)| tagged(b'k', u64::from_be_bytes(*key)))
            .collect();
        let undo = tagged(b'b', self.flushes);
        let forgotten = tagged(b'b', self.flushes.saturating_sub(UNDO_FLUSHES));
        let undo_value = vec![self.flushes as u8; UNDO_VALUE];
        let mut writes: Vec<Write<'_>> = keys
            .iter()
            .zip(batch)
            .map(|(key, (_, value))| Write::put(key, &value[..KEY_VALUE]))
            .collect();
        writes.push(Write::put(&undo, &undo_value));
        writes.push(Write::delete(&forgotten));
        writes.push(Write::put(b"m", &undo_value[..OWN_VALUE]));
        self.store.commit(&writes).expect("the disk works");
    }
}

/// Prints the times of a group that `output` has samples of, and their ratios to those of `bare`.
fn print_times(output: &Path, group: &str, started: SystemTime) -> Result<(), Box<dyn Error>> {
    println!(
        "\n{group:<40} {:>12}  {:>12}  ratio to bare",
        "fastest", "median"
    );
    let mut bare = None;
    for name in ["bare", "RedbStore", "flush"] {
        let path = output.join(group).join(name).join("new/sample.json");
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
    Ok(())
}

/// Nanoseconds per iteration of the fastest and of the median sample.
fn times(path: &Path) -> Result<(f64, f64), Box<dyn Error>> {
    /// The part of criterion's `sample.json` that is needed here.
    #[derive(serde::Deserialize)]
    struct Samples {
        /// Iterations of each sample.
        iters: Vec<f64>,
        /// Nanoseconds of each sample.
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

/// Prints the bytes of the file per record of 48 bytes of key and value.
fn print_sizes() -> Result<(), Box<dyn Error>> {
    let Stored {
        mut draw,
        mut store,
        dir,
    } = Stored::new(FsyncPolicy::Always)?;
    println!("\nbytes on disk per record of 8 and 40 bytes, {RECORDS} records");
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
