use std::fmt;

use thiserror::Error;

/// Why an engine could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// An option has an invalid value.
    #[error("{option} = {value}: {next}")]
    Option {
        /// The name of the option.
        option: &'static str,
        /// Its value.
        value: String,
        /// What is wrong, and what to write instead.
        next: String,
    },
    /// The engine was opened outside a multi-threaded tokio runtime.
    #[error("zenoh needs a multi-threaded tokio runtime: build one with `new_multi_thread`")]
    Runtime,
    /// The engine's library or server refused.
    #[error("{what}: {reason}; {next}")]
    Engine {
        /// What failed.
        what: String,
        /// The reason that the library or server gave.
        reason: String,
        /// What to do next.
        next: &'static str,
    },
}

impl OpenError {
    pub(crate) fn option(
        option: &'static str,
        value: impl fmt::Display,
        next: impl Into<String>,
    ) -> Self {
        Self::Option {
            option,
            value: value.to_string(),
            next: next.into(),
        }
    }
}

/// Checks the capacity of a queue, in messages.
#[cfg(any(feature = "zenoh", feature = "nats"))]
pub(crate) fn check_queue(option: &'static str, messages: usize) -> Result<(), OpenError> {
    if (1..=65_536).contains(&messages) {
        return Ok(());
    }
    Err(OpenError::option(
        option,
        messages,
        "a queue holds 1 to 65536 messages",
    ))
}
