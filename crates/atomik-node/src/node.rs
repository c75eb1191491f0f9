//! A node: a replica, its storage and its link to the peers, running together.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use atomik_replica::{
    Config, Event, Loader, OpError, OpenError, PublicKey, Replica, Roster, RosterError,
};
use atomik_store::{FsyncPolicy, Store, StoreError};
use thiserror::Error;
use tokio::task::JoinHandle;

use crate::actor::{Actor, NodeError};
use crate::handle::Handle;
use crate::link::Link;
use crate::sessions;
pub use crate::sessions::StartError;
use crate::settings::Limits;
use crate::state::NodeState;
use crate::stop::{Stop, StopSignal};
pub use crate::storage::Pace;
use crate::storage::Storage;

/// What a node is made of.
pub struct Parts {
    /// The replica, from [`load`].
    pub replica: Replica,
    /// The store that the replica was loaded from.
    pub store: Box<dyn Store>,
    /// The fsync policy that the store was opened with.
    pub fsync: FsyncPolicy,
    /// The link to the peers, whose engine was opened under the replica's origin.
    pub link: Link,
    /// Bounds of what may wait.
    pub limits: Limits,
    /// Interval between comparisons with a peer.
    pub sync_interval: Duration,
    /// The members' names by public key.
    pub names: BTreeMap<PublicKey, String>,
    /// The data folder, where proofs against members are written; `None` keeps none.
    pub data: Option<PathBuf>,
    /// What the operator is to know until all members have agreed with the node: why the store may
    /// lack something, if it may.
    pub lost: Option<String>,
    /// For simulations: where the random numbers of the sessions come from instead of the system,
    /// different for every start.
    pub seed: Option<[u8; 32]>,
    /// For simulations: how long the store takes. It then has no thread of its own, so that all of
    /// the node runs in the caller's runtime, and in its time.
    pub pace: Option<Box<dyn Pace>>,
}

impl Parts {
    /// A node with default limits, which syncs every commit, compares itself with a peer once a
    /// second and has no data folder.
    pub fn new(replica: Replica, store: impl Store + 'static, link: Link) -> Self {
        Self {
            replica,
            store: Box::new(store),
            fsync: FsyncPolicy::Always,
            link,
            limits: Limits::default(),
            sync_interval: Duration::from_secs(1),
            names: BTreeMap::new(),
            data: None,
            lost: None,
            seed: None,
            pace: None,
        }
    }
}

/// Why a replica could not be loaded from its store.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The records do not fit the configuration.
    #[error(transparent)]
    Replica(#[from] OpenError),
}

/// Loads the replica from a store. It continues as a new origin if the store cannot prove that it
/// holds everything that the replica has sent.
///
/// # Errors
/// [`LoadError`].
pub fn load(mut config: Config, store: &dyn Store) -> Result<Replica, LoadError> {
    config.kept_memory &= store.kept_memory();
    let mut loader = Loader::new(config)?;
    let mut refused = None;
    store.load(&mut |key, value| {
        if refused.is_none() {
            refused = loader.record(key, value).err();
        }
    })?;
    match refused {
        Some(error) => Err(error.into()),
        None => Ok(loader.open()?),
    }
}

/// Hands a signed roster to a replica that is not running yet. A stale one is ignored.
///
/// # Errors
/// [`OpError`] if the replica does not accept it.
pub fn hand_in(replica: &mut Replica, roster: &Roster) -> Result<(), OpError> {
    // There are no peers yet, and the status shows the roster.
    let mut effects = Vec::new();
    match replica.step(Event::Roster(&roster.encode()), &mut effects) {
        Ok(_) | Err(OpError::Roster(RosterError::Stale { .. })) => Ok(()),
        Err(error) => Err(error),
    }
}

/// A running node. Dropping it stops it as well, but hides any error.
pub struct Node {
    handle: Handle,
    stop: Stop,
    task: JoinHandle<Result<(), NodeError>>,
}

impl Node {
    /// Starts a node, within a tokio runtime.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(parts: Parts) -> Result<Self, StartError> {
        let sessions = sessions::open(&parts.replica, parts.seed)?;
        let mut state = NodeState::new(
            parts.replica,
            parts.link,
            sessions,
            parts.sync_interval,
            parts.names,
            parts.data,
        );
        if let Some(text) = &parts.lost {
            state.started_with_less(text);
        }
        state.check_former_keys();
        state.check_missing();
        let storage = Storage::start(parts.store, parts.fsync, parts.pace);
        let storage = storage.map_err(|source| {
            let what = "cannot start the storage thread";
            StartError::System { what, source }
        })?;
        let stop = Stop::new();
        let (actor, handle) = Actor::new(
            state,
            storage,
            parts.limits,
            parts.sync_interval,
            stop.signal(),
        );
        Ok(Self {
            handle,
            stop,
            task: tokio::spawn(actor.run()),
        })
    }

    /// A handle for changes and queries.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// A signal that is sent when the node stops.
    pub(crate) fn stop_signal(&self) -> StopSignal {
        self.stop.signal()
    }

    /// Tells the node to stop.
    pub(crate) fn send_stop(&self) {
        self.stop.send();
    }

    /// Waits until the node has ended.
    pub(crate) async fn ended(&mut self) -> Result<(), NodeError> {
        (&mut self.task).await.unwrap_or(Err(NodeError::Panic))
    }

    /// Ends the node as a crash does, wherever it is, and waits until it is gone. A commit that was
    /// asked for may still be done.
    pub async fn kill(mut self) {
        self.task.abort();
        // What it was about to say is of no interest.
        let _ = (&mut self.task).await;
    }

    /// Stops the node: it refuses new changes, commits and sends the pending ones, and closes
    /// engine and store.
    ///
    /// # Errors
    /// [`NodeError`] if the node had ended on its own, or cannot stop properly.
    pub async fn stop(mut self) -> Result<(), NodeError> {
        self.send_stop();
        self.ended().await
    }
}
