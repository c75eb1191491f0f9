//! What becomes of mutants: killed by a stimulus, killed by a proof, or as good as the design.
//!
//! A mutant that no job of the stimulus finds is compared with the design, register by register. If
//! that does not prove it equal and the plan has no argument for it, it is proved like any design:
//! the proof finds inputs for which it differs, or shows that it does what the specification says.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use atomik_hdl::Config;
use atomik_hdl::files::TextFile;
use atomik_sim::mutant::Mutant;
use atomik_sim::mutated::{Killed, Mutated};
use atomik_sim::plan::{Plan, PlanError, parse_config, read_toml};
use atomik_sim::verilate::Builder;
use serde::{Deserialize, Serialize};

use crate::bits::ALIKE;
use crate::design::Design;
use crate::equivalence;
use crate::error::ProveError;
use crate::prove::Prover;
use crate::report::{Kind, Report};

/// A plan for a mutation score, in the form of its TOML file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MutationPlan {
    /// The regression plan whose stimulus is measured, relative to this file.
    pub stimulus: PathBuf,
    /// Seed of the mutants.
    pub seed: u64,
    /// Mutants of each configuration.
    pub mutants: usize,
    /// Configurations, as [`parse_config`] reads them.
    pub configs: Vec<String>,
    /// Why mutants behave like the design, where no tool proves it.
    #[serde(default)]
    pub argument: Vec<Argument>,
}

/// Why mutants behave like the design.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Argument {
    /// A name, for tables.
    pub name: String,
    /// The argument.
    pub because: String,
    /// The mutants: patterns of their configuration and description, such as
    /// `w8 d16 l2: lane: addr_s2*inverted*`; a star stands for any text.
    pub mutants: Vec<String>,
}

/// What became of a mutant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// The stimulus found it.
    Killed(Killed),
    /// A proof found inputs after a reset for which the simulator shows a mismatch: the checks that
    /// fail.
    Refuted(String),
    /// Each of its registers and outputs is that of the design: proved by Yosys.
    Equivalent,
    /// Every check of the specification is proved of it.
    Proved,
    /// The argument with this name says why it behaves like the design.
    Argued(String),
    /// None of these.
    Survived,
}

/// The mutants of one configuration and their fates.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Score {
    /// The configuration.
    pub config: String,
    /// The mutants, in the order in which they were drawn.
    pub mutants: Vec<(String, Fate)>,
}

/// The numbers of mutants by their fates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Killed by the stimulus, by profile.
    pub killed: BTreeMap<String, usize>,
    /// Refuted by a proof.
    pub refuted: usize,
    /// Proved equivalent or correct.
    pub proved: usize,
    /// Argued to be equivalent.
    pub argued: usize,
    /// Neither.
    pub survived: usize,
}

impl Counts {
    /// Adds the mutants of `score`.
    pub fn add(&mut self, score: &Score) {
        for (_, fate) in &score.mutants {
            match fate {
                Fate::Killed(killed) => {
                    *self.killed.entry(killed.profile.clone()).or_default() += 1;
                }
                Fate::Refuted(_) => self.refuted += 1,
                Fate::Equivalent | Fate::Proved => self.proved += 1,
                Fate::Argued(_) => self.argued += 1,
                Fate::Survived => self.survived += 1,
            }
        }
    }

    /// Mutants killed by the stimulus.
    pub fn kills(&self) -> usize {
        self.killed.values().sum()
    }

    /// The share of those that the stimulus killed among those that are neither proved nor argued
    /// to be equivalent, in per cent.
    pub fn score(&self) -> f64 {
        let kills = self.kills();
        100.0 * kills as f64 / (kills + self.refuted + self.survived).max(1) as f64
    }
}

impl MutationPlan {
    /// Reads a plan.
    ///
    /// # Errors
    /// When the file cannot be read or is not a plan.
    pub fn read(path: &Path) -> Result<MutationPlan, PlanError> {
        let mut plan: MutationPlan = read_toml(path)?;
        if let Some(folder) = path.parent() {
            plan.stimulus = folder.join(&plan.stimulus);
        }
        Ok(plan)
    }

    /// The configurations.
    ///
    /// # Errors
    /// When one is malformed or cannot be generated.
    pub fn configs(&self) -> Result<Vec<Config>, PlanError> {
        self.configs.iter().map(|text| parse_config(text)).collect()
    }

    /// The argument for a mutant, if there is one.
    fn argument(&self, config: &Config, mutant: &str) -> Option<&Argument> {
        let text = format!("{}: {mutant}", config.text());
        let holds = |argument: &&Argument| argument.mutants.iter().any(|p| matches(p, &text));
        self.argument.iter().find(holds)
    }
}

/// What mutants are measured with.
#[derive(Clone, Copy, Debug)]
pub struct Measurement<'a> {
    /// Proves what survives.
    pub prover: &'a Prover,
    /// Builds models of counterexamples.
    pub builder: &'a Builder,
    /// The plan, for its arguments.
    pub plan: &'a MutationPlan,
    /// The stimulus.
    pub stimulus: &'a Plan,
    /// The folder for the files of proofs; those of mutants that are proved right are removed.
    pub folder: &'a Path,
}

impl Measurement<'_> {
    /// Decides what becomes of the mutants of `mutated`. Setting `stop` ends it early: mutants that
    /// were not decided have survived then. `watch` is called with every mutant before its proof.
    ///
    /// # Errors
    /// When the design fails without a planted bug, the stimulus finds a mutant that is argued to
    /// be none, or a tool fails.
    pub fn score(
        &self,
        mutated: &Mutated,
        stop: &AtomicBool,
        watch: &dyn Fn(&Mutant),
    ) -> Result<Score, ProveError> {
        let config = mutated.config();
        let argument = |n: usize| self.plan.argument(config, &mutated.mutants()[n].what);
        let kills = mutated.kill(self.stimulus, stop)?;
        let mut fates = vec![];
        for (n, kill) in kills.into_iter().enumerate() {
            if let (Some(killed), Some(argument)) = (&kill, argument(n)) {
                return Err(ProveError::Argument {
                    name: argument.name.clone(),
                    mutant: format!("{}: {}", config.text(), mutated.mutants()[n].what),
                    profile: killed.profile.clone(),
                });
            }
            fates.push(kill.map_or(Fate::Survived, Fate::Killed));
        }
        let is_left = |n: &usize| fates[*n] == Fate::Survived;
        let left: Vec<usize> = (0..fates.len()).filter(is_left).collect();
        let same = match stop.load(Ordering::Relaxed) {
            true => vec![false; left.len()],
            false => equivalence::proved(mutated, &left)?,
        };
        for (n, same) in left.into_iter().zip(same) {
            fates[n] = if same {
                Fate::Equivalent
            } else if let Some(argument) = argument(n) {
                Fate::Argued(argument.name.clone())
            } else if stop.load(Ordering::Relaxed) {
                Fate::Survived
            } else {
                watch(&mutated.mutants()[n]);
                self.by_proof(mutated, n)?
            };
        }
        let names = mutated.mutants().iter().map(|mutant| mutant.what.clone());
        Ok(Score {
            config: config.text(),
            mutants: names.zip(fates).collect(),
        })
    }

    /// What a proof makes of mutant `n`.
    ///
    /// A proof lets a memory return any word but at one address. So a counterexample counts only if
    /// the simulator shows it on the ports: a design that permutes the addresses fails the proof,
    /// and is right.
    fn by_proof(&self, mutated: &Mutated, n: usize) -> Result<Fate, ProveError> {
        let file = TextFile {
            name: "mutant.v".into(),
            text: mutated.verilog(n)?,
        };
        let config = *mutated.config();
        let folder = self.folder.join(format!("{}-{}", config.label(), n + 1));
        let design = Design::given(config, vec![file]);
        let mut report = self.prover.prove(&design, &folder, &|_| {})?;
        if is_right(&report) {
            // If this fails, the files are in the way of nobody.
            let _ = fs::remove_dir_all(&folder);
            return Ok(Fate::Proved);
        }
        if let Some(counterexample) = &mut report.counterexample {
            counterexample.simulate(&design, self.builder)?;
            if counterexample.case.is_some() {
                return Ok(Fate::Refuted(counterexample.failing.join(", ")));
            }
        }
        Ok(Fate::Survived)
    }
}

/// Whether every check of the specification, and all that they rest on, is proved. How bits of a
/// word compare says nothing about what is computed.
fn is_right(report: &Report) -> bool {
    let mut needed = report
        .checks
        .iter()
        .filter(|check| check.kind != Kind::Cover && check.name != ALIKE);
    needed.all(|check| check.outcome.is_good())
}

/// Whether `text` is `pattern`, in which every `*` stands for any text, also for none.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    text.strip_prefix(start).is_some_and(|tail| {
        let mut ends = tail.char_indices().map(|(at, _)| at).chain([tail.len()]);
        ends.any(|at| matches(rest, &tail[at..]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text, same) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("a*", "ab", true),
            ("*b", "abab", true),
            ("a*c*e", "abcde", true),
            ("a*c*e", "abcd", false),
            ("b*", "ab", false),
            ("*", "", true),
        ] {
            assert_eq!(matches(pattern, text), same, "{pattern} {text}");
        }
    }
}
