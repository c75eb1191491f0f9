//! `atomik man`: manual pages.

use std::fs;
use std::path::PathBuf;

use atomik_terminal::{OutputError, Status, print};
use clap::ValueHint;

use crate::error::CommandError;

const EXAMPLES: &str = "\
Examples:
  atomik man | man -l -
  atomik man -o ~/.local/share/man/man1";

/// Print the manual page, or write one page per command
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Write a page for each command to this folder, created if missing, instead of printing the
    /// page of atomik
    #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    out: Option<PathBuf>,
}

pub fn run(args: &Args, command: clap::Command) -> Result<Status, CommandError> {
    let Some(folder) = &args.out else {
        let mut text = Vec::new();
        clap_mangen::Man::new(command)
            .render(&mut text)
            .map_err(OutputError::Write)?;
        print(String::from_utf8_lossy(&text))?;
        return Ok(Status::Done);
    };
    let failed = |source| CommandError::folder(folder, source);
    fs::create_dir_all(folder).map_err(failed)?;
    clap_mangen::generate_to(command, folder).map_err(failed)?;
    Ok(Status::Done)
}
