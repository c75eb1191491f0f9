//! Event sourcing with the library `cqrs-es` and its SQLite store: an aggregate per key, a command
//! per operation, an event per command.
//!
//! Node 0 runs the library. Clients, subscribers and their copies of the log are those of the event
//! log.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::{Path, PathBuf};

use cqrs_es::event_sink::EventSink;
use cqrs_es::persist::PersistedEventStore;
use cqrs_es::{Aggregate, CqrsFramework, DomainEvent, EventStore as _};
use serde::{Deserialize, Serialize};
use sqlite_es::{SqliteCqrs, SqliteEventRepository};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Pool, Row as _, Sqlite};
use tokio::runtime::{Builder, Runtime};

use super::event_log::{
    PROOFS, SEMANTICS, SNAPSHOT_INTERVAL, WalGauge, cached, folder_bytes, subscriber,
};
use super::store_protocol::{
    Event, EventStore, Operation, PRIMARY, Primary, Recovered, Transaction,
};
use atomik_arena::system::{
    Description, Node, NodeId, OpId, Setup, Storage, System, SystemError, of_field,
};
use atomik_workload::content::Content;
use atomik_workload::workload::{Action, Class, Field};

/// The systems of this module.
pub(crate) fn systems() -> Vec<Box<dyn System>> {
    vec![Box::new(CqrsEs {
        snapshots: SNAPSHOT_INTERVAL,
    })]
}

/// The system `cqrs-es`.
struct CqrsEs {
    /// Events of an aggregate, or of a stream in the copies, between two snapshots.
    snapshots: u64,
}

impl System for CqrsEs {
    fn describe(&self) -> Description {
        Description {
            name: "cqrs-es",
            library: format!(
                "cqrs-es 0.5.0, sqlite-es 0.5.0 (sqlx 0.8.6), SQLite {}; protocol of this program",
                rusqlite::version()
            ),
            semantics: SEMANTICS,
            usage: "\
                The primary runs CqrsFramework over PersistedEventStore::new_snapshot_store, with \
                a snapshot after every 100 events of an aggregate (the example of its \
                documentation, which advises snapshots for aggregates of many events). An \
                aggregate is a key. The library commits once per command. The connection is set up \
                as sqlite_es::default_sqlite_pool does, where WAL with synchronous=NORMAL does not \
                sync at every commit, so all commits since the last fsync share the next. Commands \
                are not combined: sqlite-es 0.5 records a snapshot under the number of the last \
                event of a commit, even if the snapshot ends before that. Payloads are JSON, as in \
                the library's store. Other nodes: as \"Event log with snapshots\".",
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
            return subscriber(setup, storage, Some(self.snapshots));
        }
        let (store, recovered) = CqrsStore::open(&storage.folder, self.snapshots, &setup.fields)?;
        Ok(Box::new(Primary::new(setup, store, recovered)))
    }
}

/// The state of a key.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Key {
    fields: BTreeMap<u16, Content>,
    /// The last operation of each client, by which repeated commands are recognised.
    clients: BTreeMap<u32, OpId>,
}

impl Key {
    fn has(&self, client: u32, op: OpId) -> bool {
        self.clients.get(&client).is_some_and(|&last| op <= last)
    }
}

/// A command: a client's operation on a field.
struct Change {
    client: u32,
    op: OpId,
    field: u16,
    class: Class,
    action: Action,
}

/// An event: a client's operation on a field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Changed {
    client: u32,
    op: OpId,
    field: u16,
    class: Class,
    action: Action,
}

impl DomainEvent for Changed {
    fn event_type(&self) -> String {
        "Changed".into()
    }

    fn event_version(&self) -> String {
        "1".into()
    }
}

impl Aggregate for Key {
    type Command = Change;
    type Event = Changed;
    type Error = Infallible;
    type Services = ();

    const TYPE: &'static str = "key";

    async fn handle(
        &mut self,
        command: Change,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), Infallible> {
        let Change {
            client,
            op,
            field,
            class,
            action,
        } = command;
        if !self.has(client, op) {
            let event = Changed {
                client,
                op,
                field,
                class,
                action,
            };
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: Changed) {
        // Only once: cqrs-es 0.5 applies an event that a command writes to its sink there, and
        // again when it makes a snapshot of the same aggregate.
        if self.has(event.client, event.op) {
            return;
        }
        self.fields
            .entry(event.field)
            .or_insert_with(|| Content::empty(event.class))
            .apply(&event.action);
        self.clients.insert(event.client, event.op);
    }
}

/// The library's store on the disk of node 0. A position in the log is SQLite's row number, which
/// grows by one with each event, because none is ever deleted.
struct CqrsStore {
    runtime: Runtime,
    pool: Pool<Sqlite>,
    framework: SqliteCqrs<Key>,
    classes: Vec<Class>,
    folder: PathBuf,
    wal: WalGauge,
    /// Number of events when it was opened.
    opened_with: i64,
}

fn sql(error: sqlx::Error) -> SystemError {
    SystemError::failed("SQLite", error)
}

/// The tables of sqlite-es's migrations.
const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS events (
        aggregate_type text NOT NULL,
        aggregate_id text NOT NULL,
        sequence integer CHECK (sequence >= 0) NOT NULL,
        event_type text NOT NULL,
        event_version text NOT NULL,
        payload text NOT NULL,
        metadata text NOT NULL,
        PRIMARY KEY (aggregate_type, aggregate_id, sequence)
    ) STRICT;
    CREATE TABLE IF NOT EXISTS snapshots (
        aggregate_type text NOT NULL,
        aggregate_id text NOT NULL,
        last_sequence integer CHECK (last_sequence >= 0) NOT NULL,
        current_snapshot integer CHECK (current_snapshot >= 0) NOT NULL,
        payload text NOT NULL,
        PRIMARY KEY (aggregate_type, aggregate_id, last_sequence)
    ) STRICT;";

/// Every aggregate, found through the primary key's index one after the other.
const AGGREGATES: &str = "
    WITH RECURSIVE ids (id) AS (
        SELECT min(aggregate_id) FROM events WHERE aggregate_type = ?1
        UNION ALL
        SELECT (SELECT min(aggregate_id) FROM events WHERE aggregate_type = ?1 \
                AND aggregate_id > ids.id)
        FROM ids WHERE ids.id IS NOT NULL
    )
    SELECT id FROM ids WHERE id IS NOT NULL";

/// Bytes of the snapshots, and of the events after them among the first `?1`.
const READ_BYTES: &str = "
    SELECT (SELECT coalesce(sum(length(aggregate_id) + length(payload)), 0) FROM snapshots)
         + (SELECT coalesce(sum(length(e.aggregate_id) + length(e.event_type) \
                + length(e.event_version)
                + length(e.payload) + length(e.metadata)), 0)
            FROM events e LEFT JOIN snapshots s USING (aggregate_type, aggregate_id)
            WHERE e.rowid <= ?1 AND e.sequence > coalesce(s.last_sequence, 0))";

impl CqrsStore {
    fn open(
        folder: &Path,
        snapshots: u64,
        fields: &[Field],
    ) -> Result<(Self, Recovered), SystemError> {
        let runtime = Builder::new_current_thread()
            .enable_time()
            .build()
            .map_err(|error| SystemError::failed("starting a runtime", error))?;
        let file = folder.join("cqrs.sqlite");
        // As sqlite_es::default_sqlite_pool, except that the simulated disk syncs, checkpoints are
        // made where they can be counted, there is one connection for the one writer, and nothing
        // depends on the clock.
        let options = SqliteConnectOptions::new()
            .filename(&file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Off)
            .foreign_keys(true)
            .pragma("wal_autocheckpoint", "0")
            .disable_statement_logging();
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false);
        let interval = usize::try_from(snapshots)
            .map_err(|error| SystemError::failed("the snapshot interval", error))?;
        let (pool, opened_with, recovered) = runtime.block_on(async {
            let pool = pool.connect_with(options).await.map_err(sql)?;
            let (opened_with, recovered) = recover(&pool, interval).await?;
            Ok::<_, SystemError>((pool, opened_with, recovered))
        })?;
        let repository = SqliteEventRepository::new(pool.clone());
        let store = PersistedEventStore::new_snapshot_store(repository, interval);
        let store = Self {
            runtime,
            pool,
            framework: CqrsFramework::new(store, Vec::new(), ()),
            classes: fields.iter().map(|field| field.class).collect(),
            folder: folder.to_owned(),
            wal: WalGauge::new(&file),
            opened_with,
        };
        Ok((store, recovered))
    }

    /// The first column of the only row of a query.
    fn number(&self, query: &str, argument: i64) -> Result<i64, SystemError> {
        self.runtime
            .block_on(
                sqlx::query_scalar(query)
                    .bind(argument)
                    .fetch_one(&self.pool),
            )
            .map_err(sql)
    }
}

/// Loads every aggregate from its snapshot and the events after it.
async fn recover(pool: &Pool<Sqlite>, interval: usize) -> Result<(i64, Recovered), SystemError> {
    let mut recovered = Recovered::default();
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema")
        .fetch_one(pool)
        .await
        .map_err(sql)?;
    if tables == 0 {
        sqlx::raw_sql(TABLES).execute(pool).await.map_err(sql)?;
    }
    let last: Option<i64> = sqlx::query_scalar("SELECT max(rowid) FROM events")
        .fetch_one(pool)
        .await
        .map_err(sql)?;
    let last = last.unwrap_or(0);
    let ids: Vec<String> = sqlx::query_scalar(AGGREGATES)
        .bind(Key::TYPE)
        .fetch_all(pool)
        .await
        .map_err(sql)?;
    let repository = SqliteEventRepository::new(pool.clone());
    let store = PersistedEventStore::<_, Key>::new_snapshot_store(repository, interval);
    for id in ids {
        let loaded = store
            .load_aggregate(&id)
            .await
            .map_err(|error| SystemError::failed("loading an aggregate", error))?;
        for (client, op) in loaded.aggregate.clients {
            let mark = recovered.marks.entry(client).or_insert(op);
            *mark = op.max(*mark);
        }
        let stream = recovered.projection.stream(&id);
        let fields = loaded.aggregate.fields.into_iter().collect();
        let version = loaded.current_sequence as u64;
        recovered.projection.restore(stream, version, fields)?;
    }
    let position =
        u64::try_from(last).map_err(|error| SystemError::failed("reading the log", error))?;
    recovered.projection.set_position(position);
    Ok((last, recovered))
}

impl EventStore for CqrsStore {
    fn commit(&mut self, transaction: &Transaction<'_>) -> Result<u64, SystemError> {
        self.runtime.block_on(async {
            for row in transaction.rows {
                let Operation {
                    op,
                    key,
                    field,
                    action,
                } = &row.event.operation;
                let class = of_field(&self.classes, *field)?;
                let change = Change {
                    client: row.event.client,
                    op: *op,
                    field: *field,
                    class: *class,
                    action: action.clone(),
                };
                self.framework
                    .execute(key, change)
                    .await
                    .map_err(|error| SystemError::failed("a command", error))?;
            }
            Ok::<_, SystemError>(())
        })?;
        let written = self.wal.grown();
        if self.wal.full() {
            let checkpoint = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&self.pool);
            self.runtime.block_on(checkpoint).map_err(sql)?;
            self.wal.grown();
        }
        Ok(written)
    }

    fn read(&mut self, after: u64, through: u64) -> Result<Vec<Event>, SystemError> {
        let bound = |position| {
            i64::try_from(position)
                .map_err(|error| SystemError::failed("SQLite counts to 2^63", error))
        };
        let rows = sqlx::query(
            "SELECT aggregate_id, payload FROM events WHERE rowid > ?1 AND rowid <= ?2 \
             ORDER BY rowid",
        )
        .bind(bound(after)?)
        .bind(bound(through)?)
        .fetch_all(&self.pool);
        let rows = self.runtime.block_on(rows).map_err(sql)?;
        if rows.len() as u64 != through - after {
            return Err(SystemError::invariant(format!(
                "the log has {} events from {after} to {through}",
                rows.len()
            )));
        }
        rows.into_iter()
            .map(|row| {
                let payload: String = row.try_get(1).map_err(sql)?;
                let event: Changed = serde_json::from_str(&payload)
                    .map_err(|error| SystemError::failed("reading an event", error))?;
                Ok(Event {
                    client: event.client,
                    operation: Operation {
                        op: event.op,
                        key: row.try_get(0).map_err(sql)?,
                        field: event.field,
                        action: event.action,
                    },
                })
            })
            .collect()
    }

    fn snapshot_interval(&self) -> Option<u64> {
        // The library makes them.
        None
    }

    fn bytes_read(&self) -> u64 {
        if self.opened_with == 0 {
            return 0;
        }
        // Queried here and not when opening, where it would count as time to restore the state. If
        // the query fails, the next command fails as well.
        self.number(READ_BYTES, self.opened_with)
            .ok()
            .and_then(|bytes| u64::try_from(bytes).ok())
            .unwrap_or(0)
    }

    fn disk(&self) -> u64 {
        folder_bytes(&self.folder)
    }

    fn memory(&self) -> u64 {
        let pages = self.number("SELECT page_count FROM pragma_page_count() WHERE ?1 = 0", 0);
        cached(
            pages
                .ok()
                .and_then(|pages| u64::try_from(pages).ok())
                .unwrap_or(0),
        )
    }
}

impl Drop for CqrsStore {
    fn drop(&mut self) {
        // The connection lives in a thread of its own, which must have closed the file before it is
        // opened again.
        self.runtime.block_on(self.pool.close());
    }
}

#[cfg(test)]
mod tests {
    use super::super::store_protocol::Row;
    use super::*;
    use crate::adversary::{ALL, Run, all_counts, converges, sequential, setup};

    const SMALL: CqrsEs = CqrsEs { snapshots: 4 };

    #[test]
    fn acknowledged_operations_count_once() {
        all_counts(&SMALL, &Class::ALL, 0..15, ALL);
    }

    #[test]
    fn nodes_become_the_same() {
        converges(&SMALL, &Class::ALL, 100..115);
    }

    #[test]
    fn in_sequence_operations_mean_what_traces_mean() {
        sequential(&SMALL, &Class::ALL, 200..203);
    }

    #[test]
    fn a_command_that_came_before_makes_no_event() {
        let folder = tempfile::tempdir().unwrap();
        let fields = setup(&[Class::Counter], 1, 0).fields;
        let (mut store, _) = CqrsStore::open(folder.path(), 4, &fields).unwrap();
        let event = Event {
            client: 1,
            operation: Operation {
                op: 7,
                key: "k".into(),
                field: 0,
                action: Action::Add(1),
            },
        };
        let row = Row {
            position: 1,
            stream: 0,
            version: 1,
            event: event.clone(),
        };
        for _ in 0..2 {
            let transaction = Transaction {
                rows: std::slice::from_ref(&row),
                snapshots: &[],
                marks: &BTreeMap::new(),
            };
            store.commit(&transaction).unwrap();
        }
        assert_eq!(store.read(0, 1).unwrap(), [event]);
        assert!(store.read(0, 2).is_err());
        drop(store);
        let (_, recovered) = CqrsStore::open(folder.path(), 4, &fields).unwrap();
        assert_eq!(recovered.marks, [(1, 7)].into());
        assert_eq!(recovered.projection.position(), 1);
    }

    #[test]
    fn snapshots_and_the_events_behind_them_are_the_replay_of_all_events() {
        for seed in 300..305 {
            let mut run = Run::new(&SMALL, &Class::ALL, 3, seed);
            run.chaos(120, ALL, true);
            let (mut store, _) =
                CqrsStore::open(&run.disk(PRIMARY).folder, 4, &run.setup.fields).unwrap();
            let snapshots = store
                .number("SELECT count(*) FROM snapshots WHERE ?1 = 0", 0)
                .unwrap();
            assert!(snapshots > 0, "none was made");
            let mut replayed: BTreeMap<(String, u16), Content> = BTreeMap::new();
            let last = u64::try_from(store.opened_with).unwrap();
            for event in store.read(0, last).unwrap() {
                let Operation {
                    key, field, action, ..
                } = event.operation;
                let class = store.classes[usize::from(field)];
                replayed
                    .entry((key, field))
                    .or_insert_with(|| Content::empty(class))
                    .apply(&action);
            }
            for ((key, field), content) in run.contents() {
                match replayed.get(&(key, field)) {
                    Some(all) => assert_eq!(*all, content, "seed {seed}"),
                    None => assert_eq!(content, Content::empty(content.class())),
                }
            }
        }
    }
}
