//! A live run of openraft: its own runtime, real time, real fsyncs, all nodes in this process.
//!
//! What comes out are figures of this machine at this moment. They stand beside those of the
//! simulated columns to show what a second Raft does in its own runtime, and are not comparable
//! with them digit by digit: here messages take no time and are not serialized, an fsync takes what
//! the disk takes, all nodes share the processor, and clients wait for one operation before they
//! send the next.
//!
//! As openraft's documentation has it ("Getting Started", storage-v2): the log store calls back
//! when entries are durable, so that the next are taken meanwhile; a client that meets a follower
//! goes to the leader that it names; the state machine keeps the last serial number of each client,
//! so that nothing is applied twice (`Raft::client_write`). Clients go through their node, which
//! puts what they ask for while its last entry is under way into the next one: openraft 0.9 waits
//! for the leader's disk with every `client_write` (`RaftCore::append_to_log`), so that single
//! operations would take an fsync each.

// The size of openraft's own error, which its traits prescribe.
#![allow(clippy::result_large_err)]

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::fs::File;
use std::io::{self, Cursor, Write as _};
use std::ops::RangeBounds;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use openraft::error::{InstallSnapshotError, RPCError, RaftError, RemoteError, Unreachable};
use openraft::network::RPCOption;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, InstallSnapshotResponse,
    VoteRequest, VoteResponse,
};
use openraft::storage::{LogFlushed, RaftLogStorage, RaftStateMachine};
use openraft::{
    Config, EmptyNode, EntryPayload, LogId, LogState, Raft, RaftLogReader, RaftNetwork,
    RaftNetworkFactory, RaftSnapshotBuilder, Snapshot, SnapshotMeta, StorageError, StorageIOError,
    StoredMembership, Vote,
};
use serde::{Deserialize, Serialize};

use crate::content::Content;
use crate::figures::Live;
use crate::run::quantiles;
use crate::system::Broken;
use crate::workload::{Action, Field, Workload};

/// How long the cluster may take to elect a leader, or to catch up at the end.
const PATIENCE: Duration = Duration::from_secs(60);

openraft::declare_raft_types!(
    Types:
        D = Batch,
        R = (),
        NodeId = u64,
        Node = EmptyNode,
);

type Entry = openraft::Entry<Types>;
type Failed = StorageError<u64>;
type Contents = BTreeMap<(String, u16), Content>;

/// What goes into one log entry.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Batch(Vec<Request>);

/// The most operations in one log entry.
const MOST_TOGETHER: usize = 1_000;

/// An operation of a client.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Request {
    client: u32,
    /// Counts the client's operations, from 1.
    serial: u64,
    key: String,
    field: u16,
    action: Action,
}

/// Runs a workload's operations through a cluster of `nodes` nodes, with `clients` clients for each
/// node of the workload, each of which sends an operation when the one before it is acknowledged.
/// Times of the trace do not matter.
///
/// # Errors
///
/// [`Broken`]: the cluster elects no leader, fails, or its nodes end up different or without some operation; or there is no file to be had for their logs.
pub fn measure(
    workload: &Workload,
    nodes: usize,
    clients: usize,
    command: String,
) -> Result<Live, Broken> {
    let (live, _) = run(workload, nodes, clients, command)?;
    Ok(live)
}

fn run(
    workload: &Workload,
    nodes: usize,
    clients: usize,
    command: String,
) -> Result<(Live, Contents), Broken> {
    let requests = requests(workload, clients.max(1));
    let folder = tempfile::tempdir()
        .map_err(|error| Broken::new("a folder for the logs of openraft", error))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_time()
        .build()
        .map_err(|error| Broken::new("starting tokio", error))?;
    let fields: Arc<[Field]> = workload.fields.clone().into();
    let (waits, elapsed, contents) =
        runtime.block_on(cluster(requests, fields, nodes.max(1), folder.path()))?;
    let operations = workload.steps.len() as u64;
    let live = Live {
        name: "openraft, live".into(),
        library: "openraft 0.9.25".into(),
        usage: format!(
            "{nodes} nodes in one process on tokio, {clients} clients a node, each with one operation in flight, which share log entries; a log file a node, with an fsync for all that waits; \
             messages handed over in memory. Wall-clock time of this machine: not comparable digit by digit with the simulated columns."
        ),
        operations,
        latency_us: quantiles(waits),
        per_second: operations as f64 / elapsed.as_secs_f64(),
        command,
    };
    Ok((live, contents))
}

/// The operations by node and client: those of a node go to its clients in turn.
fn requests(workload: &Workload, clients: usize) -> Vec<Vec<Vec<Request>>> {
    let mut requests = vec![vec![Vec::new(); clients]; workload.nodes as usize];
    let mut turns = vec![0; workload.nodes as usize];
    for step in &workload.steps {
        let node = step.node as usize;
        let client = turns[node] % clients;
        turns[node] += 1;
        let of_client = &mut requests[node][client];
        of_client.push(Request {
            client: (node * clients + client) as u32,
            serial: of_client.len() as u64 + 1,
            key: workload.key(step).to_owned(),
            field: step.field,
            action: step.action.clone(),
        });
    }
    requests
}

async fn cluster(
    requests: Vec<Vec<Vec<Request>>>,
    fields: Arc<[Field]>,
    nodes: usize,
    folder: &Path,
) -> Result<(Vec<f64>, Duration, Contents), Broken> {
    let config = Config {
        // As etcd has them; openraft's 50 and 150 to 300 ms are less than a busy disk may take.
        heartbeat_interval: 100,
        election_timeout_min: 1_000,
        election_timeout_max: 2_000,
        install_snapshot_timeout: 10_000,
        ..Config::default()
    };
    let config = config
        .validate()
        .map_err(|error| Broken::new("configuring openraft", error))?;
    let config = Arc::new(config);
    let peers = Peers::default();
    let mut machines = Vec::new();
    for node in 0..nodes as u64 {
        let log = Log::new(&folder.join(format!("log-{node}")))?;
        let machine = Machine {
            fields: Arc::clone(&fields),
            state: Arc::default(),
            file: folder.join(format!("snapshot-{node}")),
        };
        machines.push(machine.clone());
        let raft = Raft::new(node, Arc::clone(&config), peers.clone(), log, machine)
            .await
            .map_err(|error| Broken::new("starting openraft", error))?;
        held(&peers.0).insert(node, raft);
    }
    let rafts: Vec<Raft<Types>> = held(&peers.0).values().cloned().collect();
    let measured = drive(&rafts, requests).await;
    for raft in &rafts {
        // A node that has failed already has nothing more to say here; what it did to the run is in
        // `measured`.
        drop(raft.shutdown().await);
    }
    held(&peers.0).clear();
    let (waits, elapsed) = measured?;
    let states: Vec<_> = machines
        .iter()
        .map(|machine| held(&machine.state))
        .collect();
    let Some(first) = states.first() else {
        return Err(Broken("a cluster without nodes".into()));
    };
    for (node, state) in states.iter().enumerate() {
        if state.operations != waits.len() as u64 || state.contents != first.contents {
            return Err(Broken(format!(
                "openraft's node {node} has applied {} of {} operations, node 0 {}",
                state.operations,
                waits.len(),
                first.operations
            )));
        }
    }
    Ok((waits, elapsed, first.contents.clone()))
}

/// Forms the cluster, runs all clients, and waits until all nodes have applied everything.
async fn drive(
    rafts: &[Raft<Types>],
    requests: Vec<Vec<Vec<Request>>>,
) -> Result<(Vec<f64>, Duration), Broken> {
    let Some(first) = rafts.first() else {
        return Err(Broken("a cluster without nodes".into()));
    };
    let members: BTreeMap<u64, EmptyNode> = (0..rafts.len() as u64)
        .map(|node| (node, EmptyNode {}))
        .collect();
    first
        .initialize(members)
        .await
        .map_err(|error| Broken::new("forming a cluster of openraft", error))?;
    let elected = first
        .wait(Some(PATIENCE))
        .metrics(|metrics| metrics.current_leader.is_some(), "a leader")
        .await
        .map_err(|error| Broken::new("waiting for openraft's leader", error))?;
    let leader = elected.current_leader.unwrap_or_default();
    let before = Instant::now();
    let mut gateways = Vec::new();
    let mut clients = Vec::new();
    for of_node in requests {
        let (ask, asked) = tokio::sync::mpsc::unbounded_channel();
        gateways.push(tokio::spawn(gateway(rafts.to_vec(), leader, asked)));
        for of_client in of_node {
            clients.push(tokio::spawn(client(ask.clone(), of_client)));
        }
    }
    let mut ended = Vec::new();
    for client in clients {
        ended.push(client.await);
    }
    let elapsed = before.elapsed();
    // Before the clients' errors, because theirs are the cause.
    for gateway in gateways {
        gateway
            .await
            .map_err(|error| Broken::new("a node of openraft's clients", error))??;
    }
    let mut waits = Vec::new();
    for of_client in ended {
        waits.extend(of_client.map_err(|error| Broken::new("a client of openraft", error))??);
    }
    let mut last = None;
    for raft in rafts {
        last = last.max(raft.metrics().borrow().last_log_index);
    }
    for raft in rafts {
        raft.wait(Some(PATIENCE))
            .applied_index_at_least(last, "all is applied")
            .await
            .map_err(|error| Broken::new("waiting for openraft's nodes to be the same", error))?;
    }
    Ok((waits, elapsed))
}

/// An operation, and whom to tell when it is done.
type Asked = (Request, tokio::sync::oneshot::Sender<()>);

/// Takes what the clients of a node ask for to the leader, all that waits at once.
async fn gateway(
    rafts: Vec<Raft<Types>>,
    mut leader: u64,
    mut asked: tokio::sync::mpsc::UnboundedReceiver<Asked>,
) -> Result<(), Broken> {
    let mut together = Vec::new();
    while asked.recv_many(&mut together, MOST_TOGETHER).await > 0 {
        let (requests, answers): (Vec<_>, Vec<_>) = together.drain(..).unzip();
        let batch = Batch(requests);
        loop {
            let raft = rafts
                .get(leader as usize)
                .ok_or_else(|| Broken(format!("openraft names node {leader} its leader")))?;
            let Err(error) = raft.client_write(batch.clone()).await else {
                break;
            };
            let Some(forward) = error.forward_to_leader() else {
                return Err(Broken::new("writing to openraft", error));
            };
            match forward.leader_id {
                Some(named) => leader = named,
                None => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
        for answer in answers {
            // A client waits until it is told, or ends with an error of its own.
            let _: Result<(), ()> = answer.send(());
        }
    }
    Ok(())
}

/// Microseconds that each of a client's operations took.
async fn client(
    node: tokio::sync::mpsc::UnboundedSender<Asked>,
    requests: Vec<Request>,
) -> Result<Vec<f64>, Broken> {
    let gone = || Broken("openraft's node has gone".into());
    let mut waits = Vec::with_capacity(requests.len());
    for request in requests {
        let before = Instant::now();
        let (answer, answered) = tokio::sync::oneshot::channel();
        node.send((request, answer)).map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?;
        waits.push(before.elapsed().as_secs_f64() * 1e6);
    }
    Ok(waits)
}

/// A lock's content; whoever panicked with it has ended the run anyway.
fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is written to the log file. It is written for its cost: nodes of a live run are not started
/// again, so nothing reads it.
#[derive(Serialize)]
enum Record<'a> {
    Vote(&'a Vote<u64>),
    Entry(&'a Entry),
    Truncate(&'a LogId<u64>),
    Purge(&'a LogId<u64>),
}

#[allow(clippy::result_large_err)] // The size is openraft's.
fn encoded(record: &Record<'_>, bytes: Vec<u8>) -> Result<Vec<u8>, Failed> {
    postcard::to_extend(record, bytes).map_err(|error| StorageIOError::write_logs(&error).into())
}

/// Who waits for a write.
enum Waiting {
    Log(LogFlushed<Types>),
    Task(tokio::sync::oneshot::Sender<io::Result<()>>),
}

/// A log in memory and, written by a thread of its own that takes all that waits into one fsync, in
/// a file.
#[derive(Clone)]
struct Log {
    held: Arc<Mutex<Held>>,
    disk: mpsc::Sender<(Vec<u8>, Option<Waiting>)>,
}

#[derive(Default)]
struct Held {
    vote: Option<Vote<u64>>,
    purged: Option<LogId<u64>>,
    entries: BTreeMap<u64, Entry>,
}

impl Log {
    fn new(path: &Path) -> Result<Self, Broken> {
        let file = File::create(path).map_err(|error| Broken::new("a log of openraft", error))?;
        let (disk, writes) = mpsc::channel();
        std::thread::Builder::new()
            .name("openraft-log".into())
            .spawn(move || write(file, &writes))
            .map_err(|error| Broken::new("a thread for a log of openraft", error))?;
        Ok(Self {
            held: Arc::default(),
            disk,
        })
    }

    #[allow(clippy::result_large_err)] // The size is openraft's.
    fn write(&self, bytes: Vec<u8>, waiting: Option<Waiting>) -> Result<(), Failed> {
        self.disk
            .send((bytes, waiting))
            .map_err(|error| StorageIOError::write_logs(&error).into())
    }
}

fn write(mut file: File, writes: &mpsc::Receiver<(Vec<u8>, Option<Waiting>)>) {
    while let Ok(first) = writes.recv() {
        let mut together = vec![first];
        together.extend(writes.try_iter());
        let bytes: Vec<u8> = together
            .iter_mut()
            .flat_map(|(bytes, _)| std::mem::take(bytes))
            .collect();
        let written = file.write_all(&bytes).and_then(|()| file.sync_data());
        for (_, waiting) in together {
            let result = match &written {
                Ok(()) => Ok(()),
                Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
            };
            match waiting {
                Some(Waiting::Log(flushed)) => flushed.log_io_completed(result),
                // Whoever does not wait any more needs no answer.
                Some(Waiting::Task(task)) => drop(task.send(result)),
                None => {}
            }
        }
    }
}

impl RaftLogReader<Types> for Log {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + Send>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, Failed> {
        let held = held(&self.held);
        Ok(held
            .entries
            .range(range)
            .map(|(_, entry)| entry.clone())
            .collect())
    }
}

impl RaftLogStorage<Types> for Log {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<Types>, Failed> {
        let held = held(&self.held);
        let last = held.entries.last_key_value().map(|(_, entry)| entry.log_id);
        Ok(LogState {
            last_purged_log_id: held.purged,
            last_log_id: last.or(held.purged),
        })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote<u64>) -> Result<(), Failed> {
        let (task, done) = tokio::sync::oneshot::channel();
        let bytes = encoded(&Record::Vote(vote), Vec::new())?;
        self.write(bytes, Some(Waiting::Task(task)))?;
        done.await
            .map_err(|error| StorageIOError::write_vote(&error))?
            .map_err(|error| StorageIOError::write_vote(&error))?;
        held(&self.held).vote = Some(*vote);
        Ok(())
    }

    async fn read_vote(&mut self) -> Result<Option<Vote<u64>>, Failed> {
        Ok(held(&self.held).vote)
    }

    async fn append<I>(&mut self, entries: I, flushed: LogFlushed<Types>) -> Result<(), Failed>
    where
        I: IntoIterator<Item = Entry> + Send,
        I::IntoIter: Send,
    {
        let mut bytes = Vec::new();
        {
            let mut held = held(&self.held);
            for entry in entries {
                bytes = encoded(&Record::Entry(&entry), bytes)?;
                held.entries.insert(entry.log_id.index, entry);
            }
        }
        self.write(bytes, Some(Waiting::Log(flushed)))
    }

    async fn truncate(&mut self, log_id: LogId<u64>) -> Result<(), Failed> {
        drop(held(&self.held).entries.split_off(&log_id.index));
        let bytes = encoded(&Record::Truncate(&log_id), Vec::new())?;
        self.write(bytes, None)
    }

    async fn purge(&mut self, log_id: LogId<u64>) -> Result<(), Failed> {
        {
            let mut held = held(&self.held);
            held.entries = held.entries.split_off(&(log_id.index + 1));
            held.purged = Some(log_id);
        }
        let bytes = encoded(&Record::Purge(&log_id), Vec::new())?;
        self.write(bytes, None)
    }
}

/// The state machine of a node, and the builder of its snapshots.
#[derive(Clone)]
struct Machine {
    fields: Arc<[Field]>,
    state: Arc<Mutex<State>>,
    /// Where its snapshot is kept.
    file: PathBuf,
}

#[derive(Default)]
struct State {
    applied: Option<LogId<u64>>,
    members: StoredMembership<u64, EmptyNode>,
    /// The last serial number of each client.
    serials: BTreeMap<u32, u64>,
    operations: u64,
    contents: Contents,
    snapshot: Option<(SnapshotMeta<u64, EmptyNode>, Vec<u8>)>,
}

impl State {
    fn apply(&mut self, fields: &[Field], request: Request) {
        let last = self.serials.entry(request.client).or_default();
        if request.serial <= *last {
            return;
        }
        *last = request.serial;
        self.operations += 1;
        if let Some(field) = fields.get(usize::from(request.field)) {
            self.contents
                .entry((request.key, request.field))
                .or_insert_with(|| Content::empty(field.class))
                .apply(&request.action);
        }
    }
}

impl Machine {
    /// "Every snapshot has to be persistent" where the state is not (`RaftStateMachine::apply`).
    async fn keep(
        &self,
        meta: SnapshotMeta<u64, EmptyNode>,
        bytes: Vec<u8>,
    ) -> Result<Snapshot<Types>, Failed> {
        let path = self.file.clone();
        let (written, bytes) = tokio::task::spawn_blocking(move || {
            let write = || {
                let mut file = File::create(&path)?;
                file.write_all(&bytes)?;
                file.sync_data()
            };
            (write(), bytes)
        })
        .await
        .map_err(|error| StorageIOError::write_snapshot(None, &error))?;
        written.map_err(|error| StorageIOError::write_snapshot(Some(meta.signature()), &error))?;
        held(&self.state).snapshot = Some((meta.clone(), bytes.clone()));
        Ok(Snapshot {
            meta,
            snapshot: Box::new(Cursor::new(bytes)),
        })
    }
}

impl RaftSnapshotBuilder<Types> for Machine {
    async fn build_snapshot(&mut self) -> Result<Snapshot<Types>, Failed> {
        let (meta, bytes) = {
            let state = held(&self.state);
            let image = (&state.serials, state.operations, &state.contents);
            let bytes = postcard::to_allocvec(&image)
                .map_err(|error| StorageIOError::read_state_machine(&error))?;
            let meta = SnapshotMeta {
                last_log_id: state.applied,
                last_membership: state.members.clone(),
                snapshot_id: state.operations.to_string(),
            };
            (meta, bytes)
        };
        self.keep(meta, bytes).await
    }
}

impl RaftStateMachine<Types> for Machine {
    type SnapshotBuilder = Self;

    async fn applied_state(
        &mut self,
    ) -> Result<(Option<LogId<u64>>, StoredMembership<u64, EmptyNode>), Failed> {
        let state = held(&self.state);
        Ok((state.applied, state.members.clone()))
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<()>, Failed>
    where
        I: IntoIterator<Item = Entry> + Send,
        I::IntoIter: Send,
    {
        let mut state = held(&self.state);
        let mut answers = Vec::new();
        for entry in entries {
            state.applied = Some(entry.log_id);
            match entry.payload {
                EntryPayload::Blank => {}
                EntryPayload::Normal(Batch(requests)) => {
                    for request in requests {
                        state.apply(&self.fields, request);
                    }
                }
                EntryPayload::Membership(members) => {
                    state.members = StoredMembership::new(Some(entry.log_id), members);
                }
            }
            answers.push(());
        }
        Ok(answers)
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        self.clone()
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<Cursor<Vec<u8>>>, Failed> {
        Ok(Box::default())
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta<u64, EmptyNode>,
        snapshot: Box<Cursor<Vec<u8>>>,
    ) -> Result<(), Failed> {
        let bytes = snapshot.into_inner();
        let (serials, operations, contents) = postcard::from_bytes(&bytes)
            .map_err(|error| StorageIOError::read_snapshot(Some(meta.signature()), &error))?;
        self.keep(meta.clone(), bytes).await?;
        let mut state = held(&self.state);
        state.serials = serials;
        state.operations = operations;
        state.contents = contents;
        state.applied = meta.last_log_id;
        state.members = meta.last_membership.clone();
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot<Types>>, Failed> {
        let state = held(&self.state);
        Ok(state.snapshot.as_ref().map(|(meta, bytes)| Snapshot {
            meta: meta.clone(),
            snapshot: Box::new(Cursor::new(bytes.clone())),
        }))
    }
}

/// All nodes, by number: the network.
#[derive(Clone, Default)]
struct Peers(Arc<Mutex<BTreeMap<u64, Raft<Types>>>>);

struct Link {
    peers: Peers,
    target: u64,
}

impl Link {
    fn raft(&self) -> Result<Raft<Types>, Unreachable> {
        let absent = || Unreachable::new(&io::Error::from(io::ErrorKind::NotConnected));
        held(&self.peers.0)
            .get(&self.target)
            .cloned()
            .ok_or_else(absent)
    }
}

impl RaftNetworkFactory<Types> for Peers {
    type Network = Link;

    async fn new_client(&mut self, target: u64, _: &EmptyNode) -> Link {
        Link {
            peers: self.clone(),
            target,
        }
    }
}

type Refused<E> = RPCError<u64, EmptyNode, RaftError<u64, E>>;

impl RaftNetwork<Types> for Link {
    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Types>,
        _: RPCOption,
    ) -> Result<AppendEntriesResponse<u64>, RPCError<u64, EmptyNode, RaftError<u64>>> {
        let answer = self.raft()?.append_entries(request).await;
        answer.map_err(|error| RemoteError::new(self.target, error).into())
    }

    async fn install_snapshot(
        &mut self,
        request: InstallSnapshotRequest<Types>,
        _: RPCOption,
    ) -> Result<InstallSnapshotResponse<u64>, Refused<InstallSnapshotError>> {
        let answer = self.raft()?.install_snapshot(request).await;
        answer.map_err(|error| RemoteError::new(self.target, error).into())
    }

    async fn vote(
        &mut self,
        request: VoteRequest<u64>,
        _: RPCOption,
    ) -> Result<VoteResponse<u64>, RPCError<u64, EmptyNode, RaftError<u64>>> {
        let answer = self.raft()?.vote(request).await;
        answer.map_err(|error| RemoteError::new(self.target, error).into())
    }
}

#[cfg(test)]
mod tests {
    use crate::workload::{Line, Scalar};

    use super::*;

    #[test]
    fn all_nodes_end_with_what_the_operations_say_each_once() {
        let lines = (0..7_000).map(|t: u64| {
            let (field, action) = match t % 3 {
                0 => ("sum", Action::Add(t as i64)),
                1 => ("members", Action::Insert(Scalar::Int(t as i64 % 50))),
                _ => ("log", Action::Append(Scalar::Int(t as i64))),
            };
            Ok(Line {
                t,
                node: (t % 3) as u32,
                key: format!("{}", t % 4),
                field: field.into(),
                action,
            })
        });
        let workload = Workload::collect("live", lines, usize::MAX).unwrap();
        let (live, contents) = run(&workload, 3, 20, String::new()).unwrap();
        assert_eq!(live.operations, 7_000);
        let mut meant = Contents::new();
        for step in &workload.steps {
            let class = workload.field(step).class;
            meant
                .entry((workload.key(step).to_owned(), step.field))
                .or_insert_with(|| Content::empty(class))
                .apply(&step.action);
        }
        // Clients are concurrent, so lists may be in another order.
        let sorted = |contents: Contents| -> Contents {
            let sort = |(place, content)| match content {
                Content::List(mut list) => {
                    list.sort();
                    (place, Content::List(list))
                }
                other => (place, other),
            };
            contents.into_iter().map(sort).collect()
        };
        assert_eq!(sorted(contents), sorted(meant));
    }
}
