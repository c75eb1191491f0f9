//! The summary of a regression.

use std::fmt;
use std::time::Duration;

use atomik_sim::report::{ConfigReport, JobReport, Report};
use atomik_terminal::{Status, count, number_table, rate};

/// Empty coverage bins listed per configuration.
const HOLES_SHOWN: usize = 20;

/// The results of a regression, as tables.
pub struct Summary<'a> {
    pub report: &'a Report,
    pub status: Status,
    pub elapsed: Duration,
    /// The version of Verilator.
    pub verilator: &'a str,
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = self.report;
        let headings = [
            "configuration",
            "latency",
            "cycles compared",
            "commands",
            "commands/cycle",
            "mismatches",
            "coverage",
            "cross-checked cycles/s",
        ];
        let mut configs = number_table(&headings, 1);
        let mut groups: Vec<(&str, Coverage)> = Vec::new();
        let mut all = Coverage::default();
        for config in &report.configs {
            let mut own = Coverage::default();
            for group in &config.coverage {
                let coverage = Coverage {
                    hit: group.hit,
                    bins: group.bins,
                };
                own.add(coverage);
                match groups.iter_mut().find(|(name, _)| *name == group.name) {
                    Some((_, sum)) => sum.add(coverage),
                    None => groups.push((&group.name, coverage)),
                }
            }
            all.add(own);
            let per_cycle = config.commands as f64 / config.cycles.max(1) as f64;
            let wrong = report.jobs_of(config).filter(|job| job.mismatch.is_some());
            configs.add_row([
                config.config.clone(),
                config.latency.to_string(),
                count(config.cycles),
                count(config.commands),
                format!("{per_cycle:.2}"),
                wrong.count().to_string(),
                own.to_string(),
                rate(config.cycles_per_second),
            ]);
        }
        writeln!(f, "{configs}\n")?;
        let groups: Vec<String> = groups
            .iter()
            .map(|(name, coverage)| format!("{name} {coverage}"))
            .collect();
        writeln!(f, "coverage by group: {}", groups.join(", "))?;
        self.holes(f)?;
        self.total(f, all)
    }
}

impl Summary<'_> {
    /// The empty coverage bins. After a stop they mean nothing, so none are shown.
    fn holes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = self.report;
        let shown = |config: &&ConfigReport| !report.stopped && !config.holes.is_empty();
        for config in report.configs.iter().filter(shown) {
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
        Ok(())
    }

    fn total(&self, f: &mut fmt::Formatter<'_>, coverage: Coverage) -> fmt::Result {
        let report = self.report;
        let jobs = &report.jobs;
        let jobs_that = |is: &dyn Fn(&JobReport) -> bool| jobs.iter().filter(|job| is(job)).count();
        let cycles = jobs.iter().map(|job| job.cycles).sum();
        write!(
            f,
            "total: {} configurations, {} jobs, {} cycles compared, {} mismatches, coverage \
             {coverage}",
            report.configs.len(),
            jobs.len(),
            count(cycles),
            report.mismatches(),
        )?;
        let failed = jobs_that(&|job| job.error.is_some());
        if failed > 0 {
            write!(f, ", {failed} jobs could not be run")?;
        }
        if report.stopped {
            write!(
                f,
                ", {} jobs stopped before their end",
                jobs_that(&|job| job.stopped)
            )?;
        }
        writeln!(f, ": {}", self.status.verdict())?;
        writeln!(
            f,
            "plan {}{}, {} cores, {:.1} s, {}",
            report.plan,
            subject(report),
            std::thread::available_parallelism().map_or(1, usize::from),
            self.elapsed.as_secs_f64(),
            self.verilator
        )
    }
}

/// What was tested, if it is not the generated Verilog.
fn subject(report: &Report) -> String {
    let mut text = String::new();
    if let Some(design) = &report.design {
        let files = design.files.iter().map(|path| path.display().to_string());
        text += &format!(" on {}", files.collect::<Vec<_>>().join(" "));
    }
    if report.netlist {
        text += ", as synthesised";
    }
    text
}

/// How many coverage bins were hit, of how many.
#[derive(Clone, Copy, Default)]
struct Coverage {
    hit: u64,
    bins: u64,
}

impl Coverage {
    fn add(&mut self, other: Self) {
        self.hit += other.hit;
        self.bins += other.bins;
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.hit, self.bins)
    }
}
