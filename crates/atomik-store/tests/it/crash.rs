//! What a crash, a failing disk or a damaged file leaves of a store.

use std::collections::BTreeMap;
use std::io;

use atomik_store::testing::{FaultyFile, Image};
use atomik_store::{FsyncPolicy, Opened, Options, RedbStore, Store, StoreError, Write};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

const POLICIES: [FsyncPolicy; 3] = [
    FsyncPolicy::Always,
    // Longer than any test, so that only the first commit, `sync` and `close` sync, and every run
    // is the same.
    FsyncPolicy::Interval(3_600_000),
    FsyncPolicy::Never,
];
/// Images to check of each crash; the first five are the extremes.
const SEEDS: u64 = 12;
/// The key of the number of the commit that made a state; only the empty state lacks it.
const COUNTER: &[u8] = b"counter";

type Records = BTreeMap<Vec<u8>, Vec<u8>>;
type Batch = Vec<(Vec<u8>, Option<Vec<u8>>)>;

fn options(fsync: FsyncPolicy) -> Options {
    Options {
        fsync,
        // Small enough that pages spill into the file before they are synced.
        cache_bytes: 96 << 10,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Open,
    Commit,
    Sync,
    Compact,
    Close,
    /// Drop the store without closing it.
    Drop,
}

/// Three runs of 13 commits each: the first is closed, the second compacted and closed, the third
/// dropped.
fn steps() -> Vec<Step> {
    let mut steps = Vec::new();
    for (run, end) in [(0, Step::Close), (1, Step::Close), (2, Step::Drop)] {
        steps.push(Step::Open);
        for commit in 0..13 {
            steps.push(Step::Commit);
            if commit % 5 == 4 {
                steps.push(Step::Sync);
            }
            if run == 1 && commit == 7 {
                steps.push(Step::Compact);
            }
        }
        steps.push(end);
    }
    steps
}

/// The batches of all commits, and the states that result: `states[n]` after `n` commits.
fn workload(seed: u64) -> (Vec<Batch>, Vec<Records>) {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut below = |bound: u64| random.next_u64() % bound;
    let mut states = vec![Records::new()];
    let mut batches = Vec::new();
    for number in 1..=39_u64 {
        let mut batch: Batch = vec![(COUNTER.to_vec(), Some(number.to_be_bytes().to_vec()))];
        for _ in 0..4 + below(24) {
            let key = below(60).to_be_bytes().to_vec();
            // A few values are larger than a page. One batch of each run only deletes, so that
            // compaction has something to do.
            let len =
                [8, 40, 300, 6000][below(4) as usize].min(if below(8) == 0 { 6000 } else { 300 });
            let delete = below(4) == 0 || number % 13 == 7;
            batch.push((key, (!delete).then(|| vec![number as u8; len])));
        }
        let mut state = states.last().unwrap().clone();
        for (key, value) in &batch {
            match value {
                Some(value) => state.insert(key.clone(), value.clone()),
                None => state.remove(key),
            };
        }
        states.push(state);
        batches.push(batch);
    }
    (batches, states)
}

fn writes(batch: &[(Vec<u8>, Option<Vec<u8>>)]) -> Vec<Write<'_>> {
    batch
        .iter()
        .map(|(key, value)| Write {
            key,
            value: value.as_deref(),
        })
        .collect()
}

fn contents(store: &RedbStore) -> Records {
    let mut records = Records::new();
    store
        .load(&mut |key, value| {
            records.insert(key.to_vec(), value.to_vec());
        })
        .unwrap();
    records
}

/// What the user of the store knew at every point of the file's log.
struct History {
    states: Vec<Records>,
    file: FaultyFile,
    /// The point at which each commit began.
    began: Vec<usize>,
    /// The point at which each commit had returned.
    returned: Vec<usize>,
    /// From each point on, this many commits must survive.
    promised: Vec<(usize, usize)>,
    /// The points at which each close began and had returned.
    closes: Vec<(usize, usize)>,
}

impl History {
    /// Runs the workload under a policy on `file`. `commit` is the call under test.
    fn record(
        file: FaultyFile,
        fsync: FsyncPolicy,
        mut commit: impl FnMut(&mut RedbStore, &[Write<'_>]),
    ) -> Self {
        let (batches, states) = workload(7);
        let mut history = Self {
            states,
            file: file.clone(),
            began: Vec::new(),
            returned: Vec::new(),
            promised: vec![(0, 0)],
            closes: Vec::new(),
        };
        let mut store = None;
        let mut first = true;
        for step in steps() {
            let before = file.points();
            let mut promises = step != Step::Drop;
            match step {
                Step::Open => {
                    first = true;
                    store = Some(file.open(&options(fsync)).unwrap());
                }
                Step::Commit => {
                    history.began.push(before);
                    let batch = &batches[history.began.len() - 1];
                    commit(store.as_mut().unwrap(), &writes(batch));
                    history.returned.push(file.points());
                    promises = first || fsync == FsyncPolicy::Always;
                    first = false;
                }
                Step::Sync => store.as_mut().unwrap().sync().unwrap(),
                Step::Compact => store.as_mut().unwrap().compact().unwrap(),
                Step::Close => {
                    Box::new(store.take().unwrap()).close().unwrap();
                    history.closes.push((before, file.points()));
                }
                Step::Drop => drop(store.take()),
            }
            if promises {
                history.promised.push((file.points(), history.began.len()));
            }
        }
        assert_eq!(history.began.len(), history.states.len() - 1);
        history
    }

    fn begun(&self, point: usize) -> usize {
        self.began.iter().filter(|began| **began < point).count()
    }

    fn acknowledged(&self, point: usize) -> usize {
        self.returned
            .iter()
            .filter(|ended| **ended <= point)
            .count()
    }

    fn promised(&self, point: usize) -> usize {
        let kept = self.promised.iter().filter(|(from, _)| *from <= point);
        kept.map(|(_, commits)| *commits).max().unwrap_or(0)
    }

    /// How many commits make the state that the contents are.
    fn state(&self, records: &Records) -> Result<usize, String> {
        let number = match records.get(COUNTER) {
            None => 0,
            Some(bytes) => u64::from_be_bytes(bytes.as_slice().try_into().unwrap()) as usize,
        };
        if self.states.get(number) == Some(records) {
            Ok(number)
        } else {
            Err(format!(
                "the contents are not those of state {number}, which they name"
            ))
        }
    }

    /// Checks a store that was opened after a crash at `point`; returns its state.
    fn check(&self, point: usize, store: &RedbStore) -> Result<usize, String> {
        let state = self.state(&contents(store))?;
        let (promised, begun) = (self.promised(point), self.begun(point));
        if state < promised || state > begun {
            return Err(format!(
                "state {state}, but {promised} commits were promised and {begun} begun"
            ));
        }
        let acknowledged = self.acknowledged(point);
        if store.kept_memory() && state < acknowledged {
            return Err(format!(
                "claims to have kept its memory at state {state} of {acknowledged}"
            ));
        }
        let opened = store.opened();
        // In the middle of a close it may be either. A commit after the last close makes it
        // unclean.
        let closed = self.closes.iter().filter(|(_, end)| *end <= point).count();
        let closing = self
            .closes
            .iter()
            .any(|(begun, end)| *begun < point && point < *end);
        let state_at_close = [0, 13, 26][closed];
        let expected = match (state, state > state_at_close) {
            (0, _) => Opened::Fresh,
            (_, true) => Opened::Unclean,
            (_, false) => Opened::Clean,
        };
        if opened != expected && !(closing && opened == Opened::Clean) {
            return Err(format!(
                "opened {opened:?} at state {state}, expected {expected:?}"
            ));
        }
        Ok(state)
    }

    /// Checks several images of a crash at every point; returns how many.
    fn check_every_crash(&self, fsync: FsyncPolicy) -> Result<u64, String> {
        let mut images = 0;
        for point in 0..=self.file.points() {
            for seed in 0..SEEDS {
                let context = |what: String| format!("{fsync}, point {point}, seed {seed}: {what}");
                let file = FaultyFile::holding(self.file.after_crash(point, seed));
                let store = file
                    .open(&options(fsync))
                    .map_err(|error| context(error.to_string()))?;
                let state = self.check(point, &store).map_err(context)?;
                images += 1;
                if seed % 4 == 3 {
                    self.check_second_crash(&file, store, fsync, point, seed, state)
                        .map_err(context)?;
                } else if seed % 4 == 2 {
                    check_is_usable(&file, store, fsync).map_err(context)?;
                }
            }
        }
        Ok(images)
    }

    /// A second crash, during the repair or after it, must not lose anything of the state that the
    /// first open showed.
    fn check_second_crash(
        &self,
        file: &FaultyFile,
        store: RedbStore,
        fsync: FsyncPolicy,
        point: usize,
        seed: u64,
        state: usize,
    ) -> Result<(), String> {
        let (opened, kept) = (store.opened(), store.kept_memory());
        drop(store);
        let second = (point as u64 * 31 + seed) as usize % (file.points() + 1);
        let again = FaultyFile::holding(file.after_crash(second, seed));
        let store = again
            .open(&options(fsync))
            .map_err(|error| format!("second crash at {second}: {error}"))?;
        let found = self.check(point, &store)?;
        if (found, store.opened(), store.kept_memory()) == (state, opened, kept) {
            Ok(())
        } else {
            Err(format!(
                "second crash at {second}: from state {state} to {found}"
            ))
        }
    }
}

/// A store that was repaired takes batches and keeps them.
fn check_is_usable(
    file: &FaultyFile,
    mut store: RedbStore,
    fsync: FsyncPolicy,
) -> Result<(), String> {
    let mut expected = contents(&store);
    for number in 0..3_u8 {
        let value = [number; 5000];
        store
            .commit(&[Write::put(b"afterwards", &value)])
            .map_err(|error| error.to_string())?;
        expected.insert(b"afterwards".to_vec(), value.to_vec());
    }
    Box::new(store).close().map_err(|error| error.to_string())?;
    let store = file
        .open(&options(fsync))
        .map_err(|error| error.to_string())?;
    if contents(&store) != expected || store.opened() != Opened::Clean {
        return Err("a commit after the repair is missing".to_owned());
    }
    Ok(())
}

fn commit_whole(store: &mut RedbStore, writes: &[Write<'_>]) {
    store.commit(writes).unwrap();
}

fn crashes_keep_every_promise_of(fsync: FsyncPolicy) {
    let file = FaultyFile::with_store().unwrap();
    let history = History::record(file, fsync, commit_whole);
    match history.check_every_crash(fsync) {
        Ok(images) => println!("{fsync}: {} points, {images} images", history.file.points()),
        Err(broken) => panic!("{broken}"),
    }
}

#[test]
fn a_crash_at_any_point_loses_no_commit_that_returned_when_all_are_synced() {
    crashes_keep_every_promise_of(POLICIES[0]);
}

#[test]
fn a_crash_at_any_point_leaves_a_state_no_older_than_the_last_sync_with_an_interval() {
    crashes_keep_every_promise_of(POLICIES[1]);
}

#[test]
fn a_crash_at_any_point_leaves_a_state_no_older_than_the_last_sync_when_none_is_synced() {
    crashes_keep_every_promise_of(POLICIES[2]);
}

#[test]
fn the_check_of_crashes_catches_a_disk_that_forgets_what_it_synced() {
    for fsync in POLICIES {
        let file = FaultyFile::with_store().unwrap().lying();
        let history = History::record(file, fsync, commit_whole);
        assert!(history.check_every_crash(fsync).is_err(), "{fsync}");
    }
}

#[test]
fn the_check_of_crashes_catches_a_batch_that_is_committed_in_two_parts() {
    let fsync = FsyncPolicy::Always;
    let history = History::record(FaultyFile::with_store().unwrap(), fsync, |store, writes| {
        let (head, tail) = writes.split_at(writes.len() / 2);
        store.commit(head).unwrap();
        store.commit(tail).unwrap();
    });
    let broken = history.check_every_crash(fsync).unwrap_err();
    assert!(broken.contains("are not those of state"), "{broken}");
}

#[test]
fn a_crash_while_a_store_is_created_leaves_nothing_that_opens_with_records() {
    // In a data folder such a file has another name until it is complete.
    let created = FaultyFile::default();
    created.create().unwrap();
    for point in 0..=created.points() {
        for seed in 0..SEEDS {
            let file = FaultyFile::holding(created.after_crash(point, seed));
            match file.open(&Options::default()) {
                Ok(store) => {
                    assert_eq!(store.opened(), Opened::Fresh);
                    assert!(contents(&store).is_empty());
                }
                Err(StoreError::Damaged { .. }) => assert!(point < created.points()),
                Err(error) => panic!("point {point}, seed {seed}: {error}"),
            }
        }
    }
}

/// Runs the workload until a step fails. Returns how many commits were acknowledged, and the error.
fn run_until_refused(file: &FaultyFile, fsync: FsyncPolicy) -> (usize, Option<StoreError>) {
    let (batches, _) = workload(7);
    let mut acknowledged = 0;
    let mut store: Option<RedbStore> = None;
    for step in steps() {
        let done = match step {
            Step::Open => file
                .open(&options(fsync))
                .map(|opened| store = Some(opened)),
            Step::Commit => {
                let batch = &batches[acknowledged];
                let done = store.as_mut().unwrap().commit(&writes(batch));
                acknowledged += usize::from(done.is_ok());
                done
            }
            Step::Sync => store.as_mut().unwrap().sync(),
            Step::Compact => store.as_mut().unwrap().compact(),
            Step::Close => Box::new(store.take().unwrap()).close(),
            Step::Drop => {
                drop(store.take());
                Ok(())
            }
        };
        if let Err(error) = done {
            if let Some(mut store) = store {
                let again = store.commit(&[Write::put(b"again", b"")]).unwrap_err();
                assert!(matches!(again, StoreError::Failed { .. }), "{again}");
                let again = Box::new(store).close().unwrap_err();
                assert!(matches!(again, StoreError::Failed { .. }), "{again}");
            }
            return (acknowledged, Some(error));
        }
    }
    (acknowledged, None)
}

#[test]
fn a_full_disk_stops_the_store_with_a_message_and_loses_no_commit_that_returned() {
    let fsync = FsyncPolicy::Always;
    let (_, states) = workload(7);
    let whole = FaultyFile::with_store().unwrap();
    assert!(run_until_refused(&whole, fsync).1.is_none());
    for point in 0..whole.points() {
        let file = FaultyFile::with_store().unwrap();
        file.fail_from(point, io::ErrorKind::StorageFull);
        let (acknowledged, error) = run_until_refused(&file, fsync);
        // The drop at the very end cannot report an error.
        match error {
            Some(StoreError::Full { .. }) => {}
            None => assert_eq!(acknowledged + 1, states.len()),
            Some(error) => panic!("point {point}: {error}"),
        }
        file.fail_from(usize::MAX, io::ErrorKind::StorageFull);
        for seed in [0, 1, 9] {
            let file = FaultyFile::holding(file.after_crash(usize::MAX, seed));
            let store = file.open(&options(fsync)).unwrap();
            let found = contents(&store);
            assert!(
                found == states[acknowledged] || states.get(acknowledged + 1) == Some(&found),
                "point {point}, seed {seed}"
            );
            assert!(store.kept_memory());
        }
    }
}

/// The file after the whole workload, closed or as a kill leaves it, and the states.
fn finished(closed: bool) -> (Image, Vec<Records>) {
    let (batches, states) = workload(7);
    let file = FaultyFile::with_store().unwrap();
    let mut store = file.open(&Options::default()).unwrap();
    for batch in &batches {
        store.commit(&writes(batch)).unwrap();
    }
    if closed {
        Box::new(store).close().unwrap();
    }
    (file.image(), states)
}

/// Opens an image. A refusal must name the damage and tell the user what to do.
fn open_damaged(image: Image) -> Option<RedbStore> {
    match FaultyFile::holding(image).open(&Options::default()) {
        Ok(store) => Some(store),
        Err(error @ (StoreError::Damaged { .. } | StoreError::Newer { .. })) => {
            let text = error.to_string();
            assert!(
                text.contains("restore the folder from a backup") || text.contains("version"),
                "{text}"
            );
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// Every bit of the header, and `elsewhere` bits of the whole file at random.
fn flips(image: &Image, elsewhere: u64) -> Vec<(usize, u8)> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(3);
    let mut flips: Vec<(usize, u8)> = (0..320)
        .flat_map(|at| (0..8).map(move |bit| (at, 1 << bit)))
        .collect();
    for _ in 0..elsewhere {
        let at = random.next_u64() as usize % image.bytes.len();
        flips.push((at, 1 << (random.next_u64() % 8)));
    }
    flips
}

#[test]
fn a_flipped_bit_in_a_closed_store_is_refused_or_harmless() {
    let (image, states) = finished(true);
    let mut refused = 0;
    let flips = flips(&image, 4000);
    for (at, bit) in &flips {
        let mut image = image.clone();
        image.bytes[*at] ^= bit;
        match open_damaged(image) {
            None => refused += 1,
            Some(store) => {
                assert!(
                    contents(&store) == states[39],
                    "bit {bit:#04x} of byte {at}"
                );
                assert_eq!(store.opened(), Opened::Clean, "bit {bit:#04x} of byte {at}");
            }
        }
    }
    println!("{refused} of {} refused", flips.len());
    assert!(refused > flips.len() / 5, "{refused} of {}", flips.len());
}

#[test]
fn a_flipped_bit_in_a_store_that_was_not_closed_costs_at_most_the_newest_commit_and_is_told() {
    let (image, states) = finished(false);
    for (at, bit) in flips(&image, 4000) {
        let mut image = image.clone();
        image.bytes[at] ^= bit;
        if let Some(store) = open_damaged(image) {
            let found = contents(&store);
            assert!(
                found == states[39] || found == states[38],
                "bit {bit:#04x} of byte {at}"
            );
            assert_eq!(store.kept_memory(), found == states[39]);
            assert_eq!(
                store.opened(),
                Opened::Unclean,
                "bit {bit:#04x} of byte {at}"
            );
        }
    }
}

#[test]
fn a_file_of_another_length_is_refused_or_harmless() {
    for closed in [true, false] {
        let (image, states) = finished(closed);
        let lengths = (0..400)
            .chain((400..image.bytes.len() + 20_000).step_by(509))
            .chain((0..image.bytes.len() + 20_000).step_by(4096));
        for len in lengths {
            let mut image = image.clone();
            image.bytes.resize(len, 0);
            if let Some(store) = open_damaged(image) {
                let found = contents(&store);
                assert!(
                    found == states[39] || (!closed && found == states[38]),
                    "{len} bytes"
                );
            }
        }
    }
}
