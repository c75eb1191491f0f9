//! The flow from Verilog to placed designs: Yosys once per design and device, nextpnr once per
//! seed, in parallel.
//!
//! The results of the tools are cached under a hash of the Verilog, the tools' versions and their
//! arguments.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use atomik_tools::cache::{Cache, CacheError};
use atomik_tools::{Search, ToolError, ToolKind};
use rayon::prelude::*;
use thiserror::Error;

use crate::device::Family;
use crate::harness;
use crate::job::Job;
use crate::placer::{Placed, Placer, Run};
use crate::report::{Outcome, Report, Spread};
use crate::step::{StepError, Steps};
use crate::synthesis::{Synthesis, Synthesised};

/// Receives the progress of a flow. Calls come from several threads.
pub trait Observer: Sync {
    /// The flow has `steps` steps.
    fn planned(&self, steps: usize) {
        let _ = steps;
    }
    /// A step starts; `step` describes it.
    fn started(&self, step: &str) {
        let _ = step;
    }
    /// A step has ended.
    fn finished(&self) {}
}

/// Ignores the progress.
impl Observer for () {}

/// Why a flow ended without results. Errors in a single design are in its [`Report`].
#[derive(Debug, Error)]
pub enum FlowError {
    /// A tool is missing.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// The cache cannot be read or written.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The threads cannot be started.
    #[error("cannot start {0} threads; try fewer with -j")]
    Threads(usize),
    /// The flow was stopped.
    #[error("stopped; finished steps are cached and will not run again")]
    Stopped,
}

/// The tools of a flow, and the cache for their results.
#[derive(Debug)]
pub struct Flow<'s> {
    pub(crate) synthesis: Synthesis,
    pub(crate) placer: Placer,
    pub(crate) steps: Steps<'s>,
}

impl<'s> Flow<'s> {
    /// A flow for devices of these families. It uses the tools that `search` finds, caches results
    /// in `fpga` below `cache`, and ends soon after `stop` is set.
    ///
    /// # Errors
    /// If a tool is missing.
    pub fn new(
        search: &Search,
        families: impl IntoIterator<Item = Family>,
        cache: &Path,
        stop: &'s AtomicBool,
    ) -> Result<Self, ToolError> {
        let yosys = search.find(ToolKind::Synthesis)?;
        let mut nextpnr = BTreeMap::new();
        for family in families {
            if let std::collections::btree_map::Entry::Vacant(entry) = nextpnr.entry(family) {
                entry.insert(search.find(family.nextpnr())?);
            }
        }
        Ok(Self {
            synthesis: Synthesis { yosys },
            placer: Placer { nextpnr },
            steps: Steps {
                cache: Cache::new(&cache.join("fpga")),
                stop,
            },
        })
    }

    /// The versions of the tools, one line each.
    #[must_use]
    pub fn versions(&self) -> Vec<String> {
        let tools = std::iter::once(&self.synthesis.yosys).chain(self.placer.nextpnr.values());
        tools.map(|tool| tool.version_text.clone()).collect()
    }

    /// Places every job with every seed, on `threads` threads. Reports are in the order of the
    /// jobs.
    ///
    /// # Errors
    /// If the flow is stopped, the cache cannot be written, or the threads cannot be started. If a
    /// tool fails on a design, only the report of that design says so.
    pub fn run(
        &self,
        jobs: &[Job],
        threads: usize,
        observer: &impl Observer,
    ) -> Result<Vec<Report>, FlowError> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .map_err(|_| FlowError::Threads(threads))?;
        let placements: usize = jobs.iter().map(|job| job.seeds.len()).sum();
        observer.planned(jobs.len() + placements);
        pool.install(|| {
            let synthesised: Vec<_> = jobs
                .par_iter()
                .map(|job| {
                    let step = format!("{} for {}: synthesis", job.design.name, job.device);
                    self.step(observer, &step, || self.synthesis.design(&self.steps, job))
                })
                .collect();
            let steps: Vec<(usize, u32)> = jobs
                .iter()
                .enumerate()
                .flat_map(|(i, job)| job.seeds.iter().map(move |&seed| (i, seed)))
                .collect();
            let placed: Vec<_> = steps
                .par_iter()
                .map(|&(i, seed)| {
                    let job = &jobs[i];
                    let Ok(synthesised) = &synthesised[i] else {
                        observer.finished();
                        return None;
                    };
                    let step = format!("{} on {}: seed {seed}", job.design.name, job.device);
                    Some(self.step(observer, &step, || self.place(job, synthesised, seed)))
                })
                .collect();
            let mut placed = placed.into_iter();
            let mut reports = Vec::new();
            for (job, synthesised) in jobs.iter().zip(synthesised) {
                let seeds = placed.by_ref().take(job.seeds.len()).flatten();
                reports.push(report(job, synthesised, seeds)?);
            }
            Ok(reports)
        })
    }

    /// Runs one step, unless the flow was stopped.
    fn step<T>(
        &self,
        observer: &impl Observer,
        name: &str,
        work: impl FnOnce() -> Result<T, StepError>,
    ) -> Result<T, StepError> {
        if self.steps.stop.load(Ordering::Relaxed) {
            return Err(StepError::Stopped);
        }
        observer.started(name);
        let result = work();
        observer.finished();
        result
    }

    fn place(&self, job: &Job, synthesised: &Synthesised, seed: u32) -> Result<Placed, StepError> {
        let pins = match job.device.family {
            Family::Gowin => Some(harness::GOWIN_PINS),
            Family::Ecp5 | Family::Ice40 => None,
        };
        let run = Run {
            name: &job.design.name,
            device: job.device,
            netlist: &synthesised.netlist,
            pins,
            seed,
            freq_mhz: job.freq_mhz,
            write: None,
        };
        let (_, placed) = self.placer.place(&self.steps, &run)?;
        Ok(placed)
    }
}

/// The report of a job, from the results of its steps.
fn report(
    job: &Job,
    synthesised: Result<Synthesised, StepError>,
    seeds: impl Iterator<Item = Result<Placed, StepError>>,
) -> Result<Report, FlowError> {
    let mut report = Report {
        design: job.design.name.clone(),
        shape: job.design.shape.clone(),
        device: job.device.name.to_owned(),
        asked_mhz: job.freq_mhz,
        cells: job.cells,
        area: None,
        outcome: Outcome::Failed {
            message: "no seeds were requested".to_owned(),
        },
    };
    let failed = |error: StepError| match error {
        StepError::Cache(error) => Err(FlowError::Cache(error)),
        StepError::Stopped => Err(FlowError::Stopped),
        error => Ok(Outcome::Failed {
            message: error.to_string(),
        }),
    };
    match synthesised {
        Ok(synthesised) => report.area = Some(synthesised.area),
        Err(error) => {
            report.outcome = failed(error)?;
            return Ok(report);
        }
    }
    let mut placements = Vec::new();
    for placed in seeds {
        match placed {
            Ok(Placed::Fits(placement)) => placements.push(*placement),
            // Another seed would not make the device larger.
            Ok(Placed::TooBig(overfull)) => {
                report.outcome = Outcome::TooBig { overfull };
                return Ok(report);
            }
            Err(error) => {
                report.outcome = failed(error)?;
                return Ok(report);
            }
        }
    }
    if let Some(fmax_mhz) = Spread::of(placements.iter().map(|placement| placement.fmax_mhz)) {
        report.outcome = Outcome::Placed {
            fmax_mhz,
            placements,
        };
    }
    Ok(report)
}
