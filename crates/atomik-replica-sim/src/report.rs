//! What came of a run, or of many.

use core::fmt;

macro_rules! report {
    ($($(#[$doc:meta])* $field:ident,)*) => {
        /// What happened in runs that all passed.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct Report {
            $($(#[$doc])* pub $field: u64,)*
            /// Rounds of ticks until all replicas were equal, the most of any run.
            pub rounds: u64,
            /// A hash of everything that happened; of many runs, the xor.
            pub fingerprint: u64,
            /// What happened, event by event, if that was asked for.
            pub trace: Vec<String>,
        }

        impl Report {
            /// Adds another.
            #[must_use]
            pub fn and(mut self, other: Self) -> Self {
                $(self.$field += other.$field;)*
                self.rounds = self.rounds.max(other.rounds);
                self.fingerprint ^= other.fingerprint;
                self
            }

            /// The counts, with their names.
            pub fn counts(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($field), self.$field),)*]
            }
        }
    };
}

report! {
    /// Runs.
    schedules,
    /// Replicas, over all runs.
    members,
    /// Events.
    events,
    /// Times that a replica was compared with the oracle.
    checks,
    /// Local operations.
    operations,
    /// Of these and of batches, refused.
    refused,
    /// Batches that were undone.
    undone,
    /// Messages sent.
    messages,
    /// Their bytes.
    bytes,
    /// Messages that arrived.
    delivered,
    /// Messages that were lost.
    lost,
    /// Messages that came twice.
    doubled,
    /// Requests for a whole table, where comparisons do not suffice.
    pulls,
    /// Entries taken over.
    merged,
    /// Starts and restarts.
    starts,
    /// Crashes.
    crashes,
    /// Restarts without some or all of what had been stored.
    disks_lost,
    /// Restarts from an old copy that passes for the newest.
    put_back,
    /// Old copies that noticed so.
    memory_lost,
    /// Retirements.
    retired,
    /// Foldings of an origin into a replica's base.
    folds,
    /// Bases taken over from a peer.
    adoptions,
    /// Overlaps told.
    overlaps,
    /// Second writers of a cell told.
    second_writers,
}

/// An invariant does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at {time}: {invariant}: {detail}")]
pub struct Failure {
    /// The virtual time.
    pub time: u64,
    /// What should hold.
    pub invariant: &'static str,
    /// How it does not.
    pub detail: String,
    /// What happened before, event by event, if that was asked for.
    pub trace: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts: Vec<String> = self
            .counts()
            .iter()
            .map(|(name, count)| format!("{} {count}", name.replace('_', " ")))
            .collect();
        write!(f, "{}, rounds {}", counts.join(", "), self.rounds)
    }
}
