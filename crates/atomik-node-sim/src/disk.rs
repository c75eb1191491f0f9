//! The disk of a node: a real store on a file that fails, stalls and loses power.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use atomik_node::node::Pace;
use atomik_store::testing::{FaultyFile, Image};
use atomik_store::{Opened, Options, RedbStore, Store, StoreError, Write};
use tokio::time::Instant;

use crate::draw::Draw;
use crate::schedule::StorageFault;

/// Memory of a store for pages of its file: few, so that it also reads.
const CACHE: usize = 1 << 20;

/// A disk. It outlives the nodes that use it.
pub(crate) struct Disk {
    used: Shared,
}

/// What disk, store and pace share.
type Shared = Arc<Mutex<Used>>;

struct Used {
    file: FaultyFile,
    /// The commit that the node has not heard of yet: where it began in the file, and until when.
    in_flight: Option<(usize, Instant)>,
    /// How often the store reported an error.
    errors: u64,
}

fn lock(used: &Shared) -> MutexGuard<'_, Used> {
    used.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Used {
    /// The points at which a crash may have struck now.
    fn points(&self) -> (usize, usize) {
        let end = self.file.points();
        match self.in_flight {
            Some((begin, until)) if Instant::now() < until => (begin, end),
            _ => (end, end),
        }
    }
}

impl Disk {
    /// A disk with an empty store.
    pub(crate) fn new() -> Result<Self, StoreError> {
        FaultyFile::with_store().map(Self::holding)
    }

    fn holding(file: FaultyFile) -> Self {
        let used = Used {
            file,
            in_flight: None,
            errors: 0,
        };
        Self {
            used: Arc::new(Mutex::new(used)),
        }
    }

    /// Opens the store, and the pace at which it works.
    pub(crate) fn open(&self, draw: Draw) -> Result<(SimStore, SimPace), StoreError> {
        let options = Options {
            cache_bytes: CACHE,
            ..Options::default()
        };
        let store = lock(&self.used).file.open(&options)?;
        let used = Arc::clone(&self.used);
        let pace = SimPace {
            draw,
            used: Arc::clone(&used),
        };
        Ok((SimStore { store, used }, pace))
    }

    /// How often the store has reported an error since it was opened.
    pub(crate) fn errors(&self) -> u64 {
        lock(&self.used).errors
    }

    /// Whether the node has not heard yet of a commit that has begun.
    pub(crate) fn is_in_commit(&self) -> bool {
        let (begin, end) = lock(&self.used).points();
        begin < end
    }

    pub(crate) fn fail(&self, how: StorageFault, seed: u64) {
        let file = &lock(&self.used).file;
        match how {
            StorageFault::Sync => file.fail_next_sync(seed),
            StorageFault::Write => file.fail_next_write(seed, io::ErrorKind::Other),
            StorageFault::ShortOfRoom => file.fail_next_write(seed, io::ErrorKind::StorageFull),
            StorageFault::Full => file.fail_from(file.points(), io::ErrorKind::StorageFull),
        }
    }

    /// Ends faults that have not struck yet.
    pub(crate) fn heal(&self) {
        lock(&self.used).file.heal();
    }

    /// The process that uses the disk is gone: what it still does has no effect. It was perhaps in
    /// the middle of a commit.
    #[must_use]
    pub(crate) fn killed(&self, draw: &mut Draw) -> Self {
        let used = lock(&self.used);
        let (begin, end) = used.points();
        let point = draw.between(begin as u64, end as u64) as usize;
        let file = if point < end && used.errors == 0 {
            // All that was written up to this point.
            FaultyFile::holding(used.file.after_crash(point, 1))
        } else {
            used.file.killed()
        };
        file.heal();
        Self::holding(file)
    }

    /// The power has failed.
    #[must_use]
    pub(crate) fn after_power_cut(&self, seed: u64, draw: &mut Draw) -> Self {
        let used = lock(&self.used);
        let (begin, end) = used.points();
        let point = draw.between(begin as u64, end as u64) as usize;
        Self::holding(FaultyFile::holding(used.file.after_crash(point, seed)))
    }

    /// The system forgets some of what it has cached of the file.
    pub(crate) fn evict(&self, seed: u64) {
        lock(&self.used).file.evict(seed);
    }

    /// A copy of the folder.
    pub(crate) fn image(&self) -> Image {
        lock(&self.used).file.image()
    }

    /// The disk with this copy in place of its folder.
    #[must_use]
    pub(crate) fn restored(image: &Image) -> Self {
        Self::holding(FaultyFile::holding(image.clone()))
    }
}

/// A store that notes when it is in the middle of a commit, and when it fails.
pub(crate) struct SimStore {
    store: RedbStore,
    used: Shared,
}

impl SimStore {
    fn note(&self, outcome: Result<(), StoreError>) -> Result<(), StoreError> {
        lock(&self.used).errors += u64::from(outcome.is_err());
        outcome
    }
}

impl Store for SimStore {
    fn load(&self, each: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), StoreError> {
        self.store.load(each)
    }

    fn commit(&mut self, writes: &[Write<'_>]) -> Result<(), StoreError> {
        let mut used = lock(&self.used);
        used.in_flight = Some((used.file.points(), Instant::now()));
        drop(used);
        let outcome = self.store.commit(writes);
        self.note(outcome)
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        let outcome = self.store.sync();
        self.note(outcome)
    }

    fn close(self: Box<Self>) -> Result<(), StoreError> {
        let Self { store, used } = *self;
        let outcome = Box::new(store).close();
        lock(&used).errors += u64::from(outcome.is_err());
        outcome
    }

    fn opened(&self) -> Opened {
        self.store.opened()
    }

    fn kept_memory(&self) -> bool {
        self.store.kept_memory()
    }
}

/// How long the store takes: mostly milliseconds, sometimes seconds.
pub(crate) struct SimPace {
    draw: Draw,
    used: Shared,
}

impl SimPace {
    fn time(&mut self) -> Duration {
        Duration::from_millis(match self.draw.below(100) {
            0..30 => 0,
            30..80 => self.draw.between(1, 5),
            80..98 => self.draw.between(5, 200),
            _ => self.draw.between(200, 3000),
        })
    }
}

impl Pace for SimPace {
    fn before(&mut self) -> Duration {
        self.time()
    }

    fn after(&mut self) -> Duration {
        let time = self.time();
        if let Some((_, until)) = &mut lock(&self.used).in_flight {
            *until = Instant::now() + time;
        }
        time
    }
}
