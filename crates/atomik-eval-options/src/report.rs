//! `atomik eval report`.

use std::path::PathBuf;

use clap::ValueHint;

const EXAMPLES: &str = "\
Examples:
  atomik eval report review.json
  atomik eval report review.json -o report.html
  atomik eval report review.json --format markdown";

#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The JSON that `atomik eval review --json` wrote
    #[arg(value_hint = ValueHint::FilePath)]
    pub review: PathBuf,

    /// Write the report to this file instead of stdout
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,

    /// Format of the report [default: html to a file, table to stdout]
    #[arg(long, value_enum)]
    pub format: Option<Format>,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A self-contained HTML page
    Html,
    /// Tables for a terminal
    Table,
    /// Compact tables in Markdown
    Markdown,
}
