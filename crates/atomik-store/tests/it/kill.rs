//! A real process that commits and is killed.
//!
//! The child is this test binary, started again with one ignored test.

use std::collections::BTreeMap;
use std::env;
use std::io::{BufRead as _, BufReader, Write as _, stdout};
use std::path::Path;
use std::process::{Command, Stdio};

use atomik_store::{FsyncPolicy, Opened, Options, RedbStore, Store, Write};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use tempfile::tempdir;

const ROUNDS: u64 = 20;
/// A child that is not killed ends after this many batches.
const BATCHES_OF_A_ROUND: u64 = 2000;
/// How many keys there are.
const KEYS: u64 = 50;
const DIR: &str = "ATOMIK_STORE_KILL_DIR";
const FSYNC: &str = "ATOMIK_STORE_KILL_FSYNC";
const PRINTED: &str = "committed ";

fn open(dir: &Path, fsync: FsyncPolicy) -> RedbStore {
    let options = Options {
        fsync,
        ..Options::default()
    };
    RedbStore::open(dir, &options).unwrap()
}

/// The number of the last batch; 0 for an empty store. Every record must hold the number of the
/// last batch that wrote it.
fn last_batch(store: &RedbStore) -> u64 {
    let mut records = BTreeMap::new();
    store
        .load(&mut |key, value| {
            let number = u64::from_be_bytes(value[..8].try_into().unwrap());
            records.insert(u64::from_be_bytes(key.try_into().unwrap()), number);
        })
        .unwrap();
    let last = records.values().copied().max().unwrap_or(0);
    let mut expected = BTreeMap::new();
    for number in (1..=last).rev().take(KEYS as usize) {
        for key in keys(number) {
            expected.entry(key).or_insert(number);
        }
    }
    assert_eq!(records, expected);
    last
}

/// The keys of a batch. It shares half of them with the batch before and half with the one after.
fn keys(number: u64) -> impl Iterator<Item = u64> {
    (0..20).map(move |key| (number * 10 + key) % KEYS)
}

/// The child: commits batches after the last one in the store, and prints the number of each.
#[test]
#[ignore = "started by the other tests as a process to be killed"]
fn commits_numbered_batches_until_it_is_killed() {
    let Some(dir) = env::var_os(DIR) else {
        return;
    };
    let mut store = open(Path::new(&dir), env::var(FSYNC).unwrap().parse().unwrap());
    let last = last_batch(&store);
    for number in last + 1..=last + BATCHES_OF_A_ROUND {
        let keys: Vec<[u8; 8]> = keys(number).map(u64::to_be_bytes).collect();
        let mut value = vec![0; 8 + number as usize % 300];
        value[..8].copy_from_slice(&number.to_be_bytes());
        let batch: Vec<Write<'_>> = keys.iter().map(|key| Write::put(key, &value)).collect();
        store.commit(&batch).unwrap();
        let mut out = stdout().lock();
        // One write, so that a kill leaves the line printed or not printed.
        out.write_all(format!("{PRINTED}{number}\n").as_bytes())
            .unwrap();
        out.flush().unwrap();
    }
}

/// Starts the child and kills it after so many lines. Returns the last number that it printed.
fn kill_after(lines: u64, dir: &Path, fsync: FsyncPolicy) -> u64 {
    let child = "kill::commits_numbered_batches_until_it_is_killed";
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", child])
        .env(DIR, dir)
        .env(FSYNC, fsync.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines_seen = 0;
    let mut last = 0;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        // The line may follow output of the test harness.
        if let Some((_, number)) = line.unwrap().split_once(PRINTED) {
            lines_seen += 1;
            last = number.parse().unwrap();
            if lines_seen == lines {
                // SIGKILL. What it had printed by then is still read.
                child.kill().unwrap();
            }
        }
    }
    assert!(lines_seen >= lines, "the child ended by itself");
    let status = child.wait().unwrap();
    assert!(status.code().is_none(), "{status}");
    last
}

#[test]
fn a_killed_process_has_lost_no_batch_that_it_said_was_committed() {
    let dir = tempdir().unwrap();
    let mut random = Xoshiro256PlusPlus::seed_from_u64(20);
    let mut found = 0;
    for round in 1..=ROUNDS {
        let printed = kill_after(1 + random.next_u64() % 60, dir.path(), FsyncPolicy::Always);
        assert!(printed > found, "round {round}");
        let store = open(dir.path(), FsyncPolicy::Always);
        assert_eq!(store.opened(), Opened::Unclean);
        assert!(store.kept_memory());
        found = last_batch(&store);
        // One more may have been committed but not printed.
        assert!(
            found == printed || found == printed + 1,
            "round {round}: {printed} printed, {found} found"
        );
    }
}

#[test]
fn a_killed_process_that_did_not_sync_leaves_whole_batches_and_is_known_to_have_lost_some() {
    let dir = tempdir().unwrap();
    let mut random = Xoshiro256PlusPlus::seed_from_u64(21);
    let mut synced = 0;
    for round in 1..=6 {
        let fsync = [FsyncPolicy::Never, FsyncPolicy::Interval(5)][round % 2];
        let printed = kill_after(1 + random.next_u64() % 60, dir.path(), fsync);
        let store = open(dir.path(), fsync);
        assert_eq!(store.opened(), Opened::Unclean);
        assert!(!store.kept_memory());
        let found = last_batch(&store);
        // The first commit of a run is synced under every policy.
        assert!(
            synced < found && found <= printed + 1,
            "round {round}: {synced} synced, {printed} printed, {found} found"
        );
        synced = found;
    }
}
