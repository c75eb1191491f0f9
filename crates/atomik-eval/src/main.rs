//! The `atomik-eval` command: the subcommands of `atomik eval` that compare systems, which take
//! minutes to compile. `atomik eval` runs this program for them.

mod cli;

use std::process::ExitCode;

use atomik_eval_options::Command;
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
