//! Stimulus: seeded streams of command records, the same on every machine.
//!
//! [`Random`] follows a [`Profile`]: a mix of ops, addresses, data, occupancy and resets, redrawn
//! every few cycles so that bursts of one character follow each other. [`Directed`] enumerates
//! every hazard: each pair of commands on each pair of lanes at each distance, clean and dirty, and
//! every op at every distance from a reset.

use crate::golden::Timing;
use crate::record::{CommandRecord, Layout};
use atomik_algebra::Op;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// A source of command records, one cycle after the other.
pub trait Stimulus {
    /// Writes the next cycle's inputs into `record`, which may hold anything before.
    fn drive(&mut self, record: &mut CommandRecord<&mut [u64]>);

    /// Whether every cycle from here on is idle.
    fn finished(&self) -> bool {
        false
    }
}

/// Writes the coming cycles into `cmds`, as many as it has records.
pub fn fill(stimulus: &mut (impl Stimulus + ?Sized), layout: &Layout, cmds: &mut [u64]) {
    for cycle in 0..cmds.len() / layout.cmd_words() {
        stimulus.drive(&mut layout.command_mut(cmds, cycle));
    }
}

/// What a random stimulus is made of. Weights are relative to each other; a weight of 0 never
/// happens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Lane 0's ops, by code 0 to 7.
    pub ops: [u32; 8],
    /// Where commands go: same address again, ping-pong between few, strides, uniform.
    pub locality: [u32; 4],
    /// Data: random, all zeros, all ones, one walking bit, the value before once more.
    pub data: [u32; 5],
    /// How many of the lanes offer a command: all, three of four, half, one of eight, none (an idle
    /// gap).
    pub occupancy: [u32; 5],
    /// Mean number of ready cycles between resets; 0 for no reset after the first.
    pub reset_every: u32,
}

impl Profile {
    /// The profiles that a regression names.
    pub const NAMES: [&str; 5] = ["mixed", "hazard", "accumulate", "reset", "sparse"];

    /// A bit of everything.
    pub fn mixed() -> Profile {
        Profile {
            ops: [1, 2, 6, 4, 2, 2, 2, 1],
            locality: [2, 3, 1, 2],
            data: [6, 1, 1, 1, 2],
            occupancy: [6, 2, 2, 1, 1],
            reset_every: 20_000,
        }
    }

    /// Few addresses, every lane busy: commands meet at every distance.
    pub fn hazard() -> Profile {
        Profile {
            locality: [3, 5, 0, 0],
            occupancy: [8, 2, 1, 0, 0],
            ..Profile::mixed()
        }
    }

    /// The profile called `name`; none when there is no such profile.
    pub fn named(name: &str) -> Option<Profile> {
        Some(match name {
            "mixed" => Profile::mixed(),
            "hazard" => Profile::hazard(),
            // One command per lane and cycle, nearly all of them deltas.
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

/// Random numbers below a bound: exact for the small bounds in use, and cheap.
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

/// The character of the present burst.
#[derive(Clone, Copy, Debug)]
enum Locality {
    Same,
    PingPong,
    Stride,
    Uniform,
}

/// Random stimulus that follows a [`Profile`].
#[derive(Clone, Debug)]
pub struct Random {
    layout: Layout,
    timing: Timing,
    profile: Profile,
    rng: Xoshiro256PlusPlus,
    /// 256 op codes in the proportions of the profile: one byte of randomness draws one.
    ops: [u8; 256],
    locality: Locality,
    data: usize,
    /// A lane is busy when a byte of randomness is below this.
    busy_below: u64,
    /// Addresses of the present burst.
    spots: [u64; 4],
    stride: u64,
    /// Cycles left in the burst.
    burst: u64,
    /// Cycles until the next reset; none when there will be none.
    until_reset: Option<u64>,
    /// Cycles left with `rst` high.
    reset_left: u64,
    walk: u32,
    value: Vec<u64>,
}

impl Random {
    /// Stimulus for the shape `layout`. The first cycle has `rst` high.
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

    fn resets(&mut self) -> bool {
        if let Some(0) = self.until_reset {
            self.reset_left = 1 + below(&mut self.rng, 8).saturating_sub(4);
            let every = u64::from(self.profile.reset_every);
            self.until_reset = (every > 0).then(|| {
                let clear = u64::from(self.timing.clear_cycles);
                // One reset in eight comes in the middle of the clear.
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
        if self.resets() {
            record.set_reset(true);
        }
        if self.burst == 0 {
            self.new_burst();
        }
        self.burst -= 1;
        let draw = self.rng.next_u64();
        record.set_op(self.ops[(draw & 255) as usize]);
        // Copied out, so that they live in registers while the lanes are driven.
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

/// The largest distance, in cycles, at which two commands to one address are covered. Nothing in
/// the pipeline stays in flight for longer between a lane's read and its write.
pub const MAX_DISTANCE: u32 = 8;

/// The inputs of one cycle, in a form made for building sequences.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cycle {
    /// Is `rst` high?
    pub reset: bool,
    /// What the lanes offer; at most one offer for a lane.
    pub offers: Vec<Offer>,
}

/// What one lane offers in a cycle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The lane.
    pub lane: u32,
    /// The op code, 0 to 7; always 2 (ACCUM) on lanes other than 0.
    pub op: u8,
    /// The address.
    pub addr: usize,
    /// The value or delta, little-endian limbs.
    pub data: Vec<u64>,
}

/// What stands on the ports of lanes without a command, in sequences: the same in every cycle, so
/// that a sequence fails the same way wherever it is played. Any number with about as many ones as
/// zeros will do.
const NOISE: u64 = 0x9e37_79b9_7f4a_7c15;

impl Cycle {
    /// Writes this cycle's inputs into `record`.
    pub fn drive(&self, record: &mut CommandRecord<&mut [u64]>) {
        record.clear_to_noise(NOISE);
        record.set_reset(self.reset);
        for offer in &self.offers {
            if offer.lane == 0 {
                record.set_op(offer.op);
            }
            record.set_lane(offer.lane, true, offer.addr, &offer.data);
        }
    }
}

/// Every hazard once: each earlier and later command, each pair of lanes, each distance, on a clean
/// and on a dirty address; then every op at every distance before, in and after a reset.
#[derive(Clone, Debug)]
pub struct Directed {
    layout: Layout,
    timing: Timing,
    rng: Xoshiro256PlusPlus,
    next: Option<Scene>,
    queue: VecDeque<Cycle>,
    address: usize,
}

/// What the directed stimulus shows next.
#[derive(Clone, Copy, Debug)]
enum Scene {
    Start,
    Hazard {
        earlier: (u32, u8),
        later: (u32, u8),
        distance: u32,
        dirty: bool,
    },
    Reset {
        op: u8,
        before: u32,
    },
    AfterReset {
        lane: u32,
        op: u8,
        after: u32,
    },
    ResetInClear {
        wait: u32,
    },
}

/// What a directed command carries. An odd and an even value never cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value {
    Zero,
    Odd,
    Even,
}

/// Whether the op with this code clears the delta.
pub(crate) fn freezes(code: u8) -> bool {
    matches!(Op::from_code(code), Op::Load | Op::Swap | Op::Drain)
}

/// The name that reports give the op with this code; the reserved one has none of its own.
pub(crate) fn op_name(code: u8) -> &'static str {
    if code == 7 {
        "op 7"
    } else {
        Op::from_code(code).name()
    }
}

const ACCUM: u8 = Op::Accum as u8;

/// Lane 0's op codes in order, then ACCUM on every other lane.
fn next_command((lane, op): (u32, u8), lanes: u32) -> Option<(u32, u8)> {
    match (lane, op) {
        (0, 0..=6) => Some((0, op + 1)),
        (lane, _) if lane + 1 < lanes => Some((lane + 1, ACCUM)),
        _ => None,
    }
}

impl Directed {
    /// The directed stimulus for the shape `layout`; `seed` only chooses data. The first cycle has
    /// `rst` high.
    pub fn new(layout: Layout, timing: Timing, seed: u64) -> Directed {
        Directed {
            layout,
            timing,
            rng: Xoshiro256PlusPlus::seed_from_u64(seed),
            next: Some(Scene::Start),
            queue: VecDeque::new(),
            address: 0,
        }
    }

    fn value(&mut self, kind: Value) -> Vec<u64> {
        let width = self.layout.width();
        let mut value: Vec<u64> = (0..self.layout.limbs())
            .map(|_| {
                if kind == Value::Zero {
                    0
                } else {
                    self.rng.next_u64()
                }
            })
            .collect();
        if !width.is_multiple_of(64)
            && let Some(top) = value.last_mut()
        {
            *top &= u64::MAX >> (64 - width % 64);
        }
        value[0] = value[0] & !1 | u64::from(kind == Value::Odd);
        value
    }

    fn offer(&mut self, (lane, op): (u32, u8), kind: Value) -> Offer {
        Offer {
            lane,
            op,
            addr: self.address,
            data: self.value(kind),
        }
    }

    fn idle(&mut self, cycles: u32) {
        for _ in 0..cycles {
            self.queue.push_back(Cycle::default());
        }
    }

    /// Puts `offers` into cycle `at`, counted from the front of the queue.
    fn put(&mut self, at: usize, offer: Offer) {
        while self.queue.len() <= at {
            self.queue.push_back(Cycle::default());
        }
        self.queue[at].offers.push(offer);
    }

    /// Reads state and delta of the present address.
    fn look(&mut self) {
        for op in [Op::Read, Op::Delta] {
            let offer = self.offer((0, op.code()), Value::Zero);
            self.queue.push_back(Cycle {
                reset: false,
                offers: vec![offer],
            });
        }
    }

    fn reset(&mut self, cycles: u32) {
        for _ in 0..cycles {
            self.queue.push_back(Cycle {
                reset: true,
                offers: vec![],
            });
        }
    }

    fn enact(&mut self, scene: Scene) {
        self.address = (self.address + 1) % self.layout.depth();
        match scene {
            Scene::Start => {
                self.reset(1);
                self.idle(self.timing.clear_cycles);
            }
            Scene::Hazard {
                earlier,
                later,
                distance,
                dirty,
            } => {
                // A known start, settled: delta 0, or one delta on lane 0.
                let load = self.offer((0, Op::Load.code()), Value::Odd);
                self.put(0, load);
                if dirty {
                    let delta = self.offer((0, ACCUM), Value::Odd);
                    self.put(1, delta);
                }
                let start = 2 + MAX_DISTANCE as usize;
                let kind = if dirty { Value::Even } else { Value::Zero };
                let first = self.offer(earlier, kind);
                self.put(start, first);
                let free = self.layout.lanes() > 1 && (distance > 0 || later.0 > 1);
                if dirty && freezes(earlier.1) && earlier.0 == 0 && free {
                    // Dirty again, by a delta that takes effect after the freeze of its own cycle.
                    let delta = self.offer((1, ACCUM), Value::Odd);
                    self.put(start, delta);
                }
                let second = self.offer(later, Value::Odd);
                self.put(start + distance as usize, second);
                self.look();
                self.idle(MAX_DISTANCE);
                self.look();
            }
            Scene::Reset { op, before } => {
                let load = self.offer((0, Op::Load.code()), Value::Odd);
                self.put(0, load);
                let delta = self.offer((0, ACCUM), Value::Odd);
                self.put(1, delta);
                let command = self.offer((0, op), Value::Odd);
                self.put(2, command);
                for lane in 1..self.layout.lanes() {
                    let delta = self.offer((lane, ACCUM), Value::Odd);
                    self.put(2, delta);
                }
                let at = 2 + before as usize;
                while self.queue.len() <= at {
                    self.queue.push_back(Cycle::default());
                }
                self.queue[at].reset = true;
                self.reset(before % 3);
                // Commands that nobody may hear, to the end of the clear.
                for _ in 0..self.timing.clear_cycles - 1 {
                    let deaf = self.offer((0, op), Value::Odd);
                    self.queue.push_back(Cycle {
                        reset: false,
                        offers: vec![deaf],
                    });
                }
                self.look();
            }
            Scene::AfterReset { lane, op, after } => {
                self.reset(1);
                self.idle(self.timing.clear_cycles - 1 + after);
                let command = self.offer((lane, op), Value::Odd);
                self.queue.push_back(Cycle {
                    reset: false,
                    offers: vec![command],
                });
                self.look();
                self.idle(MAX_DISTANCE);
                self.look();
            }
            Scene::ResetInClear { wait } => {
                self.reset(1);
                self.idle(wait);
                self.reset(2);
                self.idle(self.timing.clear_cycles - 1);
                self.look();
            }
        }
    }

    /// The scene after `scene`.
    fn after(&self, scene: Scene) -> Option<Scene> {
        let lanes = self.layout.lanes();
        let flight = self.timing.latency + 1;
        let first = (0, 0);
        match scene {
            Scene::Start => Some(Scene::Hazard {
                earlier: first,
                later: first,
                distance: 1,
                dirty: false,
            }),
            Scene::Hazard {
                earlier,
                later,
                distance,
                dirty: false,
            } => Some(Scene::Hazard {
                earlier,
                later,
                distance,
                dirty: true,
            }),
            Scene::Hazard {
                earlier,
                later,
                distance,
                ..
            } if distance < MAX_DISTANCE => Some(Scene::Hazard {
                earlier,
                later,
                distance: distance + 1,
                dirty: false,
            }),
            Scene::Hazard { earlier, later, .. } => {
                let (earlier, later) = match next_command(later, lanes) {
                    Some(later) => (earlier, later),
                    None => match next_command(earlier, lanes) {
                        Some(earlier) => (earlier, first),
                        None => return Some(Scene::Reset { op: 0, before: 0 }),
                    },
                };
                // Two commands of one cycle are on different lanes, the earlier one on the lower.
                let distance = u32::from(earlier.0 >= later.0);
                Some(Scene::Hazard {
                    earlier,
                    later,
                    distance,
                    dirty: false,
                })
            }
            Scene::Reset { op, before } if before < flight => Some(Scene::Reset {
                op,
                before: before + 1,
            }),
            Scene::Reset { op, .. } if op < 7 => Some(Scene::Reset {
                op: op + 1,
                before: 0,
            }),
            Scene::Reset { .. } => Some(Scene::AfterReset {
                lane: 0,
                op: 0,
                after: 0,
            }),
            Scene::AfterReset { lane, op, after: 0 } => {
                Some(Scene::AfterReset { lane, op, after: 1 })
            }
            Scene::AfterReset { lane, op, .. } => match next_command((lane, op), lanes) {
                Some((lane, op)) => Some(Scene::AfterReset { lane, op, after: 0 }),
                None => Some(Scene::ResetInClear { wait: 0 }),
            },
            Scene::ResetInClear { wait } => {
                let wait = wait * 2 + 1;
                (wait < self.timing.clear_cycles).then_some(Scene::ResetInClear { wait })
            }
        }
    }
}

impl Stimulus for Directed {
    fn drive(&mut self, record: &mut CommandRecord<&mut [u64]>) {
        while self.queue.is_empty()
            && let Some(scene) = self.next
        {
            self.enact(scene);
            self.next = self.after(scene);
        }
        self.queue.pop_front().unwrap_or_default().drive(record);
    }

    fn finished(&self) -> bool {
        self.next.is_none() && self.queue.is_empty()
    }
}
