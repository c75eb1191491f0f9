//! The limits of the verdict.

use serde::{Deserialize, Serialize};

use super::bits::CAPACITY;

/// The limits of the verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Thresholds {
    /// The windows in milliseconds, in increasing order. Operations of different nodes are
    /// concurrent if they are less than a window apart. Each window is measured.
    pub windows_ms: Vec<u64>,
    /// The longest time that a change takes while nodes are connected. The widest window up to it
    /// decides, or the narrowest if all are wider. Wider ones stand for partitions: what goes
    /// beyond a limit there is a condition.
    pub connected_ms: u64,
    /// The share of overlapping operations up to which a field fits without conditions.
    pub overlap_fits: f64,
    /// The share of overlapping operations beyond which a field does not fit.
    pub overlap_fails: f64,
    /// The share of wrong operations beyond which a field does not fit.
    pub wrong_fails: f64,
    /// The share of operations beyond which a field does not fit if they leave a wrong state that
    /// nobody is told of.
    pub unnoticed_fails: f64,
    /// The most bytes of a value. A string needs three of them for its kind and length. A set has
    /// at most as many elements as a value has bits.
    pub value_bytes: u64,
    /// The share of a value's words from which an operation counts as replacing the whole value.
    pub whole_value: f64,
    /// Operations per entry from which coalescing counts as a saving.
    pub coalescing_saves: f64,
}

impl Thresholds {
    /// Nodes in one data centre, nodes on several continents, periodic anti-entropy (a second), a
    /// reconnect, and partitions of a minute and of an hour.
    pub const WINDOWS_MS: [u64; 6] = [10, 100, 1_000, 10_000, 60_000, 3_600_000];
    /// A reconnect. It errs on the safe side: if changes arrive faster, choose narrower windows.
    pub const CONNECTED_MS: u64 = 10_000;
    /// None: if two nodes changed the same bits, somebody has to resolve it, which is a condition.
    pub const OVERLAP_FITS: f64 = 0.0;
    /// One in a hundred. Every overlap is reported to a writer, which has to decide and write
    /// again. A rare overlap exercises code that hardly ever runs; at one in a hundred it is part
    /// of the service, and a system whose merge expresses the intent is the better choice.
    pub const OVERLAP_FAILS: f64 = 0.01;
    /// One in a hundred. Most overlaps of set values leave a wrong state. A state stays wrong until
    /// it is set again, and every operation until then counts.
    pub const WRONG_FAILS: f64 = 0.01;
    /// One in a thousand. No bits overlap if two writers changed different bits of a value, or if
    /// one of them saw nothing to change, so nobody is asked to repair the state. That can only be
    /// accepted, hence a tenth of what may go wrong with notice.
    pub const UNNOTICED_FAILS: f64 = 0.001;
    /// The size of a replicated value: 16 words of 64 bits (`atomik_replica::MAX_WORDS`). A lower
    /// limit is possible, a higher one is not.
    pub const VALUE_BYTES: u64 = CAPACITY as u64;
    /// Nine words in ten: the list of changed words would itself take about a tenth.
    pub const WHOLE_VALUE: f64 = 0.9;
    /// Saving fewer than one operation in ten is less than the variation of an entry's size.
    pub const COALESCING_SAVES: f64 = 1.1;

    /// The window that decides.
    pub fn decisive_ms(&self) -> u64 {
        let decisive = self.windows_ms.get(self.decisive());
        decisive.copied().unwrap_or(self.connected_ms)
    }

    /// The place in `windows_ms` of the window that decides.
    pub(super) fn decisive(&self) -> usize {
        let connected = |ms: &&u64| **ms <= self.connected_ms;
        let windows = self.windows_ms.iter().take_while(connected).count();
        windows.saturating_sub(1)
    }
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            windows_ms: Self::WINDOWS_MS.to_vec(),
            overlap_fits: Self::OVERLAP_FITS,
            overlap_fails: Self::OVERLAP_FAILS,
            connected_ms: Self::CONNECTED_MS,
            wrong_fails: Self::WRONG_FAILS,
            unnoticed_fails: Self::UNNOTICED_FAILS,
            value_bytes: Self::VALUE_BYTES,
            whole_value: Self::WHOLE_VALUE,
            coalescing_saves: Self::COALESCING_SAVES,
        }
    }
}
