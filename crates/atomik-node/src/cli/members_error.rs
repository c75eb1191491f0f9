use std::path::PathBuf;

use atomik_node::credential::{CredentialError, KeyError};
use atomik_node::invitation::InvitationError;
use atomik_node::replica::RosterError;
use atomik_terminal::Status;
use thiserror::Error;

/// Why the members cannot be changed.
#[derive(Debug, Error)]
pub(crate) enum MembersError {
    #[error(transparent)]
    Roster(#[from] RosterError),
    #[error(transparent)]
    Invitation(#[from] InvitationError),
    #[error(
        "this node has no administrator: set `administrator` to the public key of a key that is \
         kept offline, in the configuration of every member, and restart them"
    )]
    NoAdministrator,
    #[error(
        "{} has key {own}, but the administrator of this keyspace is {administrator}: name the \
         administrator's key file with --sign-with",
        .path.display()
    )]
    OtherAdministrator {
        path: PathBuf,
        own: String,
        administrator: String,
    },
    #[error("no member has the name or key {text}: `atomik-node members` lists them")]
    NoMember { text: String },
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("{member} has this key already: there is nothing to do")]
    SameKey { member: String },
    #[error(
        "{}: no such file; name the administrator's key file: no other key can change the members",
        .path.display()
    )]
    NoSigner { path: PathBuf },
    #[error("--with-secret needs --out, because the secret is not printed")]
    SecretPrinted,
    #[error(
        "another change of the members came first; look with `atomik-node members`, and run the \
         command again if it is still needed"
    )]
    OtherOrder,
    #[error(
        "this node is not on the list of members (list {number}), so members may never receive a \
         change of the list made here: run the command at a member"
    )]
    NotAMember { number: u64 },
    #[error(
        "list {number} is in force at this node, but {members} did not confirm it within \
         {seconds} s: look with `atomik-node members` before you change the members again; another \
         list may have come first"
    )]
    Unconfirmed {
        number: u64,
        members: String,
        seconds: u64,
    },
    #[error(
        "list {number} is in force at this node, but not at {members}; once that is corrected, the \
         member takes the list, as `atomik-node members` shows (to get the invitation, run \
         `invite` again)"
    )]
    Refused { number: u64, members: String },
    #[error("the answer of the node lacks {what}: update the older of node and command")]
    Answer { what: &'static str },
}

impl MembersError {
    pub(super) fn status(&self) -> Status {
        match self {
            Self::Invitation(
                InvitationError::Io { .. }
                | InvitationError::Credential(CredentialError::Io { .. }),
            )
            | Self::Answer { .. } => Status::Broken,
            Self::OtherOrder | Self::Refused { .. } | Self::Unconfirmed { .. } => {
                Status::CheckFailed
            }
            _ => Status::BadInput,
        }
    }
}
