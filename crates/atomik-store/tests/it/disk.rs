//! A disk that fails as Linux lets it: what the system's cache holds may not be on the medium.

use std::collections::BTreeMap;
use std::io;

use atomik_store::testing::FaultyFile;
use atomik_store::{FsyncPolicy, Notice, Opened, Options, RedbStore, Store, StoreError, Write};
use proptest::collection::vec;
use proptest::prelude::*;

type Records = BTreeMap<Vec<u8>, Vec<u8>>;

fn options(fsync: FsyncPolicy) -> Options {
    Options {
        fsync,
        // Small enough that pages are read and written in the middle of a run.
        cache_bytes: 64 << 10,
    }
}

fn open(file: &FaultyFile) -> RedbStore {
    file.open(&options(FsyncPolicy::Always)).unwrap()
}

/// The numbers of the batches that are there. Every batch writes a record of its own and a common
/// one, and must be there as a whole.
fn batches(store: &RedbStore) -> Vec<u64> {
    let mut found = Vec::new();
    let mut last = None;
    store
        .load(&mut |key, value| {
            let number = u64::from_be_bytes(value[..8].try_into().unwrap());
            assert!(value[8..].iter().all(|byte| *byte == number as u8));
            if key == b"last" {
                last = Some(number);
            } else {
                assert_eq!(key, number.to_be_bytes());
                found.push(number);
            }
        })
        .unwrap();
    assert_eq!(found.last().copied(), last);
    found
}

fn commit(store: &mut RedbStore, number: u64) -> Result<(), StoreError> {
    let key = number.to_be_bytes();
    let mut value = vec![number as u8; 8 + 1500];
    value[..8].copy_from_slice(&key);
    store.commit(&[Write::put(&key, &value), Write::put(b"last", &value)])
}

/// A file in which ten batches are durable and the sync of the eleventh failed, after the medium
/// got the part of it that `seed` decides. Its process has been killed.
fn failed_sync(seed: u64) -> FaultyFile {
    let file = FaultyFile::with_store().unwrap();
    let mut store = open(&file);
    for number in 1..=10 {
        commit(&mut store, number).unwrap();
    }
    file.fail_next_sync(seed);
    let refused = commit(&mut store, 11).unwrap_err();
    assert!(matches!(refused, StoreError::Disk { .. }), "{refused}");
    let text = refused.to_string();
    for hint in ["nothing was acknowledged", "system log", "--new-identity"] {
        assert!(text.contains(hint), "{text}");
    }
    // The disk works again, and the system would take the writes.
    for again in [commit(&mut store, 12), store.sync(), store.compact()] {
        let again = again.unwrap_err();
        assert!(matches!(again, StoreError::Failed { .. }), "{again}");
    }
    file.killed()
}

#[test]
fn after_a_sync_that_failed_a_restart_and_a_crash_lose_no_batch_that_was_acknowledged() {
    let mut rewritten = 0;
    for seed in 0..200 {
        for evicted in [None, Some(0), Some(seed)] {
            let file = failed_sync(seed);
            if let Some(seed) = evicted {
                file.evict(seed);
            }
            let opening = file.points();
            let mut store = open(&file);
            let found = batches(&store);
            let before: Vec<u64> = (1..=10).collect();
            // A crash in the middle of the open loses nothing either.
            for point in (opening..file.points()).filter(|_| seed < 30) {
                for crash in [0, 3, 5, 6] {
                    let crashed = FaultyFile::holding(file.after_crash(point, crash));
                    let found = batches(&open(&crashed));
                    assert!(found.starts_with(&before), "seed {seed}, point {point}");
                }
            }
            assert!(found.starts_with(&before) && found.len() <= 11, "{found:?}");
            assert!(store.kept_memory());
            rewritten += usize::from(matches!(store.notices(), [Notice::Rewritten { .. }]));
            // What it shows is on the medium.
            for crash in 0..3 {
                let crashed = FaultyFile::holding(file.after_crash(usize::MAX, crash));
                assert_eq!(batches(&open(&crashed)), found, "seed {seed}");
            }
            commit(&mut store, 20).unwrap();
            commit(&mut store, 21).unwrap();
            let crashed = FaultyFile::holding(file.after_crash(usize::MAX, 0));
            let store = open(&crashed);
            assert_eq!(batches(&store), [&found[..], &[20, 21]].concat());
            assert!(store.kept_memory());
        }
    }
    assert!(rewritten > 100, "{rewritten} of 600 had to be rewritten");
}

#[test]
fn where_the_medium_cannot_be_read_an_open_writes_everything_again_and_says_so() {
    for seed in 0..50 {
        let file = failed_sync(seed).only_cached();
        let store = open(&file);
        assert!(
            matches!(store.notices(), [Notice::Unread { .. }]),
            "{:?}",
            store.notices()
        );
        let found = batches(&store);
        let crashed = FaultyFile::holding(file.after_crash(usize::MAX, 0));
        assert_eq!(batches(&open(&crashed)), found, "seed {seed}");
    }
}

#[test]
fn an_error_that_the_system_met_after_the_last_run_refuses_one_open_and_loses_nothing() {
    let file = FaultyFile::with_store().unwrap();
    let mut store = open(&file);
    for number in 1..=5 {
        commit(&mut store, number).unwrap();
    }
    let file = file.killed();
    file.fail_next_sync(0);
    let refused = file.open(&options(FsyncPolicy::Always)).unwrap_err();
    assert!(matches!(refused, StoreError::Disk { .. }), "{refused}");
    assert_eq!(batches(&open(&file)).len(), 5);
}

#[test]
fn a_newest_commit_that_was_damaged_at_rest_is_missed_until_a_commit_of_the_next_run() {
    let file = FaultyFile::with_store().unwrap();
    let mut store = open(&file);
    for number in 1..=10 {
        commit(&mut store, number).unwrap();
    }
    file.rest();
    let image = file.after_crash(usize::MAX, 0);
    let mut missed = 0;
    for byte in (0..image.bytes.len()).step_by(61) {
        let file = FaultyFile::holding(image.clone());
        file.flip(byte, 4);
        file.evict(0);
        let Ok(store) = file.open(&options(FsyncPolicy::Always)) else {
            continue;
        };
        let found = batches(&store);
        assert_eq!(store.kept_memory(), found.len() == 10, "byte {byte}");
        if found.len() == 10 {
            continue;
        }
        missed += 1;
        // A run without a commit changes nothing about it.
        drop(store);
        let mut store = open(&file);
        assert_eq!(
            (store.kept_memory(), store.opened()),
            (false, Opened::Unclean)
        );
        let [
            Notice::Lost {
                found,
                acknowledged,
                ..
            },
        ] = store.notices()
        else {
            panic!("{:?}", store.notices());
        };
        assert!(found < acknowledged);
        assert!(store.notices()[0].to_string().contains("new identity"));
        commit(&mut store, 20).unwrap();
        drop(store);
        assert!(open(&file).kept_memory());
    }
    assert!(missed > 0);
}

#[test]
fn a_page_that_changed_since_it_was_verified_stops_the_store_and_is_never_written_again() {
    let mut stopped = 0;
    for byte in (4096..60 * 4096).step_by(4096) {
        let file = FaultyFile::with_store().unwrap();
        let mut store = open(&file);
        for number in 1..=100 {
            commit(&mut store, number).unwrap();
        }
        Box::new(store).close().unwrap();
        let mut store = open(&file);
        batches(&store);
        file.flip(byte + 100, 1);
        file.evict(0);
        let mut acknowledged = 100;
        let failed = (101..130).find_map(|number| {
            let failed = commit(&mut store, number).err();
            acknowledged = number - u64::from(failed.is_some());
            failed
        });
        let mut seen = 0;
        let read = store.load(&mut |key, value| {
            seen += 1;
            let number = u64::from_be_bytes(value[..8].try_into().unwrap());
            assert!(key == b"last" || key == number.to_be_bytes());
            assert!(value[8..].iter().all(|byte| *byte == number as u8));
        });
        match failed.or(read.err()) {
            Some(error) => {
                stopped += 1;
                let text = error.to_string();
                let damage = text.contains("not those that were written");
                assert!(damage && text.contains("ACKNOWLEDGED away"), "{text}");
                assert!(commit(&mut store, 200).is_err());
            }
            None => assert_eq!(seen, acknowledged + 1),
        }
    }
    assert!(stopped > 5, "{stopped}");
}

#[test]
fn a_full_disk_stops_the_store_and_a_restart_with_space_goes_on_without_loss() {
    for seed in 0..40 {
        let file = FaultyFile::with_store().unwrap();
        let mut store = open(&file);
        for number in 1..=10 {
            commit(&mut store, number).unwrap();
        }
        file.fail_next_write(seed * 97, io::ErrorKind::StorageFull);
        let refused = commit(&mut store, 11).unwrap_err();
        assert!(matches!(refused, StoreError::Full { .. }), "{refused}");
        assert!(refused.to_string().contains("free some space"), "{refused}");
        // Space is there again, but this run does not know what is in the file.
        let refused = commit(&mut store, 12).unwrap_err();
        assert!(matches!(refused, StoreError::Failed { .. }), "{refused}");
        let file = file.killed();
        let mut store = open(&file);
        assert!(store.kept_memory());
        assert_eq!(batches(&store), (1..=10).collect::<Vec<_>>());
        commit(&mut store, 11).unwrap();
    }
}

#[derive(Clone, Debug)]
enum Action {
    /// Values of so many bytes for some keys; `None` deletes.
    Commit(Vec<(u8, Option<u16>)>),
    Sync,
    Close(FsyncPolicy),
    /// The process is killed, and the system evicts some of its cache, or none.
    Kill(FsyncPolicy, Option<u64>),
    Crash(FsyncPolicy, u64),
    FailSync(u64),
    FailWrite(u64, bool),
    /// No space, or no disk, until it is reopened so many times.
    Fail(u8, bool),
    /// At rest, a bit of a fraction of the file.
    Flip(u16, u8),
}

fn policy() -> impl Strategy<Value = FsyncPolicy> {
    prop::sample::select(vec![
        FsyncPolicy::Always,
        FsyncPolicy::Always,
        FsyncPolicy::Interval(3_600_000),
        FsyncPolicy::Never,
    ])
}

fn action(flips: u32) -> impl Strategy<Value = Action> {
    let write = (0..12_u8, prop::option::weighted(0.8, 0..9000_u16));
    prop_oneof![
        24 => vec(write, 0..8).prop_map(Action::Commit),
        4 => Just(Action::Sync),
        2 => policy().prop_map(Action::Close),
        3 => (policy(), any::<Option<u64>>()).prop_map(|(next, seed)| Action::Kill(next, seed)),
        3 => (policy(), 0..1000_u64).prop_map(|(next, seed)| Action::Crash(next, seed)),
        4 => (0..1000_u64).prop_map(Action::FailSync),
        2 => (any::<u64>(), any::<bool>()).prop_map(|(seed, full)| Action::FailWrite(seed, full)),
        1 => (0..3_u8, any::<bool>()).prop_map(|(opens, full)| Action::Fail(opens, full)),
        flips => (any::<u16>(), 0..8_u8).prop_map(|(at, bit)| Action::Flip(at, 1 << bit)),
    ]
}

/// Runs actions on a store and checks what it acknowledges against what it shows later.
struct Lab {
    file: FaultyFile,
    fsync: FsyncPolicy,
    store: Option<RedbStore>,
    /// The states that may be there, from the last one that must be.
    states: Vec<Records>,
    /// All states before, which may be there only if the store tells.
    older: Vec<Records>,
    /// The first commit of this run is still to come.
    first: bool,
    /// The last of `states` that was acknowledged.
    acknowledged: usize,
    number: u64,
    flipped: bool,
    /// So many opens fail.
    failing_opens: u8,
}

impl Lab {
    fn new(fsync: FsyncPolicy) -> Self {
        let file = FaultyFile::with_store().unwrap();
        Self {
            store: Some(file.open(&options(fsync)).unwrap()),
            file,
            fsync,
            states: vec![Records::new()],
            older: Vec::new(),
            first: true,
            acknowledged: 0,
            number: 0,
            flipped: false,
            failing_opens: 0,
        }
    }

    /// The newest state is durable.
    fn settle(&mut self) {
        let last = self.states.len() - 1;
        self.older.extend(self.states.drain(..last));
        self.acknowledged = 0;
    }

    fn commit(&mut self, batch: &[(u8, Option<u16>)]) {
        self.number += 1;
        let number = self.number.to_be_bytes();
        let mut records: Vec<(Vec<u8>, Option<Vec<u8>>)> =
            vec![(b"number".to_vec(), Some(number.to_vec()))];
        records.extend(batch.iter().map(|(key, len)| {
            let value = len.map(|len| vec![self.number as u8; usize::from(len)]);
            (vec![*key], value)
        }));
        let writes: Vec<Write<'_>> = records
            .iter()
            .map(|(key, value)| Write {
                key,
                value: value.as_deref(),
            })
            .collect();
        let failures = self.file.failures();
        let done = self.store.as_mut().unwrap().commit(&writes);
        assert!(
            done.is_err() || self.file.failures() == failures,
            "acknowledged although an operation failed"
        );
        let mut state = self.states.last().unwrap().clone();
        for (key, value) in records {
            match value {
                Some(value) => state.insert(key, value),
                None => state.remove(&key),
            };
        }
        self.states.push(state);
        match done {
            Ok(()) if self.first || self.fsync == FsyncPolicy::Always => {
                self.first = false;
                self.settle();
            }
            Ok(()) => self.acknowledged = self.states.len() - 1,
            Err(_) => self.end_failed(),
        }
    }

    /// After an error nothing may be acknowledged. Kills the process and starts it again.
    fn end_failed(&mut self) {
        let store = self.store.as_mut().unwrap();
        assert!(store.commit(&[]).is_err(), "acknowledged after a failure");
        assert!(store.sync().is_err(), "synced after a failure");
        self.file = self.file.killed();
        self.reopen(self.fsync);
    }

    fn reopen(&mut self, fsync: FsyncPolicy) {
        self.store = None;
        let mut tries = 0;
        let store = loop {
            if self.failing_opens == 0 {
                self.file.heal();
            }
            match self.file.open(&options(fsync)) {
                Ok(store) => break store,
                Err(error) => {
                    assert!(!error.to_string().contains("panicked"), "{error}");
                    assert!(
                        self.flipped || tries < 4,
                        "a disk that works again is refused: {error}"
                    );
                    if self.flipped && tries > 4 {
                        return;
                    }
                    tries += 1;
                    self.failing_opens = self.failing_opens.saturating_sub(1);
                    self.file = self.file.killed();
                }
            }
        };
        let mut found = Records::new();
        store
            .load(&mut |key, value| {
                found.insert(key.to_vec(), value.to_vec());
            })
            .unwrap();
        match self.states.iter().position(|state| *state == found) {
            Some(at) => assert!(
                at >= self.acknowledged || !store.kept_memory(),
                "a silent loss"
            ),
            None => {
                assert!(!store.kept_memory(), "a silent loss");
                assert!(self.flipped, "a durable commit is lost without damage");
                assert!(self.older.contains(&found), "records that never were");
            }
        }
        // What is there now is on the medium.
        self.older.append(&mut self.states);
        self.states = vec![found];
        self.store = Some(store);
        self.fsync = fsync;
        self.first = true;
        self.acknowledged = 0;
    }

    fn run(&mut self, action: &Action) {
        match action {
            Action::Commit(batch) => self.commit(batch),
            Action::Sync => match self.store.as_mut().unwrap().sync() {
                Ok(()) => self.settle(),
                Err(_) => self.end_failed(),
            },
            Action::Close(next) => {
                let closed = Box::new(self.store.take().unwrap()).close();
                if closed.is_ok() {
                    self.settle();
                }
                self.reopen(*next);
            }
            Action::Kill(next, evicted) => {
                self.file = self.file.killed();
                if let Some(seed) = evicted {
                    self.file.evict(*seed);
                }
                self.reopen(*next);
            }
            Action::Crash(next, seed) => {
                self.file = FaultyFile::holding(self.file.after_crash(usize::MAX, *seed));
                self.reopen(*next);
            }
            Action::FailSync(seed) => self.file.fail_next_sync(*seed),
            Action::FailWrite(seed, full) => self.file.fail_next_write(*seed, kind(*full)),
            Action::Fail(opens, full) => {
                self.failing_opens = *opens;
                self.file.fail_from(0, kind(*full));
            }
            Action::Flip(at, bit) => {
                self.file.rest();
                let len = self.file.contents().len();
                self.file.flip(usize::from(*at) * len / 65536, *bit);
                self.flipped = true;
            }
        }
    }
}

fn kind(full: bool) -> io::ErrorKind {
    if full {
        io::ErrorKind::StorageFull
    } else {
        io::ErrorKind::Other
    }
}

fn check(fsync: FsyncPolicy, actions: &[Action]) {
    let mut lab = Lab::new(fsync);
    for action in actions {
        lab.run(action);
        // A store that is damaged for good stays closed.
        if lab.store.is_none() {
            return;
        }
    }
    let next = lab.fsync;
    lab.run(&Action::Crash(next, 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_fault_of_the_disk_loses_what_was_acknowledged(
        fsync in policy(),
        actions in vec(action(0), 1..60),
    ) {
        check(fsync, &actions);
    }

    #[test]
    fn no_damage_at_rest_is_taken_for_a_sound_store(
        fsync in policy(),
        actions in vec(action(3), 1..60),
    ) {
        check(fsync, &actions);
    }
}
