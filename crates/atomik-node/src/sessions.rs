//! The sessions of a node: identity and times.

use std::time::Duration;

use atomik_replica::{Author, Replica, Trust};
use atomik_session::{Config, Limits, List, Members, RANK, Sessions};
use thiserror::Error;

use crate::credential::{CredentialError, random};

/// The length of a tick of the sessions.
pub(crate) const TICK: Duration = Duration::from_millis(100);

/// Why a node did not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The system lacks a resource.
    #[error("{what}: {source}; raise the limits of this user, then start again")]
    System {
        /// What failed.
        what: &'static str,
        /// The system's error.
        source: std::io::Error,
    },
    /// The system has no random numbers.
    #[error(transparent)]
    Random(#[from] CredentialError),
    /// The replica has no signing key.
    #[error("a node needs a signing key for its sessions: open the replica with Trust::Signed")]
    Unsigned,
}

/// A handshake takes at most 5 s, a session ends after 10 s of silence and is replaced after an
/// hour.
fn limits() -> Limits {
    Limits {
        handshake_ticks: 50,
        retry_ticks: 3,
        longest_retry_ticks: 160,
        idle_ticks: 40,
        stale_ticks: 50,
        silent_ticks: 100,
        linger_ticks: 20,
        rekey_ticks: 36_000,
        report_ticks: 600,
        ..Limits::default()
    }
}

/// The members on the newest roster.
pub(crate) fn members(replica: &Replica) -> Members {
    Members::Listed(replica.roster().keys().copied().collect())
}

/// The newest roster, for those whose list is older; none is told of roster 0.
pub(crate) fn list(replica: &Replica) -> Option<List> {
    let roster = replica.roster();
    let mut rank = [0; RANK];
    let (number, hash) = rank.split_at_mut(RANK - 32);
    number.copy_from_slice(&roster.number().to_be_bytes());
    hash.copy_from_slice(&roster.hash());
    let bytes = roster.encode();
    (roster.number() > 0).then_some(List { rank, bytes })
}

/// The sessions of a replica, whose engine was opened under its origin. All their random numbers
/// come from `seed`; without one, from the system.
pub(crate) fn open(replica: &Replica, seed: Option<[u8; 32]>) -> Result<Sessions, StartError> {
    let config = replica.config();
    let own = replica.origins().find(|own| own.origin == replica.origin());
    let (Trust::Signed { key, .. }, Some(own)) = (&config.trust, own) else {
        return Err(StartError::Unsigned);
    };
    let config = Config {
        key: (**key).clone(),
        incarnation: own.author.incarnation,
        address: |&key, &incarnation| Author { key, incarnation }.origin().0,
        keyspace: config.keyspace.clone(),
        secret: config.secret,
        members: members(replica),
        limits: limits(),
    };
    let seed = seed.map_or_else(random, Ok)?;
    let mut sessions = Sessions::new(&config, &seed);
    sessions.set_list(list(replica));
    Ok(sessions)
}
