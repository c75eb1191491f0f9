//! The result of a regression: by job, by configuration, and as a whole.

use crate::case::Case;
use crate::coverage::Group;
use crate::scoreboard::Mismatch;
use crate::supplied::Supplied;
use serde::{Deserialize, Serialize};

/// The result of one job.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct JobReport {
    /// Name of the job, such as `w64_d512_l1/mixed/1`.
    pub name: String,
    /// Cycles compared.
    pub cycles: u64,
    /// Commands accepted, on all lanes.
    pub commands: u64,
    /// Responses compared.
    pub responses: u64,
    /// Run time in seconds, on one core.
    pub seconds: f64,
    /// The first mismatch, if any.
    pub mismatch: Option<Mismatch>,
    /// The mismatch as a shrunk case, if it could be shrunk.
    pub case: Option<Case>,
    /// The error that kept the job from running, if any.
    pub error: Option<String>,
    /// Whether the job was stopped early.
    pub stopped: bool,
}

impl JobReport {
    /// Whether the job ran and RTL and golden model agreed.
    pub fn passed(&self) -> bool {
        self.mismatch.is_none() && self.error.is_none()
    }
}

/// The sum of all jobs of one configuration.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ConfigReport {
    /// Label of the configuration, such as `w64_d512_l1`.
    pub config: String,
    /// Cycles from a command to its response.
    pub latency: u32,
    /// Cycles compared.
    pub cycles: u64,
    /// Commands accepted, on all lanes.
    pub commands: u64,
    /// Responses compared.
    pub responses: u64,
    /// Jobs with a mismatch or an error.
    pub failures: u64,
    /// Cross-checked cycles per second on one core: stimulus, RTL, golden model, comparison and
    /// coverage.
    pub cycles_per_second: f64,
    /// Coverage by group.
    pub coverage: Vec<Group>,
    /// Empty coverage bins.
    pub holes: Vec<String>,
}

/// The result of a regression.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// Name of the plan.
    pub plan: String,
    /// The user's design; left out for the generated ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub design: Option<Supplied>,
    /// Whether the designs were synthesised first.
    #[serde(default)]
    pub netlist: bool,
    /// Version of Verilator.
    pub verilator: String,
    /// Results by configuration.
    pub configs: Vec<ConfigReport>,
    /// Results by job, in the order of the plan.
    pub jobs: Vec<JobReport>,
    /// Whether an empty coverage bin fails this regression.
    pub gate_coverage: bool,
    /// Whether the regression was stopped early.
    pub stopped: bool,
}

impl Report {
    /// Whether every job ran to its end and passed and, if coverage is gated, no bin is empty.
    pub fn passed(&self) -> bool {
        !self.stopped
            && self.jobs.iter().all(JobReport::passed)
            && !(self.gate_coverage && self.configs.iter().any(|c| !c.holes.is_empty()))
    }

    /// The jobs of one configuration, in the order of the plan.
    pub fn jobs_of<'a>(&'a self, config: &'a ConfigReport) -> impl Iterator<Item = &'a JobReport> {
        let of_config = |job: &&JobReport| {
            job.name
                .split_once('/')
                .is_some_and(|(name, _)| name == config.config)
        };
        self.jobs.iter().filter(of_config)
    }

    /// The number of jobs with a mismatch.
    pub fn mismatches(&self) -> usize {
        self.jobs.iter().filter(|j| j.mismatch.is_some()).count()
    }
}
