//! A process that commits and is killed, for real.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on says so by panicking"
)]

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
/// A round that is never killed ends by itself.
const BATCHES_OF_A_ROUND: u64 = 2000;
/// Keys that a batch writes its number to.
const KEYS: u64 = 50;
const DIR: &str = "ATOMIK_STORE_KILL_DIR";
const FSYNC: &str = "ATOMIK_STORE_KILL_FSYNC";
const SAID: &str = "committed ";

fn open(dir: &Path, fsync: FsyncPolicy) -> RedbStore {
    let options = Options {
        fsync,
        ..Options::default()
    };
    RedbStore::open(dir, &options).unwrap()
}

/// The number of the last batch, which every record must hold that it wrote; 0 for an empty store.
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

/// Half of the keys of a batch are its neighbours', too.
fn keys(number: u64) -> impl Iterator<Item = u64> {
    (0..20).map(move |key| (number * 10 + key) % KEYS)
}

/// The child: commits batches from the last on, and says so.
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
        // One write, so that the kill finds the line said or not said.
        out.write_all(format!("{SAID}{number}\n").as_bytes())
            .unwrap();
        out.flush().unwrap();
    }
}

/// Starts the child, kills it when it has said so much, and gives the last number that it said.
fn kill_after(lines: u64, dir: &Path, fsync: FsyncPolicy) -> u64 {
    let child = "commits_numbered_batches_until_it_is_killed";
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", child])
        .env(DIR, dir)
        .env(FSYNC, fsync.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut heard = 0;
    let mut last = 0;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        // The line may follow what the test harness has to say.
        if let Some((_, number)) = line.unwrap().split_once(SAID) {
            heard += 1;
            last = number.parse().unwrap();
            if heard == lines {
                // SIGKILL. What it had said until then is still read.
                child.kill().unwrap();
            }
        }
    }
    assert!(heard >= lines, "the child ended by itself");
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
        let said = kill_after(1 + random.next_u64() % 60, dir.path(), FsyncPolicy::Always);
        assert!(said > found, "round {round}");
        let store = open(dir.path(), FsyncPolicy::Always);
        assert_eq!(store.opened(), Opened::Unclean);
        assert!(store.kept_memory());
        found = last_batch(&store);
        // One more may have been on its way.
        assert!(
            found == said || found == said + 1,
            "round {round}: {said} said, {found} found"
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
        let said = kill_after(1 + random.next_u64() % 60, dir.path(), fsync);
        let store = open(dir.path(), fsync);
        assert_eq!(store.opened(), Opened::Unclean);
        assert!(!store.kept_memory());
        let found = last_batch(&store);
        // The first commit of a run is synced under every policy.
        assert!(
            synced < found && found <= said + 1,
            "round {round}: {synced} synced, {said} said, {found} found"
        );
        synced = found;
    }
}
