//! Faults injected between engine and replica, for tests and demonstrations: over TCP alone,
//! messages are never duplicated or reordered.
//!
//! Incoming messages are lost, duplicated and delayed at random, drawn from a seed. Reordering is
//! an extra delay of some messages.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::str::FromStr;
use std::time::Duration;

use atomik_net::PeerId;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use thiserror::Error;
use tokio::time::Instant;

/// Limit of delayed messages; more are lost.
const MAX_HELD: usize = 4096;

/// The longest delay in milliseconds: an hour.
const MAX_DELAY: u64 = 3_600_000;

/// The faults of incoming messages. As text: `seed=1,loss=0.05,dup=0.1,reorder=0.2,delay=50`, where
/// every part is optional, probabilities are 0 to 1, and the delay is in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Faults {
    /// The seed.
    pub seed: u64,
    /// Probability that a message is lost.
    pub loss: f64,
    /// Probability that a message arrives twice.
    pub dup: f64,
    /// Probability of an extra delay of three times `delay` plus 20 ms.
    pub reorder: f64,
    /// The maximum delay in milliseconds, at most an hour; every message is delayed by 0 to this.
    pub delay: u64,
}

/// The text does not describe [`Faults`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "{part:?} is not a fault: write for example seed=1,loss=0.05,dup=0.1,reorder=0.2,delay=50 \
     (probabilities 0 to 1, delay in milliseconds, at most {MAX_DELAY})"
)]
pub struct FaultsError {
    /// The invalid part of the text.
    pub part: String,
}

impl FromStr for Faults {
    type Err = FaultsError;

    fn from_str(text: &str) -> Result<Self, FaultsError> {
        let mut faults = Self::default();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let invalid = || FaultsError {
                part: part.to_owned(),
            };
            let (name, value) = part.split_once('=').ok_or_else(invalid)?;
            let number = || value.parse().map_err(|_| invalid());
            let probability = || match value.parse() {
                Ok(probability) if (0.0..=1.0).contains(&probability) => Ok(probability),
                _ => Err(invalid()),
            };
            match name {
                "seed" => faults.seed = number()?,
                "delay" => {
                    faults.delay = number()?;
                    if faults.delay > MAX_DELAY {
                        return Err(invalid());
                    }
                }
                "loss" => faults.loss = probability()?,
                "dup" => faults.dup = probability()?,
                "reorder" => faults.reorder = probability()?,
                _ => return Err(invalid()),
            }
        }
        Ok(faults)
    }
}

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

    #[test]
    fn faults_are_read_part_by_part_and_other_text_is_rejected() {
        let faults: Faults = "seed=3,dup=0.5,delay=20".parse().unwrap();
        assert_eq!(
            (faults.seed, faults.dup, faults.loss, faults.delay),
            (3, 0.5, 0.0, 20)
        );
        assert_eq!("".parse::<Faults>().unwrap(), Faults::default());
        for text in [
            "dup",
            "dup=2",
            "dup=-0.1",
            "dup=NaN",
            "late=1",
            "delay=1.5",
            "delay=3600001",
            "delay=18446744073709551615",
        ] {
            assert!(text.parse::<Faults>().is_err(), "{text}");
        }
    }

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
