//! Regression plans: which configurations run with which stimulus and seeds.

use crate::directed::Directed;
use crate::dut::Dut;
use crate::random::{Profile, Random};
use crate::stimulus::Stimulus;
use crate::supplied::Subject;
use atomik_hdl::{Config, Target};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A regression plan, in the form of its TOML file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Name of the plan.
    pub name: String,
    /// Whether an empty coverage bin is a failure.
    #[serde(default)]
    pub gate_coverage: bool,
    /// The runs.
    pub run: Vec<Run>,
}

/// A set of configurations, each run with every profile and every seed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// Configurations, as [`parse_config`] reads them.
    pub configs: Vec<String>,
    /// Profiles: `directed`, `proptest` or one of [`Profile::NAMES`].
    pub profiles: Vec<String>,
    /// Seeds.
    pub seeds: Vec<u64>,
    /// Cycles of each job, at most; `directed` ends when its sequence ends.
    pub cycles: u64,
}

/// Changes to a plan for one run of it.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// The only seed to run.
    pub seed: Option<u64>,
    /// Cycles of each job. Coverage is not gated then.
    pub cycles: Option<u64>,
    /// The only configuration to run, with the stimulus of every run of the plan.
    pub config: Option<Config>,
    /// What is tested in place of the generated Verilog. A design in files goes with `config`.
    pub subject: Subject,
    /// Run only jobs whose name contains this. Coverage is not gated then.
    pub filter: Option<String>,
}

/// Why a plan cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The plan cannot be read.
    #[error("{path}: {source}; name an existing file")]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The file is not a plan.
    #[error("{path}: {reason}")]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A configuration is malformed or cannot be generated.
    #[error("configuration {text:?}: {reason}")]
    Config {
        /// The configuration as the plan gives it.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no such profile.
    #[error(
        "there is no profile {0:?}: use directed, proptest, {list}",
        list = Profile::NAMES.join(", ")
    )]
    Profile(String),
    /// The filter matches no job.
    #[error("no job of the plan matches {0:?}; jobs are called like w64_d512_l1/mixed/1")]
    NothingMatches(String),
    /// The plan has no jobs.
    #[error("the plan has no jobs: every run needs configs, profiles and seeds")]
    Empty,
}

/// Parses a configuration such as `w64 d512 l4`, or `w64 d512 l4 ecp5` for a target. Words with
/// fields that add have the fields in place of the width: `xor:48,add:16 d512 l4`.
///
/// # Errors
/// When the text does not have this form or the configuration cannot be generated.
pub fn parse_config(text: &str) -> Result<Config, PlanError> {
    let error = |reason: String| PlanError::Config {
        text: text.into(),
        reason,
    };
    fn number<T: FromStr>(field: Option<&str>, letter: char) -> Option<T> {
        field?.strip_prefix(letter)?.parse().ok()
    }
    let mut fields = text.split_whitespace();
    let word = fields.next();
    let layout = word.filter(|word| word.contains(':'));
    let width = number(word, 'w');
    let sizes = (number(fields.next(), 'd'), number(fields.next(), 'l'));
    let target = fields.next().unwrap_or(Target::Generic.name());
    let ((Some(depth), Some(lanes)), true, None) =
        (sizes, layout.is_some() || width.is_some(), fields.next())
    else {
        return Err(error(
            "write it as w64 d512 l4, w64 d512 l4 ecp5 or xor:48,add:16 d512 l4".into(),
        ));
    };
    Config::of_words(width, layout, depth, lanes)
        .and_then(|config| Ok(config.with_target(target.parse()?)))
        .map_err(|e| error(e.to_string()))
}

/// Reads a plan of any kind from its TOML file.
///
/// # Errors
/// When the file cannot be read or does not have the form of `T`.
pub fn read_toml<T: DeserializeOwned>(path: &Path) -> Result<T, PlanError> {
    let text = std::fs::read_to_string(path).map_err(|source| PlanError::Read {
        path: path.into(),
        source,
    })?;
    toml::from_str(&text).map_err(|error| PlanError::Format {
        path: path.into(),
        reason: error.to_string(),
    })
}

impl Plan {
    /// Reads a plan.
    ///
    /// # Errors
    /// When the file cannot be read or is not a plan.
    pub fn read(path: &Path) -> Result<Plan, PlanError> {
        read_toml(path)
    }

    /// The configurations of the plan, each once.
    ///
    /// # Errors
    /// When one is malformed or cannot be generated.
    pub fn configs(&self) -> Result<Vec<Config>, PlanError> {
        let texts = self.run.iter().flat_map(|run| &run.configs);
        let configs: BTreeSet<Config> = texts
            .map(|text| parse_config(text))
            .collect::<Result<_, _>>()?;
        Ok(configs.into_iter().collect())
    }

    /// The jobs of the plan, in its order.
    pub(crate) fn jobs(&self, overrides: &Overrides) -> Result<Vec<Job>, PlanError> {
        let mut jobs = vec![];
        for run in &self.run {
            jobs.extend(run.jobs(overrides)?);
        }
        if jobs.is_empty() {
            return Err(PlanError::Empty);
        }
        if overrides.config.is_some() {
            // Several runs of a plan may differ in their configurations alone.
            let mut seen = BTreeSet::new();
            jobs.retain(|job| seen.insert(job.name()));
        }
        if let Some(filter) = &overrides.filter {
            jobs.retain(|job| job.name().contains(filter));
            if jobs.is_empty() {
                return Err(PlanError::NothingMatches(filter.clone()));
            }
        }
        Ok(jobs)
    }

    /// The jobs for one configuration, in the plan's order, without the sequences of the profile
    /// `proptest`, which have the mix of another profile.
    pub(crate) fn streams(&self, config: Config) -> Result<Vec<Job>, PlanError> {
        let mut jobs = self.jobs(&Overrides {
            config: Some(config),
            ..Overrides::default()
        })?;
        jobs.retain(|job| job.driver != Driver::Proptest);
        Ok(jobs)
    }
}

impl Run {
    fn jobs(&self, overrides: &Overrides) -> Result<Vec<Job>, PlanError> {
        let mut jobs = vec![];
        let seeds = overrides
            .seed
            .map_or_else(|| self.seeds.clone(), |seed| vec![seed]);
        let configs = match overrides.config {
            Some(config) => vec![config],
            None => self
                .configs
                .iter()
                .map(|text| parse_config(text))
                .collect::<Result<_, _>>()?,
        };
        for config in configs {
            for profile in &self.profiles {
                let driver =
                    Driver::named(profile).ok_or_else(|| PlanError::Profile(profile.clone()))?;
                jobs.extend(seeds.iter().map(|&seed| Job {
                    config,
                    profile: profile.clone(),
                    driver: driver.clone(),
                    seed,
                    cycles: overrides.cycles.unwrap_or(self.cycles),
                }));
            }
        }
        Ok(jobs)
    }
}

/// The source of a job's stimulus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Driver {
    /// The enumeration of hazards.
    Directed,
    /// One long random stream.
    Random(Profile),
    /// Many short random sequences.
    Proptest,
}

impl Driver {
    fn named(name: &str) -> Option<Driver> {
        match name {
            "directed" => Some(Driver::Directed),
            "proptest" => Some(Driver::Proptest),
            _ => Profile::named(name).map(Driver::Random),
        }
    }
}

/// One configuration with one profile and one seed.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) config: Config,
    pub(crate) profile: String,
    pub(crate) driver: Driver,
    pub(crate) seed: u64,
    pub(crate) cycles: u64,
}

impl Job {
    /// The name in reports, such as `w64_d512_l1/mixed/1`.
    pub(crate) fn name(&self) -> String {
        format!("{}/{}/{}", self.config.label(), self.profile, self.seed)
    }

    /// The job's stream of commands from its start.
    pub(crate) fn stimulus(&self, dut: &Dut) -> Box<dyn Stimulus> {
        let (layout, timing) = (dut.layout(), dut.timing());
        match &self.driver {
            Driver::Random(profile) => {
                Box::new(Random::new(layout, timing, profile.clone(), self.seed))
            }
            Driver::Directed | Driver::Proptest => {
                let fields = dut.config().layout();
                Box::new(Directed::new(layout, fields, timing, self.seed))
            }
        }
    }
}
