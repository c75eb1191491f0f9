//! `atomik eval run`: a trace through the compared systems on one simulated network.

use std::path::{Path, PathBuf};

use atomik_arena::figures::{Lingering, Run, SystemFigures};
use atomik_arena::network::LinkConditions;
use atomik_arena::pace::Pace;
use atomik_arena::run::{self, Job, Measured};
use atomik_arena::settings::{Faults, Settings};
use atomik_arena::system::{Micros, System};
use atomik_eval::report;
use atomik_terminal::{Status, print, print_json, width};
use atomik_workload::workload::Workload;
use clap::builder::TypedValueParser as _;

use super::error::CommandError;
use super::program::ATOMIK_EVAL;

const EXAMPLES: &str = "\
Examples:
  atomik eval run flights.jsonl --ops 20000
  atomik eval run flights.jsonl --ops 20000 --systems atomik,raft --faults partition --seed 7
  atomik eval run counter.jsonl --faults loss,crash --json > run.json";

#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The trace
    pub trace: PathBuf,
    #[command(flatten)]
    pub choice: Choice,
    #[command(flatten)]
    pub world: World,
    #[command(flatten)]
    pub linger: Linger,
    /// Faults to simulate: none, or any of loss, partition and crash
    #[arg(long, value_delimiter = ',', default_value = "none")]
    pub faults: Vec<Fault>,
    /// Print figures as JSON instead of a table
    #[arg(long)]
    pub json: bool,
}

/// The systems to run, and the part of the trace.
#[derive(clap::Args, Debug, Clone)]
pub struct Choice {
    /// Systems to run, by name or prefix [default: all in this build]
    #[arg(long, alias = "peers", value_delimiter = ',', value_name = "NAME")]
    pub systems: Vec<String>,
    /// Run only the first N operations
    #[arg(long, value_name = "N")]
    pub ops: Option<usize>,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    Loss,
    Partition,
    Crash,
}

/// How long changes wait for others.
#[derive(clap::Args, Debug, Clone, Copy)]
pub struct Linger {
    /// Run every system a second time, with changes that wait up to so many milliseconds for others
    /// and travel in one message with them; both are shown
    #[arg(long, value_name = "MS", value_parser = positive)]
    linger: Option<f64>,
}

impl Linger {
    /// The wait, if there is one.
    pub fn ms(self) -> Option<f64> {
        self.linger.filter(|ms| *ms > 0.0)
    }

    /// These settings with the wait, if there is one.
    fn settings(self, settings: &Settings) -> Result<Option<Settings>, CommandError> {
        let Some(ms) = self.ms() else {
            return Ok(None);
        };
        let most = settings.reach() / 2;
        let linger = (ms * 1e3) as Micros;
        if linger > most {
            return Err(CommandError::LongLinger {
                ms,
                most_ms: most as f64 / 1e3,
            });
        }
        Ok(Some(Settings {
            linger,
            ..settings.clone()
        }))
    }
}

/// The simulated world. The defaults stand for a cluster across several data centres.
#[derive(clap::Args, Debug, Clone)]
pub struct World {
    /// Number of nodes; at least those of the trace
    #[arg(long, default_value_t = 3,
          value_parser = clap::value_parser!(u16).range(1..=1000).map(usize::from))]
    pub nodes: usize,
    /// Seed of all random choices
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Average operations per second of virtual time; `recorded` keeps the times of the trace, and
    /// `skip-idle` cuts only those in which nothing happens
    #[arg(long, default_value = "skip-idle", value_parser = pace)]
    pub rate: Pace,
    /// One-way latency between nodes in milliseconds
    #[arg(long, default_value_t = 5.0, value_parser = positive)]
    pub latency_ms: f64,
    /// Mean of the exponentially distributed extra latency in milliseconds
    #[arg(long, default_value_t = 0.5, value_parser = positive)]
    pub jitter_ms: f64,
    /// Uplink bandwidth of a node in Mbit/s
    #[arg(long, default_value_t = 100.0, value_parser = positive)]
    pub mbits: f64,
    /// Duration of an fsync in milliseconds
    #[arg(long, default_value_t = 1.0, value_parser = positive)]
    pub fsync_ms: f64,
    /// Time in milliseconds for which a node collects its clients' operations into a batch
    #[arg(long, default_value_t = 2.0, value_parser = positive)]
    pub batch_ms: f64,
    /// Seconds between comparisons, for systems that compare nodes periodically
    #[arg(long, default_value_t = 1.0, value_parser = positive)]
    pub sync_s: f64,
    /// Percentage of messages lost with `--faults loss`
    #[arg(long, default_value_t = 5.0, value_parser = percent)]
    pub loss: f64,
    /// Percentage of messages duplicated with `--faults loss`
    #[arg(long, default_value_t = 1.0, value_parser = percent)]
    pub duplicates: f64,
    /// Percentage of messages reordered with `--faults loss`
    #[arg(long, default_value_t = 1.0, value_parser = percent)]
    pub reorder: f64,
    /// Duration of a partition or a crash in seconds, at most a third of the run
    #[arg(long, default_value_t = 15.0, value_parser = positive)]
    pub outage_s: f64,
}

impl World {
    /// The options that recreate this world: the seed, and those that differ from the defaults.
    pub fn options(&self) -> Vec<String> {
        [
            ("nodes", self.nodes.to_string()),
            ("seed", self.seed.to_string()),
            ("rate", self.rate.to_string()),
            ("latency-ms", self.latency_ms.to_string()),
            ("jitter-ms", self.jitter_ms.to_string()),
            ("mbits", self.mbits.to_string()),
            ("fsync-ms", self.fsync_ms.to_string()),
            ("batch-ms", self.batch_ms.to_string()),
            ("sync-s", self.sync_s.to_string()),
            ("loss", self.loss.to_string()),
            ("duplicates", self.duplicates.to_string()),
            ("reorder", self.reorder.to_string()),
            ("outage-s", self.outage_s.to_string()),
        ]
        .into_iter()
        .filter(|(name, value)| *name == "seed" || !DEFAULTS.contains(&(*name, value)))
        .map(|(name, value)| format!("--{name} {value}"))
        .collect()
    }
}

/// The defaults of [`World`]'s options; a test compares them with the parser's.
const DEFAULTS: [(&str, &str); 12] = [
    ("nodes", "3"),
    ("rate", "skip-idle"),
    ("latency-ms", "5"),
    ("jitter-ms", "0.5"),
    ("mbits", "100"),
    ("fsync-ms", "1"),
    ("batch-ms", "2"),
    ("sync-s", "1"),
    ("loss", "5"),
    ("duplicates", "1"),
    ("reorder", "1"),
    ("outage-s", "15"),
];

fn pace(text: &str) -> Result<Pace, String> {
    match (text, text.parse()) {
        ("skip-idle", _) => Ok(Pace::SkipIdle),
        ("recorded", _) => Ok(Pace::Recorded),
        (_, Ok(rate)) if rate > 0.0 && f64::is_finite(rate) => Ok(Pace::PerSecond(rate)),
        _ => Err("give `skip-idle`, `recorded`, or a number greater than 0".into()),
    }
}

pub fn positive(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if (0.0..1e9).contains(&number) => Ok(number),
        _ => Err("give a number of at least 0".into()),
    }
}

fn percent(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if (0.0..=100.0).contains(&number) => Ok(number),
        _ => Err("give a number from 0 to 100".into()),
    }
}

impl World {
    /// The settings of a run of this workload.
    pub fn settings(
        &self,
        workload: &Workload,
        faults: &[Fault],
    ) -> Result<Settings, CommandError> {
        let micros = |ms: f64| (ms * 1e3) as u64;
        let nodes = self.nodes.max(workload.nodes as usize);
        let has = |fault| faults.contains(&fault);
        if has(Fault::None) && faults.len() > 1 {
            return Err(CommandError::NoneAndFaults);
        }
        if !has(Fault::None) && nodes < 3 && (has(Fault::Partition) || has(Fault::Crash)) {
            return Err(CommandError::TooFewNodes(nodes));
        }
        Ok(Settings {
            nodes,
            seed: self.seed,
            link: LinkConditions {
                latency: micros(self.latency_ms),
                jitter: micros(self.jitter_ms),
                bandwidth: (self.mbits * 1e6 / 8.0) as u64,
                loss: 0.0,
                duplicates: 0.0,
                reorder: 0.0,
            },
            faults: Faults {
                loss: has(Fault::Loss),
                partition: has(Fault::Partition),
                crash: has(Fault::Crash),
            },
            lossy: [self.loss, self.duplicates, self.reorder].map(|percent| percent / 100.0),
            fsync: micros(self.fsync_ms),
            batch: micros(self.batch_ms),
            sync_interval: micros(self.sync_s * 1e3).max(1),
            pace: self.rate,
            outage: micros(self.outage_s * 1e3),
            ..Settings::default()
        })
    }
}

impl Choice {
    /// The chosen systems.
    pub fn systems(&self) -> Result<Vec<Box<dyn System>>, CommandError> {
        let all = atomik_systems::all();
        let names: Vec<_> = all.iter().map(|system| system.describe().name).collect();
        let fits = |name: &str, wanted: &str| {
            name.to_lowercase()
                .starts_with(&wanted.trim().to_lowercase())
        };
        let is = |name: &str, wanted: &str| name.eq_ignore_ascii_case(wanted.trim());
        if let Some(unknown) = self
            .systems
            .iter()
            .find(|wanted| !names.iter().any(|name| fits(name, wanted)))
        {
            return Err(CommandError::UnknownSystem {
                name: unknown.clone(),
                left_out: atomik_systems::left_out().find(|(name, _)| fits(name, unknown)),
                known: names,
            });
        }
        Ok(all
            .into_iter()
            .filter(|system| {
                let name = system.describe().name;
                // A full name means that system alone, even if it is a prefix of another name.
                let meant = |wanted: &String| {
                    is(name, wanted)
                        || fits(name, wanted) && !names.iter().any(|name| is(name, wanted))
                };
                self.systems.is_empty() || self.systems.iter().any(meant)
            })
            .collect())
    }

    /// The chosen systems that this build leaves out, and why.
    fn left_out(&self) -> impl Iterator<Item = (String, String)> {
        let all = self.systems.is_empty();
        atomik_systems::left_out()
            .filter(move |_| all)
            .map(|(name, feature)| {
                let why = format!("this build leaves it out (--features {feature})");
                (name.to_owned(), why)
            })
    }

    /// Reads the chosen part of the trace.
    pub fn read(&self, trace: &Path) -> Result<Workload, CommandError> {
        let workload = Workload::read(trace, self.ops.unwrap_or(usize::MAX))?;
        if workload.steps.is_empty() {
            return Err(CommandError::NoOperations(trace.to_owned()));
        }
        Ok(workload)
    }
}

/// The command that runs one system again, or all of them if none is named.
pub fn command(
    trace: &Path,
    choice: &Choice,
    world: &World,
    faults: Faults,
    linger: Option<f64>,
    system: Option<&str>,
) -> String {
    let mut words = vec![format!(
        "atomik eval run {}",
        quoted(&trace.to_string_lossy())
    )];
    words.extend(choice.ops.map(|ops| format!("--ops {ops}")));
    words.extend(world.options());
    words.push(format!("--faults {}", faults));
    words.extend(linger.map(|ms| format!("--linger {ms}")));
    match system {
        Some(system) => words.push(format!("--systems {}", quoted(system))),
        None if !choice.systems.is_empty() => {
            words.push(format!("--systems {}", quoted(&choice.systems.join(","))));
        }
        None => {}
    }
    words.join(" ")
}

/// Quotes a word for a shell.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./=,:@+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

pub fn run(args: &Args) -> Result<Status, CommandError> {
    let workload = args.choice.read(&args.trace)?;
    let settings = args.world.settings(&workload, &args.faults)?;
    let run = measure(
        &args.trace,
        &workload,
        &settings,
        (&args.choice, &args.world, args.linger),
        |job| {
            ATOMIK_EVAL.message(job.name());
            job.measure()
        },
    )?;
    if args.json {
        print_json(&run)?;
    } else {
        print(report::terminal::alone(&run, width()))?;
    }
    Ok(outcome(&run))
}

/// Runs the workload through the chosen systems.
pub fn measure(
    trace: &Path,
    workload: &Workload,
    settings: &Settings,
    (choice, world, linger): (&Choice, &World, Linger),
    mut measure: impl FnMut(Job<'_>) -> Measured,
) -> Result<Run, CommandError> {
    let systems = choice.systems()?;
    let lingering = linger.settings(settings)?;
    let faults = settings.faults;
    let command =
        |linger, system: &str| command(trace, choice, world, faults, linger, Some(system));
    let at_once = |system: &str| command(None, system);
    let mut run = run::run(workload, settings, &systems, at_once, &mut measure)?;
    if let (Some(settings), Some(linger_ms)) = (lingering, linger.ms()) {
        let later = |system: &str| command(Some(linger_ms), system);
        let systems = run::run(workload, &settings, &systems, later, measure)?.systems;
        run.lingering = Some(Lingering { linger_ms, systems });
    }
    run.absent.extend(choice.left_out());
    Ok(run)
}

/// The figures of all systems, with and without a linger.
pub fn everyone(run: &Run) -> impl Iterator<Item = &SystemFigures> {
    let lingering = run
        .lingering
        .iter()
        .flat_map(|lingering| &lingering.systems);
    run.systems.iter().chain(lingering)
}

/// A run fails if the nodes of a system differ at the end.
pub fn outcome(run: &Run) -> Status {
    if everyone(run).all(|system| system.converged) {
        Status::Done
    } else {
        Status::CheckFailed
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        world: World,
    }

    #[test]
    fn a_command_has_only_options_that_differ_from_the_defaults() {
        let parsed = |words: &[&str]| Only::try_parse_from(words).unwrap().world.options();
        assert_eq!(parsed(&["x"]), ["--seed 1"]);
        let all: Vec<_> = DEFAULTS
            .iter()
            .map(|(name, value)| match value.parse::<f64>() {
                Ok(value) => format!("--{name}={}", value + 1.0),
                Err(_) => format!("--{name}=1000"),
            })
            .collect();
        let words: Vec<_> = ["x"]
            .into_iter()
            .chain(all.iter().map(String::as_str))
            .collect();
        assert_eq!(parsed(&words).len(), DEFAULTS.len() + 1);
        assert_eq!(
            parsed(&["x", "--rate", "recorded"]),
            ["--seed 1", "--rate recorded"]
        );
    }

    #[test]
    fn a_full_name_selects_one_system_and_a_prefix_all_that_match() {
        let names = |systems: &str| {
            let systems = systems.split(',').map(str::to_owned).collect();
            let systems = Choice { systems, ops: None }.systems().ok()?;
            Some(
                systems
                    .iter()
                    .map(|system| system.describe().name)
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(names("atomik").unwrap(), ["ATOMiK"]);
        assert_eq!(names("ATOM").unwrap(), ["ATOMiK"]);
        assert_eq!(names("raft, atom").unwrap(), ["ATOMiK", "Raft"]);
        assert_eq!(names("atomik,nobody"), None);
    }
}
