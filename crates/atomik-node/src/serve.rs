//! Runs a node as a process: data folder, sockets, signals.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use atomik_net::PeerId;
use atomik_replica::{OpError, Replica, Roster};
use atomik_store::{FsyncPolicy, Opened, Options as StoreOptions, RedbStore, Store, StoreError};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::timeout;

use crate::actor::NodeError;
use crate::control;
use crate::credential::{CredentialError, Token, open_token};
use crate::folder::create_private;
use crate::http;
#[cfg(feature = "nats")]
use crate::link::Opening;
use crate::link::{AnyEngine, Link};
use crate::listener::{Listener, socket};
use crate::node::{LoadError, Node, Parts, StartError, hand_in, load};
use crate::options::EngineKind;
use crate::settings::Settings;

/// How long a node may take to stop.
const STOPPING: Duration = Duration::from_secs(60);

/// What a start after a crash may mean without `fsync = always`, or on a disk that lost something.
const LOST: &str = "the store was not closed cleanly, and acknowledged changes may be missing: \
                    continuing as a new origin; peers send back the changes that they have";

/// How long connections may take to read their last answers.
const FAREWELL: Duration = Duration::from_secs(5);

/// Why a node did not start, or ended without a signal.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The replica cannot be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The replica does not accept the roster file.
    #[error(transparent)]
    Roster(#[from] OpError),
    /// The engine cannot be opened.
    #[error(transparent)]
    Engine(#[from] atomik_net::OpenError),
    /// A socket cannot be opened.
    #[error("{what} cannot listen at {place}: {source}; {next}")]
    Listen {
        /// The server that uses it.
        what: &'static str,
        /// The path or address.
        place: String,
        /// The system's error.
        source: io::Error,
        /// What to do next.
        next: &'static str,
    },
    /// The token of control connections cannot be read or created.
    #[error(transparent)]
    Token(#[from] CredentialError),
    /// The system lacks a resource.
    #[error("{what}: {source}; raise the limits of this user, then start again")]
    System {
        /// What failed.
        what: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// The node did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The node ended on its own.
    #[error(transparent)]
    Node(#[from] NodeError),
}

/// Turns a system error into [`ServeError::System`].
fn system(what: &'static str) -> impl FnOnce(io::Error) -> ServeError {
    move |source| ServeError::System { what, source }
}

/// Runs a node until SIGTERM or SIGINT, or until it fails. `new_identity` makes it continue as a
/// new origin, which is required after its folder was restored from a copy.
///
/// # Errors
/// [`ServeError`].
pub fn serve(settings: Settings, new_identity: bool) -> Result<(), ServeError> {
    let runtime = Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(system("cannot start the runtime's threads"))?;
    let result = runtime.block_on(run(settings, new_identity));
    // Does not wait for threads that an engine's library leaves running.
    runtime.shutdown_background();
    result
}

async fn run(settings: Settings, new_identity: bool) -> Result<(), ServeError> {
    let mut signals = Signals::new()?;
    let (store, replica) = open_store(&settings, new_identity)?;
    let lost = (store.opened() == Opened::Unclean && !store.kept_memory()).then(|| LOST.to_owned());
    let origin = replica.origin();
    let (control, token) = open_control(&settings).await?;
    let http = match settings.http {
        Some(address) => Some(open_http(address).await?),
        None => None,
    };
    let link = open_link(&settings, origin.0).await?;

    let control_place = control.place();
    let http_address = http
        .as_ref()
        .and_then(|listener| listener.local_addr().ok());
    // The configuration wins.
    let listed = settings.roster.iter().flat_map(Roster::members);
    let listed = listed.map(|listed| (listed.key, listed.name.clone()));
    let members = settings.members.iter();
    let named = members.map(|member| (member.key, member.name.clone()));
    let named = listed.chain(named);
    let mut node = Node::start(Parts {
        fsync: settings.fsync,
        limits: settings.limits,
        sync_interval: settings.sync_interval,
        names: named.collect(),
        data: Some(settings.data.clone()),
        lost,
        ..Parts::new(replica, store, link)
    })?;
    let control = tokio::spawn(control::serve(
        control,
        node.handle(),
        settings.limits,
        settings.replica.shape.clone(),
        token,
        node.stop_signal(),
    ));
    let http =
        http.map(|listener| tokio::spawn(http::serve(listener, node.handle(), node.stop_signal())));
    tracing::info!(
        %origin,
        keyspace = %settings.keyspace,
        members = settings.members.len(),
        control = control_place,
        http = http_address.map(|address| address.to_string()),
        "serving"
    );

    let ended = signals.wait_for_end(&mut node).await;
    // Let the clients read the last answers.
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

/// The signals that stop a node.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> Result<Self, ServeError> {
        let terminate = signal(SignalKind::terminate());
        let interrupt = signal(SignalKind::interrupt());
        Ok(Self {
            terminate: terminate.map_err(system("cannot catch SIGTERM"))?,
            interrupt: interrupt.map_err(system("cannot catch SIGINT"))?,
        })
    }

    /// Waits until the node ends on its own, or stops it at a signal. Everything that serves the
    /// node has the stop signal afterwards.
    async fn wait_for_end(&mut self, node: &mut Node) -> Result<(), NodeError> {
        let ended = tokio::select! {
            _ = self.terminate.recv() => None,
            _ = self.interrupt.recv() => None,
            ended = node.ended() => Some(ended),
        };
        node.send_stop();
        if let Some(ended) = ended {
            return ended;
        }
        tracing::info!("stopping: new changes are refused");
        let seconds = STOPPING.as_secs();
        let stopped = timeout(STOPPING, node.ended()).await;
        stopped.unwrap_or(Err(NodeError::Stuck { seconds }))
    }
}

fn open_store(settings: &Settings, new_identity: bool) -> Result<(RedbStore, Replica), ServeError> {
    let options = StoreOptions {
        fsync: settings.fsync,
        ..StoreOptions::default()
    };
    // The store reports a folder that cannot be created.
    let _ = create_private(&settings.data);
    let store = RedbStore::open(&settings.data, &options)?;
    let mut config = settings.replica.clone();
    config.kept_memory = !new_identity;
    for notice in store.notices() {
        tracing::warn!("{notice}");
    }
    let mut replica = load(config, &store)?;
    if let Some(roster) = &settings.roster {
        hand_in(&mut replica, roster)?;
    }
    log_opened(settings, store.opened(), store.kept_memory(), new_identity);
    Ok((store, replica))
}

/// Opens the control socket. Over TCP its clients must show a token.
async fn open_control(settings: &Settings) -> Result<(Listener, Option<Token>), ServeError> {
    let token = match settings.control {
        Some(_) => Some(open_token(&settings.data)?),
        None => None,
    };
    let (opened, place, next) = match settings.control {
        Some(address) => (
            Listener::tcp(address).await,
            address.to_string(),
            "choose a free port with --control, or leave it out",
        ),
        None => (
            Listener::unix(&settings.data),
            socket(&settings.data).display().to_string(),
            "make sure that the folder is writable and its path is shorter than 90 bytes, \
             or use TCP with --control 127.0.0.1:PORT",
        ),
    };
    match opened {
        Ok(listener) => Ok((listener, token)),
        Err(source) => Err(ServeError::Listen {
            what: "control",
            place,
            source,
            next,
        }),
    }
}

async fn open_http(address: SocketAddr) -> Result<TcpListener, ServeError> {
    let opened = TcpListener::bind(address).await;
    opened.map_err(|source| ServeError::Listen {
        what: "HTTP",
        place: address.to_string(),
        source,
        next: "choose a free address with --http, or leave it out",
    })
}

/// Logs how the store was left by the previous run.
fn log_opened(settings: &Settings, opened: Opened, kept: bool, new_identity: bool) {
    let data = settings.data.display().to_string();
    match (opened, kept) {
        (Opened::Fresh, _) => tracing::info!(data, "a new store"),
        (Opened::Clean, _) => tracing::info!(data, "the store was closed cleanly"),
        (Opened::Unclean, true) => tracing::warn!(
            data,
            "the store was not closed cleanly; all acknowledged changes are present"
        ),
        // The node reports it.
        (Opened::Unclean, false) => {}
    }
    if new_identity {
        tracing::warn!("continuing as a new origin, as requested");
    }
    if settings.fsync != FsyncPolicy::Always {
        tracing::warn!(fsync = %settings.fsync, "acknowledged changes may be lost in a crash");
    }
}

#[cfg_attr(not(any(feature = "zenoh", feature = "nats")), allow(unused_variables))]
async fn open_link(settings: &Settings, me: PeerId) -> Result<Link, ServeError> {
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
        // `Settings` accepts only engines that are built in.
        #[cfg(not(all(feature = "zenoh", feature = "nats")))]
        _ => Ok(Link::new(AnyEngine::Alone, faults)),
    }
}

/// Retries until the server answers, and logs it. The node accepts changes meanwhile.
#[cfg(feature = "nats")]
async fn reach_nats(
    keyspace: atomik_net::Keyspace,
    me: PeerId,
    options: atomik_net::nats::NatsOptions,
    opened: tokio::sync::oneshot::Sender<AnyEngine>,
) {
    /// Minimum time between two log lines.
    const QUIET: Duration = Duration::from_secs(10);
    let mut logged: Option<tokio::time::Instant> = None;
    loop {
        match atomik_net::nats::NatsEngine::open(&keyspace, me, &options).await {
            Ok(engine) => {
                tracing::info!("connected to NATS");
                // Fails if the node has stopped meanwhile.
                let _ = opened.send(AnyEngine::Nats(Box::new(engine)));
                return;
            }
            Err(error) => {
                if logged.is_none_or(|at| at.elapsed() >= QUIET) {
                    tracing::warn!(
                        %error,
                        "no engine yet: retrying every second, accepting local changes meanwhile"
                    );
                    logged = Some(tokio::time::Instant::now());
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}
