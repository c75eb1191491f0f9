//! What has happened, as a hash and perhaps as text.

use std::time::Duration;

use atomik_net::channel::Recorded;
use blake3::Hasher;
use tokio::time::Instant;

/// A record of all events and messages of a run.
pub(crate) struct Log {
    began: Instant,
    hasher: Hasher,
    /// The events as text, if they are wanted.
    pub(crate) lines: Option<Vec<String>>,
}

impl Log {
    pub(crate) fn new(wants_lines: bool) -> Self {
        Self {
            began: Instant::now(),
            hasher: Hasher::new(),
            lines: wants_lines.then(Vec::new),
        }
    }

    /// The virtual time since the start.
    pub(crate) fn time(&self) -> Duration {
        self.began.elapsed()
    }

    pub(crate) fn event(&mut self, text: &str) {
        let line = format!("{:>8} ms  {text}", self.time().as_millis());
        self.hasher.update(line.as_bytes());
        if let Some(lines) = &mut self.lines {
            lines.push(line);
        }
    }

    pub(crate) fn messages(&mut self, messages: &[Recorded]) {
        for message in messages {
            self.hasher.update(&message.from).update(&message.to);
            self.hasher.update(&message.bytes);
        }
    }

    /// A hash of everything so far.
    pub(crate) fn hash(&self) -> String {
        self.hasher.finalize().to_hex().to_string()
    }
}
