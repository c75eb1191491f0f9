//! `atomik eval run`, and the options that several commands have.

use std::path::PathBuf;

use atomik_arena::pace::Pace;
use clap::ValueHint;
use clap::builder::TypedValueParser as _;

const EXAMPLES: &str = "\
Examples:
  atomik eval run flights.jsonl --ops 20000
  atomik eval run flights.jsonl --ops 20000 --systems atomik,raft --faults partition --seed 7
  atomik eval run counter.jsonl --faults loss,crash --json > run.json";

#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The trace, plain or compressed with gzip or zstd; - is stdin
    #[arg(value_name = "TRACE", value_hint = ValueHint::FilePath)]
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
    /// Run every system a second time, with changes that wait up to this many milliseconds for
    /// others, to travel with them in one message; both are shown
    #[arg(long, value_name = "MS", value_parser = positive)]
    linger: Option<f64>,
}

impl Linger {
    /// The wait, if there is one.
    pub fn ms(self) -> Option<f64> {
        self.linger.filter(|ms| *ms > 0.0)
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

pub(crate) fn positive(text: &str) -> Result<f64, String> {
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
}
