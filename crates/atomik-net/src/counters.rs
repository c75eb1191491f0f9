use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::message::{MAX_MESSAGE, SendError};

/// An engine's traffic since it was opened. Byte counts are message payloads, without the engine's
/// own framing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages accepted by the engine's library.
    pub messages_out: u64,
    /// Payload bytes of `messages_out`.
    pub bytes_out: u64,
    /// Messages that `receive` returned.
    pub messages_in: u64,
    /// Payload bytes of `messages_in`.
    pub bytes_in: u64,
    /// Refused with [`SendError::Full`].
    pub refused_full: u64,
    /// Refused with [`SendError::Disconnected`].
    pub refused_disconnected: u64,
    /// Refused with [`SendError::TooLong`].
    pub refused_too_long: u64,
    /// Messages not sent: the library refused them, or the engine closed first.
    pub failed_out: u64,
    /// Incoming messages dropped because the incoming queue was full.
    pub dropped_full: u64,
    /// Malformed messages and announcements (no sender, too long) and announcements of peers beyond
    /// [`MAX_PEERS`](crate::MAX_PEERS), all dropped.
    pub dropped_invalid: u64,
    /// Peers that are up at the moment.
    pub peers: u64,
}

impl Counters {
    /// All messages that this side refused or dropped.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.refused_full
            + self.refused_disconnected
            + self.refused_too_long
            + self.failed_out
            + self.dropped_full
            + self.dropped_invalid
    }
}

/// The atomics behind [`Counters`], shared by an engine's tasks.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    messages_out: AtomicU64,
    bytes_out: AtomicU64,
    messages_in: AtomicU64,
    bytes_in: AtomicU64,
    refused_full: AtomicU64,
    refused_disconnected: AtomicU64,
    refused_too_long: AtomicU64,
    failed_out: AtomicU64,
    dropped_full: AtomicU64,
    dropped_invalid: AtomicU64,
    peers: AtomicU64,
}

impl Tally {
    pub(crate) fn sent(&self, bytes: usize) {
        self.messages_out.fetch_add(1, Relaxed);
        self.bytes_out.fetch_add(bytes as u64, Relaxed);
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.messages_in.fetch_add(1, Relaxed);
        self.bytes_in.fetch_add(bytes as u64, Relaxed);
    }

    /// Counts a refusal and returns it.
    pub(crate) fn refused(&self, error: SendError) -> SendError {
        match error {
            SendError::Full => self.refused_full.fetch_add(1, Relaxed),
            SendError::Disconnected => self.refused_disconnected.fetch_add(1, Relaxed),
            SendError::TooLong { .. } => self.refused_too_long.fetch_add(1, Relaxed),
            SendError::Closed => self.failed_out.fetch_add(1, Relaxed),
        };
        error
    }

    /// Refuses a message that is longer than [`MAX_MESSAGE`].
    pub(crate) fn check_length(&self, bytes: &[u8]) -> Result<(), SendError> {
        if bytes.len() > MAX_MESSAGE {
            return Err(self.refused(SendError::TooLong {
                length: bytes.len(),
            }));
        }
        Ok(())
    }

    #[cfg_attr(not(any(feature = "zenoh", feature = "nats")), allow(dead_code))]
    pub(crate) fn failed(&self, messages: usize) {
        self.failed_out.fetch_add(messages as u64, Relaxed);
    }

    pub(crate) fn overflowed(&self) {
        self.dropped_full.fetch_add(1, Relaxed);
    }

    pub(crate) fn invalid(&self) {
        self.dropped_invalid.fetch_add(1, Relaxed);
    }

    pub(crate) fn peers(&self, up: usize) {
        self.peers.store(up as u64, Relaxed);
    }

    pub(crate) fn read(&self) -> Counters {
        Counters {
            messages_out: self.messages_out.load(Relaxed),
            bytes_out: self.bytes_out.load(Relaxed),
            messages_in: self.messages_in.load(Relaxed),
            bytes_in: self.bytes_in.load(Relaxed),
            refused_full: self.refused_full.load(Relaxed),
            refused_disconnected: self.refused_disconnected.load(Relaxed),
            refused_too_long: self.refused_too_long.load(Relaxed),
            failed_out: self.failed_out.load(Relaxed),
            dropped_full: self.dropped_full.load(Relaxed),
            dropped_invalid: self.dropped_invalid.load(Relaxed),
            peers: self.peers.load(Relaxed),
        }
    }
}
