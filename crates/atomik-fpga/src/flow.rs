//! From Verilog to a placed design: Yosys once for each design and device, nextpnr once for each
//! seed.
//!
//! What the tools make is kept in the cache under a hash of the Verilog, of the tools' versions and
//! of their arguments.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use atomik_tools::cache::{Cache, CacheError, Entry, Recipe, failed};
use atomik_tools::{Search, Tool, ToolError};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::design::{Design, Port};
use crate::device::{Cells, Device, Family, GOWIN_HARNESS_PINS};
use crate::netlist::{self, Area};
use crate::placement::{Placement, Use, overfull};
use crate::process::{self, RunError};
use crate::report::{Outcome, Report, Spread};
use crate::{harness, timing};

/// Changes when the contents of a cache entry do, or what is read out of the tools' reports.
const FORMAT: u32 = 2;

const DESIGN: &str = "design.v";
const HARNESS: &str = "harness.v";
const NETLIST: &str = "netlist.json";
const AREA: &str = "area.json";
const SYNTHESIS_LOG: &str = "yosys.log";
const PINS: &str = "pins.txt";
const REPORT: &str = "report.json";
const SDF: &str = "delays.sdf";
const PLACEMENT_LOG: &str = "nextpnr.log";
const PLACEMENT: &str = "placement.json";
/// Where logs of tools that failed are kept, below the cache.
const FAILURES: &str = "failed";

/// What to place.
#[derive(Clone, Debug)]
pub struct Job {
    /// The design.
    pub design: Design,
    /// The device.
    pub device: &'static Device,
    /// The seeds to place it with.
    pub seeds: Vec<u32>,
    /// The frequency to ask for, in MHz.
    pub freq_mhz: u32,
    /// What the timing analysis is to see.
    pub cells: Cells,
}

/// Is told how far a flow is. Calls come from several threads.
pub trait Observer: Sync {
    /// So many steps are to be done.
    fn planned(&self, steps: usize) {
        let _ = steps;
    }
    /// A step starts: what it does, in words.
    fn started(&self, step: &str) {
        let _ = step;
    }
    /// A step has ended.
    fn finished(&self) {}
}

/// Tells nobody.
impl Observer for () {}

/// Why there is no result at all. What is wrong with one design is in its [`Report`].
#[derive(Debug, Error)]
pub enum FlowError {
    /// A tool is missing.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// The cache does not work.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// There are no threads to be had.
    #[error("cannot start {0} threads; try fewer with -j")]
    Threads(usize),
    /// It was told to stop.
    #[error("stopped; what is done is kept, and not done again")]
    Stopped,
}

/// What happened to one step.
#[derive(Debug)]
pub(crate) enum StepError {
    /// The cache or a file.
    Cache(CacheError),
    /// It was told to stop.
    Stopped,
    /// The design, or a tool at it: in words.
    Failed(String),
}

impl From<CacheError> for StepError {
    fn from(error: CacheError) -> Self {
        Self::Cache(error)
    }
}

/// What nextpnr came to, as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Placed {
    Fits(Box<Placement>),
    TooBig(Vec<Use>),
}

/// The tools, and where their work is kept.
#[derive(Debug)]
pub struct Flow<'s> {
    synthesis: Tool,
    nextpnr: BTreeMap<Family, Tool>,
    cache: Cache,
    stop: &'s AtomicBool,
}

/// A design after synthesis.
#[derive(Debug)]
pub(crate) struct Synthesised {
    pub dir: PathBuf,
    pub area: Area,
}

impl<'s> Flow<'s> {
    /// A flow for devices of these families, with the tools that `search` finds and results kept in
    /// `fpga` below `cache`. It ends soon after `stop` is set.
    ///
    /// # Errors
    /// When a tool is missing.
    pub fn new(
        search: &Search,
        families: impl IntoIterator<Item = Family>,
        cache: &Path,
        stop: &'s AtomicBool,
    ) -> Result<Self, ToolError> {
        let synthesis = search.find(atomik_tools::ToolKind::Synthesis)?;
        let mut nextpnr = BTreeMap::new();
        for family in families {
            if let std::collections::btree_map::Entry::Vacant(entry) = nextpnr.entry(family) {
                entry.insert(search.find(family.nextpnr())?);
            }
        }
        Ok(Self {
            synthesis,
            nextpnr,
            cache: Cache::new(&cache.join("fpga")),
            stop,
        })
    }

    /// The versions of the tools, a line each.
    #[must_use]
    pub fn versions(&self) -> Vec<String> {
        let tools = std::iter::once(&self.synthesis).chain(self.nextpnr.values());
        tools.map(|tool| tool.version_text.clone()).collect()
    }

    pub(crate) fn stop(&self) -> &AtomicBool {
        self.stop
    }

    pub(crate) fn cache(&self) -> &Cache {
        &self.cache
    }

    /// The tool for the family, which [`Flow::new`] was asked to find.
    pub(crate) fn nextpnr(&self, family: Family) -> Result<&Tool, StepError> {
        self.nextpnr
            .get(&family)
            .ok_or_else(|| StepError::Failed(format!("no {} was looked for", family.nextpnr())))
    }

    /// Places every job with every seed, `threads` at a time. Reports come in the order of the
    /// jobs.
    ///
    /// # Errors
    /// When it is stopped, or the cache cannot be written. A tool that fails at a design fails that
    /// report alone.
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
                    self.step(observer, &step, || self.synthesise(job))
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

    /// One step, unless it was told to stop.
    fn step<T>(
        &self,
        observer: &impl Observer,
        name: &str,
        work: impl FnOnce() -> Result<T, StepError>,
    ) -> Result<T, StepError> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(StepError::Stopped);
        }
        observer.started(name);
        let result = work();
        observer.finished();
        result
    }

    fn synthesise(&self, job: &Job) -> Result<Synthesised, StepError> {
        let Design { top, verilog, .. } = &job.design;
        let ports = match &job.design.ports {
            Some(ports) => ports.clone(),
            None => self.ports(job)?,
        };
        if !ports.iter().any(|port| port.name == harness::CLOCK) {
            let message = format!(
                "{top} has no port {}, which is to be its clock",
                harness::CLOCK
            );
            return Err(StepError::Failed(message));
        }
        if ports.iter().all(|port| port.input) {
            return Err(StepError::Failed(format!(
                "{top} has no output, so nothing of it would be left"
            )));
        }
        let command = job.device.synthesis;
        // Without pads: the ports of the design are none of the device's pins.
        let pads = match job.device.family {
            Family::Gowin => " -noiopads",
            Family::Ecp5 | Family::Ice40 => "",
        };
        let script = format!(
            "read_verilog {DESIGN} {HARNESS}; {}; \
             design -reset; \
             read_verilog {DESIGN}; {command}{pads} -top {top}; tee -q -o {AREA} stat -json",
            job.device.to_netlist(harness::TOP, NETLIST),
        );
        let files = [
            (DESIGN, verilog.clone()),
            (HARNESS, harness::verilog(top, &ports)),
        ];
        let mut recipe = self.synthesis_recipe("synthesis", &script);
        for (name, text) in &files {
            recipe.input(name, text);
        }
        recipe.input("cells", job.cells.name());
        let Entry { dir, .. } = self.cache.entry(&recipe, |dir| {
            self.yosys(dir, &script, &files, &job.design.name)?;
            if job.cells == Cells::Timed && job.device.family == Family::Gowin {
                let path = dir.join(NETLIST);
                let text = read(&path)?;
                let text = netlist::time_every_cell(&text).map_err(in_words)?;
                write(&path, &text)?;
            }
            Ok::<_, StepError>(names(&[NETLIST, AREA, SYNTHESIS_LOG]))
        })?;
        let area = Area::parse(job.device.family, &read(&dir.join(AREA))?).map_err(in_words)?;
        Ok(Synthesised { dir, area })
    }

    /// The ports of a design, by Yosys.
    fn ports(&self, job: &Job) -> Result<Vec<Port>, StepError> {
        let Design { top, verilog, .. } = &job.design;
        let script =
            format!("read_verilog {DESIGN}; hierarchy -top {top}; proc; write_json {NETLIST}");
        let mut recipe = self.synthesis_recipe("ports", &script);
        recipe.input(DESIGN, verilog);
        let Entry { dir, .. } = self.cache.entry(&recipe, |dir| {
            let files = [(DESIGN, verilog.clone())];
            self.yosys(dir, &script, &files, &job.design.name)?;
            Ok::<_, StepError>(names(&[NETLIST]))
        })?;
        netlist::ports(&read(&dir.join(NETLIST))?, top).map_err(in_words)
    }

    pub(crate) fn synthesis_recipe(&self, stem: &str, script: &str) -> Recipe {
        let mut recipe = Recipe::new(stem, FORMAT);
        recipe.input("yosys", &self.synthesis.version_text);
        recipe.input("script", script);
        recipe
    }

    pub(crate) fn yosys(
        &self,
        dir: &Path,
        script: &str,
        files: &[(impl AsRef<str>, String)],
        name: &str,
    ) -> Result<(), StepError> {
        for (file, text) in files {
            write(&dir.join(file.as_ref()), text)?;
        }
        let args = ["-q", "-l", SYNTHESIS_LOG, "-p", script].map(str::to_owned);
        process::run(&self.synthesis, dir, &args, SYNTHESIS_LOG, self.stop)
            .map_err(|error| self.failure(error, &self.synthesis, name, dir, SYNTHESIS_LOG))
    }

    fn place(&self, job: &Job, synthesised: &Synthesised, seed: u32) -> Result<Placed, StepError> {
        let pins = match job.device.family {
            Family::Gowin => Some(GOWIN_HARNESS_PINS),
            Family::Ecp5 | Family::Ice40 => None,
        };
        let run = Run {
            name: &job.design.name,
            device: job.device,
            netlist: &synthesised.dir.join(NETLIST),
            pins,
            seed,
            freq_mhz: job.freq_mhz,
            write: None,
        };
        let (_, placed) = self.place_and_route(&run)?;
        Ok(placed)
    }

    /// Runs nextpnr, or finds what it came to.
    fn place_and_route(&self, run: &Run<'_>) -> Result<(PathBuf, Placed), StepError> {
        let nextpnr = self.nextpnr(run.device.family)?;
        let args = run.args();
        let netlist = read(run.netlist)?;
        let mut recipe = Recipe::new("placement", FORMAT);
        recipe.input("nextpnr", &nextpnr.version_text);
        recipe.input("arguments", &args.join(" "));
        recipe.input("pins", run.pins.unwrap_or_default());
        recipe.input(NETLIST, &sha256(&netlist));
        let Entry { dir, .. } = self.cache.entry(&recipe, |dir| {
            write(&dir.join(NETLIST), &netlist)?;
            drop(netlist);
            if let Some(pins) = run.pins {
                write(&dir.join(PINS), pins)?;
            }
            let result = process::run(nextpnr, dir, &args, PLACEMENT_LOG, self.stop);
            let mut kept = names(&[PLACEMENT, PLACEMENT_LOG]);
            let placed = match result {
                Ok(()) => {
                    let coverage = timing::coverage(&read(&dir.join(SDF))?).map_err(in_words)?;
                    let report = read(&dir.join(REPORT))?;
                    let placement = Placement::parse(run.seed, &report, coverage);
                    kept.push(REPORT.to_owned());
                    kept.extend(run.write.map(|(_, file)| file.to_owned()));
                    Placed::Fits(Box::new(placement.map_err(in_words)?))
                }
                Err(error) => {
                    let log = fs::read(dir.join(PLACEMENT_LOG)).unwrap_or_default();
                    let lacking = overfull(&String::from_utf8_lossy(&log));
                    if matches!(error, RunError::Stopped) || lacking.is_empty() {
                        return Err(self.failure(error, nextpnr, run.name, dir, PLACEMENT_LOG));
                    }
                    Placed::TooBig(lacking)
                }
            };
            let text = serde_json::to_string_pretty(&placed).map_err(in_words)?;
            write(&dir.join(PLACEMENT), &text)?;
            Ok(kept)
        })?;
        let placed = serde_json::from_str(&read(&dir.join(PLACEMENT))?).map_err(in_words)?;
        Ok((dir, placed))
    }

    /// Places a netlist and keeps what nextpnr wrote for the packer. Returns where that is, and the
    /// placement; or what the device has too little of.
    pub(crate) fn place_for_packing(
        &self,
        run: &Run<'_>,
    ) -> Result<(PathBuf, Result<Placement, Vec<Use>>), StepError> {
        let (dir, placed) = self.place_and_route(run)?;
        let file = run.write.map_or(PLACEMENT, |(_, file)| file);
        Ok(match placed {
            Placed::Fits(placement) => (dir.join(file), Ok(*placement)),
            Placed::TooBig(lacking) => (dir.join(PLACEMENT_LOG), Err(lacking)),
        })
    }

    /// Says how a tool failed, and keeps its log.
    pub(crate) fn failure(
        &self,
        error: RunError,
        tool: &Tool,
        name: &str,
        dir: &Path,
        log: &str,
    ) -> StepError {
        let reason = match error {
            RunError::Stopped => return StepError::Stopped,
            RunError::Failed(reason) => reason,
        };
        let words: String = format!("{name} {log}")
            .chars()
            .map(|c| {
                if c.is_alphanumeric() || c == '.' {
                    c
                } else {
                    '-'
                }
            })
            .collect();
        let kept = self.cache.dir().join(FAILURES).join(words);
        let log = [log, process::PRINTED]
            .into_iter()
            .map(|log| dir.join(log))
            .find(|log| fs::metadata(log).is_ok_and(|meta| meta.len() > 0));
        let copied = log.and_then(|log| {
            fs::create_dir_all(kept.parent()?).ok()?;
            fs::copy(log, &kept).ok()
        });
        let at = match copied {
            Some(_) => format!("; its log is {}", kept.display()),
            None => String::new(),
        };
        StepError::Failed(format!("{} failed{at}\n{reason}", tool.kind))
    }
}

/// One run of nextpnr.
pub(crate) struct Run<'a> {
    pub name: &'a str,
    pub device: &'static Device,
    pub netlist: &'a Path,
    /// The text of the file with the pins.
    pub pins: Option<&'a str>,
    pub seed: u32,
    pub freq_mhz: u32,
    /// The option and the file that the packer needs.
    pub write: Option<(&'static str, &'static str)>,
}

impl Run<'_> {
    fn args(&self) -> Vec<String> {
        let mut args = names(self.device.nextpnr);
        if self.pins.is_some() {
            match self.device.family {
                Family::Ecp5 => args.extend(names(&["--lpf", PINS])),
                Family::Ice40 => args.extend(names(&["--pcf", PINS])),
                Family::Gowin => args.extend(["--vopt".to_owned(), format!("cst={PINS}")]),
            }
        }
        if let Some((option, file)) = self.write {
            args.extend(names(&[option, file]));
        }
        args.extend(names(&[
            "--json", NETLIST, "--report", REPORT, "--sdf", SDF,
        ]));
        args.extend(names(&["--timing-allow-fail", "-q", "-l", PLACEMENT_LOG]));
        args.extend(["--freq".to_owned(), self.freq_mhz.to_string()]);
        args.extend(["--seed".to_owned(), self.seed.to_string()]);
        args
    }
}

/// What came of a job, from what came of its steps.
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
            message: "no seed was asked for".to_owned(),
        },
    };
    let failed = |error: StepError| match error {
        StepError::Cache(error) => Err(FlowError::Cache(error)),
        StepError::Stopped => Err(FlowError::Stopped),
        StepError::Failed(message) => Ok(Outcome::Failed { message }),
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
            // One seed more would not make the device larger.
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

pub(crate) fn names(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn in_words(error: impl std::fmt::Display) -> StepError {
    StepError::Failed(error.to_string())
}

pub(crate) fn read(path: &Path) -> Result<String, CacheError> {
    fs::read_to_string(path).map_err(failed("read", path))
}

pub(crate) fn write(path: &Path, text: &str) -> Result<(), CacheError> {
    fs::write(path, text).map_err(failed("write", path))
}

fn sha256(text: &str) -> String {
    let digest = Sha256::digest(text);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
