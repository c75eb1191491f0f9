//! `atomik eval report`.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use atomik_arena::figures::Review;
use atomik_eval::report;
use serde::Deserialize;

use super::{Failure, Outcome};

/// How wide a table may be where nobody says.
const WIDTH: usize = 140;

#[derive(clap::Args, Debug)]
pub struct Args {
    /// What `atomik eval review --json` wrote
    review: PathBuf,

    /// Where to write it; to standard output if left out
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// The form; if left out, a page into a file and tables onto standard output
    #[arg(long, value_enum)]
    format: Option<Format>,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// One page of HTML that loads nothing
    Html,
    /// Tables for a terminal
    Table,
    /// The compact tables of a README
    Markdown,
}

pub fn run(args: &Args) -> Result<Outcome, Failure> {
    let review = read(&args.review)?;
    let format = args.format.unwrap_or(match args.output {
        Some(_) => Format::Html,
        None => Format::Table,
    });
    let text = match format {
        Format::Html => report::page(&review).map_err(|error| Failure::Input(error.to_string()))?,
        Format::Table => report::terminal(&review, width()),
        Format::Markdown => report::overview(&review),
    };
    match &args.output {
        Some(file) => fs::write(file, text).map_err(Failure::file(file))?,
        None => io::stdout().lock().write_all(text.as_bytes())?,
    }
    Ok(Outcome::Fine)
}

/// As many characters as the terminal has.
pub fn width() -> usize {
    comfy_table::Table::new()
        .width()
        .map_or(WIDTH, |width| usize::from(width).max(40))
}

/// All that is the same in every version of the format.
#[derive(Deserialize)]
struct Versioned {
    format: u32,
}

fn read(file: &Path) -> Result<Review, Failure> {
    let text = fs::read_to_string(file).map_err(Failure::file(file))?;
    let again = "make it again with `atomik eval review TRACE --json`";
    let wrong = |error: serde_json::Error| {
        Failure::Input(format!(
            "{}: not a review: {error}; {again}",
            file.display()
        ))
    };
    let Versioned { format } = serde_json::from_str(&text).map_err(wrong)?;
    if format != report::FORMAT {
        return Err(Failure::Input(format!(
            "{}: format {format}, and this program shows format {}; {again}",
            file.display(),
            report::FORMAT
        )));
    }
    serde_json::from_str(&text).map_err(wrong)
}
