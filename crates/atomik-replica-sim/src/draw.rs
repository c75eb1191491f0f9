//! Random draws: from a stream, or as a hash of the circumstances of an event.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// A stream of random draws.
pub(crate) struct Draw(Xoshiro256PlusPlus);

impl Draw {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    pub(crate) fn word(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// One of `0..bound`; 0 if the range is empty.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.word() % bound }
    }

    /// One of `0..bound`, as an index.
    pub(crate) fn index(&mut self, bound: usize) -> usize {
        self.below(bound as u64) as usize
    }

    /// One of `from..=to`.
    pub(crate) fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to - from + 1)
    }

    /// 0 in half of the cases, otherwise one of `1..=most`.
    pub(crate) fn perhaps(&mut self, most: u64) -> u64 {
        if self.percent(50) {
            0
        } else {
            self.between(1, most)
        }
    }

    /// True with this probability in percent.
    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// A hash of the seed and the circumstances of an event, so that an event keeps its fate when
/// others are removed from the schedule. The mixing step is the finalizer of splitmix64 (Steele,
/// Lea, Flood 2014).
pub(crate) fn fate(seed: u64, circumstances: &[u64]) -> u64 {
    circumstances.iter().fold(mix(seed), |word, circumstance| {
        mix(word ^ mix(circumstance.wrapping_add(0x9e37_79b9_7f4a_7c15)))
    })
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

/// A running hash of everything that has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint(pub(crate) u64);

impl Fingerprint {
    pub(crate) fn word(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.word(bytes.len() as u64);
        let (chunks, rest) = bytes.as_chunks::<8>();
        chunks
            .iter()
            .for_each(|chunk| self.word(u64::from_le_bytes(*chunk)));
        rest.iter().for_each(|byte| self.word(u64::from(*byte)));
    }
}
