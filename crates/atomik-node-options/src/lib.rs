//! The command line of `atomik-node`, and its config file. `atomik` parses the command line too, so
//! that its help, completions and manual have the options of a program that takes minutes to
//! compile.

#![forbid(unsafe_code)]
#![allow(
    missing_docs,
    reason = "what clap shows of an option is its documentation"
)]

pub mod command;
pub mod faults;
pub mod key;
pub mod member;
pub mod options;

use std::path::PathBuf;

use clap::ValueHint;

use command::Command;
use options::Options;

#[derive(clap::Args, Debug)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub run: RunArgs,
}

#[derive(clap::Args, Debug)]
pub struct RunArgs {
    /// Config file with options, in TOML; the command line takes precedence
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// Continue as a new origin: required once after restoring the data folder from a copy
    #[arg(long)]
    pub new_identity: bool,
    #[command(flatten)]
    pub options: Options,
}
