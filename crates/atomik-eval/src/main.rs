//! The `atomik-eval` command, which `atomik eval` runs: parses its arguments, calls the library,
//! prints what it says.

mod cli;

use std::io;
use std::process::ExitCode;

use clap::Parser;

use cli::{Failure, Outcome, fit, generate, import, report, review, run, scale};

/// Memory is measured as what a system gives back when it goes.
#[global_allocator]
static HEAP: &stats_alloc::StatsAlloc<std::alloc::System> = &stats_alloc::INSTRUMENTED_SYSTEM;

/// Does a workload fit xor deltas? Measured on its own trace, against Raft, CRDTs and event stores.
///
/// Exit status: 0 done, 1 a check failed, 2 bad input, 3 something broke.
#[derive(Parser, Debug)]
#[command(name = "atomik-eval", bin_name = "atomik eval", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    /// Make a trace of public data, or of versions of files
    Import(import::Args),
    /// Make a trace from a seed
    Generate(generate::Args),
    /// Say whether a trace fits, and why
    Fit(fit::Args),
    /// Run a trace through all systems under one simulated network
    Run(run::Args),
    /// Measure how cost grows with history, nodes and keys
    Scale(scale::Args),
    /// Show what `review --json` wrote as a page or a table
    Report(report::Args),
    /// Fit, run, scale and report in one go
    Review(review::Args),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Import(args) => import::run(&args),
        Command::Generate(args) => generate::run(&args),
        Command::Fit(args) => fit::run(&args),
        Command::Run(args) => run::run(&args),
        Command::Scale(args) => scale::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Review(args) => review::run(&args),
    };
    match result {
        Ok(Outcome::Fine) => ExitCode::SUCCESS,
        Ok(Outcome::CheckFailed) => ExitCode::from(1),
        // Whoever reads the output has enough of it: `atomik eval fit TRACE | head`.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("atomik eval: {failure}");
            ExitCode::from(failure.status())
        }
    }
}
