//! What happened in a run, or in many.

use std::fmt;

macro_rules! report {
    ($($(#[$doc:meta])* $field:ident,)*) => {
        /// Counts of what happened.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct Report {
            $($(#[$doc])* pub $field: u64,)*
            /// A hash of all events and messages of a run; of many runs, empty.
            pub hash: String,
        }

        impl Report {
            /// Adds another report.
            pub fn add(&mut self, other: &Self) {
                $(self.$field += other.$field;)*
                self.hash.clear();
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
    /// Virtual seconds.
    seconds,
    /// Messages that nodes sent.
    messages,
    /// Changes that were acknowledged.
    acknowledged,
    /// Changes that were refused.
    refused,
    /// Changes of which the client does not know whether they are durable.
    unclear,
    /// Starts of a node.
    starts,
    /// Nodes that were killed.
    kills,
    /// Nodes that lost power.
    power_cuts,
    /// Those of both in the middle of a commit.
    in_commits,
    /// Nodes that ended because storage failed.
    storage_errors,
    /// Folders that were replaced by a copy.
    restores,
    /// Members that joined.
    invitations,
    /// Members that were removed.
    removals,
    /// Members that were added again.
    readmissions,
    /// Members that got another key.
    rotations,
    /// Members that retired.
    retirements,
    /// Times that a node was asked for status and values.
    looks,
    /// Members that were said to be in sync when faults were about.
    in_sync,
    /// Times that everything came to rest.
    calms,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.counts();
        let counts: Vec<String> = counts
            .iter()
            .map(|(name, count)| format!("{} {count}", name.replace('_', " ")))
            .collect();
        f.write_str(&counts.join(", "))
    }
}
