//! Faults injected between engine and replica, for tests and demonstrations: over TCP alone,
//! messages are never duplicated or reordered.
//!
//! Incoming messages are lost, duplicated and delayed at random, drawn from a seed. Reordering is
//! an extra delay of some messages.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use atomik_net::PeerId;
pub use atomik_node_options::faults::{Faults, FaultsError, MAX_DELAY};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use tokio::time::Instant;

/// Limit of delayed messages; more are lost.
const MAX_HELD: usize = 4096;

/// Delayed messages.
#[derive(Debug)]
pub(crate) struct Delays {
    faults: Faults,
    rng: Xoshiro256PlusPlus,
    held: BinaryHeap<Reverse<Held>>,
    /// Breaks ties, so that messages without a delay keep their order.
    next: u64,
    /// Messages lost at random or for lack of room.
    pub(crate) lost: u64,
}

type Held = (Instant, u64, PeerId, Vec<u8>);

impl Delays {
    pub(crate) fn new(faults: Faults) -> Self {
        Self {
            faults,
            rng: Xoshiro256PlusPlus::seed_from_u64(faults.seed),
            held: BinaryHeap::new(),
            next: 0,
            lost: 0,
        }
    }

    /// Replaces the faults; messages already delayed keep their time.
    pub(crate) fn set(&mut self, faults: Faults) {
        self.faults = faults;
        self.rng = Xoshiro256PlusPlus::seed_from_u64(faults.seed);
    }

    pub(crate) fn put(&mut self, from: PeerId, bytes: Vec<u8>) {
        if self.happens(self.faults.loss) {
            self.lost += 1;
            return;
        }
        if self.happens(self.faults.dup) {
            self.hold(from, bytes.clone());
        }
        self.hold(from, bytes);
    }

    fn hold(&mut self, from: PeerId, bytes: Vec<u8>) {
        if self.held.len() >= MAX_HELD {
            self.lost += 1;
            return;
        }
        let longest = self.faults.delay.min(MAX_DELAY);
        let mut delay = self.rng.next_u64() % (longest + 1);
        if self.happens(self.faults.reorder) {
            delay += 3 * longest + 20;
        }
        let due = Instant::now() + Duration::from_millis(delay);
        self.next += 1;
        self.held.push(Reverse((due, self.next, from, bytes)));
    }

    fn happens(&mut self, chance: f64) -> bool {
        ((self.rng.next_u64() >> 11) as f64) < chance * (1_u64 << 53) as f64
    }

    /// When the next delayed message is due.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.held.peek().map(|Reverse(held)| held.0)
    }

    pub(crate) fn take(&mut self) -> Option<(PeerId, Vec<u8>)> {
        self.held
            .pop()
            .map(|Reverse((_, _, from, bytes))| (from, bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_delay_is_longer_than_the_longest() {
        let mut delays = Delays::new(Faults {
            delay: u64::MAX,
            reorder: 1.0,
            ..Faults::default()
        });
        let latest = Instant::now() + Duration::from_millis(4 * MAX_DELAY + 21);
        (0..100).for_each(|n| delays.put([n; 16], vec![n]));
        while let Some(due) = delays.due() {
            assert!(due <= latest + Duration::from_secs(60));
            delays.take();
        }
    }

    #[tokio::test]
    async fn without_faults_messages_keep_their_order() {
        let mut delays = Delays::new(Faults::default());
        (0..100).for_each(|n| delays.put([n; 16], vec![n]));
        let order: Vec<u8> = std::iter::from_fn(|| delays.take())
            .map(|(from, _)| from[0])
            .collect();
        assert_eq!(order, (0..100).collect::<Vec<u8>>());
    }

    #[tokio::test]
    async fn duplicates_losses_and_late_messages_are_drawn_from_the_seed() {
        let run = |text: &str| {
            let mut delays = Delays::new(text.parse().unwrap());
            (0..100).for_each(|n| delays.put([n; 16], vec![n]));
            std::iter::from_fn(move || delays.take())
                .map(|(from, _)| from[0])
                .collect::<Vec<u8>>()
        };
        assert!(run("seed=1,dup=0.2").len() > 100);
        assert!(run("seed=1,loss=0.2").len() < 100);
        let late = run("seed=1,reorder=0.2");
        assert_eq!(late.len(), 100);
        assert!(!late.is_sorted());
    }
}
