//! A store in a data folder: its lock, its files, and the folders that it refuses.

use std::fs;
use std::path::Path;

use atomik_store::{FsyncPolicy, Opened, Options, RedbStore, Store, StoreError, Write};
use redb::{Database, TableDefinition};
use tempfile::tempdir;

fn open(dir: &Path) -> Result<RedbStore, StoreError> {
    RedbStore::open(dir, &Options::default())
}

fn count(store: &RedbStore) -> usize {
    let mut count = 0;
    store.load(&mut |_, _| count += 1).unwrap();
    count
}

fn close(store: RedbStore) {
    Box::new(store).close().unwrap();
}

#[test]
fn a_folder_that_is_not_there_is_created_and_keeps_its_records() {
    let temp = tempdir().unwrap();
    let dir = temp.path().join("deep/data");
    let mut store = open(&dir).unwrap();
    assert_eq!(store.opened(), Opened::Fresh);
    store.commit(&[Write::put(b"a", b"1")]).unwrap();
    close(store);
    let store = open(&dir).unwrap();
    assert_eq!((store.opened(), count(&store)), (Opened::Clean, 1));
    let mut names: Vec<_> = fs::read_dir(&dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["ACKNOWLEDGED", "LOCK", "store.redb"]);
}

#[cfg(unix)]
mod permissions {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use atomik_store::{Notice, Store as _, Write};
    use tempfile::tempdir;

    use super::{close, open};

    const FILES: [&str; 3] = ["LOCK", "store.redb", "ACKNOWLEDGED"];

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    fn set(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_new_store_is_for_its_user_alone() {
        let temp = tempdir().unwrap();
        let dir = temp.path().join("deep/data");
        let mut store = open(&dir).unwrap();
        store.commit(&[Write::put(b"a", b"1")]).unwrap();
        assert_eq!(store.notices(), []);
        assert_eq!(mode(&dir), 0o700);
        for name in FILES {
            assert_eq!(mode(&dir.join(name)), 0o600, "{name}");
        }
    }

    #[test]
    fn an_old_store_that_others_can_read_is_closed_to_them_and_says_so() {
        let temp = tempdir().unwrap();
        let dir = temp.path().join("data");
        let mut store = open(&dir).unwrap();
        store.commit(&[Write::put(b"a", b"1")]).unwrap();
        close(store);
        set(&dir, 0o755);
        for name in FILES {
            set(&dir.join(name), 0o644);
        }
        let store = open(&dir).unwrap();
        let [first, rest @ ..] = store.notices() else {
            panic!("nothing is said");
        };
        assert_eq!(rest.len(), 3);
        assert!(
            first.to_string().contains("had access (mode 0755)"),
            "{first}"
        );
        assert_eq!(mode(&dir), 0o700);
        for name in FILES {
            assert_eq!(mode(&dir.join(name)), 0o600, "{name}");
        }
        close(store);
        assert_eq!(open(&dir).unwrap().notices(), []);
    }

    #[test]
    fn a_folder_for_temporary_files_is_left_to_all_users() {
        let temp = tempdir().unwrap();
        set(temp.path(), 0o1777);
        for _ in 0..2 {
            let store = open(temp.path()).unwrap();
            assert_eq!(mode(temp.path()), 0o1777);
            assert_eq!(mode(&temp.path().join("store.redb")), 0o600);
            let [Notice::Open { .. }] = store.notices() else {
                panic!("{:?}", store.notices());
            };
        }
    }
}

#[test]
fn a_database_file_that_is_gone_is_refused_and_not_taken_for_a_new_store() {
    let dir = tempdir().unwrap();
    let mut store = open(dir.path()).unwrap();
    store.commit(&[Write::put(b"a", b"1")]).unwrap();
    close(store);
    fs::remove_file(dir.path().join("store.redb")).unwrap();
    let refused = open(dir.path()).unwrap_err();
    assert!(matches!(refused, StoreError::Damaged { .. }), "{refused}");
    assert!(
        refused.to_string().contains("the file is gone"),
        "{refused}"
    );
}

#[test]
fn an_older_copy_of_the_database_file_has_lost_its_memory() {
    let dir = tempdir().unwrap();
    let file = dir.path().join("store.redb");
    let mut store = open(dir.path()).unwrap();
    store.commit(&[Write::put(b"a", b"1")]).unwrap();
    close(store);
    let older = fs::read(&file).unwrap();
    let mut store = open(dir.path()).unwrap();
    store.commit(&[Write::put(b"b", b"1")]).unwrap();
    close(store);
    fs::write(&file, older).unwrap();
    let store = open(dir.path()).unwrap();
    assert_eq!(
        (store.opened(), store.kept_memory()),
        (Opened::Unclean, false)
    );
}

#[test]
fn a_second_store_on_the_folder_is_refused_with_the_process_that_has_it() {
    let dir = tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let refused = open(dir.path()).unwrap_err().to_string();
    let me = format!("in use by process {}", std::process::id());
    assert!(refused.contains(&me), "{refused}");
    assert!(refused.contains("use another data folder"), "{refused}");
    drop(store);
    open(dir.path()).unwrap();
}

#[test]
fn a_creation_that_was_interrupted_is_begun_again() {
    let dir = tempdir().unwrap();
    fs::write(dir.path().join("store.redb.new"), b"half of something").unwrap();
    let store = open(dir.path()).unwrap();
    assert_eq!(store.opened(), Opened::Fresh);
    assert!(!dir.path().join("store.redb.new").exists());
}

#[test]
fn an_empty_file_is_refused_and_not_taken_for_a_new_store() {
    let dir = tempdir().unwrap();
    close(open(dir.path()).unwrap());
    let file = dir.path().join("store.redb");
    fs::write(&file, b"").unwrap();
    let refused = open(dir.path()).unwrap_err();
    assert!(matches!(refused, StoreError::Damaged { .. }), "{refused}");
    assert!(
        refused.to_string().contains("the file is empty"),
        "{refused}"
    );
    assert_eq!(fs::metadata(&file).unwrap().len(), 0);
}

#[test]
fn files_that_are_no_store_are_refused() {
    let dir = tempdir().unwrap();
    let file = dir.path().join("store.redb");
    fs::write(&file, vec![7; 9000]).unwrap();
    let refused = open(dir.path()).unwrap_err();
    assert!(matches!(refused, StoreError::Damaged { .. }), "{refused}");
    assert_eq!(fs::read(&file).unwrap(), vec![7; 9000]);
    fs::remove_file(&file).unwrap();
    // A database of another program.
    Database::create(&file).unwrap();
    let refused = open(dir.path()).unwrap_err();
    assert!(matches!(refused, StoreError::Damaged { .. }), "{refused}");
}

#[test]
fn a_newer_format_is_refused_with_both_versions_and_left_as_it_is() {
    const ABOUT: TableDefinition<&str, u64> = TableDefinition::new("about");
    let dir = tempdir().unwrap();
    let mut store = open(dir.path()).unwrap();
    store.commit(&[Write::put(b"a", b"1")]).unwrap();
    close(store);
    let set = |version: u64| {
        let db = Database::open(dir.path().join("store.redb")).unwrap();
        let transaction = db.begin_write().unwrap();
        transaction
            .open_table(ABOUT)
            .unwrap()
            .insert("format", version)
            .unwrap();
        transaction.commit().unwrap();
    };
    set(2);
    let refused = open(dir.path()).unwrap_err();
    assert!(
        matches!(
            refused,
            StoreError::Newer {
                found: 2,
                known: 1,
                ..
            }
        ),
        "{refused}"
    );
    assert!(
        refused.to_string().contains("the version that wrote it"),
        "{refused}"
    );
    set(1);
    let store = open(dir.path()).unwrap();
    assert_eq!((store.opened(), count(&store)), (Opened::Clean, 1));
}

#[test]
fn a_path_that_cannot_be_a_folder_is_refused_with_its_name() {
    let temp = tempdir().unwrap();
    let file = temp.path().join("file");
    fs::write(&file, b"").unwrap();
    let refused = open(&file.join("data")).unwrap_err().to_string();
    assert!(refused.contains("file/data"), "{refused}");
    assert!(refused.contains("check the path"), "{refused}");
}

#[test]
fn compaction_gives_space_back_and_keeps_the_records() {
    let dir = tempdir().unwrap();
    let options = Options {
        fsync: FsyncPolicy::Never,
        ..Options::default()
    };
    let mut store = RedbStore::open(dir.path(), &options).unwrap();
    let keys: Vec<[u8; 8]> = (0..20_000_u64).map(u64::to_be_bytes).collect();
    for keys in keys.chunks(1000) {
        let batch: Vec<Write<'_>> = keys.iter().map(|key| Write::put(key, &[1; 100])).collect();
        store.commit(&batch).unwrap();
    }
    let batch: Vec<Write<'_>> = keys[100..].iter().map(|key| Write::delete(key)).collect();
    store.commit(&batch).unwrap();
    store.sync().unwrap();
    let before = store.disk_bytes().unwrap();
    store.compact().unwrap();
    let after = store.disk_bytes().unwrap();
    assert!(after * 4 < before, "{before} bytes before, {after} after");
    assert_eq!(count(&store), 100);
    close(store);
    assert_eq!(count(&open(dir.path()).unwrap()), 100);
}
