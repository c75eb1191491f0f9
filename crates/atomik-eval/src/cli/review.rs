//! `atomik eval review`: import, fit, run, scale and report in one go.

use std::cell::Cell;
use std::fs::Metadata;
use std::path::Path;
use std::time::Duration;

use atomik_arena::figures::{Review, Scaling};
use atomik_arena::scaling::Axis;
use atomik_eval::report;
use atomik_eval_options::review::Args;
use atomik_eval_options::run::Choice;
use atomik_terminal::{OutputError, Status, print, spare, spinner, width};
use atomik_workload::fit::{self, Fit, Thresholds};
use atomik_workload::import::{ImportError, flights};
use atomik_workload::trace_writer::{TraceWriter, write_whole};
use atomik_workload::workload::Reader;
use indicatif::{ProgressBar, ProgressStyle};

use super::error::CommandError;
use super::journal::{Journal, Subject};
use super::machine::machine;
use super::program::ATOMIK_EVAL;
use super::run::{command, everyone, measure, quoted, read, settings, systems};
use super::scale;

/// Operations to simulate by default, from the start of the trace; the verdict covers all of it.
const OPS: usize = 20_000;
/// Examples per field of what goes wrong.
const EXAMPLES_KEPT: usize = 3;

/// Progress on stderr, counted in operations on three nodes: steps differ a thousandfold in cost.
struct Progress {
    bar: ProgressBar,
    /// The position of the bar at the end of the current step.
    next: Cell<u64>,
}

impl Progress {
    fn new(work: u64) -> Self {
        let bar = ProgressBar::new(work);
        let template = "{bar:30} {percent} %, {elapsed} gone, about {eta} left: {msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        let next = Cell::new(0);
        Self { bar, next }
    }

    /// Ends the current step and starts the next one, which costs `work`.
    fn next(&self, work: u64, what: &str) {
        self.bar.set_position(self.next.get());
        self.next.set(self.next.get() + work);
        if self.bar.is_hidden() {
            ATOMIK_EVAL.message(what);
        } else {
            self.bar.set_message(what.to_owned());
        }
    }

    /// Skips `work` that turned out unnecessary.
    fn less(&self, work: u64) {
        self.bar.dec_length(work);
    }
}

pub fn run(args: &Args) -> Result<Status, CommandError> {
    let beside = |extension| {
        let file = args.output.as_ref().or(args.json.as_ref());
        file.map(|file| file.with_extension(extension))
    };
    let journal = beside("journal");
    let imported = match (is_flights(&args.trace), &args.output) {
        (true, None) => return Err(CommandError::NoPlaceForTrace),
        (true, Some(_)) => beside("jsonl"),
        (false, _) => None,
    };
    let outputs = [&args.output, &args.json, &journal, &imported];
    spare(outputs.into_iter().flatten(), [&args.trace])?;
    let is_stream = |data: Metadata| !data.is_file() && !data.is_dir();
    if args.trace.as_os_str() == "-" || args.trace.metadata().is_ok_and(is_stream) {
        return Err(CommandError::Stream(args.trace.clone()));
    }
    // Before hours of measurements, not after.
    let mut results = [&args.output, &args.json].into_iter().flatten();
    if let Some(folder) = results.find(|file| file.is_dir()) {
        return Err(CommandError::Folder(folder.clone()));
    }
    let mut commands = Vec::new();
    let trace = match &imported {
        None => &args.trace,
        Some(file) => {
            import_flights(&args.trace, file)?;
            let (from, to) = (args.trace.to_string_lossy(), file.to_string_lossy());
            commands.push(format!(
                "atomik eval import flights {} -o {}",
                quoted(&from),
                quoted(&to)
            ));
            file
        }
    };
    let mut journal = match &journal {
        Some(file) => Journal::open(file, &Subject::here(Some(trace))?)?,
        None => Journal::none(),
    };
    let ops = args.choice.ops.unwrap_or(OPS);
    let choice = Choice {
        ops: Some(ops),
        ..args.choice.clone()
    };
    let systems = systems(&choice)?.len() as u64;
    let axes: &[Axis] = if args.scale { &Axis::ALL } else { &[] };
    let ops = ops as u64;
    let points: u64 = axes
        .iter()
        .flat_map(|axis| axis.values().iter().map(|&x| axis.work(x)))
        .sum();
    let waits = 1 + u64::from(args.linger.ms().is_some());
    let runs = systems * waits * args.faults.len() as u64 + 1;
    let progress = Progress::new(runs * ops + systems * points);

    progress.next(ops, "fit");
    let fit = judge(trace)?;
    commands.push(fit.command.clone());
    let workload = read(&choice, trace)?;
    let mut runs = Vec::new();
    for &fault in &args.faults {
        let settings = settings(&args.world, &workload, &[fault])?;
        let name = settings.faults;
        runs.push(measure(
            trace,
            &workload,
            &settings,
            (&choice, &args.world, args.linger),
            |job| {
                let waits = if job.settings.linger > 0 {
                    ", linger"
                } else {
                    ""
                };
                progress.next(ops, &format!("faults {name}{waits}: {}", job.name()));
                journal.measure(job)
            },
        )?);
        let (faults, linger) = (settings.faults, args.linger.ms());
        commands.push(command(trace, &choice, &args.world, faults, linger, None));
    }
    let mut scaling = Vec::new();
    for &axis in axes {
        let series = scale::series(
            (axis, axis.values()),
            args.patience,
            &choice,
            &args.world,
            |job| {
                let (x, name) = (job.size, job.name());
                progress.next(axis.work(x), &format!("{x} {}: {name}", axis.label()));
                journal.measure(job)
            },
        )?;
        progress.less(series.left_out.iter().map(|point| axis.work(point.x)).sum());
        commands.push(series.command.clone());
        scaling.push(series);
    }
    progress.bar.finish_and_clear();

    let review = Review {
        format: report::FORMAT,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        date: date(),
        machine: machine(),
        fit,
        runs,
        scaling,
        commands,
    };
    if let Some(file) = &args.json {
        let mut text = serde_json::to_string_pretty(&review).map_err(OutputError::Json)?;
        text.push('\n');
        write_whole(file, &text)?;
    }
    if let Some(file) = &args.output {
        write_whole(file, &report::page(&review)?)?;
    }
    print(report::terminal(&review, width()))?;
    journal.remove()?;
    let mut all = review.runs.iter().flat_map(everyone);
    let grown = review.scaling.iter().all(Scaling::is_fine);
    Ok(if grown && all.all(|system| system.converged) {
        Status::Done
    } else {
        Status::CheckFailed
    })
}

/// Imports the flights as `atomik eval import flights` does.
fn import_flights(input: &Path, file: &Path) -> Result<(), CommandError> {
    let mut writer = TraceWriter::create(Some(file))?;
    let progress = spinner("importing the flights");
    let imported = flights::import(input, flights::Change::Toggle, &mut |line| {
        writer.write(&line)
    });
    progress.finish_and_clear();
    let report = imported.map_err(|error| match error {
        ImportError::Sink(error) => CommandError::from(writer.error(error)),
        error => error.into(),
    })?;
    eprintln!("flights: {}; {report}", writer.finish()?);
    for note in &report.notes {
        eprintln!("  {note}");
    }
    Ok(())
}

fn is_flights(path: &Path) -> bool {
    let name = path.to_string_lossy();
    path.is_dir() || name.ends_with(".csv") || name.ends_with(".csv.zip")
}

fn judge(trace: &Path) -> Result<Fit, CommandError> {
    let words = trace.to_string_lossy();
    let command = format!("atomik eval fit {}", quoted(&words));
    let fit = fit::fit(
        Reader::open(trace)?,
        Thresholds::default(),
        EXAMPLES_KEPT,
        &words,
        &command,
    )?;
    Ok(fit)
}

/// Today, in UTC.
fn date() -> String {
    let [year, month, day] = {
        let now = time::OffsetDateTime::now_utc();
        [now.year(), u8::from(now.month()).into(), now.day().into()]
    };
    format!("{year:04}-{month:02}-{day:02}")
}
