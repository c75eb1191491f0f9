//! `atomik hdl prove`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use atomik_hdl::Config;
use atomik_hdl::design::Manifest;
use atomik_hdl::files::TextFile;
use atomik_prove::plan::Plan;
use atomik_prove::report::Check;
use atomik_prove::{Design, Options, Prover, Report, Solver, junit};
use atomik_sim::plan::parse_config;
use atomik_sim::verilate::Builder;
use atomik_terminal::{Status, Table, number_table, print, print_json, spinner, text_table};
use atomik_tools::{Search, project_root};
use clap::ValueHint;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::error::CommandError;
use crate::program::ATOMIK;

const EXAMPLES: &str = "\
Proves by k-induction that the Verilog does what the specification says, for inputs of any length:
responses, their latency and order, ready, and what a reset leaves. The properties, scripts for
Yosys and SymbiYosys, and every question to the solver are written to --out. A failure from a reset
becomes a waveform, and if it is seen on the ports, a case for `atomik sim replay`.

With --solver abc, ABC proves the ports of small configurations by PDR instead, all together, for at
most --limit seconds: without a window, invariants, or promises of memories.

With --verilog, the files take the place of the generated design. They must have the modules and
signals of the generated one, whose manifest --manifest names.

Status 1: something fails, or is not proved. Status 3: a tool is missing or failed, or a solver gave
no answer in time.

Examples:
  atomik hdl prove
  atomik hdl prove \"w64 d512 l4\" \"w8 d16 l2 ecp5\" --solver z3
  atomik hdl prove \"w1 d1 l1\" --solver abc
  atomik hdl prove --plan sim/prove.toml --junit prove.xml
  atomik hdl prove --verilog edited.v --manifest atomik_regfile_w8_d16_l2.json";

/// Prove that the Verilog does what the specification says
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Configurations such as "w8 d16 l2" or "w64 d512 l4 ecp5" [default: w8 d16 l2]
    #[arg(value_name = "CONFIG", conflicts_with_all = ["plan", "manifest"])]
    configs: Vec<String>,
    /// Prove every configuration of this list
    #[arg(long, value_name = "FILE.toml", value_hint = ValueHint::FilePath,
          conflicts_with = "manifest")]
    plan: Option<PathBuf>,
    /// Prove these files in place of the generated design
    #[arg(long, value_name = "FILE.v", num_args = 1.., value_hint = ValueHint::FilePath,
          requires = "manifest")]
    verilog: Vec<PathBuf>,
    /// The manifest of the design that --verilog was made from
    #[arg(long, value_name = "NAME.json", value_hint = ValueHint::FilePath,
          requires = "verilog")]
    manifest: Option<PathBuf>,
    /// The solver
    #[arg(long, value_name = "SOLVER", default_value = "yices", value_parser = solver())]
    solver: Solver,
    /// Cycles of the window that induction assumes [default: LATENCY + 2]
    #[arg(long, value_name = "CYCLES", value_parser = clap::value_parser!(u32).range(1..=1000))]
    window: Option<u32>,
    /// Seconds that the solver may take for one question
    #[arg(long, value_name = "SECONDS", default_value_t = 600,
          value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,
    /// Folder to write to, one below it per configuration [default: the project's
    /// target/atomik-prove]
    #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    out: Option<PathBuf>,
    /// Also write the result as JUnit XML to this file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    junit: Option<PathBuf>,
    /// Print the result as JSON instead of tables
    #[arg(long)]
    json: bool,
}

/// Parses a solver by its name.
fn solver() -> impl TypedValueParser<Value = Solver> {
    PossibleValuesParser::new(Solver::ALL.map(Solver::name)).map(|name| {
        let found = Solver::ALL.into_iter().find(|solver| solver.name() == name);
        found.unwrap_or(Solver::Yices)
    })
}

impl Args {
    fn designs(&self) -> Result<Vec<Design>, CommandError> {
        if let Some(manifest) = &self.manifest {
            return Ok(vec![given(&self.verilog, manifest)?]);
        }
        let configs = match &self.plan {
            Some(path) => Plan::read(path)?.configs()?,
            None if self.configs.is_empty() => vec![Config::new(8, 16, 2)?],
            None => {
                let configs = self.configs.iter().map(|text| parse_config(text));
                configs.collect::<Result<_, _>>()?
            }
        };
        Ok(configs.into_iter().map(Design::generated).collect())
    }

    fn folder(&self) -> PathBuf {
        self.out.clone().unwrap_or_else(|| {
            let root = project_root().unwrap_or_default();
            root.join("target").join("atomik-prove")
        })
    }
}

/// The design of `files`, which was made from the one of `manifest`.
fn given(files: &[PathBuf], manifest: &Path) -> Result<Design, CommandError> {
    let read = |path: &Path| {
        fs::read_to_string(path).map_err(|source| CommandError::Verilog {
            path: path.into(),
            source,
        })
    };
    let text = read(manifest)?;
    let parsed: Manifest =
        serde_json::from_str(&text).map_err(|source| CommandError::Manifest {
            path: manifest.into(),
            source,
        })?;
    let layout = parsed.layout.as_deref();
    let config = Config::of_words(Some(parsed.width), layout, parsed.depth, parsed.lanes)?
        .with_target(parsed.target.parse()?);
    let mut found = vec![];
    for (i, path) in files.iter().enumerate() {
        found.push(TextFile {
            // Names of the user's may have spaces, or be the same in different folders.
            name: format!("given{i}.v"),
            text: read(path)?,
        });
    }
    Ok(Design::given(config, found))
}

pub fn run(args: &Args) -> Result<Status, CommandError> {
    let designs = args.designs()?;
    let options = Options {
        solver: args.solver,
        window: args.window,
        limit: Duration::from_secs(args.limit),
    };
    let prover = Prover::new(&Search::from_env(), options)?;
    let mut reports = vec![];
    for design in &designs {
        let report = match prove(args, &prover, design) {
            Ok(report) => report,
            // The others of a plan may take most of an hour.
            Err(error) if designs.len() > 1 => {
                ATOMIK.message(format_args!("{}: {error}", design.config.text()));
                reports.push(prover.failed(design, &error));
                continue;
            }
            Err(error) => return Err(error),
        };
        if !args.json {
            print(text(&report))?;
        }
        reports.push(report);
    }
    if let Some(path) = &args.junit {
        fs::write(path, junit::to_xml(&reports)?)
            .map_err(|source| CommandError::file(path, source))?;
    }
    if args.json {
        print_json(&reports)?;
    } else if designs.len() > 1 {
        print(format_args!("{}\n", summary(&reports)))?;
    }
    Ok(if reports.iter().any(Report::is_refuted) {
        Status::CheckFailed
    } else if reports.iter().all(Report::is_proved) {
        Status::Done
    } else {
        Status::Broken
    })
}

fn prove(args: &Args, prover: &Prover, design: &Design) -> Result<Report, CommandError> {
    let folder = args.folder().join(design.config.label());
    let progress = spinner(format!("proving {}", design.config.text()));
    let watch = |check: &Check| {
        progress.set_message(format!("{}: {}", design.config.text(), check.name));
    };
    let report = prover.prove(design, &folder, &watch);
    progress.finish_and_clear();
    let mut report = report?;
    if let Some(counterexample) = &mut report.counterexample {
        counterexample.simulate(design, &Builder::from_env()?)?;
        let waves = folder.join("counterexample.vcd");
        counterexample
            .write_waves(&waves)
            .map_err(|source| CommandError::file(&waves, source))?;
        ATOMIK.message(format_args!("wrote {}", waves.display()));
        if let Some(case) = &counterexample.case {
            let path = folder.join("counterexample.json");
            case.write(&path)?;
            ATOMIK.message(format_args!("wrote {}", path.display()));
        }
    }
    Ok(report)
}

/// The result of one configuration.
fn text(report: &Report) -> String {
    let mut table = text_table(&["part", "check", "kind", "cycles", "seconds", "result"]);
    for check in &report.checks {
        table.add_row([
            check.part.clone(),
            check.name.clone(),
            check.kind.name().to_owned(),
            check.depth.to_string(),
            format!("{:.2}", check.seconds),
            match &check.reason {
                Some(reason) => format!("{}: {reason}", check.outcome.text()),
                None => check.outcome.text().to_owned(),
            },
        ]);
    }
    let counterexample = match &report.counterexample {
        Some(counterexample) => format!("{counterexample}\n"),
        None => String::new(),
    };
    format!("{table}\n{counterexample}{}\n\n", verdict(report))
}

fn verdict(report: &Report) -> String {
    let verdict = if report.is_proved() {
        "PROVED".to_owned()
    } else {
        format!("NOT PROVED: {}", report.failing().join(", "))
    };
    format!(
        "{}: {} checks in {:.1} s with {}, {}: {verdict}",
        report.config,
        report.checks.len(),
        report.seconds,
        report.solver_version,
        report.yosys_version
    )
}

/// A line per configuration.
fn summary(reports: &[Report]) -> Table {
    let mut table = number_table(
        &["configuration", "result", "checks", "cycles", "seconds"],
        2,
    );
    for report in reports {
        if report.error.is_some() {
            table.add_row([report.config.as_str(), "NOT DECIDED", "", "", ""]);
            continue;
        }
        let window = report.checks.first().map_or(0, |check| check.depth);
        table.add_row([
            report.config.clone(),
            if report.is_proved() {
                "proved"
            } else {
                "NOT PROVED"
            }
            .to_owned(),
            report.checks.len().to_string(),
            window.to_string(),
            format!("{:.1}", report.seconds),
        ]);
    }
    table
}
