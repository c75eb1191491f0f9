//! The process around a node: folder, sockets, signals.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use atomik_store::{FsyncPolicy, Opened, Options as StoreOptions, RedbStore, Store, StoreError};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

use crate::actor::NodeError;
use crate::control::{self, Listener};
use crate::http;
#[cfg(feature = "nats")]
use crate::link::Opening;
use crate::link::{AnyEngine, Link};
use crate::node::{LoadError, Node, load};
use crate::options::{EngineKind, Settings};

/// What a node has to stop in.
const STOPPING: Duration = Duration::from_secs(60);

/// What connections have to take their last answers in.
const FAREWELL: Duration = Duration::from_secs(5);

/// Why a node did not start, or ended otherwise than by a signal.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is in it.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The engine.
    #[error(transparent)]
    Engine(#[from] atomik_net::OpenError),
    /// A socket.
    #[error("{what} cannot listen at {place}: {source}; {next}")]
    Listen {
        /// For what.
        what: &'static str,
        /// Where.
        place: String,
        /// What the system said.
        source: io::Error,
        /// What to do.
        next: &'static str,
    },
    /// The system.
    #[error("{what}: {source}; raise the limits of this user, then start again")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The node.
    #[error(transparent)]
    Node(#[from] NodeError),
}

/// Runs a node until SIGTERM or SIGINT, or until it fails. `new_identity` makes it go on as a new
/// origin, which it must after its folder was restored from a copy.
///
/// # Errors
/// [`ServeError`].
pub fn serve(settings: Settings, new_identity: bool) -> Result<(), ServeError> {
    let system = |what| move |source| ServeError::System { what, source };
    let runtime = Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(system("no threads to run on"))?;
    let result = runtime.block_on(run(settings, new_identity));
    // Whatever an engine's library leaves running is not waited for.
    runtime.shutdown_background();
    result
}

async fn run(settings: Settings, new_identity: bool) -> Result<(), ServeError> {
    let system = |what| move |source| ServeError::System { what, source };
    let mut terminate = signal(SignalKind::terminate()).map_err(system("cannot catch SIGTERM"))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(system("cannot catch SIGINT"))?;

    let options = StoreOptions {
        fsync: settings.fsync,
        ..StoreOptions::default()
    };
    let store = RedbStore::open(&settings.data, &options)?;
    let mut config = settings.replica.clone();
    config.kept_memory = !new_identity;
    let (opened, kept) = (store.opened(), store.kept_memory());
    let replica = load(config, &store)?;
    tell_how_it_was_left(&settings, opened, kept, new_identity);
    let origin = replica.origin();

    let control = match settings.control {
        Some(address) => Listener::tcp(address).await.map_err(|source| ServeError::Listen {
            what: "control",
            place: address.to_string(),
            source,
            next: "choose a free port with --control, or leave it out",
        })?,
        None => Listener::unix(&settings.data).map_err(|source| ServeError::Listen {
            what: "control",
            place: settings.data.join(control::SOCKET).display().to_string(),
            source,
            next: "see that the folder can be written and its path is shorter than 90 bytes, or use TCP with --control 127.0.0.1:PORT",
        })?,
    };
    let http = match settings.http {
        Some(address) => {
            let listener =
                TcpListener::bind(address)
                    .await
                    .map_err(|source| ServeError::Listen {
                        what: "HTTP",
                        place: address.to_string(),
                        source,
                        next: "choose a free address with --http, or leave it out",
                    })?;
            Some(listener)
        }
        None => None,
    };
    let link = open_link(&settings, origin.0).await?;

    let words = settings.replica.words;
    let place = control.place();
    let http_place = http
        .as_ref()
        .and_then(|listener| listener.local_addr().ok());
    let mut node = Node::run(
        replica,
        Box::new(store),
        settings.fsync,
        link,
        settings.limits,
        settings.sync_interval,
        settings
            .members
            .iter()
            .map(|member| (member.key, member.name.clone()))
            .collect(),
    )
    .map_err(system("no thread for storage"))?;
    let connections = settings.limits.connections;
    let control = tokio::spawn(control::serve(
        control,
        node.handle(),
        connections,
        words,
        node.stopping(),
    ));
    let http =
        http.map(|listener| tokio::spawn(http::serve(listener, node.handle(), node.stopping())));
    tracing::info!(
        %origin,
        keyspace = %settings.keyspace,
        members = settings.members.len(),
        control = place,
        http = http_place.map(|address| address.to_string()),
        "serving"
    );

    let ended = tokio::select! {
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
        ended = node.ended() => Some(ended),
    };
    node.tell_to_stop();
    let ended = match ended {
        Some(ended) => ended,
        None => {
            tracing::info!("stopping: no more changes are taken");
            timeout(STOPPING, node.ended())
                .await
                .unwrap_or(Err(NodeError::Stuck(STOPPING.as_secs())))
        }
    };
    // The last answers are there; those who wait for them are given a moment to take them.
    let farewell = async {
        let _ = control.await;
        if let Some(http) = http {
            let _ = http.await;
        }
    };
    let _ = timeout(FAREWELL, farewell).await;
    ended?;
    tracing::info!("stopped: everything is durable");
    Ok(())
}

fn tell_how_it_was_left(settings: &Settings, opened: Opened, kept: bool, new_identity: bool) {
    let data = settings.data.display().to_string();
    match (opened, kept) {
        (Opened::Fresh, _) => tracing::info!(data, "a new store"),
        (Opened::Clean, _) => tracing::info!(data, "the store was closed cleanly"),
        (Opened::Unclean, true) => {
            tracing::warn!(
                data,
                "the store was not closed; everything acknowledged is there"
            )
        }
        (Opened::Unclean, false) => tracing::warn!(
            data,
            "the store was not closed, and its policy allowed for losses: going on as a new origin; peers bring back what they know"
        ),
    }
    if new_identity {
        tracing::warn!("going on as a new origin, as asked");
    }
    if settings.fsync != FsyncPolicy::Always {
        tracing::warn!(fsync = %settings.fsync, "acknowledged changes may be lost in a crash");
    }
}

#[cfg_attr(not(any(feature = "zenoh", feature = "nats")), allow(unused_variables))]
async fn open_link(settings: &Settings, me: atomik_net::PeerId) -> Result<Link, ServeError> {
    let faults = settings.faults;
    match settings.engine {
        EngineKind::None => Ok(Link::new(AnyEngine::Alone, faults)),
        #[cfg(feature = "zenoh")]
        EngineKind::Zenoh => {
            let engine =
                atomik_net::zenoh::ZenohEngine::open(&settings.keyspace, me, &settings.zenoh)
                    .await?;
            Ok(Link::new(AnyEngine::Zenoh(engine), faults))
        }
        #[cfg(feature = "nats")]
        EngineKind::Nats => {
            settings.nats.check()?;
            let (opened, engine) = tokio::sync::oneshot::channel();
            let task = tokio::spawn(reach_nats(
                settings.keyspace.clone(),
                me,
                settings.nats.clone(),
                opened,
            ));
            Ok(Link::opening(Opening { task, engine }, faults))
        }
        // The settings were checked against what is built in.
        #[cfg(not(all(feature = "zenoh", feature = "nats")))]
        _ => Ok(Link::new(AnyEngine::Alone, faults)),
    }
}

/// Tries until the server answers, and says so: a node takes changes meanwhile.
#[cfg(feature = "nats")]
async fn reach_nats(
    keyspace: atomik_net::Keyspace,
    me: atomik_net::PeerId,
    options: atomik_net::nats::NatsOptions,
    opened: tokio::sync::oneshot::Sender<AnyEngine>,
) {
    const QUIET: Duration = Duration::from_secs(10);
    let mut told: Option<tokio::time::Instant> = None;
    loop {
        match atomik_net::nats::NatsEngine::open(&keyspace, me, &options).await {
            Ok(engine) => {
                tracing::info!("connected to NATS");
                // A node that has stopped meanwhile needs none.
                let _ = opened.send(AnyEngine::Nats(Box::new(engine)));
                return;
            }
            Err(error) => {
                if told.is_none_or(|told| told.elapsed() >= QUIET) {
                    tracing::warn!(%error, "no engine yet: trying again every second, and taking local changes meanwhile");
                    told = Some(tokio::time::Instant::now());
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// Where the control socket of a data folder is.
#[must_use]
pub fn socket(data: &std::path::Path) -> PathBuf {
    data.join(control::SOCKET)
}
