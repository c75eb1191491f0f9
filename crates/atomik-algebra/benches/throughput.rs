//! The speed of the software model, compared with bare loops that do the same work.
//!
//! `cargo bench -p atomik-algebra` ends with a table of rates and their ratios to the bare loop of
//! the same group. Both come from the fastest of criterion's samples, the one least disturbed by
//! other load on the machine. Every row, bare loops included, runs in a rayon pool of one thread,
//! except for the rows marked `all threads`.

#![allow(
    clippy::expect_used,
    reason = "a benchmark whose setup fails has nothing to measure"
)]

use std::error::Error;
use std::fs::{self, File};
use std::hint::black_box;
use std::path::PathBuf;
use std::time::{Instant, SystemTime};

use atomik_algebra::{
    Accumulator, Add, DynRegisterFile, Error as Refused, Group, Layout, Op, RegisterFile, W512,
    Wide, fold,
};
use criterion::{Criterion, Throughput};
use rayon::{ThreadPool, ThreadPoolBuilder};

/// Addresses of the table for single accumulates: 128 KiB of accumulators.
const DEPTH: usize = 16 << 10;
/// Bytes of accumulators in a table small enough for two of them to fit in the L2 cache.
const IN_CACHE: usize = 128 << 10;
/// Bytes of accumulators in a table too large for two of them to fit in any cache.
const OUT_OF_CACHE: usize = 256 << 20;

/// Layouts of 64 bits, each a row for [`DynRegisterFile`].
const LAYOUTS: [&str; 4] = ["xor:64", "add:64", "add:32,add:32", "xor:48,add:16"];

fn main() -> Result<(), Box<dyn Error>> {
    let mut suite = Suite::new()?;
    single_accumulates(&mut suite)?;
    one_context(&mut suite);
    run_time_width(&mut suite)?;
    let in_cache = "merge in cache";
    dense_merge(&mut suite, in_cache, IN_CACHE)?;
    merge_of::<u8>(&mut suite, (in_cache, "merge_from a bank, w8"), IN_CACHE)?;
    merge_of::<u16>(&mut suite, (in_cache, "merge_from a bank, w16"), IN_CACHE)?;
    merge_of::<u128>(&mut suite, (in_cache, "merge_from a bank, w128"), IN_CACHE)?;
    merge_of::<Wide<3>>(&mut suite, (in_cache, "merge_from a bank, w192"), IN_CACHE)?;
    merge_of::<W512>(&mut suite, (in_cache, "merge_from a bank, w512"), IN_CACHE)?;
    dense_merge(&mut suite, "merge out of cache", OUT_OF_CACHE)?;
    merge_of_many(&mut suite)?;
    for (group, bytes) in [
        ("fold in cache", IN_CACHE),
        ("fold out of cache", OUT_OF_CACHE),
    ] {
        fold_of_deltas(&mut suite, group, bytes);
    }
    single_additions(&mut suite)?;
    adding_merge(&mut suite, "adding merge in cache", IN_CACHE)?;
    adding_merge(&mut suite, "adding merge out of cache", OUT_OF_CACHE)?;
    adding_fold(&mut suite);
    suite.finish()
}

fn single_accumulates(suite: &mut Suite) -> Result<(), Refused> {
    let group = "accum, random address, 64 x 16384";
    let batch = random_batch();
    let accumulates = Throughput::Elements(batch.len() as u64);

    let mut table = vec![0_u64; DEPTH];
    suite.measure(
        group,
        "bare table[i] ^= d",
        Threads::One,
        accumulates.clone(),
        || {
            let (table, batch) = black_box((&mut table[..], &batch[..]));
            for &(addr, delta) in batch {
                table[addr] ^= delta;
            }
        },
    );
    let mut file = RegisterFile::<u64>::new(DEPTH)?;
    suite.measure(
        group,
        "RegisterFile::accum",
        Threads::One,
        accumulates.clone(),
        || {
            let (file, batch) = black_box((&mut file, &batch[..]));
            let result = batch
                .iter()
                .try_for_each(|&(addr, delta)| file.accum(addr, delta));
            result.expect("all addresses are below the depth");
        },
    );
    suite.measure(
        group,
        "RegisterFile::accum_batch",
        Threads::One,
        accumulates.clone(),
        || {
            let (file, batch) = black_box((&mut file, &batch[..]));
            file.accum_batch(batch)
                .expect("all addresses are below the depth");
        },
    );
    let mut file = DynRegisterFile::new(64, DEPTH)?;
    suite.measure(
        group,
        "DynRegisterFile::accum",
        Threads::One,
        accumulates,
        || {
            let (file, batch) = black_box((&mut file, &batch[..]));
            let result = batch
                .iter()
                .try_for_each(|&(addr, delta)| file.accum(addr, &[delta]));
            result.expect("all addresses are below the depth");
        },
    );
    Ok(())
}

/// One delta at a time. Each is hidden from the optimiser, which would otherwise fold the list.
fn one_context(suite: &mut Suite) {
    let group = "accum, one context";
    let deltas = random(DEPTH);
    let accumulates = Throughput::Elements(deltas.len() as u64);
    let mut bare = 0;
    suite.measure(
        group,
        "bare d ^= x",
        Threads::One,
        accumulates.clone(),
        || {
            for delta in &deltas {
                bare ^= black_box(*delta);
            }
        },
    );
    let mut accumulator = Accumulator::<u64>::new();
    suite.measure(
        group,
        "Accumulator::accum",
        Threads::One,
        accumulates,
        || {
            for delta in &deltas {
                accumulator.accum(black_box(*delta));
            }
        },
    );
    black_box((bare, accumulator));
}

/// All operations in random order at random addresses, as the simulator's golden model calls them.
/// No bare loop does the same.
fn run_time_width(suite: &mut Suite) -> Result<(), Refused> {
    let group = "DynRegisterFile::apply, all ops";
    for (name, width) in [("w64", 64), ("w65", 65), ("w256", 256), ("w512", 512)] {
        let mut file = DynRegisterFile::new(width, 512)?;
        let commands: Vec<(Op, usize)> = random(DEPTH)
            .into_iter()
            .map(|bits| (Op::from_code(bits as u8), (bits >> 8) as usize % 512))
            .collect();
        let mut arg = vec![0; file.limbs()];
        arg[0] = 0x5a;
        let mut out = vec![0; file.limbs()];
        let applied = Throughput::Elements(commands.len() as u64);
        suite.measure(group, name, Threads::One, applied, || {
            for &(op, addr) in black_box(&commands) {
                let clean = file.apply(op, addr, &arg, &mut out);
                black_box(clean.expect("all addresses are below the depth"));
            }
        });
    }
    Ok(())
}

fn dense_merge(suite: &mut Suite, group: &'static str, bytes: usize) -> Result<(), Refused> {
    let depth = bytes / size_of::<u64>();
    let moved = Throughput::Bytes(bytes as u64);

    let mut target = random(depth);
    let source = random(depth);
    suite.measure(
        group,
        "bare xor of two slices",
        Threads::One,
        moved.clone(),
        || {
            let (target, source) = black_box((&mut target[..], &source[..]));
            for (word, source) in target.iter_mut().zip(source) {
                *word ^= *source;
            }
        },
    );
    drop((target, source));

    let mut file = filled::<u64>(depth)?;
    let mut bank = file.bank();
    bank.merge_from(&file)?;
    let merge = |file: &mut RegisterFile<u64>, bank: &RegisterFile<u64>| {
        let (file, bank) = black_box((file, bank));
        file.merge_from(bank)
            .expect("a bank has the same references as its table");
    };
    suite.measure(
        group,
        "merge_from a bank",
        Threads::One,
        moved.clone(),
        || {
            merge(&mut file, &bank);
        },
    );
    suite.measure(
        group,
        "merge_from a bank, all threads",
        Threads::All,
        moved.clone(),
        || {
            merge(&mut file, &bank);
        },
    );
    // After a write to a reference, every merge must compare the references.
    bank.load(0, 0)?;
    suite.measure(
        group,
        "merge_from, references compared",
        Threads::One,
        moved.clone(),
        || {
            merge(&mut file, &bank);
        },
    );
    suite.measure(group, "the same, all threads", Threads::All, moved, || {
        merge(&mut file, &bank);
    });
    Ok(())
}

/// A merge of `bytes` in words of any group.
fn merge_of<W: Group>(
    suite: &mut Suite,
    (group, name): (&'static str, &'static str),
    bytes: usize,
) -> Result<(), Refused> {
    let mut file = filled::<W>(bytes / size_of::<W>())?;
    let mut bank = file.bank();
    bank.merge_from(&file)?;
    let moved = Throughput::Bytes(bytes as u64);
    suite.measure(group, name, Threads::One, moved, || {
        let (file, bank) = black_box((&mut file, &bank));
        file.merge_from(bank)
            .expect("a bank has the same references as its table");
    });
    Ok(())
}

fn merge_of_many(suite: &mut Suite) -> Result<(), Refused> {
    let group = "merge of 8 tables out of cache";
    let depth = OUT_OF_CACHE / 8 / size_of::<u64>();
    let moved = Throughput::Bytes(OUT_OF_CACHE as u64);

    let mut target = random(depth);
    let sources: Vec<Vec<u64>> = (0..8).map(|_| random(depth)).collect();
    suite.measure(
        group,
        "bare xor, one slice after the other",
        Threads::One,
        moved.clone(),
        || {
            for source in black_box(&sources) {
                for (word, source) in target.iter_mut().zip(source) {
                    *word ^= *source;
                }
            }
        },
    );
    drop((target, sources));

    let mut file = RegisterFile::<u64>::new(depth)?;
    let banks = (0..8)
        .map(|_| filled(depth))
        .collect::<Result<Vec<RegisterFile<u64>>, _>>()?;
    let banks: Vec<&RegisterFile<u64>> = banks.iter().collect();
    suite.measure(group, "merge_from_all", Threads::One, moved.clone(), || {
        file.merge_from_all(black_box(&banks))
            .expect("all references are 0");
    });
    suite.measure(
        group,
        "merge_from_all, all threads",
        Threads::All,
        moved,
        || {
            file.merge_from_all(black_box(&banks))
                .expect("all references are 0");
        },
    );
    Ok(())
}

fn fold_of_deltas(suite: &mut Suite, group: &'static str, bytes: usize) {
    let deltas = random(bytes / size_of::<u64>());
    let moved = Throughput::Bytes(bytes as u64);
    suite.measure(group, "bare fold", Threads::One, moved.clone(), || {
        black_box(black_box(&deltas).iter().fold(0, |sum, delta| sum ^ delta));
    });
    suite.measure(group, "fold", Threads::One, moved.clone(), || {
        black_box(fold(black_box(&deltas)));
    });
    suite.measure(group, "fold, all threads", Threads::All, moved, || {
        black_box(fold(black_box(&deltas)));
    });
}

/// As [`single_accumulates`], with words that add.
fn single_additions(suite: &mut Suite) -> Result<(), Refused> {
    let group = "adding accum, random address";
    let batch = random_batch();
    let accumulates = Throughput::Elements(batch.len() as u64);

    let mut table = vec![0_u64; DEPTH];
    suite.measure(
        group,
        "bare table[i] += d",
        Threads::One,
        accumulates.clone(),
        || {
            let (table, batch) = black_box((&mut table[..], &batch[..]));
            for &(addr, delta) in batch {
                table[addr] = table[addr].wrapping_add(delta);
            }
        },
    );
    let mut file = RegisterFile::<Add<u64>>::new(DEPTH)?;
    suite.measure(
        group,
        "RegisterFile::accum",
        Threads::One,
        accumulates.clone(),
        || {
            let (file, batch) = black_box((&mut file, &batch[..]));
            let result = batch
                .iter()
                .try_for_each(|&(addr, delta)| file.accum(addr, Add(delta)));
            result.expect("all addresses are below the depth");
        },
    );
    for name in LAYOUTS {
        let layout = name.parse().expect("a layout of 64 bits");
        let mut file = DynRegisterFile::with_layout(layout, DEPTH)?;
        suite.measure(group, name, Threads::One, accumulates.clone(), || {
            let (file, batch) = black_box((&mut file, &batch[..]));
            let result = batch
                .iter()
                .try_for_each(|&(addr, delta)| file.accum(addr, &[delta]));
            result.expect("all addresses are below the depth");
        });
    }
    Ok(())
}

/// As [`dense_merge`], with words that add.
fn adding_merge(suite: &mut Suite, group: &'static str, bytes: usize) -> Result<(), Refused> {
    let depth = bytes / size_of::<u64>();
    let moved = Throughput::Bytes(bytes as u64);

    let mut target = random(depth);
    let source = random(depth);
    suite.measure(
        group,
        "bare wrapping_add of two slices",
        Threads::One,
        moved.clone(),
        || {
            let (target, source) = black_box((&mut target[..], &source[..]));
            for (word, source) in target.iter_mut().zip(source) {
                *word = word.wrapping_add(*source);
            }
        },
    );
    drop((target, source));

    merge_of::<Add<u64>>(suite, (group, "merge_from a bank, Add<u64>"), bytes)?;

    for name in LAYOUTS.into_iter().chain(["add:128"]) {
        let layout: Layout = name.parse().expect("a layout");
        let depth = depth / layout.limbs();
        let mut file = DynRegisterFile::with_layout(layout, depth)?;
        let mut delta = vec![0; layout.limbs()];
        delta[0] = 1;
        for addr in (0..depth).step_by(2) {
            file.accum(addr, &delta)?;
        }
        let mut bank = file.bank();
        bank.merge_from(&file)?;
        suite.measure(group, name, Threads::One, moved.clone(), || {
            let (file, bank) = black_box((&mut file, &bank));
            file.merge_from(bank)
                .expect("a bank has the same references as its table");
        });
    }
    Ok(())
}

fn adding_fold(suite: &mut Suite) {
    let group = "adding fold in cache";
    let deltas: Vec<Add<u64>> = random(IN_CACHE / size_of::<u64>())
        .into_iter()
        .map(Add)
        .collect();
    let moved = Throughput::Bytes(IN_CACHE as u64);
    suite.measure(group, "bare sum", Threads::One, moved.clone(), || {
        let sum = |sum: u64, delta: &Add<u64>| sum.wrapping_add(delta.0);
        black_box(black_box(&deltas).iter().fold(0, sum));
    });
    suite.measure(group, "fold, Add<u64>", Threads::One, moved, || {
        black_box(fold(black_box(&deltas)));
    });
}

/// Pseudo-random words by the SplitMix64 generator.
fn random(count: usize) -> Vec<u64> {
    let mut state = 0_u64;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    };
    (0..count).map(|_| next()).collect()
}

/// Addresses below [`DEPTH`] with deltas.
fn random_batch() -> Vec<(usize, u64)> {
    random(2 * DEPTH)
        .chunks(2)
        .map(|pair| (pair[0] as usize % DEPTH, pair[1]))
        .collect()
}

/// A table with all references 0, and with accumulator 1 at every second address.
fn filled<W: Group>(depth: usize) -> Result<RegisterFile<W>, Refused> {
    let mut one = vec![0; W::LIMBS];
    one[0] = 1;
    let one = W::from_limbs(&one).expect("1 fits in every word");
    let mut file = RegisterFile::new(depth)?;
    for addr in (0..depth).step_by(2) {
        file.accum(addr, one)?;
    }
    Ok(file)
}

#[derive(Clone, Copy)]
enum Threads {
    One,
    All,
}

/// Criterion, and the rows of the table that is printed at the end.
struct Suite {
    criterion: Criterion,
    output: PathBuf,
    started: SystemTime,
    one_thread: ThreadPool,
    all_threads: ThreadPool,
    rows: Vec<Row>,
}

struct Row {
    group: &'static str,
    name: &'static str,
    per_iteration: Throughput,
}

impl Suite {
    fn new() -> Result<Self, Box<dyn Error>> {
        let output = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("criterion");
        Ok(Self {
            criterion: Criterion::default()
                .sample_size(40)
                .output_directory(&output)
                .configure_from_args(),
            output,
            started: SystemTime::now(),
            one_thread: ThreadPoolBuilder::new().num_threads(1).build()?,
            all_threads: ThreadPoolBuilder::new().build()?,
            rows: Vec::new(),
        })
    }

    fn measure(
        &mut self,
        group: &'static str,
        name: &'static str,
        threads: Threads,
        per_iteration: Throughput,
        mut work: impl FnMut() + Send,
    ) {
        let pool = match threads {
            Threads::One => &self.one_thread,
            Threads::All => &self.all_threads,
        };
        let mut benchmarks = self.criterion.benchmark_group(group);
        benchmarks
            .throughput(per_iteration.clone())
            .bench_function(name, |bencher| {
                bencher.iter_custom(|iterations| {
                    pool.install(|| {
                        let start = Instant::now();
                        for _ in 0..iterations {
                            work();
                        }
                        start.elapsed()
                    })
                });
            });
        benchmarks.finish();
        self.rows.push(Row {
            group,
            name,
            per_iteration,
        });
    }

    /// Prints the table in the order of measurement. The first row of a group is the bare loop that
    /// the other rows are compared with.
    fn finish(self) -> Result<(), Box<dyn Error>> {
        let mut group = "";
        let mut bare = None;
        for row in &self.rows {
            // A row that was filtered out has no estimate, or one from an earlier run.
            let Some(nanoseconds) = self.fastest(row)? else {
                continue;
            };
            if row.group != group {
                group = row.group;
                bare = row.name.starts_with("bare").then_some(nanoseconds);
                println!("\n{group:<40} {:>15}  ratio to bare", "rate");
            }
            let rate = match row.per_iteration {
                Throughput::Bytes(bytes) => format!("{:.2} GB/s", bytes as f64 / nanoseconds),
                Throughput::Elements(count) => {
                    format!("{:.1} M/s", count as f64 / nanoseconds * 1e3)
                }
                _ => format!("{nanoseconds:.0} ns"),
            };
            let ratio = bare.map_or(String::new(), |bare: f64| {
                format!("{:.2}", bare / nanoseconds)
            });
            println!("  {:<38} {rate:>15}  {ratio:>13}", row.name);
        }
        Ok(())
    }

    /// Nanoseconds per iteration in the fastest sample, if this run measured the row.
    fn fastest(&self, row: &Row) -> Result<Option<f64>, Box<dyn Error>> {
        // Criterion replaces the characters that some file system forbids in names.
        let directory =
            |name: &str| name.replace(['?', '"', '/', '\\', '*', '<', '>', ':', '|', '^'], "_");
        let path = self
            .output
            .join(directory(row.group))
            .join(directory(row.name));
        let path = path.join("new").join("sample.json");
        match fs::metadata(&path) {
            Ok(metadata) if metadata.modified()? >= self.started => {
                let samples: Samples = serde_json::from_reader(File::open(path)?)?;
                let times = samples.times.iter().zip(&samples.iters);
                Ok(times
                    .map(|(time, iterations)| time / iterations)
                    .min_by(f64::total_cmp))
            }
            _ => Ok(None),
        }
    }
}

/// The fields of criterion's `sample.json` that are used here.
#[derive(serde::Deserialize)]
struct Samples {
    /// Iterations in each sample.
    iters: Vec<f64>,
    /// Nanoseconds of each sample.
    times: Vec<f64>,
}
