//! The `atomik-node` command: runs a node, or talks to a running one.

mod cli;

use std::process::ExitCode;

use atomik_terminal::Program;
use clap::Parser as _;

fn main() -> ExitCode {
    Program::named("atomik-node").exit(&cli::Cli::parse().run())
}
