//! The network between replicas: links that can be cut in one direction, and a fate for every
//! message.

use crate::draw::fate;
use crate::setup::{HORIZON, LinkConditions};

/// All links, and the conditions that they share.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    seed: u64,
    conditions: LinkConditions,
    /// Whether the link is cut, by sender and receiver.
    cut: Vec<Vec<bool>>,
    /// The time of the last message, and how many were sent at that time.
    burst: (u64, u64),
}

impl Network {
    pub(crate) fn new(seed: u64, replicas: usize, conditions: LinkConditions) -> Self {
        Self {
            seed,
            conditions,
            cut: vec![vec![false; replicas]; replicas],
            burst: (0, 0),
        }
    }

    pub(crate) fn set_link(&mut self, from: usize, to: usize, works: bool) {
        self.cut[from][to] = !works;
    }

    /// Restores all links, and ends loss, duplication and long delays.
    pub(crate) fn heal(&mut self) {
        self.conditions = LinkConditions {
            delay: 1,
            ..LinkConditions::default()
        };
        self.cut.iter_mut().flatten().for_each(|cut| *cut = false);
    }

    /// What an outsider draws on to play a trick when a packet is sent at `now`; `None` if it does
    /// not. To be called after [`Network::send`].
    pub(crate) fn trick(&self, now: u64) -> Option<u64> {
        let word = fate(self.seed, &[10, now, self.burst.1]);
        (word % 1000 < self.conditions.tricks).then(|| fate(word, &[0]))
    }

    /// The times at which a message sent at `now` arrives: none, one or two.
    pub(crate) fn send(&mut self, now: u64, from: usize, to: usize) -> impl Iterator<Item = u64> {
        if self.burst.0 != now {
            self.burst = (now, 0);
        }
        self.burst.1 += 1;
        let conditions = self.conditions;
        let base = fate(self.seed, &[now, from as u64, to as u64, self.burst.1]);
        let lost = self.cut[from][to] || fate(base, &[0]) % 1000 < conditions.loss;
        let copies = if lost {
            0
        } else {
            1 + u64::from(fate(base, &[1]) % 1000 < conditions.duplicates)
        };
        (0..copies).map(move |copy| {
            let late = fate(base, &[2, copy]) % 1000 < conditions.stragglers;
            let most = if late { HORIZON / 2 } else { conditions.delay };
            now + 1 + fate(base, &[3, copy]) % most.max(1)
        })
    }
}
