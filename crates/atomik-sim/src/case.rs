//! Failures as files: found, made small, written down, replayed.

use crate::golden::Timing;
use crate::model::{Model, ModelError};
use crate::record::{Layout, LayoutError};
use crate::scoreboard::{Mismatch, Playback, Scoreboard, ScoreboardError, Tally};
use crate::sequence::{Event, Input, Sequence, SequenceError};
use crate::shrink::{self, from_record};
use crate::stimulus::{Cycle, Stimulus, op_name};
use crate::verilate::{BuildError, Builder, Built, Lint, Options, Source, Waves};
use atomik_hdl::{Config, Target};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::path::{Path, PathBuf};

/// A design under test: a configuration, its Verilog and its compiled model.
#[derive(Clone, Debug)]
pub struct Dut {
    config: Config,
    source: Source,
    timing: Timing,
    built: Built,
}

/// Why a design cannot be tested.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    /// The configuration is not one that can be generated.
    #[error(transparent)]
    Config(#[from] atomik_hdl::ConfigError),
    /// The configuration does not fit the records.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The model could not be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The model or the golden model failed.
    #[error(transparent)]
    Scoreboard(#[from] ScoreboardError),
    /// The compiled model could not be loaded.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A recorded case cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A recorded case is not what one looks like.
    #[error("{path}: {reason}; write cases with `atomik sim regress`, or compare with sim/cases")]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A recorded sequence does not fit its configuration.
    #[error("{path}: {source}")]
    Sequence {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: SequenceError,
    },
}

impl Dut {
    /// Generates the Verilog of `config` and builds it; every warning of Verilator is an error.
    ///
    /// # Errors
    /// When a tool is missing or refuses the Verilog.
    pub fn build(builder: &Builder, config: Config) -> Result<Dut, CaseError> {
        let verilog = atomik_hdl::generate(&config).simulation_verilog();
        Dut::build_verilog(builder, config, verilog, Lint::Deny)
    }

    /// Builds `verilog`, which has the ports and promises the timing of `config`, in place of what
    /// the generator writes: for designs that are wrong on purpose.
    ///
    /// # Errors
    /// When a tool is missing or refuses the Verilog.
    pub fn build_verilog(
        builder: &Builder,
        config: Config,
        verilog: String,
        lint: Lint,
    ) -> Result<Dut, CaseError> {
        let layout = Layout::new(config.width(), config.depth(), config.lanes())?;
        let source = Source {
            name: config.name(),
            verilog,
            layout,
        };
        let built = builder.build(
            &source,
            Options {
                lint,
                waves: Waves::None,
            },
        )?;
        Ok(Dut {
            config,
            source,
            timing: timing(&config),
            built,
        })
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The shape of the records.
    pub fn layout(&self) -> Layout {
        self.source.layout
    }

    /// Latency and clear cycles.
    pub fn timing(&self) -> Timing {
        self.timing
    }

    /// A scoreboard around a fresh model, whose registers and memories start with contents drawn
    /// from `seed`.
    ///
    /// # Errors
    /// When the model cannot be loaded.
    pub fn scoreboard(&self, seed: u64) -> Result<Scoreboard, CaseError> {
        let model = self.model(seed)?;
        Ok(Scoreboard::new(model, self.timing)?)
    }

    /// A fresh model by itself.
    ///
    /// # Errors
    /// When it cannot be loaded.
    pub fn model(&self, seed: u64) -> Result<Model, CaseError> {
        Ok(Model::load(&self.built, self.layout(), seed, None)?)
    }

    /// Plays `cycles` after a reset and compares. The cycle of a mismatch is counted from the first
    /// of `cycles`.
    ///
    /// # Errors
    /// When the model fails.
    pub fn play(&self, cycles: &[Cycle], seed: u64) -> Result<Tally, CaseError> {
        let mut board = self.scoreboard(seed)?;
        let mut playback = Playback::new(cycles, self.timing);
        let (lead, length) = (playback.lead(), playback.length());
        let mut tally = board.run(&mut playback, length, None, |_| true)?.clone();
        if let Some(mismatch) = &mut tally.mismatch {
            mismatch.cycle = mismatch.cycle.saturating_sub(lead);
        }
        Ok(tally)
    }

    /// As [`Dut::play`], writing a waveform (VCD) of exactly this sequence, its reset included.
    ///
    /// # Errors
    /// When the model for waveforms cannot be built or the file cannot be written.
    pub fn play_with_waves(
        &self,
        builder: &Builder,
        cycles: &[Cycle],
        seed: u64,
        waves: &Path,
    ) -> Result<(), CaseError> {
        let options = Options {
            lint: Lint::Allow,
            waves: Waves::Vcd,
        };
        let built = builder.build(&self.source, options)?;
        let mut model = Model::load(&built, self.layout(), seed, Some(waves))?;
        let mut playback = Playback::new(cycles, self.timing);
        let layout = self.layout();
        let (mut cmd, mut rsp) = (vec![0; layout.cmd_words()], vec![0; layout.rsp_words()]);
        while !playback.finished() {
            playback.drive(&mut layout.command_mut(&mut cmd, 0));
            model.run(&cmd, &mut rsp)?;
        }
        Ok(())
    }
}

/// What the manifest of `config` says about time.
pub fn timing(config: &Config) -> Timing {
    Timing {
        latency: config.latency(),
        clear_cycles: config.clear_cycles(),
    }
}

/// A recorded failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Data width in bits.
    pub width: u32,
    /// Number of addresses.
    pub depth: usize,
    /// Number of lanes.
    pub lanes: u32,
    /// What the memories are made for, where it is not `generic`.
    #[serde(default, skip_serializing_if = "is_generic")]
    pub target: Target,
    /// What registers and memories start with is drawn from this.
    pub seed: u64,
    /// How the failure was found.
    pub found: String,
    /// The mismatch that the sequence shows; its cycle counts from the first with `ready` high.
    pub mismatch: Mismatch,
    /// The sequence.
    #[serde(flatten)]
    pub sequence: Sequence,
}

fn is_generic(target: &Target) -> bool {
    *target == Target::Generic
}

impl Case {
    /// Reads a recorded case.
    ///
    /// # Errors
    /// When the file cannot be read or is no case.
    pub fn read(path: &Path) -> Result<Case, CaseError> {
        let text = std::fs::read_to_string(path).map_err(|source| CaseError::File {
            path: path.into(),
            source,
        })?;
        serde_json::from_str(&text).map_err(|e| CaseError::Format {
            path: path.into(),
            reason: e.to_string(),
        })
    }

    /// Writes the case as JSON.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), CaseError> {
        let error = |source| CaseError::File {
            path: path.into(),
            source,
        };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(error)?;
        }
        let text = serde_json::to_string_pretty(self).map_err(|e| CaseError::Format {
            path: path.into(),
            reason: e.to_string(),
        })?;
        std::fs::write(path, text + "\n").map_err(error)
    }

    /// The configuration.
    ///
    /// # Errors
    /// When it cannot be generated.
    pub fn config(&self) -> Result<Config, CaseError> {
        Ok(Config::new(self.width, self.depth, self.lanes)?.with_target(self.target))
    }

    /// The inputs of every cycle; `path` is named in errors.
    ///
    /// # Errors
    /// When the sequence does not fit the configuration.
    pub fn cycles(&self, path: &Path) -> Result<Vec<Cycle>, CaseError> {
        let layout = Layout::new(self.width, self.depth, self.lanes)?;
        self.sequence
            .cycles(&layout)
            .map_err(|source| CaseError::Sequence {
                path: path.into(),
                source,
            })
    }

    /// The address that the mismatch is about, where it is about a response: that of the
    /// command which is answered then.
    fn address(&self) -> Option<usize> {
        let latency = u64::from(self.config().ok()?.latency());
        let asked = self.mismatch.cycle.checked_sub(latency)?;
        self.sequence.events.iter().find_map(|e| match &e.input {
            Input::Offer { lane: 0, addr, .. } if e.cycle == asked => Some(*addr),
            _ => None,
        })
    }
}

/// How many of the last commands a report shows.
const SHOWN: usize = 8;

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Case {
            width,
            depth,
            lanes,
            target,
            seed,
            found,
            mismatch,
            ..
        } = self;
        writeln!(
            f,
            "mismatch on w{width} d{depth} l{lanes}{}, seed {seed}: {found}",
            match target {
                Target::Generic => String::new(),
                target => format!(" {target}"),
            }
        )?;
        writeln!(
            f,
            "  cycle     {} after the first with ready high",
            mismatch.cycle
        )?;
        writeln!(f, "  port      {}", mismatch.port)?;
        writeln!(f, "  lane      0 (the one that responds)")?;
        writeln!(f, "  expected  {}", mismatch.expected)?;
        writeln!(f, "  got       {}", mismatch.got)?;
        let address = self.address();
        match address {
            Some(addr) => writeln!(f, "  last commands to address {addr}:")?,
            None => writeln!(f, "  last commands:")?,
        }
        let touched: VecDeque<&Event> = self
            .sequence
            .events
            .iter()
            .filter(|e| match &e.input {
                Input::Reset => true,
                Input::Offer { addr, .. } => address.is_none_or(|a| a == *addr),
            })
            .collect();
        for event in touched.iter().skip(touched.len().saturating_sub(SHOWN)) {
            match &event.input {
                Input::Reset => writeln!(f, "    cycle {:>6}  rst", event.cycle)?,
                Input::Offer {
                    lane,
                    op,
                    addr,
                    data,
                } => {
                    let op = op_name(*op);
                    writeln!(
                        f,
                        "    cycle {:>6}  lane {lane:>2}  {op:<5}  addr {addr}  data {data}",
                        event.cycle
                    )?;
                }
            }
        }
        Ok(())
    }
}

/// Windows of this many cycles before a failure are tried, the shortest first.
const WINDOWS: [usize; 4] = [64, 1024, 16_384, 262_144];

/// Boils the failure at `mismatch` down: plays the last cycles of `stimulus` (the same stream from
/// its start) up to the failure on a fresh model, in ever longer windows until one fails too, and
/// shrinks that. None when no window fails by itself.
///
/// # Errors
/// When the model fails.
pub fn reduce(
    dut: &Dut,
    seed: u64,
    mut stimulus: Box<dyn Stimulus>,
    mismatch: &Mismatch,
    found: String,
) -> Result<Option<Case>, CaseError> {
    let layout = dut.layout();
    let longest = WINDOWS[WINDOWS.len() - 1];
    let mut record = vec![0; layout.cmd_words()];
    let mut window: VecDeque<Cycle> = VecDeque::new();
    for _ in 0..=mismatch.cycle {
        stimulus.drive(&mut layout.command_mut(&mut record, 0));
        if window.len() == longest {
            window.pop_front();
        }
        window.push_back(from_record(&layout, &record));
    }
    let window = window.make_contiguous();
    for length in WINDOWS {
        let cycles = &window[window.len().saturating_sub(length)..];
        if dut.play(cycles, seed)?.mismatch.is_some() {
            return shrink_to_case(dut, seed, cycles, found);
        }
    }
    Ok(None)
}

/// Shrinks `cycles`, which fail, to a case. None when they do not fail after all.
///
/// # Errors
/// When the model fails.
pub fn shrink_to_case(
    dut: &Dut,
    seed: u64,
    cycles: &[Cycle],
    found: String,
) -> Result<Option<Case>, CaseError> {
    let test = Fails::new(dut, seed);
    let small = shrink::shrink(cycles, |cycles| test.fails(cycles));
    test.finish()?;
    let Some(small) = small else { return Ok(None) };
    // Should the search have ended on an untried proposal, the start is what is known to fail.
    for cycles in [small.as_slice(), cycles] {
        if let Some(mismatch) = dut.play(cycles, seed)?.mismatch {
            return Ok(Some(Case {
                width: dut.config.width(),
                depth: dut.config.depth(),
                lanes: dut.config.lanes(),
                target: dut.config.target(),
                seed,
                found,
                mismatch,
                sequence: Sequence::from_cycles(cycles),
            }));
        }
    }
    Ok(None)
}

/// Whether a sequence fails on a design, for a search; counts what was run and keeps the first
/// error.
#[derive(Debug)]
pub struct Fails<'a> {
    dut: &'a Dut,
    seed: u64,
    seen: RefCell<(Tally, Option<CaseError>)>,
}

impl<'a> Fails<'a> {
    /// For sequences on `dut`, whose registers and memories start with contents drawn from `seed`.
    pub fn new(dut: &'a Dut, seed: u64) -> Fails<'a> {
        Fails {
            dut,
            seed,
            seen: RefCell::default(),
        }
    }

    /// Whether `cycles` show a mismatch. After an error, nothing does.
    pub fn fails(&self, cycles: &[Cycle]) -> bool {
        let mut seen = self.seen.borrow_mut();
        if seen.1.is_some() {
            return false;
        }
        match self.dut.play(cycles, self.seed) {
            Ok(tally) => {
                seen.0.cycles += tally.cycles;
                seen.0.commands += tally.commands;
                seen.0.responses += tally.responses;
                tally.mismatch.is_some()
            }
            Err(e) => {
                seen.1 = Some(e);
                false
            }
        }
    }

    /// What was run.
    ///
    /// # Errors
    /// The error that ended the search.
    pub fn finish(self) -> Result<Tally, CaseError> {
        match self.seen.into_inner() {
            (_, Some(e)) => Err(e),
            (tally, None) => Ok(tally),
        }
    }
}
