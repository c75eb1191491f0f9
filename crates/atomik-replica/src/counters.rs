//! What a replica counts.

/// Totals since the replica was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Counters {
    /// Local operations that changed a state.
    pub changes: u64,
    /// Entries published for those operations: one per dirty key and flush. `changes / published`
    /// is the coalescing factor.
    pub published: u64,
    /// Frames in which they were published.
    pub frames: u64,
    /// Entries merged from other origins.
    pub merged: u64,
    /// Received entries that were older than, or equal to, what was already known.
    pub stale: u64,
    /// Messages or excerpts refused.
    pub refused: u64,
    /// Overlaps reported.
    pub overlaps: u64,
    /// Bytes handed out for sending; a broadcast counts once.
    pub bytes_out: u64,
    /// Messages handed out for sending; a broadcast counts once.
    pub messages_out: u64,
    /// Bytes received.
    pub bytes_in: u64,
    /// Messages received.
    pub messages_in: u64,
    /// Comparisons with a peer that found no difference.
    pub agreements: u64,
    /// Differences found by comparisons with peers, in both directions.
    pub repaired: u64,
}
