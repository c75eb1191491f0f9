use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// When a commit is on disk. As text and in configuration files: `always`, `interval:100ms`,
/// `never`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum FsyncPolicy {
    /// When it returns.
    #[default]
    Always,
    /// Milliseconds: the first commit that begins this long or longer after the last sync is on
    /// disk when it returns, with all before it. No timer runs: a store that nobody commits to is
    /// not synced.
    Interval(u64),
    /// When [`sync`](crate::Store::sync) or [`close`](crate::Store::close) was called.
    Never,
}

/// The text names no [`FsyncPolicy`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "{0:?} is no fsync policy: write `always`, `never`, or `interval:` and a number of milliseconds from 1, as \
     in `interval:100ms`"
)]
pub struct FsyncPolicyError(String);

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
        let refused = || FsyncPolicyError(text.to_owned());
        match text {
            "always" => Ok(Self::Always),
            "never" => Ok(Self::Never),
            _ => {
                let millis = text
                    .strip_prefix("interval:")
                    .and_then(|interval| interval.strip_suffix("ms"))
                    .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
                    .ok_or_else(refused)?
                    .parse()
                    .map_err(|_| refused())?;
                // An interval of nothing would be `always` without its promise to the next run.
                if millis == 0 {
                    return Err(refused());
                }
                Ok(Self::Interval(millis))
            }
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
