//! The `atomik-eval` command: the subcommands of `atomik eval` that compare systems, which take
//! minutes to compile. `atomik eval` runs this program for them.

mod cli;

use std::process::ExitCode;

use atomik_terminal::Status;
use clap::Parser;

use cli::error::CommandError;
use cli::program::ATOMIK_EVAL;
use cli::{report, review, run, scale};

/// The allocator counts, so that a system's memory can be measured as what dropping it frees.
#[global_allocator]
static HEAP: &stats_alloc::StatsAlloc<std::alloc::System> = &stats_alloc::INSTRUMENTED_SYSTEM;

/// Compare XOR deltas with Raft, CRDTs and event stores on a trace
///
/// `atomik eval import`, `generate` and `fit` are in the main program.
///
/// Exit status: 0 done, 1 a check failed, 2 bad input, 3 an internal or system error.
#[derive(Parser, Debug)]
#[command(name = "atomik-eval", bin_name = "atomik eval", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    /// Run a trace through the compared systems on one simulated network
    Run(run::Args),
    /// Measure how cost grows with history, nodes and keys
    Scale(scale::Args),
    /// Render the JSON of a review as a page or as tables
    Report(report::Args),
    /// Fit, run, scale and report in one command
    Review(review::Args),
}

fn main() -> ExitCode {
    ATOMIK_EVAL.exit(&run(Cli::parse().command))
}

fn run(command: Command) -> Result<Status, CommandError> {
    match command {
        Command::Run(args) => run::run(&args),
        Command::Scale(args) => scale::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Review(args) => review::run(&args),
    }
}
