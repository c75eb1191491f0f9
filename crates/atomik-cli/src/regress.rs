//! `atomik sim regress`: runs a plan, shows how far it is, and says what came out.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use atomik_sim::case::{Case, Dut};
use atomik_sim::junit;
use atomik_sim::regress::{
    Choice, ConfigReport, JobReport, Observer, Plan, Report, regress as run_plan,
};
use atomik_sim::verilate::Builder;
use atomik_tools::project_root;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};

use crate::args::RegressArgs;
use crate::failure::Failure;
use crate::table::{rate, table};
use crate::{Outcome, print, print_json, say};

/// Empty coverage bins that are listed of each configuration.
const HOLES_SHOWN: usize = 20;

pub fn regress(args: &RegressArgs) -> Result<Outcome, Failure> {
    let plan_path = match &args.plan {
        Some(path) => path.clone(),
        None => project_root()
            .ok_or(Failure::NoPlan)?
            .join("sim")
            .join("reference.toml"),
    };
    let plan = Plan::read(&plan_path)?;
    let choice = Choice {
        seed: args.seed,
        cycles: args.cycles,
        filter: args.filter.clone(),
    };
    let builder = Builder::from_env()?;
    let stop = stop_at_ctrl_c()?;
    let start = Instant::now();
    let progress = Progress::new();
    let result = run_plan(&builder, &plan, &choice, &progress, stop);
    progress.bar.finish_and_clear();
    let report = result?;
    let elapsed = start.elapsed();

    let failures = Failures {
        args,
        builder: &builder,
        folder: args.failures.clone().unwrap_or_else(|| {
            let target = project_root().unwrap_or_default().join("target");
            target.join("atomik-failures")
        }),
    };
    for job in &report.jobs {
        failures.tell(job)?;
    }
    tell_errors(&report);
    if let Some(path) = &args.junit {
        let xml = junit::to_xml(&report).map_err(|error| Failure::Junit(error.to_string()))?;
        fs::write(path, xml).map_err(|source| Failure::File {
            path: path.clone(),
            source,
        })?;
    }
    if args.json {
        print_json(&report)?;
    } else {
        let verilator = &builder.verilator().version_text;
        print(Summary {
            report: &report,
            elapsed,
            verilator,
        })?;
    }
    Ok(outcome(&report))
}

fn outcome(report: &Report) -> Outcome {
    if report.stopped {
        Outcome::Stopped
    } else if report.passed() {
        Outcome::Fine
    } else if report.mismatches() == 0 && report.jobs.iter().any(|job| job.error.is_some()) {
        Outcome::ToolFailed
    } else {
        Outcome::CheckFailed
    }
}

/// A flag that the first Ctrl-C sets; the second ends the process.
pub fn stop_at_ctrl_c() -> Result<&'static AtomicBool, Failure> {
    static STOP: AtomicBool = AtomicBool::new(false);
    ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::Relaxed) {
            std::process::exit(i32::from(Outcome::Stopped.status()));
        }
        say("stopping; Ctrl-C once more ends this at once");
    })?;
    Ok(&STOP)
}

/// A bar on the standard error, if that is a terminal.
struct Progress {
    bar: ProgressBar,
    cycles: AtomicU64,
}

impl Progress {
    fn new() -> Self {
        let bar = ProgressBar::new(0);
        let style = "{spinner} {pos}/{len} jobs  [{wide_bar}]  {msg}  {elapsed}";
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style.progress_chars("=> "));
        }
        Self {
            bar,
            cycles: AtomicU64::new(0),
        }
    }
}

impl Observer for Progress {
    fn started(&self, jobs: usize, _: u64) {
        self.bar.set_length(jobs as u64);
        self.bar.set_message("compiling models");
        self.bar.tick();
    }

    fn built(&self, config: &str) {
        self.bar.set_message(format!("compiled {config}"));
    }

    fn advanced(&self, cycles: u64) {
        let all = self.cycles.fetch_add(cycles, Ordering::Relaxed) + cycles;
        if !self.bar.is_hidden() {
            self.bar.set_message(format!("{} cycles", HumanCount(all)));
        }
    }

    fn finished(&self, _: &JobReport) {
        self.bar.inc(1);
    }
}

/// What is told of mismatches, and where their cases go.
struct Failures<'a> {
    args: &'a RegressArgs,
    builder: &'a Builder,
    folder: PathBuf,
}

impl Failures<'_> {
    /// Says what a job found, records the case with its waveform, and says how to see it again.
    fn tell(&self, job: &JobReport) -> Result<(), Failure> {
        let Some(mismatch) = &job.mismatch else {
            return Ok(());
        };
        let Some(case) = &job.case else {
            say(format_args!("{}: {mismatch}", job.name));
            say(format_args!(
                "it does not show in a short sequence; run the job again with: {}",
                self.again(job)
            ));
            return Ok(());
        };
        let path = self.folder.join(job.name.replace('/', "-") + ".json");
        case.write(&path)
            .map_err(|error| Failure::Record(error.into()))?;
        say(format_args!(
            "{case}  replay    atomik sim replay {}",
            path.display()
        ));
        // The mismatch stands, whether or not there is a waveform of it.
        match self.waveform(case, &path) {
            Ok(waves) => say(format_args!("its waveform is {}", waves.display())),
            Err(failure) => say(format_args!(
                "there is no waveform of it: {}",
                failure.text()
            )),
        }
        Ok(())
    }

    fn waveform(&self, case: &Case, path: &Path) -> Result<PathBuf, Failure> {
        let waves = path.with_extension("vcd");
        let cycles = case.cycles(path)?;
        let dut = Dut::build(self.builder, case.config()?)?;
        dut.play_with_waves(self.builder, &cycles, case.seed, &waves)?;
        Ok(waves)
    }

    /// The command that runs one job as it was run.
    fn again(&self, job: &JobReport) -> String {
        let RegressArgs {
            plan, seed, cycles, ..
        } = self.args;
        let mut text = "atomik sim regress".to_owned();
        if let Some(plan) = plan {
            text += &format!(" {}", plan.display());
        }
        if let Some(seed) = seed {
            text += &format!(" --seed {seed}");
        }
        if let Some(cycles) = cycles {
            text += &format!(" --cycles {cycles}");
        }
        text + " --filter " + &job.name
    }
}

/// Says why jobs could not be run; a reason that many have, once.
fn tell_errors(report: &Report) {
    let mut jobs: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for job in &report.jobs {
        if let Some(error) = &job.error {
            jobs.entry(error).or_default().push(&job.name);
        }
    }
    for (error, jobs) in jobs {
        match jobs[..] {
            [job] => say(format_args!("{job}: {error}")),
            _ => say(format_args!(
                "{} and {} more jobs: {error}",
                jobs[0],
                jobs.len() - 1
            )),
        }
    }
}

/// What a regression has shown, for a person.
struct Summary<'a> {
    report: &'a Report,
    elapsed: Duration,
    verilator: &'a str,
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = self.report;
        let mut configs = table(
            &[
                "configuration",
                "latency",
                "cycles compared",
                "commands",
                "commands/cycle",
                "mismatches",
                "coverage",
                "cross-checked cycles/s",
            ],
            1,
        );
        let mut groups: Vec<(&str, Hit)> = Vec::new();
        let mut all = Hit::default();
        for config in &report.configs {
            let mut own = Hit::default();
            for group in &config.coverage {
                let hit = Hit {
                    hit: group.hit,
                    bins: group.bins,
                };
                own.add(hit);
                match groups.iter_mut().find(|(name, _)| *name == group.name) {
                    Some((_, sum)) => sum.add(hit),
                    None => groups.push((&group.name, hit)),
                }
            }
            all.add(own);
            let per_cycle = config.commands as f64 / config.cycles.max(1) as f64;
            let wrong = report.jobs_of(config).filter(|job| job.mismatch.is_some());
            configs.add_row([
                config.config.clone(),
                config.latency.to_string(),
                HumanCount(config.cycles).to_string(),
                HumanCount(config.commands).to_string(),
                format!("{per_cycle:.2}"),
                wrong.count().to_string(),
                own.to_string(),
                rate(config.cycles_per_second),
            ]);
        }
        writeln!(f, "{configs}\n")?;
        let groups: Vec<String> = groups
            .iter()
            .map(|(name, hit)| format!("{name} {hit}"))
            .collect();
        writeln!(f, "coverage by group: {}", groups.join(", "))?;
        // What a regression that was stopped has not reached says nothing.
        let holes = |config: &&ConfigReport| !report.stopped && !config.holes.is_empty();
        for config in report.configs.iter().filter(holes) {
            let gated = if report.gate_coverage {
                ""
            } else {
                " (not a failure here)"
            };
            writeln!(
                f,
                "{}: empty coverage bins: {}{gated}",
                config.config,
                config.holes.len()
            )?;
            for hole in config.holes.iter().take(HOLES_SHOWN) {
                writeln!(f, "  {hole}")?;
            }
            if config.holes.len() > HOLES_SHOWN {
                writeln!(f, "  ... and {} more", config.holes.len() - HOLES_SHOWN)?;
            }
        }
        self.total(f, all)
    }
}

impl Summary<'_> {
    fn total(&self, f: &mut fmt::Formatter<'_>, coverage: Hit) -> fmt::Result {
        let report = self.report;
        let jobs = &report.jobs;
        let count = |of: &dyn Fn(&JobReport) -> bool| jobs.iter().filter(|job| of(job)).count();
        let cycles = jobs.iter().map(|job| job.cycles).sum();
        write!(
            f,
            "total: {} configurations, {} jobs, {} cycles compared, {} mismatches, coverage {coverage}",
            report.configs.len(),
            jobs.len(),
            HumanCount(cycles),
            report.mismatches(),
        )?;
        let unrun = count(&|job| job.error.is_some());
        if unrun > 0 {
            write!(f, ", {unrun} jobs could not be run")?;
        }
        if report.stopped {
            write!(
                f,
                ", {} jobs stopped before their end",
                count(&|job| job.stopped)
            )?;
        }
        let verdict = match outcome(report) {
            Outcome::Fine => "PASSED",
            Outcome::Stopped => "STOPPED",
            Outcome::CheckFailed | Outcome::ToolFailed => "FAILED",
        };
        writeln!(f, ": {verdict}")?;
        writeln!(
            f,
            "plan {}, {} cores, {:.1} s, {}",
            report.plan,
            std::thread::available_parallelism().map_or(1, usize::from),
            self.elapsed.as_secs_f64(),
            self.verilator
        )
    }
}

/// Coverage bins: how many were hit, of how many.
#[derive(Clone, Copy, Default)]
struct Hit {
    hit: u64,
    bins: u64,
}

impl Hit {
    fn add(&mut self, other: Self) {
        self.hit += other.hit;
        self.bins += other.bins;
    }
}

impl fmt::Display for Hit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.hit, self.bins)
    }
}
