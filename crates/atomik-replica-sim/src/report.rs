//! The outcome of a run, or of many.

use core::fmt;

macro_rules! report {
    ($($(#[$doc:meta])* $field:ident,)*) => {
        /// Counts of what happened in runs that passed.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct Report {
            $($(#[$doc])* pub $field: u64,)*
            /// Rounds of ticks until all replicas were equal; of many runs, the maximum.
            pub rounds: u64,
            /// A hash of all events, messages and records; of many runs, the xor.
            pub fingerprint: u64,
            /// One line per event, if the run was traced.
            pub trace: Vec<String>,
        }

        impl Report {
            /// Adds another report.
            #[must_use]
            pub fn merge(mut self, other: Self) -> Self {
                $(self.$field += other.$field;)*
                self.rounds = self.rounds.max(other.rounds);
                self.fingerprint ^= other.fingerprint;
                self
            }

            /// The counts with their names.
            pub fn counts(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($field), self.$field),)*]
            }
        }
    };
}

report! {
    /// Runs.
    schedules,
    /// Replicas.
    members,
    /// Events.
    events,
    /// Comparisons of a replica with the oracle.
    checks,
    /// Local operations.
    operations,
    /// Operations and batches that were refused.
    refused,
    /// Undone batches.
    undone,
    /// Messages sent.
    messages,
    /// Bytes of these messages.
    bytes,
    /// Messages that arrived.
    delivered,
    /// Messages that were lost.
    lost,
    /// Messages that were duplicated.
    duplicated,
    /// Requests for a whole table, after a digest could not be decoded.
    pulls,
    /// Entries of other origins taken over.
    merged,
    /// Runs over sessions.
    over_sessions,
    /// Packets that sessions sent.
    packets,
    /// Sessions that came up.
    sessions,
    /// Packets that an outsider repeated, reflected, redirected, altered or forged.
    tricks,
    /// Runs in which a member joins.
    joined,
    /// Runs in which the administrator changes the list of members.
    with_orders,
    /// Members that were removed.
    removals,
    /// Members that were added again.
    returns,
    /// Members that were given another key.
    rotations,
    /// Runs with a dishonest member.
    with_liar,
    /// Lies of dishonest members.
    lies,
    /// Messages of dishonest members, and changes of theirs, that honest ones refused.
    lies_refused,
    /// Contradictions that were reported with a valid proof.
    proofs,
    /// Starts and restarts.
    starts,
    /// Crashes.
    crashes,
    /// Errors of storage, each of which ended a replica.
    storage_errors,
    /// Starts without some or all of what had been stored.
    disks_lost,
    /// Starts from a stale copy of the disk.
    stale_copies,
    /// Replicas that noticed that they ran on a stale copy.
    memory_lost,
    /// Retirements.
    retired,
    /// Origins folded into a replica's base.
    folds,
    /// Bases taken over from a peer.
    adoptions,
    /// Overlaps reported.
    overlaps,
    /// Second writers reported.
    second_writers,
}

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at time {time}: {invariant}: {detail}")]
pub struct Failure {
    /// The virtual time.
    pub time: u64,
    /// The invariant.
    pub invariant: &'static str,
    /// Where it failed: replica, key, expected and found.
    pub detail: String,
    /// One line per event up to the failure, if the run was traced.
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
