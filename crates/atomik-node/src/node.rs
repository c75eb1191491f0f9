//! A node: replica, storage and link, running together.

use std::collections::BTreeMap;
use std::time::Duration;

use atomik_replica::{Config, OpenError, PublicKey, Replica};
use atomik_store::{FsyncPolicy, Store, StoreError};
use thiserror::Error;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::actor::{Actor, Handle, NodeError};
use crate::faults::Faults;
use crate::link::{AnyEngine, Link};
use crate::options::Limits;
use crate::storage::Storage;

/// What a node is made of.
pub struct Parts {
    /// As [`load`] makes it.
    pub replica: Replica,
    /// The store that it was loaded from.
    pub store: Box<dyn Store>,
    /// The policy that the store was opened with.
    pub fsync: FsyncPolicy,
    /// The engine, opened under the replica's origin.
    pub engine: AnyEngine,
    /// For tests.
    pub faults: Option<Faults>,
    /// Bounds of what waits.
    pub limits: Limits,
    /// How often a peer is asked whether it agrees.
    pub sync_interval: Duration,
    /// What the members are called, by their public keys.
    pub names: BTreeMap<PublicKey, String>,
}

/// Why a replica could not be had from its store.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is in it does not fit.
    #[error(transparent)]
    Replica(#[from] OpenError),
}

/// The replica whose memory a store holds. It goes on as a new origin if the store cannot prove
/// that it holds everything.
///
/// # Errors
/// [`LoadError`].
pub fn load(mut config: Config, store: &dyn Store) -> Result<Replica, LoadError> {
    config.kept_memory &= store.kept_memory();
    let mut records = Vec::new();
    store.load(&mut |key, value| records.push((key.to_vec(), value.to_vec())))?;
    Ok(Replica::open(config, records)?)
}

/// A node that runs until it is stopped. Dropping it stops it, too, but nobody sees how that ends.
pub struct Node {
    handle: Handle,
    stop: watch::Sender<bool>,
    task: JoinHandle<Result<(), NodeError>>,
}

impl Node {
    /// Starts a node, within a tokio runtime.
    ///
    /// # Errors
    /// If the system gives no thread for storage.
    pub fn start(parts: Parts) -> std::io::Result<Self> {
        let Parts {
            replica,
            store,
            fsync,
            engine,
            faults,
            limits,
            sync_interval,
            names,
        } = parts;
        Self::run(
            replica,
            store,
            fsync,
            Link::new(engine, faults),
            limits,
            sync_interval,
            names,
        )
    }

    pub(crate) fn run(
        replica: Replica,
        store: Box<dyn Store>,
        fsync: FsyncPolicy,
        link: Link,
        limits: Limits,
        sync_interval: Duration,
        names: BTreeMap<PublicKey, String>,
    ) -> std::io::Result<Self> {
        let (stop, stopping) = watch::channel(false);
        let storage = Storage::start(store, fsync)?;
        let (actor, handle) = Actor::new(
            replica,
            link,
            storage,
            limits,
            sync_interval,
            names,
            stopping,
        );
        Ok(Self {
            handle,
            stop,
            task: tokio::spawn(actor.run()),
        })
    }

    /// For asking it.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Becomes true when the node is to stop.
    pub(crate) fn stopping(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    /// Tells it to stop.
    pub(crate) fn tell_to_stop(&self) {
        self.stop.send_replace(true);
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(&mut self) -> Result<(), NodeError> {
        (&mut self.task).await.unwrap_or(Err(NodeError::Panic))
    }

    /// Takes no more changes, makes everything durable, sends it, closes engine and store.
    ///
    /// # Errors
    /// [`NodeError`] if it had ended by itself, or cannot end as it should.
    pub async fn stop(mut self) -> Result<(), NodeError> {
        self.tell_to_stop();
        self.ended().await
    }
}
