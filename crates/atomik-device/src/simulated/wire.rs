//! Bits on the simulated pins, and faults on the line.

use std::collections::VecDeque;

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// The rate of each kind of fault, as a probability per byte.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct FaultRates {
    /// One bit of the byte is inverted. Towards the board this may be its start or stop bit.
    pub flip: f64,
    /// The byte is lost.
    pub drop: f64,
    /// A byte of garbage is inserted before it.
    pub insert: f64,
}

impl FaultRates {
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

/// How often each kind of fault has occurred.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultCounts {
    /// Inverted bits.
    pub flips: u64,
    /// Lost bytes.
    pub drops: u64,
    /// Inserted bytes.
    pub inserts: u64,
}

/// The faults of one byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fault {
    /// A byte to insert before it.
    pub insert: Option<u8>,
    /// Whether it is lost.
    pub drop: bool,
    /// The bit to invert, counted from the lowest.
    pub flip: Option<u32>,
}

/// Decides the faults of one direction. The same seed gives the same faults.
#[derive(Clone, Debug)]
pub(super) struct FaultInjector {
    rates: FaultRates,
    pub counts: FaultCounts,
    random: Xoshiro256PlusPlus,
}

impl FaultInjector {
    pub fn new(rates: FaultRates, seed: u64) -> Self {
        Self {
            rates,
            counts: FaultCounts::default(),
            random: Xoshiro256PlusPlus::seed_from_u64(seed),
        }
    }

    fn strikes(&mut self, rate: f64) -> bool {
        // 53 bits, so that every value is exact in an f64; a rate of 1 always strikes.
        let draw = (self.random.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        draw < rate
    }

    /// The faults of the next byte, which travels as `bits` bits.
    pub fn next(&mut self, bits: u32) -> Fault {
        let mut fault = Fault::default();
        if self.strikes(self.rates.insert) {
            fault.insert = Some(self.random.next_u64() as u8);
            self.counts.inserts += 1;
        }
        if self.strikes(self.rates.drop) {
            fault.drop = true;
            self.counts.drops += 1;
        } else if self.strikes(self.rates.flip) {
            fault.flip = Some((self.random.next_u64() % u64::from(bits)) as u32);
            self.counts.flips += 1;
        }
        fault
    }
}

/// The bits of a byte on the line: start bit, data, stop bit.
pub(super) const BITS: u32 = 10;

/// The line levels of `byte`, the first one in the lowest bit.
pub(super) fn levels(byte: u8) -> u16 {
    u16::from(byte) << 1 | 1 << 9
}

/// A UART receiver: decodes the levels of a line into bytes, sampling each bit in its middle.
#[derive(Clone, Debug)]
pub(super) struct Sampler {
    cycles_per_bit: u64,
    level: bool,
    /// When the next bit of the current byte is sampled; none between bytes.
    next: Option<u64>,
    /// The number of bits sampled.
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

    /// Whether a byte is being received.
    pub fn is_busy(&self) -> bool {
        self.next.is_some()
    }

    /// The line kept its level until cycle `until`. Completed bytes are appended to `bytes`.
    fn keep(&mut self, until: u64, bytes: &mut VecDeque<u8>) {
        while let Some(next) = self.next.filter(|&next| next < until) {
            self.bits |= u16::from(self.level) << self.count;
            self.count += 1;
            self.next = Some(next + self.cycles_per_bit);
            if self.count == BITS {
                self.next = None;
                // Without a stop bit it is not a byte.
                if self.bits & 1 << 9 != 0 {
                    bytes.push_back((self.bits >> 1) as u8);
                }
            }
        }
    }

    /// The line changed at each of `changes` and was observed until cycle `until`.
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
        let mut faults = FaultInjector::new(FaultRates::all(1.0), 1);
        let mut calm = FaultInjector::new(FaultRates::NONE, 1);
        for _ in 0..100 {
            let fault = faults.next(BITS);
            assert!(fault.insert.is_some() && fault.drop);
            assert_eq!(calm.next(BITS), Fault::default());
        }
        assert_eq!((faults.counts.drops, faults.counts.inserts), (100, 100));
        assert_eq!(calm.counts, FaultCounts::default());
    }
}
