//! Results that are kept, each in a folder that is named for the SHA-256 of everything that went
//! into it.
//!
//! An entry is filled in a folder of its own and renamed when it is complete, so an entry that is
//! there is whole, and work that fails or is interrupted leaves none. Two that want one entry
//! exclude each other by a file lock, so that the second finds what the first has made; where the
//! file system has no locks both work, and the first to rename wins. The lock files (at most 65537,
//! empty) stay.
//!
//! What goes into several entries and takes long to make may be an entry itself, a *part*: see
//! [`Recipe::part`].

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

use crate::find::project_root;

/// The file that makes a folder an entry.
const MANIFEST: &str = "entry.json";
const LOCKS: &str = "locks";
/// Between the name of an entry and what makes an unfinished one unique.
const UNFINISHED: &str = ".building.";
/// What the names of parts end in, and the name of their lock file. Those of other entries are as
/// many hex digits.
const PART: &str = "part";

/// The cache that the environment names: `ATOMIK_CACHE`, or `target/atomik-cache` below the
/// project's root, or, outside of a project, `atomik` in the user's folder for caches.
#[must_use]
pub fn cache_dir() -> PathBuf {
    let variable = |name| {
        env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    variable("ATOMIK_CACHE")
        .or_else(|| Some(project_root()?.join("target").join("atomik-cache")))
        .or_else(|| Some(variable("XDG_CACHE_HOME")?.join("atomik")))
        .or_else(|| Some(variable("HOME")?.join(".cache").join("atomik")))
        .unwrap_or_else(|| env::temp_dir().join("atomik-cache"))
}

/// The cache cannot be read or written.
#[derive(Debug, Error)]
#[error("cannot {action} {}; make room, correct its permissions, or set ATOMIK_CACHE to another folder", path.display())]
pub struct CacheError {
    /// What was tried, as a verb.
    pub action: &'static str,
    /// The file or folder.
    pub path: PathBuf,
    /// Why it did not work.
    #[source]
    pub source: io::Error,
}

/// For `map_err`: what was tried, as a verb, and with which file or folder.
pub fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> CacheError {
    move |source| CacheError {
        action,
        path: path.to_path_buf(),
        source,
    }
}

/// Everything that an entry is made from.
#[derive(Clone, Debug)]
pub struct Recipe {
    stem: String,
    part: bool,
    hash: Sha256,
    inputs: BTreeMap<&'static str, String>,
}

impl Recipe {
    /// A recipe for an entry whose name starts with `stem`. `format` changes when the contents of
    /// such entries do.
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

    /// A recipe for a part, which other entries are made with: what makes an entry may call
    /// [`Cache::entry`] for a part, but for nothing else, and what makes a part may not call it at
    /// all. Parts are made one at a time.
    #[must_use]
    pub fn part(stem: &str, format: u32) -> Self {
        Self {
            part: true,
            ..Self::new(stem, format)
        }
    }

    /// Adds an input. The entry says it in words; of a text of several lines, the digest.
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

    /// The name of the entry, which differs whenever an input does.
    #[must_use]
    pub fn name(&self) -> String {
        let hash = hex(&self.hash.clone().finalize());
        let name = format!("{}-{}", self.stem, &hash[..20]);
        if self.part { name + "-" + PART } else { name }
    }
}

/// What is written into an entry beside its files.
#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    inputs: BTreeMap<String, String>,
    files: BTreeMap<String, String>,
}

/// An entry that is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its folder, as an absolute path.
    pub dir: PathBuf,
    /// Whether it was there before.
    pub reused: bool,
}

/// A folder of entries.
#[derive(Debug)]
pub struct Cache {
    dir: PathBuf,
    swept: Once,
}

impl Cache {
    /// The cache in this folder, which is made when it is needed.
    #[must_use]
    pub fn new(dir: &Path) -> Self {
        Self {
            dir: std::path::absolute(dir).unwrap_or_else(|_| dir.to_path_buf()),
            swept: Once::new(),
        }
    }

    /// The folder, as an absolute path.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The entry of a recipe, if it is there and as it was written.
    #[must_use]
    pub fn get(&self, recipe: &Recipe) -> Option<PathBuf> {
        Some(self.dir.join(recipe.name())).filter(|dir| is_whole(dir))
    }

    /// The entry of a recipe: as it is there, or made by `make`, which fills a folder and returns
    /// the names of the files in it that are to be kept. Of other entries `make` may ask only for
    /// parts.
    ///
    /// # Errors
    /// What `make` returns, or that the cache cannot be written. There is no entry then.
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

    /// Takes the lock of an entry; `None` where there are no file locks.
    fn lock(&self, entry: &str) -> Result<Option<File>, CacheError> {
        let path = self.lock_path(entry);
        let file = File::create(&path).map_err(failed("create", &path))?;
        match file.lock() {
            Ok(()) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(None),
            Err(error) => Err(failed("lock", &path)(error)),
        }
    }

    /// The file to lock for an entry. One in 65536 shares it with another, which costs a wait at
    /// worst. Parts have one of their own, because an entry's lock is held while its parts are
    /// made: who holds theirs waits for no other, so two cannot wait for each other.
    fn lock_path(&self, entry: &str) -> PathBuf {
        let last = entry.len().saturating_sub(PART.len());
        self.dir
            .join(LOCKS)
            .join(entry.get(last..).unwrap_or(entry))
    }

    /// Removes what interrupted work has left. Work that goes on holds its lock.
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
                // What cannot be removed now may be next time, and is in nobody's way until then.
                Ok(()) => drop(fs::remove_dir_all(entry.path())),
                Err(TryLockError::WouldBlock | TryLockError::Error(_)) => {}
            }
        }
    }
}

/// Leaves only `files` in the folder `from`, describes them, and renames it to `to`. Returns
/// whether it was this folder that became the entry.
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
    // Nobody else is at work on this entry, so what is there is damaged.
    if to.exists() {
        fs::remove_dir_all(to).map_err(failed("remove", to))?;
    }
    match fs::rename(from, to) {
        Ok(()) => Ok(true),
        // Without locks another process may have been faster.
        Err(_) if is_whole(to) => Ok(false),
        Err(error) => Err(failed("create", to)(error)),
    }
}

/// Whether a folder is an entry whose files are as they were written.
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

/// A folder that goes away again unless it is renamed.
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
        // Gone already when the work went well; what else stays behind is swept by a later process.
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

    /// Gets the entry whose file says `text`, and counts how often it had to be made.
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
    fn an_entry_is_made_once_for_each_recipe_and_again_when_it_was_damaged() {
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
    fn recipes_differ_by_stem_format_key_value_and_where_one_value_ends() {
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
    fn work_that_fails_leaves_no_entry_and_what_a_killed_process_left_is_swept() {
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
    fn threads_that_want_one_entry_at_once_make_it_and_its_part_once() {
        let folder = TempDir::new().unwrap();
        let (wholes, parts) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let barrier = Barrier::new(8);
        let make = |dir: &Path, made: &AtomicUsize| {
            made.fetch_add(1, Ordering::Relaxed);
            // Long enough for the others to come.
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
    fn a_part_is_made_for_an_entry_whose_digits_it_has() {
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
        // Not joined: if it waited for itself it would for ever.
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
            Err(RecvTimeoutError::Timeout) => panic!("the entry and its part have one lock"),
            Err(error) => panic!("{error}"),
        }
    }
}
