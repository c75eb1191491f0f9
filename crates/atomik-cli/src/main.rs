//! The `atomik` command: parses its arguments, calls the libraries, prints what they say.

mod args;
mod companion;
mod device;
mod doctor;
mod failure;
mod fpga;
mod hdl;
mod model;
mod pages;
mod regress;
mod repl;
mod replica;
mod sim;
mod table;
mod trace;

use std::io::{self, BufWriter, StdoutLock, Write as _};
use std::process::ExitCode;

use clap::Parser as _;

use args::{Cli, Command, HdlCommand, ModelCommand, SimCommand, TraceCommand};
use companion::Companion;
use failure::Failure;

/// How a command ended that did what it was asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Fine,
    CheckFailed,
    ToolFailed,
    Stopped,
}

impl Outcome {
    /// The exit status, as `atomik --help` documents it.
    fn status(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::CheckFailed => 1,
            Self::ToolFailed => 3,
            Self::Stopped => 130,
        }
    }
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Model(ModelCommand::Run(args)) => model::run(&args),
        Command::Model(ModelCommand::Repl(args)) => repl::run(&args),
        Command::Trace(TraceCommand::Diff(args)) => trace::diff(&args),
        Command::Trace(TraceCommand::Random(args)) => trace::random(&args),
        Command::Hdl(HdlCommand::Generate(args)) => hdl::generate(&args),
        Command::Hdl(HdlCommand::Waves(args)) => hdl::waves(&args),
        Command::Hdl(HdlCommand::List { json }) => hdl::list(json),
        Command::Sim(SimCommand::Run(args)) => sim::run(&args),
        Command::Sim(SimCommand::Regress(args)) => regress::regress(&args),
        Command::Sim(SimCommand::Replay(args)) => sim::replay(&args),
        Command::Sim(SimCommand::Bench(args)) => sim::bench(&args),
        Command::Fpga(command) => fpga::run(&command),
        Command::Device(args) => device::run(&args),
        Command::Replica(command) => replica::run_command(&command),
        Command::Node { args } => Companion::Node.run(&args),
        Command::Eval { args } => Companion::Eval.run(&args),
        Command::Doctor => doctor::run(),
        Command::Completions { shell } => pages::completions(shell),
        Command::Man { out } => pages::man(out.as_deref()),
    };
    match result {
        Ok(outcome) => ExitCode::from(outcome.status()),
        // Whoever closed our output has seen enough.
        Err(failure) if failure.is_closed_output() => ExitCode::SUCCESS,
        Err(failure) => {
            say(failure.text());
            ExitCode::from(failure.status())
        }
    }
}

/// Puts one message on the standard error. There is nobody left to tell when that fails.
fn say(message: impl std::fmt::Display) {
    let _ = writeln!(io::stderr(), "atomik: {message}");
}

/// Prints to the standard output, to its end.
fn print(text: impl std::fmt::Display) -> Result<(), Failure> {
    let mut out = stdout();
    write!(out, "{text}").map_err(Failure::Output)?;
    out.flush().map_err(Failure::Output)
}

/// Prints `value` as JSON.
fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(Failure::Json)?;
    print(text + "\n")
}

/// The standard output, for much to be written. The caller flushes it, to see the last errors.
fn stdout() -> BufWriter<StdoutLock<'static>> {
    BufWriter::with_capacity(1 << 16, io::stdout().lock())
}
