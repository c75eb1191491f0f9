//! `atomik eval fit`.

mod summary;

use std::fmt::Write as _;
use std::path::PathBuf;

use atomik_terminal::{Status, bar, print, print_json};
use atomik_workload::fit::{Fit, Thresholds, Verdict, fit};
use atomik_workload::workload::{Reader, TraceError};
use clap::ValueHint;

use crate::error::CommandError;
use summary::Summary;

const EXAMPLES: &str = "\
The trace is replayed on a model of replication, once per window: a node sees its own changes at
once, and those of other nodes after the window. Counters are in fields that add, everything else in
fields that xor. The result is compared with what the operations mean in the order of the trace. The
widest window up to --connected and the worst field decide the verdict; wider windows stand for
partitions, and what goes beyond a limit there is a condition:

  DOES NOT FIT          lists or text; counters whose sums need more than 64 bits; values longer
                        than --value-bytes; sets of more elements than that has bits; more overlaps
                        than --overlap-fails, more wrong states than --wrong-fails, or more
                        unnoticed wrong states than --unnoticed-fails
  FITS WITH CONDITIONS  anything that the reasons name: several writers of values that are set,
                        overlaps beyond --overlap-fits, toggles that may not have meant parity,
                        padding, a closed universe of elements, no gain
  FITS                  none of these

A counter gets the narrowest of add:8, add:16, add:32 and add:64 that holds the sum of all its
increases, and that of all its decreases: no reader meets a sum beyond, whatever changes it has.
--layout prints the fields of a word for the whole trace, for the --layout of `atomik model` and
`atomik node`.

Examples:
  atomik eval fit flights.jsonl
  atomik eval fit --window 50 --window 500 trace.jsonl     if changes arrive within half a second
  atomik eval fit --overlap-fits 0.0001 --strict trace.jsonl && echo worth a test
  atomik eval generate counter | atomik eval fit -
  atomik eval fit --json trace.jsonl > fit.json
  atomik model repl --layout \"$(atomik eval fit --layout trace.jsonl)\"

Exit status: 0 measured, 1 does not fit and --strict was given, 2 bad input, or --layout and the
trace has none.";

/// Judge whether a trace fits deltas that xor or add, and why
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
#[command(after_help = "`--help` shows examples, and how the verdict is reached.")]
pub struct Args {
    /// The trace, one JSON object per line, plain or compressed with gzip or zstd; - is stdin
    #[arg(value_name = "TRACE", value_hint = ValueHint::FilePath)]
    trace: PathBuf,
    /// Time in which changes reach the other nodes; repeat for several
    /// [default: 10 100 1000 10000 60000 3600000]
    #[arg(long = "window", value_name = "MS")]
    windows: Vec<u64>,
    /// Longest time that a change takes while nodes are connected; wider windows stand for
    /// partitions
    #[arg(long, value_name = "MS", default_value_t = Thresholds::CONNECTED_MS)]
    connected: u64,
    /// A field fits without conditions up to this share of overlapping operations
    #[arg(long, value_name = "SHARE", default_value_t = Thresholds::OVERLAP_FITS,
          value_parser = share)]
    overlap_fits: f64,
    /// A field fits up to this share of overlapping operations, not counting toggles
    #[arg(long, value_name = "SHARE", default_value_t = Thresholds::OVERLAP_FAILS,
          value_parser = share)]
    overlap_fails: f64,
    /// A field fits up to this share of operations that leave a wrong state
    #[arg(long, value_name = "SHARE", default_value_t = Thresholds::WRONG_FAILS,
          value_parser = share)]
    wrong_fails: f64,
    /// A field fits up to this share of operations that leave a wrong state which no node reports
    #[arg(long, value_name = "SHARE", default_value_t = Thresholds::UNNOTICED_FAILS,
          value_parser = share)]
    unnoticed_fails: f64,
    /// Largest size of a value in bytes, 8 to 128
    #[arg(long, value_name = "BYTES", default_value_t = Thresholds::VALUE_BYTES,
          value_parser = clap::value_parser!(u64).range(8..=Thresholds::VALUE_BYTES))]
    value_bytes: u64,
    /// Share of changed words from which an operation counts as replacing the whole value
    #[arg(long, value_name = "SHARE", default_value_t = Thresholds::WHOLE_VALUE,
          value_parser = share)]
    whole_value: f64,
    /// Operations per sent entry from which coalescing counts as a gain
    #[arg(long, value_name = "FACTOR", default_value_t = Thresholds::COALESCING_SAVES,
          value_parser = factor)]
    coalescing_saves: f64,
    /// Number of examples per field of what goes wrong
    #[arg(long, value_name = "COUNT", default_value_t = 3)]
    examples: usize,
    /// Print everything as JSON
    #[arg(long)]
    json: bool,
    /// Print nothing but the layout, such as xor:3,add:32: the trace's fields from the lowest bits
    /// up, in the order of their first use
    #[arg(long, conflicts_with = "json")]
    layout: bool,
    /// Exit with status 1 if the trace does not fit
    #[arg(long)]
    strict: bool,
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("a share is a number from 0 to 1; 0.01 is one in a hundred".into()),
    }
}

fn factor(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(factor) if factor >= 1.0 && f64::is_finite(factor) => Ok(factor),
        _ => Err("a factor is a number of at least 1".into()),
    }
}

/// The verdict, the reasons for it, and the figures behind them.
pub fn fit_text(fit: &Fit) -> String {
    Summary(fit).to_string()
}

pub fn run(args: &Args) -> Result<Status, CommandError> {
    let fit = measure(args)?;
    if fit.operations == 0 {
        return Err(CommandError::NoOperations(args.trace.clone()));
    }
    if args.layout {
        let layout = fit.layout.as_deref();
        let layout = layout.ok_or_else(|| CommandError::NoLayout(args.trace.clone()))?;
        print(format_args!("{layout}\n"))?;
    } else if args.json {
        print_json(&fit)?;
    } else {
        print(Summary(&fit))?;
    }
    Ok(match fit.verdict {
        Verdict::DoesNotFit if args.strict => Status::CheckFailed,
        _ => Status::Done,
    })
}

fn measure(args: &Args) -> Result<Fit, TraceError> {
    let progress = bar(
        0,
        "{spinner} {bytes}/{total_bytes}  [{wide_bar}]  {bytes_per_sec}  {eta} left",
    );
    let reader = Reader::watched(&args.trace, |file| {
        progress.set_length(file.metadata().map_or(0, |data| data.len()));
        Box::new(progress.wrap_read(file))
    })?;
    let name = args.trace.display().to_string();
    let (thresholds, command) = (args.thresholds(), args.command());
    let fit = fit(reader, thresholds, args.examples, &name, &command);
    progress.finish_and_clear();
    fit
}

impl Args {
    fn thresholds(&self) -> Thresholds {
        Thresholds {
            windows_ms: match self.windows.is_empty() {
                true => Thresholds::WINDOWS_MS.to_vec(),
                false => self.windows.clone(),
            },
            connected_ms: self.connected,
            overlap_fits: self.overlap_fits,
            overlap_fails: self.overlap_fails,
            wrong_fails: self.wrong_fails,
            unnoticed_fails: self.unnoticed_fails,
            value_bytes: self.value_bytes,
            whole_value: self.whole_value,
            coalescing_saves: self.coalescing_saves,
        }
    }

    /// The command that prints the same fit, without the options that have their default value.
    fn command(&self) -> String {
        let mut command = "atomik eval fit".to_owned();
        let default = Thresholds::default();
        let mut option = |name: &str, value: f64, default: f64| {
            if value != default {
                // Writing to a string cannot fail.
                let _ = write!(command, " --{name} {value}");
            }
        };
        option("overlap-fits", self.overlap_fits, default.overlap_fits);
        option("overlap-fails", self.overlap_fails, default.overlap_fails);
        option("wrong-fails", self.wrong_fails, default.wrong_fails);
        option(
            "unnoticed-fails",
            self.unnoticed_fails,
            default.unnoticed_fails,
        );
        option(
            "connected",
            self.connected as f64,
            default.connected_ms as f64,
        );
        option(
            "value-bytes",
            self.value_bytes as f64,
            default.value_bytes as f64,
        );
        option("whole-value", self.whole_value, default.whole_value);
        option(
            "coalescing-saves",
            self.coalescing_saves,
            default.coalescing_saves,
        );
        for window in &self.windows {
            let _ = write!(command, " --window {window}");
        }
        let _ = write!(command, " {}", self.trace.display());
        command
    }
}
