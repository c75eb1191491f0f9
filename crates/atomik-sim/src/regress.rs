//! Regressions: configurations x stimulus profiles x seeds from a plan, run on all cores.

use crate::case::{Case, CaseError, Dut, Fails, reduce, shrink_to_case};
use crate::coverage::{Coverage, Group};
use crate::scoreboard::{Mismatch, Tally};
use crate::shrink::{Sequences, search};
use crate::stimulus::{Directed, Profile, Random, Stimulus};
use crate::verilate::Builder;
use crate::with_causes;
use atomik_hdl::{Config, Target};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// A regression plan, as TOML has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Name of the plan.
    pub name: String,
    /// Whether a coverage bin that stays empty is a failure.
    #[serde(default)]
    pub gate_coverage: bool,
    /// What is run.
    pub run: Vec<Run>,
}

/// Configurations, each with every profile and every seed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// Configurations: `w64 d512 l4`, with a target behind it if it is not the generic one.
    pub configs: Vec<String>,
    /// Profiles: `directed`, `proptest` or one of [`Profile::NAMES`].
    pub profiles: Vec<String>,
    /// Seeds.
    pub seeds: Vec<u64>,
    /// Cycles of each job; `directed` stops by itself when it has shown everything.
    pub cycles: u64,
}

/// Cycles of one sequence of the `proptest` profile, at most.
const SEQUENCE_CYCLES: usize = 200;

/// What drives a job.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Drive {
    Directed,
    Random(Profile),
    Proptest,
}

impl Drive {
    fn named(name: &str) -> Option<Drive> {
        match name {
            "directed" => Some(Drive::Directed),
            "proptest" => Some(Drive::Proptest),
            _ => Profile::named(name).map(Drive::Random),
        }
    }

    fn stimulus(&self, dut: &Dut, seed: u64) -> Box<dyn Stimulus> {
        let (layout, timing) = (dut.layout(), dut.timing());
        match self {
            Drive::Random(profile) => Box::new(Random::new(layout, timing, profile.clone(), seed)),
            _ => Box::new(Directed::new(layout, timing, seed)),
        }
    }
}

/// One configuration with one profile and one seed.
#[derive(Clone, Debug)]
struct Job {
    config: Config,
    profile: String,
    drive: Drive,
    seed: u64,
    cycles: u64,
}

impl Job {
    fn name(&self) -> String {
        format!("{}/{}/{}", self.config.label(), self.profile, self.seed)
    }
}

/// Why a plan cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// It cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is no plan.
    #[error("{path}: {reason}")]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A configuration that cannot be generated, or is not written as one.
    #[error("configuration {text:?}: {reason}")]
    Config {
        /// What the plan says.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no such profile.
    #[error("there is no profile {0:?}: use directed, proptest, {list}", list = Profile::NAMES.join(", "))]
    Profile(String),
    /// The filter leaves nothing.
    #[error("no job of the plan matches {0:?}; jobs are called like w64_d512_l1/mixed/1")]
    NothingMatches(String),
    /// The plan names no job at all.
    #[error("the plan has no jobs: every run needs configs, profiles and seeds")]
    Empty,
}

/// A configuration written as `w64 d512 l4`, or `w64 d512 l4 ecp5` for a target.
///
/// # Errors
/// When the text is not of that form or the configuration cannot be generated.
pub fn parse_config(text: &str) -> Result<Config, PlanError> {
    let error = |reason: String| PlanError::Config {
        text: text.into(),
        reason,
    };
    fn number<T: FromStr>(field: Option<&str>, letter: char) -> Option<T> {
        field?.strip_prefix(letter)?.parse().ok()
    }
    let mut fields = text.split_whitespace();
    let numbers = (
        number(fields.next(), 'w'),
        number(fields.next(), 'd'),
        number(fields.next(), 'l'),
    );
    let target = fields.next().unwrap_or(Target::Generic.name());
    match (numbers, fields.next()) {
        ((Some(width), Some(depth), Some(lanes)), None) => Config::new(width, depth, lanes)
            .and_then(|config| Ok(config.with_target(target.parse()?)))
            .map_err(|e| error(e.to_string())),
        _ => Err(error("write it as w64 d512 l4, or w64 d512 l4 ecp5".into())),
    }
}

impl Plan {
    /// Reads a plan.
    ///
    /// # Errors
    /// When the file cannot be read or is no plan.
    pub fn read(path: &Path) -> Result<Plan, PlanError> {
        let text = std::fs::read_to_string(path).map_err(|source| PlanError::Read {
            path: path.into(),
            source,
        })?;
        toml::from_str(&text).map_err(|e| PlanError::Format {
            path: path.into(),
            reason: e.to_string(),
        })
    }

    fn jobs(&self, choice: &Choice) -> Result<Vec<Job>, PlanError> {
        let mut jobs = vec![];
        for run in &self.run {
            let seeds = choice
                .seed
                .map_or_else(|| run.seeds.clone(), |seed| vec![seed]);
            for config in &run.configs {
                let config = parse_config(config)?;
                for profile in &run.profiles {
                    let drive =
                        Drive::named(profile).ok_or_else(|| PlanError::Profile(profile.clone()))?;
                    jobs.extend(seeds.iter().map(|&seed| Job {
                        config,
                        profile: profile.clone(),
                        drive: drive.clone(),
                        seed,
                        cycles: choice.cycles.unwrap_or(run.cycles),
                    }));
                }
            }
        }
        if jobs.is_empty() {
            return Err(PlanError::Empty);
        }
        if let Some(filter) = &choice.filter {
            jobs.retain(|job| job.name().contains(filter));
            if jobs.is_empty() {
                return Err(PlanError::NothingMatches(filter.clone()));
            }
        }
        Ok(jobs)
    }
}

/// What the caller wants other than the plan says.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// This seed instead of the plan's.
    pub seed: Option<u64>,
    /// This many cycles a job.
    pub cycles: Option<u64>,
    /// Only jobs whose name contains this. Coverage is not gated then.
    pub filter: Option<String>,
}

/// What becomes of a job.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct JobReport {
    /// `w64_d512_l1/mixed/1`.
    pub name: String,
    /// Cycles compared.
    pub cycles: u64,
    /// Commands accepted, all lanes.
    pub commands: u64,
    /// Responses compared.
    pub responses: u64,
    /// Seconds it took, on one core.
    pub seconds: f64,
    /// The first mismatch of the run, where there is one.
    pub mismatch: Option<Mismatch>,
    /// The mismatch made small, where that was possible.
    pub case: Option<Case>,
    /// Why the job could not be run, where it could not.
    pub error: Option<String>,
    /// Whether it was stopped before its end.
    pub stopped: bool,
}

impl JobReport {
    /// Whether RTL and golden model agreed to the end.
    pub fn passed(&self) -> bool {
        self.mismatch.is_none() && self.error.is_none()
    }
}

/// The jobs of one configuration, taken together.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ConfigReport {
    /// `w64_d512_l1`.
    pub config: String,
    /// Cycles from a command to its response.
    pub latency: u32,
    /// Cycles compared.
    pub cycles: u64,
    /// Commands accepted, all lanes.
    pub commands: u64,
    /// Responses compared.
    pub responses: u64,
    /// Jobs that did not agree or could not be run.
    pub failures: u64,
    /// Cross-checked cycles a second on one core: stimulus, RTL, golden model, comparison and
    /// coverage.
    pub cycles_per_second: f64,
    /// Coverage by group.
    pub coverage: Vec<Group>,
    /// Coverage bins that stayed empty.
    pub holes: Vec<String>,
}

/// What a regression has shown.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// Name of the plan.
    pub plan: String,
    /// Version of the Verilator in use.
    pub verilator: String,
    /// By configuration.
    pub configs: Vec<ConfigReport>,
    /// By job, in the plan's order.
    pub jobs: Vec<JobReport>,
    /// Whether an empty coverage bin fails this regression.
    pub gate_coverage: bool,
    /// Whether it was stopped before its end.
    pub stopped: bool,
}

impl Report {
    /// Whether every job agreed and, where the plan asks for it, every coverage bin was hit.
    pub fn passed(&self) -> bool {
        !self.stopped
            && self.jobs.iter().all(JobReport::passed)
            && !(self.gate_coverage && self.configs.iter().any(|c| !c.holes.is_empty()))
    }

    /// The jobs of one configuration, in the plan's order.
    pub fn jobs_of<'a>(&'a self, config: &'a ConfigReport) -> impl Iterator<Item = &'a JobReport> {
        let of_config = |job: &&JobReport| {
            job.name
                .split_once('/')
                .is_some_and(|(name, _)| name == config.config)
        };
        self.jobs.iter().filter(of_config)
    }

    /// Mismatches, over all jobs.
    pub fn mismatches(&self) -> usize {
        self.jobs.iter().filter(|j| j.mismatch.is_some()).count()
    }
}

/// Is told how far a regression is.
pub trait Observer: Sync {
    /// Jobs and cycles that there will be, at most.
    fn started(&self, _jobs: usize, _cycles: u64) {}
    /// The model of a configuration is ready.
    fn built(&self, _config: &str) {}
    /// So many more cycles were compared.
    fn advanced(&self, _cycles: u64) {}
    /// A job has ended.
    fn finished(&self, _job: &JobReport) {}
}

/// Runs `plan`. A `stop` that becomes true ends it at the next opportunity; what was found until
/// then is reported.
///
/// # Errors
/// When the plan or the choice makes no sense. Jobs that fail are in the report.
pub fn regress(
    builder: &Builder,
    plan: &Plan,
    choice: &Choice,
    observer: &dyn Observer,
    stop: &AtomicBool,
) -> Result<Report, PlanError> {
    let jobs = plan.jobs(choice)?;
    observer.started(jobs.len(), jobs.iter().map(|j| j.cycles).sum());
    let mut configs: Vec<Config> = jobs.iter().map(|j| j.config).collect();
    configs.sort();
    configs.dedup();
    let duts: BTreeMap<Config, Result<Dut, String>> = configs
        .par_iter()
        .map(|&config| {
            if stop.load(Ordering::Relaxed) {
                return (config, Err("stopped".into()));
            }
            let dut = Dut::build(builder, config).map_err(|e| with_causes(&e));
            observer.built(&config.name());
            (config, dut)
        })
        .collect();
    let done: Vec<(JobReport, Option<Coverage>)> = jobs
        .par_iter()
        .map(|job| {
            let outcome = match &duts[&job.config] {
                Ok(dut) => run_job(dut, job, observer, stop).map_err(|e| with_causes(&e)),
                Err(e) => Err(e.clone()),
            };
            let (report, coverage) = match outcome {
                Ok((report, coverage)) => (report, Some(coverage)),
                // A signal that stops the regression ends its tools, too: that is no error of
                // theirs.
                Err(_) if stop.load(Ordering::Relaxed) => {
                    let report = job_report(job, &Tally::default(), 0.0, None);
                    (
                        JobReport {
                            stopped: true,
                            ..report
                        },
                        None,
                    )
                }
                Err(error) => (job_report(job, &Tally::default(), 0.0, Some(error)), None),
            };
            observer.finished(&report);
            (report, coverage)
        })
        .collect();
    let stopped = stop.load(Ordering::Relaxed);
    let configs = configs
        .iter()
        .map(|&config| {
            let of_config = jobs
                .iter()
                .zip(&done)
                .filter(|(job, _)| job.config == config)
                .map(|(_, d)| d);
            config_report(config, of_config)
        })
        .collect();
    Ok(Report {
        plan: plan.name.clone(),
        verilator: builder.verilator().version_text.clone(),
        configs,
        jobs: done.into_iter().map(|(report, _)| report).collect(),
        gate_coverage: plan.gate_coverage && choice.filter.is_none() && choice.cycles.is_none(),
        stopped,
    })
}

fn config_report<'a>(
    config: Config,
    jobs: impl Iterator<Item = &'a (JobReport, Option<Coverage>)>,
) -> ConfigReport {
    let mut report = ConfigReport {
        config: config.label(),
        latency: config.latency(),
        ..ConfigReport::default()
    };
    let mut all: Option<Coverage> = None;
    let mut seconds = 0.0;
    for (job, coverage) in jobs {
        report.cycles += job.cycles;
        report.commands += job.commands;
        report.responses += job.responses;
        report.failures += u64::from(!job.passed());
        seconds += job.seconds;
        match (&mut all, coverage) {
            (Some(all), Some(coverage)) => all.merge_from(coverage),
            (None, Some(coverage)) => all = Some(coverage.clone()),
            (_, None) => {}
        }
    }
    if let Some(all) = all {
        report.coverage = all.groups();
        report.holes = all.holes();
    }
    if seconds > 0.0 {
        report.cycles_per_second = report.cycles as f64 / seconds;
    }
    report
}

fn job_report(job: &Job, tally: &Tally, seconds: f64, error: Option<String>) -> JobReport {
    JobReport {
        name: job.name(),
        cycles: tally.cycles,
        commands: tally.commands,
        responses: tally.responses,
        seconds,
        mismatch: tally.mismatch.clone(),
        case: None,
        error,
        stopped: false,
    }
}

fn run_job(
    dut: &Dut,
    job: &Job,
    observer: &dyn Observer,
    stop: &AtomicBool,
) -> Result<(JobReport, Coverage), CaseError> {
    let mut coverage = Coverage::new(dut.layout(), dut.timing())
        .map_err(crate::scoreboard::ScoreboardError::from)?;
    let start = Instant::now();
    if job.drive == Drive::Proptest {
        let report = run_sequences(dut, job, observer, stop)?;
        return Ok((
            JobReport {
                seconds: start.elapsed().as_secs_f64(),
                ..report
            },
            coverage,
        ));
    }
    let mut board = dut.scoreboard(job.seed)?;
    let mut stimulus = job.drive.stimulus(dut, job.seed);
    let mut told = 0;
    let tally = board.run(&mut *stimulus, job.cycles, Some(&mut coverage), |tally| {
        observer.advanced(tally.cycles - told);
        told = tally.cycles;
        !stop.load(Ordering::Relaxed)
    })?;
    observer.advanced(tally.cycles - told);
    let mut report = job_report(job, tally, start.elapsed().as_secs_f64(), None);
    report.stopped = stop.load(Ordering::Relaxed);
    if let Some(mismatch) = &report.mismatch {
        let stimulus = job.drive.stimulus(dut, job.seed);
        report.case = reduce(dut, job.seed, stimulus, mismatch, job.name())?;
    }
    Ok((report, coverage))
}

/// The `proptest` profile: many short sequences, each on a fresh model.
fn run_sequences(
    dut: &Dut,
    job: &Job,
    observer: &dyn Observer,
    stop: &AtomicBool,
) -> Result<JobReport, CaseError> {
    let sequences = Sequences {
        layout: dut.layout(),
        timing: dut.timing(),
        profile: Profile::hazard(),
        max_cycles: SEQUENCE_CYCLES,
    };
    let test = Fails::new(dut, job.seed);
    let cases = (job.cycles / SEQUENCE_CYCLES as u64).clamp(1, 1 << 20) as u32;
    let small = search(&sequences, cases, job.seed, |cycles| {
        observer.advanced(cycles.len() as u64);
        !stop.load(Ordering::Relaxed) && test.fails(cycles)
    });
    let mut report = job_report(job, &test.finish()?, 0.0, None);
    report.stopped = stop.load(Ordering::Relaxed);
    if let Some(small) = small {
        report.case = shrink_to_case(dut, job.seed, &small, job.name())?;
        report.mismatch = report.case.as_ref().map(|c| c.mismatch.clone());
    }
    Ok(report)
}
