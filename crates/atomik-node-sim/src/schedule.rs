//! What happens in a run, as a list of steps that a seed determines.

use std::time::Duration;

use crate::draw::Draw;

/// Members of a keyspace at any time, founders and those that join.
pub const SLOTS: usize = 5;

/// What happens to a node or the network. A node is named by its slot; a step that does not apply,
/// such as a crash of a node that is down, is passed over.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(
    missing_docs,
    reason = "the fields of steps are those of the sentence above them"
)]
pub enum Step {
    /// A client submits changes of which each combines these many marks into keys.
    Change {
        slot: usize,
        changes: usize,
        marks: usize,
    },
    /// A client puts a value into the key that only this node writes.
    Put {
        slot: usize,
    },
    /// A client asks for status and values, which are checked.
    Look {
        slot: usize,
    },
    /// SIGKILL.
    Kill {
        slot: usize,
    },
    /// The power fails.
    PowerCut {
        slot: usize,
        seed: u64,
    },
    /// SIGTERM.
    Stop {
        slot: usize,
    },
    Start {
        slot: usize,
    },
    /// Storage is to fail.
    FailStorage {
        slot: usize,
        how: StorageFault,
        seed: u64,
    },
    /// Nodes whose bits differ lose each other.
    Partition {
        sides: u64,
    },
    /// What one sends to the other is lost, unnoticed.
    Cut {
        from: usize,
        to: usize,
    },
    /// All links work again.
    Heal,
    /// What the network does to messages from now on, as probabilities in percent.
    Network {
        loss: u64,
        dup: u64,
        refusal: u64,
    },
    /// The administrator adds a member, and its node starts.
    Invite {
        slot: usize,
    },
    Remove {
        slot: usize,
    },
    /// The administrator adds a member again that was removed.
    Readmit {
        slot: usize,
    },
    /// The administrator gives a member another key.
    Rotate {
        slot: usize,
    },
    Retire {
        slot: usize,
    },
    /// The folder of a node is copied, once it is stopped.
    BackUp {
        slot: usize,
    },
    /// The copy takes the place of the folder.
    Restore {
        slot: usize,
    },
    /// All faults stop, and everything must come to rest and be right.
    Calm,
}

/// How storage fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StorageFault {
    /// The next sync fails, once.
    Sync,
    /// The next write fails after a part of it, once.
    Write,
    /// The same, because the disk is full.
    ShortOfRoom,
    /// From now on every write fails: the disk is full.
    Full,
}

/// A run before it is run.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// The seed of everything that the steps leave open.
    pub seed: u64,
    /// Members from the start.
    pub founders: usize,
    /// How often a node compares itself with a peer.
    pub sync_interval: Duration,
    /// The longest delay of a message, in milliseconds, apart from reordering.
    pub delay: u64,
    /// Whether nodes let little wait for storage.
    pub narrow: bool,
    /// The steps, each with the milliseconds since the one before.
    pub steps: Vec<(u64, Step)>,
}

/// Which steps a schedule may have, in percent of the steps.
struct Mix {
    orders: u64,
    storage: u64,
    crashes: u64,
    links: u64,
    restores: u64,
}

impl Schedule {
    /// The schedule of a seed.
    pub fn generate(seed: u64) -> Self {
        let draw = &mut Draw::new(seed, 1);
        let founders = draw.between(2, 4) as usize;
        let mix = Mix {
            orders: draw.one_of(0, &[0, 4, 8]),
            storage: draw.one_of(0, &[3, 6]),
            crashes: draw.one_of(0, &[4, 8, 12]),
            links: draw.one_of(0, &[6, 12]),
            restores: draw.one_of(0, &[0, 4]),
        };
        let steps = draw.between(20, 70);
        Self {
            seed,
            founders,
            sync_interval: Duration::from_millis(draw.one_of(1000, &[250])),
            delay: draw.one_of(0, &[5, 40]),
            narrow: draw.percent(20),
            steps: (0..steps).map(|_| (pause(draw), mix.step(draw))).collect(),
        }
    }
}

/// Mostly short, so that steps fall into what others have begun; sometimes long enough for a
/// session to end.
fn pause(draw: &mut Draw) -> u64 {
    match draw.below(100) {
        0..40 => draw.below(12),
        40..85 => draw.below(300),
        85..97 => draw.between(300, 3000),
        _ => draw.between(5000, 15_000),
    }
}

impl Mix {
    fn step(&self, draw: &mut Draw) -> Step {
        let slot = draw.below(SLOTS as u64) as usize;
        let mut at = draw.below(100);
        let mut falls = |share: u64| {
            let falls = at < share;
            at = at.wrapping_sub(share);
            falls
        };
        if falls(self.orders) {
            return match draw.below(8) {
                0 | 1 => Step::Invite { slot },
                2 | 3 => Step::Remove { slot },
                4 => Step::Readmit { slot },
                5 | 6 => Step::Rotate { slot },
                _ => Step::Retire { slot },
            };
        }
        if falls(self.storage) {
            let faults = [
                StorageFault::Write,
                StorageFault::ShortOfRoom,
                StorageFault::Full,
            ];
            let how = draw.one_of(StorageFault::Sync, &faults);
            let seed = draw.word();
            return Step::FailStorage { slot, how, seed };
        }
        if falls(self.crashes) {
            let seed = draw.below(12);
            return match draw.below(5) {
                0 | 1 => Step::Kill { slot },
                2 | 3 => Step::PowerCut { slot, seed },
                _ => Step::Stop { slot },
            };
        }
        if falls(self.crashes + self.storage) {
            return Step::Start { slot };
        }
        if falls(self.links) {
            return links(slot, draw);
        }
        if falls(self.restores) {
            return match draw.below(2) {
                0 => Step::BackUp { slot },
                _ => Step::Restore { slot },
            };
        }
        let marks = draw.one_of(1, &[1, 2, 5]) as usize;
        match draw.below(100) {
            0..50 => Step::Change {
                slot,
                changes: draw.between(1, 3) as usize,
                marks,
            },
            50..55 => Step::Change {
                slot,
                changes: draw.between(20, 150) as usize,
                marks: 1,
            },
            55..70 => Step::Put { slot },
            70..98 => Step::Look { slot },
            _ => Step::Calm,
        }
    }
}

fn links(slot: usize, draw: &mut Draw) -> Step {
    match draw.below(8) {
        0 | 1 => Step::Partition {
            sides: draw.below(1 << SLOTS),
        },
        2 => Step::Cut {
            from: slot,
            to: draw.below(SLOTS as u64) as usize,
        },
        3 | 4 => Step::Heal,
        _ => Step::Network {
            loss: draw.one_of(0, &[5, 30]),
            dup: draw.one_of(0, &[10, 50]),
            refusal: draw.one_of(0, &[0, 5]),
        },
    }
}
