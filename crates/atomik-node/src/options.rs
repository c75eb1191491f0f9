//! What a node can be told: on the command line, in a file, or by default.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use atomik_net::{Keyspace, MAX_MESSAGE};
use atomik_replica::{Config, PublicKey, Trust, View};
use atomik_store::FsyncPolicy;
use clap::{Args, ValueEnum, ValueHint};
use serde::Deserialize;
use thiserror::Error;

use crate::credential::{CredentialError, key_text, parse_key, random, read_key, read_secret};
use crate::faults::Faults;

/// A member of the keyspace: its public key, and a name for people.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// What the member is called in logs.
    pub name: String,
    /// 64 hex digits, as `atomik-node keygen` prints them.
    #[serde(deserialize_with = "hex_key")]
    pub key: PublicKey,
}

fn hex_key<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<PublicKey, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_key(&text).ok_or_else(|| {
        serde::de::Error::custom(format!(
            "{text:?} is no public key: `atomik-node keygen` prints one, 64 hex digits"
        ))
    })
}

impl FromStr for Member {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let member = text.split_once('=').and_then(|(name, key)| {
            let key = parse_key(key)?;
            (!name.is_empty()).then(|| Self {
                name: name.to_owned(),
                key,
            })
        });
        member.ok_or_else(|| {
            "write NAME=KEY, where KEY is the 64 hex digits that `atomik-node keygen` prints"
                .to_owned()
        })
    }
}

/// What connects the members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum EngineKind {
    /// Embedded zenoh: members find each other, no server
    Zenoh,
    /// NATS JetStream through a nats-server
    Nats,
    /// Nothing: a replica by itself
    None,
}

/// What the words of the keyspace mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum ViewName {
    /// Words under the operations of the machine
    #[default]
    Raw,
    /// Independent bits
    Flags,
    /// One writer a key
    Cell,
}

impl From<ViewName> for View {
    fn from(view: ViewName) -> Self {
        match view {
            ViewName::Raw => Self::Raw,
            ViewName::Flags => Self::Flags,
            ViewName::Cell => Self::Cell,
        }
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

/// Everything that a node can be told. Each is an option of the command line and, with underscores,
/// an entry of the file; the command line wins.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// The keyspace: 1 to 64 of a-z, A-Z, 0-9, _ and -. All members agree on it, on words, view and
    /// secret
    #[arg(long, value_name = "NAME")]
    pub keyspace: Option<Keyspace>,
    /// The folder of this node's store and control socket, made if need be; one node at a time uses
    /// it
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub data: Option<PathBuf>,
    /// What connects the members
    #[arg(long, value_name = "ENGINE")]
    pub engine: Option<EngineKind>,
    /// zenoh: where to accept connections, tcp/HOST:PORT; again for more [default: any free port]
    #[arg(long, value_name = "ENDPOINT")]
    pub listen: Vec<String>,
    /// zenoh: members or routers to connect to, tcp/HOST:PORT [default: those found by multicast];
    /// nats: the servers, nats://HOST:PORT [default: nats://127.0.0.1:4222]
    #[arg(long, value_name = "ENDPOINT")]
    pub connect: Vec<String>,
    /// The file with this node's key [default: DIR/node.key]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub key: Option<PathBuf>,
    /// The file with the keyspace's secret [default: DIR/keyspace.secret]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub secret: Option<PathBuf>,
    /// A member's name and public key, this node's own too; again for each. In the file: tables
    /// `member` with name and key
    #[arg(long, value_name = "NAME=KEY")]
    pub member: Vec<Member>,
    /// 64-bit words of a value, 1 to 16 [default: 1]
    #[arg(long, value_name = "WORDS")]
    pub words: Option<usize>,
    /// What the words mean [default: raw]
    #[arg(long, value_name = "VIEW")]
    pub view: Option<ViewName>,
    /// When an acknowledged change is on disk: always, interval:MILLISECONDSms (at most so much
    /// later) or never (when the node is stopped). After a crash under the last two a node goes on
    /// as a new origin [default: always]
    #[arg(long, value_name = "POLICY")]
    pub fsync: Option<FsyncPolicy>,
    /// How many of its own batches the node can undo, 0 or more [default: 4096]
    #[arg(long, value_name = "BATCHES")]
    pub undo_batches: Option<usize>,
    /// How often a peer is asked whether it agrees, in milliseconds, 10 to 3600000 [default: 1000]
    #[arg(long, value_name = "MILLISECONDS")]
    pub sync_interval_ms: Option<u64>,
    /// The largest message to a peer, in bytes, 16384 to 65536 [default: 60000]
    #[arg(long, value_name = "BYTES")]
    pub message_bytes: Option<usize>,
    /// Keys that may wait for storage, 1 or more; then writers and peers have to wait [default:
    /// 100000]
    #[arg(long, value_name = "KEYS")]
    pub unflushed_keys: Option<usize>,
    /// Changes that may wait for storage, 1 or more; then writers have to wait [default: 10000]
    #[arg(long, value_name = "CHANGES")]
    pub waiting_changes: Option<usize>,
    /// Control connections at a time, 1 or more [default: 64]
    #[arg(long, value_name = "NUMBER")]
    pub connections: Option<usize>,
    /// Where /health and /metrics are served, ADDRESS:PORT [default: nowhere]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub http: Option<SocketAddr>,
    /// Be controlled over TCP at this loopback ADDRESS:PORT (anybody on this machine may then)
    /// [default: the socket DIR/control.sock, for this user]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub control: Option<SocketAddr>,
    /// What is logged: error, warn, info, debug, trace, or for each module as in info,zenoh=warn
    /// [default: info,zenoh=warn]
    #[arg(long, value_name = "FILTER")]
    pub log: Option<String>,
    /// How log lines look [default: text]
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
    /// For tests: treat incoming messages so, for example
    /// seed=1,loss=0.05,dup=0.1,reorder=0.2,delay=50
    #[arg(long, value_name = "FAULTS", hide = true)]
    #[serde(skip)]
    pub faults: Option<Faults>,
    /// More options of zenoh, in the file only.
    #[cfg(feature = "zenoh")]
    #[arg(skip)]
    pub zenoh: atomik_net::zenoh::ZenohOptions,
    /// More options of NATS, in the file only.
    #[cfg(feature = "nats")]
    #[arg(skip)]
    pub nats: atomik_net::nats::NatsOptions,
}

/// What a node cannot begin with.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// The file cannot be read.
    #[error("{}: {source}; name a file of options with --config", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not as it should be.
    #[error("{}: {reason}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Where, and what is wrong.
        reason: String,
    },
    /// Something must be given.
    #[error("{what} is not given: {next}")]
    Missing {
        /// The option.
        what: &'static str,
        /// How to give it.
        next: &'static str,
    },
    /// An option of another engine.
    #[error(
        "{option} is given, which engine = {engine} does not use: leave it out, or choose another engine"
    )]
    Useless {
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
        /// As given.
        value: u64,
        /// The lowest that goes.
        lowest: u64,
        /// The highest that goes.
        highest: u64,
    },
    /// An engine that is not built in.
    #[error(
        "this atomik-node was built without {0}: build it with `cargo build -p atomik-node --release --features {0}`"
    )]
    NotBuilt(&'static str),
    /// The node is no member.
    #[error(
        "this node's own key {0} is not on the list of members: add it, on every member, as [[member]] with a name and key = \"{0}\""
    )]
    NotAMember(String),
    /// Two members of one key.
    #[error(
        "members {0} and {1} have the same key: every member has one of its own, which `atomik-node keygen` makes"
    )]
    Twins(String, String),
    /// Control over the network.
    #[error(
        "control = {0}: it has no password, so it listens on loopback only; use 127.0.0.1, and a tunnel from elsewhere"
    )]
    OpenControl(SocketAddr),
    /// Key or secret.
    #[error(transparent)]
    Credential(#[from] CredentialError),
}

/// [`Options`] with every default filled in and every check passed.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The keyspace.
    pub keyspace: Keyspace,
    /// The data folder.
    pub data: PathBuf,
    /// What connects the members.
    pub engine: EngineKind,
    /// When commits are on disk.
    pub fsync: FsyncPolicy,
    /// How often a peer is asked whether it agrees.
    pub sync_interval: Duration,
    /// Bounds of what waits.
    pub limits: Limits,
    /// Where HTTP is served.
    pub http: Option<SocketAddr>,
    /// Where control over TCP is served.
    pub control: Option<SocketAddr>,
    /// The members.
    pub members: Vec<Member>,
    /// For tests.
    pub faults: Option<Faults>,
    /// What zenoh is told.
    #[cfg(feature = "zenoh")]
    pub zenoh: atomik_net::zenoh::ZenohOptions,
    /// What NATS is told.
    #[cfg(feature = "nats")]
    pub nats: atomik_net::nats::NatsOptions,
    /// What the replica is told; `kept_memory` is the store's to say.
    pub replica: Config,
}

/// How much may wait, so that memory is bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Keys that wait for the next flush; then neither changes nor messages are taken.
    pub unflushed_keys: usize,
    /// Changes that wait for their acknowledgement; then no more are taken.
    pub waiting_changes: usize,
    /// Control connections.
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            unflushed_keys: 100_000,
            waiting_changes: 10_000,
            connections: 64,
        }
    }
}

impl Options {
    /// Reads a file. Paths in it are relative to its folder.
    ///
    /// # Errors
    /// If it cannot be read, or holds something that is no option.
    pub fn read(path: &Path) -> Result<Self, OptionsError> {
        let text = fs::read_to_string(path).map_err(|source| OptionsError::Read {
            path: path.to_owned(),
            source,
        })?;
        let mut options: Self = toml::from_str(&text).map_err(|error| OptionsError::File {
            path: path.to_owned(),
            reason: error.to_string().trim_end().to_owned(),
        })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let paths = [&mut options.data, &mut options.key, &mut options.secret];
        for path in paths.into_iter().flatten() {
            *path = folder.join(&*path);
        }
        Ok(options)
    }

    /// These options, and those of `file` where nothing is said here.
    #[must_use]
    pub fn or(self, file: Self) -> Self {
        let longer = |here: Vec<String>, there| if here.is_empty() { there } else { here };
        Self {
            keyspace: self.keyspace.or(file.keyspace),
            data: self.data.or(file.data),
            engine: self.engine.or(file.engine),
            listen: longer(self.listen, file.listen),
            connect: longer(self.connect, file.connect),
            key: self.key.or(file.key),
            secret: self.secret.or(file.secret),
            member: if self.member.is_empty() {
                file.member
            } else {
                self.member
            },
            words: self.words.or(file.words),
            view: self.view.or(file.view),
            fsync: self.fsync.or(file.fsync),
            undo_batches: self.undo_batches.or(file.undo_batches),
            sync_interval_ms: self.sync_interval_ms.or(file.sync_interval_ms),
            message_bytes: self.message_bytes.or(file.message_bytes),
            unflushed_keys: self.unflushed_keys.or(file.unflushed_keys),
            waiting_changes: self.waiting_changes.or(file.waiting_changes),
            connections: self.connections.or(file.connections),
            http: self.http.or(file.http),
            control: self.control.or(file.control),
            log: self.log.or(file.log),
            log_format: self.log_format.or(file.log_format),
            faults: self.faults.or(file.faults),
            #[cfg(feature = "zenoh")]
            zenoh: file.zenoh,
            #[cfg(feature = "nats")]
            nats: file.nats,
        }
    }

    /// Fills in defaults, reads key and secret, checks.
    ///
    /// # Errors
    /// [`OptionsError`], which says what to do.
    pub fn settle(self) -> Result<Settings, OptionsError> {
        let missing = |what, next| OptionsError::Missing { what, next };
        let keyspace = self.keyspace.ok_or_else(|| {
            missing(
                "keyspace",
                "name it with --keyspace, or `keyspace` in the file of --config",
            )
        })?;
        let data = self.data.ok_or_else(|| {
            missing(
                "data",
                "name the node's own folder with --data, or `data` in the file of --config",
            )
        })?;
        let engine = self.engine.ok_or_else(|| {
            missing(
                "engine",
                "choose with --engine zenoh, nats or none, or `engine` in the file of --config",
            )
        })?;
        match engine {
            EngineKind::Zenoh if !cfg!(feature = "zenoh") => {
                return Err(OptionsError::NotBuilt("zenoh"));
            }
            EngineKind::Nats if !cfg!(feature = "nats") => {
                return Err(OptionsError::NotBuilt("nats"));
            }
            _ => {}
        }
        let useless = |option, engine| Err(OptionsError::Useless { option, engine });
        match engine {
            EngineKind::Nats if !self.listen.is_empty() => return useless("listen", "nats"),
            EngineKind::None if !self.listen.is_empty() => return useless("listen", "none"),
            EngineKind::None if !self.connect.is_empty() => return useless("connect", "none"),
            _ => {}
        }
        let range = |option, value: u64, lowest, highest| {
            if (lowest..=highest).contains(&value) {
                return Ok(value);
            }
            Err(OptionsError::Range {
                option,
                value,
                lowest,
                highest,
            })
        };
        let count = |option, value: Option<usize>, default| {
            let value = value.unwrap_or(default) as u64;
            range(option, value, 1, 1 << 32).map(|value| value as usize)
        };
        let default = Limits::default();
        let limits = Limits {
            unflushed_keys: count(
                "unflushed_keys",
                self.unflushed_keys,
                default.unflushed_keys,
            )?,
            waiting_changes: count(
                "waiting_changes",
                self.waiting_changes,
                default.waiting_changes,
            )?,
            connections: count("connections", self.connections, default.connections)?,
        };
        let sync_interval = self.sync_interval_ms.unwrap_or(1000);
        let sync_interval = range("sync_interval_ms", sync_interval, 10, 3_600_000)?;
        let message_bytes = self.message_bytes.unwrap_or(60_000) as u64;
        let message_bytes = range("message_bytes", message_bytes, 16_384, MAX_MESSAGE as u64)?;
        let words = range(
            "words",
            self.words.unwrap_or(1) as u64,
            1,
            atomik_replica::MAX_WORDS as u64,
        )?;
        if let Some(address) = self.control.filter(|address| !address.ip().is_loopback()) {
            return Err(OptionsError::OpenControl(address));
        }

        let key = read_key(&self.key.unwrap_or_else(|| data.join("node.key")))?;
        let secret = read_secret(&self.secret.unwrap_or_else(|| data.join("keyspace.secret")))?;
        let own = key.verifying_key().to_bytes();
        for (place, member) in self.member.iter().enumerate() {
            if let Some(twin) = self.member[..place]
                .iter()
                .find(|other| other.key == member.key)
            {
                return Err(OptionsError::Twins(twin.name.clone(), member.name.clone()));
            }
        }
        if !self.member.iter().any(|member| member.key == own) {
            return Err(OptionsError::NotAMember(key_text(&own)));
        }
        let trust = Trust::Signed {
            key: Box::new(key),
            allowed: self.member.iter().map(|member| member.key).collect(),
        };
        let mut replica = Config::new(keyspace.as_str(), words as usize, secret, trust, random()?);
        replica.view = self.view.unwrap_or_default().into();
        replica.undo_batches = self.undo_batches.unwrap_or(replica.undo_batches);
        replica.message_bytes = message_bytes as usize;
        #[cfg(feature = "zenoh")]
        let zenoh = {
            let mut zenoh = self.zenoh;
            if engine == EngineKind::Zenoh {
                zenoh.listen.extend(self.listen.iter().cloned());
                zenoh.connect.extend(self.connect.iter().cloned());
            }
            zenoh
        };
        #[cfg(feature = "nats")]
        let nats = {
            let mut nats = self.nats;
            if engine == EngineKind::Nats && !self.connect.is_empty() {
                nats.servers = self.connect.clone();
            }
            nats
        };
        Ok(Settings {
            keyspace,
            data,
            engine,
            fsync: self.fsync.unwrap_or_default(),
            sync_interval: Duration::from_millis(sync_interval),
            limits,
            http: self.http,
            control: self.control,
            members: self.member,
            faults: self.faults,
            #[cfg(feature = "zenoh")]
            zenoh,
            #[cfg(feature = "nats")]
            nats,
            replica,
        })
    }
}
