//! Runs traces on the compiled RTL, as [`run_model`](atomik_trace::run_model) does on the software
//! model.
//!
//! The RTL is reset first; cycle 0 of the trace is the first cycle with `ready` high. From there
//! every cycle of the trace is run, including idle ones, with one exception: of a gap between two
//! commands, at most `LATENCY` + [`MARGIN`] cycles are run. By then the last response is out and
//! the pipeline is empty, and an idle register file does not change. A trace may therefore use
//! cycle numbers up to 10^18 and beyond. Responses carry the cycles of the trace.
//!
//! `ready` and `rsp_valid` are checked in every cycle that is run: a response must come exactly
//! `LATENCY` cycles after its command, and at no other time. Comparing the data is up to the
//! caller.
//!
//! Memory use is constant: two buffers of [`CHUNK`] cycles, and the commands in flight.

use std::collections::VecDeque;
use std::fmt;

use atomik_algebra::Op;
use atomik_hdl::Config;
use atomik_hdl::config::size_text;
use atomik_trace::{Command, Data, Geometry, Response, Trace};
use thiserror::Error;

use crate::case::CaseError;
use crate::dut::Dut;
use crate::model::{Model, ModelError};
use crate::record::Layout;

/// Cycles beyond the latency after which the rest of a gap is skipped. No command stays in the
/// pipeline for longer than the latency; the margin would reveal one that did.
pub const MARGIN: u64 = 32;

/// Cycles that are run at a time: few enough for the buffers to stay in cache.
pub const CHUNK: usize = 1024;

/// Seed of the initial contents of registers and memories. A run begins with a reset, so they must
/// not matter.
const POWER_UP: u64 = 1;

/// Why a run ended early.
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
    /// The trace was checked against another register file.
    #[error(
        "the trace is for {}, the model for {}; check the trace against the model's",
        size_text(&trace.layout(), trace.depth(), trace.lanes()), model.text()
    )]
    Geometry {
        /// The register file of the trace.
        trace: Box<Geometry>,
        /// The register file of the model.
        model: Box<Config>,
    },
    /// An output had the wrong value.
    #[error("{name}: {violation}; `atomik sim regress` looks for a short case of it")]
    Violation {
        /// The design.
        name: String,
        /// The output and its value.
        violation: Violation,
    },
}

impl From<CaseError> for Error {
    fn from(error: CaseError) -> Self {
        Self::Load(error.into())
    }
}

/// A wrong value on an output, in the first cycle with one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The cycle.
    pub cycle: Moment,
    /// The port, which has one bit.
    pub port: &'static str,
    /// The value it had; the opposite was expected.
    pub got: bool,
    /// The command whose response is due in that cycle, if any.
    pub due: Option<Pending>,
}

/// A cycle of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// A number of cycles after the reset, before the trace starts.
    AfterReset(u64),
    /// A cycle of the trace, or of the idle cycles after its last command.
    Trace(u64),
}

/// A command whose response is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
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
        if let Some(Pending { op, addr, cycle }) = self.due {
            write!(
                f,
                " (the response to {} of address {addr} in cycle {cycle})",
                op.name()
            )?;
        }
        Ok(())
    }
}

/// Runs `trace` on `dut` and passes each response to `sink`, in order. A response has the cycle of
/// its command in the trace.
///
/// # Errors
/// When the trace is for another register file or cannot be read, when the model fails, or with
/// [`Error::Violation`] when `ready` or `rsp_valid` has the wrong value. An error of `sink` also
/// ends the run.
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
    /// The cycles to run next; the first `filled` of them are set.
    cmds: Vec<u64>,
    rsps: Vec<u64>,
    filled: usize,
    /// Cycles run so far, counted from the reset.
    done: u64,
    /// Commands in flight, each with the cycle of its response, counted like `done`.
    due: VecDeque<(u64, Pending)>,
    /// Maps cycles counted like `done` (first) to cycles of the trace (second). Both increase by
    /// one per cycle until the next entry.
    spans: VecDeque<(u64, u64)>,
}

/// Whether a trace for one register file runs on the model of another.
fn check(trace: Geometry, model: &Config) -> Result<(), Error> {
    let same = Config::with_layout(trace.layout(), trace.depth(), trace.lanes())
        .is_ok_and(|config| config.with_target(model.target()) == *model);
    if same {
        Ok(())
    } else {
        Err(Error::Geometry {
            trace: Box::new(trace),
            model: Box::new(*model),
        })
    }
}

impl<'a> Run<'a> {
    fn new(dut: &'a Dut, trace: Geometry) -> Result<Self, Error> {
        let layout = dut.layout();
        check(trace, dut.config())?;
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

    /// The next cycle to be set, counted like `done`.
    fn now(&self) -> u64 {
        self.done + self.filled as u64
    }

    /// The index in `cmds` of the next cycle, which is set to idle.
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

    /// A cycle with `rst` high, then idle cycles until `ready` must be high.
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

    /// Declares the next cycle to be `cycle` of the trace.
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
        let due_in = self.done + at as u64 + u64::from(self.dut.timing().latency);
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
                self.due.push_back((due_in, Pending { op, addr, cycle }));
            }
        }
        Ok(())
    }

    /// Runs the cycles that are set, and passes on their responses.
    fn flush<E: From<Error>>(
        &mut self,
        sink: &mut impl FnMut(&Response) -> Result<(), E>,
    ) -> Result<(), E> {
        let cmds = &self.cmds[..self.filled * self.layout.cmd_words()];
        let rsps = &mut self.rsps[..self.filled * self.layout.rsp_words()];
        self.model.run(cmds, rsps).map_err(Error::from)?;
        let clear = u64::from(self.dut.timing().clear_cycles);
        for (at, cycle) in (0..self.filled).zip(self.done..) {
            // Outputs are undefined until the end of the first cycle with rst high.
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
            if let Some((_, Pending { op, addr, cycle })) =
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
            name: self.dut.name().to_owned(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use atomik_hdl::Target;

    #[test]
    fn a_trace_runs_on_its_own_register_file() {
        let model = |layout: &str| {
            let config = Config::with_layout(layout.parse().unwrap(), 8, 2).unwrap();
            config.with_target(Target::Ecp5)
        };
        let checked = |trace: &str, depth, on: &str| {
            check(
                Geometry::with_layout(trace.parse().unwrap(), depth, 2).unwrap(),
                &model(on),
            )
        };
        assert!(checked("xor:16", 8, "xor:16").is_ok());
        assert!(checked("xor:4,xor:12", 8, "xor:16").is_ok());
        assert!(checked("xor:12,add:4", 8, "xor:12,add:4").is_ok());
        assert!(matches!(
            checked("xor:16", 16, "xor:16"),
            Err(Error::Geometry { .. })
        ));
        assert_eq!(
            checked("xor:12,add:4", 8, "xor:16")
                .unwrap_err()
                .to_string(),
            "the trace is for xor:12,add:4 d8 l2, the model for w16 d8 l2 ecp5; check the trace \
             against the model's"
        );
        assert!(checked("add:4,xor:12", 8, "xor:12,add:4").is_err());
    }
}
