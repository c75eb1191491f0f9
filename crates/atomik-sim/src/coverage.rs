//! Functional coverage: which situations the stimulus has reached.
//!
//! | group | one bin for each |
//! |---|---|
//! | hazard | earlier command, later command, distance 0 to 8 cycles between them, both on one address, with the address clean or dirty as the later one finds it |
//! | reset | op of lane 0 accepted 0 to `LATENCY` + 1 cycles before `rst` rises (0: in the very cycle, and so dropped) |
//! | ready | command accepted in the first or second cycle with `ready` high |
//! | deaf | command offered while `ready` is low |
//! | clear | a reset while a clear is running; of one cycle; of several |
//!
//! A command is a lane with what it does: the eight op codes on lane 0, ACCUM on the others. The
//! earlier command of a hazard is the latest one that its lane sent to the address. Only bins that
//! can be reached exist: two commands of one cycle are on different lanes, and on a single lane
//! nothing makes an address dirty between a LOAD, SWAP or DRAIN and the next command.

use crate::golden::Timing;
use crate::record::Layout;
use crate::stimulus::{MAX_DISTANCE, freezes, op_name};
use atomik_algebra::{DynRegisterFile, Op};
use std::fmt;

/// A lane and what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Command {
    lane: u32,
    op: u8,
}

/// Lane 0's eight codes, then one command for each other lane.
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

/// One address's latest command from one lane.
#[derive(Clone, Copy, Debug)]
struct Latest {
    cycle: u64,
    op: u8,
}

/// Bins that the stimulus fills as it goes by.
#[derive(Clone, Debug)]
pub struct Coverage {
    layout: Layout,
    timing: Timing,
    /// hits[earlier][later][distance][dirty]
    hazard: Vec<u64>,
    /// hits[op][cycles before rst]
    reset: Vec<u64>,
    /// hits[command][cycles after ready rose: 0, 1]
    ready: Vec<u64>,
    /// hits[command]
    deaf: Vec<u64>,
    /// Resets in a clear, of one cycle, of several cycles.
    clear: [u64; 3],
    file: DynRegisterFile,
    latest: Vec<Option<Latest>>,
    /// Ops accepted on lane 0 in the latest cycles, newest first.
    history: Vec<Option<u8>>,
    cycle: u64,
    wait: u32,
    ready_for: u64,
    reset_for: u64,
    value: Vec<u64>,
    scratch: Vec<u64>,
}

/// One group of bins, counted.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Group {
    /// Name of the group.
    pub name: String,
    /// Bins that exist.
    pub bins: u64,
    /// Bins that were hit.
    pub hit: u64,
}

impl Coverage {
    /// Empty bins for the shape `layout`.
    ///
    /// # Errors
    /// When the tables cannot be allocated.
    pub fn new(layout: Layout, timing: Timing) -> Result<Coverage, atomik_algebra::Error> {
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
            file: DynRegisterFile::new(layout.width(), layout.depth())?,
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

    /// Whether the design can be in this situation at all.
    fn reachable(&self, earlier: Command, later: Command, distance: usize, dirty: bool) -> bool {
        let freezes = freezes(earlier.op);
        // Who could have made the address dirty after the freeze? Another lane of its own cycle or
        // of a later one. The later command's own lane could not: its latest command would then
        // be nearer, unless that lane is the earlier one's; and at distance 0 only a lane between.
        let helpers = (1..self.layout.lanes()).filter(|&lane| distance > 0 || lane < later.lane);
        let dirtied = !(freezes && dirty) || helpers.count() > 0;
        (distance > 0 || earlier.lane < later.lane) && dirtied
    }

    /// Counts what the commands in `cmds`, the cycles after those seen before, reach.
    ///
    /// # Errors
    /// A command outside the configuration, which well-formed records cannot hold.
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
            self.file = DynRegisterFile::new(layout.width(), layout.depth())?;
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
        self.latest[addr * lanes + lane as usize] = Some(Latest {
            cycle: self.cycle,
            op,
        });
        self.file
            .apply(Op::from_code(op), addr, &self.value, &mut self.scratch)?;
        Ok(())
    }

    /// Adds the hits of `other`, which is of the same shape.
    ///
    /// # Panics
    /// When the shapes differ.
    pub fn merge_from(&mut self, other: &Coverage) {
        assert_eq!(
            (self.layout, self.timing),
            (other.layout, other.timing),
            "coverage of one shape"
        );
        let add = |a: &mut [u64], b: &[u64]| a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
        add(&mut self.hazard, &other.hazard);
        add(&mut self.reset, &other.reset);
        add(&mut self.ready, &other.ready);
        add(&mut self.deaf, &other.deaf);
        add(&mut self.clear, &other.clear);
    }

    /// Every bin that exists: its group, what it stands for, and how often it was hit.
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
        hazard.chain(reset).chain(ready).chain(deaf).chain(clear)
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

    /// What was never reached.
    pub fn holes(&self) -> Vec<String> {
        self.bins()
            .filter(|(_, _, hits)| *hits == 0)
            .map(|(_, what, _)| what)
            .collect()
    }
}
