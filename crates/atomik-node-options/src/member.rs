//! The members of a keyspace.

use std::str::FromStr;

use atomik_replica::PublicKey;
use serde::Deserialize;
use thiserror::Error;

use crate::key::{KeyError, parse_digits, parse_public_key};

/// A member of the keyspace: its public key, and a name for people.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Table")]
pub struct Member {
    /// The name in logs and reports.
    pub name: String,
    /// The public key, in text 64 hex digits, as `atomik-node keygen` prints it.
    pub key: PublicKey,
}

/// The text does not describe a [`Member`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MemberError {
    /// The text is not `NAME=KEY`.
    #[error("write NAME=KEY, where KEY is the 64 hex digits that `atomik-node keygen` prints")]
    Syntax,
    /// There is no name.
    #[error("a member without a name: give it one")]
    Nameless,
    /// The name is 64 hex digits.
    #[error("the name {name} looks like a key: choose one that is not 64 hex digits")]
    KeyAsName {
        /// The name.
        name: String,
    },
    /// The key cannot be that of a member.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// A [`Member`] in a file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    name: String,
    key: String,
}

impl TryFrom<Table> for Member {
    type Error = MemberError;

    fn try_from(Table { name, key }: Table) -> Result<Self, MemberError> {
        let key = parse_public_key(&key)?;
        if name.is_empty() {
            return Err(MemberError::Nameless);
        }
        // Commands take the name or the key of a member.
        if parse_digits(&name).is_some() {
            return Err(MemberError::KeyAsName { name });
        }
        Ok(Self { name, key })
    }
}

impl FromStr for Member {
    type Err = MemberError;

    fn from_str(text: &str) -> Result<Self, MemberError> {
        let (name, key) = text.split_once('=').ok_or(MemberError::Syntax)?;
        let (name, key) = (name.to_owned(), key.to_owned());
        Table { name, key }.try_into()
    }
}

/// The public key that signs rosters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Administrator(pub PublicKey);

impl FromStr for Administrator {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        parse_public_key(text).map(Self)
    }
}

impl TryFrom<String> for Administrator {
    type Error = KeyError;

    fn try_from(text: String) -> Result<Self, KeyError> {
        text.parse()
    }
}

/// Reads a public key from a file.
///
/// # Errors
/// If the text is not one.
pub fn hex_key<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<PublicKey, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_public_key(&text).map_err(serde::de::Error::custom)
}
