//! The members of a keyspace.

use std::str::FromStr;

use atomik_replica::PublicKey;
use serde::Deserialize;
use thiserror::Error;

use crate::credential::parse_public_key;

/// A member of the keyspace: its public key, and a name for people.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// The name in logs and reports.
    pub name: String,
    /// The public key, in text 64 hex digits, as `atomik-node keygen` prints it.
    #[serde(deserialize_with = "hex_key")]
    pub key: PublicKey,
}

/// The text does not describe a [`Member`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MemberError {
    /// The text is not `NAME=KEY`.
    #[error("write NAME=KEY, where KEY is the 64 hex digits that `atomik-node keygen` prints")]
    Syntax,
    /// The key is not 64 hex digits.
    #[error(
        "{text:?} is not a public key: write the 64 hex digits that `atomik-node keygen` prints"
    )]
    Key {
        /// The text.
        text: String,
    },
}

/// The public key that signs rosters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Administrator(pub PublicKey);

impl FromStr for Administrator {
    type Err = MemberError;

    fn from_str(text: &str) -> Result<Self, MemberError> {
        let text = text.to_owned();
        let key = parse_public_key(&text);
        key.map(Self).ok_or(MemberError::Key { text })
    }
}

impl TryFrom<String> for Administrator {
    type Error = MemberError;

    fn try_from(text: String) -> Result<Self, MemberError> {
        text.parse()
    }
}

pub(crate) fn hex_key<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<PublicKey, D::Error> {
    let text = String::deserialize(deserializer)?;
    let key = parse_public_key(&text);
    key.ok_or_else(|| serde::de::Error::custom(MemberError::Key { text }))
}

impl FromStr for Member {
    type Err = MemberError;

    fn from_str(text: &str) -> Result<Self, MemberError> {
        let (name, key) = text.split_once('=').ok_or(MemberError::Syntax)?;
        let key = parse_public_key(key).ok_or(MemberError::Syntax)?;
        if name.is_empty() {
            return Err(MemberError::Syntax);
        }
        Ok(Self {
            name: name.to_owned(),
            key,
        })
    }
}
