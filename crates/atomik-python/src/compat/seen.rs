//! Which messages a stream has had, so that none counts twice.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

/// How many messages without an origin are remembered.
const REMEMBERED: usize = 1 << 16;

/// The messages that a stream has had.
#[derive(Default)]
pub struct Seen {
    /// Their numbers by origin, as ranges: first number to last.
    known: HashMap<u64, BTreeMap<u64, u64>>,
    /// The content of those whose origin nobody has said, oldest first.
    order: VecDeque<Content>,
    unknown: HashSet<Content>,
    /// Address and delta of the last own ones, in the order of their numbers; nothing for a delta
    /// that does not fit into a message of 16 bytes.
    own: VecDeque<Option<(u32, u64)>>,
    /// The number of the last own one.
    last: u64,
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

    /// Takes all numbers that own messages have had, as those of an origin.
    pub fn own_until_now(&mut self, origin: u64) {
        self.known.insert(origin, BTreeMap::from([(0, self.last)]));
    }

    /// Takes an own message, and gives it its number.
    pub fn own(&mut self, addr: u32, delta: Option<u64>) -> u64 {
        if self.own.len() == REMEMBERED {
            self.own.pop_front();
        }
        self.own.push_back(delta.map(|delta| (addr, delta)));
        self.last += 1;
        self.last
    }

    /// Whether an own message among those remembered has this content.
    fn is_own(&self, (addr, delta, seq): Content) -> bool {
        let back = self.last.checked_sub(seq.into());
        let back = back.and_then(|back| usize::try_from(back).ok());
        let at = back.and_then(|back| self.own.len().checked_sub(back + 1));
        at.is_some_and(|at| self.own[at] == Some((addr, delta)))
    }

    /// Takes a message by its content. Returns whether it is new among those remembered.
    pub fn content(&mut self, content: Content) -> bool {
        if self.is_own(content) || !self.unknown.insert(content) {
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
