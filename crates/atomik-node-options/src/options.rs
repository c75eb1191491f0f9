//! The options of a node, from the command line and the config file.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use atomik_net::Keyspace;
use atomik_replica::{Layout, LayoutError, Shape, View};
use atomik_store::FsyncPolicy;
use clap::{Args, ValueEnum, ValueHint};
use serde::Deserialize;
use thiserror::Error;

use crate::faults::Faults;
use crate::member::{Administrator, Member};

/// The engine that connects the members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum EngineKind {
    /// Embedded zenoh: members find each other without a server
    Zenoh,
    /// NATS through a nats-server
    Nats,
    /// No engine: a replica without peers
    None,
}

/// The interpretation of the keyspace's values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum ViewName {
    /// Words with the operations of the register file
    #[default]
    Raw,
    /// Independent flags
    Flags,
    /// One writer per key
    Cell,
}

impl EngineKind {
    /// The name, as in options.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Zenoh => "zenoh",
            Self::Nats => "nats",
            Self::None => "none",
        }
    }
}

impl ViewName {
    /// The name, as in options.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Flags => "flags",
            Self::Cell => "cell",
        }
    }
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

/// The default of [`Options::sync_interval_ms`].
pub const DEFAULT_SYNC_INTERVAL_MS: u64 = 1000;

/// The format of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Plain text
    #[default]
    Text,
    /// One JSON object per line
    Json,
}

/// A layout, as text in options and files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct LayoutName(pub Layout);

impl FromStr for LayoutName {
    type Err = LayoutError;

    fn from_str(text: &str) -> Result<Self, LayoutError> {
        text.parse().map(Self)
    }
}

impl TryFrom<String> for LayoutName {
    type Error = LayoutError;

    fn try_from(text: String) -> Result<Self, LayoutError> {
        text.parse()
    }
}

/// The shape of values with this layout, or else with so many words, all bits of which xor.
#[must_use]
pub fn shape_of(layout: Option<LayoutName>, words: usize) -> Shape {
    layout.map_or(Shape::xor(words), |layout| layout.0.into())
}

/// All options of a node. Each is a command-line option and, with underscores, an entry of the
/// config file; the command line takes precedence.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Name of the keyspace: 1 to 64 of a-z, A-Z, 0-9, _ and -. Keyspace, words or
    /// layout, view and secret must be the same on all members
    #[arg(long, value_name = "NAME")]
    pub keyspace: Option<Keyspace>,
    /// Folder for this node's store and control socket, created if missing; only one node may use
    /// it at a time
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub data: Option<PathBuf>,
    /// The engine that connects the members
    #[arg(long, value_name = "ENGINE")]
    pub engine: Option<EngineKind>,
    /// zenoh: endpoint to accept connections on, tcp/HOST:PORT; can be repeated [default: any free
    /// port]
    #[arg(long, value_name = "ENDPOINT")]
    pub listen: Vec<String>,
    /// zenoh: member or router to connect to, tcp/HOST:PORT [default: discovery by multicast];
    /// nats: server, nats://HOST:PORT [default: nats://127.0.0.1:4222]; can be repeated
    #[arg(long, value_name = "ENDPOINT")]
    pub connect: Vec<String>,
    /// File with this node's key [default: DIR/node.key]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub key: Option<PathBuf>,
    /// File with a key that this node had before, without which it cannot hand on what it made
    /// under that key; can be repeated [default: DIR/former.key and DIR/former-*.key]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub former_key: Vec<PathBuf>,
    /// File with the keyspace's secret [default: DIR/keyspace.secret]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub secret: Option<PathBuf>,
    /// Name and public key of a member; repeat it for every member, including this node. In the
    /// config file: tables `[[member]]` with name and key
    #[arg(long, value_name = "NAME=KEY")]
    pub member: Vec<Member>,
    /// The public key that signs the list of members, from `atomik-node keygen`; the same on all
    /// members. With it, members can join and leave while the others run [default: they cannot]
    #[arg(long, value_name = "KEY")]
    pub administrator: Option<Administrator>,
    /// File with a signed list of members, as `atomik-node join` writes it; used unless the node
    /// knows a newer one
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub roster: Option<PathBuf>,
    /// Number of 64-bit words in a value, 1 to 16, all bits of which xor [default: 1]
    #[arg(long, value_name = "WORDS")]
    pub words: Option<usize>,
    /// In place of --words: the fields of a value from the lowest bits up, each xor:BITS or
    /// add:BITS, 1 to 512 bits together, such as add:64 for counters or xor:48,add:16
    #[arg(long, value_name = "FIELDS", conflicts_with = "words")]
    pub layout: Option<LayoutName>,
    /// The interpretation of values [default: raw]
    #[arg(long, value_name = "VIEW")]
    pub view: Option<ViewName>,
    /// When an acknowledged change is on disk: always; interval:Nms, at most N milliseconds later,
    /// as in interval:100ms; or never, which means when the node stops. After a crash under the
    /// last two, the node continues as a new origin [default: always]
    #[arg(long, value_name = "POLICY")]
    pub fsync: Option<FsyncPolicy>,
    /// Number of its own batches that the node can undo, 0 or more [default: 4096]
    #[arg(long, value_name = "BATCHES")]
    pub undo_batches: Option<usize>,
    /// Interval between comparisons with a peer in milliseconds, 10 to 3600000. Members may differ:
    /// each signs its changes within two of its own intervals, and compares itself with one peer
    /// in each. An invitation has that of the member that invites [default: 1000]
    #[arg(long, value_name = "MILLISECONDS")]
    pub sync_interval_ms: Option<u64>,
    /// Milliseconds that a stored change may wait for others, to be sent with them in one message,
    /// 0 to 1000: fewer bytes, later at the peers. Acknowledgements do not wait [default: 0]
    #[arg(long, value_name = "MILLISECONDS")]
    pub linger_ms: Option<u64>,
    /// Size limit of a message to a peer in bytes, 16384 to 65536 [default: 60000]
    #[arg(long, value_name = "BYTES")]
    pub message_bytes: Option<usize>,
    /// Number of keys that may wait for storage before writers and peers have to wait, 1 or more
    /// [default: 100000]
    #[arg(long, value_name = "KEYS")]
    pub unflushed_keys: Option<usize>,
    /// Number of changes that may wait for storage before writers have to wait, 1 or more [default:
    /// 10000]
    #[arg(long, value_name = "CHANGES")]
    pub waiting_changes: Option<usize>,
    /// Number of simultaneous control connections, 1 or more [default: 64]
    #[arg(long, value_name = "NUMBER")]
    pub connections: Option<usize>,
    /// Seconds after which a control connection is closed if it sends no request or does not read
    /// its answers, 1 to 86400; watching connections need no requests [default: 600]
    #[arg(long, value_name = "SECONDS")]
    pub idle_seconds: Option<u64>,
    /// Serve /health and /metrics at this address, to everybody who can reach it [default: not
    /// served]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub http: Option<SocketAddr>,
    /// Allow --http at an address that other machines may reach
    #[arg(long)]
    pub http_remote: bool,
    /// Accept control connections over TCP at this address, from clients that know the token in
    /// DIR/control.token, which is created if missing [default: the socket DIR/control.sock, for
    /// this user only]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub control: Option<SocketAddr>,
    /// Allow --control at an address that other machines may reach. The token and all data travel
    /// unencrypted: prefer a tunnel
    #[arg(long)]
    pub control_remote: bool,
    /// Log level: error, warn, info, debug or trace, optionally per module as in info,zenoh=warn
    /// [default: info,zenoh=warn,async_nats=warn]
    #[arg(long, value_name = "FILTER")]
    pub log: Option<String>,
    /// The format of log lines [default: text]
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
    /// For tests: faults injected into incoming messages, for example
    /// seed=1,loss=0.05,dup=0.1,reorder=0.2,delay=50
    #[arg(long, value_name = "FAULTS", hide = true)]
    #[serde(skip)]
    pub faults: Option<Faults>,
    /// Further options of zenoh, in the config file only.
    #[cfg(feature = "zenoh")]
    #[arg(skip)]
    pub zenoh: atomik_net::zenoh::ZenohOptions,
    /// Further options of NATS, in the config file only.
    #[cfg(feature = "nats")]
    #[arg(skip)]
    pub nats: atomik_net::nats::NatsOptions,
}

/// Why the config file could not be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: {source}; name the config file with --config", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The file is not valid TOML, or has an unknown or invalid entry.
    #[error("{}: {reason}", .path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// The parser's error, with the place.
        reason: String,
    },
}

impl Options {
    /// Reads a config file. Its paths are relative to its folder.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        let mut options: Self = toml::from_str(&text).map_err(|error| ConfigError::Parse {
            path: path.to_owned(),
            reason: error.to_string().trim_end().to_owned(),
        })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let paths = [
            &mut options.data,
            &mut options.key,
            &mut options.secret,
            &mut options.roster,
        ];
        let paths = paths.into_iter().flatten();
        for path in paths.chain(&mut options.former_key) {
            *path = folder.join(&*path);
        }
        Ok(options)
    }

    /// These options, completed by those of `file` where they are not given.
    #[must_use]
    pub fn or(self, file: Self) -> Self {
        // One of the two on the command line stands for both.
        let (words, layout) = match (self.words, self.layout) {
            (None, None) => (file.words, file.layout),
            own => own,
        };
        Self {
            keyspace: self.keyspace.or(file.keyspace),
            data: self.data.or(file.data),
            engine: self.engine.or(file.engine),
            listen: given(self.listen, file.listen),
            connect: given(self.connect, file.connect),
            key: self.key.or(file.key),
            former_key: given(self.former_key, file.former_key),
            secret: self.secret.or(file.secret),
            member: given(self.member, file.member),
            administrator: self.administrator.or(file.administrator),
            roster: self.roster.or(file.roster),
            words,
            layout,
            view: self.view.or(file.view),
            fsync: self.fsync.or(file.fsync),
            undo_batches: self.undo_batches.or(file.undo_batches),
            sync_interval_ms: self.sync_interval_ms.or(file.sync_interval_ms),
            linger_ms: self.linger_ms.or(file.linger_ms),
            message_bytes: self.message_bytes.or(file.message_bytes),
            unflushed_keys: self.unflushed_keys.or(file.unflushed_keys),
            waiting_changes: self.waiting_changes.or(file.waiting_changes),
            connections: self.connections.or(file.connections),
            idle_seconds: self.idle_seconds.or(file.idle_seconds),
            http: self.http.or(file.http),
            http_remote: self.http_remote || file.http_remote,
            control: self.control.or(file.control),
            control_remote: self.control_remote || file.control_remote,
            log: self.log.or(file.log),
            log_format: self.log_format.or(file.log_format),
            faults: self.faults.or(file.faults),
            #[cfg(feature = "zenoh")]
            zenoh: file.zenoh,
            #[cfg(feature = "nats")]
            nats: file.nats,
        }
    }
}

/// The list of the command line, or that of the config file if it is empty.
fn given<T>(list: Vec<T>, file: Vec<T>) -> Vec<T> {
    if list.is_empty() { file } else { list }
}
