//! The `atomik` command: parses its arguments, calls the libraries, prints what they say.

mod args;
mod failure;
mod model;
mod pages;
mod repl;
mod trace;

use std::io::{self, BufWriter, StdoutLock, Write as _};
use std::process::ExitCode;

use clap::Parser as _;

use args::{Cli, Command, ModelCommand, TraceCommand};

/// How a command ended that did what it was asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Fine,
    CheckFailed,
}

impl Outcome {
    /// The exit status, as `atomik --help` documents it.
    fn status(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::CheckFailed => 1,
        }
    }
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Model(ModelCommand::Run(args)) => model::run(&args),
        Command::Model(ModelCommand::Repl(args)) => repl::run(&args),
        Command::Trace(TraceCommand::Diff(args)) => trace::diff(&args),
        Command::Trace(TraceCommand::Random(args)) => trace::random(&args),
        Command::Completions { shell } => pages::completions(shell),
        Command::Man { out } => pages::man(out.as_deref()),
    };
    match result {
        Ok(outcome) => ExitCode::from(outcome.status()),
        // Whoever closed our output has seen enough.
        Err(failure) if failure.is_closed_output() => ExitCode::SUCCESS,
        Err(failure) => {
            say(&failure);
            ExitCode::from(failure.status())
        }
    }
}

/// Puts one message on the standard error. There is nobody left to tell when that fails.
fn say(message: impl std::fmt::Display) {
    let _ = writeln!(io::stderr(), "atomik: {message}");
}

/// The standard output, for much to be written. The caller flushes it, to see the last errors.
fn stdout() -> BufWriter<StdoutLock<'static>> {
    BufWriter::with_capacity(1 << 16, io::stdout().lock())
}
