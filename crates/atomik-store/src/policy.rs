//! When a commit is durable.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// When a commit is durable. Written `always`, `interval:100ms` or `never` in text and in config
/// files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum FsyncPolicy {
    /// When it returns.
    #[default]
    Always,
    /// Once a commit that starts at least this many milliseconds after the last sync has returned:
    /// that one syncs itself and all commits before it. There is no timer, so a store without
    /// further commits is not synced.
    Interval(u64),
    /// After the next [`sync`](crate::Store::sync) or [`close`](crate::Store::close).
    Never,
}

/// Why a text is not an [`FsyncPolicy`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FsyncPolicyError {
    /// There is no policy of this name.
    #[error(
        "unknown fsync policy {text:?}: use `always`, `never`, or an interval in milliseconds \
         such as `interval:100ms`"
    )]
    Unknown {
        /// The text.
        text: String,
    },
    /// The interval is not a number of milliseconds, or is too large.
    #[error(
        "{text:?} is not an interval: write a whole number of milliseconds, as in \
         `interval:100ms`, or use `always` or `never`"
    )]
    Interval {
        /// The text.
        text: String,
    },
    /// The interval is 0. It would sync every commit, but not vouch for that after a crash.
    #[error(
        "an interval of 0 ms syncs every commit: use `always` for that, `never`, or at least 1 ms, \
         as in `interval:100ms`"
    )]
    Zero,
}

impl fmt::Display for FsyncPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Always => f.write_str("always"),
            Self::Interval(millis) => write!(f, "interval:{millis}ms"),
            Self::Never => f.write_str("never"),
        }
    }
}

impl FromStr for FsyncPolicy {
    type Err = FsyncPolicyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "always" => return Ok(Self::Always),
            "never" => return Ok(Self::Never),
            _ => {}
        }
        let owned = || text.to_owned();
        let Some(interval) = text.strip_prefix("interval:") else {
            return Err(FsyncPolicyError::Unknown { text: owned() });
        };
        // `parse` alone would take a sign.
        let millis = interval
            .strip_suffix("ms")
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|digits| digits.parse().ok());
        match millis {
            Some(0) => Err(FsyncPolicyError::Zero),
            Some(millis) => Ok(Self::Interval(millis)),
            None => Err(FsyncPolicyError::Interval { text: owned() }),
        }
    }
}

impl TryFrom<String> for FsyncPolicy {
    type Error = FsyncPolicyError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<FsyncPolicy> for String {
    fn from(policy: FsyncPolicy) -> Self {
        policy.to_string()
    }
}
