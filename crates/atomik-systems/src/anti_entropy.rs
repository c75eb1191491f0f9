//! Anti-entropy for replicas that number their updates: gaps in the numbers, version vectors, and
//! the next peer to compare with.

use atomik_arena::system::{Micros, NodeId};

/// The gaps above `upto` and up to `last`, given the waiting numbers in order.
pub(crate) fn gaps(
    upto: u64,
    waiting: impl IntoIterator<Item = u64>,
    last: u64,
) -> Vec<(u64, u64)> {
    let mut gaps = Vec::new();
    let mut first = upto + 1;
    for number in waiting {
        if first < number {
            gaps.push((first, number - 1));
        }
        first = number + 1;
    }
    if first <= last {
        gaps.push((first, last));
    }
    gaps
}

/// The entries of a node's version vector that grew since it last announced them, except its own.
pub(crate) fn grown(node: NodeId, now: &[u64], told: &[u64]) -> Vec<(u32, u64)> {
    (0..)
        .zip(now.iter().zip(told))
        .filter(|&(origin, (now, told))| origin as NodeId != node && now > told)
        .map(|(origin, (&now, _))| (origin, now))
        .collect()
}

/// A node's comparisons with its peers: one per interval, with each peer in turn.
#[derive(Debug)]
pub(crate) struct Rounds {
    node: NodeId,
    interval: Micros,
    turn: NodeId,
    next: Micros,
}

impl Rounds {
    /// No comparison has been made.
    pub(crate) fn new(node: NodeId, interval: Micros) -> Self {
        Self {
            node,
            interval,
            turn: node,
            next: 0,
        }
    }

    /// The peer to compare with, of those that are up, if a comparison is due. None at the start.
    pub(crate) fn due(&mut self, now: Micros, up: &[bool]) -> Option<NodeId> {
        if now < self.next {
            return None;
        }
        let nodes = up.len();
        // Staggered, so that the nodes do not compare in step.
        let phase = self.interval * self.node as u64 / nodes as u64;
        self.next = now - now % self.interval + self.interval + phase;
        let peer = (1..=nodes)
            .map(|step| (self.turn + step) % nodes)
            .find(|&peer| peer != self.node && up[peer])
            .filter(|_| now > 0)?;
        self.turn = peer;
        Some(peer)
    }

    /// When the next comparison is due.
    pub(crate) fn next(&self) -> Micros {
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_all_that_neither_came_nor_waits() {
        assert_eq!(gaps(3, [], 3), []);
        assert_eq!(gaps(3, [], 5), [(4, 5)]);
        assert_eq!(gaps(0, [2, 3, 6], 8), [(1, 1), (4, 5), (7, 8)]);
        assert_eq!(gaps(0, [1, 2], 2), []);
    }

    #[test]
    fn an_update_names_what_came_from_others_since_the_last() {
        assert_eq!(grown(1, &[4, 9, 2, 5], &[4, 8, 1, 0]), [(2, 2), (3, 5)]);
    }

    #[test]
    fn peers_that_are_up_take_turns() {
        let mut rounds = Rounds::new(1, 100);
        assert_eq!(rounds.due(0, &[true; 4]), None);
        let mut asked = |up: &[bool; 4]| {
            let at = rounds.next();
            assert_eq!(rounds.due(at - 1, up), None);
            rounds.due(at, up)
        };
        let all = [(); 4].map(|()| asked(&[true; 4]));
        assert_eq!(all, [Some(2), Some(3), Some(0), Some(2)]);
        assert_eq!(asked(&[true, true, false, false]), Some(0));
        assert_eq!(asked(&[false, true, false, false]), None);
    }
}
