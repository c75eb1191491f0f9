//! Bits on the simulated pins, and what may go wrong with them.

use std::collections::VecDeque;

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// How often each kind of fault strikes, as a probability for each byte.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    /// One bit of the byte is inverted; on the way to the board this may be its start or its stop
    /// bit.
    pub flip: f64,
    /// The byte is lost.
    pub drop: f64,
    /// A byte that nobody has sent comes before it.
    pub insert: f64,
}

impl Rates {
    /// No faults.
    pub const NONE: Self = Self {
        flip: 0.0,
        drop: 0.0,
        insert: 0.0,
    };

    /// Each kind of fault with the same probability.
    #[must_use]
    pub const fn all(rate: f64) -> Self {
        Self {
            flip: rate,
            drop: rate,
            insert: rate,
        }
    }
}

/// How many faults of each kind there have been.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Struck {
    /// Bits inverted.
    pub flips: u64,
    /// Bytes lost.
    pub drops: u64,
    /// Bytes added.
    pub inserts: u64,
}

/// What faults make of the next byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mishap {
    /// A byte to send before it.
    pub insert: Option<u8>,
    /// Do not send it.
    pub drop: bool,
    /// Invert this bit, counted from the lowest of `bits`.
    pub flip: Option<u32>,
}

/// A source of faults for one direction: the same for the same seed.
#[derive(Clone, Debug)]
pub(crate) struct Faults {
    pub rates: Rates,
    pub struck: Struck,
    source: Xoshiro256PlusPlus,
}

impl Faults {
    pub fn new(rates: Rates, seed: u64) -> Self {
        Self {
            rates,
            struck: Struck::default(),
            source: Xoshiro256PlusPlus::seed_from_u64(seed),
        }
    }

    fn strikes(&mut self, rate: f64) -> bool {
        // 53 bits, so that every value is exact in an f64; a rate of 1 always strikes.
        let draw = (self.source.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        draw < rate
    }

    /// The fate of a byte that travels as `bits` bits.
    pub fn next(&mut self, bits: u32) -> Mishap {
        let mut mishap = Mishap::default();
        if self.strikes(self.rates.insert) {
            mishap.insert = Some(self.source.next_u64() as u8);
            self.struck.inserts += 1;
        }
        if self.strikes(self.rates.drop) {
            mishap.drop = true;
            self.struck.drops += 1;
        } else if self.strikes(self.rates.flip) {
            mishap.flip = Some((self.source.next_u64() % u64::from(bits)) as u32);
            self.struck.flips += 1;
        }
        mishap
    }
}

/// Bits of a byte on the line: start bit, data, stop bit.
pub(crate) const BITS: u32 = 10;

/// The levels of the bits of `byte`, the first one lowest.
pub(crate) fn levels(byte: u8) -> u16 {
    u16::from(byte) << 1 | 1 << 9
}

/// Makes bytes of the levels of a line, sampling each bit in its middle, as any UART does.
#[derive(Clone, Debug)]
pub(crate) struct Sampler {
    cycles_per_bit: u64,
    level: bool,
    /// Of the byte under way: when the next bit is sampled, how many have been, and what they were.
    next: Option<u64>,
    count: u32,
    bits: u16,
}

impl Sampler {
    pub fn new(cycles_per_bit: u64) -> Self {
        Self {
            cycles_per_bit,
            level: true,
            next: None,
            count: 0,
            bits: 0,
        }
    }

    /// Whether a byte is under way.
    pub fn is_busy(&self) -> bool {
        self.next.is_some()
    }

    /// The line has kept its level until the cycle `until`; what that completes goes to `bytes`.
    fn keep(&mut self, until: u64, bytes: &mut VecDeque<u8>) {
        while let Some(next) = self.next.filter(|&next| next < until) {
            self.bits |= u16::from(self.level) << self.count;
            self.count += 1;
            self.next = Some(next + self.cycles_per_bit);
            if self.count == BITS {
                self.next = None;
                // A byte without a stop bit is none.
                if self.bits & 1 << 9 != 0 {
                    bytes.push_back((self.bits >> 1) as u8);
                }
            }
        }
    }

    /// The line has changed at each of `changes`, and has been watched until the cycle `until`.
    pub fn watch(&mut self, changes: &[u64], until: u64, bytes: &mut VecDeque<u8>) {
        for &change in changes {
            self.keep(change, bytes);
            self.level = !self.level;
            if !self.level && self.next.is_none() {
                self.next = Some(change + self.cycles_per_bit / 2);
                self.count = 0;
                self.bits = 0;
            }
        }
        self.keep(until, bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sampler_reads_back_to_back_bytes_in_any_portions() {
        for portion in [1, 7, 80, 1000] {
            let (mut changes, mut level, mut now) = (Vec::new(), true, 100);
            for byte in [0x00, 0xff, 0x55, 0xa3] {
                for bit in 0..BITS {
                    let next = levels(byte) >> bit & 1 != 0;
                    if next != level {
                        changes.push(now);
                    }
                    level = next;
                    now += 8;
                }
            }
            let mut sampler = Sampler::new(8);
            let mut bytes = VecDeque::new();
            let mut from = 0;
            while from < now + 8 {
                let until = from + portion;
                let here: Vec<u64> = changes
                    .iter()
                    .copied()
                    .filter(|change| (from..until).contains(change))
                    .collect();
                sampler.watch(&here, until, &mut bytes);
                from = until;
            }
            assert_eq!(bytes, [0x00, 0xff, 0x55, 0xa3], "portions of {portion}");
            assert!(!sampler.is_busy());
        }
    }

    #[test]
    fn a_rate_of_one_always_strikes_and_none_never_does() {
        let mut faults = Faults::new(Rates::all(1.0), 1);
        let mut calm = Faults::new(Rates::NONE, 1);
        for _ in 0..100 {
            let mishap = faults.next(BITS);
            assert!(mishap.insert.is_some() && mishap.drop);
            assert_eq!(calm.next(BITS), Mishap::default());
        }
        assert_eq!((faults.struck.drops, faults.struck.inserts), (100, 100));
        assert_eq!(calm.struck, Struck::default());
    }
}
