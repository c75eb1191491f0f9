//! `atomik eval report`.

use std::fs;
use std::path::Path;

use atomik_arena::figures::Review;
use atomik_eval::report;
use atomik_eval_options::report::{Args, Format};
use atomik_terminal::{Status, print, spare, width};
use atomik_workload::trace_writer::write_whole;
use serde::Deserialize;

use super::error::CommandError;

pub fn run(args: &Args) -> Result<Status, CommandError> {
    spare(&args.output, [&args.review])?;
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
        Some(file) => write_whole(file, &text)?,
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
    let text = fs::read(file).map_err(CommandError::file(file))?;
    let wrong = |source| CommandError::NotAReview {
        file: file.to_owned(),
        source,
    };
    let Versioned { format } = serde_json::from_slice(&text).map_err(wrong)?;
    if format != report::FORMAT {
        let file = file.to_owned();
        return Err(CommandError::Format { file, format });
    }
    serde_json::from_slice(&text).map_err(wrong)
}
