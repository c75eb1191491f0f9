//! Which messages a stream has had, so that none counts twice.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

/// How many messages without an origin are remembered.
const REMEMBERED: usize = 1 << 16;

/// The messages that a stream has had.
#[derive(Default)]
pub struct Seen {
    /// Their numbers by origin, as ranges: first number to last.
    known: HashMap<u64, BTreeMap<u64, u64>>,
    /// The content of those whose origin nobody has said, and of own ones, oldest first.
    order: VecDeque<Content>,
    unknown: HashSet<Content>,
}

/// Address, delta and number: all that the 16 bytes of a message have.
pub type Content = (u32, u64, u32);

impl Seen {
    /// Takes number `seq` of an origin. Returns whether it is new.
    pub fn number(&mut self, origin: u64, seq: u64) -> bool {
        let ranges = self.known.entry(origin).or_default();
        let before = ranges
            .range(..=seq)
            .next_back()
            .map(|(first, last)| (*first, *last));
        if before.is_some_and(|(_, last)| seq <= last) {
            return false;
        }
        let first = match before {
            Some((first, last)) if last.checked_add(1) == Some(seq) => first,
            _ => seq,
        };
        let after = seq.checked_add(1);
        let last = after.and_then(|after| ranges.remove(&after)).unwrap_or(seq);
        ranges.insert(first, last);
        true
    }

    /// Takes all numbers of an origin up to `last`.
    pub fn numbers(&mut self, origin: u64, last: u64) {
        self.known.insert(origin, BTreeMap::from([(0, last)]));
    }

    /// Takes a message by its content. Returns whether it is new among those remembered.
    pub fn content(&mut self, content: Content) -> bool {
        if !self.unknown.insert(content) {
            return false;
        }
        self.order.push_back(content);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.unknown.remove(&oldest);
        }
        true
    }
}
