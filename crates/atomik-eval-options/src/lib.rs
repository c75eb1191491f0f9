//! The command line of `atomik-eval`. `atomik` parses it as well, so that its help, completions and
//! manual have the options of a program that takes minutes to compile.

#![forbid(unsafe_code)]
#![allow(
    missing_docs,
    reason = "what clap shows of an option is its documentation"
)]

pub mod report;
pub mod review;
pub mod run;
pub mod scale;

#[derive(clap::Subcommand, Debug)]
pub enum Command {
    /// Run a trace through the compared systems on one simulated network
    Run(run::Args),
    /// Measure how cost grows with history, nodes and keys
    Scale(scale::Args),
    /// Render the JSON of a review as a page or as tables
    Report(report::Args),
    /// Fit, run, scale and report in one command
    Review(review::Args),
}
