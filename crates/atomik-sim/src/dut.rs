//! The design under test.

use crate::case::{Case, CaseError};
use crate::golden::Timing;
use crate::model::Model;
use crate::netlist::netlist;
use crate::record::Layout;
use crate::scoreboard::{Playback, Scoreboard, Tally};
use crate::stimulus::{Cycle, Stimulus};
use crate::supplied::{Subject, add_missing_model};
use crate::timing::timing;
use crate::verilate::{Builder, Built, Lint, Options, Source, Waves};
use atomik_hdl::Config;
use std::path::Path;

/// A design under test: a configuration, its Verilog and its compiled model.
#[derive(Clone, Debug)]
pub struct Dut {
    config: Config,
    source: Source,
    timing: Timing,
    subject: Subject,
    /// The planted bug that models have; 0 for none.
    mutant: u64,
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

    /// As [`Dut::build`], with a model that counts how often lines run and signals toggle.
    ///
    /// # Errors
    /// As [`Dut::build`].
    pub fn with_counts(builder: &Builder, config: Config) -> Result<Dut, CaseError> {
        let source = Source {
            name: config.name(),
            verilog: atomik_hdl::generate(&config).simulation_verilog(),
            layout: layout_of(&config)?,
        };
        let options = Options {
            counts: true,
            ..linted(Lint::Allow)
        };
        Dut::of_source(builder, config, source, timing(&config), options)
    }

    /// Builds what `subject` puts in place of the generated Verilog of `config`. Warnings of
    /// Verilator about the user's files, and about netlists, are ignored.
    ///
    /// # Errors
    /// As [`Dut::build`]; when a file cannot be read or has no top module; when synthesis fails; or
    /// when the design does not have the ports of `config`.
    pub fn of(builder: &Builder, config: Config, subject: &Subject) -> Result<Dut, CaseError> {
        let netlist_for = subject.netlist_of(&config);
        let (name, mut verilog, timing, mut lint) = match &subject.supplied {
            None => {
                let design = atomik_hdl::generate(&config);
                let verilog = match netlist_for {
                    None => design.simulation_verilog(),
                    // Synthesis must not see the models.
                    Some(_) => design.verilog,
                };
                (config.name(), verilog, timing(&config), Lint::Deny)
            }
            Some(supplied) => {
                let (top, verilog) = supplied.read(builder)?;
                (top, verilog, supplied.timing()?, Lint::Allow)
            }
        };
        if let Some(family) = netlist_for {
            verilog = netlist(builder.results(), family, &name, &verilog)?;
            lint = Lint::Allow;
        } else if subject.supplied.is_some() {
            add_missing_model(&mut verilog, config.target());
        }
        let source = Source {
            name,
            verilog,
            layout: layout_of(&config)?,
        };
        let dut = Dut::of_source(builder, config, source, timing, linted(lint))?;
        Ok(Dut {
            subject: subject.clone(),
            ..dut
        })
    }

    /// Builds the design that `case` was found on.
    ///
    /// # Errors
    /// As [`Dut::of`], or when the configuration of the case cannot be generated.
    pub fn of_case(builder: &Builder, case: &Case) -> Result<Dut, CaseError> {
        Dut::of(builder, case.config()?, &case.subject())
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
        let source = Source {
            name: config.name(),
            verilog,
            layout: layout_of(&config)?,
        };
        Dut::of_source(builder, config, source, timing(&config), linted(lint))
    }

    fn of_source(
        builder: &Builder,
        config: Config,
        source: Source,
        timing: Timing,
        options: Options,
    ) -> Result<Dut, CaseError> {
        let built = builder.build(&source, options)?;
        Ok(Dut {
            config,
            source,
            timing,
            subject: Subject::default(),
            mutant: 0,
            built,
        })
    }

    /// The same design, whose models have the planted bug with this number. The design is one with
    /// several bugs; see [`Model::select`].
    #[must_use]
    pub fn with_mutant(&self, mutant: u64) -> Dut {
        Dut {
            mutant,
            ..self.clone()
        }
    }

    /// The name of the top module.
    pub fn name(&self) -> &str {
        &self.source.name
    }

    /// What is built in place of the generated Verilog.
    pub fn subject(&self) -> &Subject {
        &self.subject
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
        let mut model = Model::load(&self.built, self.layout(), seed, None)?;
        model.select(self.mutant);
        Ok(model)
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
            ..Options::default()
        };
        let built = builder.build(&self.source, options)?;
        let mut model = Model::load(&built, self.layout(), seed, Some(waves))?;
        model.select(self.mutant);
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

/// The options of a build with this treatment of warnings.
fn linted(lint: Lint) -> Options {
    Options {
        lint,
        ..Options::default()
    }
}

/// The layout of the records of `config`.
fn layout_of(config: &Config) -> Result<Layout, CaseError> {
    Ok(Layout::new(config.width(), config.depth(), config.lanes())?)
}
