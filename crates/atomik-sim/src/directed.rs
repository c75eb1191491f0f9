//! Directed stimulus: an enumeration of every hazard, of every op around a reset, and of carries.

use crate::golden::Timing;
use crate::record::{CommandRecord, Layout};
use crate::stimulus::{ACCUM, Cycle, Offer, Stimulus, clears_delta};
use atomik_algebra::{Layout as Fields, Op};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use std::collections::VecDeque;

/// The largest distance, in cycles, between two commands to one address that is covered. No command
/// stays in flight for longer between a lane's read and its write.
pub const MAX_DISTANCE: u32 = 8;

/// Every hazard once: each pair of commands on each pair of lanes at each distance, on a clean and
/// on a dirty address; then every op at every distance before, during and after a reset; and if a
/// field adds, deltas that carry through all its bits, at each distance.
#[derive(Clone, Debug)]
pub struct Directed {
    layout: Layout,
    /// The layout of a word.
    fields: Fields,
    timing: Timing,
    rng: Xoshiro256PlusPlus,
    next: Option<Scene>,
    queue: VecDeque<Cycle>,
    address: usize,
}

/// A part of the directed stimulus.
#[derive(Clone, Copy, Debug)]
enum Scene {
    Start,
    Hazard(Hazard),
    Reset { op: u8, before: u32 },
    AfterReset { lane: u32, op: u8, after: u32 },
    ResetInClear { wait: u32 },
    Carry { distance: u32 },
}

/// Two commands to one address.
#[derive(Clone, Copy, Debug)]
struct Hazard {
    earlier: Command,
    later: Command,
    /// Cycles between them.
    distance: u32,
    /// Whether the delta is not 0 when the later one takes effect.
    dirty: bool,
}

/// A lane and an op code.
type Command = (u32, u8);

/// The first in the order of [`next_command`].
const FIRST_COMMAND: Command = (0, 0);

impl Hazard {
    /// The next hazard in the enumeration for `lanes` lanes: by dirty, then distance, then later
    /// command, then earlier command.
    fn next(self, lanes: u32) -> Option<Hazard> {
        if !self.dirty {
            return Some(Hazard {
                dirty: true,
                ..self
            });
        }
        if self.distance < MAX_DISTANCE {
            return Some(Hazard {
                distance: self.distance + 1,
                dirty: false,
                ..self
            });
        }
        let (earlier, later) = match next_command(self.later, lanes) {
            Some(later) => (self.earlier, later),
            None => (next_command(self.earlier, lanes)?, FIRST_COMMAND),
        };
        Some(Hazard {
            earlier,
            later,
            // Two commands in one cycle are on different lanes, the earlier one on the lower.
            distance: u32::from(earlier.0 >= later.0),
            dirty: false,
        })
    }
}

/// The kind of value of a directed command. An odd and an even value never cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value {
    Zero,
    Odd,
    Even,
}

/// The next command in the order of lane 0's op codes, then ACCUM on every other lane.
fn next_command((lane, op): Command, lanes: u32) -> Option<Command> {
    match (lane, op) {
        (0, 0..=6) => Some((0, op + 1)),
        (lane, _) if lane + 1 < lanes => Some((lane + 1, ACCUM)),
        _ => None,
    }
}

impl Directed {
    /// Directed stimulus for records of `layout`, with words of `fields`. `seed` affects only data.
    /// The first cycle has `rst` high.
    pub fn new(layout: Layout, fields: Fields, timing: Timing, seed: u64) -> Directed {
        Directed {
            layout,
            fields,
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

    fn offer(&mut self, (lane, op): Command, kind: Value) -> Offer {
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

    /// Cycle `at`, counted from the front of the queue, which is extended if necessary.
    fn cycle_mut(&mut self, at: usize) -> &mut Cycle {
        if self.queue.len() <= at {
            self.queue.resize_with(at + 1, Cycle::default);
        }
        &mut self.queue[at]
    }

    /// Adds `offer` to cycle `at`, counted from the front of the queue.
    fn put(&mut self, at: usize, offer: Offer) {
        self.cycle_mut(at).offers.push(offer);
    }

    /// Reads state and delta of the address.
    fn observe(&mut self) {
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
            Scene::Hazard(hazard) => self.enact_hazard(hazard),
            Scene::Reset { op, before } => self.enact_reset(op, before),
            Scene::AfterReset { lane, op, after } => {
                self.reset(1);
                self.idle(self.timing.clear_cycles - 1 + after);
                let command = self.offer((lane, op), Value::Odd);
                self.queue.push_back(Cycle {
                    reset: false,
                    offers: vec![command],
                });
                self.observe();
                self.idle(MAX_DISTANCE);
                self.observe();
            }
            Scene::ResetInClear { wait } => {
                self.reset(1);
                self.idle(wait);
                self.reset(2);
                self.idle(self.timing.clear_cycles - 1);
                self.observe();
            }
            Scene::Carry { distance } => self.enact_carry(distance),
        }
    }

    /// After a reset, when all sums are 0: a delta that is odd in every field and, on the same lane
    /// `distance` cycles later, its inverse. Their sum carries through all bits of every field that
    /// adds and out of it, and is 0.
    fn enact_carry(&mut self, distance: u32) {
        self.reset(1);
        self.idle(self.timing.clear_cycles - 1);
        let lane = distance % self.layout.lanes();
        let load = self.offer((0, Op::Load.code()), Value::Odd);
        let mut delta = self.offer((lane, ACCUM), Value::Odd);
        for field in self.fields.fields() {
            delta.data[field.offset as usize / 64] |= 1 << (field.offset % 64);
        }
        let mut inverse = delta.clone();
        self.fields.inverse(&mut inverse.data);
        let start = self.queue.len();
        self.put(start, load);
        self.put(start + 1, delta);
        self.put(start + 1 + distance as usize, inverse);
        self.observe();
        self.idle(MAX_DISTANCE);
        self.observe();
    }

    fn enact_hazard(&mut self, hazard: Hazard) {
        let Hazard {
            earlier,
            later,
            distance,
            dirty,
        } = hazard;
        // Start from a known state that has left the pipeline: delta 0, or one delta on lane 0.
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
        let lane_1_is_free = self.layout.lanes() > 1 && (distance > 0 || later.0 > 1);
        if dirty && clears_delta(earlier.1) && earlier.0 == 0 && lane_1_is_free {
            // Make the address dirty again, by a delta on lane 1 that takes effect after the op on
            // lane 0 in the same cycle.
            let delta = self.offer((1, ACCUM), Value::Odd);
            self.put(start, delta);
        }
        let second = self.offer(later, Value::Odd);
        self.put(start + distance as usize, second);
        self.observe();
        self.idle(MAX_DISTANCE);
        self.observe();
    }

    /// Resets `before` cycles after `op` on lane 0 and a delta on every other lane.
    fn enact_reset(&mut self, op: u8, before: u32) {
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
        self.cycle_mut(2 + before as usize).reset = true;
        self.reset(before % 3);
        // Commands that must be ignored, until the clear ends.
        for _ in 0..self.timing.clear_cycles - 1 {
            let ignored = self.offer((0, op), Value::Odd);
            self.queue.push_back(Cycle {
                reset: false,
                offers: vec![ignored],
            });
        }
        self.observe();
    }

    /// The scene after `scene`.
    fn after(&self, scene: Scene) -> Option<Scene> {
        let lanes = self.layout.lanes();
        let in_flight = self.timing.latency + 1;
        match scene {
            Scene::Start => Some(Scene::Hazard(Hazard {
                earlier: FIRST_COMMAND,
                later: FIRST_COMMAND,
                distance: 1,
                dirty: false,
            })),
            Scene::Hazard(hazard) => Some(match hazard.next(lanes) {
                Some(hazard) => Scene::Hazard(hazard),
                None => Scene::Reset { op: 0, before: 0 },
            }),
            Scene::Reset { op, before } if before < in_flight => Some(Scene::Reset {
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
                if wait < self.timing.clear_cycles {
                    return Some(Scene::ResetInClear { wait });
                }
                (!self.fields.is_xor()).then_some(Scene::Carry { distance: 1 })
            }
            Scene::Carry { distance } => (distance < MAX_DISTANCE).then_some(Scene::Carry {
                distance: distance + 1,
            }),
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
