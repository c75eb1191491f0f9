use atomik_algebra::Op;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

use crate::command::{Command, Data};
use crate::geometry::Geometry;

/// An endless random trace, a pure function of geometry and seed: the same on every machine.
///
/// It exercises what is hard for a register file: addresses recur at once or soon, deltas cancel,
/// several lanes use one address, and cycles are idle. Lane 0 gets every op, half of them `accum`.
#[derive(Debug, Clone)]
pub struct Random {
    geometry: Geometry,
    source: Xoshiro256PlusPlus,
    /// The cycle of the next command.
    cycle: u64,
    /// The next lane to decide on.
    lane: u32,
    addr: usize,
    data: Data,
}

impl Random {
    /// The trace of `seed` for `geometry`.
    pub fn new(geometry: Geometry, seed: u64) -> Self {
        Self {
            geometry,
            source: Xoshiro256PlusPlus::seed_from_u64(seed),
            cycle: 0,
            lane: 0,
            addr: 0,
            data: Data::ZERO,
        }
    }

    /// A random number below `bound`: the high half of a product, as in Lemire, "Fast random
    /// integer generation in an interval", 2019, but without the rejection step. The bias is at
    /// most `bound / 2^64`.
    fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.source.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    fn op(&mut self) -> Op {
        match self.below(32) {
            0..16 => Op::Accum,
            16..20 => Op::Load,
            20..24 => Op::Read,
            24..26 => Op::Swap,
            26..28 => Op::Delta,
            28..31 => Op::Drain,
            _ => Op::Nop,
        }
    }

    /// The previous address (1/4), one of the first four (1/4), or any.
    fn addr(&mut self) -> usize {
        let depth = self.geometry.depth() as u64;
        match self.below(4) {
            0 => self.addr,
            1 => self.below(depth.min(4)) as usize,
            _ => self.below(depth) as usize,
        }
    }

    /// 0 (1/8), the inverse of the previous value, so that the delta cancels (1/8), all ones (1/8),
    /// or any.
    fn data(&mut self) -> Data {
        let width = self.geometry.width();
        let mut data = match self.below(8) {
            0 => return Data::ZERO,
            1 => return self.data.inverse(&self.geometry.layout()),
            kind => {
                let mut data = Data::ZERO;
                for limb in data.limbs_mut(width) {
                    *limb = if kind == 2 {
                        u64::MAX
                    } else {
                        self.source.next_u64()
                    };
                }
                data
            }
        };
        if let (Some(top), 1..) = (data.limbs_mut(width).last_mut(), width % 64) {
            *top &= (1 << (width % 64)) - 1;
        }
        data
    }
}

impl Iterator for Random {
    type Item = Command;

    fn next(&mut self) -> Option<Command> {
        // Lane 0 is idle in one cycle of eight, every other lane in one of two.
        let lane = loop {
            if self.lane == self.geometry.lanes() {
                self.lane = 0;
                let idle = match self.below(8) {
                    0 => self.below(8),
                    _ => 0,
                };
                self.cycle = self.cycle.checked_add(1 + idle)?;
            }
            let lane = self.lane;
            self.lane += 1;
            let busy = if lane == 0 {
                self.below(8) != 0
            } else {
                self.below(2) != 0
            };
            if busy {
                break lane;
            }
        };
        let op = if lane == 0 { self.op() } else { Op::Accum };
        self.addr = self.addr();
        let data = if op.takes_data() {
            self.data = self.data();
            self.data
        } else {
            Data::ZERO
        };
        Some(Command {
            cycle: self.cycle,
            lane,
            op,
            addr: self.addr,
            data,
        })
    }
}
