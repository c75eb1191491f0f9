//! An event store in SQLite: the systems without and with snapshots, and the copies of the log that
//! the subscribers of every event store here keep.
//!
//! | table | |
//! |---|---|
//! | `streams` | number and name; a stream is a key |
//! | `events` | position in the log, stream, version (position in the stream), client and operation (the event's id), field, action |
//! | `snapshots` | the last snapshot of a stream: version, fields. Only with snapshots |
//! | `clients` | the last operation of each client. Only with snapshots; without them, the replay restores it |
//!
//! The simulated disk adds the fsync that makes a transaction durable, so SQLite itself runs with
//! `synchronous=OFF`: otherwise a run would also wait for the real disk without measuring anything
//! more. The bytes reported as written are those that commits add to the write-ahead log.
//! Checkpoints, which write each page at most once more, are not counted.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, Transaction as Begun, params};

use super::store_protocol::{
    Event, EventStore, Operation, PRIMARY, Primary, Recovered, Subscriber, Transaction,
};
use atomik_arena::system::{Description, Node, NodeId, OpId, Setup, Storage, System, SystemError};
use atomik_workload::content::Content;
use atomik_workload::workload::{Action, Field};

/// Events of a stream between two snapshots.
pub(super) const SNAPSHOT_INTERVAL: u64 = 100;

/// The guarantees of all stores in this crate.
pub(super) const SEMANTICS: &str = "\
    Total order of all writes at one primary (node 0), each applied exactly once and acknowledged \
    when durable there. Reads at other nodes may be stale. No failover: while the primary is down \
    or unreachable, writes wait.";
/// What has been proven of them.
pub(super) const PROOFS: &str = "\
    None known. SQLite is tested to 100% branch and MC/DC coverage (\"How SQLite Is Tested\", \
    sqlite.org).";

/// Frames of the write-ahead log between two checkpoints: SQLite's default.
const CHECKPOINT_FRAMES: u64 = 1000;

/// The systems of this module.
pub(crate) fn systems() -> Vec<Box<dyn System>> {
    vec![
        Box::new(EventLog { snapshots: None }),
        Box::new(EventLog {
            snapshots: Some(SNAPSHOT_INTERVAL),
        }),
    ]
}

/// The systems with an event store in SQLite.
struct EventLog {
    /// Events of a stream between two snapshots; `None` for no snapshots.
    snapshots: Option<u64>,
}

impl System for EventLog {
    fn describe(&self) -> Description {
        let (name, usage) = match self.snapshots {
            None => (
                "Event log",
                "\
                 Binary events, one transaction for all that arrived while the last was written, \
                 prepared statements, WAL; a replay of the whole log rebuilds the state. One \
                 primary; catch-up subscriptions that keep their own checkpoint, read 500 events \
                 at a time and queue 10,000 live ones: defaults of EventStoreDB's clients \
                 (EventStoreCatchUpSubscription: DefaultReadBatchSize, DefaultMaxPushQueueSize; \
                 \"Catch-up subscriptions\", developers.eventstore.com). Appends are idempotent by \
                 the event's id (\"Appending events\", EventStoreDB documentation); here exactly, \
                 by each client's last id, where EventStoreDB consults a cache. synchronous=OFF, \
                 because the simulated disk syncs. Memory of SQLite: the limit of its page cache. \
                 With a linger, the primary publishes the events of several transactions together \
                 to those that wrote none of them; writers get theirs with the acknowledgement, \
                 at once.",
            ),
            Some(_) => (
                "Event log with snapshots",
                "\
                 As \"Event log\", with a snapshot of each stream after every 100 of its events, \
                 of which the last is kept; the state is rebuilt from the snapshots and the events \
                 after them. 100 is the example in cqrs-es's \
                 PersistedEventStore::new_snapshot_store and the default of Ecotone \
                 (DEFAULT_SNAPSHOT_TRIGGER_THRESHOLD); snapshots are made outside the append, as \
                 Axon's reference advises (\"Event Snapshots\").",
            ),
        };
        Description {
            name,
            library: format!(
                "SQLite {} through rusqlite 0.32, schema and protocol of this program",
                rusqlite::version()
            ),
            semantics: SEMANTICS,
            usage,
            proofs: PROOFS,
        }
    }

    fn open(
        &self,
        setup: &Setup,
        node: NodeId,
        storage: &Storage,
    ) -> Result<Box<dyn Node>, SystemError> {
        if node != PRIMARY {
            return subscriber(setup, storage, self.snapshots);
        }
        let (log, recovered) =
            SqliteLog::open(&storage.folder, self.snapshots, true, &setup.fields)?;
        Ok(Box::new(Primary::new(setup, log, recovered)))
    }
}

/// A node other than the primary, with its copy of the log.
pub(super) fn subscriber(
    setup: &Setup,
    storage: &Storage,
    snapshots: Option<u64>,
) -> Result<Box<dyn Node>, SystemError> {
    let (log, recovered) = SqliteLog::open(&storage.folder, snapshots, false, &setup.fields)?;
    Ok(Box::new(Subscriber::new(setup, log, recovered)))
}

/// Measures the growth of a write-ahead log.
pub(super) struct WalGauge {
    file: PathBuf,
    length: u64,
}

impl WalGauge {
    /// Measures the log of the database in this file.
    pub(super) fn new(database: &Path) -> Self {
        let mut file = database.as_os_str().to_owned();
        file.push("-wal");
        let mut gauge = Self {
            file: file.into(),
            length: 0,
        };
        gauge.grown();
        gauge
    }

    /// Bytes added since the last call.
    pub(super) fn grown(&mut self) -> u64 {
        // A missing file is an empty log: nothing was written, or a checkpoint has emptied it.
        let length = fs::metadata(&self.file).map_or(0, |data| data.len());
        let grown = length.saturating_sub(self.length);
        self.length = length;
        grown
    }

    /// Whether the log is long enough for a checkpoint.
    pub(super) fn full(&self) -> bool {
        self.length > CHECKPOINT_FRAMES * (PAGE + FRAME_HEADER)
    }
}

/// SQLite's default page size.
pub(super) const PAGE: u64 = 4096;
/// Bytes before each page in a write-ahead log ("Database File Format", section 4.1, sqlite.org).
const FRAME_HEADER: u64 = 24;
/// SQLite's default limit of its page cache: `cache_size=-2000` KiB.
const CACHE: u64 = 2000 * 1024;

/// An upper bound of the page cache of a connection to a database with this many pages.
pub(super) fn cached(pages: u64) -> u64 {
    (pages * PAGE).min(CACHE)
}

/// Bytes of all files in a folder.
pub(super) fn folder_bytes(folder: &Path) -> u64 {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    files
        .filter_map(|file| file.metadata().ok())
        .filter(fs::Metadata::is_file)
        .map(|data| data.len())
        .sum()
}

/// A log of events in a SQLite database.
pub(super) struct SqliteLog {
    connection: Connection,
    folder: PathBuf,
    wal: WalGauge,
    snapshots: Option<u64>,
    /// Streams below this number have a name in the database.
    named: u64,
    bytes_read: u64,
}

fn sql(error: rusqlite::Error) -> SystemError {
    SystemError::failed("SQLite", error)
}

fn number(value: u64) -> Result<i64, SystemError> {
    i64::try_from(value).map_err(|error| SystemError::failed("SQLite counts to 2^63", error))
}

fn unsigned(value: i64) -> Result<u64, SystemError> {
    u64::try_from(value).map_err(|error| SystemError::failed("reading the log", error))
}

/// Bytes that an integer takes in a record with its type ("Database File Format", section 2.1,
/// sqlite.org).
fn stored(value: i64) -> u64 {
    let magnitude = if value < 0 { !value } else { value };
    match 64 - magnitude.leading_zeros() {
        0 if value == 0 => 1,
        1 if value == 1 => 1,
        0..=7 => 2,
        8..=15 => 3,
        16..=23 => 4,
        24..=31 => 5,
        32..=47 => 7,
        _ => 9,
    }
}

fn stored_blob(bytes: &[u8]) -> u64 {
    bytes.len() as u64 + if bytes.len() < 58 { 1 } else { 2 }
}

fn decode<T: for<'a> serde::Deserialize<'a>>(bytes: &[u8]) -> Result<T, SystemError> {
    postcard::from_bytes(bytes).map_err(|error| SystemError::failed("reading the log", error))
}

fn encode<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, SystemError> {
    postcard::to_stdvec(value).map_err(|error| SystemError::failed("writing the log", error))
}

impl SqliteLog {
    /// Opens the log in a folder, or creates an empty one, and rebuilds the read model from it.
    ///
    /// # Errors
    ///
    /// Errors of SQLite, and a log that contradicts itself.
    pub(super) fn open(
        folder: &Path,
        snapshots: Option<u64>,
        primary: bool,
        fields: &[Field],
    ) -> Result<(Self, Recovered), SystemError> {
        let file = folder.join("events.sqlite");
        let connection = Connection::open(&file).map_err(sql)?;
        connection
            .query_row("PRAGMA journal_mode=WAL", [], |_| Ok(()))
            .map_err(sql)?;
        connection
            .execute_batch("PRAGMA synchronous=OFF; PRAGMA wal_autocheckpoint=0;")
            .map_err(sql)?;
        let version: i64 = connection
            .query_row("PRAGMA user_version", [], |row| row.get(0))
            .map_err(sql)?;
        if version == 0 {
            create(&connection, snapshots.is_some(), primary).map_err(sql)?;
        }
        let mut log = Self {
            connection,
            folder: folder.to_owned(),
            wal: WalGauge::new(&file),
            snapshots,
            named: 0,
            bytes_read: 0,
        };
        let recovered = log.recover(primary, fields)?;
        Ok((log, recovered))
    }

    fn recover(&mut self, primary: bool, fields: &[Field]) -> Result<Recovered, SystemError> {
        let mut recovered = Recovered::default();
        let mut bytes = 0;
        let mut statement = self
            .connection
            .prepare("SELECT id, name FROM streams ORDER BY id")
            .map_err(sql)?;
        let mut rows = statement.query([]).map_err(sql)?;
        while let Some(row) = rows.next().map_err(sql)? {
            let id = unsigned(row.get(0).map_err(sql)?)?;
            let name: String = row.get(1).map_err(sql)?;
            bytes += stored_blob(name.as_bytes()) + 1;
            if recovered.projection.stream(&name) != id {
                return Err(SystemError::invariant(format!("the log lacks stream {id}")));
            }
            self.named = id + 1;
        }
        bytes += if self.snapshots.is_some() {
            self.restore(primary, fields, &mut recovered)?
        } else {
            self.replay(fields, &mut recovered)?
        };
        self.bytes_read = bytes;
        Ok(recovered)
    }

    /// Applies every event in order.
    fn replay(&self, fields: &[Field], recovered: &mut Recovered) -> Result<u64, SystemError> {
        let mut bytes = 0;
        let mut statement = self
            .connection
            .prepare(
                "SELECT position, stream, version, client, op, field, action FROM events \
                 ORDER BY position",
            )
            .map_err(sql)?;
        let mut rows = statement.query([]).map_err(sql)?;
        while let Some(row) = rows.next().map_err(sql)? {
            let mut numbers = [0; 6];
            for (system, number) in numbers.iter_mut().enumerate() {
                *number = row.get(system).map_err(sql)?;
                bytes += stored(*number);
            }
            let action = row.get_ref(6).map_err(sql)?;
            let action = action.as_blob().map_err(|error| sql(error.into()))?;
            bytes += stored_blob(action);
            let [position, stream, version, client, op, field] = numbers;
            let position = unsigned(position)?;
            if position != recovered.projection.position() + 1 {
                return Err(SystemError::invariant(format!(
                    "the log lacks the event before {position}"
                )));
            }
            recovered.projection.apply(
                unsigned(stream)?,
                unsigned(version)?,
                narrow(field)?,
                &decode(action)?,
                fields,
                None,
            )?;
            recovered.projection.set_position(position);
            recovered.marks.insert(narrow(client)?, unsigned(op)?);
        }
        Ok(bytes)
    }

    /// Loads the snapshots and applies the events after them.
    fn restore(
        &self,
        primary: bool,
        fields: &[Field],
        recovered: &mut Recovered,
    ) -> Result<u64, SystemError> {
        let (versions, mut bytes) = self.load_snapshots(recovered)?;
        bytes += self.apply_newer_events(fields, &versions, recovered)?;
        let last: Option<i64> = self
            .connection
            .query_row("SELECT max(position) FROM events", [], |row| row.get(0))
            .map_err(sql)?;
        recovered
            .projection
            .set_position(unsigned(last.unwrap_or(0))?);
        if primary {
            let mut statement = self
                .connection
                .prepare("SELECT client, op FROM clients")
                .map_err(sql)?;
            let mut rows = statement.query([]).map_err(sql)?;
            while let Some(row) = rows.next().map_err(sql)? {
                let (client, op) = (row.get(0).map_err(sql)?, row.get(1).map_err(sql)?);
                bytes += stored(client) + stored(op);
                recovered.marks.insert(narrow(client)?, unsigned(op)?);
            }
        }
        Ok(bytes)
    }

    /// Loads the snapshots; returns their versions by stream, and the bytes read.
    fn load_snapshots(
        &self,
        recovered: &mut Recovered,
    ) -> Result<(BTreeMap<u64, i64>, u64), SystemError> {
        let mut bytes = 0;
        let mut statement = self
            .connection
            .prepare("SELECT stream, version, state FROM snapshots ORDER BY stream")
            .map_err(sql)?;
        let mut rows = statement.query([]).map_err(sql)?;
        let mut versions = BTreeMap::new();
        while let Some(row) = rows.next().map_err(sql)? {
            let (stream, version) = (row.get(0).map_err(sql)?, row.get(1).map_err(sql)?);
            let state = row.get_ref(2).map_err(sql)?;
            let state = state.as_blob().map_err(|error| sql(error.into()))?;
            bytes += stored(stream) + stored(version) + stored_blob(state);
            let entries: Vec<(u16, Content)> = decode(state)?;
            recovered
                .projection
                .restore(unsigned(stream)?, unsigned(version)?, entries)?;
            versions.insert(unsigned(stream)?, version);
        }
        Ok((versions, bytes))
    }

    /// Applies the events after the snapshots; returns the bytes read.
    fn apply_newer_events(
        &self,
        fields: &[Field],
        versions: &BTreeMap<u64, i64>,
        recovered: &mut Recovered,
    ) -> Result<u64, SystemError> {
        let mut bytes = 0;
        let mut statement = self
            .connection
            .prepare(
                "SELECT version, field, action FROM events WHERE stream = ?1 AND version > ?2 \
                 ORDER BY version",
            )
            .map_err(sql)?;
        for stream in 0..self.named {
            let behind = versions.get(&stream).copied().unwrap_or(0);
            let mut rows = statement
                .query(params![number(stream)?, behind])
                .map_err(sql)?;
            while let Some(row) = rows.next().map_err(sql)? {
                let (version, field) = (row.get(0).map_err(sql)?, row.get(1).map_err(sql)?);
                let action = row.get_ref(2).map_err(sql)?;
                let action = action.as_blob().map_err(|error| sql(error.into()))?;
                bytes += stored(version) + stored(field) + stored_blob(action);
                recovered.projection.apply(
                    stream,
                    unsigned(version)?,
                    narrow(field)?,
                    &decode(action)?,
                    fields,
                    None,
                )?;
            }
        }
        Ok(bytes)
    }
}

fn narrow<T: TryFrom<i64>>(value: i64) -> Result<T, SystemError> {
    T::try_from(value)
        .map_err(|_| SystemError::invariant(format!("{value} in the log is out of range")))
}

fn create(connection: &Connection, snapshots: bool, primary: bool) -> rusqlite::Result<()> {
    connection.execute_batch(
        "BEGIN;
         CREATE TABLE streams (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
         CREATE TABLE events (
             position INTEGER PRIMARY KEY,
             stream INTEGER NOT NULL,
             version INTEGER NOT NULL,
             client INTEGER NOT NULL,
             op INTEGER NOT NULL,
             field INTEGER NOT NULL,
             action BLOB NOT NULL
         );
         PRAGMA user_version = 1;",
    )?;
    if snapshots {
        // Reading the events after a snapshot needs the index; a full replay does not.
        connection.execute_batch(
            "CREATE UNIQUE INDEX events_of_stream ON events (stream, version);
             CREATE TABLE snapshots (stream INTEGER PRIMARY KEY, version INTEGER NOT NULL, \
             state BLOB NOT NULL);",
        )?;
        if primary {
            connection.execute_batch(
                "CREATE TABLE clients (client INTEGER PRIMARY KEY, op INTEGER NOT NULL);",
            )?;
        }
    }
    connection.execute_batch("COMMIT;")
}

/// Moves the write-ahead log into the database. An active reader is not an error: the next
/// checkpoint completes it.
fn checkpoint(connection: &Connection) -> Result<(), SystemError> {
    connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .map_err(sql)
}

impl EventStore for SqliteLog {
    fn commit(&mut self, transaction: &Transaction<'_>) -> Result<u64, SystemError> {
        let begun = self.connection.transaction().map_err(sql)?;
        self.named = insert(&begun, transaction, self.named)?;
        if self.snapshots.is_some() {
            keep(&begun, transaction)?;
        }
        begun.commit().map_err(sql)?;
        let written = self.wal.grown();
        if self.wal.full() {
            checkpoint(&self.connection)?;
            self.wal.grown();
        }
        Ok(written)
    }

    fn read(&mut self, after: u64, through: u64) -> Result<Vec<Event>, SystemError> {
        let mut statement = self
            .connection
            .prepare_cached(
                "SELECT position, client, op, name, field, action FROM events \
                 JOIN streams ON id = stream
                 WHERE position > ?1 AND position <= ?2 ORDER BY position",
            )
            .map_err(sql)?;
        let mut rows = statement
            .query(params![number(after)?, number(through)?])
            .map_err(sql)?;
        let mut events = Vec::new();
        while let Some(row) = rows.next().map_err(sql)? {
            let action = row.get_ref(5).map_err(sql)?;
            let action = action.as_blob().map_err(|error| sql(error.into()))?;
            events.push(Event {
                client: narrow(row.get(1).map_err(sql)?)?,
                operation: Operation {
                    op: unsigned(row.get(2).map_err(sql)?)?,
                    key: row.get(3).map_err(sql)?,
                    field: narrow(row.get(4).map_err(sql)?)?,
                    action: decode::<Action>(action)?,
                },
            });
        }
        if events.len() as u64 != through - after {
            return Err(SystemError::invariant(format!(
                "the log has {} events from {after} to {through}",
                events.len()
            )));
        }
        Ok(events)
    }

    fn snapshot_interval(&self) -> Option<u64> {
        self.snapshots
    }

    fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    fn disk(&self) -> u64 {
        folder_bytes(&self.folder)
    }

    fn memory(&self) -> u64 {
        let pages: Option<i64> = self
            .connection
            .query_row("PRAGMA page_count", [], |row| row.get(0))
            .optional()
            .unwrap_or(None);
        cached(
            pages
                .and_then(|pages| u64::try_from(pages).ok())
                .unwrap_or(0),
        )
    }
}

/// Appends the events and names their streams; returns the number of named streams.
fn insert(
    begun: &Begun<'_>,
    transaction: &Transaction<'_>,
    named: u64,
) -> Result<u64, SystemError> {
    let mut named = named;
    let mut stream = begun
        .prepare_cached("INSERT INTO streams (id, name) VALUES (?1, ?2)")
        .map_err(sql)?;
    let mut event = begun
        .prepare_cached(
            "INSERT INTO events (position, stream, version, client, op, field, action) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )
        .map_err(sql)?;
    for row in transaction.rows {
        let Operation {
            op,
            key,
            field,
            action,
        } = &row.event.operation;
        // Numbers are assigned in order of first appearance.
        if row.stream == named {
            stream
                .execute(params![number(row.stream)?, key])
                .map_err(sql)?;
            named += 1;
        }
        event
            .execute(params![
                number(row.position)?,
                number(row.stream)?,
                number(row.version)?,
                row.event.client,
                number(*op)?,
                field,
                encode(action)?
            ])
            .map_err(sql)?;
    }
    Ok(named)
}

/// Stores the snapshots and each client's last operation.
fn keep(begun: &Begun<'_>, transaction: &Transaction<'_>) -> Result<(), SystemError> {
    let mut snapshot = begun
        .prepare_cached(
            "INSERT OR REPLACE INTO snapshots (stream, version, state) VALUES (?1, ?2, ?3)",
        )
        .map_err(sql)?;
    for taken in transaction.snapshots {
        snapshot
            .execute(params![
                number(taken.stream)?,
                number(taken.version)?,
                encode(&taken.fields)?
            ])
            .map_err(sql)?;
    }
    let marks: &BTreeMap<u32, OpId> = transaction.marks;
    if marks.is_empty() {
        return Ok(());
    }
    let mut client = begun
        .prepare_cached("INSERT OR REPLACE INTO clients (client, op) VALUES (?1, ?2)")
        .map_err(sql)?;
    for (number_of, op) in marks {
        client
            .execute(params![number_of, number(*op)?])
            .map_err(sql)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adversary::{ALL, Faults, Run, all_counts, converges, sequential};
    use atomik_workload::workload::Class;

    const REPLAYED: EventLog = EventLog { snapshots: None };
    const SNAPSHOTS: EventLog = EventLog { snapshots: Some(4) };

    #[test]
    fn acknowledged_operations_count_once() {
        for system in [REPLAYED, SNAPSHOTS] {
            all_counts(&system, &Class::ALL, 0..25, ALL);
            let no_crash = Faults { crash: 0, ..ALL };
            all_counts(&system, &Class::ALL, 25..50, no_crash);
        }
    }

    #[test]
    fn nodes_become_the_same() {
        converges(&REPLAYED, &Class::ALL, 100..130);
        converges(&SNAPSHOTS, &Class::ALL, 130..160);
    }

    #[test]
    fn in_sequence_operations_mean_what_traces_mean() {
        sequential(&REPLAYED, &Class::ALL, 200..203);
        sequential(&SNAPSHOTS, &Class::ALL, 203..206);
    }

    #[test]
    fn snapshots_and_the_events_behind_them_are_the_replay_of_all_events() {
        for seed in 300..320 {
            let mut run = Run::new(&SNAPSHOTS, &Class::ALL, 3, seed);
            run.chaos(120, ALL, true);
            let contents = run.contents();
            for node in 0..3 {
                let disk = run.disk(node);
                let restored = SNAPSHOTS.open(&run.setup, node, disk).unwrap();
                // A replay ignores snapshots.
                let replayed = REPLAYED.open(&run.setup, node, disk).unwrap();
                assert_eq!(restored.progress(), replayed.progress());
                assert!(restored.bytes_read() < replayed.bytes_read());
                for ((key, field), content) in &contents {
                    let what = format!("seed {seed}, node {node}, {key}/{field}");
                    assert_eq!(replayed.read(key, *field).unwrap(), *content, "{what}");
                    assert_eq!(restored.read(key, *field).unwrap(), *content, "{what}");
                }
            }
        }
    }

    #[test]
    fn integers_take_what_sqlites_format_says() {
        let widths = [
            (0, 1),
            (1, 1),
            (-1, 2),
            (2, 2),
            (127, 2),
            (128, 3),
            (-129, 3),
            (1 << 15, 4),
            (1 << 23, 5),
            (1 << 31, 7),
            (1 << 47, 9),
            (i64::MIN, 9),
        ];
        for (value, bytes) in widths {
            assert_eq!(stored(value), bytes, "{value}");
        }
    }
}
