//! `atomik eval report`.

use std::fs;
use std::path::{Path, PathBuf};

use atomik_arena::figures::Review;
use atomik_eval::report;
use atomik_terminal::{Status, print, spare, width};
use clap::ValueHint;
use serde::Deserialize;

use super::error::CommandError;

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
    review: PathBuf,

    /// Write the report to this file instead of stdout
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: Option<PathBuf>,

    /// Format of the report [default: html to a file, table to stdout]
    #[arg(long, value_enum)]
    format: Option<Format>,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// A self-contained HTML page
    Html,
    /// Tables for a terminal
    Table,
    /// Compact tables in Markdown
    Markdown,
}

pub fn run(args: &Args) -> Result<Status, CommandError> {
    spare(args.output.as_deref(), [&args.review])?;
    let review = read(&args.review)?;
    let format = args.format.unwrap_or(match args.output {
        Some(_) => Format::Html,
        None => Format::Table,
    });
    let text = match format {
        Format::Html => report::page(&review)?,
        Format::Table => report::terminal(&review, width()),
        Format::Markdown => report::overview(&review),
    };
    match &args.output {
        Some(file) => fs::write(file, text).map_err(CommandError::file(file))?,
        None => print(text)?,
    }
    Ok(Status::Done)
}

/// The part that is the same in every version of the format.
#[derive(Deserialize)]
struct Versioned {
    format: u32,
}

fn read(file: &Path) -> Result<Review, CommandError> {
    let text = fs::read_to_string(file).map_err(CommandError::file(file))?;
    let wrong = |source| CommandError::NotAReview {
        file: file.to_owned(),
        source,
    };
    let Versioned { format } = serde_json::from_str(&text).map_err(wrong)?;
    if format != report::FORMAT {
        let file = file.to_owned();
        return Err(CommandError::Format { file, format });
    }
    serde_json::from_str(&text).map_err(wrong)
}
