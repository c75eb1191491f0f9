//! A cache of results, each in a folder named after the SHA-256 of everything it was made from.
//!
//! An entry is built in a temporary folder and renamed when it is complete, so every entry is
//! whole, and failed or interrupted work leaves none behind. A file lock keeps two processes from
//! building the same entry, so the second finds what the first has built. On a file system without
//! locks both build it, and the first to rename wins. The empty lock files, at most 65537, are
//! never removed.
//!
//! A result that is slow to build and goes into several entries can be an entry itself, a *part*:
//! see [`Recipe::part`].
//!
//! ```
//! use atomik_tools::cache::{Cache, CacheError, Recipe, failed};
//!
//! # fn main() -> Result<(), CacheError> {
//! # let folder = tempfile::tempdir().unwrap();
//! let cache = Cache::new(folder.path());
//! let mut recipe = Recipe::new("greeting", 1);
//! recipe.input("name", "world");
//! let make = |dir: &std::path::Path| -> Result<Vec<String>, CacheError> {
//!     let file = dir.join("text");
//!     std::fs::write(&file, "hello, world").map_err(failed("write", &file))?;
//!     Ok(vec!["text".into()])
//! };
//! assert!(!cache.entry(&recipe, make)?.reused);
//! assert!(cache.entry(&recipe, make)?.reused);
//! # Ok(())
//! # }
//! ```

use std::{
    collections::BTreeMap,
    env,
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::{
        Once,
        atomic::{AtomicU64, Ordering},
    },
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::root::{project_root, variable};

/// The file in every entry that lists its inputs and the digests of its files.
const MANIFEST: &str = "entry.json";
const LOCKS: &str = "locks";
/// In the name of an unfinished entry, the text between the entry's name and a unique number.
const UNFINISHED: &str = ".building.";
/// The suffix of every part's name, and the name of the one lock file of all parts. It is as long
/// as the hex digits that name the lock file of any other entry.
const PART: &str = "part";

/// The cache folder: `ATOMIK_CACHE` if it is set, otherwise `target/atomik-cache` in the project's
/// root, or outside a project `atomik` in the user's cache folder.
#[must_use]
pub fn cache_dir() -> PathBuf {
    variable("ATOMIK_CACHE")
        .or_else(|| Some(project_root()?.join("target").join("atomik-cache")))
        .or_else(|| Some(variable("XDG_CACHE_HOME")?.join("atomik")))
        .or_else(|| Some(variable("HOME")?.join(".cache").join("atomik")))
        .unwrap_or_else(|| env::temp_dir().join("atomik-cache"))
}

/// The cache cannot be read or written.
#[derive(Debug, Error)]
#[error(
    "cannot {action} {}; free disk space, fix its permissions, \
     or set ATOMIK_CACHE to another folder",
    path.display()
)]
pub struct CacheError {
    /// The operation that failed, as a verb.
    pub action: &'static str,
    /// The file or folder.
    pub path: PathBuf,
    /// The cause.
    #[source]
    pub source: io::Error,
}

/// Makes a [`CacheError`] of an I/O error, for `map_err`. `action` is the verb of the operation on
/// `path` that failed.
pub fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> CacheError {
    move |source| CacheError {
        action,
        path: path.to_path_buf(),
        source,
    }
}

/// Everything an entry is made from.
#[derive(Clone, Debug)]
pub struct Recipe {
    stem: String,
    part: bool,
    hash: Sha256,
    inputs: BTreeMap<&'static str, String>,
}

impl Recipe {
    /// A recipe for an entry whose name starts with `stem`. `format` is a version number: increase
    /// it when the contents of such entries change.
    #[must_use]
    pub fn new(stem: &str, format: u32) -> Self {
        let mut hash = Sha256::new();
        hash.update(format.to_le_bytes());
        hash.update(stem);
        Self {
            stem: stem.to_owned(),
            part: false,
            hash,
            inputs: BTreeMap::new(),
        }
    }

    /// A recipe for a part, an entry that other entries are built from. While an entry is built,
    /// [`Cache::entry`] may be called for parts only; while a part is built, it may not be called.
    /// Parts are built one at a time.
    #[must_use]
    pub fn part(stem: &str, format: u32) -> Self {
        Self {
            part: true,
            ..Self::new(stem, format)
        }
    }

    /// Adds an input. The entry records the value itself, or its digest if it has several lines.
    pub fn input(&mut self, key: &'static str, value: &str) {
        for part in [key, value] {
            self.hash.update((part.len() as u64).to_le_bytes());
            self.hash.update(part);
        }
        let short = if value.lines().nth(1).is_some() {
            format!("sha256:{}", hex(&Sha256::digest(value)))
        } else {
            value.to_owned()
        };
        self.inputs.insert(key, short);
    }

    /// The name of the entry: the stem and a hash of the format and all inputs.
    #[must_use]
    pub fn name(&self) -> String {
        let hash = hex(&self.hash.clone().finalize());
        let name = format!("{}-{}", self.stem, &hash[..20]);
        if self.part { name + "-" + PART } else { name }
    }
}

/// The record of an entry: its inputs and the digests of its files.
#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    inputs: BTreeMap<String, String>,
    files: BTreeMap<String, String>,
}

/// A complete entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its folder, an absolute path.
    pub dir: PathBuf,
    /// Whether it was in the cache already.
    pub reused: bool,
}

/// A folder of entries.
#[derive(Debug)]
pub struct Cache {
    dir: PathBuf,
    swept: Once,
}

impl Cache {
    /// The cache in the folder `dir`, which is created when it is first needed.
    #[must_use]
    pub fn new(dir: &Path) -> Self {
        Self {
            dir: std::path::absolute(dir).unwrap_or_else(|_| dir.to_path_buf()),
            swept: Once::new(),
        }
    }

    /// The folder of the cache, an absolute path.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The folder of the recipe's entry, if it is in the cache and undamaged.
    #[must_use]
    pub fn get(&self, recipe: &Recipe) -> Option<PathBuf> {
        Some(self.dir.join(recipe.name())).filter(|dir| is_whole(dir))
    }

    /// The recipe's entry, from the cache or built by `make`. `make` fills the folder it is given
    /// and returns the names of the files to keep. It may call this function for parts only.
    ///
    /// # Errors
    /// The error of `make`, or a [`CacheError`] when the cache cannot be written. No entry is
    /// created then.
    pub fn entry<E: From<CacheError>>(
        &self,
        recipe: &Recipe,
        make: impl FnOnce(&Path) -> Result<Vec<String>, E>,
    ) -> Result<Entry, E> {
        if let Some(dir) = self.get(recipe) {
            return Ok(Entry { dir, reused: true });
        }
        let name = recipe.name();
        let dir = self.dir.join(&name);
        let locks = self.dir.join(LOCKS);
        fs::create_dir_all(&locks).map_err(failed("create", &locks))?;
        self.swept.call_once(|| self.sweep());
        let _lock = self.lock(&name)?;
        if is_whole(&dir) {
            return Ok(Entry { dir, reused: true });
        }
        let unfinished = Unfinished::new(&self.dir, &name)?;
        let files = make(&unfinished.dir)?;
        let reused = !publish(recipe, &unfinished.dir, &files, &dir)?;
        Ok(Entry { dir, reused })
    }

    /// Locks an entry; `None` on a file system without file locks.
    fn lock(&self, entry: &str) -> Result<Option<File>, CacheError> {
        let path = self.lock_path(entry);
        let file = File::create(&path).map_err(failed("create", &path))?;
        match file.lock() {
            Ok(()) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(None),
            Err(error) => Err(failed("lock", &path)(error)),
        }
    }

    /// The lock file of an entry, named by the last digits of the entry's name. Two entries share
    /// one with a probability of 1 in 65536, which costs a wait at worst. Parts have a lock file of
    /// their own, because an entry's lock is held while its parts are built. The holder of that
    /// lock takes no other, so there is no deadlock.
    fn lock_path(&self, entry: &str) -> PathBuf {
        let last = entry.len().saturating_sub(PART.len());
        self.dir
            .join(LOCKS)
            .join(entry.get(last..).unwrap_or(entry))
    }

    /// Removes what interrupted processes left behind. Running ones hold their locks.
    fn sweep(&self) {
        for entry in fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            let file_name = entry.file_name();
            let Some((name, _)) = file_name
                .to_str()
                .and_then(|name| name.split_once(UNFINISHED))
            else {
                continue;
            };
            let Ok(lock) = File::create(self.lock_path(name)) else {
                continue;
            };
            match lock.try_lock() {
                // If this fails, the folder does no harm and a later process tries again.
                Ok(()) => drop(fs::remove_dir_all(entry.path())),
                Err(TryLockError::WouldBlock | TryLockError::Error(_)) => {}
            }
        }
    }
}

/// Removes everything but `files` from the folder `from`, records their digests, and renames the
/// folder to `to`. Returns whether this folder became the entry.
fn publish(recipe: &Recipe, from: &Path, files: &[String], to: &Path) -> Result<bool, CacheError> {
    for found in fs::read_dir(from).map_err(failed("read", from))? {
        let path = found.map_err(failed("read", from))?.path();
        let keep = files.iter().any(|name| path.ends_with(name));
        let removed = match (keep, path.is_dir()) {
            (true, _) => Ok(()),
            (false, true) => fs::remove_dir_all(&path),
            (false, false) => fs::remove_file(&path),
        };
        removed.map_err(failed("remove", &path))?;
    }
    let mut digests = BTreeMap::new();
    for name in files {
        let path = from.join(name);
        let bytes = fs::read(&path).map_err(failed("read", &path))?;
        digests.insert(name.clone(), hex(&Sha256::digest(bytes)));
    }
    let inputs = recipe.inputs.iter();
    let manifest = Manifest {
        inputs: inputs.map(|(&k, v)| (k.to_owned(), v.clone())).collect(),
        files: digests,
    };
    let path = from.join(MANIFEST);
    serde_json::to_vec_pretty(&manifest)
        .map_err(io::Error::from)
        .and_then(|text| fs::write(&path, text))
        .map_err(failed("write", &path))?;
    // The lock is held and the entry was not whole, so this folder is damaged.
    if to.exists() {
        fs::remove_dir_all(to).map_err(failed("remove", to))?;
    }
    match fs::rename(from, to) {
        Ok(()) => Ok(true),
        // Without locks another process may have renamed its folder first.
        Err(_) if is_whole(to) => Ok(false),
        Err(error) => Err(failed("create", to)(error)),
    }
}

/// Whether a folder is an entry whose files match their digests.
fn is_whole(dir: &Path) -> bool {
    let text = fs::read_to_string(dir.join(MANIFEST));
    let manifest = text.map(|text| serde_json::from_str::<Manifest>(&text));
    let Ok(Ok(manifest)) = manifest else {
        return false;
    };
    manifest.files.iter().all(|(name, digest)| {
        fs::read(dir.join(name)).is_ok_and(|bytes| hex(&Sha256::digest(bytes)) == *digest)
    })
}

/// A folder that is removed on drop, unless it was renamed.
struct Unfinished {
    dir: PathBuf,
}

impl Unfinished {
    fn new(cache: &Path, entry: &str) -> Result<Self, CacheError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let unique = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = cache.join(format!(
            "{entry}{UNFINISHED}{}-{unique}",
            std::process::id()
        ));
        fs::create_dir_all(&dir).map_err(failed("create", &dir))?;
        Ok(Self { dir })
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // After a success the folder is gone already. After a failure here, a later process sweeps
        // it.
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        cell::Cell,
        sync::{
            Barrier,
            atomic::AtomicUsize,
            mpsc::{RecvTimeoutError, channel},
        },
        thread,
        time::Duration,
    };
    use tempfile::TempDir;

    fn recipe(value: &str) -> Recipe {
        let mut recipe = Recipe::new("thing", 1);
        recipe.input("value", value);
        recipe
    }

    /// Gets the entry whose file contains `text`, and counts how often it was made.
    fn get(cache: &Cache, text: &str, made: &Cell<u32>) -> String {
        let before = made.get();
        let entry = cache.entry(&recipe(text), |dir| {
            made.set(before + 1);
            fs::write(dir.join("kept"), text).unwrap();
            fs::write(dir.join("scratch"), text).unwrap();
            Ok::<_, CacheError>(vec!["kept".into()])
        });
        let Entry { dir, reused } = entry.unwrap();
        assert_eq!(reused, made.get() == before);
        assert!(!dir.join("scratch").exists());
        fs::read_to_string(dir.join("kept")).unwrap()
    }

    #[test]
    fn an_entry_is_made_once_per_recipe_and_again_after_damage() {
        let folder = TempDir::new().unwrap();
        let cache = Cache::new(folder.path());
        let made = Cell::new(0);
        assert_eq!(get(&cache, "a", &made), "a");
        assert_eq!(get(&cache, "a", &made), "a");
        assert_eq!(made.get(), 1);
        assert_eq!(get(&cache, "b", &made), "b");
        assert_eq!(made.get(), 2);
        fs::write(cache.get(&recipe("a")).unwrap().join("kept"), "x").unwrap();
        assert_eq!(cache.get(&recipe("a")), None);
        assert_eq!(get(&cache, "a", &made), "a");
        assert_eq!(made.get(), 3);
    }

    #[test]
    fn names_differ_by_stem_format_key_value_and_the_border_between_values() {
        let name = |stem, format, inputs: &[(&'static str, &str)]| {
            let mut recipe = Recipe::new(stem, format);
            for (key, value) in inputs {
                recipe.input(key, value);
            }
            recipe.name()
        };
        let names = [
            name("a", 1, &[("k", "v"), ("l", "w")]),
            name("b", 1, &[("k", "v"), ("l", "w")]),
            name("a", 2, &[("k", "v"), ("l", "w")]),
            name("a", 1, &[("k", "x"), ("l", "w")]),
            name("a", 1, &[("m", "v"), ("l", "w")]),
            name("a", 1, &[("k", "vl"), ("l", "w")]),
            Recipe::part("a", 1).name(),
            Recipe::new("a", 1).name(),
        ];
        for (i, one) in names.iter().enumerate() {
            assert!(names[i + 1..].iter().all(|other| one != other), "{names:?}");
        }
    }

    #[test]
    fn failed_work_leaves_no_entry_and_leftovers_of_killed_processes_are_swept() {
        let folder = TempDir::new().unwrap();
        let left = ["thing-0123", "thing-4567-part"]
            .map(|name| folder.path().join(format!("{name}.building.999-0")));
        for dir in &left {
            fs::create_dir(dir).unwrap();
        }
        let cache = Cache::new(folder.path());
        let result = cache.entry(&recipe("a"), |dir| {
            fs::write(dir.join("kept"), "half").unwrap();
            Err(failed("make", dir)(io::Error::other("no")))
        });
        assert!(result.is_err());
        assert!(left.iter().all(|dir| !dir.exists()));
        let names: Vec<_> = fs::read_dir(folder.path()).unwrap().flatten().collect();
        assert_eq!(names.len(), 1, "{names:?}");
        assert_eq!(names[0].file_name(), LOCKS);
    }

    #[test]
    fn concurrent_threads_make_an_entry_and_its_part_once() {
        let folder = TempDir::new().unwrap();
        let (wholes, parts) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let barrier = Barrier::new(8);
        let make = |dir: &Path, made: &AtomicUsize| {
            made.fetch_add(1, Ordering::Relaxed);
            // Long enough for the other threads to arrive.
            thread::sleep(Duration::from_millis(50));
            fs::write(dir.join("kept"), "x").map_err(failed("write", dir))?;
            Ok::<_, CacheError>(vec!["kept".to_owned()])
        };
        let get = |i: usize| {
            let cache = Cache::new(folder.path());
            barrier.wait();
            let whole = cache.entry(&recipe(["a", "b"][i % 2]), |dir| {
                cache.entry(&Recipe::part("part", 1), |dir| make(dir, &parts))?;
                make(dir, &wholes)
            });
            !whole.unwrap().reused
        };
        let made: usize = thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|i| scope.spawn(move || get(i))).collect();
            let made = threads.into_iter().map(|thread| thread.join().unwrap());
            made.map(usize::from).sum()
        });
        assert_eq!((wholes.into_inner(), parts.into_inner(), made), (2, 1, 2));
    }

    #[test]
    fn a_part_whose_hash_ends_like_its_entry_does_not_deadlock() {
        let whole = recipe("whole");
        let name = whole.name();
        let digits = &name[name.len() - 4..];
        let mut parts = (0..2_000_000).map(|i| {
            let mut part = Recipe::part("part", 1);
            part.input("value", &i.to_string());
            part
        });
        let part = parts.find(|part| {
            let name = part.name();
            name.trim_end_matches("-part").ends_with(digits)
        });
        let part = part.unwrap();
        let (sender, receiver) = channel();
        // Not joined: if it deadlocked, the join would hang.
        thread::spawn(move || {
            let folder = TempDir::new().unwrap();
            let cache = Cache::new(folder.path());
            let made = cache.entry(&whole, |_| {
                cache.entry(&part, |_| Ok::<_, CacheError>(Vec::new()))?;
                Ok::<_, CacheError>(Vec::new())
            });
            sender.send(made.map(|entry| entry.reused)).unwrap();
        });
        match receiver.recv_timeout(Duration::from_secs(60)) {
            Ok(made) => assert!(!made.unwrap()),
            Err(RecvTimeoutError::Timeout) => panic!("the entry and its part share a lock"),
            Err(error) => panic!("{error}"),
        }
    }
}
