//! A design with mutants: bugs that Yosys's `mutate` draws and plants, one at a time.
//!
//! A mutant is a bit of a port of a cell that is inverted, stuck, or inverted depending on another
//! bit of the port. All mutants of a design are in one model, whose input `atomik_mutant` chooses
//! one; 0 chooses none. So one run of Verilator and of the compiler serves hundreds of mutants.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use atomik_hdl::Config;
use atomik_tools::cache::{CacheError, Recipe, failed};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::case::CaseError;
use crate::dut::Dut;
use crate::mutant::{Mutant, clocks};
use crate::plan::{Job, Plan, PlanError};
use crate::shim::SELECTOR;
use crate::verilate::{Builder, Lint};
use crate::yosys::{Yosys, YosysError};

/// The file with the design that mutants are made of, in RTLIL.
pub const BASE: &str = "base.il";

/// Version of the contents of cache entries.
const FORMAT: u32 = 1;
const DESIGN: &str = "design.v";
const MODELS: &str = "models.v";
const LISTED: &str = "listed.ys";
const APPLIED: &str = "applied.ys";
const MUTATED: &str = "mutated.v";

/// How many mutants are drawn for each that is wanted, because those of clocks are left out.
const DRAWN: usize = 2;

/// Why mutants cannot be made or run.
#[derive(Debug, thiserror::Error)]
pub enum MutantError {
    /// The plan of the stimulus cannot be used.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Yosys fails.
    #[error(transparent)]
    Yosys(#[from] YosysError),
    /// The model cannot be built or run.
    #[error(transparent)]
    Case(Box<CaseError>),
    /// The cache cannot be read or written.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The design fails without any planted bug.
    #[error(
        "{config} fails without a planted bug, in cycle {cycle} of {profile}; run `atomik sim \
         regress` first"
    )]
    Fails {
        /// The configuration.
        config: String,
        /// The profile that fails.
        profile: String,
        /// The cycle of the mismatch.
        cycle: u64,
    },
}

impl From<CaseError> for MutantError {
    fn from(error: CaseError) -> MutantError {
        MutantError::Case(error.into())
    }
}

/// How the stimulus found a mutant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Killed {
    /// The profile of the stimulus.
    pub profile: String,
    /// The cycle of the mismatch, from the start of the profile.
    pub cycle: u64,
    /// Cycles of the profiles before it.
    pub before: u64,
    /// The output that differed.
    pub port: String,
}

/// A design with its mutants, compiled.
#[derive(Clone, Debug)]
pub struct Mutated {
    dut: Dut,
    mutants: Vec<Mutant>,
    folder: PathBuf,
}

impl Mutated {
    /// Draws `count` mutants of `config` with `seed`, and builds the model that has them all.
    ///
    /// # Errors
    /// When Yosys or Verilator fails.
    pub fn build(
        builder: &Builder,
        config: Config,
        count: usize,
        seed: u64,
    ) -> Result<Mutated, MutantError> {
        let design = atomik_hdl::generate(&config);
        let models: String = design
            .models
            .iter()
            .map(|(_, text)| text.as_str())
            .collect();
        let list = list_script(&config.name(), !models.is_empty(), count * DRAWN, seed);
        let apply = format!("read_rtlil {BASE}; script {APPLIED}; write_verilog -noattr {MUTATED}");
        let yosys = Yosys::from_env()?;
        let mut recipe = Recipe::new("mutants", FORMAT);
        recipe.input("yosys", yosys.version());
        recipe.input("list", &list);
        recipe.input("apply", &apply);
        recipe.input("count", &count.to_string());
        recipe.input("verilog", &design.verilog);
        let entry = builder.results().entry(&recipe, |dir| {
            let write = |name: &str, text: &str| {
                let path = dir.join(name);
                fs::write(&path, text).map_err(failed("write", &path))
            };
            write(DESIGN, &design.verilog)?;
            write(MODELS, &models)?;
            yosys.run(dir, &list)?;
            let listed = read(&dir.join(LISTED))?;
            let mut kept: Vec<&str> = listed.lines().filter(|line| !clocks(line)).collect();
            kept.truncate(count);
            let applied: String = (1..)
                .zip(&kept)
                .map(|(n, line)| line.replacen("mutate", &selected(n), 1) + "\n")
                .collect();
            write(LISTED, &(kept.join("\n") + "\n"))?;
            write(APPLIED, &applied)?;
            yosys.run(dir, &apply)?;
            let files = [BASE, LISTED, MUTATED];
            Ok::<_, MutantError>(files.map(str::to_owned).to_vec())
        })?;
        let lines: Vec<&str> = design.verilog.lines().collect();
        let mutants = read(&entry.dir.join(LISTED))?
            .lines()
            .map(|line| Mutant::parse(line, &config.name(), &lines))
            .collect();
        let verilog = read(&entry.dir.join(MUTATED))? + &models;
        Ok(Mutated {
            dut: Dut::build_verilog(builder, config, verilog, Lint::Allow)?,
            mutants,
            folder: entry.dir,
        })
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        self.dut.config()
    }

    /// The mutants.
    pub fn mutants(&self) -> &[Mutant] {
        &self.mutants
    }

    /// The file [`BASE`] of this design.
    pub fn base(&self) -> PathBuf {
        self.folder.join(BASE)
    }

    /// The Verilog of the design with mutant `n`, from 0, planted in it.
    ///
    /// # Errors
    /// When Yosys fails.
    ///
    /// # Panics
    /// When there is no such mutant.
    pub fn verilog(&self, n: usize) -> Result<String, MutantError> {
        let scratch = tempfile::tempdir().map_err(failed("make", Path::new("a folder")))?;
        let copy = scratch.path().join(BASE);
        fs::copy(self.base(), &copy).map_err(failed("write", &copy))?;
        let script = format!(
            "read_rtlil {BASE}; {}; write_verilog -noattr {MUTATED}",
            self.mutants[n].command
        );
        Yosys::from_env()?.run(scratch.path(), &script)?;
        Ok(read(&scratch.path().join(MUTATED))?)
    }

    /// Runs the stimulus of `plan` on every mutant, in their order. `None` is one that it does not
    /// find, or that was not run because `stop` was set.
    ///
    /// # Errors
    /// When the design fails without a planted bug, or a model fails.
    pub fn kill(&self, plan: &Plan, stop: &AtomicBool) -> Result<Vec<Option<Killed>>, MutantError> {
        let config = *self.dut.config();
        let jobs = plan.streams(config)?;
        if let Some(Killed { profile, cycle, .. }) = killed(&self.dut, &jobs)? {
            return Err(MutantError::Fails {
                config: config.text(),
                profile,
                cycle,
            });
        }
        (1..=self.mutants.len() as u64)
            .into_par_iter()
            .map(|n| match stop.load(Ordering::Relaxed) {
                true => Ok(None),
                false => Ok(killed(&self.dut.with_mutant(n), &jobs)?),
            })
            .collect()
    }
}

/// Runs jobs until one finds a mismatch.
fn killed(dut: &Dut, jobs: &[Job]) -> Result<Option<Killed>, CaseError> {
    let mut before = 0;
    for job in jobs {
        let mut board = dut.scoreboard(job.seed)?;
        let tally = board.run(&mut *job.stimulus(dut), job.cycles, None, |_| true)?;
        if let Some(mismatch) = &tally.mismatch {
            return Ok(Some(Killed {
                profile: job.profile.clone(),
                cycle: mismatch.cycle,
                before,
                port: mismatch.port.clone(),
            }));
        }
        before += tally.cycles;
    }
    Ok(None)
}

/// The script that writes the design and a list of mutants.
fn list_script(top: &str, models: bool, count: usize, seed: u64) -> String {
    let models = match models {
        true => format!("read_verilog -lib {MODELS}; "),
        false => String::new(),
    };
    format!(
        "{models}read_verilog {DESIGN}; hierarchy -check -top {top}; proc; opt_clean; \
         write_rtlil {BASE}; mutate -list {count} -seed {seed} -o {LISTED}"
    )
}

/// The start of the command that makes mutant `n` one that the selector chooses.
fn selected(n: usize) -> String {
    format!("mutate -ctrl {SELECTOR} 16 {n}")
}

fn read(path: &Path) -> Result<String, CacheError> {
    fs::read_to_string(path).map_err(failed("read", path))
}
