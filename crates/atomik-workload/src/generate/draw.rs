//! Random draws, and the two mathematical functions that they need.
//!
//! The documentation of `f64::ln` and `f64::exp` allows their last bit to differ between platforms,
//! and one bit can move an operation into the next millisecond. Both are computed here from
//! operations whose results IEEE 754 defines exactly.

use std::f64::consts::{LN_2, SQRT_2};

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// A stream of draws: xoshiro256++.
#[derive(Clone, Debug)]
pub(super) struct Draw(Xoshiro256PlusPlus);

impl Draw {
    pub(super) fn new(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    pub(super) fn word(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// One of `0..bound`, or 0 if that is empty. The bias is below `bound` in 2^64.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.word()) * u128::from(bound)) >> 64) as u64
    }

    /// One of `0..bound`, as an index.
    pub(super) fn index(&mut self, bound: usize) -> usize {
        self.below(bound as u64) as usize
    }

    /// One of `from..=to`.
    pub(super) fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to - from + 1)
    }

    /// A number in [0, 1).
    pub(super) fn unit(&mut self) -> f64 {
        (self.word() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// True with this probability in percent.
    pub(super) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// Milliseconds to the next of independent events at this rate, exponentially distributed.
    pub(super) fn gap_ms(&mut self, per_second: f64) -> f64 {
        -ln(1.0 - self.unit()) * 1000.0 / per_second
    }
}

/// Hashes two numbers with the finalizer of splitmix64 (Steele, Lea, Flood 2014).
pub(super) fn scatter(seed: u64, number: u64) -> u64 {
    let mut z = seed ^ number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The natural logarithm of a positive normal number.
pub(super) fn ln(x: f64) -> f64 {
    let bits = x.to_bits();
    let mut exponent = ((bits >> 52) & 0x7ff) as i64 - 1023;
    let mut mantissa = f64::from_bits((bits & ((1 << 52) - 1)) | (1023 << 52));
    if mantissa > SQRT_2 {
        mantissa /= 2.0;
        exponent += 1;
    }
    // ln m = 2 artanh((m - 1) / (m + 1)); the quotient is at most 0.172, so the 12th term is below
    // 2^-60.
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let square = s * s;
    let series = (0..12)
        .rev()
        .fold(0.0, |sum, k| sum * square + 1.0 / f64::from(2 * k + 1));
    exponent as f64 * LN_2 + 2.0 * s * series
}

/// e to the power of `x`, for `x` up to 700; 0 below -700.
pub(super) fn exp(x: f64) -> f64 {
    if x < -700.0 {
        return 0.0;
    }
    let power = (x / LN_2 + 0.5).floor();
    let rest = x - power * LN_2;
    // The Taylor series by Horner; |rest| is at most 0.35, so the 16th term is below 2^-60.
    let series = (1..16)
        .rev()
        .fold(1.0, |sum, k| 1.0 + sum * rest / f64::from(k));
    series * f64::from_bits(((1023 + power as i64) as u64) << 52)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn logarithm_and_exponential_are_those_of_the_platform_but_for_rounding(
            x in prop_oneof![1e-12..1.0f64, 1.0..1e12f64],
            y in -600.0..600.0f64,
        ) {
            let (own, platform) = (ln(x), x.ln());
            prop_assert!(
                (own - platform).abs() <= 1e-14 * (1.0 + platform.abs()),
                "ln {x}: {own} {platform}"
            );
            prop_assert!((exp(y) / y.exp() - 1.0).abs() < 1e-12, "exp {y}: {} {}", exp(y), y.exp());
        }
    }

    #[test]
    fn gaps_have_the_mean_of_the_rate() {
        let mut draw = Draw::new(1);
        let total: f64 = (0..100_000).map(|_| draw.gap_ms(50.0)).sum();
        assert!((total / 100_000.0 - 20.0).abs() < 0.3, "{total}");
    }
}
