//! Packets that may begin a handshake, so that a replay is noticed.

use std::collections::{BTreeSet, VecDeque};

use crate::packet::Code;

/// The number of packets remembered.
const MAX_SEEN: usize = 4096;

/// The codes of the last packets.
#[derive(Default)]
pub(crate) struct Seen {
    codes: BTreeSet<Code>,
    order: VecDeque<Code>,
}

impl Seen {
    pub(crate) fn contains(&self, code: &Code) -> bool {
        self.codes.contains(code)
    }

    pub(crate) fn record(&mut self, code: Code) {
        if self.codes.insert(code) {
            self.order.push_back(code);
        }
        if self.order.len() > MAX_SEEN
            && let Some(oldest) = self.order.pop_front()
        {
            self.codes.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_code_is_forgotten_when_the_memory_is_full() {
        let code = |n: usize| std::array::from_fn(|i| (n >> (8 * (i % 2))) as u8);
        let mut seen = Seen::default();
        (0..MAX_SEEN).for_each(|n| seen.record(code(n)));
        seen.record(code(0));
        assert!(seen.contains(&code(0)) && seen.contains(&code(MAX_SEEN - 1)));
        seen.record(code(MAX_SEEN));
        assert!(!seen.contains(&code(0)));
        assert!(seen.contains(&code(1)) && seen.contains(&code(MAX_SEEN)));
    }
}
