//! Traces on the compiled RTL: what [`run_model`](atomik_trace::run_model) is for the software
//! model.
//!
//! The model is reset, and the trace's cycle 0 is the first cycle with `ready` high. Every later
//! cycle is driven as the trace says, idle ones included, with one exception: of a gap between two
//! commands that is longer than `LATENCY` + [`MARGIN`] cycles, only so many are run. By then the
//! last command has been answered and has left the pipeline, and a register file at rest does not
//! change, so the rest of the gap would show nothing; a trace may thus name cycle 10^18. The
//! answers carry the cycles of the trace.
//!
//! `ready` and `rsp_valid` are checked in every cycle that is run: an answer must come exactly
//! `LATENCY` cycles after its command, and none may come otherwise. What an answer says is for the
//! caller to compare.
//!
//! Memory is constant: two buffers of [`CHUNK`] cycles, and what is in flight.

use std::collections::VecDeque;
use std::fmt;

use atomik_algebra::Op;
use thiserror::Error;

use crate::case::{CaseError, Dut};
use crate::model::{Model, ModelError};
use crate::record::Layout;
use atomik_trace::{Command, Data, Geometry, Response, Trace};

/// Cycles that a gap is run for beyond the latency before the rest of it is skipped. Nothing stays
/// in a pipeline for longer than its latency; the margin is there to see it if something did.
pub const MARGIN: u64 = 32;

/// Cycles that go through the model at a time: few enough for the buffers to stay in cache.
pub const CHUNK: usize = 1024;

/// What registers and memories start with is drawn from this. A trace begins with a reset, so it
/// must not matter.
const POWER_UP: u64 = 1;

/// Why a trace was not run to its end.
#[derive(Debug, Error)]
pub enum Error {
    /// The trace cannot be read.
    #[error(transparent)]
    Trace(#[from] atomik_trace::Error),
    /// The compiled model cannot be loaded.
    #[error(transparent)]
    Load(Box<CaseError>),
    /// The compiled model failed.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The trace is for another register file.
    #[error(
        "the trace is for w{} d{} l{}, the model for w{} d{} l{}; check the trace against the model's",
        trace.width(), trace.depth(), trace.lanes(), model.width(), model.depth(), model.lanes()
    )]
    Geometry {
        /// What the trace is for.
        trace: Geometry,
        /// What the model is for.
        model: Layout,
    },
    /// An output was not what it must be.
    #[error("{name}: {violation}; `atomik sim regress` looks for a short case of it")]
    Violation {
        /// The design.
        name: String,
        /// What was wrong.
        violation: Violation,
    },
}

impl From<CaseError> for Error {
    fn from(error: CaseError) -> Self {
        Self::Load(error.into())
    }
}

/// An output that was not what it must be, in the first cycle in which one was not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation {
    /// When.
    pub cycle: Moment,
    /// The port, of one bit.
    pub port: &'static str,
    /// What it showed; it must be the opposite.
    pub got: bool,
    /// The command that is to be answered in that cycle, if one is.
    pub due: Option<Asked>,
}

/// A cycle of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// So many cycles after the reset, before the trace has begun.
    AfterReset(u64),
    /// The trace's cycle; one after its last command, where it is idle then.
    Trace(u64),
}

/// A command that gets an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Its op.
    pub op: Op,
    /// Its address.
    pub addr: usize,
    /// Its cycle in the trace.
    pub cycle: u64,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cycle {
            Moment::AfterReset(cycle) => write!(f, "cycle {cycle} after the reset")?,
            Moment::Trace(cycle) => write!(f, "cycle {cycle}")?,
        }
        let (expected, got) = (u8::from(!self.got), u8::from(self.got));
        write!(f, ": {} expected {expected}, got {got}", self.port)?;
        if let Some(Asked { op, addr, cycle }) = self.due {
            write!(
                f,
                " (the answer to {} of address {addr} in cycle {cycle})",
                op.name()
            )?;
        }
        Ok(())
    }
}

/// Runs `trace` on `dut` and hands each response to `sink`, in order, with the cycle that its
/// command has in the trace.
///
/// # Errors
/// When the trace is for another register file or cannot be read, when the model fails, and
/// [`Error::Violation`] when `ready` or `rsp_valid` is not what it must be; then those of `sink`,
/// which end the run.
pub fn run_rtl<E: From<Error>>(
    dut: &Dut,
    trace: &mut Trace,
    mut sink: impl FnMut(&Response) -> Result<(), E>,
) -> Result<(), E> {
    let mut run = Run::new(dut, trace.geometry())?;
    let longest = u64::from(dut.timing().latency) + MARGIN;
    run.reset(&mut sink)?;
    let mut cycles = trace.cycles().map_err(Error::from)?;
    let mut last = None;
    while let Some(commands) = cycles.next_cycle().map_err(Error::from)? {
        let Some(&Command { cycle, .. }) = commands.first() else {
            continue;
        };
        let gap = last.map_or(cycle, |last| cycle - last - 1);
        run.idle(gap.min(longest), &mut sink)?;
        if gap > longest {
            run.skip_to(cycle);
        }
        run.drive(commands, &mut sink)?;
        last = Some(cycle);
    }
    run.idle(longest, &mut sink)?;
    run.flush(&mut sink)
}

/// A model in the middle of a trace.
struct Run<'a> {
    dut: &'a Dut,
    layout: Layout,
    model: Model,
    /// Cycles that are not run yet, `filled` of them.
    cmds: Vec<u64>,
    rsps: Vec<u64>,
    filled: usize,
    /// Cycles that were run, from the reset on.
    done: u64,
    /// Answers to come, each with the cycle in which it must: counted as `done` is.
    due: VecDeque<(u64, Asked)>,
    /// Where the trace's cycles lie: from this cycle, counted as `done` is, to the next entry's,
    /// they run on from the one beside it.
    spans: VecDeque<(u64, u64)>,
}

impl<'a> Run<'a> {
    fn new(dut: &'a Dut, trace: Geometry) -> Result<Self, Error> {
        let layout = dut.layout();
        let same = (layout.width(), layout.depth(), layout.lanes())
            == (trace.width(), trace.depth(), trace.lanes());
        if !same {
            return Err(Error::Geometry {
                trace,
                model: layout,
            });
        }
        Ok(Self {
            dut,
            layout,
            model: dut.model(POWER_UP)?,
            cmds: vec![0; CHUNK * layout.cmd_words()],
            rsps: vec![0; CHUNK * layout.rsp_words()],
            filled: 0,
            done: 0,
            due: VecDeque::new(),
            spans: VecDeque::new(),
        })
    }

    /// The cycle that is filled next, counted as `done` is.
    fn now(&self) -> u64 {
        self.done + self.filled as u64
    }

    /// The place in `cmds` for one more cycle, which is idle there.
    fn slot<E: From<Error>>(
        &mut self,
        sink: &mut impl FnMut(&Response) -> Result<(), E>,
    ) -> Result<usize, E> {
        if self.filled == CHUNK {
            self.flush(sink)?;
        }
        self.layout.command_mut(&mut self.cmds, self.filled).clear();
        self.filled += 1;
        Ok(self.filled - 1)
    }

    /// A cycle with `rst` high, and idle ones until `ready` must be.
    fn reset<E: From<Error>>(
        &mut self,
        sink: &mut impl FnMut(&Response) -> Result<(), E>,
    ) -> Result<(), E> {
        let at = self.slot(sink)?;
        self.layout.command_mut(&mut self.cmds, at).set_reset(true);
        let clear = u64::from(self.dut.timing().clear_cycles);
        self.idle(clear - 1, sink)?;
        self.spans.push_back((clear, 0));
        Ok(())
    }

    fn idle<E: From<Error>>(
        &mut self,
        cycles: u64,
        sink: &mut impl FnMut(&Response) -> Result<(), E>,
    ) -> Result<(), E> {
        for _ in 0..cycles {
            self.slot(sink)?;
        }
        Ok(())
    }

    /// Makes the next cycle the trace's `cycle`.
    fn skip_to(&mut self, cycle: u64) {
        self.spans.push_back((self.now(), cycle));
    }

    /// Drives the commands of one cycle.
    fn drive<E: From<Error>>(
        &mut self,
        commands: &[Command],
        sink: &mut impl FnMut(&Response) -> Result<(), E>,
    ) -> Result<(), E> {
        let at = self.slot(sink)?;
        let answer_in = self.done + at as u64 + u64::from(self.dut.timing().latency);
        let mut record = self.layout.command_mut(&mut self.cmds, at);
        for &Command {
            cycle,
            lane,
            op,
            addr,
            data,
        } in commands
        {
            if lane == 0 {
                record.set_op(op.code());
            }
            record.set_lane(lane, true, addr, data.limbs(self.layout.width()));
            if op.responds() {
                self.due.push_back((answer_in, Asked { op, addr, cycle }));
            }
        }
        Ok(())
    }

    /// Runs the cycles that are filled, and passes on the answers that come.
    fn flush<E: From<Error>>(
        &mut self,
        sink: &mut impl FnMut(&Response) -> Result<(), E>,
    ) -> Result<(), E> {
        let cmds = &self.cmds[..self.filled * self.layout.cmd_words()];
        let rsps = &mut self.rsps[..self.filled * self.layout.rsp_words()];
        self.model.run(cmds, rsps).map_err(Error::from)?;
        let clear = u64::from(self.dut.timing().clear_cycles);
        for (at, cycle) in (0..self.filled).zip(self.done..) {
            // Outputs mean nothing before the end of the first cycle with rst high.
            if cycle == 0 {
                continue;
            }
            let rsp = self.layout.response(&self.rsps, at);
            let due = self.due.front().filter(|(when, _)| *when == cycle);
            let ports = [
                ("ready", cycle >= clear, rsp.ready()),
                ("rsp_valid", due.is_some(), rsp.valid()),
            ];
            for (port, expected, got) in ports {
                if expected != got {
                    return Err(self.violation(port, cycle, got).into());
                }
            }
            if let Some((_, Asked { op, addr, cycle })) =
                self.due.pop_front_if(|(when, _)| *when == cycle)
            {
                let mut data = Data::ZERO;
                data.limbs_mut(self.layout.width())
                    .copy_from_slice(rsp.data());
                sink(&Response {
                    cycle,
                    op,
                    addr,
                    data,
                    clean: rsp.clean(),
                })?;
            }
        }
        self.done += self.filled as u64;
        self.filled = 0;
        while self
            .spans
            .get(1)
            .is_some_and(|(from, _)| *from <= self.done)
        {
            self.spans.pop_front();
        }
        Ok(())
    }

    fn violation(&self, port: &'static str, cycle: u64, got: bool) -> Error {
        let span = self.spans.iter().rfind(|(from, _)| *from <= cycle);
        let due = self.due.front().filter(|(when, _)| *when == cycle);
        Error::Violation {
            name: self.dut.config().name(),
            violation: Violation {
                cycle: match span {
                    Some((from, at)) => Moment::Trace(at.saturating_add(cycle - from)),
                    None => Moment::AfterReset(cycle),
                },
                port,
                got,
                due: due.map(|(_, asked)| *asked),
            },
        }
    }
}
