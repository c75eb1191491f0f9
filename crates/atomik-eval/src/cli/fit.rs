//! `atomik eval fit`.

use std::fmt::{self, Write as _};
use std::fs::File;
use std::io::{self, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};

use atomik_workload::fit::{self, FieldFit, Fit, Thresholds, Window, percent};
use atomik_workload::workload::{Reader, TraceError};
use comfy_table::{CellAlignment, Table, presets};
use indicatif::{HumanCount, ProgressBar, ProgressStyle};

use super::{Failure, Outcome};

const EXAMPLES: &str = "\
The trace is run through a model of xor replication, once for each window: a node sees its own changes at once
and those of other nodes when they are a window old. What comes out is compared with what the operations mean in
the order of the trace. The verdict is by the widest window, and by the worst field:

  DOES NOT FIT          lists, text; counters with several writers of one key; values longer than --value-bytes,
                        sets of more elements than that has bits; more overlaps than --overlap-fails, or more
                        wrong states than --wrong-fails
  FITS WITH CONDITIONS  what the reasons name: several writers, overlaps beyond --overlap-fits, toggles that may
                        not have been meant as parity, padding, a closed universe of elements, no gain
  FITS                  none of these

Examples:
  atomik eval fit flights.jsonl
  atomik eval fit --window 50 --window 500 trace.jsonl     what if changes arrive within half a second
  atomik eval fit --overlap-fits 0.0001 --strict trace.jsonl && echo worth a test
  atomik eval generate counter | atomik eval fit -
  atomik eval fit --json trace.jsonl > fit.json

Exit status: 0 measured, 1 it does not fit and --strict was given, 2 bad input.";

#[derive(clap::Args, Debug)]
#[command(after_long_help = EXAMPLES, after_help = "`--help` has examples, and how the verdict is made.")]
pub struct Args {
    /// The trace, one JSON object a line; `-` reads the standard input
    trace: PathBuf,
    /// Changes reach the other nodes within so many milliseconds; again for another, the widest
    /// decides [default: 10 100 1000 10000]
    #[arg(long = "window", value_name = "MS")]
    windows: Vec<u64>,
    /// Overlapping operations, as a share of all, up to which a field fits without conditions
    #[arg(long, value_name = "SHARE", default_value_t = Thresholds::OVERLAP_FITS, value_parser = share)]
    overlap_fits: f64,
    /// Overlapping operations, toggles apart, beyond which it does not fit
    #[arg(long, value_name = "SHARE", default_value_t = Thresholds::OVERLAP_FAILS, value_parser = share)]
    overlap_fails: f64,
    /// Operations that leave a wrong state, beyond which it does not fit
    #[arg(long, value_name = "SHARE", default_value_t = Thresholds::WRONG_FAILS, value_parser = share)]
    wrong_fails: f64,
    /// The most bytes of a value, 8 to 128
    #[arg(long, value_name = "BYTES", default_value_t = Thresholds::VALUE_BYTES,
          value_parser = clap::value_parser!(u64).range(8..=Thresholds::VALUE_BYTES))]
    value_bytes: u64,
    /// Share of a value's words that operations change from which they count as replacing all of it
    #[arg(long, value_name = "SHARE", default_value_t = Thresholds::WHOLE_VALUE, value_parser = share)]
    whole_value: f64,
    /// Operations by entry sent from which coalescing counts as saving something
    #[arg(long, value_name = "FACTOR", default_value_t = Thresholds::COALESCING_SAVES, value_parser = factor)]
    coalescing_saves: f64,
    /// Examples of what xor gets wrong, of each field
    #[arg(long, value_name = "COUNT", default_value_t = 3)]
    examples: usize,
    /// Write all of it as JSON
    #[arg(long)]
    json: bool,
    /// Exit with status 1 if it does not fit
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
        _ => Err("a factor is a number from 1".into()),
    }
}

pub fn run(args: &Args) -> Result<Outcome, Failure> {
    let fit = measure(args)?;
    if fit.operations == 0 {
        return Err(Failure::Input(format!(
            "{}: no operations; `atomik eval import` and `atomik eval generate` make traces",
            args.trace.display()
        )));
    }
    let mut out = io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &fit).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        write!(out, "{}", Shown(&fit))?;
    }
    out.flush()?;
    Ok(match fit.verdict {
        fit::Verdict::DoesNotFit if args.strict => Outcome::CheckFailed,
        _ => Outcome::Fine,
    })
}

fn measure(args: &Args) -> Result<Fit, Failure> {
    let name = args.trace.display().to_string();
    if args.trace == Path::new("-") {
        let input = BufReader::with_capacity(1 << 16, io::stdin().lock());
        let reader = Reader::new(input, Path::new("standard input"));
        return Ok(fit::fit(
            reader,
            args.thresholds(),
            args.examples,
            &name,
            &args.command(),
        )?);
    }
    let file = File::open(&args.trace).map_err(|source| TraceError::Io {
        file: args.trace.clone(),
        source,
    })?;
    let bar = progress(file.metadata().map_or(0, |data| data.len()));
    let input: Box<dyn Read> = Box::new(bar.wrap_read(file));
    let reader = Reader::new(BufReader::with_capacity(1 << 16, input), &args.trace);
    let fit = fit::fit(
        reader,
        args.thresholds(),
        args.examples,
        &name,
        &args.command(),
    );
    bar.finish_and_clear();
    Ok(fit?)
}

/// A bar on the standard error, which shows only on a terminal.
fn progress(bytes: u64) -> ProgressBar {
    let bar = ProgressBar::new(bytes);
    let style = "{spinner} {bytes}/{total_bytes}  [{wide_bar}]  {bytes_per_sec}  {eta} left";
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}

impl Args {
    fn thresholds(&self) -> Thresholds {
        Thresholds {
            windows_ms: match self.windows.is_empty() {
                true => Thresholds::WINDOWS_MS.to_vec(),
                false => self.windows.clone(),
            },
            overlap_fits: self.overlap_fits,
            overlap_fails: self.overlap_fails,
            wrong_fails: self.wrong_fails,
            value_bytes: self.value_bytes,
            whole_value: self.whole_value,
            coalescing_saves: self.coalescing_saves,
        }
    }

    /// The command that prints the same, without what is as it is by default.
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

/// A verdict for people.
struct Shown<'a>(&'a Fit);

/// Rows of a table; the JSON has all.
const ROWS: usize = 20;

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fit = self.0;
        writeln!(f, "{}", fit.verdict)?;
        writeln!(
            f,
            "{}: {} operations on {} keys by {} nodes within {}",
            fit.trace,
            HumanCount(fit.operations),
            HumanCount(fit.keys),
            fit.nodes,
            duration(fit.recorded_ms),
        )?;
        writeln!(f)?;
        for reason in &fit.reasons {
            writeln!(f, "- {reason}")?;
        }
        let mut fields: Vec<&FieldFit> = fit.fields.iter().collect();
        fields.sort_by_key(|field| std::cmp::Reverse(operations(field)));
        let shown = &fields[..fields.len().min(ROWS)];
        writeln!(f, "\n{}", field_table(fit, shown))?;
        if fields.len() > ROWS {
            writeln!(
                f,
                "and {} fields more: --json has them",
                fields.len() - ROWS
            )?;
        }
        writeln!(f, "\n{}", window_table(fit, shown))?;
        if fit.fields.len() > 1 {
            for field in shown {
                writeln!(
                    f,
                    "\n{:?}, a {}: {}",
                    field.name, field.class, field.verdict
                )?;
                for reason in &field.reasons {
                    writeln!(f, "- {reason}")?;
                }
            }
        }
        examples(f, shown)?;
        limits(f, &fit.thresholds)?;
        writeln!(f, "{}", fit.command)
    }
}

fn operations(field: &FieldFit) -> u64 {
    field.operations.values().sum()
}

/// As the tables of the other commands: it reads as Markdown, too.
fn table(headings: &[&str], numbers: usize) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(headings);
    for column in table.column_iter_mut().skip(numbers) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn field_table(fit: &Fit, fields: &[&FieldFit]) -> Table {
    let headings = [
        "field",
        "class",
        "verdict",
        "operations",
        "keys",
        "one writer",
        "wrong",
        "bytes",
        "words",
        "changed",
    ];
    let mut table = table(&headings, 3);
    for field in fields {
        let operations: Vec<String> = field
            .operations
            .iter()
            .map(|(name, count)| format!("{} {name}", HumanCount(*count)))
            .collect();
        let width = &field.width;
        table.add_row([
            format!("{:?}", field.name),
            field.class.to_string(),
            field.verdict.to_string(),
            operations.join(", "),
            HumanCount(field.keys).to_string(),
            percent(field.single_writer_share),
            HumanCount(field.wrong_operations).to_string(),
            match (width.least == width.most, width.fixed) {
                (true, true) => width.most.to_string(),
                _ => format!("{}-{}", width.least, width.most),
            },
            field.words.to_string(),
            percent(field.changed_word_ratio),
        ]);
    }
    if fit.fields.len() > 1 {
        table.add_row([
            "all".to_owned(),
            String::new(),
            fit.verdict.to_string(),
            HumanCount(fit.operations).to_string(),
            HumanCount(fit.keys).to_string(),
            percent(fit.single_writer_share),
            HumanCount(fit.wrong_operations).to_string(),
        ]);
    }
    table
}

fn window_table(fit: &Fit, fields: &[&FieldFit]) -> Table {
    let headings = [
        "field",
        "window, ms",
        "concurrent",
        "overlapping",
        "wrong",
        "operations/entry",
    ];
    let mut table = table(&headings, 1);
    let mut rows = |name: &str, windows: &[Window]| {
        for window in windows {
            table.add_row([
                name.to_owned(),
                HumanCount(window.ms).to_string(),
                percent(window.concurrent),
                percent(window.overlapping),
                HumanCount(window.wrong).to_string(),
                format!("{:.2}", window.coalescing),
            ]);
        }
    };
    for field in fields {
        rows(&format!("{:?}", field.name), &field.windows);
    }
    if fit.fields.len() > 1 {
        rows("all", &fit.windows);
    }
    table
}

fn examples(f: &mut fmt::Formatter<'_>, fields: &[&FieldFit]) -> fmt::Result {
    let wrong: Vec<_> = fields
        .iter()
        .flat_map(|field| field.wrong.iter().map(move |wrong| (field, wrong)))
        .collect();
    if wrong.is_empty() {
        return Ok(());
    }
    writeln!(f, "\nWhat xor gets wrong, for example:")?;
    for (field, wrong) in wrong {
        let lines: Vec<String> = wrong.lines.iter().map(u64::to_string).collect();
        writeln!(
            f,
            "- lines {}, key {:?}, field {:?}: meant {}, xor gives {}.\n  {}",
            lines.join(", "),
            wrong.key,
            field.name,
            wrong.meant,
            wrong.got,
            wrong.why
        )?;
    }
    Ok(())
}

fn limits(f: &mut fmt::Formatter<'_>, thresholds: &Thresholds) -> fmt::Result {
    writeln!(
        f,
        "\nLimits: overlapping {} without conditions, {} at most; wrong {} at most; {} bytes a value; whole values from {} of the words, coalescing from {} operations an entry. The widest window decides.",
        percent(thresholds.overlap_fits),
        percent(thresholds.overlap_fails),
        percent(thresholds.wrong_fails),
        thresholds.value_bytes,
        percent(thresholds.whole_value),
        thresholds.coalescing_saves,
    )
}

/// `2.5 h`.
fn duration(ms: u64) -> String {
    let ms = ms as f64;
    [
        (86_400e3, "days"),
        (3_600e3, "h"),
        (60e3, "min"),
        (1e3, "s"),
    ]
    .into_iter()
    .find(|(unit, _)| ms >= 2.0 * unit)
    .map_or_else(
        || format!("{ms} ms"),
        |(unit, name)| format!("{:.1} {name}", ms / unit),
    )
}
