//! Functional coverage: the situations that the stimulus has reached.
//!
//! | group | one bin per |
//! |---|---|
//! | hazard | two commands to one address: earlier, later, distance, clean or dirty |
//! | reset | op on lane 0 accepted 0 to `LATENCY` + 1 cycles before `rst` rises |
//! | ready | command accepted in the first or second cycle with `ready` high |
//! | deaf | command offered while `ready` is low |
//! | clear | kind of reset: while a clear is running, of one cycle, of several cycles |
//! | carry | field that adds, and what a carry does in it |
//!
//! A command is a lane and an op: the eight op codes on lane 0, ACCUM on the others. The distance
//! of a hazard is 0 to 8 cycles; its earlier command is the latest that its lane sent to the
//! address, and clean or dirty is the address before the later command. A command in the cycle in
//! which `rst` rises (distance 0) is dropped.
//!
//! A carry is one of the addition of a delta to all earlier deltas of its lane to the address. Its
//! bins, for each field that adds: a carry out of the field, and then a response from the address,
//! so that a carry that leaks into the next field is seen; a carry into every bit; and a carry into
//! the highest bit 1 to 8 cycles after the lane's latest delta to the address.
//!
//! There are bins only for reachable situations: two commands in one cycle are on different lanes,
//! and with a single lane no address becomes dirty between a LOAD, SWAP or DRAIN and the next
//! command.

use crate::directed::MAX_DISTANCE;
use crate::golden::Timing;
use crate::record::Layout;
use crate::stimulus::{clears_delta, op_name};
use atomik_algebra::{DynRegisterFile, Field, FieldKind, Layout as Fields, Op};
use std::fmt;

/// A lane and its op.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Command {
    lane: u32,
    op: u8,
}

/// The number of a command: lane 0's eight op codes, then one command for each other lane.
fn command_index(lane: u32, op: u8) -> usize {
    if lane == 0 {
        usize::from(op)
    } else {
        7 + lane as usize
    }
}

fn command_at(index: usize) -> Command {
    if index < 8 {
        Command {
            lane: 0,
            op: index as u8,
        }
    } else {
        Command {
            lane: index as u32 - 7,
            op: Op::Accum.code(),
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on lane {}", op_name(self.op), self.lane)
    }
}

/// The latest command from one lane to one address.
#[derive(Clone, Copy, Debug)]
struct Latest {
    cycle: u64,
    op: u8,
}

/// Coverage bins, which count what the stimulus reaches.
#[derive(Clone, Debug)]
pub struct Coverage {
    layout: Layout,
    timing: Timing,
    /// Hits by `[earlier][later][distance][dirty]`.
    hazard: Vec<u64>,
    /// Hits by `[op][cycles before rst]`.
    reset: Vec<u64>,
    /// Hits by `[command][cycles after ready rose, 0 or 1]`.
    ready: Vec<u64>,
    /// Hits by `[command]`.
    deaf: Vec<u64>,
    /// Resets during a clear, of one cycle, and of several cycles.
    clear: [u64; 3],
    carry: Carries,
    file: DynRegisterFile,
    latest: Vec<Option<Latest>>,
    /// Ops accepted on lane 0 in the last cycles, newest first.
    history: Vec<Option<u8>>,
    cycle: u64,
    wait: u32,
    ready_for: u64,
    reset_for: u64,
    value: Vec<u64>,
    scratch: Vec<u64>,
}

/// What carries have reached, in words with fields that add.
#[derive(Clone, Debug)]
struct Carries {
    /// The layout of a word.
    words: Fields,
    /// The fields that add.
    fields: Vec<Field>,
    /// Hits by field: a carry out of it, one into every bit, and one into the highest bit at each
    /// distance from 1.
    hits: Vec<[u64; CARRY_BINS]>,
    /// The sum of all deltas since the last reset, by address and lane; empty if no field adds.
    totals: Vec<u64>,
    /// The fields with a carry out of them since the last response, one bit each, by address.
    pending: Vec<u32>,
}

const CARRY_OUT: usize = 0;
const CARRY_THROUGH: usize = 1;
/// The position before that of distance 1.
const CARRY_AFTER: usize = 1;
const CARRY_BINS: usize = CARRY_AFTER + MAX_DISTANCE as usize + 1;

impl Carries {
    fn new(layout: Layout, words: Fields) -> Carries {
        let adding: Vec<Field> = words
            .fields()
            .filter(|field| field.kind == FieldKind::Add)
            .collect();
        let (depth, limbs) = match adding.len() {
            0 => (0, 0),
            _ => (layout.depth(), layout.lanes() as usize * layout.limbs()),
        };
        Carries {
            hits: vec![[0; CARRY_BINS]; adding.len()],
            totals: vec![0; depth * limbs],
            pending: vec![0; depth],
            words,
            fields: adding,
        }
    }

    fn reset(&mut self) {
        self.totals.fill(0);
        self.pending.fill(0);
    }

    /// A delta to the total at `at`, `distance` cycles after the lane's latest to that address.
    fn accumulate(&mut self, addr: usize, at: usize, delta: &[u64], distance: Option<u64>) {
        let Some(total) = self.totals.get_mut(at..at + delta.len()) else {
            return;
        };
        let before = total.to_vec();
        self.words.combine(total, delta);
        let bit = |limbs: &[u64], i: u32| limbs[i as usize / 64] >> (i % 64) & 1 == 1;
        // The carry into bit i is what the sum of the two bits lacks.
        let into = |i: u32| bit(total, i) ^ bit(&before, i) ^ bit(delta, i);
        for (index, (field, hits)) in self.fields.iter().zip(&mut self.hits).enumerate() {
            let top = field.offset + field.bits - 1;
            let ones = [bit(&before, top), bit(delta, top), into(top)];
            if ones.iter().filter(|one| **one).count() >= 2 {
                self.pending[addr] |= 1 << index;
            }
            if field.bits > 1 {
                let through = (field.offset + 1..=top).all(into);
                hits[CARRY_THROUGH] += u64::from(through);
                if let Some(distance @ 1..=8) = distance.filter(|_| into(top)) {
                    hits[CARRY_AFTER + distance as usize] += 1;
                }
            }
        }
    }

    /// A LOAD of, or a response from, the address.
    fn observe(&mut self, addr: usize, responds: bool) {
        let Some(pending) = self.pending.get_mut(addr) else {
            return;
        };
        let seen = std::mem::take(pending);
        for (index, hits) in self.hits.iter_mut().enumerate() {
            hits[CARRY_OUT] += u64::from(responds && seen >> index & 1 == 1);
        }
    }

    fn bins(&self) -> impl Iterator<Item = (&'static str, String, u64)> + '_ {
        self.fields
            .iter()
            .zip(&self.hits)
            .flat_map(|(field, hits)| {
                let bins = if field.bits > 1 { CARRY_BINS } else { 1 };
                let name = format!("add:{} at bit {}", field.bits, field.offset);
                (0..bins).map(move |bin| {
                    let what = match bin {
                        CARRY_OUT => format!("carry out of {name}, then a response"),
                        CARRY_THROUGH => format!("carry into every bit of {name}"),
                        _ => format!(
                            "carry into the highest bit of {name}, {} cycles after a delta",
                            bin - CARRY_AFTER
                        ),
                    };
                    ("carry", what, hits[bin])
                })
            })
    }
}

/// Bins and hits of one group.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Group {
    /// Name of the group.
    pub name: String,
    /// The number of bins.
    pub bins: u64,
    /// The number of bins that were hit.
    pub hit: u64,
}

impl Coverage {
    /// Empty bins for records of `layout`, with words of `fields`.
    ///
    /// # Errors
    /// When the tables cannot be allocated.
    ///
    /// # Panics
    /// When the widths differ.
    pub fn new(
        layout: Layout,
        fields: Fields,
        timing: Timing,
    ) -> Result<Coverage, atomik_algebra::Error> {
        assert_eq!(fields.width(), layout.width(), "as wide as the records");
        let commands = 7 + layout.lanes() as usize;
        let distances = MAX_DISTANCE as usize + 1;
        Ok(Coverage {
            layout,
            timing,
            hazard: vec![0; commands * commands * distances * 2],
            reset: vec![0; 8 * (timing.latency as usize + 2)],
            ready: vec![0; commands * 2],
            deaf: vec![0; commands],
            clear: [0; 3],
            carry: Carries::new(layout, fields),
            file: DynRegisterFile::with_layout(fields, layout.depth())?,
            latest: vec![None; layout.depth() * layout.lanes() as usize],
            history: vec![None; timing.latency as usize + 2],
            cycle: 0,
            wait: timing.clear_cycles,
            ready_for: 0,
            reset_for: 0,
            value: vec![0; layout.limbs()],
            scratch: vec![0; layout.limbs()],
        })
    }

    fn commands(&self) -> usize {
        7 + self.layout.lanes() as usize
    }

    fn hazard_index(&self, earlier: usize, later: usize, distance: usize, dirty: bool) -> usize {
        ((earlier * self.commands() + later) * (MAX_DISTANCE as usize + 1) + distance) * 2
            + usize::from(dirty)
    }

    /// Whether the situation can occur.
    fn reachable(&self, earlier: Command, later: Command, distance: usize, dirty: bool) -> bool {
        // After an op that clears the delta, another lane must make the address dirty, in the same
        // cycle or in a later one. At distance 0 that is a lane below the later command's.
        let mut others = (1..self.layout.lanes()).filter(|&lane| distance > 0 || lane < later.lane);
        let can_be_dirty = !clears_delta(earlier.op) || others.next().is_some();
        (distance > 0 || earlier.lane < later.lane) && (!dirty || can_be_dirty)
    }

    /// Counts what the next cycles, those in `cmds`, reach.
    ///
    /// # Errors
    /// When a command does not fit the configuration, which well-formed records rule out.
    pub fn observe(&mut self, cmds: &[u64]) -> Result<(), atomik_algebra::Error> {
        for cycle in 0..cmds.len() / self.layout.cmd_words() {
            self.observe_cycle(cmds, cycle)?;
        }
        Ok(())
    }

    fn observe_cycle(&mut self, cmds: &[u64], index: usize) -> Result<(), atomik_algebra::Error> {
        let layout = self.layout;
        let cmd = layout.command(cmds, index);
        let ready = self.wait == 0;
        self.history.rotate_right(1);
        self.history[0] = (ready && cmd.valid(0)).then(|| cmd.op());
        if cmd.reset() {
            if self.reset_for == 0 {
                let flight = self.timing.latency as usize + 2;
                for (before, op) in self.history.iter().enumerate() {
                    if let Some(op) = op {
                        self.reset[usize::from(*op) * flight + before] += 1;
                    }
                }
                self.clear[0] += u64::from(!ready && self.cycle > 0);
            }
            self.reset_for += 1;
            self.history.fill(None);
            self.wait = self.timing.clear_cycles - 1;
            self.ready_for = 0;
            self.latest.fill(None);
            self.file = DynRegisterFile::with_layout(self.file.layout(), layout.depth())?;
            self.carry.reset();
        } else {
            match std::mem::take(&mut self.reset_for) {
                0 => {}
                1 => self.clear[1] += 1,
                _ => self.clear[2] += 1,
            }
            for lane in 0..layout.lanes() {
                if cmd.valid(lane) {
                    let op = if lane == 0 {
                        cmd.op()
                    } else {
                        Op::Accum.code()
                    };
                    if ready {
                        cmd.data(lane, &mut self.value);
                        self.accepted(lane, op, cmd.addr(lane))?;
                    } else {
                        self.deaf[command_index(lane, op)] += 1;
                    }
                }
            }
            self.ready_for += u64::from(ready);
            self.wait = self.wait.saturating_sub(1);
        }
        self.cycle += 1;
        Ok(())
    }

    fn accepted(&mut self, lane: u32, op: u8, addr: usize) -> Result<(), atomik_algebra::Error> {
        let later = command_index(lane, op);
        if self.ready_for < 2 {
            self.ready[later * 2 + self.ready_for as usize] += 1;
        }
        let dirty = !self.file.delta(addr, &mut self.scratch)?;
        let lanes = self.layout.lanes() as usize;
        let own = addr * lanes + lane as usize;
        match Op::from_code(op) {
            Op::Accum => {
                let latest = self.latest[own].filter(|latest| latest.op == Op::Accum.code());
                self.carry.accumulate(
                    addr,
                    own * self.layout.limbs(),
                    &self.value,
                    latest.map(|latest| self.cycle - latest.cycle),
                );
            }
            op @ (Op::Load | Op::Read | Op::Swap | Op::Delta | Op::Drain) => {
                self.carry.observe(addr, op.responds());
            }
            _ => {}
        }
        for from in 0..lanes {
            if let Some(latest) = self.latest[addr * lanes + from] {
                let distance = self.cycle - latest.cycle;
                if distance <= u64::from(MAX_DISTANCE) {
                    let earlier = command_index(from as u32, latest.op);
                    let bin = self.hazard_index(earlier, later, distance as usize, dirty);
                    self.hazard[bin] += 1;
                }
            }
        }
        self.latest[own] = Some(Latest {
            cycle: self.cycle,
            op,
        });
        self.file
            .apply(Op::from_code(op), addr, &self.value, &mut self.scratch)?;
        Ok(())
    }

    /// Adds the hits of `other`.
    ///
    /// # Panics
    /// When layout or timing differ.
    pub fn merge_from(&mut self, other: &Coverage) {
        assert_eq!(
            (self.layout, self.timing, self.file.layout()),
            (other.layout, other.timing, other.file.layout()),
            "both of one configuration"
        );
        let add = |a: &mut [u64], b: &[u64]| a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
        add(&mut self.hazard, &other.hazard);
        add(&mut self.reset, &other.reset);
        add(&mut self.ready, &other.ready);
        add(&mut self.deaf, &other.deaf);
        add(&mut self.clear, &other.clear);
        for (a, b) in self.carry.hits.iter_mut().zip(&other.carry.hits) {
            add(a, b);
        }
    }

    /// All bins: group, description, and number of hits.
    fn bins(&self) -> impl Iterator<Item = (&'static str, String, u64)> + '_ {
        let commands = self.commands();
        let hazard = (0..commands).flat_map(move |earlier| {
            (0..commands).flat_map(move |later| {
                (0..=MAX_DISTANCE as usize).flat_map(move |distance| {
                    [false, true].into_iter().filter_map(move |dirty| {
                        let (e, l) = (command_at(earlier), command_at(later));
                        let hits = self.hazard[self.hazard_index(earlier, later, distance, dirty)];
                        let state = if dirty { "dirty" } else { "clean" };
                        self.reachable(e, l, distance, dirty).then(|| {
                            (
                                "hazard",
                                format!("{e}, then {l} {distance} cycles later, {state}"),
                                hits,
                            )
                        })
                    })
                })
            })
        });
        let flight = self.timing.latency as usize + 2;
        let reset = self.reset.iter().enumerate().map(move |(i, &hits)| {
            let command = command_at(i / flight);
            (
                "reset",
                format!("{command}, {} cycles before rst", i % flight),
                hits,
            )
        });
        let ready = self.ready.iter().enumerate().map(|(i, &hits)| {
            (
                "ready",
                format!("{}, {} cycles after ready rose", command_at(i / 2), i % 2),
                hits,
            )
        });
        let deaf = self.deaf.iter().enumerate().map(|(i, &hits)| {
            (
                "deaf",
                format!("{}, while ready is low", command_at(i)),
                hits,
            )
        });
        let names = [
            "reset during a clear",
            "reset of one cycle",
            "reset of several cycles",
        ];
        let clear = names
            .into_iter()
            .zip(self.clear)
            .map(|(name, hits)| ("clear", name.to_string(), hits));
        let carry = self.carry.bins();
        hazard
            .chain(reset)
            .chain(ready)
            .chain(deaf)
            .chain(clear)
            .chain(carry)
    }

    /// Bins and hits by group.
    pub fn groups(&self) -> Vec<Group> {
        let mut groups: Vec<Group> = vec![];
        for (name, _, hits) in self.bins() {
            let at = groups
                .iter()
                .position(|g| g.name == name)
                .unwrap_or_else(|| {
                    groups.push(Group {
                        name: name.into(),
                        bins: 0,
                        hit: 0,
                    });
                    groups.len() - 1
                });
            groups[at].bins += 1;
            groups[at].hit += u64::from(hits > 0);
        }
        groups
    }

    /// Descriptions of the empty bins.
    pub fn holes(&self) -> Vec<String> {
        self.bins()
            .filter(|(_, _, hits)| *hits == 0)
            .map(|(_, what, _)| what)
            .collect()
    }
}
