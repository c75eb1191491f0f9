//! `atomik completions`: shell completions.

use atomik_terminal::{Status, print};
use clap_complete::Shell;

use crate::error::CommandError;

const EXAMPLES: &str = "\
Examples:
  atomik completions bash > ~/.local/share/bash-completion/completions/atomik
  atomik completions fish > ~/.config/fish/completions/atomik.fish";

/// Print the completion script for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The shell
    shell: Shell,
}

pub fn run(args: &Args, mut command: clap::Command) -> Result<Status, CommandError> {
    // The generator panics on a write error, so it writes to memory.
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut command, "atomik", &mut text);
    print(String::from_utf8_lossy(&text))?;
    Ok(Status::Done)
}
