//! The checked settings of a node, with all defaults filled in.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use atomik_net::{Keyspace, MAX_MESSAGE};
use atomik_replica::{Config, PublicKey, Roster, Trust};
use atomik_store::FsyncPolicy;
use thiserror::Error;

use crate::credential::{
    CredentialError, former_key_files, key_file, public_key_text, random, read_key, read_secret,
    secret_file,
};
use crate::faults::Faults;
use crate::invitation::{InvitationError, read_roster};
use crate::member::Member;
use crate::options::{DEFAULT_SYNC_INTERVAL_MS, EngineKind, Options, shape_of};

/// Why a node cannot start with the given [`Options`].
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// A required option is missing.
    #[error("{option} is missing: {next}")]
    Missing {
        /// The option.
        option: &'static str,
        /// How to set it.
        next: &'static str,
    },
    /// The option belongs to another engine.
    #[error("engine = {engine} does not use {option}: leave it out, or choose another engine")]
    Unused {
        /// The option.
        option: &'static str,
        /// The engine.
        engine: &'static str,
    },
    /// A number is out of range.
    #[error("{option} = {value}: it must be {lowest} to {highest}")]
    Range {
        /// The option.
        option: &'static str,
        /// Its value.
        value: u64,
        /// The lowest valid value.
        lowest: u64,
        /// The highest valid value.
        highest: u64,
    },
    /// The engine is not built in.
    #[error(
        "this atomik-node was built without {engine}: \
         build it with `cargo build -p atomik-node --release --features {engine}`"
    )]
    NotBuilt {
        /// The engine.
        engine: &'static str,
    },
    /// The number of words is not that of the layout.
    #[error(
        "words = {words}, but that is not the width of layout = \"{layout}\": leave out `words`"
    )]
    WordsOfLayout {
        /// The number of words.
        words: usize,
        /// The layout.
        layout: String,
    },
    /// The node's own key is not on the list of members.
    #[error(
        "this node's own key {key} is not on the list of members: \
         add it, on every member, as [[member]] with a name and key = \"{key}\", \
         or set `administrator` and have the key invited"
    )]
    NotAMember {
        /// The public key.
        key: String,
    },
    /// Two members have the same key.
    #[error(
        "members {first} and {second} have the same key: \
         give each member its own, created with `atomik-node keygen`"
    )]
    SharedKey {
        /// The name of one.
        first: String,
        /// The name of the other.
        second: String,
    },
    /// Other machines may reach the address.
    #[error(
        "{option} = {address}: other machines may reach this address, and nothing is encrypted; \
         use a loopback address such as 127.0.0.1, with a tunnel from elsewhere, or allow it with \
         {allow}"
    )]
    Remote {
        /// The option.
        option: &'static str,
        /// The address.
        address: SocketAddr,
        /// The option that allows it.
        allow: &'static str,
    },
    /// The key or the secret cannot be used.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// The roster file cannot be used.
    #[error("{}: {reason}", .path.display())]
    Roster {
        /// The file.
        path: PathBuf,
        /// The reason, with what to do.
        reason: InvitationError,
    },
}

/// [`Options`] after all checks, with all defaults filled in.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The keyspace.
    pub keyspace: Keyspace,
    /// The data folder.
    pub data: PathBuf,
    /// The engine that connects the members.
    pub engine: EngineKind,
    /// When commits reach the disk.
    pub fsync: FsyncPolicy,
    /// Interval between comparisons with a peer.
    pub sync_interval: Duration,
    /// Bounds of what may wait.
    pub limits: Limits,
    /// Address of the HTTP server.
    pub http: Option<SocketAddr>,
    /// Address of control connections over TCP.
    pub control: Option<SocketAddr>,
    /// The members on roster 0.
    pub members: Vec<Member>,
    /// A signed roster, to be used unless the replica knows a newer one.
    pub roster: Option<Roster>,
    /// Injected faults, for tests.
    pub faults: Option<Faults>,
    /// Options of zenoh.
    #[cfg(feature = "zenoh")]
    pub zenoh: atomik_net::zenoh::ZenohOptions,
    /// Options of NATS.
    #[cfg(feature = "nats")]
    pub nats: atomik_net::nats::NatsOptions,
    /// The configuration of the replica, except `kept_memory`, which the store decides.
    pub replica: Config,
}

/// Bounds of what may wait, so that memory is bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Keys that may wait for the next flush before changes and messages are held off.
    pub unflushed_keys: usize,
    /// Changes that may wait for their acknowledgement before more are held off.
    pub waiting_changes: usize,
    /// Simultaneous control connections.
    pub connections: usize,
    /// How long a control connection may send no request, or not read its answers.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            unflushed_keys: 100_000,
            waiting_changes: 10_000,
            connections: 64,
            idle: Duration::from_secs(600),
        }
    }
}

impl Settings {
    /// Checks the options, fills in the defaults, and reads key and secret.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub fn new(options: Options) -> Result<Self, SettingsError> {
        let missing = |option, next| SettingsError::Missing { option, next };
        let keyspace = options.keyspace.clone().ok_or_else(|| {
            missing(
                "keyspace",
                "set --keyspace, or `keyspace` in the config file",
            )
        })?;
        let data = options.data.clone().ok_or_else(|| {
            missing(
                "data",
                "set --data to the node's own folder, or `data` in the config file",
            )
        })?;
        let engine = options.engine.ok_or_else(|| {
            let next = "choose --engine zenoh, nats or none, or set `engine` in the config file";
            missing("engine", next)
        })?;
        check_engine(engine, &options)?;
        let limits = limits(&options)?;
        let sync_interval = options.sync_interval_ms.unwrap_or(DEFAULT_SYNC_INTERVAL_MS);
        in_range("sync_interval_ms", sync_interval, 10, 3_600_000)?;
        check_reach("http", options.http, options.http_remote, "--http-remote")?;
        check_reach(
            "control",
            options.control,
            options.control_remote,
            "--control-remote",
        )?;
        let replica = replica(&keyspace, &data, &options)?;
        let roster = options.roster.as_deref().map(roster).transpose()?;
        Ok(Self {
            keyspace,
            data,
            engine,
            fsync: options.fsync.unwrap_or_default(),
            sync_interval: Duration::from_millis(sync_interval),
            limits,
            http: options.http,
            control: options.control,
            faults: options.faults,
            #[cfg(feature = "zenoh")]
            zenoh: zenoh(engine, &options),
            #[cfg(feature = "nats")]
            nats: nats(engine, &options),
            members: options.member,
            roster,
            replica,
        })
    }
}

/// Checks that the engine is built in, and that no option of another engine is given.
fn check_engine(engine: EngineKind, options: &Options) -> Result<(), SettingsError> {
    match engine {
        EngineKind::Zenoh if !cfg!(feature = "zenoh") => {
            return Err(SettingsError::NotBuilt { engine: "zenoh" });
        }
        EngineKind::Nats if !cfg!(feature = "nats") => {
            return Err(SettingsError::NotBuilt { engine: "nats" });
        }
        _ => {}
    }
    let unused = |option, engine| Err(SettingsError::Unused { option, engine });
    match engine {
        EngineKind::Nats if !options.listen.is_empty() => unused("listen", "nats"),
        EngineKind::None if !options.listen.is_empty() => unused("listen", "none"),
        EngineKind::None if !options.connect.is_empty() => unused("connect", "none"),
        _ => Ok(()),
    }
}

/// Checks that only this machine can reach the address, unless other machines are `allowed` to.
fn check_reach(
    option: &'static str,
    address: Option<SocketAddr>,
    allowed: bool,
    allow: &'static str,
) -> Result<(), SettingsError> {
    match address {
        Some(address) if !allowed && !address.ip().to_canonical().is_loopback() => {
            Err(SettingsError::Remote {
                option,
                address,
                allow,
            })
        }
        _ => Ok(()),
    }
}

fn in_range(
    option: &'static str,
    value: u64,
    lowest: u64,
    highest: u64,
) -> Result<(), SettingsError> {
    if (lowest..=highest).contains(&value) {
        return Ok(());
    }
    Err(SettingsError::Range {
        option,
        value,
        lowest,
        highest,
    })
}

fn limits(options: &Options) -> Result<Limits, SettingsError> {
    let mut limits = Limits::default();
    for (option, limit, given) in [
        (
            "unflushed_keys",
            &mut limits.unflushed_keys,
            options.unflushed_keys,
        ),
        (
            "waiting_changes",
            &mut limits.waiting_changes,
            options.waiting_changes,
        ),
        ("connections", &mut limits.connections, options.connections),
    ] {
        *limit = given.unwrap_or(*limit);
        in_range(option, *limit as u64, 1, 1 << 32)?;
    }
    if let Some(seconds) = options.idle_seconds {
        in_range("idle_seconds", seconds, 1, 86_400)?;
        limits.idle = Duration::from_secs(seconds);
    }
    Ok(limits)
}

fn roster(path: &std::path::Path) -> Result<Roster, SettingsError> {
    read_roster(path).map_err(|reason| SettingsError::Roster {
        path: path.to_owned(),
        reason,
    })
}

/// The configuration of the replica, with the node's credentials.
fn replica(
    keyspace: &Keyspace,
    data: &std::path::Path,
    options: &Options,
) -> Result<Config, SettingsError> {
    let message_bytes = options.message_bytes.unwrap_or(60_000);
    in_range(
        "message_bytes",
        message_bytes as u64,
        16_384,
        MAX_MESSAGE as u64,
    )?;
    let words = options.words.unwrap_or(1);
    in_range("words", words as u64, 1, atomik_replica::MAX_WORDS as u64)?;
    let shape = shape_of(options.layout, words);
    if options.words.is_some() && shape.words() != words {
        let layout = shape.to_string();
        return Err(SettingsError::WordsOfLayout { words, layout });
    }
    let file = |given: &Option<PathBuf>, usual| given.clone().unwrap_or(usual);
    let key = read_key(&file(&options.key, key_file(data)))?;
    let mut former = options.former_key.clone();
    if former.is_empty() {
        former = former_key_files(data);
    }
    let former: Result<_, _> = former.iter().map(|path| read_key(path)).collect();
    let secret = read_secret(&file(&options.secret, secret_file(data)))?;
    check_members(&options.member, &key.verifying_key().to_bytes(), options)?;
    let trust = Trust::Signed {
        key: Box::new(key),
        allowed: options.member.iter().map(|member| member.key).collect(),
    };
    let mut config = Config::new(keyspace.as_str(), words, secret, trust, random()?);
    config.former_keys = former?;
    config.administrator = options.administrator.map(|administrator| administrator.0);
    config.shape = shape;
    config.view = options.view.unwrap_or_default().into();
    config.undo_batches = options.undo_batches.unwrap_or(config.undo_batches);
    config.message_bytes = message_bytes;
    if let Some(linger) = options.linger_ms {
        in_range("linger_ms", linger, 0, 1000)?;
        config.linger = Duration::from_millis(linger);
    }
    Ok(config)
}

/// Checks that all members have different keys, and that the node's `own` key is among them unless
/// an administrator can add it.
fn check_members(
    members: &[Member],
    own: &PublicKey,
    options: &Options,
) -> Result<(), SettingsError> {
    for (place, member) in members.iter().enumerate() {
        let mut earlier = members.iter().take(place);
        if let Some(first) = earlier.find(|other| other.key == member.key) {
            return Err(SettingsError::SharedKey {
                first: first.name.clone(),
                second: member.name.clone(),
            });
        }
    }
    let invited = options.administrator.is_some();
    if !invited && !members.iter().any(|member| member.key == *own) {
        let key = public_key_text(own);
        return Err(SettingsError::NotAMember { key });
    }
    Ok(())
}

#[cfg(feature = "zenoh")]
fn zenoh(engine: EngineKind, options: &Options) -> atomik_net::zenoh::ZenohOptions {
    let mut zenoh = options.zenoh.clone();
    if engine == EngineKind::Zenoh {
        zenoh.listen.extend(options.listen.iter().cloned());
        zenoh.connect.extend(options.connect.iter().cloned());
    }
    zenoh
}

#[cfg(feature = "nats")]
fn nats(engine: EngineKind, options: &Options) -> atomik_net::nats::NatsOptions {
    let mut nats = options.nats.clone();
    if engine == EngineKind::Nats && !options.connect.is_empty() {
        nats.servers = options.connect.clone();
    }
    nats
}
