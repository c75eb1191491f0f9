use std::io;
use std::path::PathBuf;

use atomik_net::OpenError;
use atomik_node::client::ClientError;
use atomik_node::credential::CredentialError;
use atomik_node::node::LoadError;
use atomik_node::options::ConfigError;
use atomik_node::replica;
use atomik_node::serve::ServeError;
use atomik_node::settings::SettingsError;
use atomik_terminal::{Failure, OutputError, Status};
use thiserror::Error;

use super::members_error::MembersError;

/// Why a command failed.
#[derive(Debug, Error)]
pub(crate) enum NodeFailure {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Credential(#[from] CredentialError),
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error("log = {filter}: {reason}; write for example info, or info,atomik_node=debug")]
    Log { filter: String, reason: String },
    #[error(
        "control connections over TCP need a token: name the node's data folder with --data, or a \
         copy of its file control.token with --token"
    )]
    NoToken,
    #[error("{}: {source}; name a file that can be read", .file.display())]
    Read { file: PathBuf, source: io::Error },
    #[error("{}: {source}", .file.display())]
    Proof {
        file: PathBuf,
        source: replica::ProofError,
    },
    #[error(transparent)]
    Members(#[from] MembersError),
    #[error("the node refused a request: see its answer above")]
    SomeRefused,
}

impl Failure for NodeFailure {
    fn status(&self) -> Status {
        match self {
            Self::SomeRefused => Status::CheckFailed,
            Self::Proof { source, .. } if source.proves_nothing() => Status::CheckFailed,
            Self::Proof { .. } | Self::Read { .. } => Status::BadInput,
            Self::Config(_) | Self::Settings(_) | Self::Log { .. } | Self::NoToken => {
                Status::BadInput
            }
            Self::Client(ClientError::Refused { .. } | ClientError::Input(_)) => Status::BadInput,
            Self::Client(_) => Status::Broken,
            Self::Credential(CredentialError::Io { .. } | CredentialError::Random(_)) => {
                Status::Broken
            }
            Self::Credential(_) => Status::BadInput,
            Self::Members(error) => error.status(),
            Self::Serve(error) => serve_status(error),
            Self::Output(error) => error.status(),
        }
    }

    fn is_closed_output(&self) -> bool {
        match self {
            Self::Client(ClientError::Output(error)) => error.kind() == io::ErrorKind::BrokenPipe,
            Self::Output(error) => error.is_closed_output(),
            _ => false,
        }
    }
}

fn serve_status(error: &ServeError) -> Status {
    use replica::OpenError as ReplicaError;
    match error {
        ServeError::Load(LoadError::Replica(
            ReplicaError::Config(_) | ReplicaError::Keyspace { .. } | ReplicaError::Layout { .. },
        ))
        | ServeError::Roster(_)
        | ServeError::Engine(OpenError::Option { .. }) => Status::BadInput,
        _ => Status::Broken,
    }
}
