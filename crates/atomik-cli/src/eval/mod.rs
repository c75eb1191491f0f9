//! `atomik eval`: does a workload fit deltas that xor or add?
//!
//! Commands on traces run here. The comparison with other systems takes minutes to compile, so it
//! is a program of its own, atomik-eval.

mod fit;
mod generate;
mod import;
mod trace_output;

use atomik_terminal::Status;

use crate::companion::{self, Companion};
use crate::error::CommandError;

pub const NOTE: &str = "\
run, scale, report and review are in atomik-eval, which is searched for beside this program, then on
PATH; `make atomik-eval` builds it.";

const RUN_EXAMPLES: &str = "\
`atomik eval run --help` lists the options once `make atomik-eval` has built the program that has
them.

Examples:
  atomik eval run trace.jsonl --ops 20000 --faults partition";

const SCALE_EXAMPLES: &str = "\
`atomik eval scale --help` lists the options once `make atomik-eval` has built the program that has
them.

Examples:
  atomik eval scale --axis history";

const REPORT_EXAMPLES: &str = "\
`atomik eval report --help` lists the options once `make atomik-eval` has built the program that has
them.

Examples:
  atomik eval report review.json -o report.html";

const REVIEW_EXAMPLES: &str = "\
`atomik eval review --help` lists the options once `make atomik-eval` has built the program that has
them.

Examples:
  atomik eval review trace.jsonl -o report.html";

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    Import(import::Args),
    Generate(generate::Args),
    Fit(fit::Args),
    /// Run a trace through the compared systems on one simulated network
    #[command(after_help = RUN_EXAMPLES, disable_help_flag = true, disable_version_flag = true)]
    Run(companion::Args),
    /// Measure how cost grows with history, nodes and keys
    #[command(after_help = SCALE_EXAMPLES, disable_help_flag = true, disable_version_flag = true)]
    Scale(companion::Args),
    /// Render the JSON of a review as a page or as tables
    #[command(after_help = REPORT_EXAMPLES, disable_help_flag = true, disable_version_flag = true)]
    Report(companion::Args),
    /// Fit, run, scale and report in one command
    #[command(after_help = REVIEW_EXAMPLES, disable_help_flag = true, disable_version_flag = true)]
    Review(companion::Args),
}

impl Command {
    /// `atomik` is the whole command line, for the help of companions that are not built.
    pub fn run(&self, atomik: clap::Command) -> Result<Status, CommandError> {
        let (name, args) = match self {
            Self::Import(args) => return import::run(args),
            Self::Generate(args) => return generate::run(args),
            Self::Fit(args) => return fit::run(args),
            Self::Run(args) => ("run", args),
            Self::Scale(args) => ("scale", args),
            Self::Report(args) => ("report", args),
            Self::Review(args) => ("review", args),
        };
        if args.ask_for_help() && Companion::Eval.find().is_none() {
            return Ok(companion::print_help(atomik, &["eval", name])?);
        }
        match Companion::Eval.exec(Some(name), args)? {}
    }
}
