//! `atomik sim mutate`.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

use atomik_prove::mutants::{Counts, Fate, Measurement, MutationPlan, Score};
use atomik_prove::{Options, Prover};
use atomik_sim::mutant::Mutant;
use atomik_sim::mutated::{Killed, MutantError, Mutated};
use atomik_sim::plan::{Plan, PlanError};
use atomik_sim::verilate::Builder;
use atomik_sim::yosys::Yosys;
use atomik_terminal::{Status, number_table, print, print_json, spinner};
use atomik_tools::{Search, project_root};
use clap::ValueHint;
use serde::Serialize;

use crate::error::CommandError;
use crate::interrupt::stop_flag;
use crate::plan_file::plan_file;

/// How long a solver may take for one question about a mutant. Whatever takes longer is no proof.
const PATIENCE: Duration = Duration::from_secs(60);

const EXAMPLES: &str = "\
Yosys plants bugs at random, one at a time: a bit of a port of a cell is inverted or stuck. Each
mutant runs the stimulus of a regression plan until a mismatch kills it. What survives is compared
with the design by Yosys, register by register. For some of the rest the plan has arguments; what is
left is proved as by `atomik hdl prove`: a check fails, or all hold and the mutant is no bug. The
score is the share that the stimulus kills of those that are bugs.

Status 1: a mutant survived. Status 2: the stimulus kills a mutant that an argument calls none.

Examples:
  atomik sim mutate
  atomik sim mutate --config \"w8 d16 l2\" --mutants 500 --seed 7
  atomik sim mutate --survivors build";

/// Measure how many bugs planted at random the regression finds
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The plan [default: the project's sim/mutants.toml]
    #[arg(value_name = "PLAN.toml", value_hint = ValueHint::FilePath)]
    plan: Option<PathBuf>,
    /// Configurations such as "w64 d512 l1 ecp5", instead of the plan's
    #[arg(long, value_name = "CONFIG")]
    config: Vec<String>,
    /// Mutants of each configuration, instead of the plan's number
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=30_000))]
    mutants: Option<u16>,
    /// Seed of the mutants, instead of the plan's
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// Write the Verilog of each survivor and the manifests to this folder
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    survivors: Option<PathBuf>,
    /// Write the fate of every mutant to this file, one a line
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    table: Option<PathBuf>,
    /// Print the fate of every mutant as JSON
    #[arg(long)]
    json: bool,
}

/// The result, and what it was measured with.
#[derive(Debug, Serialize)]
struct Measured {
    seed: u64,
    stimulus: String,
    yosys: String,
    scores: Vec<Score>,
    stopped: bool,
}

impl Measured {
    /// Configuration, mutant and fate of every mutant.
    fn fates(&self) -> impl Iterator<Item = (&str, &str, &Fate)> {
        self.scores.iter().flat_map(|score| {
            let mutants = score.mutants.iter();
            mutants.map(|(mutant, fate)| (score.config.as_str(), mutant.as_str(), fate))
        })
    }
}

pub fn run(args: &Args) -> Result<Status, CommandError> {
    let plan = args.plan()?;
    let stimulus = Plan::read(&plan.stimulus)?;
    let builder = Builder::from_env()?;
    let prover = Prover::new(
        &Search::from_env(),
        Options {
            limit: PATIENCE,
            ..Options::default()
        },
    )?;
    let proofs = project_root()
        .unwrap_or_default()
        .join("target/atomik-mutants");
    let stop = stop_flag()?;
    let yosys = Yosys::from_env().map_err(MutantError::from)?;
    let mut measured = Measured {
        seed: plan.seed,
        stimulus: stimulus.name.clone(),
        // Without the compiler that built it.
        yosys: yosys
            .version()
            .split(" (")
            .next()
            .unwrap_or_default()
            .into(),
        scores: vec![],
        stopped: false,
    };
    for config in plan.configs()? {
        let progress = spinner(format!("{}: making mutants", config.text()));
        let mutated = Mutated::build(&builder, config, plan.mutants, plan.seed)?;
        progress.set_message(format!("{}: running mutants", config.text()));
        let watch = |mutant: &Mutant| {
            progress.set_message(format!("{}: proving {}", config.text(), mutant.what));
        };
        let measurement = Measurement {
            prover: &prover,
            builder: &builder,
            plan: &plan,
            stimulus: &stimulus,
            folder: &proofs,
        };
        let score = measurement.score(&mutated, stop, &watch)?;
        progress.finish_and_clear();
        measured.stopped = stop.load(Ordering::Relaxed);
        if measured.stopped {
            break;
        }
        if let Some(folder) = &args.survivors {
            write_survivors(&mutated, &score, folder)?;
        }
        measured.scores.push(score);
    }
    if let Some(path) = &args.table {
        fs::write(path, table(&measured, &plan))
            .map_err(|source| CommandError::file(path, source))?;
    }
    if args.json {
        print_json(&measured)?;
    } else {
        print(describe(&measured, &plan))?;
    }
    let survived = measured
        .fates()
        .filter(|it| *it.2 == Fate::Survived)
        .count();
    Ok(match (measured.stopped, survived) {
        (true, _) => Status::Stopped,
        (false, 0) => Status::Done,
        (false, _) => Status::CheckFailed,
    })
}

impl Args {
    /// The plan with the changes of the options.
    fn plan(&self) -> Result<MutationPlan, CommandError> {
        let mut plan = MutationPlan::read(&plan_file(&self.plan, "sim/mutants.toml")?)?;
        if !self.config.is_empty() {
            plan.configs.clone_from(&self.config);
        }
        if let Some(mutants) = self.mutants {
            plan.mutants = mutants.into();
        }
        plan.seed = self.seed.unwrap_or(plan.seed);
        if plan.configs.is_empty() || plan.mutants == 0 {
            return Err(PlanError::Empty.into());
        }
        Ok(plan)
    }
}

/// Writes the Verilog of survivors, and the manifest of their design, as other commands read them.
fn write_survivors(mutated: &Mutated, score: &Score, folder: &Path) -> Result<(), CommandError> {
    let config = mutated.config();
    let write = |name: String, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).map_err(|source| CommandError::file(&path, source))
    };
    fs::create_dir_all(folder).map_err(|source| CommandError::folder(folder, source))?;
    for (n, (_, fate)) in score.mutants.iter().enumerate() {
        if *fate == Fate::Survived {
            let manifest = atomik_hdl::generate(config).manifest;
            let manifest = manifest.to_json().map_err(atomik_hdl::files::Error::from)?;
            write(format!("{}.json", config.name()), &manifest)?;
            write(
                format!("{}_mutant{}.v", config.name(), n + 1),
                &mutated.verilog(n)?,
            )?;
        }
    }
    Ok(())
}

/// The tables: fates by configuration, and what every mutant that was not killed is.
fn describe(measured: &Measured, plan: &MutationPlan) -> String {
    let mut all = Counts::default();
    let counts: Vec<Counts> = measured
        .scores
        .iter()
        .map(|score| {
            let mut own = Counts::default();
            own.add(score);
            all.add(score);
            own
        })
        .collect();
    let profiles: Vec<&String> = all.killed.keys().collect();
    let mut headings = vec!["configuration", "mutants", "killed"];
    headings.extend(profiles.iter().map(|profile| profile.as_str()));
    headings.extend(["by proof", "proved right", "argued", "survived", "score"]);
    let mut table = number_table(&headings, 1);
    let row = |name: &str, counts: &Counts| {
        let others = [
            counts.refuted,
            counts.proved,
            counts.argued,
            counts.survived,
        ];
        let sum = counts.kills() + others.iter().sum::<usize>();
        let mut cells = vec![name.to_owned(), sum.to_string(), counts.kills().to_string()];
        let of = |profile: &String| counts.killed.get(profile).copied().unwrap_or(0);
        cells.extend(profiles.iter().map(|profile| of(profile).to_string()));
        cells.extend(others.map(|n| n.to_string()));
        cells.push(format!("{:.1} %", counts.score()));
        cells
    };
    for (score, counts) in measured.scores.iter().zip(&counts) {
        table.add_row(row(&score.config, counts));
    }
    table.add_row(row("all", &all));
    let mut text = format!("{table}\n");
    let _ = writeln!(
        text,
        "\nstimulus {}, seed {}, {}; {}",
        measured.stimulus,
        measured.seed,
        measured.yosys,
        kills(measured)
    );
    for (config, mutant, fate) in measured.fates() {
        if !matches!(fate, Fate::Killed(_)) {
            let _ = writeln!(text, "{config}: {mutant}: {}", in_words(fate));
        }
    }
    for argument in &plan.argument {
        let _ = writeln!(text, "argument {}: {}", argument.name, argument.because);
    }
    text
}

/// The fate of every mutant, one a line.
fn table(measured: &Measured, plan: &MutationPlan) -> String {
    let mut text = format!(
        "# Written by `make mutate`: stimulus {}, seed {}, {} mutants of each configuration, {}.\n",
        measured.stimulus, measured.seed, plan.mutants, measured.yosys
    );
    for (config, mutant, fate) in measured.fates() {
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "{config}: {mutant}: {}", in_words(fate));
    }
    text
}

fn in_words(fate: &Fate) -> String {
    match fate {
        Fate::Killed(Killed {
            profile,
            cycle,
            port,
            ..
        }) => format!("killed by {profile}, cycle {cycle}, {port}"),
        Fate::Refuted(check) => format!("killed by proof, {check} fails"),
        Fate::Equivalent => "equivalent, proved register by register".to_owned(),
        Fate::Proved => "right, every check is proved".to_owned(),
        Fate::Argued(name) => format!("equivalent, argument {name}"),
        Fate::Survived => "SURVIVED".to_owned(),
    }
}

/// After how many cycles mutants were killed.
fn kills(measured: &Measured) -> String {
    let mut cycles: Vec<u64> = measured
        .fates()
        .filter_map(|(_, _, fate)| match fate {
            Fate::Killed(killed) => Some(killed.before + killed.cycle),
            _ => None,
        })
        .collect();
    cycles.sort_unstable();
    let at = |share: usize| cycles.get(cycles.len() * share / 100).copied();
    match (at(50), at(99), cycles.last()) {
        (Some(median), Some(most), Some(last)) => {
            format!("killed after {median} cycles (median), {most} (99 of 100), {last} (all)")
        }
        _ => "none killed".to_owned(),
    }
}
