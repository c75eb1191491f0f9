//! Invitations: what a new machine needs to join a running keyspace, in one file.
//!
//! The file is TOML. It holds the newest roster, signed by the administrator, which lists the new
//! member. It is no secret unless it includes the keyspace's secret, which otherwise is copied to
//! the new machine separately.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use atomik_net::{Keyspace, OpenError};
use atomik_replica::{PublicKey, Roster, RosterError, Shape};
use serde::Deserialize;
use thiserror::Error;

use crate::credential::{
    CredentialError, key_file, parse_digits, public_key_text, read_key, secret_file, write_secret,
};
use crate::folder::{Existing, write_private};
use crate::member::{Administrator, Member, hex_key};
use crate::options::{EngineKind, LayoutName, ViewName, shape_of};
use crate::text::{bytes_text, parse_bytes};

/// The name of the config file that [`Invitation::accept`] writes.
const CONFIG: &str = "node.toml";
/// The name of the roster file beside it.
const ROSTER: &str = "roster";

/// An invitation of one key into a keyspace.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invitation {
    /// The invited key.
    #[serde(deserialize_with = "hex_key")]
    pub key: PublicKey,
    /// The keyspace's name.
    pub keyspace: Keyspace,
    /// The number of 64-bit words in a value, if all bits xor.
    #[serde(default)]
    pub words: Option<usize>,
    /// The layout of values, if it is not the default.
    #[serde(default)]
    pub layout: Option<LayoutName>,
    /// The interpretation of values.
    pub view: ViewName,
    /// The key that signs rosters.
    pub administrator: Administrator,
    /// The engine of the member that invites.
    #[serde(default)]
    pub engine: Option<EngineKind>,
    /// The interval between comparisons of the member that invites, in milliseconds, if it is not
    /// the default. Members need not have the same one, but how soon a change is signed and a loss
    /// is noticed depends on it.
    #[serde(default)]
    pub sync_interval_ms: Option<u64>,
    /// Endpoints at which the new machine reaches a member or a server.
    #[serde(default)]
    pub connect: Vec<String>,
    /// The newest roster, encoded, in hex digits.
    pub roster: String,
    /// The keyspace's secret in hex digits, unless it is copied separately.
    #[serde(default)]
    pub secret: Option<String>,
    /// The members on roster 0, from the configuration of the member that invites.
    #[serde(rename = "member")]
    pub founders: Vec<Member>,
}

/// Why an invitation, or a roster in a file, cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum InvitationError {
    /// The file cannot be read or written.
    #[error("{}: {source}; name a file that can be read and written", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The file exists already.
    #[error("{}: already exists and is not replaced; name another, or move it", .path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The file is no invitation.
    #[error("not an invitation: {reason}; create it with `atomik-node invite`")]
    Syntax {
        /// What is wrong.
        reason: String,
    },
    /// The roster cannot be used.
    #[error(transparent)]
    Roster(#[from] RosterError),
    /// The administrator has not signed the roster for what the invitation says.
    #[error(
        "the roster in the invitation is not signed by the administrator named there, for the \
         keyspace, words and layout named there: it was changed after it was written; copy it \
         again, or create another with `atomik-node invite`"
    )]
    NotSigned,
    /// An endpoint to connect to is invalid.
    #[error(
        "{endpoint:?} cannot be connected to: write tcp/HOST:PORT for zenoh, nats://HOST:PORT \
         for NATS"
    )]
    Endpoint {
        /// The endpoint.
        endpoint: String,
    },
    /// The engine does not take the endpoints.
    #[error(transparent)]
    Engine(#[from] OpenError),
    /// The roster does not list the invited key.
    #[error(
        "the roster in the invitation does not list key {key}: create the invitation again with \
         `atomik-node invite`"
    )]
    NotListed {
        /// The key.
        key: String,
    },
    /// The invitation is for another key than this machine's.
    #[error(
        "the invitation is for key {invited}, but {} is key {own}: use the folder with the invited \
         key, or have the administrator invite this one",
        .path.display()
    )]
    OtherKey {
        /// The invited key.
        invited: String,
        /// The key in the folder.
        own: String,
        /// The key file.
        path: PathBuf,
    },
    /// No engine is named.
    #[error("the invitation names no engine: choose --engine zenoh or nats")]
    NoEngine,
    /// The key or the secret cannot be used.
    #[error(transparent)]
    Credential(#[from] CredentialError),
}

impl Invitation {
    /// Reads an invitation. Does not check its roster.
    ///
    /// # Errors
    /// [`InvitationError::Io`] and [`InvitationError::Syntax`].
    pub fn read(path: &Path) -> Result<Self, InvitationError> {
        let text = fs::read_to_string(path).map_err(|source| io_error(path, source))?;
        Self::parse(&text)
    }

    /// Parses an invitation. Does not check its roster.
    ///
    /// # Errors
    /// [`InvitationError::Syntax`].
    pub fn parse(text: &str) -> Result<Self, InvitationError> {
        toml::from_str(text).map_err(|error| InvitationError::Syntax {
            reason: error.to_string().trim_end().to_owned(),
        })
    }

    /// The text of the file.
    #[must_use]
    pub fn text(&self) -> String {
        let keyspace = self.keyspace.as_str();
        let mut text = format!(
            "# An invitation to keyspace {keyspace}. On the new machine, run\n\
             # atomik-node join THIS-FILE --data DIR\n\
             key = \"{}\"\nroster = \"{}\"\n",
            public_key_text(&self.key),
            self.roster
        );
        if let Some(secret) = &self.secret {
            let _ = writeln!(text, "secret = \"{secret}\"");
        }
        text + &self.options(self.engine)
    }

    /// The options that all members are to share, in TOML.
    fn options(&self, engine: Option<EngineKind>) -> String {
        let quoted = |text: &str| toml::Value::from(text).to_string();
        let shape = match self.layout {
            Some(layout) => format!("layout = \"{}\"", layout.0),
            None => format!("words = {}", self.shape().words()),
        };
        let mut text = format!(
            "keyspace = {}\n{shape}\nview = \"{}\"\nadministrator = \"{}\"\n",
            quoted(self.keyspace.as_str()),
            self.view.name(),
            public_key_text(&self.administrator.0),
        );
        if let Some(millis) = self.sync_interval_ms {
            let _ = writeln!(text, "sync_interval_ms = {millis}");
        }
        if let Some(engine) = engine {
            let _ = writeln!(text, "engine = \"{}\"", engine.name());
        }
        if !self.connect.is_empty() {
            let connect: Vec<String> = self.connect.iter().map(|end| quoted(end)).collect();
            let _ = writeln!(text, "connect = [{}]", connect.join(", "));
        }
        for founder in &self.founders {
            let (name, key) = (quoted(&founder.name), public_key_text(&founder.key));
            let _ = write!(text, "\n[[member]]\nname = {name}\nkey = \"{key}\"\n");
        }
        text
    }

    fn shape(&self) -> Shape {
        shape_of(self.layout, self.words.unwrap_or(1))
    }

    /// The roster, if the administrator has signed it for this keyspace and it lists the invited
    /// key.
    ///
    /// # Errors
    /// [`InvitationError`].
    pub fn roster(&self) -> Result<Roster, InvitationError> {
        let bytes = parse_bytes(&self.roster).ok_or(RosterError::Malformed)?;
        let roster = Roster::decode(&bytes)?;
        if !roster.is_signed(self.keyspace.as_str(), &self.shape(), &self.administrator.0) {
            return Err(InvitationError::NotSigned);
        }
        if !roster.contains(&self.key) {
            let key = public_key_text(&self.key);
            return Err(InvitationError::NotListed { key });
        }
        Ok(roster)
    }

    /// Checks the invitation and sets up the data folder `data`, which has the invited key in
    /// `node.key`: writes a config file and the roster, and the secret if the invitation has it.
    /// Returns the path of the config file.
    ///
    /// # Errors
    /// [`InvitationError`]. Existing files are not replaced.
    pub fn accept(
        &self,
        data: &Path,
        engine: Option<EngineKind>,
    ) -> Result<PathBuf, InvitationError> {
        let roster = self.roster()?;
        let path = key_file(data);
        let own = read_key(&path)?.verifying_key().to_bytes();
        if own != self.key {
            return Err(InvitationError::OtherKey {
                invited: public_key_text(&self.key),
                own: public_key_text(&own),
                path,
            });
        }
        let engine = engine.or(self.engine).ok_or(InvitationError::NoEngine)?;
        check_endpoints(Some(engine), &self.connect)?;
        let config = data.join(CONFIG);
        let roster_file = data.join(ROSTER);
        for path in [&config, &roster_file] {
            if path.exists() {
                return Err(InvitationError::Exists { path: path.clone() });
            }
        }
        if let Some(secret) = &self.secret {
            let secret = parse_digits(secret).ok_or_else(|| InvitationError::Syntax {
                reason: "secret is not 64 hex digits".to_owned(),
            })?;
            write_secret(&secret_file(data), &secret)?;
        }
        write_new(&roster_file, &format!("{}\n", bytes_text(&roster.encode())))?;
        let paths = format!("data = \".\"\nroster = \"{ROSTER}\"\n");
        write_new(&config, &(paths + &self.options(Some(engine))))?;
        Ok(config)
    }
}

/// Checks the endpoints that a node with this engine is to connect to. Of an engine that is not
/// built in, only their beginning.
///
/// # Errors
/// [`InvitationError::Endpoint`] and [`InvitationError::Engine`].
pub fn check_endpoints(
    engine: Option<EngineKind>,
    endpoints: &[String],
) -> Result<(), InvitationError> {
    let begins =
        |endpoint: &str, with| endpoint.strip_prefix(with).is_some_and(|at| !at.is_empty());
    let known = |endpoint: &&String| begins(endpoint, "tcp/") || begins(endpoint, "nats://");
    match engine {
        #[cfg(feature = "zenoh")]
        Some(EngineKind::Zenoh) => Ok(atomik_net::zenoh::ZenohOptions {
            connect: endpoints.to_vec(),
            ..Default::default()
        }
        .check()?),
        #[cfg(feature = "nats")]
        Some(EngineKind::Nats) if !endpoints.is_empty() => Ok(atomik_net::nats::NatsOptions {
            servers: endpoints.to_vec(),
            ..Default::default()
        }
        .check()?),
        _ => match endpoints.iter().find(|endpoint| !known(endpoint)) {
            None => Ok(()),
            Some(endpoint) => Err(InvitationError::Endpoint {
                endpoint: endpoint.clone(),
            }),
        },
    }
}

/// Reads a roster file: the hex digits of an encoded roster.
///
/// # Errors
/// [`InvitationError::Io`] and [`InvitationError::Roster`].
pub fn read_roster(path: &Path) -> Result<Roster, InvitationError> {
    let text = fs::read_to_string(path).map_err(|source| io_error(path, source))?;
    let bytes = parse_bytes(text.trim_end()).ok_or(RosterError::Malformed)?;
    Ok(Roster::decode(&bytes)?)
}

/// Writes a new file that only this user can read.
///
/// # Errors
/// [`InvitationError::Exists`] and [`InvitationError::Io`].
pub fn write_new(path: &Path, text: &str) -> Result<(), InvitationError> {
    let refused = |source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => InvitationError::Exists {
            path: path.to_owned(),
        },
        _ => io_error(path, source),
    };
    write_private(path, text.as_bytes(), Existing::Keep).map_err(refused)
}

fn io_error(path: &Path, source: io::Error) -> InvitationError {
    InvitationError::Io {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_those_of_the_engine() {
        let check = |engine, endpoint: &str| check_endpoints(engine, &[endpoint.to_owned()]);
        let (tcp, nats) = ("tcp/192.0.2.1:7447", "nats://192.0.2.1:4222");
        for endpoint in [tcp, nats] {
            assert!(check(None, endpoint).is_ok());
            assert!(check(Some(EngineKind::None), endpoint).is_ok());
        }
        for engine in [EngineKind::Zenoh, EngineKind::Nats, EngineKind::None] {
            assert!(check_endpoints(Some(engine), &[]).is_ok());
            assert!(check(Some(engine), "garbage").is_err());
        }
        assert!(check(Some(EngineKind::Zenoh), tcp).is_ok());
        assert!(check(Some(EngineKind::Nats), nats).is_ok());
        #[cfg(feature = "zenoh")]
        for endpoint in [nats, "tcp/192.0.2.1", "tcp/192.0.2.1:0"] {
            assert!(check(Some(EngineKind::Zenoh), endpoint).is_err());
        }
        #[cfg(feature = "nats")]
        for endpoint in [tcp, "nats://", "nats://:x"] {
            assert!(check(Some(EngineKind::Nats), endpoint).is_err());
        }
    }
}
