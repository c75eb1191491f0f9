//! The design under test.

use crate::case::CaseError;
use crate::golden::Timing;
use crate::model::Model;
use crate::record::Layout;
use crate::scoreboard::{Playback, Scoreboard, Tally};
use crate::stimulus::{Cycle, Stimulus};
use crate::verilate::{Builder, Built, Lint, Options, Source, Waves};
use atomik_hdl::Config;
use std::path::Path;

/// A design under test: a configuration, its Verilog and its compiled model.
#[derive(Clone, Debug)]
pub struct Dut {
    config: Config,
    source: Source,
    timing: Timing,
    built: Built,
}

impl Dut {
    /// Generates the Verilog of `config` and builds it. Every warning of Verilator is an error.
    ///
    /// # Errors
    /// When a tool is missing or rejects the Verilog.
    pub fn build(builder: &Builder, config: Config) -> Result<Dut, CaseError> {
        let verilog = atomik_hdl::generate(&config).simulation_verilog();
        Dut::build_verilog(builder, config, verilog, Lint::Deny)
    }

    /// Builds `verilog` instead of the generated design of `config`, such as a design with a
    /// planted bug. It has the ports of `config` and claims its timing.
    ///
    /// # Errors
    /// When a tool is missing or rejects the Verilog.
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

    /// The layout of the records.
    pub fn layout(&self) -> Layout {
        self.source.layout
    }

    /// The latency and the clear time.
    pub fn timing(&self) -> Timing {
        self.timing
    }

    /// A scoreboard with a fresh model. The initial contents of registers and memories are random,
    /// drawn from `seed`.
    ///
    /// # Errors
    /// When the model cannot be loaded.
    pub fn scoreboard(&self, seed: u64) -> Result<Scoreboard, CaseError> {
        let model = self.model(seed)?;
        Ok(Scoreboard::new(model, self.config.layout(), self.timing)?)
    }

    /// A fresh model, with initial contents drawn from `seed`.
    ///
    /// # Errors
    /// When the model cannot be loaded.
    pub fn model(&self, seed: u64) -> Result<Model, CaseError> {
        Ok(Model::load(&self.built, self.layout(), seed, None)?)
    }

    /// Plays `cycles` after a reset and compares the outputs. The cycle of a mismatch is counted
    /// from the first of `cycles`.
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

    /// Plays `cycles` as [`Dut::play`] does, without comparing, and writes a waveform (VCD) of them
    /// and the reset before them.
    ///
    /// # Errors
    /// When the model with tracing cannot be built or the file cannot be written.
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

/// The timing of `config`, as its manifest states it.
pub fn timing(config: &Config) -> Timing {
    Timing {
        latency: config.latency(),
        clear_cycles: config.clear_cycles(),
    }
}
