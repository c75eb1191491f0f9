//! Random stimulus: bursts of commands whose mix follows a [`Profile`].

use crate::golden::Timing;
use crate::record::{CommandRecord, Layout};
use crate::stimulus::Stimulus;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

/// The mix of a random stimulus, as relative weights. A choice with weight 0 never occurs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Ops on lane 0, by code 0 to 7.
    pub ops: [u32; 8],
    /// Address patterns: one address, a few in turn, a stride, uniform.
    pub locality: [u32; 4],
    /// Data patterns: random, all zeros, all ones, a walking bit, the previous value again.
    pub data: [u32; 5],
    /// Share of lanes that offer a command: all, three quarters, half, one eighth, none.
    pub occupancy: [u32; 5],
    /// Mean number of cycles with `ready` high between resets; 0 for no reset after the first.
    pub reset_every: u32,
}

impl Profile {
    /// The names of the predefined profiles.
    pub const NAMES: [&str; 5] = ["mixed", "hazard", "accumulate", "reset", "sparse"];

    /// All ops, patterns and occupancies.
    pub fn mixed() -> Profile {
        Profile {
            ops: [1, 2, 6, 4, 2, 2, 2, 1],
            locality: [2, 3, 1, 2],
            data: [6, 1, 1, 1, 2],
            occupancy: [6, 2, 2, 1, 1],
            reset_every: 20_000,
        }
    }

    /// Few addresses and busy lanes, so that commands to one address occur at every distance.
    pub fn hazard() -> Profile {
        Profile {
            locality: [3, 5, 0, 0],
            occupancy: [8, 2, 1, 0, 0],
            ..Profile::mixed()
        }
    }

    /// The profile with this name, if any.
    pub fn named(name: &str) -> Option<Profile> {
        Some(match name {
            "mixed" => Profile::mixed(),
            "hazard" => Profile::hazard(),
            // A command on every lane in every cycle, nearly all of them ACCUM.
            "accumulate" => Profile {
                ops: [0, 0, 30, 1, 0, 0, 1, 0],
                locality: [1, 1, 1, 5],
                occupancy: [1, 0, 0, 0, 0],
                reset_every: 0,
                ..Profile::mixed()
            },
            "reset" => Profile {
                reset_every: 60,
                locality: [2, 4, 0, 1],
                ..Profile::mixed()
            },
            "sparse" => Profile {
                occupancy: [0, 1, 2, 4, 4],
                ..Profile::mixed()
            },
            _ => return None,
        })
    }
}

/// A random number below `bound`: cheap, and with negligible bias for the small bounds in use.
fn below(rng: &mut impl Rng, bound: u64) -> u64 {
    ((u128::from(rng.next_u64()) * u128::from(bound)) >> 64) as u64
}

fn weighted(rng: &mut impl Rng, weights: &[u32]) -> usize {
    let total: u64 = weights.iter().map(|&w| u64::from(w)).sum();
    let mut draw = below(rng, total.max(1));
    for (i, &w) in weights.iter().enumerate() {
        if draw < u64::from(w) {
            return i;
        }
        draw -= u64::from(w);
    }
    0
}

/// The address pattern of a burst.
#[derive(Clone, Copy, Debug)]
enum Locality {
    Same,
    PingPong,
    Stride,
    Uniform,
}

/// Random stimulus that follows a [`Profile`]. The patterns are redrawn every few cycles, so that
/// bursts of different character follow each other.
#[derive(Clone, Debug)]
pub struct Random {
    layout: Layout,
    timing: Timing,
    profile: Profile,
    rng: Xoshiro256PlusPlus,
    /// 256 op codes in the proportions of the profile, to draw one with a random byte.
    ops: [u8; 256],
    locality: Locality,
    data: usize,
    /// A lane offers a command if a random byte is below this.
    busy_below: u64,
    /// Addresses of the burst.
    spots: [u64; 4],
    stride: u64,
    /// Cycles left in the burst.
    burst: u64,
    /// Cycles until the next reset, if there is to be one.
    until_reset: Option<u64>,
    /// Cycles left with `rst` high.
    reset_left: u64,
    walk: u32,
    value: Vec<u64>,
}

impl Random {
    /// Stimulus for records of `layout`. The first cycle has `rst` high.
    pub fn new(layout: Layout, timing: Timing, profile: Profile, seed: u64) -> Random {
        let total: u64 = profile
            .ops
            .iter()
            .map(|&w| u64::from(w))
            .sum::<u64>()
            .max(1);
        let mut ops = [0u8; 256];
        let (mut code, mut weight) = (0usize, 0u64);
        for (i, op) in ops.iter_mut().enumerate() {
            while code < 7 && i as u64 * total >= (weight + u64::from(profile.ops[code])) * 256 {
                weight += u64::from(profile.ops[code]);
                code += 1;
            }
            *op = code as u8;
        }
        Random {
            layout,
            timing,
            profile,
            rng: Xoshiro256PlusPlus::seed_from_u64(seed),
            ops,
            locality: Locality::Uniform,
            data: 0,
            busy_below: 256,
            spots: [0; 4],
            stride: 1,
            burst: 0,
            until_reset: Some(0),
            reset_left: 0,
            walk: 0,
            value: vec![0; layout.limbs()],
        }
    }

    fn new_burst(&mut self) {
        let rng = &mut self.rng;
        let depth = self.layout.depth() as u64;
        self.burst = 1 + below(rng, 48);
        self.locality = [
            Locality::Same,
            Locality::PingPong,
            Locality::Stride,
            Locality::Uniform,
        ][weighted(rng, &self.profile.locality)];
        self.data = weighted(rng, &self.profile.data);
        self.busy_below = [256, 192, 128, 32, 0][weighted(rng, &self.profile.occupancy)];
        if self.busy_below == 0 {
            self.burst = self.burst.min(12);
        }
        self.spots = std::array::from_fn(|_| below(rng, depth));
        self.stride = 1 + below(rng, depth);
    }

    /// Whether `rst` is high in the next cycle.
    fn next_reset(&mut self) -> bool {
        if let Some(0) = self.until_reset {
            self.reset_left = 1 + below(&mut self.rng, 8).saturating_sub(4);
            let every = u64::from(self.profile.reset_every);
            self.until_reset = (every > 0).then(|| {
                let clear = u64::from(self.timing.clear_cycles);
                // One reset in eight comes while the clear is running.
                if below(&mut self.rng, 8) == 0 {
                    1 + below(&mut self.rng, clear)
                } else {
                    self.reset_left + clear + below(&mut self.rng, 2 * every)
                }
            });
        }
        if let Some(left) = &mut self.until_reset {
            *left -= 1;
        }
        let high = self.reset_left > 0;
        self.reset_left = self.reset_left.saturating_sub(1);
        high
    }
}

impl Stimulus for Random {
    #[inline]
    fn drive(&mut self, record: &mut CommandRecord<&mut [u64]>) {
        record.clear_to_noise(self.rng.next_u64());
        if self.next_reset() {
            record.set_reset(true);
        }
        if self.burst == 0 {
            self.new_burst();
        }
        self.burst -= 1;
        let draw = self.rng.next_u64();
        record.set_op(self.ops[(draw & 255) as usize]);
        // Local copies, which the compiler keeps in registers while the lanes are driven.
        let (layout, limbs, mut rng) = (self.layout, self.layout.limbs(), self.rng.clone());
        let mask = layout.depth() as u64 - 1;
        for lane in 0..layout.lanes() {
            let draw = rng.next_u64();
            if draw & 255 >= self.busy_below {
                continue;
            }
            let addr = match self.locality {
                Locality::Same => self.spots[0],
                Locality::PingPong => self.spots[(draw >> 8) as usize & 3],
                Locality::Stride => {
                    self.spots[0] = (self.spots[0] + self.stride) & mask;
                    self.spots[0]
                }
                Locality::Uniform => (draw >> 8) & mask,
            };
            if self.data == 0 && limbs == 1 {
                record.set_lane(lane, true, addr as usize, &[rng.next_u64()]);
                continue;
            }
            match self.data {
                0 => self
                    .value
                    .iter_mut()
                    .for_each(|limb| *limb = rng.next_u64()),
                1 => self.value.fill(0),
                2 => self.value.fill(u64::MAX),
                3 => {
                    self.walk = (self.walk + 1) % layout.width();
                    self.value.fill(0);
                    self.value[self.walk as usize / 64] = 1 << (self.walk % 64);
                }
                _ => {}
            }
            record.set_lane(lane, true, addr as usize, &self.value);
        }
        self.rng = rng;
    }
}
