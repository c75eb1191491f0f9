//! `atomik eval`: does a workload fit deltas that xor or add?
//!
//! Commands on traces run here. The comparison with other systems takes minutes to compile, so it
//! is a program of its own, atomik-eval, whose options are parsed here for help and completions.

mod fit;
mod generate;
mod import;
mod trace_output;

use std::ffi::OsString;

use atomik_terminal::Status;

use crate::companion::Companion;
use crate::error::CommandError;

pub use fit::fit_text;

pub const NOTE: &str = "\
run, scale, report and review are in atomik-eval, which is searched for beside this program, then on
PATH; `make atomik-eval` builds it.";

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    Import(import::Args),
    Generate(generate::Args),
    Fit(fit::Args),
    #[command(flatten)]
    Compare(atomik_eval_options::Command),
}

impl Command {
    /// Runs the command. `arguments` are all of the program's, the first of which is its name.
    pub fn run(&self, arguments: &[OsString]) -> Result<Status, CommandError> {
        match self {
            Self::Import(args) => import::run(args),
            Self::Generate(args) => generate::run(args),
            Self::Fit(args) => fit::run(args),
            // The program parses the same options again.
            Self::Compare(_) => {
                let rest = arguments.iter().skip(2).cloned();
                match Companion::Eval.exec(rest)? {}
            }
        }
    }
}
