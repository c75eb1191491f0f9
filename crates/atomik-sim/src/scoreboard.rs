//! The scoreboard: runs the compiled RTL and the golden model side by side on the same stimulus,
//! and compares every output port in every cycle.

use crate::coverage::Coverage;
use crate::golden::{Golden, Timing};
use crate::model::{Model, ModelError};
use crate::record::Layout;
use crate::stimulus::{Cycle, Stimulus, fill};
use atomik_algebra::Layout as Fields;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Cycles that are run at a time: few enough for the buffers to stay in cache.
const CHUNK: usize = 1024;

/// The first cycle in which the RTL and the golden model differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mismatch {
    /// The cycle, counted from the first of the run.
    pub cycle: u64,
    /// The output port that differs; the first, if several do.
    pub port: String,
    /// The value in the golden model, in hexadecimal.
    pub expected: String,
    /// The value in the RTL.
    pub got: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Mismatch {
            cycle,
            port,
            expected,
            got,
        } = self;
        write!(f, "cycle {cycle}: {port} expected {expected}, got {got}")
    }
}

/// The result of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Cycles compared.
    pub cycles: u64,
    /// Commands accepted, on all lanes.
    pub commands: u64,
    /// Responses compared.
    pub responses: u64,
    /// The first difference, if any; the run stops there.
    pub mismatch: Option<Mismatch>,
}

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum ScoreboardError {
    /// The compiled model failed.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The golden model failed.
    #[error("golden model: {0}")]
    Golden(#[from] atomik_algebra::Error),
    /// RTL and golden model differ.
    #[error("RTL and golden model differ in {0}")]
    Mismatch(Mismatch),
}

/// RTL and golden model side by side.
#[derive(Debug)]
pub struct Scoreboard {
    layout: Layout,
    model: Model,
    golden: Golden,
    tally: Tally,
    was_reset: bool,
    cmds: Vec<u64>,
    expected: Vec<u64>,
    got: Vec<u64>,
}

impl Scoreboard {
    /// A scoreboard that compares `model` with a golden model of the same size, with words of
    /// `fields`.
    ///
    /// # Errors
    /// When the golden model's tables cannot be allocated.
    ///
    /// # Panics
    /// When the widths differ.
    pub fn new(
        model: Model,
        fields: Fields,
        timing: Timing,
    ) -> Result<Scoreboard, ScoreboardError> {
        let layout = *model.layout();
        Ok(Scoreboard {
            layout,
            model,
            golden: Golden::new(layout, fields, timing)?,
            tally: Tally::default(),
            was_reset: false,
            cmds: vec![0; CHUNK * layout.cmd_words()],
            expected: vec![0; CHUNK * layout.rsp_words()],
            got: vec![0; CHUNK * layout.rsp_words()],
        })
    }

    /// The compiled model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Runs up to `cycles` further cycles of `stimulus` and compares the outputs. It stops early at
    /// a mismatch, when the stimulus has finished, or when `keep_on` returns false. Returns the
    /// result of all runs of this scoreboard so far.
    ///
    /// Comparison starts in the cycle after the first with `rst` high.
    ///
    /// # Errors
    /// When the model or the golden model fails.
    pub fn run(
        &mut self,
        stimulus: &mut (impl Stimulus + ?Sized),
        cycles: u64,
        mut coverage: Option<&mut Coverage>,
        mut keep_on: impl FnMut(&Tally) -> bool,
    ) -> Result<&Tally, ScoreboardError> {
        let (cmd_words, rsp_words) = (self.layout.cmd_words(), self.layout.rsp_words());
        let end = self.tally.cycles.saturating_add(cycles);
        while self.tally.cycles < end
            && self.tally.mismatch.is_none()
            && !stimulus.finished()
            && keep_on(&self.tally)
        {
            let n = CHUNK.min((end - self.tally.cycles) as usize);
            let cmds = &mut self.cmds[..n * cmd_words];
            let expected = &mut self.expected[..n * rsp_words];
            let got = &mut self.got[..n * rsp_words];
            fill(stimulus, &self.layout, cmds);
            if let Some(coverage) = coverage.as_deref_mut() {
                coverage.observe(cmds)?;
            }
            self.golden.run(cmds, expected)?;
            self.model.run(cmds, got)?;
            if !self.was_reset {
                // Outputs are undefined up to and in the first cycle with `rst` high.
                for cycle in 0..n {
                    let words = cycle * rsp_words..(cycle + 1) * rsp_words;
                    got[words.clone()].copy_from_slice(&expected[words]);
                    if self.layout.command(cmds, cycle).reset() {
                        self.was_reset = true;
                        break;
                    }
                }
            }
            self.tally.responses += expected
                .chunks_exact(rsp_words)
                .map(|words| words[0] >> 1 & 1)
                .sum::<u64>();
            if expected != got {
                self.tally.mismatch =
                    first_difference(&self.layout, expected, got).map(|m| Mismatch {
                        cycle: self.tally.cycles + m.cycle,
                        ..m
                    });
            }
            self.tally.cycles += n as u64;
            self.tally.commands = self.golden.accepted();
        }
        Ok(&self.tally)
    }
}

fn first_difference(layout: &Layout, expected: &[u64], got: &[u64]) -> Option<Mismatch> {
    let words = layout.rsp_words();
    let cycle = expected
        .chunks_exact(words)
        .zip(got.chunks_exact(words))
        .position(|(e, g)| e != g)?;
    let (e, g) = (
        layout.response(expected, cycle),
        layout.response(got, cycle),
    );
    let bit = |b: bool| u8::from(b).to_string();
    let (port, expected, got) = if e.ready() != g.ready() {
        ("ready", bit(e.ready()), bit(g.ready()))
    } else if e.valid() != g.valid() {
        ("rsp_valid", bit(e.valid()), bit(g.valid()))
    } else if e.data() != g.data() {
        (
            "rsp_data",
            crate::sequence::hex(e.data()),
            crate::sequence::hex(g.data()),
        )
    } else {
        ("rsp_clean", bit(e.clean()), bit(g.clean()))
    };
    Some(Mismatch {
        cycle: cycle as u64,
        port: port.into(),
        expected,
        got,
    })
}

/// A recorded sequence as stimulus: a reset, idle cycles until `ready`, the sequence, then idle
/// cycles until the last response.
#[derive(Clone, Debug)]
pub struct Playback<'a> {
    cycles: &'a [Cycle],
    /// Cycles before the sequence: one with `rst` high, then idle.
    lead: u64,
    /// Idle cycles after the sequence.
    tail: u64,
    at: u64,
}

impl<'a> Playback<'a> {
    /// A playback of `cycles` that starts them in the first cycle with `ready` high.
    pub fn new(cycles: &'a [Cycle], timing: Timing) -> Playback<'a> {
        Playback {
            cycles,
            lead: u64::from(timing.clear_cycles),
            tail: u64::from(timing.latency) + 2,
            at: 0,
        }
    }

    /// Cycles before the sequence.
    pub fn lead(&self) -> u64 {
        self.lead
    }

    /// Cycles in total.
    pub fn length(&self) -> u64 {
        self.lead + self.cycles.len() as u64 + self.tail
    }
}

impl Stimulus for Playback<'_> {
    fn drive(&mut self, record: &mut crate::record::CommandRecord<&mut [u64]>) {
        record.clear();
        match self.at.checked_sub(self.lead).map(|i| i as usize) {
            Some(i) => {
                if let Some(cycle) = self.cycles.get(i) {
                    cycle.drive(record);
                }
            }
            None => record.set_reset(self.at == 0),
        }
        self.at += 1;
    }

    fn finished(&self) -> bool {
        self.at >= self.length()
    }
}
