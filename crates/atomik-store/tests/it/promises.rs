//! What both stores promise: atomic batches, order, how an open reports the last run, and syncs.

use std::thread;
use std::time::Duration;

use atomik_store::testing::FaultyFile;
use atomik_store::{FsyncPolicy, MemoryDisk, Opened, Options, Store, StoreError, Write};
use proptest::collection::vec;
use proptest::prelude::*;

const NEVER: FsyncPolicy = FsyncPolicy::Never;
const ALWAYS: FsyncPolicy = FsyncPolicy::Always;
/// Longer than any test.
const HOUR: FsyncPolicy = FsyncPolicy::Interval(3_600_000);

/// A disk of either kind. A crash loses everything that it may lose.
#[derive(Clone)]
enum Disk {
    Memory(MemoryDisk),
    File(FaultyFile),
}

impl Disk {
    fn both() -> [Self; 2] {
        [
            Self::Memory(MemoryDisk::new()),
            Self::File(FaultyFile::with_store().unwrap()),
        ]
    }

    fn open(&self, fsync: FsyncPolicy) -> Box<dyn Store> {
        match self {
            Self::Memory(disk) => Box::new(disk.open(fsync).unwrap()),
            Self::File(file) => {
                let options = Options {
                    fsync,
                    ..Options::default()
                };
                Box::new(file.open(&options).unwrap())
            }
        }
    }

    /// The disk after a crash; `store` is the store that was open.
    fn crash(self, store: Option<Box<dyn Store>>) -> Self {
        match self {
            Self::Memory(disk) => {
                disk.crash();
                Self::Memory(disk)
            }
            Self::File(file) => {
                // Taken before the store is dropped, since that writes.
                let image = file.after_crash(usize::MAX, 0);
                drop(store);
                Self::File(FaultyFile::holding(image))
            }
        }
    }
}

type Records = Vec<(Vec<u8>, Vec<u8>)>;

fn contents(store: &dyn Store) -> Records {
    let mut records = Records::new();
    store
        .load(&mut |key, value| records.push((key.to_vec(), value.to_vec())))
        .unwrap();
    records
}

fn records(pairs: &[(&str, &str)]) -> Records {
    let owned = |text: &str| text.as_bytes().to_vec();
    pairs
        .iter()
        .map(|(key, value)| (owned(key), owned(value)))
        .collect()
}

#[test]
fn records_load_in_the_order_of_their_keys_as_byte_strings() {
    for disk in Disk::both() {
        let mut store = disk.open(ALWAYS);
        let keys: [&[u8]; 6] = [b"b", b"", b"\xff", b"a\0", b"a", b"aa"];
        let batch: Vec<Write<'_>> = keys.iter().map(|key| Write::put(key, b"")).collect();
        store.commit(&batch).unwrap();
        let found: Vec<Vec<u8>> = contents(&*store).into_iter().map(|(key, _)| key).collect();
        assert_eq!(found, [b"" as &[u8], b"a", b"a\0", b"aa", b"b", b"\xff"]);
    }
}

#[test]
fn a_batch_applies_in_its_order() {
    for disk in Disk::both() {
        let mut store = disk.open(ALWAYS);
        store
            .commit(&[
                Write::put(b"twice", b"old"),
                Write::put(b"gone", b"there"),
                Write::delete(b"never was"),
                Write::put(b"twice", b"new"),
                Write::delete(b"gone"),
                Write::delete(b"back"),
                Write::put(b"back", b"again"),
            ])
            .unwrap();
        let expected = records(&[("back", "again"), ("twice", "new")]);
        assert_eq!(contents(&*store), expected);
    }
}

#[test]
fn a_closed_store_is_clean_and_has_everything_under_every_policy() {
    for fsync in [ALWAYS, HOUR, NEVER] {
        for disk in Disk::both() {
            let mut store = disk.open(fsync);
            assert_eq!((store.opened(), store.kept_memory()), (Opened::Fresh, true));
            store.commit(&[Write::put(b"a", b"1")]).unwrap();
            store.commit(&[Write::put(b"b", b"2")]).unwrap();
            store.close().unwrap();
            let store = disk.clone().crash(None).open(fsync);
            assert_eq!((store.opened(), store.kept_memory()), (Opened::Clean, true));
            assert_eq!(contents(&*store), records(&[("a", "1"), ("b", "2")]));
        }
    }
}

#[test]
fn a_store_that_crashed_kept_its_memory_only_if_every_commit_was_synced() {
    for (fsync, kept) in [(ALWAYS, true), (HOUR, false), (NEVER, false)] {
        for disk in Disk::both() {
            let mut store = disk.open(fsync);
            store.commit(&[Write::put(b"a", b"1")]).unwrap();
            store.commit(&[Write::put(b"b", b"2")]).unwrap();
            let store = disk.crash(Some(store)).open(ALWAYS);
            assert_eq!(
                (store.opened(), store.kept_memory()),
                (Opened::Unclean, kept)
            );
            // The first commit of a run is always synced.
            let found = records(&[("a", "1"), ("b", "2")][..1 + usize::from(kept)]);
            assert_eq!(contents(&*store), found);
        }
    }
}

#[test]
fn a_run_without_a_commit_leaves_what_the_last_one_left() {
    for disk in Disk::both() {
        disk.open(NEVER).close().unwrap();
        let mut store = disk.open(NEVER);
        assert_eq!(store.opened(), Opened::Fresh);
        store.commit(&[Write::put(b"a", b"1")]).unwrap();
        let disk = disk.crash(Some(store));
        // Closed, and then crashed, under a policy that keeps everything.
        for closed in [true, false] {
            let store = disk.open(ALWAYS);
            assert_eq!(
                (store.opened(), store.kept_memory()),
                (Opened::Unclean, false)
            );
            if closed {
                store.close().unwrap();
            }
        }
        let mut store = disk.open(ALWAYS);
        store.commit(&[Write::put(b"new", b"identity")]).unwrap();
        let store = disk.crash(Some(store)).open(ALWAYS);
        assert_eq!(
            (store.opened(), store.kept_memory()),
            (Opened::Unclean, true)
        );
    }
}

#[test]
fn sync_takes_every_commit_before_it_to_disk() {
    for disk in Disk::both() {
        let mut store = disk.open(NEVER);
        for key in [b"a", b"b", b"c"] {
            store.commit(&[Write::put(key, b"")]).unwrap();
        }
        store.sync().unwrap();
        store.commit(&[Write::put(b"d", b"")]).unwrap();
        let store = disk.crash(Some(store)).open(NEVER);
        assert_eq!(
            contents(&*store),
            records(&[("a", ""), ("b", ""), ("c", "")])
        );
    }
}

#[test]
fn the_first_commit_after_the_interval_takes_those_before_it_to_disk() {
    for disk in Disk::both() {
        let mut store = disk.open(FsyncPolicy::Interval(200));
        for key in [b"a", b"b"] {
            store.commit(&[Write::put(key, b"")]).unwrap();
        }
        if let Disk::Memory(disk) = &disk {
            disk.advance(200);
        }
        thread::sleep(Duration::from_millis(200));
        store.commit(&[Write::put(b"c", b"")]).unwrap();
        let store = disk.crash(Some(store)).open(ALWAYS);
        assert_eq!(contents(&*store).len(), 3);
    }
}

#[test]
fn a_crash_kills_the_store_that_was_open_and_frees_the_disk_for_another() {
    let disk = MemoryDisk::new();
    let mut old = disk.open(ALWAYS).unwrap();
    old.commit(&[Write::put(b"a", b"old")]).unwrap();
    assert!(matches!(disk.open(ALWAYS), Err(StoreError::Locked { .. })));
    disk.crash();
    let mut new = disk.open(ALWAYS).unwrap();
    let refused = old.commit(&[Write::put(b"a", b"older")]).unwrap_err();
    assert!(matches!(refused, StoreError::Failed { .. }));
    drop(old);
    assert!(matches!(disk.open(ALWAYS), Err(StoreError::Locked { .. })));
    new.commit(&[]).unwrap();
    assert_eq!(contents(&new), records(&[("a", "old")]));
}

#[derive(Clone, Debug)]
enum Action {
    Commit(Vec<(u8, Option<u8>)>),
    Sync,
    Close(FsyncPolicy),
    Crash(FsyncPolicy),
}

fn policy() -> impl Strategy<Value = FsyncPolicy> {
    prop::sample::select(vec![ALWAYS, HOUR, NEVER])
}

fn step() -> impl Strategy<Value = Action> {
    prop_oneof![
        6 => vec((0..12_u8, any::<Option<u8>>()), 0..6).prop_map(Action::Commit),
        2 => Just(Action::Sync),
        1 => policy().prop_map(Action::Close),
        2 => policy().prop_map(Action::Crash),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Simulations use the store in memory in place of the one in a file.
    #[test]
    fn memory_and_file_agree_on_everything_a_replica_sees(
        first in policy(),
        steps in vec(step(), 1..40),
    ) {
        let mut disks = Disk::both();
        let mut stores = disks.each_ref().map(|disk| Some(disk.open(first)));
        for step in &steps {
            for (disk, slot) in disks.iter_mut().zip(&mut stores) {
                let mut store = slot.take().unwrap();
                *slot = Some(match step {
                    Action::Commit(batch) => {
                        let bytes: Vec<[u8; 2]> = batch
                            .iter()
                            .map(|(key, value)| [*key, value.unwrap_or(0)])
                            .collect();
                        let writes: Vec<Write<'_>> = batch.iter().zip(&bytes)
                            .map(|((_, value), [key, byte])| Write {
                                key: std::slice::from_ref(key),
                                value: value.is_some().then_some(std::slice::from_ref(byte)),
                            })
                            .collect();
                        store.commit(&writes).unwrap();
                        store
                    }
                    Action::Sync => {
                        store.sync().unwrap();
                        store
                    }
                    Action::Close(next) => {
                        store.close().unwrap();
                        disk.open(*next)
                    }
                    Action::Crash(next) => {
                        *disk = disk.clone().crash(Some(store));
                        disk.open(*next)
                    }
                });
            }
            let seen = stores.each_ref().map(|store| {
                let store = store.as_deref().unwrap();
                (contents(store), store.opened(), store.kept_memory())
            });
            prop_assert_eq!(&seen[0], &seen[1]);
        }
    }

    #[test]
    fn a_policy_survives_its_text(millis in 1_u64..) {
        for policy in [ALWAYS, NEVER, FsyncPolicy::Interval(millis)] {
            prop_assert_eq!(policy.to_string().parse::<FsyncPolicy>().unwrap(), policy);
            let json = serde_json::to_string(&policy).unwrap();
            prop_assert_eq!(&json, &format!("\"{policy}\""));
            prop_assert_eq!(serde_json::from_str::<FsyncPolicy>(&json).unwrap(), policy);
        }
    }
}

#[test]
fn an_unknown_policy_is_refused_with_the_known_ones() {
    for text in [
        "",
        "Always",
        "interval",
        "interval:",
        "interval:5",
        "interval:0ms",
        "interval:-1ms",
        "interval:+1ms",
        "interval:ms",
        "interval:1s",
        "interval:99999999999999999999ms",
    ] {
        let refused = text.parse::<FsyncPolicy>().unwrap_err().to_string();
        for hint in ["always", "never", "interval:100ms"] {
            assert!(refused.contains(hint), "{refused}");
        }
    }
    assert_eq!(FsyncPolicy::default(), ALWAYS);
    assert_eq!(Options::default().fsync, ALWAYS);
}
