//! Runs a regression plan on all cores.

use crate::case::CaseError;
use crate::causes::with_causes;
use crate::coverage::Coverage;
use crate::dut::Dut;
use crate::plan::{Driver, Job, Overrides, Plan, PlanError};
use crate::random::Profile;
use crate::reduce::{FailureCheck, reduce, shrink_to_case};
use crate::report::{ConfigReport, JobReport, Report};
use crate::scoreboard::{ScoreboardError, Tally};
use crate::shrink::{Sequences, search};
use crate::supplied::Subject;
use crate::verilate::Builder;
use atomik_hdl::Config;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Cycles of one sequence of the `proptest` profile, at most.
const SEQUENCE_CYCLES: usize = 200;

/// Receives the progress of a regression, from several threads at once.
pub trait Observer: Sync {
    /// The regression starts, with this number of jobs and at most this number of cycles in all.
    fn started(&self, _jobs: usize, _cycles: u64) {}
    /// The model of a configuration was built.
    fn built(&self, _config: &str) {}
    /// This number of further cycles was compared.
    fn advanced(&self, _cycles: u64) {}
    /// A job has ended.
    fn finished(&self, _job: &JobReport) {}
}

/// The designs of a regression, each built or with the reason why it could not be.
type Duts = BTreeMap<Config, Result<Dut, String>>;

/// A job's report and the coverage it reached; no coverage if it did not run.
type JobResult = (JobReport, Option<Coverage>);

/// Runs `plan`. Setting `stop` ends it as soon as possible; the report then covers the work done so
/// far.
///
/// # Errors
/// When the plan or the overrides are invalid. Failed jobs are part of the report.
pub fn regress(
    builder: &Builder,
    plan: &Plan,
    overrides: &Overrides,
    observer: &dyn Observer,
    stop: &AtomicBool,
) -> Result<Report, PlanError> {
    let jobs = plan.jobs(overrides)?;
    observer.started(jobs.len(), jobs.iter().map(|j| j.cycles).sum());
    let mut configs: Vec<Config> = jobs.iter().map(|j| j.config).collect();
    configs.sort();
    configs.dedup();
    let duts = build(builder, &configs, &overrides.subject, observer, stop);
    let results: Vec<JobResult> = jobs
        .par_iter()
        .map(|job| {
            let result = run_or_report(&duts, job, observer, stop);
            observer.finished(&result.0);
            result
        })
        .collect();
    let stopped = stop.load(Ordering::Relaxed);
    let configs = configs
        .iter()
        .map(|&config| {
            let of_config = jobs
                .iter()
                .zip(&results)
                .filter(|(job, _)| job.config == config)
                .map(|(_, result)| result);
            config_report(config, duts[&config].as_ref().ok(), of_config)
        })
        .collect();
    Ok(Report {
        plan: plan.name.clone(),
        design: overrides.subject.supplied.clone(),
        netlist: overrides.subject.netlist.is_some(),
        verilator: builder.verilator().version_text.clone(),
        configs,
        jobs: results.into_iter().map(|(report, _)| report).collect(),
        gate_coverage: plan.gate_coverage
            && overrides.filter.is_none()
            && overrides.cycles.is_none(),
        stopped,
    })
}

/// Builds the design of each configuration.
fn build(
    builder: &Builder,
    configs: &[Config],
    subject: &Subject,
    observer: &dyn Observer,
    stop: &AtomicBool,
) -> Duts {
    configs
        .par_iter()
        .map(|&config| {
            if stop.load(Ordering::Relaxed) {
                return (config, Err("stopped".into()));
            }
            let dut = Dut::of(builder, config, subject).map_err(|e| with_causes(&e));
            observer.built(&config.name());
            (config, dut)
        })
        .collect()
}

/// Runs a job. An error becomes part of its report.
fn run_or_report(duts: &Duts, job: &Job, observer: &dyn Observer, stop: &AtomicBool) -> JobResult {
    let outcome = match &duts[&job.config] {
        Ok(dut) => run_job(dut, job, observer, stop).map_err(|e| with_causes(&e)),
        Err(e) => Err(e.clone()),
    };
    match outcome {
        Ok((report, coverage)) => (report, Some(coverage)),
        Err(error) => {
            let mut report = job_report(job, &Tally::default(), 0.0);
            // The signal that stops a regression also kills the tools it runs, so their errors mean
            // nothing then.
            report.stopped = stop.load(Ordering::Relaxed);
            report.error = (!report.stopped).then_some(error);
            (report, None)
        }
    }
}

fn config_report<'a>(
    config: Config,
    dut: Option<&Dut>,
    results: impl Iterator<Item = &'a JobResult>,
) -> ConfigReport {
    let mut report = ConfigReport {
        config: config.label(),
        latency: dut.map_or(config.latency(), |dut| dut.timing().latency),
        ..ConfigReport::default()
    };
    let mut all: Option<Coverage> = None;
    let mut seconds = 0.0;
    for (job, coverage) in results {
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

fn job_report(job: &Job, tally: &Tally, seconds: f64) -> JobReport {
    JobReport {
        name: job.name(),
        cycles: tally.cycles,
        commands: tally.commands,
        responses: tally.responses,
        seconds,
        mismatch: tally.mismatch.clone(),
        case: None,
        error: None,
        stopped: false,
    }
}

fn run_job(
    dut: &Dut,
    job: &Job,
    observer: &dyn Observer,
    stop: &AtomicBool,
) -> Result<(JobReport, Coverage), CaseError> {
    let mut coverage = Coverage::new(dut.layout(), dut.config().layout(), dut.timing())
        .map_err(ScoreboardError::from)?;
    let report = match job.driver {
        Driver::Proptest => run_sequences(dut, job, observer, stop)?,
        Driver::Directed | Driver::Random(_) => {
            run_stream(dut, job, &mut coverage, observer, stop)?
        }
    };
    Ok((report, coverage))
}

/// Runs one long stream of commands on one model.
fn run_stream(
    dut: &Dut,
    job: &Job,
    coverage: &mut Coverage,
    observer: &dyn Observer,
    stop: &AtomicBool,
) -> Result<JobReport, CaseError> {
    let start = Instant::now();
    let mut board = dut.scoreboard(job.seed)?;
    let mut stimulus = job.stimulus(dut);
    let mut reported = 0;
    let tally = board.run(&mut *stimulus, job.cycles, Some(coverage), |tally| {
        observer.advanced(tally.cycles - reported);
        reported = tally.cycles;
        !stop.load(Ordering::Relaxed)
    })?;
    observer.advanced(tally.cycles - reported);
    let mut report = job_report(job, tally, start.elapsed().as_secs_f64());
    report.stopped = stop.load(Ordering::Relaxed);
    if let Some(mismatch) = &report.mismatch {
        report.case = reduce(dut, job.seed, job.stimulus(dut), mismatch, job.name())?;
    }
    Ok(report)
}

/// Runs many short sequences, each on a fresh model.
fn run_sequences(
    dut: &Dut,
    job: &Job,
    observer: &dyn Observer,
    stop: &AtomicBool,
) -> Result<JobReport, CaseError> {
    let start = Instant::now();
    let sequences = Sequences {
        layout: dut.layout(),
        timing: dut.timing(),
        profile: Profile::hazard(),
        max_cycles: SEQUENCE_CYCLES,
    };
    let check = FailureCheck::new(dut, job.seed);
    let cases = (job.cycles / SEQUENCE_CYCLES as u64).clamp(1, 1 << 20) as u32;
    let small = search(&sequences, cases, job.seed, |cycles| {
        observer.advanced(cycles.len() as u64);
        !stop.load(Ordering::Relaxed) && check.fails(cycles)
    });
    let mut report = job_report(job, &check.finish()?, 0.0);
    report.stopped = stop.load(Ordering::Relaxed);
    if let Some(small) = small {
        report.case = shrink_to_case(dut, job.seed, &small, job.name())?;
        report.mismatch = report.case.as_ref().map(|c| c.mismatch.clone());
    }
    report.seconds = start.elapsed().as_secs_f64();
    Ok(report)
}
