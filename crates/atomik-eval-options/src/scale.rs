//! `atomik eval scale`.

use std::path::PathBuf;

use clap::ValueHint;

use crate::run::{World, positive};

const EXAMPLES: &str = "\
The workload is generated: all nodes toggle flags of 1000 keys. For --axis nodes it has 2000
operations; for --axis keys, one operation per key on average.

Examples:
  atomik eval scale
  atomik eval scale --axis history --values 1000,10000
  atomik eval scale --axis history --systems ATOMiK,CRDT --patience-min 60
  atomik eval scale --axis nodes --values 1000 --systems ATOMiK";

#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Dimension that grows [default: each in turn]
    #[arg(long)]
    pub axis: Option<Along>,
    /// Sizes at which to measure [default: depends on the axis]
    #[arg(long, value_delimiter = ',', value_name = "N", requires = "axis",
          value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub values: Vec<u64>,
    /// Systems to run, by name or prefix [default: all in this build]
    #[arg(long, alias = "peers", value_delimiter = ',', value_name = "NAME")]
    pub systems: Vec<String>,
    #[command(flatten)]
    pub patience: Patience,
    #[command(flatten)]
    pub world: World,
    /// Print figures as JSON instead of tables
    #[arg(long)]
    pub json: bool,
    /// Record measurements in this file, and use those already in it: after an interruption, the
    /// same command continues from there
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub journal: Option<PathBuf>,
}

#[derive(clap::Args, Clone, Copy, Debug)]
pub struct Patience {
    /// Time limit in minutes for one measurement of growth of one system; a measurement that would
    /// take longer, judging by smaller ones, is skipped
    #[arg(long, default_value_t = 5.0, value_name = "MIN", value_parser = positive)]
    pub patience_min: f64,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug)]
pub enum Along {
    History,
    Nodes,
    Keys,
}
