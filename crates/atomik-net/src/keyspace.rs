use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use thiserror::Error;

/// The name of a keyspace: 1 to 64 of `a-z A-Z 0-9 _ -`, which every engine can use in its subjects
/// and keys.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Keyspace(String);

impl Keyspace {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Keyspace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text is not a valid [`Keyspace`] name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{name:?} cannot name a keyspace: use 1 to 64 of a-z, A-Z, 0-9, _ and -")]
pub struct KeyspaceError {
    /// The rejected name.
    pub name: String,
}

impl TryFrom<String> for Keyspace {
    type Error = KeyspaceError;

    fn try_from(name: String) -> Result<Self, KeyspaceError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        if (1..=64).contains(&name.len()) && name.bytes().all(allowed) {
            Ok(Self(name))
        } else {
            Err(KeyspaceError { name })
        }
    }
}

impl FromStr for Keyspace {
    type Err = KeyspaceError;

    fn from_str(name: &str) -> Result<Self, KeyspaceError> {
        name.to_owned().try_into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keyspace_takes_only_names_that_every_engine_can_carry() {
        for name in ["a", "orders-2_X", &"k".repeat(64)] {
            assert_eq!(name.parse::<Keyspace>().unwrap().as_str(), name);
        }
        for name in ["", "a.b", "a/b", "a*", "a b", "é", &"k".repeat(65)] {
            let error = name.parse::<Keyspace>().unwrap_err();
            assert!(error.to_string().contains("use 1 to 64 of"), "{error}");
        }
    }
}
