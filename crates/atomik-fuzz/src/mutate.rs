//! Mutations of inputs, for the tests; libFuzzer has its own.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// The mutation with number `number` of an input: up to eight bytes replaced, flipped, inserted,
/// removed or repeated, and sometimes a part of another input. The same arguments give the same
/// bytes.
pub fn mutate(input: &[u8], others: &[Vec<u8>], number: u64) -> Vec<u8> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(number);
    let mut below = |bound: usize| (random.next_u64() % bound.max(1) as u64) as usize;
    let mut bytes = input.to_vec();
    for _ in 0..=below(8) {
        let at = below(bytes.len() + 1);
        match below(7) {
            0 if at < bytes.len() => bytes[at] = below(256) as u8,
            1 if at < bytes.len() => bytes[at] ^= 1 << below(8),
            2 => bytes.insert(at, [0, 1, 0x7f, 0x80, 0xff][below(5)]),
            3 => bytes.truncate(at),
            4 => bytes.extend_from_within(at..),
            5 if at < bytes.len() => {
                bytes.remove(at);
            }
            _ => {
                let Some(other) = others.get(below(others.len())) else {
                    continue;
                };
                let from = below(other.len() + 1);
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
        }
    }
    bytes
}
